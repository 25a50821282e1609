"""What is left of iterated factors of several columns, or of several of them, at one theta.

With Z_2 the columns of all iterated factors, Lambda their relative covariance factors by level,
``T_2 = Lambda Lambda'`` and ``K = Z_2' inv(V_1) Z_2``, V_1 being the covariance that the eliminated
factor gives, let N be the blocks of K of columns that belong together
(:mod:`mixedscope.engine.iterative.clusters`), and ``R = N - K`` what is beside them::

    B = I + Lambda' K Lambda,    L L' = I + Lambda' N Lambda,    F = Lambda inv(L')
    S = inv(L) B inv(L') = I - F' R F

The blocks of S are identities: the levels of a factor that has those of the eliminated one within
its own are then nearly solved for. With ``E = inv(I + N T_2)``::

    inv(I + K T_2) = E (I + R F inv(S) F')
    Z_2' inv(V) Z_2 = E N - E (R + R F inv(S) F' R) E'

of which the blocks of levels are needed; those of R are zero, so that probes estimate what is of
second order alone. Nothing is divided by Lambda: zero is an ordinary value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.iterative.crossing import (
    Complement,
    Crossing,
    Eliminated,
    Trace,
    own_traces,
)
from mixedscope.engine.kernels import crossing as kernels
from mixedscope.engine.kernels.crossing_blocks import (
    add_blocks_times,
    blocks_of_pairs,
    forms_of_blocks,
)

__all__ = ["BlockComplement", "complement_of"]

Floats = NDArray[np.float64]


class BlockComplement(Eliminated):
    """The matrix S at one theta; has what `Complement` has.

    Parameters
    ----------
    crossing : Crossing
    factor : (k, k) array
        Relative covariance factor of the eliminated factor.
    far : sequence of (k_f, k_f) arrays
        Those of the iterated factors.

    Attributes
    ----------
    log_det : float
        Log-determinant of ``Lambda'Z'Z Lambda + I`` of the eliminated levels, and of all L L'.
    covariance : (k, k) array
        T of the eliminated factor.
    shares, m : (q, k, k) arrays
        E and M of its levels.
    variance : float
        1: conjugate gradients solve ``I - P``, P being `product`.
    """

    variance = 1.0

    def __init__(self, crossing: Crossing, factor: Floats, far: Sequence[Floats]) -> None:
        from scipy.linalg import block_diag

        super().__init__(crossing, factor)
        c = crossing
        assert c.clusters is not None
        self._clusters = c.clusters.groups
        self._covariances = [f @ f.T for f in far]
        # Factors of one covariance differ by signs of their columns: probes are to see one.
        signed = [f * np.where(np.diag(f) < 0.0, -1.0, 1.0) for f in far]
        taken = np.zeros(len(c.gram))
        self._entries = (c.order, *c.clusters[1:5])
        blocks_of_pairs(c.ptr, c.idx, c.w, self.m, *self._entries, taken)
        self._left = c.clusters.views(c.gram - taken)
        self._taken = c.clusters.views(taken - c.shared if len(c.shared) else taken)
        self._lowers: list[Floats] = []
        self._f: list[Floats] = []
        self._e: list[Floats] = []
        for group, left in zip(self._clusters, self._left, strict=True):
            own, covariance = (
                block_diag(*(f[p] for p, count in group.parts for _ in range(count)))
                for f in (signed, self._covariances)
            )
            identity = np.eye(len(own))
            lower = np.asarray(np.linalg.cholesky(own.T @ left @ own + identity), dtype=float)
            self.log_det += 2.0 * float(np.log(np.einsum("qaa->qa", lower)).sum())
            turned = np.linalg.solve(lower, np.broadcast_to(own.T, left.shape))
            self._lowers.append(lower)
            self._f.append(np.ascontiguousarray(turned.transpose(0, 2, 1)))
            self._e.append(np.asarray(np.linalg.inv(left @ covariance + identity), dtype=float))
        if not np.isfinite(self.log_det):
            raise FloatingPointError("The penalised system is not finite.")

    # -- products --------------------------------------------------------------------------------

    def _times(self, blocks: Sequence[Floats], v: Floats, *, transposed: bool = False) -> Floats:
        """Multiply v (N, c) by blocks (g, s, s) of every cluster, or by these transposed."""
        out = np.zeros(v.shape)
        for block, group in zip(blocks, self._clusters, strict=True):
            add_blocks_times(block, group.rows, v, out, transposed)
        return out

    def _rest(self, v: Floats) -> Floats:
        """``R v``: what eliminated levels take, and what factors share, but within clusters."""
        c = self.crossing
        taken = np.zeros(v.shape)
        c.add_between(v, taken)
        for block, group in zip(self._taken, self._clusters, strict=True):
            add_blocks_times(block, group.rows, v, taken, False)
        return kernels.complement_product(c.ptr, c.idx, c.w, self.m, v) - taken

    def product(self, v: Floats) -> Floats:
        """``(I - S) v`` of vectors v (N, c)."""
        return self._times(self._f, self._rest(self._times(self._f, v)), transposed=True)

    # -- from columns to right-hand sides, and back ----------------------------------------------

    def right(self, columns: Floats) -> Floats:
        """Right-hand sides (N, c) for what is left of columns of the iterated factors."""
        return self._times(self._f, np.ascontiguousarray(columns), transposed=True)

    def scores(self, x: Floats, columns: Floats) -> Floats:
        """``Z_2' inv(V) U`` (N, c) of solutions x with `right` of what is left of ``Z_2'U``."""
        effects = self._times(self._f, np.ascontiguousarray(x))
        return self._times(self._e, columns + self._rest(effects))

    def effects(self, scores: Floats) -> Floats:
        """Random effects of the iterated factors that `scores` (N, ...) are those of."""
        out = np.empty(scores.shape)
        for covariance, own in zip(self._covariances, self._rows(), strict=True):
            part = scores[own].reshape(-1, len(covariance), scores[0].size)
            out[own] = (covariance @ part).reshape(scores[own].shape)
        return out

    def _rows(self) -> list[slice]:
        """Columns of every iterated factor."""
        c = self.crossing
        sizes = [b.shape[0] * b.shape[1] for b in c.blocks]
        return [slice(first, first + size) for first, size in zip(c.firsts, sizes, strict=True)]

    def gain(self, columns: Floats, scores: Floats) -> Floats:
        """``columns' effects(scores)``, (c, d)."""
        return np.asarray(columns.T @ self.effects(scores))

    def met_effects(self, scores: Floats) -> Floats:
        """``C_i effects(scores)`` (q, k, c)."""
        return self.met(self.effects(scores))

    # -- what probes estimate --------------------------------------------------------------------

    def shifts(self) -> Floats:
        """Effects (N, r): every column of an iterated factor as much up at all levels.

        That is what the columns of other factors, or fixed effects, may take back.
        """
        sizes = [len(f) for f in self._covariances]
        out = np.zeros((self.crossing.n_columns, sum(sizes)))
        for f, (own, k) in enumerate(zip(self._rows(), sizes, strict=True)):
            out[own, sum(sizes[:f]) : sum(sizes[: f + 1])] = np.tile(
                np.eye(k), ((own.stop - own.start) // k, 1)
            )
        return out

    def lifted(self, effects: Floats) -> Floats:
        """Vectors (N, r) in the space of S, of spherical effects of levels."""
        return self._times(self._lowers, np.ascontiguousarray(effects), transposed=True)

    def lowered(self, v: Floats) -> Floats:
        """Random effects (N, r) that vectors in the space of S are."""
        return self._times(self._f, np.ascontiguousarray(v))

    def control(self, z: Floats, applied: Floats) -> tuple[Floats, float]:
        """Forms (c,) of directions in ``I - S``, and its trace; `applied` is `product` of z."""
        return np.einsum("jc,jc->c", z, applied), 0.0

    def traces(self, z: Floats, applied: Floats, x: Floats) -> list[Trace]:
        """Traces that derivatives need, by directions z (N, c) and solutions x with them.

        They are the matrices ``sum_l (Z_2' inv(V) Z_2)_ll`` of every iterated factor, and ``sum_i
        E_i C_i F inv(S) F' C_i' E_i'`` of the eliminated one.
        """
        c = self.crossing
        z, x = self._times(self._f, z), self._times(self._f, x)
        of_z = self._times(self._e, self._rest(z))
        of_x = self._times(self._e, self._rest(x))
        out = []
        nothing = np.zeros(z.shape[1])
        for sums, own in zip(self._sums_of_blocks(), self._rows(), strict=True):
            k = len(sums)
            one, other = (v[own].reshape(-1, k, z.shape[1]) for v in (of_z, of_x))
            forms = np.einsum("qac,qbc->abc", one, other)
            forms = (forms + forms.transpose(1, 0, 2)) / 2.0
            out += [
                Trace(-forms[a, b], nothing, 0.0, float(sums[a, b] + sums[b, a]) / 2.0)
                for a in range(k)
                for b in range(k)
            ]
        mixed, own_forms = kernels.forms_of_levels(c.ptr, c.idx, c.w, self.shares, z, x)
        q = [f @ f.transpose(0, 2, 1) for f in self._f]
        entries = np.concatenate([block.ravel() for block in q])
        known = forms_of_blocks(c.ptr, c.idx, c.w, self.shares, *self._entries, entries)
        return out + own_traces(mixed, own_forms, known)

    def _sums_of_blocks(self) -> list[Floats]:
        """Sums (k_f, k_f) over levels of their blocks of ``E N``, per iterated factor."""
        out = [np.zeros(f.shape) for f in self._covariances]
        for group, shares, left in zip(self._clusters, self._e, self._left, strict=True):
            blocks = shares @ left
            at = 0
            for f, count in group.parts:
                k = len(out[f])
                own = slice(at, at + count * k)
                part = blocks[:, own, own].reshape(len(blocks), count, k, count, k)
                out[f] += np.einsum("gmamb->ab", part)
                at = own.stop
        return out


def complement_of(
    crossing: Crossing, factor: Floats, far: Sequence[Floats]
) -> Complement | BlockComplement:
    """Give what is left of the iterated factors, of these relative covariance factors."""
    if crossing.is_scalar:
        return Complement(crossing, factor, float(far[0][0, 0]))
    return BlockComplement(crossing, factor, far)
