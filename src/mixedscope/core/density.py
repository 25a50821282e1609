"""Kernel densities of values that are counted in bins first."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["bandwidth", "counted_density"]

Floats = NDArray[np.float64]

#: Standard deviations after which a kernel is cut off.
_REACH: Final = 6.0


def bandwidth(values: Floats) -> float:
    """Silverman's rule, ``0.9 min(sd, IQR / 1.34) n**-0.2``; 1 where values do not differ."""
    q1, q3 = np.quantile(values, [0.25, 0.75])
    size = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    spread = min(size, float(q3 - q1) / 1.34) or size or 1.0
    return float(0.9 * spread * len(values) ** -0.2)


def counted_density(values: Floats, edges: Floats, width: float) -> Floats:
    """Density of values in bins between edges (m + 1,) of equal steps, (m,).

    Counts are smoothed by a normal kernel with the standard deviation `width`; values outside of
    the edges count as none, and what the kernel carries beyond them is lost.
    """
    step = float(edges[1] - edges[0])
    counts = np.histogram(values, edges)[0] / (len(values) * step)
    spread = width / step
    reach = int(_REACH * spread + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spread) ** 2)
    return np.convolve(counts, kernel / kernel.sum())[reach : reach + len(counts)]
