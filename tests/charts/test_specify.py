"""Specifications are written without Altair's own walk, to the same."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import pytest
from altair.utils.schemapi import debug_mode

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.records import quick_tables
from mixedscope.charts.common.specify import quick_spec
from mixedscope.charts.common.theme import configure

FRAME = pd.DataFrame({"x": [1.0, np.nan, 3.0], "n": [1, 2, 3], "level": ["a", "b", None]})


def by_altair(chart: alt.TopLevelMixin) -> dict:
    with quick_tables():
        spec: dict = chart.to_dict(validate=False)
    return spec


def unit(frame: pd.DataFrame = FRAME, **mark: object) -> alt.Chart:
    return (
        alt.Chart(frame, width=90)
        .mark_point(**mark)
        .encode(
            x=alt.X(
                field="x",
                type="quantitative",
                axis=alt.Axis(values=np.array([1.0, 2.0]), title=["a", "b"], tickCount=np.int64(3)),
                scale=alt.Scale(domain=(0, np.float64(2.5)), nice=False),
            ),
            y=alt.Y(field="n", type="quantitative", title=None),
            color=alt.value("#0072B2"),
            size=alt.SizeDatum(3.0),
            tooltip=[alt.Tooltip(field="level", type="nominal")],
        )
    )


@pytest.mark.parametrize(
    "chart",
    [
        unit(),
        unit(filled=True, aria=False),
        layered(unit(), unit(clip=True), height=120),
        in_column(in_row(unit(), layered(unit(), unit(FRAME.iloc[:2]))), unit(), spacing=3),
        alt.layer(unit().mark_line(), data=FRAME).facet(
            alt.Facet(field="level", type="nominal"), columns=2
        ),
        configure(unit().properties(title=alt.TitleParams(text=["a"]), usermeta={"a": [1]})),
        alt.Chart(FRAME).mark_bar().encode(x=alt.X(field="n", type="ordinal")),
        alt.Chart(FRAME).mark_point().encode(x="x:Q", y=alt.Y("n:O", sort="-x"), x2="n"),
        alt.hconcat(unit(), alt.Chart().mark_point().encode(x=alt.datum(3))),
        alt.Chart(alt.InlineData(values=[{"a": 1}])).mark_point().encode(x="a:Q"),
        unit().add_params(alt.selection_point(name="chosen", fields=["level"])),
        alt.hconcat(
            alt.Chart(alt.NamedData(name="own")).mark_point().encode(x=alt.XDatum(2)),
            datasets={"own": [{"a": 1}]},
        ),
    ],
)
def test_what_is_written_here_is_what_altair_writes(chart: alt.TopLevelMixin) -> None:
    written = quick_spec(chart)
    assert written is not None
    assert written == by_altair(chart)


@pytest.mark.parametrize(
    "chart",
    [
        alt.Chart(FRAME).mark_point().encode(x="x"),
        alt.Chart("data.csv").mark_point(),
        unit().encode(color=alt.condition("datum.x > 1", alt.value("a"), alt.value("b"))),
        alt.Chart(pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])})).mark_point(),
    ],
    ids=["shorthand", "address", "condition", "dates"],
)
def test_other_charts_are_left_to_altair(chart: alt.TopLevelMixin) -> None:
    assert quick_spec(chart) is None


def test_tables_by_name_are_handed_on() -> None:
    data = Datasets()
    with debug_mode(False):
        chart = data.chart(FRAME).mark_point().encode(x=alt.X(field="x", type="quantitative"))
    whole = data.give(in_row(chart, chart))
    assert quick_spec(whole) == by_altair(whole)
