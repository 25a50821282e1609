"""Charts put together without Altair's copies are those that Altair puts together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd
import pytest

from mixedscope.charts.common.compose import in_column, in_grid, in_row, layered

DATA = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 1.0]})
OTHER = pd.DataFrame({"x": [0.0], "y": [0.0]})


def points(data: pd.DataFrame = DATA, **properties: Any) -> alt.Chart:
    return alt.Chart(data, **properties).mark_point().encode(x="x", y="y")


def lines(data: pd.DataFrame = DATA, **properties: Any) -> alt.Chart:
    return alt.Chart(data, **properties).mark_line().encode(x="x", y="y")


Build = Callable[[Any, Any, Any, Any], Any]


@pytest.mark.parametrize(
    "build",
    [
        lambda layer, row, column, grid: layer(points(), lines()),
        lambda layer, row, column, grid: layer(points(height=90), lines(height=90), width=200),
        lambda layer, row, column, grid: layer(points(), lines(OTHER)),
        lambda layer, row, column, grid: layer(points(), alt.Chart().mark_rule()),
        lambda layer, row, column, grid: row(points(), lines(), spacing=4),
        lambda layer, row, column, grid: column(
            row(layer(points(), lines()), points(OTHER)).properties(title="one"),
            grid(points(), points(OTHER), lines(), columns=2).resolve_scale(x="independent"),
            data=DATA,
        ),
        lambda layer, row, column, grid: column(
            *(layer(points(data, width=50 + i), lines(data)) for i, data in enumerate([DATA] * 3)),
        ).properties(description="three", config=alt.Config(background="white")),
    ],
)
def test_specifications_are_those_of_altair(build: Build) -> None:
    own = build(layered, in_row, in_column, in_grid)
    theirs = build(alt.layer, alt.hconcat, alt.vconcat, alt.concat)
    assert own.to_dict() == theirs.to_dict()


def test_parts_stay_as_they_were() -> None:
    part = points(height=90)
    before = part.to_dict()
    layered(part, lines(height=90)).to_dict()
    assert part.to_dict() == before


def test_a_copy_and_its_original_do_not_share_changes() -> None:
    whole = in_row(points(), lines())
    titled = whole.properties(title="a title").resolve_scale(y="shared")
    assert "title" in titled.to_dict()
    assert not {"title", "resolve"} & set(whole.to_dict())


def test_what_cannot_be_put_together_is_refused() -> None:
    with pytest.raises(ValueError, match="different height"):
        layered(points(height=90), lines(height=80))
    with pytest.raises(ValueError, match="selections"):
        in_row(points().add_params(alt.selection_point()), lines())
