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

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mixedscope.workflow.read_code import ReadCode, Said

__all__ = ["code_digest", "forget_sources", "imported_by_step", "reachable_sources"]

_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).resolve().parents[1]

#: Where the steps are.
_STEPS = ("workflow", "steps")

#: Files that modules read from their own package.
_BESIDE = (".css", ".html", ".js")


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
    code = _code(_ROOT)
    home, (own, _) = _home(step)
    digest = hashlib.sha256()
    for path in reachable_sources(step, modules):
        said = own if path == home else code.file(path)[0]
        digest.update(f"{path.relative_to(_ROOT).as_posix()}\0{said}\0".encode())
    code.keep()
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
    code = _code(_ROOT)
    home, (_, names) = _home(step)
    found = {home}
    todo = [path for name in names for path in _files(_ROOT, name)]
    for module in modules:
        files = _files(_ROOT, module)
        if not files or code.module_name(files[-1]).removesuffix(".__init__") != module:
            raise ValueError(f"there is no module {module!r}")
        todo += files
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += _imported_by(_ROOT, path)
    beside = {path for folder in {p.parent for p in found} for path in _beside(folder)}
    return sorted(found | beside)


def imported_by_step(step: str) -> tuple[str, ...]:
    """Dotted names of what a step imports, and of what it takes from that."""
    _, (_, names) = _home(step)
    return names


def forget_sources() -> None:
    """Read files anew that have changed since: a process reads each once."""
    for cached in (_code, _imported_by, _beside, _files):
        cached.cache_clear()


def _home(step: str) -> tuple[Path, Said]:
    """The module of the pipeline that holds a step, and what in it belongs to the step."""
    known: list[str] = []
    for path in _step_files(_ROOT):
        parts = _code(_ROOT).functions(path)
        if step in parts:
            return path, parts[step]
        known += parts
    raise ValueError(f"there is no step {step!r}; steps are {', '.join(known)}")


# Steps share most of their files, and a run asks for the digests of all steps: each file is read,
# and each name looked up, once.
@cache
def _code(root: Path) -> ReadCode:
    return ReadCode(root, _PACKAGE)


@cache
def _imported_by(root: Path, path: Path) -> frozenset[Path]:
    """Source files of this package that one of them imports, inside functions included."""
    _, names = _code(root).file(path)
    return frozenset(file for name in names for file in _files(root, name))


@cache
def _step_files(root: Path) -> tuple[Path, ...]:
    return tuple(sorted(root.joinpath(*_STEPS).glob("*.py")))


@cache
def _beside(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in folder.iterdir() if path.suffix in _BESIDE)


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
