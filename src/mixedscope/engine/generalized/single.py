"""Models with one grouping factor: evaluations, and whole searches, as compiled calls.

Of the families and links that :mod:`mixedscope.engine.kernels.likelihoods` has, and covariances
whose theta are entries of the factor. All others are evaluated step by step, as is whatever is
asked beyond values and gradients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.evaluation import GeneralizedEvaluation
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.group_effects import inverse_of_lower
from mixedscope.engine.kernels.laplace import HALVINGS, LIKELIHOOD, LOG_DET, PARTS, PENALTY, STEPS
from mixedscope.engine.kernels.laplace_search import (
    count_above,
    information_of,
    refit_laplace,
    run_laplace,
)
from mixedscope.engine.kernels.likelihoods import KINDS, SIZED
from mixedscope.engine.search.search import bounded_inverse

__all__ = ["SingleEnds", "SingleLaplace", "SingleSearch", "SortedRows", "by_columns", "is_single"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Evaluations there is room for; a search that needs more is continued by polishing.
_ROOM: Final = 100

#: Random effects of a level at most, and the largest count that has its own place in a table.
_WIDEST: Final = 6
_LONGEST: Final = 100_000

#: Least curvature of a search's first metric, as in :mod:`mixedscope.engine.generalized.starting`.
_FLAT: Final = 1e-4

_NONE: Final = np.empty(0)


def is_single(system: GeneralizedSystem, *, expected: bool) -> bool:
    """Whether a model is of those that are compiled as a whole."""
    family = system.family
    if len(system.terms) != 1 or (family.name, family.link.name) not in KINDS:
        return False
    if (expected and not family.is_canonical) or system.terms[0].size > _WIDEST:
        return False
    has_table = family.dispersion is None or system.response.y.max(initial=0.0) <= _LONGEST
    return has_table and system.terms[0].entries() is not None


@dataclass(frozen=True)
class SortedRows:
    """Rows of a model in the order of its levels, and room to work in.

    Attributes
    ----------
    kind : int
        Family and link.
    order : (n,) array of int
    start : (q + 1,) array of int
        First row of every level.
    columns : tuple of arrays
        Of the random effects (n, k), of the fixed effects (n, r), offset (n,), and how many rows
        each row counts as (n,), or (0,).
    places : (p,) array of int
        Where theta stands in the flattened factor.
    work : tuple of arrays
    """

    kind: int
    order: Ints
    start: Ints
    columns: tuple[Floats, Floats, Floats, Floats]
    places: Ints
    work: tuple[Floats, ...]

    @classmethod
    def of(cls, system: GeneralizedSystem) -> SortedRows:
        """Sort the rows of a system that `is_single`."""
        factor, family = system.factors[0], system.family
        order = np.argsort(factor.codes, kind="stable")
        rows = np.bincount(factor.codes, minlength=factor.n_levels)
        start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(rows, dtype=np.int64)])
        counts = system.response.counts
        entries = system.terms[0].entries()
        assert entries is not None
        columns = (
            np.ascontiguousarray(factor.z[order], dtype=np.float64),
            np.ascontiguousarray(system.basis.q[order] * math.sqrt(system.n)),
            np.ascontiguousarray(system.offset[order], dtype=np.float64),
            _NONE if counts is None else np.ascontiguousarray(counts[order], dtype=np.float64),
        )
        return cls(
            KINDS.index((family.name, family.link.name)), order, start, columns,
            np.array(entries[0], dtype=np.int64), room_of(system.n, factor.n_levels, factor.size),
        )  # fmt: skip

    def response(self, y: Floats) -> tuple[Floats, Floats]:
        """Put a response (n,) in order; how many counts are above 0, 1, …."""
        own = np.ascontiguousarray(y[self.order], dtype=np.float64)
        if self.kind < SIZED:
            return own, _NONE
        above = np.zeros(int(own.max(initial=0.0)))
        count_above(own, self.columns[3], above)
        return own, above


def room_of(n: int, q: int, k: int) -> tuple[Floats, ...]:
    """Room for the rows and levels of an evaluation.

    Columns times the factor, fixed part, score, weight and its derivative, roots of the levels'
    information, vectors and blocks of a level, leverages.
    """
    return (
        np.empty((n, k)), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty((q, k, k)),
        np.empty((4, k)), np.empty((2, k, k)), np.empty(n),
    )  # fmt: skip


class SingleSearch:
    """Every evaluation of a compiled search; `mixedscope.optimize.objective.CompiledSearch`."""

    def __init__(
        self, objective: SingleLaplace, points: Floats, gradients: Floats, parts: Floats
    ) -> None:
        self.thetas = objective.from_points(points)
        self.gradients = objective.slope_to_theta(gradients)
        self._evaluations = [
            objective.described(theta, part) for theta, part in zip(self.thetas, parts, strict=True)
        ]
        self.objectives = [math.nan if e is None else e.objective for e in self._evaluations]

    def evaluation(self, number: int) -> GeneralizedEvaluation | None:
        """Give all of one evaluation, counted from 0; None if it failed."""
        return self._evaluations[number]


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


class SingleLaplace(LaplaceObjective):
    """The objective of a model that `is_single`.

    Points are brought to entries of the factor, coefficients of orthogonal columns and the
    logarithm of the dispersion: the coordinates of the search.
    """

    is_compiled = True

    def __init__(
        self,
        system: GeneralizedSystem,
        *,
        expected: bool = False,
        rows: SortedRows | None = None,
    ) -> None:
        super().__init__(system, expected=expected)
        self._rows = SortedRows.of(system) if rows is None else rows
        self._spherical = np.zeros((system.factors[0].n_levels, system.factors[0].size))

    def like(self, system: GeneralizedSystem) -> LaplaceObjective:
        """The same objective of another system: other columns, or another response."""
        if not is_single(system, expected=self.expected):
            return LaplaceObjective(system, expected=self.expected)
        # Rows are those of the same columns, counted as often.
        is_same = system.factors is self.system.factors and system.basis is self.system.basis
        is_same &= system.offset is self.system.offset
        counts = system.response.counts, self.system.response.counts
        one, two = counts
        known = one is not None and two is not None
        is_same &= one is two or (known and np.array_equal(one, two))  # type: ignore[arg-type]
        return SingleLaplace(system, expected=self.expected, rows=self._rows if is_same else None)

    # -- units

    @cached_property
    def back(self) -> Floats:
        """Matrix (k, k) from the coordinates of the search to points."""
        own = slice(self.n_theta, self.n_theta + self.n_fixed)
        out = np.zeros_like(self.coordinates)
        out[: own.start, : own.start] = inverse_of_lower(self.coordinates[: own.start, : own.start])
        out[own, own] = self.system.basis.r_inverse * math.sqrt(self.system.n)
        out[own.stop :, own.stop :] = np.eye(len(out) - own.stop)
        return out

    def from_points(self, points: Floats) -> Floats:
        """Bring coordinates (..., k) of the search to theta, fixed effects and dispersion."""
        return by_columns(points, self.back)

    def to_points(self, thetas: Floats) -> Floats:
        """The reverse."""
        return by_columns(thetas, self.coordinates)

    def slope_to_theta(self, slopes: Floats) -> Floats:
        """Bring gradients (..., k) by coordinates of the search to those by points."""
        return by_columns(slopes, self.coordinates.T)

    # -- values and slopes

    @cached_property
    def _sorted(self) -> tuple[Floats, Floats]:
        """The response in the order of the levels, and its table of counts."""
        return self._rows.response(self.system.response.y)

    def reset(self) -> None:
        """Begin anew: the next modes are searched from zero, so that equal fits are equal."""
        super().reset()
        self._spherical.fill(0.0)

    def _run(
        self,
        points: Floats,
        *,
        derived: bool,
        inverse: Floats | None = None,
        tolerance: float = 0.0,
    ) -> tuple[Floats, Floats, Floats]:
        """Evaluate at coordinates (m, k), or search with an inverse Hessian from the first."""
        m, k = points.shape
        gradients, parts, values = np.empty((m, k)), np.empty((m, PARTS)), np.empty(m)
        rows, (y, above) = self._rows, self._sorted
        count, _, _ = run_laplace(
            rows.kind, rows.start, rows.columns, y, above, rows.places,
            np.empty((0, 0)) if inverse is None else inverse, tolerance, inverse is not None,
            derived, self._spherical, rows.work, points, gradients, parts, values,
        )  # fmt: skip
        return points[:count], gradients[:count], parts[:count]

    def _checked(self, point: Floats) -> Floats:
        """Coordinates of a point (k,) that can be evaluated; raises FloatingPointError."""
        if not np.isfinite(point).all():
            raise FloatingPointError("The parameters are not finite.")
        if not 0.0 < self.split(point)[2] < math.inf:
            raise FloatingPointError("The dispersion is beyond floating-point numbers.")
        return self.to_points(point)

    def described(self, point: Floats, parts: Floats) -> GeneralizedEvaluation | None:
        """Put an evaluation at a point (k,) into words; None if there are no modes there."""
        likelihood, penalty, log_det = parts[LIKELIHOOD], parts[PENALTY], parts[LOG_DET]
        if not math.isfinite(likelihood + penalty + log_det):
            return None
        _, beta, dispersion = self.split(point)
        deviance = -2.0 * (float(likelihood) + self._constant(dispersion))
        size = abs(deviance) + float(penalty) + abs(float(log_det))
        return GeneralizedEvaluation(
            deviance + float(penalty) + float(log_det), beta.copy(), dispersion, float(log_det),
            deviance, float(penalty), int(parts[STEPS]), int(parts[HALVINGS]),
            4.0 * np.finfo(float).eps * size,
        )  # fmt: skip

    def evaluate(self, point: Floats) -> GeneralizedEvaluation:
        """Evaluate the objective at a point (k,).

        Raises FloatingPointError if there are no conditional modes there.
        """
        return self._evaluated(point, derived=False)[0]

    def evaluate_gradient(self, point: Floats) -> tuple[GeneralizedEvaluation, Floats]:
        """Evaluate the objective and its exact gradient, shape (k,)."""
        return self._evaluated(point, derived=True)

    def _evaluated(self, point: Floats, *, derived: bool) -> tuple[GeneralizedEvaluation, Floats]:
        point = np.asarray(point, dtype=float)
        _, gradients, parts = self._run(self._checked(point)[None], derived=derived)
        found = self.described(point, parts[0])
        if found is None:
            raise FloatingPointError("The conditional modes were not found.")
        return found, self.slope_to_theta(gradients[0])

    def gradients(self, points: Floats) -> Floats:
        """Exact gradients at every row of `points` (m, k), NaN where one fails."""
        with np.errstate(invalid="ignore"):
            found = self._run(np.ascontiguousarray(self.to_points(points)), derived=True)[1]
        return self.slope_to_theta(found)

    # -- searches

    def information(self, point: Floats) -> Floats | None:
        """Expected information, times two, by the coordinates of the search; None if it fails."""
        k, r = self.n_theta, self.n_fixed
        by_factor, by_gamma = np.empty((k, k)), np.empty((r, r))
        rows = self._rows
        value = information_of(
            rows.kind, rows.start, rows.columns, self._sorted[0], rows.places,
            self._checked(point), self._spherical, rows.work, by_factor, by_gamma,
        )  # fmt: skip
        if not math.isfinite(value):
            self._spherical.fill(0.0)
            return None
        # Of a dispersion each row tells about one half.
        out = np.diag(np.full(len(point), self.system.n / 2.0))
        out[:k, :k] = by_factor + np.diag(np.full(k, _FLAT))
        out[k : k + r, k : k + r] = by_gamma
        return out

    def quasi_newton(self, point: Floats, tolerance: float, most: int) -> SingleSearch | None:
        """Search from a point (k,) in compiled code; None if it cannot be evaluated there."""
        point = np.asarray(point, dtype=float)
        try:
            information = self.information(point)
        except FloatingPointError:
            return None
        if information is None:
            return None
        points = np.empty((min(most, _ROOM), len(point)))
        points[0] = self.to_points(point)
        return SingleSearch(
            self,
            *self._run(
                points, derived=True, inverse=bounded_inverse(information), tolerance=tolerance
            ),
        )

    def refit(
        self, starts: Floats, inverse: Floats, responses: Floats, tolerance: float, most: int
    ) -> SingleEnds:
        """Search for each of many responses (m, n) from its row of `starts` (m, k), or one (k,).

        ``starts``, and what `inverse` (k, k) is of, are coordinates of the search. What comes of a
        row does not depend on the others. If `most` is 1 they are evaluated there.
        """
        rows, (m, k) = self._rows, (len(responses), len(inverse))
        begin = np.array(np.broadcast_to(starts, (m, k)), order="C")
        ends = SingleEnds(
            np.empty((m, k)), np.empty((m, k)), np.empty((m, PARTS)), np.empty(m),
            np.zeros(m, dtype=np.int64), np.empty(m),
        )  # fmt: skip
        refit_laplace(
            rows.kind, rows.start, rows.columns,
            np.ascontiguousarray(responses[:, rows.order], dtype=np.float64), rows.places, begin,
            np.array(inverse, order="C"), tolerance, most, np.empty_like(self._spherical),
            rows.work, ends.points, ends.gradients, ends.parts, ends.values, ends.counts,
            ends.decrements,
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


def by_columns(rows: Floats, matrix: Floats) -> Floats:
    """Products (..., k) of a matrix (k, k) with every row (..., k), each as by itself.

    What BLAS gives a row depends on how many there are.
    """
    out = np.zeros(rows.shape)
    for j, column in enumerate(matrix.T):
        out += rows[..., j, None] * column
    return out
