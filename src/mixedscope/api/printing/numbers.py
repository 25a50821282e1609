"""Numbers as tables for people print them."""

from __future__ import annotations

import math

from mixedscope.api.printing.document import Figures
from mixedscope.core import result_table

__all__ = ["MISSING", "decimals_of", "fixed"]

#: In the place of a number that is not known.
MISSING = Figures(result_table.MISSING)

#: Most decimals, and digits before the point, that are written out.
_MOST = 7


def decimals_of(unit: float, digits: int) -> int | None:
    """Decimals at which `unit` has so many significant digits; None where it has no size."""
    if not (math.isfinite(unit) and unit != 0.0):
        return None
    # By way of its text, which is rounded: 0.0996 to one digit is 0.1.
    return digits - 1 - int(f"{abs(unit):.{digits - 1}e}".partition("e")[2])


def fixed(value: float, decimals: int | None) -> Figures:
    """A number with so many decimals, or in powers of ten where these would be too many."""
    if math.isnan(value):
        return MISSING
    if value == 0.0:
        return Figures("0")
    if decimals is None:
        return Figures(f"{value:.6g}")
    if decimals > _MOST or abs(value) >= 10.0 ** (_MOST + 2):
        at = decimals_of(value, 1)
        return Figures(f"{value:.{max(decimals - (at or 0), 0)}e}")
    text = f"{value:.{max(decimals, 0)}f}"
    return Figures(text if float(text) else text.removeprefix("-"))
