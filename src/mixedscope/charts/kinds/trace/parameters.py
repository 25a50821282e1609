"""What theta did while it was searched: its panels below a trace.

Drawn as standard deviations and correlations, which readers know, or as the relative covariance
parameters that the optimiser moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.theme import GROUP_COLOURS, ink
from mixedscope.charts.kinds.trace.frames import kept_rows, on_the_way, theta_span
from mixedscope.core.errors import UnsuitedError
from mixedscope.tables.store import FitTables

__all__ = [
    "LABELLED_COMPONENTS",
    "PARAMETERS",
    "ParameterRow",
    "chosen_parameters",
    "component_encodings",
    "parameter_rows",
]

#: What theta can be drawn as.
PARAMETERS: Final = ("sd", "theta")

#: With more components than these, a line has the colour of its factor, and a name when pointed at.
LABELLED_COMPONENTS: Final = 6

#: Room beyond the outermost value, as a share of the axis, for the line that is drawn there.
_ROOM: Final = 0.04

#: Standard deviations of more different size than this are drawn on a log scale.
_WIDE: Final = 50.0

_RESIDUAL: Final = "residual \u03c3"
_DASHES: Final = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4])


@dataclass(frozen=True)
class ParameterRow:
    """One row of panels, a panel per fit.

    Attributes
    ----------
    title : str
        Of the vertical axis.
    frames : tuple of pandas.DataFrame
        Per fit ``x``, ``value``, ``component``, ``group``.
    span : (float, float)
        Ends of the vertical axis.
    log : bool
        Whether it is logarithmic; smaller values are drawn at its lower end.
    beyond : tuple of int
        Evaluations per fit with a component outside the axis.
    raised : tuple of int
        Values per fit that are drawn at the lower end of a log axis, being smaller.
    kept : tuple of int
        Evaluations per fit that lines go through, with those of `elsewhere`.
    elsewhere : int
        Evaluations of all fits that they leave out, having looked elsewhere.
    """

    title: str
    frames: tuple[pd.DataFrame, ...]
    span: tuple[float, float]
    log: bool
    beyond: tuple[int, ...]
    raised: tuple[int, ...]
    kept: tuple[int, ...]
    elsewhere: int


def chosen_parameters(tables: Sequence[FitTables], parameters: str | None) -> str:
    """Settle what theta is drawn as: ``"sd"`` or ``"theta"``.

    By default standard deviations where every fit has the table ``parameters`` and the data
    determine any, else theta. Raises ModelError if `parameters` is unknown. Raises StoreError if
    standard deviations are asked for and not there. Raises UnsuitedError if they are asked for and
    the data determine none.
    """
    if parameters is None:
        if any(fit.get("parameters") is None for fit in tables):
            return "theta"
        return "sd" if any(_deviations(fit) for fit in tables) else "theta"
    if parameters == "sd":
        for fit in tables:
            fit.require("parameters")
        if not any(_deviations(fit) for fit in tables):
            raise UnsuitedError(
                "The data determine none of the standard deviations of this model, so that a trace "
                "has none to show; it can show theta"
            )
    return parameters


def parameter_rows(
    tables: Sequence[FitTables], frames: Sequence[pd.DataFrame], parameters: str, limit: int
) -> list[ParameterRow]:
    """Give the rows of panels that show theta.

    ``frames``: as made by `mixedscope.charts.kinds.trace.frames.evaluation_frame`. ``parameters``
    is one of "sd", "theta". ``limit``: values drawn in all. Gives one for theta; for ``"sd"``
    standard deviations, and correlations where there are any.
    """
    share = limit // len(tables)
    if parameters == "theta":
        values = [_theta(fit) for fit in tables]
        return [_row("\u03b8", values, frames, _theta_axis(tables, values), share)]
    deviations = [_deviations(fit) for fit in tables]
    span, log = _deviation_span(tables, deviations)
    title = "standard deviation" + (" (log)" if log else "")
    rows = [_row(title, deviations, frames, span, share, log=log)]
    correlations = [_parameters(fit, ("correlation",)) for fit in tables]
    if any(correlations):
        span = (-1.0 - _ROOM, 1.0 + _ROOM)
        rows.append(_row("correlation", correlations, frames, span, share))
    return rows


def component_encodings(
    rows: Sequence[ParameterRow], groups: Sequence[str], theme: str
) -> dict[str, Any]:
    """Colour by grouping factor; dashes and names by component where there are few.

    ``groups``: grouping factors in the order of the formula. Gives encodings of a line.
    """
    owner: dict[str, str] = {}
    for row in rows:
        for frame in row.frames:
            owner |= dict(zip(frame["component"], frame["group"], strict=True))
    colour = {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}
    if _RESIDUAL in owner:
        colour[_RESIDUAL] = ink(theme)["ink"]
    legend = alt.Legend(
        title="parameters" if _RESIDUAL in owner else "components of \u03b8",
        orient="bottom",
        direction="vertical",
        columns=2,
        symbolType="stroke",
        symbolSize=250,
        symbolStrokeWidth=1.5,
        labelLimit=230,
    )
    if len(owner) - (_RESIDUAL in owner) > LABELLED_COMPONENTS:
        scale = alt.Scale(domain=list(colour), range=list(colour.values()))
        return {
            "color": alt.Color("group:N", scale=scale, legend=legend),
            "detail": alt.Detail("component:N"),
        }
    names = list(owner)
    factors = list(owner.values())
    dashes = [_DASHES[factors[:i].count(group)] for i, group in enumerate(factors)]
    colours = [colour[owner[name]] for name in names]
    return {
        "color": alt.Color(
            "component:N", scale=alt.Scale(domain=names, range=colours), legend=legend
        ),
        "strokeDash": alt.StrokeDash(
            "component:N", scale=alt.Scale(domain=names, range=dashes), legend=legend
        ),
    }


# -- values ----------------------------------------------------------------------------------------


#: Values (m,) of every component with the factor it belongs to, by name.
_Values = dict[str, tuple[str, np.ndarray[Any, np.dtype[np.float64]]]]


def _theta(fit: FitTables) -> _Values:
    estimates = fit.require("estimates")
    groups = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
    theta = np.array(fit.require("trace")["theta"].tolist(), dtype=float)
    names = list(fit.info["theta_names"])
    return {n: (g, theta[:, i]) for i, (n, g) in enumerate(zip(names, groups, strict=True))}


def _deviations(fit: FitTables) -> _Values:
    return _parameters(fit, ("sd", "sigma"))


def _parameters(fit: FitTables, kinds: tuple[str, ...]) -> _Values:
    """Values of parameters; without those of which no evaluation has one."""
    table = fit.require("parameters")
    found: _Values = {}
    for keys, rows in table[table["kind"].isin(kinds)].groupby(
        ["kind", "group", "term", "term2"], sort=False, dropna=False
    ):
        kind, group, term, term2 = keys
        if rows["value"].isna().all():
            continue
        if kind == "sigma":
            name = group = _RESIDUAL
        else:
            name = f"{group}: {term}" + (f" ~ {term2}" if kind == "correlation" else "")
        found[name] = (str(group), rows["value"].to_numpy(dtype=float))
    return found


def _improved(fit: FitTables) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Evaluations that were the best so far."""
    trace = fit.require("trace")
    return (trace["objective"] == trace["best"]).to_numpy()


