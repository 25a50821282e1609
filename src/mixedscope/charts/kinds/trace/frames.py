"""The tables behind a trace chart: evaluations, and how far they are from the minimum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.along import places_along
from mixedscope.charts.common.probe_band import probe_error
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = [
    "KINDS",
    "evaluation_frame",
    "headroom",
    "kept_rows",
    "next_power",
    "on_the_way",
    "rounded",
    "same_problem",
    "theta_span",
]

#: Kinds of evaluations: what they are called, and their mark.
KINDS: Final = {
    "evaluation": ("evaluation", "circle"),
    "polish": ("while polishing", "triangle-up"),
    "escape": ("while escaping a saddle or a false bound", "diamond"),
    "restart": ("while looking for a lower minimum", "triangle-down"),
    "failed": ("failed (at the top edge)", "M-.7,-.7L.7,.7M-.7,.7L.7,-.7"),
    "best": ("best so far", "stroke"),
}


def theta_span(tables: Sequence[FitTables]) -> tuple[float, float]:
    """Range of the axis of θ: that of the best points so far, and a third of it on either side.

    Single trials far away, which every search makes, would leave no room for the rest.  The range
    never exceeds that of the trials.
    """
    lows, highs, ends = [], [], []
    for fit in tables:
        trace = fit.require("trace")
        theta = np.array(trace["theta"].tolist(), dtype=float)
        improved = (trace["objective"] == trace["best"]).to_numpy()
        lows.append(theta[improved].min())
        highs.append(theta[improved].max())
        ends += [theta.min(), theta.max()]
    low, high = min(lows), max(highs)
    room = (high - low) / 3
    return float(max(low - room, min(ends))), float(min(high + room, max(ends)))


def same_problem(fit: FitTables, tables: Sequence[FitTables]) -> list[FitTables]:
    """Find the fits of the same objective, the fit itself among them, by whatever optimiser.

    Objectives that were estimated by different numbers of random probes are not the same.
    """

    def objective(info: dict[str, Any]) -> tuple[Any, ...]:
        sha256 = (info.get("dataset") or {}).get("sha256")
        probes = probe_error(info).probes
        return info["formula"], info["structure"], info["criterion"], sha256, probes

    return [other for other in tables if objective(other.info) == objective(fit.info)]


def evaluation_frame(
    fit: FitTables, tables: Sequence[FitTables], floor: float, x: str
) -> pd.DataFrame:
    """Give a row per evaluation: where it is drawn and what it tells when pointed at.

    ``fit``: with ``trace``, and ``timing`` for ``x="seconds"``. ``tables``: all fits drawn: gaps
    count from the smallest objective of those of the same problem. ``floor``: smallest gap that is
    drawn. ``x`` is one of "evaluation", "seconds". Raises ModelError if no evaluation succeeded.
    """
    trace = fit.require("trace")
    objective = trace["objective"].to_numpy(dtype=float)
    if not np.isfinite(objective).any():
        raise ModelError(f"No evaluation of the fit of {fit.info['formula']!r} succeeded.")
    minimum = min(
        float(np.nanmin(other.require("trace")["objective"].to_numpy(dtype=float)))
        for other in same_problem(fit, tables)
    )
    ok = (trace["status"] == "ok").to_numpy()
    number = trace["evaluation"].to_numpy(dtype=float)
    left, at, right = places_along(fit, number, x)
    stage = trace["stage"].to_numpy(dtype=object)
    kind = np.where(stage == "search", "evaluation", stage)
    return pd.DataFrame(
        {
            "x": at,
            "left": left,
            "right": right,
            "gap": np.where(ok, np.maximum(objective - minimum, floor), np.nan),
            "best": np.maximum(trace["best"].to_numpy(dtype=float) - minimum, floor),
            "kind": np.where(ok, np.where(np.isin(kind, list(KINDS)), kind, "polish"), "failed"),
            "evaluation": trace["evaluation"].to_numpy(),
            "stage": stage,
            "phase": trace["phase"].to_numpy(dtype=object),
            "objective": objective,
            "rho": trace["rho"].to_numpy(dtype=float),
        }
    )


def on_the_way(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Find the evaluations that led to the end: all but trials elsewhere that found nothing lower.

    ``frame``: as made by `evaluation_frame`.
    """
    elsewhere = frame["stage"].isin(["escape", "restart"]).to_numpy()
    lower = (frame["gap"] <= frame["best"]).to_numpy()
    first = np.append(True, (frame["best"] < frame["best"].shift()).to_numpy()[1:])
    return ~elsewhere | (lower & first)


def kept_rows(frame: pd.DataFrame, limit: int) -> np.ndarray[Any, Any]:
    """Choose every k-th evaluation, the ends of phases and stages, and failed ones (every m-th)."""
    n = len(frame)
    keep = np.zeros(n, dtype=bool)
    keep[:: math.ceil(n / limit)] = True
    if n > limit:
        for column in ("phase", "stage"):
            change = (frame[column] != frame[column].shift()).to_numpy()
            keep |= change | np.append(change[1:], True)
        failed = np.flatnonzero(frame["kind"] == "failed")
        keep[failed[:: max(1, math.ceil(failed.size / limit))]] = True
    return keep


def next_power(value: float, floor: float) -> float:
    """Give the next power of ten, at least a decade above the floor."""
    return float(max(10.0 ** math.ceil(math.log10(value) - 1e-9), 10 * floor))


def headroom(low: float, high: float, height: int) -> float:
    """Upper end of a log axis with room for half a label, so that none stands out of the panel.

    A label that does pushes the headers of its panel away from those beside it.
    """
    return high * (high / low) ** (7.0 / height)


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep seven significant digits for what is drawn; the objective, which is read, keeps all."""
    out = frame.copy()
    for column in out.columns:
        if out[column].dtype == np.float64 and column != "objective":
            out[column] = [float(f"{v:.7g}") for v in out[column]]
    return out
