"""Columns of ``runs.parquet`` that count the evaluations of each phase."""

from __future__ import annotations

from typing import Final

__all__ = ["PHASE_COLUMNS"]

#: By phase, in order.
PHASE_COLUMNS: Final = {
    "exploration": "exploration",
    "convergence": "convergence",
    "fine-tuning": "fine_tuning",
}
