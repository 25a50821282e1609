"""What source files say and import, read from their syntax trees and kept beside the bytecode.

Parsing the package takes longer than all else that Snakemake does before it starts a job, so that
what was found is stored, in ``__pycache__`` as bytecode is, by the content of each file: a stored
entry is never wrong, at worst of no use.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar

from mixedscope.core.errors import StoreError
from mixedscope.tables.files import atomic_write

__all__ = ["ReadCode", "Said"]

#: The digest of what code says, and the dotted names of what it imports.
Said: TypeAlias = tuple[str, tuple[str, ...]]

_Node = TypeVar("_Node", bound=ast.AST)
_T = TypeVar("_T")

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class ReadCode:
    """The source files below a folder, each read once.

    Attributes
    ----------
    root : pathlib.Path
        The folder of the package.
    package : str
        Its name.
    """

    root: Path
    package: str
    _kept: dict[str, list[object]] = field(init=False)

    def __post_init__(self) -> None:
        self._said: dict[Path, Said] = {}
        self._parts: dict[Path, dict[str, Said]] = {}
        try:
            kept = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            kept = {}
        self._kept = kept if isinstance(kept, dict) else {}

    def file(self, path: Path) -> Said:
        """What a file says: Python without comments, docstrings, layout and ``__all__``."""
        if path not in self._said:
            content = path.read_bytes()
            if path.suffix == ".py":
                module = self.module_name(path)
                found = self._look_up("file", path, content, lambda: _said_by(content, module))
            else:
                found = _digest(content), ()
            self._said[path] = (found[0], tuple(found[1]))
        return self._said[path]

    def functions(self, path: Path) -> dict[str, Said]:
        """What belongs to each function of a file that has no underscore before its name.

        These are the function, the functions and classes there whose names these use, and
        everything that is neither, as the imports at the top.
        """
        if path not in self._parts:
            content = path.read_bytes()
            module = self.module_name(path)
            found = self._look_up(
                "functions", path, content, lambda: _said_by_each(content, module)
            )
            self._parts[path] = {name: (d, tuple(names)) for name, (d, names) in found.items()}
        return self._parts[path]

    def module_name(self, path: Path) -> str:
        """Dotted name against which relative imports of a file are resolved."""
        return ".".join((self.package, *path.relative_to(self.root).with_suffix("").parts))

    def keep(self) -> None:
        """Store what was read, if anything is new and the folder can be written."""
        if not self._new or sys.dont_write_bytecode:
            return
        with suppress(StoreError):  # of an installation that nobody may write to
            atomic_write(self._file, json.dumps(self._kept).encode())
        self._new = False

    _new = False

    @property
    def _file(self) -> Path:
        # What a syntax tree looks like depends on the version of Python.
        name = f"read_code.{sys.implementation.cache_tag}.json"
        return self.root / "workflow" / "__pycache__" / name

    def _look_up(self, kind: str, path: Path, content: bytes, find: Callable[[], _T]) -> _T:
        """What is stored of this content of a file, else what ``find`` gives."""
        key = f"{kind} {path.relative_to(self.root).as_posix()}"
        digest = _digest(_own_code() + content)
        match self._kept.get(key):
            case [known, found] if known == digest:
                return found  # type: ignore[return-value]
        found = find()
        self._kept[key] = [digest, found]
        self._new = True
        return found


@cache
def _own_code() -> bytes:
    """The code that reads code: what another version of it stored is of no use."""
    return Path(__file__).read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _said_by(source: bytes, module: str) -> Said:
    """What source code says, its syntax tree without docstrings; and the names it imports."""
    tree = ast.parse(source)
    names = tuple(dict.fromkeys(_names(tree, module)))
    tree.body = [node for node in tree.body if not _is_list_of_names(node)]
    return _digest(ast.dump(_without_docstrings(tree)).encode()), names


def _said_by_each(source: bytes, module: str) -> dict[str, Said]:
    """What belongs to each function of a module, and the names that this imports."""
    tree = ast.parse(source)
    named = {node.name: node for node in tree.body if isinstance(node, _DEFINITIONS)}
    common = [node for node in tree.body if not isinstance(node, _DEFINITIONS)]
    common = [node for node in common if not _is_list_of_names(node)]
    found: dict[str, Said] = {}
    for step in named:
        if step.startswith("_"):
            continue
        used, todo = {step}, [named[step], *common]
        while todo:
            for node in ast.walk(todo.pop()):
                if isinstance(node, ast.Name) and node.id in named and node.id not in used:
                    used.add(node.id)
                    todo.append(named[node.id])
        own = [n for n in tree.body if n in common or getattr(n, "name", None) in used]
        names = tuple(dict.fromkeys(name for node in own for name in _names(node, module)))
        text = "".join(ast.dump(_without_docstrings(node)) for node in own)
        found[step] = _digest(text.encode()), names
    return found


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
