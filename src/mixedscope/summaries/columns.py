"""What columns of numbers amount to: the density of each, the correlation of every two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from mixedscope.core.density import bandwidth, counted_density

__all__ = ["column_correlations", "column_densities"]

#: Places at which a density is worked out, and bandwidths that it goes beyond the values.
_PLACES: Final = 128
_BEYOND: Final = 3.0


def column_densities(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Kernel densities of columns, bandwidths by Silverman's rule: ``column``, ``x``, ``density``.

    Missing values are left out. A column without two different values has none.
    """
    out = []
    for name in columns:
        values = frame[name].dropna().to_numpy(dtype=float)
        if len(values) < 2 or not np.ptp(values) > 0.0:
            continue
        width = bandwidth(values)
        low, high = values.min() - _BEYOND * width, values.max() + _BEYOND * width
        edges = np.linspace(low, high, _PLACES + 1)
        density = counted_density(values, edges, width)
        middle = 0.5 * (edges[1:] + edges[:-1])
        out.append(pd.DataFrame({"column": name, "x": middle, "density": density}))
    empty = pd.DataFrame({"column": [], "x": [], "density": []})
    return pd.concat(out, ignore_index=True) if out else empty


def column_correlations(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Pearson correlations of every two columns, of rows where both are known.

    A row per pair: ``first``, ``second``, ``rows``, ``correlation`` (missing where a column does
    not vary).
    """
    rows = []
    for j, second in enumerate(columns):
        for first in columns[:j]:
            both = frame[[first, second]].dropna().to_numpy(dtype=float)
            varies = len(both) > 1 and bool((np.ptp(both, axis=0) > 0.0).all())
            value = float(np.corrcoef(both.T)[0, 1]) if varies else np.nan
            rows.append({"first": first, "second": second, "rows": len(both), "correlation": value})
    return pd.DataFrame(rows, columns=["first", "second", "rows", "correlation"])
