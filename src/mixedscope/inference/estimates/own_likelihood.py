"""What each level says by itself under a generalised model: maximum likelihood of its own rows.

Fixed effects, the dispersion and the modes of the other factors are taken as known, as an offset.
Of outcomes that a level's columns tell without a miss (all of them successes, say) the likelihood
rises for ever along some direction, and there is no finite estimate: for a single column that shows
in the signs of its rows, for several in a linear programme (Albert & Anderson 1984, Biometrika 71).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.vocabulary import FINITE, INFINITE, NOT_FOUND, NOT_IDENTIFIED
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.system import blocks_by_level
from mixedscope.families.family import Family, Response

__all__ = ["OwnEstimates", "own_estimates"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Newton steps, and halvings of one, at most.
_STEPS: Final = 60
_HALVINGS: Final = 40
#: Newton decrement at which a last step is taken.
_SETTLED: Final = 1e-10
#: Information a row, of orthonormal columns, below which a level may be on its way to none.
_FADING: Final = 1e-3
#: Eigenvalues of a level's columns of unit length that are none, and shares of a direction.
_NULL: Final = 1e-9
_SHARE: Final = 1e-6
#: Rows of levels that one linear programme takes.
_BATCH: Final = 20_000


class OwnEstimates(NamedTuple):
    """What the levels of one grouping factor say by themselves, in the units of the data.

    Attributes
    ----------
    values : (q, k) array
        NaN where there is none.
    kinds : (q, k) array of str
        One of `OWN_ESTIMATES` of `mixedscope.core.vocabulary`.
    direction : (q, k) array
        Of infinite ones, where to; 0 of others.
    way : (q, k) array
        A direction along which the likelihood of a level rises for ever, of length 1 where columns
        have unit root mean square; zeros where there is none. Of terms that may go either way with
        others, as an intercept and a slope where all outcomes are alike, nothing is identified, but
        the way has them.
    base : (q, k) array
        From where the way goes: the maximum of the rows that are not certain on it; the values
        where there is no way.
    """

    values: Floats
    kinds: NDArray[np.object_]
    direction: Floats
    way: Floats
    base: Floats


def own_estimates(objective: LaplaceObjective, point: Floats) -> list[OwnEstimates]:
    """Estimates of every level from its own rows alone, per grouping factor, at a point (k,)."""
    objective.reset()
    modes = objective.modes_at(point)
    dispersion = objective.split(np.asarray(point, dtype=float))[2]
    system = objective.system
    out = []
    for position, term in enumerate(system.terms):
        factor = system.factors[position]
        to_data = term.data_modes(np.eye(term.size))
        sizes = np.sqrt((term.data_columns(factor.z) ** 2).mean(axis=0))
        rows = _Rows.of(
            system.family, system.response, dispersion, factor.codes, factor.n_levels, modes.eta,
            factor.z, to_data, np.where(sizes > 0.0, sizes, 1.0),
        )  # fmt: skip
        moved, kinds, way = _estimated(rows)
        base = (modes.b[position] + moved) @ to_data
        values, direction = (
            np.where(kinds == FINITE, base, np.nan), np.where(kinds == INFINITE, way, 0.0)
        )  # fmt: skip
        lost = (kinds == NOT_FOUND) | ((kinds == NOT_IDENTIFIED) & (way == 0.0))
        base = np.where(lost, np.nan, base)
        out.append(OwnEstimates(values, kinds, direction, way, base))
    return out


class _Rows(NamedTuple):
    """Rows by level of one factor, from where their linear predictors are known.

    Attributes
    ----------
    offset : (n,) array
        Linear predictors where a search begins: at the modes.
    columns : (n, k) array
        The engine's.
    z : (n, k) array
        The same, those of every level turned to orthonormal ones: what no row tells is zero.
    turn : (q, k, k) array
        From coefficients of `z` to those of `columns`.
    unknown : (q, k) array
        Share that every term of the data has in directions that no row of the level tells.
    to_data : (k, k) array
        From coefficients of `columns` to those of the data's.
    sizes : (k,) array
        Root mean squares of the data's columns.
    """

    family: Family
    response: Response
    dispersion: float
    codes: Ints
    n_levels: int
    offset: Floats
    columns: Floats
    z: Floats
    turn: Floats
    unknown: Floats
    to_data: Floats
    sizes: Floats

    @classmethod
    def of(
        cls, family: Family, response: Response, dispersion: float, codes: Ints, n_levels: int,
        offset: Floats, columns: Floats, to_data: Floats, sizes: Floats,
    ) -> _Rows:  # fmt: skip
        gram = blocks_by_level(codes, columns, np.ones(len(codes)), n_levels)
        length = np.sqrt(np.einsum("qii->qi", gram))
        scale = np.where(length > 0.0, length, 1.0)
        # Columns are brought to unit length before their rank is judged.
        values, vectors = np.linalg.eigh(gram / (scale[:, :, None] * scale[:, None, :]))
        is_null = values <= _NULL * np.maximum(values[:, -1:], _NULL)
        size = np.where(is_null, np.inf, np.sqrt(np.where(is_null, 1.0, values)))
        turn = vectors / scale[:, :, None] / size[:, None, :]
        z = np.einsum("ij,ijk->ik", columns, turn[codes])
        null = np.einsum("qij,il->qlj", vectors / scale[:, :, None] * is_null[:, None, :], to_data)
        null *= sizes[:, None]
        unknown = np.abs(null / _lengths(null, 1)).max(axis=2)
        return cls(
            family, response, dispersion, codes, n_levels, offset, columns, z, turn, unknown,
            to_data, sizes,
        )  # fmt: skip

    def taken(self, rows: Ints | Bools) -> _Rows:
        """Some of the rows, of the same levels."""
        own = self.response
        weights, trials = (None if v is None else v[rows] for v in (own.weights, own.trials))
        return self._replace(
            response=Response(own.y[rows], weights, trials), codes=self.codes[rows],
            offset=self.offset[rows], columns=self.columns[rows], z=self.z[rows],
        )  # fmt: skip

    def turned_anew(self) -> _Rows:
        """The same with orthonormal columns of these rows alone."""
        return _Rows.of(
            self.family, self.response, self.dispersion, self.codes, self.n_levels, self.offset,
            self.columns, self.to_data, self.sizes,
        )  # fmt: skip

    def sums(self, values: Floats) -> Floats:
        """Sums (q,) by level."""
        return np.asarray(np.bincount(self.codes, values, self.n_levels), dtype=float)

    def eta(self, c: Floats) -> Floats:
        """Linear predictors of the rows at coefficients (q, k) of `z`."""
        return self.offset + np.einsum("ij,ij->i", self.z, c[self.codes])

    def values(self, c: Floats) -> Floats:
        """Log-likelihoods (q,) of the levels; minus infinity where a row has no mean."""
        with np.errstate(all="ignore"):
            own = self.family.rows(self.response, self.eta(c), self.dispersion).values
        found = self.sums(own)
        return np.where(np.isfinite(found), found, -np.inf)


def _estimated(rows: _Rows) -> tuple[Floats, NDArray[np.object_], Floats]:
    """What is to be added to the modes in the engine's columns; kinds and directions of terms."""
    top, is_settled, is_fading = _climbed(rows)
    moved = _back(rows, top)
    k = rows.z.shape[1]
    sides = rows.family.endless_sides(rows.response.y)
    way = np.zeros_like(moved)
    if k == 1:
        way[:, 0] = _one_sided(rows, sides)
    either = np.zeros(moved.shape, dtype=bool)
    if k > 1 and sides.any() and (is_fading | ~is_settled).any():
        way, either = _separating(rows, sides, is_fading | ~is_settled)
    is_open = np.abs(way).max(axis=1) > 0.0
    kinds = np.full(moved.shape, FINITE, dtype=object)
    kinds[~is_settled & ~is_open] = NOT_FOUND
    if is_open.any() and k > 1:
        # An open level without the rows that are certain there: what those tell has an end.
        way = way / _lengths(way, 1)
        along = np.einsum("ij,ij->i", rows.columns, way[rows.codes])
        rest = rows.taken(is_open[rows.codes] & (np.abs(along) <= _SHARE)).turned_anew()
        top, is_found, _ = _climbed(rest)
        moved[is_open] = _back(rest, top)[is_open]
        kinds[is_open & ~is_found] = NOT_FOUND
        kinds[is_open[:, None] & (rest.unknown > _SHARE)] = NOT_IDENTIFIED
    direction = way @ rows.to_data
    direction /= _lengths(direction * rows.sizes, 1)
    direction[np.abs(direction * rows.sizes) <= _SHARE] = 0.0
    kinds[direction != 0.0] = INFINITE
    kinds[either | (rows.unknown > _SHARE)] = NOT_IDENTIFIED
    return moved, kinds, direction


