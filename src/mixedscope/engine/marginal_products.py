"""Cross-products with the inverse of the marginal covariance of the response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.basis import FixedBasis
from mixedscope.engine.solvers import System, factorisation_of, products_like
from mixedscope.engine.system import ProfiledSystem

__all__ = ["marginal_products", "systems_of_columns"]

Floats = NDArray[np.float64]


def marginal_products(
    system: ProfiledSystem, factors: Sequence[Floats]
) -> tuple[Floats, list[Floats]]:
    """Cross-products with ``inv(V) Q``, V the covariance of the weighted response over sigma**2.

    Q is the orthonormal basis of the fixed effects (:meth:`ProfiledSystem.fixed_part` of the
    identity). Gives ``Q' inv(V) Q`` (r, r) and, of every grouping factor, ``Z' inv(V) Q`` (q, k, r)
    for the engine's columns. Of each column ``inv(V) q`` is what its conditional modes leave of it:
    a solve a column, and nothing n x n.
    ``factors`` (k, k): relative covariance factors for columns of unit root mean square.
    """
    basis = system.basis.q
    r = basis.shape[1]
    inner = np.empty((r, r))
    out = [np.empty((f.n_levels, f.size, r)) for f in system.factors]
    for j, blocked in zip(range(r), systems_of_columns(system), strict=False):
        blocked.solve(factors)
        left = basis[:, j] - system.random_part(blocked.modes())
        inner[j] = left @ basis
        for position, factor in enumerate(system.factors):
            columns = left[:, None] * factor.z
            out[position][:, :, j] = system.sums_by_level(position, columns)
    return inner, out


def systems_of_columns(system: ProfiledSystem) -> Iterator[System]:
    """Systems without fixed effects, each with a column of their basis as its response."""
    q = system.basis.q
    none = FixedBasis(
        np.empty((system.n, 0)), np.empty((0, 0)), np.empty(0, dtype=np.intp), np.empty((0, 0))
    )
    columns = q.T if q.shape[1] else system.response[None, :]
    first = np.ascontiguousarray(columns[0])
    cross = products_like(system.cross, system.factors, none, first)
    yield factorisation_of(cross)
    for column in columns[1:]:
        yield factorisation_of(cross.with_response(column))
