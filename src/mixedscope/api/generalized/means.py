"""Estimated marginal means of a generalised model as users meet them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from mixedscope.api.marginal_means import Means
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable
from mixedscope.families.links import Link
from mixedscope.inference.means.marginal_means import means_table, pairs_table, stored_means
from mixedscope.inference.means.response_scale import RATIOS, means_of_response, ratios

__all__ = ["GeneralizedMeans"]


@dataclass(frozen=True)
class GeneralizedMeans(Means):
    """Estimated marginal means; made by :meth:`mixedscope.GeneralizedFit.means`.

    Attributes
    ----------
    level : float
        Coverage of the intervals.
    scale : str
        ``response``: means, and ratios of pairs where the link is of logarithms. ``link``: linear
        predictors and their differences.
    """

    scale: str
    _link: Link

    @property
    def table(self) -> pd.DataFrame:
        """A row for each mean, as of :attr:`mixedscope.api.marginal_means.Means.table`.

        On the scale of the response standard errors are those of the delta method, and intervals
        those of the linear predictor, brought there.
        """
        found = means_table(self._method, self._means, self.level)
        return ResultTable(self._brought(found))

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The table ``means`` as charts read it."""
        response = self._method.objective.system.design.response
        found = stored_means(self._method, self._means, self.level, response)
        return {"means": self._brought(found)}

    @door()
    def pairs(self, *, adjust: str = "tukey", level: float | None = None) -> pd.DataFrame:
        """Compare all pairs of means, within each combination of what they are by.

        Parameters
        ----------
        adjust : str
        level : float, optional
            As of :meth:`mixedscope.api.marginal_means.Means.pairs`.

        Returns
        -------
        pandas.DataFrame
            As there. On the scale of the response, of a logit or logarithmic link, ``estimate`` is
            a ratio, of odds or of means, first over second, and ``comparison`` says so; of other
            links differences are those of linear predictors. Tests are the same on both scales.
        """
        chosen = self.level if level is None else level
        found = pairs_table(self._method, self._means, chosen, adjust)
        is_ratio = self.scale == "response" and self._link.name in RATIOS
        what = "difference of linear predictors"
        if is_ratio:
            found = ratios(found)
            what = "odds ratio" if self._link.name == "logit" else "ratio of means"
        remark = found.pop("remark")
        return ResultTable(found.assign(comparison=what, remark=remark))

    def _brought(self, table: pd.DataFrame) -> pd.DataFrame:
        return means_of_response(table, self._link) if self.scale == "response" else table
