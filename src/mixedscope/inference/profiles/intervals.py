"""Profile intervals as a table: where zeta is the quantile of the normal distribution."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.intervals.columns import no_value
from mixedscope.inference.profiles.parameters import KEY, Key
from mixedscope.inference.profiles.profiler import NO_FIXED_EFFECTS, Profiler, quantile_of

if TYPE_CHECKING:
    from mixedscope.engine.search.searchable import SearchableObjective

__all__ = ["profile_intervals", "profile_intervals_of"]

Floats = NDArray[np.float64]


def profile_intervals(
    objective: SearchableObjective, theta: Floats, level: float, estimates: pd.DataFrame
) -> pd.DataFrame:
    """Give an interval for each parameter, see `profile_intervals_of`."""
    return profile_intervals_of(Profiler(objective, theta, estimates), level, estimates)


def profile_intervals_of(
    profiler: Profiler,
    level: float,
    estimates: pd.DataFrame,
    shown: Collection[tuple[object, ...]] | None = None,
    levels: tuple[float, ...] = (),
) -> pd.DataFrame:
    """Give a row for each parameter, or for some: ends, and in ``remark`` what is to be said.

    What a structure makes equal has the same interval. That of a power of a correlation, as ``ar1``
    has between effects further apart, is the image of the interval of the correlation: the profile
    of a function of a parameter is least over all its values of which it is one. ``shown``: keys of
    the rows wanted; parameters tied to them are among them. ``levels``: of profiles followed so
    far, from where ends are looked for; by default they are followed as far as this level.
    """
    quantile_of(level)
    levels = levels or (level,)
    found: dict[Key, tuple[float, float, str | None]] = {}
    for parameter in profiler.known:
        keys = [parameter.key, *(key for key, _ in parameter.ties)]
        if shown is not None and not any(key in shown for key in keys):
            continue
        low, high, remark = profiler.ends(parameter, level, levels)
        found[parameter.key] = low, high, remark
        for key, power in parameter.ties:
            found[key] = *_power(low, high, power), remark
    table = estimates.loc[estimates["kind"] != "theta", [*KEY, "estimate"]].reset_index(drop=True)
    ends = [
        found.get(key) or (np.nan, np.nan, _missing(profiler, key, estimate))
        for key, estimate in zip(profiler.keys, table["estimate"], strict=True)
    ]
    table["lower"], table["upper"] = [e[0] for e in ends], [e[1] for e in ends]
    table["remark"] = pd.Series([e[2] for e in ends], dtype=object)
    if shown is not None:
        table = table.loc[[key in found for key in profiler.keys]].reset_index(drop=True)
    return table


def _power(low: float, high: float, power: int) -> tuple[float, float]:
    """Least and largest of ``x ** power`` for x from `low` to `high`."""
    ends = low**power, high**power
    if power % 2 == 0 and low < 0.0 < high:
        return 0.0, max(ends)
    return min(ends), max(ends)


def _missing(profiler: Profiler, key: Key, estimate: float) -> str:
    """Say why a parameter has no profile."""
    if key[0] == "beta":
        return NO_FIXED_EFFECTS
    # A sigma that is estimated has a profile.
    knows_sigma = bool(np.isfinite(estimate))
    return no_value(key[0], estimate, knows_sigma=knows_sigma) or "fixed by the structure"
