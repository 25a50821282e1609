"""The ledger chart: how variance moves between observations and groups while a model is fitted.

Four panels on one axis of evaluations: who has which share of the variance, how large the
contributions are, what the fit spends in degrees of freedom, and what the objective gains by it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.along import Along
from mixedscope.charts.common.compose import in_column, layered
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.labels import variable_words
from mixedscope.charts.common.link_scale import check_one_scale, of_scale
from mixedscope.charts.common.numerals import fixed, number
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.rows import in_rows, panel_width
from mixedscope.charts.common.sheet import inner, is_narrow
from mixedscope.charts.common.structure_names import fit_headings
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.ledger.books import Books
from mixedscope.charts.kinds.ledger.options import LedgerOptions
from mixedscope.charts.kinds.ledger.words import ledger_caption, ledger_title
from mixedscope.tables.store import FitTables

__all__ = ["ledger_chart"]

OBSERVATIONS: Final = "observations (residual)"
FIXED: Final = "fixed effects"

_DASHES: Final = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4])
_AXIS: Final = 58
#: Characters of a line of a title on a narrow sheet.
_SHORT: Final = 12
_GAP: Final = 14
# Room at the right of a single fit for the names of the lines, and height of one.
_NAMES: Final = 128
_LINE: Final = 11
# Upper end of the shares: room for half a label, which would push the headers apart.
_ROOF: Final = 1.07
#: Lines of the penalty, of the observations, and of the objective and its parts.
_PENALTY: Final[dict[str, Any]] = {"strokeWidth": 1.2, "strokeDash": [4, 2]}
_THICK: Final = 3.0
_PARTS: Final[dict[str, dict[str, Any]]] = {
    "objective": {"strokeWidth": 2.2},
    "n log σ²": {"strokeWidth": 1.3, "strokeDash": [6, 2]},
    "−2 log L given modes": {"strokeWidth": 1.3, "strokeDash": [6, 2]},
    "penalty": {"strokeWidth": 1.3, "strokeDash": [8, 2, 2, 2]},
    "log-determinant": {"strokeWidth": 1.3, "strokeDash": [2, 2]},
}
#: How dashes of these are written before their names.
_WRITTEN: Final = {
    "objective": "—", "n log σ²": "- -", "−2 log L given modes": "- -", "penalty": "-·-",
    "log-determinant": "···",
}  # fmt: skip
_HEIGHTS: Final = {
    "share": 96, "deviation": 128, "degrees": 96, "objective": 110, "newton": 70
}  # fmt: skip


@drawn_with(LedgerOptions)
def ledger_chart(
    tables: Sequence[FitTables], *, options: LedgerOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the ledgers of one or more fits side by side, on one axis of evaluations.

    The log scale shows the first of them apart.
    """
    check_one_scale(tables)
    x_scale = options.x_scale
    colours = ink(theme)
    books = [Books(fit) for fit in tables]
    groups = list(dict.fromkeys(group for book in books for group in book.groups))
    palette = {OBSERVATIONS: COLOURS["observations"], FIXED: COLOURS["fixed"]}
    palette |= {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}
    single = len(books) == 1
    width = inner() - _AXIS - _NAMES if single else panel_width(len(books), _AXIS, _GAP)
    style = _Style(palette, x_scale, width, colours, books)
    headings = fit_headings(tables, width)
    kinds: tuple[Any, ...] = (_share_panel, _deviation_panel, _degrees_panel, _objective_panel)
    if books[0].is_generalized:
        kinds = (_deviation_panel, _objective_panel, _newton_panel)

    def panels(fits: range) -> list[Any]:
        out = [panel(books[i], style, first=i == fits[0]) for panel in kinds for i in fits]
        if not single:
            for place, i in enumerate(fits):
                out[place] = out[place].properties(title=_header(tables[i], headings[i]))
        return out

    chart = in_rows(len(books), panels, ["fill", "stroke", "strokeDash"], ["color"])
    if not single:
        chart = in_column(chart, *_keys(style, theme), spacing=6)
    return chart, ledger_title(books), ledger_caption(books)


