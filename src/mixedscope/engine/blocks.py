"""How the factorisation of a model is cut into blocks, for people to look at; what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from mixedscope.core.wording import counted, duration, gigabytes
from mixedscope.engine import lapack
from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.iterative.system import IterativeSystem, unsuited
from mixedscope.engine.memory import bytes_needed, sparse_bytes
from mixedscope.engine.sparse.products import SparseProducts
from mixedscope.engine.sparse.system import SparseSystem
from mixedscope.engine.system import ProfiledSystem

__all__ = ["BlockDescription", "describe_blocks", "evaluation_cost", "seconds_of_evaluation"]

#: Operations that the overhead of one evaluation is worth.
_OVERHEAD: Final = 5e5

#: Operations of sparse sums that take as long as one of a dense Cholesky factor.
_SPARSE: Final = 4.0

#: Operations that take less than a second on any machine, and rows of the matrix that shows how
#: fast this one is.
_QUICK: Final = 1e9
_TRIAL: Final = 768

#: Seconds of an evaluation from which on it is said that there is a solver without a factorisation.
_LONG: Final = 10.0

#: Iterations of conjugate gradients where levels meet at random.
_ITERATIONS: Final = 8.0


@dataclass(frozen=True)
class BlockDescription:
    """Blocks of the factor L, in the order of elimination; prints as a table.

    Attributes
    ----------
    names : tuple of str
        Grouping factors as eliminated, then ``fixed``.
    sizes : tuple of int
        Rows of each block row.
    kinds : tuple of tuple of str
        Lower triangle: ``Diagonal``, ``BlkDiag``, ``Nested`` (each level within one level of the
        other factor), ``Sparse``, ``Iterated`` (never formed), ``Dense``, or ``Diag/Dense`` and
        ``Blk/Dense``, diagonal blocks that fill in.
    kernel : str
        How an evaluation is computed, in words.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    kinds: tuple[tuple[str, ...], ...]
    kernel: str

    def __str__(self) -> str:
        header = ["rows", *self.names]
        lines = [[f"{n}:", *kinds] for n, kinds in zip(self.sizes, self.kinds, strict=True)]
        lines = [line + [""] * (len(header) - len(line)) for line in lines]
        widths = [max(len(line[j]) for line in [header, *lines]) for j in range(len(header))]
        table = [
            "  ".join(
                c.rjust(w) if j == 0 else c.ljust(w) for j, (c, w) in enumerate(cells)
            ).rstrip()
            for cells in (list(zip(line, widths, strict=True)) for line in [header, *lines])
        ]
        return "\n".join([*table, self.kernel])

    __repr__ = __str__


def describe_blocks(system: ProfiledSystem) -> BlockDescription:
    """Describe the blocks of a model, as MixedModels.jl's ``BlockDescription``.

    Parameters
    ----------
    system : ProfiledSystem

    Returns
    -------
    BlockDescription
    """
    if isinstance(system, IterativeSystem):
        return _describe_iterative(system)
    blocked = system.blocked
    if isinstance(blocked, SparseSystem):
        return _describe_sparse(system, blocked)
    pattern = blocked.pattern
    order = [*pattern.chain, *pattern.rest_factors]
    names = [system.terms[f].group for f in order]
    sizes = [pattern.levels[f] * pattern.sizes[f] for f in order]
    kinds: list[tuple[str, ...]] = []
    for i, f in enumerate(order):
        row = []
        for j, g in enumerate(order[: i + 1]):
            if j == i:
                own = "Diagonal" if pattern.sizes[f] == 1 else "BlkDiag"
                fills = f in pattern.rest_factors
                row.append(f"{'Diag' if own == 'Diagonal' else 'Blk'}/Dense" if fills else own)
            elif g in pattern.chain and f in pattern.chain:
                row.append("Nested")
            elif g in pattern.chain:
                row.append("Dense" if blocked.is_densely_crossed else "Sparse")
            else:
                row.append("Dense")
        kinds.append(tuple(row))
    fixed = len(system.basis.kept) + 1
    kinds.append(tuple(["Dense"] * (len(order) + 1)))
    return BlockDescription(
        names=(*names, "fixed"),
        sizes=(*sizes, fixed),
        kinds=tuple(kinds),
        kernel=_kernel(system, blocked),
    )


def _describe_iterative(system: IterativeSystem) -> BlockDescription:
    """Describe a system of which one factor is eliminated and others are iterated."""
    places = system.places
    iterated = [f for f, _ in places.iterated_columns]
    order = [places.eliminated, *iterated, *(f for f, _ in places.border_columns)]
    own = "Diagonal" if system.terms[order[0]].size == 1 else "BlkDiag"
    kinds = [(own,), *(tuple(["Sparse"] * i + ["Iterated"]) for i in range(1, 1 + len(iterated)))]
    kinds += [tuple(["Dense"] * (i + 1)) for i in range(len(kinds), len(order) + 1)]
    first = system.terms[places.eliminated].group
    others = " and ".join(system.terms[f].group for f in iterated)
    return BlockDescription(
        names=(*(system.terms[f].group for f in order), "fixed"),
        sizes=(
            *(system.factors[f].n_levels * system.terms[f].size for f in order),
            system.n_fixed + 1,
        ),
        kinds=tuple(kinds),
        kernel=f"eliminated level by level: {first}; then conjugate gradients for {others}, as "
        "solver='iterative' asks for: fixed effects, sigma and conditional modes are exact; "
        "deviance and slopes are estimates by "
        f"{counted(system.n_probes, 'random probe')}, with standard errors",
    )


