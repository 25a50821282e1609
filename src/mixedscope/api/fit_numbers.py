"""The numbers and tables that fits of linear models have beside those of all fits."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.model import Model
from mixedscope.api.tabled_fit import KEYFRAMES, TabledFit
from mixedscope.core.arguments import door
from mixedscope.core.evaluation import Evaluation
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.kinds import estimation_of

__all__ = ["KEYFRAMES", "FitNumbers"]

Floats = NDArray[np.float64]

M = TypeVar("M", bound=Model)


class FitNumbers(TabledFit[M]):
    """What a fit says of itself; :class:`mixedscope.Fit` goes on from there."""

    _reml: bool

    @property
    def reml(self) -> bool:
        """Whether the criterion was REML."""
        return self._reml if self._result is not None else self.info["criterion"] == "REML"

    @property
    def sigma(self) -> float:
        """Residual standard deviation, units of the response."""
        if self._result is not None:
            return float(self._result.evaluation.sigma)
        return float(self.info["sigma"])

    @property
    def theta(self) -> Floats:
        """Relative covariance parameters (k,), in the order of the formula."""
        return self._point

    def conditional_covariances(self) -> dict[str, pd.DataFrame]:
        """Conditional covariance matrices of the modes, by grouping factor.

        Returns
        -------
        dict of str to pandas.DataFrame
            Rows by level and term, a column for each term: ``tables["Subject"].loc["308"]`` is the
            (k, k) matrix of one level.
        """
        evaluation = self._profiled.evaluate(self.theta)
        terms = self._profiled.system.terms
        tables = {}
        covariances = self._profiled.system.conditional_covariances(evaluation.sigma)
        for term, matrices in zip(terms, covariances, strict=True):
            labels = [list(term.design.levels), list(term.names)]
            index = pd.MultiIndex.from_product(labels, names=["level", "term"])
            values = np.asarray(matrices).reshape(-1, term.size)
            tables[term.group] = pd.DataFrame(values, index=index, columns=list(term.names))
        return tables

    @door()
    def evaluate(self, theta: ArrayLike | None = None) -> Evaluation:
        """Evaluate the objective of the fit again, by default at its own theta."""
        return self.model.evaluate(self.theta if theta is None else theta, reml=self.reml)

    # -- the model --------------------------------------------------------------------------------

    @property
    def _estimation(self) -> Estimation:
        return self._estimation_of(self.model)

    def _estimation_of(self, model: M) -> Estimation:
        reml = self._reml if self._result is not None else self._tables.info["criterion"] == "REML"
        return estimation_of(model.profiled(reml=reml), lambda: model.joint_limit)

    @property
    def _spec_of_model(self) -> ModelSpec:
        return self.model.specification(reml=self._reml)

    @property
    def _profiled(self) -> SearchableObjective:
        return self.model.profiled(reml=self.reml)
