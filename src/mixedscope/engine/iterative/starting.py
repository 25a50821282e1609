"""Where to start: covariances by moments of sums over levels."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.iterative.system import IterativeSystem

__all__ = ["moment_start"]

Floats = NDArray[np.float64]

#: Relative standard deviations that a start keeps to: at zero the gradient vanishes by symmetry.
_SMALLEST: Final = 0.1
_LARGEST: Final = 30.0
#: Share of the residual variance on the fixed effects that is left to the observations at least.
_RESIDUAL: Final = 0.02


def moment_start(system: IterativeSystem) -> Floats:
    """Estimate the variance of every column by moments, without correlations, shape (k,).

    For every column c the sum over levels of ``(z_c'r)**2``, r being the residual on the fixed
    effects, is set equal to its expectation (MINQUE(0): Rao 1970, J. Am. Stat. Assoc. 65), in which
    the fixed effects count as known: with thousands of levels they might as well be.
    """
    crossing = system.crossing
    iterated = [f for f, _ in system.places.iterated_columns]
    sums, squares, places = [], [], []
    for f, term in enumerate(system.terms):
        if f == system.places.eliminated:
            own = crossing.d
            response = crossing.own[:, :, -1]
        elif f in iterated:
            own = crossing.blocks[iterated.index(f)]
            rows = dict(system.places.iterated_columns)[f]
            response = crossing.far[rows, -1].reshape(own.shape[:2])
        else:
            at = dict(system.places.border_columns)[f]
            levels = system.factors[f].n_levels
            block = crossing.products[at, at].reshape(levels, term.size, levels, term.size)
            own = np.einsum("iaib->iab", block)
            response = crossing.products[at, -1].reshape(levels, term.size)
        for c in range(term.size):
            sums.append(float(response[:, c] @ response[:, c]))
            squares.append(own)
            places.append((f, c))
    size = len(places)
    matrix = np.empty((size + 1, size + 1))
    for i, (f, c) in enumerate(places):
        for j, (g, e) in enumerate(places[: i + 1]):
            if f == g:
                value = float(np.einsum("q,q->", squares[i][:, c, e], squares[i][:, c, e]))
            else:
                value = _between(system, (f, c), (g, e))
            matrix[i, j] = matrix[j, i] = value
        matrix[i, size] = matrix[size, i] = float(squares[i][:, c, c].sum())
    matrix[size, size] = system.n - system.n_fixed
    forms = np.array([*sums, float(crossing.products[-1, -1])])
    weight = 1.0 / np.sqrt(np.maximum(matrix.diagonal(), 1e-300))
    scaled = matrix * np.outer(weight, weight)
    found = weight * np.linalg.lstsq(scaled, forms * weight, rcond=1e-10)[0]
    relative = found[:-1] / (system.variance or max(float(found[-1]), _RESIDUAL))
    bounded = np.clip(relative, _SMALLEST**2, _LARGEST**2)
    start = []
    for f, term in enumerate(system.terms):
        own_part = [v for v, (g, _) in zip(bounded, places, strict=True) if g == f]
        start.append(term.nearest_theta(np.diag(own_part)))
    return np.concatenate(start)


def _between(system: IterativeSystem, one: tuple[int, int], other: tuple[int, int]) -> float:
    """Sum of squares of the cross-products of two columns of different factors."""
    crossing, places = system.crossing, system.places
    order = [places.eliminated, *(f for f, _ in places.iterated_columns)]
    (f, c), (g, e) = sorted([one, other], key=lambda at: (order + [at[0]]).index(at[0]))
    columns, rows = dict(places.border_columns), dict(places.iterated_columns)
    if g in rows:
        pairs = crossing if f == places.eliminated else crossing.between[order.index(f) - 1]
        w = pairs.w[:, c]
        if len(rows) > 1 or system.terms[g].size > 1:
            within = pairs.idx.astype(np.int64) - rows[g].start
            mine = (within >= 0) & (within < rows[g].stop - rows[g].start)
            w = w[mine & (within % system.terms[g].size == e)]
        return float(w @ w)
    at, size = columns[g], system.terms[g].size
    if f == places.eliminated:
        block = crossing.own[:, c, at][:, e::size]
    elif f in rows:
        block = crossing.far[rows[f], at][c :: system.terms[f].size, e::size]
    else:
        block = crossing.products[columns[f], at][c :: system.terms[f].size, e::size]
    return float(np.einsum("ij,ij->", block, block))
