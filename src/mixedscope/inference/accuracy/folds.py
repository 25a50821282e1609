"""Folds of cross-validation: which rows are held out, and the design of the others.

Two questions need two ways to hold out. *New* groups: all rows of some levels of a factor, as when
a model meets people it has never seen. *Known* groups: some rows of every level, as when it is
asked about other days of people it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.core.seeds import generator
from mixedscope.design.design import Design, RandomDesign
from mixedscope.engine.system import estimable_columns

__all__ = [
    "SCHEMES",
    "Scheme",
    "check_scheme",
    "fold_of_rows",
    "grouping",
    "levels_kept",
    "refuse_lost",
    "rest_of",
    "subset",
]

Scheme = Literal["new", "known"]

#: What can be held out, in the order of tables and pictures.
SCHEMES: Final[tuple[Scheme, ...]] = ("new", "known")

#: Up to so many levels each is a fold of its own, if nothing is said.
_EACH: Final = 20
_FOLDS: Final = 10

Ints = NDArray[np.int64]


def check_scheme(scheme: str) -> Scheme:
    """Give a scheme back, or say which there are."""
    for known in SCHEMES:
        if scheme == known:
            return known
    raise ModelError(
        f"Cross-validation cannot hold out {scheme!r} groups.{suggest(scheme, SCHEMES)} "
        f"Known are: {', '.join(SCHEMES)}."
    )


def grouping(design: Design, by: str | None) -> RandomDesign:
    """Find the grouping factor whose levels are held out; by default the first.

    Raises ModelError if there is no such factor.
    """
    known = {random.group: random for random in design.random}
    name = next(iter(known)) if by is None else by
    if name not in known:
        raise ModelError(
            f"No grouping factor {name!r} to hold out.{suggest(name, known)} "
            f"Known are: {', '.join(known)}."
        )
    return known[name]


def fold_of_rows(group: RandomDesign, scheme: Scheme, folds: int | None, *, seed: int) -> Ints:
    """Deal the n rows of a model to folds: the fold of every row (n,), from 0.

    Levels of ``group`` are held out whole (scheme "new") or in part ("known"). By default each
    level is a fold up to 20 levels, and there are 10 folds otherwise, and 10 of the rows of every
    level; never more than there are levels, or rows of a level. The only row of a level is -1 where
    the level is to be known, and never held out. Raises ModelError if there are fewer than two
    folds.
    """
    if folds is not None and folds < 2:
        raise ModelError(f"Cross-validation needs at least two folds, not folds={folds}.")
    rng = generator(seed, "folds of cross-validation", scheme=scheme, by=group.group)
    q = len(group.levels)
    if scheme == "new":
        count = min((q if q <= _EACH else _FOLDS) if folds is None else folds, q)
        dealt = np.empty(q, dtype=np.int64)
        dealt[rng.permutation(q)] = np.arange(q) % count
        return dealt[group.codes]
    sizes = np.bincount(group.codes, minlength=q)
    count = int(min(_FOLDS if folds is None else folds, sizes.max()))
    if count < 2:
        raise UnsuitedError(
            f"No level of {group.group!r} has two observations: none can be held out while the "
            "level stays known. Hold out new groups only."
        )
    # In random order within every level, dealt on from where the level before stopped.
    order = np.lexsort((rng.permutation(len(group.codes)), group.codes))
    out = np.empty(len(group.codes), dtype=np.int64)
    out[order] = np.arange(len(order)) % count
    out[sizes[group.codes] == 1] = -1
    return out


def rest_of(design: Design, held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions of the rows that are not held out."""
    return np.setdiff1d(np.arange(len(design.y)), held)


def refuse_lost(design: Design, kept: NDArray[np.intp]) -> None:
    """Raise UnsuitedError if a fixed effect of a design is not among the columns kept of a part."""
    lost = np.setdiff1d(estimable_columns(design), kept)
    if len(lost):
        raise UnsuitedError(
            f"The fixed effect {design.x_names[int(lost[0])]!r} cannot be estimated while a fold "
            "is held out: its only rows are in that fold. Use more folds."
        )


def subset(design: Design, rows: NDArray[np.intp], advice: str = "use more folds") -> Design:
    """Give the design of some of the rows: the same columns, with the levels that occur.

    Columns that were made from all rows, such as those of ``poly``, stay as they are. Raises
    UnsuitedError, with the ``advice``, if a grouping factor is left with a single level.
    """
    return replace(
        design,
        y=design.y[rows],
        X=np.ascontiguousarray(design.X[rows]),
        weights=None if design.weights is None else design.weights[rows],
        offset=None if design.offset is None else design.offset[rows],
        trials=None if design.trials is None else design.trials[rows],
        random=tuple(_occurring(random, rows, advice) for random in design.random),
        rows=design.rows[rows],
    )


def levels_kept(whole: Sequence[RandomDesign], part: Sequence[RandomDesign]) -> list[Ints]:
    """Positions of the levels of a part among those of the whole, per grouping factor."""
    out = []
    for random, own in zip(whole, part, strict=True):
        place = {level: i for i, level in enumerate(random.levels)}
        out.append(np.array([place[level] for level in own.levels], dtype=np.int64))
    return out


def _occurring(random: RandomDesign, rows: NDArray[np.intp], advice: str) -> RandomDesign:
    used, codes = np.unique(random.codes[rows], return_inverse=True)
    if len(used) < 2:
        raise UnsuitedError(
            f"Only one level of {random.group!r} is left without the other rows; {advice}."
        )
    return replace(
        random,
        levels=tuple(random.levels[i] for i in used.tolist()),
        codes=codes.astype(np.int64),
        Z=np.ascontiguousarray(random.Z[rows]),
    )
