"""The documentation site: pages, links, gallery, and what its code blocks and tables call."""

from __future__ import annotations

import importlib.util
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from browser import CHROMIUM, NO_CHROMIUM, Browser
from docs_scripts import docs_script

import mixedscope as ms
from mixedscope.charts.registry import PUBLIC
from mixedscope.cli.main import main
from mixedscope.tables.schemas import SCHEMAS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


@cache
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_pages", DOCS / "site/pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def pages() -> dict[str, str]:
    """Every page of the site by its name, with links led."""
    own = {
        path.name: site().linked(path.read_text("utf-8"), f"docs/{path.name}")
        for path in DOCS.glob("*.md")
    }
    return {**own, **dict(site().pages()), "gallery.md": site().gallery()[0]}


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text: str) -> set[str]:
    """What can be linked to on a page, as Python-Markdown names it."""
    found = set(re.findall(r"^::: ([\w.]+)", text, re.M))
    for heading in re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
    ):
        plain = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading)
        word = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", word))
    return found


def test_navigation_names_every_page_and_no_other() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("tag:", lambda *_: None)
    config = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader=Loader)

    def leaves(node: object) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        for part in node.values() if isinstance(node, dict) else node:
            if not isinstance(node, str):
                yield from leaves(part)

    named = list(leaves(config["nav"]))
    assert len(named) == len(set(named))
    assert set(named) == set(pages())


def test_every_link_leads_somewhere() -> None:
    pictures = site().gallery()[1]
    dead = []
    for name, text in pages().items():
        for path in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
            if re.match(r"[a-z]+:", path):
                continue
            target, _, anchor = path.partition("#")
            whole = posixpath.normpath(target) if target else name
            if whole in pages():
                known = anchors(pages()[whole]) | {"chart_functions." + c for c in PUBLIC}
                if anchor and anchor not in known:
                    dead.append((name, path))
            elif whole not in pictures and not (DOCS / whole).is_file():
                dead.append((name, path))
    assert dead == []


def test_a_formula_in_a_table_can_be_copied_and_names_lose_their_roles() -> None:
    readable = site().readable
    row = r"<td><code>(x \|\| g)</code></td>"
    assert readable(row) == "<td><code>(x || g)</code></td>"
    assert readable(r"<pre><code>a \| b</code></pre>") == r"<pre><code>a \| b</code></pre>"
    said = "see :meth:<code>mixedscope.Fit.anova</code>, :attr:<code>~a.b.Means.table</code>"
    assert readable(said) == "see <code>Fit.anova</code>, <code>table</code>"


def test_gallery_shows_every_chart_with_what_draws_it() -> None:
    page, pictures = site().gallery()
    for name in PUBLIC:
        assert f"### {name}\n" in page
        assert f"`ms.charts.{name}(" in page
    assert len(pictures) == len(PUBLIC)
    assert [path for path in pictures.values() if not path.is_file()] == []


def test_everything_public_has_its_place_in_the_reference() -> None:
    text = "\n".join(pages()[name] for name in pages() if name.startswith("api"))
    for name in ms.__all__:
        if name not in ("__version__", "charts", "errors"):
            assert re.search(rf"^::: mixedscope\.[\w.]+\.{name}$", text, re.M), name
    space: dict[str, object] = {}
    exec(site().chart_functions().replace("from typing import Any", "Any = None"), space)
    assert set(ms.charts.__all__) <= set(space)


def test_keys_and_tables_are_those_of_the_schemas() -> None:
    keys = pages()["keys.md"]
    for key in ("datasets", "crossvalidation", "rhoend"):
        assert (f"| `{key}` |" in keys) == (key != "rhoend")
    for kind, schema in SCHEMAS.items():
        section = pages()["tables.md"].split(f"\n## {kind}\n")[1].split("\n## ")[0]
        for column in schema.columns or ():
            assert f"| `{column}` |" in section


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRIALS = {
    "simulate": {
        "seed": 11,
        "formula": "rt ~ 1 + load + (1 + load | subject) + (1 | item)",
        "units": {"subject": 24, "item": 16},
        "conditions": {"load": ["low", "high"]},
        "beta": {"(Intercept)": 560, "loadhigh": 40},
        "sigma": 60,
        "random": {"subject": {"sd": [50, 20]}, "item": {"sd": 25}},
    }
}


@pytest.mark.exhaustive
def test_quick_start_works_as_it_stands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ms.load_dataset(TRIALS).to_csv("trials.csv", index=False)
    page = (DOCS / "quick-start.md").read_text("utf-8")
    commands = [
        shlex.split(line)[1:]
        for block in re.findall(r"```sh\n(.*?)```", page, re.S)
        for line in block.splitlines()
        if line.startswith("mixedscope ")
    ]
    assert [command[0] for command in commands] == ["fit", "init"]
    for command in commands:
        assert main(command) == 0
    named = re.findall(r"`(look/[^`]+)`", page)
    assert len(named) == 4
    assert [name for name in named if not (here / name).is_file()] == []
    assert (here / "my-paper/config.yaml").is_file()
    blocks = docs_script("page_blocks")
    count = sum(1 for _ in blocks.outputs(page))
    assert count == 2
    assert (here / "check.pdf").is_file()


@pytest.mark.exhaustive
def test_what_other_programs_call_works_here_by_its_name(here: Path) -> None:
    page = (DOCS / "coming-from.md").read_text("utf-8")
    blocks = docs_script("page_blocks")
    space = [own for _, _, own in blocks.outputs(page)][-1]
    calls = [call for call in blocks.calls(page) if call not in DEFAULTS]
    assert len(calls) > 50
    for call in dict.fromkeys(calls):
        blocks.run(call, space)


#: Words in the last column of the table of defaults that are no calls of their own.
DEFAULTS = {
    "REML=True", "categorical", "auto", "pybobyqa", "boundary optimum", 'unidentified="allow"',
    'levels="population"',
}  # fmt: skip

ECHO = 'self.addEventListener("message", (event) => postMessage(event.data + " heard"));'
ASKS = """<!doctype html><p id="said"></p><script src="iframe-worker.js"></script><script>
const worker = new Worker("worker.js");
worker.addEventListener("message", (event) => { said.textContent += event.data; });
worker.postMessage("one"); worker.postMessage(", two");
</script>"""


@pytest.mark.exhaustive
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_scripts_that_search_run_in_pages_opened_from_disk(tmp_path: Path) -> None:
    shutil.copy(DOCS / "javascripts/iframe-worker.js", tmp_path)
    (tmp_path / "worker.js").write_text(ECHO, "utf-8")
    (tmp_path / "page.html").write_text(ASKS, "utf-8")
    with Browser() as browser:
        page = browser.open(tmp_path / "page.html")
        page.wait(lambda: page.text("#said") == "one heard, two heard", "both are answered")
        assert page.errors == []


@pytest.mark.exhaustive
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_search_of_the_site_works_from_disk_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the site's dependencies are a group of their own")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True,
    )  # fmt: skip
    with Browser() as browser:
        page = browser.open(tmp_path / "site/index.html")
        page.js("document.querySelector('[data-md-component=search-query]').focus()")
        page.type("caterpillar")
        page.wait(
            lambda: page.js("document.querySelectorAll('.md-search-result__item').length") > 0,
            "pages are found",
        )
        assert [url for url in page.requests if not url.startswith("file:")] == []