class _Style:
    """What the panels have in common: axes, colours and the range of each kind."""

    def __init__(
        self,
        palette: dict[str, str],
        x_scale: str,
        width: int,
        colours: Mapping[str, str],
        books: Sequence[Books],
    ) -> None:
        self.palette = palette
        self.along = Along(
            "evaluation",
            min(int(book.evaluations[0]) for book in books),
            1.0,
            [max(book.end, int(book.evaluations[-1]) + 1) for book in books],
            None if x_scale == "auto" else x_scale == "log",
        )
        self.width = width
        self.colours = colours
        self.books = books
        self.single = len(books) == 1
        sds = [float(v.max()) for book in books for v in book.deviations().values()]
        self.deviation = 1.05 * max(sds) or 1.0
        spent = [book.ledger["edf"].max() for book in books]
        worth = [(b.ledger["edf_fixed"] + b.ledger["part_penalty"]).max() for b in books]
        self.degrees = 1.04 * float(max(spent + worth))
        changes = np.concatenate([c.to_numpy() for b in books for c in b.changes().values()])
        self.objective = (float(changes.min()), float(changes.max()))
        names = [name for book in books for group in book.groups for name in book.names(group)]
        self.terms = list(dict.fromkeys(names))

    def x(self, book: Books, *, titled: bool) -> alt.X:
        """Horizontal axis, of all fits."""
        return self.along("x", titled=titled, labels=titled)

    def fill(self) -> alt.Fill:
        """Colour of areas: observations, fixed effects, grouping factors."""
        legend = alt.Legend(title=None, orient="top", direction="horizontal", symbolType="square")
        scale = alt.Scale(domain=list(self.palette), range=list(self.palette.values()))
        return alt.Fill("part:N", scale=scale, legend=legend)

    def dash(self) -> alt.StrokeDash:
        """Dashes of the terms, one kind per name of term."""
        scale = alt.Scale(domain=self.terms, range=list(self.dashes.values()))
        return alt.StrokeDash("dash:N", scale=scale, legend=None)

    @property
    def dashes(self) -> dict[str, list[int]]:
        """The dashes of every term by name."""
        return {name: _DASHES[i % len(_DASHES)] for i, name in enumerate(self.terms)}


# -- panels ----------------------------------------------------------------------------------------


def _share_panel(book: Books, style: _Style, *, first: bool) -> Any:
    parts = {OBSERVATIONS: book.of("share", None)}
    parts |= {group: book.of("share", group) for group in book.groups}
    axis = _y("share of variance", [0, _ROOF], first=first, format="%", tickCount=3)
    return _stack(book, style, parts, axis).properties(height=_HEIGHTS["share"])


def _degrees_panel(book: Books, style: _Style, *, first: bool) -> Any:
    parts = {FIXED: book.ledger["edf_fixed"]}
    parts |= {group: book.of("edf", group) for group in book.groups}
    axis = _y("degrees of freedom", [0, style.degrees], first=first, tickCount=4)
    worth = book.steps(book.ledger["edf_fixed"] + book.ledger["part_penalty"])
    line = (
        alt.Chart(worth)
        .mark_line(interpolate="step-after", stroke=style.colours["ink"], aria=False, **_PENALTY)
        .encode(x=style.x(book, titled=False), y=axis)
    )
    layers = [_stack(book, style, parts, axis), line]
    if style.single:
        stacked = np.cumsum([float(v.iloc[-1]) for v in parts.values()])
        labels = [
            (f"{name} {number(float(v.iloc[-1]), 4)}", name, top - float(v.iloc[-1]) / 2)
            for (name, v), top in zip(parts.items(), stacked, strict=True)
        ]
        labels.append(("- - penalty, units of σ²", "", float(worth["y"].iloc[-1])))
        layers.append(_names(style, labels, axis, style.degrees, _HEIGHTS["degrees"]))
    return layered(*layers).properties(height=_HEIGHTS["degrees"], width=style.width)


