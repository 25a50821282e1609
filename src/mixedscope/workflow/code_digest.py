"""Which code a step of the pipeline depends on, as a digest.

Snakemake reruns a job when its inputs, parameters or script change, and does not look into the
package.  The digest of a step, a parameter of its rule, changes with any source file the step can
reach: the imports inside the step's function in `mixedscope.workflow.steps`, and theirs, are
followed through the syntax trees.  Comments, docstrings and layout are not part of it.  Nothing is
imported to find this out.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["code_digest", "reachable_sources"]

_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).resolve().parents[1]

#: Where the steps are.
_STEPS = ("workflow", "steps")

#: Files that modules read from their own package.
_BESIDE = (".css", ".js")


def code_digest(step: str) -> str:
    """Digest of the source files behind one step of the pipeline.

    Parameters
    ----------
    step : str
        Name of a function of `mixedscope.workflow.steps`.

    Returns
    -------
    str
        Hexadecimal, 16 characters.

    Raises
    ------
    ValueError
        If there is no such step.
    """
    digest = hashlib.sha256()
    for path in reachable_sources(step):
        content = path.read_bytes()
        if path.suffix == ".py":
            content, _ = _read(content, _module_name(path))
        digest.update(f"{path.relative_to(_ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def reachable_sources(step: str) -> list[Path]:
    """Source files behind one step of the pipeline, and scripts and styles beside them, sorted.

    Parameters
    ----------
    step : str
        Name of a function of `mixedscope.workflow.steps`.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    ValueError
        If there is no such step.
    """
    home, tree, steps = _module_of(step)
    found = {home}
    # Imports at the top of its module and in private helpers there belong to every step.
    others = [node for name, node in steps.items() if not name.startswith("_") and name != step]
    todo = [
        path
        for node in tree.body
        if node not in others
        for path in _imported_by(node, _module_name(home))
    ]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            _, names = _read(path.read_bytes(), _module_name(path))
            todo += [file for name in names for file in _files(_ROOT, name)]
    beside = {path for folder in {p.parent for p in found} for path in folder.iterdir()}
    return sorted(found | {path for path in beside if path.suffix in _BESIDE})


def _module_of(step: str) -> tuple[Path, ast.Module, dict[str, ast.FunctionDef]]:
    """The module of the pipeline that holds a step, and all functions there by name."""
    known: list[str] = []
    for path in sorted(_ROOT.joinpath(*_STEPS).glob("*.py")):
        tree = _parsed(path.read_bytes())
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        if step in functions:
            return path, tree, functions
        known += [name for name in functions if not name.startswith("_")]
    raise ValueError(f"there is no step {step!r}; steps are {', '.join(known)}")


# Steps share most of their files, and a run asks for the digests of all steps: each file is read,
# and each name looked up, once.
_parsed = cache(ast.parse)


@cache
def _read(source: bytes, module: str) -> tuple[bytes, tuple[str, ...]]:
    """What source code says, its syntax tree without docstrings; and the names it imports."""
    tree = ast.parse(source)
    names = tuple(dict.fromkeys(_names(tree, module)))
    for node in _statements(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            del node.body[0]
    return ast.dump(tree).encode(), names


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A piece of code and all statements in it; expressions hold neither imports nor docstrings."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
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
