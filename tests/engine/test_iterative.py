"""The iterative engine, held against dense algebra and the exact engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from dense_models import dense_of

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.engine.iterative import solution as iterative_solution
from mixedscope.engine.iterative import system as iterative_system
from mixedscope.engine.iterative.crossing import Complement, crossing_of
from mixedscope.engine.iterative.objective import IterativeObjective
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.lapack import set_threads
from mixedscope.engine.products import GroupColumns
from mixedscope.engine.search import starting


def crossed(n=400, users=60, items=25, *, seed=0, sds=(0.7, 0.5), slope=0.3, parts=1):
    """Ratings: pairs that occur twice, levels that occur once, any number of components."""
    rng = np.random.default_rng(seed)
    part = rng.integers(0, parts, n)
    u = rng.integers(0, users // parts, n) * parts + part
    i = rng.integers(0, items // parts, n) * parts + part
    u[:8] = np.repeat(u[:4], 2)
    i[:8] = np.repeat(i[:4], 2)
    u[-1], i[-2] = users, items  # of each a level of one row
    x = rng.normal(size=n)
    y = 2.0 + 0.4 * x + rng.normal(size=n)
    y += sds[0] * rng.normal(size=users + 1)[u] + sds[1] * rng.normal(size=items + 1)[i]
    y += slope * rng.normal(size=users + 1)[u] * x
    frame = pd.DataFrame({"y": y, "x": x, "w": rng.uniform(0.2, 3.0, n)})
    frame["d"] = pd.Categorical(rng.integers(0, 4, n))
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


#: Formula, data, weights, theta.
CASES = {
    "scalar": ("y ~ x + (1|u) + (1|i)", {}, None, [0.7, 0.5]),
    "weights": ("y ~ x + (1|u) + (1|i)", {}, "w", [0.7, 0.5]),
    "slopes": ("y ~ x + (1 + x|u) + (1|i)", {}, None, [0.8, 0.1, 0.3, 0.5]),
    "slopes, weights": ("y ~ x + (1 + x|u) + (1|i)", {"seed": 3}, "w", [0.8, -0.4, 0.3, 0.6]),
    "three columns": ("y ~ x + (0 + x + w + d|u) + (1|i)", {}, None, None),
    "border": ("y ~ x + (1|u) + (1|i) + (1|d)", {}, "w", [0.7, 0.5, 0.4]),
    "border of slopes": (
        "y ~ x + (1 + x|u) + (1|i) + (1 + x|d)", {}, None, [0.8, 0.1, 0.3, 0.5, 0.6, -0.2, 0.1],
    ),
    "slopes of the smaller": ("y ~ x + (1|u) + (0 + x|i)", {}, None, [0.7, 0.5]),
    "disconnected": ("y ~ x + (1|u) + (1|i)", {"parts": 5}, None, [0.9, 1.5]),
    "no variance of one": ("y ~ x + (1|u) + (1|i)", {}, None, [0.0, 0.5]),
    "no variance of the other": ("y ~ x + (1|u) + (1|i)", {}, None, [0.7, 0.0]),
    "no variance": ("y ~ x + (1 + x|u) + (1|i) + (1|d)", {}, "w", [0.0, 0.0, 0.0, 0.0, 0.0]),
    "large": ("y ~ x + (1|u) + (1|i)", {}, None, [20.0, 30.0]),
    "few rows": ("y ~ 1 + (1|u) + (1|i)", {"n": 45, "users": 20, "items": 12}, None, [1.1, 0.4]),
}  # fmt: skip


def pair(case, *, reml=False, seed=0, n_probes=32):
    """Model of a case, its objective by the exact engine and by the iterative one, and a theta."""
    formula, given, weights, theta = CASES[case]
    model = ms.LinearMixedModel(formula, crossed(**given), weights=weights)
    exact = model.profiled(reml=reml)
    system = IterativeSystem(model.design, seed=seed, n_probes=n_probes)
    if theta is None:
        theta = exact.start * 0.7
    return model, exact, IterativeObjective(system, reml=reml), np.array(theta)


@pytest.fixture
def complete(monkeypatch):
    """Probes that span everything, and equations solved to the end: no error is left."""
    monkeypatch.setattr(iterative_solution, "PROBED", 1e-13)
    monkeypatch.setattr(iterative_solution, "SHAPED", 1e-13)

    def made(objective):
        n = len(objective.system.crossing.squares)
        objective.system.__dict__["probes"] = np.sqrt(n) * np.eye(n)
        return objective

    return made


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_with_probes_of_all_directions_nothing_is_left_of_the_error(case, reml, complete):
    _, exact, iterative, theta = pair(case, reml=reml)
    expected, slope = exact.evaluate_gradient(theta)
    found, gradient = complete(iterative).evaluate_gradient(theta)
    assert found.objective == pytest.approx(expected.objective, abs=1e-7)
    np.testing.assert_allclose(gradient, slope, rtol=1e-7, atol=1e-6)
    for part in ("beta", "sigma", "log_det", "residual_ss", "penalty"):
        np.testing.assert_allclose(getattr(found, part), getattr(expected, part), rtol=1e-8)


@pytest.mark.parametrize("case", ["slopes, weights", "border", "disconnected", "no variance"])
def test_criterion_is_that_of_dense_algebra(case, complete):
    model, _, iterative, theta = pair(case, reml=True)
    dense = dense_of(model, theta)
    degrees = len(dense.y) - dense.x.shape[1]
    expected = (
        np.linalg.slogdet(dense.v)[1]
        - np.linalg.slogdet(dense.phi)[1]
        + degrees * (1.0 + np.log(2.0 * np.pi * dense.pwrss / degrees))
        - model.system.log_weights
    )
    found = complete(iterative).evaluate(theta)
    assert found.objective == pytest.approx(expected, abs=1e-7)
    np.testing.assert_allclose(found.beta, dense.beta, rtol=1e-9)


@pytest.mark.parametrize("case", ["weights", "slopes", "border of slopes"])
def test_modes_and_covariances_are_exact(case):
    model, exact, iterative, theta = pair(case)
    system = model.system
    sigma = exact.evaluate(theta).sigma
    covariance, modes = system.beta_covariance(sigma), system.modes()
    given = system.conditional_covariances(sigma)
    iterative.evaluate(theta)
    own = iterative.system
    np.testing.assert_allclose(own.beta_covariance(sigma), covariance, rtol=1e-8)
    for f, (found, expected) in enumerate(zip(own.modes(), modes, strict=True)):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
        levels = np.array([0, len(expected) - 1, 1])
        blocks = own.conditional_covariances_of(f, levels, sigma)
        np.testing.assert_allclose(blocks, given[f][levels], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("case", ["weights", "slopes, weights", "border of slopes"])
def test_information_is_the_average_information(case, reml, complete):
    _, exact, iterative, theta = pair(case, reml=reml)
    expected = starting.average_information(exact, theta)
    solution = complete(iterative)._solved(theta)
    information, second = iterative._information(theta, solution)
    np.testing.assert_allclose(information, expected, rtol=1e-7, atol=1e-6)
    # With the second derivatives of the covariances it is the Hessian's approximation.
    assert np.allclose(second, second.T)


def test_levels_without_rows_change_nothing():
    model, *_ = pair("slopes")
    system = model.system
    own, other = (replace(f, n_levels=f.n_levels + 3) for f in system.factors)
    shifted = GroupColumns(other.group, other.n_levels, other.codes + 2, other.z)
    empty = crossing_of(own, shifted, [], system.basis.q, system.response)
    plain = crossing_of(*system.factors, [], system.basis.q, system.response)
    factor = np.array([[0.8, 0.0], [0.1, 0.3]])
    more, less = Complement(empty, factor, 0.5), Complement(plain, factor, 0.5)
    assert more.log_det == pytest.approx(less.log_det, rel=1e-13)
    np.testing.assert_allclose(more.diagonal()[2:-1], less.diagonal(), rtol=1e-13)
    assert not more.diagonal()[[0, 1, -1]].any()
    assert np.array_equal(empty.products, plain.products)


def test_equal_seeds_give_equal_bytes_on_any_number_of_threads():
    found = []
    for threads in (1, 2, 1):
        set_threads(threads)
        try:
            _, _, iterative, theta = pair("border of slopes", reml=True)
            evaluation, gradient = iterative.evaluate_gradient(theta)
            found.append((evaluation, gradient, iterative.initial_hessian(theta)))
        finally:
            set_threads(1)
    for evaluation, gradient, hessian in found[1:]:
        assert np.array_equal(gradient, found[0][1])
        assert np.array_equal(hessian, found[0][2])
        assert evaluation.objective == found[0][0].objective
        assert evaluation.objective_se == found[0][0].objective_se


def test_conditional_errors_of_few_levels_are_exact_and_of_many_left_out(monkeypatch):
    model, exact, iterative, theta = pair("border of slopes")
    sigma = exact.evaluate(theta).sigma
    expected = model.system.conditional_sds(sigma)
    iterative.evaluate(theta)
    monkeypatch.setattr(iterative_system, "MOST_AT_ONCE", 30)
    found = iterative.system.conditional_sds(sigma)
    assert np.isnan(found[0]).all()
    assert found[0].shape == expected[0].shape
    for own, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-8)


def errors_over_seeds(case, seeds, *, n_probes=32):
    """Errors of objective and gradient over what is stated for each, (seeds, 1 + k)."""
    _, exact, iterative, theta = pair(case, n_probes=n_probes)
    expected, slope = exact.evaluate_gradient(theta)
    rows = []
    for seed in range(seeds):
        found, gradient = iterative.with_probes(n_probes, seed=seed).evaluate_gradient(theta)
        error = np.append(found.objective - expected.objective, gradient - slope)
        with np.errstate(divide="ignore", invalid="ignore"):  # slopes of the border have no error
            rows.append(error / np.append(found.objective_se, found.gradient_se))
    return np.array(rows)


@pytest.mark.parametrize("case", ["weights", "slopes", "disconnected", "large"])
def test_stated_errors_are_those_made(case):
    ratios = errors_over_seeds(case, 40)
    # Root mean square of 40 of them, of which one has four standard errors in about 1.5.
    size = np.sqrt(np.mean(ratios**2, axis=0))
    assert np.all(size < 1.6), size
    assert np.all(size > 0.5), size


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", [c for c in CASES if "variance" not in c])
def test_stated_errors_cover_over_200_seeds(case):
    ratios = np.abs(errors_over_seeds(case, 200))
    # Parts that have no error have no ratio; the others are Student's with 30 degrees of freedom.
    within = np.array([np.mean(r[np.isfinite(r)] < 2.04) for r in ratios.T if np.isfinite(r).any()])
    assert np.all(within > 0.89), within


def test_evaluations_tell_what_they_took():
    _, _, iterative, theta = pair("weights")
    found, _ = iterative.evaluate_gradient(theta)
    assert found.probes == 32
    assert 1 < found.cg_iterations < 60
    assert 0.0 <= found.cg_residual <= 1e-10
    assert found.gradient_se.shape == theta.shape
    assert np.all(found.gradient_se > 0.0)
    assert np.isnan(iterative.evaluate(theta).gradient_se).all()


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ x + (1|u)", "has one, 'u'"),
        ("y ~ x + (1 + x|u) + (1 + x|i)", "one column of random effects for 'i'"),
        ("y ~ x + (1|u) + (1|i) + (1|z)", "there are more: 'i'"),
    ],
)
def test_other_models_are_refused_by_name(formula, words):
    data = crossed(n=900, users=300, items=220)
    data["z"] = pd.Categorical(np.arange(len(data)) % 250)
    model = ms.LinearMixedModel(formula, data)
    with pytest.raises(ModelError, match=words):
        IterativeSystem(model.design)


def test_what_needs_a_factorisation_is_refused_by_name():
    _, _, iterative, theta = pair("scalar")
    iterative.evaluate(theta)
    with pytest.raises(ModelError, match=r"Conditional covariances of all levels.*solver='exact'"):
        iterative.system.conditional_covariances(1.0)
    with pytest.raises(ModelError, match="factorisation"):
        _ = iterative.system.blocked