def _deviation_panel(book: Books, style: _Style, *, first: bool) -> Any:
    told = book.info.get("response") and not is_narrow()
    unit = f" ({variable_words(book.info['response'])})" if told else ""
    title = f"SD of contribution{unit}"
    if book.is_generalized:
        title = f"SD{of_scale(book.info)}"
    axis = _y(title, [0, style.deviation], first=first, tickCount=4)
    frames = []
    labels: list[tuple[str, str, float]] = []
    for (group, term), sd in book.deviations().items():
        frame = book.steps(sd)
        part = OBSERVATIONS if group is None else group
        frames.append(frame.assign(part=part, dash=term or "", line=f"{group} {term}"))
        last = float(frame["y"].iloc[-1])
        name = "observations, σ" if group is None else f"{group}: {term}"
        labels.append((f"{name} {number(last)}", part, last))
    rows = pd.concat(frames, ignore_index=True)
    # The grey of areas is too light for a line.
    strokes = style.palette | {OBSERVATIONS: style.colours["soft"]}
    scale = alt.Scale(domain=list(strokes), range=list(strokes.values()))
    colour = alt.Stroke("part:N", scale=scale, legend=None)
    base: dict[str, Any] = {"interpolate": "step-after", "aria": False}
    encoding = {
        "x": style.x(book, titled=False),
        "y": axis,
        "stroke": colour,
        "tooltip": [alt.Tooltip("line:N"), alt.Tooltip("y:Q", title="SD", format=".4~g")],
    }
    observed, others = rows["part"] == OBSERVATIONS, rows["part"] != OBSERVATIONS
    drawn: list[Any] = []
    if observed.any():
        line = alt.Chart(rows[observed]).mark_line(strokeWidth=_THICK, **base)
        drawn.append(line.encode(**encoding))
    line = alt.Chart(rows[others]).mark_line(strokeWidth=1.4, **base)
    drawn.append(
        line.encode(
            **encoding, detail=alt.Detail(field="line", type="nominal"), strokeDash=style.dash()
        )
    )
    if style.single:
        drawn.append(_names(style, labels, axis, style.deviation, _HEIGHTS["deviation"]))
    return layered(*drawn).properties(height=_HEIGHTS["deviation"], width=style.width)


def _objective_panel(book: Books, style: _Style, *, first: bool) -> Any:
    low, high = style.objective
    domain = [low - 0.04 * (high - low or 1.0), high + 0.04 * (high - low or 1.0)]
    axis = _y("objective − final", domain, first=first, tickCount=4)
    layers: list[Any] = []
    changes = book.changes()
    for name, values in changes.items():
        layers.append(
            alt.Chart(book.steps(values).assign(part=name))
            .mark_line(
                interpolate="step-after", stroke=style.colours["ink"], aria=False, **_PARTS[name]
            )
            .encode(
                x=style.x(book, titled=not book.is_generalized),
                y=axis,
                tooltip=[alt.Tooltip("part:N"), alt.Tooltip("y:Q", format=".4~g")],
            )
        )
    if style.single:
        words = [f"{_WRITTEN[name]} {name}" for name in changes]
        step = 14 / _HEIGHTS["objective"] * (domain[1] - domain[0])
        places = [domain[1] - (i + 1) * step for i in range(len(words))]
        rows = pd.DataFrame({"name": words, "y": places})
        key = alt.Chart(rows).mark_text(
            align="left", baseline="middle", dx=6, fontSize=9, color=style.colours["ink"]
        )
        layers.append(
            key.encode(
                x=alt.XValue(style.width), y=axis, text=alt.Text(field="name", type="nominal")
            )
        )
    return layered(*layers).properties(height=_HEIGHTS["objective"], width=style.width)


def _newton_panel(book: Books, style: _Style, *, first: bool) -> Any:
    """Newton steps to the conditional modes, at the evaluations kept."""
    most = max(float(b.ledger["newton_steps"].max()) for b in style.books)
    axis = _y("Newton steps", [0, 1.15 * most], first=first, tickCount=3, format="d")
    rows = pd.DataFrame(
        {"x": book.evaluations, "y": book.ledger["newton_steps"].to_numpy(dtype=float)}
    )
    base = alt.Chart(rows).encode(x=style.x(book, titled=True), y=axis)
    tips = [alt.Tooltip("x:Q", title="evaluation"), alt.Tooltip("y:Q", title="Newton steps")]
    points = base.mark_point(filled=True, size=22, opacity=1, color=style.colours["ink"],
                             aria=False)  # fmt: skip
    stems = base.mark_rule(strokeWidth=1, color=style.colours["soft"], aria=False)
    stems = stems.encode(y2=alt.datum(0))
    return layered(stems, points.encode(tooltip=tips)).properties(
        height=_HEIGHTS["newton"], width=style.width
    )


def _stack(book: Books, style: _Style, parts: Mapping[str, pd.Series], axis: alt.Y) -> Any:
    """Areas on top of one another, the first at the bottom."""
    below = np.zeros(len(book.ledger))
    frames = []
    for part, values in parts.items():
        above = below + values.to_numpy(dtype=float)
        frame = book.steps(above.tolist())
        frame["y0"] = book.steps(below.tolist())["y"]
        frames.append(frame.assign(part=part))
        below = above
    return (
        alt.Chart(pd.concat(frames, ignore_index=True))
        .mark_area(
            interpolate="step-after", stroke=style.colours["paper"], strokeWidth=0.8, aria=False
        )
        .encode(
            x=style.x(book, titled=False),
            y=axis,
            y2=alt.Y2(field="y0"),
            fill=style.fill(),
            tooltip=[alt.Tooltip("part:N")],
        )
        .properties(width=style.width)
    )


