"""Is one model a special case of another? Read from what their fits say of their random effects.

A likelihood-ratio test needs nested models: every covariance that the smaller one allows, the
larger one allows too, as a limit at least (a standard deviation of zero, a correlation of one).
Models are taken to have the same data, fixed effects and criterion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixedscope.covariance.registry import make_structure

__all__ = ["is_nested"]

_INTERCEPT = "(Intercept)"


def is_nested(inner: Sequence[Mapping[str, Any]], outer: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one entry ``random`` of ``fit.json`` is a special case of another.

    Equal models are nested. A model is called not nested where the rules do not find it to be.
    """
    by_group = {entry["group"]: entry for entry in outer}
    return all(
        entry["group"] in by_group and _is_group_nested(entry, by_group[entry["group"]])
        for entry in inner
    )


class _Part:
    """One term: its columns by name, structure, settings, and the factor they indicate."""

    def __init__(self, entry: Mapping[str, Any], part: Mapping[str, Any]) -> None:
        self.columns = [str(entry["names"][c]) for c in part["columns"]]
        self.name = str(part["structure"])
        self.settings = dict(part.get("settings") or {})
        self.is_indicated = part.get("factor") is not None
        self.structure = make_structure(self.name, len(self.columns), self.settings)

    @property
    def is_diagonal(self) -> bool:
        """Whether its columns are uncorrelated."""
        return len(self.columns) == 1 or not self.structure.correlates

    def contains(self, other: _Part) -> bool:
        """Whether a term with the same columns is a special case of this one."""
        if other.name == self.name:
            # Reduced rank is the only structure with a size of its own.
            return other.structure.rank <= self.structure.rank
        return self.structure.includes(type(other.structure))


def _is_group_nested(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
    """Whether the random effects of one grouping factor are a special case of those of another."""
    parts = [_Part(outer, part) for part in outer["parts"]]
    inside: dict[int, list[_Part]] = {}
    for term in (_Part(inner, part) for part in inner["parts"]):
        for piece in _pieces(term, parts):
            place = _place(piece, parts)
            if place is None:
                return False
            inside.setdefault(place, []).append(piece)
    return all(_fills(parts[place], pieces) for place, pieces in inside.items())


def _pieces(term: _Part, parts: Sequence[_Part]) -> list[_Part]:
    """Cut a term of uncorrelated columns where the outer model has several terms."""
    # A variance that columns share would be cut too.
    if not term.structure.separates or any(set(term.columns) <= set(p.columns) for p in parts):
        return [term]
    entry = {"names": term.columns}
    return [_Part(entry, {"columns": [i], "structure": "full"}) for i in range(len(term.columns))]


def _place(term: _Part, parts: Sequence[_Part]) -> int | None:
    """Which outer term holds an inner one."""
    for i, part in enumerate(parts):
        if set(term.columns) <= set(part.columns):
            return i
    for i, part in enumerate(parts):
        # A common intercept is a random effect of every level, all of them equal.
        if term.columns == [_INTERCEPT] and part.is_indicated and part.structure.correlates:
            return i
    return None


def _fills(outer: _Part, pieces: Sequence[_Part]) -> bool:
    """Whether the terms inside one outer term are a special case of it."""
    size = len(outer.columns)
    if outer.structure.n_theta == size * (size + 1) // 2:
        return True  # unstructured, whatever its name
    if any(piece.columns == [_INTERCEPT] and _INTERCEPT not in outer.columns for piece in pieces):
        # Equal effects of all levels: a correlation of one, or one factor with equal loadings.
        return len(pieces) == 1
    covered = [column for piece in pieces for column in piece.columns]
    if len(pieces) == 1 and covered == outer.columns:
        return outer.contains(pieces[0])
    return outer.structure.holds([piece.structure for piece in pieces])
