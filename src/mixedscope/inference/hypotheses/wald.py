"""Wald tests of the fixed effects of generalised models: z and chi-squared, as in large samples."""

# The methods are documented where the base class `Approximation` declares them.
# ruff: noqa: D102

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.hypotheses.approximation import JointTest, Normal

__all__ = ["Wald"]

Floats = NDArray[np.float64]


class Wald(Normal):
    """Normal approximation of the fixed effects of a generalised model.

    Parameters
    ----------
    objective : LaplaceObjective
    point : (k,) array
        Where the search ended.
    covariance : (k, k) array
        Of theta, fixed effects and dispersion; missing where the objective is flat.
    endless : sequence of str
        Fixed effects at infinity, which have no test.
    """

    def __init__(
        self,
        objective: LaplaceObjective,
        point: Floats,
        covariance: Floats,
        endless: Any = (),
    ) -> None:
        own = slice(objective.n_theta, objective.n_theta + len(objective.beta_names))
        self.objective: Any = objective
        self.theta = point[: objective.n_theta]
        self.beta = np.array(objective.split(point)[1])
        known = covariance[own, own]
        lost = np.isnan(np.diag(known))
        self._endless = lost | np.array([n in endless for n in objective.beta_names], dtype=bool)
        self.covariance = np.where(np.isfinite(known), known, 0.0)
        self.sigma, self.knows_sigma = 1.0, True

    def _open(self, rows: Floats) -> NDArray[np.bool_]:
        """Which contrasts (c, r) are of coefficients without a finite estimate."""
        return np.asarray((rows[:, self._endless] != 0.0).any(axis=1))

    def errors(self, rows: Floats) -> Floats:
        return np.where(self._open(rows), np.nan, super().errors(rows))

    def joint(self, rows: Floats, values: Floats) -> JointTest:
        if self._open(rows).any():
            return JointTest(np.nan, len(rows), np.inf, np.nan)
        return super().joint(rows, values)

    def remark(self, rows: Floats) -> str:
        own = (rows[:, self._endless] != 0.0).any(axis=0)
        if not own.any():
            return ""
        names = np.array(self.objective.beta_names, dtype=object)[self._endless][own]
        return (
            f"{', '.join(names)} without a finite estimate: Wald's test says nothing, compare fits "
            "by likelihood ratio"
        )
