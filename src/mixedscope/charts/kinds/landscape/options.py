"""What is drawn of landscapes, which have no options: the study chooses."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["LandscapeOptions"]


class LandscapeOptions(Options):
    """Draw the objective around the path of the optimiser: contours for pairs of parameters.

    One fit at a time; `Fit.study("landscape", ...)` chooses pairs, scale and window beforehand.
    """
