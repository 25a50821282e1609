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
from mixedscope.engine.iterative.probes import orthonormal
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.lapack import set_threads
from mixedscope.engine.products import GroupColumns
from mixedscope.engine.search import starting


def crossed(
    n=400, users=60, items=25, *, shops=210, seed=0, sds=(0.7, 0.5), slope=0.3, parts=1, ring=0
):
    """Ratings: pairs that occur twice, levels that occur once, any number of components.

    And beside them a ring, of as many users and items of two rows each.

    Of shops there are too many to stand beside; two users are in a region, two of these in a
    country, and two items are of a brand.
    """
    rng = np.random.default_rng(seed)
    part = rng.integers(0, parts, n)
    u = rng.integers(0, users // parts, n) * parts + part
    i = rng.integers(0, items // parts, n) * parts + part
    u[:8] = np.repeat(u[:4], 2)
    i[:8] = np.repeat(i[:4], 2)
    u[-1], i[-2] = users, items  # of each a level of one row
    around = np.arange(ring)
    u = np.concatenate([u, users + 1 + around, users + 1 + around])
    i = np.concatenate([i, items + 1 + around, items + 1 + np.roll(around, 1)])
    part = np.concatenate([part, np.zeros(2 * ring, dtype=int)])
    n, users, items = n + 2 * ring, users + ring, items + ring
    x = rng.normal(size=n)
    y = 2.0 + 0.4 * x + rng.normal(size=n)
    y += sds[0] * rng.normal(size=users + 1)[u] + sds[1] * rng.normal(size=items + 1)[i]
    y += slope * rng.normal(size=users + 1)[u] * x
    frame = pd.DataFrame({"y": y, "x": x, "w": rng.uniform(0.2, 3.0, n)})
    frame["d"] = pd.Categorical(rng.integers(0, 4, n))
    rng = np.random.default_rng([seed, 1])
    s = rng.integers(0, shops // parts, n) * parts + part
    s[:8] = np.repeat(s[:4], 2)
    frame["s"], frame["r"] = pd.Categorical(s), pd.Categorical(u // 2)
    frame["c"], frame["b"] = pd.Categorical(u // 4), pd.Categorical(i // 2)
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
    "slopes of both": ("y ~ x + (1 + x|u) + (1 + x|i)", {}, None, [0.8, 0.1, 0.3, 0.5, -0.2, 0.2]),
    "slopes of both, weights": (
        "y ~ x + (1 + x|u) + (1 + x|i) + (1|d)", {"parts": 3}, "w",
        [0.8, -0.4, 0.3, 0.6, 0.3, 0.4, 0.2],
    ),
    "slopes of the iterated": (
        "y ~ x + (1|u) + (1 + x|i) + (1|s)", {"users": 300, "items": 110}, "w",
        [0.7, 0.5, 0.1, 0.3, 0.4],
    ),
    "uncorrelated slopes": ("y ~ x + (1 + x||u) + (1 + x||i)", {}, None, [0.7, 0.3, 0.5, 0.2]),
    "structures": ("y ~ x + ar1(0 + d|u) + homcs(0 + d|i)", {"n": 900}, "w", [0.7, 0.4, 0.5, 0.2]),
    "three columns of both": ("y ~ x + (1 + x + w|u) + (0 + x + w + d|i)", {"n": 900}, None, None),
    "no slope variance": (
        "y ~ x + (1 + x|u) + (1 + x|i)", {}, "w", [0.8, 0.1, 0.3, 0.5, 0.2, 0.0],
    ),
    "no variance of an intercept": (
        "y ~ x + (1 + x|u) + (1 + x|i)", {}, None, [0.8, 0.1, 0.3, 0.0, 0.0, 0.4],
    ),
    "no variance of slopes": (
        "y ~ x + (1 + x|u) + (1 + x|i)", {}, None, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ),
    "large slopes": (
        "y ~ x + (1 + x|u) + (1 + x|i)", {}, None, [16.0, 2.0, 6.0, 10.0, -4.0, 8.0],
    ),
    "three factors": (
        "y ~ x + (1|u) + (1|i) + (1|s)", {"n": 1500, "users": 400, "items": 205},
        "w", [0.7, 0.5, 0.4],
    ),
    "three factors, disconnected": (
        "y ~ x + (1|u) + (1|i) + (1|s) + (1|d)",
        {"n": 1500, "users": 400, "items": 205, "parts": 5}, None, [0.7, 1.5, 0.4, 0.2],
    ),
    "three factors of slopes": (
        "y ~ x + (1 + x|u) + (1 + x|i) + (1 + x|s) + (1|d)", {"users": 105, "items": 105}, "w",
        [0.8, 0.1, 0.3, 0.5, -0.2, 0.2, 0.4, 0.1, 0.2, 0.3],
    ),
    "no variance of a third": (
        "y ~ x + (1|u) + (1|i) + (1|s)", {"n": 1500, "users": 400, "items": 205},
        None, [0.7, 0.5, 0.0],
    ),
    "within the eliminated": (
        "y ~ x + (1 + x|u) + (1|i) + (1 + x|r)", {"n": 900, "users": 420, "items": 205}, "w",
        [0.8, 0.1, 0.3, 0.5, 0.4, 0.1, 0.2],
    ),
    "within the iterated too": (
        "y ~ x + (1 + x|u) + (1|i) + (1|r) + (1 + x|b)", {"n": 1500, "users": 500, "items": 420},
        "w", [0.8, 0.1, 0.3, 0.5, 0.4, 0.4, -0.1, 0.2],
    ),
    "within the iterated alone": (
        "y ~ x + (1|u) + (1 + x|r) + (1|c) + (1|i)", {"n": 1800, "users": 900, "items": 205},
        None, [0.7, 0.4, 0.1, 0.2, 0.0, 0.5],
    ),
    "core and ring": (
        "y ~ x + (1|u) + (1|i)", {"n": 3000, "users": 40, "items": 30, "ring": 200}, None,
        [0.62, 0.5],
    ),
    "two cores and a ring": (
        "y ~ x + (1|u) + (1|i)",
        {"n": 3000, "users": 60, "items": 60, "parts": 2, "ring": 200}, None, [0.62, 0.5],
    ),
    "core and ring, slopes": (
        "y ~ x + (1|u) + (1 + x|i)", {"n": 3000, "users": 40, "items": 30, "ring": 150}, None,
        [0.62, 0.5, 0.1, 0.3],
    ),
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
        n = objective.system.crossing.n_columns
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


@pytest.mark.parametrize(
    "case",
    [
        "slopes, weights",
        "border",
        "disconnected",
        "no variance",
        "slopes of both, weights",
        "three factors",
    ],
)
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


@pytest.mark.parametrize(
    "case",
    [
        "weights",
        "slopes",
        "border of slopes",
        "slopes of both, weights",
        "structures",
        "no slope variance",
        "three factors of slopes",
        "within the iterated too",
        "within the eliminated",
    ],
)
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
@pytest.mark.parametrize(
    "case",
    [
        "weights",
        "slopes, weights",
        "border of slopes",
        "slopes of both, weights",
        "no slope variance",
        "three factors of slopes",
        "within the iterated too",
    ],
)
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
    empty = crossing_of(own, [shifted], [], system.basis.q, system.response)
    first, second = system.factors
    plain = crossing_of(first, [second], [], system.basis.q, system.response)
    factor = np.array([[0.8, 0.0], [0.1, 0.3]])
    more, less = Complement(empty, factor, 0.5), Complement(plain, factor, 0.5)
    assert more.log_det == pytest.approx(less.log_det, rel=1e-13)
    np.testing.assert_allclose(more.diagonal()[2:-1], less.diagonal(), rtol=1e-13)
    assert not more.diagonal()[[0, 1, -1]].any()
    assert np.array_equal(empty.products, plain.products)


@pytest.mark.parametrize("case", ["border of slopes", "three factors of slopes"])
def test_equal_seeds_give_equal_bytes_on_any_number_of_threads(case):
    found = []
    for threads in (1, 2, 1):
        set_threads(threads)
        try:
            _, _, iterative, theta = pair(case, reml=True)
            evaluation, gradient = iterative.evaluate_gradient(theta)
            found.append((evaluation, gradient, iterative.initial_hessian(theta)))
        finally:
            set_threads(1)
    for evaluation, gradient, hessian in found[1:]:
        assert np.array_equal(gradient, found[0][1])
        assert np.array_equal(hessian, found[0][2])
        assert evaluation.objective == found[0][0].objective
        assert evaluation.objective_se == found[0][0].objective_se


def test_large_models_too_have_equal_bytes_on_any_number_of_threads():
    # Products of thousands of rows with tens of columns are what libraries share out.
    rng = np.random.default_rng(5)
    n = 40000
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n)})
    for name, levels in (("u", 5000), ("i", 3000), ("k", 40)):
        data[name] = pd.Categorical(rng.integers(0, levels, n))
    found = []
    for threads in (1, 2):
        set_threads(threads)
        try:
            model = ms.LinearMixedModel(
                "y ~ x + (1|u) + (1 + x|i) + (1|k)", data, solver="iterative"
            )
            objective = model.profiled(reml=True)
            theta = 0.5 * objective.start
            evaluation, gradient = objective.evaluate_gradient(theta)
            found.append((evaluation.objective, gradient, objective.initial_hessian(theta)))
        finally:
            set_threads(1)
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_conditional_errors_are_exact_where_they_are_computed(monkeypatch):
    model, exact, iterative, theta = pair("border of slopes")
    sigma = exact.evaluate(theta).sigma
    expected = model.system.conditional_sds(sigma)
    modes = model.system.modes()[0][:, 0]
    iterative.evaluate(theta)
    monkeypatch.setattr(iterative_system, "MOST_AT_ONCE", 60)
    monkeypatch.setattr(iterative_system, "SAMPLED", 50)
    found = iterative.system.conditional_sds(sigma)
    # Of 61 users 50, among them the ends; of items and of the border all.
    computed = np.isfinite(found[0]).all(axis=1)
    assert computed.sum() == 50
    assert np.isnan(found[0][~computed]).all()
    ends = np.argsort(modes)[np.r_[: iterative_system.ENDS, -iterative_system.ENDS : 0]]
    assert computed[ends].all()
    np.testing.assert_allclose(found[0][computed], expected[0][computed], rtol=1e-8)
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


@pytest.mark.parametrize(
    "case",
    [
        *("weights", "slopes", "disconnected", "large"),
        *("slopes of both, weights", "three factors", "within the eliminated"),
        *("core and ring", "two cores and a ring"),
    ],
)
def test_stated_errors_are_those_made(case):
    ratios = errors_over_seeds(case, 40)
    # Root mean square of 40 of them, of which one has four standard errors in about 1.5; slopes of
    # the border have no error.
    size = np.sqrt(np.mean(ratios[:, np.isfinite(ratios).all(axis=0)] ** 2, axis=0))
    assert np.all(size < 1.6), size
    assert np.all(size > 0.5), size


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", [c for c in CASES if "variance" not in c])
def test_stated_errors_cover_over_200_seeds(case):
    ratios = np.abs(errors_over_seeds(case, 200))
    # Parts that have no error have no ratio; the others are Student's with 30 degrees of freedom.
    within = np.array([np.mean(r[np.isfinite(r)] < 2.04) for r in ratios.T if np.isfinite(r).any()])
    assert np.all(within > 0.89), within


@pytest.mark.parametrize(
    ("case", "directions"), [("core and ring", 1), ("two cores and a ring", 2), ("scalar", 1)]
)
def test_shifts_of_what_is_connected_best_are_not_left_to_the_probes(case, directions):
    _, _, iterative, theta = pair(case)
    found = iterative.evaluate(theta)
    assert iterative.system.starts.shape[1] == directions
    # With the shift of all levels alone the first two are known to 0.2 and more.
    assert found.objective_se < 0.03


def test_directions_that_span_nothing_of_their_own_are_nothing():
    columns = np.random.default_rng(0).normal(size=(50, 4))
    columns[:, 2] = columns[:, 0] - columns[:, 1]
    found = orthonormal(columns)
    np.testing.assert_allclose(found.T @ found, np.diag([1.0, 1.0, 0.0, 1.0]), atol=1e-13)
    assert np.array_equal(orthonormal(np.zeros((5, 2))), np.zeros((5, 2)))


def test_evaluations_tell_what_they_took():
    _, _, iterative, theta = pair("weights")
    found, _ = iterative.evaluate_gradient(theta)
    assert found.probes == 32
    assert 1 < found.cg_iterations < 60
    assert 0.0 <= found.cg_residual <= 1e-10
    assert found.gradient_se.shape == theta.shape
    assert np.all(found.gradient_se > 0.0)
    assert np.isnan(iterative.evaluate(theta).gradient_se).all()


def test_other_models_are_refused_by_name(monkeypatch):
    model = ms.LinearMixedModel("y ~ x + (1|u)", crossed())
    with pytest.raises(ModelError, match="has one, 'u'"):
        IterativeSystem(model.design)
    # About 210 brands of two items: blocks of up to nine entries.
    formula, given, *_ = CASES["within the iterated too"]
    model = ms.LinearMixedModel(formula.replace("1 + x|b", "1|b"), crossed(**given))
    monkeypatch.setattr(iterative_system, "MOST_TOGETHER", 3000)
    IterativeSystem(model.design)
    monkeypatch.setattr(iterative_system, "MOST_TOGETHER", 1000)
    with pytest.raises(ModelError, match="levels of 'b' and those of 'i' within them together"):
        IterativeSystem(model.design)


@pytest.mark.parametrize(
    ("case", "eliminated", "iterated"),
    [
        ("slopes of both", "u", ["i"]),
        ("slopes of the smaller", "u", ["i"]),
        ("three factors", "u", ["i", "s"]),
        ("within the eliminated", "u", ["r", "i"]),
        ("within the iterated too", "u", ["i", "b", "r"]),
        ("within the iterated alone", "u", ["r", "c", "i"]),
    ],
)
def test_what_lies_within_others_is_eliminated(case, eliminated, iterated):
    _, _, objective, _ = pair(case)
    system = objective.system
    assert system.terms[system.places.eliminated].group == eliminated
    others = [system.terms[f].group for f, _ in system.places.iterated_columns]
    assert sorted(others) == sorted(iterated)


def test_probes_see_covariances_and_not_signs_of_their_factors():
    _, _, iterative, theta = pair("slopes of both")
    found, gradient = iterative.evaluate_gradient(theta)
    turned = theta * np.array([1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    other, slope = iterative.evaluate_gradient(turned)
    assert other.objective == pytest.approx(found.objective, abs=1e-9)
    np.testing.assert_allclose(slope * np.sign(theta * turned), gradient, rtol=1e-7, atol=1e-8)


def test_what_needs_a_factorisation_is_refused_by_name():
    _, _, iterative, theta = pair("scalar")
    iterative.evaluate(theta)
    with pytest.raises(ModelError, match=r"Conditional covariances of all levels.*solver='exact'"):
        iterative.system.conditional_covariances(1.0)
    with pytest.raises(ModelError, match="factorisation"):
        _ = iterative.system.blocked
