"""Covariances of the fixed effects that hold whatever the covariance of the observations is.

With working covariance ``V`` of the observations (of the fit, its scale does not matter), clusters
j, marginal residuals ``e = y - X beta`` and ``M = inv(X' inv(V) X)``::

    M (sum over j of X_j' inv(V_j) A_j e_j e_j' A_j' inv(V_j) X_j) M

CR0 has ``A_j = I`` (Liang & Zeger 1986, Biometrika 73, 13-22), CR1 multiplies that by J / (J - 1),
and CR2 has ``A_j = D_j' B_j^(-1/2) D_j`` with ``D_j' D_j = V_j`` and
``B_j = D_j (V_j - X_j M X_j') D_j'``, so that it is unbiased if V is right (Bell & McCaffrey 2002,
Surv. Methodol. 28, 169-181; Pustejovsky & Tipton 2018, J. Bus. Econ. Stat. 36, 672-683, eq. 4-6).
Clusters are worked on in batches of one size: matrices of a cluster's rows, never of all.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.design.nesting import containing_levels
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.diagnostics.leverage import told_observations

__all__ = ["KINDS", "outer_factor", "sandwich"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Small-sample corrections by name.
KINDS: Final = ("CR0", "CR1", "CR2")

#: Share of the largest eigenvalue up to which one of a cluster counts as zero.
_NULL: Final = 1e-10

#: Most rows of a cluster whose residuals are adjusted: a matrix of theirs has so many squared.
_LARGEST: Final = 10_000

#: Numbers that the matrices of a batch of clusters may hold.
_BATCH: Final = 4_000_000


def outer_factor(objective: ProfiledObjective) -> Ints:
    """Levels (n,) of the grouping factor in which all others are nested.

    Raises UnsuitedError if there is none.
    """
    terms = objective.system.terms
    outer = min(terms, key=lambda term: len(term.design.levels))
    for term in terms:
        if containing_levels(term.design.codes, outer.design.codes) is None:
            raise UnsuitedError(
                f"The grouping factors {term.group} and {outer.group} are crossed: observations "
                "of different clusters share random effects, and no cluster of either is "
                "independent of the others. Give a cluster that contains both."
            )
    return outer.design.codes


def sandwich(
    objective: ProfiledObjective, theta: Floats, cluster: Ints, kind: str, name: str
) -> pd.DataFrame:
    """Covariance (r, r) of the fixed effects at theta (k,), robust within clusters.

    ``cluster`` (n,): codes from 0. ``name`` is what they are called in messages. Raises ModelError
    if there is no such kind, or one cluster only; UnsuitedError if the levels of a grouping factor
    belong to several clusters.
    """
    if kind not in KINDS:
        raise ModelError(
            f"There is no sandwich of kind {kind!r}.{suggest(kind, KINDS)} "
            f"Known are: {', '.join(KINDS)}."
        )
    count = int(cluster.max()) + 1
    if count < 2:
        raise ModelError(f"All rows belong to one cluster of {name}: at least two are needed.")
    system = objective.system
    for term in system.terms:
        if containing_levels(term.design.codes, cluster) is None:
            raise UnsuitedError(
                f"Levels of the grouping factor {term.group} lie in several clusters of {name}, "
                "which are not independent then: give a cluster that contains them whole."
            )
    largest = int(np.bincount(cluster).max())
    if kind == "CR2" and largest > _LARGEST:
        raise UnsuitedError(
            f"CR2 needs matrices of {largest} by {largest}, the rows of the largest cluster of "
            f"{name}, and is made up to {_LARGEST}: use CR1, or smaller clusters."
        )
    evaluation, own = told_observations(objective, theta)
    rest = np.asarray(system.design.y - system.fixed_columns @ evaluation.beta, dtype=float)
    # Rows of M X'inv(V), which the engine has for weighted rows.
    pull = own.pull * system.root_weights[:, None]
    if kind == "CR2":
        rest = _adjusted(objective, theta, cluster, rest)
    shares = np.zeros((count, pull.shape[1]))
    np.add.at(shares, cluster, pull * rest[:, None])
    covariance = shares.T @ shares
    if kind == "CR1":
        covariance *= count / (count - 1)
    names = list(objective.beta_names)
    return pd.DataFrame(covariance, index=names, columns=names)


def _adjusted(
    objective: ProfiledObjective, theta: Floats, cluster: Ints, residuals: Floats
) -> Floats:
    """``A_j e_j`` of all clusters (n,)."""
    system = objective.system
    evaluation = objective.evaluate(theta)
    meat = system.beta_covariance(evaluation.sigma) / evaluation.sigma**2
    # A root of X M X', so that only its columns, not M, are handed on.
    half = system.fixed_columns @ np.linalg.cholesky(meat)
    blocks = [
        (term.design.codes, term.design.Z @ term.factor(theta[term.theta])) for term in system.terms
    ]
    noise = 1.0 / system.root_weights**2
    order = np.argsort(cluster, kind="stable")
    sizes = np.bincount(cluster)
    starts = np.cumsum(sizes) - sizes
    out = np.empty(len(residuals))
    for size in np.unique(sizes).tolist():
        first = starts[sizes == size]
        batch = max(1, _BATCH // (size * size))
        for at in range(0, len(first), batch):
            rows = order[first[at : at + batch, None] + np.arange(size)]
            v = np.zeros((len(rows), size, size))
            v[:, np.arange(size), np.arange(size)] = noise[rows]
            for codes, effects in blocks:
                z = effects[rows]
                same = codes[rows][:, :, None] == codes[rows][:, None, :]
                v += same * (z @ z.swapaxes(1, 2))
            x = half[rows]
            out[rows] = _balanced(v, x, residuals[rows])
    return out


def _balanced(v: Floats, x: Floats, residuals: Floats) -> Floats:
    """``A e`` of clusters of one size (c, m), whose ``X M X'`` is ``x x'``."""
    lower = np.linalg.cholesky(v)  # D' of the formula
    inner = lower.swapaxes(1, 2) @ (v - x @ x.swapaxes(1, 2)) @ lower
    values, vectors = np.linalg.eigh(0.5 * (inner + inner.swapaxes(1, 2)))
    least = _NULL * values[:, -1:]
    roots = np.where(values > least, 1.0 / np.sqrt(np.maximum(values, least)), 0.0)
    turned = np.einsum("cij,cj->ci", lower.swapaxes(1, 2), residuals)
    turned = np.einsum("cji,cj->ci", vectors, turned) * roots
    return np.asarray(np.einsum("cij,cj->ci", lower @ vectors, turned))