def _describe_sparse(system: ProfiledSystem, blocked: SparseSystem) -> BlockDescription:
    """Describe a sparse factor, whose columns are no longer those of one factor after another."""
    cross, e = blocked.cross, blocked.cross.pattern.elimination
    first = int(e.factor[0])
    order = [first, *(f for f in range(len(cross.factors)) if f != first)]
    sizes = [cross.pattern.levels[f] * cross.pattern.sizes[f] for f in order]
    own = "Diagonal" if cross.pattern.sizes[first] == 1 else "BlkDiag"
    kinds = [tuple(["Sparse"] * i + ["Sparse" if i else own]) for i in range(len(order))]
    dense = f", and the last {counted(e.dense, 'column')} as one dense matrix" if e.dense else ""
    expense = _expense(system, sparse_bytes(e, cross.n_tail))
    why = f" ({system.why_solver})" if system.why_solver else ""
    return BlockDescription(
        names=(*(system.terms[f].group for f in order), "fixed"),
        sizes=(*sizes, cross.n_tail),
        kinds=(*kinds, tuple(["Dense"] * (len(order) + 1))),
        kernel=f"one sparse Cholesky factor, {system.terms[first].group} first and then in an "
        f"order of minimum degree: {counted(e.columns, 'column')} with {e.entries:,} entries below "
        f"the diagonal{dense}{why}; {expense}",
    )


def _kernel(system: ProfiledSystem, blocked: BlockedSystem) -> str:
    cross, pattern = blocked.cross, blocked.pattern
    chain = " within ".join(system.terms[f].group for f in pattern.chain)
    if blocked.is_single:
        return f"one grouping factor ({chain}): one compiled call per evaluation"
    words = f"eliminated level by level: {chain}"
    whole = "" if blocked.small is None else "; one compiled call per evaluation"
    if not pattern.n_rest:
        return f"{words}; nothing is left to fill in{whole}"
    if whole:
        return f"{words}; then one dense Cholesky factor of {len(cross.rest)} rows{whole}"
    how = "products of dense rows" if blocked.is_densely_crossed else "sparse row sums"
    why = f" ({system.why_solver})" if system.why_solver else ""
    expense = ""
    if evaluation_cost(system) >= _QUICK:
        expense = f"; {_expense(system, bytes_needed(pattern, cross.n_tail))}"
    return (
        f"{words}; then one dense Cholesky factor of {len(cross.rest)} rows, updated by {how}{why}"
        f"{expense}"
    )


def _expense(system: ProfiledSystem, needed: int) -> str:
    """Say how much memory and time the factorisation takes; where that is long, what does not."""
    seconds = seconds_of_evaluation(system)
    if not seconds:
        return gigabytes(needed)
    took = f"about {duration(seconds)} an evaluation at the present speed of this machine"
    words = f"{gigabytes(needed)}, and {took}"
    if seconds < _LONG or unsuited(system.design) is not None:
        return words
    return (
        f"{words}; solver='iterative' makes no such factor: it estimates deviance and slopes, and "
        "states its error"
    )


def evaluation_cost(system: ProfiledSystem | BlockedSystem | SparseSystem) -> float:
    """Floating-point operations of one evaluation, estimated from the blocks of the model.

    They are products of the rows that levels have in the rest, and a dense Cholesky factor of it; a
    model of a microsecond counts with the overhead of a call.
    """
    if isinstance(system, IterativeSystem):
        width = system.n_probes + len(system.crossing.products) + 1
        return _OVERHEAD + _ITERATIONS * 4.0 * system.crossing.w.size * width
    cross = system.cross
    if isinstance(cross, SparseProducts):
        e = cross.pattern.elimination
        return _OVERHEAD + e.work
    operations = _OVERHEAD + len(cross.rest) ** 3 / 3.0
    for own, tier in zip(cross.pattern.tiers, cross.tiers, strict=True):
        k = tier.d.shape[1]
        rows = np.diff(own.ptr).astype(float) + tier.u.shape[1]
        operations += _SPARSE * k * float((rows**2).sum()) + len(rows) * k**3
    return operations


def seconds_of_evaluation(system: ProfiledSystem | BlockedSystem) -> float:
    """Seconds that one evaluation will take, about; 0 where it takes less than a second anyway.

    Its operations at the speed at which this machine, with the threads that the engine may use,
    factorises a matrix now.
    """
    operations = evaluation_cost(system)
    if operations < _QUICK:
        return 0.0
    matrix = np.eye(_TRIAL) * _TRIAL + 1.0
    took = np.inf
    for _ in range(2):  # the first may load the library
        trial = matrix.copy()
        began = time.perf_counter()
        lapack.cholesky_lower(trial)
        took = min(took, time.perf_counter() - began)
    return operations * took / (_TRIAL**3 / 3.0)
