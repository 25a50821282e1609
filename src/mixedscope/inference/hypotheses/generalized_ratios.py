"""Likelihood-ratio tests of generalised models: fixed effects, covariances, both together.

What a statistic is referred to comes from the same cones as of linear models
(`mixedscope.inference.ladder.likelihood_ratio`). Their metric, what data tell about covariances, is
that of the working linear model at the poorer fit: the response linearised there, with the expected
information as weights and a residual variance of 1 (Breslow & Clayton 1993, J. Am. Stat. Assoc. 88,
9-25). One variance against zero takes no metric: half of chi-squared on one degree of freedom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.design.design import Design
from mixedscope.engine.generalized.joint import NOT_OF_JOINT
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.making import linear_objective, linear_system
from mixedscope.inference.estimates.common_probes import Known
from mixedscope.inference.hypotheses.likelihood_ratios import (
    RATIO_COLUMNS,
    ComparedFit,
    compared,
    described,
    fixed_formula,
    ratio_table,
    referred,
    statistic_of,
    table_of,
)
from mixedscope.inference.ladder.likelihood_ratio import Reference, null_reference, reference
from mixedscope.inference.profiles.constrained import bounded_inverse, hessian, minimize
from mixedscope.inference.profiles.generalized_space import GeneralizedSpace

__all__ = [
    "LARGE_SAMPLES",
    "ComparedGeneralized",
    "generalized_against_none",
    "generalized_ratio_table",
    "structure_reference",
    "without_random",
]

Floats = NDArray[np.float64]

LARGE_SAMPLES: Final = "fixed effects: chi-squared is for large samples"
"""Said of the distribution of a statistic of fixed effects."""

#: Expected information of a row, as a share of the largest, that is taken at least.
_LEAST: Final = 1e-10


@dataclass(frozen=True)
class ComparedGeneralized:
    """A fit of a generalised model as a comparison of fits sees it.

    Attributes
    ----------
    formula, structure : str
    objective : LaplaceObjective
    point : (k,) array
        Where its search ended.
    value : float
        The objective there.
    random : sequence of mapping
        What `describe_model` says of the random effects.
    known : Known, optional
        How well an objective is known that random probes estimated.
    """

    formula: str
    structure: str
    objective: LaplaceObjective
    point: Floats
    value: float
    random: Sequence[Mapping[str, Any]]
    known: Known | None = None

    @property
    def dof(self) -> int:
        """Number of parameters."""
        return len(self.objective.theta_names)

    def working(self, weight: Floats, response: Floats) -> ComparedFit:
        """The same of a working linear model with these weights (n,) and this response (n,)."""
        design = replace(
            self.objective.system.design, y=response, weights=weight, offset=None, sigma=1.0
        )
        objective = linear_objective(linear_system(design))
        theta = self.point[: self.objective.n_theta]
        return ComparedFit(self.formula, self.structure, objective, theta, self.value, self.random)


def generalized_ratio_table(fits: Sequence[ComparedGeneralized], *, seed: int) -> pd.DataFrame:
    """Compare fits, each with the one before it, the one with fewest parameters first.

    Gives what `ratio_table` does, a row for each fit. Raises ModelError if they are not of the same
    data and likelihood, or one does not contain the one before.
    """
    _check_likelihoods(fits)
    ordered = sorted(fits, key=lambda fit: fit.dof)
    rows: list[dict[str, Any]] = []
    poorer: ComparedGeneralized | None = None
    for richer in ordered:
        working = (poorer or richer).objective, (poorer or richer).point
        linearised = _linearised(*working)
        own = richer.working(*linearised)
        row = described(own) | {"dof": richer.dof, "aic": richer.value + 2.0 * richer.dof}
        if poorer is not None:
            row |= compared(poorer.working(*linearised), own, seed, LARGE_SAMPLES)
        rows.append(row)
        poorer = richer
    return ratio_table(rows, [fit.known for fit in ordered])


def structure_reference(
    poorer: ComparedGeneralized, richer: ComparedGeneralized, *, seed: int
) -> Reference:
    """What the statistic of two fits with the same fixed effects is to be compared with.

    ``poorer`` is taken to be true; ``seed`` is that of simulated directions.
    """
    linearised = _linearised(poorer.objective, poorer.point)
    one, two = (fit.working(*linearised) for fit in (poorer, richer))
    return reference(one.objective, one.theta, two.objective, seed=seed)


def generalized_against_none(fit: ComparedGeneralized, *, seed: int) -> pd.DataFrame:
    """Compare a fit with the same model without random effects: `RATIO_COLUMNS`, two rows."""
    objective = fit.objective
    value, point = without_random(objective, fit.point)
    statistic = statistic_of(value, fit.value, "the model without random effects", fit.formula)
    working = fit.working(*_linearised(objective, point))
    dof = fit.dof - objective.n_theta
    none = described(working) | {
        "formula": fixed_formula(objective.system.design),
        "dof": dof,
        "objective": value,
        "aic": value + 2.0 * dof,
        "structure": "none",
    }
    row = described(working) | {
        "dof": fit.dof,
        "aic": fit.value + 2.0 * fit.dof,
        "statistic": statistic,
        "df": fit.dof - dof,
        **referred(null_reference(working.objective, seed=seed), statistic),
    }
    return table_of([none, row], RATIO_COLUMNS)


def _linearised(objective: LaplaceObjective, point: Floats) -> tuple[Floats, Floats]:
    """Weights and response (n,) of the working linear model at a point (k,)."""
    system = objective.system
    objective.reset()
    modes = objective.modes_at(point)
    dispersion = objective.split(np.asarray(point, dtype=float))[2]
    with np.errstate(all="ignore"):
        slopes = system.family.slopes(system.response, modes.eta, dispersion)
    # Of some families the expected information has no closed form.
    given = slopes.expected if np.isfinite(slopes.expected).all() else modes.rows.weight
    weight = np.maximum(given, _LEAST * float(given.max()))
    return weight, modes.eta - system.offset + modes.rows.score / weight


def without_random(objective: LaplaceObjective, point: Floats) -> tuple[float, Floats]:
    """Least deviance without random effects, and where that is, (k,)."""
    start = np.array(point, dtype=float)
    start[: objective.n_theta] = 0.0
    space = GeneralizedSpace(objective)
    x = space.coordinates(start)
    first = space.size - (len(point) - objective.n_theta)
    free = np.arange(first, space.size)
    space.begin()
    own = hessian(space, x)[np.ix_(free, free)]
    found = minimize(space, x, free, bounded_inverse(own, space.unit(x)[free]), tolerance=1e-12)
    return found.point.value, found.point.theta


def _check_likelihoods(fits: Sequence[ComparedGeneralized]) -> None:
    """Refuse fits whose likelihoods are not of the same data, family and approximation."""
    first = fits[0]
    for other in fits[1:]:
        both = f"{first.formula!r} and {other.formula!r}"
        one, two = first.objective.system, other.objective.system
        if one.n != two.n:
            raise ModelError(
                f"{both} were fitted to different rows, {one.n} and {two.n}: their likelihoods "
                "cannot be compared. Drop rows with a missing value in any variable from the data, "
                "then fit both."
            )
        for what, is_same in (
            ("families", repr(one.family) == repr(two.family)),
            ("offsets", np.array_equal(_offset(one.design), _offset(two.design))),
            ("responses, or the same in another order of rows",
             np.array_equal(one.response.y, two.response.y)),
            ("trials", _alike(one.response.trials, two.response.trials)),
            ("weights", _alike(one.response.weights, two.response.weights)),
        ):  # fmt: skip
            if not is_same:
                of = f" ({one.family!r}, {two.family!r})" if what == "families" else ""
                raise ModelError(
                    f"{both} have different {what}{of}: their likelihoods cannot be compared."
                )
        mine, others = _how(first.objective), _how(other.objective)
        if mine != others:
            raise ModelError(
                f"{both} were fitted by different approximations, {mine} and {others}: fit both by "
                "one of them."
            )


def _how(objective: LaplaceObjective) -> str:
    """How the likelihood was approximated."""
    points = getattr(objective, "points", 1)
    if points == 0:
        raise UnsuitedError(f"Likelihood ratios: {NOT_OF_JOINT}.")
    if points > 1:
        return f"quadrature with {points} points"
    return f"Laplace with {'expected' if objective.expected else 'observed'} information"


def _offset(design: Design) -> Floats:
    return np.zeros(len(design.y)) if design.offset is None else np.asarray(design.offset)


def _alike(one: Floats | None, other: Floats | None) -> bool:
    """Whether two columns are the same; none is a column of ones."""
    if one is None and other is None:
        return True
    known = one if one is not None else other
    assert known is not None
    ones = np.ones(len(known))
    return np.array_equal(ones if one is None else one, ones if other is None else other)
