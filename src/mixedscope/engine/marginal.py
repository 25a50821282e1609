"""Covariances of the conditional modes when the fixed effects are estimated too.

Of whole blocks of modes, and of sums of fixed effects and modes in any rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.rows import add_forms, eliminate_rows
from mixedscope.engine.marginal_products import systems_of_columns
from mixedscope.engine.sparse.system import SparseSystem
from mixedscope.engine.system import ProfiledSystem

__all__ = ["MarginalCovariances", "RowsOfLevels", "error_variances"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RowsOfLevels = tuple[Ints, Floats]
"""Of m rows and one grouping factor: levels (m,), -1 for none, and columns (m, k)."""

# Numbers in the dense part of the rows that are worked on together.
_AT_ONCE = 2**21


class MarginalCovariances:
    """Covariances of ``b_hat - b`` over sigma squared, the fixed effects being estimated too.

    Those that the engine gives are conditional on the fixed effects, ``C = Lambda inv(Lambda'Z'Z
    Lambda + I) Lambda'``. With Q an orthonormal basis of X and ``U = C Z'Q`` the blocks wanted,
    ``Lambda P Lambda'``, are those of ``C + U inv(S) U'``, S being the Schur complement of the
    fixed effects that the engine factorises anyway: one more solve per fixed effect.

    Parameters
    ----------
    system : ProfiledSystem
    """

    def __init__(self, system: ProfiledSystem) -> None:
        self._system = system
        self._systems = list(systems_of_columns(system))

    def at(self, factors: Sequence[Floats]) -> list[Floats]:
        """Give the diagonal blocks (q, k, k) of every grouping factor, units of the columns.

        ``factors`` (k, k): relative covariance factors for columns of unit root mean square.
        """
        system = self._system
        modes = []
        for blocked in self._systems:
            blocked.solve(factors)
            modes.append(blocked.modes())
        blocks = self._systems[-1].conditional_covariances()
        if system.basis.q.shape[1]:
            system.blocked.solve(factors)
            root = system.blocked.fixed_factor()
            parts = [np.stack(u, axis=1) for u in zip(*modes, strict=True)]  # (q, r, k)
            halves = [np.linalg.solve(root, part) for part in parts]
            blocks = [b + h.swapaxes(1, 2) @ h for b, h in zip(blocks, halves, strict=True)]
        return [t.data_covariances(b) for t, b in zip(system.terms, blocks, strict=True)]


def error_variances(
    system: ProfiledSystem, factors: Sequence[Floats], x: Floats, rows: Sequence[RowsOfLevels]
) -> Floats:
    """Variances (m,) of ``x'(beta_hat - beta) + z'(b_hat - b)`` over sigma squared, in any rows.

    With C the inverse of the matrix of the mixed model equations (Henderson 1975, Biometrics 31,
    423-447) they are ``(x, z)' C (x, z)``. The blocks are eliminated from the rows as they are from
    the data, and of C only the dense part of rest and basis is formed.

    Parameters
    ----------
    system : ProfiledSystem
        Its factorisation is overwritten.
    factors : sequence of (k, k) arrays
        Relative covariance factors for columns of unit root mean square.
    x : (m, r) array
        Columns of X whose fixed effects are estimated, units of the data.
    rows : sequence of RowsOfLevels
        Per grouping factor, units of the data.

    Raises
    ------
    FloatingPointError
        If the system is not positive definite to rounding.
    """
    blocked = system.blocked
    blocked.solve(factors)
    basis = x @ system.r_inverse
    if isinstance(blocked, SparseSystem):
        internal = [
            (codes, term.standard_columns(z))
            for term, (codes, z) in zip(system.terms, rows, strict=True)
        ]
        return blocked.error_forms(basis, internal)
    s, work = blocked.inverse_of_rest()
    pattern = blocked.pattern
    n_rest, n_basis = pattern.n_rest, basis.shape[1]
    columns = [
        np.ascontiguousarray(term.standard_columns(z))
        for term, (_, z) in zip(system.terms, rows, strict=True)
    ]
    out = np.zeros(len(x))
    step = max(1, _AT_ONCE // (n_rest + n_basis + 1))
    for first in range(0, len(x), step):
        part = slice(first, first + step)
        rest = np.zeros((len(basis[part]), n_rest + n_basis))
        rest[:, n_rest:] = basis[part]
        for f, places in pattern.rest_columns():
            codes = rows[f][0][part]
            known = np.flatnonzero(codes >= 0)
            rest[known[:, None], places[codes[known]]] = columns[f][part][known]
        # Per tier the levels that a row has a part in: its own, and those its other levels are in.
        inside = [
            [(rows[tier.factor][0][part], columns[tier.factor][part])] for tier in pattern.tiers
        ]
        for position, (tier, own) in enumerate(zip(pattern.tiers, work, strict=True)):
            for level, z in inside[position]:
                mz = np.zeros_like(z)
                eliminate_rows(
                    level, z, own.m, own.u, own.w, tier.ptr, tier.idx, n_basis, out[part], mz,
                    rest,
                )  # fmt: skip
                offset = 0
                for later, parent in enumerate(tier.parents, start=position + 1):
                    k = pattern.sizes[pattern.tiers[later].factor]
                    head = own.u[:, offset : offset + k]
                    taken = np.einsum("nak,nk->na", head[level], mz)
                    _take(inside[later], np.where(level >= 0, parent[level], -1), taken)
                    offset += k
        add_forms(rest, s, out[part])
    return out


def _take(parts: list[RowsOfLevels], level: Ints, taken: Floats) -> None:
    """Subtract from each row's part in a level (m,), -1 for none; a part that is new is added."""
    left = level >= 0
    for own, z in parts:
        same = left & (own == level)
        z[same] -= taken[same]
        left = left & ~same
    if left.any():
        parts.append((np.where(left, level, -1), np.where(left[:, None], -taken, 0.0)))
