"""What is drawn of marginal means, which has no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["MeansOptions"]


class MeansOptions(Options):
    """Draw estimated marginal means with their intervals, and effects of numbers as bands."""

    example = 'chart = ms.charts.means(fit.means("Machine"))'
