"""LAPACK in place: leading blocks of larger arrays, lower triangles in C order."""

from __future__ import annotations

import numpy as np
import pytest

from mixedscope.engine import lapack


def positive(size, seed=0):
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(size, size))
    return half @ half.T / size + np.eye(size)


@pytest.mark.parametrize(("size", "rest"), [(30, 0), (200, 3), (201, 5), (517, 7), (900, 0)])
def test_inverse_is_that_of_the_leading_block_and_leaves_the_rest(size, rest):
    whole = positive(size + rest)
    work = whole.copy()
    assert lapack.cholesky_lower(work)
    factor = work.copy()
    lapack.inverse_from_cholesky(work, size)
    expected = np.linalg.inv(whole[:size, :size])
    np.testing.assert_allclose(np.tril(work[:size, :size]), np.tril(expected), atol=1e-13)
    np.testing.assert_array_equal(np.triu(work, 1), np.triu(factor, 1))
    np.testing.assert_array_equal(work[size:], factor[size:])


def test_singular_factor_has_no_inverse():
    factor = np.tril(positive(450))
    factor[300, 300] = 0.0
    with pytest.raises(FloatingPointError):
        lapack.inverse_from_cholesky(factor, 450)


def test_rows_are_solved_by_the_lower_triangle():
    work = positive(60)
    assert lapack.cholesky_lower(work)
    right = np.random.default_rng(1).normal(size=(4, 60))
    solved = right.copy()
    lapack.solve_lower(work, solved)
    np.testing.assert_allclose(solved @ np.tril(work).T, right, atol=1e-12)
