"""Tables of a specification have the columns that something in it names, and no others."""

from __future__ import annotations

import copy

import altair as alt
import pandas as pd
import pytest

from mixedscope.charts.common.shown import without_unshown
from mixedscope.charts.common.vega import evaluated

FRAME = pd.DataFrame({"along": [1, 2], "up": [2, 1], "other": [3, 4], "a.b": [5, 6]})


def columns(spec: dict) -> list[set[str]]:
    return [set(rows[0]) for rows in without_unshown(spec)["datasets"].values()]


def spec_of(chart: alt.TopLevelMixin) -> dict:
    spec: dict = chart.to_dict(validate=False)
    return spec


BASE = alt.Chart(FRAME).mark_point().encode(x="along:Q")


@pytest.mark.parametrize(
    ("chart", "used"),
    [
        (BASE, {"along"}),
        # Words are read, not looked up.
        (BASE.properties(title="up", description="other"), {"along"}),
        (BASE.encode(y=alt.Y("up:Q", title="other")), {"along", "up"}),
        (BASE.encode(tooltip=["other:Q"]), {"along", "other"}),
        (BASE.encode(y=r"a\.b:Q"), {"along", "a.b"}),
        (BASE.transform_filter("datum.other > 3"), {"along", "other"}),
        (BASE.transform_calculate(z="datum['a.b'] + 1"), {"along", "a.b"}),
        (BASE.transform_fold(["up", "other"]), {"along", "up", "other"}),
        (BASE.add_params(alt.selection_point(name="p", fields=["up"])), {"along", "up"}),
        (alt.layer(BASE.encode(y="up:Q"), BASE), {"along", "up"}),
        (BASE.encode(x="up:Q").facet("other:N"), {"up", "other"}),
        (alt.layer(BASE.mark_line(), data=FRAME), {"along"}),
        (BASE.mark_point(tooltip=alt.TooltipContent(content="data")), set(FRAME)),
        (BASE.transform_calculate(z="data('x')[0].up"), set(FRAME)),
    ],
)
def test_columns_that_are_named_are_kept(chart: alt.TopLevelMixin, used: set[str]) -> None:
    spec = spec_of(chart)
    before = copy.deepcopy(spec)
    assert columns(spec) == [used]
    assert spec == before
    assert evaluated(without_unshown(spec)) == evaluated(spec)


def test_each_table_has_its_own_columns() -> None:
    second = FRAME.assign(other=[7, 8])
    looked_up = alt.LookupData(data=second, key="along", fields=["up"])
    chart = alt.hconcat(BASE, alt.Chart(second).mark_bar().encode(x="other:Q"))
    assert columns(spec_of(chart)) == [{"along"}, {"other"}]
    chart = BASE.transform_lookup(lookup="other", from_=looked_up).encode(y="up:Q")
    found = columns(spec_of(chart))
    assert {"along", "up"} <= found[-1]
    assert {"along", "other"} <= found[0]
