"""The optimisers end at one optimum, keep to limits, and say what is wrong with a request."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from optimize_cases import (
    Toy,
    double_well,
    null_variance,
    quadratic,
    simulated,
    singular,
)

from mixedscope.core.errors import OptimizerError
from mixedscope.optimize.backends import BACKENDS, get_backend, optimizer_names
from mixedscope.optimize.driver import minimize

ALL = sorted(BACKENDS)
CASES = {
    "one slope": lambda: simulated(8, groups=(8,)),
    "two crossed factors": lambda: simulated(7, groups=(6, 5), slopes=0),
    "rank one": singular,
    "no variance": null_variance,
}


@pytest.fixture(scope="module")
def references():
    """Optimum of each case by SciPy's trust-region Newton method, from several starts."""
    from scipy.optimize import minimize as scipy_minimize

    found = {}
    for name, make in CASES.items():
        objective = make()
        best = np.inf
        for factor in (0.3, 1.0, 2.0):
            result = scipy_minimize(
                lambda t, o=objective: o.evaluate(t).objective,
                factor * objective.start + 0.05,
                jac=lambda t, o=objective: o.evaluate_gradient(t)[1],
                method="BFGS",
                options={"gtol": 1e-8},
            )
            best = min(best, result.fun)
        found[name] = best
    return found


@pytest.mark.parametrize("optimizer", ALL)
@pytest.mark.parametrize("case", CASES)
def test_every_optimizer_ends_at_the_optimum(case, optimizer, references):
    result = minimize(CASES[case](), optimizer=optimizer)
    assert result.evaluation.objective == pytest.approx(references[case], abs=1e-7)
    assert result.certificate["verdict"] in {"optimum", "boundary optimum"}


@pytest.mark.parametrize("optimizer", ALL)
def test_every_optimizer_finds_the_minimum_of_a_quadratic(optimizer):
    result = minimize(quadratic(), optimizer=optimizer)
    assert result.theta == pytest.approx([1.0, -1.0], abs=1e-5)
    assert result.evaluation.objective == pytest.approx(5.0, abs=1e-9)
    assert result.certificate["verdict"] == "optimum"


@pytest.mark.parametrize("optimizer", ALL)
def test_every_optimizer_can_leave_the_saddle_on_the_bound(optimizer):
    result = minimize(double_well(start=(0.0, 0.5)), optimizer=optimizer)
    assert result.theta == pytest.approx([1.0, 0.0], abs=1e-5)


def test_a_saddle_is_escaped_in_a_stage_of_its_own():
    result = minimize(double_well(), optimizer="scipy-lbfgsb")
    assert result.evaluation.objective == pytest.approx(-1.0, abs=1e-9)
    assert list(result.optimizer["stages"]) == ["search", "escape", "polish"]
    assert "negative curvature" in result.certificate["tried"]


def test_a_saddle_reached_with_a_little_slope_left_is_escaped_too():
    """L-BFGS-B ends at a saddle here with 1e-10 to be gained along the slope, 0.1 beyond it."""
    objective = simulated(416, groups=(3, 9), n=44, sd=0.1)
    stuck = minimize(objective, optimizer="scipy-lbfgsb", polish=False)
    result = minimize(objective, optimizer="scipy-lbfgsb")
    best = minimize(objective, optimizer="bfgs").evaluation.objective
    assert stuck.certificate["verdict"] == "saddle"
    assert result.evaluation.objective == pytest.approx(best, abs=1e-7)
    assert result.optimizer["stages"]["escape"] > 0


def test_without_polishing_a_saddle_is_called_a_saddle():
    result = minimize(double_well(), optimizer="scipy-lbfgsb", polish=False)
    assert result.certificate["verdict"] == "saddle"
    assert result.theta[0] == 0.0
    assert set(result.trace.frame()["stage"]) == {"search"}


