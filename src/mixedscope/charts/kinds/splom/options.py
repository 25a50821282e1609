"""What can be chosen of a scatter-plot matrix."""

from __future__ import annotations

from typing import Literal

from mixedscope.charts.common.options import Ellipses, Options, Terms

__all__ = ["SplomOptions"]


class SplomOptions(Options):
    """Draw every two terms of a grouping factor against each other, and the density of each.

    Conditional modes with contours of the fitted distribution; or the numeric columns of any table
    given in place of a fit.
    """

    example = "chart = ms.charts.splom(fit)"

    terms: Terms = None
    values: Literal["mode", "joint_limit", "within_group"] = "mode"
    """Conditional modes, or one of their references, as deviations from the population."""
    ellipses: Ellipses = [0.5, 0.95]
