"""Charts of a model that are drawn from tables of their own, not from those of its fits.

Adding one takes a function ``(*tables, theme) -> (chart, title, caption)`` and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pandas as pd

from mixedscope.charts.common.absent import absent_figure
from mixedscope.charts.common.render import Figure
from mixedscope.charts.kinds.crossvalidation.chart import crossvalidation_chart
from mixedscope.charts.kinds.efficiency.chart import efficiency_chart
from mixedscope.charts.kinds.ladder.chart import ladder_chart
from mixedscope.charts.kinds.race.chart import race_chart
from mixedscope.charts.registry import TIMED, figure

__all__ = ["MODEL_CHARTS", "ModelChart", "draw_model_chart"]


@dataclass(frozen=True)
class ModelChart:
    """One chart.

    Attributes
    ----------
    draw : callable
        ``(*tables, theme) -> (chart, title, caption)``.
    tables : tuple of str
        Kinds of the tables it reads, in the order of its arguments.
    key : str
        The key of a model in the configuration that asks for it.
    """

    draw: Callable[..., tuple[Any, str, str]]
    tables: tuple[str, ...]
    key: str


_RACE: Final = ("race", "race_ends")

#: Charts by name, in the order in which a model's are shown.
MODEL_CHARTS: Final[dict[str, ModelChart]] = {
    "ladder": ModelChart(ladder_chart, ("structures", "tests", "components"), "structures"),
    "race": ModelChart(race_chart, _RACE, "race"),
    f"race{TIMED}": ModelChart(partial(race_chart, x="seconds"), (*_RACE, "race_timing"), "race"),
    "efficiency": ModelChart(efficiency_chart, ("efficiency", "efficiency_refits"), "efficiency"),
    "crossvalidation": ModelChart(
        crossvalidation_chart,
        ("crossvalidation", "crossvalidation_groups", "crossvalidation_fits"),
        "crossvalidation",
    ),
}


def draw_model_chart(name: str, tables: Sequence[pd.DataFrame], *, theme: str = "light") -> Figure:
    """Draw one of `MODEL_CHARTS`.

    Parameters
    ----------
    name : str
    tables : sequence of pandas.DataFrame
        Of the kinds that the chart reads, in their order.
    theme : {"light", "print"}

    Returns
    -------
    Figure
        What cannot be made of a model is left out: its figure says why.
    """
    for table in tables:
        if "skipped" in table.attrs:
            return absent_figure(name, str(table.attrs["skipped"]["reason"]), theme=theme)
    return figure(*MODEL_CHARTS[name].draw(*tables, theme=theme), theme=theme)
