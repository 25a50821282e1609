"""Whether the data tell the residual variance from that of the random effects.

Two ways in which they do not.  *Shared*: with as many random effects as observations, such as one
for each, a structure with a variance for each can give any part of sigma to them, at no cost.
*Vanishing*: the objective does not rise while the random effects take over all variation and sigma
goes to zero, so that there is no optimum to arrive at: it tends to a limit, or falls without bound
where the random effects explain the response with fewer dimensions than there are observations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.identification import shares_residual

if TYPE_CHECKING:
    from mixedscope.design.design import TermPart
    from mixedscope.engine.group_effects import GroupEffects
    from mixedscope.engine.objective import ProfiledObjective

__all__ = ["Residual", "residual_limit", "residual_state"]

Floats = NDArray[np.float64]

Residual = Literal["identified", "shared", "vanishing"]

#: Random effects so many times sigma, for columns of unit root mean square, are looked at.
_LARGE: Final = 300.0

#: So many times sigma are enough where weights alone tell random effects from residuals.
_MANY: Final = 10.0

#: Size, of the same kind, at which the limit is evaluated: with twice the digits it is exact to
#: about 1e-7 there. It does not exist if a step from here by `_TIMES` changes the objective.
_FAR: Final = 1e6

#: A rise of the objective by less than this, which no inference notices, is none.
_RISE: Final = 1e-3

#: How many times larger they are made; by more, rounding would be seen.
_TIMES: Final = 10.0

_ERRORS = (FloatingPointError, ZeroDivisionError, OverflowError, np.linalg.LinAlgError)


def residual_state(objective: ProfiledObjective, theta: Floats, value: float) -> Residual:
    """Tell whether the residual variance can be told from that of the random effects.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array
        Where a fit ended.
    value : float
        The objective there.

    Returns
    -------
    {"identified", "shared", "vanishing"}
        Identified where sigma is known.

    Notes
    -----
    Costs nothing unless a term has one observation of every random effect, or the random effects
    are hundreds of times sigma; then one evaluation of the objective.
    """
    if objective.system.design.sigma is not None:
        return "identified"
    terms = objective.system.terms
    single = [
        part
        for term in terms
        for part in term.design.parts
        if _has_one_observation_each(term, part)
    ]
    weights = objective.system.design.weights
    is_weighted = weights is not None and bool(np.ptp(weights) > 0.0)
    if shares_residual(objective.system, reml=objective.reml):
        return "shared"
    if is_weighted or not single:
        least = _MANY if single or _are_many(objective) else _LARGE
        if _largest_entry(objective, theta) < least:
            return "identified"
    try:
        there = objective.evaluate(_enlarged(objective, theta, _TIMES)).objective
    except _ERRORS:
        return "vanishing"  # sigma is zero in floating-point numbers
    return "identified" if there > value + _RISE else "vanishing"


def residual_limit(objective: ProfiledObjective, theta: Floats) -> float:
    """Limit of the objective as sigma vanishes and the random effects stay as they are.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array
        Where a fit ended of which `residual_state` says that it is vanishing.

    Returns
    -------
    float
        Minus infinity where there is none; NaN where rounding hides it, in models too large for
        evaluations with twice the digits.
    """
    times = _FAR / max(_largest_entry(objective, theta), 1.0)
    try:
        far = objective.evaluate(_enlarged(objective, theta, times))
        farther = objective.evaluate(_enlarged(objective, theta, times * _TIMES))
    except _ERRORS:
        return np.nan
    if farther.objective + farther.rounding < far.objective - far.rounding - _RISE:
        return -np.inf
    return far.objective if farther.rounding < _RISE else np.nan


def _largest_entry(objective: ProfiledObjective, theta: Floats) -> float:
    """Largest entry of the factors, for columns of unit root mean square."""
    return max(float(np.abs(f).max()) for f in objective.factors(theta))


def _enlarged(objective: ProfiledObjective, theta: Floats, times: float) -> Floats:
    """Theta (k,) of random effects so many times as large."""
    terms = objective.system.terms
    return np.concatenate([term.enlarged(theta[term.theta], times) for term in terms])


def _are_many(objective: ProfiledObjective) -> bool:
    """Whether the random effects of a term are as many as the observations, or more."""
    return any(
        len(part.columns) * len(term.design.levels) >= objective.system.n
        for term in objective.system.terms
        for part in term.design.parts
    )


def _has_one_observation_each(term: GroupEffects, part: TermPart) -> bool:
    """Whether every random effect of a term of indicators has one row at most."""
    design = term.design
    if part.factor is None or len(part.columns) * len(design.levels) < len(design.codes):
        return False
    columns = list(part.columns)
    cell = design.codes * len(columns) + np.abs(design.Z[:, columns]).argmax(axis=1)
    return len(np.unique(cell)) == len(cell)
