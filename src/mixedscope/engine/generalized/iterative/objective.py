"""The Laplace approximation of a large crossed model, with its own errors.

Modes are exact at every point; the log-determinant, and so the objective and its gradient, are
estimates by probes that are the same at every point: smooth functions of it, whose standard errors
stand beside them. See :mod:`mixedscope.engine.iterative.objective`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.evaluation import ManyStarts
from mixedscope.engine.generalized.iterative.point import LaplacePoint, find_modes
from mixedscope.engine.generalized.iterative.system import IterativeGeneralizedSystem
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.modes import Modes, without_modes
from mixedscope.engine.generalized.other_minima import rival_starts, singular_starts
from mixedscope.engine.generalized.rows import slopes_of_weights
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.iterative.crossing import Complement
from mixedscope.engine.iterative.probed import ERRORS, Probed
from mixedscope.engine.iterative.probes import covariance_of_means
from mixedscope.engine.iterative.system import MOST_AT_ONCE
from mixedscope.engine.lapack import limited_for

__all__ = ["EstimatedGeneralizedEvaluation", "IterativeLaplace"]

Floats = NDArray[np.float64]

#: Step of the differences of the gradient, in standardised units: one-sided ones are good to it.
_STEP: Final = 3e-5

#: Standard deviations, on columns of unit root mean square, that are zero where a rank is lost; and
#: those that are tried in the place of one that vanishes.
_LOST: Final = 1e-4
_ALONG: Final = np.array([0.0, 0.1, 0.3, 1.0, 3.0])

#: Which of these a search begins with.
_FROM: Final = 2

#: Probes of these.
_FEW: Final = 8


class EstimatedGeneralizedEvaluation(NamedTuple):
    """One evaluation of a Laplace approximation that is estimated.

    What `GeneralizedEvaluation` does not have is that of `EstimatedEvaluation`.
    """

    objective: float
    beta: Floats
    dispersion: float
    log_det: float
    conditional_deviance: float
    penalty: float
    newton_steps: int
    halvings: int
    objective_se: float
    gradient_se: Floats
    cg_iterations: int
    cg_residual: float
    probes: int
    rounding: float = 0.0


class IterativeLaplace(Probed, LaplaceObjective):
    """The objective of a generalised model of two large crossed factors, estimated.

    Parameters
    ----------
    system : IterativeGeneralizedSystem
    """

    parts = (*LaplaceObjective.parts, *ERRORS)

    #: The information is rough: what modes do to the determinant is no part of it.
    has_secants = True
    has_factorisation = False

    system: IterativeGeneralizedSystem

    def __init__(self, system: IterativeGeneralizedSystem) -> None:
        super().__init__(system)
        self._complement: Complement | None = None
        self._found: LaplacePoint | None = None
        self._changes: tuple[Floats, list[Floats]] | None = None
        self._slopes_here: tuple[Floats, Floats] | None = None
        self._information: Floats | None = None
        self._iterations = 0
        self._hessian: tuple[Floats, int, tuple[Floats, Floats]] | None = None

    def like(self, system: GeneralizedSystem) -> IterativeLaplace:
        """The same objective of another system: other columns."""
        assert isinstance(system, IterativeGeneralizedSystem)
        return IterativeLaplace(system)

    def use_probes(self, n_probes: int | None) -> None:
        """Use so many probes from now on; None: as many as a fit begins with."""
        before = self.system.n_probes
        self.system.use_probes(n_probes)
        if before != self.system.n_probes:
            self._found = self._slopes_here = None

    def with_probes(self, n_probes: int, *, seed: int | None = None) -> IterativeLaplace:
        """Give the same objective by another number of probes, or by others."""
        other = IterativeLaplace(self.system.with_probes(n_probes, seed=seed))
        other._modes, other._at = self._modes, self._at
        other._complement, other._iterations = self._complement, self._iterations
        return other

    # -- values and slopes -----------------------------------------------------------------------

    def modes_at(self, point: Floats) -> Modes:
        """Find the conditional modes.

        Raises EvaluationError, a FloatingPointError, if the point is not finite, or has none.
        """
        try:
            return self._find(np.asarray(point, dtype=float))
        except FloatingPointError as error:
            raise without_modes(error) from None

    def reset(self) -> None:
        """Begin anew: the next modes are searched from zero, so that equal fits are equal."""
        super().reset()
        self._leave()

    def _leave(self) -> None:
        """Forget what is known of the last point but its modes."""
        self._at = self._found = self._changes = self._information = self._slopes_here = None

    def forget(self) -> None:
        """There is no factorisation to be overwritten."""

    def _find(self, point: Floats) -> Modes:
        if self._at is not None and self._modes is not None and np.array_equal(self._at, point):
            return self._modes
        theta, beta, dispersion = self._split_sound(point)
        system = self.system
        factors, fixed = system.standard_factors(theta), system.fixed_part(beta)
        start = self._from_here(point)
        self._leave()
        with limited_for(system.n):
            try:
                found = find_modes(system, factors, fixed, dispersion, start)
            except FloatingPointError:
                self._modes = None
                if start is None:
                    raise
                found = find_modes(system, factors, fixed, dispersion, None)
        self._modes, self._complement, self._iterations = found
        self._at = point.copy()
        return self._modes

    def _from_here(self, point: Floats) -> list[Floats] | None:
        """Where the modes of other parameters are, seen from those known; None without any."""
        if self._modes is None:
            return None
        if self._changes is None:
            return self._modes.g
        at, turned = self._changes
        by = point - at
        found = [g + own @ by for g, own in zip(self._modes.g, turned, strict=True)]
        return found if all(np.isfinite(g).all() for g in found) else self._modes.g

    def _at_point(self, point: Floats) -> LaplacePoint:
        modes = self._find(point)
        if self._found is None:
            theta, _, _ = self.split(point)
            with limited_for(self.system.n):
                assert self._complement is not None
                self._found = LaplacePoint(
                    self.system, self.system.standard_factors(theta), modes, self._complement,
                    self.system.probes, self.system.starts,
                )  # fmt: skip
        return self._found

    def evaluate(self, point: Floats) -> Any:
        """Evaluate the objective; the error of its gradient is not known then."""
        point = np.asarray(point, dtype=float)
        return self._told(point, np.full(len(point), np.nan))

    def _told(self, point: Floats, gradient_se: Floats) -> EstimatedGeneralizedEvaluation:
        found = self._at_point(point)
        modes = found.modes
        _, beta, dispersion = self.split(point)
        deviance = -2.0 * (modes.rows.log_likelihood + self._constant(dispersion))
        log_det = modes.solution.log_det + float(found.log_det.values[0])
        size = abs(deviance) + modes.penalty + abs(log_det)
        return EstimatedGeneralizedEvaluation(
            deviance + modes.penalty + log_det, beta.copy(), dispersion, log_det, deviance,
            modes.penalty, modes.steps, modes.halvings,
            objective_se=float(np.sqrt(found.log_det.covariance()[0, 0])),
            gradient_se=gradient_se,
            cg_iterations=max(int(found.solves.iterations.max()), self._iterations),
            cg_residual=float(found.solves.residuals.max()),
            probes=self.n_probes,
            rounding=4.0 * np.finfo(float).eps * size + modes.residual**2,
        )  # fmt: skip

    def evaluate_gradient(self, point: Floats) -> Any:
        """Evaluate the objective and its gradient (k,), both with their standard errors."""
        point = np.asarray(point, dtype=float)
        gradient, deviations = self._slopes(point)
        errors = np.sqrt(covariance_of_means(deviations).diagonal())
        return self._told(point, errors), gradient

    def evaluate_with_deviations(self, point: Floats) -> tuple[Any, Floats]:
        """Evaluate the objective, and give what each probe was off in it (probes,)."""
        told = self.evaluate(point)
        return told, self._at_point(np.asarray(point, dtype=float)).log_det.deviations[:, 0]

    def gradient_covariance(self, point: Floats) -> Floats:
        """Covariance (k, k) of the gradient at a point over sets of probes."""
        return covariance_of_means(self._slopes(np.asarray(point, dtype=float))[1])

    def _slopes(self, point: Floats) -> tuple[Floats, Floats]:
        """Gradient (k,), and what each probe was off in it (probes, k)."""
        found = self._at_point(point)
        if self._slopes_here is None:
            with limited_for(self.system.n):
                self._slopes_here = self._derived(point, found)
        return self._slopes_here

    def _derived(self, point: Floats, found: LaplacePoint) -> tuple[Floats, Floats]:
        system, modes = self.system, found.modes
        theta, _, dispersion = self.split(point)
        k, r = self.n_theta, self.n_fixed
        columns = np.empty((system.n, len(point)))
        columns[:, :k] = self._columns_of_theta(theta, found)
        columns[:, k : k + r] = system.X
        slopes, own = slopes_of_weights(
            system.family, system.response, modes.eta, dispersion, modes.rows, expected=False
        )
        gradient = np.zeros(len(point))
        beyond: Floats | None = None
        if slopes is not None and slopes.dispersion is not None:
            value, by_score, by_weight, _ = slopes.dispersion
            # As if a column did to the scores what the parameter does: W x = d score.
            columns[:, -1] = 0.0
            beyond = by_weight
            gradient[-1] = -2.0 * float(value.sum())
            changed, turned, information = found.changes(columns, by_score)
            information[-1] = information[:, -1] = 0.0
            information[-1, -1] = system.n / 4.0
        else:
            changed, turned, information = found.changes(columns)
        self._changes, self._information = (point.copy(), turned), information
        changed *= own[:, None]
        if beyond is not None:
            changed[:, -1] += beyond
        traces = found.leverages(changed)
        gradient += traces.values
        gradient[k : k + r] -= 2.0 * (system.X.T @ modes.rows.score)
        deviations = np.array(traces.deviations)
        slopes_of = found.covariance_slopes()
        for term, factor, slope, each in zip(
            system.terms, found.factors, slopes_of, found.slope_deviations(), strict=True
        ):
            at = theta[term.theta]
            gradient[term.theta] += term.pullback(at, 2.0 * slope @ factor)
            many = np.broadcast_to(at, (len(each), len(at)))
            deviations[:, term.theta] += term.pullback(many, 2.0 * each @ factor)
        return gradient, deviations

    def _columns_of_theta(self, theta: Floats, found: LaplacePoint) -> Floats:
        """What theta by itself does to the linear predictor, (n, k)."""
        system = self.system
        out = np.zeros((system.n, self.n_theta))
        for term, factor, columns, g in zip(
            system.terms, found.factors, system.factors, found.modes.g, strict=True
        ):
            for i, step in enumerate(term.standard_derivatives(theta[term.theta])):
                half = step @ factor.T
                effects = g @ (half + half.T)
                own = np.einsum("ij,ij->i", columns.z, effects.take(columns.codes, axis=0))
                out[:, term.theta.start + i] = own
        return out

    def initial_hessian(self, point: Floats) -> Floats:
        """Approximate the Hessian at a point, (k, k).

        That of the working linear model at the modes: average information of theta with the second
        derivatives of the covariances, and twice the information of the fixed effects.
        """
        point = np.asarray(point, dtype=float)
        if self._at is None or self._information is None or not np.array_equal(self._at, point):
            self._slopes(point)
        whole = self._information
        assert whole is not None
        theta, _, _ = self.split(point)
        found = self._at_point(point)
        k, r = self.n_theta, self.n_fixed
        out = 2.0 * whole
        fixed, cross = whole[k : k + r, k : k + r], whole[:k, k : k + r]
        profiled = cross @ np.linalg.solve(fixed, cross.T) if r else 0.0
        out[:k, :k] = whole[:k, :k] + profiled
        for term, slope in zip(self.system.terms, found.covariance_slopes(), strict=True):
            curved = term.covariance_curvatures(theta[term.theta])
            out[term.theta, term.theta] += np.einsum("ijab,ab->ij", curved, slope)
        return (out + out.T) / 2.0

    def second_derivatives(self, point: Floats) -> tuple[Floats, Floats] | None:
        """Gradient (k,) and Hessian (k, k), by differences of gradients; kept.

        By a few of the probes: what they leave open of a curvature is far less than of a slope.
        """
        point = np.asarray(point, dtype=float)
        known = self._hessian
        if known is not None and known[1] == self.n_probes and np.array_equal(known[0], point):
            return known[2]
        gradient = self._slopes(point)[0].copy()
        rough = self.with_probes(min(self.n_probes, _FEW))
        here = rough._slopes(point)[0].copy()
        by_step = np.linalg.inv(self.coordinates)
        rows = np.empty((len(point), len(point)))
        for i in range(len(point)):
            rows[i] = (rough._slopes(point + _STEP * by_step[:, i])[0] - here) / _STEP
        hessian = self.coordinates.T @ rows
        found = gradient, (hessian + hessian.T) / 2.0
        self._hessian = point.copy(), self.n_probes, found
        return found

    # -- what searches ask for -------------------------------------------------------------------

    @property
    def is_quick(self) -> bool:
        """An evaluation takes longer than a step of an optimiser."""
        return False

    def second_look(self, point: Floats) -> ManyStarts:
        """Along single variances that vanish, and from elsewhere where a covariance lost a rank.

        Nearly singular ones, of which the exact engine tries others, have too many evaluations.
        """
        point = np.asarray(point, dtype=float)
        theta, _, _ = self.split(point)
        rays: list[Floats] = []
        starts: list[Floats] = []
        is_lost = False
        for term, factor in zip(
            self.system.terms, self.system.standard_factors(theta), strict=True
        ):
            if term.size > 1:
                lengths = np.linalg.svd(factor, compute_uv=False)
                is_lost = is_lost or float(lengths[term.rank - 1]) <= _LOST
            elif theta[term.theta.start] == 0.0:
                ray = np.tile(point, (len(_ALONG), 1))
                ray[:, term.theta.start] = _ALONG / term.scale[0]
                rays.append(ray)
                # Fixed effects change with it, so that along a ray there need be no dip.
                starts.append(ray[_FROM])
        if is_lost:
            starts += singular_starts(self, point)
        return ManyStarts(rays=rays, starts=starts, rivals=rival_starts(self, point))

    def workload(self) -> tuple[float, int]:
        """Seconds of an evaluation, which are not known before the first; bytes that are held."""
        system = self.system
        held = sum(f.z.nbytes for f in system.factors) + system.X.nbytes
        width = system.n_probes + 1
        working = 6 * width * system.n_iterated * 8 + 24 * system.n_pairs
        working += 8 * system.n * (2 * len(self.theta_names) + 8)
        return 0.0, held + working

    def fixed_covariance(self, point: Floats) -> Floats:
        """Covariance (r, r) of the fixed effects, covariances and dispersion as known."""
        self.initial_hessian(point)
        k, r = self.n_theta, self.n_fixed
        assert self._information is not None
        return np.asarray(np.linalg.inv(self._information[k : k + r, k : k + r]))

    def conditional_covariances(self, point: Floats) -> list[Floats]:
        """Refused: of all levels they would take one solution each."""
        self.system.refuse("Conditional covariances of all levels")

    def known_covariances(self, point: Floats) -> list[Floats]:
        """Conditional covariances (q, k, k) of factors of few levels, exact; NaN of others."""
        found = self._at_point(np.asarray(point, dtype=float))
        out = []
        for position, factor in enumerate(self.system.factors):
            q, k = factor.n_levels, factor.size
            if q * k > MOST_AT_ONCE:
                out.append(np.full((q, k, k), np.nan))
            else:
                out.append(found.conditional_covariances(position, np.arange(q)))
        return out

    def effective_degrees(self, point: Floats) -> list[Floats]:
        """Refused: they would be estimates."""
        self.system.refuse("Effective degrees of freedom")
