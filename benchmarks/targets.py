"""What was aimed at, and whether it was met."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .cases import CASES
from .competitors import OURS

__all__ = ["targets_table"]

_SLOW_LME4 = 0.3
_SLOW_MIXEDLM = 0.01


@dataclass(frozen=True)
class _Target:
    """A measured number, the bound it was to keep, and on which side of it it must be."""

    name: str
    measured: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it was met; None if it was not measured."""
        if math.isnan(self.measured):
            return None
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def targets_table(table: pd.DataFrame) -> pd.DataFrame:
    """Hold the measurements, in CPU seconds, against the targets.

    Parameters
    ----------
    table : DataFrame
        As in ``benchmarks.parquet``.

    Returns
    -------
    DataFrame
        ``case``, ``target``, ``measured``, ``wanted``, ``met`` (missing where it was not measured).
    """
    rows = [
        (case, t.name, t.measured, t.wanted, t.met)
        for case, part in table.groupby("case", sort=False)
        for t in _targets(str(case), part.set_index("competitor").to_dict("index"))
    ]
    frame = pd.DataFrame(rows, columns=["case", "target", "measured", "wanted", "met"])
    return frame.astype({"met": "boolean"})


def _targets(case: str, part: Mapping[Hashable, Mapping[Any, Any]]) -> Iterator[_Target]:
    def value(competitor: str, column: str) -> float:
        return float(part[competitor][column]) if competitor in part else math.nan

    total, fit = value(OURS, "total_cpu_s"), value(OURS, "fit_cpu_s")
    lme4, mixedlm = value("lme4", "total_cpu_s"), value("mixedlm", "total_cpu_s")
    ratio = CASES[case].ratio if case in CASES else None
    if ratio is not None:
        yield _Target("fit, lme4", lme4 / fit, 2.0 * ratio)
    yield _Target("total, lme4", lme4 / total, 20.0 if lme4 > _SLOW_LME4 else 5.0)
    if mixedlm > _SLOW_MIXEDLM:
        yield _Target("fit, mixedlm", value("mixedlm", "fit_cpu_s") / fit, 5.0)
        yield _Target("total, mixedlm", mixedlm / total, 5.0)
    if not math.isnan(value(OURS, "floor_s")):
        floor = value(OURS, "evaluation_s") / value(OURS, "floor_s")
        yield _Target("evaluation, dpotrf", floor, 1.5, at_most=True)
    objective = value(OURS, "objective")
    tolerance = 1e-5 if abs(objective) > 20_000 else 1e-6
    yield _Target("objective, best", value(OURS, "excess"), tolerance, at_most=True)
