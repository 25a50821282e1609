"""Charts of sweeps: what they show, and what their titles and captions say."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from mixedscope.charts.common.render import to_spec
from mixedscope.charts.drawing import figure
from mixedscope.charts.kinds.sweep.chart import sweep_chart
from mixedscope.charts.kinds.sweep.names import named, placed, told
from mixedscope.core.errors import ModelError
from mixedscope.summaries.measures import MEASURES
from mixedscope.summaries.runs import summarise


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two optimisers by three tolerances, two replicates each."""
    rows = []
    for optimizer, factor in (("auto", 1), ("bobyqa", 10)):
        for step, tolerance in enumerate((1e-2, 1e-4, 1e-6), start=1):
            for replicate in (1, 2):
                rows.append(
                    {
                        "run": f"{optimizer}{tolerance}{replicate}",
                        "optimizer": optimizer,
                        "tolerance": tolerance,
                        "replicate": replicate,
                        "search_gap": tolerance * (1 + replicate / 10),
                        "search_evaluations": 4 * factor * step + replicate,
                        "exploration": 2 * step,
                        "convergence": 2,
                        "fine_tuning": 4,
                        "singular": replicate == 1,
                        "kept": [0.5, 0.25 * step],
                        "terms": '["(Intercept) | g", "x | g"]',
                        "error": None,
                    }
                )
    runs = pd.DataFrame(rows)
    runs.attrs["swept"] = ["optimizer", "tolerance", "replicate"]
    return runs, pd.DataFrame({"run": runs["run"], "seconds": 0.5})


def draw(theme: str = "light", **chart: Any) -> tuple[dict[str, Any], str, str]:
    runs, timing = tables()
    drawn = sweep_chart(summarise(runs, timing, {**DEFAULTS, **chart}), theme=theme)
    return to_spec(figure(*drawn, theme=theme).chart), drawn[1], drawn[2]


DEFAULTS: dict[str, Any] = {
    "kind": "line",
    "x": "tolerance",
    "y": "search_gap",
    "rows": None,
    "colour": None,
    "facet": None,
    "where": {},
    "scale": None,
    "x_scale": None,
}


def test_title_tells_how_each_series_changes() -> None:
    _, title, caption = draw(y="search_evaluations", colour="optimizer")
    assert title == (
        "Evaluations of the search rise for auto (5.5 \u2192 13.5) and for bobyqa "
        "(41.5 \u2192 122) from tolerance 0.01 to 1e\u22126"
    )
    assert "12 runs, 2 runs behind each point, which differ in replicate." in caption
    assert "trust radius" in caption


def test_caption_names_everything_a_point_pools() -> None:
    assert "4 runs behind each point, which differ in optimiser and replicate" in draw()[2]


def test_tolerances_run_from_loose_to_tight() -> None:
    spec, _, _ = draw(colour="optimizer")
    assert '"reverse": true' in str(spec).replace("'", '"').replace("True", "true")


def axes_along(node: Any, channel: str = "x") -> list[dict[str, Any]]:
    """The encodings of all layers in a channel."""
    if isinstance(node, list):
        return [found for part in node for found in axes_along(part, channel)]
    if not isinstance(node, dict):
        return []
    own = [node["encoding"][channel]] if channel in node.get("encoding", {}) else []
    return own + [found for part in node.values() for found in axes_along(part, channel)]


@pytest.mark.parametrize(
    "chart", [{"kind": "heat", "rows": "optimizer", "y": "singular"}, {"x_scale": "category"}]
)
def test_axes_that_say_tighter_to_the_right_run_to_the_tightest(chart: dict[str, Any]) -> None:
    for x in axes_along(draw(**chart)[0]):
        assert x["axis"]["title"] == "tolerance (tighter to the right)"
        assert x["sort"] == ["0.01", "1e\u22124", "1e\u22126"]


def test_tolerances_are_written_alike_on_axes_and_in_titles() -> None:
    spec, title, _ = draw(colour="optimizer")
    (labels,) = {x["axis"]["labelExpr"] for x in axes_along(spec)}
    # Values stand in the order of the tables, on an axis that is turned round.
    assert (
        labels == "['1e\u22126', '1e\u22124', '0.01'][indexof([1e-06, 0.0001, 0.01], datum.value)]"
    )
    assert "0.01 to 1e\u22126" in title


