"""The trace of an optimisation: how far each evaluation was from the minimum, and what θ did.

Above, the objective minus its minimum on a log scale; below, the components of θ on the same
axis.  Phases are shaded, stages marked, failed evaluations shown at the top edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.theme import COLOURS, DOUBLE_COLUMN, GROUP_COLOURS, ink
from mixedscope.charts.trace_words import PHASE_NAMES, counted, trace_caption, trace_title
from mixedscope.errors import ModelError, suggest
from mixedscope.store import FitTables

__all__ = ["LABELLED_COMPONENTS", "POINT_LIMIT", "THETA_LIMIT", "gap_floor", "trace_chart"]

#: Evaluations drawn in one chart, and values of θ; what is beyond is thinned.
POINT_LIMIT: Final = 2000
THETA_LIMIT: Final = 6000

#: With more components than these, a line has the colour of its factor, and a name when pointed at.
LABELLED_COMPONENTS: Final = 6

_KINDS: Final = {
    "evaluation": ("evaluation", "circle"),
    "polish": ("while polishing", "triangle-up"),
    "escape": ("while escaping a saddle or a false bound", "diamond"),
    "failed": ("failed (at the top edge)", "M-.7,-.7L.7,.7M-.7,.7L.7,-.7"),
    "best": ("best so far", "stroke"),
}
_DASHES: Final = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4])
_X_TITLES: Final = {
    "evaluation": "evaluation of the objective",
    "seconds": "seconds spent in evaluations",
}
#: Room of a double column: inside its padding, for the vertical axis, between panels.
#: So few evaluations are told apart one by one.
_FEW: Final = 5
_INNER: Final = DOUBLE_COLUMN - 16
_AXIS: Final = 74
_GAP: Final = 14
_HEIGHTS: Final = (210, 140)


def trace_chart(
    tables: Sequence[FitTables], *, x: str = "evaluation", theme: str = "light"
) -> tuple[Any, str, str]:
    """Draw the traces of one or more fits side by side.

    Parameters
    ----------
    tables : sequence of FitTables
        With ``trace`` and ``estimates``, and ``timing`` for ``x="seconds"``.
    x : {"evaluation", "seconds"}
        What runs to the right: the number of the evaluation, or the time spent in evaluations up
        to and including it.
    theme : {"light", "print"}

    Returns
    -------
    chart, title, caption : altair chart, str, str
        The chart without theme and title.

    Raises
    ------
    ModelError
        If ``x`` or ``theme`` is unknown, or no evaluation of a fit succeeded.
    StoreError
        If a table is missing.
    """
    if x not in _X_TITLES:
        raise ModelError(
            f"A trace cannot run along {x!r}.{suggest(x, _X_TITLES)} "
            f"Known are: {', '.join(_X_TITLES)}."
        )
    colours = ink(theme)
    floor = gap_floor(tables)
    frames = [_frame(fit, floor, x) for fit in tables]
    shown = [frame[_kept(frame, POINT_LIMIT // len(frames))] for frame in frames]
    top = _next_power(max(float(frame["gap"].max()) for frame in frames), floor)
    thetas = [_theta_frame(t, f, THETA_LIMIT // len(tables)) for t, f in zip(tables, frames)]
    span = theta_span(tables)
    kinds = _kind_encodings(frames)
    encodings = _component_encodings(thetas, _groups(tables))
    width = max(110, (_INNER - _AXIS - _GAP * (len(tables) - 1)) // len(tables))
    above, below = [], []
    for i, fit in enumerate(tables):
        axis = _Horizontal(x, frames[i])
        above.append(
            _gap_panel(
                frames[i], shown[i], axis, (floor, top), colours, kinds, first=i == 0
            ).properties(width=width, height=_HEIGHTS[0], title=_header(fit, tables))
        )
        below.append(
            _theta_panel(thetas[i], frames[i], axis, span, encodings, first=i == 0).properties(
                width=width, height=_HEIGHTS[1]
            )
        )
    chart = (
        alt.concat(*above, *below, columns=len(tables))
        .resolve_scale(color="shared", fill="shared", stroke="shared", shape="shared")
        .resolve_legend(color="shared", fill="shared", stroke="shared", shape="shared")
    )
    thinned = [(len(s), len(f)) for s, f in zip(shown, frames, strict=True)]
    return (
        chart,
        trace_title(tables),
        trace_caption(tables, floor=floor, theta_span=span, thinned=thinned),
    )


def gap_floor(tables: Sequence[FitTables]) -> float:
    """Smallest gap that is drawn: 1e-9, or the next power of ten above rounding.

    Rounding is taken as 16 units in the last place of the largest objective.

    Parameters
    ----------
    tables : sequence of FitTables

    Returns
    -------
    float
        In units of the objective.
    """
    largest = max(abs(float(fit.info["objective"])) for fit in tables)
    rounding = 16 * float(np.spacing(largest))
    return max(1e-9, 10.0 ** math.ceil(math.log10(rounding)))


def theta_span(tables: Sequence[FitTables]) -> tuple[float, float]:
    """Range of the axis of θ: that of the best points so far, and a third of it on either side.

    Single trials far away, which every search makes, would leave no room for the rest.  The range
    never exceeds that of the trials.

    Parameters
    ----------
    tables : sequence of FitTables

    Returns
    -------
    low, high : float
    """
    lows, highs, ends = [], [], []
    for fit in tables:
        trace = fit.require("trace")
        theta = np.array(trace["theta"].tolist(), dtype=float)
        improved = (trace["objective"] == trace["best"]).to_numpy()
        lows.append(theta[improved].min())
        highs.append(theta[improved].max())
        ends += [theta.min(), theta.max()]
    low, high = min(lows), max(highs)
    room = (high - low) / 3
    return float(max(low - room, min(ends))), float(min(high + room, max(ends)))


# -- tables behind the picture -------------------------------------------------------------------


def _frame(fit: FitTables, floor: float, x: str) -> pd.DataFrame:
    """One row per evaluation: where it is drawn and what it tells when pointed at."""
    trace = fit.require("trace")
    objective = trace["objective"].to_numpy(dtype=float)
    if not np.isfinite(objective).any():
        raise ModelError(f"No evaluation of the fit of {fit.info['formula']!r} succeeded.")
    minimum = np.nanmin(objective)
    ok = (trace["status"] == "ok").to_numpy()
    number = trace["evaluation"].to_numpy(dtype=float)
    if x == "seconds":
        right = fit.require("timing")["seconds"].to_numpy(dtype=float).cumsum()
        left = np.concatenate([[0.0], right[:-1]])
        at = right
    else:
        left, at, right = number - 0.5, number, number + 0.5
    stage = trace["stage"].to_numpy(dtype=object)
    kind = np.where(stage == "search", "evaluation", stage)
    return pd.DataFrame(
        {
            "x": at,
            "left": left,
            "right": right,
            "gap": np.where(ok, np.maximum(objective - minimum, floor), np.nan),
            "best": np.maximum(trace["best"].to_numpy(dtype=float) - minimum, floor),
            "kind": np.where(ok, np.where(np.isin(kind, list(_KINDS)), kind, "polish"), "failed"),
            "evaluation": trace["evaluation"].to_numpy(),
            "stage": stage,
            "phase": trace["phase"].to_numpy(dtype=object),
            "objective": objective,
            "rho": trace["rho"].to_numpy(dtype=float),
        }
    )


def _kept(frame: pd.DataFrame, limit: int) -> np.ndarray[Any, Any]:
    """Every k-th evaluation, the ends of phases and stages, and failed ones (every m-th)."""
    n = len(frame)
    keep = np.zeros(n, dtype=bool)
    keep[:: math.ceil(n / limit)] = True
    if n > limit:
        for column in ("phase", "stage"):
            change = (frame[column] != frame[column].shift()).to_numpy()
            keep |= change | np.append(change[1:], True)
        failed = np.flatnonzero(frame["kind"] == "failed")
        keep[failed[:: max(1, math.ceil(failed.size / limit))]] = True
    return keep


def _theta_frame(fit: FitTables, frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """One row per component of θ and evaluation drawn."""
    estimates = fit.require("estimates")
    names = list(fit.info["theta_names"])
    groups = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
    keep = _kept(frame, max(2, limit // len(names)))
    theta = np.array(fit.require("trace")["theta"].tolist(), dtype=float)[keep]
    m = theta.shape[0]
    return pd.DataFrame(
        {
            "x": np.tile(frame["x"].to_numpy()[keep], len(names)),
            "value": theta.T.ravel(),
            "component": np.repeat(names, m),
            "group": np.repeat(groups, m),
        }
    )


def _runs(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Uninterrupted pieces of one phase or stage: from where to where."""
    piece = (frame[column] != frame[column].shift()).cumsum()
    return (
        frame.groupby(piece, sort=True)
        .agg(name=(column, "first"), left=("left", "first"), right=("right", "last"))
        .reset_index(drop=True)
    )


