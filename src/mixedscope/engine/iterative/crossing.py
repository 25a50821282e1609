"""Two crossed factors: their cross-products, and what is left of the second without the first.

The levels of the *eliminated* factor are independent of each other given those of the *iterated*
one, so that they are eliminated one by one; what is left of the latter is never formed. With T the
relative covariance of an eliminated level, ``D_i`` its own cross-products, ``C_i`` those with the
columns of the iterated factor, N the squares of these, lam their relative standard deviation::

    E_i = inv(I + D_i T),  M_i = T E_i,  B = I + lam**2 (N - sum_i C_i' M_i C_i)
    G = I + lam**2 N,  S = G**-0.5 B G**-0.5 = I - lam**2 sum_i C_i' M_i C_i, C_i scaled by G**-0.5

All eigenvalues of S are between 0 and 1. Nothing is divided by T or lam: zero is an ordinary value.
Everything else of the model, random effects of few levels (the *border*), the basis of the fixed
effects and the response, stands beside these two as columns W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather
from mixedscope.engine.kernels import crossing as kernels
from mixedscope.engine.products import GroupColumns

__all__ = ["Complement", "Crossing", "Places", "crossing_of"]

Floats = NDArray[np.float64]


class Crossing(NamedTuple):
    """Cross-products of a model of two crossed factors; the same for all theta.

    Attributes
    ----------
    ptr : (q + 1,) array of int
        Where the pairs of every eliminated level begin.
    idx : (pairs,) array of int
        Iterated level of each pair; every pair of levels occurs once.
    w : (pairs, k) array
        Cross-products of the columns of the eliminated level with the iterated one.
    d : (q, k, k) array
        Own cross-products of the eliminated levels.
    own : (q, k, h) array
        Theirs with W.
    squares : (N,) array
        Own cross-products of the iterated levels.
    far : (N, h) array
        Theirs with W.
    products : (h, h) array
        ``W'W``.
    """

    ptr: NDArray[np.int64]
    idx: NDArray[np.uint32]
    w: Floats
    d: Floats
    own: Floats
    squares: Floats
    far: Floats
    products: Floats

    @property
    def nbytes(self) -> int:
        """Bytes of all this."""
        return sum(array.nbytes for array in self)


class Places(NamedTuple):
    """Which factors of a model are where.

    Attributes
    ----------
    eliminated, iterated : int
        Positions of the two factors in the model.
    border_columns : tuple of (int, slice)
        The other factors, and where they stand in W.
    n_border : int
        Number of their random effects.
    """

    eliminated: int
    iterated: int
    border_columns: tuple[tuple[int, slice], ...]
    n_border: int


def crossing_of(
    eliminated: GroupColumns,
    iterated: GroupColumns,
    border: Sequence[GroupColumns],
    basis: Floats,
    response: Floats,
) -> Crossing:
    """Form the cross-products: one sort, and some passes over the observations.

    ``iterated`` has one column. ``basis`` (n, r): orthonormal. ``response`` (n,): orthogonal to it.
    """
    order, start = gather.counting_sort(eliminated.codes, eliminated.n_levels)
    column = iterated.codes[:, None].astype(np.int32)
    ptr, idx, *_ = gather.sparse_pattern(order, start, column, iterated.n_levels)
    w = np.empty((len(idx), eliminated.size))
    gather.sparse_sums(
        order, start, eliminated.z, column, iterated.z, ptr, idx, iterated.n_levels, w
    )
    places, values, m = _border_columns(border)
    tail = np.vstack([basis.T, response])
    d, own = _sums(eliminated, tail, places, values, m)
    squares, far = _sums(iterated, tail, places, values, m)
    h = m + len(tail)
    products = np.zeros((h, h))
    if m:
        gather.rest_products(places, values, np.ascontiguousarray(tail.T), m, products)
    # The basis is orthonormal, and the response orthogonal to it.
    for i in range(m, h - 1):
        products[i, i] = 1.0
    products[-1, -1] = response @ response
    products = np.triu(products) + np.triu(products, 1).T
    return Crossing(
        ptr, idx, w, d, own, np.ascontiguousarray(squares[:, 0, 0]),
        np.ascontiguousarray(far[:, 0, :]), products,
    )  # fmt: skip


def _border_columns(border: Sequence[GroupColumns]) -> tuple[NDArray[np.int32], Floats, int]:
    """Where observations are not zero in the border (n, width), what, and how wide it is."""
    if not border:
        return np.empty((0, 0), dtype=np.int32), np.empty((0, 0)), 0
    places, first = [], 0
    for factor in border:
        places.append(first + factor.codes[:, None] * factor.size + np.arange(factor.size))
        first += factor.n_levels * factor.size
    columns = np.ascontiguousarray(np.hstack(places), dtype=np.int32)
    return columns, np.ascontiguousarray(np.hstack([f.z for f in border])), first


def _sums(
    factor: GroupColumns, tail: Floats, places: NDArray[np.int32], values: Floats, m: int
) -> tuple[Floats, Floats]:
    """Cross-products of the levels of a factor with themselves (q, k, k) and with W (q, k, h)."""
    q, k = factor.n_levels, factor.size
    if k <= 2:
        d, u = gather.level_products_narrow(factor.codes, factor.z, tail, q, None)
    else:
        head = np.ascontiguousarray(tail.T)
        d, u = gather.level_products(factor.codes, factor.z, head, q, None)
    own = np.zeros((q, k, m + len(tail)))
    own[:, :, m:] = u.transpose(0, 2, 1)
    if m:
        kernels.add_border(factor.codes, factor.z, places, values, own)
    return d, own


class Complement:
    """The matrix S at one theta, and what the elimination gives.

    Parameters
    ----------
    crossing : Crossing
    factor : (k, k) array
        Relative covariance factor of the eliminated factor.
    lam : float
        Relative standard deviation of the iterated factor.

    Attributes
    ----------
    log_det : float
        Log-determinant of ``Lambda'Z'Z Lambda + I`` of the eliminated levels, and of G.
    covariance : (k, k) array
        T.
    shares : (q, k, k) array
        E.
    m : (q, k, k) array
        M.
    variance : float
        ``lam**2``.
    scale : (N,) array
        ``G**-0.5``.
    w : (pairs, k) array
        Entries of the scaled C.
    """

    def __init__(self, crossing: Crossing, factor: Floats, lam: float) -> None:
        self.crossing = crossing
        self.covariance = factor @ factor.T
        d, k = crossing.d, len(factor)
        if k == 1:
            own = 1.0 + d[:, 0, 0] * self.covariance[0, 0]
            self.shares = (1.0 / own)[:, None, None]
            self.m = self.shares * self.covariance
            log_det = float(np.log(own).sum())
        else:
            spherical = factor.T @ d @ factor + np.eye(k)
            signs, logs = np.linalg.slogdet(spherical)
            if not np.all(signs > 0.0):
                raise FloatingPointError("The penalised system is not positive definite.")
            log_det = float(logs.sum())
            self.shares = np.linalg.inv(d @ self.covariance + np.eye(k))
            self.m = factor @ np.linalg.inv(spherical) @ factor.T
        self.variance = lam * lam
        diagonal = 1.0 + self.variance * crossing.squares
        self.scale = 1.0 / np.sqrt(diagonal)
        self.log_det = log_det + float(np.log(diagonal).sum())
        self.w = np.empty(crossing.w.shape)
        kernels.scaled_pairs(crossing.idx, crossing.w, self.scale, self.w)
        if not np.isfinite(self.log_det):
            raise FloatingPointError("The penalised system is not finite.")

    def product(self, v: Floats) -> Floats:
        """``(I - S) v / lam**2`` of vectors v (N, c)."""
        return kernels.complement_product(self.crossing.ptr, self.crossing.idx, self.w, self.m, v)

    def diagonal(self) -> Floats:
        """Diagonal (N,) of ``(I - S) / lam**2``."""
        c = self.crossing
        return kernels.complement_diagonal(c.ptr, c.idx, self.w, self.m, len(self.scale))

    def reduced(self, own: Floats, far: Floats) -> Floats:
        """What is left of columns of the iterated factor, ``far - sum_i C_i' M_i own_i`` (N, c).

        ``own`` (q, k, c), ``far`` (N, c): cross-products of either factor with the columns.
        """
        c = self.crossing
        turned = np.ascontiguousarray(self.m @ own)
        return far - kernels.spread_levels(c.ptr, c.idx, c.w, turned, len(far))

    def met(self, far: Floats) -> Floats:
        """``C_i far`` (q, k, c) of random effects (N, c) of the iterated factor."""
        c = self.crossing
        return kernels.collect_levels(c.ptr, c.idx, c.w, np.ascontiguousarray(far))
