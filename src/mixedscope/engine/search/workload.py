"""How much memory a model takes while it is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixedscope.engine.memory import bytes_needed, sparse_bytes
from mixedscope.engine.sparse.products import SparseProducts

if TYPE_CHECKING:
    from mixedscope.engine.system import ProfiledSystem

__all__ = ["bytes_of"]


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
