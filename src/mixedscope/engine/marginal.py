"""Covariances of the conditional modes when the fixed effects are estimated too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.basis import FixedBasis
from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.products import cross_products
from mixedscope.engine.system import ProfiledSystem

__all__ = ["MarginalCovariances"]

Floats = NDArray[np.float64]


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
        q = system.basis.q
        none = FixedBasis(
            np.empty((system.n, 0)), np.empty((0, 0)), np.empty(0, dtype=np.intp), np.empty((0, 0))
        )
        columns = q.T if q.shape[1] else system.response[None, :]
        first = np.ascontiguousarray(columns[0])
        cross = cross_products(system.factors, none, first, system.cross.pattern)
        self._systems = [BlockedSystem(cross)]
        self._systems += [BlockedSystem(cross.with_response(c)) for c in columns[1:]]

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
