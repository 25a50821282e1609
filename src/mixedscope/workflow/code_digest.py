"""Which code a step of the pipeline depends on, as a digest.

Snakemake reruns a job when its inputs, parameters or script change, and does not look into the
package.  The digest of a step, a parameter of its rule, changes with any source file the step can
reach: the imports inside the step's function in `mixedscope.workflow.steps`, and theirs, are
followed through the syntax trees, wherever in a file they stand but for type checkers.  Comments,
docstrings, layout and ``__all__`` are not part of it.  Nothing is imported to find this out.

What code imports by a name that is data (a study, a chart or the schema of a table, each found in
a registry) no syntax tree shows.  Those who ask for a digest name these modules: they know which
of them the job uses, and a change in the others is none of its.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

__all__ = ["code_digest", "reachable_sources"]

_Node = TypeVar("_Node", bound=ast.AST)

_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).resolve().parents[1]

#: Where the steps are.
_STEPS = ("workflow", "steps")

#: Files that modules read from their own package.
_BESIDE = (".css", ".html", ".js")

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def code_digest(step: str, modules: Iterable[str] = ()) -> str:
    """Digest of the source files behind one step of the pipeline.

    Parameters
    ----------
    step : str
        Name of a function of `mixedscope.workflow.steps`.
    modules : iterable of str
        Dotted names of the modules that it finds in registries.

    Returns
    -------
    str
        Hexadecimal, 16 characters.

    Raises
    ------
    ValueError
        If there is no such step or module.
    """
    home, own = _home(step)
    digest = hashlib.sha256()
    for path in reachable_sources(step, modules):
        content = path.read_bytes()
        if path == home:
            content = "".join(ast.dump(_without_docstrings(node)) for node in own).encode()
        elif path.suffix == ".py":
            content, _ = _read(content, _module_name(path))
        digest.update(f"{path.relative_to(_ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def reachable_sources(step: str, modules: Iterable[str] = ()) -> list[Path]:
    """Source files behind one step of the pipeline, and scripts and styles beside them, sorted.

    Parameters
    ----------
    step : str
        Name of a function of `mixedscope.workflow.steps`.
    modules : iterable of str
        Dotted names of the modules that it finds in registries.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    ValueError
        If there is no such step or module.
    """
    home, own = _home(step)
    found = {home}
    todo = [path for node in own for path in _imported_by(node, _module_name(home))]
    for module in modules:
        files = _files(_ROOT, module)
        if not files or _module_name(files[-1]).removesuffix(".__init__") != module:
            raise ValueError(f"there is no module {module!r}")
        todo += files
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            _, names = _read(path.read_bytes(), _module_name(path))
            todo += [file for name in names for file in _files(_ROOT, name)]
    beside = {path for folder in {p.parent for p in found} for path in folder.iterdir()}
    return sorted(found | {path for path in beside if path.suffix in _BESIDE})


def _home(step: str) -> tuple[Path, list[ast.stmt]]:
    """The module of the pipeline that holds a step, and what in it belongs to the step.

    These are its function, the functions and classes there whose names these use, and everything
    that is neither, as the imports at the top.
    """
    known: list[str] = []
    for path in sorted(_ROOT.joinpath(*_STEPS).glob("*.py")):
        tree = _parsed(path.read_bytes())
        named = {node.name: node for node in tree.body if isinstance(node, _DEFINITIONS)}
        if step in named:
            own = [node for node in tree.body if not isinstance(node, _DEFINITIONS)]
            own = [node for node in own if not _is_list_of_names(node)]
            used, todo = set(), [named[step], *own]
            while todo:
                for node in ast.walk(todo.pop()):
                    if isinstance(node, ast.Name) and node.id in named and node.id not in used:
                        used.add(node.id)
                        todo.append(named[node.id])
            used.add(step)
            return path, [n for n in tree.body if n in own or getattr(n, "name", None) in used]
        known += [name for name in named if not name.startswith("_")]
    raise ValueError(f"there is no step {step!r}; steps are {', '.join(known)}")


# Steps share most of their files, and a run asks for the digests of all steps: each file is read,
# and each name looked up, once.
_parsed = cache(ast.parse)


@cache
def _read(source: bytes, module: str) -> tuple[bytes, tuple[str, ...]]:
    """What source code says, its syntax tree without docstrings; and the names it imports."""
    tree = ast.parse(source)
    names = tuple(dict.fromkeys(_names(tree, module)))
    tree.body = [node for node in tree.body if not _is_list_of_names(node)]
    return ast.dump(_without_docstrings(tree)).encode(), names


def _without_docstrings(tree: _Node) -> _Node:
    """The same piece of code, its docstrings taken away."""
    for node in _statements(tree):
        if (
            isinstance(node, (ast.Module, *_DEFINITIONS))
            and node.body
            and ast.get_docstring(node, clean=False)
        ):
            del node.body[0]
    return tree


def _is_list_of_names(node: ast.stmt) -> bool:
    """Whether a statement is ``__all__ = ...``, which computes nothing."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A piece of code and all statements in it; expressions hold neither imports nor docstrings."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            todo += node.orelse
            continue
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, part, ())


def _imported_by(tree: ast.AST, module: str) -> Iterator[Path]:
    """Source files of this package that a piece of code imports, functions included."""
    for name in dict.fromkeys(_names(tree, module)):
        yield from _files(_ROOT, name)


def _names(tree: ast.AST, module: str) -> Iterator[str]:
    """Dotted names of what a piece of code imports: modules, and what is taken from them."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: -node.level]
                base = ".".join([*package, *([base] if base else [])])
            yield base
            for alias in node.names:
                yield f"{base}.{alias.name}"


@cache
def _files(root: Path, module: str) -> tuple[Path, ...]:
    """The file of a module of this package, below its root, and those of the packages around it."""
    parts = module.split(".")
    found: list[Path] = []
    if parts[0] != _PACKAGE:
        return ()
    # The root package's __init__ re-exports everything: following it would tie all to all.
    for part in parts[1:]:
        if (root / part / "__init__.py").is_file():
            root = root / part
            found.append(root / "__init__.py")
        else:
            return (*found, *(path for path in [root / f"{part}.py"] if path.is_file()))
    return tuple(found)


def _module_name(path: Path) -> str:
    """Dotted name against which relative imports of a file are resolved."""
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join((_PACKAGE, *parts))
