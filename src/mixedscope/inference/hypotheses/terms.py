"""Which contrasts test a fixed-effects term: hypotheses of types I, II and III.

SAS's definitions (SAS/STAT, The Four Types of Estimable Functions), which lmerTest follows, with
nothing that depends on how variables are coded or scaled:

* I: a term after all before it;
* II: a term after all others that do not contain it;
* III: a term by itself, in the model with an indicator for every level of every factor: the
  hypotheses that involve its parameters and those of terms containing it alone, orthogonal to the
  hypotheses of these.

A term contains another that has the same numeric variables and fewer factors. Everything happens in
the column space of X, in an orthonormal basis of it: "after" means projection, and complete sets of
indicators stand for terms, so that a model without an intercept is no special case. As in lmerTest
observations count alike, whatever their weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.design import Design
from mixedscope.design.fixed_terms import FixedTerm
from mixedscope.design.frame import Factor
from mixedscope.engine.lapack import limited_for

__all__ = ["TYPES", "TermHypothesis", "columns_without", "term_hypotheses"]

Floats = NDArray[np.float64]

Type = Literal["I", "II", "III"]
TYPES: Final[tuple[Type, ...]] = ("I", "II", "III")

#: Share of a column's length below which it adds nothing to others, as in the engine.
_NOTHING: Final = 1e-7

#: Entries of a row, relative to the largest that it could have, that are rounding.
_ROUNDING: Final = 1e-10


@dataclass(frozen=True)
class TermHypothesis:
    """What a test of a term tests.

    Attributes
    ----------
    term : str
    rows : (c, r) array
        Contrasts of the estimated fixed effects; none if the term has nothing of its own.
    with_mean : bool
        Whether they are about the mean of the response too, as where the model has no intercept.
    """

    term: str
    rows: Floats
    with_mean: bool


def term_hypotheses(
    design: Design, kept: NDArray[np.intp], type: Type
) -> tuple[TermHypothesis, ...]:
    """Hypotheses of all terms but the intercept.

    ``kept`` (r,): columns of X whose fixed effects are estimated.
    """
    with limited_for(*design.X.shape):
        space = _Space(design, kept)
    terms = [term for term in design.fixed.terms if term.variables]
    # Of a single term the three are one, whose contrasts lmerTest writes as those of type I.
    made = {"I": space.first, "II": space.second, "III": space.third}
    hypotheses = made["I" if len(terms) == 1 else type]
    out = []
    for term in terms:
        rows = hypotheses(term)
        out.append(TermHypothesis(term.name, rows, space.is_about_the_mean(rows)))
    return tuple(out)


def columns_without(design: Design, kept: NDArray[np.intp]) -> dict[str, Floats]:
    """Columns of X (n, r - c), orthonormal, of the model without each term that can be left out.

    Such as have no variables that are all in another term too, as in R; a term with nothing of its
    own leaves all (n, r).
    """
    out = {}
    with limited_for(*design.X.shape):
        space = _Space(design, kept)
        for term in design.fixed.terms:
            own = set(term.variables)
            if not own or any(own < set(other.variables) for other in design.fixed.terms):
                continue
            rows = space.second(term) / space.lengths
            # The model without it is that in which all its contrasts are zero.
            solved = np.linalg.solve(space.root.T, rows.T).T if len(rows) else None
            free = np.eye(len(kept)) if solved is None else _null(solved)
            out[term.name] = np.ascontiguousarray(space.axes @ free)
    return out


class _Space:
    """The column space of X in an orthonormal basis (r of it), with the terms inside."""

    def __init__(self, design: Design, kept: NDArray[np.intp]) -> None:
        self.fixed = design.fixed
        self.kept = kept
        x = design.X[:, kept]
        self.lengths = np.linalg.norm(x, axis=0)
        q, self.root = np.linalg.qr(x / self.lengths)
        self.axes = q
        #: Columns of X as coded, and complete columns of every term, as vectors (r, …).
        self.coded = q.T @ design.X
        self.sizes = np.linalg.norm(design.X, axis=0)
        self.complete = {term.name: _complete(design, term, q) for term in design.fixed.terms}
        #: Cells of a term that have no first level come first in its contrasts.
        self.order = {term.name: _order(design, term) for term in design.fixed.terms}
        ones = q.T @ np.ones(len(x))
        self.ones = ones if len(x) - ones @ ones <= _NOTHING**2 * len(x) else None

    def first(self, term: FixedTerm) -> Floats:
        """Contrasts of type I."""
        return self._after(np.arange(term.columns.start), self.coded, term)

    def second(self, term: FixedTerm) -> Floats:
        """Contrasts of type II."""
        containing = {other.name for other in self.fixed.containing(term)}
        others = [
            self.complete[other.name]
            for other in self.fixed.terms
            if other.name != term.name and other.name not in containing
        ]
        before = np.hstack(others) if others else np.empty((len(self.root), 0))
        rows = self._after(np.arange(before.shape[1]), before, term)
        if containing or not len(rows):
            return rows
        # After all others: as coefficients, one by one.
        own = np.isin(self.kept, np.array(term.columns))
        return _reduced(rows[:, own], rows)

    def third(self, term: FixedTerm) -> Floats:
        """Contrasts of type III."""
        own = self._alone({term.name, *(o.name for o in self.fixed.containing(term))})
        above = [
            self._alone({other.name, *(o.name for o in self.fixed.containing(other))})
            for other in self.fixed.containing(term)
        ]
        if above and own.shape[1]:
            # Orthogonal in the space of all parameters.
            every = np.hstack(list(self.complete.values()))
            inner = (every.T @ np.hstack(above)).T @ (every.T @ own)
            own = own @ _null(inner)
        if not own.shape[1]:
            return np.empty((0, len(self.root)))
        shown = (self.complete[term.name].T @ own).T[:, self.order[term.name]]
        return self._rows(_reduced(shown, own.T))

    def is_about_the_mean(self, rows: Floats) -> bool:
        """Whether contrasts (c, r) are changed by a constant added to the response."""
        if self.ones is None or not len(rows):
            return False
        directions = np.linalg.solve(self.root.T, (rows / self.lengths).T)
        sizes = np.linalg.norm(directions, axis=0) * np.linalg.norm(self.ones)
        return bool((np.abs(self.ones @ directions) > _NOTHING * sizes).any())

    def _alone(self, names: set[str]) -> Floats:
        """Orthonormal directions (r, h) that involve parameters of these terms alone."""
        others = [c / _lengths(c) for name, c in self.complete.items() if name not in names]
        if not others:
            return np.eye(len(self.root))
        return _null(np.hstack(others).T)

    def _after(self, before: NDArray[np.intp], columns: Floats, term: FixedTerm) -> Floats:
        """Contrasts of a term after columns (r, …): a row for each that adds something.

        Rows of Doolittle's factor of X'X, as lmerTest has them.
        """
        basis = _basis(columns[:, before])
        rows: list[Floats] = []
        own = [(self.coded[:, j], self.sizes[j]) for j in term.columns]
        complete = self.complete[term.name]
        own += list(zip(complete.T, _lengths(complete), strict=True))
        for column, size in own:
            left = column - basis @ (basis.T @ column)
            left -= basis @ (basis.T @ left)
            length = float(np.linalg.norm(left))
            if length <= _NOTHING * size:
                continue
            rows.append(left / length**2)
            basis = np.column_stack([basis, left / length])
        return self._rows(np.array(rows).reshape(-1, len(self.root)))

    def _rows(self, directions: Floats) -> Floats:
        """Contrasts (c, r) of the fixed effects from directions (c, r) in the basis."""
        rows = directions @ self.root
        # Each entry belongs to a column of unit length.
        rows[np.abs(rows) <= _ROUNDING * np.linalg.norm(directions, axis=1)[:, None]] = 0.0
        return np.asarray(rows * self.lengths)


def _complete(design: Design, term: FixedTerm, q: Floats) -> Floats:
    """Columns of a term with an indicator for every level, as vectors (r, cells times numbers).

    Of cells that never occur they are zero.
    """
    n = len(design.y)
    cells = np.zeros(n, dtype=np.int64)
    count = 1
    numbers = np.ones((n, 1))
    for name in term.variables:
        variable = design.fixed.variables[name]
        if isinstance(variable, Factor):
            cells += count * variable.codes  # the first factor fastest, as in X
            count *= len(variable.levels)
        else:
            numbers = (numbers[:, :, None] * variable[:, None, :]).reshape(n, -1)
    found, places = np.unique(cells, return_inverse=True)
    out = np.zeros((q.shape[1], count, numbers.shape[1]))
    for i, row in enumerate(q.T):
        for w in range(numbers.shape[1]):
            out[i, found, w] = np.bincount(places, row * numbers[:, w], minlength=len(found))
    return out.reshape(q.shape[1], -1)


def _order(design: Design, term: FixedTerm) -> NDArray[np.intp]:
    """Positions of the complete columns of a term, those without any first level in front."""
    levels = [
        len(variable.levels)
        for variable in (design.fixed.variables[name] for name in term.variables)
        if isinstance(variable, Factor)
    ]
    width = 1
    for name in term.variables:
        variable = design.fixed.variables[name]
        width *= 1 if isinstance(variable, Factor) else variable.shape[1]
    firsts = np.zeros(1, dtype=int)
    for count in levels:
        firsts = np.add.outer(np.arange(count) == 0, firsts).ravel()
    return np.argsort(np.repeat(firsts, width), kind="stable")


def _lengths(columns: Floats) -> Floats:
    """Lengths of columns, 1 of those that are zero."""
    lengths = np.linalg.norm(columns, axis=0)
    return np.where(lengths > 0.0, lengths, 1.0)


def _basis(columns: Floats) -> Floats:
    """Orthonormal basis (r, s) of columns (r, c)."""
    left, values, _ = np.linalg.svd(columns / _lengths(columns), full_matrices=False)
    return np.asarray(left[:, values > _NOTHING * max(float(values.max(initial=0.0)), 1e-300)])


def _null(rows: Floats) -> Floats:
    """Orthonormal basis (r, s) of what all rows (c, r) are orthogonal to."""
    lengths = np.linalg.norm(rows, axis=1)
    there = rows[lengths > _ROUNDING * max(float(lengths.max(initial=0.0)), 1e-300)]
    _, values, axes = np.linalg.svd(there, full_matrices=True)
    rank = int((values > _NOTHING * max(float(values.max(initial=0.0)), 1e-300)).sum())
    return np.asarray(axes[rank:].T)


def _reduced(shown: Floats, rows: Floats) -> Floats:
    """Combine rows so that what they show (c, …) has unit columns as early as possible."""
    shown, rows = shown.copy(), rows.copy()
    largest = np.abs(shown).max(axis=0, initial=0.0)  # columns may be of different units
    done: list[int] = []
    for j in range(shown.shape[1]):
        left = [i for i in range(len(rows)) if i not in done]
        if not left:
            break
        pivot = max(left, key=lambda i: abs(shown[i, j]))
        if abs(shown[pivot, j]) <= _NOTHING * largest[j]:
            continue
        rows[pivot] /= shown[pivot, j]
        shown[pivot] /= shown[pivot, j]
        for i in range(len(rows)):
            if i != pivot:
                rows[i] -= shown[i, j] * rows[pivot]
                shown[i] -= shown[i, j] * shown[pivot]
        done.append(pivot)
    return rows[done] if len(done) == len(rows) else rows
