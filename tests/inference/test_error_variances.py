"""Variances of what predictions err by: mixed model equations, by blocks and by dense algebra."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from random_models import COUNT, random_model

import mixedscope as ms
from mixedscope.engine.marginal import error_variances

Floats = NDArray[np.float64]


def dense(
    model: ms.LinearMixedModel, theta: Floats, x: Floats, rows: list[tuple[Floats, Floats]]
) -> Floats:
    """``(x, z)' C (x, z)`` with C the inverse of Henderson's matrix, random effects spherical."""
    design, system = model.design, model.system
    root = system.root_weights[:, None]
    n, m = len(design.y), len(x)
    blocks, wanted = [root * design.X[:, system.kept]], [x]
    for term, random, (codes, z) in zip(system.terms, design.random, rows, strict=True):
        q, k = len(random.levels), len(random.names)
        factor = term.factor(theta[term.theta])
        own, other = np.zeros((n, q, k)), np.zeros((m, q, k))
        own[np.arange(n), random.codes] = random.Z @ factor
        known = np.flatnonzero(codes >= 0)
        other[known, codes[known]] = z[known] @ factor
        blocks.append(root * own.reshape(n, -1))
        wanted.append(other.reshape(m, -1))
    columns, all_wanted = np.hstack(blocks), np.hstack(wanted)
    matrix = columns.T @ columns
    inner = np.arange(len(system.kept), len(matrix))
    matrix[inner, inner] += 1.0
    return np.einsum("ij,ij->i", all_wanted, np.linalg.solve(matrix, all_wanted.T).T)


def compare(model: ms.LinearMixedModel, theta: Floats, rng: np.random.Generator) -> None:
    """Rows of any levels, of some factors and not of others, with any values of the columns."""
    m, system = 12, model.system
    rows = [
        (rng.integers(-1, len(r.levels), m), rng.normal(size=(m, len(r.names))))
        for r in model.design.random
    ]
    x = rng.normal(size=(m, system.n_fixed))
    found = error_variances(system, system.standard_factors(theta), x, rows)
    np.testing.assert_allclose(found, dense(model, theta, x, rows), rtol=1e-7)


def every(count: int) -> list[pytest.param]:
    """Models of every kind; all of them where tests are exhaustive."""
    few = range(0, 27, 1)
    return [pytest.param(i, marks=() if i in few else pytest.mark.exhaustive) for i in range(count)]


@pytest.mark.parametrize("number", every(COUNT))
def test_blocks_give_what_dense_equations_give(number: int) -> None:
    rng = np.random.default_rng(number)
    made = random_model(number)
    model = made.build()
    k = len(model.theta_names)
    for theta in (model.profiled(reml=made.reml).canonical(rng.normal(size=k)), np.zeros(k)):
        compare(model, theta, rng)


def layout(rng: np.random.Generator, n: int = 700) -> pd.DataFrame:
    """Pupils in classes in schools, crossed with raters; too large for compiled code as a whole."""
    pupil = rng.integers(0, 150, n)
    frame = pd.DataFrame({"pupil": pupil, "cls": pupil // 3, "school": pupil // 12})
    frame = frame.assign(
        rater=rng.integers(0, 55, n), x=rng.normal(size=n), w=rng.gamma(2.0, size=n)
    )
    return frame.assign(y=rng.normal(size=n) + rng.normal(size=150)[pupil])


@pytest.mark.parametrize(
    "right",
    [
        "x + (1 | pupil) + (1 | cls) + (1 | school) + (1 | rater)",
        "x + (1 + x | pupil) + (1 + x | cls) + (1 | rater)",
        "x + (1 | pupil) + (1 + x | rater)",
        "0 + (1 | pupil) + (1 | cls) + (1 + x | school)",
        "x + (1 + x | pupil)",
    ],
)
def test_rows_may_combine_levels_that_never_met(right: str) -> None:
    rng = np.random.default_rng(3)
    model = ms.LinearMixedModel(f"y ~ {right}", layout(rng), weights="w")
    compare(model, rng.normal(size=len(model.theta_names)), rng)
