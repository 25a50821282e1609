"""Which room may look at which: the table of docs/architecture.md, held to every import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mixedscope

PACKAGE = Path(mixedscope.__file__).parent
ARCHITECTURE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"

#: Imports that the table forbids and that are still there, importer first. The list may only get
#: shorter: an entry that is no longer needed has to go, and none may be added.
EXCEPTIONS: frozenset[tuple[str, str]] = frozenset()

#: Modules that import each other, directly or by way of others. It may only get shorter, too.
CIRCLES: frozenset[frozenset[str]] = frozenset(
    {
        frozenset({"api.fit", "api.linear"}),
    }
)


@cache
def modules() -> dict[str, Path]:
    """Dotted names within the package, and files."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, code: str | None = None) -> Iterator[str]:
    """Modules that one of the package imports, in functions and for type checkers too, or names."""
    path, known = modules()[name], modules()
    parents = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_bytes() if code is None else code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = ["mixedscope", *parents][: len(parents) + 2 - node.level]
                base = ".".join([*above, *([base] if base else [])])
            names = [
                full if full.partition(".")[2] in known else base
                for full in (f"{base}.{alias.name}" for alias in node.names)
            ]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if re.match(r"mixedscope\.\w", node.value) else []
        else:
            continue
        for full in names:
            root, _, rest = full.partition(".")
            # The root package, "", hands on everything: whoever imports it could reach any room.
            if root == "mixedscope" and rest in known and rest != name:
                yield rest


@cache
def arrows() -> dict[str, frozenset[str]]:
    return {name: frozenset(imported(name)) for name in modules()}


def room(name: str) -> str:
    return name.partition(".")[0]


@cache
def allowed() -> dict[str, frozenset[str]]:
    """Rooms and what they may import, as the table of the documentation says."""
    rows = re.findall(r"^\| `(\w+)/` \|[^|]*\|([^|]*)\|$", ARCHITECTURE.read_text("utf-8"), re.M)
    return {name: frozenset(re.findall(r"`(\w+)`", may)) for name, may in rows}


def forbidden() -> set[tuple[str, str]]:
    return {
        (importer, other)
        for importer, others in arrows().items()
        for other in others
        if room(importer)
        and room(other) != room(importer)
        and room(other) not in allowed()[room(importer)]
    }


def test_the_table_names_every_room_and_no_other() -> None:
    rooms = {room(name) for name in modules()} - {""}
    assert set(allowed()) == rooms
    assert set().union(*allowed().values()) <= rooms


def test_rooms_stand_on_floors() -> None:
    # In the order of the table every arrow points up: no room may import one below it.
    above: set[str] = set()
    for name, may in allowed().items():
        assert may <= above, name
        above.add(name)


def test_no_module_imports_what_its_room_may_not() -> None:
    assert forbidden() - EXCEPTIONS == set()


def test_exceptions_that_are_no_longer_needed_are_gone() -> None:
    assert EXCEPTIONS - forbidden() == set()


def circles() -> set[frozenset[str]]:
    """Sets of modules that can all be reached from each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in arrows()[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            members = {stack.pop()}
            while name not in members:
                members.add(stack.pop())
            if len(members) > 1:
                found.add(frozenset(members))

    for name in arrows():
        if name not in index:
            visit(name)
    return found


def test_modules_import_each_other_in_no_circle_but_those_listed() -> None:
    new = [sorted(c) for c in circles() if not any(c <= known for known in CIRCLES)]
    assert new == []


def test_circles_that_are_dissolved_are_gone_from_the_list() -> None:
    assert [sorted(known) for known in CIRCLES if not any(c <= known for c in circles())] == []


@pytest.mark.parametrize(
    ("importer", "other"),
    [("inference.studies.ledger", "engine.objective"), ("api.fit", "api.linear")],
)
def test_imports_are_seen(importer: str, other: str) -> None:
    # One inside a package, one that only type checkers make: what is not seen cannot be held.
    assert other in arrows()[importer]


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("import mixedscope", {""}),
        ("def f():\n    import mixedscope as ms", {""}),
        ("from mixedscope import Fit", {""}),
        ("from mixedscope import charts", {"charts"}),
        ("from mixedscope.charts import registry, race", {"charts.registry", "charts"}),
        ("if TYPE_CHECKING:\n    import mixedscope.api.fit", {"api.fit"}),
        ("from ..api import fit", {"api.fit"}),
        ("from . import driver, minimize", {"optimize.driver", "optimize"}),
        ("import_module('mixedscope.api.fit')", {"api.fit"}),
        ("text = 'mixedscope.api.fit is a module'", set()),
        ("import numpy", set()),
    ],
)
def test_every_way_to_import_is_seen(code: str, seen: set[str]) -> None:
    assert set(imported("optimize.polish", code)) == seen
