r"""Kenward and Roger's adjustment of one design at many covariances, all of them at once.

Of models with one grouping factor whose covariances make a linear space: what
`mixedscope.inference.hypotheses.information` forms by blocks is a sum over levels there, with ``D =
Z'inv(V) Z`` and ``C = Z'inv(V) X`` in each. A contrast by itself has no scale of F: with one row
the moments of `KenwardRoger` come to :math:`2 / a`, ``a`` being the sum over all pairs of
parameters of W times the products of what they move its variance by, relative to it.

Products of matrices are made draw by draw, so that what comes of one does not depend on the others.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.hypotheses.directions import term_directions
from mixedscope.inference.hypotheses.kenward_roger import FLAT

__all__ = ["ManyKenwardRoger"]

Floats = NDArray[np.float64]

#: Numbers that are in memory at once, about, of each array of levels.
_AT_ONCE: Final = 1 << 20

#: Part of the variance of a contrast that estimated parameters move it by which is but rounding.
_EXACT: Final = 1e-13


class ManyKenwardRoger:
    """Adjusted standard errors and degrees of freedom of contrasts, at many theta.

    Parameters
    ----------
    objective : SearchableObjective
        By REML.
    rows : (c, r) array
        Contrasts.
    """

    def __init__(self, objective: SearchableObjective, rows: Floats) -> None:
        system = objective.system
        (self._term,) = system.terms
        self._n, self._knows_sigma = system.n, system.design.sigma is not None
        self._first = term_directions(self._term, np.zeros(len(objective.lower))).first
        basis = system.fixed_part(np.eye(system.n_fixed)).T
        z = system.factors[0].z
        k, r = z.shape[1], basis.shape[1]
        squares = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
        crossed = (z[:, :, None] * basis[:, None, :]).reshape(len(z), -1)
        self._squares = system.sums_by_level(0, squares).reshape(-1, k, k)
        self._crossed = system.sums_by_level(0, crossed).reshape(-1, k, r)
        self._own = rows @ system.r_inverse

    @staticmethod
    def suits(objective: SearchableObjective) -> bool:
        """Whether the model has one grouping factor, and covariances that make a linear space."""
        terms = objective.system.terms
        if len(terms) != 1 or not objective.system.n_fixed:
            return False
        try:
            made = term_directions(terms[0], np.zeros(len(objective.lower)))
        except UnsuitedError:
            return False
        return made.second is None

    def at(self, thetas: Floats) -> tuple[Floats, Floats, Floats]:
        """Plain and adjusted standard errors over sigma, and degrees of freedom, each (m, c).

        NaN where the information cannot be inverted.
        """
        each = self._squares.size + self._crossed.size
        step = max(1, _AT_ONCE // each)
        parts = [self._known(thetas[at : at + step]) for at in range(0, len(thetas), step)]
        plain, adjusted, degrees = (np.concatenate(part) for part in zip(*parts, strict=True))
        return plain, adjusted, degrees

    def _known(self, thetas: Floats) -> tuple[Floats, Floats, Floats]:
        """NaN of the theta at which a matrix is singular, rather than an error for all of them."""
        try:
            return self._some(thetas)
        except np.linalg.LinAlgError:
            if len(thetas) == 1:
                none = np.full((1, len(self._own)), np.nan)
                return none, none, none
        plain, adjusted, degrees = zip(*(self._known(own[None]) for own in thetas), strict=True)
        return np.concatenate(plain), np.concatenate(adjusted), np.concatenate(degrees)

    def _some(self, thetas: Floats) -> tuple[Floats, Floats, Floats]:
        factor = self._term.standard_factor(thetas)
        own = factor @ factor.transpose(0, 2, 1)
        m, k = own.shape[:2]
        shrink = np.linalg.inv(np.eye(k) + self._squares @ own[:, None])
        d = shrink @ self._squares
        c = shrink @ self._crossed
        r = c.shape[-1]
        precision = np.eye(r) - self._crossed.reshape(-1, r).T @ (own[:, None] @ c).reshape(
            m, -1, r
        )
        phi = np.linalg.inv(0.5 * (precision + precision.transpose(0, 2, 1)))
        # The covariance itself is a direction too: the residual variance is the whole without it.
        first = np.broadcast_to(self._first, (m, *self._first.shape))
        every = np.concatenate([first, own[:, None]], axis=1)
        p, q, t = self._moments(every, d, c, precision)
        size = len(self._first) + (not self._knows_sigma)
        p, q, t = p[:, :size], q[:, :size, :size], t[:, :size, :size]
        weighted = phi[:, None] @ p
        flat = weighted.reshape(m, size, -1)
        products = flat @ weighted.transpose(0, 3, 2, 1).reshape(m, -1, size)
        expected = t - 2.0 * (q * phi[:, None, None]).reshape(m, size, size, -1).sum(-1) + products
        w = _inverses(0.5 * (expected + expected.transpose(0, 2, 1)))
        inner = w.reshape(m, 1, -1) @ q.reshape(m, size * size, -1)
        moves = (w @ p.reshape(m, size, -1)).reshape(p.shape)
        inner = inner.reshape(m, r, r) - (p @ phi[:, None] @ moves).sum(axis=1)
        added: Floats = 2.0 * phi @ inner @ phi
        plain = self._forms(np.asarray(phi))
        ratios = self._forms(np.asarray(weighted @ phi[:, None])) / plain[:, None]
        a = ((w @ ratios) * ratios).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            degrees = np.where(a > _EXACT, 2.0 / a, np.inf)
            known, errors = np.sqrt(plain), np.sqrt(plain + self._forms(added))
        return known, errors, np.where(np.isnan(a), np.nan, degrees)

    def _forms(self, matrices: Floats) -> Floats:
        """Quadratic forms (..., c) of the contrasts in matrices (..., r, r)."""
        return np.asarray(((self._own @ matrices) * self._own).sum(-1))

    def _moments(
        self, every: Floats, d: Floats, c: Floats, precision: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """P, Q and T of the directions, the residual variance being the last one."""
        m, size = every.shape[:2]
        r = c.shape[-1]
        changed = every[:, :, None] @ c[:, None]
        flat = changed.reshape(m, size, -1, r)
        p = -(c.reshape(m, 1, -1, r).transpose(0, 1, 3, 2) @ flat)
        turned = (d[:, None] @ changed).reshape(m, 1, size, -1, r)
        q = flat[:, :, None].transpose(0, 1, 2, 4, 3) @ turned
        times = every[:, :, None] @ d[:, None]
        mirrored = times.transpose(0, 2, 4, 3, 1).reshape(m, -1, size)
        t = times.reshape(m, size, -1) @ mirrored
        single = np.trace(times, axis1=-2, axis2=-1).sum(axis=-1)
        # I = V - Z G Z', in each place of a direction.
        p0 = -precision - p[:, -1]
        q0 = -p - q[:, -1]
        q00 = -p0 - q0[:, -1]
        t0 = single - t[:, -1]
        t00 = self._n - single[:, -1] - t0[:, -1]
        p[:, -1] = p0
        q[:, -1] = q0
        q[:, :, -1] = q0.transpose(0, 1, 3, 2)
        q[:, -1, -1] = q00
        t[:, -1], t[:, :, -1], t[:, -1, -1] = t0, t0, t00
        return p, q, t


def _inverses(expected: Floats) -> Floats:
    """Twice the inverses of informations (m, p, p), on the directions that are known."""
    size = np.sqrt(np.maximum(np.diagonal(expected, axis1=1, axis2=2), 0.0))
    size = np.where(size > 0.0, size, 1.0)
    scale = size[:, :, None] * size[:, None, :]
    values, vectors = np.linalg.eigh(expected / scale)
    known = values > FLAT * values[:, -1:]
    with np.errstate(divide="ignore"):
        weights = np.where(known, 1.0 / values, 0.0)
    return 2.0 * (vectors * weights[:, None, :]) @ vectors.transpose(0, 2, 1) / scale
