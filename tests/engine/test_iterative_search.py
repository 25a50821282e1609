"""Fits by the iterative engine: where they end, and what they say of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reference.cases import fetch

import mixedscope as ms
from mixedscope.core.errors import OptimizerError
from mixedscope.engine.iterative.objective import IterativeObjective
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.search.starting import average_information
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.estimated import EstimatedObjective, Settler


def ratings(n=6000, users=500, items=150, *, seed=0, sds=(0.6, 0.5), slope=0.3):
    rng = np.random.default_rng(seed)
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    x = rng.normal(size=n)
    y = 3.0 + 0.2 * x + rng.normal(size=n)
    y += sds[0] * rng.normal(size=users)[u] + sds[1] * rng.normal(size=items)[i]
    y += slope * rng.normal(size=users)[u] * x
    d = rng.integers(0, 5, n)
    y += np.array([0.4, -0.6, 0.1, 0.5, -0.3])[d]
    frame = pd.DataFrame({"y": y, "x": x, "d": pd.Categorical(d)})
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


def purchases(n=9000, users=800, items=230, shops=210, *, seed=0, slope=0.3, within=None):
    """Ratings with slopes of both and a third large factor; or levels of a factor within shops."""
    rng = np.random.default_rng([seed, 2])
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    s = rng.integers(0, shops, n) if within is None else {"u": u, "i": i}[within] % shops
    x = rng.normal(size=n)
    y = 1.0 + 0.2 * x + 0.6 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=items)[i]
    y += 0.3 * rng.normal(size=users)[u] * x + slope * rng.normal(size=items)[i] * x
    y += 0.4 * rng.normal(size=shops)[s] + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "x": x, "w": rng.uniform(0.5, 2.0, n)})
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i), s=pd.Categorical(s))


def both(formula, data, *, reml=False, n_probes=32, **how):
    model = ms.LinearMixedModel(formula, data)
    system = IterativeSystem(model.design, n_probes=n_probes)
    found = minimize(IterativeObjective(system, reml=reml), **how)
    return model, model.fit(reml=reml), found


def standard_errors(model, theta, *, reml=False):
    """Standard errors of theta by the exact engine's average information."""
    information = average_information(model.profiled(reml=reml), theta)
    return np.sqrt(2.0 * np.linalg.inv(information).diagonal())


@pytest.mark.parametrize(
    ("formula", "reml"),
    [
        ("y ~ x + (1|u) + (1|i)", False),
        ("y ~ x + (1|u) + (1|i) + (1|d)", True),
        ("y ~ x + (1 + x|u) + (1|i)", True),
    ],
)
def test_a_fit_ends_within_its_stated_error_of_the_exact_one(formula, reml):
    model, exact, found = both(formula, ratings(), reml=reml)
    told = found.certificate["probe_error"]
    errors = np.abs(found.theta - exact.theta) / standard_errors(model, exact.theta, reml=reml)
    # The largest of a few with one standard error each, and 1e-4 for where the search stops.
    assert errors.max() < 4.5 * told["theta"] + 1e-3
    assert told["theta"] < 0.02
    difference = found.evaluation.objective - exact.objective
    assert abs(difference) < 4.5 * told["objective"]
    assert found.certificate["verdict"] == "optimum"
    assert "to within probe error" in found.certificate["words"]
    assert found.optimizer["evaluations"] <= 12


@pytest.mark.parametrize(
    ("formula", "within", "reml"),
    [
        ("y ~ x + (1 + x|u) + (1 + x|i)", None, True),
        ("y ~ x + (1 + x|u) + (1 + x||i)", None, False),
        ("y ~ x + (1|u) + (1|i) + (1|s)", None, False),
        ("y ~ x + (1 + x|u) + (1 + x|i) + (1|s)", "u", True),
        ("y ~ x + (1|u) + (1|i) + (1|s)", "i", True),
    ],
)
def test_fits_of_slopes_and_of_three_factors_end_within_their_stated_errors(formula, within, reml):
    model, exact, found = both(formula, purchases(within=within), reml=reml)
    told = found.certificate["probe_error"]
    errors = np.abs(found.theta - exact.theta) / standard_errors(model, exact.theta, reml=reml)
    assert errors.max() < 4.5 * told["theta"] + 1e-3
    assert told["theta"] < 0.02
    assert abs(found.evaluation.objective - exact.objective) < 4.5 * told["objective"]
    assert found.certificate["verdict"] == "optimum"
    assert found.evaluation.sigma == pytest.approx(exact.sigma, rel=1e-4)
    np.testing.assert_allclose(found.evaluation.beta, exact.beta, rtol=1e-3)
    assert found.optimizer["evaluations"] <= 14