def test_an_early_stop_is_polished_and_the_trace_says_so():
    loose = {"rhoend": 0.05}
    short = minimize(CASES["one slope"](), optimizer="pybobyqa", settings=loose, polish=False)
    full = minimize(CASES["one slope"](), optimizer="pybobyqa", settings=loose)
    tight = minimize(CASES["one slope"](), optimizer="bfgs")
    assert short.certificate["verdict"] == "not converged"
    assert short.evaluation.objective > tight.evaluation.objective + 1e-6
    assert full.evaluation.objective == pytest.approx(tight.evaluation.objective, abs=1e-8)
    assert full.optimizer["stages"]["polish"] > 0
    gained = short.evaluation.objective - full.evaluation.objective
    assert full.optimizer["search_excess"] == pytest.approx(gained)
    assert "deviance points higher" in full.certificate["words"]
    assert "deviance points higher" not in tight.certificate["words"]
    assert full.certificate["verdict"] == "optimum"


def test_a_singular_fit_ends_at_exact_zeros():
    result = minimize(singular(), optimizer="bfgs")
    names = singular().theta_names
    assert result.certificate["verdict"] == "boundary optimum"
    zero = [name for name, value in zip(names, result.theta) if value == 0.0]
    assert {"g0[1,1]", "g0[2,2]"} <= set(zero)
    last = result.trace.frame().iloc[-1]
    assert last["stage"] == "polish"
    np.testing.assert_array_equal(last["theta"], result.theta)


def test_theta_has_canonical_signs_whatever_the_start():
    objective = CASES["one slope"]()
    result = minimize(objective, optimizer="nlopt-newuoa", start=-objective.start)
    assert np.all(result.theta[objective.lower == 0] >= 0)


def test_scaled_parameters_give_the_same_path():
    plain = minimize(quadratic(), optimizer="nlopt-bobyqa").trace.frame()
    scale = np.array([1e4, 1e-3])
    inner = quadratic()
    scaled = Toy(
        lambda t: inner.value(t * scale),
        lambda t: inner.gradient_of(t * scale) * scale,
        inner.start / scale,
        scale=scale,
    )
    other = minimize(scaled, optimizer="nlopt-bobyqa").trace.frame()
    np.testing.assert_allclose(other["objective"], plain["objective"], rtol=1e-8)


@pytest.mark.parametrize("optimizer", ALL)
def test_two_runs_give_the_same_trace(optimizer):
    objective = simulated(5, groups=(6,))
    first = minimize(objective, optimizer=optimizer).trace.frame()
    np.random.seed(1)  # noqa: NPY002
    second = minimize(objective, optimizer=optimizer).trace.frame()
    pd.testing.assert_frame_equal(first, second)


def test_the_global_random_state_is_left_alone():
    np.random.seed(42)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(42)  # noqa: NPY002
    minimize(quadratic(), optimizer="pybobyqa")
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.parametrize("optimizer", [name for name in ALL if BACKENDS[name].bounded])
def test_bounded_optimizers_search_within_the_bounds(optimizer):
    objective = null_variance()
    frame = minimize(objective, optimizer=optimizer, polish=False).trace.frame()
    assert np.stack(frame["theta"]).min() >= 0.0


@pytest.mark.parametrize("optimizer", ALL)
@pytest.mark.parametrize("limit", [1, 4, 9])
def test_the_limit_of_evaluations_holds_over_all_stages(optimizer, limit):
    result = minimize(CASES["rank one"](), optimizer=optimizer, max_evaluations=limit)
    frame = result.trace.frame()
    assert len(frame) == limit
    assert result.optimizer["return_code"] == "max_evaluations"
    assert str(limit) in result.optimizer["message"]
    assert result.evaluation.objective == frame["objective"].min()
    assert result.certificate["verdict"] == "not converged"


def test_the_limit_of_time_holds_and_leaves_out_the_curvature():
    objective = CASES["rank one"]()
    result = minimize(objective, optimizer="pybobyqa", max_seconds=0.02)
    assert result.optimizer["return_code"] == "max_seconds"
    assert result.certificate["verdict"] == "not converged"
    assert result.certificate["newton_decrement"] is None
    assert np.isfinite(result.trace.frame()["rho"]).all()


@pytest.mark.parametrize("optimizer", ALL)
def test_one_evaluation_is_made_however_short_the_time(optimizer):
    result = minimize(CASES["rank one"](), optimizer=optimizer, max_seconds=1e-9)
    assert len(result.trace) == 1
    assert result.optimizer["return_code"] == "max_seconds"


