"""The Laplace approximation and its gradient against references, differences and dense algebra.

Reference values: ``reference/glmm.json``, objectives and gradients at optima and away from them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.glmm_cases import GLMM, LAPLACE, by_group, frame_of, model_arguments, point_of

import mixedscope as ms

KINDS = [
    (name, kind)
    for name in LAPLACE
    for kind in (["observed", "expected"] if "observed" in GLMM[name] else ["observed"])
]
FAMILIES = [
    ("yes", "binomial", "logit"),
    ("yes", "binomial", "probit"),
    ("successes / trials", "binomial", "cloglog"),
    ("count", "poisson", "log"),
    ("count", "poisson", "sqrt"),
    ("count", "nbinom2", "log"),
    ("count", "nbinom1", "log"),
    ("amount", "gamma", "log"),
    ("share", "beta", "logit"),
]
#: Those whose searches take a second or more in all.
LONG = {"guimmun", "verbagg-probit", "grouseticks", "ohio-agq1"}


@cache
def model(name: str, kind: str) -> ms.GeneralizedLinearMixedModel:
    return ms.GeneralizedLinearMixedModel(
        data=frame_of(name), information=kind, **model_arguments(name)
    )


def entry(name: str, kind: str) -> dict[str, Any]:
    return GLMM[name].get(kind, GLMM[name])


def size(values: dict[str, Any]) -> float | None:
    return values.get("size", values.get("shape"))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_objective_and_gradient_are_those_of_the_reference(name: str, kind: str) -> None:
    values = entry(name, kind)
    made = model(name, kind)
    value, gradient = made.objective_gradient(point_of(made, values, size=size(values)))
    assert value == pytest.approx(values["neg2loglik"], abs=1e-9 * abs(values["neg2loglik"]))
    assert np.abs(gradient).max() < 1e-6
    check = values["check"]
    value, gradient = made.objective_gradient(point_of(made, check, size=size(values)))
    assert value == pytest.approx(check["objective"], abs=1e-9 * abs(check["objective"]))
    slopes = [by_group(check["gradient_theta"], t.group) for t in made.system.terms]
    expected = np.concatenate([*map(np.asarray, slopes), check["gradient_beta"]])
    scale = 1.0 + np.abs(expected).max()
    np.testing.assert_allclose(gradient[: len(expected)] / scale, expected / scale, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "kind"),
    [pytest.param(*c, marks=[pytest.mark.exhaustive] if c[0] in LONG else []) for c in KINDS],
)
def test_the_default_search_ends_at_the_optimum_of_the_reference(name: str, kind: str) -> None:
    values = entry(name, kind)
    fit = model(name, kind).fit()
    assert fit.objective == pytest.approx(values["neg2loglik"], abs=1e-7)
    assert fit.certificate["verdict"] == "optimum"
    found = point_of(fit.model, values, size=size(values))
    errors = np.sqrt(np.diag(fit.vcov.to_numpy()))
    # No parameter is farther than a ten-thousandth of its standard error.
    assert (np.abs(fit.parameters.to_numpy() - found) < 1e-4 * errors).all()
    if "se" in values:
        names = list(fit.model.fixed_names)
        expected = [values["se"][term] for term in names]
        np.testing.assert_allclose(fit.fixed_effects()["std_error"], expected, rtol=2e-5)


QUADRATURE = [name for name, case in GLMM.items() if case["nAGQ"] > 1]


@pytest.mark.parametrize("name", QUADRATURE)
def test_quadrature_is_that_of_the_reference(name: str) -> None:
    values = GLMM[name]
    made = ms.GeneralizedLinearMixedModel(
        data=frame_of(name), quadrature=values["nAGQ"], **model_arguments(name)
    )
    value, gradient = made.objective_gradient(point_of(made, values))
    assert value == pytest.approx(values["neg2loglik"], abs=1e-8)
    assert np.abs(gradient).max() < 1e-6
    fit = made.fit()
    assert fit.objective == pytest.approx(values["neg2loglik"], abs=1e-7)
    assert fit.certificate["verdict"] == "optimum"


def test_quadrature_of_several_random_effects_converges_to_one_value() -> None:
    """Values: ``glmm.json``'s ``contraception-slope``, product rules of 5, 9, 15 and 25 points."""
    expected = {5: 2360.02458400338, 9: 2360.023448438912, 15: 2360.023447621476}
    for points, value in expected.items():
        made = ms.GeneralizedLinearMixedModel(
            data=frame_of("contraception-slope"), quadrature=points,
            **model_arguments("contraception-slope"),
        )  # fmt: skip
        found = made.objective(point_of(made, GLMM["contraception-slope"]))
        # The values were read off with four decimals of theta.
        assert found == pytest.approx(value, abs=2e-7)


