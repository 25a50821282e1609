"""Estimates of a fitted model as tidy tables, and a reading of singular covariance matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import erfc, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.parameters import sds_and_correlations, undetermined

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = [
    "SINGULAR",
    "criteria_of",
    "estimates_table",
    "information_criteria",
    "normal_statistics",
    "singularity",
    "tidy_estimates",
    "wald_ends",
]

Floats = NDArray[np.float64]
_Row = TypeVar("_Row", Floats, pd.Series)

SINGULAR = 1e-4
"""Standard deviation, over sigma and for columns of unit root mean square, that counts as zero.

lme4's ``isSingular`` has the same number for theta itself."""

_COLUMNS = (
    "kind", "group", "term", "term2", "estimate", "std_error", "lower", "upper", "statistic",
    "p_value",
)  # fmt: skip


def estimates_table(
    objective: ProfiledObjective,
    theta: Floats,
    *,
    level: float = 0.95,
    unidentified: Sequence[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Tidy parameters of a fit: fixed effects, sigma, standard deviations, correlations, theta.

    ``theta`` is (k,). ``level``: coverage of the Wald intervals of the fixed effects.
    ``unidentified``: what the certificate says is not determined by the data: given as missing.
    Gives columns of the stored table ``estimates``. Standard errors, z statistics and p values of
    the fixed effects refer to the normal distribution, as in MixedModels.jl; variance parameters
    have none. A correlation with a standard deviation of zero is NaN, as is what is not determined.
    """
    evaluation = objective.evaluate(theta)
    covariance = objective.system.beta_covariance(evaluation.sigma)
    rows: list[dict[str, Any]] = []
    errors = np.sqrt(np.diag(covariance))
    normal = normal_statistics(evaluation.beta, errors, level)
    beta = zip(objective.beta_names, evaluation.beta, errors, *normal.values(), strict=True)
    for name, estimate, error, *others in beta:
        row = {"kind": "beta", "term": name, "estimate": estimate, "std_error": error}
        rows.append({**row, **dict(zip(normal, others, strict=True))})
    rows.append({"kind": "sigma", "estimate": evaluation.sigma})
    for term in objective.system.terms:
        factor = term.factor(theta[term.theta])[None]
        sigma = np.array([evaluation.sigma])
        rows.extend(
            {"kind": kind, "group": term.group, "term": a, "term2": b, "estimate": float(value[0])}
            for kind, a, b, value in sds_and_correlations(term, factor, sigma)
        )
    for term in objective.system.terms:
        rows.extend(
            {"kind": "theta", "group": term.group, "term": name, "estimate": value}
            for name, value in zip(term.theta_names(), theta[term.theta], strict=True)
        )
    return tidy_estimates(rows, unidentified)


def tidy_estimates(
    rows: Sequence[dict[str, Any]], unidentified: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Rows of parameters as the table ``estimates``, missing what the data do not determine."""
    text, numeric = _COLUMNS[:4], _COLUMNS[4:]
    missing = undetermined(unidentified)
    for row in rows if missing else ():
        if (row["kind"], row.get("group"), row.get("term"), row.get("term2")) in missing:
            row["estimate"] = np.nan
    columns = {c: pd.Series([row.get(c) for row in rows], dtype=object) for c in text}
    columns |= {c: pd.Series([row.get(c, np.nan) for row in rows], dtype=float) for c in numeric}
    return pd.DataFrame(columns)


def wald_ends(estimates: _Row, std_errors: _Row, level: float) -> tuple[_Row, _Row]:
    """Give both ends of normal intervals that cover with probability ``level``."""
    width = NormalDist().inv_cdf(0.5 + level / 2.0) * std_errors
    return estimates - width, estimates + width


def normal_statistics(
    estimates: _Row, std_errors: _Row, level: float = 0.95
) -> dict[str, _Row | list[float]]:
    """Intervals, statistics and two-sided p values by the normal distribution."""
    lower, upper = wald_ends(estimates, std_errors, level)
    statistics = estimates / std_errors
    p_values = [erfc(abs(float(z)) / sqrt(2.0)) for z in statistics]
    return {"lower": lower, "upper": upper, "statistic": statistics, "p_value": p_values}


def information_criteria(objective: ProfiledObjective, value: float) -> dict[str, float | int]:
    """Log-likelihood, degrees of freedom, AIC, AICc and BIC from the `value` of the objective.

    Degrees of freedom are the parameters that data of the design determine, fixed effects and sigma
    among them: of two variances of which only the sum is determined one counts. Under REML they
    come from the REML criterion, as in lme4. AICc is Hurvich & Tsai's (1989, Biometrika 76) with
    the number of observations, as in MixedModels.jl; NaN if there are not more
    observations than parameters + 1.
    """
    dof, n = objective.n_identified, objective.system.n
    return {"dof": dof, **criteria_of(value, dof, n)}


def criteria_of(value: float, dof: int, n: int) -> dict[str, float]:
    """Log-likelihood, AIC, AICc and BIC of an objective, see `information_criteria`."""
    aic = value + 2.0 * dof
    return {
        "loglik": -0.5 * value,
        "aic": aic,
        "aicc": aic + 2.0 * dof * (dof + 1) / (n - dof - 1) if n > dof + 1 else float("nan"),
        "bic": value + dof * float(np.log(n)),
    }


def singularity(
    objective: ProfiledObjective | LaplaceObjective,
    theta: Floats,
    *,
    unidentified: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Rank of every term's covariance, the shares of its principal axes, and what collapsed.

    Gives per grouping factor: ``group``, ``terms``, ``rank``, ``size``, ``full_rank`` (what the
    structures allow: less than the size for reduced rank only), ``singular`` (rank below full
    rank), ``shares`` (of the variance along the principal axes of ``sigma**2 Lambda Lambda'``,
    descending, as lme4's ``rePCA``), ``collapsed`` (in words; empty if nothing is). Of a factor
    with something `unidentified` any of several ranks fits the data alike: ``rank`` is None,
    ``shares`` are empty, and nothing is called singular.
    """
    out: list[dict[str, Any]] = []
    open_groups = {p[1] for p in undetermined(unidentified)}
    for term in objective.system.terms:
        own = theta[term.theta]
        named = {"group": term.group, "terms": list(term.names)}
        known = {"size": term.size, "full_rank": term.rank}
        if term.group in open_groups:
            nothing = {"singular": False, "shares": [], "collapsed": ""}
            out.append(named | {"rank": None} | known | nothing)
            continue
        variances = np.linalg.svd(term.factor(own), compute_uv=False) ** 2
        axes, lengths, _ = np.linalg.svd(term.unit_factor(own))
        rank = int((lengths > SINGULAR).sum())
        total = float(variances.sum())
        out.append(
            {
                **named,
                "rank": rank,
                **known,
                "singular": rank < term.rank,
                "shares": [float(v) / total if total > 0.0 else 0.0 for v in variances],
                "collapsed": _collapsed(term.names, axes[:, rank:], rank)
                if rank < term.rank
                else "",
            }
        )
    return out


def _collapsed(names: tuple[str, ...], null: Floats, rank: int) -> str:
    """Say which directions of a term have no variance; `null` (k, k - rank) spans them."""
    if null.shape[1] == 0:
        return ""
    if rank == 0:
        return (
            f"no variance at all: {names[0]} does not vary between the groups"
            if len(names) == 1
            else "no variance at all: every term is zero"
        )
    # A term that lies in the null space altogether has no variance of its own.
    share = (null**2).sum(axis=1)
    zero = [name for name, s in zip(names, share, strict=True) if s > 1.0 - 1e-6]
    words = [f"{name} has no variance" for name in zero]
    left = null.shape[1] - len(zero)
    if left > 0:
        mixed = [j for j in range(len(names)) if names[j] not in zero and share[j] > 1e-6]
        if left == 1 and len(mixed) == 2:
            # Null vector (p, q): p a + q b never varies, so a and b move together if p q < 0.
            rest = null[np.ix_(mixed, range(null.shape[1]))]
            direction = rest[:, int(np.abs(rest).sum(axis=0).argmax())]
            sign = "+1" if direction[0] * direction[1] < 0.0 else "-1"
            words.append(
                f"{names[mixed[0]]} and {names[mixed[1]]} are perfectly correlated ({sign})"
            )
        else:
            count = "one direction has" if left == 1 else f"{left} directions have"
            words.append(f"{count} no variance among {', '.join(names[j] for j in mixed)}")
    return "; ".join(words)
