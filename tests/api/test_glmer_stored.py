"""Generalised fits as files: what is saved is read back, held to its data, and means the same."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.design.spec import ModelSpec
from mixedscope.tables.kinds.estimates import ESTIMATES
from mixedscope.tables.kinds.modes import MODES
from mixedscope.tables.kinds.trace import TRACE
from mixedscope.tables.table_files import read_table


@cache
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 160
    data = pd.DataFrame({"g": rng.integers(0, 16, n).astype(str), "x": rng.normal(size=n)})
    data["h"] = pd.Categorical(rng.integers(0, 7, n))  # categories that are numbers
    eta = 0.3 + 0.5 * data["x"] + rng.normal(size=16)[data["g"].astype(int)]
    eta += 0.6 * rng.normal(size=7)[data["h"].cat.codes]
    data["trials"] = rng.integers(1, 7, n)
    data["successes"] = rng.binomial(data["trials"], 1.0 / (1.0 + np.exp(-eta)))
    data["share"] = data["successes"] / data["trials"]
    answers = np.where(rng.random(n) < 1.0 / (1.0 + np.exp(-eta)), "no", "yes")
    data["answer"] = pd.Categorical(answers, ["yes", "no"])  # the second is the success
    data["count"] = rng.poisson(np.exp(eta))
    slopes = 0.5 * rng.normal(size=16)[data["g"].astype(int)]
    data["visits"] = rng.poisson(np.exp(eta + slopes * data["x"]))
    data["exposure"] = rng.uniform(0.5, 2.0, n)
    data["amount"] = rng.gamma(2.0, np.exp(eta) / 2.0)
    data["flat"] = np.tile([0, 1, 0, 1, 1, 0, 1, 0], 20)
    data["block"] = np.repeat(np.arange(20), 8).astype(str)
    return data


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "cbind": ("cbind(successes, trials - successes) ~ x + (1 | g)", {}),
    "weights": ("share ~ x + (1 | g)", {"weights": "trials"}),
    "categories": ("answer ~ x + (1 | g)", {"link": "probit", "information": "expected"}),
    "offset": ("visits ~ x + offset(log(exposure)) + (1 + x | g)", {"family": "poisson"}),
    "given": (
        "count ~ x + (1 | g)",
        {"family": "poisson", "offset": "values", "weights": "values", "subset": "values"},
    ),
    "nbinom": ("count ~ x + (1 | g)", {"family": "nbinom2"}),
    "gamma": ("amount ~ x + (1 | g)", {"family": "gamma", "structure": "zerocorr"}),
    "quadrature": ("answer ~ x + (1 | g)", {"quadrature": 7}),
    "singular": ("flat ~ x + (1 | block)", {}),
    "crossed": ("count ~ x + (1 | g) + (1 | h)", {"family": "poisson"}),
}


@cache
def fitted(name: str) -> ms.GeneralizedFit:
    formula, options = MODELS[name]
    n = len(frame())
    values: dict[str, Any] = {
        "offset": np.linspace(-1.0, 1.0, n),
        "weights": np.resize([1.0, 2.0], n),
        "subset": np.arange(n) % 10 != 3,
    }
    options = {k: values[k] if v == "values" else v for k, v in options.items()}
    return ms.glmer(formula, frame(), name=name, **options)


def loaded(name: str, directory: Path) -> ms.GeneralizedFit:
    fitted(name).save(directory)
    found = ms.load_fit(directory)
    assert isinstance(found, ms.GeneralizedFit)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    fit, again = fitted(name), loaded(name, tmp_path)
    assert again.name == name
    assert again.spec == fit.spec
    # Files first: numbers come from them, to the last digit.
    np.testing.assert_array_equal(again.theta, fit.theta)
    np.testing.assert_array_equal(again.beta, fit.beta)
    assert (again.objective, again.dof) == (fit.objective, fit.dof)
    assert again.dispersion == fit.dispersion
    assert str(again) == str(fit)
    for table in ("trace", "estimates", "modes", "modes_trace", "timing"):
        own, other = fit.tables.require(table), again.tables.require(table)
        pd.testing.assert_frame_equal(
            pd.DataFrame(own), pd.DataFrame(other), check_dtype=False, check_exact=True
        )
    # And then what takes the model, which was made again from the stored data.
    np.testing.assert_allclose(again.fitted(), fit.fitted(), rtol=1e-12)
    np.testing.assert_array_equal(again.parameters, fit.parameters)
    given = np.zeros(7) if name == "given" else None
    np.testing.assert_allclose(
        again.predict(frame().head(7), offset=given), fit.predict(frame().head(7), offset=given)
    )
    np.testing.assert_array_equal(again.simulate(2, seed=3), fit.simulate(2, seed=3))
    np.testing.assert_allclose(again.vcov, fit.vcov, rtol=1e-6)
    assert again.model.objective(again.parameters) == pytest.approx(fit.objective, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_tables_are_those_of_linear_fits_and_more(name: str, tmp_path: Path) -> None:
    fit = fitted(name)
    fit.save(tmp_path)
    for schema in (TRACE, ESTIMATES, MODES):
        table = read_table(tmp_path / f"{schema.kind}.parquet", schema)
        assert list(table.columns) == [*(schema.columns or ()), *schema.more]
    trace, info = fit.tables.require("trace"), json.loads((tmp_path / "fit.json").read_text())
    assert info["theta_names"] == list(fit.model.theta_names)
    assert trace["theta"].map(len).eq(len(fit.theta)).all()
    assert trace["beta"].map(len).eq(len(fit.beta)).all()
    # Three parts make the objective, at every evaluation.
    ok = trace[trace["status"] == "ok"]
    parts = ok["conditional_deviance"] + ok["penalty"] + ok["log_det"]
    np.testing.assert_allclose(parts, ok["objective"], rtol=1e-12)
    assert trace[["sigma", "residual_ss"]].isna().all(axis=None)
    assert trace["dispersion"].notna().all() == (fit.dispersion is not None)
    # A row of the trace is where it says: evaluated again it gives the same.
    row = ok.iloc[len(ok) // 2]
    point = np.concatenate([row["theta"], row["beta"]])
    if fit.dispersion is not None:
        point = np.append(point, np.log(row["dispersion"]))
    assert fit.model.objective(point) == pytest.approx(row["objective"], abs=1e-7)
    assert info["sigma"] is None
    assert (info["family"], info["link"]) == (fit.spec.family, fit.spec.link)
    assert info["certificate"] == fit.certificate
    modes = fit.tables.require("modes")
    assert modes["n_obs"].sum() == fit.nobs * sum(r.Z.shape[1] for r in fit.model.design.random)
    assert modes["joint_limit"].isna().all()


def test_standard_errors_are_those_of_the_delta_method() -> None:
    fit = fitted("offset")
    table = fit.estimates.set_index(["kind", "term"])
    point, covariance = fit.parameters.to_numpy(), fit.vcov.to_numpy()
    k = len(fit.theta)

    def measures(theta: np.ndarray) -> np.ndarray:
        factor = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
        square = factor @ factor.T
        sds = np.sqrt(np.diag(square))
        return np.array([*sds, square[0, 1] / sds.prod()])

    step = 1e-6
    slopes = [
        (measures(point[:k] + step * e) - measures(point[:k] - step * e)) / (2 * step)
        for e in np.eye(k)
    ]
    errors = np.sqrt(np.diag(np.transpose(slopes) @ covariance[:k, :k] @ slopes))
    found = fit.estimates[fit.estimates["kind"].isin(["sd", "correlation"])]
    np.testing.assert_allclose(found["estimate"], measures(point[:k]), rtol=1e-12)
    np.testing.assert_allclose(found["std_error"], errors, rtol=1e-6)
    np.testing.assert_allclose(
        table.loc["beta", "std_error"], np.sqrt(np.diag(covariance))[k:], rtol=1e-12
    )
    of_size = fitted("nbinom").estimates.query("kind == 'dispersion'").iloc[0]
    error = np.sqrt(fitted("nbinom").vcov.to_numpy()[-1, -1])
    assert of_size["term"] == "size"
    assert of_size["std_error"] == pytest.approx(of_size["estimate"] * error, rel=1e-12)


def test_at_an_end_of_its_range_nothing_has_a_standard_error() -> None:
    table = fitted("singular").estimates.set_index("kind")
    assert table.loc["sd", "estimate"] == pytest.approx(0.0, abs=1e-5)
    assert table.loc[["sd", "theta"], "std_error"].isna().all()
    assert table.loc["beta", "std_error"].notna().all()


def test_levels_without_a_finite_estimate_of_their_own_say_so() -> None:
    fit = fitted("categories")
    modes = fit.conditional_modes().set_index("level")
    success = frame()["answer"] == "no"
    share = success.groupby(frame()["g"]).mean().loc[modes.index]
    assert (modes["own_estimate"] == np.where(share.isin([0.0, 1.0]), "infinite", "finite")).all()
    endless = modes["own_estimate"] == "infinite"
    assert endless.any()
    np.testing.assert_array_equal(modes["direction"].notna(), endless)
    np.testing.assert_array_equal(modes.loc[endless, "direction"], 2 * share[endless] - 1)
    assert modes["within_group"].isna().equals(endless)
    # Always finite, and on the mode's side of it.
    assert modes["linearised"].notna().all()
    farther = (modes["linearised"] - modes["mode"]) * np.sign(modes["mode"])
    assert (farther > 0.0).all()


@pytest.mark.parametrize(
    ("name", "file", "change", "words"),
    [
        ("cbind", "fit.json", {"objective": 1.0}, "objective"),
        ("cbind", "fit.json", {"link": "probit"}, "give the objective|link"),
        ("nbinom", "fit.json", {"dispersion": {"name": "size", "value": 9.0, "log": 2.0}}, "disp"),
        ("cbind", "estimates", {"std_error": 2.0}, "std_error|p_value|lower|statistic"),
        ("offset", "estimates", {"estimate": 1.1}, "theta|objective|lower|statistic"),
    ],
)
def test_files_that_do_not_agree_are_refused(
    name: str, file: str, change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    fit = fitted(name)
    fit.save(tmp_path)
    if file == "fit.json":
        path = tmp_path / file
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    else:
        ((column, times),) = change.items()
        fit = ms.load_fit(tmp_path)  # type: ignore[assignment]
        table = fit._tables.estimates
        assert table is not None
        table[column] *= times
    found = ms.load_fit(tmp_path) if file == "fit.json" else fit
    with pytest.raises(StoreError, match=words):
        found.predict()


def test_a_specification_is_of_one_kind_of_model() -> None:
    with pytest.raises(ModelError, match="link goes with a family"):
        ModelSpec("y ~ 1 + (1 | g)", link="log")
    with pytest.raises(ModelError, match="there is no REML"):
        ModelSpec("y ~ 1 + (1 | g)", criterion="REML", family="poisson")
    with pytest.raises(ModelError, match="for linear models"):
        ModelSpec("y ~ 1 + (1 | g)", sigma=1.0, family="poisson")
    with pytest.raises(ModelError, match="of generalised models"):
        ms.LinearMixedModel.of(ModelSpec("count ~ 1 + (1 | g)", family="poisson"), frame())
    # Nothing is said of a family in what is stored of linear models.
    assert "family" not in ModelSpec("y ~ 1 + (1 | g)").described()


def test_optimisers_race_on_a_generalised_model() -> None:
    tables = fitted("categories").model.race(["auto", "nlopt-bobyqa"], starts=1)
    ends = tables["race_ends"]
    assert set(ends.loc[ends["point"] == "end", "same_optimum"]) == {True}
    best = fitted("categories").objective
    np.testing.assert_allclose(ends.loc[ends["point"] == "end", "objective"], best, atol=1e-6)
