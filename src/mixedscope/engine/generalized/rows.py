"""Rows of a response at a linear predictor, as steps to the conditional modes ask for them.

What they are is said by the families. Bernoulli and binomial responses under the logit link, the
most frequent of large data, have a compiled pass of their own here, which gives the same numbers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.working import logistic_rows
from mixedscope.families.family import Family, Response, Slopes

__all__ = ["LONG", "Working", "slope_of_weight", "slopes_of_weights", "working"]

Floats = NDArray[np.float64]

#: Observations from which on compiled passes pay.
LONG: Final = 1000

_NO_COUNTS: Final = np.empty(0)


class Working(NamedTuple):
    """The log-likelihood at a linear predictor, and its first two derivatives.

    Attributes
    ----------
    log_likelihood : float
        Sum over rows, without the constant of :meth:`Family.constant`.
    score, weight : (n,) arrays
        Derivative, and negative second derivative, of each row.
    """

    log_likelihood: float
    score: Floats
    weight: Floats


def working(family: Family, response: Response, eta: Floats, dispersion: float) -> Working:
    """Give log-likelihood, scores and observed information at a linear predictor (n,)."""
    if len(eta) < LONG or not _is_logistic(family):
        rows = family.rows(response, eta, dispersion)
        return Working(rows.log_likelihood, rows.score, rows.weight)
    small = np.abs(eta)
    np.negative(small, out=small)
    np.exp(small, out=small)
    score, weight = np.empty(len(eta)), np.empty(len(eta))
    counts = response.counts
    value = logistic_rows(
        eta, small, response.y, _NO_COUNTS if counts is None else counts, score, weight
    )
    return Working(value, score, weight)


def slope_of_weight(
    family: Family, response: Response, eta: Floats, dispersion: float, rows: Working
) -> Floats:
    """Give the derivative (n,) of the observed information, of which `rows` knows the value."""
    if _is_logistic(family):
        return np.asarray(-rows.weight * np.tanh(0.5 * eta))
    return family.slopes(response, eta, dispersion).weight


def _is_logistic(family: Family) -> bool:
    return family.name == "binomial" and family.link.name == "logit"


def slopes_of_weights(
    family: Family,
    response: Response,
    eta: Floats,
    dispersion: float,
    rows: Working,
    *,
    expected: bool,
) -> tuple[Slopes | None, Floats]:
    """Slopes of the family where more than one is needed, and that of the weights (n,).

    ``expected``: of the expected weights, not of the observed.
    """
    with np.errstate(all="ignore"):
        if expected or family.dispersion is not None:
            slopes = family.slopes(response, eta, dispersion)
            return slopes, slopes.expected_slope if expected else slopes.weight
        return None, slope_of_weight(family, response, eta, dispersion, rows)
