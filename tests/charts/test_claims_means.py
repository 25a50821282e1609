"""What charts of marginal means say is recomputed from the stored table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixedscope.charts.kinds.means.chart import means_chart
from mixedscope.charts.kinds.means.words import means_caption, means_title


def table(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "response": "score",
            "variable": "machine",
            "level": ["A", "B", "A", "B"],
            "value": np.nan,
            "series": None,
            "panel": ["day 1", "day 1", "day 2", "day 2"],
            "mean": [52.0, 60.5, np.nan, 48.25],
            "std_error": 2.0,
            "df": 10.0,
            "lower": [48.0, 56.5, np.nan, 44.25],
            "upper": [56.0, 64.5, np.nan, 52.25],
            "coverage": 0.9,
            "method": "kenward-roger",
            "remark": [None, None, "not estimable", None],
        }
    )
    return frame.assign(**changes)


def test_the_title_tells_the_smallest_and_the_largest_mean() -> None:
    assert means_title(table()) == (
        "Estimated marginal means of score by machine: from 48.2 (machine B, day 2) to 60.5 "
        "(machine B, day 1)"
    )
    assert means_title(table(mean=3.0)).endswith(": 3")
    assert means_title(table(mean=np.nan)).endswith("none can be estimated")


def test_the_caption_tells_intervals_gaps_and_remarks() -> None:
    text = means_caption(table(), 12)
    assert "with a probability of 90" in text
    assert "Kenward and Roger" in text
    assert "1 of 4 means cannot be estimated" in text
    assert "not estimable" not in text  # of the missing one, which is counted
    assert "first 1 of 2 panels" in means_caption(table(), 1)
    assert "Singular in g." in means_caption(table(remark="singular in g"), 12)
    assert "normal distribution" in means_caption(table(method="none"), 12)


def test_levels_are_points_in_panels_and_numbers_lines() -> None:
    chart, _, caption = means_chart(table(), theme="light")
    spec = chart.to_dict(validate=False)
    panels = spec["vconcat"][0]["hconcat"]
    assert [p["title"]["text"] for p in panels] == ["day 1", "day 2"]
    assert spec["description"] == caption
    rows = [row for rows in spec["datasets"].values() for row in rows]
    drawn = {str(row) for row in rows if "mean" in row}
    assert len(drawn) == 3  # the mean that cannot be estimated is not
    assert "90\u00a0% interval" in [row.get("text") for row in rows]
    along = table(
        level=None, value=[0.0, 1.0, 0.0, 1.0], panel=None, series=["f a"] * 2 + ["f b"] * 2
    )
    spec = means_chart(along, theme="print")[0].to_dict(validate=False)
    (panel,) = spec["vconcat"][0]["hconcat"]
    marks = [layer["mark"]["type"] for layer in panel["layer"]]
    assert marks == ["area", "line", "point"]


@pytest.mark.parametrize("count", [1, 13])
def test_no_more_panels_are_drawn_than_there_is_room_for(count: int) -> None:
    frame = pd.concat([table(panel=f"day {i}") for i in range(count)])
    spec = means_chart(frame, theme="light")[0].to_dict(validate=False)
    assert sum(len(row["hconcat"]) for row in spec["vconcat"][:-1]) == min(count, 12)
