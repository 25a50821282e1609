"""Intervals of the parameters of a fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, cached_property, partial
from typing import Any

import pandas as pd

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.estimates.estimates import wald_ends
from mixedscope.inference.hypotheses.methods import approximation, df_method
from mixedscope.inference.hypotheses.tables import COEFFICIENT_COLUMNS, coefficient_table
from mixedscope.inference.intervals.registry import intervals
from mixedscope.inference.profiles.drawn import PAIRED, contour_tables, single_level
from mixedscope.inference.profiles.profile import (
    LEVELS,
    PAIR_LEVELS,
    Profile,
    from_stored,
    make_pairs,
    make_profile,
    to_stored,
)
from mixedscope.inference.profiles.profiler import Profiler

__all__ = ["FitIntervals"]


class FitIntervals(FitNumbers[M]):
    """How far the parameters of a fit are known."""

    #: Whether profiles of this fit were followed here, and none stands for those it was read with.
    _has_profiled: bool = False

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

    @door()
    def profile(
        self,
        parameters: Sequence[str] | None = None,
        *,
        levels: Sequence[float] | None = None,
    ) -> Profile:
        """Profile parameters: the deviance as each is moved and all others are optimised.

        Zeta is ``sign(psi - estimate) sqrt(d(psi) - d_min)``, d being -2 log-likelihood (or the
        REML criterion, of a fit by REML) at its least for this value psi of the parameter (Bates &
        Watts 1988, Nonlinear Regression Analysis and Its Applications, section 6.1). Where it is
        straight, Wald's interval is right; where it is not, the profile's is the better.

        Parameters
        ----------
        parameters : sequence of str, optional
            Kinds (``beta``, ``sigma``, ``sd``, ``correlation``), names of fixed effects, or names
            as in the columns of the table: ``sd Days | Subject``. All by default; what the data do
            not determine has no profile. Of parameters that a structure makes equal, or powers of
            one correlation, one is profiled. Fixed effects have a profile under maximum likelihood
            only: the REML criterion is no function of them.
        levels : sequence of float, optional
            Coverages whose ends are points of each profile, exactly; the largest says how far it is
            followed. By default it is followed as far as 0.95 at once, and to the ends of 0.5, 0.8,
            0.9 and 0.99 when its table is asked for, a picture is made or the fit is saved.

        Returns
        -------
        Profile
            Its ``table`` is stored with the fit. Of a fit that was loaded, the stored one if there
            is one and nothing else is asked for.

        Raises
        ------
        ModelError
            If a parameter is unknown or a level is no number between 0 and 1.
        UnsuitedError
            For fixed effects of a fit by REML; if sigma vanishes at the optimum; if a deviance
            lower than that of the fit is found.

        Notes
        -----
        What is found does not depend on what was asked before.

        Parameters are moved in coordinates in which zeta is nearly straight: the logarithm of
        sigma, standard deviations, angles whose sines are the correlations. A standard deviation
        of zero and a correlation of ± 1 are points of the curve, where it ends; kinks, where
        another parameter reaches its end, are located and kept. The profile of a correlation is
        nowhere higher than the deviance without one of its two effects, where it may be anything:
        if 0 is inside the interval of either standard deviation, all of the range is inside its.

        Examples
        --------
        >>> fit.profile("sd").confint(0.9)  # doctest: +SKIP
        """
        is_read = self._result is None and not self._has_profiled
        stored = self._tables.studies.get("profile") if is_read else None
        if parameters is None and levels is None and stored is not None:
            return Profile(
                lambda: from_stored(stored),
                lambda: self._profiler,
                self.estimates,
                info=lambda: self.info,
            )
        found = make_profile(
            self._profiler, self.estimates, parameters, levels, info=lambda: self.info
        )
        self._has_profiled = True
        self._tables.later("profile", lambda: to_stored(found.table))
        for name, make in found.pictured().items():
            self._tables.later(name, make)
        return found

    @door()
    def profile_pairs(
        self,
        parameters: Sequence[str] | None = None,
        *,
        levels: Sequence[float] = PAIR_LEVELS,
        vertices: int = 48,
    ) -> pd.DataFrame:
        """Contours of the deviance as two parameters are moved and all others are optimised.

        Every vertex is a root found by refits, to 1e-6 in the root of the rise, so that these are
        the joint confidence regions of likelihood ratios themselves. (lme4 interpolates them from
        profiles of single parameters.) At some vertices it is looked whether the others have a
        lower minimum elsewhere, and where they do at those beside.

        Parameters
        ----------
        parameters : sequence of str, optional
            As of :meth:`profile`: all pairs of these.
        levels : sequence of float
            Coverages, by the chi-squared distribution of two degrees of freedom.
        vertices : int
            Of each contour, at equal angles as seen from the optimum where the curvature is round.

        Returns
        -------
        pandas.DataFrame
            A row for each vertex: ``x_kind``, ``x_group``, ``x_term``, ``x_term2``, the same for
            ``y``, ``level``, ``vertex``, ``x``, ``y``, ``at_end`` (the range of a parameter ends
            there, within the region), then every parameter where the others are optimised, as in
            the table of :meth:`profile`. Stored with the fit.

        Raises
        ------
        ModelError
            If a parameter is unknown, there are fewer than two, a level is no number between 0 and
            1, or there are fewer than four vertices.
        UnsuitedError
            As of :meth:`profile`; also for two correlations of four different columns, and where a
            contour cannot be followed.

        Examples
        --------
        >>> fit.profile_pairs(["sigma", "sd Days | Subject"], levels=[0.95])  # doctest: +SKIP
        """
        table = make_pairs(self._profiler, parameters, levels, vertices)
        self._tables.studies["profile_pairs"] = to_stored(table)

        @cache
        def pictured() -> dict[str, pd.DataFrame]:
            more = [*LEVELS, *(single_level(level) for level in levels)]
            alone = make_profile(self._profiler, self.estimates, parameters, more=more)
            return contour_tables(alone.table, table)

        for name in PAIRED:
            self._tables.later(name, partial(lambda own: pictured()[own], name))
        return table

    @cached_property
    def _profiler(self) -> Profiler:
        """What follows the profiles of this fit, and keeps what it found."""
        return Profiler(self._profiled, self.theta, self.estimates)
