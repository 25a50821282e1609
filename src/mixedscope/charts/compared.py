"""Pictures of what functions find beyond a fit: races, efficiency, cross-validation, ladders."""

from __future__ import annotations

from typing import Any

from mixedscope.charts.common.source import Made, Source, as_tables, is_made, made_tables
from mixedscope.charts.kinds.crossvalidation.chart import crossvalidation_chart
from mixedscope.charts.kinds.efficiency.chart import efficiency_chart
from mixedscope.charts.kinds.ladder.chart import ladder_chart
from mixedscope.charts.kinds.phases.chart import phases_chart
from mixedscope.charts.kinds.race.chart import race_chart
from mixedscope.charts.registry import finish
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError
from mixedscope.summaries.phases import phase_tables

__all__ = ["crossvalidation", "efficiency", "ladder", "phases", "race"]


@door()
def race(source: Made, *others: Any, x: str = "evaluation", theme: str = "light") -> Any:
    """Draw a race of optimisers: how fast each came down, and where each ended.

    Parameters
    ----------
    source : mapping of str to pandas.DataFrame
        As made by `mixedscope.LinearMixedModel.race`; without ``race_timing`` the picture holds
        no seconds.
    x : {"evaluation", "seconds"}
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    """
    tables = made_tables("race", source, *others)
    shown = (tables["race"], tables["race_ends"], tables.get("race_timing"))
    return finish(*race_chart(*shown, x=x, theme=theme), theme=theme)


@door()
def efficiency(source: Made, *others: Any, theme: str = "light") -> Any:
    """Draw how efficiently every structure shrinks: its errors from a known truth.

    Parameters
    ----------
    source : Assessment or mapping of str to pandas.DataFrame
        As made by `mixedscope.efficiency`, or its tables.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If the theme is unknown, or the source is another thing.
    """
    tables = made_tables("efficiency", source, *others)
    drawn = efficiency_chart(tables["efficiency"], tables["efficiency_refits"], theme=theme)
    return finish(*drawn, theme=theme)


@door()
def crossvalidation(source: Made, *others: Any, theme: str = "light") -> Any:
    """Draw how well every structure predicts what was held out.

    Parameters
    ----------
    source : Assessment or mapping of str to pandas.DataFrame
        As made by `mixedscope.cross_validate`, or its tables.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If the theme is unknown, or the source is another thing.
    """
    tables = made_tables("crossvalidation", source, *others)
    shown = ("crossvalidation", "crossvalidation_groups", "crossvalidation_fits")
    return finish(
        *crossvalidation_chart(*(tables[name] for name in shown), theme=theme), theme=theme
    )


@door()
def phases(
    source: Source | Made,
    *others: Source,
    order: str = "n_theta",
    seconds: bool = True,
    theme: str = "light",
) -> Any:
    """Draw which share of the work of every fit each phase took.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these; or mapping of str to DataFrame
        Fits, or their tables as made by `mixedscope.phase_tables`.
    order : {"n_theta", "q", "n"}
        Size by which the fits are ordered.
    seconds : bool
        Draw shares of seconds beside those of evaluations.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.

    Examples
    --------
    >>> ms.charts.phases(small, large)  # doctest: +SKIP
    """
    if is_made(source):
        tables = made_tables("phases", source, *others)
    else:
        tables = phase_tables(as_tables([source, *others]))
    shown = ["phases", "phases_trend", *(["phases_timing", "phases_timing_trend"] * seconds)]
    for name in shown:
        if name not in tables:
            raise ModelError(f"The table {name!r} is missing: draw with seconds=False, or give it.")
    drawn = phases_chart(*(tables[name] for name in shown), order=order, theme=theme)
    return finish(*drawn, theme=theme)


@door()
def ladder(source: Made, *others: Any, theme: str = "light") -> Any:
    """Draw the structures of one model on common axes: what each costs and what it buys.

    Parameters
    ----------
    source : Ladder or mapping of str to pandas.DataFrame
        As made by `mixedscope.ladder`, or the tables ``structures``, ``tests`` and
        ``components``.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If the theme is unknown, or the source is another thing.
    """
    tables = made_tables("ladder", source, *others)
    shown = ("structures", "tests", "components")
    return finish(*ladder_chart(*(tables[name] for name in shown), theme=theme), theme=theme)