def fragile(bad):
    """A quadratic that cannot be evaluated where `bad` says so."""
    objective = quadratic()
    value = objective.value

    def evaluate(theta):
        if bad(theta):
            raise FloatingPointError("not here")
        return value(theta)

    objective.value = evaluate
    return objective


@pytest.mark.parametrize("optimizer", ALL)
def test_failed_evaluations_are_rows_and_do_not_stop_the_search(optimizer):
    result = minimize(fragile(lambda t: t[0] > 3.2 or t[1] < -2.4), optimizer=optimizer)
    assert result.theta == pytest.approx([1.0, -1.0], abs=1e-5)
    frame = result.trace.frame()
    failed = frame[frame["status"] == "failed"]
    assert failed["objective"].isna().all()
    assert failed["beta"].isna().all()
    assert not frame["best"].isna().any()


def test_an_optimizer_is_never_handed_a_number_that_is_not_finite(monkeypatch):
    from mixedscope.optimize.problem import Problem

    handed = []
    original = Problem.value

    def spy(self, x):
        handed.append(original(self, x))
        return handed[-1]

    monkeypatch.setattr(Problem, "value", spy)
    objective = quadratic()
    plain = objective.value
    objective.value = lambda t: np.nan if t[1] < -1.6 else plain(t)
    result = minimize(objective, optimizer="nlopt-bobyqa")
    assert (result.trace.frame()["status"] == "failed").any()
    assert np.isfinite(handed).all()


def test_an_objective_that_always_fails_is_an_error():
    with pytest.raises(OptimizerError, match="could not be evaluated at any"):
        minimize(fragile(lambda t: True), optimizer="nlopt-neldermead", max_evaluations=5)


def test_errors_that_are_not_numerical_pass_through():
    objective = quadratic()

    def broken(theta):
        raise KeyError("a bug")

    objective.value = broken
    for optimizer in ALL:
        with pytest.raises(KeyError, match="a bug"):
            minimize(objective, optimizer=optimizer)


def test_an_initial_hessian_saves_evaluations():
    plain = minimize(CASES["one slope"](), optimizer="bfgs")
    objective = CASES["one slope"]()
    optimum = plain.theta

    def initial_hessian(theta):
        step = 1e-5
        columns = [
            objective.evaluate_gradient(optimum + step * e)[1]
            - objective.evaluate_gradient(optimum - step * e)[1]
            for e in np.eye(optimum.size)
        ]
        return np.array(columns) / (2 * step)

    objective.initial_hessian = initial_hessian
    informed = minimize(objective, optimizer="bfgs", start=optimum * 1.05 + 0.01)
    blind = minimize(CASES["one slope"](), optimizer="bfgs", start=optimum * 1.05 + 0.01)
    assert informed.optimizer["stages"]["search"] < blind.optimizer["stages"]["search"]
    assert informed.evaluation.objective == pytest.approx(plain.evaluation.objective, abs=1e-8)


def test_only_bfgs_starts_from_the_guess_of_an_informed_objective():
    objective = quadratic(start=(3.0, -2.0))
    objective.moment_start = lambda: np.array([1.1, -0.9])
    first = {n: minimize(objective, optimizer=n).trace.frame()["theta"][0] for n in ALL}
    assert list(first.pop("bfgs")) == [1.1, -0.9]
    assert all(list(theta) == [3.0, -2.0] for theta in first.values())
    given = minimize(objective, optimizer="bfgs", start=np.array([2.0, 2.0]))
    assert list(given.trace.frame()["theta"][0]) == [2.0, 2.0]


@pytest.mark.parametrize("optimizer", ["pybobyqa", "nlopt-bobyqa", "nlopt-neldermead"])
def test_a_bound_that_hides_a_better_fit_is_left(optimizer):
    """A diagonal element stuck at 0 beside free elements of its column is no boundary optimum.

    On the other side of 0 lies the mirror image of a better covariance.
    """
    objective = simulated(302, groups=(10,), n=52, slopes=2, sd=2.0, sigma=0.1)
    stuck = minimize(objective, optimizer=optimizer, polish=False)
    freed = minimize(objective, optimizer=optimizer)
    assert stuck.theta[0] == 0.0
    assert stuck.certificate["verdict"] in {"not converged", "saddle"}
    assert freed.evaluation.objective < stuck.evaluation.objective - 1.0
    assert freed.evaluation.objective == pytest.approx(
        minimize(objective).evaluation.objective, abs=1e-7
    )


