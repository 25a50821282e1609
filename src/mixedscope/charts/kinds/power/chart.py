"""Power of a planned study: curves along its size, a heat map over two, points at a single one.

How large must the study be? The size with the wanted power is read off on the chart itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import key_columns, title_lines
from mixedscope.charts.common.numerals import percent, share
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, FONT, GROUP_COLOURS, ink
from mixedscope.charts.kinds.power.options import PowerOptions
from mixedscope.charts.kinds.power.words import (
    along_words,
    is_null,
    power_caption,
    power_title,
    size_words,
)

__all__ = ["power_chart"]

_LEFT: Final = 48
_HEIGHT: Final = 230
_ROW: Final = 26
#: Pixels of a cell of a heat map, and the least that a number in it needs.
_CELL: Final = 26
_LEAST: Final = 30
#: Pixels that a label of a size needs across.
_LABEL: Final = 34
#: Cells of a heat map without power and with all of it, none too dark for numbers and frames.
_SHADES: Final = ["#F4F8FC", "#5C9BD3"]
_ON_SHADES: Final = "#222222"
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


@drawn_with(PowerOptions)
def power_chart(
    power: pd.DataFrame, sizes: pd.DataFrame, *, options: PowerOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the stored tables ``power`` and ``power_sizes``."""
    title, caption = power_title(power, sizes), power_caption(power, sizes)
    data = Datasets(digits=6)
    if power["factor2"].notna().any():
        chart = _heat(data, power, _wanted_of(power, sizes)[0], theme)
    elif power["factor"].notna().any():
        chart = in_column(_curves(data, power, sizes, theme), _key(power, sizes, theme), spacing=12)
    else:
        chart = _points(data, power, theme)
    chart = data.give(chart).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _told(table: pd.DataFrame) -> pd.DataFrame:
    """What is drawn, with what tooltips say."""
    out = table.copy()
    for name in ("power", "power_lower", "power_upper", "power_least", "power_most"):
        out[name] = out[name].astype(float)
    out["told"] = [
        f"{share(p)} ({share(a)} to {share(b)})" if math.isfinite(p) else "none was tested"
        for p, a, b in zip(out["power"], out["power_lower"], out["power_upper"], strict=True)
    ]
    out["counts"] = [
        f"{int(k):,} of {int(n):,} tested, {int(m):,} drawn"
        for k, n, m in zip(out["rejected"], out["tested"], out["draws"], strict=True)
    ]
    return out


def _tips(table: pd.DataFrame) -> list[alt.Tooltip]:
    own = [alt.Tooltip(field="effect", type="nominal", title="effect")]
    for factor, size in (("factor", "size"), ("factor2", "size2")):
        names = table[factor].dropna()
        if len(names):
            own.append(alt.Tooltip(field=size, type="quantitative", title=str(names.iloc[0])))
    numbers = (
        ("truth", "true value"), ("rows", "rows"), ("type_m", "mean exaggeration if significant"),
        ("type_s", "share of wrong signs if significant"), ("coverage", "coverage of intervals"),
        ("width", "mean width of intervals"), ("singular", "singular fits"),
    )  # fmt: skip
    return [
        *own,
        alt.Tooltip(field="told", type="nominal", title="power"),
        alt.Tooltip(field="counts", type="nominal", title="significant"),
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".3~g")
            for field, words in numbers
            if field in table.columns and table[field].notna().any()
        ),
    ]


def _drawn_columns(table: pd.DataFrame) -> pd.DataFrame:
    names = [
        "size", "size2", "effect", "truth", "rows", "power", "power_lower", "power_upper",
        "power_least", "power_most", "type_m", "type_s", "coverage", "width", "singular", "told",
        "counts",
    ]  # fmt: skip
    out = table[names].copy()
    for name in ("size", "size2", "rows", "singular", "truth", "type_m", "type_s", "coverage",
                 "width"):  # fmt: skip
        out[name] = out[name].astype(float)
    return out.dropna(axis=1, how="all")


