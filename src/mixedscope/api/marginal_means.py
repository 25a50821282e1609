"""Estimated marginal means as users meet them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.hypotheses.approximation import Approximation
from mixedscope.inference.means.marginal_means import (
    LinearMeans,
    means_table,
    pairs_table,
    stored_means,
)

__all__ = ["Means", "check_means"]


@dataclass(frozen=True)
class Means:
    """Estimated marginal means of a fit; made by :meth:`mixedscope.Fit.means`.

    Attributes
    ----------
    level : float
        Coverage of the intervals.
    """

    _method: Approximation
    _means: LinearMeans
    level: float

    @property
    def table(self) -> pd.DataFrame:
        """A row for each mean.

        The variables, ``mean``, ``std_error``, ``df``, ``lower``, ``upper``, all but ``df`` in
        units of the response, and ``remark``: what limits the degrees of freedom. A mean that the
        data do not determine is missing, and says so.
        """
        return ResultTable(means_table(self._method, self._means, self.level))

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The table ``means`` as charts read it: ``ms.charts.means(fit.means("x"))``."""
        response = self._method.objective.system.design.response
        return {"means": stored_means(self._method, self._means, self.level, response)}

    @door()
    def pairs(self, *, adjust: str = "tukey", level: float | None = None) -> pd.DataFrame:
        """Differences of all pairs of means, within each combination of what they are by.

        Parameters
        ----------
        adjust : str
            How tests and intervals allow for their number: ``tukey`` (studentised range), ``holm``
            (intervals by Bonferroni), ``bonferroni`` or ``none``.
        level : float, optional
            Coverage of the intervals, of all of a family together but for ``none``; by default that
            of the means.

        Returns
        -------
        pandas.DataFrame
            What the means are by, ``first``, ``second``, ``estimate`` (first less second),
            ``std_error``, ``df``, ``lower``, ``upper``, ``statistic``, ``p_value``, ``adjust``,
            ``remark``.

        Raises
        ------
        ModelError
            If there is no such adjustment, or only one mean.
        """
        chosen = self.level if level is None else level
        return ResultTable(pairs_table(self._method, self._means, chosen, adjust))

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return ResultTable(self.table)._repr_html_()


def check_means(of: Sequence[str], by: Sequence[str] | None, at: Any) -> list[str]:
    """Give the variables that means are by.

    Raises ModelError if there is nothing that means are of, a variable is given twice, or ``at`` is
    no mapping.
    """
    inside = list(by or ())
    if not of:
        raise ModelError("Means are of one variable at least: fit.means('Machine').")
    twice = [name for name in of if name in inside or list(of).count(name) > 1]
    if twice:
        raise ModelError(f"{twice[0]!r} is given twice: means are of it or by it.")
    if at is not None and not isinstance(at, Mapping):
        raise ModelError('at must give values by name, as at={"x": [0, 1]}.')
    return inside
