"""Speed against accuracy: how much of a fit was still to come, at every evaluation of it.

Above, the objective minus its minimum; below, how far fixed effects, their standard errors, sigma
and conditional modes still were from the final fit, each in its own unit of accuracy.  Points mark
the evaluation from which each measure stays within a stated accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.along import Along, places_along, told_seconds
from mixedscope.charts.common.compose import in_column, layered
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import key_columns
from mixedscope.charts.common.numerals import number, power_of_ten
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.phase_bands import bands, phase_runs
from mixedscope.charts.common.probe_band import known_above, probe_band, probe_key
from mixedscope.charts.common.rows import in_rows, panel_width
from mixedscope.charts.common.sheet import inner
from mixedscope.charts.common.structure_names import fit_headings
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.stopping.options import StoppingOptions
from mixedscope.charts.kinds.stopping.words import (
    ALL_NAMES,
    measures_of,
    stopping_caption,
    stopping_title,
)
from mixedscope.charts.kinds.trace.frames import headroom
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["STOPPING_LIMIT", "stopping_chart"]

#: Values drawn per panel; longer traces keep those at which a measure changes, then every k-th.
STOPPING_LIMIT: Final = 1500

_COLOURS: Final = {
    "beta": GROUP_COLOURS[1],
    "std_error": GROUP_COLOURS[4],
    "sigma": GROUP_COLOURS[2],
    "dispersion": GROUP_COLOURS[2],
    "modes": GROUP_COLOURS[0],
}
_DASHES: Final = {
    "gap": [1, 0], "beta": [1, 0], "std_error": [6, 2], "sigma": [2, 2], "dispersion": [2, 2],
    "modes": [8, 2, 2, 2],
}  # fmt: skip
#: Smaller differences are drawn there: of the estimates, and of the objective.
_FLOOR: Final = 1e-6
_GAP_FLOOR: Final = 1e-9
_AXIS: Final = 74
_GAP: Final = 14
_HEIGHTS: Final = (110, 170)
#: Points where a measure becomes accurate enough, and lines at the accuracies.
_POINT: Final[dict[str, Any]] = {"filled": True, "size": 26, "opacity": 1, "strokeWidth": 0.5}
_ACCURACY: Final[dict[str, Any]] = {"strokeWidth": 0.7, "strokeDash": [1, 2]}


@drawn_with(StoppingOptions)
def stopping_chart(
    tables: Sequence[FitTables], *, options: StoppingOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw what stopping one or more fits earlier would have cost.

    All fits have one axis, a log one where their lengths differ by more than tenfold.
    """
    x, accuracy = options.x, _accuracy(tables, options.accuracy)
    ink(theme)
    frames = [_frame(fit, x) for fit in tables]
    measures = list(dict.fromkeys(name for fit in tables for name in measures_of(fit)))
    along = Along.of(x, frames)
    tops = [
        _power(max(float(np.nanmax(f.filter(columns).to_numpy())) for f in frames), floor)
        for columns, floor in ((["gap"], _GAP_FLOOR), (measures, _FLOOR))
    ]
    width = panel_width(len(tables), _AXIS, _GAP)
    headings = fit_headings(tables, width)

    def panels(fits: range) -> list[Any]:
        above, below = [], []
        for i in fits:
            panel = _Panel(tables[i], frames[i], along, accuracy, theme, first=i == fits[0])
            title = _header(tables[i], headings[i], len(fits))
            above.append(
                panel.gap(tops[0]).properties(width=width, height=_HEIGHTS[0], title=title)
            )
            below.append(panel.changes(tops[1]).properties(width=width, height=_HEIGHTS[1]))
        return [*above, *below]

    chart = in_rows(len(tables), panels, ["color", "fill", "strokeDash"], [])
    unsure = any(known_above(fit.info) > _GAP_FLOOR for fit in tables)
    chart = in_column(chart, _key(accuracy, theme, unsure=unsure), spacing=6)
    caption = stopping_caption(tables, accuracy, clock=x == "seconds", floor=_GAP_FLOOR)
    return chart, stopping_title(tables, accuracy, clock=x == "seconds"), caption


def _key(accuracy: float, theme: str, *, unsure: bool) -> Any:
    """What points and straight lines are."""
    colours = ink(theme)
    marks: list[tuple[Literal["line", "point", "upright"], str, dict[str, Any]]] = [
        (
            "point",
            "from here on within the accuracy of its line",
            _POINT | {"fill": colours["ink"]},
        ),
        ("line", "accuracies", {"stroke": colours["soft"], **_ACCURACY}),
        ("upright", f"from here on all within {number(accuracy)}", {"stroke": colours["ink"]}),
    ]
    items = [*(Keyed(*mark) for mark in marks), *([probe_key(theme)] if unsure else [])]
    return mark_key(items, width=inner() - _AXIS, theme=theme)


