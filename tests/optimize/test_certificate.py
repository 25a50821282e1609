"""The certificate tells minima, singular minima, saddles and early stops apart."""

from __future__ import annotations

import numpy as np
import pytest
from optimize_cases import Toy, double_well, null_variance, quadratic, simulated, singular

from mixedscope.core.vocabulary import CRITERION_NAMES
from mixedscope.optimize.curvature import measure_curvature, row_by_row
from mixedscope.optimize.driver import minimize


def unpolished(objective, start, **options):
    """The certificate of a start itself."""
    return minimize(objective, start=start, polish=False, max_evaluations=1, **options).certificate


def test_the_newton_decrement_of_a_quadratic_is_the_objective_to_be_gained():
    objective = quadratic()
    start = np.array([1.3, -0.8])
    verdict = unpolished(objective, start)
    left = objective.value(start) - 5.0
    assert verdict["newton_decrement"] == pytest.approx(left, rel=1e-6)
    assert verdict["gradient_norm"] == pytest.approx(np.linalg.norm(objective.gradient_of(start)))
    assert verdict["min_hessian_eigenvalue"] == pytest.approx(3 - np.sqrt(2), rel=1e-6)
    assert verdict["verdict"] == "not converged"


def test_the_newton_decrement_predicts_the_excess_of_a_loose_fit():
    objective = simulated(8, groups=(8,))
    loose = minimize(objective, optimizer="pybobyqa", settings={"rhoend": 3e-3}, polish=False)
    tight = minimize(objective, optimizer="bfgs")
    excess = loose.evaluation.objective - tight.evaluation.objective
    assert excess > 1e-9
    assert loose.certificate["newton_decrement"] == pytest.approx(excess, rel=0.02)


def test_an_interior_minimum_is_an_optimum():
    verdict = minimize(simulated(8, groups=(8,))).certificate
    assert verdict["verdict"] == "optimum"
    assert verdict["active_bounds"] == []
    assert verdict["newton_decrement"] < 1e-10
    assert verdict["min_hessian_eigenvalue"] > 0


@pytest.mark.parametrize(("thorough", "tolerance"), [(True, 2e-3), (False, 2e-2)])
def test_the_hessian_is_that_of_the_objective(thorough, tolerance):
    objective = simulated(8, groups=(8,))
    x = 1.1 * objective.start * objective.scale + 0.1
    gradient = lambda v: objective.evaluate_gradient(v / objective.scale)[1] / objective.scale  # noqa: E731
    value = lambda v: objective.evaluate(v / objective.scale).objective  # noqa: E731
    curvature = measure_curvature(row_by_row(gradient), x, thorough=thorough)
    hessian = (curvature.vectors * curvature.values) @ curvature.vectors.T
    h = 1e-3
    for i in range(x.size):
        for j in range(x.size):
            a, b = h * np.eye(x.size)[i], h * np.eye(x.size)[j]
            second = value(x + a + b) - value(x + a - b) - value(x - a + b) + value(x - a - b)
            assert hessian[i, j] == pytest.approx(second / (4 * h * h), abs=tolerance)


def test_one_sided_differences_are_not_trusted_where_the_curvature_is_doubtful():
    calls = []

    def gradient(x):
        calls.append(x)
        return np.array([2.0 * x[0], 1e-3 * x[1] + 12.0 * x[1] ** 3])

    curvature = measure_curvature(row_by_row(gradient), np.zeros(2), np.zeros(2))
    assert len(calls) == 4
    assert curvature.smallest == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("bend", "calls"), [(0.0, 2), (1000.0, 4)])
def test_the_other_side_is_measured_where_the_differences_contradict_each_other(bend, calls):
    """Of ``x**2 + 0.005 y**2 + bend x y**2 / 2``: the third derivative makes one side wrong."""
    asked = []

    def gradient(x):
        asked.append(x)
        return np.array([2.0 * x[0] + bend * x[1] ** 2 / 2, 0.01 * x[1] + bend * x[0] * x[1]])

    curvature = measure_curvature(row_by_row(gradient), np.zeros(2), np.zeros(2))
    assert len(asked) == calls
    assert curvature.smallest == pytest.approx(0.01, rel=1e-3)


