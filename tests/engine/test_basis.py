"""The orthonormal basis of the fixed effects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mixedscope.engine.basis import _by_gram_schmidt, fixed_basis, products_of_rows


def departure(q: np.ndarray) -> float:
    """Largest entry of Q'Q - I, products summed without rounding."""
    k = q.shape[1]
    return max(abs(math.fsum(q[:, i] * q[:, j]) - (i == j)) for i in range(k) for j in range(k))


def allowed(n: int) -> float:
    """What rounding leaves of orthogonality: sums of n products, each off by at most half an ulp.

    Their errors have random signs and grow with the square root of n; the factor 4 is for the
    second orthogonalisation and for unlucky signs. One pass alone would leave 1e-12 and more where
    columns are as alike as here.
    """
    return 4 * math.sqrt(n) * float(np.finfo(float).eps)


@pytest.fixture
def columns():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 5))
    x[:, 0] = 1.0
    return x


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6, 1e-130, 1e130, 1e-200, 1e200])
def test_basis_is_orthonormal_whatever_the_units(columns, scale):
    x = columns * np.array([1.0, scale, 1.0, 1.0, 1.0])
    basis = fixed_basis(x)
    np.testing.assert_allclose(basis.q.T @ basis.q, np.eye(5), atol=1e-14)
    np.testing.assert_allclose(basis.q @ basis.r, x, rtol=1e-12, atol=1e-13 * min(scale, 1.0))
    assert (np.diag(basis.r) > 0).all()
    np.testing.assert_array_equal(np.tril(basis.r, -1), 0.0)


@pytest.mark.parametrize("share", [1.0, 1e-2, 1e-4, 1e-6])
def test_nearly_collinear_columns_have_an_orthonormal_basis(columns, share):
    columns[:, 4] = columns[:, 1] + share * columns[:, 4]
    basis = fixed_basis(columns)
    assert basis.kept.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(basis.q.T @ basis.q, np.eye(5), atol=1e-13)
    np.testing.assert_allclose(basis.q @ basis.r, columns, atol=1e-13)


def test_all_at_once_is_what_one_by_one_gives(columns):
    basis, slow = fixed_basis(columns), _by_gram_schmidt(columns, 1e-7)
    np.testing.assert_allclose(basis.q, slow.q, atol=1e-13)
    np.testing.assert_allclose(basis.r, slow.r, atol=1e-12)


def test_the_later_of_two_redundant_columns_is_left_out(columns):
    columns[:, 3] = columns[:, 0] - 2.0 * columns[:, 1]
    basis = fixed_basis(columns)
    assert basis.kept.tolist() == [0, 1, 2, 4]
    np.testing.assert_allclose(basis.q @ basis.r, columns[:, basis.kept], atol=1e-13)


def test_no_columns_have_an_empty_basis():
    basis = fixed_basis(np.empty((4, 0)))
    assert basis.q.shape == (4, 0)
    assert basis.log_det == 0.0


@pytest.mark.parametrize("shape", [(3, 50), (3, 5000), (9, 5000)])
def test_products_of_rows_are_those_of_matrices(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(3).normal(size=shape)
    np.testing.assert_allclose(products_of_rows(rows), rows @ rows.T, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("mean", [0.0, 2.0, 5.0, 100.0])
def test_the_basis_is_orthonormal_to_rounding_however_alike_columns_are(mean: float) -> None:
    n = 6000
    values = np.random.default_rng(4).normal(mean, 1.0, size=(n, 2))
    q = fixed_basis(np.column_stack([np.ones(n), values])).q
    assert departure(q) < allowed(n)


@pytest.mark.parametrize("mean", [0.0, 5.0, 1e6])
def test_the_inverse_of_the_triangle_comes_with_the_basis(mean: float) -> None:
    x = np.column_stack([np.ones(50), np.random.default_rng(4).normal(mean, 1.0, size=(50, 2))])
    basis = fixed_basis(x)
    np.testing.assert_allclose(basis.r_inverse, np.linalg.inv(basis.r), rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(basis.q @ basis.r, x, rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_long_columns_beyond_the_range_of_squares_are_orthonormalised(scale: float) -> None:
    x = np.random.default_rng(5).normal(size=(6000, 2)) * [1.0, scale]
    assert departure(fixed_basis(x).q) < allowed(6000)
