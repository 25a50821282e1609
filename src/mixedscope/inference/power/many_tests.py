r"""The same tests of the fixed effects of one model, for many responses at once.

What a test needs of a draw is a variance of its contrasts and degrees of freedom: functions of
theta and, by Satterthwaite's method, of the curvature of the criterion there. Small models have
both by compiled evaluations, a few for each parameter and all draws together; the numbers are those
of `mixedscope.inference.hypotheses`. Large ones are fitted and tested one by one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.search.refits import (
    fixed_errors,
    is_compilable,
    residuals_of,
    search_rows,
    to_points,
)
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.bootstrap.draws import is_singular
from mixedscope.inference.estimates.estimates import SINGULAR
from mixedscope.inference.estimates.refit import Refits, fit_alone, is_settled, refit_many
from mixedscope.inference.hypotheses.contrasts import Contrasts
from mixedscope.inference.hypotheses.methods import approximation
from mixedscope.inference.hypotheses.satterthwaite import (
    difference_steps,
    parameter_covariances,
    variance_degrees,
)
from mixedscope.inference.power.held_contrasts import (
    NO_RATIO,
    HeldContrast,
    profile_ends,
    ratio_p_values,
)
from mixedscope.inference.power.many_kenward_roger import ManyKenwardRoger
from mixedscope.inference.power.outcomes import Outcomes
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["LinearTests"]

Floats = NDArray[np.float64]

#: Numbers of responses that are worked on together: their memory stays in a cache.
_IN_CACHE: Final = 1 << 17

#: Relative difference of a standard error from that of compiled code up to which both have digits.
_DIGITS: Final = 1e-7

#: Degrees of freedom of tests that have names of their own among those of fits.
_DEGREES: Final = {"wald": "none"}


class LinearTests:
    """Tests of contrasts of a linear model, of one design and any responses.

    Parameters
    ----------
    objective : SearchableObjective
        By the criterion that the test takes.
    theta : (k,) array
        Near which to look first.
    contrasts : Contrasts
    test : str
        One of `mixedscope.inference.power.outcomes.TESTS`.
    level : float
        Coverage of intervals.
    """

    def __init__(
        self,
        objective: SearchableObjective,
        theta: Floats,
        contrasts: Contrasts,
        test: str,
        level: float,
    ) -> None:
        self.objective, self.theta = objective, theta
        self.contrasts, self.test, self.level = contrasts, test, level
        self._held = [
            HeldContrast(objective, row, float(value))
            for row, value in zip(contrasts.rows, contrasts.values, strict=True)
            if test in ("lrt", "profile")
        ]
        own = test == "kenward-roger" and ManyKenwardRoger.suits(objective)
        self._many = ManyKenwardRoger(objective, contrasts.rows) if own else None

    def of(self, responses: Floats) -> Outcomes:
        """Fit and test every response (m, n), units of the data less any offset."""
        if is_compilable(self.objective):
            step = max(1, _IN_CACHE // self.objective.system.n)
            parts = [
                self._together(responses[at : at + step]) for at in range(0, len(responses), step)
            ]
            return Outcomes.joined(parts)
        return Outcomes.joined([self._alone(y, i) for i, y in enumerate(responses)])

    # -- all at once ------------------------------------------------------------------------------

    def _together(self, responses: Floats) -> Outcomes:
        refits = refit_many(self.objective, self.theta, responses)
        known = np.isfinite(refits.objective) & np.isfinite(refits.theta).all(axis=1)
        out = Outcomes.room(len(responses), len(self.contrasts.rows))
        out.certified[:] = refits.converged & known
        out.singular[:] = is_singular(self.objective, refits)
        for j, row in enumerate(self.contrasts.rows):
            # A row by itself, and no product of matrices: what a draw is does not depend on others.
            out.estimate[:, j] = (refits.beta * row).sum(axis=1)
        if self.test in ("lrt", "profile"):
            self._by_ratios(refits, responses, out)
        elif self.test == "kenward-roger":
            self._one_by_one(refits, known, out)
        else:
            self._by_variances(refits, responses, known, out)
        out.failed[:] = ~known
        return out.without(~out.certified)

    def _by_variances(
        self, refits: Refits, responses: Floats, known: NDArray[np.bool_], out: Outcomes
    ) -> None:
        """Fill in t or z tests: of the normal distribution, or by Satterthwaite's method."""
        rows = np.flatnonzero(known)
        points = to_points(self.objective, refits.theta[rows])
        errors = fixed_errors(self.objective, points, self.contrasts.rows)
        degrees = np.full(errors.shape, np.inf)
        if self.test == "satterthwaite":
            degrees = self._satterthwaite(points, responses[rows], errors)
        out.std_error[rows] = errors * refits.sigma[rows, None]
        out.df[rows] = degrees
        out.finish(self.contrasts.values, self.level)

    def _satterthwaite(self, points: Floats, responses: Floats, errors: Floats) -> Floats:
        """Degrees of freedom (m, c), by differences of compiled evaluations about the ends."""
        objective, (m, k) = self.objective, points.shape
        estimated = objective.system.design.sigma is None
        residuals = residuals_of(objective, responses)
        steps = difference_steps(points)
        none = np.zeros((k, k))
        hessians = np.empty((m, k, k))
        logs = np.empty((m, k))
        variances = errors**2
        gradients = np.empty((m, k + estimated, variances.shape[1]))
        for i in range(k):
            step = np.zeros_like(points)
            step[:, i] = steps[:, i]
            ends = [
                search_rows(objective, points + sign * step, none, residuals, 1)
                for sign in (1.0, -1.0)
            ]
            sides = [
                fixed_errors(objective, points + sign * step, self.contrasts.rows) ** 2
                for sign in (1.0, -1.0)
            ]
            width = 2.0 * steps[:, i, None]
            hessians[:, i] = (ends[0].gradients - ends[1].gradients) / width
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = ends[0].betas[:, -1] / ends[1].betas[:, -1]
                logs[:, i] = np.log(ratio) / width[:, 0]
            gradients[:, i] = (sides[0] - sides[1]) / width
        if estimated:  # by the logarithm of sigma
            gradients[:, k] = 2.0 * variances
        out = np.full(errors.shape, np.nan)
        fine = np.isfinite(hessians).all(axis=(1, 2)) & np.isfinite(gradients).all(axis=(1, 2))
        if estimated:
            fine &= np.isfinite(logs).all(axis=1)
        covariance = parameter_covariances(
            hessians[fine], logs[fine] if estimated else None, float(objective.degrees)
        )
        out[fine] = variance_degrees(variances[fine], gradients[fine], covariance)
        return out

    def _one_by_one(self, refits: Refits, known: NDArray[np.bool_], out: Outcomes) -> None:
        """Fill in tests by Kenward and Roger, which a draw has by its theta and sigma alone."""
        left = known.copy()
        if self._many is not None:
            left[known] = ~self._by_adjustment(self._many, refits, np.flatnonzero(known), out)
        for i in np.flatnonzero(left).tolist():
            try:
                method = approximation(self.test, self.objective, refits.theta[i])
                out.df[i] = method.degrees(self.contrasts.rows)
            except (UnsuitedError, *EVALUATION_ERRORS) as error:
                out.say(i, error)
                continue
            out.std_error[i] = method.errors(self.contrasts.rows) / method.sigma * refits.sigma[i]
        out.finish(self.contrasts.values, self.level)

    def _by_adjustment(
        self, many: ManyKenwardRoger, refits: Refits, rows: NDArray[np.intp], out: Outcomes
    ) -> NDArray[np.bool_]:
        """Fill in the adjustment of draws (m,) at once; say which (m,) have the digits for that."""
        plain, adjusted, degrees = many.at(refits.theta[rows])
        points = to_points(self.objective, refits.theta[rows])
        known = fixed_errors(self.objective, points, self.contrasts.rows)
        with np.errstate(invalid="ignore"):
            fine: NDArray[np.bool_] = np.asarray(
                (np.abs(plain - known) <= _DIGITS * known).all(axis=1)
            )
        fine &= np.isfinite(adjusted).all(axis=1) & (degrees > 0.0).all(axis=1)
        out.std_error[rows[fine]] = adjusted[fine] * refits.sigma[rows[fine], None]
        out.df[rows[fine]] = degrees[fine]
        return fine

    def _by_ratios(self, refits: Refits, responses: Floats, out: Outcomes) -> None:
        """Fill in likelihood-ratio tests, and the intervals of what they do not reject."""
        rows = self.contrasts.rows
        # Of contrasts of several coefficients a bound, which secants begin with.
        steps = refits.std_error @ np.abs(rows).T
        single = (rows != 0.0).sum(axis=1) == 1
        out.std_error[:, single] = steps[:, single]
        out.df[:] = np.inf
        for j, held in enumerate(self._held):
            out.p_value[:, j] = ratio_p_values(held, self.theta, responses, refits)
            if self.test == "profile":
                out.lower[:, j], out.upper[:, j] = profile_ends(
                    held.of_draws(self.theta, responses), refits.objective, out.estimate[:, j],
                    steps[:, j], self.level,
                )  # fmt: skip
        for i in np.flatnonzero(out.certified & np.isnan(out.p_value).any(axis=1)).tolist():
            out.remarks[i] = NO_RATIO

    # -- one by one -------------------------------------------------------------------------------

    def _alone(self, response: Floats, number: int) -> Outcomes:
        rows = self.contrasts.rows
        out = Outcomes.room(1, len(rows))
        if self.test in ("lrt", "profile"):
            refits = refit_many(self.objective, self.theta, response[None])
            out.certified[:] = refits.converged
            out.failed[:] = ~np.isfinite(refits.objective)
            out.singular[:] = is_singular(self.objective, refits)
            out.estimate[0] = rows @ refits.beta[0]
            self._by_ratios(refits, response[None], out)
            return out.without(~out.certified)
        found = fit_alone(self.objective, response, number)
        if found is None:
            out.failed[:] = True
            return out.without(~out.certified)
        objective, result = found
        out.certified[:] = is_settled(result.certificate)
        out.singular[:] = objective.rank_deficient(result.theta, SINGULAR)
        out.estimate[0] = rows @ result.evaluation.beta
        try:
            method = approximation(_DEGREES.get(self.test, self.test), objective, result.theta)
            out.df[0] = method.degrees(rows)
            out.std_error[0] = method.errors(rows)
        except (UnsuitedError, *EVALUATION_ERRORS) as error:
            out.say(0, error)
        out.finish(self.contrasts.values, self.level)
        return out.without(~out.certified)