def _share(title: str, field: str = "power") -> alt.Y:
    """The axis of shares, for another field of the same layer too."""
    return alt.Y(
        field=field,
        type="quantitative",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(title=title, format="%", values=[0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    )


def _wanted_of(power: pd.DataFrame, sizes: pd.DataFrame) -> tuple[float, str]:
    """Where a line across stands, and what it says."""
    if is_null(power):
        size = 1.0 - float(power["level"].iloc[0])
        return size, f"size of the tests, {percent(size)}"
    wanted = float(sizes["wanted"].iloc[0]) if len(sizes) else 0.8
    return wanted, f"wanted, {percent(wanted)}"


def _by_effect(effects: Sequence[str]) -> dict[str, Any]:
    """Colour and shape of the effects; a single one has those of a mode and no key."""
    if len(effects) == 1:
        return {"color": alt.value(COLOURS["mode"])}
    palette = [GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in range(len(effects))]
    key = alt.Legend(
        title=None, orient="bottom", direction="horizontal", symbolSize=60, symbolOpacity=1,
        columns=key_columns(list(effects), beside=_LEFT),
    )  # fmt: skip
    scale = alt.Scale(domain=list(effects), range=palette)
    colour = alt.Color(field="effect", type="nominal", scale=scale, legend=key, sort=None)
    return {"color": colour}


def _shape_of(effects: Sequence[str]) -> dict[str, Any]:
    if len(effects) == 1:
        return {}
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(effects))]
    key = alt.Legend(
        title=None, orient="bottom", direction="horizontal", symbolSize=60, symbolOpacity=1,
        columns=key_columns(list(effects), beside=_LEFT),
    )  # fmt: skip
    scale = alt.Scale(domain=list(effects), range=shapes)
    return {"shape": alt.Shape(field="effect", type="nominal", scale=scale, legend=key, sort=None)}


def _curves(data: Datasets, power: pd.DataFrame, sizes: pd.DataFrame, theme: str) -> Any:
    """Power along one size, a line with its band for every effect."""
    colours = ink(theme)
    effects = list(dict.fromkeys(power["effect"]))
    told = _told(power)
    drawn = _drawn_columns(told)
    factor = str(power["factor"].dropna().iloc[0])
    values = sorted({int(s) for s in power["size"]})
    room = max(0.02 * (values[-1] - values[0]), 0.5)
    domain = [values[0] - room, values[-1] + room]
    width = inner() - _LEFT
    x = alt.X(
        field="size",
        type="quantitative",
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=alt.Axis(title=along_words(factor), values=_apart(values, domain, width), grid=False,
                      labelFlush=False, format=",d"),
    )  # fmt: skip
    told_y = "share of significant results" if is_null(power) else "power"
    y = _share(told_y)
    base = data.chart(drawn)
    colour = _by_effect(effects)
    band = base.mark_area(opacity=0.16 if theme == "light" else 0.22, aria=False).encode(
        x=x,
        y=_share(told_y, "power_lower"),
        y2=alt.Y2(field="power_upper"),
        **colour,
    )
    line = base.mark_line(strokeWidth=1.8, aria=False).encode(x=x, y=y, **colour)
    points = base.mark_point(filled=True, size=44, opacity=1, aria=False).encode(
        x=x, y=y, tooltip=_tips(told), **colour, **_shape_of(effects)
    )
    whiskers = []
    if (told["draws"] > told["tested"]).any():
        whiskers = [
            base.mark_rule(strokeWidth=1.1, strokeDash=[2, 2], aria=False).encode(
                x=x,
                y=_share(told_y, "power_least"),
                y2=alt.Y2(field="power_most"),
                **colour,
            )
        ]
    wanted, words = _wanted_of(power, sizes)
    return layered(
        *_across(data, wanted, words, domain, x, y, colours),
        band, *whiskers, line,
        *_read_off(data, sizes, wanted, x, told_y, effects, domain, width, theme),
        points,
        width=width, height=_HEIGHT,
    )  # fmt: skip


