"""Generalised models whose evaluations, and whole searches, are compiled calls.

What models with one grouping factor (:mod:`mixedscope.engine.generalized.single`, by quadrature
:mod:`mixedscope.engine.generalized.single_quadrature`) and with several
(:mod:`mixedscope.engine.generalized.several`) have in common. Covariances are those whose theta are
entries of the factor. All other models are evaluated step by step, as is whatever is asked beyond
values and gradients.
"""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import chosen
from mixedscope.engine.compile.interpreter import entries
from mixedscope.engine.generalized.evaluation import GeneralizedEvaluation
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.linking import has_steps, steps_of
from mixedscope.engine.generalized.modes import is_led, without_modes
from mixedscope.engine.generalized.starting import MOST_STEPS, SETTLED, generalized_linear_fit
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.group_effects import inverse_of_lower
from mixedscope.engine.kernels.laplace_search import fit_fixed, run_laplace, table_of
from mixedscope.engine.kernels.laplace_steps import (
    ETA,
    HALVINGS,
    LIKELIHOOD,
    LOG_DET,
    PARTS,
    PENALTY,
    STEPS_TAKEN,
    WEIGHT,
    Columns,
    Graph,
    Work,
)
from mixedscope.engine.lapack import on_engine_threads
from mixedscope.engine.search.search import bounded_inverse

