"""What a scatter-plot matrix says, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import fixed, share

__all__ = ["WHAT", "splom_caption", "splom_title"]

#: What is drawn of a grouping factor.
WHAT: Final = {
    "mode": "Conditional modes",
    "joint_limit": "Joint limits",
    "within_group": "Own least-squares estimates",
}


def splom_title(what: str, pairs: pd.DataFrame, *, fitted: bool) -> str:
    """Say which two columns correlate most, and what the fit has in its place.

    ``what``: what is drawn. ``pairs``: `correlation`, and `fitted` of a fit.
    """
    known = pairs[pairs["correlation"].notna()]
    if known.empty:
        return f"{what}: no two columns vary"
    most = known.iloc[int(known["correlation"].abs().to_numpy().argmax())]
    title = (
        f"{what}: {most['first']} and {most['second']} correlate most, "
        f"at {fixed(float(most['correlation']), 2)}"
    )
    value = float(most["fitted"]) if fitted else float("nan")
    return f"{title}; the fit has {fixed(value, 2)}" if value == value else title


def splom_caption(
    *,
    values: str | None,
    ellipses: Sequence[float],
    still: Sequence[str],
    left_out: Sequence[str],
    missing: int,
    shown: int,
    known: int,
    count: int,
) -> str:
    """Say what points, curves and numbers are, and what is not drawn.

    ``values``: what is drawn of a fit; None of a table. ``still``: columns that do not vary.
    ``left_out``: columns of a table that are no numbers. ``missing``: rows without
    some value, of `count`. ``shown``: rows drawn, of the `known` that have some value.
    """
    text = ["Diagonal: kernel densities, bandwidth by Silverman's rule."]
    if values is not None:
        if ellipses:
            told = " and ".join(share(c) for c in ellipses)
            text.append(f"Ellipses hold {told} of the fitted distribution.")
        text.append("Above the diagonal: correlations of the points and, below them, as fitted.")
        if values == "mode":
            text.append(
                "Modes are shrunken, each by its data: their correlation is no estimate of the "
                "fitted one."
            )
    else:
        text.append("Above the diagonal: correlations.")
    if still:
        text.append(f"No variance: {', '.join(still)}.")
    if missing:
        text.append(f"{missing:,} of {count:,} rows lack a value.")
    if shown < known:
        text.append(
            f"Drawn are {shown:,} of {known:,} points, evenly spaced in rank of the first column."
        )
    if left_out:
        text.append(f"Not numbers: {', '.join(left_out)}.")
    return " ".join(text)
