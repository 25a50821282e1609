"""Simulated responses of families: their distribution, their columns, and the truth behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedscope as ms
from mixedscope.core.errors import DataError, FormulaError
from mixedscope.data.prepare import prepare_dataset
from mixedscope.data.simulate import Simulation, simulate_dataset
from mixedscope.data.true_parameters import true_parameters
from mixedscope.data.truth import effects_in_model, true_effects
from mixedscope.design.design import Design, design_of_frame
from mixedscope.families.registry import FAMILIES, make_family
from mixedscope.formula.parse import parse_formula

SPEC: dict[str, Any] = {
    "seed": 3,
    "formula": "y ~ 1 + c + (1 + c | g) + (1 | item)",
    "units": {"g": 12, "item": 8},
    "conditions": {"c": ["a", "b"]},
    "family": "poisson",
    "beta": {"(Intercept)": 0.5, "cb": 0.3},
    "random": {"g": {"sd": [0.6, 0.3], "correlations": -0.4}, "item": {"sd": 0.2}},
}


def flat(family: str, link: str, eta: float, **keys: Any) -> dict[str, Any]:
    """20,000 rows of one linear predictor."""
    return {
        "seed": 8, "formula": "y ~ 1 + (1 | g)", "units": {"g": 20_000}, "family": family,
        "link": link, "beta": eta, "random": {"g": {"sd": 0}}, **keys,
    }  # fmt: skip


CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "logit": (flat("binomial", "logit", 0.7), stats.bernoulli(special.expit(0.7))),
    "probit": (flat("binomial", "probit", -0.4), stats.bernoulli(stats.norm.cdf(-0.4))),
    "cloglog": (flat("binomial", "cloglog", 0.2), stats.bernoulli(1 - np.exp(-np.exp(0.2)))),
    "log of a probability": (flat("binomial", "log", -1.1), stats.bernoulli(np.exp(-1.1))),
    "trials": (
        flat("binomial", "logit", 0.7, trials=9, formula="cbind(y, n) ~ 1 + (1 | g)"),
        stats.binom(9, special.expit(0.7)),
    ),
    "poisson": (flat("poisson", "log", 1.2), stats.poisson(np.exp(1.2))),
    "poisson, sqrt": (flat("poisson", "sqrt", 1.5), stats.poisson(2.25)),
    "nbinom2": (
        flat("nbinom2", "log", 1.0, dispersion=2.5), stats.nbinom(2.5, 2.5 / (2.5 + np.exp(1.0))),
    ),
    "nbinom1": (
        flat("nbinom1", "log", 1.0, dispersion=0.8), stats.nbinom(np.exp(1.0) / 0.8, 1 / 1.8),
    ),
    "gamma": (flat("gamma", "log", 2.0, dispersion=3.0), stats.gamma(3.0, scale=np.exp(2.0) / 3)),
    "beta": (
        flat("beta", "logit", 0.7, dispersion=4.0),
        stats.beta(4 * special.expit(0.7), 4 * special.expit(-0.7)),
    ),
    "gamma, inverse": (
        flat("gamma", "inverse", 0.5, dispersion=3.0), stats.gamma(3.0, scale=2.0 / 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_responses_have_the_distribution_of_their_family(name: str) -> None:
    spec, known = CASES[name]
    y = simulate_dataset(spec).frame["y"].to_numpy(dtype=float)
    mean, variance, _, excess = (float(value) for value in known.stats(moments="mvsk"))
    n = len(y)
    assert abs(y.mean() - mean) < 5 * np.sqrt(variance / n)
    of_variance = variance * np.sqrt((excess + 2) / n)
    assert abs(y.var() - variance) < 5 * of_variance
    # Its values, too: the share of those up to the median.
    share = float(known.cdf(known.median()))
    assert abs((y <= known.median()).mean() - share) < 5 * np.sqrt(share * (1 - share) / n) + 1e-12


def test_every_family_can_be_simulated() -> None:
    assert {make_family(spec["family"]).name for spec, _ in CASES.values()} == set(FAMILIES)


def test_the_mean_is_that_of_the_linear_predictor() -> None:
    made = simulate_dataset({**SPEC, "family": "gamma", "dispersion": 1e9})
    y = made.frame["y"].to_numpy()
    np.testing.assert_allclose(np.log(y), made.predictor, atol=6 / np.sqrt(1e9))
    assert made.sigma is None
    assert made.dispersion == 1e9


def test_offsets_of_the_formula_are_part_of_the_linear_predictor() -> None:
    spec = {
        **SPEC, "formula": "y ~ 1 + c + offset(x) + (1 + c | g) + (1 | item)",
        "covariates": {"x": {"sd": 2}}, "family": "gamma", "dispersion": 1e9,
    }  # fmt: skip
    made, without = simulate_dataset(spec), simulate_dataset({**SPEC, "covariates": {}})
    difference = np.log(made.frame["y"].to_numpy()) - without.predictor
    np.testing.assert_allclose(difference, made.frame["x"], atol=6 / np.sqrt(1e9))


def test_columns_of_trials_are_those_of_the_formula() -> None:
    binomial = {**SPEC, "family": "binomial", "trials": {"min": 2, "max": 6}}
    left = "y ~ 1 + c + (1 + c | g) + (1 | item)"
    both = simulate_dataset(
        {**binomial, "formula": left.replace("y", "cbind(right, wrong)", 1)}
    ).frame
    total = both["right"] + both["wrong"]
    assert set(total) == {2, 3, 4, 5, 6}
    assert (both[["right", "wrong"]] >= 0).all(axis=None)
    share = simulate_dataset({**binomial, "formula": left.replace("y", "right / asked", 1)}).frame
    pd.testing.assert_series_equal(share["asked"], total, check_names=False)
    pd.testing.assert_series_equal(share["right"], both["right"])
    own = simulate_dataset(
        {
            **binomial, "formula": left.replace("y", "right / asked", 1), "trials": None,
            "conditions": {**SPEC["conditions"], "asked": {"values": [3, 11]}},
        }
    ).frame  # fmt: skip
    assert set(own["asked"]) == {3, 11}
    assert (own["right"] <= own["asked"]).all()
    assert own.loc[own["asked"] == 11, "right"].max() > 3
    assert simulate_dataset({**SPEC, "family": "binomial"}).frame["y"].isin([0, 1]).all()


def test_counts_are_whole_numbers_in_the_table() -> None:
    assert simulate_dataset(SPEC).frame["y"].dtype == np.int64
    hidden = simulate_dataset({**SPEC, "missing": {"y": 0.1}}).frame["y"]
    assert hidden.isna().sum() == round(0.1 * len(hidden))


def test_what_is_drawn_does_not_depend_on_other_quantities() -> None:
    one = simulate_dataset(SPEC)
    two = simulate_dataset({**SPEC, "covariates": {"z": {}}})
    np.testing.assert_array_equal(one.frame["y"], two.frame["y"])
    normal = simulate_dataset({**SPEC, "family": None, "sigma": 1})
    pd.testing.assert_frame_equal(one.effects, normal.effects)
    np.testing.assert_array_equal(one.predictor, normal.predictor)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"family": "poison"}, "'poisson'"),
        ({"family": "gaussian"}, "leave family out"),
        ({"link": "logit"}, "The family 'poisson' has the links log, identity, sqrt"),
        ({"family": None}, "'sigma' is missing"),
        ({"family": None, "sigma": 1, "link": "log"}, "'link' belongs to a family"),
        ({"family": None, "sigma": 1, "trials": 3}, "'trials' belongs to a family"),
        ({"sigma": 1}, "'sigma' is the residual standard deviation of a normal response"),
        ({"sigma": 1, "family": "gamma"}, "say its shape as 'dispersion'"),
        ({"dispersion": 1}, "the family 'poisson' has no 'dispersion'"),
        ({"family": "nbinom2"}, "'dispersion' is missing, the size of the family 'nbinom2'"),
        ({"family": "gamma", "dispersion": 0}, "'dispersion' must be a number above 0"),
        ({"family": "binomial", "trials": 3}, "cbind(successes, failures) or successes / trials"),
        ({"family": "binomial", "trials": 0}, "'trials' must be a whole number from 1"),
        (
            {"family": "binomial", "trials": {"min": 0, "max": 3}},
            "'trials' must be a whole number from 1",
        ),
        ({"formula": "cbind(y, n) ~ 1 + c + (1 + c | g) + (1 | item)"}, "must be a plain name"),
        (
            {"family": "binomial", "formula": "cbind(y, n) ~ 1 + c + (1 + c | g) + (1 | item)"},
            "'trials' is missing: of how many trials are the 'y'?",
        ),
        (
            {"family": "binomial", "formula": "cbind(y, y) ~ 1 + c + (1 + c | g) + (1 | item)"},
            "of plain names",
        ),
        (
            {"family": "binomial", "formula": "c / y ~ 1 + c + (1 + c | g) + (1 | item)",
             "trials": 4},
            "the response 'c' is also a unit, condition or covariate",
        ),
        ({"link": "identity"}, "rows have no mean"),
        ({"beta": [60, 0]}, "beyond what can be drawn"),
        ({"link": "sqrt", "beta": [-3, 0]}, "have no mean"),
        ({"family": "gamma", "dispersion": 0.001}, "must be above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_is_said_in_one_message(keys: dict[str, Any], words: str) -> None:
    with pytest.raises((DataError, FormulaError)) as caught:
        simulate_dataset({**SPEC, **keys})
    assert words in str(caught.value)


def test_trials_of_a_column_are_whole_numbers() -> None:
    spec = {
        **SPEC, "family": "binomial", "formula": "y / m ~ 1 + c + (1 + c | g) + (1 | item)",
        "covariates": {"m": {"distribution": "uniform", "low": 1, "high": 5}},
    }  # fmt: skip
    with pytest.raises(DataError, match="the trials 'm' must be whole numbers from 1"):
        simulate_dataset(spec)
    spec["covariates"]["m"]["round"] = 0
    assert (simulate_dataset(spec).frame.eval("y <= m")).all()


# -- truth --------------------------------------------------------------------------------------


def designed(frame: pd.DataFrame, formula: str = SPEC["formula"], contrasts: Any = None) -> Design:
    return design_of_frame(
        parse_formula(formula), frame, structure="full", contrasts=contrasts, weights=None,
        of_family=True,
    )  # fmt: skip


def truths(simulation: Simulation, design: Design, family: str = "poisson") -> dict[str, float]:
    origin = np.arange(len(simulation.frame))
    found = true_parameters(
        simulation, design, range(design.X.shape[1]), make_family(family), origin
    )
    return {" ".join(part for part in key if part): value for key, value in found.items()}


def test_the_model_of_the_simulation_has_its_numbers_exactly() -> None:
    spec = {**SPEC, "family": "nbinom2", "dispersion": 4}
    made = simulate_dataset(spec)
    expected = {
        "beta (Intercept)": 0.5, "beta cb": 0.3, "sd g (Intercept)": 0.6, "sd g cb": 0.3,
        "correlation g (Intercept) cb": -0.4, "sd item (Intercept)": 0.2, "dispersion size": 4.0,
    }  # fmt: skip
    assert truths(made, designed(made.frame), "nbinom2") == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ 1 + c + (1 | g) + (1 | item)",
        "y ~ 1 + c + (1 + c | g)",
        "y ~ 1 + (1 + c | g) + (1 | item)",
    ],
)
def test_a_model_that_leaves_something_out_has_no_truth_on_its_scale(formula: str) -> None:
    made = simulate_dataset(SPEC)
    assert truths(made, designed(made.frame, formula)) == {}


def test_another_coding_has_the_truth_of_what_it_means() -> None:
    made = simulate_dataset(SPEC)
    found = truths(made, designed(made.frame, contrasts={"c": "sum"}))
    assert found["beta (Intercept)"] == pytest.approx(0.65)
    assert found["beta c1"] == pytest.approx(-0.15)


def test_a_model_of_another_family_or_link_has_no_truth() -> None:
    made = simulate_dataset(SPEC)
    design = designed(made.frame)
    origin = np.arange(len(made.frame))
    for family in (make_family("nbinom2"), make_family("poisson", "sqrt"), None):
        assert effects_in_model(made, design, family, origin) is None
        assert true_parameters(made, design, range(2), family, origin) == {}


def test_true_effects_are_those_drawn_and_rows_are_known_by_their_places() -> None:
    made = simulate_dataset({**SPEC, "missing": {"y": 0.2}})
    design = designed(made.frame)
    truth = true_effects({**SPEC, "missing": {"y": 0.2}}, design, make_family("poisson"), 192)
    assert truth is not None
    np.testing.assert_array_equal(truth.predictor, made.predictor[design.rows])
    drawn = made.effects.query("group == 'g'")["effect"].to_numpy().reshape(12, 2)
    np.testing.assert_allclose(truth.effects[0], drawn, atol=1e-12)


def test_rows_that_are_not_those_of_the_simulation_have_no_truth() -> None:
    made = simulate_dataset(SPEC)
    family = make_family("poisson")
    origin = np.arange(len(made.frame))
    part = made.frame.iloc[3:].reset_index(drop=True)
    design = designed(part)
    # Fewer rows than were simulated: none is known by its place, unless it is said which they are.
    assert true_effects(SPEC, design, family, len(part)) is None
    assert effects_in_model(made, design, family, origin) is None
    found = effects_in_model(made, design, family, origin[3:])
    assert found is not None
    np.testing.assert_array_equal(found.predictor, made.predictor[3:])
    changed = made.frame.assign(y=made.frame["y"] + 1)
    design = designed(changed)
    assert true_effects(SPEC, design, family, len(changed)) is None


def test_stored_data_tell_how_they_were_simulated() -> None:
    prepared = prepare_dataset({"simulate": SPEC})
    assert prepared.description["simulate"] == SPEC
    pd.testing.assert_frame_equal(prepared.frame, simulate_dataset(SPEC).frame)
    loaded = ms.load_dataset({"simulate": SPEC})
    np.testing.assert_array_equal(loaded["y"], prepared.frame["y"])


def test_a_fit_of_many_rows_finds_the_truth() -> None:
    spec = {
        **SPEC, "family": "nbinom2", "dispersion": 3, "units": {"g": 60, "item": 10},
        "random": {"g": {"sd": [0.6, 0.3], "correlations": 0.3}, "item": {"sd": 0.4}},
    }  # fmt: skip
    made = simulate_dataset(spec)
    fit = ms.glmer(SPEC["formula"], made.frame, "nbinom2")
    effects = fit.fixed_effects().set_index("term")
    for name, value in made.beta.items():
        row = effects.loc[name]
        assert abs(row["estimate"] - value) < 4 * row["std_error"]
    names = list(fit.parameters.index)
    error = np.sqrt(fit.vcov.loc[names[-1], names[-1]])
    assert abs(fit.parameters.iloc[-1] - np.log(3)) < 4 * error
