"""Headers and keys drawn by hand: what a panel shows, and what its marks mean.

Vega-Lite's legends explain one scale each; the marks of a shrinkage chart are one sentence, so the
key is a row of them with words between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import layered
from mixedscope.charts.common.lines import broken
from mixedscope.charts.common.numerals import fixed
from mixedscope.charts.common.open_ends import HEAD
from mixedscope.charts.common.sheet import inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, FONT, ink
from mixedscope.charts.kinds.shrinkage.levels import Pull
from mixedscope.core.vocabulary import CRITERION_SYMBOLS

__all__ = [
    "MEAN_SHAPE",
    "header",
    "header_lines",
    "key_columns",
    "key_row",
    "limit_line",
    "population_mark",
    "title_lines",
]

#: An upright stroke: where draws have their mean.
MEAN_SHAPE: Final = "M0,-1L0,1"

#: Mean width of a character of the font, as a share of its size.
_CHARACTER = 0.52


def header_lines(pull: Pull, group: str, *, narrow: bool) -> list[str]:
    """Say what one fit is: objective, parameters, evaluations, singularity, terms it lacks."""
    info = pull.info
    name = CRITERION_SYMBOLS[info["criterion"]]
    objective = fixed(info["objective"], 2)
    evaluations = (info.get("optimizer") or {}).get("evaluations")
    counts = [f"{info['dof']} parameters"]
    if evaluations is not None:
        counts.append(f"{evaluations} evaluation{'' if evaluations == 1 else 's'}")
    # In a column of a journal both would reach into the block beside.
    lines = [f"{name} {objective}", *(counts if is_narrow() else [", ".join(counts)])]
    if not narrow:
        lines = [", ".join(lines)]
    if found := pull.singular(group):
        lines.append(f"singular: rank {found['rank']} of {found['size']}")
    elif held := pull.held(group):
        lines.append(f"held to {held['full_rank']} of {held['size']} dimensions")
    still = [t for t, varies in zip(pull.terms, pull.varies, strict=True) if not varies]
    if len(still) == 1:
        lines.append(f"{still[0]} does not vary")
    elif still:
        lines.append(
            f"only {', '.join(t for t in pull.terms if t not in still)} varies"
            if len(still) < len(pull.terms)
            else "nothing varies"
        )
    return lines


def header(label: str, lines: Sequence[str], height: int, theme: str) -> alt.TitleParams:
    """Make the title of one fit's block, padded so that blocks side by side line up."""
    colours = ink(theme)
    padded = [*lines, *[" "] * (height - len(lines))]
    return alt.TitleParams(
        text=label,
        subtitle=padded,
        anchor="start",
        frame="group",
        fontSize=11,
        subtitleFontSize=10,
        subtitleColor=colours["soft"],
        offset=6,
    )


def title_lines(text: str, width: float, size: float = 14.0) -> list[str]:
    """Break a bold title into lines that fit a width in pixels."""
    # Bold is about a tenth wider.
    columns = max(int(width / (size * _CHARACTER * 1.08)), 20)
    return broken(text, columns) or [""]


def key_columns(labels: Sequence[str], *, beside: float = 0.0, symbol: float = 32.0) -> int:
    """In how many columns the entries of a legend stand, so that it is no wider than the sheet.

    ``beside``: pixels of a title to the left. ``symbol``: pixels of a symbol with what is about it.
    """
    room = inner() - beside
    lengths = [len(label) * 10 * _CHARACTER + symbol for label in labels]
    for columns in range(len(lengths), 1, -1):
        if sum(max(lengths[i::columns]) for i in range(columns)) <= room:
            return columns
    return 1


