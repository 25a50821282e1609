"""An orthonormal basis of the fixed-effects columns, with the redundant ones left out.

The engine works with this basis Q instead of X and with the residuals of y on it: the profiled
objective is then untouched by shifts of y and by the scaling and near collinearity of X, where the
raw cross-products would lose half of the digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FixedBasis", "fixed_basis", "products_of_rows"]

Floats = NDArray[np.float64]

# The tolerance of R's lm and lme4: a column is redundant if less than this share of its length
# is left after projection on the columns before it.
COLLINEAR = 1e-7
# Columns of which at least this share is left are orthonormalised all at once; and the smallest
# length whose square, and that of its reciprocal, is safe.
_CLEAR = 1e-3
_TINY = 1e-100
# Share of a column's length that is nothing but rounding.
_ROUNDED = 1e-11
# Once is enough if the inverse factor is no larger: sum of squares of its rows on average, by which
# the rounding of the cross-products grows.
_ONCE = 8.0
# Between few rows longer than this, dot products one by one are several times faster than a product
# of matrices (measured).
_LONG = 2000
_FEW = 6


@dataclass(frozen=True)
class FixedBasis:
    """Orthonormal basis of the columns of X that are kept.

    Attributes
    ----------
    q : (n, r) array
        Orthonormal columns.
    r : (r, r) array
        Upper triangular, ``X[:, kept] = q @ r``.
    kept : (r,) array of int
        Positions of the columns that carry a coefficient.
    r_inverse : (r, r) array
        Its inverse, upper triangular too.
    """

    q: Floats
    r: Floats
    kept: NDArray[np.intp]
    r_inverse: Floats

    @property
    def log_det(self) -> float:
        """Log-determinant of ``X'X`` over the kept columns."""
        return 2.0 * float(np.log(np.abs(np.diag(self.r))).sum())


def fixed_basis(x: Floats, tolerance: float = COLLINEAR, *, intercept: bool = False) -> FixedBasis:
    """Orthonormalise the columns of `x` from left to right, leaving redundant ones out.

    ``x`` (n, p): model matrix, rows multiplied by the square roots of the weights. ``tolerance``:
    share of a column's length below which it counts as redundant. ``intercept``: whether the first
    column is that of the intercept: of a variable that lies far from zero, such as a date, the
    length is then that of its deviations from the mean.

    Gram-Schmidt with one repetition keeps Q orthonormal to rounding ("twice is enough": Giraud,
    Langou, Rozloznik & van den Eshof 2005, Numer. Math. 101). Like R's pivoted QR it keeps the
    earlier of two redundant columns, so the same coefficients are dropped as in lme4.

    Columns that are far from collinear are orthonormalised all at once, by the Cholesky factor of
    their cross-products, twice too unless they are nearly orthogonal (Yamamoto, Nakatsukasa,
    Yanagisawa & Fukaya 2015, Electron. Trans. Numer. Anal. 44): the same basis, from a few passes
    over the data.
    """
    return _by_cholesky(x) or _by_gram_schmidt(x, tolerance, intercept=intercept)


def products_of_rows(rows: Floats) -> Floats:
    """Form ``rows @ rows.T`` (p, p); what is beyond floating-point numbers is infinite or NaN."""
    p, n = rows.shape
    with np.errstate(over="ignore", invalid="ignore"):
        if n < _LONG or p > _FEW:
            return np.asarray(rows @ rows.T)
        out = np.empty((p, p))
        for i in range(p):
            for j in range(i + 1):
                out[i, j] = out[j, i] = rows[i].dot(rows[j])
    return out


def _by_cholesky(x: Floats) -> FixedBasis | None:
    """Orthonormalise columns that are far from collinear; None if they are not."""
    p = x.shape[1]
    if p == 0:
        return None
    rows = np.ascontiguousarray(x.T)
    products = products_of_rows(rows)
    # Squares that overflow, or vanish, are left to the careful way. (So few numbers are compared
    # faster without numpy.)
    if not all(_TINY**2 < square < _TINY**-2 for square in products.diagonal().tolist()):
        return None
    lengths = np.sqrt(products.diagonal())
    if p == 1:
        none = np.zeros(1, dtype=np.intp)
        return FixedBasis((rows / lengths).T, lengths[:, None], none, 1.0 / lengths[:, None])
    try:
        factor = np.linalg.cholesky(products / (lengths[:, None] * lengths))
    except np.linalg.LinAlgError:
        return None
    # On the diagonal: the share of each column's length that those before it leave.
    if min(factor.diagonal().tolist()) < _CLEAR:
        return None
    inverse = np.linalg.inv(factor)
    is_enough = np.vdot(inverse, inverse) <= _ONCE * p
    inverse /= lengths
    q = inverse @ rows
    del rows  # as long as the data
    if not is_enough:
        second = np.linalg.cholesky(products_of_rows(q))
        again = np.linalg.inv(second)
        q = again @ q
        factor = factor @ second
        inverse = again @ inverse
    factor *= lengths[:, None]
    return FixedBasis(q=q.T, r=factor.T, kept=np.arange(p), r_inverse=inverse.T)


def _by_gram_schmidt(x: Floats, tolerance: float, *, intercept: bool = False) -> FixedBasis:
    """Orthonormalise column by column."""
    n, p = x.shape
    q = np.empty((p, n))
    r = np.zeros((p, p))
    kept: list[int] = []
    for j in range(p):
        column = np.array(x[:, j])
        # Lengths are taken relative to the largest entry, so that squares cannot overflow; to the
        # power of two above it, so that nothing is rounded.
        largest = float(np.abs(column).max(initial=0.0))
        if largest == 0.0:
            continue
        largest = math.ldexp(1.0, min(math.frexp(largest)[1], 1023))
        column /= largest
        length = whole = float(np.linalg.norm(column))
        k = len(kept)
        if intercept and kept[:1] == [0]:
            length = float(np.linalg.norm(column - (q[0] @ column) * q[0]))
        for _ in range(2):
            share = q[:k] @ column
            column -= share @ q[:k]
            r[:k, k] += share * largest
        rest = float(np.linalg.norm(column))
        if rest <= max(tolerance * length, _ROUNDED * whole):
            r[:, k] = 0.0
            continue
        q[k] = column / rest
        r[k, k] = rest * largest
        kept.append(j)
    k = len(kept)
    own = r[:k, :k].copy()
    inverse = np.asarray(np.linalg.inv(own), dtype=np.float64)
    return FixedBasis(q[:k].T, own, np.asarray(kept, dtype=np.intp), inverse)
