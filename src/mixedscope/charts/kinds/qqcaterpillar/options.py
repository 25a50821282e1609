"""What can be chosen of quantile plots of conditional modes."""

from __future__ import annotations

from mixedscope.charts.common.options import Coverage, Options, Terms

__all__ = ["QqcaterpillarOptions"]


class QqcaterpillarOptions(Options):
    """Draw ordered conditional modes against normal quantiles, with the envelope of the fit.

    The line is that of the modes' own standard deviation, which shrinkage makes smaller than that
    of the random effects; the envelope holds 95 % of each ordered mode of draws from the fit.
    """

    example = 'chart = ms.charts.qqcaterpillar(fit, group="Subject")'

    terms: Terms = None
    level: Coverage = 0.95
