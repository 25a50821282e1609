"""The profiled objective of a model that is solved by conjugate gradients, with its own errors.

Fixed effects, sigma and modes are exact at every theta; the log-determinant, and so the objective
and its gradient, are estimates by probes that are the same at every theta: smooth functions of it,
whose standard errors stand beside them. The gradient is without bias, but not to the last digit
that of the objective estimated; what searches for its root never asks the objective for less than
its own error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.core.evaluation import EstimatedEvaluation
from mixedscope.engine.evaluation import gradients_by_row
from mixedscope.engine.group_effects import joined
from mixedscope.engine.iterative.probed import ERRORS, Probed
from mixedscope.engine.iterative.probes import covariance_of_means
from mixedscope.engine.iterative.solution import IterativeSolution
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.iterative.weights import unit_of_weights, words_of_weights
from mixedscope.engine.kernels.criterion import residual_weight
from mixedscope.engine.lapack import limited_for
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.search.second_look import SecondLook, second_look

__all__ = ["IterativeObjective"]

Floats = NDArray[np.float64]

#: Share of the largest entry of the information below which the matrix with second derivatives is
#: no metric for a step.
_LEAST = 1e-4

#: How near theta is to an end where it is there.
_AT_END = 1e-6


class IterativeObjective(Probed, SearchableObjective):
    """The objective an optimiser sees, estimated.

    Attributes
    ----------
    parts : tuple of str
        Beside those of the exact engines the errors of the objective and of its gradient, and what
        the equations took.
    """

    parts = (*SearchableObjective.parts, *ERRORS)

    system: IterativeSystem

    def __init__(self, system: IterativeSystem, *, reml: bool = False) -> None:
        # That of columns which is one where weights are their median.
        self.unit = unit_of_weights(system.design.weights)
        super().__init__(system, reml=reml)

    # -- values and slopes -----------------------------------------------------------------------

    def evaluate(self, theta: Floats) -> EstimatedEvaluation:  # type: ignore[override]
        """Evaluate the objective; the error of its gradient is not known then."""
        with self.limited_threads():
            solution = self._solved(theta)
            return self._told(solution, np.full(len(self.theta_names), np.nan))

    def evaluate_gradient(  # type: ignore[override]
        self, theta: Floats
    ) -> tuple[EstimatedEvaluation, Floats]:
        """Evaluate the objective and its gradient (k,), both with their standard errors."""
        with self.limited_threads():
            solution = self._solved(theta)
            gradient, deviations = self._slopes(theta, solution)
            errors = np.sqrt(covariance_of_means(deviations).diagonal())
            return self._told(solution, errors), gradient

    def evaluate_with_deviations(self, theta: Floats) -> tuple[EstimatedEvaluation, Floats]:
        """Evaluate the objective, and give what each probe was off in it (probes,)."""
        solution = self._solved(theta)
        return self._told(solution, np.full(len(theta), np.nan)), solution.log_det_deviations

    def gradients(self, thetas: Floats) -> Floats:
        """Gradients (m, k) at every row of `thetas` (m, k); NaN where one fails."""
        return gradients_by_row(self.evaluate_gradient, thetas)

    def gradient_covariance(self, theta: Floats) -> Floats:
        """Covariance (k, k) of the gradient at theta over sets of probes."""
        with self.limited_threads():
            return covariance_of_means(self._slopes(theta, self._solved(theta))[1])

    def initial_hessian(self, theta: Floats) -> Floats:
        """Approximate the Hessian at theta (k, k), theta units.

        Average information (Gilmour, Thompson & Cullis 1995, Biometrics 51, eq. 3) of the
        covariances, exact, with the second derivatives of the covariances by theta where these
        leave it positive: near an end of a range they are most of it.
        """
        with self.limited_threads():
            information, slopes = self._information(theta, self._solved(theta))
        whole = information + slopes
        theta = np.asarray(theta)
        at_zero = theta[self.lower == 0.0] == 0.0
        if at_zero.any() or np.any(np.abs(np.abs(theta) - self.edges) < _AT_END):
            return whole  # information has nothing to say of ends, as a variance of zero
        scale = np.sqrt(np.maximum(information.diagonal(), 1e-300))
        least = float(np.linalg.eigvalsh(whole / np.outer(scale, scale))[0])
        return whole if least > _LEAST else information

    def second_derivatives(self, theta: Floats) -> tuple[Floats, Floats] | None:
        """None: second derivatives are not estimated."""
        return None

    def evaluate_at_sigma(  # type: ignore[override]
        self, theta: Floats, sigma: float
    ) -> tuple[EstimatedEvaluation, Floats, float]:
        """Refused."""
        raise UnsuitedError(
            "Profiles, along which sigma is held, are not computed by the iterative engine: fit "
            "the model with solver='exact' or solver='sparse'."
        )

    def _solved(self, theta: Floats) -> IterativeSolution:
        theta = np.asarray(theta, dtype=float)
        if not np.isfinite(theta).all():
            raise FloatingPointError("theta is not finite.")
        return self.system.at(self.factors(theta))

    def _told(self, solution: IterativeSolution, gradient_se: Floats) -> EstimatedEvaluation:
        """Bring a solution to the units of the response, with its errors."""
        plain = self.describe(solution.factors, solution.solution())
        if not np.isfinite(plain.objective):
            raise FloatingPointError("The objective is not finite.")
        return EstimatedEvaluation(
            *plain[:-1],
            objective_se=solution.log_det_se,
            gradient_se=gradient_se,
            cg_iterations=solution.iterations,
            cg_residual=solution.residual,
            probes=self.system.n_probes,
            rounding=plain.rounding,
        )

    def _slopes(self, theta: Floats, solution: IterativeSolution) -> tuple[Floats, Floats]:
        """Gradient (k,), and what each probe was off in it (probes, k)."""
        theta = np.asarray(theta, dtype=float)
        weight = residual_weight(solution.pwrss, self.degrees, self.system.variance)
        slopes = solution.covariance_slopes(weight, reml=self.reml)
        deviations = solution.slope_deviations()
        gradient, spread = [], []
        for term, factor, slope, each in zip(
            self.system.terms, solution.factors, slopes, deviations, strict=True
        ):
            own = theta[term.theta]
            gradient.append(term.pullback(own, 2.0 * slope @ factor))
            many = np.broadcast_to(own, (len(each), len(own)))
            spread.append(term.pullback(many, 2.0 * each @ factor))
        return joined(gradient), np.concatenate(spread, axis=1)

    def _information(self, theta: Floats, solution: IterativeSolution) -> tuple[Floats, Floats]:
        """Average information (k, k), and what second derivatives of the covariances add."""
        theta = np.asarray(theta, dtype=float)
        weight = residual_weight(solution.pwrss, self.degrees, self.system.variance)
        changes: list[tuple[int, Floats]] = []
        second = np.zeros((len(theta), len(theta)))
        slopes = solution.covariance_slopes(weight, reml=self.reml)
        for f, (term, factor) in enumerate(zip(self.system.terms, solution.factors, strict=True)):
            steps = term.standard_derivatives(theta[term.theta])
            for step in steps:
                half = step @ factor.T
                changes.append((f, half + half.T))
            curved = term.covariance_curvatures(theta[term.theta])
            second[term.theta, term.theta] = np.einsum("ijab,ab->ij", curved, slopes[f])
        forms, along = solution.shapes(changes)
        information = weight * forms
        if self.system.variance == 0.0:  # sigma is profiled out
            information -= np.outer(along, along) * weight**2 / self.degrees
        return information, second

    # -- what searches ask for -------------------------------------------------------------------

    @property
    def is_compiled(self) -> bool:
        """No search of such a model is compiled as a whole."""
        return False

    @property
    def has_scoring(self) -> bool:
        """Its steps are those of `mixedscope.optimize.estimated`."""
        return False

    @property
    def is_quick(self) -> bool:
        """An evaluation takes longer than a step of an optimiser."""
        return False

    def polar_search(self) -> None:
        """There is no room for compiled searches."""
        return None

    def quasi_newton(self, theta: Floats, tolerance: float, most: int) -> None:
        """None: see `has_scoring`."""
        return None

    def moment_start(self) -> Floats:
        """Theta by moments; see :func:`mixedscope.engine.iterative.starting.moment_start`."""
        if self.unit != 1.0:  # the moments are those of the few heavy rows
            return self.start
        from mixedscope.engine.iterative.starting import moment_start

        return moment_start(self.system)

    def second_look(self, theta: Floats) -> SecondLook:
        """Along standard deviations that vanish; elsewhere two minima were never seen.

        Where few levels have most of the rows a minimum at zero may have a lower one beside it.
        Where weights differ so much that few rows have nearly all of it, everywhere that the exact
        engines look for all weights that differ.
        """
        look = second_look(self, theta)
        if self.unit != 1.0:
            return look
        vanish = [ray for ray in look.rays if theta[int(np.argmax(np.ptp(ray, axis=0)))] == 0.0]
        return SecondLook(vanish, [], [])

    @property
    def cause_of_errors(self) -> str:
        """What makes probes err by much, in a sentence; empty if nothing is known to."""
        return words_of_weights(self.system.design.weights)

    def use_probes(self, n_probes: int | None) -> None:
        """Use so many probes from now on; None: as many as a fit begins with."""
        self.system.use_probes(n_probes)

    def with_probes(self, n_probes: int, *, seed: int | None = None) -> IterativeObjective:
        """Give the same objective by another number of probes, or by others."""
        return IterativeObjective(self.system.with_probes(n_probes, seed=seed), reml=self.reml)

    def workload(self) -> tuple[float, int]:
        """Seconds of an evaluation, which are not known before the first; bytes that are held."""
        system = self.system
        width = system.n_probes + system.crossing.far.shape[1] + 1
        columns = sum({id(f.z): f.z.nbytes for f in system.factors}.values())
        working = 6 * width * system.crossing.n_columns * 8 + system.crossing.w.nbytes
        return 0.0, columns + system.basis.q.nbytes + system.crossing.nbytes + working

    def limited_threads(self) -> Any:
        """Hold all linear algebra, numpy's too, to one thread: its sums are then always the same.

        Nearly all time is spent in kernels, which have one.
        """
        return limited_for(self.system.n, most=1)
