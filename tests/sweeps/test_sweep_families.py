"""Sweeps over generalised models: their runs are the fits of the library, their truth is known."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ConfigError
from mixedscope.data.simulate import simulate_dataset
from mixedscope.sweeps.config import SweepConfig
from mixedscope.sweeps.grid import Definitions, Run, expand
from mixedscope.sweeps.run import execute
from mixedscope.workflow.config.model import definitions_of, validate_config

FORMULA = "cbind(right, wrong) ~ 1 + c + (1 + c | g)"
CONFIG: dict[str, Any] = {
    "seed": 4,
    "datasets": {
        "d": {
            "simulate": {
                "family": "binomial", "trials": {"min": 3, "max": 9}, "formula": FORMULA,
                "units": {"g": 30}, "conditions": {"c": ["a", "b"]}, "replicates": 3,
                "beta": {"(Intercept)": 0.4, "cb": -0.5},
                "random": {"g": {"sd": [0.8, 0.4]}},
            }
        }
    },
    "optimizers": {"auto": {}, "bobyqa": {"backend": "nlopt-bobyqa"}},
    "models": {
        "m": {
            "dataset": "d", "formula": FORMULA, "family": "binomial",
            "structures": ["full", "intercept"], "optimizers": ["auto", "bobyqa"],
        }
    },
}  # fmt: skip
SWEEP: dict[str, Any] = {
    "grid": {"structure": ["full", "intercept"], "optimizer": ["auto", "bobyqa"]},
    "points": [{"share": 0.5, "of": "g"}],
    "fixed": {"intervals": "wald"},
    "replicates": 2,
}


def definitions(**model: Any) -> Definitions:
    content = {**CONFIG, "models": {"m": {**CONFIG["models"]["m"], **model}}}
    return definitions_of(validate_config(content))


def runs_of(sweep: dict[str, Any]) -> list[Run]:
    return expand(SweepConfig.model_validate(sweep), definitions())


@pytest.fixture(scope="module")
def table() -> tuple[list[Run], pd.DataFrame]:
    runs = runs_of(SWEEP)
    return runs, execute([run.spec for run in runs], [run.id for run in runs])[0]


def test_a_run_is_the_fit_that_the_library_makes(table: tuple[list[Run], pd.DataFrame]) -> None:
    runs, results = table
    assert results["error"].isna().all()
    run, row = runs[0], results.iloc[0]
    frame = simulate_dataset(run.spec["data"]["dataset"]["simulate"]).frame
    fit = ms.glmer(FORMULA, frame)
    assert row["objective"] == pytest.approx(fit.objective, abs=1e-8)
    effects = fit.fixed_effects()
    np.testing.assert_allclose(row["beta"], effects["estimate"], rtol=1e-9)
    np.testing.assert_allclose(row["beta_se"], effects["std_error"], rtol=1e-6)
    sds = fit.variance_components().query("kind == 'sd'")["estimate"]
    np.testing.assert_allclose(row["sd"], sds, rtol=1e-9)
    assert row["n_theta"] == len(row["theta"]) == 3
    assert json.loads(row["beta_names"]) == ["(Intercept)", "cb"]
    assert row["evaluations"] == fit.n_evaluations
    assert np.isnan(row["sigma"])
    modes = fit.conditional_modes()
    reliability = 1 - modes.assign(v=modes["std_dev"] ** 2).groupby("term", sort=False)[
        "v"
    ].mean().to_numpy() / np.square(sds.to_numpy())
    np.testing.assert_allclose(row["kept"], np.maximum(reliability, 0.0), rtol=1e-7)


def test_runs_are_held_against_the_truth(table: tuple[list[Run], pd.DataFrame]) -> None:
    runs, results = table
    for run, row in zip(runs, results.to_dict("records"), strict=True):
        own = run.keys["structure"] == "full"
        known = np.isfinite(np.asarray(row["beta_deviation"], dtype=float))
        # What leaves the slopes of levels out is on another scale.
        assert known.all() if own else not known.any()
        if not own:
            continue
        np.testing.assert_allclose(
            np.asarray(row["beta"]) - row["beta_deviation"], [0.4, -0.5], atol=1e-12
        )
        np.testing.assert_allclose(
            np.asarray(row["sd"]) - row["sd_deviation"], [0.8, 0.4], atol=1e-12
        )
        simulation = simulate_dataset(run.spec["data"]["dataset"]["simulate"])
        drawn = simulation.effects["effect"].to_numpy().reshape(-1, 2)
        assert np.min(row["mode_rmse"]) > 0.0
        # No farther from the truth than a guess of no effects, by much.
        assert (np.asarray(row["mode_rmse"]) < 1.3 * np.sqrt((drawn**2).mean(axis=0))).all()


def test_wald_intervals_of_a_run_are_those_of_the_fit_and_know_their_truth(
    table: tuple[list[Run], pd.DataFrame],
) -> None:
    runs, results = table
    row = results.iloc[0]
    frame = simulate_dataset(runs[0].spec["data"]["dataset"]["simulate"]).frame
    effects = ms.glmer(FORMULA, frame).fixed_effects()
    names = json.loads(row["interval_names"])
    for end in ("lower", "upper"):
        got = dict(zip(names, row[end], strict=True))
        for term, value in zip(effects["term"], effects[end], strict=True):
            assert got[term] == pytest.approx(value, rel=1e-6)
    truths = dict(zip(names, row["interval_truths"], strict=True))
    assert [truths[name] for name in ("(Intercept)", "cb")] == [0.4, -0.5]


def test_runs_of_one_objective_end_at_one_value(table: tuple[list[Run], pd.DataFrame]) -> None:
    runs, results = table
    by: dict[str, list[float]] = {}
    for run, value in zip(runs, results["objective"], strict=True):
        by.setdefault(run.objective, []).append(value)
    assert max(max(v) - min(v) for v in by.values()) < 1e-6


def test_results_do_not_depend_on_how_runs_are_batched(
    table: tuple[list[Run], pd.DataFrame],
) -> None:
    runs, results = table
    for at in (1, len(runs) - 1):
        alone = execute([runs[at].spec], [runs[at].id])[0]
        pd.testing.assert_frame_equal(alone, results.iloc[[at]].reset_index(drop=True))


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"grid": {"criterion": ["ML", "REML"]}}, ["criterion: REML", "'binomial'", "give ML"]),
        ({"grid": {"intervals": ["satterthwaite"]}}, ["intervals: satterthwaite", "give wald"]),
        ({"grid": {"tests": ["none"]}}, ["tests: none", "leave the key out"]),
    ],
)
def test_what_is_of_linear_models_is_refused_in_a_sentence(
    sweep: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_config({**CONFIG, "sweeps": {"s": sweep}})
    for word in ["sweeps.s", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("measure", ["sigma", "rejection"])
def test_measures_of_linear_models_are_refused_where_every_model_has_a_family(measure: str) -> None:
    chart = {"x": "structure", "y": measure}
    if measure == "rejection":
        chart["where"] = {"effect": "cb"}
    sweep = {"grid": {"structure": ["full", "intercept"]}, "charts": [chart]}
    with pytest.raises(ConfigError, match=f"{measure!r} is measured of linear models"):
        validate_config({**CONFIG, "sweeps": {"s": sweep}})
