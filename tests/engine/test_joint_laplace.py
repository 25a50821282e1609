"""Fixed effects of the penalised criterion (``nAGQ = 0`` of lme4): values, slopes, what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.glmm_cases import GLMM, by_group, frame_of, model_arguments

import mixedscope as ms
from mixedscope.core.errors import MixedscopeError

JOINT = [name for name in GLMM if "nAGQ0" in GLMM[name]]
LONG = {"guimmun", "verbagg", "verbagg-agq1"}
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def made(name: str) -> Any:
    return ms.GeneralizedLinearMixedModel(
        data=frame_of(name), quadrature=0, **model_arguments(name)
    )


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.exhaustive] if n in LONG else []) for n in JOINT]
)
def test_the_optimum_is_that_of_the_reference(name: str) -> None:
    values = GLMM[name]["nAGQ0"]
    fit = made(name).fit()
    assert fit.objective == pytest.approx(values["neg2loglik"], abs=1e-6)
    assert fit.certificate["verdict"] == "optimum"
    assert fit.objective >= GLMM[name]["neg2loglik"] - 1e-7
    for term in fit.model.system.terms:
        expected = by_group(values["theta_by_term"], term.group)
        np.testing.assert_allclose(fit.theta[term.theta], expected, atol=1e-4)
    names = fit.model.fixed_names
    np.testing.assert_allclose(fit.beta, [values["beta"][n] for n in names], rtol=1e-4, atol=1e-5)


def test_estimates_are_those_of_lme4() -> None:
    # glmer(..., nAGQ = 0), lme4 1.1-31, tolPwrss = 1e-12, bobyqa with rhoend = 1e-9.
    beta = [-1.360471754892386, -0.976177471442448, -1.111076893797308, -1.559680516209264]
    errors = [0.227574621739878, 0.303287348683148, 0.323511802969757, 0.424455501260684]
    fit = ms.glmer(CBPP, frame_of("cbpp-agq1"), nAGQ=0)
    assert fit.objective == pytest.approx(184.108590945637, abs=1e-6)
    assert fit.theta[0] == pytest.approx(0.641815067514969, abs=1e-5)
    np.testing.assert_allclose(fit.beta, beta, atol=1e-5)
    np.testing.assert_allclose(fit.fixed_effects()["std_error"], errors, rtol=1e-5)
    assert fit.info["dof"] == 5


@pytest.mark.parametrize(
    ("family", "link", "information"),
    [
        ("poisson", "log", "observed"),
        ("poisson", "sqrt", "expected"),
        ("nbinom2", "log", "observed"),
        ("nbinom2", "log", "expected"),
    ],
)
def test_slopes_are_those_of_differences(family: str, link: str, information: str) -> None:
    rng = np.random.default_rng(4)
    n = 150
    frame = {
        "g": rng.integers(0, 12, n).astype(str), "h": rng.integers(0, 7, n).astype(str),
        "x": rng.normal(size=n), "o": rng.normal(size=n) / 5.0,
    }  # fmt: skip
    eta = 1.0 + 0.3 * frame["x"] + rng.normal(size=12)[frame["g"].astype(int)] / 2.0
    frame["y"] = rng.negative_binomial(3.0, 3.0 / (3.0 + np.exp(eta))).astype(float)
    model = ms.GeneralizedLinearMixedModel(
        f"y ~ x + {'offset(o) + ' if link == 'log' else ''}(1 + x | g) + (1 | h)", frame, family,
        link, information=information, quadrature=0,
    )  # fmt: skip
    point = 0.6 * model.laplace.start + 0.1
    gradient = model.objective_gradient(point)[1]
    for i, slope in enumerate(gradient):
        step = np.zeros(len(point))
        step[i] = 1e-3
        near = model.objective(point + step) - model.objective(point - step)
        far = model.objective(point + 2.0 * step) - model.objective(point - 2.0 * step)
        assert slope == pytest.approx((8.0 * near - far) / 12e-3, rel=1e-6, abs=1e-6)


def test_it_is_told_stored_and_refused_where_it_does_not_serve(tmp_path: Path) -> None:
    data = frame_of("cbpp-agq1")
    fit = ms.glmer(CBPP, data, quadrature=0)
    assert "fixed effects of the penalised criterion" in str(fit)
    assert "nAGQ = 0" in str(fit)
    assert list(fit.vcov.columns) == list(fit.parameters.index)
    assert fit.parameters["period2"] == fit.beta[1]
    assert fit.test("period2 = period3").shape[0] == 1
    for ask in (
        lambda: fit.profile(),
        lambda: fit.parametric_bootstrap(2),
        lambda: fit.drop1(),
        lambda: fit.confint(method="profile"),
        lambda: ms.lrtest(ms.glmer(f"{CBPP[:36]} 1 + (1 | herd)", data, quadrature=0), fit),
    ):
        with pytest.raises(MixedscopeError, match="quadrature = 1"):
            ask()
    assert fit.icc().shape[0] == 2
    assert fit.study("ledger", "mode_distribution").studies["ledger"]["edf_fixed"].iloc[0] == 4.0
    fit.save(tmp_path / "fit")
    loaded = ms.load_fit(tmp_path / "fit")
    assert loaded.objective == fit.objective
    np.testing.assert_array_equal(loaded.parameters, fit.parameters)
    assert loaded.model.quadrature == 0
    np.testing.assert_allclose(loaded.predict(), fit.predict())