def _groups(tables: Sequence[FitTables]) -> list[str]:
    return list(dict.fromkeys(term["group"] for fit in tables for term in fit.info["random"]))


# -- panels ----------------------------------------------------------------------------------------


class _Horizontal:
    """What the panels of one fit have in common: their horizontal axis."""

    def __init__(self, name: str, frame: pd.DataFrame) -> None:
        self.title = _X_TITLES[name]
        self.domain = [float(frame["left"].iloc[0]), float(frame["right"].iloc[-1])]
        self.step = 1 if name == "evaluation" else 0
        # Left to itself Vega puts ticks between the first evaluations.
        few = name == "evaluation" and len(frame) <= _FEW
        self.ticks: dict[str, Any] = {"values": list(range(1, len(frame) + 1))} if few else {}

    def __call__(self, field: str, *, titled: bool = False) -> alt.X:
        return alt.X(
            f"{field}:Q",
            scale=alt.Scale(domain=self.domain, nice=False),
            axis=alt.Axis(
                title=self.title if titled else None,
                grid=False,
                tickMinStep=self.step,
                tickCount=4,
                zindex=1,
                **self.ticks,
            ),
        )


def _gap_panel(
    frame: pd.DataFrame,
    shown: pd.DataFrame,
    x: _Horizontal,
    span: tuple[float, float],
    colours: dict[str, str],
    kinds: tuple[alt.Stroke, alt.Shape],
    *,
    first: bool,
) -> Any:
    stroke, shape = kinds
    exponents = range(round(math.log10(span[0])), round(math.log10(span[1])) + 1)
    y: dict[str, Any] = {
        # Half a step of room below, so that points on the floor are whole.
        "scale": alt.Scale(type="log", domain=[span[0] / 2, span[1]], nice=False),
        "axis": alt.Axis(
            title="objective − minimum" if first else None,
            values=[
                10.0**e for e in exponents if (e - exponents[0]) % (len(exponents) // 8 + 1) == 0
            ],
            labels=first,
            labelExpr=_powers(exponents),
        ),
    }
    points = shown.assign(
        y=shown["gap"].fillna(span[1]), label=[_KINDS[k][0] for k in shown["kind"]]
    )
    size = 14 if len(shown) <= 150 else 7
    marks = (
        alt.Chart(_rounded(points))
        .mark_point(filled=False, size=size, strokeWidth=0.9, opacity=0.85, aria=False)
        .encode(
            x=x("x"),
            y=alt.Y("y:Q", **y),
            stroke=stroke,
            shape=shape,
            tooltip=[
                alt.Tooltip("evaluation:Q"),
                alt.Tooltip("objective:Q", format=".6f"),
                alt.Tooltip("gap:Q", title="objective − minimum", format=".3g"),
                alt.Tooltip("stage:N"),
                alt.Tooltip("phase:N"),
                alt.Tooltip("rho:Q", title="trust radius ρ", format=".2g"),
            ],
        )
    )
    best = shown[["x", "best"]].dropna().assign(label=_KINDS["best"][0])
    line = (
        alt.Chart(_rounded(best))
        .mark_line(interpolate="step-after", strokeWidth=1.3, aria=False)
        .encode(x=x("x"), y=alt.Y("best:Q", **y), stroke=stroke)
    )
    return alt.layer(_bands(frame, x), *_stage_marks(frame, x, colours), marks, line)


def _kind_encodings(frames: Sequence[pd.DataFrame]) -> tuple[alt.Stroke, alt.Shape]:
    """Colour and shape of the evaluations that occur: two scales that share one legend."""
    occur = {"best"}.union(*(frame["kind"] for frame in frames))
    kinds = [kind for kind in _KINDS if kind in occur]
    labels = [_KINDS[kind][0] for kind in kinds]
    colours = alt.Scale(domain=labels, range=[COLOURS[kind] for kind in kinds])
    shapes = alt.Scale(domain=labels, range=[_KINDS[kind][1] for kind in kinds])
    legend = alt.Legend(title="objective", orient="bottom", direction="vertical", symbolSize=60)
    return (
        alt.Stroke("label:N", scale=colours, legend=legend),
        alt.Shape("label:N", scale=shapes, legend=legend),
    )


def _bands(frame: pd.DataFrame, x: _Horizontal, *, titled: bool = False) -> Any:
    """The phases as shaded bands over the whole height."""
    runs = _runs(frame, "phase").assign(phase=lambda r: r["name"].map(PHASE_NAMES))
    return (
        alt.Chart(_rounded(runs))
        .mark_rect(opacity=0.75, aria=False)
        .encode(
            x=x("left", titled=titled),
            x2="right:Q",
            fill=alt.Fill(
                "phase:N",
                scale=alt.Scale(
                    domain=list(PHASE_NAMES.values()), range=[COLOURS[p] for p in PHASE_NAMES]
                ),
                legend=alt.Legend(
                    title="phase",
                    orient="top",
                    direction="horizontal",
                    titleOrient="left",
                    symbolType="square",
                    offset=4,
                ),
            ),
            tooltip=alt.Tooltip("phase:N"),
        )
    )


def _stage_marks(frame: pd.DataFrame, x: _Horizontal, colours: dict[str, str]) -> list[Any]:
    """A line and a word where another stage begins."""
    runs = _runs(frame, "stage").iloc[1:]
    if runs.empty:
        return []
    rule = (
        alt.Chart(_rounded(runs))
        .mark_rule(stroke=colours["soft"], strokeDash=[3, 2], aria=False)
        .encode(x=x("left"))
    )
    # The word stands on the side of the line that has room for it.
    right = runs["left"] > sum(x.domain) / 2
    sides: list[tuple[pd.DataFrame, dict[str, Any]]] = [
        (runs[~right], {"align": "left", "dx": 3}),
        (runs[right], {"align": "right", "dx": -3}),
    ]
    words = [
        alt.Chart(_rounded(rows))
        .mark_text(baseline="top", dy=4, fontSize=9, fill=colours["ink"], aria=False, **side)
        .encode(x=x("left"), y=alt.value(0), text="name:N")
        for rows, side in sides
        if len(rows)
    ]
    return [rule, *words]


def _theta_panel(
    theta: pd.DataFrame,
    frame: pd.DataFrame,
    x: _Horizontal,
    span: tuple[float, float],
    encodings: dict[str, Any],
    *,
    first: bool,
) -> Any:
    lines = (
        alt.Chart(_rounded(theta))
        # Few evaluations are points as well: a line of one would show nothing.
        .mark_line(strokeWidth=1.1, clip=True, aria=False, point=theta["x"].nunique() <= _FEW)
        .encode(
            x=x("x", titled=True),
            y=alt.Y(
                "value:Q",
                scale=alt.Scale(domain=list(span), nice=True, zero=False),
                axis=alt.Axis(title="θ" if first else None, labels=first, tickCount=5),
            ),
            tooltip=[alt.Tooltip("component:N", title="component of θ")],
            **encodings,
        )
    )
    return alt.layer(_bands(frame, x, titled=True), lines)


def _component_encodings(thetas: Sequence[pd.DataFrame], groups: list[str]) -> dict[str, Any]:
    """Colour by grouping factor; dashes and names by component where there are few."""
    owner = dict(
        pair for theta in thetas for pair in zip(theta["component"], theta["group"], strict=True)
    )
    colour = {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}
    legend = alt.Legend(
        title="components of θ",
        orient="bottom",
        direction="vertical",
        columns=2,
        symbolType="stroke",
        symbolSize=250,
        symbolStrokeWidth=1.5,
    )
    if len(owner) > LABELLED_COMPONENTS:
        scale = alt.Scale(domain=groups, range=list(colour.values()))
        return {
            "color": alt.Color("group:N", scale=scale, legend=legend),
            "detail": "component:N",
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


# -- details ---------------------------------------------------------------------------------------


def _header(fit: FitTables, tables: Sequence[FitTables]) -> alt.TitleParams:
    info = fit.info
    verdict = (info.get("certificate") or {}).get("verdict") or "not examined"
    cost = [str(info["optimizer"]["name"]), counted(len(fit.require("trace")))]
    return alt.TitleParams(
        text=str(info["structure"]),
        subtitle=[
            *(cost if len(tables) > 2 else [", ".join(cost)]),
            f"objective {info['objective']:.4f}",
            str(verdict),
        ],
        fontSize=11,
        subtitleFontSize=10,
        anchor="start",
        frame="group",
        offset=6,
    )


def _next_power(value: float, floor: float) -> float:
    return float(max(10.0 ** math.ceil(math.log10(value) - 1e-9), 10 * floor))


def _powers(exponents: range) -> str:
    """Vega expression that writes a power of ten so that it can be read: 100, 0.01, 1e−5."""
    labels = ", ".join(
        f"'{10.0**e:,.{max(0, -e)}f}'" if -3 <= e <= 6 else f"'1e{e}'".replace("-", "−")
        for e in exponents
    )
    labels = labels.replace("'", "'0 to ", 1)  # smaller gaps are drawn at the floor
    return f"[{labels}][round(log(datum.value) / LN10) - ({exponents[0]})]"


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Seven significant digits for what is drawn; the objective, which is read, keeps all."""
    out = frame.copy()
    for column in out.columns:
        if out[column].dtype == np.float64 and column != "objective":
            out[column] = [float(f"{v:.7g}") for v in out[column]]
    return out
