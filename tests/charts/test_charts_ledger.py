"""The ledger chart: what is drawn is what is stored, and its words are its numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference import dense

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.drawing import finish
from mixedscope.charts.kinds.ledger.chart import _apart, ledger_chart
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.tables.store import FitTables

FORMULA = "y ~ 1 + x + (1 + x | h) + (1 + z | g)"


def made(structure: str = "full", *, reml: bool = False) -> FitTables:
    model = ms.LinearMixedModel(FORMULA, dense.make_frame(8), structure=structure)
    return model.fit("pybobyqa", reml=reml).study("ledger")


@pytest.fixture(scope="module")
def full() -> FitTables:
    return made()


@pytest.fixture(scope="module")
def intercept() -> FitTables:
    return made("intercept")


def panels(fits: list[FitTables], **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    spec = ledger_chart(fits, **settings)[0].to_dict()
    return spec, spec["concat"] if len(fits) == 1 else spec["vconcat"][0]["concat"]


def rows(spec: dict[str, Any], part: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(spec["datasets"][part["data"]["name"]])


def test_areas_of_shares_are_the_stored_shares(full: FitTables) -> None:
    spec, (shares, *_) = panels([full])
    drawn = rows(spec, shares)
    stored = full.require("ledger_terms")
    for group, part in ((None, "observations (residual)"), ("h", "h"), ("g", "g")):
        whole = stored[stored["term"].isna()]
        own = whole[whole["group"].isna() if group is None else whole["group"] == group]
        area = drawn[drawn["part"] == part]
        height = (area["y"] - area["y0"]).to_numpy()[:-1]
        np.testing.assert_allclose(height, own["share"], atol=1e-5)
    assert drawn["y"].max() == pytest.approx(1.0)


def test_last_value_stays_until_the_last_evaluation(full: FitTables) -> None:
    spec, (shares, *_) = panels([full])
    drawn = rows(spec, shares)
    # A last evaluation that is the best of all is drawn one evaluation wide.
    improved = full.require("ledger")["evaluation"].max()
    assert drawn["x"].max() == max(full.require("trace")["evaluation"].max(), improved + 1)
    area = drawn[drawn["part"] == "g"]["y0"].to_numpy()
    assert area[-1] == area[-2]


def test_lines_are_the_deviations_of_observations_and_terms(full: FitTables) -> None:
    spec, (_, deviations, *_) = panels([full])
    stored = full.require("ledger_terms")
    last = stored[stored["evaluation"] == stored["evaluation"].max()]
    ends = {}
    for layer in deviations["layer"][:2]:
        drawn = rows(spec, layer)
        ends |= drawn.groupby("line")["y"].last().to_dict()
    expected = {
        f"{None if pd.isna(r.group) else r.group} {None if pd.isna(r.term) else r.term}": r.variance
        for r in last.itertuples()
        if pd.isna(r.group) or not pd.isna(r.term)
    }
    assert ends.keys() == expected.keys()
    for line, value in expected.items():
        assert ends[line] == pytest.approx(value**0.5, rel=1e-5, abs=1e-9)


def test_degrees_of_freedom_are_stacked_to_the_sum_of_leverages(full: FitTables) -> None:
    spec, (_, _, degrees, _) = panels([full])
    stored = full.require("ledger")
    drawn = rows(spec, degrees["layer"][0])
    top = drawn[drawn["part"] == "g"]["y"].to_numpy()[:-1]
    np.testing.assert_allclose(top, stored["edf"], rtol=1e-5)
    dashed = rows(spec, degrees["layer"][1])["y"].to_numpy()[:-1]
    np.testing.assert_allclose(dashed, stored["edf_fixed"] + stored["part_penalty"], rtol=1e-5)


def test_parts_of_the_objective_end_at_zero_and_add_up(full: FitTables) -> None:
    spec, (_, _, _, objective) = panels([full])
    whole, sigma, price = (rows(spec, layer)["y"] for layer in objective["layer"][:3])
    assert [whole.iloc[-1], sigma.iloc[-1], price.iloc[-1]] == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(sigma + price, whole, atol=1e-3)


def test_labels_keep_a_line_of_distance_and_their_order() -> None:
    pixels = [3.0, 50.0, 52.0, 51.0, 118.0, 119.0, 120.0]
    places = _apart(pixels, 120)
    ordered = np.array(places)[np.argsort(pixels)]
    assert (np.diff(ordered) >= 11 - 1e-9).all()
    assert ordered[0] == pytest.approx(5.5)
    assert ordered[-1] <= 121
    assert _apart([60.0], 120) == [60.0]


def test_caption_says_what_the_penalty_is_worth(full: FitTables) -> None:
    assert "a little more" in ledger_chart([full])[2]
    caption = ledger_chart([made(reml=True)])[2]
    assert "at a REML optimum is the same" in caption


def test_several_fits_have_common_vertical_axes(full: FitTables, intercept: FitTables) -> None:
    spec = ledger_chart([full, intercept])[0].to_dict()
    parts = spec["vconcat"][0]["concat"]
    assert len(parts) == 8
    for left, right in zip(parts[::2], parts[1::2], strict=True):
        both = [p["layer"][0] if "layer" in p else p for p in (left, right)]
        domains = [p["encoding"]["y"]["scale"]["domain"] for p in both]
        assert domains[0] == domains[1]
    assert [p["title"]["text"] for p in parts[:2]] == [["full covariance"], ["intercepts only"]]


def test_lines_of_several_fits_have_keys_by_panel(full: FitTables, intercept: FitTables) -> None:
    spec = ledger_chart([full, intercept])[0].to_dict()
    keys = spec["vconcat"][1:]
    told = [
        [row["text"] for row in rows(spec, key["layer"][-1]).to_dict("records")] for key in keys
    ]
    assert told == [
        ["SD of contribution", "observations, \u03c3", "(Intercept)", "x", "z"],
        ["degrees of freedom", "what the penalty is worth, in \u03c3\u00b2"],
        ["objective \u2212 final", "objective", "n log \u03c3\u00b2", "log-determinant"],
    ]
    drawn = spec["vconcat"][0]["concat"]
    dashes = {
        json.dumps(layer["mark"].get("strokeDash"))
        for panel in drawn[4:]
        for layer in panel["layer"]
        if layer["mark"]["type"] == "line"
    }
    keyed = {
        json.dumps(layer["mark"].get("strokeDash"))
        for key in keys[1:]
        for layer in key["layer"]
        if layer["mark"]["type"] == "rule"
    }
    assert dashes == keyed


def test_one_improvement_is_drawn(full: FitTables) -> None:
    short = replace(full, trace=full.require("trace").iloc[:1])
    first = full.require("ledger")["evaluation"].min()
    short.studies = {
        name: frame[frame["evaluation"] == first] if name.startswith("ledger") else frame
        for name, frame in full.studies.items()
    }
    spec, (shares, *_) = panels([short])
    assert rows(spec, shares)["x"].unique().tolist() == [1, 2]


def test_log_scale_is_a_choice(full: FitTables) -> None:
    _, (shares, *_) = panels([full], x_scale="log")
    assert shares["encoding"]["x"]["scale"]["type"] == "log"


def test_unknown_settings_are_named(full: FitTables) -> None:
    with pytest.raises(ModelError, match="cube"):
        ledger_chart([full], x_scale="cube")
    with pytest.raises(ModelError, match="Unknown theme"):
        ledger_chart([full], theme="dark")


def test_missing_study_is_named(full: FitTables) -> None:
    with pytest.raises(StoreError, match="ledger"):
        ledger_chart([FitTables(full.info, trace=full.trace)])


@pytest.mark.parametrize("theme", ["light", "print"])
def test_chart_compiles_to_a_picture(full: FitTables, intercept: FitTables, theme: str) -> None:
    import vl_convert as vlc

    chart = finish(*ledger_chart([full, intercept], theme=theme), theme=theme)
    assert vlc.vegalite_to_svg(to_spec(chart)).startswith("<svg")