def test_auto_names_the_optimizer_it_chose():
    info = minimize(quadratic()).optimizer
    assert info["requested"] == "auto"
    assert info["name"] == get_backend("auto").name


def test_optimizer_information_counts_every_row_and_is_json():
    result = minimize(singular(), optimizer="nlopt-cobyla", settings={"xtol_abs": 1e-3})
    info = result.optimizer
    assert info["evaluations"] == len(result.trace) == sum(info["stages"].values())
    assert info["settings"]["xtol_abs"] == 1e-3
    assert set(info["settings"]) == set(get_backend("nlopt-cobyla").settings)
    json.dumps([info, result.certificate], allow_nan=False)


def test_certificate_evaluations_are_counted_apart_from_the_trace():
    objective = quadratic()
    result = minimize(objective, optimizer="bfgs")
    assert objective.calls == len(result.trace) + result.optimizer["certificate_evaluations"]
    # A step of the search may stand for one of the differences.
    assert result.optimizer["certificate_evaluations"] >= len(result.theta) - 1


def test_one_parameter_newuoa_says_which_algorithm_ran():
    info = minimize(null_variance(), optimizer="nlopt-newuoa").optimizer
    assert "LN_BOBYQA took its place" in info["message"]


def test_an_unknown_optimizer_is_named_with_the_nearest_known():
    with pytest.raises(OptimizerError, match=r"'nlopt-bobyka'.*Did you mean 'nlopt-bobyqa'\?"):
        minimize(quadratic(), optimizer="nlopt-bobyka")
    with pytest.raises(OptimizerError, match=r"known are auto, pybobyqa"):
        minimize(quadratic(), optimizer="xyz")


def test_optimizer_names_begin_with_auto_and_are_unique():
    names = optimizer_names()
    assert names[0] == "auto"
    assert len(set(names)) == len(names) == len(BACKENDS) + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rho_end": 1e-3}, r"'pybobyqa' has no setting 'rho_end'.*Did you mean 'rhoend'\?"),
        ({"rhoend": -1.0}, r"'rhoend' of optimizer 'pybobyqa'.*-1\.0"),
        ({"rhoend": 0}, r"'rhoend'.*above 0"),
        ({"rhobeg": "big"}, r"'rhobeg'.*must be a number, not 'big'"),
        ({"rhobeg": float("nan")}, r"'rhobeg'"),
        ({"npt": 5.5}, r"'npt'.*whole number"),
        ({"npt": True}, r"'npt'.*must be a number"),
        ({"npt": 50}, r"pybobyqa.*npt = 50"),
        ({"rhobeg": 1e-7}, r"pybobyqa.*rhobeg"),
        ({"rhoend": None}, r"'rhoend'"),
    ],
)
def test_a_bad_setting_is_named_with_its_optimizer(settings, message):
    with pytest.raises(OptimizerError, match=message):
        minimize(quadratic(), optimizer="pybobyqa", settings=settings)


@pytest.mark.parametrize("name", ["max_evaluations", "max_seconds"])
@pytest.mark.parametrize("value", [0, -1, "ten", True, float("nan")])
def test_a_bad_limit_is_an_error(name, value):
    with pytest.raises(OptimizerError, match=name):
        minimize(quadratic(), **{name: value})


@pytest.mark.parametrize("start", [[1.0], [[1.0, 2.0]], [1.0, np.nan]])
def test_a_bad_start_is_an_error(start):
    with pytest.raises(OptimizerError, match="start must"):
        minimize(quadratic(), start=start)


@pytest.mark.parametrize("optimizer", ALL)
def test_defaults_of_every_setting_pass_its_own_check(optimizer):
    backend = get_backend(optimizer)
    assert backend.resolve({n: s.default for n, s in backend.settings.items()}) == backend.resolve(
        None
    )