@pytest.mark.parametrize(("response", "family", "link"), FAMILIES)
def test_gradients_of_quadrature_are_those_of_differences(
    response: str, family: str, link: str
) -> None:
    for random, points in (("(1 | g)", 4), ("(1 + x | g)", 3)):
        made = ms.GeneralizedLinearMixedModel(
            f"{response} ~ x + f + {random}", simulated(), family, link, weights="w",
            quadrature=points,
        )  # fmt: skip
        point = np.array(made.laplace.start)
        k = made.laplace.n_theta
        point[:k] = 0.6 * point[:k] + 0.1
        gradient, expected = made.objective_gradient(point)[1], differences(made, point)
        scale = 1.0 + np.abs(expected)
        np.testing.assert_allclose(gradient / scale, expected / scale, atol=2e-6)


def test_one_point_is_laplace() -> None:
    from mixedscope.engine.generalized.quadrature import QuadratureObjective

    made = ms.GeneralizedLinearMixedModel("yes ~ x + (1 + x | g)", simulated())
    one = QuadratureObjective(made.system, 1)
    point = made.laplace.start
    value, gradient = made.objective_gradient(point)
    evaluation, other = one.evaluate_gradient(point)
    assert evaluation.objective == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(other, gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["cbpp-agq1", "epil-olre", "contraception-slope", "grouseticks"])
def test_conditional_modes_are_those_of_the_reference(name: str) -> None:
    values = GLMM[name]
    made = model(name, "observed")
    made.evaluate(point_of(made, values))
    found = made.laplace.modes_at(point_of(made, values))
    for term, b in zip(made.system.terms, found.b, strict=True):
        own = pd.DataFrame(term.data_modes(b), index=term.design.levels, columns=term.names)
        for level, modes in by_group(values["conditional_modes"], term.group).items():
            for column, mode in modes.items():
                assert own.loc[level, column] == pytest.approx(mode, abs=1e-7)


def simulated(seed: int = 7) -> pd.DataFrame:
    """Three grouping factors, two crossed and one nested; counts, amounts and successes."""
    rng = np.random.default_rng(seed)
    n = 240
    frame = pd.DataFrame(
        {
            "g": rng.integers(0, 12, n).astype(str),
            "h": rng.integers(0, 7, n).astype(str),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) + 2.0,
            "f": rng.choice(["a", "b", "c"], n),
            "w": rng.integers(1, 4, n).astype(float),
            "o": rng.normal(size=n) / 4.0,
        }
    )
    frame["k"] = frame["g"] + rng.integers(0, 3, n).astype(str)
    eta = 0.4 + 0.3 * frame["x"] + rng.normal(size=12)[frame["g"].astype(int)] / 2.0
    frame["count"] = rng.poisson(np.exp(eta)).astype(float)
    frame["amount"] = rng.gamma(3.0, np.exp(eta) / 3.0)
    frame["trials"] = rng.integers(1, 6, n).astype(float)
    frame["successes"] = rng.binomial(frame["trials"].astype(int), 1.0 / (1.0 + np.exp(-eta)))
    frame["share"] = np.clip(frame["amount"] / (1.0 + frame["amount"]), 0.01, 0.99)
    frame["yes"] = rng.binomial(1, 1.0 / (1.0 + np.exp(-eta))).astype(float)
    return frame


RANDOM = [
    "(1 | g)",
    "(1 + x | g) + (1 | h)",
    "(1 + x + z || g) + (1 + x | h)",
    "(1 | g/k) + (1 | h)",
    "cs(0 + f | g)",
    "ar1(0 + f | g) + (1 + z | h)",
]


