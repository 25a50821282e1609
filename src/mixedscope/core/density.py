"""Kernel densities of values that are counted in bins first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bandwidth", "counted_density"]

Floats = NDArray[np.float64]


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
    from scipy.ndimage import gaussian_filter1d  # which plans do not need

    step = float(edges[1] - edges[0])
    counts = np.histogram(values, edges)[0] / (len(values) * step)
    return np.asarray(gaussian_filter1d(counts, width / step, mode="constant", truncate=6.0))
