"""Words that columns of several tables hold and that nothing but tables knows."""

from __future__ import annotations

from typing import Final

__all__ = ["STATUSES"]

#: How a fit ended.
STATUSES: Final = frozenset({"converged", "stopped", "failed"})