def differences(made: ms.GeneralizedLinearMixedModel, point: np.ndarray) -> np.ndarray:
    """Gradient by four-point differences, whose error is of the fourth power of the step."""
    out = np.empty(len(point))
    for i in range(len(point)):
        step = np.zeros(len(point))
        step[i] = 2e-3
        near = made.objective(point + step) - made.objective(point - step)
        far = made.objective(point + 2.0 * step) - made.objective(point - 2.0 * step)
        out[i] = (8.0 * near - far) / (12.0 * step[i])
    return out


@pytest.mark.parametrize("information", ["observed", "expected"])
@pytest.mark.parametrize(("response", "family", "link"), FAMILIES)
@pytest.mark.parametrize(
    "random", [RANDOM[1], *(pytest.param(r, marks=pytest.mark.exhaustive) for r in RANDOM)]
)
def test_gradients_are_those_of_differences(
    response: str, family: str, link: str, random: str, information: str
) -> None:
    if family == "nbinom1" and information == "expected":
        pytest.skip("has no expected information in closed form")
    offset = "" if link == "sqrt" else " + offset(o)"
    made = ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + f{offset} + {random}", simulated(), family, link, weights="w",
        information=information,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    point = np.array(made.laplace.start)
    k = made.laplace.n_theta
    # The covariances of autoregressive structures end at correlations of one.
    point[:k] = 0.5 * point[:k] + 0.1 * rng.normal(size=k)
    point[k : k + made.laplace.n_fixed] += 0.05 * rng.normal(size=made.laplace.n_fixed)
    gradient = made.objective_gradient(point)[1]
    expected = differences(made, point)
    scale = 1.0 + np.abs(expected)
    np.testing.assert_allclose(gradient / scale, expected / scale, atol=2e-6)


@pytest.mark.parametrize("random", RANDOM)
def test_the_parts_are_those_of_dense_algebra(random: str) -> None:
    made = ms.GeneralizedLinearMixedModel(f"count ~ x + {random}", simulated(), "poisson")
    point = np.array(made.laplace.start)
    k = made.laplace.n_theta
    point[:k] *= 0.7
    evaluation = made.evaluate(point)
    theta, beta = point[:k], point[k:]
    columns = []
    for term in made.system.terms:
        factor = term.factor(theta[term.theta])
        rows = np.arange(len(term.design.codes))
        for level in range(len(term.design.levels)):
            own = np.zeros_like(term.design.Z)
            at = rows[term.design.codes == level]
            own[at] = term.design.Z[at]
            columns.append(own @ factor)
    zl = np.hstack(columns)
    y, fixed = made.design.y, made.system.X @ beta
    u = np.zeros(zl.shape[1])
    for _ in range(100):
        mean = np.exp(fixed + zl @ u)
        hessian = np.eye(len(u)) + zl.T @ (mean[:, None] * zl)
        step = np.linalg.solve(hessian, zl.T @ (y - mean) - u)
        u = u + step / max(1.0, np.abs(zl @ step).max())
    mean = np.exp(fixed + zl @ u)
    hessian = np.eye(len(u)) + zl.T @ (mean[:, None] * zl)
    from scipy.stats import poisson

    assert evaluation.penalty == pytest.approx(u @ u, rel=1e-9)
    assert evaluation.log_det == pytest.approx(np.linalg.slogdet(hessian)[1], rel=1e-9)
    deviance = -2.0 * poisson.logpmf(y, mean).sum()
    assert evaluation.conditional_deviance == pytest.approx(deviance, rel=1e-10)
    assert evaluation.objective == pytest.approx(
        evaluation.conditional_deviance + evaluation.penalty + evaluation.log_det, rel=1e-14
    )


