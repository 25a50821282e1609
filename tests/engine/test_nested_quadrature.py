"""Quadrature of grouping factors nested in each other against other ways to the same integral.

The other way is the trapezoidal rule on a fixed grid, which for these integrands is as good as
exact: they and all their derivatives vanish at the ends.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from reference.glmm_cases import GLMM, frame_of, model_arguments, point_of
from scipy import stats

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.engine.generalized.quadrature import check_nodes, rule_of

FAMILIES = [
    ("yes", "binomial", "logit"),
    ("successes / trials", "binomial", "cloglog"),
    ("count", "poisson", "log"),
    ("count", "nbinom2", "log"),
    ("amount", "gamma", "log"),
]


@cache
def nested(groups: int = 4, seed: int = 5) -> pd.DataFrame:
    """Rows in k in h in g, unequally many of each."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"g{g}", f"g{g}h{h}", f"g{g}h{h}k{k}")
        for g in range(groups)
        for h in range(1 + g % 3)
        for k in range(1 + (g + h) % 2)
        for _ in range(int(rng.integers(1, 6)))
    ]
    frame = pd.DataFrame(rows, columns=list("ghk"))
    n = len(frame)
    frame["x"] = rng.normal(size=n)
    eta = 0.3 + 0.4 * frame["x"]
    for name, sd in (("g", 1.0), ("h", 0.8), ("k", 0.5)):
        codes = pd.factorize(frame[name])[0]
        eta = eta + sd * rng.normal(size=codes.max() + 1)[codes]
    share = 1.0 / (1.0 + np.exp(-eta))
    frame["yes"] = rng.binomial(1, share).astype(float)
    frame["trials"] = rng.integers(1, 5, n)
    frame["successes"] = rng.binomial(frame["trials"], share)
    frame["count"] = rng.poisson(np.exp(eta)).astype(float)
    frame["amount"] = rng.gamma(3.0, np.exp(eta) / 3.0)
    return frame


GRID = np.arange(-8.5, 8.6, 0.25)
WEIGHTS = 0.25 * stats.norm.pdf(GRID)


def exact(frame: pd.DataFrame, beta: np.ndarray, sds: dict[str, float]) -> float:
    """-2 log-likelihood of Bernoulli responses, by grids inside of grids, coarsest group first."""
    sign = 2.0 * frame["yes"].to_numpy() - 1.0
    eta = beta[0] + beta[1] * frame["x"].to_numpy()
    names = list(sds)

    def integral(rows: np.ndarray, depth: int, above: np.ndarray) -> np.ndarray:
        """Of the rows of one level, at each of the predictors above (m,) it."""
        if depth == len(names):
            values = sign[rows] * (eta[rows] + above[:, None])
            return np.exp(-np.logaddexp(0.0, -values).sum(axis=1))
        ahead = (above[:, None] + sds[names[depth]] * GRID).ravel()
        inside = np.ones(len(ahead))
        column = frame[names[depth + 1]].to_numpy() if depth + 1 < len(names) else None
        if column is None:
            inside = integral(rows, depth + 1, ahead)
        else:
            for level in np.unique(column[rows]):
                inside = inside * integral(rows[column[rows] == level], depth + 1, ahead)
        return inside.reshape(len(above), len(GRID)) @ WEIGHTS

    total = 0.0
    top = frame[names[0]].to_numpy()
    for level in np.unique(top):
        total += float(np.log(integral(np.flatnonzero(top == level), 0, np.zeros(1))[0]))
    return -2.0 * total


def made(
    random: str, points: int, response: str = "yes", family: str = "binomial",
    link: str | None = None, frame: pd.DataFrame | None = None,
) -> ms.GeneralizedLinearMixedModel:  # fmt: skip
    return ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + {random}", nested() if frame is None else frame, family, link,
        quadrature=points,
    )  # fmt: skip


def at(model: ms.GeneralizedLinearMixedModel, sds: dict[str, float]) -> np.ndarray:
    """The point of these standard deviations, by grouping factor."""
    return np.array([*(sds[t.group] for t in model.system.terms), 0.2, 0.5])


@pytest.mark.parametrize(
    ("random", "sds", "points"),
    [
        ("(1 | g) + (1 | h)", {"g": 1.3, "h": 0.9}, 25),
        ("(1 | h) + (1 | g)", {"g": 0.6, "h": 2.0}, 25),
        ("(1 | g) + (1 | h) + (1 | k)", {"g": 1.1, "h": 0.8, "k": 0.7}, 15),
    ],
)
def test_values_are_those_of_integrals_on_grids(
    random: str, sds: dict[str, float], points: int
) -> None:
    frame = nested() if len(sds) == 2 else nested()[nested()["g"] < "g3"]
    model = made(random, points, frame=frame)
    expected = exact(frame, np.array([0.2, 0.5]), dict(sorted(sds.items())))
    # What the rule itself leaves, seen from the next smaller one, is below this.
    assert model.objective(at(model, sds)) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(("response", "family", "link"), FAMILIES)
