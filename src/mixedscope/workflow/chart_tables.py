"""Which stored tables of a fit a chart reads."""

from __future__ import annotations

from mixedscope.charts.registry import chart_kind
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.tables.fit_names import FIT_TABLES

__all__ = ["tables_of_fits"]


def tables_of_fits(chart: str) -> list[str]:
    """Name the tables of each fit that a chart of a model shows: its own, those of studies.

    Examples
    --------
    >>> tables_of_fits("stopping")[-2:]
    ['stopping', 'accuracy']
    """
    studies = chart_kind(chart).studies
    return [*FIT_TABLES, *(table for study in studies for table in STUDIES[study].tables)]