def _names(
    style: _Style, labels: Sequence[tuple[str, str, float]], axis: alt.Y, high: float, height: int
) -> Any:
    """Write the names of lines at their right ends, apart from one another."""
    places = _apart([height * (1 - value / high) for _, _, value in labels], height)
    rows = pd.DataFrame(
        [
            {"name": name, "part": part, "y": high * (1 - place / height)}
            for (name, part, _), place in zip(labels, places, strict=True)
        ]
    )
    mark = alt.Chart(rows).mark_text(
        align="left", baseline="middle", dx=6, fontSize=9, clip=False, aria=False
    )
    # Grey is too light for words; those of grouping factors have its colour.
    dark = style.palette | {OBSERVATIONS: style.colours["soft"], "": style.colours["ink"]}
    scale = alt.Scale(domain=list(dark), range=list(dark.values()))
    colour = alt.Color("part:N", scale=scale, legend=None)
    return mark.encode(
        x=alt.XValue(style.width), y=axis, text=alt.Text(field="name", type="nominal"), color=colour
    )


def _apart(pixels: Sequence[float], height: int) -> list[float]:
    """Move labels as little as needed for each to have a line of its own, in their order."""
    order = np.argsort(pixels, kind="stable")
    # Neighbours that overlap become a block around their common centre, inside the panel.
    blocks: list[tuple[float, int]] = []
    for i in order:
        total, count = float(pixels[i]), 1
        while True:
            half = count * _LINE / 2
            centre = min(max(total / count, half), height - half + _LINE / 2)
            if not blocks or centre - half >= blocks[-1][0] + blocks[-1][1] * _LINE / 2:
                break
            other, size = blocks.pop()
            total, count = total + other * size, count + size
        blocks.append((centre, count))
    places = [
        centre + (j - (count - 1) / 2) * _LINE for centre, count in blocks for j in range(count)
    ]
    out = [0.0] * len(places)
    for i, place in zip(order, places, strict=True):
        out[i] = place
    return out


def _y(title: str, domain: Sequence[float], *, first: bool, **axis: Any) -> alt.Y:
    return alt.Y(
        "y:Q",
        scale=alt.Scale(domain=list(domain), nice=False, zero=False),
        axis=alt.Axis(title=_broken(title) if first else None, labels=first, **axis),
    )


def _keys(style: _Style, theme: str) -> list[Any]:
    """What the lines of fits side by side are, a key for every row of panels that has some."""
    ink_, soft = style.colours["ink"], style.colours["soft"]
    is_linear = not style.books[0].is_generalized
    observed = Keyed("line", "observations, σ", {"stroke": soft, "strokeWidth": _THICK})
    terms = [
        Keyed("line", name, {"stroke": ink_, "strokeWidth": 1.4, "strokeDash": dash})
        for name, dash in style.dashes.items()
    ]
    if not is_linear:
        # Without areas above nothing else tells whose colour is which.
        pairs = dict.fromkeys(pair for book in style.books for pair in book.deviations())
        terms = [
            Keyed(
                "line",
                f"{group}: {name}",
                {"stroke": style.palette[str(group)], "strokeWidth": 1.4,
                 "strokeDash": style.dashes[str(name)]},
            )
            for group, name in pairs
        ]  # fmt: skip
    worth = Keyed("line", "what the penalty is worth, in σ²", {"stroke": ink_, **_PENALTY})
    names = style.books[0].changes()
    parts = [Keyed("line", name, {"stroke": ink_, **_PARTS[name]}) for name in names]
    rows = {
        "SD of contribution" if is_linear else "SD": [*([observed] if is_linear else []), *terms],
        **({"degrees of freedom": [worth]} if is_linear else {}),
        "objective − final": parts,
    }
    longest = max(rows, key=len)
    return [
        mark_key(items, heading=(heading, longest), width=inner() - _AXIS, theme=theme)
        for heading, items in rows.items()
    ]


def _broken(title: str) -> str | list[str]:
    """Break the title of an axis on a narrow sheet, whose panels are low."""
    return textwrap.wrap(title, _SHORT) if is_narrow() else title


def _header(fit: FitTables, name: Sequence[str]) -> alt.TitleParams:
    info = fit.info
    objective = f"objective {fixed(info['objective'], 2)}"
    return alt.TitleParams(
        text=list(name),
        subtitle=[objective, f"{info['dof']} parameters"],
        fontSize=11,
        subtitleFontSize=10,
        anchor="start",
        frame="group",
        offset=6,
    )
