"""Models with one grouping factor: evaluations, searches, and searches for many responses.

With one grouping factor the modes of every level are found by themselves, see
:mod:`mixedscope.engine.kernels.laplace`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.compiled import (
    FLAT,
    CompiledLaplace,
    SortedRows,
    by_columns,
    is_compiled,
)
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.kernels.laplace_search import information_of, refit_laplace
from mixedscope.engine.kernels.laplace_steps import (
    LIKELIHOOD,
    LOG_DET,
    PARTS,
    PENALTY,
    ROOM,
    ROWS,
    Work,
)

__all__ = ["SingleEnds", "SingleLaplace", "by_columns"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NO_PLACES: Final = np.empty((0, 0), dtype=np.int32)
_NO_LISTS: Final = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)


@dataclass(frozen=True)
class SingleEnds:
    """Where searches for many responses ended, a row each.

    Attributes
    ----------
    points, gradients : (m, k) arrays
        As `LaplaceObjective.coordinates` has them.
    parts : (m, PARTS) array
    values : (m,) array
        The objective without what no point changes; NaN where it could not be evaluated.
    counts : (m,) array of int
        Evaluations made.
    decrements : (m,) array
        Newton decrement at the end.
    """

    points: Floats
    gradients: Floats
    parts: Floats
    values: Floats
    counts: Ints
    decrements: Floats

    def take(self, rows: NDArray[np.intp], other: SingleEnds, chosen: NDArray[np.bool_]) -> None:
        """Put the chosen rows of `other`, which are `rows` of these, in their place."""
        to = rows[chosen]
        for name in ("points", "gradients", "parts", "values", "decrements"):
            getattr(self, name)[to] = getattr(other, name)[chosen]


class SingleLaplace(CompiledLaplace):
    """The objective of a model with one grouping factor that `is_compiled`."""

    _is_single = True

    @classmethod
    def fits(cls, system: GeneralizedSystem, *, expected: bool) -> bool:
        """Whether a model has one grouping factor, and a family that is compiled."""
        return len(system.terms) == 1 and is_compiled(system, expected=expected)

    @staticmethod
    def _sort(system: GeneralizedSystem) -> SortedRows:
        factor = system.factors[0]
        order = np.argsort(factor.codes, kind="stable")
        rows = np.bincount(factor.codes, minlength=factor.n_levels)
        start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(rows, dtype=np.int64)])
        layout = np.array([[0, factor.size, 0]], dtype=np.int64)
        graph = (start, _NO_PLACES, _NO_PLACES, *_NO_LISTS, layout)
        return SortedRows.of(system, order, graph, (0,))

    def _room(self, with_work: bool) -> tuple[Floats, Work]:
        n, factor = self.system.n, self.system.factors[0]
        q, k = factor.n_levels, factor.size
        shown = n if with_work else 0
        work = (
            np.empty((shown, k)), np.empty((0, k)), np.empty((ROWS, shown)),
            np.empty((ROOM, shown)), np.empty((4, k)), np.empty((q + 2, k, k)), np.empty(0),
            np.empty(0),
        )  # fmt: skip
        return np.zeros((q, k)), work

    def _shared(self) -> Work | None:
        return self.work

    # -- searches

    def information(self, point: Floats) -> Floats | None:
        """Expected information, times two, by the coordinates of the search; None if it fails."""
        k, r = self.n_theta, self.n_fixed
        by_factor, by_gamma = np.empty((k, k)), np.empty((r, r))
        rows = self.rows
        value = self.call(
            information_of, self.size, rows.graph, rows.columns, self.response[0], rows.places,
            self.checked(point), self.spherical, self.work, by_factor, by_gamma,
        )  # fmt: skip
        if not math.isfinite(value):
            self.spherical.fill(0.0)
            return None
        # Of a dispersion each row tells about one half.
        out = np.diag(np.full(len(point), self.system.n / 2.0))
        out[:k, :k] = by_factor + np.diag(np.full(k, FLAT))
        out[k : k + r, k : k + r] = by_gamma
        return out

    def refit(
        self, starts: Floats, inverse: Floats, responses: Floats, tolerance: float, most: int
    ) -> SingleEnds:
        """Search for each of many responses (m, n) from its row of `starts` (m, k), or one (k,).

        ``starts``, and what `inverse` (k, k) is of, are coordinates of the search. What comes of a
        row does not depend on the others. If `most` is 1 they are evaluated there.
        """
        rows, (m, k) = self.rows, (len(responses), len(inverse))
        begin = np.array(np.broadcast_to(starts, (m, k)), order="C")
        ends = SingleEnds(
            np.empty((m, k)), np.empty((m, k)), np.empty((m, PARTS)), np.empty(m),
            np.zeros(m, dtype=np.int64), np.empty(m),
        )  # fmt: skip
        refit_laplace(
            self.numbers(linked=True), rows.graph, rows.columns,
            np.ascontiguousarray(responses[:, rows.order], dtype=np.float64), rows.places,
            rows.entries, begin, np.array(inverse, order="C"), tolerance, most,
            np.empty_like(self.spherical), self.work, ends.points, ends.gradients, ends.parts,
            ends.values, ends.counts, ends.decrements,
        )  # fmt: skip
        return ends

    def objectives(self, ends: SingleEnds, responses: Floats) -> Floats:
        """The objective (m,), all constants included, where searches for responses (m, n) ended."""
        family, response = self.system.family, self.system.response
        out = ends.parts[:, PENALTY] + ends.parts[:, LOG_DET]
        for i, (y, point) in enumerate(zip(responses, ends.points, strict=True)):
            dispersion = self.split(point)[2]
            constant = family.constant(replace(response, y=y), dispersion)
            out[i] -= 2.0 * (ends.parts[i, LIKELIHOOD] + constant)
        return out