def _lengths(values: Floats, axis: int) -> Floats:
    """Lengths along an axis, which stays; 1 where they are 0."""
    found = np.sqrt((values**2).sum(axis=axis, keepdims=True))
    return np.where(found > 0.0, found, 1.0)


def _back(rows: _Rows, c: Floats) -> Floats:
    """Coefficients (q, k) of the engine's columns."""
    return np.asarray(np.einsum("qij,qj->qi", rows.turn, c))


def _climbed(rows: _Rows) -> tuple[Floats, Bools, Bools]:
    """Newton steps of all levels together, each to the top of its own likelihood.

    Gives where they ended (q, k), which are settled, and of which some direction has next to no
    information there, as where there is no top.
    """
    q, k = rows.n_levels, rows.z.shape[1]
    c = np.zeros((q, k))
    active = rows.sums(np.ones(len(rows.codes))) > 0.0
    is_settled, is_fading = ~active, np.zeros(q, dtype=bool)
    for _ in range(_STEPS):
        if not active.any():
            break
        rows = rows.taken(active[rows.codes])
        with np.errstate(all="ignore"):
            found = rows.family.rows(rows.response, rows.eta(c), rows.dispersion)
        slope = np.stack([rows.sums(found.score * rows.z[:, j]) for j in range(k)], axis=1)
        step, decrement, least = _newton_step(rows, slope, found.weight)
        ahead, has_gained = _shortened(rows, c, step, decrement, active)
        is_last = active & (decrement < _SETTLED)
        c = np.where((has_gained & active)[:, None], ahead, c)
        is_fading |= is_last & (least < _FADING)
        is_settled |= is_last
        active = active & has_gained & ~is_last
    return c, is_settled, is_fading


