"""What is held against responses drawn from generalised fits: residuals and ordered modes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import mixedscope as ms
from mixedscope import GeneralizedLinearMixedModel
from mixedscope.inference.generalized import simulated
from mixedscope.inference.studies.drawn_modes import drawn_modes


def made(seed: int, effect: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(40), 12)
    x = rng.normal(size=len(g))
    mean = np.exp(0.3 + 0.5 * x + effect * rng.normal(size=40)[g])
    return pd.DataFrame({"g": g, "x": x, "y": rng.poisson(mean)})


@pytest.fixture(scope="module")
def counts() -> ms.GeneralizedFit:
    return ms.glmer("y ~ x + (1 | g)", made(4), family="poisson")


def test_a_residual_is_the_rank_of_its_response_among_draws(counts: ms.GeneralizedFit) -> None:
    table = counts.study("residuals").require("residuals_points")
    y = counts.model.design.y
    drawn = simulated(counts.model.laplace, counts.parameters.to_numpy(), 250, 0, conditional=False)
    below, equal = (drawn < y).sum(axis=0), (drawn == y).sum(axis=0)
    u = ndtr(table.sort_values("row")["residual"].to_numpy())
    assert len(table) == len(y)
    assert (u >= below / 251.0 - 1e-12).all()
    assert (u <= (below + equal + 1) / 251.0 + 1e-12).all()
    population = np.exp(counts.beta[0] + counts.beta[1] * made(4)["x"])
    np.testing.assert_allclose(table["along"], population, rtol=1e-12)


def test_residuals_of_a_model_that_is_right_are_normal_and_of_one_that_is_not_are_not(
    counts: ms.GeneralizedFit,
) -> None:
    # Levels are drawn with the rest, so that their 40 draws bound what the mean may be off.
    right = counts.study("residuals").require("residuals_points")["residual"]
    assert abs(right.mean()) < 4.0 / np.sqrt(40.0)
    assert 0.8 < right.std() < 1.2
    data = made(4)
    rng = np.random.default_rng(1)
    data["y"] = np.where(rng.random(len(data)) < 0.4, 0, data["y"] * 4)
    wrong = ms.glmer("y ~ x + (1 | g)", data, family="poisson")
    assert wrong.study("residuals").require("residuals_points")["residual"].std() > 1.4


def test_drawn_modes_are_those_of_a_model_of_the_response_drawn(counts: ms.GeneralizedFit) -> None:
    objective = counts.model.laplace
    point = counts.parameters.to_numpy()
    found = drawn_modes(objective, point)[0]
    responses = simulated(objective, point, len(found), 20251129, conditional=False)
    for number in (0, 7, len(found) - 1):
        data = made(4).assign(y=responses[number].astype(int))
        other = GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, family="poisson")
        modes = other.laplace.modes_at(point).b[0]
        wanted = other.system.terms[0].data_modes(modes)
        np.testing.assert_allclose(found[number], wanted, atol=1e-7)


def test_ordered_modes_of_a_model_that_is_right_stay_in_the_envelope(
    counts: ms.GeneralizedFit,
) -> None:
    tables = counts.study("mode_distribution")
    row = tables.require("mode_normality").iloc[0]
    assert row["outside"] <= row["most"]
    assert row["sd"] == pytest.approx(abs(counts.theta[0]), rel=1e-12)
    # Modes are shrunken, and the drawn ones as much as those of the fit.
    modes = counts.conditional_modes()["mode"]
    assert row["mode_sd"] < row["sd"]
    assert row["mode_sd"] == pytest.approx(np.sqrt(np.mean(modes**2)), rel=0.5)
    assert tables.require("mode_errors").empty
