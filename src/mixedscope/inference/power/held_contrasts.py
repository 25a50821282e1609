"""Fits in which a contrast of the fixed effects is held at a value, for likelihood ratios.

Where ``l' beta = v`` one coefficient follows from the others: the model has their columns, less
what that one takes of them, and its response is ``y - v x / l_j``. Likelihood ratios are
of maximum likelihood, whatever the criterion of the fit: REML criteria of other columns do not
compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.fixed_terms import FixedTerms
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.estimates.refit import Refits, refit_many

__all__ = [
    "NO_RATIO",
    "HeldContrast",
    "chi_squared_tail",
    "profile_ends",
    "ratio_p_values",
    "without_contrast",
]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: Why a draw has no likelihood ratio.
NO_RATIO: Final = "the fit under the hypothesis has no certificate of an optimum"

#: Deviance, times its size over 10,000, by which a fit may end above one of fewer columns.
_SLACK: Final = 1e-4

#: Steps towards an end of an interval, and how close the root of the deviance gets to its wanted
#: value: an end is then off by less than 0.0001 standard errors.
_STEPS: Final = 12
_CLOSE: Final = 1e-4


class HeldContrast:
    """The model with one contrast of its fixed effects held.

    Parameters
    ----------
    objective : SearchableObjective
    row : (r,) array
        The contrast.
    value : float
        What it is tested against.
    """

    def __init__(self, objective: SearchableObjective, row: Floats, value: float) -> None:
        system = objective.system
        design = system.design
        self.value = value
        columns, own, _ = without_contrast(system.fixed_columns, row)
        #: What a unit of the contrast adds to the expectation, (n,).
        self.direction = own
        names = tuple(f"{j}" for j in range(columns.shape[1]))
        poorer = replace(design, X=np.ascontiguousarray(columns), x_names=names, fixed=FixedTerms())
        self.objective = SearchableObjective(ProfiledSystem(poorer), reml=False)

    def deviances(self, theta: Floats, responses: Floats, values: Floats) -> Floats:
        """Deviances (m,) of responses (m, n), with the contrast held at values (m,)."""
        refits = refit_many(self.objective, theta, responses - values[:, None] * self.direction)
        return np.where(refits.converged, refits.objective, np.nan)

    def of_draws(self, theta: Floats, responses: Floats) -> Callable[[Rows, Floats], Floats]:
        """Give the function that `profile_ends` asks: deviances of some of responses (m, n)."""
        return lambda rows, at: self.deviances(theta, responses[rows], at)


def without_contrast(columns: Floats, row: Floats) -> tuple[Floats, Floats, list[int]]:
    """Columns (n, r - 1) that leave a contrast (r,) at 0, the one that raises it by 1, (n,).

    By elimination: columns that the contrast does not touch stay as they are. Gives also which of
    the coefficients are left.
    """
    at = int(np.argmax(np.abs(row)))
    others = [j for j in range(len(row)) if j != at]
    own = columns[:, at] / row[at]
    return columns[:, others] - np.outer(own, row[others]), own, others


def ratio_p_values(held: HeldContrast, theta: Floats, responses: Floats, refits: Refits) -> Floats:
    """Give p values (m,) of likelihood ratios, by chi-squared on one degree of freedom."""
    poorer = held.deviances(theta, responses, np.full(len(responses), held.value))
    return chi_squared_tail(poorer, refits.objective)


def chi_squared_tail(poorer: Floats, whole: Floats) -> Floats:
    """Give p values (m,) for the deviances of a model without a contrast, and with it."""
    from scipy.stats import chi2

    return np.asarray(chi2.sf(_statistics(poorer, whole), 1))


def _statistics(poorer: Floats, whole: Floats) -> Floats:
    """Likelihood ratios (m,): NaN where the poorer model ends lower by more than searches leave."""
    found = poorer - whole
    allowed = _SLACK * np.maximum(1.0, np.abs(whole) / 1e4)
    return np.where(found < -allowed, np.nan, np.maximum(found, 0.0))


def profile_ends(
    deviances: Callable[[Rows, Floats], Floats],
    whole: Floats,
    estimates: Floats,
    errors: Floats,
    level: float,
) -> tuple[Floats, Floats]:
    """Ends (m,) and (m,) of profile intervals.

    ``deviances``: of some draws by number, a contrast being held at a value in each; ``whole``
    (m,): of the fits. The signed root of the likelihood ratio is nearly linear in the value:
    secants find where it is the quantile of the normal distribution, beginning with the estimates
    and their standard errors. NaN where they do not get there.
    """
    from scipy.stats import norm

    wanted = float(norm.ppf(0.5 + level / 2.0))
    ends = []
    for side in (-1.0, 1.0):
        last_x, last_z = np.zeros(len(estimates)), np.zeros(len(estimates))
        x = np.full(len(estimates), wanted)
        out = np.full(len(estimates), np.nan)
        rows = np.flatnonzero(np.isfinite(estimates) & np.isfinite(errors))
        for _ in range(_STEPS):
            if not len(rows):
                break
            at = estimates[rows] + side * x[rows] * errors[rows]
            z = np.sqrt(_statistics(deviances(rows, at), whole[rows]))
            done = np.abs(z - wanted) <= _CLOSE
            out[rows[done]] = at[done]
            slope = (z - last_z[rows]) / (x[rows] - last_x[rows])
            fine = ~done & np.isfinite(slope) & (slope > 0.0)
            rows, z, slope = rows[fine], z[fine], slope[fine]
            last_x[rows], last_z[rows] = x[rows], z
            # At most twice as far in one step: slopes of short secants are rounding.
            x[rows] = np.clip(x[rows] + (wanted - z) / slope, 0.5 * x[rows], 2.0 * x[rows])
        ends.append(out)
    return ends[0], ends[1]