def _deviation_span(
    tables: Sequence[FitTables], values: Sequence[_Values]
) -> tuple[tuple[float, float], bool]:
    """Range of the standard deviations: zero to those of the best so far and a third more.

    Less where no trial goes as far. On a log scale, where those at the end are of very different
    size, from a tenth of the smallest or less.
    """
    tops, ends, last = [], [], []
    for fit, own in zip(tables, values, strict=True):
        improved = np.flatnonzero(_improved(fit))
        for _, series in own.values():
            tops.append(float(series[improved].max()))
            ends.append(float(np.nanmax(series)))
            last.append(float(series[improved[-1]]))
    most = max(tops) * 4 / 3
    positive = [v for v in last if v > 1e-4 * max(last)]
    if max(positive) > _WIDE * min(positive):
        low = 10.0 ** math.floor(math.log10(min(positive) / 10))
        stretch = (max(ends) / low) ** _ROOM
        return (low, most if max(ends) > most else max(ends) * stretch), True
    # Where trials are cut off the axis stays what the caption says. A line at zero is whole.
    top = most if max(ends) > most else max(ends) * (1 + _ROOM)
    return (-_ROOM / 2 * top, top), False


def _theta_axis(tables: Sequence[FitTables], values: Sequence[_Values]) -> tuple[float, float]:
    """Range of the axis of theta: `theta_span`, and room for the lines at the outermost trials."""
    low, high = theta_span(tables)
    all_values = [series for own in values for _, series in own.values()]
    least = min(float(series.min()) for series in all_values)
    most = max(float(series.max()) for series in all_values)
    room = _ROOM * ((high - low) or 1.0)
    # Where the span cuts trials off it stays what the caption says.
    return low - room if low <= least else low, high + room if high >= most else high


def _row(
    title: str,
    values: Sequence[_Values],
    frames: Sequence[pd.DataFrame],
    span: tuple[float, float],
    limit: int,
    *,
    log: bool = False,
) -> ParameterRow:
    """Bring values into the shape in which they are drawn, thinned by the rule of the trace."""
    low, high = span
    out, beyond, raised, kept = [], [], [], []
    elsewhere = 0
    for own, frame in zip(values, frames, strict=True):
        outside = np.zeros(len(frame), dtype=bool)
        below = 0
        way = on_the_way(frame)
        keep = kept_rows(frame, max(2, limit // max(1, len(own)))) & way
        parts = []
        for name, (group, series) in own.items():
            outside |= ((series > high) | ((series < low) & (not log))) & way
            below += int((series[keep] < low).sum()) if log else 0
            shown = np.maximum(series, low) if log else series
            parts.append(
                pd.DataFrame(
                    {
                        "x": frame["x"].to_numpy()[keep],
                        "value": shown[keep],
                        "component": name,
                        "group": group,
                    }
                )
            )
        columns = ["x", "value", "component", "group"]
        joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
        out.append(joined.dropna(subset=["value"]))
        beyond.append(int(outside.sum()))
        raised.append(below)
        kept.append(int((keep | ~way).sum()))
        elsewhere += int((~way).sum())
    counts = (tuple(beyond), tuple(raised), tuple(kept), elsewhere)
    return ParameterRow(title, tuple(out), (low, high), log, *counts)
