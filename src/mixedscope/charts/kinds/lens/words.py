"""What the lens shows, in words made from the stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import percent

__all__ = ["ROLES", "lens_caption", "lens_title", "told_shares"]

#: What the levels that are shown are called.
ROLES: Final = {
    "least": "least data",
    "median": "median data",
    "most": "most data",
    "every": "every level",
}


def told_shares(kept: pd.DataFrame) -> str:
    """The range of shares of an estimate that are kept, by direction."""
    low, high = percent(float(kept["kept"].min())), percent(float(kept["kept"].max()))
    return low if low == high else f"{low} to {high}"


def lens_title(kept: Sequence[tuple[str, pd.DataFrame]], group: str) -> str:
    """Say what share of its own estimate a level keeps, by direction, under the first fit."""
    label, first = kept[0]
    where = f" under {label}" if len(kept) > 1 else ""
    roles = [role for role in ROLES if (first["role"] == role).any()]
    told = [told_shares(first[first["role"] == role]) for role in roles]
    if roles == ["every"]:
        return f"Every level of {group} keeps {told[0]} of its own estimate by direction{where}"
    return (
        f"Of its own estimate the level of {group} with the least data keeps {told[0]} by "
        f"direction, the one with the most {told[-1]}{where}"
    )


def lens_caption(
    kept: Sequence[tuple[str, pd.DataFrame]],
    levels: Sequence[tuple[str, str, int]],
    terms: tuple[str, str],
    *,
    others: int,
) -> str:
    """Say what the two grids are, whose they are, and which directions are gone.

    ``levels``: role, name and rows of each level shown. ``others``: terms that are not.
    """
    x, y = terms
    text = [
        f"The grey grid holds estimates of {x} and {y} that a level's own data could give, as "
        "deviations from the population, in standard deviations of those they do give; the "
        "coloured one what the model makes of each, and the ellipse what it makes of the circle."
    ]
    if others:
        text.append(
            f"The own estimates of the {others} other term{'s' * (others > 1)} are zero in it."
        )
    named = [f"{ROLES[role]}: {level}, {n:,} rows" for role, level, n in levels if role != "every"]
    if named:
        text.append(f"Levels: {'; '.join(named)}.")
    gone = [label for label, frame in kept if (frame.groupby("role")["kept"].min() < 5e-7).all()]
    if gone:
        which = "every fit" if len(gone) == len(kept) > 1 else " and ".join(gone)
        text.append(f"Flat under {which}: a dimension has collapsed.")
    text.append("Fixed effects and the effects of other factors are held.")
    return " ".join(text)
