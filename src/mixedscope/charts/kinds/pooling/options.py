"""What can be chosen of the way from complete to no pooling."""

from __future__ import annotations

from typing import Literal

from mixedscope.charts.common.options import Options

__all__ = ["PoolingOptions"]


class PoolingOptions(Options):
    """Draw the conditional modes from complete pooling through the fit to no pooling.

    The relative covariance factor is scaled from 0 to infinity; on simulated data the true mean
    squared error of the modes is drawn below, split into squared bias and variance.
    """

    x: Literal["edf", "s"] = "edf"
    """What runs to the right: effective degrees of freedom (of the grouping factor, and of the
    whole fit for its fitted values), or the scale on a log axis."""