@pytest.mark.parametrize(
    ("random", "points", "information"),
    [
        ("(1 | g) + (1 | h)", 4, "observed"),
        ("(1 | g) + (1 | h) + (1 | k)", 2, "observed"),
        ("(1 + x | g) + (1 | h)", 2, "observed"),
        ("(1 | g) + (0 + x | k)", 3, "expected"),
    ],
)
def test_gradients_are_those_of_differences(
    response: str, family: str, link: str, random: str, points: int, information: str
) -> None:
    model = ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + {random}", nested(), family, link, quadrature=points,
        information=information,
    )  # fmt: skip
    point = np.array(model.laplace.start)
    k = model.laplace.n_theta
    point[:k] = 0.6 * point[:k] + 0.1 * np.arange(1, k + 1)
    gradient = model.objective_gradient(point)[1]
    expected = np.empty(len(point))
    for i in range(len(point)):
        step = np.zeros(len(point))
        step[i] = 2e-3
        near = model.objective(point + step) - model.objective(point - step)
        far = model.objective(point + 2.0 * step) - model.objective(point - 2.0 * step)
        expected[i] = (8.0 * near - far) / (12.0 * step[i])
    scale = 1.0 + np.abs(expected)
    np.testing.assert_allclose(gradient / scale, expected / scale, atol=2e-6)


@pytest.mark.parametrize(("zero", "other"), [("g", "h"), ("h", "g")])
def test_a_factor_without_variance_leaves_the_quadrature_of_the_other(
    zero: str, other: str
) -> None:
    both = made("(1 | g) + (1 | h)", 7)
    one = made(f"(1 | {other})", 7)
    sds = {zero: 0.0, other: 1.4}
    assert both.objective(at(both, sds)) == pytest.approx(one.objective(at(one, sds)), rel=1e-13)


def test_factors_of_the_same_levels_are_one_of_both_variances() -> None:
    frame = nested().assign(same=lambda d: d["h"] + "!")
    both = made("(1 | h) + (1 | same)", 25, frame=frame)
    one = made("(1 | h)", 25, frame=frame)
    value = both.objective(at(both, {"h": 0.9, "same": 0.7}))
    assert value == pytest.approx(one.objective(at(one, {"h": np.hypot(0.9, 0.7)})), abs=1e-7)


def test_one_point_is_laplace() -> None:
    from mixedscope.engine.generalized.quadrature import QuadratureObjective

    for random in ("(1 | g/h)", "(1 + x | g) + (1 | h) + (1 | k)"):
        model = made(random, 1, "count", "poisson")
        one = QuadratureObjective(model.system, 1)
        point = 0.7 * model.laplace.start
        value, gradient = model.objective_gradient(point)
        evaluation, other = one.evaluate_gradient(point)
        assert evaluation.objective == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(other, gradient, rtol=1e-8, atol=1e-8)


def test_nested_factors_are_fitted_however_they_are_written() -> None:
    frame = nested(30, seed=1)
    fits = [
        ms.glmer(f"yes ~ x + {random}", frame, nAGQ=7)
        for random in ("(1 | g/h)", "(1 | g) + (1 | h)", "(1 | h) + (1 | g)")
    ]
    for fit in fits:
        assert fit.converged
        assert fit.objective == pytest.approx(fits[0].objective, abs=1e-7)
    assert "(adaptive quadrature, 7 points)" in str(fits[0])


@pytest.mark.parametrize("name", ["epil-olre"])
def test_the_next_term_of_laplace_is_about_what_quadrature_adds(name: str) -> None:
    arguments = model_arguments(name)
    laplace = ms.GeneralizedLinearMixedModel(data=frame_of(name), **arguments)
    point = point_of(laplace, GLMM[name])
    rules = [
        ms.GeneralizedLinearMixedModel(data=frame_of(name), quadrature=points, **arguments)
        for points in (5, 7)
    ]
    values = [rule.objective(point) for rule in rules]
    from mixedscope.inference.generalized import approximation

    gained = values[1] - laplace.objective(point)
    assert values[0] == pytest.approx(values[1], abs=0.1 * abs(gained))
    # Of several grouping factors a part of the term comes from draws.
    correction = approximation(laplace.laplace, point).correction
    assert correction == pytest.approx(gained, rel=0.3)


def test_factors_of_which_neither_is_nested_in_the_other_are_named() -> None:
    frame = nested().assign(z=lambda d: np.arange(len(d)) % 3)
    with pytest.raises(ModelError, match="of 'h' and 'z' neither is nested in the other"):
        made("(1 | h) + (1 | z)", 3, frame=frame)
    with pytest.raises(ModelError, match="has 4,084,441 nodes; choose 141 points or fewer"):
        made("(1 | g/h)", 2021)


def test_rules_have_numbers_for_as_many_points_as_are_allowed() -> None:
    nodes, logs = rule_of(300)
    assert np.isfinite(logs).all()
    # Moments of the standard normal distribution.
    weights = np.exp(logs - 0.5 * nodes**2)
    assert weights @ nodes**4 == pytest.approx(3.0, rel=1e-10)
    check_nodes(300, (1,), 50)
    with pytest.raises(ModelError, match="choose 300 points or fewer"):
        check_nodes(301, (1,), 50)
