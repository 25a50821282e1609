"""Shares of the variance: R² of Nakagawa, Schielzeth and Johnson, and the intraclass correlation.

The variance of the response is taken apart into those of ``X beta``, of ``Z b`` and of the
residuals, each as it is on average over the observations (Johnson 2014, Methods Ecol. Evol. 5,
944-946, eq. 10-11, which for random intercepts alone is Nakagawa & Schielzeth 2013, ibid. 4,
133-142): ``mean_i z_i' Sigma z_i``, whatever the covariance structure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.parameters import undetermined

__all__ = ["Variances", "intraclass", "r_squared", "variances_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Variances:
    """Parts of the variance of the response, units of the response squared.

    Attributes
    ----------
    fixed : float
        Sample variance (n - 1) of ``X beta``.
    random : dict of str to float
        By grouping factor; NaN where the data do not determine it.
    residual : float
        NaN where the data do not determine it.
    whole : float
        All of the random effects and the residuals together.
    """

    fixed: float
    random: dict[str, float]
    residual: float
    whole: float


def variances_of(
    objective: ProfiledObjective,
    theta: Floats,
    unidentified: Sequence[Mapping[str, Any]] = (),
) -> Variances:
    """Take the variance of the response apart at theta (k,).

    ``unidentified``: what the certificate says is not determined by the data.
    """
    evaluation = objective.evaluate(theta)
    system = objective.system
    mean = system.fixed_columns @ evaluation.beta
    mean -= mean[0]  # what is constant has no variance, not that of its rounding
    # A weight w makes of sigma**2 the variance sigma**2 / w of an observation.
    residual = evaluation.sigma**2 * float(np.mean(1.0 / system.root_weights**2))
    random = {}
    for term in system.terms:
        half = term.design.Z @ (term.factor(theta[term.theta]) * evaluation.sigma)
        random[term.group] = float(np.einsum("ij,ij->i", half, half).mean())
    whole = residual + sum(random.values())
    for kind, group, *_ in undetermined(unidentified):
        if kind == "sigma":
            residual = np.nan
        elif group is not None:
            random[group] = np.nan
    return Variances(float(np.var(mean, ddof=1)), random, residual, whole)


def r_squared(parts: Variances) -> pd.Series:
    """Marginal R², of the fixed effects, and conditional R², of the random effects too."""
    total = parts.fixed + parts.whole
    shares = {
        "marginal": parts.fixed / total,
        "conditional": (total - parts.residual) / total,
    }
    return pd.Series(shares, name="r2")


def intraclass(parts: Variances) -> pd.DataFrame:
    """Intraclass correlations: a row for each grouping factor, and one for all together."""
    random = {**parts.random, "all": parts.whole - parts.residual}
    values = np.array(list(random.values()))
    columns = {
        "variance": values,
        "adjusted": values / parts.whole,
        "unadjusted": values / (parts.fixed + parts.whole),
    }
    return pd.DataFrame(columns, index=pd.Index(random, name="group"))
