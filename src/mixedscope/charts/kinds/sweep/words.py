"""Titles and captions of the charts of sweeps, worded from the numbers drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.numerals import power, share_in_tenths
from mixedscope.charts.kinds.shrinkage.levels import share
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.charts.kinds.sweep.names import capital, named, placed, ranged, told
from mixedscope.charts.kinds.sweep.nominal import about_nominal, nominal_words, rate_words
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.vocabulary import FINE_TUNING
from mixedscope.summaries.keys import key_words
from mixedscope.summaries.measures import MEASURES, Measure
from mixedscope.summaries.runs import Summary

__all__ = ["sweep_caption", "sweep_title"]

#: More series than this are summarised in a caption, not told one by one.
_MOST: Final = 12

#: Characters of a reason that a caption has room for.
_REASON: Final = 160

#: More colours than this are not all named in a title.
_COLOURS: Final = 4

_UNCLEAR: Final = "changes by no more than chance"

#: Standard errors on either side of a 95 % interval, and the error of saying that there is bias.
_NORMAL: Final = 1.96
_LEVEL: Final = 0.05

_PLURALS: Final = {
    _UNCLEAR: "change by no more than chance",
    **{
        f"{verb}s{how}": f"{verb}{how}"
        for verb in ("rise", "fall")
        for how in ("", " most", " least")
    },
    "hardly changes": "hardly change",
}

_TOLERANCES: Final = (
    "A tolerance is what each optimiser calls its own: the last trust radius or step in "
    "standardised units where it uses no gradients, the predicted decrease of the objective for "
    "bfgs (and auto), a relative decrease for scipy-lbfgsb."
)

# -- titles ----------------------------------------------------------------------------------------


def sweep_title(summary: Summary) -> str:
    """Answer what the chart is about from its numbers."""
    kind = summary.chart["kind"]
    if kind == "area":
        return _area_title(summary)
    if kind == "points" and summary.chart["x"] in MEASURES:
        return _points_title(summary)
    if kind == "heat" or not _runs_along(summary) or _overlap(summary):
        return _extremes_title(summary)
    return _change_title(summary)


def _runs_along(summary: Summary) -> bool:
    """Whether x is a number that takes several values."""
    if summary.chart["x"] in MEASURES:
        return False
    values = summary.orders["x"]
    return len(values) > 1 and all(isinstance(v, (int, float)) for v in values)


def _overlap(summary: Summary) -> bool:
    """Whether several points of a series stand at one x, told apart by keys that no role has."""
    return bool(summary.frame.duplicated(list(summary.orders)).any())


def _series(summary: Summary) -> list[tuple[str, pd.DataFrame]]:
    """Name and points of every series, along x; tolerances from loose to tight."""
    roles = [role for role in ("facet", "colour", "path") if role in summary.orders]
    tight = summary.chart["x"] == "tolerance"
    frame = summary.frame
    if _runs_along(summary):
        frame = frame.sort_values("x", ascending=not tight, kind="stable")
    if not roles:
        return [("", frame)]
    out = []
    for key, rows in frame.groupby(roles, sort=False):
        values = key if isinstance(key, tuple) else (key,)
        names = [placed(_key(summary, r), v) for r, v in zip(roles, values, strict=True)]
        out.append((", ".join(names), rows))
    order = {name: i for i, name in enumerate(_all_names(summary, roles))}
    return sorted(out, key=lambda item: order[item[0]])


def _key(summary: Summary, role: str) -> str:
    """Give the key of a role."""
    return str(summary.path if role == "path" else summary.chart[role])


def _all_names(summary: Summary, roles: Sequence[str]) -> list[str]:
    names = [""]
    for role in roles:
        values = [placed(_key(summary, role), v) for v in summary.orders[role]]
        names = [f"{name}, {v}" if name else v for name in names for v in values]
    return names


def _change_title(summary: Summary) -> str:
    """Tell how the measure changes along x, for every series or those that change most."""
    measure = MEASURES[summary.chart["y"]]
    column, words = _headline(summary)
    changes = []
    for name, rows in _series(summary):
        first, last = float(rows[column].iloc[0]), float(rows[column].iloc[-1])
        changes.append((_size(measure, first, last), name, rows))
    plural = words.split()[0].endswith("s")
    words = rate_words(summary) if measure.nominal == "size" else words
    along = _along(summary)
    shown = changes
    if len(changes) > 3:
        # The largest change, and the largest the other way, or else the smallest.
        ranked = sorted(changes, key=lambda c: -abs(c[0]))
        against = [c for c in ranked if c[0] * ranked[0][0] < 0]
        shown = [ranked[0], against[0] if against else ranked[-1]]
    parts: list[str] = []
    before = ""
    for change, name, rows in shown:
        first, last = float(rows[column].iloc[0]), float(rows[column].iloc[-1])
        a, b = told(measure, first), told(measure, last)
        verb = "rises" if change > 0 else "falls"
        if a == b or _is_slight(measure, first, last):
            verb = "hardly changes"
        elif _within_chance(summary, rows, column):
            verb = _UNCLEAR
        elif len(changes) > 3 and (not parts or change * shown[0][0] < 0):
            verb += " most"
        elif len(changes) > 3:
            verb += " least"
        if plural:
            verb = _PLURALS.get(verb, verb)
        values = f"({a})" if a == b else f"({a} \u2192 {b})"
        said = "" if verb == before else f"{verb} "
        parts.append(f"{said}for {name} {values}" if name else f"{said}{values}")
        before = verb
    return f"{capital(words)} {joined(parts)} {along}{_bias(summary)}{_off_nominal(summary)}"


def _headline(summary: Summary) -> tuple[str, str]:
    """Column of the points that a title tells of, and its words.

    The median of errors of either sign is near 0 however large they are: their size is told.
    """
    measure = MEASURES[summary.chart["y"]]
    if not measure.signed:
        return "middle", measure.short
    alone = bool((summary.frame["count"] == 1).all())
    return "rmse", f"{'absolute' if alone else 'root mean square'} {measure.short}"


def _within_chance(summary: Summary, rows: pd.DataFrame, column: str) -> bool:
    """Whether a change along x is no larger than 95 % of those between runs that differ by chance.

    Only where both ends have random numbers of their own: the runs of one data set differ by less.
    """
    if not summary.independent:
        return False
    errors = rows[f"{column}_se"].iloc[[0, -1]].to_numpy(dtype=float)
    change = float(rows[column].iloc[-1]) - float(rows[column].iloc[0])
    return bool(abs(change) <= _NORMAL * math.hypot(*errors))


def _bias(summary: Summary) -> str:
    """Say of estimates minus truth whether their mean differs from 0 by more than chance."""
    frame = summary.frame
    if not (MEASURES[summary.chart["y"]].signed and summary.by_chance and frame["count"].min() > 1):
        return ""
    from scipy.special import stdtrit

    # All points are looked at: each has its part of the error of the first kind.
    critical = stdtrit(frame["count"] - 1, 1.0 - _LEVEL / 2 / len(frame))
    beyond = frame["mean"].abs() - critical * frame["mean_se"]
    found = frame[beyond > 0]
    if found.empty:
        return "; no bias detectable"
    clearest = frame.iloc[int((frame["mean"].abs() / frame["mean_se"]).to_numpy().argmax())]
    which = f"in {len(found)} of {len(frame)} points, clearest at " if len(frame) > 1 else "at "
    return f"; bias detectable {which}{_where(summary, clearest)} ({_mean(summary, clearest)})"


def _off_nominal(summary: Summary) -> str:
    """Say of shares that are to be a certain one where they are not, by more than chance."""
    frame = summary.frame
    if MEASURES[summary.chart["y"]].nominal is None or not summary.is_sample:
        return ""
    what = ""
    if "null" in frame:
        what = "" if (frame["null"] == 1.0).all() else "type I error "
        frame = frame[frame["null"] == 1.0]
    if frame.empty or frame["nominal_p"].isna().any():
        return ""
    # All points are looked at: each has its part of the error of the first kind.
    found = frame[frame["nominal_p"] < _LEVEL / len(frame)]
    if found.empty:
        return f"; {what}nowhere off {nominal_words(frame)} by more than chance"
    off = (found["middle"] - found["nominal"]).abs()
    farthest = found.iloc[int(off.to_numpy().argmax())]
    which = f"in {len(found)} of {len(frame)} points, farthest at " if len(frame) > 1 else "at "
    value = share_in_tenths(float(farthest["middle"]))
    return (
        f"; {what}off {nominal_words(frame)} by more than chance {which}"
        f"{_where(summary, farthest)} ({value})"
    )


def _mean(summary: Summary, point: Mapping[str, Any] | pd.Series) -> str:
    measure = MEASURES[summary.chart["y"]]
    error = told(measure, _NORMAL * float(point["mean_se"]))
    return f"mean error {told(measure, float(point['mean']))} \u00b1 {error}"


def _is_slight(measure: Measure, first: float, last: float) -> bool:
    """Whether a change is too small to be called one."""
    if measure.log:
        return abs(_size(measure, first, last)) < 0.1
    return abs(last - first) < 0.03 * max(abs(first), abs(last))


def _along(summary: Summary) -> str:
    """From where to where x goes, in words."""
    first, last = _ends(summary)
    key = str(summary.chart["x"])
    end = placed(key, last)
    if end.startswith(key_words(key)):
        return f"from {placed(key, first)} to {named(key, last)}"
    return f"from {named(key, first)} to {end}"


def _ends(summary: Summary) -> tuple[Any, Any]:
    """First and last value of x; tolerances from loose to tight."""
    values = summary.orders["x"]
    tight = summary.chart["x"] == "tolerance"
    return (values[-1], values[0]) if tight else (values[0], values[-1])


def _size(measure: Measure, first: float, last: float) -> float:
    """Size of a change, in decades where the measure is shown on a log scale."""
    if measure.log:
        floor = measure.floor or 1e-300
        return math.log10(max(last, floor)) - math.log10(max(first, floor))
    return last - first


def _extremes_title(summary: Summary) -> str:
    """Tell where the measure is largest and smallest."""
    measure, frame = MEASURES[summary.chart["y"]], summary.frame.reset_index(drop=True)
    column, words = _headline(summary)
    if column != "middle" and summary.chart["kind"] == "heat":
        # What the cells show.
        column, words = "middle", f"median {measure.short}"
    ranked = frame.sort_values(column, kind="stable")
    low, high = ranked.iloc[0], ranked.iloc[-1]
    verb = "are" if words.split()[0].endswith("s") else "is"
    words = rate_words(summary) if measure.nominal == "size" else words
    if told(measure, low[column]) == told(measure, high[column]):
        rest = f"{_bias(summary)}{_off_nominal(summary)}"
        return f"{capital(words)} {verb} {told(measure, low[column])} everywhere{rest}"
    verb = "range" if verb == "are" else "ranges"
    return (
        f"{capital(words)} {verb} from {told(measure, low[column])} "
        f"({_where(summary, low)}) to {told(measure, high[column])} ({_where(summary, high)})"
        f"{_bias(summary)}{_off_nominal(summary)}"
    )


def _where(summary: Summary, row: Mapping[str, Any] | pd.Series) -> str:
    roles = [r for r in ("facet", "colour", "path", "rows", "x") if r in summary.orders]
    # A row of a table has numbers of numpy's, which are no numbers to `placed`.
    plain = [v.item() if isinstance(v, np.generic) else v for v in (row[r] for r in roles)]
    return ", ".join(placed(_key(summary, r), v) for r, v in zip(roles, plain, strict=True))


def _area_title(summary: Summary) -> str:
    """Tell the share of the last phase at both ends of x."""
    frame = summary.frame[summary.frame["colour"] == FINE_TUNING]
    measure, key = MEASURES[summary.chart["y"]], str(summary.chart["x"])
    shares = {
        value: ranged(measure, frame.loc[frame["x"] == value, "middle"].astype(float).tolist())
        for value in summary.orders["x"]
    }
    name = capital(PHASE_NAMES[FINE_TUNING])
    first, last = _ends(summary)
    if len(shares) > 1 and len(set(shares.values())) == 1:
        return f"{name}: {shares[first]} of the evaluations, whatever the {key_words(key)}"
    text = f"{name}: {shares[first]} of the evaluations at {placed(key, first)}"
    return text if len(shares) == 1 else f"{text}, {shares[last]} at {placed(key, last)}"


def _points_title(summary: Summary) -> str:
    """Tell what it costs each colour to get near enough, or where its points lie."""
    across, measure = MEASURES[summary.chart["x"]], MEASURES[summary.chart["y"]]
    frame = summary.frame
    near = frame if measure.enough is None else frame[frame["middle"] <= measure.enough]
    if measure.enough is None or near.empty:
        return f"{capital(measure.short)}: {_by_colour(summary, frame, 'middle', measure)}"
    by = [role for role in ("facet", "colour") if role in frame]
    first = near.groupby(by, sort=False)["x"].min().reset_index() if by else near.nsmallest(1, "x")
    what = f"to a {measure.short} of at most {told(measure, measure.enough)}"
    return f"{capital(across.short)} {what}: {_by_colour(summary, first, 'x', across)}"


def _by_colour(summary: Summary, frame: pd.DataFrame, column: str, measure: Measure) -> str:
    """Ranges of a column over panels for every colour, first those in most panels, then small."""
    if "colour" not in frame:
        return _over_panels(summary.frame, frame, column, measure)
    name = {v: named(str(summary.chart["colour"]), v) for v in summary.orders["colour"]}
    drawn = dict(list(summary.frame.groupby("colour", sort=False)))
    own = dict(list(frame.groupby("colour", sort=False)))
    ordered = sorted(
        own, key=lambda c: (_panels(drawn[c]) - _panels(own[c]), float(own[c][column].max()))
    )
    parts = [
        f"{name[c]} {_over_panels(drawn[c], own[c], column, measure)}" for c in ordered[:_COLOURS]
    ]
    more = len(ordered) - _COLOURS
    text = ", ".join(parts) + (f" and {more} other{'s' * (more > 1)}" if more > 0 else "")
    never = [name[c] for c in name if c not in own]
    return text + (f"; never with {joined(never)}" if never else "")


def _over_panels(drawn: pd.DataFrame, rows: pd.DataFrame, column: str, measure: Measure) -> str:
    """Range of a column, and in how many panels, of those in which there are points at all."""
    text = ranged(measure, rows[column].astype(float).tolist())
    if _panels(rows) == _panels(drawn):
        return text
    return f"{text} (in {_panels(rows)} of {_panels(drawn)} panels)"


def _panels(rows: pd.DataFrame) -> int:
    return int(rows["facet"].nunique()) if "facet" in rows else 1


# -- captions --------------------------------------------------------------------------------------


def sweep_caption(summary: Summary) -> str:
    """Say what the marks are, how many runs are behind them, and what each series shows."""
    measure = MEASURES[summary.chart["y"]]
    words = [f"{_marks(summary, measure)} {_behind(summary)}"]
    kind = summary.chart["kind"]
    if kind not in ("heat", "area") and _runs_along(summary) and not _overlap(summary):
        words.append(_each(summary, measure))
    if measure.floor is not None and summary.frame["middle"].min() <= measure.floor:
        there = " and drawn there" if _is_log(summary, measure) else ""
        words.append(f"Values up to {power(measure.floor, 1)} are rounding{there}.")
    if "tolerance" in [_key(summary, role) for role in summary.orders]:
        words.append(_TOLERANCES)
    if measure.column == "kept":
        words.append(
            "What a level keeps: one minus the mean conditional variance of its effects over "
            "their fitted variance; all is 100\u00a0%, complete pooling 0."
        )
    words += about_nominal(summary, measure)
    if summary.failed:
        words.append(f"{_count(summary.failed)} failed and are left out.")
    if summary.without:
        words.append(_lacking(summary, measure))
    return " ".join(words)


def _lacking(summary: Summary, measure: Measure) -> str:
    """Say how many runs have not all that is shown, and why most of them have not."""
    one = summary.without == 1
    has, verb = ("has", "is") if one else ("have", "are")
    several = measure.part in [_key(summary, role) for role in summary.orders]
    what = "not all of the values" if several else "no such value"
    there = f"where {'it has' if one else 'they have'} none" if several else ""
    why = ""
    if summary.lacking is not None:
        why = f" ({shorten(summary.lacking, _REASON, placeholder=' …')})"
    text = f"{_count(summary.without)} {has} {what} and {verb} left out {there}".rstrip()
    return f"{text}{why}."


def _is_log(summary: Summary, measure: Measure) -> bool:
    """Whether the measure is drawn on a logarithmic scale."""
    scale = summary.chart.get("scale")
    return measure.log if scale is None else bool(scale == "log")


def _marks(summary: Summary, measure: Measure) -> str:
    kind = summary.chart["kind"]
    y = measure.words[:1].lower() + measure.words[1:]
    if kind == "heat" and measure.proportion:
        return f"Numbers and colours: {measure.short}."
    if kind == "heat":
        alone = (summary.frame["count"] == 1).all()
        return f"Numbers and colours: {y}{', of one run' if alone else ', the median over runs'}."
    if kind == "area":
        return "Mean share of each phase in the evaluations of a run, polishing included."
    if measure.proportion:
        return f"Share of runs: {measure.short}; bands or bars: 95\u00a0% intervals (Wilson)."
    if kind == "points":
        along = "" if summary.path is None else (
            f"; the points of a line differ in {key_words(summary.path)}"
        )  # fmt: skip
        if (summary.frame["count"] == 1).all():
            return f"A point is one run{along}."
        return f"Points: medians over runs; thin lines through them: quartiles{along}."
    if (summary.frame["count"] == 1).all():
        return f"A point is one run: {y}."
    marks = "bands" if _runs_along(summary) else "bars"
    return f"Points: medians of {measure.short}; {marks}: quartiles."


def _behind(summary: Summary) -> str:
    counts = summary.frame["count"]
    low, high = int(counts.min()), int(counts.max())
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    noun = "run" if high == 1 else "runs"
    chosen = summary.chart.get("where") or {}
    which = joined([f"{key_words(key)} {_listed(key, v)}" for key, v in chosen.items()])
    text = f"{summary.runs:,} runs{f' ({which})' if which else ''}, {each} {noun} behind each point"
    if high > 1 and summary.pooled:
        text += f", which differ in {joined([key_words(k) for k in summary.pooled])}"
    return text + "."


def _listed(key: str, wanted: Any) -> str:
    values = wanted if isinstance(wanted, list) else [wanted]
    return joined([named(key, value) for value in values])


def _each(summary: Summary, measure: Measure) -> str:
    series = _series(summary)
    along = capital(_along(summary))
    column, words = _headline(summary)
    if measure.signed:
        along = f"{capital(words)}, {_along(summary)}"
    ends = [(r.iloc[0], r.iloc[-1]) for _, r in series]
    if len(series) > _MOST:
        firsts, lasts = ([float(pair[i][column]) for pair in ends] for i in (0, 1))
        return (
            f"{along}, over all {len(series)} series: {ranged(measure, firsts)} \u2192 "
            f"{ranged(measure, lasts)}."
        )
    parts = [
        (f"{name}: " if name else "")
        + " \u2192 ".join(_with_error(summary, point, column) for point in pair)
        for (name, _), pair in zip(series, ends, strict=True)
    ]
    rest = ""
    if measure.signed and summary.by_chance and summary.frame["count"].min() > 1:
        rest = (
            " After \u00b1 stand 95\u00a0% Monte Carlo errors. Bias is detectable where a mean "
            f"error is larger than chance allows, at {share(_LEVEL)} for all points together."
        )
    return f"{along}: {'; '.join(parts)}.{rest}"


def _with_error(summary: Summary, point: pd.Series, column: str) -> str:
    measure = MEASURES[summary.chart["y"]]
    text = told(measure, float(point[column]))
    if not measure.signed or not summary.by_chance or point["count"] < 2:
        return text
    return f"{text} \u00b1 {told(measure, _NORMAL * float(point[f'{column}_se']))}"


def _count(runs: int) -> str:
    return f"{runs:,} run" + ("" if runs == 1 else "s")