def _key(power: pd.DataFrame, sizes: pd.DataFrame, theme: str) -> Any:
    """What bands, whiskers and lines down to the axis are, whatever their colour."""
    soft = ink(theme)["soft"]
    items = [Keyed("band", "95\u00a0% interval", {"color": soft, "opacity": 0.2})]
    if (power["draws"] > power["tested"]).any():
        dashes = {"color": soft, "strokeWidth": 1.1, "strokeDash": [2, 2]}
        items.append(Keyed("upright", "if all or none left out were significant", dashes))
    if (sizes["size"] > sizes["smallest"]).any():
        wanted = percent(float(sizes["wanted"].iloc[0]))
        line = {"color": soft, "strokeWidth": 1.2}
        items.append(Keyed("upright", f"size that reaches {wanted} (sizes not excluded)", line))
    return mark_key(items, width=inner() - _LEFT, theme=theme)


def _across(
    data: Datasets, wanted: float, words: str, domain: Sequence[float], x: Any, y: Any,
    colours: dict[str, str],
) -> list[Any]:  # fmt: skip
    """The line of the power that is wanted, or of the size of the tests."""
    at = pd.DataFrame({"size": [domain[0]], "end": [domain[1]], "power": [wanted], "words": words})
    base = data.chart(at)
    rule = base.mark_rule(color=COLOURS["zero"], strokeDash=[4, 3], aria=False).encode(
        x=x, x2=alt.X2(field="end"), y=y
    )
    text = base.mark_text(
        align="left", baseline="bottom", dx=3, dy=-3, fontSize=10, font=FONT,
        color=colours["soft"], aria=False,
    ).encode(x=x, y=y, text=alt.Text(field="words", type="nominal"))  # fmt: skip
    return [rule, text]


def _read_off(
    data: Datasets, sizes: pd.DataFrame, wanted: float, x: Any, told_y: str, effects: Sequence[str],
    domain: Sequence[float], width: float, theme: str,
) -> list[Any]:  # fmt: skip
    """Lines from where curves reach the wanted power down to the axis, each with its size."""
    known = [row for row in sizes.to_dict("records") if pd.notna(row["size"])]
    rows = sorted(
        (row for row in known if row["size"] > row["smallest"]), key=lambda row: row["size"]
    )
    if not rows:
        return []
    scale = (domain[1] - domain[0]) / width
    level, last = 0, -math.inf
    told = []
    for row in rows:
        # Labels that would touch stand above each other.
        text = size_words(row)
        left = row["size"] - len(text) * 2.9 * scale
        level = level + 1 if left < last else 0
        last = max(last, row["size"] + len(text) * 2.9 * scale)
        told.append(
            {"size": float(row["size"]), "power": wanted, "foot": 0.0, "words": text,
             "at": 0.03 + 0.065 * level, "effect": row["effect"]}
        )  # fmt: skip
    base = data.chart(pd.DataFrame(told))
    colour = _by_effect(effects)
    rule = base.mark_rule(strokeWidth=1.2, aria=False).encode(
        x=x, y=_share(told_y), y2=alt.Y2(field="foot"), **colour
    )
    place = {"x": x, "y": _share(told_y, "at"), "text": alt.Text(field="words", type="nominal")}
    style: dict[str, Any] = {
        "align": "right", "baseline": "bottom", "dx": -4, "fontSize": 10, "font": FONT,
        "aria": False,
    }  # fmt: skip
    # On a ground of paper, so that it can be read across the line of another size.
    ground = base.mark_text(stroke=ink(theme)["paper"], strokeWidth=3, **style).encode(**place)
    return [rule, ground, base.mark_text(**style).encode(**place, **colour)]


def _apart(values: Sequence[int], domain: Sequence[float], width: float) -> list[int]:
    """Sizes that are written below the axis: as many as have room."""
    step = _LABEL * (domain[1] - domain[0]) / width
    shown: list[int] = []
    for value in reversed(values):
        if not shown or shown[-1] - value >= step:
            shown.append(value)
    return shown[::-1]


