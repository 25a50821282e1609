"""p values and intervals of many differences at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["ADJUSTMENTS", "adjusted"]

Floats = NDArray[np.float64]

#: Quantiles that are computed of many.
_NODES: Final = 6

ADJUSTMENTS: Final = ("tukey", "holm", "bonferroni", "none")


def adjusted(
    table: pd.DataFrame, how: str, *, means: int, level: float, fine: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Lower and upper ends and p values (c,) of differences that are tested together.

    ``table`` has ``estimate``, ``std_error``, ``df``, ``statistic`` and plain p values; ``means``
    is how many means were paired. Those that are not `fine` have no p value to be ordered.
    ``tukey``: the studentised range (Tukey 1953; Kramer 1956, Biometrics 12, 307-310). ``holm``:
    Holm (1979, Scand. J. Stat. 6, 65-70), whose intervals are those of Bonferroni, as in emmeans.
    """
    from scipy.stats import t

    estimates = table["estimate"].to_numpy()
    errors, degrees = table["std_error"].to_numpy(), table["df"].to_numpy()
    statistics, plain = np.abs(table["statistic"].to_numpy()), table["p_value"].to_numpy()
    count = len(table)  # a pair that cannot be told was asked about too
    if how == "tukey" and means > 2:
        pairs = list(zip(statistics.tolist(), degrees.tolist(), strict=True))
        p = np.array([_tukey_tail(s, means, d) for s, d in pairs])
        widths = _tukey_widths(level, means, degrees) * errors
        return estimates - widths, estimates + widths, p
    split = 1.0 if how in ("none", "tukey") else count
    widths = t.ppf(1.0 - (1.0 - level) / (2.0 * split), degrees) * errors
    p = plain.copy()
    if how == "bonferroni":
        p = np.minimum(1.0, count * plain)
    elif how == "holm":
        order = np.flatnonzero(fine)[np.argsort(plain[fine], kind="stable")]
        steps = plain[order] * np.arange(count, count - len(order), -1)
        p[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return estimates - widths, estimates + widths, p


@lru_cache(maxsize=1024)
def _tukey_tail(statistic: float, means: int, df: float) -> float:
    """Probability that the range of so many means, over sqrt(2), is as large."""
    from scipy.stats import studentized_range

    return float(np.clip(studentized_range.sf(statistic * np.sqrt(2.0), means, df), 0.0, 1.0))


def _tukey_widths(level: float, means: int, degrees: Floats) -> Floats:
    """Quantiles (c,) of the range over sqrt(2), for degrees of freedom (c,).

    Each takes a root of a double integral; they are smooth in 1 / df, so that of many few are
    computed, and the others are on the polynomial through these (at Chebyshev's nodes).
    """
    inverse = 1.0 / degrees
    different = np.unique(inverse)
    if len(different) <= _NODES:
        return np.array([_tukey_width(level, means, float(d)) for d in degrees])
    low, high = float(different[0]), float(different[-1])
    angles = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    nodes = 0.5 * (low + high) + 0.5 * (high - low) * angles
    values = [_tukey_width(level, means, float(1.0 / u)) for u in nodes]
    fitted = np.polynomial.Chebyshev.fit(nodes, values, _NODES - 1, domain=[low, high])
    return np.asarray(fitted(inverse))


@lru_cache(maxsize=256)
def _tukey_width(level: float, means: int, df: float) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(level, means, df) / np.sqrt(2.0))