def key_row(items: Sequence[tuple[str, str]], *, width: float, theme: str, size: int = 10) -> Any:
    """Draw a key: rows of marks, each with its words.

    ``items``: kind and words; kinds are ``reference``, ``mode``, ``movement`` (``movement-line``
    where it has no arrow head), ``ellipse``, ``population``, ``limit`` (``limit-line`` where it is
    a line), ``zero``, ``infinite`` (a ring with an open arrowhead), and of intervals
    ``clear``, ``unclear`` and ``interval``, and of quantiles ``expected``, ``effects`` and
    ``outside``, of estimates
    ``mean`` and ``boundary``, of gaps ``unsure``.
    ``width``: pixels at most; an item that would not fit starts a new row.
    ``size``: font size.
    """
    colours = ink(theme)
    places: list[dict[str, Any]] = []
    x, row, mark, gap, step, used = 0.0, 0, 16.0, 14.0, 15.0, 0.0
    for kind, words in items:
        length = mark + 4 + len(words) * size * _CHARACTER
        if x > 0 and x + length > width:
            x, row = 0.0, row + 1
        places.append({"kind": kind, "text": words, "x": x, "y": (row + 0.5) * step})
        used = max(used, x + length)
        x += length + gap
    # Room that no words take, right of an axis, would be empty paper.
    width, height = min(width, round(used)), (row + 1) * step
    base = {"x_scale": [0, width], "y_scale": [height, 0]}

    def axis(field: str, domain: Sequence[float]) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "axis": None,
            "scale": alt.Scale(domain=list(domain), nice=False, zero=False),
        }

    def draw(rows: list[dict[str, Any]], **mark_settings: Any) -> alt.Chart:
        chart = alt.Chart(pd.DataFrame(rows), width=width, height=height)
        chart = chart.mark_point(**{"aria": False, **mark_settings})
        return chart.encode(
            x=alt.X(**axis("x", base["x_scale"])), y=alt.Y(**axis("y", base["y_scale"]))
        )

    def line(rows: list[dict[str, Any]], **mark_settings: Any) -> alt.Chart:
        rows = [r | {"x2": r["x"] + mark} for r in rows]
        chart = alt.Chart(pd.DataFrame(rows), width=width, height=height)
        return chart.mark_rule(**{"aria": False, **mark_settings}).encode(
            x=alt.X(**axis("x", base["x_scale"])),
            x2=alt.X2(field="x2"),
            y=alt.Y(**axis("y", base["y_scale"])),
        )

    layers: list[alt.Chart] = []
    for kind in dict.fromkeys(k for k, _ in items):
        rows = [{"x": p["x"], "y": p["y"]} for p in places if p["kind"] == kind]
        middle = [{"x": r["x"] + mark / 2, "y": r["y"]} for r in rows]
        if kind == "reference":
            layers.append(
                draw(middle, stroke=COLOURS[kind], fill=colours["paper"], size=30, strokeWidth=1.5)
            )
        elif kind == "infinite":
            ring = {"stroke": COLOURS["reference"], "fill": colours["paper"], "strokeWidth": 1.3}
            layers.append(draw([r | {"x": r["x"] - 4} for r in middle], size=30, **ring))
            ahead = [r | {"x": r["x"] + 4} for r in middle]
            layers.append(draw(ahead, shape=HEAD, angle=90, size=40, **ring))
        elif kind == "mode":
            layers.append(draw(middle, color=COLOURS[kind], filled=True, size=30, opacity=1))
        elif kind in ("clear", "unclear"):
            is_clear = kind == "clear"
            colour = COLOURS["mode" if is_clear else "zero"]
            layers.append(line(rows, color=colour, strokeWidth=2.2 if is_clear else 1.0))
            layers.append(draw(middle, color=colour, filled=True, size=26, opacity=1))
        elif kind == "movement-line":
            layers.append(line(rows, color=COLOURS["movement"], strokeWidth=1.2))
        elif kind == "movement":
            layers.append(line(rows, color=COLOURS[kind], strokeWidth=1.2))
            tips = [{"x": r["x"] + mark - 2, "y": r["y"]} for r in rows]
            layers.append(
                draw(
                    tips,
                    shape="triangle-right",
                    color=COLOURS[kind],
                    filled=True,
                    size=26,
                    opacity=1,
                )
            )
        elif kind == "ellipse":
            layers.append(line(rows, color=COLOURS[kind], strokeWidth=1.6))
        elif kind == "expected":
            layers.append(line(rows, color=COLOURS["population"], strokeWidth=1.2))
        elif kind == "effects":
            settings = {"strokeDash": [2, 3], "strokeWidth": 1.2}
            layers.append(line(rows, color=COLOURS["movement"], **settings))
        elif kind == "outside":
            settings = {"shape": "diamond", "color": COLOURS["failed"], "filled": True}
            layers.append(draw(middle, **settings, size=44, opacity=1))
        elif kind == "mean":
            settings = {"shape": MEAN_SHAPE, "stroke": colours["ink"], "strokeWidth": 1.6}
            layers.append(draw(middle, **settings, size=90, opacity=1))
        elif kind == "region":
            layers.append(line(rows, color=colours["ink"], strokeWidth=1.2))
        elif kind == "boundary":
            layers.append(line(rows, color=colours["ink"], strokeWidth=2))
        elif kind == "interval":
            layers.append(line(rows, color=COLOURS["zero"], strokeWidth=0.8))
        elif kind == "limit-line":
            layers.append(line(rows, **limit_line()))
        elif kind == "evaluation":
            settings = {"stroke": COLOURS[kind], "size": 10, "strokeWidth": 0.8}
            layers.append(draw(middle, **settings, fill="transparent", opacity=0.9))
        elif kind == "fit":
            layers.append(line(rows, color=colours["ink"], strokeWidth=0.8))
        elif kind == "best":
            layers.append(line(rows, color=COLOURS[kind], strokeWidth=1.4))
        elif kind == "unsure":
            settings = {"color": colours["soft"], "opacity": 0.24, "strokeWidth": 9}
            layers.append(line(rows, **settings))
        elif kind == "zero":
            layers.append(line(rows, color=COLOURS[kind], strokeWidth=1, strokeDash=[3, 2]))
        else:
            layers.append(draw(middle, **population_mark(kind, theme)))
    texts = alt.Chart(
        pd.DataFrame([{"x": p["x"] + mark + 4, "y": p["y"], "text": p["text"]} for p in places]),
        width=width,
        height=height,
    )
    layers.append(
        texts.mark_text(
            align="left", baseline="middle", fontSize=size, font=FONT, color=colours["ink"]
        ).encode(
            x=alt.X(**axis("x", base["x_scale"])),
            y=alt.Y(**axis("y", base["y_scale"])),
            text=alt.Text(field="text", type="nominal"),
        )
    )
    return layered(*layers, view=alt.ViewConfig(stroke=None))


def limit_line() -> dict[str, Any]:
    """Settings of the line of the population that the reference has, where it is another."""
    return {
        "color": COLOURS["population"],
        "strokeWidth": 1.2,
        "strokeDash": [1.5, 2],
        "aria": False,
    }


def population_mark(kind: str, theme: str) -> dict[str, Any]:
    """Settings of the mark of a population: a cross, or a diamond for that of the joint limit.

    The cross is hollow and larger than a point: where all modes are zero they lie under it.
    """
    if kind == "limit":
        return {
            "shape": "diamond",
            "stroke": COLOURS["population"],
            "fill": ink(theme)["paper"],
            "size": 42,
            "strokeWidth": 1.3,
            "opacity": 1,
        }
    return {
        "shape": "cross",
        "stroke": COLOURS["population"],
        "fill": "transparent",
        "size": 120,
        "strokeWidth": 1.1,
        "opacity": 1,
    }
