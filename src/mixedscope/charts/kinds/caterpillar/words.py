"""What a caterpillar plot shows, in words made from the numbers drawn."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from mixedscope.charts.common.link_scale import scale_words
from mixedscope.charts.common.numerals import number, told_level
from mixedscope.charts.kinds.caterpillar.bars import Bars, without_some
from mixedscope.charts.kinds.caterpillar.options import CaterpillarOptions
from mixedscope.charts.kinds.shrinkage.words import infinite_key, joined, reference_key

__all__ = ["caterpillar_caption", "caterpillar_title", "key_items"]


def caterpillar_title(first: Bars, group: str, options: CaterpillarOptions) -> str:
    """Say how many bars of the first fit exclude the population, term by term."""
    pull = first.pull
    told = [j for j in range(len(pull.terms)) if np.isfinite(first.spread[:, j]).any()]
    if not told:
        return f"Levels of {group}: the fit leaves no variation between them"
    counts = [f"{int(first.clear[:, j].sum()):,} in {pull.terms[j]}" for j in told]
    what = "0" if options.scale == "b" else "the population"
    some = without_some([first])
    count = len(pull.levels if some is None else some)
    return (
        f"Levels of {group}: of {count:,} intervals at {told_level(options.level)}, "
        f"{joined(counts)} exclude {what}"
    )


def caterpillar_caption(
    found: Sequence[Bars],
    group: str,
    options: CaterpillarOptions,
    *,
    drawn: int,
    levels: int,
    named: bool,
) -> str:
    """Say what the marks are, what the intervals may be read for, and which levels are drawn.

    ``drawn``, ``levels``: how many are drawn, of how many. ``named``: whether each has a name.
    """
    first = found[0].pull
    z = number(NormalDist().inv_cdf(0.5 * (1.0 + options.level)), 3)
    sd = (
        "the conditional SD, the fixed effects taken as known"
        if options.error == "conditional"
        else "the SD of its error, the fixed effects estimated too"
    )
    text = [f"Bars: conditional mode ± {z} times {sd}; open: {reference_key(first)}."]
    if first.is_generalized:
        text.append(f"Scale: {scale_words(first.info)}.")
    if count := int(first.infinite.sum()):
        text.append(
            f"Open arrowhead: levels whose own estimate is infinite, {count:,} of "
            f"{len(first.levels):,}."
        )
    spreads = [
        f"{number(float(sd))} in {term}"
        for term, sd in zip(first.terms, first.sds, strict=True)
        if sd > 0
    ]
    if spreads:
        whose = f" ({first.label})" if len(found) > 1 else ""
        text.append(
            f"Band: the middle {told_level(options.level)} of the fitted distribution, "
            f"SD {joined(spreads)}{whose}."
        )
    for one in found[1:]:
        told = [j for j in range(len(first.terms)) if np.isfinite(one.spread[:, j]).any()]
        counts = [f"{int(one.clear[:, j].sum()):,} in {first.terms[j]}" for j in told]
        text.append(
            f"{one.pull.label[:1].upper()}{one.pull.label[1:]}: "
            + (f"{joined(counts)} exclude it." if counts else "no variation.")
        )
    text.append("Each interval is about one level by itself, not about all at once or differences.")
    sizes = first.n_obs
    if len(sizes):
        low, high = int(sizes.min()), int(sizes.max())
        text.append(
            f"Each level has {low:,} observations."
            if low == high
            else f"Levels have {low:,} to {high:,} observations."
        )
    if without_some(found) is not None:
        text.append(
            f"Drawn are {drawn:,} of {levels:,} levels, of which conditional SDs were computed"
            + (
                ": those at either end of the modes and others evenly in rank."
                if len(found) == 1
                else " in every fit."
            )
        )
    elif drawn < levels:
        text.append(f"Drawn are {drawn:,} of {levels:,} levels, evenly in rank.")
    if not named:
        text.append("Levels at either end are named.")
    return " ".join(text)


def key_items(first: Bars, options: CaterpillarOptions) -> list[tuple[str, str]]:
    """Marks with their words, for `key_row`."""
    what = "0" if options.scale == "b" else "the population"
    items = []
    if np.isfinite(first.spread).any():
        items = [("clear", f"excludes {what}"), ("unclear", f"includes {what}")]
    items.append(("reference", reference_key(first.pull)))
    if first.pull.infinite.any():
        items.append(("infinite", infinite_key()))
    items.append(("zero", "population"))
    if (first.reach > 0).any():
        items.append(("ellipse", f"{told_level(options.level)} of fit"))
    return items
