"""What a quantile plot of conditional modes shows, in words made from the numbers drawn."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.charts.common.numerals import number, share, told_level
from mixedscope.charts.kinds.qqcaterpillar.ordered import Ordered
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["qqcaterpillar_caption", "qqcaterpillar_title"]


def qqcaterpillar_title(first: Sequence[Ordered], group: str) -> str:
    """Say how many modes of the first fit leave the envelope, and how many were to be expected."""
    told = [one for one in first if one.counts is not None]
    if not told:
        return f"Ordered modes of {group}: the fit leaves no variation between its levels"
    counts = [f"{one.outside:,} in {one.term}" for one in told]
    usual = sorted({number(one.expected, 2) for one in told}, key=lambda text: (len(text), text))
    each = " each" if len(told) > 1 else ""
    return (
        f"Ordered modes of {group}: of {len(told[0].rows):,}, {joined(counts)} "
        f"{_leave([one.outside for one in told])} the envelope, "
        f"where {' to '.join([usual[0], *usual[1:][-1:]])}{each} are to be expected"
    )


def qqcaterpillar_caption(
    fits: Sequence[Sequence[Ordered]], group: str, level: float, *, drawn: int, levels: int
) -> str:
    """Say what the line and the envelope are, and how many modes leave it in other fits.

    ``drawn``, ``levels``: how many are drawn in a panel, of how many.
    """
    told = [one for fit in fits for one in fit if one.counts is not None]
    text = [
        f"Conditional modes of {group} in order, with intervals at {told_level(level)}, "
        "against normal quantiles."
    ]
    if not told:
        return " ".join([*text, "A term that does not vary has none."])
    first = told[0]
    sds = [
        f"{number(one.mode_sd)} in {one.term} (effects {number(one.sd)})"
        for one in fits[0]
        if one.counts is not None
    ]
    if sds:
        text.append(f"Line: the SD of modes that the fit implies, {joined(sds)}.")
    drawing = "together" if first.joint else "each by itself"
    text.append(
        f"Envelope: the middle {share(first.coverage)} of each in {first.draws:,} draws from the "
        f"fit, levels {drawing}, scaled to the root mean square of the modes."
    )
    limits = [f"{one.most:,} in {one.term}" for one in fits[0] if one.counts is not None]
    if limits:
        text.append(
            f"In {share(first.coverage)} of draws at most {joined(limits)} "
            f"{_leave([one.most for one in fits[0] if one.counts is not None])} it."
        )
    for fit in fits[1:]:
        varying = [one for one in fit if one.counts is not None]
        own = [f"{one.outside:,} in {one.term}" for one in varying]
        label = fit[0].label
        if own:
            verb = _leave([one.outside for one in varying])
            text.append(f"{label[:1].upper()}{label[1:]}: {joined(own)} {verb} it.")
    if drawn < levels:
        text.append(
            f"Drawn are {drawn:,} of {levels:,} levels: the ends, those outside, and others evenly "
            "in rank."
        )
    return " ".join(text)


def _leave(counts: Sequence[int]) -> str:
    """The verb of so many modes."""
    return "leaves" if list(counts) == [1] else "leave"