def _frame(fit: FitTables, x: str) -> pd.DataFrame:
    """One row per evaluation: where it is drawn, its phase and its measures."""
    stopping, trace = fit.require("stopping"), fit.require("trace")
    number = stopping["evaluation"].to_numpy(dtype=float)
    left, at, right = places_along(fit, number, x)
    columns = {name: stopping[name].to_numpy(dtype=float) for name in ("gap", *measures_of(fit))}
    return pd.DataFrame(
        {
            "x": at,
            "left": left,
            "right": right,
            "evaluation": stopping["evaluation"].to_numpy(),
            "phase": trace["phase"].to_numpy(dtype=object),
            **columns,
        }
    )


def _accuracy(tables: Sequence[FitTables], asked: float | None) -> float:
    """The accuracy asked for, by default the smallest that was studied of all fits."""
    tables_of = [fit.require("accuracy") for fit in tables]
    studied = [set(t.loc[t["measure"] != "gap", "accuracy"].tolist()) for t in tables_of]
    known = sorted(set.intersection(*studied), reverse=True)
    if asked is None and known:
        return float(known[-1])
    if asked is None or asked not in known:
        what = "No accuracy was" if asked is None else f"The accuracy {number(asked)} was not"
        raise ModelError(
            f"{what} studied of every fit. Known are: "
            f"{', '.join(number(a) for a in known) or 'none'}."
        )
    return asked


