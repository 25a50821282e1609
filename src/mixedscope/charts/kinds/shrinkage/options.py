"""What can be chosen of shrinkage plots."""

from __future__ import annotations

from mixedscope.charts.common.options import AnyReference, Compared, Ellipses, Scale, Terms

__all__ = ["ShrinkageOptions"]


class ShrinkageOptions(Compared):
    """Draw how far the model pulls each group from what the group alone would say.

    A panel for every pair of terms; a dumbbell chart where there is a single term.
    """

    example = 'chart = ms.charts.shrinkage(full, zerocorr, group="Subject")'

    terms: Terms = None
    reference: AnyReference = "auto"
    scale: Scale = "b"
    ellipses: Ellipses = [0.5, 0.95]
