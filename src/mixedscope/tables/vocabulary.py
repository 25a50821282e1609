"""Words that columns of several tables hold."""

from __future__ import annotations

from typing import Final

__all__ = ["PHASE_NAMES", "STATUSES"]

#: Phases of an optimisation in the order in which they come (`mixedscope.optimize.phases`).
PHASE_NAMES: Final = ("exploration", "convergence", "fine-tuning")

#: How a fit ended.
STATUSES: Final = frozenset({"converged", "stopped", "failed"})
