"""Intervals of the parameters of a generalised model."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pandas as pd

from mixedscope.api.generalized.model import GeneralizedModel
from mixedscope.api.generalized.numbers import GeneralizedNumbers
from mixedscope.api.profiles import FitProfiles
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.intervals.registry import GENERALIZED_METHODS, intervals
from mixedscope.inference.profiles.generalized import GeneralizedProfiler

__all__ = ["GeneralizedIntervals"]


class GeneralizedIntervals(FitProfiles[GeneralizedModel], GeneralizedNumbers):
    """How far the parameters of a fit of a generalised model are known."""

    @door()
    def confint(self, level: float = 0.95, method: str = "wald", **settings: Any) -> pd.DataFrame:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        level : float
            Coverage, between 0 and 1.
        method : {"wald", "profile", "bootstrap"}
            ``wald``: of fixed effects only, estimate and so many standard errors to each side.
            ``profile``: where the deviance, all others optimised, rises as far as the chi-squared
            distribution of one degree of freedom says; see :meth:`profile`. ``bootstrap``: by
            parametric bootstrap, see :meth:`parametric_bootstrap`.
        **settings
            Of ``bootstrap``: ``draws`` (1000, or what :meth:`parametric_bootstrap` gave), ``seed``
            (0) and ``interval``, as of :meth:`mixedscope.Fit.confint`.

        Returns
        -------
        pandas.DataFrame
            As of :meth:`mixedscope.Fit.confint`, on the scale of the linear predictor; the
            dispersion of the family is of ``kind`` ``dispersion``. An end is infinite where the
            data leave a parameter open to that side, which ``remark`` says.

        Raises
        ------
        ModelError
            If there is no such method, it has no such setting, or the level is no number between 0
            and 1.
        UnsuitedError
            For degrees of freedom, which generalised models have none of.

        Examples
        --------
        >>> fit.confint(0.9, "profile").query("kind == 'sd'")  # doctest: +SKIP
        """
        stored = self._tables.studies.get("bootstrap")
        if method == "bootstrap" and stored is not None and not {"draws", "seed"} & settings.keys():
            from mixedscope.inference.bootstrap.result import Bootstrap

            settings["draws"] = Bootstrap.of_stored(stored)
        found = intervals(
            self.model.laplace, self._point, level, self.estimates, method=method,
            settings=settings, methods=GENERALIZED_METHODS,
        )  # fmt: skip
        return ResultTable(found)

    @cached_property
    def _profiler(self) -> GeneralizedProfiler:
        """What follows the profiles of this fit, and keeps what it found."""
        return GeneralizedProfiler(self.model.laplace, self._point, self.estimates)
