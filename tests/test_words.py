"""One name for each thing: what the glossary rejects stands in no picture, page or document."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mixedscope

ROOT = Path(__file__).parents[1]
PACKAGE = Path(mixedscope.__file__).parent
GLOSSARY = ROOT / "docs" / "glossary.md"
#: What readers see: charts, and pages of a run.
SEEN = ("charts", "workflow/report")


def rejected() -> dict[str, str]:
    """Names that are not used, with what is said in their place."""
    text = GLOSSARY.read_text("utf-8")
    table = text.split("\n## One name for each thing\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (?!say|---)([^|]+) \| ([^|]+) \|$", table, re.M)
    return {name: said for said, names in rows for name in re.split(r", (?![^(]*\))", names)}


def pattern(name: str) -> re.Pattern[str]:
    """Finds a name, of one or many, whatever its capitals and spaces."""
    words = re.escape(name).replace(r"\ ", r"[\s-]+").replace(r"\-", r"[\s-]+")
    return re.compile(rf"(?<!\w){words}s?(?!\w)", re.IGNORECASE)


def told(source: str) -> Iterator[str]:
    """Texts of a module that are no docstrings and no identifiers."""
    tree = ast.parse(source)
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) not in documentation and not re.fullmatch(r"[\w.:]*", node.value):
            yield node.value


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Where each text that readers see stands, and the text."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    """Texts of charts, pages and documents, one after another."""
    for folder in SEEN:
        for path in sorted((PACKAGE / folder).rglob("*")):
            where = str(path.relative_to(PACKAGE))
            if path.suffix == ".py":
                yield from ((where, text) for text in told(path.read_text("utf-8")))
            elif path.suffix in (".js", ".html"):
                yield where, re.sub(r"^\s*//.*$", "", path.read_text("utf-8"), flags=re.M)
    documents = [
        ROOT / "README.md",
        ROOT / "config/README.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]
    for path in documents:
        # Code has names of its own.
        text = re.sub(r"```.*?```|`[^`]*`", " ", path.read_text("utf-8"), flags=re.S)
        if path == GLOSSARY:
            text = text.split("\n## One name for each thing\n")[0]
        yield str(path.relative_to(ROOT)), text


def test_the_glossary_names_what_is_not_said() -> None:
    names = rejected()
    assert len(names) > 15
    assert names["running best"] == "best so far"
    assert pattern("random-effect estimate").search("Random effect\nestimates")
    assert not pattern("resample").search("resampled")


@pytest.mark.parametrize("name", rejected())
def test_a_rejected_name_stands_nowhere(name: str) -> None:
    found = [where for where, text in texts() if pattern(name).search(text)]
    assert found == [], f"say {rejected()[name]}"
