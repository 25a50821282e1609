"""What editors and type checkers see of the charts, which are made when they are asked for."""

from __future__ import annotations

import ast
import inspect
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import mixedscope as ms
from mixedscope.charts.stub import stub

STUB = Path(ms.charts.__file__).with_suffix(".pyi")


def test_the_stub_is_what_the_registry_makes() -> None:
    assert STUB.read_text("utf-8") == stub(), (
        "Renew it: python -m mixedscope.charts.stub > src/mixedscope/charts/__init__.pyi"
    )


def test_every_public_function_is_in_it_with_its_parameters_and_documentation() -> None:
    tree = ast.parse(STUB.read_text("utf-8"))
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {*found, "save"} == set(ms.charts.__all__)
    for name, node in found.items():
        own = inspect.signature(getattr(ms.charts, name)).parameters
        args = node.args
        names = [a.arg for a in (*args.args, *([args.vararg] if args.vararg else []))]
        assert [*names, *(a.arg for a in args.kwonlyargs)] == list(own)
        assert ast.get_docstring(node) == inspect.getdoc(getattr(ms.charts, name))


RIGHT = """
import mixedscope as ms

fit = ms.lmer("y ~ x + (1 | g)", {})
ms.charts.shrinkage(fit, fit, group="g", scale="coef").properties(title="mine").save("a.html")
ms.charts.trace([fit, "folder"], theme="print", width=85)
ms.charts.motion(fit).save("film", ["mp4"])
ms.charts.ladder(ms.ladder(fit))
ms.charts.save(ms.charts.check(fit), "check", ["pdf"])
"""
#: A line, and words of what a type checker says of it.
WRONG = {
    'ms.charts.shrinkage(fit, groups="g")': 'Unexpected keyword argument "groups"',
    'ms.charts.shrinkage(fit, theme="dark")': 'expected "Literal[',
    'ms.charts.caterpillar(fit, scale="beta")': 'expected "Literal[',
    "ms.charts.shrinkag(fit)": 'has no attribute "shrinkag"',
    "ms.charts.trace(3)": 'incompatible type "int"',
}  # fmt: skip


@pytest.mark.slow
def test_a_type_checker_knows_the_charts(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="linters are a group of their own")
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(RIGHT + "".join(f"{line}\n" for line in WRONG))
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "--no-error-summary",
         "--follow-imports=silent", "--ignore-missing-imports", "--config-file=", "right.py",
         "wrong.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = told.stdout.splitlines()
    assert not [line for line in lines if line.startswith("right.py")], told.stdout + told.stderr
    first = 1 + RIGHT.count("\n")
    for number, words in enumerate(WRONG.values(), first):
        own = [line for line in lines if line.startswith(f"wrong.py:{number}:")]
        assert any(words in line for line in own), (words, told.stdout)


def test_help_says_what_the_package_has_before_anything_else() -> None:
    text = pydoc.plain(pydoc.render_doc(ms))
    about = text.partition("PACKAGE CONTENTS")[0]
    assert [name for name in ms.__all__ if name not in about] == []
    assert "theme" in pydoc.plain(pydoc.render_doc(ms.charts.shrinkage))
