"""Intervals of the parameters of a fit."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import pandas as pd

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.api.profiles import FitProfiles
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.estimates.estimates import wald_ends
from mixedscope.inference.hypotheses.methods import approximation, df_method
from mixedscope.inference.hypotheses.tables import COEFFICIENT_COLUMNS, coefficient_table
from mixedscope.inference.intervals.registry import intervals
from mixedscope.inference.profiles.profiler import Profiler

__all__ = ["FitIntervals"]


class FitIntervals(FitProfiles[M], FitNumbers[M]):
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
            ``term``, ``estimate``, ``std_error``, ``df``, ``lower``, ``upper``, ``statistic``,
            ``p_value``, ``remark``: a row for each coefficient; estimates, errors and ends in units
            of the response over those of the term. ``df`` is infinite for the normal distribution,
            whose statistic is z; ``remark`` says what limits degrees of freedom.

        Raises
        ------
        ModelError
            If the level is no number between 0 and 1, or there are no such degrees of freedom.
        UnsuitedError
            If the method cannot serve this fit.
        """
        if df_method(df) != "none":
            found = coefficient_table(approximation(df, self._profiled, self.theta), level)
            return ResultTable(found)
        frame = self.estimates
        table = frame.loc[frame["kind"] == "beta"].reset_index(drop=True)
        lower, upper = wald_ends(table["estimate"], table["std_error"], level)
        nothing = pd.Series([None] * len(table), dtype=object)
        table = table.assign(lower=lower, upper=upper, df=math.inf, remark=nothing)
        return ResultTable(table[list(COEFFICIENT_COLUMNS)].astype({"term": "str"}))

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
            have the same of the t distribution (see :meth:`anova`). All three have columns
            ``std_error`` and ``df``, infinite for the normal distribution. ``profile``: where the
            deviance, all others optimised, rises as far as the chi-squared distribution of one
            degree of freedom says; see :meth:`profile`. ``bootstrap``: by parametric bootstrap, as
            :meth:`mixedscope.inference.bootstrap.result.Bootstrap.confint` describes.
        **settings
            Of the method. Of ``bootstrap``: ``draws``, how many (1000), or what
            :meth:`Fit.parametric_bootstrap` gave; ``seed`` (0); ``interval``: ``percentile`` (the
            default), ``shortest``, ``basic`` or ``normal``. Where neither draws nor seed are given
            and the fit has draws, those made last or those stored with it, it is these.

        Returns
        -------
        pandas.DataFrame
            ``kind`` (``beta``, ``sigma``, ``sd``, ``correlation``), ``group``, ``term``, ``term2``,
            ``estimate``, ``lower``, ``upper``, ``method``, and what the method adds, ``remark``
            last: why there is no interval, or what is to be said of it; a row for each parameter,
            in its own units. What the data do not determine is missing.

        Raises
        ------
        ModelError
            If there is no such method, it has no such setting, or the level is no number between 0
            and 1.

        Examples
        --------
        >>> fit.confint(0.9).query("kind == 'beta'")  # doctest: +SKIP
        """
        stored = self._tables.studies.get("bootstrap")
        if method == "bootstrap" and stored is not None and not {"draws", "seed"} & settings.keys():
            from mixedscope.inference.bootstrap.result import Bootstrap

            settings["draws"] = Bootstrap.of_stored(stored)
        found = intervals(
            self._profiled, self.theta, level, self.estimates, method=method, settings=settings
        )
        return ResultTable(found)

    @cached_property
    def _profiler(self) -> Profiler:
        """What follows the profiles of this fit, and keeps what it found."""
        return Profiler(self._profiled, self.theta, self.estimates)
