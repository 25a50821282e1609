"""What can be chosen of a chart of profile densities."""

from __future__ import annotations

from typing import ClassVar

from mixedscope.charts.kinds.zeta.options import OfProfile

__all__ = ["ProfiledensityOptions"]


class ProfiledensityOptions(OfProfile):
    """Draw the density of every parameter that its profile gives, were zeta a normal variable.

    That is φ(ζ) ζ′, beside Wald's normal density. What of it is missing where the range of a
    parameter ends is a bar at the end, its share written beside it.
    """

    example: ClassVar[str] = "ms.charts.profiledensity(fit.profile())"
