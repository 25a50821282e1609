"""Profiles of generalised models: brute-force minimisation, lme4's intervals, every boundary.

Numbers of lme4 1.1-31: ``confint(method = "profile")`` of fits with ``tolPwrss = 1e-12``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from reference.glmm_cases import frame_of
from scipy.optimize import minimize

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError

Floats = NDArray[np.float64]
Z95 = 1.959963984540054


def counts(seed: int = 3, n_groups: int = 12, sd: float = 0.7, each: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), each)
    x = rng.normal(size=len(g))
    b = rng.normal(size=(n_groups, 2)) * [sd, 0.4]
    eta = 0.4 + 0.3 * x + b[g, 0] + b[g, 1] * x
    data = pd.DataFrame({"g": [f"g{i:02}" for i in g], "x": x, "y": rng.poisson(np.exp(eta))})
    data["one"] = (data["y"] > data["y"].median()).astype(float)
    data["f"] = np.resize(["a", "b", "c"], len(data))
    return data


def brute(fit: ms.GeneralizedFit, point_of: Callable[[Floats], Floats], start: Floats) -> float:
    """The least deviance over free numbers, by scipy with numerical derivatives."""
    model = fit.model

    def value(free: Floats) -> float:
        return model.objective(point_of(free))

    found = minimize(value, start, method="BFGS", options={"gtol": 1e-5})
    return float(found.fun)


def held(fit: ms.GeneralizedFit, name: str, value: float) -> float:
    """The least deviance with one of the parameters of the search held."""
    names = list(fit.parameters.index)
    at = names.index(name)

    def point_of(free: Floats) -> Floats:
        return np.insert(free, at, value)

    return brute(fit, point_of, np.delete(fit.parameters.to_numpy(), at))


@pytest.mark.parametrize("quadrature", [1, 5])
def test_zeta_is_that_of_brute_force(quadrature: int) -> None:
    fit = ms.glmer("one ~ x + (1 | g)", counts(), "binomial", nAGQ=quadrature)
    profile = fit.profile(levels=[0.9])
    for label, name, value in (
        ("beta x", "x", float(fit.beta[1]) + 0.4),
        ("sd (Intercept) | g", "g.(Intercept)", 0.3 * float(fit.theta[0])),
    ):
        rise = held(fit, name, value) - fit.objective
        assert profile.zeta(label, [value])[0] ** 2 == pytest.approx(rise, abs=2e-6)


def test_correlations_and_dispersions_are_those_of_brute_force() -> None:
    fit = ms.glmer("y ~ x + (1 + x | g)", counts(), "nbinom2")
    profile = fit.profile(["correlation", "dispersion"], levels=[0.5])
    rho = 0.35

    def point_of(free: Floats) -> Floats:
        first, second, *others = free
        factor = [first, second * rho, second * math.sqrt(1.0 - rho**2)]
        return np.array([*factor, *others])

    parameters = fit.parameters.to_numpy()
    start = np.array([parameters[0], float(np.hypot(*parameters[1:3])), *parameters[3:]])
    rise = brute(fit, point_of, start) - fit.objective
    label = "correlation (Intercept) ~ x | g"
    assert profile.zeta(label, [rho])[0] ** 2 == pytest.approx(rise, abs=5e-6)
    size = 0.5 * float(fit.dispersion or 0.0)
    rise = held(fit, "log(size)", math.log(size)) - fit.objective
    assert profile.zeta("dispersion size", [size])[0] ** 2 == pytest.approx(rise, abs=5e-6)


def test_ends_are_roots_of_the_deviance() -> None:
    fit = ms.glmer("y ~ x + f + (1 + x || g)", counts(), "poisson")
    profile = fit.profile(levels=[0.95])
    table = profile.confint(0.95)
    labels = [
        "beta (Intercept)", "beta x", "beta fb", "beta fc", "sd (Intercept) | g", "sd x | g",
    ]  # fmt: skip
    for label, lower, upper, remark in zip(
        labels, table["lower"], table["upper"], table["remark"], strict=True
    ):
        ends = [upper] if remark else [lower, upper]
        assert np.abs(np.abs(profile.zeta(label, ends)) - Z95).max() < 1e-6
    # lme4 1.1-31 has 0 and 0.4525 there, by a spline.
    assert table["remark"].tolist()[-1] == "0 is inside"
    assert table["lower"].iloc[-1] == 0.0


def test_a_variance_of_zero_has_a_one_sided_profile() -> None:
    data = counts(sd=0.0, each=3)
    data["one"] = np.resize([0.0, 1.0, 0.0, 1.0, 1.0, 0.0], len(data))
    fit = ms.glmer("one ~ x + (1 | g)", data, "binomial")
    assert float(fit.theta[0]) < 1e-4
    table = fit.confint(0.9, "profile")
    row = table.loc[table["kind"] == "sd"].iloc[0]
    assert row["lower"] == 0.0
    assert row["remark"] == "0 is inside"
    rise = held(fit, "g.(Intercept)", float(row["upper"])) - fit.objective
    assert math.sqrt(rise) == pytest.approx(1.6448536269514722, abs=1e-5)


def test_separated_fixed_effects_have_intervals_without_an_end() -> None:
    data = counts(each=10)
    data.loc[data["f"] == "c", "one"] = 1.0
    fit = ms.glmer("one ~ f + (1 | g)", data, "binomial")
    assert fit.certificate["verdict"] == "at infinity"
    table = fit.confint(0.95, "profile").set_index("term")
    assert table.loc["fc", "upper"] == math.inf
    assert "no upper end" in table.loc["fc", "remark"]
    # The deviance at a held value, with the limit as the least.
    lower = float(table.loc["fc", "lower"])
    assert held(fit, "fc", lower) - fit.objective == pytest.approx(Z95**2, abs=1e-4)
    assert np.isfinite(table.loc[["(Intercept)", "fb"], ["lower", "upper"]].to_numpy()).all()
    assert table["remark"].drop(index="fc").isna().all()


def test_counts_like_poisson_leave_the_size_open() -> None:
    rng = np.random.default_rng(1)
    data = counts(each=12)
    data["y"] = rng.binomial(6, 0.5, size=len(data))  # varies less than Poisson
    fit = ms.glmer("y ~ 1 + (1 | g)", data, "nbinom2")
    table = fit.confint(0.95, "profile").set_index("kind")
    assert table.loc["dispersion", "upper"] == math.inf
    size = float(table.loc["dispersion", "lower"])
    poisson = ms.glmer("y ~ 1 + (1 | g)", data, "poisson").objective
    rise = held(fit, "log(size)", math.log(size)) - poisson
    assert rise == pytest.approx(Z95**2, abs=1e-3)


def test_lme4_has_the_same_intervals_as_far_as_its_splines_go() -> None:
    fit = ms.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", frame_of("cbpp-agq1")
    )
    table = fit.confint(0.95, "profile")
    lme4 = [
        (-1.901156107311273, -0.947791393177796), (-1.616678662957871, -0.407840520361245),
        (-1.800917625281508, -0.511610306386450), (-2.500600710706498, -0.800831043503720),
        (0.346094461603282, 1.099881899794200),
    ]  # fmt: skip
    assert table[["lower", "upper"]].to_numpy() == pytest.approx(np.array(lme4), abs=3e-4)


def test_methods_of_linear_models_alone_are_refused_in_one_sentence() -> None:
    fit = ms.glmer("one ~ x + (1 | g)", counts(), "binomial")
    with pytest.raises(UnsuitedError, match="a generalised model has intervals by wald, profile"):
        fit.confint(method="kenward-roger")
    with pytest.raises(ModelError, match="Did you mean 'profile'"):
        fit.confint(method="profil")
    wald = fit.confint(0.9)
    effects = fit.fixed_effects(0.9)
    assert wald["lower"].iloc[:2].tolist() == effects["lower"].tolist()
    assert wald["lower"].iloc[2:].isna().all()
    assert "profile and bootstrap" in wald["remark"].iloc[2]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "formula", "family"),
    [
        ("contraception-agq1", "y ~ age + age2 + livch + urban + (1 | district)", "binomial"),
        (
            "grouseticks",
            "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
            "poisson",
        ),
    ],
)
def test_ends_of_all_parameters_are_roots_of_the_least_deviance(
    name: str, formula: str, family: str
) -> None:
    fit = ms.glmer(formula, frame_of(name), family)
    names = list(fit.parameters.index)
    for row in fit.confint(0.95, "profile").itertuples():
        at = names.index(str(row.term) if row.kind == "beta" else f"{row.group}.{row.term}")
        assert row.remark in (None, "0 is inside")
        for end in (row.lower, row.upper):
            zeta = math.sqrt(least_by_slopes(fit, at, float(end)) - fit.objective)
            if row.remark is not None and end == 0.0:
                assert zeta < Z95
            else:
                assert zeta == pytest.approx(Z95, abs=1e-6)


def least_by_slopes(fit: ms.GeneralizedFit, at: int, end: float) -> float:
    """The least deviance with one entry of the parameters held, by scipy's BFGS."""
    errors = np.delete(np.sqrt(np.diag(fit.vcov.to_numpy())), at)
    start = np.delete(fit.parameters.to_numpy(), at)

    def value(x: Floats) -> tuple[float, Floats]:
        found, slope = fit.model.objective_gradient(np.insert(start + x * errors, at, end))
        return found, np.delete(slope, at) * errors

    return float(minimize(value, np.zeros(len(start)), jac=True, options={"gtol": 1e-7}).fun)