def _heat(data: Datasets, power: pd.DataFrame, wanted: float, theme: str) -> Any:
    """Power over two sizes, a panel for every effect."""
    colours = ink(theme)
    effects = list(dict.fromkeys(power["effect"]))
    told = _told(power)
    told["text"] = [share(p).replace("\u00a0%", "") if math.isfinite(p) else "–"
                    for p in told["power"]]  # fmt: skip
    across = sorted({int(s) for s in power["size"]})
    down = sorted({int(s) for s in power["size2"]}, reverse=True)
    per_row = 1 if is_narrow() or len(effects) == 1 else 2
    width = min(max(_LEAST, 60) * len(across), (inner() - per_row * (_LEFT + 12)) // per_row)
    height = _CELL * len(down)
    drawn = _drawn_columns(told).assign(text=told["text"])
    drawn["size"], drawn["size2"] = power["size"].astype(int), power["size2"].astype(int)
    scale = alt.Scale(domain=[0, 1], range=_SHADES)
    null = is_null(power)
    told_as = "share of significant results" if null else f"power, framed from {percent(wanted)} on"
    legend = alt.Legend(
        title=told_as, titleLimit=0, format="%", orient="bottom", gradientLength=140,
        gradientThickness=10, values=[0, 0.2, 0.4, 0.6, 0.8, 1.0],
    )  # fmt: skip
    panels = []
    for effect in effects:
        own = data.chart(drawn[drawn["effect"] == effect])
        place = {
            "x": alt.X(field="size", type="ordinal", sort=across,
                       axis=alt.Axis(title=along_words(str(power["factor"].iloc[0])),
                                     labelAngle=0)),
            "y": alt.Y(field="size2", type="ordinal", sort=down,
                       axis=alt.Axis(title=along_words(str(power["factor2"].iloc[0])))),
        }  # fmt: skip
        cells = own.mark_rect(aria=False, stroke=colours["paper"]).encode(
            color=alt.Color(field="power", type="quantitative", scale=scale, legend=legend),
            tooltip=_tips(told), **place,
        )  # fmt: skip
        words = own.mark_text(fontSize=10, font=FONT, color=_ON_SHADES, aria=False).encode(
            text=alt.Text(field="text", type="nominal"), **place
        )
        reached = drawn.loc[
            (drawn["effect"] == effect) & (drawn["power"] >= wanted) & (not null),
            ["size", "size2"],
        ]
        frames = data.chart(reached).mark_rect(
            aria=False, filled=False, stroke=_ON_SHADES, strokeWidth=1.6
        )
        layers = [cells, frames.encode(**place), words] if len(reached) else [cells, words]
        panel = layered(*layers, width=width, height=height)
        if len(effects) > 1:
            title = alt.TitleParams(text=str(effect), fontSize=11, anchor="start", offset=4)
            panel = panel.properties(title=title)
        panels.append(panel)
    rows = [in_row(*panels[i : i + per_row], spacing=24) for i in range(0, len(panels), per_row)]
    return in_column(*rows, spacing=14)


def _points(data: Datasets, power: pd.DataFrame, theme: str) -> Any:
    """Power at a single size, a row for every effect."""
    colours = ink(theme)
    effects = list(dict.fromkeys(power["effect"]))
    told = _told(power)
    base = data.chart(_drawn_columns(told))
    scale = alt.Scale(domain=[0, 1], nice=False)
    title = "share of significant results" if is_null(power) else "power"
    axis = alt.Axis(title=title, format="%", values=[0, 0.2, 0.4, 0.6, 0.8, 1.0])
    y = alt.Y(field="effect", type="nominal", sort=effects,
              axis=alt.Axis(title=None, domain=False, ticks=False, labelLimit=140))  # fmt: skip
    bars = base.mark_rule(strokeWidth=1.8, color=COLOURS["mode"], aria=False).encode(
        x=alt.X(field="power_lower", type="quantitative", scale=scale, axis=axis),
        x2=alt.X2(field="power_upper"), y=y,
    )  # fmt: skip
    points = base.mark_point(
        filled=True, size=46, opacity=1, color=COLOURS["mode"], aria=False
    ).encode(
        x=alt.X(field="power", type="quantitative", scale=scale, axis=axis), y=y,
        tooltip=_tips(told),
    )  # fmt: skip
    numbers = base.mark_text(
        align="left", dx=6, fontSize=10, font=FONT, color=colours["soft"], aria=False
    ).encode(
        x=alt.X(field="power_upper", type="quantitative", scale=scale, axis=axis), y=y,
        text=alt.Text(field="told", type="nominal"),
    )  # fmt: skip
    return layered(bars, points, numbers, width=min(inner() - 140, 300), height=_ROW * len(effects))