def test_a_short_fit_shows_no_bar(capsys):
    minimize(CASES["one slope"](), optimizer="bfgs", progress=True)
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize("progress", [True, False])
def test_a_fit_that_lasts_shows_a_bar_only_when_asked_for(capsys, monkeypatch, progress):
    from mixedscope.optimize.problem import Problem

    monkeypatch.setattr(Problem, "PATIENCE", 0.0)
    minimize(CASES["one slope"](), optimizer="nlopt-bobyqa", progress=progress)
    assert ("evaluations" in capsys.readouterr().err) is progress


@pytest.mark.parametrize(("stiffness", "zeros_tried"), [(1e4, 0), (1e-3, 1)])
def test_a_small_theta_is_tried_at_zero_unless_the_curvature_says_what_that_costs(
    stiffness, zeros_tried
):
    """Of ``(t0 - 1)**2 + stiffness (t1**2 - 0.0001)**2``, whose minimum is at t1 = 0.01."""
    objective = Toy(
        lambda t: (t[0] - 1) ** 2 + stiffness * (t[1] ** 2 - 1e-4) ** 2 * 1e4,
        lambda t: [2 * (t[0] - 1), stiffness * 4e4 * t[1] * (t[1] ** 2 - 1e-4)],
        start=(0.5, 0.012),
        lower=[-np.inf, 0.0],
    )
    result = minimize(objective)
    tried = [row.theta[1] == 0.0 for row in result.trace.rows if row.stage == "polish"]
    assert sum(tried) == zeros_tried
    assert result.theta[1] == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(("columns", "zero"), [((0, -1), True), ((0, 0), False)])
def test_a_fixed_effect_near_zero_does_not_go_with_a_variance(columns, zero):
    """Of ``t0**4 + (t1 - 0.005)**2``, where t1 at zero costs more than rounding and t0 nothing."""
    kind = type("Mixed", (Toy,), {"columns": np.array(columns)})
    objective = kind(
        lambda t: t[0] ** 4 + (t[1] - 0.005) ** 2,
        lambda t: [4 * t[0] ** 3, 2 * (t[1] - 0.005)],
        start=(0.5, 1.0),
        lower=[0.0, -np.inf],
    )
    result = minimize(objective)
    assert bool(result.theta[0] == 0.0) is zero
    assert result.theta[1] == pytest.approx(0.005, rel=0.01)


@pytest.mark.parametrize(("columns", "tried"), [((0, -1), False), ((0, 1), True)])
def test_a_variance_is_not_small_because_a_fixed_effect_is_large(columns, tried):
    """Of ``1e-9 (t0**2 - 25)**2 + (t1 - 1000)**2``, whose minimum is at (5, 1000)."""
    kind = type("Mixed", (Toy,), {"columns": np.array(columns)})
    objective = kind(
        lambda t: 1e-9 * (t[0] ** 2 - 25) ** 2 + (t[1] - 1000) ** 2,
        lambda t: [4e-9 * t[0] * (t[0] ** 2 - 25), 2 * (t[1] - 1000)],
        start=(5.0, 900.0),
        lower=[0.0, -np.inf],
    )
    result = minimize(objective)
    assert any(row.theta[0] == 0.0 for row in result.trace.rows) is tried
    assert result.theta[1] == pytest.approx(1000)


def test_auto_leaves_the_last_steps_to_polishing_where_evaluations_are_dear():
    dear = minimize(simulated(4))
    assert dear.optimizer["settings"]["ftol"] == 1e-6
    assert minimize(simulated(4), optimizer="bfgs").optimizer["settings"]["ftol"] == 1e-9
    assert minimize(simulated(4), polish=False).optimizer["settings"]["ftol"] == 1e-9
    given = minimize(simulated(4), settings={"ftol": 1e-3}).optimizer["settings"]
    assert given["ftol"] == 1e-3
    quick = simulated(4)
    quick.is_quick = quick.is_compiled = True
    quick.gradients = lambda thetas: np.array([quick.evaluate_gradient(t)[1] for t in thetas])
    assert minimize(quick).optimizer["settings"]["ftol"] == 1e-9
    assert dear.certificate["newton_decrement"] < 1e-11