def test_the_quadratic_model_predicts_the_change_of_a_step():
    hessian = np.array([[4.0, 1.0], [1.0, 3.0]])
    x = np.array([0.5, -0.2])
    curvature = measure_curvature(row_by_row(lambda v: hessian @ v), x)
    step = np.array([0.3, 0.7])
    half = lambda v: v @ hessian @ v / 2  # noqa: E731
    assert curvature.change(step) == pytest.approx(half(x + step) - half(x), rel=1e-6)


def test_a_variance_of_zero_is_a_boundary_optimum_with_its_bound_named():
    verdict = minimize(null_variance()).certificate
    assert verdict["verdict"] == "boundary optimum"
    assert verdict["active_bounds"] == ["g0[0,0]"]
    assert "singular" in verdict["words"]


def test_a_singular_covariance_is_a_boundary_optimum():
    verdict = minimize(singular()).certificate
    assert verdict["verdict"] == "boundary optimum"
    assert verdict["active_bounds"] == ["g0[1,1]", "g0[2,2]"]
    assert verdict["newton_decrement"] < 1e-9


def test_theta_of_zero_with_variance_to_be_found_is_a_saddle_though_the_gradient_vanishes():
    objective = simulated(8, groups=(8,))
    verdict = unpolished(objective, np.zeros(3))
    assert verdict["gradient_norm"] == 0.0
    assert verdict["verdict"] == "saddle"
    assert verdict["min_hessian_eigenvalue"] < -1.0


def test_a_saddle_between_two_wells_is_named():
    verdict = unpolished(double_well(), np.zeros(2))
    assert verdict["verdict"] == "saddle"
    assert "saddle" in verdict["words"]
    assert verdict["min_hessian_eigenvalue"] == pytest.approx(-4.0, rel=1e-6)


class Restricted(Toy):
    """A criterion of REML."""

    criterion_name = CRITERION_NAMES["REML"]


def ends(kind: type[Toy]) -> dict[str, str]:
    """What is said of a minimum, of a start a little away from it, and of a saddle."""
    bowl = kind(lambda t: float(t @ t) + 5.0, lambda t: 2.0 * t, start=(1.0, 0.5))
    wells = kind(
        lambda t: float((t @ t - 1) ** 2 + 3 * t[1] ** 2),
        lambda t: 4 * (t @ t - 1) * t + np.array([0.0, 6 * t[1]]),
        start=(0.0, 0.0),
    )
    found = [minimize(bowl).certificate, unpolished(bowl, np.array([1.0, 0.5]))]
    found.append(unpolished(wells, np.zeros(2)))
    assert [c["verdict"] for c in found] == ["optimum", "not converged", "saddle"]
    return {c["verdict"]: c["words"] for c in found}


def test_a_criterion_of_reml_is_called_no_deviance():
    deviance, restricted = ends(Toy), ends(Restricted)
    for verdict, words in deviance.items():
        assert "deviance" in words
        assert "REML" not in words
        assert "deviance" not in restricted[verdict]
        assert "REML criterion" in restricted[verdict]


@pytest.mark.parametrize("optimizer", ["bfgs", "scipy-lbfgsb"])
def test_a_start_at_zero_is_escaped(optimizer):
    objective = simulated(8, groups=(8,))
    result = minimize(objective, optimizer=optimizer, start=np.zeros(3))
    direct = minimize(objective)
    assert result.evaluation.objective == pytest.approx(direct.evaluation.objective, abs=1e-7)
    assert result.certificate["verdict"] == "optimum"
    assert result.optimizer["stages"]["escape"] > 0
    assert "negative curvature" in result.certificate["tried"]


def test_a_flat_valley_is_an_optimum():
    """(t0² + t1² − 1)² has a circle of minima: one eigenvalue is zero, none negative."""
    objective = Toy(lambda t: (t @ t - 1) ** 2, lambda t: 4 * (t @ t - 1) * t, start=(1.5, 0.3))
    verdict = minimize(objective).certificate
    assert verdict["verdict"] == "optimum"
    assert abs(verdict["min_hessian_eigenvalue"]) < 1e-6


