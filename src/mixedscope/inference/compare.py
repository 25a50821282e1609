"""Structures of one model side by side: what each costs, gains, and whether it is degenerate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mixedscope.errors import ModelError
from mixedscope.inference.nesting import is_nested

__all__ = ["compare_structures"]


def compare_structures(
    infos: Sequence[Mapping[str, Any]], *, optimizers: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compare fits of one model that differ in covariance structure or optimiser.

    The likelihood-ratio statistic of a row is its objective minus that of the richest structure
    (the most covariance parameters, the first of several) fitted by the same optimiser.
    ``p_value_naive`` refers it to a chi-squared distribution with the difference in parameters
    as degrees of freedom.  It is called naive because a variance of zero lies on the boundary of
    the parameter space, where that distribution is too wide and the p-value too large
    (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605-610).

    Parameters
    ----------
    infos : sequence of mapping
        The contents of ``fit.json`` of each fit.
    optimizers : sequence of str, optional
        What to call the optimiser of each fit; by default as it calls itself, which does not
        tell two settings of one optimiser apart.

    Returns
    -------
    pandas.DataFrame
        One row per fit, in the order given: ``model``, ``structure``, ``optimizer``,
        ``criterion``, ``n`` (observations), ``n_theta`` (covariance parameters), ``dof``,
        ``objective`` (-2 log-likelihood or REML criterion), ``loglik``, ``aic``, ``aicc``,
        ``bic``, ``sigma``, ``evaluations``, ``singular`` (any term), ``effective_dimensions``
        (sum of the ranks of the terms), ``verdict``; ``richest`` (structure compared with),
        ``chi_squared`` (the statistic), ``chi_dof``, ``p_value_naive``, null for the richest
        itself, for structures of as many parameters, and for those that are no special case of
        the richest (:func:`mixedscope.inference.nesting.is_nested`).

    Raises
    ------
    ModelError
        If there is nothing to compare, or the fits are not of one model, criterion and data set.
    """
    if not infos:
        raise ModelError("there are no fits to compare: give at least one")
    for what, get in _SAME.items():
        values = [get(info) for info in infos]
        for value in values[1:]:
            if value != values[0]:
                raise ModelError(
                    f"fits of different {what} cannot be compared: {values[0]!r} and {value!r}"
                )
    names = [info["optimizer"]["name"] for info in infos] if optimizers is None else optimizers
    richest: dict[str, Mapping[str, Any]] = {}
    for name, info in zip(names, infos, strict=True):
        if name not in richest or _n_theta(info) > _n_theta(richest[name]):
            richest[name] = info
    rows = [_row(info, name, richest[name]) for name, info in zip(names, infos, strict=True)]
    return pd.DataFrame(rows)


#: What has to be equal for a comparison to mean anything.
_SAME = {
    "models": lambda info: info["model"],
    "formulas": lambda info: info["formula"],
    "data": lambda info: info["dataset"]["sha256"],
    "numbers of observations": lambda info: info["dimensions"]["n"],
    "criteria": lambda info: info["criterion"],
}


def _n_theta(info: Mapping[str, Any]) -> int:
    return int(info["dimensions"]["n_theta"])


def _row(info: Mapping[str, Any], optimizer: str, richest: Mapping[str, Any]) -> dict[str, Any]:
    chi_dof = _n_theta(richest) - _n_theta(info)
    statistic = p_value = None
    is_tested = chi_dof > 0 and is_nested(info["random"], richest["random"])
    if is_tested:
        # Optimisers end a hair apart: a poorer structure is no better by a rounding error.
        statistic = max(info["objective"] - richest["objective"], 0.0)
        from scipy.special import chdtrc

        p_value = float(chdtrc(chi_dof, statistic))
    return {
        "model": info["model"],
        "structure": info["structure"],
        "optimizer": optimizer,
        "criterion": info["criterion"],
        "n": info["dimensions"]["n"],
        "n_theta": _n_theta(info),
        "dof": info["dof"],
        "objective": info["objective"],
        "loglik": info["loglik"],
        "aic": info["aic"],
        "aicc": info["aicc"],
        "bic": info["bic"],
        "sigma": info["sigma"],
        "evaluations": info["optimizer"]["evaluations"],
        "singular": any(term["singular"] for term in info["singular"]),
        "effective_dimensions": sum(term["rank"] for term in info["singular"]),
        "verdict": info["certificate"]["verdict"],
        "richest": richest["structure"],
        "chi_squared": statistic,
        "chi_dof": chi_dof if is_tested else None,
        "p_value_naive": p_value,
    }
