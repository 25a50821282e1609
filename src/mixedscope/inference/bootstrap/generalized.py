"""Draws of the parametric bootstrap of a generalised model: responses, and refits to them.

Draw i depends on the seed and i alone, as of linear models: random effects and then responses come
from a stream of its own. Each refit begins at the parameters drawn from, with the Hessian of the
fit as its first metric, and is a search by exact gradients: in compiled code where that is to be
had and sure of its end, otherwise in the coordinates of the profiles, which look past standard
deviations of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import EvaluationError
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.single import SingleLaplace
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.inference.bootstrap.draws import streams
from mixedscope.inference.bootstrap.ends import check_interval
from mixedscope.inference.bootstrap.generalized_compiled import compiled_refits
from mixedscope.inference.bootstrap.intervals import check_draws, intervals_of_draws
from mixedscope.inference.bootstrap.result import Bootstrap, Origin
from mixedscope.inference.estimates.estimates import SINGULAR
from mixedscope.inference.estimates.parameters import sds_and_correlations
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.ladder.tangent import raised
from mixedscope.inference.profiles.constrained import bounded_inverse, hessian, minimize
from mixedscope.inference.profiles.generalized_space import GeneralizedSpace
from mixedscope.optimize.driver import minimize as certified
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = [
    "GeneralizedRefits",
    "GeneralizedRefitter",
    "drawn_response",
    "generalized_bootstrap_intervals",
    "generalized_origin",
    "generalized_responses",
]

Floats = NDArray[np.float64]

#: Newton decrement, deviance units, at which a refit ends.
_TOLERANCE: Final = 1e-9

#: Numbers of responses that are in memory at once, about.
_AT_ONCE: Final = 1 << 20


def generalized_origin(
    objective: LaplaceObjective, point: Floats, *, seed: int, data: str = ""
) -> Origin:
    """Say what draws are of: the model, the parameters (k,) they are drawn from, the seed."""
    theta, beta, dispersion = objective.split(np.asarray(point, dtype=float))
    known = _covariance_parameters(objective, theta[None])
    has_scale = objective.system.family.dispersion is not None
    return Origin(
        seed=seed,
        criterion=objective.criterion_name,
        data=data,
        beta_names=objective.beta_names,
        theta_names=objective.theta_names[: objective.n_theta],
        sd_names=tuple((g, a) for kind, g, a, _, _ in known if kind == "sd"),
        correlation_names=tuple((g, a, str(b)) for kind, g, a, b, _ in known if kind != "sd"),
        beta=tuple(beta.tolist()),
        sigma=dispersion if has_scale else float("nan"),
        theta=tuple(theta.tolist()),
        sd=tuple(float(v[0]) for kind, *_, v in known if kind == "sd"),
        correlation=tuple(float(v[0]) for kind, *_, v in known if kind != "sd"),
        scale=objective.system.family.dispersion or "",
    )


def generalized_responses(
    objective: LaplaceObjective, point: Floats, draws: Sequence[int], seed: int
) -> Floats:
    """Give the responses (m, n) of some draws, by number from 0, as `Response.y` has them."""
    system = objective.system
    parts = objective.split(np.asarray(point, dtype=float))
    out = np.empty((len(draws), system.n))
    for row, rng in zip(out, streams(draws, seed), strict=True):
        row[:] = drawn_response(system, *parts, rng)
    return out


def drawn_response(
    system: GeneralizedSystem, theta: Floats, beta: Floats, dispersion: float,
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Draw one response (n,), random effects first; raises EvaluationError if there is none."""
    effects = [
        rng.standard_normal((own.n_levels, own.size)) @ factor.T
        for own, factor in zip(system.factors, system.standard_factors(theta), strict=True)
    ]
    with np.errstate(all="ignore"):
        mean = system.family.link.mean(system.fixed_part(beta) + system.random_part(effects))
    if not np.isfinite(mean).all():
        raise EvaluationError(
            "No response can be drawn from these parameters: a mean is not finite."
        )
    return system.family.draw(system.response, mean, dispersion, rng)


class GeneralizedRefits(NamedTuple):
    """Estimates of one generalised model for many responses, NaN where a refit failed.

    Attributes
    ----------
    points : (m, k) array
        All that is searched.
    values : (m,) array
        -2 log-likelihood.
    evaluations : (m,) array of int
    converged : (m,) array of bool
    """

    points: Floats
    values: Floats
    evaluations: NDArray[np.int64]
    converged: NDArray[np.bool_]


