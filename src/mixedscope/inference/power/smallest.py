"""The smallest size that has the power that is wanted: read off a curve, or searched for.

Between two sizes the probit of power is taken to be linear in the root of the size, which it is
where standard errors fall with that root. Curves are made monotone first (adjacent violators are
pooled): more data do not lower power, and what seems to is Monte-Carlo error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.power.performance import wilson
from mixedscope.tables.kinds.power import POWER_SIZES

__all__ = ["search_smallest", "smallest_sizes"]

Floats = NDArray[np.float64]

#: Sizes that a search looks at, at most.
_MOST: Final = 20

#: Probabilities beyond these have no probit worth the name.
_ENDS: Final = 1e-4


def smallest_sizes(power: pd.DataFrame, wanted: float) -> pd.DataFrame:
    """The table ``power_sizes``: for every effect the size at which its power reaches `wanted`.

    One row for each size of a second factor. ``size_lower`` and ``size_upper`` are where the ends
    of the intervals of power reach it: sizes that the draws do not exclude. Missing is what no size
    of the curve reaches.
    """
    rows: list[dict[str, Any]] = []
    known = power[power["factor"].notna()]
    for effect in dict.fromkeys(known["effect"]):
        of_effect = known[known["effect"] == effect]
        if (of_effect["truth"] == of_effect["value"]).all():
            continue  # nothing is to be found, whatever the size
        for size2 in dict.fromkeys(of_effect["size2"]):
            own = of_effect if pd.isna(size2) else of_effect[of_effect["size2"] == size2]
            rows.append(_read_off(own.sort_values("size"), effect, wanted))
    columns = POWER_SIZES.columns
    assert columns is not None
    return pd.DataFrame({c: pd.Series([row.get(c) for row in rows], dtype=object) for c in columns})


def _read_off(own: pd.DataFrame, effect: str, wanted: float) -> dict[str, Any]:
    sizes = own["size"].to_numpy(dtype=float)
    hits, counts = (own[c].to_numpy(dtype=float) for c in ("rejected", "tested"))
    pooled = _pooled(hits, counts)
    ends = np.array([wilson(int(h), int(n)) for h, n in zip(*pooled, strict=True)]).reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        shares = pooled[0] / pooled[1]
    size = _crossing(sizes, shares, wanted)
    first = own.iloc[0]
    row: dict[str, Any] = {
        "effect": effect,
        "factor": first["factor"],
        "factor2": first["factor2"],
        "size2": first["size2"],
        "wanted": wanted,
        "size": size,
        "size_lower": _crossing(sizes, ends[:, 1], wanted),
        "size_upper": _crossing(sizes, ends[:, 0], wanted),
        "smallest": int(sizes[0]),
        "largest": int(sizes[-1]),
    }
    # The power of a size that was looked at is its own.
    if size is not None and (at := np.flatnonzero(sizes == size)).size:
        names = ("power", "power_lower", "power_upper")
        row |= {name: float(own[name].iloc[int(at[0])]) for name in names}
    return row


def _pooled(hits: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Hits and counts (s,) of neighbours put together until shares do not fall."""
    blocks: list[list[float]] = []
    for h, n in zip(hits.tolist(), counts.tolist(), strict=True):
        blocks.append([h, n, 1])
        while len(blocks) > 1 and _share(blocks[-2]) > _share(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    repeats = [int(b[2]) for b in blocks]
    return np.repeat([b[0] for b in blocks], repeats), np.repeat([b[1] for b in blocks], repeats)


def _share(block: Sequence[float]) -> float:
    return block[0] / block[1] if block[1] else 0.0


def _crossing(sizes: Floats, shares: Floats, wanted: float) -> int | None:
    """Smallest whole size at which an ascending curve reaches `wanted`; None if it does nowhere."""
    from scipy.stats import norm

    reached = np.flatnonzero(shares >= wanted)
    if not len(reached):
        return None
    at = int(reached[0])
    if at == 0:
        return int(sizes[0])
    low, high = shares[at - 1], shares[at]
    if not math.isfinite(low):
        return int(sizes[at])
    z = norm.ppf(np.clip([low, high, wanted], _ENDS, 1.0 - _ENDS))
    roots = np.sqrt(sizes[[at - 1, at]])
    root = roots[0] + (roots[1] - roots[0]) * (z[2] - z[0]) / (z[1] - z[0])
    # A root that is a whole number but for rounding is that number.
    return math.ceil(min(float(root), float(roots[1])) ** 2 - 1e-9)


def search_smallest(
    make: Callable[[int], list[dict[str, Any]]],
    low: int,
    high: int,
    wanted: float,
    frame: Callable[[list[dict[str, Any]]], pd.DataFrame],
) -> list[dict[str, Any]]:
    """Look at sizes from low to high until two next to each other have the wanted between them.

    ``make`` gives the rows of the table ``power`` of a size. Every effect has a search, and all
    share the sizes that any looked at. Where a range is too wide for that the last size looked at
    is the one that the curve so far says. Gives all rows.
    """
    rows: dict[int, list[dict[str, Any]]] = {}

    def look(size: int) -> None:
        if size not in rows and len(rows) < _MOST:
            rows[size] = make(size)

    look(low)
    look(high)
    if high - low > 1:
        look(math.ceil(math.sqrt(low * high)))
    while len(rows) < _MOST:
        whole = frame([row for size in sorted(rows) for row in rows[size]])
        found = smallest_sizes(whole, wanted)
        asked: list[int] = []
        for size in found["size"]:
            if size is None:
                continue
            asked += [s for s in (size, size - 1) if low <= s <= high and s not in rows]
        if not asked:
            break
        look(asked[0])
    return [row for size in sorted(rows) for row in rows[size]]