def test_a_variance_of_zero_is_found():
    _, exact, found = both("y ~ x + (1|u) + (1|i)", ratings(seed=4, sds=(0.6, 0.0)))
    assert exact.theta[1] == 0.0
    assert found.theta[1] == 0.0
    assert found.certificate["verdict"] == "boundary optimum"
    assert found.certificate["active_bounds"] == ["i.(Intercept)"]
    assert found.evaluation.objective == pytest.approx(exact.objective, abs=1e-6)


@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 + x|u) + (1 + x||i)", "y ~ x + (1 + x|u) + (1 + x|i)"]
)
def test_a_slope_variance_of_zero_of_the_iterated_factor_is_found(formula):
    data = purchases(n=4000, users=400, items=120, slope=0.0)
    _, exact, found = both(formula, data)
    # With a correlation it is plus or minus one; either way the last entry of the factor is zero.
    assert exact.theta[-1] == 0.0
    assert found.theta[-1] == 0.0
    assert found.certificate["verdict"] == "boundary optimum"
    assert found.certificate["active_bounds"] == ["i.x"]
    np.testing.assert_allclose(found.theta, exact.theta, atol=2e-3)
    told = found.certificate["probe_error"]
    assert abs(found.evaluation.objective - exact.objective) < 4.5 * told["objective"]


@pytest.mark.parametrize("structure", ["cs", "homcs"])
@pytest.mark.parametrize("rho", [1.0, -0.5])
def test_correlations_near_their_ends_are_found_in_a_few_steps(structure, rho):
    # By the information alone steps towards them halved what was left, 53 of them.
    rng = np.random.default_rng(0)
    n, users, items = 3000, 300, 100
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    columns = np.column_stack([np.ones(n), *(rng.normal(size=n) for _ in range(2))])
    values, vectors = np.linalg.eigh(np.full((3, 3), rho) + (1.0 - rho) * np.eye(3))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    effects = rng.normal(size=(users, 3)) @ root.T * np.array([0.7, 0.55, 0.4])
    y = (columns * effects[u]).sum(axis=1) + 0.5 * rng.normal(size=items)[i]
    data = pd.DataFrame({"y": y + rng.normal(size=n), "x": columns[:, 1], "z": columns[:, 2]})
    data = data.assign(u=pd.Categorical(u), i=pd.Categorical(i))
    _, exact, found = both(f"y ~ x + {structure}(1 + x + z|u) + (1|i)", data)
    assert found.certificate["verdict"] == exact.certificate["verdict"]
    told = found.certificate["probe_error"]
    assert abs(found.evaluation.objective - exact.objective) < 4.5 * told["objective"]
    np.testing.assert_allclose(found.theta, exact.theta, atol=5e-3)
    assert found.optimizer["evaluations"] <= 20


TERMS = {
    "(1|u)": 1, "(1 + x|u)": 3, "(1 + x||u)": 2, "cs(1 + x + z|u)": 4, "homcs(1 + x + z|u)": 2,
    "rr1(1 + x + z|u)": 3, "homdiag(1 + x|u)": 1, "ar1(0 + d|u)": 2, "hetar1(0 + d|u)": 6,
}  # fmt: skip


