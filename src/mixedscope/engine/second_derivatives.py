"""Exact second derivatives of the objective of crossed factors, from one factorisation.

With V the covariance over sigma**2 of the response and P its inverse beside the fixed effects, a
change of entry i of a relative covariance factor changes V by ``Z D_i Z'``, where ``D_i = E_i
Lambda' + Lambda E_i'`` in every level of its factor, and a change of two by ``D_ij = E_i E_j' + E_j
E_i'``::

    second derivative of log|V|   tr(W D_ij) - tr(W D_i W D_j),                 W = Z'inv(V) Z
    of r**2                       2 (D_i c)'(Z'P Z)(D_j c) - c'D_ij c,          c = Z'P y

Under REML Z'P Z stands for W. W has an entry for every two columns of Z. Let B be the rows ``Z'
inv(V_1) [Z_2 X y]``, V_1 being the covariance without the factors Z_2 of the rest, and L the factor
of rest and tail as solved; then ``T = B Lambda inv(L)'`` leaves ``W = Z'inv(V_1) Z - T T'`` and, in
its last column, c. Of every two factors only the sums over their levels of products of two entries
are kept, piece by piece, or where the eliminated factor has many levels by way of the sums over
them of products of two rows of T: it all takes as long as a few gradients, however many parameters
there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import lapack
from mixedscope.engine.layout import DENSE_LIMIT, dense_rows, is_densely_crossed
from mixedscope.engine.products import CrossProducts

__all__ = ["differentiate_twice", "is_worthwhile"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of Z in one piece of W, whose triangle alone is formed where both factors are one.
_PIECE: Final = 256
# Columns of the sums of products of rows of T, at most: 128 MiB.
_GRAM: Final = 4096
# Operations inside BLAS that take as long as one of the sparse loops, and as the calls of all
# steps.
_SPARSE: Final = 12.0
_CALLS: Final = 2e7


class _Effects(NamedTuple):
    """One grouping factor among all.

    Attributes
    ----------
    first : int
        Its first column in Z, where the eliminated factor comes first.
    within : int
        Its first column in the rest; -1 for the eliminated factor.
    levels, size : int
    factor : (k, k) array
    rows, columns, places : (p,) arrays of int
        Entries of the factor by which to differentiate; where they stand among all.
    changes : (p, k, k) array
        ``D_i`` of each.
    """

    first: int
    within: int
    levels: int
    size: int
    factor: Floats
    rows: Ints
    columns: Ints
    places: Ints
    changes: Floats

    def own(self, begin: int = 0, end: int | None = None) -> slice:
        """Columns in Z of its levels from `begin` to `end`."""
        end = self.levels if end is None else end
        return slice(self.first + begin * self.size, self.first + end * self.size)

    def in_rest(self, begin: int = 0) -> slice:
        """Columns in the rest of its levels from `begin` on."""
        return slice(self.within + begin * self.size, self.within + self.levels * self.size)


class _Inverse(NamedTuple):
    """``W = Z'inv(V) Z`` in parts.

    Attributes
    ----------
    blocks : (q, k, k) array
        Of ``Z'inv(V_1) Z`` in the levels of the eliminated factor.
    base : (Q, N) array
        B.
    taken : (Q, any) array
        What stands for T.
    """

    blocks: Floats
    base: Floats
    taken: Floats

    def own_sum(self, one: _Effects) -> Floats:
        """Sum over the levels of a factor of its own blocks (k, k) of W."""
        k = one.size
        if one.within < 0:
            total = self.blocks.sum(axis=0)
        else:
            square = self.base[one.own(), one.in_rest()].reshape(one.levels, k, one.levels, k)
            total = np.einsum("iaib->ab", square)
        flat = self.taken[one.own()].reshape(one.levels, k, -1).transpose(1, 0, 2).reshape(k, -1)
        return np.asarray(total - flat @ flat.T)

    def pieces(self, one: _Effects, other: _Effects) -> Iterator[tuple[Floats, bool]]:
        """Blocks (m, k, q, l) of W between two factors, and whether they stand for two of them."""
        is_same = one is other
        step = max(1, _PIECE // one.size)
        for begin in range(0, one.levels, step):
            end = min(begin + step, one.levels)
            rows, start = one.own(begin, end), begin if is_same else 0
            piece = -(self.taken[rows] @ self.taken[other.own(start)].T)
            if other.within >= 0:
                piece += self.base[rows, other.in_rest(start)]
            blocks = piece.reshape(end - begin, one.size, -1, other.size)
            if other.within < 0:
                at = np.arange(end - begin)
                blocks[at, :, at] += self.blocks[begin:end]
            if not is_same:
                yield blocks, False
                continue
            yield blocks[:, :, : end - begin], False
            if end < one.levels:
                yield blocks[:, :, end - begin :], True

    def products(self, one: _Effects, other: _Effects) -> Floats:
        """Sum over their levels of products ``W[a, b] W[c, d]``, (k, l, k, l) as a, b, c, d."""
        if one is other and one.within < 0:
            width = self.taken.shape[1]
            if _is_summed_by_rows(one.levels, one.size, width):
                return self._products_by_rows(one)
        k, size = one.size, other.size
        total = np.zeros((k * size, k * size))
        mirrored = np.zeros_like(total)
        for blocks, is_twice in self.pieces(one, other):
            flat = blocks.transpose(1, 3, 0, 2).reshape(k * size, -1)
            (mirrored if is_twice else total)[:] += flat @ flat.T
        products = total.reshape(k, size, k, size)
        if one is other:
            twice = mirrored.reshape(products.shape)
            products = products + twice + twice.transpose(1, 0, 3, 2)
        return np.asarray(products)

    def _products_by_rows(self, one: _Effects) -> Floats:
        """The same of the eliminated factor, whose part of W is ``blocks - T T'``.

        The sum of products of entries of T T' is one of products of ``sum over l of T[la] T[lc]'``.
        """
        k, width = one.size, self.taken.shape[1]
        rows = self.taken[one.own()].reshape(one.levels, k, width)
        flat = rows.reshape(one.levels, k * width)
        grams = (flat.T @ flat).reshape(k, width, k, width).transpose(0, 2, 1, 3).reshape(k * k, -1)
        between = (grams @ grams.T).reshape(k, k, k, k).transpose(0, 2, 1, 3)
        own = self.blocks.reshape(one.levels, k * k)
        taken = (rows @ rows.transpose(0, 2, 1)).reshape(one.levels, k * k)
        crossed = own.T @ taken
        return between + (own.T @ own - crossed - crossed.T).reshape(k, k, k, k)


def _is_summed_by_rows(levels: int, size: int, width: int) -> bool:
    """Whether T has so few columns beside levels that sums of its rows take less time."""
    return 2 * width <= levels and size * width <= _GRAM


def is_worthwhile(cross: CrossProducts, parameters: int) -> bool:
    """Whether exact second derivatives take less time than differences of gradients.

    One factor must be eliminated and others be crossed with it, and there must be room for the
    dense rows of all.
    """
    pattern, n = cross.pattern, len(cross.rest)
    if len(pattern.tiers) != 1 or not pattern.n_rest:
        return False
    tier = pattern.tiers[0]
    k = pattern.sizes[tier.factor]
    eliminated = pattern.levels[tier.factor] * k
    count = eliminated + pattern.n_rest
    if count * n > DENSE_LIMIT:
        return False
    if is_densely_crossed(pattern, n):
        elimination = float(eliminated) * n**2
    else:
        met = np.diff(tier.ptr).astype(float) + cross.n_tail
        elimination = _SPARSE * k * float((met**2).sum())
    gradients = parameters * (3.0 * elimination + float(n) ** 3)
    levels = pattern.levels[tier.factor]
    most = float(max(pattern.sizes)) ** 2
    pairs = float(count) ** 2 * (n + most)
    if _is_summed_by_rows(levels, k, n):
        pairs += float(eliminated) * n * (k * n) - float(eliminated) ** 2 * (n + most)
    return _CALLS + float(count) * n**2 + pairs < gradients


def differentiate_twice(
    cross: CrossProducts,
    solved: tuple[Floats, Floats, Floats],
    factors: Sequence[Floats],
    entries: Ints,
    degrees: int,
    *,
    reml: bool,
    variance: float,
) -> tuple[Floats, Floats]:
    """First (p,) and second (p, p) derivatives of the objective by entries of the factors.

    Parameters
    ----------
    cross : CrossProducts
        Of one eliminated factor and others.
    solved : tuple of arrays
        ``M`` (q, k, k) of the eliminated factor, the matrix S (N, N) of rest and tail, and the
        diagonal (N,) of its upper triangle, as a solution leaves them.
    factors : sequence of (k, k) arrays
        For which it was solved.
    entries : (p,) array of int
        Places among the elements of all factors, flattened one after another.
    degrees, reml, variance
        As for :meth:`mixedscope.engine.blocked.BlockedSystem.derivatives`.
    """
    m, s, diagonal = solved
    n, n_rest, p = len(s), cross.pattern.n_rest, len(entries)
    effects = _all_effects(cross, factors, entries)
    d = cross.tiers[0].d
    rows = dense_rows(cross).reshape(len(d), -1, n)
    met = np.triu(s, 1)
    met += met.T
    met[np.diag_indices(n)] = diagonal
    base = np.concatenate([(rows - d @ (m @ rows)).reshape(-1, n), met[:n_rest]])
    reduced = base.copy()
    for one in effects[1:]:
        scaled = base[:, one.in_rest()].reshape(-1, one.size) @ one.factor
        reduced[:, one.in_rest()] = scaled.reshape(len(base), -1)
    lapack.solve_lower(s, reduced)
    pivot = float(s[-1, -1])
    c = reduced[:, -1] * pivot
    blocks = d - d @ m @ d
    inverse = _Inverse(blocks, base, reduced[:, : n - 1 if reml else n_rest])
    first_log, first_squares = np.zeros(p), np.zeros(p)
    log, squares = np.zeros((p, p)), np.zeros((p, p))
    moved = np.zeros((len(base), p))
    for position, one in enumerate(effects):
        own = c[one.own()].reshape(one.levels, one.size)
        total, outer = inverse.own_sum(one), own.T @ own
        first_log[one.places] = np.einsum("iab,ab->i", one.changes, total)
        first_squares[one.places] = -np.einsum("iab,ab->i", one.changes, outer)
        where, entry = np.ix_(one.places, one.places), np.ix_(one.rows, one.rows)
        is_shared = 2.0 * (one.columns[:, None] == one.columns)
        log[where] += is_shared * total[entry]
        squares[where] -= is_shared * outer[entry]
        moved[one.own(), one.places] = np.einsum("iab,qb->qai", one.changes, own).reshape(
            -1, len(one.places)
        )
        for other in effects[position:]:
            traces = np.einsum(
                "iac,abcd,jbd->ij", one.changes, inverse.products(one, other), other.changes,
                optimize=True,
            )  # fmt: skip
            log[np.ix_(one.places, other.places)] -= traces
            if other is not one:
                log[np.ix_(other.places, one.places)] -= traces.T
    squares += 2.0 * _forms(_Inverse(blocks, base, reduced[:, : n - 1]), moved, n_rest)
    if variance > 0.0:
        return first_log + first_squares / variance, log + squares / variance
    pwrss = pivot**2
    slope = first_squares / pwrss
    second = squares / pwrss - slope[:, None] * slope
    return first_log + degrees * slope, log + degrees * second


def _all_effects(cross: CrossProducts, factors: Sequence[Floats], entries: Ints) -> list[_Effects]:
    """Give the eliminated factor, then those of the rest."""
    pattern = cross.pattern
    begins = np.cumsum([0, *(f.size for f in factors)])
    eliminated = pattern.chain[0]
    width = pattern.levels[eliminated] * pattern.sizes[eliminated]
    found = [(eliminated, 0, -1)]
    for f, within in zip(pattern.rest_factors, pattern.rest_offsets, strict=True):
        found.append((f, width + within, within))
    out = []
    for f, first, within in found:
        factor = np.tril(factors[f])
        places = np.flatnonzero((entries >= begins[f]) & (entries < begins[f + 1]))
        rows, columns = np.divmod(entries[places] - begins[f], pattern.sizes[f])
        halves = np.zeros((len(places), *factor.shape))
        halves[np.arange(len(places)), rows] = factor.T[columns]
        changes = halves + halves.transpose(0, 2, 1)
        shape = pattern.levels[f], pattern.sizes[f]
        out.append(_Effects(first, within, *shape, factor, rows, columns, places, changes))
    return out


def _forms(inverse: _Inverse, right: Floats, n_rest: int) -> Floats:
    """``right' W right`` of columns (Q, p)."""
    width = len(right) - n_rest
    eliminated, rest = right[:width], right[width:]
    crossed = inverse.base[:width, :n_rest].T @ eliminated
    own = inverse.blocks @ eliminated.reshape(len(inverse.blocks), -1, right.shape[1])
    form = eliminated.T @ own.reshape(width, -1) + rest.T @ crossed + crossed.T @ rest
    form += rest.T @ (inverse.base[width:, :n_rest] @ rest)
    taken = inverse.taken.T @ right
    return np.asarray(form - taken.T @ taken)
