"""Charts of many panels: no taller than a page, with text that can be read where it is printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert as vlc
from sample_tables import fit_tables

import mixedscope as ms
from mixedscope.charts.common.assets import VEGA_LITE
from mixedscope.charts.common.page import (
    TALLEST_ASPECT,
    beside,
    drawn_size,
    drawn_to_fit,
    fitted,
)
from mixedscope.charts.common.sheet import across, sheet
from mixedscope.charts.common.theme import configure
from mixedscope.charts.drawing import draw

#: Points across of a figure printed 170 mm wide, and of the smallest text that can be read.
PRINTED, READABLE = 170 / 25.4 * 72, 6.0

STRUCTURES = ("full", "zerocorr", "intercept", "cs")


def panel(height: int = 150, y: Any = "y:Q", **mark: Any) -> Any:
    frame = pd.DataFrame({"x": [0, 1], "y": [0, 1], "angle": [0, 90]})
    return alt.Chart(frame, width=200, height=height).mark_point(**mark).encode(x="x:Q", y=y)


def rows(count: int, *others: Any, **settings: Any) -> Any:
    made = [alt.hconcat(panel(**settings), panel(**settings)) for _ in range(count)]
    return configure(alt.vconcat(*made, *others))


def heights(chart: Any) -> list[int]:
    if "vconcat" in chart or "hconcat" in chart:
        return [h for part in chart.get("vconcat") or chart["hconcat"] for h in heights(part)]
    return [chart["height"]]


def aspect(spec: dict[str, Any]) -> float:
    width, height = drawn_size(spec)
    return height / width


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_blocks_of_panels_have_room_on_a_page(side: int, blocks: int) -> None:
    room, head, gap, between = 470, 110, 8, 20
    count, width, height = beside(
        blocks,
        columns=side,
        rows=side,
        room=room,
        between=between,
        gap=gap,
        head=head,
        shape=0.8,
        largest=188,
    )
    assert 1 <= count <= blocks
    assert count * (side * width + (side - 1) * gap) + (count - 1) * between <= room
    lines = -(-blocks // count)
    assert lines * (head + side * height + (side - 1) * gap) <= TALLEST_ASPECT * across()
    # The smallest, of five terms and four structures, are 16 mm wide in print.
    assert width >= 48
    assert height >= 38
    assert 0.39 * width <= height <= 0.8 * width + 1


def test_a_narrow_figure_is_as_high_as_a_wide_one_may_be() -> None:
    # Made lower to the shape of a wide page, panels of a column of a journal could not be read.
    with sheet(85):
        spec = fitted(configure(alt.vconcat(*(panel() for _ in range(5))))).to_dict()
    assert 80 < min(heights(spec)) < 150
    width, height = drawn_size(spec)
    assert width < across()
    assert 0.9 * TALLEST_ASPECT * across() < height <= TALLEST_ASPECT * across()


@pytest.mark.parametrize("count", [1, 4, 7])
def test_panels_are_as_low_as_a_page_needs(count: int) -> None:
    before = heights(rows(count).to_dict())
    spec = fitted(rows(count)).to_dict()
    assert aspect(spec) <= TALLEST_ASPECT
    assert len(set(heights(spec))) == 1
    if count == 1:
        assert heights(spec) == before
    if count == 7:
        # No lower than needed: a chart that gives way still fills most of a page.
        assert aspect(spec) > 0.9 * TALLEST_ASPECT


def test_rows_of_names_and_low_strips_keep_their_height() -> None:
    named, strip = panel(200, alt.Y("y:N")), panel(40)
    spec = fitted(rows(5, named, strip)).to_dict()
    assert heights(spec)[-2:] == [200, 40]
    assert max(heights(spec)[:-2]) < 150


def test_values_named_on_an_axis_stay_apart() -> None:
    axis = alt.Axis(values=list(np.linspace(0, 1, 9)), labels=True)
    spec = fitted(rows(9, y=alt.Y("y:Q", axis=axis))).to_dict()
    assert min(heights(spec)) == 90


def test_marks_that_point_by_pixels_are_drawn_again_and_not_squeezed() -> None:
    turned = configure(alt.vconcat(*(panel().encode(angle="angle:Q") for _ in range(9))))
    assert heights(fitted(turned).to_dict()) == [150] * 9

    shares: list[float] = []

    def drawing(share: float) -> Any:
        shares.append(share)
        turned = [panel(round(150 * share)).encode(angle="angle:Q") for _ in range(6)]
        return alt.vconcat(*(alt.hconcat(one, one) for one in turned))

    chart = configure(drawn_to_fit(drawing))
    assert shares[0] == 1.0
    assert len(shares) == 2
    assert TALLEST_ASPECT >= aspect(chart.to_dict()) > 0.9 * TALLEST_ASPECT


def printed(chart: Any) -> tuple[float, float]:
    """Height in terms of width, and points of the smallest text where a chart is printed."""
    svg = vlc.vegalite_to_svg(chart.to_dict(validate=False), vl_version=VEGA_LITE)
    found = re.search(r'<svg\b[^>]*? width="([0-9.]+)" height="([0-9.]+)"', svg)
    assert found is not None
    width, height = float(found[1]), float(found[2])
    sizes = map(float, re.findall(r'font-size="([0-9.]+)', svg))
    return height / width, PRINTED / width * min(sizes)


@pytest.mark.parametrize(
    "name",
    [
        "shrinkage-Subject",
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in ("theta", "trace")),
    ],
)
def test_three_structures_of_four_terms_fit_on_a_page(name: str) -> None:
    terms = ("(Intercept)", "prime", "load", "prime:load")
    tables = [
        fit_tables(structure, terms=terms, sd=(24.0, 12.0, 8.0, 6.0), max_evaluations=12)
        for structure in STRUCTURES[:3]
    ]
    tall, points = printed(draw(name, tables, {}).chart)
    assert tall <= TALLEST_ASPECT
    assert points >= READABLE


@pytest.mark.exhaustive
@pytest.mark.parametrize(("count", "several"), [(1, 1), (2, 1), (4, 3), (5, 2)])
def test_every_chart_of_many_sizes_fits_on_a_page(count: int, several: int) -> None:
    rng = np.random.default_rng(count)
    names = ["prime", "load", "prime_load", "latency"][: count - 1]
    codes = np.repeat(np.arange(14), 24)
    x = rng.normal(size=(len(codes), count))
    x[:, 0] = 1.0
    data = pd.DataFrame(x[:, 1:], columns=names)
    data["subject"] = [f"S{code:02d}" for code in codes]
    data["item"] = [f"item {i % 12}" for i in range(len(codes))]
    effects = rng.normal(size=(14, count)) * [30, 12, 8, 6, 5][:count]
    data["y"] = 400 + (x * effects[codes]).sum(axis=1) + rng.normal(size=len(codes)) * 25
    terms = " + ".join(["1", *names])
    formula = f"y ~ {terms} + ({terms} | subject) + (1 | item)"
    # How large a chart is does not depend on how long its fits searched.
    shown = [
        ms.LinearMixedModel(formula, data, structure=structure).fit(
            optimizer="pybobyqa", max_evaluations=60
        )
        for structure in STRUCTURES[:several]
    ]
    drawn: dict[str, Callable[[], Any]] = {
        "shrinkage": lambda: ms.charts.shrinkage(shown, group="subject"),
        "dumbbell": lambda: ms.charts.shrinkage(shown, group="item"),
        "motion": lambda: ms.charts.motion(shown, group="subject").chart,
        "theta": lambda: ms.charts.theta(shown).chart,
        "trace": lambda: ms.charts.trace(shown),
        "overlay": lambda: ms.charts.trace(shown, overlay=True),
        "stopping": lambda: ms.charts.stopping(shown),
        "ledger": lambda: ms.charts.ledger(shown),
        "pooling": lambda: ms.charts.pooling(shown),
    }
    if count > 1:
        drawn["principal"] = lambda: ms.charts.principal(shown, group="subject")
    if several == 1:
        drawn["landscape"] = lambda: ms.charts.landscape(shown[0])
    else:
        drawn["ladder"] = lambda: ms.charts.ladder(ms.ladder(shown))
    for name, make in drawn.items():
        tall, points = printed(make())
        assert tall <= TALLEST_ASPECT, (name, several, tall)
        assert points >= READABLE, (name, several, points)
