"""What follows from the fit of a generalised model: covariances, standard deviations, modes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.estimates.parameters import sds_and_correlations

__all__ = ["modes_table", "parameter_covariance", "variance_table"]

Floats = NDArray[np.float64]

#: Step of the differences of the gradient, in standard errors about.
_STEP: Final = 1e-4

#: Eigenvalues of the Hessian in standardised units below this share of the largest are flat.
_FLAT: Final = 1e-9

#: Information of a level that is singular: below this share of its largest.
_SINGULAR: Final = 1e-10


def parameter_covariance(objective: LaplaceObjective, point: Floats) -> Floats:
    """Covariance (k, k) of all parameters: ``2 inv(Hessian)``, by differences of the gradient.

    NaN in the rows of parameters that take part in a direction without curvature.
    """
    point = np.asarray(point, dtype=float)
    objective.reset()
    shape = objective.coordinates
    shape = np.diag(objective.scale) if shape is None else shape
    inverse = np.linalg.inv(shape)
    hessian = np.empty((len(point), len(point)))
    for i in range(len(point)):
        step = _STEP * inverse[:, i]
        above = objective.evaluate_gradient(point + step)[1]
        below = objective.evaluate_gradient(point - step)[1]
        hessian[i] = (above - below) @ inverse / (2.0 * _STEP)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2.0)
    is_flat = values < _FLAT * float(np.abs(values).max())
    turned = inverse @ vectors
    kept = turned[:, ~is_flat]
    covariance = 2.0 * (kept / values[~is_flat]) @ kept.T
    lost = (np.abs(turned[:, is_flat]) > 1e-6 * np.abs(turned).max(axis=1)[:, None]).any(axis=1)
    covariance[lost] = np.nan
    covariance[:, lost] = np.nan
    return covariance


def variance_table(objective: LaplaceObjective, theta: Floats) -> pd.DataFrame:
    """Standard deviations and correlations: ``kind``, ``group``, ``term``, ``term2``, ``estimate``.

    On the scale of the linear predictor.
    """
    rows: list[dict[str, Any]] = []
    for term in objective.system.terms:
        factor = term.factor(theta[term.theta])[None]
        rows.extend(
            {"kind": kind, "group": term.group, "term": a, "term2": b, "estimate": float(v[0])}
            for kind, a, b, v in sds_and_correlations(term, factor, np.ones(1))
        )
    return pd.DataFrame(rows, columns=["kind", "group", "term", "term2", "estimate"])


def modes_table(objective: LaplaceObjective, point: Floats) -> pd.DataFrame:
    """Conditional modes with their standard deviations and linearised own estimates.

    Per level and term: ``group``, ``level``, ``term``, ``mode``, ``std_error``, ``reference``.
    """
    system = objective.system
    objective.reset()
    modes = objective.modes_at(point)
    covariances = system.modal.conditional_covariances()
    objective.forget()
    weight = modes.rows.weight
    scores = system.level_sums(modes.rows.score)
    tables = []
    for position, term in enumerate(system.terms):
        factor = system.factors[position]
        own = term.data_covariances(covariances[position])
        blocks = np.zeros((factor.n_levels, term.size, term.size))
        for i in range(term.size):
            for j in range(i + 1):
                product = factor.z[:, i] * factor.z[:, j] * weight
                sums = np.bincount(factor.codes, product, factor.n_levels)
                blocks[:, i, j] = blocks[:, j, i] = sums
        values, vectors = np.linalg.eigh(blocks)
        top = values[:, -1:]
        is_known = (values[:, 0] > _SINGULAR * top[:, 0]) & (top[:, 0] > 0.0)
        with np.errstate(all="ignore"):
            along = np.einsum("qij,qi->qj", vectors, scores[position]) / values
            step = np.einsum("qij,qj->qi", vectors, along)
        step[~is_known] = np.nan
        reference = term.data_modes(modes.b[position] + step)
        tables.append(
            pd.DataFrame(
                {
                    "group": term.group,
                    "level": np.repeat(np.array(term.design.levels, dtype=object), term.size),
                    "term": list(term.names) * factor.n_levels,
                    "mode": term.data_modes(modes.b[position]).ravel(),
                    "std_error": np.sqrt(np.einsum("qii->qi", own)).ravel(),
                    "reference": reference.ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
