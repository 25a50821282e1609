"""Contours of a fitted distribution of random effects, seen in the plane of two terms.

The random effects of a level are N(0, S) with S = sigma^2 Lambda Lambda'.  Two of them alone are
N(0, S2), S2 the 2 x 2 sub-block of S (rows *and* columns: rows of Lambda alone would imply another
correlation).  The contour that holds a share c of the distribution is x' S2^-1 x = r^2 with
r^2 = -2 ln(1 - c), the quantile of a chi-square with two degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError

__all__ = ["contour", "correlation_matrix", "radius", "shape", "widest"]

Floats = NDArray[np.float64]
Shape = Literal["ellipse", "segment", "point"]

#: A correlation this close to one is drawn as the line it cannot be told from.
_FLAT = 1e-6


def radius(coverage: float) -> float:
    """Radius, in standard deviations, of the contour that holds a share of a bivariate normal.

    Raises ModelError if the coverage is not between 0 and 1.
    """
    if not 0.0 < coverage < 1.0:
        raise ModelError(f"The coverage of an ellipse lies between 0 and 1, not at {coverage!r}.")
    return float(np.sqrt(-2.0 * np.log1p(-coverage)))


def contour(
    sds: Sequence[float],
    correlation: float,
    coverage: float,
    *,
    centre: Sequence[float] = (0.0, 0.0),
    n: int = 72,
) -> Floats:
    """Points on the contour of a bivariate normal that holds a stated share of it.

    With rho = cos(d), the contour is (s1 r cos t, s2 r cos(t - d)): no factorisation is needed,
    and where rho is +-1 or a standard deviation 0 it closes to a segment or a point by itself.

    ``sds``: standard deviations, units of the two terms. ``correlation``: NaN (undefined, as one of
    the two does not vary) counts as 0. ``coverage``: share of the distribution inside, between 0
    and 1. ``centre``: the mean. ``n``: number of steps around the ellipse. Gives n + 1 points of a
    closed ellipse, the 2 ends of a segment, or 1 point: an array (m, 2).
    """
    r = radius(coverage)
    s1, s2 = (float(s) for s in sds)
    rho = 0.0 if np.isnan(correlation) else float(np.clip(correlation, -1.0, 1.0))
    kind = shape(sds, correlation)
    if kind == "point":
        t = np.zeros(1)
        rho = 0.0
    elif kind == "segment":
        t = np.array([0.0, np.pi])
        rho = 1.0 if rho >= 0 else -1.0
    else:
        t = np.linspace(0.0, 2.0 * np.pi, n + 1)
    at = np.column_stack([s1 * np.cos(t), s2 * np.cos(t - np.arccos(rho))])
    points: Floats = np.asarray(centre, dtype=float) + r * at
    return points


def widest(coverages: Sequence[float]) -> float:
    """Coverage of the region about the mode of one level, by those of the contours drawn."""
    return max(coverages, default=0.95)


def shape(sds: Sequence[float], correlation: float) -> Shape:
    """What a contour is: an ellipse, or for a singular distribution a segment or a point."""
    s1, s2 = (float(s) for s in sds)
    if s1 == 0.0 and s2 == 0.0:
        return "point"
    if s1 == 0.0 or s2 == 0.0 or abs(correlation) >= 1.0 - _FLAT:
        return "segment"
    return "ellipse"


def correlation_matrix(
    estimates: pd.DataFrame, group: str, terms: Sequence[str]
) -> tuple[Floats, Floats]:
    """Read standard deviations and correlations of the random effects of one grouping factor.

    ``estimates``: the stored table. ``terms``: in the order wanted; a term that the model does not
    have has standard deviation 0. Gives ``sds`` (k,) and ``correlations`` (k, k): 0 where the
    structure has none, NaN where it is undefined.
    """
    position = {term: i for i, term in enumerate(terms)}
    sds, correlations = np.zeros(len(position)), np.eye(len(position))
    rows = estimates[estimates["group"] == group]
    columns = rows[["kind", "term", "term2", "estimate"]].to_numpy(dtype=object).tolist()
    for kind, term, term2, estimate in columns:
        i = position.get(str(term))
        if i is None:
            continue
        if kind == "sd":
            sds[i] = estimate
        elif kind == "correlation" and (j := position.get(str(term2))) is not None:
            value = np.nan if pd.isna(estimate) else float(estimate)
            correlations[i, j] = correlations[j, i] = value
    return sds, correlations
