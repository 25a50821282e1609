"""The draws of one parameter of a bootstrap, and which of them are at an end of its range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drawn", "Key"]

Floats = NDArray[np.float64]
#: What names a parameter: kind, group, term, second term.
Key = tuple[str, str | None, str | None, str | None]

#: A standard deviation up to this share of the largest draw is at 0; a correlation so near to an
#: end of its range is there.
_ZERO: Final = 1e-5
_END: Final = 1e-7


@dataclass(frozen=True)
class Drawn:
    """The draws of one parameter.

    Attributes
    ----------
    key : (kind, group, term, term2)
    estimate : float
        The parameter that responses were drawn from.
    values : (m,) array
        Of all draws; NaN where a draw does not count, or has no such parameter.
    """

    key: Key
    estimate: float
    values: Floats

    @property
    def low(self) -> float:
        """The lower end of its range."""
        if self.key[0] in ("sd", "sigma", "dispersion"):
            return 0.0
        if self.key[0] != "correlation" or not self.known.any():
            return -math.inf
        least = float(np.nanmin(self.values))
        # Some structures let correlations go down to less than -1: there several draws agree.
        return least if int((self.values <= least + _END).sum()) > 1 else -1.0

    @property
    def high(self) -> float:
        """The upper end of its range."""
        return 1.0 if self.key[0] == "correlation" else math.inf

    @property
    def known(self) -> NDArray[np.bool_]:
        """Draws (m,) that have a value."""
        return np.isfinite(self.values)

    @property
    def at_low(self) -> NDArray[np.bool_]:
        """Draws (m,) at the lower end of the range."""
        return self._near(self.low)

    @property
    def at_high(self) -> NDArray[np.bool_]:
        """Draws (m,) at the upper end of the range."""
        return self._near(self.high)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Draws (m,) between the ends."""
        return self.known & ~self.at_low & ~self.at_high

    def _near(self, end: float) -> NDArray[np.bool_]:
        if not math.isfinite(end):
            return np.zeros(len(self.values), dtype=bool)
        reach = _END
        if self.key[0] == "sd":
            reach = _ZERO * float(np.nanmax(self.values, initial=0.0))
        return self.known & (np.abs(self.values - end) <= reach)
