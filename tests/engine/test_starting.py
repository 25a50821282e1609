"""The start from moments and the average information, against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from test_blocked import CASES, N, _design

from mixedscope.engine.kernels.start import invert, solve_moments
from mixedscope.engine.search import starting
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem


def _dense_z(system, f):
    factor = system.factors[f]
    indicator = np.eye(factor.n_levels)[factor.codes]
    return [indicator * factor.z[:, [c]] for c in range(factor.size)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_moment_equations_agree_with_dense_algebra(name, weighted):
    weights = np.random.default_rng(6).uniform(0.3, 2.0, N) if weighted else None
    system = ProfiledSystem(_design(*CASES[name][0], weights=weights))
    pairs = [term.free_entries for term in system.terms]
    forms, symmetric, times = starting._moments(system, pairs)
    np.testing.assert_allclose(symmetric, symmetric.T, rtol=1e-10, atol=1e-10)
    traces = symmetric * times
    project = np.eye(N) - system.basis.q @ system.basis.q.T
    bases, scores = [], []
    for f, (rows, cols) in enumerate(pairs):
        z = _dense_z(system, f)
        for a, b in zip(rows, cols, strict=True):
            whole = z[a] @ z[b].T
            bases.append(whole if a == b else whole + whole.T)
            # The quadratic form of one order; the basis has both.
            scores.append(whole)
    bases.append(np.eye(N))
    scores.append(np.eye(N))
    residual = system.response
    expected = [[np.trace(project @ s @ project @ v) for v in bases] for s in scores]
    np.testing.assert_allclose(forms, [residual @ s @ residual for s in scores], rtol=1e-9)
    np.testing.assert_allclose(traces, expected, rtol=1e-8, atol=1e-8)
    solution = forms.copy()
    if np.linalg.matrix_rank(traces) == len(traces):
        assert solve_moments(solution, symmetric, times, 1e-12)
        np.testing.assert_allclose(traces @ solution, forms, rtol=1e-6, atol=1e-8)


def test_moment_equations_that_depend_on_each_other_are_not_solved_as_if_they_did_not():
    matrix = np.array([[2.0, 1.0, 3.0], [1.0, 4.0, 5.0], [3.0, 5.0, 8.0]])
    assert not solve_moments(np.ones(3), matrix, np.ones(3), 1e-8)


def test_a_positive_definite_matrix_is_inverted_and_its_condition_bounded():
    matrix = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]])
    inverse = np.empty((3, 3))
    bound = invert(matrix, inverse)
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), rtol=1e-12)
    assert bound == pytest.approx(np.linalg.norm(matrix) * np.linalg.norm(inverse))
    assert bound >= np.linalg.cond(matrix)
    assert invert(matrix - 3.0 * np.eye(3), inverse) == np.inf


@pytest.mark.parametrize("name", CASES)
def test_average_information_agrees_with_dense_algebra(name):
    system = ProfiledSystem(_design(*CASES[name][0]))
    objective = SearchableObjective(system)
    theta = np.random.default_rng(7).normal(size=len(objective.theta_names))
    information = starting.average_information(objective, theta)
    v, changes = np.eye(N), []
    for f, term in enumerate(system.terms):
        z = np.stack(_dense_z(system, f))
        lam = term.standard_factor(theta[term.theta])
        v = v + np.einsum("anq,ab,bmq->nm", z, lam @ lam.T, z)
        for derivative in term.standard_derivatives(theta[term.theta]):
            change = derivative @ lam.T
            changes.append(np.einsum("anq,ab,bmq->nm", z, change + change.T, z))
    inverse, q = np.linalg.inv(v), system.basis.q
    p = inverse - inverse @ q @ np.linalg.inv(q.T @ inverse @ q) @ q.T @ inverse
    y = system.response
    variance = y @ p @ y / N
    half = np.column_stack([c @ p @ y for c in changes])
    dense = half.T @ p @ half / variance
    share = half.T @ p @ y
    dense -= np.outer(share, share) / (N * variance**2)
    np.testing.assert_allclose(information, dense, rtol=1e-6, atol=1e-8)


def test_start_is_near_the_truth_on_much_data():
    rng = np.random.default_rng(8)
    q, per = 5000, 6
    codes = np.repeat(np.arange(q), per)
    z = np.column_stack([np.ones(q * per), rng.normal(size=q * per)])
    lam = np.array([[0.8, 0.0], [-0.3, 0.5]])
    b = rng.normal(size=(q, 2)) @ lam.T
    from test_blocked import _random

    base = _design(_random("g", np.arange(N) % 5, np.ones((N, 1))))
    from dataclasses import replace

    design = replace(
        base,
        y=1.0 + np.einsum("ij,ij->i", z, b[codes]) + rng.normal(size=q * per),
        X=np.ones((q * per, 1)),
        x_names=("(Intercept)",),
        random=(_random("g", codes, z),),
        rows=np.arange(q * per),
    )
    start = SearchableObjective(ProfiledSystem(design)).moment_start()
    np.testing.assert_allclose(start, [0.8, -0.3, 0.5], atol=0.1)
