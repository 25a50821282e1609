"""Columns of ``runs.parquet`` that count the evaluations of each phase."""

from __future__ import annotations

from typing import Final

from mixedscope.core.vocabulary import PHASES

__all__ = ["PHASE_COLUMNS"]

#: By phase, in order.
PHASE_COLUMNS: Final = {phase: phase.replace("-", "_") for phase in PHASES}