def _newton_step(rows: _Rows, slope: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Steps (q, k) uphill, what they promise, and the least information of a direction.

    Where that of a level is negative somewhere, rows of negative information count as nothing.
    """
    # Directions that no row tells have a column of zeros: there is nothing to be gained.
    none = 1.0 * (np.abs(rows.turn).max(axis=1) == 0.0)
    beside = np.einsum("qi,ij->qij", none, np.eye(none.shape[1]))
    blocks = blocks_by_level(rows.codes, rows.z, weight, rows.n_levels) + beside
    values, vectors = np.linalg.eigh(blocks)
    if (weight < 0.0).any() and (values[:, 0] <= 0.0).any():
        held = np.maximum(weight, 0.0)
        blocks = blocks_by_level(rows.codes, rows.z, held, rows.n_levels) + beside
        values, vectors = np.linalg.eigh(blocks)
    values = np.maximum(values, 1e-300)
    along = np.einsum("qij,qi->qj", vectors, slope)
    with np.errstate(over="ignore"):
        decrement = (along**2 / values).sum(axis=1)
        step = np.einsum("qij,qj->qi", vectors, along / values)
    return step, decrement, values[:, 0]


def _shortened(
    rows: _Rows, c: Floats, step: Floats, decrement: Floats, active: Bools
) -> tuple[Floats, Bools]:
    """Where steps lead, each halved until it gains what it promises, and whether it does."""
    before = rows.values(c)
    length = np.ones(len(c))
    waits = active.copy()
    slack = 1e-14 * (1.0 + np.abs(before))
    ahead = c + step
    for _ in range(_HALVINGS):
        with np.errstate(invalid="ignore"):
            gained = rows.values(ahead) >= before + 1e-4 * length * decrement - slack
        waits &= ~gained
        if not waits.any():
            break
        length[waits] *= 0.5
        ahead = np.where(waits[:, None], c + length[:, None] * step, ahead)
    return ahead, ~waits


# -- levels without an end -------------------------------------------------------------------------


def _one_sided(rows: _Rows, sides: Floats) -> Floats:
    """Signs (q,) of levels with one column along which no row falls and some rise; 0 of others."""
    z = rows.columns[:, 0]
    turned, still = sides * z, (sides == 0.0) & (z != 0.0)
    up, down, held = (rows.sums(w.astype(float)) for w in (turned > 0.0, turned < 0.0, still))
    is_up, is_down = (up > 0) & (down == 0), (down > 0) & (up == 0)
    return np.where(held > 0, 0.0, 1.0 * is_up - 1.0 * is_down)


def _separating(rows: _Rows, sides: Floats, suspect: Bools) -> tuple[Floats, Bools]:
    """Directions (q, k) along which the likelihood of a level rises for ever; zeros of others.

    With them which terms of the data may go either way on such directions.
    """
    found = np.zeros((rows.n_levels, rows.z.shape[1]))
    for levels in _batches(rows, suspect):
        own, place = np.flatnonzero(levels[rows.codes]), np.cumsum(levels) - 1
        count = int(levels.sum())
        found[levels] = _programme(place[rows.codes[own]], rows.z[own], sides[own], count)
    either = np.zeros(found.shape, dtype=bool)
    for levels in _batches(rows, np.abs(found).max(axis=1) > 0.0):
        own, place = np.flatnonzero(levels[rows.codes]), np.cumsum(levels) - 1
        parts = place[rows.codes[own]], rows.z[own], sides[own]
        # Terms (levels, terms, coefficients of z), each of a size of about one.
        terms = np.einsum("qij,il->qlj", rows.turn[levels], rows.to_data)
        terms = terms / _lengths(terms, 2)
        reach = [_farthest(*parts, sign * terms[:, j]) for j in range(terms.shape[1])
                 for sign in (1.0, -1.0)]  # fmt: skip
        far = np.stack(reach, axis=1) > _SHARE
        either[levels] = far[:, ::2] & far[:, 1::2]
    return _back(rows, found), either


def _farthest(codes: Ints, z: Floats, sides: Floats, towards: Floats) -> Floats:
    """How far (levels,) directions in a box, on which no row falls, go towards others (levels, k).

    Of all levels in one linear programme: they share no variable.
    """
    from scipy.optimize import linprog

    columns, is_free = _as_sparse(codes, z, towards.size), sides != 0.0
    signed = columns[is_free].multiply(sides[is_free][:, None]).tocsr()
    held = columns[~is_free]
    count = held.shape[0]
    found = linprog(
        -towards.ravel(), -signed, np.zeros(signed.shape[0]), held if count else None,
        np.zeros(count) if count else None, (-1.0, 1.0), method="highs",
    )  # fmt: skip
    if found.status != 0:
        return np.zeros(len(towards))
    return np.asarray((found.x.reshape(towards.shape) * towards).sum(axis=1))


def _as_sparse(codes: Ints, z: Floats, size: int) -> Any:
    """Rows of all levels as those of one matrix, each with columns of its own."""
    from scipy import sparse

    k = z.shape[1]
    places = (codes[:, None] * k + np.arange(k)).ravel()
    at = np.repeat(np.arange(len(codes)), k)
    return sparse.csr_array((z.ravel(), (at, places)), shape=(len(codes), size))


def _batches(rows: _Rows, suspect: Bools) -> Iterator[Bools]:
    """Levels that are looked into, in parts of about as many rows."""
    counts = np.where(suspect, rows.sums(np.ones(len(rows.codes))), 0.0)
    part = (np.cumsum(counts) - counts) // _BATCH
    for number in np.unique(part[suspect]).tolist():
        yield suspect & (part == number)


def _programme(codes: Ints, z: Floats, sides: Floats, n_levels: int) -> Floats:
    """Solve the linear programme of all these levels together: they share no variable.

    Maximised is how many rows rise, each counting as it does up to 1: as a direction may be of any
    length, every row that can rise does.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    k = z.shape[1]
    columns = _as_sparse(codes, z, n_levels * k)
    is_free = sides != 0.0
    count, held = int(is_free.sum()), columns[~is_free]
    # t - s z'd <= 0 with 0 <= t <= 1, so that s z'd is nowhere negative.
    signed = columns[is_free].multiply(sides[is_free][:, None])
    rises = sparse.hstack([-signed, sparse.eye_array(count)], format="csr")
    equal = sparse.hstack([held, sparse.csr_array((held.shape[0], count))], format="csr")
    found = linprog(
        np.concatenate([np.zeros(n_levels * k), -np.ones(count)]), rises, np.zeros(count),
        equal if held.shape[0] else None, np.zeros(held.shape[0]) if held.shape[0] else None,
        [(None, None)] * (n_levels * k) + [(0.0, 1.0)] * count, method="highs",
    )  # fmt: skip
    if found.status != 0:
        return np.zeros((n_levels, k))
    direction = np.asarray(found.x[: n_levels * k]).reshape(n_levels, k)
    rise = np.bincount(codes[is_free], found.x[n_levels * k :], n_levels)
    return np.where((rise > 0.5)[:, None], direction, 0.0)
