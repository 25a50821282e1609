"""Kernels written out for one and two columns against sums in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mixedscope.engine.kernels import elimination as kernels
from mixedscope.engine.kernels import inverse as kernels_inverse
from mixedscope.engine.kernels import narrow as kernels_narrow

Floats = NDArray[np.float64]

Q, OUTER = 40, 7


def levels(k: int, h: int) -> tuple[Floats, Floats]:
    """Head rows (q, h, k) and symmetric blocks (q, k, k)."""
    rng = np.random.default_rng(11)
    m = rng.normal(size=(Q, k, k))
    return rng.normal(size=(Q, h, k)), m + m.transpose(0, 2, 1)


def shares(u: Floats, m: Floats) -> Floats:
    """``A M A'`` (q, h, h) of every level."""
    return np.asarray(np.einsum("qac,qcd,qbd->qab", u, m, u))


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("n_tail", [1, 2, 3, 4, 5, 6, 9])
def test_the_share_of_the_levels_in_the_tail(k: int, n_tail: int) -> None:
    u, m = levels(k, n_tail + 2)
    s = np.zeros((n_tail + 3, n_tail + 3))
    kernels.eliminate_head(u, m, n_tail, s)
    expected = np.zeros_like(s)
    expected[3:, 3:] = -np.triu(shares(u, m)[:, 2:, 2:].sum(axis=0))
    np.testing.assert_allclose(s, expected, atol=1e-12)


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize(("size", "n_tail"), [(1, 2), (1, 3), (2, 3), (2, 6), (1, 8)])
def test_the_share_of_the_levels_in_those_that_contain_them(
    is_sorted: bool, k: int, size: int, n_tail: int
) -> None:
    u, m = levels(k, 1 + size + n_tail)
    parent = np.random.default_rng(12).integers(0, OUTER, Q)
    if is_sorted:
        parent = np.sort(parent)
    d, rows = np.zeros((OUTER, size, size)), np.zeros((OUTER, n_tail, size))
    none = np.zeros(Q + 1, dtype=np.int64)
    kernels.eliminate_parent(
        u, np.empty((0, k)), m, none, parent, none[:0], 1, d, rows, np.empty((0, size))
    )
    share = np.zeros((OUTER, u.shape[1], u.shape[1]))
    np.add.at(share, parent, shares(u, m))
    own = slice(1, 1 + size)
    np.testing.assert_allclose(d, -share[:, own, own], atol=1e-12)
    np.testing.assert_allclose(rows, -share[:, 1 + size :, own], atol=1e-12)


@pytest.mark.parametrize("beyond", [0, 3])
@pytest.mark.parametrize(("k", "size"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_the_part_of_the_inverse_that_contains_a_level(beyond: int, k: int, size: int) -> None:
    u, _ = levels(k, size + 3)
    rng = np.random.default_rng(13)
    parent = rng.integers(0, OUTER, Q)
    own = rng.normal(size=(OUTER, size, size))
    own += own.transpose(0, 2, 1)
    rows = rng.normal(size=(OUTER, 3, size))
    out = np.zeros((Q, k, k))
    none = np.zeros(Q + 1, dtype=np.int64)
    kernels_inverse.parent_forms(
        u, np.empty((0, k)), none, parent, none[:0], 0, size + beyond, own, rows,
        np.empty((0, size)), out,
    )  # fmt: skip
    inverse = np.zeros((Q, size + 3, size + 3))
    inverse[:, :size, :size] = own[parent]
    inverse[:, size : size + beyond, :size] = rows[parent][:, :beyond]
    inverse[:, :size, size:] = inverse[:, size:, :size].transpose(0, 2, 1)
    expected = np.einsum("qac,qab,qbd->qcd", u, inverse, u)
    np.testing.assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("n_tail", [2, 3, 4, 5, 9])
def test_modes_and_penalty_on_the_way_back(k: int, n_tail: int) -> None:
    u, m = levels(k, 2 + n_tail)
    rng = np.random.default_rng(14)
    x, tail, outer = rng.normal(size=m.shape), rng.normal(size=n_tail), rng.normal(size=(OUTER, 2))
    parent = rng.integers(0, OUTER, Q)
    forms, modes = np.zeros((Q, k)), np.empty((Q, k))
    # Only kernels call these, so that Python has to run their source.
    add: Any = kernels_narrow.add_parent_narrow
    back_solve: Any = kernels_narrow.back_solve_narrow
    add.py_func(u, parent, 0, outer, forms)
    penalty = back_solve.py_func(u, x, m, tail, forms, modes)
    head = np.column_stack([outer[parent], np.tile(tail, (Q, 1))])
    expected = np.einsum("qrc,qr->qc", u, head)
    np.testing.assert_allclose(forms, expected, atol=1e-12)
    np.testing.assert_allclose(modes, -np.einsum("qab,qb->qa", m, expected), atol=1e-12)
    spherical = np.einsum("qca,qc->qa", x, expected)
    assert penalty == pytest.approx((spherical**2).sum(), rel=1e-12)
