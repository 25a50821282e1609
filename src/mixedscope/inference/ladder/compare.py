"""Structures of one model side by side: what each costs, gains, and whether it is degenerate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from mixedscope.core.errors import ModelError
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.ladder.nesting import is_nested

__all__ = ["check_comparable", "compare_structures", "nested_pairs"]

_CRITERIA = ("objective", "aic", "aicc", "bic")


def compare_structures(
    infos: Sequence[Mapping[str, Any]],
    *,
    optimizers: Sequence[str] | None = None,
    degrees: Sequence[float | None] | None = None,
) -> pd.DataFrame:
    """Compare fits of one model that differ in covariance structure or optimiser.

    Parameters
    ----------
    infos : sequence of mapping
        The contents of ``fit.json`` of each fit.
    optimizers : sequence of str, optional
        What to call the optimiser of each fit; by default as it calls itself, which does not
        tell two settings of one optimiser apart.
    degrees : sequence of float, optional
        Effective degrees of freedom of each fit, fixed effects included; none where not known.

    Returns
    -------
    pandas.DataFrame
        One row per fit, in the order given: ``model``, ``structure``, ``optimizer``,
        ``criterion``, ``n`` (observations), ``n_theta`` (covariance parameters), ``dof``,
        ``objective`` (-2 log-likelihood or REML criterion), ``loglik``, ``aic``, ``aicc``,
        ``bic``; ``above_objective``, ``above_aic``, ``above_aicc``, ``above_bic``, by how much
        each exceeds the smallest of the fits by the same optimiser; ``sigma``, ``evaluations``,
        ``edf`` (effective degrees of freedom), ``singular`` (any term),
        ``effective_dimensions`` (sum of the ranks of the terms; null where the data do not
        determine one, as ``sigma``), ``dimensions`` (of their columns), ``ranks`` (of each
        grouping factor, in words), ``verdict``, ``newton_decrement`` (objective still to be
        gained).

    Raises
    ------
    ModelError
        If there is nothing to compare, or the fits are not of one model, criterion and data set.
    """
    check_comparable(infos)
    names = [info["optimizer"]["name"] for info in infos] if optimizers is None else optimizers
    edf = [None] * len(infos) if degrees is None else list(degrees)
    rows = [_row(info, name, e) for info, name, e in zip(infos, names, edf, strict=True)]
    table = pd.DataFrame(rows)
    for column in _CRITERIA:
        values = table[column].astype(float)
        best = values.groupby(table["optimizer"]).transform("min")
        table[f"above_{column}"] = values - best
    return table[list(_COLUMNS)]


def check_comparable(infos: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ModelError unless fits are of one model, criterion and data set.

    Criteria and likelihoods of REML fits can be compared because the fixed effects are the same.
    """
    if not infos:
        raise ModelError("There are no fits to compare: give at least one.")
    for what, get in _SAME.items():
        values = [get(info) for info in infos]
        for value in values[1:]:
            if value != values[0]:
                other = ""
                if what in ("models", "formulas") and len({i["formula"] for i in infos}) > 1:
                    other = " Nested models of several formulas are compared by ms.lrtest."
                raise ModelError(
                    f"Fits of different {what} cannot be compared: {values[0]!r} and {value!r}. "
                    f"Structures are compared on one formula, data set and criterion.{other}"
                )


def nested_pairs(infos: Sequence[Mapping[str, Any]]) -> list[tuple[int, int, bool, bool]]:
    """Find which fits, by one optimiser, are special cases of which, and tests that say most.

    Gives places of the poorer and the richer fit; whether no other fit lies between them; whether
    the richer one has most parameters of those that contain the poorer. The poorest of the richest
    first.
    """
    n_theta = [_n_theta(info) for info in infos]
    inside = {
        i: [
            j
            for j in range(len(infos))
            if n_theta[j] > n_theta[i] and is_nested(infos[i]["random"], infos[j]["random"])
        ]
        for i in range(len(infos))
    }
    pairs = []
    for i in sorted(inside, key=lambda i: -n_theta[i]):
        if not inside[i]:
            continue
        top = max(inside[i], key=lambda j: n_theta[j])  # the first of several
        for j in sorted(inside[i], key=lambda j: n_theta[j]):
            is_next = not any(j in inside[between] for between in inside[i])
            if is_next or j == top:
                pairs.append((i, j, is_next, j == top))
    return pairs


#: What has to be equal for a comparison to mean anything.
_SAME: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "models": lambda info: info["model"],
    "formulas": lambda info: info["formula"],
    "data": lambda info: info["dataset"]["sha256"],
    "numbers of observations": lambda info: info["dimensions"]["n"],
    "criteria": lambda info: info["criterion"],
    "offsets": lambda info: info.get("offset"),
    "families": lambda info: info.get("family"),
    "links": lambda info: info.get("link"),
    "approximations": lambda info: (info.get("information"), info.get("quadrature")),
    "subsets": lambda info: info.get("subset"),
    "known residual standard deviations": lambda info: info.get("known_sigma"),
}

#: The columns of the table, in order.
_COLUMNS = (
    "model", "structure", "optimizer", "criterion", "n", "n_theta", "dof", "objective", "loglik",
    "aic", "aicc", "bic", "above_objective", "above_aic", "above_aicc", "above_bic", "sigma",
    "evaluations", "edf", "singular", "effective_dimensions", "dimensions", "ranks", "verdict",
    "newton_decrement",
)  # fmt: skip


def _n_theta(info: Mapping[str, Any]) -> int:
    return int(info["dimensions"]["n_theta"])


def _row(info: Mapping[str, Any], optimizer: str, edf: float | None) -> dict[str, Any]:
    terms = info["singular"]
    ranks = [term["rank"] for term in terms]
    unidentified = undetermined(info["certificate"].get("unidentified", ()))
    sigma = None if ("sigma", None, None, None) in unidentified else info["sigma"]
    return {
        "model": info["model"],
        "structure": info["structure"],
        "optimizer": optimizer,
        "criterion": info["criterion"],
        "n": info["dimensions"]["n"],
        "n_theta": _n_theta(info),
        "dof": info["dof"],
        **{name: info[name] for name in ("objective", "loglik", "aic", "aicc", "bic")},
        "sigma": sigma,
        "evaluations": info["optimizer"]["evaluations"],
        "edf": edf,
        "singular": any(term["singular"] for term in terms),
        "effective_dimensions": None if None in ranks else sum(ranks),
        "dimensions": sum(term["size"] for term in terms),
        "ranks": ", ".join(
            f"{term['group']} {'–' if term['rank'] is None else term['rank']}/{term['size']}"
            for term in terms
        ),
        "verdict": info["certificate"]["verdict"],
        "newton_decrement": info["certificate"].get("newton_decrement"),
    }
