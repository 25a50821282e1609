"""The iterative engine of generalised models, held against the exact one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.engine.generalized.iterative import objective as iterative_objective
from mixedscope.engine.generalized.iterative import point as iterative_point
from mixedscope.engine.generalized.iterative.objective import IterativeLaplace
from mixedscope.engine.generalized.iterative.system import IterativeGeneralizedSystem
from mixedscope.engine.lapack import set_threads
from mixedscope.inference.generalized import parameter_covariance
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.estimated import EstimatedObjective


def crossed(n=400, users=60, items=25, *, seed=0, sds=(0.7, 0.5), parts=1, ring=0):
    """Answers: pairs that occur twice, levels that occur once, any number of components.

    And beside them a ring, of as many users and items of two rows each.
    """
    rng = np.random.default_rng(seed)
    part = rng.integers(0, parts, n)
    u = rng.integers(0, users // parts, n) * parts + part
    i = rng.integers(0, items // parts, n) * parts + part
    u[:8], i[:8] = np.repeat(u[:4], 2), np.repeat(i[:4], 2)
    u[-1], i[-2] = users, items  # of each a level of one row
    around = np.arange(ring)
    u = np.concatenate([u, users + 1 + around, users + 1 + around])
    i = np.concatenate([i, items + 1 + around, items + 1 + np.roll(around, 1)])
    n, users, items = n + 2 * ring, users + ring, items + ring
    x = rng.normal(size=n)
    eta = 0.3 + 0.4 * x + 0.3 * rng.normal(size=users + 1)[u] * x
    eta += sds[0] * rng.normal(size=users + 1)[u] + sds[1] * rng.normal(size=items + 1)[i]
    mean, trials = 1.0 / (1.0 + np.exp(-eta)), rng.integers(1, 6, n)
    frame = pd.DataFrame(
        {
            "x": x,
            "w": rng.uniform(0.2, 3.0, n),
            "o": 0.3 * rng.normal(size=n),
            "yes": (rng.uniform(size=n) < mean).astype(float),
            "trials": trials,
            "successes": rng.binomial(trials, mean),
            "count": rng.poisson(np.exp(0.5 * eta)),
            "amount": rng.gamma(2.0, np.exp(0.5 * eta) / 2.0),
            "part": np.clip(rng.beta(4.0 * mean, 4.0 * (1.0 - mean)), 1e-6, 1.0 - 1e-6),
        }
    )
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


#: Formula, family and link, other arguments of the model, data, theta.
CASES = {
    "scalar": ("yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {}, {}, [0.7, 0.5]),
    "weights, offset": (
        "yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {"weights": "w", "offset": "o"}, {},
        [0.7, 0.5],
    ),
    "trials": ("successes / trials ~ x + (1|i) + (1|u)", ("binomial", "logit"), {}, {}, [0.5, 0.7]),
    "slopes": (
        "count ~ x + (1 + x|u) + (1|i)", ("poisson", "log"), {"weights": "w", "offset": "o"}, {},
        [0.7, -0.2, 0.3, 0.5],
    ),
    "three columns": (
        "count ~ x + (0 + x + w + o|u) + (1|i)", ("poisson", "sqrt"), {}, {}, None,
    ),
    "slopes of the smaller": (
        "yes ~ x + (1|u) + (0 + x|i)", ("binomial", "probit"), {}, {}, [0.7, 0.5],
    ),
    "cloglog": ("successes / trials ~ x + (1|u) + (1|i)", ("binomial", "cloglog"), {}, {}, None),
    "size": ("count ~ x + (1|u) + (1|i)", ("nbinom2", "log"), {"weights": "w"}, {}, [0.7, 0.5]),
    "shape": ("amount ~ x + (1|u) + (1|i)", ("gamma", "log"), {"offset": "o"}, {}, [0.7, 0.5]),
    "precision": ("part ~ x + (1|u) + (1|i)", ("beta", "logit"), {}, {}, [0.7, 0.5]),
    "disconnected": (
        "yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {}, {"parts": 5}, [0.9, 1.5],
    ),
    "no variance of one": ("yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {}, {}, [0.0, 0.5]),
    "no variance of the other": (
        "yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {}, {}, [0.7, 0.0],
    ),
    "no variance": (
        "count ~ x + (1 + x|u) + (1|i)", ("poisson", "log"), {"weights": "w"}, {},
        [0.0, 0.0, 0.0, 0.0],
    ),
    "large": ("yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {}, {}, [8.0, 10.0]),
    "core and ring": (
        "yes ~ x + (1|u) + (1|i)", ("binomial", "logit"), {},
        {"n": 3000, "users": 40, "items": 30, "ring": 200}, [0.7, 0.5],
    ),
    "few rows": (
        "count ~ 1 + (1|u) + (1|i)", ("poisson", "log"), {}, {"n": 45, "users": 20, "items": 12},
        [1.1, 0.4],
    ),
    "no fixed effects": ("yes ~ 0 + (1|u) + (1|i)", ("binomial", "logit"), {}, {}, [0.7, 0.5]),
}  # fmt: skip


def pair(case, *, seed=0, n_probes=32):
    """The exact objective of a case, the iterative one, and a point."""
    formula, (family, link), given, data, theta = CASES[case]
    model = ms.GeneralizedLinearMixedModel(formula, crossed(**data), family, link, **given)
    exact = model.laplace
    system = IterativeGeneralizedSystem(
        model.design, exact.system.response, model.family, seed=seed, n_probes=n_probes
    )
    point = exact.start * 0.7
    if theta is not None:
        point[: len(theta)] = theta
    return exact, IterativeLaplace(system), point


@pytest.fixture
def complete(monkeypatch):
    """Probes that span everything, and equations solved to the end: no error is left."""
    monkeypatch.setattr(iterative_point, "PROBED", 1e-13)
    monkeypatch.setattr(iterative_point, "EXACT", 1e-13)

    def made(objective):
        n = objective.system.n_iterated
        objective.system.__dict__["probes"] = np.sqrt(n) * np.eye(n)
        return objective

    return made


@pytest.mark.parametrize("case", CASES)
def test_with_probes_of_all_directions_nothing_is_left_of_the_error(case, complete):
    exact, iterative, point = pair(case)
    expected, slope = exact.evaluate_gradient(point)
    found, gradient = complete(iterative).evaluate_gradient(point)
    assert found.objective == pytest.approx(expected.objective, abs=1e-7)
    np.testing.assert_allclose(gradient, slope, rtol=1e-7, atol=1e-6)
    for part in ("log_det", "conditional_deviance", "penalty"):
        assert getattr(found, part) == pytest.approx(getattr(expected, part), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("case", ["weights, offset", "slopes", "size", "large"])
def test_modes_and_their_covariances_are_exact(case):
    exact, iterative, point = pair(case)
    expected, given = exact.modes_at(point).b, exact.conditional_covariances(point)
    for found, other in zip(iterative.modes_at(point).b, expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-7, atol=1e-9)
    for found, other in zip(iterative.known_covariances(point), given, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-7, atol=1e-12)


def test_covariances_of_many_levels_are_left_out(monkeypatch):
    exact, iterative, point = pair("slopes")
    monkeypatch.setattr(iterative_objective, "MOST_AT_ONCE", 30)
    users, items = iterative.known_covariances(point)
    assert np.isnan(users).all()
    np.testing.assert_allclose(items, exact.conditional_covariances(point)[1], rtol=1e-7)


def test_where_the_modes_were_searched_from_leaves_no_trace():
    _, iterative, point = pair("slopes")
    there, slope = iterative.evaluate_gradient(point)
    iterative.evaluate_gradient(point * 1.3 + 0.1)
    again, gradient = iterative.evaluate_gradient(point)
    assert again.objective == pytest.approx(there.objective, abs=1e-8)
    np.testing.assert_allclose(gradient, slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("case", ["weights, offset", "slopes", "shape"])
def test_second_derivatives_are_those_of_the_exact_engine(case, complete):
    exact, iterative, point = pair(case)
    expected = parameter_covariance(exact, point)
    gradient, _ = complete(iterative).second_derivatives(point)
    np.testing.assert_allclose(gradient, exact.evaluate_gradient(point)[1], rtol=1e-6, atol=1e-5)
    # By a few probes, of which these are not enough to span anything: about.
    found = parameter_covariance(iterative, point)
    scale = np.sqrt(np.abs(expected.diagonal()))
    assert np.abs((found - expected) / np.outer(scale, scale)).max() < 0.2


def errors_over_seeds(case, seeds, *, n_probes=32):
    """Errors of objective and gradient over what is stated for each, (seeds, 1 + k)."""
    exact, iterative, point = pair(case, n_probes=n_probes)
    expected, slope = exact.evaluate_gradient(point)
    rows = []
    for seed in range(seeds):
        found, gradient = iterative.with_probes(n_probes, seed=seed).evaluate_gradient(point)
        error = np.append(found.objective - expected.objective, gradient - slope)
        rows.append(error / np.append(found.objective_se, found.gradient_se))
    return np.array(rows)


@pytest.mark.parametrize(
    "case", ["weights, offset", "slopes", "size", "disconnected", "core and ring"]
)
def test_stated_errors_are_those_made(case):
    ratios = errors_over_seeds(case, 40)
    size = np.sqrt(np.mean(ratios**2, axis=0))
    assert np.all(size < 1.4), size
    assert np.all(size > 0.5), size


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", [c for c in CASES if "variance" not in c])
def test_stated_errors_cover_over_200_seeds(case):
    within = np.mean(np.abs(errors_over_seeds(case, 200)) < 2.04, axis=0)
    assert np.all(within > 0.89), within


def test_equal_seeds_give_equal_bytes_on_any_number_of_threads():
    found = []
    for threads in (1, 2, 1):
        set_threads(threads)
        try:
            _, iterative, point = pair("slopes")
            evaluation, gradient = iterative.evaluate_gradient(point)
            found.append((evaluation, gradient, iterative.initial_hessian(point)))
        finally:
            set_threads(1)
    for evaluation, gradient, hessian in found[1:]:
        assert np.array_equal(gradient, found[0][1])
        assert np.array_equal(hessian, found[0][2])
        assert evaluation.objective == found[0][0].objective


def test_evaluations_tell_what_they_took():
    _, iterative, point = pair("scalar")
    found, _ = iterative.evaluate_gradient(point)
    assert found.probes == 32
    assert 1 < found.cg_iterations < 60
    assert 0.0 <= found.cg_residual <= 1e-6
    assert found.newton_steps > 2
    assert found.gradient_se.shape == point.shape
    assert np.all(found.gradient_se > 0.0)
    assert np.isnan(iterative.evaluate(point).gradient_se).all()
    assert isinstance(iterative, EstimatedObjective)


def test_points_without_a_value_fail_and_leave_nothing_behind():
    _, iterative, point = pair("size")
    before = iterative.evaluate(point).objective
    for place, value in ((0, np.nan), (-1, 800.0), (2, np.inf)):
        other = np.array(point)
        other[place] = value
        with pytest.raises((FloatingPointError, OverflowError)):
            iterative.evaluate(other)
    assert iterative.evaluate(point).objective == pytest.approx(before, abs=1e-8)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("yes ~ x + (1|u)", "the model has 1: 'u'"),
        ("yes ~ x + (1 + x|u) + (1 + x|i)", "one column of random effects for 'i'"),
        ("yes ~ x + (1|u) + (1|i) + (1|trials)", "the model has 3"),
    ],
)
def test_other_models_are_refused_by_name(formula, words):
    with pytest.raises(ModelError, match=words):
        ms.GeneralizedLinearMixedModel(formula, crossed(), solver="iterative")


# -- searches --------------------------------------------------------------------------------------


def both(formula, family, data):
    model = ms.GeneralizedLinearMixedModel(formula, data, family)
    system = IterativeGeneralizedSystem(model.design, model.system.response, model.family)
    return model, minimize(model.laplace), minimize(IterativeLaplace(system))


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("yes ~ x + (1|u) + (1|i)", "binomial"),
        ("count ~ x + (1 + x|u) + (1|i)", "poisson"),
        ("amount ~ x + (1|u) + (1|i)", "gamma"),
    ],
)
def test_a_fit_ends_within_its_stated_error_of_the_exact_one(formula, family):
    data = crossed(n=5000, users=400, items=120)
    model, exact, found = both(formula, family, data)
    told = found.certificate["probe_error"]
    errors = np.sqrt(parameter_covariance(model.laplace, exact.theta).diagonal())
    assert (np.abs(found.theta - exact.theta) / errors).max() < 4.5 * told["theta"] + 1e-3
    assert told["theta"] < 0.02
    difference = found.evaluation.objective - exact.evaluation.objective
    assert abs(difference) < 4.5 * told["objective"] + 1e-4
    assert found.certificate["verdict"] == "optimum"
    assert "to within probe error" in found.certificate["words"]
    frame = found.trace.frame()
    assert (frame["probes"] == told["probes"]).all()
    assert all(len(error) == len(found.theta) for error in frame["gradient_se"])


def test_a_variance_of_zero_is_found():
    data = crossed(n=3000, users=300, items=80, sds=(0.6, 0.0), seed=4)
    _, exact, found = both("yes ~ x + (1|u) + (1|i)", "binomial", data)
    assert exact.theta[1] < 1e-5  # the case is what it is meant to be
    assert found.certificate["verdict"] == "boundary optimum"
    assert abs(found.theta[1]) < 1e-5
    np.testing.assert_allclose(found.theta[0], exact.theta[0], atol=1e-4)


def counts(seed):
    """Of one item nineteen rows in twenty: a variance of zero may be a minimum beside a lower."""
    rng = np.random.default_rng(seed)
    n, users, items = 1500, 200, 60
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    i = np.where(rng.random(n) < 0.95, 0, i)
    x = rng.normal(size=n)
    eta = 0.2 * x + 0.5 * rng.normal(size=users)[u] + 0.4 * rng.normal(size=items)[i]
    frame = pd.DataFrame({"count": rng.poisson(np.exp(eta)), "x": x})
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


@pytest.mark.parametrize(
    "seed",
    [2, 9, 14, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in (5, 6, 10, 18, 20, 22))],
)
def test_a_minimum_at_zero_is_left_for_a_lower_one(seed):
    _, exact, found = both("count ~ x + (1|u) + (1|i)", "poisson", counts(seed))
    assert "a second look for a lower minimum" in found.certificate["tried"]
    assert found.certificate["verdict"] == exact.certificate["verdict"]
    told = found.certificate["probe_error"]["objective"]
    assert abs(found.evaluation.objective - exact.evaluation.objective) < 4.5 * told + 1e-4


@pytest.mark.parametrize("structure", ["cs", "homcs"])
def test_saddles_where_a_covariance_is_singular_are_left(structure):
    # All effects of a user are one: the correlation is at its end, the way there leads past zero.
    rng = np.random.default_rng(0)
    n, users, items = 3000, 300, 100
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    x, z = rng.normal(size=n), rng.normal(size=n)
    own = rng.normal(size=users)[u] * (0.7 + 0.55 * x + 0.4 * z)
    eta = 0.6 * (0.2 * x + own + 0.5 * rng.normal(size=items)[i])
    data = pd.DataFrame({"count": rng.poisson(np.exp(eta)), "x": x, "z": z})
    data = data.assign(u=pd.Categorical(u), i=pd.Categorical(i))
    _, exact, found = both(f"count ~ x + {structure}(1 + x + z|u) + (1|i)", "poisson", data)
    assert found.certificate["verdict"] == exact.certificate["verdict"]
    told = found.certificate["probe_error"]["objective"]
    assert abs(found.evaluation.objective - exact.evaluation.objective) < 4.5 * told + 1e-4


def test_a_fit_is_the_same_again():
    data = crossed(n=2000, users=200, items=60)
    first, again = (both("yes ~ x + (1|u) + (1|i)", "binomial", data)[2] for _ in range(2))
    assert first.theta.tobytes() == again.theta.tobytes()
    assert first.certificate == again.certificate


def test_probes_are_doubled_until_they_tell_enough(monkeypatch):
    from mixedscope.optimize import estimated

    monkeypatch.setattr(estimated, "TOO_MUCH", 0.0)
    data = crossed(n=1500, users=150, items=50)
    model = ms.GeneralizedLinearMixedModel("yes ~ x + (1|u) + (1|i)", data)
    system = IterativeGeneralizedSystem(model.design, model.system.response, model.family)
    found = minimize(IterativeLaplace(system))
    assert found.certificate["probe_error"]["probes"] == 512
    assert set(found.trace.frame()["probes"]) == {32, 64, 128, 256, 512}


def test_replicated_rows_are_weights(complete):
    _, iterative, point = pair("scalar")
    data = crossed()
    model = ms.GeneralizedLinearMixedModel(
        CASES["scalar"][0], pd.concat([data, data], ignore_index=True)
    )
    response = model.system.response
    twice = IterativeLaplace(IterativeGeneralizedSystem(model.design, response, model.family))
    once = iterative.system
    once.response = replace(once.response, weights=np.full(once.n, 2.0))
    value, slope = complete(twice).evaluate_gradient(point)
    expected, other = complete(IterativeLaplace(once)).evaluate_gradient(point)
    assert value.objective == pytest.approx(expected.objective, abs=1e-7)
    np.testing.assert_allclose(slope, other, rtol=1e-7, atol=1e-6)
