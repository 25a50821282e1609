"""What the covariance structure of a fit is called, as users write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixedscope.covariance.registry import STRUCTURES

__all__ = ["structure_name", "structures_written"]


def structure_name(info: Mapping[str, Any]) -> str:
    """Name the covariance structure of a fit as users write it: ``cs``, ``rr1``.

    ``info``: what ``fit.json`` holds. Gives what was asked of the whole model, or else what its
    terms have: ``full + cs``, in the order of the formula.
    """
    asked = str(info["structure"])
    return " + ".join(structures_written(info)) or asked if asked == "full" else asked


def structures_written(info: Mapping[str, Any]) -> list[str]:
    """Structures of the terms of several columns, each once."""
    names = (
        _short(str(part["structure"]), part.get("settings") or {})
        for entry in info.get("random") or ()
        for part in entry["parts"]
        if len(part["columns"]) > 1
    )
    return list(dict.fromkeys(names))


def _short(name: str, settings: Mapping[str, float]) -> str:
    return STRUCTURES[name].short_name(settings) if name in STRUCTURES else name
