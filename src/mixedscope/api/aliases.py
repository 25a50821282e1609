"""Attributes of a fit by the names that statsmodels and lme4 have for what means the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from mixedscope.api.diagnostics import FitDiagnostics
from mixedscope.api.familiar import FIT_WORDS, no_attribute
from mixedscope.api.model import Model
from mixedscope.api.model_data import ModelData
from mixedscope.api.tabled_fit import TabledFit
from mixedscope.core.vocabulary import OPTIMA

__all__ = ["FamiliarNames", "FitAliases"]

D = TypeVar("D", bound=ModelData)
M = TypeVar("M", bound=Model)


class FamiliarNames(TabledFit[D]):
    """Names that mean the same of every fit."""

    @property
    def nobs(self) -> int:
        """Number of observations used."""
        return int(self.info["dimensions"]["n"])

    @property
    def llf(self) -> float:
        """Log-likelihood, restricted under REML: `loglik`."""
        return self.loglik

    @property
    def converged(self) -> bool:
        """Whether the certificate found a minimum, at a boundary or not."""
        return self.certificate["verdict"] in OPTIMA

    @property
    def fe_params(self) -> pd.Series:
        """Fixed effects by name."""
        return self._of_each_coefficient("estimate")

    @property
    def bse_fe(self) -> pd.Series:
        """Standard errors of the fixed effects by name."""
        return self._of_each_coefficient("std_error")

    def fixef(self) -> pd.Series:
        """Fixed effects by name, as lme4's ``fixef``."""
        return self.fe_params

    def ranef(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, as lme4's ``ranef``: by grouping factor, levels by terms."""
        modes = self.conditional_modes()
        tables = {}
        for group, own in modes.groupby("group", sort=False):
            levels, terms = own["level"].unique(), own["term"].unique()
            values = own["mode"].to_numpy().reshape(len(levels), len(terms))
            index = pd.Index(levels, name=group)
            tables[str(group)] = pd.DataFrame(values, index=index, columns=list(terms))
        return tables

    def _of_each_coefficient(self, column: str) -> pd.Series:
        beta = self.estimates[self.estimates["kind"] == "beta"]
        return pd.Series(beta[column].to_numpy(), index=list(beta["term"]), name=column)


class FitAliases(FamiliarNames[M], FitDiagnostics[M]):
    """Names of statsmodels and lme4 that mean the same of a linear model here."""

    @property
    def scale(self) -> float:
        """Residual variance: ``sigma ** 2``, units of the response squared."""
        return self.sigma**2

    @property
    def fittedvalues(self) -> pd.Series:
        """Fitted values, random effects included: `fitted`."""
        return self.fitted()

    @property
    def resid(self) -> pd.Series:
        """Response minus fitted values: `residuals`."""
        return self.residuals()

    if not TYPE_CHECKING:  # checkers know all attributes

        def __getattr__(self, name: str) -> Any:
            no_attribute("A fit", name, FIT_WORDS, dir(type(self)))
