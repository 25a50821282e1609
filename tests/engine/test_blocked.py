"""The blocked system: how it is cut into chain and rest, and the entries of its inverse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.design.design import Design, RandomDesign, TermPart
from mixedscope.engine import blocked, heads
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem

N = 120


def _random(group, codes, z):
    return RandomDesign(
        group=group,
        levels=tuple(str(i) for i in range(codes.max() + 1)),
        codes=np.asarray(codes, dtype=np.int64),
        Z=np.ascontiguousarray(z),
        names=tuple(f"z{j}" for j in range(z.shape[1])),
        parts=(TermPart(tuple(range(z.shape[1])), "full", {}),),
    )


def _design(*random, weights=None):
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(N), rng.normal(size=N)])
    return Design(
        formula="y ~ x",
        response="y",
        structure="full",
        y=5.0 + 2.0 * x[:, 1] + rng.normal(size=N),
        X=x,
        x_names=("(Intercept)", "x"),
        weights=weights,
        random=random,
        rows=np.arange(N),
        n_dropped=0,
        n_zero_weight=0,
    )


def _cases():
    rng = np.random.default_rng(4)
    one = np.ones((N, 1))
    two = np.column_stack([np.ones(N), rng.normal(size=N)])
    three = np.column_stack([two, rng.normal(size=N)])
    inner = np.arange(N) % 24
    outer, outermost = inner // 3, inner // 6
    crossed = rng.permutation(np.arange(N) % 7)
    pairs, forty = np.arange(N) // 2, np.arange(N) % 40
    return {
        "one factor": ((_random("g", inner, two),), 1, False),
        "crossed densely": ((_random("g", inner, two), _random("h", crossed, three)), 1, True),
        "crossed sparsely": ((_random("g", pairs, two), _random("h", forty, two)), 1, False),
        "nested chain": (
            (_random("o", outer, three), _random("g", inner, two), _random("p", outermost, one)),
            3,
            False,
        ),
        "nested and crossed": (
            (_random("o", outer, two), _random("h", crossed, two), _random("g", inner, three)),
            2,
            False,
        ),
    }


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_kernel_is_chosen_by_the_structure_of_the_data(name):
    random, chain, dense = CASES[name]
    system = ProfiledSystem(_design(*random))
    assert len(system.cross.pattern.chain) == chain
    assert system.blocked.is_densely_crossed is dense


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_modes_and_conditional_covariances_agree_with_dense_algebra(
    name, weighted, whole, monkeypatch
):
    monkeypatch.setattr(blocked, "WHOLE", 10_000 if whole else 0)
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.2, 3.0, size=N) if weighted else None
    design = _design(*CASES[name][0], weights=weights)
    objective = SearchableObjective(ProfiledSystem(design))
    theta = rng.normal(size=len(objective.theta_names))
    evaluation = objective.evaluate(theta)
    modes = objective.system.modes()
    covariances = objective.system.conditional_covariances(evaluation.sigma)

    w = np.ones(N) if weights is None else weights
    z, blocks = [], []
    for term in objective.system.terms:
        q = len(term.design.levels)
        indicator = np.eye(q)[term.design.codes]
        z.append((indicator[:, :, None] * term.design.Z[:, None, :]).reshape(N, -1))
        blocks.append(np.kron(np.eye(q), term.factor(theta[term.theta])))
    z = np.hstack(z)
    lam = np.zeros((z.shape[1], z.shape[1]))
    at = 0
    for block in blocks:
        lam[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    inner = np.linalg.inv(lam.T @ (z.T * w) @ z @ lam + np.eye(len(lam)))
    covariance = evaluation.sigma**2 * lam @ inner @ lam.T
    b = lam @ inner @ lam.T @ (z.T * w) @ (design.y - design.X @ evaluation.beta)
    at = 0
    for own, cov in zip(modes, covariances, strict=True):
        np.testing.assert_allclose(own.ravel(), b[at : at + own.size], atol=1e-9)
        k = own.shape[1]
        for level in range(own.shape[0]):
            block = covariance[at : at + k, at : at + k]
            np.testing.assert_allclose(cov[level], block, atol=1e-10)
            at += k


@pytest.mark.parametrize("name", CASES)
def test_parts_of_the_objective_add_up(name):
    objective = SearchableObjective(ProfiledSystem(_design(*CASES[name][0])))
    e = objective.evaluate(objective.start)
    whole = e.log_det + N * (1 + np.log(2 * np.pi * (e.residual_ss + e.penalty) / N))
    assert e.objective == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_one_compiled_call_gives_what_many_give(name, reml, monkeypatch):
    theta = None
    found = []
    for limit in (0, 10_000):
        monkeypatch.setattr(blocked, "WHOLE", limit)
        objective = SearchableObjective(ProfiledSystem(_design(*CASES[name][0])), reml=reml)
        if theta is None:
            theta = np.random.default_rng(6).normal(size=len(objective.theta_names))
        evaluation, gradient = objective.evaluate_gradient(theta)
        assert objective.evaluate(theta).objective == pytest.approx(evaluation.objective, rel=1e-14)
        np.testing.assert_allclose(
            objective.gradients(np.array([theta, theta])), [gradient, gradient], rtol=1e-12
        )
        found.append((evaluation, gradient))
    (many, slope), (whole, whole_slope) = found
    np.testing.assert_allclose(whole_slope, slope, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.hstack(whole), np.hstack(many), rtol=1e-11)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_a_wide_tail_is_added_up_to_the_same_inside_blas(name, reml, monkeypatch):
    design = _design(*CASES[name][0])
    usual = SearchableObjective(ProfiledSystem(design), reml=reml)
    monkeypatch.setattr(heads, "_ROWS", 1)
    monkeypatch.setattr(heads, "_SOME", 0)
    monkeypatch.setattr(heads, "_MANY", 0)
    monkeypatch.setattr(heads, "_PIECE", 16)  # several pieces, the last of them smaller
    wide = SearchableObjective(ProfiledSystem(design), reml=reml)
    assert wide.system.blocked.small is None
    theta = np.random.default_rng(6).normal(size=len(usual.theta_names))
    for point in (theta, np.where(usual.columns == 0, 0.0, theta), np.zeros_like(theta)):
        ours, gradient = wide.evaluate_gradient(point)
        theirs, slope = usual.evaluate_gradient(point)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(np.hstack(ours), np.hstack(theirs), rtol=1e-10, atol=1e-9)


def test_a_wide_tail_is_one_of_many_levels_and_many_fixed_effects():
    rng = np.random.default_rng(9)
    rows = 60_000

    def made(levels, fixed):
        frame = pd.DataFrame(
            rng.normal(size=(rows, fixed)), columns=[f"x{j}" for j in range(fixed)]
        )
        frame["y"], frame["g"] = rng.normal(size=rows), np.arange(rows) % levels
        formula = f"y ~ 1 + {' + '.join(frame.columns[:-2])} + (1 | g)"
        return ms.LinearMixedModel(formula, frame).system

    assert made(30_000, 18).blocked.small is None
    assert made(30_000, 4).blocked.small is not None
    assert made(300, 18).blocked.small is not None
