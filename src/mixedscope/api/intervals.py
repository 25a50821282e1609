"""Intervals of the parameters of a fit."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.core.arguments import door
from mixedscope.inference.estimates.estimates import wald_ends
from mixedscope.inference.hypotheses.methods import approximation, df_method
from mixedscope.inference.hypotheses.tables import coefficient_table
from mixedscope.inference.intervals.registry import intervals

__all__ = ["FitIntervals"]


class FitIntervals(FitNumbers[M]):
    """How far the parameters of a fit are known."""

    @door()
    def fixed_effects(self, *, level: float = 0.95, df: str = "none") -> pd.DataFrame:
        """Fixed effects with standard errors, intervals, statistics and p values.

        Parameters
        ----------
        level : float
            Coverage of the intervals, between 0 and 1.
        df : str
            Degrees of freedom: ``none`` (the normal distribution, as in MixedModels.jl),
            ``satterthwaite``, ``kenward-roger`` or ``residual``; see :meth:`anova`.

        Returns
        -------
        pandas.DataFrame
            ``term``, ``estimate``, ``std_error``, ``lower``, ``upper``, ``statistic``, ``p_value``:
            a row for each coefficient, all but the last two in units of the response over those of
            the term. With degrees of freedom ``df`` stands behind the standard error, and
            ``remark`` says what limits them.

        Raises
        ------
        ModelError
            If the level is no number between 0 and 1, or there are no such degrees of freedom.
        UnsuitedError
            If the method cannot serve this fit.
        """
        if df_method(df) != "none":
            return coefficient_table(approximation(df, self._profiled, self.theta), level)
        columns = ["term", "estimate", "std_error", "lower", "upper", "statistic", "p_value"]
        frame = self.estimates
        table = frame.loc[frame["kind"] == "beta", columns].reset_index(drop=True)
        table["lower"], table["upper"] = wald_ends(table["estimate"], table["std_error"], level)
        return table

    @door()
    def confint(self, level: float = 0.95, method: str = "wald", **settings: Any) -> pd.DataFrame:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        level : float
            Coverage, between 0 and 1.
        method : str
            ``wald``: estimate and so many standard errors to each side, by the normal distribution;
            fixed effects only. Standard deviations, correlations and sigma have rows without an
            interval, which their column ``remark`` says. ``satterthwaite`` and ``kenward-roger``
            have the same of the t distribution (see :meth:`anova`), with columns ``std_error`` and
            ``df``.
        **settings
            Of the method.

        Returns
        -------
        pandas.DataFrame
            ``kind`` (``beta``, ``sigma``, ``sd``, ``correlation``), ``group``, ``term``, ``term2``,
            ``estimate``, ``lower``, ``upper``, ``method``, and what the method adds; a row for each
            parameter, in its own units. What the data do not determine is missing.

        Raises
        ------
        ModelError
            If there is no such method, it has no such setting, or the level is no number between 0
            and 1.

        Examples
        --------
        >>> fit.confint(0.9).query("kind == 'beta'")  # doctest: +SKIP
        """
        return intervals(
            self._profiled, self.theta, level, self.estimates, method=method, settings=settings
        )