__all__ = [
    "FLAT",
    "CompiledLaplace",
    "CompiledLaplaceSearch",
    "SortedRows",
    "by_columns",
    "is_compiled",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Evaluations there is room for; a search that needs more is continued by polishing.
_ROOM: Final = 100

#: Random effects of a level at most.
_WIDEST: Final = 6

#: Least curvature of a search's first metric, as in :mod:`mixedscope.engine.generalized.starting`.
FLAT: Final = 1e-4

_NONE: Final = np.empty(0)


def is_compiled(system: GeneralizedSystem, *, expected: bool) -> bool:
    """Whether a model's family and covariances are of those that have compiled passes."""
    family = system.family
    if not has_steps(family) or (expected and not family.is_canonical):
        return False
    # Counts of zero come to where the mean ends, with nothing that keeps them from it, and the
    # lowest point is then often at the edge of where there are modes. Searches of either kind stall
    # there, each elsewhere: of 24 models 8, between 2.9 lower and 0.2 higher (inside they agree to
    # 1e-11). The one that takes fewer steps in vain is kept.
    if family.of_counts and family.link.side:
        return False
    return all(t.size <= _WIDEST and t.has_entries for t in system.terms)


@dataclass(frozen=True)
class SortedRows:
    """Rows of a model in the order of the levels of the factor that is eliminated first.

    Attributes
    ----------
    order : (n,) array of int
    graph, columns : tuples
        See :mod:`mixedscope.engine.kernels.laplace_steps`.
    places : (p,) array of int
        Where theta stands in the flattened factors, one after another.
    entries : int
        Of all factors.
    """

    order: Ints
    graph: Graph
    columns: Columns
    places: Ints
    entries: int

    @classmethod
    def of(
        cls, system: GeneralizedSystem, order: Ints, graph: Graph, factors: Sequence[int]
    ) -> SortedRows:
        """Put rows in order, and columns of random effects in that of the `factors`."""
        counts = system.response.counts
        parts = [system.factors[f].z for f in factors]
        z = parts[0] if len(parts) == 1 else np.hstack(parts)
        columns = (
            np.ascontiguousarray(z[order], dtype=np.float64),
            np.ascontiguousarray(system.basis.q[order] * system.root),
            np.ascontiguousarray(system.offset[order], dtype=np.float64),
            _NONE if counts is None else np.ascontiguousarray(counts[order], dtype=np.float64),
        )
        first = dict(zip(factors, graph[5][:, 2].tolist(), strict=True))
        places = []
        for f, term in enumerate(system.terms):
            found = term.entries()
            assert found is not None
            places.append(found[0] + first[f])
        size = sum(t.size * t.size for t in system.terms)
        return cls(order, graph, columns, np.concatenate(places).astype(np.int64), size)

    def is_of(self, system: GeneralizedSystem, other: GeneralizedSystem) -> bool:
        """Whether another system's rows are the same, counted as often, but for the response."""
        one, two = system.response.counts, other.response.counts
        known = one is not None and two is not None
        return (
            other.factors is system.factors
            and other.basis is system.basis
            and other.offset is system.offset
            and (one is two or (known and np.array_equal(one, two)))  # type: ignore[arg-type]
        )


class CompiledLaplaceSearch:
    """Every evaluation of a compiled search; `mixedscope.optimize.objective.CompiledSearch`."""

    def __init__(
        self, objective: CompiledLaplace, points: Floats, gradients: Floats, parts: Floats
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


class CompiledLaplace(LaplaceObjective):
    """The objective of a model that `is_compiled`.

    Points are brought to entries of the factors, coefficients of orthogonal columns and the
    logarithm of the dispersion: the coordinates of the search.

    Attributes
    ----------
    rows : SortedRows
    work : tuple of arrays
        Room for an evaluation.
    spherical : array
        Spherical modes, where the next ones are searched from.
    """

    is_compiled = True
    _is_single: ClassVar[bool]
    _by_steps: ClassVar[type[LaplaceObjective]] = LaplaceObjective

    def __init__(
        self,
        system: GeneralizedSystem,
        *,
        expected: bool = False,
        rows: SortedRows | None = None,
        work: Work | None = None,
    ) -> None:
        super().__init__(system, expected=expected)
        self.rows = self._sort(system) if rows is None else rows
        self.spherical, own = self._room(work is None)
        self.work = own if work is None else work

    @classmethod
    @abstractmethod
    def fits(cls, system: GeneralizedSystem, *, expected: bool) -> bool:
        """Whether a model is of this kind."""

    @staticmethod
    @abstractmethod
    def _sort(system: GeneralizedSystem) -> SortedRows:
        """Put the rows of a system in order."""

    @abstractmethod
    def _room(self, with_work: bool) -> tuple[Floats, Work]:
        """Spherical modes, zero, and room for the rows and levels of an evaluation."""

    @abstractmethod
    def information(self, point: Floats) -> Floats | None:
        """Expected information, times two, by the coordinates of the search; None if it fails."""

    def like(self, system: GeneralizedSystem) -> LaplaceObjective:
        """The same objective of another system: other columns, or another response."""
        if not self.fits(system, expected=self.expected):
            return self._by_steps(system, **self._options)
        if not self.rows.is_of(self.system, system):
            return type(self)(system, **self._options)
        return type(self)(system, **self._options, rows=self.rows, work=self._shared())

    @property
    def _options(self) -> dict[str, Any]:
        """What an objective is made with beside its system, evaluated step by step or not."""
        return {"expected": self.expected}

    def _shared(self) -> Work | None:
        """Room that models of other responses work in too, one at a time, if they may."""
        return None

    def numbers(self, *, linked: bool) -> Ints:
        """Give the steps of the family: for Python, or linked."""
        family = self.system.family
        return steps_of(
            family.name, family.link.name, is_single=self._is_single, linked=linked,
            has_nodes=self.points > 1,
        )  # fmt: skip

    def call(self, kernel: Callable[..., Any], size: int, *arguments: Any) -> Any:
        """Call a kernel that takes the steps first, the way that so much work asks for."""
        run, linked = chosen(kernel, size)
        return run(self.numbers(linked=linked), *arguments)

    @cached_property
    def size(self) -> int:
        """Entries of what a pass over the rows reads and writes."""
        graph, columns = self.rows.graph, self.rows.columns
        return entries((graph, columns)) + 4 * self.system.n + self.work[6].size

    # -- units

    @cached_property
    def back(self) -> Floats:
        """Matrix (k, k) from the coordinates of the search to points."""
        own = slice(self.n_theta, self.n_theta + self.n_fixed)
        out = np.zeros_like(self.coordinates)
        out[: own.start, : own.start] = inverse_of_lower(self.coordinates[: own.start, : own.start])
        out[own, own] = self.system.basis.r_inverse * self.system.root
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

    # -- starts

    @cached_property
    @on_engine_threads
    def _without_random(self) -> Floats:
        """Fixed effects of the generalised linear model, without random effects."""
        system, columns = self.system, self.rows.columns
        family, root = system.family, system.root
        if family.link.side:
            return generalized_linear_fit(system)
        with np.errstate(all="ignore"):
            eta = family.link.predictor(family.initial_mean(system.response)) - system.offset
        coefficients = np.asarray(system.basis.q.T @ eta / root)
        found = self.call(
            fit_fixed, self.size, columns, self.response[0], family.initial_dispersion(),
            self.work, SETTLED, MOST_STEPS, coefficients,
        )  # fmt: skip
        if not found:
            return generalized_linear_fit(system)
        return np.asarray(system.basis.r_inverse @ (coefficients * root))

    # -- values and slopes

    @cached_property
    def response(self) -> tuple[Floats, Floats]:
        """The response in the order of the rows, and what a dispersion asks of it."""
        own = np.ascontiguousarray(self.system.response.y[self.rows.order], dtype=np.float64)
        if self.system.family.dispersion is None:
            return own, _NONE
        table = self.call(table_of, len(own), own, self.rows.columns[3])
        return own, table

    def reset(self) -> None:
        """Begin anew: the next modes are searched from zero, so that equal fits are equal."""
        super().reset()
        self.spherical.fill(0.0)

    def run(
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
        rows, (y, table) = self.rows, self.response
        count, _, _ = self.call(
            run_laplace, self.size + points.size, rows.graph, rows.columns, y, table, rows.places,
            rows.entries, np.empty((0, 0)) if inverse is None else inverse, tolerance,
            inverse is not None, derived, self.spherical, self.work, points, gradients, parts,
            values,
        )  # fmt: skip
        return points[:count], gradients[:count], parts[:count]

    def checked(self, point: Floats) -> Floats:
        """Coordinates of a point (k,) that can be evaluated; raises FloatingPointError."""
        self._split_sound(point)
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
            deviance, float(penalty), int(parts[STEPS_TAKEN]), int(parts[HALVINGS]),
            4.0 * sys.float_info.epsilon * size,
        )  # fmt: skip

    def evaluate(self, point: Floats) -> GeneralizedEvaluation:
        """Evaluate the objective at a point (k,).

        Raises EvaluationError, a FloatingPointError, if there are no conditional modes there.
        """
        return self._evaluated(point, derived=False)[0]

    def evaluate_gradient(self, point: Floats) -> tuple[GeneralizedEvaluation, Floats]:
        """Evaluate the objective and its exact gradient, shape (k,)."""
        return self._evaluated(point, derived=True)

    def _evaluated(self, point: Floats, *, derived: bool) -> tuple[GeneralizedEvaluation, Floats]:
        point = np.asarray(point, dtype=float)
        at = self.checked(point)
        _, gradients, parts = self.run(at[None], derived=derived)
        found = self.described(point, parts[0])
        if found is None:
            gradients, found = self._led(point, at, derived=derived)
        if found is None:
            raise without_modes(FloatingPointError("the steps towards them fail"))
        return found, self.slope_to_theta(gradients[0])

    def last_rows(self) -> tuple[Floats, Floats] | None:
        """Linear predictor and observed information (n,) of the evaluation before, in any order."""
        rows = self.work[2]
        return rows[ETA], rows[WEIGHT]

    def _led(
        self, point: Floats, at: Floats, *, derived: bool
    ) -> tuple[Floats, GeneralizedEvaluation | None]:
        """Evaluate by way of smaller fixed effects, as `LaplaceObjective` does."""
        own = slice(self.n_theta, self.n_theta + self.n_fixed)
        gradients, parts = np.full((1, len(at)), np.nan), np.full((1, PARTS), np.nan)

        def reach(share: float) -> bool:
            nonlocal gradients, parts
            part, before = at.copy(), self.spherical.copy()
            part[own] *= share
            _, gradients, parts = self.run(part[None], derived=derived and share == 1.0)
            is_found = bool(np.isfinite(parts[0]).all())
            if not is_found:
                self.spherical[...] = before
                if not self._is_single:
                    # What is in `work` belongs to the modes that failed.
                    self.spherical[1] = 0.0
            return is_found

        self.spherical.fill(0.0)
        if self.system.family.link.side or not is_led(reach, self.system.X @ point[own]):
            return gradients, None
        return gradients, self.described(point, parts[0])

    def gradients(self, points: Floats) -> Floats:
        """Exact gradients at every row of `points` (m, k), NaN where one fails."""
        with np.errstate(invalid="ignore"):
            found = self.run(np.ascontiguousarray(self.to_points(points)), derived=True)[1]
        return self.slope_to_theta(found)

    # -- searches

    def quasi_newton(
        self, point: Floats, tolerance: float, most: int
    ) -> CompiledLaplaceSearch | None:
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
        return CompiledLaplaceSearch(
            self,
            *self.run(
                points, derived=True, inverse=bounded_inverse(information), tolerance=tolerance
            ),
        )


def by_columns(rows: Floats, matrix: Floats) -> Floats:
    """Products (..., k) of a matrix (k, k) with every row (..., k), each as by itself.

    What BLAS gives a row depends on how many there are. Sums across rows of memory are made in
    order.
    """
    shares = np.multiply(rows[..., None], matrix.T, order="C")
    return np.asarray(np.add.reduce(shares, axis=-2, initial=0.0))
