"""What is drawn of checks, which has no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["CheckOptions"]


class CheckOptions(Options):
    """Draw what should hold of a model and its data on one sheet, a sentence to each panel.

    Simulated data, linearity, homogeneity of variance, influential observations, collinearity, and
    the normality of residuals and of random effects.
    """

    example = "chart = ms.charts.check(fit)"
