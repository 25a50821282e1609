"""Hypotheses about the fixed effects of generalised models, tested by likelihood ratio.

The model is fitted again where the hypothesis holds: of ``rows @ beta = values`` all solutions are
one of them and what the null space of the rows adds, so that the restricted model has the columns
``X @ null`` and one solution as an offset.
"""

# The methods are documented where the base class `Approximation` declares them.
# ruff: noqa: D102

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.hypotheses.approximation import JointTest
from mixedscope.inference.hypotheses.likelihood_ratios import statistic_of
from mixedscope.inference.hypotheses.wald import Wald
from mixedscope.optimize.driver import minimize

__all__ = ["LikelihoodRatio"]

Floats = NDArray[np.float64]

#: Singular values of rows of unit length, relative to the largest, that are rounding.
_ROUNDING: Final = 1e-10


class LikelihoodRatio(Wald):
    """Signed roots of likelihood ratios, and chi-squared, as in large samples.

    Where a coefficient has no finite estimate there is a test all the same. Standard errors are
    those of Wald.

    Parameters
    ----------
    objective : LaplaceObjective
    point : (k,) array
        Where the search ended.
    covariance : (k, k) array
        Of all parameters.
    value : float
        The objective at `point`.
    endless : sequence of str
        Fixed effects at infinity.
    """

    name = "likelihood-ratio"

    def __init__(
        self,
        objective: LaplaceObjective,
        point: Floats,
        covariance: Floats,
        value: float,
        endless: Any = (),
    ) -> None:
        super().__init__(objective, point, covariance, endless)
        self._point, self._value = np.array(point, dtype=float), value
        self._found: dict[bytes, tuple[float, int]] = {}

    def statistics(self, rows: Floats, values: Floats) -> Floats:
        away = rows @ self.beta - values
        pairs = zip(rows, values, strict=True)
        ratios = [self._ratio(row[None], np.array([value]))[0] for row, value in pairs]
        return np.sign(away) * np.sqrt(ratios)

    def joint(self, rows: Floats, values: Floats) -> JointTest:
        from scipy.stats import chi2

        statistic, df = self._ratio(rows, values)
        return JointTest(statistic, df, np.inf, float(chi2.sf(statistic, df)))

    def remark(self, rows: Floats) -> str:
        return ""

    def _ratio(self, rows: Floats, values: Floats) -> tuple[float, int]:
        """Rise of the objective where contrasts (c, r) have values (c,), and how many these are."""
        system = self.objective.system
        sizes = np.sqrt((system.X**2).mean(axis=0))
        scaled = rows / sizes
        lengths = np.linalg.norm(scaled, axis=1)
        scaled, sought = scaled / lengths[:, None], values / lengths
        # Terms of one column and hypotheses repeat what was tested of coefficients.
        turn = np.sign(scaled[np.arange(len(scaled)), np.abs(scaled).argmax(axis=1)])
        key = np.round(np.column_stack([scaled, sought]) * turn[:, None], 12).tobytes()
        if key not in self._found:
            self._found[key] = self._rise(scaled, sought, sizes)
        return self._found[key]

    def _rise(self, rows: Floats, values: Floats, sizes: Floats) -> tuple[float, int]:
        """Do what `_ratio` does, of contrasts of coefficients of columns over these sizes (r,)."""
        objective, system = self.objective, self.objective.system
        left, singular, right = np.linalg.svd(rows)
        rank = int((singular > _ROUNDING * singular[0]).sum())
        solution = right[:rank].T @ ((left[:, :rank].T @ values) / singular[:rank]) / sizes
        columns = system.X @ (right[rank:].T / sizes[:, None])
        design = replace(
            system.design,
            X=np.ascontiguousarray(columns),
            x_names=tuple(f"{j}" for j in range(columns.shape[1])),
            offset=system.offset + system.X @ solution,
        )
        poorer = objective.like(system.of_design(design))
        k, r = objective.n_theta, objective.n_fixed
        own = poorer.start[k : k + poorer.n_fixed]
        start = np.concatenate([self._point[:k], own, self._point[k + r :]])
        value = minimize(poorer, start=start).evaluation.objective
        told = "the model where the hypothesis holds"
        return statistic_of(value, self._value, told, system.design.formula), rank
