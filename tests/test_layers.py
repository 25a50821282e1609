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
    tree = ast.parse(path.read_bytes() if code is None else code)
    parents = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = ["mixedscope", *parents][: len(parents) + 2 - node.level]
                base = ".".join([*above, *([base] if base else [])])
            names += [
                full if full.partition(".")[2] in known else base
                for full in (f"{base}.{alias.name}" for alias in node.names)
            ]
    if any(full.partition(".")[0] == "importlib" for full in names):
        names += named_modules(tree)
    for full in names:
        root, _, rest = full.partition(".")
        # The root package, "", hands on everything: whoever imports it could reach any room.
        if root == "mixedscope" and rest in known and rest != name:
            yield rest


def named_modules(tree: ast.Module) -> Iterator[str]:
    """Modules that the texts of a module name that imports by name, parts put in included."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        pattern = ""
        for part in node.values if isinstance(node, ast.JoinedStr) else [node]:
            if isinstance(part, ast.FormattedValue) and part is not node:
                told = constants.get(part.value.id) if isinstance(part.value, ast.Name) else None
                pattern += r"[\w.]+" if told is None else re.escape(str(told))
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                pattern += re.escape(part.value)
        if pattern.startswith("mixedscope"):
            whole = (f"mixedscope.{module}" for module in modules() if module)
            yield from (module for module in whole if re.fullmatch(pattern, module))


@cache
def arrows() -> dict[str, frozenset[str]]:
    return {name: frozenset(imported(name)) for name in modules()}


def room(name: str) -> str:
    # What `python -m mixedscope` runs is, as the root package, no room.
    return "" if name == "__main__" else name.partition(".")[0]


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
    assert forbidden() == set()


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


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [sorted(circle) for circle in circles()] == []


@pytest.mark.parametrize(
    ("importer", "other"),
    [("inference.studies.ledger", "engine.objective"), ("api.fit", "inference.searches.race")],
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
        ("if TYPE_CHECKING:\n    import mixedscope.api.linear", {"api.linear"}),
        ("from ..api import linear", {"api.linear"}),
        ("from . import driver, minimize", {"optimize.driver", "optimize"}),
        ("import importlib\nimportlib.import_module('mixedscope.api.linear')", {"api.linear"}),
        (
            "from importlib import import_module\nAPI = 'mixedscope.api'\n"
            "def f():\n    import_module(f'{API}.linear')",
            {"api", "api.linear"},
        ),
        ("import importlib\nf'mixedscope.tables.{kind}_files'", {"tables.table_files"}),
        ("import importlib\ntext = 'mixedscope.api.linear is a module'", set()),
        ("text = 'mixedscope.api.linear'", set()),
        ("import numpy", set()),
    ],
)
def test_every_way_to_import_is_seen(code: str, seen: set[str]) -> None:
    assert set(imported("optimize.polish", code)) == seen


# -- the engine's door ---------------------------------------------------------------------------

#: Attributes of a system that are the engine's own: the factorisation, the cross-products, the
#: basis of the fixed effects, what small models are worked on by.
PRIVATE = {"blocked", "cross", "basis", "small"}


def private_parts(code: str | bytes) -> set[str]:
    """Which of the engine's own attributes a module names, by a text or in a pattern too."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute):
            # NumPy has a product of that name.
            is_numpy = isinstance(node.value, ast.Name) and node.value.id == "np"
            found |= set() if is_numpy else {node.attr}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
            found |= {part.value for part in node.args if isinstance(part, ast.Constant)}
        elif isinstance(node, ast.MatchClass):
            found |= set(node.kwd_attrs)
    return found & PRIVATE


def doors() -> set[str]:
    """Modules of the engine that its documentation lists for other rooms."""
    text = ast.get_docstring(ast.parse(modules()["engine"].read_bytes())) or ""
    return {f"engine.{name}" for name in re.findall(r"^- `([\w.]+)`:", text, re.M)}


def test_other_rooms_enter_the_engine_by_its_doors() -> None:
    outside = {name for name in modules() if room(name) != "engine"}
    entered = {other for name in outside for other in arrows()[name] if room(other) == "engine"}
    # A door that nobody uses is none.
    assert entered == doors()
    named = {name: private_parts(modules()[name].read_bytes()) for name in outside}
    assert {name: parts for name, parts in named.items() if parts} == {}


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("def f(s):\n    return s.system.blocked.solve()", {"blocked"}),
        ("x = objective.system.cross.pattern", {"cross"}),
        ("len(system.basis.kept)", {"basis"}),
        ("system.basis = None", {"basis"}),
        ("getattr(system, 'cross')", {"cross"}),
        ("match s:\n    case System(blocked=b):\n        pass", {"blocked"}),
        ("np.cross(a, b); basis = blocked = 1", set()),
    ],
)
def test_private_parts_are_seen(code: str, seen: set[str]) -> None:
    assert private_parts(code) == seen