@pytest.mark.parametrize("formula", TERMS)
@pytest.mark.parametrize("end", [False, True])
def test_second_derivatives_of_covariances_are_those_of_any_structure(formula, end):
    rng = np.random.default_rng(3)
    data = ratings(n=400, users=30).assign(z=rng.normal(size=400))
    (term,) = ms.LinearMixedModel(f"y ~ x + {formula}", data).system.terms
    assert term.n_theta == TERMS[formula]
    theta = rng.uniform(0.3, 1.2, term.n_theta)
    if end:
        # Of nothing but these is a zero, or a right angle, the end of a range.
        theta[-1] = np.nan_to_num(term.edges[-1])

    def along(direction, length):
        factor = term.standard_factor(theta + length * direction)
        return factor @ factor.T

    found = term.covariance_curvatures(theta)
    for _ in range(3):
        direction, h = rng.normal(size=term.n_theta), 1e-3
        values = [along(direction, step * h) for step in (-2, -1, 0, 1, 2)]
        expected = np.tensordot([-1, 16, -30, 16, -1], values, 1) / (12.0 * h * h)
        own = np.einsum("i,j,ijab->ab", direction, direction, found)
        np.testing.assert_allclose(own, expected, atol=1e-6 * max(1.0, np.abs(expected).max()))


def test_a_minimum_at_zero_is_left_for_a_lower_one():
    # One item with nine rows of ten: the way from the start leads to zero, 0.87 above the lowest.
    rng = np.random.default_rng(6)
    n, users, items = 1500, 200, 60
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    i = np.where(rng.random(n) < 0.9, 0, i)
    x = rng.normal(size=n)
    y = 0.2 * x + 0.7 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=items)[i]
    y += rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "u": [f"u{k}" for k in u], "i": [f"i{k}" for k in i]})
    _, exact, found = both("y ~ x + (1|u) + (1|i)", data)
    assert exact.theta[1] > 0.4
    np.testing.assert_allclose(found.theta, exact.theta, atol=5e-3)
    assert found.evaluation.objective == pytest.approx(exact.objective, abs=0.1)
    assert "a second look for a lower minimum" in found.certificate["tried"]


def test_a_start_at_zero_is_left():
    _, exact, found = both("y ~ x + (1|u) + (1|i)", ratings(), start=np.zeros(2))
    assert found.certificate["verdict"] == "optimum"
    # A twentieth of the standard errors, which are about 0.03; the probes leave a fiftieth.
    np.testing.assert_allclose(found.theta, exact.theta, atol=2e-3)


@pytest.mark.parametrize("start", [[5.0, 5.0], [0.01, 0.01], [10.0, 0.05]])
def test_starts_far_away_lead_to_the_same_point(start):
    _, _, near = both("y ~ x + (1|u) + (1|i)", ratings())
    _, _, far = both("y ~ x + (1|u) + (1|i)", ratings(), start=np.array(start))
    # Both stop within 1e-4 standard errors, of which theta has about 0.04, of one root.
    np.testing.assert_allclose(far.theta, near.theta, atol=1e-4)
    assert far.optimizer["evaluations"] <= 20


def test_other_optimisers_search_the_same_estimate():
    _, exact, found = both("y ~ x + (1|u) + (1|i)", ratings(), optimizer="pybobyqa")
    assert found.certificate["verdict"] == "optimum"
    # A twentieth of the standard errors, which are about 0.03; the probes leave a fiftieth.
    np.testing.assert_allclose(found.theta, exact.theta, atol=2e-3)
    assert set(found.trace.frame()["stage"]) <= {"search", "polish"}


def test_trace_has_the_errors_of_every_evaluation():
    _, _, found = both("y ~ x + (1|u) + (1|i)", ratings())
    frame = found.trace.frame()
    assert (frame["objective_se"] > 0.0).all()
    assert (frame["probes"] == 32).all()
    assert (frame["cg_iterations"] > 1).all()
    assert (frame["cg_residual"] <= 1e-10).all()
    assert all(len(errors) == 2 for errors in frame["gradient_se"])


def test_probes_are_doubled_until_they_tell_enough(monkeypatch):
    from mixedscope.optimize import estimated

    monkeypatch.setattr(estimated, "TOO_MUCH", 0.0)
    _, _, found = both("y ~ x + (1|u) + (1|i)", ratings(), n_probes=16)
    told = found.certificate["probe_error"]
    assert told["probes"] == 512
    frame = found.trace.frame()
    assert set(frame["probes"]) == {16, 32, 64, 128, 256, 512}
    assert "512 probes" in found.certificate["tried"]
    # Evaluations before are brought to the last probes: none is lower because others told so.
    assert frame["objective"].iloc[-1] == found.evaluation.objective
    assert frame["objective"].iloc[-1] - frame["objective"].min() < 1e-4
    parts = [frame[name].to_numpy() for name in ("objective", "log_det")]
    raw = [np.array([getattr(r.evaluation, name) for r in found.trace.rows])
           for name in ("objective", "log_det")]  # fmt: skip
    np.testing.assert_allclose(parts[0] - raw[0], parts[1] - raw[1], atol=1e-12)
    assert np.abs(parts[0] - raw[0]).max() > 1e-5