def test_a_slope_along_a_flat_direction_is_not_overlooked():
    """-t0 falls for ever, though its Hessian is zero."""
    objective = Toy(lambda t: t[1] ** 2 - t[0], lambda t: [-1.0, 2 * t[1]], start=(0.0, 0.0))
    assert unpolished(objective, np.zeros(2))["verdict"] == "not converged"


def test_rounding_in_a_large_objective_does_not_spoil_the_verdict():
    """An objective near 240,000 whose digits end at 1e-8, as for large data."""
    A, m = np.diag([4000.0, 20.0]), np.array([0.3, 0.05])
    rng = np.random.default_rng(0)

    def value(t):
        return 237000.0 + 0.5 * (t - m) @ A @ (t - m) + 2e-8 * rng.normal()

    def gradient(t):
        return A @ (t - m) + 1e-7 * rng.normal(size=2)

    for optimizer in ("bfgs", "scipy-lbfgsb", "nlopt-bobyqa"):
        objective = Toy(value, gradient, start=(1.0, 1.0))
        result = minimize(objective, optimizer=optimizer, max_evaluations=500)
        assert result.certificate["verdict"] == "optimum"
        assert result.theta == pytest.approx(m, abs=1e-5)
        assert len(result.trace) < 300


@pytest.mark.parametrize("optimizer", ["bfgs", "scipy-lbfgsb", "nlopt-newuoa"])
def test_effects_a_thousand_times_the_residuals_are_certified(optimizer):
    objective = simulated(8, groups=(8,), sigma=1e-3)
    result = minimize(objective, optimizer=optimizer)
    assert result.certificate["verdict"] == "optimum"
    assert result.certificate["newton_decrement"] < 1e-8
    assert result.theta[0] == pytest.approx(968.874, rel=1e-4)


def test_a_gradient_that_fails_beside_the_end_gives_no_verdict_but_words():
    objective = quadratic()
    plain = objective.gradient_of

    def gradient(theta):
        if theta[0] > 1.0:
            raise FloatingPointError("not here")
        return plain(theta)

    objective.gradient_of = gradient
    verdict = unpolished(objective, np.array([1.0, -1.0]), optimizer="nlopt-bobyqa")
    assert verdict["verdict"] == "not converged"
    assert verdict["newton_decrement"] is None
    assert "not checked" in verdict["words"]


@pytest.mark.parametrize("make", [quadratic, null_variance, singular])
def test_every_verdict_comes_with_words(make):
    words = minimize(make()).certificate["words"]
    assert words.endswith(".")
    assert len(words) > 40


@pytest.mark.parametrize(("length", "calls"), [(1e-4, 2), (0.1, 3), (1e-9, 3)])
def test_a_short_step_of_the_search_spares_a_gradient(length, calls):
    objective = simulated(8, groups=(8,))
    x = minimize(objective).theta * objective.scale
    asked = []

    def gradient(v):
        asked.append(v)
        return objective.evaluate_gradient(v / objective.scale)[1] / objective.scale

    at_x = gradient(x)
    step = length * np.array([0.5, -1.0, 0.3])
    change = at_x - gradient(x - step)
    whole = measure_curvature(row_by_row(gradient), x, at_x, thorough=True)
    asked.clear()
    curvature = measure_curvature(row_by_row(gradient), x, at_x, secant=(step, change))
    assert len(asked) == calls
    np.testing.assert_allclose(curvature.values, whole.values, rtol=1e-3)


def test_a_secant_that_contradicts_the_differences_is_not_believed():
    hessian = np.diag([4.0, 1.0])
    x, step = np.ones(2), np.array([1e-4, 1e-4])
    wrong = hessian @ step + np.array([1e-4, -1e-4])
    curvature = measure_curvature(row_by_row(lambda v: hessian @ v), x, secant=(step, wrong))
    np.testing.assert_allclose(curvature.values, [1.0, 4.0], rtol=1e-6)