class _Panel:
    """The two panels of one fit."""

    def __init__(
        self,
        fit: FitTables,
        frame: pd.DataFrame,
        x: Along,
        accuracy: float,
        theme: str,
        *,
        first: bool,
    ) -> None:
        self.frame, self.accuracy, self.theme, self.first = frame, accuracy, theme, first
        self.x, self.table = x, fit.require("accuracy")
        self.known_above = known_above(fit.info)
        self.measures = measures_of(fit)
        values = frame[["gap", *self.measures]].to_numpy()
        moved = np.append(True, (values[1:] != values[:-1]).any(axis=1))
        moved[-1] = True
        kept = np.flatnonzero(moved)
        step = math.ceil(len(kept) / STOPPING_LIMIT)
        self.shown = frame.iloc[np.union1d(kept[::step], [len(frame) - 1])]

    def y(
        self, field: str, floor: float, top: float, title: list[str], steps: int, height: int
    ) -> alt.Y:
        """Vertical axis, logarithmic."""
        low, high = round(math.log10(floor)), round(math.log10(top))
        step = (high - low) // steps + 1
        labels = ", ".join(_label(e, low) for e in range(low, high + 1))
        return alt.Y(
            f"{field}:Q",
            scale=alt.Scale(
                type="log", domain=[floor / 1.6, headroom(floor / 1.6, top, height)], nice=False
            ),
            axis=alt.Axis(
                title=title if self.first else None,
                values=[10.0**e for e in range(low, high + 1) if (e - low) % step == 0],
                labels=self.first,
                labelExpr=f"[{labels}][round(log(datum.value) / LN10) - ({low})]",
                gridOpacity=0.6,
            ),
        )

    def bands(self, *, titled: bool = False) -> Any:
        runs = _rounded(self.x.within(phase_runs(self.frame)))
        return bands(runs, self.x("left", titled=titled), self.theme)

    def gap(self, top: float) -> Any:
        """Objective minus its minimum, best so far."""
        y = self.y("gap", _GAP_FLOOR, top, ["objective", "\u2212 minimum"], 6, _HEIGHTS[0])
        line = (
            alt.Chart(_rounded(self.shown.assign(gap=np.maximum(self.shown["gap"], _GAP_FLOOR))))
            .mark_line(interpolate="step-after", strokeWidth=1.3, color=COLOURS["best"], aria=False)
            .encode(x=self.x("x"), y=y)
        )
        unsure = probe_band(self.known_above, _GAP_FLOOR / 1.6, "gap", y, self.theme)
        return layered(self.bands(), *unsure, line, *self._enough(), self._hover(["gap"]))

    def changes(self, top: float) -> Any:
        """Differences of the estimates from the final fit."""
        title = ["difference from the final fit,", "each in its unit"]
        y = self.y("value", _FLOOR, top, title, 10, _HEIGHTS[1])
        long = self.shown.melt(
            id_vars=["x", "evaluation"], value_vars=self.measures, var_name="measure"
        ).dropna()
        long["value"] = np.maximum(long["value"], _FLOOR)
        long["what"] = long["measure"].map(ALL_NAMES)
        names = [ALL_NAMES[measure] for measure in self.measures]
        legend = alt.Legend(
            title=None,
            orient="bottom",
            direction="vertical",
            columns=min(2, key_columns(names, symbol=40)),
            symbolType="stroke",
            symbolSize=250,
            symbolStrokeWidth=1.5,
        )
        colour = alt.Color(
            "what:N",
            scale=alt.Scale(domain=names, range=[_COLOURS[m] for m in self.measures]),
            legend=legend,
        )
        dash = alt.StrokeDash(
            "what:N",
            scale=alt.Scale(domain=names, range=[_DASHES[m] for m in self.measures]),
            legend=legend,
        )
        lines = (
            alt.Chart(_rounded(long))
            .mark_line(interpolate="step-after", strokeWidth=1.4, aria=False)
            .encode(x=self.x("x", titled=True), y=y, color=colour, strokeDash=dash)
        )
        known = self.table[self.table["measure"].isin(self.measures)].dropna(subset=["evaluation"])
        # What was accurate enough from the first evaluation on is no event.
        wanted = known[known["evaluation"] > 1]
        at = self.frame.set_index("evaluation")["x"]
        marks = pd.DataFrame(
            {
                "x": at.loc[wanted["evaluation"].astype(int)].to_numpy(),
                "value": wanted["accuracy"].to_numpy(),
                "what": wanted["measure"].map(ALL_NAMES).to_numpy(),
                "evaluation": wanted["evaluation"].astype(int).to_numpy(),
                "after": wanted["after"].astype(int).to_numpy(),
            }
        )
        points = (
            alt.Chart(_rounded(marks))
            .mark_point(stroke=ink(self.theme)["paper"], aria=False, **_POINT)
            .encode(
                x=self.x("x", titled=True),
                y=y,
                color=colour,
                tooltip=[
                    alt.Tooltip("what:N", title="measure"),
                    alt.Tooltip("value:Q", title="stays within", format="g"),
                    alt.Tooltip("evaluation:Q", title="from evaluation"),
                    alt.Tooltip("after:Q", title="evaluations after it"),
                ],
            )
        )
        limits = (
            alt.Chart(pd.DataFrame({"value": sorted(set(known["accuracy"]))}))
            .mark_rule(stroke=ink(self.theme)["soft"], aria=False, **_ACCURACY)
            .encode(y=y)
        )
        return layered(
            self.bands(titled=True),
            limits,
            lines,
            *self._enough(titled=True, worded=True),
            points,
            self._hover(self.measures, titled=True),
        )

    def _enough(self, *, titled: bool = False, worded: bool = False) -> list[Any]:
        """A line where every estimate has become accurate enough, and which evaluation it is."""
        own = self.table["measure"].isin(self.measures)
        rows = self.table[own & (self.table["accuracy"] == self.accuracy)]
        if rows["evaluation"].isna().any():
            return []
        last = int(rows["evaluation"].max())
        at = float(self.frame.set_index("evaluation")["x"].loc[last])
        where = f"after {told_seconds(at)}" if self.x.name == "seconds" else f"from {last:,}"
        data = pd.DataFrame({"at": [at], "text": [f"final {where}"]})
        colours = ink(self.theme)
        x = self.x("at", titled=titled)
        rule = (
            alt.Chart(_rounded(data))
            .mark_rule(stroke=colours["ink"], strokeWidth=1, aria=False)
            .encode(x=x)
        )
        if not worded:
            return [rule]
        right = bool(self.x.is_right(data["at"]).iloc[0])
        text = (
            alt.Chart(_rounded(data))
            .mark_text(
                align="right" if right else "left",
                dx=-4 if right else 4,
                dy=5,
                baseline="top",
                fontSize=9,
                color=colours["ink"],
                aria=False,
            )
            .encode(x=x, y=alt.YValue(0), text=alt.Text("text:N"))
        )
        return [rule, text]

    def _hover(self, columns: list[str], *, titled: bool = False) -> Any:
        """An unseen bar per evaluation drawn, which tells its numbers."""
        names = {"gap": "objective \u2212 minimum", **ALL_NAMES}
        return (
            alt.Chart(self.shown[["x", "evaluation", *columns]])
            .mark_rule(strokeWidth=5, opacity=0, aria=False)
            .encode(
                x=self.x("x", titled=titled),
                tooltip=[
                    alt.Tooltip("evaluation:Q"),
                    *(alt.Tooltip(f"{c}:Q", title=names[c], format=".2g") for c in columns),
                ],
            )
        )


def _header(fit: FitTables, name: Sequence[str], count: int) -> alt.TitleParams:
    total = len(fit.require("trace"))
    cost = [str(fit.info["optimizer"]["name"]), f"{total:,} evaluation{'' if total == 1 else 's'}"]
    return alt.TitleParams(
        text=list(name),
        subtitle=cost if count > 2 else [", ".join(cost)],
        fontSize=11,
        subtitleFontSize=10,
        anchor="start",
        frame="group",
        offset=6,
    )


def _power(value: float, floor: float) -> float:
    """Give the next power of ten, at least a decade above the floor."""
    if not value > floor:
        return 10 * floor
    return float(max(10.0 ** math.ceil(math.log10(value) - 1e-9), 10 * floor))


def _label(exponent: int, lowest: int) -> str:
    power = power_of_ten(exponent)
    return f"'0 to {power}'" if exponent == lowest else f"'{power}'"


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Seven significant digits for what is drawn."""
    out = frame.copy()
    for column in out.columns:
        if out[column].dtype == np.float64:
            out[column] = [float(f"{v:.7g}") for v in out[column]]
    return out