def test_heights_above_the_optimum_are_known_as_the_certificate_says():
    # Beside its stated difference a height is as large as its own standard error, and a hundred
    # times as high it is known to a tenth.
    model = ms.LinearMixedModel("y ~ x + (1|u) + (1|i)", ratings())
    exact, objective = model.fit(), model.profiled()
    values, vectors = np.linalg.eigh(objective.initial_hessian(exact.theta))
    errors, excess = {1.0: [], 100.0: []}, []
    for seed in range(12):
        estimate = IterativeObjective(IterativeSystem(model.design, seed=seed))
        found = minimize(estimate)
        difference = found.certificate["probe_error"]["difference"]
        excess.append((objective.evaluate(found.theta).objective - exact.objective) / difference)
        foot = estimate.evaluate(exact.theta).objective
        for scale, own in errors.items():
            steps = [
                sign * direction * np.sqrt(2.0 * difference * scale / curvature)
                for direction, curvature in zip(vectors.T, values, strict=True)
                for sign in (1.0, -1.0)
            ]
            heights = [
                (estimate.evaluate(exact.theta + step).objective - foot,
                 objective.evaluate(exact.theta + step).objective - exact.objective)
                for step in steps
            ]  # fmt: skip
            own.append(max(abs(mine / true - 1.0) for mine, true in heights))
    rms = {scale: float(np.sqrt(np.mean(np.square(own)))) for scale, own in errors.items()}
    assert 0.3 < rms[1.0] < 2.0
    assert 0.03 < rms[100.0] < 0.2
    assert float(np.sqrt(np.mean(np.square(excess)))) < 2.0


def test_the_search_has_a_name_of_its_own_and_no_settings():
    data = ratings()
    _, _, found = both("y ~ x + (1|u) + (1|i)", data)
    assert found.optimizer["name"] == "average-information"
    assert found.optimizer["settings"] == {}
    with pytest.raises(OptimizerError, match="leave out 'ftol'"):
        both("y ~ x + (1|u) + (1|i)", data, settings={"ftol": 1e-3})
    _, _, found = both("y ~ x + (1|u) + (1|i)", data, optimizer="pybobyqa")
    assert found.optimizer["name"] == "pybobyqa"


def test_a_search_that_ends_too_early_has_no_more_probes_for_it(monkeypatch):
    from mixedscope.optimize import estimated

    monkeypatch.setattr(estimated, "_STEPS", 1)
    start = np.array([60.0, 60.0])
    _, _, found = both("y ~ x + (1|u) + (1|i)", ratings(), start=start)
    assert found.certificate["verdict"] == "not converged"
    assert set(found.trace.frame()["probes"]) == {32}
    assert found.certificate["probe_error"]["theta"] > 0.02


def test_limits_end_a_fit_without_a_verdict():
    _, _, found = both("y ~ x + (1|u) + (1|i)", ratings(), max_evaluations=2)
    assert found.certificate["verdict"] == "not converged"
    assert found.optimizer["return_code"] == "max_evaluations"
    assert found.optimizer["evaluations"] == 2


def test_a_fit_is_the_same_again():
    first, again = (both("y ~ x + (1|u) + (1|i)", ratings())[2] for _ in range(2))
    assert first.theta.tobytes() == again.theta.tobytes()
    assert first.certificate == again.certificate
    pd.testing.assert_frame_equal(first.trace.frame(), again.trace.frame())


