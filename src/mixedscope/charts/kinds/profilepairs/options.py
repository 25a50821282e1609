"""What can be chosen of a chart of profile pairs."""

from __future__ import annotations

from typing import ClassVar

from mixedscope.charts.common.options import Options
from mixedscope.charts.kinds.ridge.options import Parameters

__all__ = ["ProfilepairsOptions"]


class ProfilepairsOptions(Options):
    """Draw contours of the likelihood of every pair of parameters, all others optimised.

    Above the diagonal in the units of the parameters, below it on the scale of zeta, where a
    normal likelihood has ellipses. With the traces: where one is optimised as the other is held.
    """

    example: ClassVar[str] = "ms.charts.profilepairs(fit)  # after fit.profile_pairs()"

    parameters: Parameters = None
