"""Whether the data tell the residual variance from that of the random effects.

Two ways in which they do not.  *Shared*: with one observation of every random effect, a structure
with a variance for each can give any part of sigma to them, at no cost.  *Vanishing*: the objective
does not rise while the random effects take over all variation and sigma goes to zero, so that there
is no optimum to arrive at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.covariance import make_structure, told_from_residuals

if TYPE_CHECKING:
    from mixedscope.model.design import TermPart
    from mixedscope.model.objective import ProfiledObjective
    from mixedscope.model.random_term import RandomTerm

__all__ = ["Residual", "residual_state"]

Floats = NDArray[np.float64]

Residual = Literal["identified", "shared", "vanishing"]

#: Random effects so many times sigma, for columns of unit root mean square, are looked at.
_LARGE: Final = 300.0

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

    Notes
    -----
    Costs nothing unless a term has one observation of every random effect, or the random effects
    are hundreds of times sigma; then one evaluation of the objective.
    """
    terms = objective.system.terms
    single = [
        part
        for term in terms
        for part in term.design.parts
        if _has_one_observation_each(term, part)
    ]
    if any(
        not told_from_residuals(make_structure(p.structure, len(p.columns), p.settings))
        for p in single
    ):
        return "shared"
    if not single:
        factors = objective.factors(theta)
        if all(max(map(abs, f.ravel().tolist())) < _LARGE for f in factors):
            return "identified"
    larger = np.concatenate([term.enlarged(theta[term.theta], _TIMES) for term in terms])
    try:
        there = objective.evaluate(larger).objective
    except _ERRORS:
        return "vanishing"  # sigma is zero in floating-point numbers
    return "identified" if there > value + _RISE else "vanishing"


def _has_one_observation_each(term: RandomTerm, part: TermPart) -> bool:
    """Whether every random effect of a term of indicators has one row at most."""
    design = term.design
    if part.factor is None or len(part.columns) * len(design.levels) < len(design.codes):
        return False
    columns = list(part.columns)
    cell = design.codes * len(columns) + np.abs(design.Z[:, columns]).argmax(axis=1)
    return len(np.unique(cell)) == len(cell)
