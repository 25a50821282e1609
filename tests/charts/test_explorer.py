"""The explorer: what its page holds, what its sentences claim, and that text is never markup."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from motion_fits import sleep_like

import mixedscope as ms
from mixedscope.charts.common.vega import evaluated
from mixedscope.charts.kinds.explorer.chart import explorer_chart
from mixedscope.charts.kinds.explorer.contents import MOST_DRAWN, factors_of, page_data
from mixedscope.charts.kinds.explorer.options import ExplorerOptions
from mixedscope.charts.kinds.explorer.words import findings
from mixedscope.core.vocabulary import FINE_TUNING
from mixedscope.tables.store import FitTables

STUDIES = ("parameters", "motion", "stopping", "ledger")
NASTY = [
    "<script>alert(1)</script>",
    "</script><b>bold</b>",
    "<img src=x onerror=alert(1)>",
    "\"quoted\" 'and'",
    "Ärger & Söhne",
    "a\u2028b",
]


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    return sleep_like(("full", "zerocorr", "intercept"), studies=(*STUDIES, "panels"))


def contents_of(tables: list[FitTables]) -> dict[str, Any]:
    options = ExplorerOptions()
    factors = factors_of(tables, options)
    found = page_data(tables, factors, findings(tables, factors), options, theme="light")
    return dict(json.loads(json.dumps(found)))


def decoded(own: dict[str, Any], factor: dict[str, Any]) -> dict[int, np.ndarray]:
    """Modes (level, term) by evaluation, as the script of the page decodes them."""
    shape = (len(factor["levels"]), len(factor["terms"]))
    unit = 10.0 ** -np.array(factor["decimals"])
    whole = np.zeros(shape)
    found = {}
    for at, step in zip(own["at"][::-1], own["steps"], strict=True):
        whole = whole + np.array(step, dtype=float).reshape(shape)
        found[at] = whole * unit
    return found


def answers(tables: list[FitTables]) -> dict[str, dict[str, Any]]:
    found = findings(tables, factors_of(tables, ExplorerOptions()))
    return {one["question"]: one for one in found}


# -- what the page holds ---------------------------------------------------------------------------


def test_page_holds_the_modes_of_the_tables_to_its_last_digit(fits: list[FitTables]) -> None:
    contents = contents_of(fits)
    (factor,) = contents["factors"]
    unit = 10.0 ** -np.array(factor["decimals"])
    for i, (low, high) in enumerate(factor["axes"]):
        assert unit[i] <= (high - low) / 100_000
    for fit, shown in zip(fits, contents["fits"], strict=True):
        frames = decoded(shown["factors"][0], factor)
        every = fit.require("modes_every")
        better = fit.trace["objective"].cummin().diff().fillna(-1.0) < 0
        assert set(fit.trace.loc[better, "evaluation"]) <= set(frames)
        for evaluation, modes in frames.items():
            own = every[every["evaluation"] == evaluation]
            wide = own.pivot_table(index="level", columns="term", values="mode")
            wide = wide.reindex(index=factor["levels"], columns=factor["terms"]).fillna(0.0)
            assert (np.abs(modes - wide.to_numpy()) <= 0.5001 * unit + 1e-6 * np.abs(modes)).all()
        final = fit.require("modes").pivot_table(index="level", columns="term", values="mode")
        final = final.reindex(index=factor["levels"], columns=factor["terms"]).fillna(0.0)
        assert (np.abs(frames[max(frames)] - final.to_numpy()) <= 0.5001 * unit).all()


def test_page_holds_references_intervals_and_the_numbers_of_moments(fits: list[FitTables]) -> None:
    contents = contents_of(fits)
    (factor,) = contents["factors"]
    unit = 10.0 ** -np.array(factor["decimals"])
    for fit, shown in zip(fits, contents["fits"], strict=True):
        modes = fit.require("modes").set_index(["level", "term"])
        own = shown["factors"][0]
        for name, column in (("reference", "joint_limit"), ("sd", "std_dev")):
            values = np.array(own[name], dtype=float).reshape(len(factor["levels"]), -1)
            for (level, term), value in modes[column].items():
                i, j = factor["levels"].index(level), factor["terms"].index(term)
                assert values[i, j] * unit[j] == pytest.approx(value, abs=0.5001 * unit[j])
        assert shown["objective"] == fit.trace["objective"].tolist()
        stopping = fit.require("stopping")
        for name, values in shown["stopping"].items():
            np.testing.assert_allclose(values, stopping[name], rtol=6e-3)
        ledger = fit.require("ledger")
        assert shown["ledger"]["at"] == ledger["evaluation"].tolist()
        for name, values in shown["ledger"]["columns"].items():
            np.testing.assert_allclose(values, ledger[name], rtol=1e-5)
        shares = np.array([values for _, values in shown["ledger"]["shares"]])
        np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-5)


def test_page_holds_the_rows_and_lines_of_every_structure(fits: list[FitTables]) -> None:
    contents = contents_of(fits)
    (factor,) = contents["factors"]
    for fit, shown in zip(fits, contents["fits"], strict=True):
        panels = shown["factors"][0]["panels"]
        points, lines = fit.require("panels_points"), fit.require("panels_lines")
        assert [factor["levels"][i] for i in panels["levels"]] == fit.require("panels")[
            "level"
        ].tolist()
        for i, level in enumerate(fit.require("panels")["level"]):
            rows = points[points["level"] == level]
            np.testing.assert_allclose(panels["points"][i], rows[["x", "y"]].T, rtol=1e-5)
            own = lines.loc[lines["level"] == level, ["x", "own", "mixed", "population"]]
            np.testing.assert_allclose(panels["lines"][i], own.T, rtol=1e-5)
        assert not panels["partial"]
    without = replace(fits[0], studies={n: fits[0].studies[n] for n in ("parameters",)})
    shown = contents_of([without])["fits"][0]["factors"][0]["panels"]
    assert shown == {"missing": "The rows of groups are not stored."}


def test_of_categories_the_places_have_names() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"g": np.repeat([f"s{i}" for i in range(8)], 6), "c": np.tile(["one", "two", "three"], 16)}
    )
    frame["y"] = np.repeat(rng.normal(size=8), 6) + rng.normal(size=48)
    fit = ms.LinearMixedModel("y ~ c + (1 + c | g)", frame).fit()
    fit.study("parameters", "panels")
    (shown,) = contents_of([fit.tables])["fits"]
    panels = shown["factors"][0]["panels"]
    points = fit.tables.require("panels_points")
    own = points[points["level"] == "s0"]
    told = [panels["categories"][int(x)] for x in panels["points"][0][0]]
    assert told == own["category"].tolist()


@pytest.mark.exhaustive
def test_of_many_levels_some_are_drawn_and_all_are_there_to_be_found() -> None:
    tables = sleep_like(("full", "intercept"), levels=450, studies=STUDIES)
    contents = contents_of(tables)
    (factor,) = contents["factors"]
    assert len(factor["drawn"]) == MOST_DRAWN
    assert len(factor["levels"]) == 450
    assert f"Drawn are {MOST_DRAWN} of 450 levels" in factor["rule"]
    found = answers(tables)["Who moved most, and why?"]
    assert found["set"]["level"] in factor["drawn"]


def test_moments_are_thinned_where_there_are_many_values(
    fits: list[FitTables], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixedscope.charts.kinds.explorer import contents

    whole = factors_of(fits, ExplorerOptions())[0]
    monkeypatch.setattr(contents, "_MOST_VALUES", 500)
    (factor,) = factors_of(fits, ExplorerOptions())
    for kept, all_of_them in zip(factor.moments, whole.moments, strict=True):
        assert 6 <= len(kept.evaluations) < len(all_of_them.evaluations)
        for end in (0, -1):
            assert kept.evaluations[end] == all_of_them.evaluations[end]
            np.testing.assert_array_equal(kept.modes[end], all_of_them.modes[end])


def test_an_intercept_of_all_levels_of_a_factor_moves_as_its_effects_do() -> None:
    frame = pd.DataFrame(
        {"g": np.repeat([f"s{i}" for i in range(12)], 8), "c": np.tile(list("ab"), 48)}
    )
    rng = np.random.default_rng(0)
    frame["y"] = np.repeat(rng.normal(size=12), 8) + rng.normal(size=96)
    cells = ms.LinearMixedModel("y ~ c + (0 + c | g)", frame).fit(optimizer="pybobyqa")
    plain = ms.LinearMixedModel("y ~ c + (1 | g)", frame).fit(optimizer="pybobyqa")
    for fit in (cells, plain):
        fit.study(*STUDIES)
    (factor,) = factors_of([cells.tables, plain.tables], ExplorerOptions())
    assert len(factor.terms) == 2
    first, last = factor.moments[1].modes[0], factor.moments[1].modes[-1]
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    np.testing.assert_allclose(last, factor.pulls[1].mode)
    assert np.abs(first).max() > 0
    np.testing.assert_allclose(factor.moments[1].correlations[0], 1.0)


# -- what its sentences claim ----------------------------------------------------------------------


def test_who_moved_most_is_recomputed_from_the_modes(fits: list[FitTables]) -> None:
    modes = fits[0].require("modes")
    pivot = {
        c: modes.pivot(index="level", columns="term", values=c) for c in ("mode", "joint_limit")
    }
    unit = pivot["joint_limit"].std(ddof=1)
    moved = np.sqrt((((pivot["mode"] - pivot["joint_limit"]) / unit) ** 2).sum(axis=1))
    away = np.sqrt(((pivot["joint_limit"] / unit) ** 2).sum(axis=1))
    found = answers(fits)["Who moved most, and why?"]
    level = moved.idxmax()
    text = found["text"]
    assert text.startswith(f"{level} of g, by {moved[level]:.2g} SD")
    assert f"lies {away[level]:.2g} SD out" in text
    rank = int((away > away[level]).sum()) + 1
    assert ("the farthest of 12" if rank == 1 else f"number {rank} in distance of 12") in text
    assert "8 observations" in text
    levels = factors_of(fits, ExplorerOptions())[0].levels
    assert levels[found["set"]["level"]] == level


def test_who_moved_is_ranked_and_told_beside_the_figure(fits: list[FitTables]) -> None:
    figure = ms.charts.explorer(fits)
    modes = fits[0].require("modes").set_index(["level", "term"])
    unit = modes["joint_limit"].unstack().std(ddof=1)
    steps = (modes["mode"] - modes["joint_limit"]).unstack() / unit
    moved = np.sqrt((steps**2).sum(axis=1)).sort_values(ascending=False)
    rows = figure.told["movers"]
    assert [row["level"] for row in rows] == moved.index[: len(rows)].tolist()
    for row in rows:
        assert float(row["moved"]) == pytest.approx(moved[row["level"]], rel=0.06)
        assert row["term"] == steps.loc[row["level"]].abs().idxmax()
        at = modes.loc[(row["level"], row["term"])]
        told = float(row["start"].replace("\u2212", "-")), float(row["end"].replace("\u2212", "-"))
        assert told == pytest.approx((at["joint_limit"], at["mode"]), rel=0.06)
        assert row["n"] == str(at["n_obs"])
    assert [found["question"] for found in figure.told["findings"]] == list(answers(fits))


def test_that_a_factor_has_no_variance_is_why_its_levels_moved() -> None:
    frame = pd.DataFrame({"g": np.repeat([f"s{i}" for i in range(6)], 4)})
    # All means are equal: no variance is left for them.
    frame["y"] = np.tile([1.0, -1.0, 2.0, -2.0], 6) + np.repeat([0.1, -0.1, 0, 0, 0.05, -0.05], 4)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", frame).fit()
    fit.study("parameters")
    assert fit.tables.info["singular"][0]["rank"] == 0
    text = answers([fit.tables])["Who moved most, and why?"]["text"]
    assert text.endswith("; the fit leaves (Intercept) no variance.")


def test_title_is_of_the_factor_whose_levels_are_drawn() -> None:
    rng = np.random.default_rng(4)
    a, b = np.tile(np.arange(8), 30), np.repeat(np.arange(12), 20)
    y = 0.5 * rng.normal(size=8)[a] + 2.0 * rng.normal(size=12)[b] + rng.normal(size=240)
    data = pd.DataFrame({"y": y, "a": [f"a{i}" for i in a], "b": [f"b{i}" for i in b]})
    fit = ms.lmer("y ~ 1 + (1 | a) + (1 | b)", data)
    title = ms.charts.explorer(fit).title
    moved = answers([fit.tables])["Who moved most, and why?"]
    drawn = ("a", "b")[moved["set"]["factor"]]
    assert title.startswith(f"Shrinkage of {drawn}:")
    assert re.search(rf"; level {drawn}\d+ moves most$", title)


def test_when_it_was_over_is_recomputed_from_the_costs_of_stopping(fits: list[FitTables]) -> None:
    stopping = fits[0].require("stopping")
    measures = stopping[["beta", "std_error", "sigma", "modes"]].to_numpy()
    beyond = np.flatnonzero((measures > 1e-3).any(axis=1))
    where = int(beyond[-1]) + 2
    found = answers(fits)["When was it over?"]
    assert found["text"].startswith(f"From evaluation {where} of {len(stopping)} (full covariance)")
    assert f"{len(stopping) - where} evaluations came after" in found["text"]
    assert found["set"] == {"fit": 0, "at": where}


def test_what_stopping_costs_is_what_the_table_says_before_fine_tuning(
    fits: list[FitTables],
) -> None:
    trace, stopping = fits[0].require("trace"), fits[0].require("stopping")
    at = int(trace.loc[trace["phase"] == FINE_TUNING, "evaluation"].min()) - 1
    row = stopping[stopping["evaluation"] == at].iloc[0]
    found = answers(fits)["What would stopping have cost?"]
    assert found["set"]["at"] == at
    told = re.findall(r"(?:by|and a mode by) ([0-9.e−]+)", found["text"])
    numbers = [float(text.replace("−", "-")) for text in told]
    beta, sigma, modes = numbers
    assert beta == pytest.approx(row["beta"], rel=0.06, abs=1e-9)
    assert sigma == pytest.approx(100 * row["sigma"], rel=0.06)
    assert modes == pytest.approx(row["modes"], rel=0.06)
    assert f"saved {100 * (len(trace) - at) / len(trace):.0f}" in found["text"]


def test_what_the_correlation_bought_is_the_difference_of_two_fits(fits: list[FitTables]) -> None:
    rich, poor = fits[0].info, fits[1].info
    found = answers(fits)["What did the correlation buy?"]
    gain = poor["objective"] - rich["objective"]
    aic = rich["aic"] - poor["aic"]
    told = re.search(
        r"by ([0-9.]+) for 1 parameter more; AIC is ([0-9.]+) (higher|lower)", found["text"]
    )
    assert told is not None
    assert float(told[1]) == pytest.approx(gain, rel=0.01)
    assert float(told[2]) == pytest.approx(abs(aic), rel=0.01)
    assert told[3] == ("higher" if aic > 0 else "lower")
    assert found["set"]["fit"] == 1
    alone = answers(fits[:1])["What did the correlation buy?"]
    assert "structure='zerocorr'" in alone["text"]
    assert alone["set"] == {}
    assert "every factor has" not in alone["text"]
    none = answers(sleep_like(("full",), formula="y ~ 1 + x + (1 | g)", studies=STUDIES))
    assert "single random effect" in none["What did the correlation buy?"]["text"]


def test_which_structure_collapsed_is_what_the_fits_say(fits: list[FitTables]) -> None:
    ranks = [sum(entry["rank"] for entry in fit.info["singular"]) for fit in fits]
    assert ranks == [2, 2, 1]
    text = answers(fits)["Which structure collapsed?"]["text"]
    assert text == "None: the 3 fits keep 2 of 2, 2 of 2 and 1 of 1 dimensions."
    singular = [{**fits[0].info["singular"][0], "rank": 1, "singular": True}]
    fallen = replace(fits[0], info={**fits[0].info, "singular": singular})
    found = answers([fits[1], fallen])["Which structure collapsed?"]
    assert found["text"] == "Full covariance, rank 1 of 2 in g."
    assert found["set"]["fit"] == 1


# -- the page --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nasty() -> str:
    tables = sleep_like(names=NASTY, studies=STUDIES)
    tables[0].info["formula"] = "<b>y</b>"
    _, _, _, files, _ = explorer_chart(tables)
    return files["html"]().decode()


def test_text_of_the_data_cannot_leave_its_place(nasty: str) -> None:
    assert "<script>alert" not in nasty
    assert "<b>" not in nasty
    assert "<img src=x" not in nasty
    # Contents, Vega and the script of the page.
    assert nasty.count("</script>") == 3
    held = re.search(r'id="contents">([^<]*)<', nasty)
    assert held is not None
    contents = json.loads(zlib.decompress(base64.b64decode(held[1])))
    assert contents["factors"][0]["levels"] == sorted(NASTY)
    assert "&lt;b&gt;y&lt;/b&gt;" in nasty


def test_the_policy_lets_no_script_run_but_two(nasty: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', nasty)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert re.fullmatch(r"script-src 'sha256-\S{44}' 'sha256-\S{44}' 'unsafe-eval'", scripts)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", nasty)


def test_every_question_is_a_button_that_reads_as_text_without_scripts(nasty: str) -> None:
    assert nasty.count('<button type="button" data-finding=') == 5
    assert "<noscript>" in nasty
    assert 'src="data:image/png;base64,' in nasty


def test_page_is_light_and_the_same_for_the_same_fits(fits: list[FitTables]) -> None:
    first, second = (explorer_chart(fits)[3]["html"]() for _ in range(2))
    assert first == second
    assert len(first) < 1_500_000


@pytest.mark.parametrize("levels", [5, 60])
def test_levels_by_rank_have_whole_numbers_from_the_first_to_the_last(levels: int) -> None:
    tables = sleep_like(("full",), formula="y ~ 1 + x + (1 | g)", levels=levels, studies=STUDIES)
    svg = evaluated(explorer_chart(tables)[0].to_dict())
    axis = svg.partition(f"Y-axis titled '{levels} levels, by reference'")[2]
    labels = re.findall(r"<text[^>]*>([^<]+)</text>", axis.partition("role-axis-title")[0])
    assert len(labels) > 1
    assert {1 <= int(label) <= levels for label in labels} == {True}