def test_only_estimated_objectives_are():
    model = ms.LinearMixedModel("y ~ x + (1|u) + (1|i)", ratings(n=400, users=30, items=20))
    assert not isinstance(model.profiled(), EstimatedObjective)
    assert isinstance(IterativeObjective(IterativeSystem(model.design)), EstimatedObjective)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("formula", "within"),
    [
        ("y ~ x + (1 + x|u) + (1 + x|i)", None),
        ("y ~ x + (1|u) + (1|i) + (1|s)", None),
        ("y ~ x + (1 + x|u) + (1 + x|i) + (1|s)", "u"),
    ],
)
def test_errors_of_theta_are_as_large_as_stated_over_100_seeds(formula, within):
    model = ms.LinearMixedModel(formula, purchases(within=within), weights="w")
    exact = model.fit()
    objective = IterativeObjective(IterativeSystem(model.design))
    inverse = np.linalg.inv(average_information(model.profiled(), exact.theta))
    ratios = []
    for seed in range(100):
        own = objective.with_probes(32, seed=seed)
        evaluation, slope = own.evaluate_gradient(exact.theta)
        stated = inverse @ own.gradient_covariance(exact.theta) @ inverse
        off = inverse @ slope / np.sqrt(stated.diagonal())  # where the search for the root ends
        ratios.append(
            np.append(off, (evaluation.objective - exact.objective) / evaluation.objective_se)
        )
    size = np.sqrt(np.mean(np.square(ratios), axis=0))
    assert np.all((size > 0.7) & (size < 1.4)), size
    assert np.all(np.abs(np.mean(ratios, axis=0)) < 0.4)  # four standard errors of a mean


def test_parameters_that_end_at_zero_leave_the_others_their_own_step():
    settler = Settler.__new__(Settler)
    settler.problem = SimpleNamespace(
        objective=SimpleNamespace(lower=np.array([0.0, 0.0, -np.inf]))
    )
    hessian = np.array([[0.25, 5.0, 1.0], [5.0, 400.0, 20.0], [1.0, 20.0, 50.0]])
    gradient = np.array([1.0, 2.0, -1.0])
    point = SimpleNamespace(x=np.array([0.02, 1.0, 0.5]), gradient=gradient)
    joint = -np.linalg.solve(hessian, gradient)
    assert joint[0] < -1.0  # far beyond zero, and the others as far beyond theirs
    step = settler._bounded(hessian, point, 0.0)
    assert step[0] == -0.02
    rest = -np.linalg.solve(hessian[1:, 1:], gradient[1:] - 0.02 * hessian[1:, 0])
    np.testing.assert_allclose(step[1:], rest, rtol=1e-12)
    # What is zero is not moved by rounding.
    point = SimpleNamespace(x=np.array([0.0, 1.0, 0.5]), gradient=np.array([-1e-17, 2.0, -1.0]))
    hessian[0, 1:] = hessian[1:, 0] = 1e-15
    assert settler._bounded(hessian, point, 0.0)[0] == 0.0
    # Where nothing ends, and nothing depends on anything else, damping shortens the step.
    point = SimpleNamespace(x=np.ones(3), gradient=gradient)
    short = settler._bounded(np.diag([2.0, 4.0, 5.0]), point, 3.0)
    np.testing.assert_allclose(short, -gradient / np.array([8.0, 16.0, 20.0]), rtol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("formula", ["y ~ x + (1 + x|u) + (1 + x||i)", "y ~ x + (1|u) + (1 + x|i)"])
def test_slopes_that_hardly_vary_end_where_the_exact_ones_do(formula, seed):
    data = purchases(n=4000, users=400, items=230, seed=seed, slope=0.0)
    _, exact, found = both(formula, data)
    told = found.certificate["probe_error"]
    assert abs(found.evaluation.objective - exact.objective) < 4.5 * told["objective"]
    assert found.certificate["verdict"] == exact.certificate["verdict"]
    np.testing.assert_allclose(found.theta, exact.theta, atol=2e-3)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ service + (1|s) + (1|d)",
        "y ~ (1|s) + (1|d) + (1|dept)",
        "y ~ service + (1 + service|s) + (1 + service|d)",
    ],
)
def test_insteval_is_found_within_three_stated_errors(formula):
    model, exact, found = both(formula, fetch("lme4/InstEval"))
    told = found.certificate["probe_error"]
    assert abs(found.evaluation.objective - exact.objective) < 3.0 * told["objective"]
    errors = np.abs(found.theta - exact.theta) / standard_errors(model, exact.theta)
    assert errors.max() < 3.0 * told["theta"] < 0.06