@pytest.mark.parametrize(
    ("chart", "told"),
    [
        ({"y": "search_evaluations"}, "median and quartiles"),
        ({"y": "singular"}, "with its 95\u00a0% interval"),
        ({"y": "search_evaluations", "where": {"replicate": 1}, "colour": "optimizer"}, ""),
    ],
)
def test_axes_say_what_bands_are_where_there_are_any(chart: dict[str, Any], told: str) -> None:
    spec = draw(**chart)[0]
    titles = {" ".join(v["axis"]["title"]) for v in axes_along(spec, "y") if v.get("axis")}
    areas = '"type": "area"' in json.dumps(spec)
    assert areas == bool(told)
    assert all((told in title) if told else ("quartiles" not in title) for title in titles)


def test_points_tell_what_being_near_enough_costs() -> None:
    _, title, caption = draw(kind="points", x="search_evaluations", colour="optimizer")
    assert title == (
        "Evaluations of the search to a gap of the search of at most 0.001: auto 9.5, bobyqa 81.5"
    )
    assert "the points of a line differ in tolerance" in caption


def test_areas_add_up_to_the_whole() -> None:
    runs, timing = tables()
    chart = {**DEFAULTS, "kind": "area", "y": "phase_share", "colour": "phase"}
    summary = summarise(runs, timing, chart)
    assert summary.frame.groupby("x")["middle"].sum().tolist() == pytest.approx([1, 1, 1])
    assert sweep_chart(summary)[1].endswith(
        "50\u00a0% of the evaluations at tolerance 0.01, 33\u00a0% at tolerance 1e\u22126"
    )


def test_heat_map_tells_its_extremes() -> None:
    spec, title, _ = draw(kind="heat", x="optimizer", rows="tolerance")
    assert "1.2e\u22126 (tolerance 1e\u22126, auto)" in title
    assert "0.0115" in title
    assert len(next(iter(spec["datasets"].values()))) == 6


def test_values_per_term_are_told_apart() -> None:
    _, title, _ = draw(y="kept", colour="term")
    assert "hardly changes for (Intercept) | g (50\u00a0%)" in title
    assert "rises for x | g (25\u00a0% \u2192 75\u00a0%)" in title


def test_proportion_has_an_interval() -> None:
    runs, timing = tables()
    summary = summarise(runs, timing, {**DEFAULTS, "y": "singular"})
    point = summary.frame.iloc[0]
    # Wilson's interval of 2 out of 4.
    assert point["middle"] == 0.5
    assert [point["low"], point["high"]] == pytest.approx([0.150, 0.850], abs=5e-4)


@pytest.mark.parametrize("theme", ["light", "print"])
@pytest.mark.parametrize(
    "chart",
    [
        {"colour": "optimizer"},
        {"facet": "optimizer", "x_scale": "category"},
        {"x": "optimizer", "colour": "tolerance"},
        {"kind": "area", "y": "phase_share", "colour": "phase", "facet": "optimizer"},
        {"kind": "heat", "x": "optimizer", "rows": "tolerance", "y": "singular"},
        {"kind": "points", "x": "seconds", "colour": "optimizer"},
    ],
)
def test_chart_gives_a_specification(chart: dict[str, Any], theme: str) -> None:
    spec, title, caption = draw(theme, **chart)
    assert spec["description"] == caption
    assert title


def test_measure_that_no_run_has_is_an_error() -> None:
    runs, timing = tables()
    runs["kept"] = None
    with pytest.raises(ModelError, match="kept"):
        sweep_chart(summarise(runs, timing, {**DEFAULTS, "y": "kept", "colour": "term"}))


def test_sweep_whose_runs_all_failed_has_no_chart_and_says_why() -> None:
    runs, timing = tables()
    runs["error"] = [f"reason {number}" for number in range(len(runs))]
    with pytest.raises(ModelError, match=r"of 12 runs 12 failed .*first that failed: reason 0"):
        sweep_chart(summarise(runs, timing, DEFAULTS))


def test_numbers_are_written_for_readers() -> None:
    assert told(MEASURES["gap"], 1e-14) == "\u2264\u20091e\u221210"
    assert told(MEASURES["gap"], 2.5e-5) == "2.5e\u22125"
    assert told(MEASURES["evaluations"], 1234.0) == "1,234"
    assert told(MEASURES["seconds"], 0.25) == "0.25\u00a0s"
    assert named("tolerance", 1e-8) == "1e\u22128"
    assert named("tolerance", 0.1) == "0.1"
    assert placed("simulate.units.subject", 8) == "8 levels of subject"
    assert placed("share", 0.5) == "50\u00a0% of the data"
    assert placed("start", "3") == "random start 3"
