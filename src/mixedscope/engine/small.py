"""Systems small enough to be worked on in compiled code as a whole.

A call from Python into compiled code costs some microseconds, as much as the work on small data.
:class:`SmallSystem` makes evaluations, gradients and searches single calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import chosen
from mixedscope.engine.products import CrossProducts, GroupColumns, Tier

if TYPE_CHECKING:
    from mixedscope.engine.kernels.single import Data as SingleData
    from mixedscope.engine.kernels.whole import Data, Pattern

__all__ = ["Batch", "SingleSystem", "SmallSystem", "TierWork", "WholeSystem"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Start, inverse Hessian, degrees, variance, reml, tolerance, search, derive: see run_single of
# kernels/single.py.
Task = tuple[Floats, Floats, int, float, bool, float, bool, bool]

# Evaluations of a search that one must reckon with, and how many more for each parameter.
_FEW, _MORE = 5, 5


@dataclass
class TierWork:
    """Arrays of one tier that change with theta."""

    d: Floats
    u: Floats
    w: Floats
    x: Floats
    m: Floats
    head: Floats
    forms: Floats
    modes: Floats

    @classmethod
    def of(cls, tier: Tier, *, is_first: bool) -> TierWork:
        """Give room for a tier; nothing is subtracted from the first, which is used as it is."""
        q, h, k = tier.u.shape
        own = tier if is_first else Tier(*[np.empty_like(a) for a in tier])
        return cls(
            *own, np.empty((q, k, k)), np.empty((q, k, k)), np.empty((q, h)), np.empty((q, k)),
            np.empty((q, k)),
        )  # fmt: skip


@dataclass
class Batch:
    """Evaluations in internal units, a row each.

    Attributes
    ----------
    points : (m, k) array
    gradients : (m, k) array
        NaN where not computed.
    parts : (m, 4) array
        ``log |L|**2``, ``log |R_X|**2``, penalised residual, ``|u|**2``; NaN where it failed.
    betas : (m, r) array
        Coefficients of the basis.
    """

    points: Floats
    gradients: Floats
    parts: Floats
    betas: Floats

    @classmethod
    def empty(cls, m: int, k: int, r: int) -> Batch:
        """Give room for m evaluations."""
        return cls(np.empty((m, k)), np.empty((m, k)), np.empty((m, 4)), np.empty((m, r)))

    def first(self, m: int) -> Batch:
        """Give the first m evaluations."""
        return Batch(self.points[:m], self.gradients[:m], self.parts[:m], self.betas[:m])


class SmallSystem(ABC):
    """A system of cross-products in the form that the compiled code takes.

    Attributes
    ----------
    work : list of TierWork
        Holds, like the arrays handed in, what the last evaluation left there.
    """

    work: list[TierWork]
    _n_basis: int
    _steps: dict[tuple[bool, bool], Ints]

    def __getstate__(self) -> dict[str, Any]:
        """All but the numbers of steps, which hold within one process."""
        return {**self.__dict__, "_steps": {}}

    @abstractmethod
    def reload(self, cross: CrossProducts) -> None:
        """Take over cross-products that were formed again in the same arrays."""

    @abstractmethod
    def places(self, entries: Ints) -> Ints:
        """Translate places in the factors, flattened one after another, to those used inside."""

    @abstractmethod
    def _run(
        self, places: Ints, batch: Batch, task: Task, *, known: bool = False
    ) -> tuple[int, int, float]:
        """Call the compiled code; see kernels_whole.run_whole for `known`."""

    def evaluate(
        self,
        entries: Ints,
        points: Floats,
        degrees: int,
        *,
        reml: bool,
        derive: bool,
        variance: float = 0.0,
    ) -> Batch:
        """Evaluate at every row of `points` (m, k), with gradients or without.

        Parameters
        ----------
        entries : (k,) array of int
            Where the entries of a point stand in the factors, flattened one after another; the
            others are zero.
        points : (m, k) array
        degrees : int
        reml, derive : bool
        variance : float
            Residual variance, internal units, where it is known; 0 where it is profiled out.
        """
        batch = Batch.empty(len(points), len(entries), self._n_basis)
        batch.points[:] = points
        none = np.empty((0, 0))
        task = (batch.points[0], none, degrees, variance, reml, 0.0, False, derive)
        self._run(self.places(entries), batch, task)
        return batch

    def search(
        self,
        entries: Ints,
        start: Floats,
        inverse: Floats,
        degrees: int,
        *,
        reml: bool,
        tolerance: float,
        most: int,
        known: Batch | None = None,
        variance: float = 0.0,
    ) -> Batch:
        """Search from `start` (k,) by BFGS; gives every evaluation made.

        Parameters
        ----------
        entries : (k,) array of int
        start : (k,) array
        inverse : (k, k) array
            Inverse Hessian to start with; overwritten by the last.
        degrees : int
        reml : bool
        tolerance : float
            Newton decrement at which to stop.
        most : int
            Evaluations at most.
        known : Batch, optional
            What the last evaluation, at `start` and without gradient, has given.
        variance : float
            Residual variance, internal units, where it is known; 0 where it is profiled out.
        """
        batch = Batch.empty(most, len(entries), self._n_basis)
        if known is not None:
            batch.parts[0], batch.betas[0] = known.parts[0], known.betas[0]
        task = (start, inverse, degrees, variance, reml, tolerance, True, True)
        count, _, _ = self._run(self.places(entries), batch, task, known=known is not None)
        return batch.first(count)


class SingleSystem(SmallSystem):
    """One grouping factor.

    Parameters
    ----------
    cross : CrossProducts
    s : (r + 1, r + 1) array
        Room for the factor of the tail.
    coefficient : (r + 1,) array
        Room for the coefficients.
    """

    def __init__(self, cross: CrossProducts, s: Floats, coefficient: Floats) -> None:
        own, tier = cross.pattern.tiers[0], cross.tiers[0]
        q, _, k = tier.u.shape
        work = TierWork.of(tier, is_first=True)
        self.work = [work]
        self._n_basis = cross.n_tail - 1
        self._where = (own.ptr, own.idx)
        self._steps = {}
        self._data = (tier.d, tier.u, tier.w, cross.rest)
        self._size = sum(part.size for part in self._data)
        self._lam = np.zeros((k, k))
        self._inner = np.empty((q, k, k))
        self._arrays = (
            self._lam, work.x, work.m, work.head, work.forms, work.modes, self._inner, s,
            coefficient, np.empty((k, k)),
        )  # fmt: skip

    def reload(self, cross: CrossProducts) -> None:
        """Those arrays are in use."""

    def cleared(
        self, *, reml: bool, linked: bool = True
    ) -> tuple[tuple[Ints, NDArray[np.uint32], Ints], SingleData, tuple[Floats, ...]]:
        """What the compiled code takes first, the factor set to zero.

        Steps that have not been met before are compiled if they are to be `linked`.
        """
        steps = self._steps.get((reml, linked))
        if steps is None:
            from mixedscope.engine.linking import link, steps_of_single

            steps = self._steps[reml, linked] = steps_of_single(len(self._lam), reml=reml)
            if linked:
                link(steps)
        self._lam[:] = 0.0
        if not reml:
            self._inner[:] = 0.0
        return (*self._where, steps), self._data, self._arrays

    def places(self, entries: Ints) -> Ints:
        """There is one factor."""
        return entries

    def _run(
        self, places: Ints, batch: Batch, task: Task, *, known: bool = False
    ) -> tuple[int, int, float]:
        # An evaluation more costs less than to carry one over.
        from mixedscope.engine.kernels.single import run_single

        start, inverse, degrees, variance, reml, tolerance, search, derive = task
        run, linked = chosen(run_single, self._size * _passes(batch, search=search))
        return run(
            *self.cleared(reml=reml, linked=linked), places, start, inverse, degrees, variance,
            reml, tolerance, search, derive, batch.points, batch.gradients, batch.parts,
            batch.betas,
        )  # fmt: skip


class WholeSystem(SmallSystem):
    """Any chain and a small rest.

    Parameters
    ----------
    cross : CrossProducts
    node, lam
        As of :func:`mixedscope.engine.kernels.elimination.scale_rest`.
    s, diagonal, spherical, coefficient
        Room for the dense part.
    """

    def __init__(
        self,
        cross: CrossProducts,
        node: Ints,
        lam: Floats,
        s: Floats,
        diagonal: Floats,
        spherical: Floats,
        coefficient: Floats,
    ) -> None:
        pattern, tiers = cross.pattern.tiers, cross.tiers
        self._n_basis = cross.n_tail - 1
        self._n_rest = cross.pattern.n_rest
        self._chain = cross.pattern.chain
        self._rest = tuple(zip(cross.pattern.rest_factors, cross.pattern.rest_offsets, strict=True))
        self._node = node
        sizes = np.array([_sizes(tier) for tier in tiers], dtype=np.int64)
        q, h, k, nnz = sizes[:, :4].T
        later = np.arange(len(tiers))[::-1]
        lengths = np.column_stack(
            [q * k * k, q * h * k, nnz * k, nnz, q + 1, q * k, q * h, q * later, nnz * later, k * k]
        )
        begins = np.cumsum(lengths, axis=0) - lengths
        begins[:, -1] += len(lam)
        self._steps = {}
        self._table = np.hstack([sizes, begins])
        totals = lengths.sum(axis=0)
        blocks, heads, sparse, modes, head = (int(totals[i]) for i in (0, 1, 2, 5, 6))
        self._pattern = (
            _join([s.ptr for s in pattern], np.int64),
            _join([s.idx for s in pattern], np.uint32),
            _join([s.level for s in pattern], np.int32),
            _join([s.by_column for s in pattern], np.int64),
            _join([s.column_ptr for s in pattern], np.int64),
            _join([p for s in pattern for p in s.parents], np.int64),
            _join([r for s in pattern for r in s.relative], np.int64),
        )
        self._data = (
            _join([s.d.ravel() for s in tiers], np.float64),
            _join([s.u.ravel() for s in tiers], np.float64),
            _join([s.w.ravel() for s in tiers], np.float64),
            cross.rest,
        )
        self._size = sum(part.size for part in self._data)
        # The rest's factors, a 1 for the tail, then the factors of the tiers.
        self._first_entry = len(lam)
        self._lam = np.concatenate([lam, np.zeros(int(totals[-1]))])
        own = [np.empty(n) for n in (blocks, heads, sparse, blocks, blocks, head, modes, modes)]
        room = [np.empty(n) for n in (blocks, blocks, heads, sparse)]
        self._arrays = (
            self._lam, *own, *room, s, diagonal, spherical, coefficient, np.empty_like(self._lam)
        )  # fmt: skip
        self.work = [self._tier_work(row, own) for row in self._table]
        # The tiers eliminated first still hold their cross-products as they are.
        self.work[0].d, self.work[0].u, self.work[0].w = tiers[0].d, tiers[0].u, tiers[0].w
        self._translation = self._translate(cross)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Let a copy's arrays share memory as those do that were copied one by one."""
        self.__dict__.update(state)
        first = self.work[0]
        d, u, w = first.d, first.u, first.w
        for work, row in zip(self.work, self._table, strict=True):
            work.__dict__.update(self._tier_work(row, self._arrays[1:9]).__dict__)
        first.d, first.u, first.w = d, u, w
        if len(self.work) == 1:
            self._data = (d.ravel(), u.ravel(), w.ravel(), self._data[-1])

    @staticmethod
    def _tier_work(row: Ints, own: Sequence[Floats]) -> TierWork:
        q, h, k, nnz, blocks, heads, sparse, _, _, modes, head = row[:11].tolist()
        d, u, w, x, m, all_head, forms, all_modes = own

        def cut(flat: Floats, at: int, *shape: int) -> Floats:
            return flat[at : at + int(np.prod(shape))].reshape(shape)

        return TierWork(
            cut(d, blocks, q, k, k), cut(u, heads, q, h, k), cut(w, sparse, nnz, k),
            cut(x, blocks, q, k, k), cut(m, blocks, q, k, k), cut(all_head, head, q, h),
            cut(forms, modes, q, k), cut(all_modes, modes, q, k),
        )  # fmt: skip

    def _translate(self, cross: CrossProducts) -> Ints:
        """Place inside of every entry of the factors of the model, flattened one after another."""
        begin = {}
        first = 0
        pattern = cross.pattern
        for f in pattern.rest_factors:
            begin[f] = first
            first += pattern.sizes[f] ** 2
        for f, row in zip(pattern.chain, self._table, strict=True):
            begin[f] = int(row[-1])
        return np.concatenate([begin[f] + np.arange(k**2) for f, k in enumerate(pattern.sizes)])

    def reload(self, cross: CrossProducts) -> None:
        """Copy the products of the tiers, where there are several."""
        if len(cross.tiers) > 1:
            for name, flat in zip("duw", self._data, strict=False):
                np.concatenate([getattr(s, name).ravel() for s in cross.tiers], out=flat)

    def _with_steps(self, *, reml: bool, linked: bool) -> Ints:
        """Table with the numbers of the steps; to link compiles those not met before."""
        table = self._steps.get((reml, linked))
        if table is None:
            from mixedscope.engine.linking import link, steps_of_whole

            _, _, widths, rows = self._table[:, :4].T.tolist()
            steps = steps_of_whole(widths, rows, self._n_rest, reml=reml)
            if linked:
                link(steps)
            table = np.ascontiguousarray(np.hstack([self._table, steps]))
            self._steps[reml, linked] = table
        return table

    def cleared(
        self, *, reml: bool, linked: bool = True
    ) -> tuple[Ints, Pattern, Ints, Data, tuple[Floats, ...], int]:
        """What the compiled code takes before the task, all factors set to zero."""
        self._lam[self._first_entry :] = 0.0
        self._lam[: self._first_entry - 1] = 0.0
        table = self._with_steps(reml=reml, linked=linked)
        return table, self._pattern, self._node, self._data, self._arrays, self._n_rest

    def response_places(
        self, factors: Sequence[GroupColumns]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Where cross-products with a response stand, and what they are formed of.

        Gives the first three arguments of :func:`mixedscope.engine.kernels.refits.refit_whole`.
        """
        firsts = np.cumsum([0, *(f.size for f in factors)])
        where = np.empty((len(factors), 6), dtype=np.int64)
        for position, row in zip(self._chain, self._table, strict=True):
            _, h, k, _, _, heads = row[:6].tolist()
            where[position, 3:] = heads + (h - 1) * k, h * k, 1
        for position, offset in self._rest:
            where[position, 3:] = offset, factors[position].size, 0
        for position, factor in enumerate(factors):
            where[position, :3] = firsts[position], factor.size, factor.n_levels
        codes = np.ascontiguousarray([f.codes for f in factors], dtype=np.int64)
        return where, codes, np.ascontiguousarray(np.hstack([f.z for f in factors]))

    def places(self, entries: Ints) -> Ints:
        """Rest first, then the tiers."""
        return self._translation[entries]

    def _run(
        self, places: Ints, batch: Batch, task: Task, *, known: bool = False
    ) -> tuple[int, int, float]:
        from mixedscope.engine.kernels.whole import run_whole

        run, linked = chosen(run_whole, self._size * _passes(batch, search=task[6]))
        table, pattern, node, data, work, n_rest = self.cleared(reml=task[4], linked=linked)
        return run(
            table, pattern, node, data, work, n_rest, places, *task, known, batch.points,
            batch.gradients, batch.parts, batch.betas,
        )  # fmt: skip


def _passes(batch: Batch, *, search: bool) -> int:
    """Evaluations that are made, or that one must reckon with in a search."""
    evaluations, k = batch.points.shape
    return min(evaluations, _FEW + _MORE * k) if search else evaluations


def _sizes(tier: Tier) -> tuple[int, int, int, int]:
    q, h, k = tier.u.shape
    return q, h, k, len(tier.w)


def _join(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    if len(parts) == 1:
        return np.ascontiguousarray(parts[0], dtype=dtype)
    return np.concatenate([np.empty(0, dtype=dtype), *parts])
