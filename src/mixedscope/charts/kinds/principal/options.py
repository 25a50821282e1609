"""What can be chosen of charts of principal axes."""

from __future__ import annotations

from mixedscope.charts.common.options import Ellipses, Options, Reference

__all__ = ["PrincipalOptions"]


class PrincipalOptions(Options):
    """Draw shrinkage in the principal axes of the fitted covariance of the random effects.

    A panel for the first axis and each of the others, and the loadings of all: a singular fit,
    which pairs of terms can hide, shows as an axis along which all modes lie on one line.
    """

    example = 'chart = ms.charts.principal(fit, group="subject")'

    reference: Reference = "auto"
    ellipses: Ellipses = [0.5, 0.95]
