"""``python -m mixedscope``: which versions are installed, as a report or a paper should say."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

from mixedscope.core.errors import StoreError
from mixedscope.workflow.location import workflow_root

__all__ = ["versions"]


def versions() -> list[str]:
    """The versions of mixedscope, Python and every dependency, in lines."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for written in requires("mixedscope") or []:
        found = re.match(r"[\w.-]+", written)
        extra = re.search(r"""extra\s*==\s*['"]([\w.-]+)""", written)
        if found is not None:
            (needed if extra is None else extras.setdefault(extra[1], [])).append(found[0])
    lines = [f"mixedscope {version('mixedscope')}"]
    lines += [f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"]
    lines += [f"  {_version(name)}" for name in needed]
    for name, names in sorted(extras.items()):
        lines.append(f"extra {name}: {', '.join(map(_version, sorted(names)))}")
    try:
        lines.append(f"workflow: {workflow_root()}")
    except StoreError as error:
        lines.append(f"workflow: {error}")
    return lines


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"
