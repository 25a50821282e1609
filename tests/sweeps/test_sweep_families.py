"""Sweeps over generalised models: their runs are the fits of the library, their truth is known."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import mixedscope as ms
from mixedscope.core.errors import ConfigError
from mixedscope.data.simulate import simulate_dataset
from mixedscope.summaries.performance import performance
from mixedscope.sweeps.config import SweepConfig
from mixedscope.sweeps.grid import Run, expand
from mixedscope.sweeps.run import execute
from mixedscope.sweeps.table import gather
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


def runs_of(sweep: dict[str, Any], simulate: dict[str, Any] | None = None) -> list[Run]:
    content = deepcopy(CONFIG)
    content["datasets"]["d"]["simulate"] |= simulate or {}
    known = definitions_of(validate_config(content))
    return expand(SweepConfig.model_validate(sweep), known)


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
        (
            {"grid": {"intervals": ["satterthwaite"]}},
            ["intervals: satterthwaite", "give wald or profile"],
        ),
        (
            {"grid": {"tests": ["residual"]}},
            ["tests: residual", "give none or likelihood-ratio"],
        ),
        ({"grid": {"tests": ["likelihood_ratio"]}}, ["Did you mean 'likelihood-ratio'"]),
    ],
)
def test_what_is_of_linear_models_is_refused_in_a_sentence(
    sweep: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        validate_config({**CONFIG, "sweeps": {"s": sweep}})
    for word in ["sweeps.s", *words]:
        assert word in str(caught.value)


def test_measures_of_linear_models_are_refused_where_every_model_has_a_family() -> None:
    sweep = {
        "grid": {"structure": ["full", "intercept"]},
        "charts": [{"x": "structure", "y": "sigma"}],
    }
    with pytest.raises(ConfigError, match="'sigma' is measured of linear models"):
        validate_config({**CONFIG, "sweeps": {"s": sweep}})


def test_likelihood_ratios_are_of_families_alone() -> None:
    content = deepcopy(CONFIG)
    content["datasets"]["d"]["simulate"] |= {"sigma": 1.0, "formula": "y ~ 1 + c + (1 + c | g)"}
    for key in ("family", "trials"):
        del content["datasets"]["d"]["simulate"][key]
    del content["models"]["m"]["family"]
    content["models"]["m"]["formula"] = "y ~ 1 + c + (1 + c | g)"
    sweep = {"grid": {"tests": ["likelihood-ratio"]}}
    with pytest.raises(ConfigError, match=r"tests: likelihood-ratio is of models with a family"):
        validate_config({**content, "sweeps": {"s": sweep}})
    sweep = {"grid": {"tests": ["none"]}}
    validate_config({**content, "sweeps": {"s": sweep}})


#: Of levels that differ in intercepts alone, so that the truth is that of a model of intercepts.
INTERCEPTS: dict[str, Any] = {
    "formula": "cbind(right, wrong) ~ 1 + c + (1 | g)",
    "random": {"g": {"sd": [0.8]}},
}
INFERENCE: dict[str, Any] = {
    "fixed": {"structure": "intercept", "level": 0.9, "intervals": "profile"},
    "grid": {"tests": ["likelihood-ratio", "none"]},
    "hypotheses": ["cb = -0.5", "cb = 0, (Intercept) = 0.4"],
    "replicates": 1,
}


def test_profiles_and_likelihood_ratios_of_a_run_are_those_of_fits() -> None:
    by_ratio, by_wald = runs_of(INFERENCE, INTERCEPTS)
    table = execute([by_ratio.spec, by_wald.spec], [by_ratio.id, by_wald.id])[0]
    ratio, wald = table.iloc[0], table.iloc[1]
    frame = simulate_dataset(by_ratio.spec["data"]["dataset"]["simulate"]).frame
    response, random = "cbind(right, wrong)", "(1 | g)"
    fit = ms.glmer(f"{response} ~ 1 + c + {random}", frame)
    own = fit.confint(0.9, "profile")
    for end in ("lower", "upper"):
        np.testing.assert_allclose(ratio[end], own[end], rtol=1e-6, atol=1e-7)
    # Coefficients, the term, hypotheses; each restriction as a fit of its own.
    frame = frame.assign(x=np.where(frame["c"] == "b", 1.0, 0.0), one=1.0)
    restricted = {
        "(Intercept)": f"{response} ~ 0 + x + {random}",
        "cb": f"{response} ~ 1 + {random}",
        "term c": f"{response} ~ 1 + {random}",
        "cb = -0.5": f"{response} ~ 1 + offset(-0.5 * x) + {random}",
        "cb = 0, (Intercept) = 0.4": f"{response} ~ 0 + offset(0.4 * one) + {random}",
    }
    names = json.loads(ratio["test_names"])
    assert names == list(restricted)
    for at, name in enumerate(names):
        poorer = ms.glmer(restricted[name], frame)
        rise = poorer.objective - fit.objective
        found = ratio["statistic"][at]
        # Of one contrast the signed root, as z; of several chi-squared.
        assert (found**2 if at in (0, 1, 3) else found) == pytest.approx(rise, rel=1e-5, abs=1e-6)
        df = ratio["num_df"][at]
        assert ratio["p_value"][at] == pytest.approx(chi2.sf(rise, df), rel=1e-4)
    assert ratio["null_true"].tolist() == wald["null_true"].tolist() == [0, 0, 0, 1, 0]
    single, term = fit.fixed_effects(), fit.anova()
    np.testing.assert_allclose(
        wald["p_value"][:3], [*single["p_value"], *term["p_value"]], rtol=1e-5
    )
    joint = fit.test(INFERENCE["hypotheses"][1])["p_value"].iloc[0]
    assert wald["p_value"][4] == pytest.approx(joint, rel=1e-5)


def test_runs_at_infinity_have_ratios_and_open_intervals_and_no_wald_test() -> None:
    grid = {"tests": ["likelihood-ratio", "none"], "intervals": ["profile"]}
    sweep = {"grid": grid, "fixed": {"structure": "intercept"}, "replicates": 1}
    truth = {"(Intercept)": 0.4, "cb": 40.0}
    runs = runs_of(sweep, {**INTERCEPTS, "trials": 1, "units": {"g": 12}, "beta": truth})
    table = execute([run.spec for run in runs], [run.id for run in runs])[0]
    ratio, wald = table.iloc[0], table.iloc[1]
    assert set(table["verdict"]) == {"at infinity"}
    at = json.loads(ratio["test_names"]).index("cb")
    assert np.isnan(wald["p_value"][at])
    assert "without a finite estimate" in wald["test_remarks"]
    assert 0.0 < ratio["p_value"][at] < 0.01
    own = json.loads(ratio["interval_names"]).index("cb")
    assert np.isfinite(ratio["lower"][own])
    assert ratio["upper"][own] == ratio["interval_estimates"][own] == np.inf
    assert "no upper end" in ratio["interval_remarks"]
    told = [[run.id, 1, run.keys] for run in runs]
    found = performance(gather(told, [table]))
    row = found[(found["quantity"] == "interval") & (found["name"] == "cb")].iloc[0]
    assert (row["runs"], row["missing"]) == (1, 0)
    assert row["coverage"] == 1.0
    assert row["mean"] == row["width"] == np.inf
    assert pd.isna(row["width_se"])
    tested = found[(found["quantity"] == "test") & (found["name"] == "cb")]
    assert tested.set_index("tests")["missing"].to_dict() == {"likelihood-ratio": 0, "none": 1}
