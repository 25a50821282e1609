"""Cross-products of a design: what is in the blocks that :mod:`mixedscope.engine.pattern` draws.

By rows of the matrix, with the names of the arrays::

                  tier               rest                   tail: Q, y
    tier       | tier.d (q, k, k) |                      |                      |
    rest        | tier.w (nnz, k)  | rest[:n_rest,        |                      |
                |                   |      :n_rest]        |                      |
    tail: Q, y  | tier.u (q, h, k) | rest[:n_rest,        | rest[n_rest:,        |
                |                   |      n_rest:]'       |      n_rest:]        |

Of ``rest`` the upper triangle is stored. A head ``u`` begins with the later tiers of the chain.

They are formed once for a linear model, as theta only rescales them, and can be formed again with
other weights and another response, at the cost of one pass over the observations, for models that
are solved by weighted least squares again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather
from mixedscope.engine.basis import FixedBasis, products_of_rows
from mixedscope.engine.memory import check_room
from mixedscope.engine.pattern import Pattern, Scatter, make_pattern

__all__ = [
    "CrossProducts",
    "GroupColumns",
    "Tier",
    "WorkingProducts",
    "cross_products",
    "pattern_of",
    "response_sums",
    "room_of",
    "tail_by_observation",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# From so many observations, and up to so many rows of the tail, passes over the data are worth a
# kernel of their own (measured).
_LONG = 5000
_NARROW = 8


@dataclass(frozen=True)
class GroupColumns:
    """One grouping factor with its random-effects columns.

    Attributes
    ----------
    group : str
    n_levels : int
    codes : (n,) array of int
        Level of each observation, from 0.
    z : (n, k) array
        Columns of unit root mean square, rows multiplied by the square roots of the weights.
    """

    group: str
    n_levels: int
    codes: Ints
    z: Floats

    @property
    def size(self) -> int:
        """Number of columns k."""
        return int(self.z.shape[1])


class Tier(NamedTuple):
    """Cross-products of one chain factor; levels, or sparse rows, run along the first axis.

    Attributes
    ----------
    d : (q, k, k) array
        Own blocks.
    u : (q, h, k) array
        Head rows: later chain factors, then the tail (fixed-effects basis, response).
    w : (nnz, k) array
        Sparse rows.
    """

    d: Floats
    u: Floats
    w: Floats


@dataclass(frozen=True)
class CrossProducts:
    """All that the objective needs of the data.

    Attributes
    ----------
    pattern : Pattern
    factors : tuple of GroupColumns
    tiers : tuple of Tier
        One per tier of the pattern.
    rest : (N, N) array
        Upper triangle: cross-products of the rest and the tail. N = n_rest + r + 1.
    n_tail : int
        r + 1: fixed-effects basis and response.
    basis : (r, n) array or None
        Rows of the fixed-effects basis where they are not orthonormal.
    """

    pattern: Pattern
    factors: tuple[GroupColumns, ...]
    tiers: tuple[Tier, ...]
    rest: Floats
    n_tail: int
    basis: Floats | None

    def with_response(self, response: Floats) -> CrossProducts:
        """Exchange the response for one or several others; all other cross-products are shared.

        ``response`` (n,) or (n, m): in the scale of the first response, rows weighted as its;
        orthogonal to the fixed-effects basis where that is orthonormal.
        """
        columns = response[:, None] if response.ndim == 1 else response
        m = columns.shape[1]
        tiers = []
        for own, tier in zip(self.pattern.tiers, self.tiers, strict=True):
            sums = response_sums(self.factors[own.factor], columns)
            u = np.concatenate([tier.u[:, :-1, :], sums], axis=1)
            tiers.append(Tier(tier.d, u, tier.w))
        first = len(self.rest) - 1
        rest = np.zeros((first + m, first + m))
        rest[:first, :first] = self.rest[:first, :first]
        for position, offset in zip(
            self.pattern.rest_factors, self.pattern.rest_offsets, strict=True
        ):
            sums = response_sums(self.factors[position], columns)
            count = sums.shape[0] * sums.shape[2]
            rest[offset : offset + count, first:] = sums.transpose(0, 2, 1).reshape(count, m)
        # Responses orthogonal to the basis leave these entries 0.
        if self.basis is not None:
            rest[self.pattern.n_rest : first, first:] = self.basis @ columns
        rest[first:, first:] = columns.T @ columns
        return CrossProducts(
            self.pattern, self.factors, tuple(tiers), rest, self.n_tail - 1 + m, self.basis
        )


@dataclass(frozen=True)
class WorkingProducts(CrossProducts):
    """Cross-products that are formed again and again, in arrays of their own.

    Attributes
    ----------
    given : tuple of GroupColumns
        The columns to which weights are applied; `factors` hold what that gave.
    given_basis : (r, n) array
        Rows of the fixed-effects basis to which weights are applied.
    tail : (r + 1, n) array
        Rows of the tail, weighted.
    scatter : Scatter
    """

    given: tuple[GroupColumns, ...]
    given_basis: Floats
    tail: Floats
    scatter: Scatter

    @classmethod
    def of(cls, cross: CrossProducts, basis: FixedBasis) -> WorkingProducts:
        """Give room for other products of the columns of `cross`, with the basis it was made of.

        They are undefined before the first :meth:`reform`.
        """
        room: dict[int, Floats] = {}  # terms that share their columns go on doing so
        factors = tuple(
            replace(f, z=room.setdefault(id(f.z), np.empty(f.z.shape))) for f in cross.factors
        )
        tail = np.empty((cross.n_tail, len(basis.q)))
        tiers, rest = room_of(cross.pattern, cross.n_tail)
        return cls(
            cross.pattern, factors, tiers, rest, cross.n_tail, tail[:-1], cross.factors,
            np.ascontiguousarray(basis.q.T), tail, cross.pattern.scatter(),
        )  # fmt: skip

    def reform(self, weights: Floats, response: Floats) -> None:
        """Form all products again, in place: one pass over the observations.

        Of a system that was made of them, call :meth:`BlockedSystem.reform` instead: it keeps
        copies.

        ``weights`` (n,): not negative; they count beside those that the given columns contain.
        ``response`` (n,): rows weighted as those of the given columns. It need not be orthogonal to
        the basis, but what is known of its common part is better taken off: large numbers cost
        digits. Raises FloatingPointError if a weight is negative or not finite.
        """
        if not (np.isfinite(weights).all() and weights.min(initial=0.0) >= 0.0):
            raise FloatingPointError("Working weights must be finite and not negative.")
        root = np.sqrt(weights)
        done = set()
        for given, own in zip(self.given, self.factors, strict=True):
            if id(own.z) not in done:
                np.multiply(given.z, root[:, None], out=own.z)
                done.add(id(own.z))
        np.multiply(self.given_basis, root, out=self.tail[:-1])
        np.multiply(response, root, out=self.tail[-1])
        _add_up(
            self.pattern, self.factors, self.tail[:-1].T, self.tail[-1], self.scatter,
            (self.tiers, self.rest),
        )  # fmt: skip
        n_rest = self.pattern.n_rest
        self.rest[n_rest:, n_rest:] = np.triu(products_of_rows(self.tail))


def pattern_of(factors: tuple[GroupColumns, ...]) -> tuple[Pattern, Scatter]:
    """Find the blocks of a model of these grouping factors, and where its observations go."""
    return make_pattern(
        tuple([f.codes for f in factors]),
        tuple([f.n_levels for f in factors]),
        tuple([f.size for f in factors]),
    )


def cross_products(
    factors: tuple[GroupColumns, ...],
    basis: FixedBasis,
    response: Floats,
    pattern: Pattern | None = None,
    scatter: Scatter | None = None,
) -> CrossProducts:
    """Form the cross-products of a model.

    ``factors``: at least one. ``response`` (n,): weighted, orthogonal to the basis. ``pattern``,
    ``scatter``: those of the factors, if they are known.
    """
    if pattern is None:
        pattern, scatter = pattern_of(factors)
    if scatter is None:
        scatter = pattern.scatter()
    check_room(pattern, basis.q.shape[1] + 1, [f.group for f in factors])
    tiers, rest = _add_up(pattern, factors, basis.q, response, scatter)
    # The basis is orthonormal, and the response orthogonal to it.
    for i in range(pattern.n_rest, len(rest) - 1):
        rest[i, i] = 1.0
    rest[-1, -1] = response @ response
    return CrossProducts(pattern, factors, tiers, rest, len(rest) - pattern.n_rest, None)


def response_sums(factor: GroupColumns, columns: Floats) -> Floats:
    """Cross-products (q, m, k) of responses (n, m) with the columns of one factor."""
    products = columns[:, :, None] * factor.z[:, None, :]
    sums = gather.sums_by_level(factor.codes, products.reshape(len(columns), -1), factor.n_levels)
    return sums.reshape(factor.n_levels, columns.shape[1], factor.size)


def room_of(pattern: Pattern, n_tail: int) -> tuple[tuple[Tier, ...], Floats]:
    """Room for the cross-products of the tiers, and of rest and tail."""
    tiers = []
    head = n_tail + sum([pattern.sizes[f] for f in pattern.chain])
    for tier in pattern.tiers:
        q, k = pattern.levels[tier.factor], pattern.sizes[tier.factor]
        head -= k
        shapes = (q, k, k), (q, head, k), (len(tier.idx), k)
        tiers.append(Tier(*[np.empty(shape) for shape in shapes]))
    n = pattern.n_rest + n_tail
    return tuple(tiers), np.empty((n, n))


def _add_up(
    pattern: Pattern,
    factors: tuple[GroupColumns, ...],
    basis: Floats,
    response: Floats,
    scatter: Scatter,
    room: tuple[tuple[Tier, ...], Floats] | None = None,
) -> tuple[tuple[Tier, ...], Floats]:
    """Cross-products of the tiers, and of rest and tail but for the tail's own, which are 0.

    ``basis`` is (n, r). ``response`` is (n,). ``room``: filled and given back, if there is any;
    else new arrays are.
    """
    n, n_tail = len(response), basis.shape[1] + 1
    is_long = n >= _LONG and n_tail <= _NARROW
    # The tail by rows (t, n) and by observations (n, t): large data have only what is used.
    rows = by_observation = rest_z = np.empty((0, 0))
    if is_long:
        rows = np.concatenate([basis.T, response[None, :]])
    if pattern.n_rest or not is_long:
        by_observation = tail_by_observation(basis, response)
    if pattern.n_rest:
        rest_z = _beside([factors[f].z for f in pattern.rest_factors])
    chain = pattern.chain
    tiers: list[Tier] = []
    for position, own in enumerate(pattern.tiers):
        factor = factors[own.factor]
        q, k = factor.n_levels, factor.size
        outer = [factors[g].z for g in chain[position + 1 :]]
        given = None if room is None else room[0][position]
        if tiers and factors[chain[position - 1]].z is factor.z:
            d, u = _sums_of(tiers[-1], pattern.tiers[position - 1].parents[0], q)
            if given is not None:
                given.d[:], given.u[:] = d, u
        elif is_long and k <= 2:
            tail = None
            if given is not None:
                tail = given.d, np.empty((q, n_tail, k)) if outer else given.u
            d, u = gather.level_products_narrow(factor.codes, factor.z, rows, q, tail)
            if outer:
                between = [_products_between(factor, z, d) for z in outer]
                u = np.concatenate([*between, u], axis=1, out=given and given.u)
        else:
            if not by_observation.size:
                by_observation = tail_by_observation(basis, response)
            head = _beside([*outer, by_observation])
            d, u = gather.level_products(factor.codes, factor.z, head, q, given and given[:2])
        w = given.w if given is not None else np.empty((len(own.idx), k))
        if pattern.n_rest:
            order, start = scatter.sorted_by[position]
            gather.sparse_sums(
                order, start, factor.z, scatter.rest_column, rest_z, own.ptr, own.idx,
                pattern.n_rest, w,
            )  # fmt: skip
        tiers.append(given or Tier(d, u, w))
    size = pattern.n_rest + n_tail
    if room is None:
        rest = np.zeros((size, size))
    else:
        rest = room[1]
        rest.fill(0.0)
    if pattern.n_rest:
        gather.rest_products(scatter.rest_column, rest_z, by_observation, pattern.n_rest, rest)
    return tuple(tiers), rest


def _sums_of(inner: Tier, parent: Ints, n_levels: int) -> tuple[Floats, Floats]:
    """Own blocks and head rows of a factor whose columns are those of the factor within it."""
    k = inner.d.shape[1]
    d, u = inner.d, inner.u[:, k:]
    sums = gather.sums_by_level(parent, d.reshape(len(d), -1), n_levels)
    more = gather.sums_by_level(parent, u.reshape(len(u), -1), n_levels)
    return sums.reshape(n_levels, k, k), more.reshape(n_levels, -1, k)


def _products_between(factor: GroupColumns, outer: Floats, d: Floats) -> Floats:
    """Cross-products (q, m, k) with the columns (n, m) of a containing factor."""
    if outer is factor.z:
        return d
    return gather.products_between(factor.codes, factor.z, outer, factor.n_levels)


def tail_by_observation(basis: Floats, response: Floats) -> Floats:
    """The tail (n, t), in the order in which the kernels read it."""
    out = np.empty((len(response), basis.shape[1] + 1))
    # Column by column: several times faster than all at once, which goes along the rows.
    for j in range(basis.shape[1]):
        out[:, j] = basis[:, j]
    out[:, -1] = response
    return out


def _beside(parts: list[Floats]) -> Floats:
    """Columns (n, any) of several arrays side by side; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.hstack(parts)