@pytest.mark.parametrize(("response", "family", "link"), FAMILIES)
def test_a_row_of_weight_two_is_two_rows(response: str, family: str, link: str) -> None:
    frame = simulated()
    formula = f"{response} ~ x + (1 + x | g) + (1 | h)"
    whole = frame.loc[frame.index.repeat(frame["w"].astype(int))]
    weighted = ms.GeneralizedLinearMixedModel(formula, frame, family, link, weights="w")
    repeated = ms.GeneralizedLinearMixedModel(formula, whole, family, link)
    # The same point: theta are in the units of the data in both.
    point = np.array(weighted.laplace.start)
    k = weighted.laplace.n_theta
    point[:k] *= 0.5
    for one, other in zip(
        weighted.objective_gradient(point), repeated.objective_gradient(point), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize(("response", "family", "link"), FAMILIES)
@pytest.mark.parametrize("random", RANDOM)
def test_compiled_passes_give_the_same_numbers(
    response: str, family: str, link: str, random: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + {random}", simulated(), family, link, weights="w"
    )
    found = []
    for least in (0, 10_000):  # of the observations that they are for
        monkeypatch.setattr("mixedscope.engine.generalized.rows.LONG", least)
        monkeypatch.setattr("mixedscope.engine.generalized.system.LONG", least)
        found.append(made.objective_gradient(made.laplace.start * 0.7))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-13)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("random", RANDOM)
def test_other_right_sides_are_solved_by_the_selected_inverse(random: str) -> None:
    made = ms.GeneralizedLinearMixedModel(f"count ~ x + {random}", simulated(), "poisson")
    objective, system = made.laplace, made.system
    point = objective.start * 0.7
    rows = objective.modes_at(point).rows
    factors = system.standard_factors(point[: objective.n_theta])
    values = np.random.default_rng(3).normal(size=system.n)
    system.adjoint.reform(rows.weight, values)
    system.adjoint.solve(factors)
    system.modal.derive_and_invert(factors)
    found = system.modal.apply_inverse(system.level_sums(values))
    for one, other in zip(found, system.adjoint.modes(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


def test_without_variance_it_is_the_generalised_linear_model() -> None:
    frame = simulated()
    made = ms.GeneralizedLinearMixedModel("count ~ x + (1 + x | g) + (1 | h)", frame, "poisson")
    point = np.array(made.laplace.start)
    point[: made.laplace.n_theta] = 0.0
    evaluation = made.evaluate(point)
    assert evaluation.penalty == 0.0
    assert evaluation.log_det == 0.0
    value, gradient = made.objective_gradient(point)
    assert value == evaluation.conditional_deviance
    # By symmetry nothing is to be gained from a variance of zero at first order.
    np.testing.assert_array_equal(gradient[: made.laplace.n_theta], 0.0)


def test_modes_are_found_from_anywhere() -> None:
    made = ms.GeneralizedLinearMixedModel("yes ~ x + (1 + x | g) + (1 | h)", simulated())
    rng = np.random.default_rng(11)
    k = made.laplace.n_theta
    for _ in range(60):
        point = np.array(made.laplace.start)
        point[:k] = rng.normal(size=k) * np.exp(1.5 * rng.normal(size=k))
        point[k:] += 3.0 * rng.normal(size=len(point) - k)
        made.laplace.reset()
        cold = made.laplace.modes_at(point)
        scores = made.system.level_sums(cold.rows.score)
        for g, score in zip(cold.g, scores, strict=True):
            np.testing.assert_allclose(g, score, atol=1e-8)


@pytest.mark.parametrize(
    ("response", "family", "link"),
    [("successes / trials", "binomial", "cloglog"), ("count", "poisson", "log")],
)
def test_modes_of_one_point_are_no_trap_for_those_of_another(
    response: str, family: str, link: str
) -> None:
    made = ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + (1 + x | g) + (1 + z | h)", simulated(), family, link
    )
    rng = np.random.default_rng(2)
    k = made.laplace.n_theta
    near = np.array(made.laplace.start)
    near[:k] *= 0.5
    expected = made.objective(near)
    met = 0
    for _ in range(40):
        far = near.copy()
        far[:k] = rng.normal(size=k) * np.exp(2.0 * rng.normal(size=k))
        far[k:] += 6.0 * rng.normal(size=len(far) - k)
        try:
            made.laplace.evaluate_gradient(far)
        except FloatingPointError:
            continue
        met += 1
        assert made.laplace.evaluate(near).objective == pytest.approx(expected, abs=1e-7)
    assert met > 20


def test_fits_are_equal_to_the_bit_however_often() -> None:
    made = ms.GeneralizedLinearMixedModel(
        "count ~ x + (1 + x | g) + (1 | h)", simulated(), "poisson"
    )
    one, other = made.fit(), made.fit()
    pd.testing.assert_frame_equal(one.trace, other.trace, check_exact=True)
