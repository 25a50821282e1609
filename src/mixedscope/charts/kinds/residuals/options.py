"""What is drawn of residuals, which has no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["ResidualsOptions"]


class ResidualsOptions(Options):
    """Draw standardised residuals: normal quantiles, fitted values, leverages, and by group.

    What is stored of the first fit is drawn.
    """

    example = "chart = ms.charts.residuals(fit)"
