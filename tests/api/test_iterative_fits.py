"""Fits with solver='iterative' as users meet them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.caterpillar.chart import caterpillar_chart
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.optimize import estimated

FORMULA = "y ~ x + (1|u) + (1|i)"
MORE = "y ~ x + z + (1|u) + (1|i)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    n, users, items = 5000, 700, 120
    u, i, x = rng.integers(0, users, n), rng.integers(0, items, n), rng.normal(size=n)
    y = 0.2 * x + 0.6 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=items)[i]
    frame = pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "z": rng.normal(size=n)})
    j = pd.Categorical(rng.integers(0, 90, n))
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i), j=j)


@pytest.fixture(scope="module")
def fit(data):
    return ms.LinearMixedModel(FORMULA, data, solver="iterative").fit()


@pytest.fixture(scope="module")
def exact(data):
    return ms.LinearMixedModel(FORMULA, data).fit()


def test_estimates_are_those_of_the_exact_engine(fit, exact):
    told = fit.certificate["probe_error"]
    assert abs(fit.objective - exact.objective) < 4.5 * told["objective"]
    np.testing.assert_allclose(fit.theta, exact.theta, atol=5e-4)
    np.testing.assert_allclose(fit.beta, exact.beta, atol=1e-5)
    np.testing.assert_allclose(fit.bse_fe, exact.bse_fe, rtol=1e-4)
    found, expected = fit.conditional_modes(), exact.conditional_modes()
    np.testing.assert_allclose(found["mode"], expected["mode"], atol=2e-3)
    # Of 120 items all conditional errors are there, of 700 people those of 200.
    known = found["std_dev"].notna().to_numpy()
    np.testing.assert_allclose(found["std_dev"][known], expected["std_dev"][known], rtol=1e-3)
    assert known[(found["group"] == "i").to_numpy()].all()
    people = found[found["group"] == "u"].sort_values("mode", ignore_index=True)
    told = np.flatnonzero(people["std_dev"].notna())
    assert len(told) == 200
    assert set(told) >= {*range(20), *range(len(people) - 20, len(people))}
    assert np.diff(told).max() <= 5


def test_blocks_and_print_say_how_it_was_solved_and_how_far_it_is_known(fit):
    words = str(fit.model.blocks())
    assert "conjugate gradients for i, as solver='iterative' asks for" in words
    assert "32 random probes" in words
    assert "optimum to within probe error: theta is within" in str(fit)
    assert "Solved by conjugate gradients, as solver='iterative' asks for." in str(fit)


def test_blocks_name_all_factors_that_are_iterated():
    rng = np.random.default_rng(8)
    n = 3000
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n)})
    for name, levels in (("u", 900), ("i", 250), ("s", 220), ("k", 4)):
        data[name] = pd.Categorical(rng.integers(0, levels, n))
    formula = "y ~ x + (1|u) + (1 + x|i) + (1|s) + (1|k)"
    words = str(ms.LinearMixedModel(formula, data, solver="iterative").blocks())
    assert "eliminated level by level: u; then conjugate gradients for i and s" in words
    assert words.count("Iterated") == 2


def test_slopes_of_the_iterated_factor_are_not_compared_by_other_probes(data, fit):
    more = ms.LinearMixedModel("y ~ x + (1|u) + (1 + x|i)", data, solver="iterative").fit()
    with pytest.raises(ModelError, match="with the same columns"):
        ms.lrtest(fit, more)


def test_no_solver_but_the_one_asked_for_is_taken(data):
    words = str(ms.LinearMixedModel(FORMULA, data).blocks())
    assert "conjugate" not in words


def test_a_stored_fit_comes_back(fit, data, tmp_path):
    fit.save(tmp_path / "fit")
    found = ms.load_fit(tmp_path / "fit")
    assert found.certificate == fit.certificate
    trace = found.trace
    for name in ("objective_se", "cg_iterations", "cg_residual", "probes"):
        assert trace[name].notna().all()
    assert all(len(errors) == 2 for errors in trace["gradient_se"])
    # The model is made again, and its numbers are held to those stored.
    assert found.evaluate().objective == pytest.approx(fit.objective, abs=1e-8)
    assert found.spec.solver == "iterative"


@pytest.mark.parametrize(
    "what",
    [
        lambda f: f.conditional_covariances(),
        lambda f: f.profile(),
        lambda f: f.parametric_bootstrap(2),
        lambda f: f.refit_many(np.asarray(f.model.design.y)[None]),
        lambda f: f.influence(),
        lambda f: f.leverage(),
        lambda f: f.drop1(),
        lambda f: f.predict(se=True),
        lambda f: f.means("x"),
        lambda f: f.study("ledger"),
        lambda f: f.study("pooling"),
        lambda f: f.confint(method="profile"),
        lambda f: ms.cross_validate(f.model, by="u"),
        lambda f: ms.lrtest(f),
    ],
)
def test_what_needs_a_factorisation_is_refused_with_advice(fit, what):
    with pytest.raises(ModelError, match="solver='exact' or solver='sparse'"):
        what(fit)


def test_likelihoods_are_compared_by_the_same_probes(fit, exact, data):
    more = ms.LinearMixedModel("y ~ x + z + (1|u) + (1|i)", data, solver="iterative").fit()
    plain = ms.LinearMixedModel("y ~ x + z + (1|u) + (1|i)", data).fit()
    table = ms.lrtest(fit, more)
    expected = ms.lrtest(exact, plain)
    error = table["statistic_se"].iloc[1]
    assert 0.0 < error < 1e-4 < fit.certificate["probe_error"]["objective"]
    difference = table["statistic"].iloc[1] - expected["statistic"].iloc[1]
    assert abs(difference) < 5.0 * error + 1e-5
    assert "statistic_se" not in expected
    with pytest.raises(ModelError, match="some of these fits|Some of these fits"):
        ms.lrtest(exact, more)


def test_fits_of_fewer_probes_are_compared_by_as_many_as_others(fit, data, monkeypatch):
    few = ms.lrtest(fit, ms.LinearMixedModel(MORE, data, solver="iterative").fit())
    monkeypatch.setattr(estimated, "TOO_MUCH", 0.0)
    monkeypatch.setattr(estimated, "_MOST_PROBES", 64)
    more = ms.LinearMixedModel(MORE, data, solver="iterative").fit()
    assert more.certificate["probe_error"]["probes"] == 64
    table = ms.lrtest(fit, more)
    # Not off by what 32 and 64 probes differ by.
    assert abs(table["statistic"].iloc[1] - few["statistic"].iloc[1]) < 1e-3


def test_likelihoods_of_other_probes_are_refused(data):
    one, other = (
        ms.LinearMixedModel(f, data, solver="iterative").fit()
        for f in ("y ~ x + (1|u) + (1|i)", "y ~ x + (1|u) + (1|j)")
    )
    with pytest.raises(ModelError, match="belong to .*'i' and to .*'j'"):
        ms.lrtest(one, other)


def test_ladders_say_how_well_differences_are_known(data):
    ladder = ms.ladder("y ~ x + (1 + x|u) + (1|i)", data, solver="iterative")
    table, tests = ladder.tables["structures"], ladder.tables["tests"]
    assert (table["objective_se"] > 0.0).all()
    assert (table["above_se"] < table["objective_se"] / 2.0).all()
    assert (tests["statistic_se"] > 0.0).all()
    assert "\u00b1 is one standard error of a difference" in str(ladder.chart().to_dict())


def test_pictures_of_large_factors_show_levels_whose_errors_are_known(fit):
    tables = fit.tables
    _, title, caption = caterpillar_chart([tables], "u")
    assert title.startswith("Levels of u: of 200 intervals at 95\u00a0%")
    assert re.search(r"Drawn are 200 of \d+ levels, of which conditional SDs were", caption)
    stopping = fit.study("stopping").studies["stopping"]
    assert stopping["modes"].notna().all()
    figure = ms.charts.explorer(fit)
    assert "Open arrowhead" not in figure.caption


def test_a_known_sigma_is_kept(data):
    found, expected = (
        ms.LinearMixedModel(FORMULA, data, sigma=1.1, solver=solver).fit()
        for solver in ("iterative", "exact")
    )
    assert found.sigma == 1.1
    np.testing.assert_allclose(found.theta, expected.theta, atol=5e-4)
    assert abs(found.objective - expected.objective) < 0.05


def test_tests_without_degrees_of_freedom_are_those_of_the_exact_fit(fit, exact):
    for df in ("none", "residual"):
        for one, other in [
            (fit.test("x = 0", df=df), exact.test("x = 0", df=df)),
            (fit.anova(df=df), exact.anova(df=df)),
        ]:
            assert one["statistic"].to_numpy() == pytest.approx(other["statistic"], rel=2e-3)
    with pytest.raises(UnsuitedError, match="df='none' gives z and chi-squared"):
        fit.test("x = 0")
    with pytest.raises(UnsuitedError, match="'kenward-roger' are not computed by the iterative"):
        fit.anova(df="kenward-roger")


def test_rows_have_all_but_leverages(fit, exact):
    found, wanted = fit.augment(), exact.augment()
    assert list(found) == list(wanted)
    for name in (".fitted", ".resid", ".fixed"):
        assert found[name].to_numpy() == pytest.approx(wanted[name], abs=2e-3)
    assert found[[".hat", ".std.resid", ".cooksd"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_evaluations": 1}, "could still be gained. Allow more evaluations"),
        ({"max_seconds": 1e-6}, "not checked: stopped at the limit of 1e-06 s (max_seconds)."),
    ],
)
def test_a_fit_that_a_limit_ended_says_so(data, limit, words):
    certificate = ms.LinearMixedModel(FORMULA, data, solver="iterative").fit(**limit).certificate
    assert certificate["verdict"] == "not converged"
    assert words in certificate["words"]
    assert "ended at an optimum" not in certificate["words"]


@pytest.mark.parametrize("name", ["test", "anova"])
def test_a_method_of_tests_is_df(fit, name):
    given = ("x = 0",) if name == "test" else ()
    with pytest.raises(ModelError, match="Did you mean 'df'"):
        getattr(fit, name)(*given, method="z")
