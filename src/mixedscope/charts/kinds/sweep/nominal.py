"""Words about shares that are to be certain ones: coverage of intervals, rejections of tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixedscope.charts.common.numerals import share_in_tenths
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.summaries.measures import MEASURES, Measure
from mixedscope.summaries.runs import Summary

__all__ = ["about_nominal", "nominal_words", "rate_words"]


def rate_words(summary: Summary) -> str:
    """What a rate of rejection is, as far as the truth is the same at all points."""
    null = summary.frame["null"]
    if (null == 1.0).all():
        return "type I error"
    return "power" if (null == 0.0).all() else MEASURES[summary.chart["y"]].short


def nominal_words(frame: pd.DataFrame) -> str:
    """Write what the shares of some points are to be: ``95 %``, as a rule one number."""
    levels = sorted(set(frame["nominal"].astype(float)))
    return joined([share_in_tenths(level) for level in levels])


def about_nominal(summary: Summary, measure: Measure) -> list[str]:
    """Say what a share is to be, and how well it is known."""
    frame = summary.frame
    if measure.nominal is None:
        return []
    known = frame["nominal"].dropna()
    drawn = "" if summary.chart["kind"] == "heat" or known.empty else " (dashed line)"
    words = []
    if measure.nominal == "level":
        level = f", of level {nominal_words(known.to_frame())}{drawn}," if len(known) else ""
        words.append(
            f"Coverage: share of the intervals{level} that contain the value the data were made "
            "with."
        )
    else:
        size = f" below {nominal_words(known.to_frame())}{drawn}" if len(known) else ""
        true, false = int((frame["null"] == 1.0).sum()), int((frame["null"] == 0.0).sum())
        rest = len(frame) - true - false
        words.append(f"A test rejects where its p value is{size or ' below one minus the level'}.")
        told = [
            f"{what} at {count}"
            for count, what in (
                (true, "true (type I error)"),
                (false, "false (power)"),
                (rest, "not known to be either"),
            )
            if count
        ]
        words.append(f"Of {len(frame)} points the hypothesis is {joined(told)}.")
    shares, counts = frame["middle"].astype(float), frame["count"].astype(float)
    if summary.is_sample and counts.min() > 1:
        largest = float(np.sqrt(shares * (1.0 - shares) / counts).max())
        words.append(f"Monte Carlo standard errors are at most {share_in_tenths(largest)}.")
    return words