class GeneralizedRefitter:
    """Fits a generalised model to responses drawn from parameters.

    Parameters
    ----------
    objective : LaplaceObjective
    point : (k,) array
        Parameters to draw from, and to begin at.
    """

    def __init__(self, objective: LaplaceObjective, point: Floats) -> None:
        self.objective = objective
        self.point = objective.canonical(np.asarray(point, dtype=float))
        self._inverse: Floats | None = None

    @cached_property
    def _search(self) -> tuple[GeneralizedSpace, Floats, NDArray[np.intp], Floats]:
        """Coordinates of the profiles, where to begin, which are free, first inverse Hessian."""
        space = GeneralizedSpace(self.objective)
        # Where a variance is zero the slope is too, whatever the response.
        start = space.coordinates(raised(self.objective, self.point))
        space.begin()
        curvature = hessian(space, start)
        free = np.arange(1, space.size)
        own = curvature[np.ix_(free, free)]
        return space, start, free, bounded_inverse(own, space.unit(start)[free])

    def part(self, draws: Sequence[int], origin: Origin) -> Bootstrap:
        """Draw responses by number and fit the model to each."""
        step, numbers = max(1, _AT_ONCE // self.objective.system.n), list(draws)
        parts = []
        for at in range(0, max(len(numbers), 1), step):
            own = numbers[at : at + step]
            responses = generalized_responses(self.objective, self.point, own, origin.seed)
            parts.append(self.described(responses, own, origin))
        return Bootstrap.joined(parts)

    @property
    def is_quick(self) -> bool:
        """Whether refits are made in compiled code."""
        return isinstance(self.objective, SingleLaplace)

    def described(self, responses: Floats, draws: Sequence[int], origin: Origin) -> Bootstrap:
        """Fit the model to responses (m, n), the draws of these numbers."""
        return self._bootstrap(*self.refits(responses), draws, origin)

    def refits(self, responses: Floats) -> GeneralizedRefits:
        """Fit the model to responses (m, n)."""
        m, k = len(responses), len(self.point)
        points, values = np.full((m, k), np.nan), np.full(m, np.nan)
        converged = np.zeros(m, dtype=bool)
        evaluations = np.zeros(m, dtype=np.int64)
        if m and isinstance(self.objective, SingleLaplace):
            made, self._inverse = compiled_refits(
                self.objective, self.point, self._inverse, responses
            )
            points, values, evaluations = made.points, made.values, made.evaluations
            converged = made.sure
        for i in np.flatnonzero(~converged).tolist():
            count, found = self._refit(responses[i])
            evaluations[i] += count
            values[i], points[i], converged[i] = found or (np.nan, np.full(k, np.nan), False)
        return GeneralizedRefits(points, values, evaluations, converged)

    def _refit(self, y: Floats) -> tuple[int, tuple[float, Floats, bool] | None]:
        """Fit one response (n,): evaluations; deviance, point and whether it has settled."""
        system = self.objective.system
        other = system.of_response(replace(system.response, y=y))
        if isinstance(self.objective, SingleLaplace):
            return self._fitted(self.objective.like(other))
        own, start, free, inverse = self._search
        space = own.of(self.objective.like(other))
        try:
            found = minimize(space, start, free, inverse, tolerance=_TOLERANCE)
        except EVALUATION_ERRORS:
            return space.evaluations, None
        slope = found.point.slope[free]
        left = 0.5 * float(slope @ found.inverse @ slope)
        point = self.objective.canonical(found.point.theta)
        return space.evaluations, (found.point.value, point, left <= SETTLED)

    def _fitted(self, own: LaplaceObjective) -> tuple[int, tuple[float, Floats, bool] | None]:
        """Fit one response by itself, where its covariance may be singular: a search is fast."""
        try:
            found = certified(own)
        except EVALUATION_ERRORS:
            return 0, None
        settled = found.certificate["verdict"] in ("optimum", "boundary optimum", "at infinity")
        count = int(found.optimizer["evaluations"])
        return count, (float(found.evaluation.objective), found.theta, settled)

    def _bootstrap(
        self,
        points: Floats,
        values: Floats,
        evaluations: NDArray[np.int64],
        converged: NDArray[np.bool_],
        draws: Sequence[int],
        origin: Origin,
    ) -> Bootstrap:
        objective = self.objective
        k, r, m = objective.n_theta, objective.n_fixed, len(points)
        theta, beta = points[:, :k], points[:, k : k + r]
        known = _covariance_parameters(objective, theta)
        fine = np.isfinite(points).all(axis=1)
        singular = np.zeros(m, dtype=bool)
        for i in np.flatnonzero(fine).tolist():
            singular[i] = objective.rank_deficient(points[i], SINGULAR)
        return Bootstrap(
            theta_names=origin.theta_names,
            beta_names=origin.beta_names,
            objective=values,
            theta=theta,
            beta=beta,
            std_error=np.full((m, r), np.nan),
            sigma=np.exp(points[:, -1]) if origin.scale else np.full(m, np.nan),
            evaluations=evaluations,
            converged=converged,
            origin=origin,
            draw=np.array(draws, dtype=np.int64),
            sd=np.array([v for kind, *_, v in known if kind == "sd"]).reshape(-1, m).T,
            correlation=np.array([v for kind, *_, v in known if kind != "sd"]).reshape(-1, m).T,
            singular=singular,
        )


def _covariance_parameters(
    objective: LaplaceObjective, theta: Floats
) -> list[tuple[str, str, str, str | None, Floats]]:
    """Kind, group, term and second term of each parameter of a covariance, its values (m,)."""
    ones = np.ones(len(theta))
    out: list[Any] = []
    for term in objective.system.terms:
        factors = term.factor(theta[:, term.theta])
        for kind, first, second, values in sds_and_correlations(term, factors, ones):
            out.append((kind, term.group, first, second, values))
    return out


def generalized_bootstrap_intervals(
    objective: LaplaceObjective,
    theta: Floats,
    level: float,
    estimates: pd.DataFrame,
    *,
    draws: int | Bootstrap = 1000,
    seed: int = 0,
    interval: str = "percentile",
) -> pd.DataFrame:
    """Give an interval for each parameter, from draws that are there or so many new ones.

    As `mixedscope.inference.bootstrap.intervals.bootstrap_intervals` of linear models.
    """
    check_interval(interval)
    check_draws(draws)
    if not isinstance(draws, Bootstrap):
        origin = generalized_origin(objective, theta, seed=seed)
        draws = GeneralizedRefitter(objective, theta).part(range(draws), origin)
    return intervals_of_draws(draws, level, estimates, interval)
