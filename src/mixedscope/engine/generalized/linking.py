"""Which steps the compiled search of a generalised model calls for, and where they are.

A row of numbers, one for every step of :mod:`mixedscope.engine.kernels.laplace_steps`: for Python,
or addresses of compiled code. Steps that a model never takes have none, and are not compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels import (
    laplace,
    laplace_nodes,
    laplace_several,
    likelihoods,
    link_rows,
    means,
)
from mixedscope.engine.kernels import laplace_steps as steps
from mixedscope.families.family import Family

__all__ = ["has_steps", "steps_of"]

Ints = NDArray[np.int64]

_LINKS: Final[dict[str, Callable[..., Any]]] = {
    "logit": link_rows.logit,
    "probit": link_rows.probit,
    "cloglog": link_rows.cloglog,
    "identity": link_rows.identity,
    "inverse": link_rows.inverse,
    "sqrt": link_rows.square_root,
}

#: Of families by name: what they make of their links, and, where they have a dispersion, what that
#: changes, what it adds by itself, and the table that this takes.
_FAMILIES: Final[dict[str, tuple[Callable[..., Any], ...]]] = {
    "poisson": (means.poisson,),
    "nbinom2": (
        means.overdispersed, means.changes_of_overdispersed, likelihoods.rising,
        likelihoods.count_above,
    ),
    "nbinom1": (
        means.linear, means.changes_of_linear, means.constant_of_linear, means.sum_few_counts,
    ),
    "gamma": (
        means.amounts, means.changes_of_amounts, means.constant_of_amounts, means.count_rows,
    ),
    "beta": (means.beta, means.changes_of_beta, means.constant_of_beta, means.count_rows),
}  # fmt: skip

#: Families and links that have a pass of their own.
_WHOLE: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("binomial", "logit"): likelihoods.logistic_rows,
    ("poisson", "log"): likelihoods.poisson_rows,
    ("nbinom2", "log"): likelihoods.size_rows,
}


def has_steps(family: Family) -> bool:
    """Whether a family, with its link, has compiled passes."""
    return family.name == "binomial" or family.name in _FAMILIES


@cache
def steps_of(
    family: str, link: str, *, is_single: bool, linked: bool, has_nodes: bool = False
) -> Ints:
    """Numbers (steps,) for a family with its link, of one grouping factor or of several.

    ``has_nodes``: whether all is summed over nodes of quadrature, of one factor.
    """
    row = np.zeros(steps.STEPS, dtype=np.int64)
    steps.value.put(row, laplace.value_at if is_single else laplace_several.value_of_several)
    steps.derive.put(row, laplace.derive if is_single else laplace_several.derive_several)
    if has_nodes:
        steps.nodes.put(row, laplace_nodes.sum_over_nodes)
    whole = _WHOLE.get((family, link))
    if whole is not None:
        steps.rows.put(row, whole)
    else:
        _put_link(row, family, link)
    if len(_FAMILIES.get(family, ())) > 1:
        _, own_changes, constant, tally = _FAMILIES[family]
        steps.constant.put(row, constant)
        steps.tally.put(row, tally)
        if whole is not None:
            steps.changes.put(row, likelihoods.changes_of_size)
        else:
            steps.changes.put(row, likelihoods.changes_of_composed)
            steps.own_changes.put(row, own_changes)
    if linked:
        for step in steps.ALL:
            step.link(row)
    return row


def _put_link(row: Ints, family: str, link: str) -> None:
    """Steps of a family that is put together from its link and what it makes of that."""
    if link == "log":
        one = link_rows.log_probability if family == "binomial" else link_rows.log_mean
    else:
        one = _LINKS[link]
    steps.link.put(row, one)
    if family == "binomial":
        steps.rows.put(row, means.binomial_rows)
    else:
        steps.rows.put(row, likelihoods.composed_rows)
        steps.mean.put(row, _FAMILIES[family][0])
