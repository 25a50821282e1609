"""What a fit of a large model will take, told from its blocks before it begins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from mixedscope.engine import lapack
from mixedscope.engine.blocks import evaluation_cost
from mixedscope.engine.memory import bytes_needed, sparse_bytes
from mixedscope.engine.sparse.products import SparseProducts

if TYPE_CHECKING:
    from mixedscope.engine.system import ProfiledSystem

__all__ = ["bytes_of", "seconds_of_evaluation"]

# Operations that take less than a second on any machine, and rows of the matrix that shows how
# fast this one is.
_QUICK: Final = 1e9
_TRIAL: Final = 768


def seconds_of_evaluation(system: ProfiledSystem) -> float:
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


def bytes_of(system: ProfiledSystem) -> int:
    """Bytes that a model holds while it is fitted, its columns included."""
    cross = system.cross
    columns = {id(f.z): f.z.nbytes for f in system.factors}
    kept = (
        sum(columns.values()) + system.basis.q.nbytes + sum(c.nbytes for c in cross.pattern.codes)
    )
    if isinstance(cross, SparseProducts):
        return kept + sparse_bytes(cross.pattern.elimination, cross.n_tail)
    return kept + bytes_needed(cross.pattern, cross.n_tail)
