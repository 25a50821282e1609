"""Crossed factors: their cross-products, and what is left of the others without the largest.

The levels of the *eliminated* factor are independent of each other given those of the *iterated*
ones, so that they are eliminated one by one; what is left of the latter is never formed. Columns of
the iterated factors stand one after another, those of one level together.

With T the relative covariance of an eliminated level, ``D_i`` its own cross-products, ``C_i`` those
with the columns of one iterated factor of one column, N the squares of these, lam their relative
standard deviation::

    E_i = inv(I + D_i T),  M_i = T E_i,  B = I + lam**2 (N - sum_i C_i' M_i C_i)
    G = I + lam**2 N,  S = G**-0.5 B G**-0.5 = I - lam**2 sum_i C_i' M_i C_i, C_i scaled by G**-0.5

All eigenvalues of S are between 0 and 1. Nothing is divided by T or lam: zero is an ordinary value.
Of iterated factors of several columns, or several factors, see
:mod:`mixedscope.engine.iterative.blocks`. Everything else of the model, random effects of few
levels (the *border*), the basis of the fixed effects and the response, stands beside all these as
columns W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather
from mixedscope.engine.iterative.clusters import Clusters, clusters_of
from mixedscope.engine.kernels import crossing as kernels
from mixedscope.engine.kernels.crossing_blocks import add_blocks_times
from mixedscope.engine.products import GroupColumns

__all__ = [
    "Complement",
    "Crossing",
    "Eliminated",
    "Pairs",
    "Places",
    "Trace",
    "crossing_of",
    "own_traces",
]

Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """Cross-products of the levels of one factor with columns of others.

    Attributes
    ----------
    ptr : (q + 1,) array of int
        Where the pairs of every level begin.
    idx : (pairs,) array of int
        Column of each pair, ascending within a level; every pair occurs once.
    w : (pairs, k) array
        Cross-products of the columns of the level with it.
    """

    ptr: NDArray[np.int64]
    idx: NDArray[np.uint32]
    w: Floats


class Crossing(NamedTuple):
    """Cross-products of a model of crossed factors; the same for all theta.

    Attributes
    ----------
    ptr, idx, w : arrays
        `Pairs` of the eliminated factor with all iterated columns.
    d : (q, k, k) array
        Own cross-products of the eliminated levels.
    own : (q, k, h) array
        Theirs with W.
    blocks : tuple of (q_f, k_f, k_f) arrays
        Own cross-products of the levels of every iterated factor.
    far : (N, h) array
        Those of the iterated columns with W.
    products : (h, h) array
        ``W'W``.
    between : tuple of Pairs
        Of every iterated factor but the last with the columns of those behind it.
    clusters : Clusters or None
        Which iterated columns belong together; None where there is one a level.
    order : array of int
        See :mod:`mixedscope.engine.kernels.crossing_blocks`.
    gram, shared : arrays
        Entries of all clusters of the cross-products of iterated columns; and of those alone that
        are of two factors.
    """

    ptr: NDArray[np.int64]
    idx: NDArray[np.uint32]
    w: Floats
    d: Floats
    own: Floats
    blocks: tuple[Floats, ...]
    far: Floats
    products: Floats
    between: tuple[Pairs, ...] = ()
    clusters: Clusters | None = None
    order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    gram: Floats = np.empty(0)
    shared: Floats = np.empty(0)

    @property
    def nbytes(self) -> int:
        """Bytes of all this."""
        whole = sum(a.nbytes for a in (self.d, self.own, self.far, self.products, *self.blocks))
        whole += sum(a.nbytes for a in (self.order, self.gram, self.shared))
        pairs = [Pairs(self.ptr, self.idx, self.w), *self.between]
        return whole + sum(p.ptr.nbytes + p.idx.nbytes + p.w.nbytes for p in pairs)

    @property
    def n_columns(self) -> int:
        """Number N of iterated columns."""
        return len(self.far)

    @property
    def is_scalar(self) -> bool:
        """Whether one factor of one column is iterated."""
        return len(self.blocks) == 1 and self.blocks[0].shape[1] == 1

    @property
    def squares(self) -> Floats:
        """Own cross-products (N,) of the iterated columns; a view where there is one a level."""
        if self.is_scalar:
            return self.blocks[0].reshape(-1)
        return np.concatenate([np.einsum("qaa->qa", b).ravel() for b in self.blocks])

    @property
    def firsts(self) -> list[int]:
        """Where the columns of every iterated factor begin."""
        sizes = [b.shape[0] * b.shape[1] for b in self.blocks]
        return [sum(sizes[:f]) for f in range(len(sizes))]

    def gram_times(self, v: Floats) -> Floats:
        """Multiply v (N, c) by the cross-products of all iterated columns."""
        if self.is_scalar:
            return self.squares[:, None] * v
        out = np.zeros(v.shape)
        for block, first in zip(self.blocks, self.firsts, strict=True):
            q, k = block.shape[:2]
            add_blocks_times(block, first + np.arange(q * k).reshape(q, k), v, out, False)
        self.add_between(v, out)
        return out

    def add_between(self, v: Floats, out: Floats) -> None:
        """Add to `out` (N, c) the products of v with what different iterated factors share."""
        for pairs, block, first in zip(self.between, self.blocks, self.firsts, strict=False):
            q, k = block.shape[:2]
            own = slice(first, first + q * k)
            mine = np.ascontiguousarray(v[own]).reshape(q, k, -1)
            out[own] += kernels.collect_levels(*pairs, v).reshape(q * k, -1)
            out += kernels.spread_levels(*pairs, mine, len(out))


class Places(NamedTuple):
    """Which factors of a model are where.

    Attributes
    ----------
    eliminated : int
        Position of the factor in the model.
    iterated_columns : tuple of (int, slice)
        The iterated factors, and which columns are theirs.
    border_columns : tuple of (int, slice)
        The other factors, and where they stand in W.
    n_border : int
        Number of their random effects.
    """

    eliminated: int
    iterated_columns: tuple[tuple[int, slice], ...]
    border_columns: tuple[tuple[int, slice], ...]
    n_border: int


class Trace(NamedTuple):
    """A trace, by forms in directions that span nothing twice.

    Attributes
    ----------
    forms : (c,) array
        Of every direction.
    control : (c,) array
        Forms of the same directions in a matrix whose trace is known.
    known : float
        That trace.
    added : float
        What of the trace asked for is no part of the forms.
    """

    forms: Floats
    control: Floats
    known: float
    added: float = 0.0


def crossing_of(
    eliminated: GroupColumns,
    iterated: Sequence[GroupColumns],
    border: Sequence[GroupColumns],
    basis: Floats,
    response: Floats,
) -> Crossing:
    """Form the cross-products: one sort, and some passes over the observations.

    ``basis`` (n, r): orthonormal. ``response`` (n,): orthogonal to it.
    """
    places, values, n_columns = _columns_of(iterated)
    pairs = _pairs(eliminated, places, values, n_columns)
    between = []
    for f in range(len(iterated) - 1):
        later = sum(factor.size for factor in iterated[: f + 1])
        behind = np.ascontiguousarray(places[:, later:])
        there = np.ascontiguousarray(values[:, later:])
        between.append(_pairs(iterated[f], behind, there, n_columns))
    del places, values
    places, values, m = _columns_of(border)
    # Side by side they would be as long as the data once more.
    tails = (basis.T, response[None])
    d, own = _sums(eliminated, tails, places, values, m)
    sums = [_sums(factor, tails, places, values, m) for factor in iterated]
    h = m + sum(map(len, tails))
    far = [rows.reshape(-1, h) for _, rows in sums]
    products = np.zeros((h, h))
    if m:
        tail = np.column_stack([basis, response])
        gather.rest_products(places, values, tail, m, products)
    # The basis is orthonormal, and the response orthogonal to it.
    for i in range(m, h - 1):
        products[i, i] = 1.0
    products[-1, -1] = response @ response
    products = np.triu(products) + np.triu(products, 1).T
    made = Crossing(
        *pairs, d, own, tuple(block for block, _ in sums),
        far[0] if len(far) == 1 else np.concatenate(far), products, tuple(between),
    )  # fmt: skip
    return made if made.is_scalar else _with_clusters(made, clusters_of(iterated))


def _with_clusters(made: Crossing, clusters: Clusters) -> Crossing:
    """Gather the cross-products of columns that belong together."""
    gram = np.zeros(clusters.n_entries)
    for block, first in zip(made.blocks, made.firsts, strict=True):
        q, k = block.shape[:2]
        columns = first + np.arange(q * k).reshape(q, k)
        at = np.broadcast_arrays(columns[:, :, None], columns[:, None, :])
        gram[clusters.entries_of(*at)] = block
    shared = np.zeros(len(gram) if not clusters.is_plain else 0)
    if not clusters.is_plain:
        for pairs, block, first in zip(made.between, made.blocks, made.firsts, strict=False):
            q, k = block.shape[:2]
            level = np.repeat(np.arange(q), np.diff(pairs.ptr))
            for a in range(k):
                mine, other = first + level * k + a, pairs.idx.astype(np.int64)
                same = clusters.block[mine] == clusters.block[other]
                mine, other, w = mine[same], other[same], pairs.w[same, a]
                shared[clusters.entries_of(mine, other)] = w
                shared[clusters.entries_of(other, mine)] = w
        gram += shared
    return made._replace(
        clusters=clusters, order=clusters.order_of(made.ptr, made.idx), gram=gram, shared=shared
    )


def _pairs(
    factor: GroupColumns, places: NDArray[np.int32], values: Floats, n_columns: int
) -> Pairs:
    """Cross-products of the levels of a factor with columns that observations have."""
    order, start = gather.counting_sort(factor.codes, factor.n_levels)
    ptr, idx, *_ = gather.sparse_pattern(order, start, places, n_columns)
    w = np.empty((len(idx), factor.size))
    gather.sparse_sums(order, start, factor.z, places, values, ptr, idx, n_columns, w)
    return Pairs(ptr, idx, w)


def _columns_of(factors: Sequence[GroupColumns]) -> tuple[NDArray[np.int32], Floats, int]:
    """Where observations are not zero in columns of factors (n, width), what, and how many."""
    if not factors:
        return np.empty((0, 0), dtype=np.int32), np.empty((0, 0)), 0
    if len(factors) == 1 and factors[0].size == 1:
        (factor,) = factors
        column = factor.codes[:, None].astype(np.int32)
        return column, np.ascontiguousarray(factor.z), factor.n_levels
    places, first = [], 0
    for factor in factors:
        places.append(first + factor.codes[:, None] * factor.size + np.arange(factor.size))
        first += factor.n_levels * factor.size
    columns = np.ascontiguousarray(np.hstack(places), dtype=np.int32)
    return columns, np.ascontiguousarray(np.hstack([f.z for f in factors])), first


def _sums(
    factor: GroupColumns,
    tails: Sequence[Floats],
    places: NDArray[np.int32],
    values: Floats,
    m: int,
) -> tuple[Floats, Floats]:
    """Cross-products of the levels of a factor with themselves (q, k, k) and with W (q, k, h).

    ``tails``: rows (any, n), which are the last of W.
    """
    q, k = factor.n_levels, factor.size
    d = np.empty(0)
    own = np.zeros((q, k, m + sum(map(len, tails))))
    first = m
    for tail in tails:
        if k <= 2:
            d, u = gather.level_products_narrow(factor.codes, factor.z, tail, q, None)
        else:
            head = np.ascontiguousarray(tail.T)
            d, u = gather.level_products(factor.codes, factor.z, head, q, None)
        own[:, :, first : first + len(tail)] = u.transpose(0, 2, 1)
        first += len(tail)
    if m:
        kernels.add_border(factor.codes, factor.z, places, values, own)
    return d, own


class Eliminated:
    """What one eliminated factor leaves, whatever becomes of the iterated ones.

    Parameters
    ----------
    crossing : Crossing
    factor : (k, k) array
        Relative covariance factor of the eliminated factor.
    """

    def __init__(self, crossing: Crossing, factor: Floats) -> None:
        self.crossing = crossing
        self.covariance = factor @ factor.T
        self.log_det, self.shares, self.m = _elimination(crossing.d, factor)

    def reduced(self, own: Floats, far: Floats) -> Floats:
        """What is left of columns of the iterated factors, ``far - sum_i C_i' M_i own_i`` (N, c).

        ``own`` (q, k, c), ``far`` (N, c): cross-products of either with the columns.
        """
        c = self.crossing
        turned = np.ascontiguousarray(self.m @ own)
        return far - kernels.spread_levels(c.ptr, c.idx, c.w, turned, len(far))

    def met(self, far: Floats) -> Floats:
        """``C_i far`` (q, k, c) of random effects (N, c) of the iterated factors."""
        c = self.crossing
        return kernels.collect_levels(c.ptr, c.idx, c.w, np.ascontiguousarray(far))


class Complement(Eliminated):
    """The matrix S at one theta, and what the elimination gives; of one iterated column a level.

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
        ``lam**2``: conjugate gradients solve ``I - variance P``, P being `product`.
    scale : (N,) array
        ``G**-0.5``.
    w : (pairs, k) array
        Entries of the scaled C.
    """

    def __init__(self, crossing: Crossing, factor: Floats, lam: float) -> None:
        super().__init__(crossing, factor)
        self.variance = lam * lam
        diagonal = 1.0 + self.variance * crossing.squares
        self.scale = 1.0 / np.sqrt(diagonal)
        self.log_det += float(np.log(diagonal).sum())
        self.w = np.empty(crossing.w.shape)
        kernels.scaled_pairs(crossing.idx, crossing.w, self.scale, self.w)
        if not np.isfinite(self.log_det):
            raise FloatingPointError("The penalised system is not finite.")

    # -- products --------------------------------------------------------------------------------

    def product(self, v: Floats) -> Floats:
        """``(I - S) v / lam**2`` of vectors v (N, c)."""
        return kernels.complement_product(self.crossing.ptr, self.crossing.idx, self.w, self.m, v)

    def diagonal(self) -> Floats:
        """Diagonal (N,) of ``(I - S) / lam**2``."""
        c = self.crossing
        return kernels.complement_diagonal(c.ptr, c.idx, self.w, self.m, len(self.scale))

    # -- from columns to right-hand sides, and back ----------------------------------------------

    def right(self, columns: Floats) -> Floats:
        """Right-hand sides (N, c) for what is left of columns of the iterated factor."""
        return self.scale[:, None] * columns

    def scores(self, x: Floats, columns: Floats) -> Floats:
        """``Z_2' inv(V) U`` (N, c) of solutions x with `right` of what is left of ``Z_2'U``."""
        return self.scale[:, None] * x

    def effects(self, scores: Floats) -> Floats:
        """Random effects of the iterated factor that `scores` (N, ...) are those of."""
        return self.variance * scores

    def gain(self, columns: Floats, scores: Floats) -> Floats:
        """``columns' effects(scores)``, (c, d)."""
        return self.variance * (columns.T @ scores)

    def met_effects(self, scores: Floats) -> Floats:
        """``C_i effects(scores)`` (q, k, c)."""
        return self.variance * self.met(scores)

    # -- what probes estimate --------------------------------------------------------------------

    def shifts(self) -> Floats:
        """Effects (N, r) of all levels of a factor up as much: here one column of ones."""
        return np.ones((len(self.scale), 1))

    def lifted(self, effects: Floats) -> Floats:
        """Vectors (N, r) in the space of S, of effects of levels."""
        return effects / self.scale[:, None]

    def lowered(self, v: Floats) -> Floats:
        """Effects (N, r) of levels that vectors in the space of S are."""
        return self.scale[:, None] * v

    def control(self, z: Floats, applied: Floats) -> tuple[Floats, float]:
        """Forms (c,) of directions in ``I - S``, and its trace; `applied` is `product` of z."""
        forms = self.variance * np.einsum("jc,jc->c", z, applied)
        return forms, self.variance * float(self.diagonal().sum())

    def traces(self, z: Floats, applied: Floats, x: Floats) -> list[Trace]:
        """Traces that derivatives need, by directions z (N, c) and solutions x with them.

        They are ``tr(K inv(B))``, K being ``(B - I) / lam**2``, and the matrix ``lam**2 sum_i E_i
        C_i inv(B) C_i' E_i'``.
        """
        c, scale2 = self.crossing, self.scale**2
        # K of the scaled space times z. Of its part that is diagonal nothing is to be estimated.
        weights = c.squares * scale2
        of_z = weights[:, None] * z - applied
        forms = np.einsum("jc,jc->c", of_z, x) - np.einsum("j,jc,jc->c", weights, z, z)
        control = np.einsum("j,jc,jc->c", scale2, z, applied)
        known = float(scale2 @ self.diagonal())
        out = [Trace(forms, control, known, float(weights.sum()))]
        squares = self.variance * kernels.squares_of_pairs(c.ptr, self.w, self.shares)
        mixed, own = kernels.forms_of_levels(c.ptr, c.idx, self.w, self.shares, z, x)
        return out + own_traces(mixed, own, squares, self.variance)


