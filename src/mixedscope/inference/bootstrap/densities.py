"""How the draws of a bootstrap are distributed: a density of each parameter, and spikes at ends.

A standard deviation cannot be below 0, nor a correlation beyond ±1, and draws are often exactly
there. Such a distribution is in part a density and in part a spike: the share of the draws at an
end is counted, and the others have a kernel density that is reflected at the ends, so that nothing
of it runs beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.bootstrap.drawn import Drawn

__all__ = ["FEWEST", "densities_of", "kernel_density"]

Floats = NDArray[np.float64]

#: Points of a density, and how far it goes beyond the outermost draws, in bandwidths.
_POINTS: Final = 201
_BEYOND: Final = 3.0

FEWEST: Final = 20
"""Fewer draws inside the range than this have no density."""


def bandwidth(values: Floats) -> float:
    """Silverman's (1986, Density Estimation, eq. 3.31): 0.9 times the lesser of SD and IQR/1.34."""
    spread = float(values.std(ddof=1))
    low, high = np.quantile(values, [0.25, 0.75])
    inner = float(high - low) / 1.34
    return 0.9 * (min(spread, inner) if inner > 0.0 else spread) * len(values) ** -0.2


def kernel_density(values: Floats, places: Floats, width: float, low: float, high: float) -> Floats:
    """Normal kernel density of values (m,) at places (p,) between low and high.

    What a kernel has beyond an end is reflected to the inside, so that all is between the ends.
    """
    total = np.zeros(len(places))
    for own in (values, 2.0 * low - values, 2.0 * high - values):
        if not np.isfinite(own).all():
            continue
        near = own[(own > places[0] - 6.0 * width) & (own < places[-1] + 6.0 * width)]
        for chunk in np.array_split(near, len(near) // 4096 + 1):
            z = (places[:, None] - chunk) / width
            total += np.exp(-0.5 * z * z).sum(axis=1)
    return total / (len(values) * width * math.sqrt(2.0 * math.pi))


def densities_of(
    parameters: Sequence[Drawn],
    ends: pd.DataFrame,
    *,
    level: float,
    interval: str,
    used: int,
    singular: int,
) -> dict[str, pd.DataFrame]:
    """Give the tables ``bootstrap_parameters`` and ``bootstrap_densities`` of some draws.

    ``ends``: intervals, as `Bootstrap.confint` gives them of this level and kind. ``used``,
    ``singular``: how many draws count, and of them are singular. A density has the area of the
    share of draws that are inside the range; parameters of fewer than 20 such draws have none.
    """
    names = ["kind", "group", "term", "term2"]
    intervals = {
        tuple(None if pd.isna(part) else part for part in key): (lower, upper)
        for *key, lower, upper in ends[[*names, "lower", "upper"]]
        .astype(object)
        .itertuples(index=False, name=None)
    }
    rows, frames = [], []
    for own in parameters:
        head = dict(zip(names, own.key, strict=True))
        known, inside = own.values[own.known], own.values[own.inside]
        width = bandwidth(inside) if len(inside) >= FEWEST else math.nan
        lower, upper = intervals.get(own.key, (math.nan, math.nan))
        rows.append(
            {
                **head,
                "estimate": own.estimate,
                "mean": float(known.mean()) if len(known) else math.nan,
                "std_dev": float(known.std(ddof=1)) if len(known) > 1 else math.nan,
                "lower": lower,
                "upper": upper,
                "level": level,
                "interval": interval,
                "range_low": own.low if own.at_low.any() else math.nan,
                "range_high": own.high if own.at_high.any() else math.nan,
                "at_low": int(own.at_low.sum()),
                "at_high": int(own.at_high.sum()),
                "draws": len(known),
                "bandwidth": width,
                "used": used,
                "singular": singular,
            }
        )
        if not width > 0.0:
            continue
        reach = _BEYOND * width
        places = np.linspace(
            max(float(inside.min()) - reach, own.low),
            min(float(inside.max()) + reach, own.high),
            _POINTS,
        )
        heights = kernel_density(inside, places, width, own.low, own.high)
        density = heights * (len(inside) / len(known))
        frames.append(pd.DataFrame({"value": places, "density": density}).assign(**head))
    columns = [*names, "value", "density"]
    return {
        "bootstrap_parameters": pd.DataFrame(rows, columns=list(_PARAMETERS)),
        "bootstrap_densities": pd.concat(frames, ignore_index=True)[columns]
        if frames
        else pd.DataFrame(columns=columns),
    }


_PARAMETERS: Final = (
    "kind", "group", "term", "term2", "estimate", "mean", "std_dev", "lower", "upper", "level",
    "interval", "range_low", "range_high", "at_low", "at_high", "draws", "bandwidth", "used",
    "singular",
)  # fmt: skip
