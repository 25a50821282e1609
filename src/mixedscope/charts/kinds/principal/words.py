"""What principal axes say, in words made from the stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mixedscope.charts.common.absent import left_out
from mixedscope.charts.common.link_scale import scale_words
from mixedscope.charts.common.numerals import number
from mixedscope.charts.kinds.principal.axes import Axes
from mixedscope.charts.kinds.shrinkage.words import joined, pull_caption

__all__ = ["principal_caption", "principal_title"]

#: SDs that differ by no more than this share of the largest are the same.
_SAME: Final = 1e-6


def principal_title(fits: Sequence[Axes], group: str) -> str:
    """Say how much of the variance the first axis has in the first fit, and how many have none."""
    axes = fits[0]
    where = f" under {axes.pull.label}" if len(fits) > 1 else ""
    if not any(axes.varies):
        return f"Principal axes of {group}{where}: no variance along any of {axes.size}"
    none = len(axes.collapsed)
    gone = f", {none} of {axes.size} {'has' if none == 1 else 'have'} none" if none else ""
    return (
        f"Principal axes of {group}{where}: the first has {axes.shares()[0]} of the variance{gone}"
    )


def principal_caption(
    fits: Sequence[Axes],
    group: str,
    *,
    sampling: str,
    out_of_frame: Sequence[int],
    ellipses: Sequence[float],
    missing: dict[str, str],
    others: Sequence[int],
    made_of: int,
) -> str:
    """Say what axes are, what the marks are, and what each fit shows."""
    pulls = [axes.pull for axes in fits]
    marks = pull_caption(
        pulls,
        group,
        scale="b",
        kinds=["population"],
        sampling=sampling,
        out_of_frame=out_of_frame,
        ellipses=ellipses,
    )
    info = fits[0].pull.info
    response = info.get("response")
    unit = f"units of the response{f' ({response})' if response else ''}"
    if words := scale_words(info):
        unit, response = f"units of the linear predictor ({words})", words
    text = [
        "Coordinates are along the principal axes of the fitted covariance of the random effects"
        f"{' of each fit' if len(fits) > 1 else ''}, the first to the right in every panel, in "
        f"{unit}. So that units of covariates do not decide, an effect counts by what it does to "
        f"the {'linear predictor' if words else 'response'}, times the root mean "
        f"square of its column ({_rms(fits)}).",
        f"Below, what each axis {_first(made_of) if made_of < len(fits) else ''}is made of: its "
        "share of the variance, its standard deviation, and its loadings, whose squares sum to 1.",
        marks,
    ]
    count = len(pulls[0].terms)
    if len(others) < count - 1:
        told = joined([str(j + 1) for j in others])
        text.append(f"Of {count} axes, panels show {told} beside the first.")
    for axes in fits:
        text += _collapsed(axes) + _equal(axes)
    return " ".join(text) + left_out(missing)


def _first(count: int) -> str:
    return "of the first fit " if count == 1 else f"of the first {count} fits "


def _rms(fits: Sequence[Axes]) -> str:
    """The root mean squares of all columns; those of fits of one model are the same."""
    known: dict[str, float] = {}
    for axes in fits:
        known |= dict(zip(axes.terms, axes.column_rms.tolist(), strict=True))
    return joined([f"{number(value)} for {term}" for term, value in known.items()])


def _label(axes: Axes) -> str:
    return axes.pull.label[:1].upper() + axes.pull.label[1:]


def _collapsed(axes: Axes) -> list[str]:
    gone = axes.table[axes.table["collapsed"]]
    if gone.empty:
        return []
    named = zip(gone["component"], gone["name"], strict=True)
    told = joined([f"axis {component} (large loadings: {name})" for component, name in named])
    verb = "has" if len(gone) == 1 else "have"
    return [
        f"{_label(axes)}: {told} {verb} collapsed, no variance is left there, and all modes lie on "
        "the line of the population."
    ]


def _equal(axes: Axes) -> list[str]:
    """Name axes that could be turned into others, as their variances are the same."""
    sds = [sd if varies else 0.0 for sd, varies in zip(axes.table["sd"], axes.varies, strict=True)]
    runs: list[list[int]] = [[1]]
    for i in range(1, len(sds)):
        if sds[i - 1] - sds[i] <= _SAME * sds[0]:
            runs[-1].append(i + 1)
        else:
            runs.append([i + 1])
    return [
        f"{_label(axes)}: axes {joined(list(map(str, run)))} have the same variance; what they "
        "span is determined, they are not."
        for run in runs
        if len(run) > 1
    ]
