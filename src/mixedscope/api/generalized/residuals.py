"""Fitted values and residuals of a fit of a generalised model, on the rows of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedscope.api.familiar import generalized_words, no_attribute
from mixedscope.api.generalized.numbers import GeneralizedNumbers
from mixedscope.api.rows import on_rows
from mixedscope.core.arguments import door
from mixedscope.inference.diagnostics.generalized_residuals import generalized_residuals
from mixedscope.inference.predictions.predictions import check_choice

__all__ = ["GeneralizedResiduals"]

#: Scales of fitted values.
_SCALES = ("response", "link")


class GeneralizedResiduals(GeneralizedNumbers):
    """What a fit says of each observation."""

    @door()
    def fitted(self, scale: str = "response", *, all_rows: bool = False) -> pd.Series:
        """Fitted values of the rows used, random effects included.

        Parameters
        ----------
        scale : {"response", "link"}
            Means, or linear predictors.
        all_rows : bool
            Whether rows that were left out are given too, as missing.
        """
        check_choice("scale", scale, _SCALES)
        model = self.model
        model.laplace.reset()
        eta = model.laplace.modes_at(self._point).eta
        values = eta if scale == "link" else model.family.link.mean(eta)
        return on_rows(model, values, "fitted", all_rows=all_rows)

    @door()
    def residuals(self, kind: str = "deviance", *, all_rows: bool = False) -> pd.Series:
        """Residuals of the observations at the conditional modes, as lme4's ``residuals``.

        Parameters
        ----------
        kind : {"deviance", "pearson", "working", "response"}
            ``response``: response minus fitted mean, of trials the share of successes minus its
            probability. ``pearson``: that over the root of the variance function of the mean, times
            the root of the weight; what scales variances (the shape of a gamma family) is left out,
            as in R. ``working``: response residual over the derivative of the mean by the linear
            predictor. ``deviance``: root of the row's part of the deviance, with the sign of the
            response residual. Weights are trials times prior weights.
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``residual``, on the index of the data.

        Raises
        ------
        ModelError
            If there is no such kind.
        UnsuitedError
            If the family has none of it: deviance residuals of nbinom1 and beta families.
        """
        values = generalized_residuals(self.model.laplace, self._point, kind)
        return on_rows(self.model, values, "residual", all_rows=all_rows)

    @property
    def fittedvalues(self) -> pd.Series:
        """Fitted means, random effects included: `fitted`."""
        return self.fitted()

    @property
    def resid(self) -> pd.Series:
        """Response minus fitted means: ``residuals("response")``."""
        return self.residuals("response")

    if not TYPE_CHECKING:  # checkers know all attributes

        def __getattr__(self, name: str) -> Any:
            known = dir(type(self))
            words = generalized_words(known)
            no_attribute("A fit of a generalised model", name, words, known)