def _elimination(d: Floats, factor: Floats) -> tuple[float, Floats, Floats]:
    """Log-determinant of eliminated levels, their E and M (q, k, k)."""
    k = len(factor)
    covariance = factor @ factor.T
    if k == 1:
        own = 1.0 + d[:, 0, 0] * covariance[0, 0]
        shares = (1.0 / own)[:, None, None]
        return float(np.log(own).sum()), shares, shares * covariance
    spherical = factor.T @ d @ factor + np.eye(k)
    signs, logs = np.linalg.slogdet(spherical)
    if not np.all(signs > 0.0):
        raise FloatingPointError("The penalised system is not positive definite.")
    shares = np.asarray(np.linalg.inv(d @ covariance + np.eye(k)), dtype=float)
    return float(logs.sum()), shares, factor @ np.linalg.inv(spherical) @ factor.T


def own_traces(mixed: Floats, own: Floats, known: Floats, variance: float = 1.0) -> list[Trace]:
    """Traces of the eliminated factor (k k), of forms (k, k, c) of solutions and of controls.

    ``known`` (k, k): those of the controls. ``variance``: what the forms are to be multiplied by.
    """
    k = len(known)
    mixed = variance * (mixed + mixed.transpose(1, 0, 2)) / 2.0
    own = variance * own
    return [Trace(mixed[a, b], own[a, b], float(known[a, b])) for a in range(k) for b in range(k)]
