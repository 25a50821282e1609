"""Links whose predictors are measured as means are: what the response is measured in is all one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms

pytestmark = pytest.mark.numerical


def amounts(link: str, n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, h, x = rng.integers(0, 16, n), rng.integers(0, 10, n), rng.normal(size=n)
    eta = 3.0 + 0.25 * x + 0.4 * rng.normal(size=16)[g] + 0.2 * rng.normal(size=16)[g] * x
    eta += 0.2 * rng.normal(size=10)[h]
    mean = eta if link == "identity" else 1.0 / eta
    y = rng.gamma(6.0, mean / 6.0)
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)})


@pytest.mark.parametrize("unit", [2.0**30, 2.0**-30])
@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 | g)", "y ~ x + (1 + x | g)", "y ~ x + (1 | g) + (1 | h)"]
)
@pytest.mark.parametrize("link", ["identity", "inverse"])
def test_estimates_follow_the_unit_of_the_response(link: str, formula: str, unit: float) -> None:
    data = amounts(link)
    own = ms.glmer(formula, data, family="gamma", link=link)
    other = ms.glmer(formula, data.assign(y=data["y"] * unit), family="gamma", link=link)
    assert own.certificate["verdict"] == other.certificate["verdict"]
    moved = 2.0 * len(data) * np.log(unit)
    assert other.objective - moved == pytest.approx(own.objective, abs=1e-8)
    size = unit if link == "identity" else 1.0 / unit
    np.testing.assert_allclose(other.beta / size, own.beta, rtol=1e-4)
    np.testing.assert_allclose(other.theta / size, own.theta, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"nAGQ": 0},
        {"quadrature": 5},
        pytest.param({"solver": "iterative"}, marks=pytest.mark.exhaustive),
    ],
)
def test_every_approximation_follows_the_unit_of_the_response(options: dict[str, object]) -> None:
    data = amounts("identity")
    formula = "y ~ x + (1 | g)" + (" + (1 | h)" if "solver" in options else "")
    fits = [
        ms.glmer(
            formula, data.assign(y=data["y"] * unit), family="gamma", link="identity", **options
        )
        for unit in (1.0, 2.0**30)
    ]
    assert {fit.certificate["verdict"] for fit in fits} == {"optimum"}
    moved = 2.0 * len(data) * np.log(2.0**30)
    assert fits[1].objective - moved == pytest.approx(fits[0].objective, abs=1e-5)
    np.testing.assert_allclose(fits[1].beta / 2.0**30, fits[0].beta, rtol=1e-3)
    np.testing.assert_allclose(fits[1].theta / 2.0**30, fits[0].theta, rtol=1e-3)


def test_intervals_modes_and_draws_follow_the_unit_of_the_response() -> None:
    data = amounts("inverse")
    unit = 2.0**30
    own, other = (
        ms.glmer("y ~ x + (1 | g)", data.assign(y=data["y"] * u), family="gamma", link="inverse")
        for u in (1.0, unit)
    )
    of_own, of_other = (fit.confint(method="profile") for fit in (own, other))
    size = np.where(of_own["kind"] == "dispersion", 1.0, 1.0 / unit)
    for end in ("lower", "upper"):
        np.testing.assert_allclose(of_other[end] / size, of_own[end], rtol=1e-4)
    modes, others = own.conditional_modes(), other.conditional_modes()
    for column in ("mode", "std_dev", "linearised"):
        np.testing.assert_allclose(others[column] * unit, modes[column], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        other.fixed_effects()["std_error"] * unit, own.fixed_effects()["std_error"], rtol=1e-4
    )
    np.testing.assert_allclose(other.residuals(), own.residuals(), rtol=1e-3, atol=1e-5)
