"""The trace chart: what is drawn, and that its words are its numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sample_tables import fit_tables

from mixedscope import charts
from mixedscope.charts.common.gaps import smallest_gap
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS
from mixedscope.charts.kinds.trace.chart import POINT_LIMIT, theta_span, trace_chart
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.covariance.registry import STRUCTURES
from mixedscope.tables.store import FitTables


@pytest.fixture(scope="module")
def full() -> FitTables:
    return fit_tables(structure="full")


@pytest.fixture(scope="module")
def intercept() -> FitTables:
    return fit_tables(structure="intercept")


def drawn(fits: list[FitTables], **settings: Any) -> tuple[dict[str, Any], str, str]:
    chart, title, caption = trace_chart(fits, **settings)
    return chart.to_dict(), title, caption


def rows(spec: dict[str, Any], panel: int, layer: int) -> pd.DataFrame:
    layers = spec["concat"][panel]["layer"]
    return pd.DataFrame(spec["datasets"][layers[layer]["data"]["name"]])


def with_trace(fit: FitTables, trace: pd.DataFrame) -> FitTables:
    return FitTables(fit.info, trace=trace, estimates=fit.estimates, timing=fit.timing)


def lengthened(fit: FitTables, n: int) -> FitTables:
    """The same fit with a trace of n evaluations, the last one repeated."""
    trace = fit.require("trace")
    last = pd.concat([trace.iloc[[-1]]] * (n - len(trace)))
    longer = pd.concat([trace, last], ignore_index=True)
    longer["evaluation"] = np.arange(1, n + 1)
    return with_trace(fit, longer)


def test_gap_is_objective_minus_the_smallest_of_the_fit(full: FitTables) -> None:
    points = rows(drawn([full])[0], 0, 1)
    objective = full.require("trace")["objective"]
    expected = np.maximum(objective - objective.min(), smallest_gap([full.info["objective"]]))
    ok = points["kind"] != "failed"
    assert points.loc[ok, "y"].to_numpy() == pytest.approx(expected[ok.to_numpy()], rel=1e-6)
    assert len(points) == len(objective)


def test_gap_of_zero_stands_on_the_floor(full: FitTables) -> None:
    assert rows(drawn([full])[0], 0, 1)["y"].min() == smallest_gap([full.info["objective"]]) == 1e-9


def test_floor_rises_above_rounding_of_large_objectives(full: FitTables) -> None:
    large = FitTables({**full.info, "objective": 3e7})
    assert smallest_gap([large.info["objective"]]) == 1e-7


def test_failed_evaluations_are_at_the_top_edge(full: FitTables) -> None:
    spec, _, caption = drawn([full])
    points = rows(spec, 0, 1)
    failed = points[points["kind"] == "failed"]
    top = spec["concat"][0]["layer"][1]["encoding"]["y"]["scale"]["domain"][1]
    assert failed["evaluation"].tolist() == [3]
    assert failed["y"].tolist() == pytest.approx([top], rel=1e-6)
    assert "; 1 failed" in caption


def test_best_so_far_never_rises(full: FitTables) -> None:
    best = rows(drawn([full])[0], 0, 2)["best"]
    assert (best.diff().dropna() <= 0).all()


def test_caption_counts_the_evaluations_of_each_phase(full: FitTables) -> None:
    trace = full.require("trace")
    caption = drawn([full])[2]
    n = len(trace)
    best, minimum = trace["best"], trace["objective"].min()
    for phase, name in (
        ("exploration", "exploration"),
        ("convergence", "rapid convergence"),
        ("fine-tuning", "fine tuning and verification"),
    ):
        inside = trace["phase"] == phase
        found = re.search(rf"{name} ([\d,]+) \((\d+)\u00a0%, gap then ([\d.e-]+)\)", caption)
        assert found is not None
        assert int(found[1].replace(",", "")) == inside.sum()
        assert int(found[2]) == round(100 * inside.sum() / n)
        assert float(found[3]) == pytest.approx(
            best[inside].iloc[-1] - minimum, rel=0.06, abs=1e-12
        )
    assert f"{n:,} evaluations by nelder-mead" in caption
    assert "Verdict: optimum." in caption


def test_title_names_the_share_of_the_last_phase(full: FitTables, intercept: FitTables) -> None:
    title = drawn([full, intercept])[1]
    for fit in (full, intercept):
        share = 100 * (fit.require("trace")["phase"] == "fine-tuning").mean()
        assert f"{share:.0f}\u00a0% of {len(fit.require('trace'))}" in title
        assert f"({structure_label(fit.info)})" in title


def test_structures_share_their_vertical_axes(full: FitTables, intercept: FitTables) -> None:
    panels = drawn([full, intercept])[0]["concat"]
    domains = [p["layer"][-1]["encoding"]["y"]["scale"]["domain"] for p in panels]
    assert domains[0] == domains[1]
    assert domains[2] == domains[3]


def test_header_says_structure_cost_and_verdict(full: FitTables) -> None:
    title = drawn([full])[0]["concat"][0]["title"]
    n = len(full.require("trace"))
    assert title["text"] == ["full covariance"]
    assert title["subtitle"] == [
        f"nelder-mead, {n} evaluations",
        f"objective {full.info['objective']:.4f}",
        "optimum",
    ]
    below = replace(full, info=full.info | {"objective": -3.5})
    assert drawn([below])[0]["concat"][0]["title"]["subtitle"][1] == "objective \u22123.5000"


def test_phases_cover_every_evaluation_once(full: FitTables) -> None:
    bands = rows(drawn([full])[0], 0, 0)
    assert bands["left"].iloc[0] == 0.5
    assert bands["right"].iloc[-1] == len(full.require("trace")) + 0.5
    assert bands["right"].tolist()[:-1] == bands["left"].tolist()[1:]


def test_stage_after_the_search_is_marked(full: FitTables) -> None:
    trace = full.require("trace").copy()
    trace.loc[trace.index[-4:], "stage"] = "polish"
    spec, _, caption = drawn([with_trace(full, trace)])
    marks = rows(spec, 0, 1)
    assert marks["name"].tolist() == ["polish"]
    assert marks["left"].tolist() == [len(trace) - 3.5]
    assert f"stages: search {len(trace) - 4}, polish 4" in caption


def test_few_components_are_named(full: FitTables) -> None:
    encoding = drawn([full])[0]["concat"][1]["layer"][1]["encoding"]
    assert encoding["color"]["scale"]["domain"] == full.info["theta_names"]
    assert set(encoding["color"]["scale"]["range"]) == {GROUP_COLOURS[0]}
    assert len(set(map(str, encoding["strokeDash"]["scale"]["range"]))) == 3


def test_many_components_have_the_colour_of_their_factor() -> None:
    fit = fit_tables(terms=("(Intercept)", "a", "b", "c"), max_evaluations=60)
    encoding = drawn([fit])[0]["concat"][1]["layer"][1]["encoding"]
    assert len(fit.info["theta_names"]) == 10
    assert encoding["color"]["scale"]["domain"] == ["Subject"]
    assert encoding["detail"]["field"] == "component"


def test_single_wild_trial_does_not_stretch_the_axis_of_theta(full: FitTables) -> None:
    trace = full.require("trace").copy()
    theta = [np.array(t) for t in trace["theta"]]
    theta[10] = theta[10] + 1e3
    trace["theta"] = theta
    trace.loc[trace.index[10], "objective"] += 50
    wild = with_trace(full, trace)
    assert theta_span([wild])[1] < 100
    assert "1 trial leaves it" in drawn([wild])[2]


def test_lines_of_parameters_leave_out_what_was_tried_elsewhere(full: FitTables) -> None:
    trace = full.require("trace")
    theta = [np.array(t) + 1e3 * (i == 1) for i, t in enumerate(trace["theta"].iloc[-3:])]
    far = trace.iloc[-3:].assign(stage="restart", theta=theta)
    far["objective"] += 50.0
    far["evaluation"] += 3
    looked = with_trace(full, pd.concat([trace, far], ignore_index=True))
    spec, _, caption = drawn([looked])
    assert len(rows(spec, 0, -2)) == len(trace) + 3
    assert rows(spec, 1, -1)["x"].max() == len(trace)
    assert "leave out trials that looked for a lower minimum and found none" in caption
    assert "leaves it" not in caption
    assert "leave out" not in drawn([full])[2]
    # What found a lower one is part of the way.
    far["objective"] -= 60.0
    lower = far.assign(best=far["objective"].cummin())
    found = with_trace(full, pd.concat([trace, lower], ignore_index=True))
    assert rows(drawn([found])[0], 1, -1)["x"].max() == len(trace) + 1


def test_optimisers_of_one_structure_are_told_apart_by_their_names(full: FitTables) -> None:
    other = replace(full, info=full.info | {"optimizer": full.info["optimizer"] | {"name": "own"}})
    titles = [p["title"] for p in drawn([full, other])[0]["concat"][:2]]
    assert [title["text"] for title in titles] == [["nelder-mead"], ["own"]]
    assert all(title["subtitle"][0].startswith("full covariance, ") for title in titles)


def test_long_traces_are_thinned_and_say_so(full: FitTables) -> None:
    fit = lengthened(full, 5 * POINT_LIMIT)
    spec, _, caption = drawn([fit])
    points = rows(spec, 0, 1)
    assert POINT_LIMIT <= len(points) < POINT_LIMIT + 20
    assert {1, 3, 5 * POINT_LIMIT} <= set(points["evaluation"])
    assert (
        f"Of the {5 * POINT_LIMIT:,} evaluations of full covariance {len(points):,} are drawn"
        in caption
    )


def test_seconds_add_up(full: FitTables) -> None:
    points = rows(drawn([full], x="seconds")[0], 0, 1)
    assert points["x"].iloc[-1] == pytest.approx(full.require("timing")["seconds"].sum())


# -- standard deviations and correlations ---------------------------------------------------------


def with_parameters(fit: FitTables, *, small: float = 6.0) -> FitTables:
    """The same fit with a table ``parameters``: two standard deviations, a correlation, sigma."""
    trace = fit.require("trace")
    m = len(trace)
    groups, ramp = [], np.linspace(2.0, 1.0, m)
    for kind, group, term, term2, end in (
        ("sd", "Subject", "(Intercept)", None, 24.0),
        ("sd", "Subject", "Days", None, small),
        ("correlation", "Subject", "(Intercept)", "Days", 0.3),
        ("sigma", None, None, None, 25.0),
    ):
        groups.append(
            pd.DataFrame(
                {
                    "evaluation": trace["evaluation"],
                    "kind": kind,
                    "group": group,
                    "term": term,
                    "term2": term2,
                    "value": end * ramp,
                }
            )
        )
    return FitTables(
        fit.info,
        trace=trace,
        estimates=fit.estimates,
        timing=fit.timing,
        studies={"parameters": pd.concat(groups, ignore_index=True)},
    )


def test_theta_is_drawn_as_standard_deviations_and_correlations(full: FitTables) -> None:
    fit = with_parameters(full)
    spec, _, caption = drawn([fit])
    assert len(spec["concat"]) == 3
    deviations, correlations = rows(spec, 1, 1), rows(spec, 2, 1)
    assert set(deviations["component"]) == {
        "Subject: (Intercept)", "Subject: Days", "residual \u03c3"
    }  # fmt: skip
    assert set(correlations["component"]) == {"Subject: (Intercept) ~ Days"}
    days = deviations.loc[deviations["component"] == "Subject: Days", "value"]
    assert days.iloc[[0, -1]].tolist() == pytest.approx([12.0, 6.0])
    assert "standard deviations of the random effects" in caption
    assert rows(spec, 2, 1)["value"].between(-1, 1).all()


def test_theta_is_drawn_as_it_is_where_asked_or_where_nothing_else_is_known(
    full: FitTables,
) -> None:
    for fit, settings in ((full, {}), (with_parameters(full), {"parameters": "theta"})):
        spec = drawn([fit], **settings)[0]
        assert len(spec["concat"]) == 2
        assert spec["concat"][1]["layer"][1]["encoding"]["y"]["axis"]["title"] == "\u03b8"
    with pytest.raises(StoreError, match="no table 'parameters'"):
        drawn([full], parameters="sd")
    with pytest.raises(ModelError, match="Did you mean 'theta'"):
        drawn([full], parameters="thta")


def test_standard_deviations_of_very_different_size_have_a_log_scale(full: FitTables) -> None:
    even = drawn([with_parameters(full)])[0]["concat"][1]["layer"][1]["encoding"]["y"]
    wide = drawn([with_parameters(full, small=0.05)])[0]["concat"][1]["layer"][1]["encoding"]["y"]
    assert "type" not in even["scale"]
    assert wide["scale"]["type"] == "log"
    assert wide["scale"]["domain"][0] <= 0.005
    assert "log" in wide["axis"]["title"]


def test_a_structure_without_correlations_says_so(full: FitTables, intercept: FitTables) -> None:
    other = with_parameters(intercept)
    table = other.studies["parameters"]
    other.studies["parameters"] = table[table["kind"] != "correlation"]
    spec = drawn([with_parameters(full), other])[0]
    assert rows(spec, 5, 1)["text"].tolist() == ["none fitted"]


# -- several optimisers ---------------------------------------------------------------------------


def worse(fit: FitTables, by: float, optimizer: str) -> FitTables:
    """The same fit as an optimiser leaves it that ends higher by some deviance."""
    trace = fit.require("trace").copy()
    trace[["objective", "best"]] += by
    info = {**fit.info, "optimizer": {**fit.info["optimizer"], "name": optimizer}}
    return FitTables(info, trace=trace, estimates=fit.estimates, timing=fit.timing)


def test_gaps_of_one_structure_count_from_the_best_of_all_optimisers(
    full: FitTables, intercept: FitTables
) -> None:
    spec, _, caption = drawn([full, worse(full, 0.5, "COBYQA")])
    assert rows(spec, 0, 2)["best"].min() == smallest_gap([full.info["objective"]])
    assert rows(spec, 1, 2)["best"].min() == pytest.approx(0.5)
    assert "the smallest that was found for the same structure" in caption
    assert "gap then 0.5)" in caption
    spec, _, caption = drawn([full, intercept])
    assert rows(spec, 1, 2)["best"].min() == smallest_gap([full.info["objective"]])
    assert "the smallest of the same fit" in caption


def test_traces_can_share_a_panel(full: FitTables) -> None:
    short = lengthened(full, len(full.require("trace")) + 1)
    short = worse(with_trace(full, short.require("trace").iloc[:9]), 0.0, "COBYQA")
    spec, _, caption = drawn([full, short], overlay=True)
    above, panel = spec["vconcat"][0]["vconcat"]  # and below them the key
    strips = pd.DataFrame(spec["datasets"][above["data"]["name"]])
    line = panel["layer"][0]
    labels = ["nelder-mead", "COBYQA"]
    assert list(dict.fromkeys(strips["fit"])) == labels
    assert strips.groupby("fit")["right"].max()[labels].tolist() == [
        len(full.require("trace")) + 0.5,
        9.5,
    ]
    assert line["encoding"]["color"]["scale"]["domain"] == labels
    assert len(set(line["encoding"]["color"]["scale"]["range"])) == 2
    assert line["encoding"]["x"]["scale"]["type"] == "log"
    assert caption.startswith("The best so far while")
    values = pd.DataFrame(spec["datasets"][line["data"]["name"]])
    assert values.groupby("fit")["best"].min()[labels[0]] == smallest_gap([full.info["objective"]])


def test_structures_keep_their_colours_in_one_panel(full: FitTables, intercept: FitTables) -> None:
    fits = [full, worse(full, 0.0, "COBYQA"), intercept]
    panel = drawn(fits, overlay=True)[0]["vconcat"][0]["vconcat"][1]
    encoding = panel["layer"][0]["encoding"]
    assert encoding["color"]["scale"]["range"] == [
        STRUCTURES["full"].colour, STRUCTURES["full"].colour, STRUCTURES["intercept"].colour
    ]  # fmt: skip
    dashes = encoding["strokeDash"]["scale"]["range"]
    # In grey colours of structures are alike.
    assert len({tuple(dash) for dash in dashes}) == 3


def test_a_title_of_many_fits_gives_the_range(full: FitTables) -> None:
    fits = [worse(full, 0.0, f"o{i}") for i in range(5)]
    share = f"{100 * (full.require('trace')['phase'] == 'fine-tuning').mean():.0f}"
    assert f"took {share} to {share}\u00a0% of the evaluations" in drawn(fits, overlay=True)[1]


def test_paper_has_phases_in_grey(full: FitTables) -> None:
    for fill in drawn([full], theme="print")[0]["concat"][0]["layer"][0]["encoding"]["fill"][
        "scale"
    ]["range"]:
        assert len({fill[1:3], fill[3:5], fill[5:7]}) == 1
    light = drawn([full])[0]["concat"][0]["layer"][0]["encoding"]["fill"]["scale"]["range"]
    assert light[0] == COLOURS["exploration"]


def test_unknown_axis_is_named(full: FitTables) -> None:
    with pytest.raises(ModelError, match="Did you mean 'seconds'"):
        charts.trace(full, x="second")


def test_missing_trace_is_named(full: FitTables) -> None:
    with pytest.raises(StoreError, match="no table 'trace'"):
        charts.trace(FitTables(full.info, estimates=full.estimates))


def test_trace_without_success_is_an_error(full: FitTables) -> None:
    trace = full.require("trace").assign(objective=np.nan, best=np.nan, status="failed")
    with pytest.raises(ModelError, match="No evaluation"):
        charts.trace(with_trace(full, trace))


def test_structures_fitted_twice_are_told_apart_by_optimiser(full: FitTables) -> None:
    other = FitTables(
        {**full.info, "optimizer": {**full.info["optimizer"], "name": "COBYQA"}},
        trace=full.trace,
        estimates=full.estimates,
    )
    title = drawn([full, other])[1]
    assert "(full covariance by nelder-mead)" in title
    assert "(full covariance by COBYQA)" in title


def test_a_single_evaluation_is_a_point_and_said_in_the_singular() -> None:
    table = fit_tables("intercept")
    assert table.trace is not None
    table.trace = table.trace.iloc[:1].copy()
    chart, title, caption = trace_chart([table])
    assert title == "One evaluation: the search ended where it started"
    assert "1 evaluation by" in caption
    spec = json.dumps(chart.to_dict())
    assert '"point": true' in spec
    assert '"values": [1]' in spec
