"""Rows of a planned study, made of those of one that was made: more levels, fewer, more repeats.

A design of s levels has the first s of the levels there are, or all of them and copies, in an order
in which every part of that order holds the conditions between levels in the shares that all of them
have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import named
from mixedscope.core.errors import ModelError, suggest
from mixedscope.design.training import VALUES, Training

__all__ = [
    "NO_WEIGHTS",
    "REPLICATES",
    "check_sizes",
    "offset_of",
    "parent_of",
    "planned_rows",
    "without_some",
]

#: What names repeats of every row.
REPLICATES: Final = "replicates"

#: What is said of rows without the weights that the model has.
NO_WEIGHTS: Final = "planned rows need theirs, as a column of that name."

#: Most things that a design grows by at a time: what a picture has axes for.
_MOST: Final = 2


def check_sizes(along: Mapping[str, Sequence[int]], known: Sequence[str]) -> dict[str, list[int]]:
    """Give the sizes of every factor, in ascending order; ``known``: grouping columns.

    Raises ModelError about a factor or a size that there cannot be.
    """
    if not isinstance(along, Mapping) or not along:
        raise ModelError(
            "along must say what grows, as {'Subject': [10, 20, 40]}, "
            f"not {named(along)}. It can be: {', '.join((*known, REPLICATES))}."
        )
    if len(along) > _MOST:
        raise ModelError(
            f"along has {len(along)} factors, {', '.join(map(repr, along))}: a study grows by one "
            "or two at a time."
        )
    return {name: _sizes(name, sizes, known) for name, sizes in along.items()}


def offset_of(rows: pd.DataFrame, training: Training | None) -> str | None:
    """Column of the rows with an offset that was given as values, which grow as rows do.

    Raises ModelError where the model had such values and the rows have none.
    """
    if VALUES in rows.columns:
        return VALUES
    if training is not None and training.offset == VALUES:
        raise ModelError(
            "The offset of this model was given as values, which the rows of newdata cannot have: "
            "make the model with the name of a column, or an expression of columns, as its offset."
        )
    return None


def _sizes(name: str, sizes: Sequence[int], known: Sequence[str]) -> list[int]:
    if name not in known and name != REPLICATES:
        raise ModelError(
            f"along names {name!r}, which is no grouping column of the model."
            f"{suggest(str(name), (*known, REPLICATES))} It can be: "
            f"{', '.join((*known, REPLICATES))}."
        )
    given = sizes if isinstance(sizes, Sequence | np.ndarray) else [sizes]
    least = 1 if name == REPLICATES else 2
    whole = [s for s in given if isinstance(s, int | np.integer) and not isinstance(s, bool)]
    if isinstance(sizes, str) or not len(given) or len(whole) < len(given) or min(whole) < least:
        raise ModelError(
            f"along[{name!r}] must be whole numbers from {least}, as [10, 20, 40], not "
            f"{named(sizes)}."
        )
    return sorted({int(s) for s in whole})


def planned_rows(
    rows: pd.DataFrame,
    sizes: Mapping[str, int],
    groups: Sequence[str],
    fixed: Sequence[str],
    around: Mapping[str, str | None] | None = None,
) -> pd.DataFrame:
    """Give the rows of a study in which factors have other numbers of levels.

    ``groups``: columns that grouping factors are made of; ``around``: which of them the levels of
    each lie within, by default what `parent_of` sees. A factor within another has that many levels
    in each of the other's. Copies of a level have names of their own, as have the levels of
    the factors within it. ``fixed``: columns of the fixed effects; of those that do not vary within
    levels every value keeps its share of the levels, within each value of those with fewer values.
    """
    out = rows.reset_index(drop=True)
    for name, size in sizes.items():
        if name == REPLICATES:
            out = out.loc[np.repeat(np.arange(len(out)), size)].reset_index(drop=True)
        else:
            parent = parent_of(out, name, groups) if around is None else around.get(name)
            out = _resized(out, name, size, groups, fixed, parent)
    return out


def parent_of(rows: pd.DataFrame, name: str, groups: Sequence[str]) -> str | None:
    """Name the narrowest factor that the levels of another lie within; None if there is none."""
    own = rows[name].astype(object)
    found: list[tuple[int, str]] = []
    for other in groups:
        if other == name:
            continue
        theirs = rows[other].astype(object)
        # A level that has fewer than all rows of the other's: one to one is no nesting.
        if _is_within(own, theirs) and not _is_within(theirs, own):
            found.append((-theirs.nunique(), other))
    return min(found)[1] if found else None


def _is_within(own: pd.Series, other: pd.Series) -> bool:
    """Whether every level of one column has one level of the other."""
    pairs = pd.DataFrame({"own": own, "other": other}).drop_duplicates()
    return len(pairs) == own.nunique()


def _resized(
    rows: pd.DataFrame,
    name: str,
    size: int,
    groups: Sequence[str],
    fixed: Sequence[str],
    parent: str | None,
) -> pd.DataFrame:
    """Give a factor `size` levels, in each level of what it lies within."""
    if name in fixed:
        raise ModelError(
            f"{name!r} is a fixed effect too, of which new levels would have no coefficients: give "
            "the rows of the planned study as newdata."
        )
    own = rows[name].astype(object)
    # Factors within this one, whose levels are other ones in a copy.
    inner = [
        g for g in groups if g not in (name, parent) and _is_within(rows[g].astype(object), own)
    ]
    apart = (name, parent, *inner)
    conditions = [
        c for c in fixed
        if c in rows.columns and c not in apart and _is_within(own, rows[c].astype(object))
    ]  # fmt: skip
    # Numbers that few levels share, as age, come last: they interleave nothing.
    conditions.sort(key=lambda c: rows[c].nunique(dropna=False))
    blocks = [rows] if parent is None else [b for _, b in rows.groupby(parent, observed=True)]
    chosen: list[NDArray[np.intp]] = []
    copies: list[NDArray[np.intp]] = []
    for block in blocks:
        places = _places_of(block, name)
        levels = _in_shares(block, name, list(places), conditions)
        labels = block.index.to_numpy()
        for number in range(size):
            part = labels[places[levels[number % len(levels)]]]
            chosen.append(part)
            copies.append(np.full(len(part), number // len(levels)))
    copied = np.concatenate(copies).tolist()
    out = rows.loc[np.concatenate(chosen)].reset_index(drop=True)
    for column in (name, *inner):
        texts = out[column].astype(str)
        mark = "~"
        while texts.str.contains(mark, regex=False).any():
            mark += "~"
        pairs = zip(texts.tolist(), copied, strict=True)
        made = [f"{text}{mark}{c + 1}" if c else text for text, c in pairs]
        out[column] = pd.Categorical(made, categories=pd.unique(pd.Series(made, dtype=object)))
    return out


def _places_of(block: pd.DataFrame, name: str) -> dict[Any, NDArray[np.intp]]:
    """Rows of every level, by level, in the order in which levels occur."""
    codes, levels = pd.factorize(block[name].astype(object), sort=False)
    return {level: np.flatnonzero(codes == i) for i, level in enumerate(levels)}


def _in_shares(
    block: pd.DataFrame, name: str, levels: list[Any], conditions: Sequence[str]
) -> list[Any]:
    """Levels in an order whose beginnings have all conditions in their shares."""
    if not conditions:
        return levels
    first = block.drop_duplicates(name).set_index(name)[list(conditions)]
    kinds = [tuple(map(str, first.loc[level])) for level in levels]
    order = _interleaved(kinds, list(range(len(levels))), 0)
    return [levels[place] for place in order]


def _interleaved(kinds: Sequence[tuple[str, ...]], places: list[int], depth: int) -> list[int]:
    """Places in an order whose beginnings have the kinds from `depth` on in their shares.

    The first parts of the kinds have theirs whatever follows them, and so on.
    """
    if depth == len(kinds[0]):
        return places
    parts: dict[str, list[int]] = {}
    for place in places:
        parts.setdefault(kinds[place][depth], []).append(place)
    ranked = [
        ((rank + 0.5) / len(part), min(part), place)
        for part in parts.values()
        for rank, place in enumerate(_interleaved(kinds, part, depth + 1))
    ]
    return [place for *_, place in sorted(ranked)]


def without_some(count: int, share: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows, in their order, that are left of `count` where a share is missing at random."""
    kept = max(1, count - round(share * count))
    return np.sort(rng.permutation(count)[:kept])
