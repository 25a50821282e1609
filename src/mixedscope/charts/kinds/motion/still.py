"""The animation for print: a small multiple of chosen moments, and the traces they come from."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.along import Along
from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.keys import mark_key
from mixedscope.charts.common.labels import term_title
from mixedscope.charts.common.legend import key_row, title_lines
from mixedscope.charts.common.open_ends import head_mark, row_ends, turned
from mixedscope.charts.common.page import drawn_to_fit
from mixedscope.charts.common.panels import DENSE, Panel, panel_chart, rounded
from mixedscope.charts.common.phase_bands import phase_key
from mixedscope.charts.common.probe_band import probe_band, probe_key
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.motion.frames import Actor, Course, Scene, Track
from mixedscope.charts.kinds.motion.ticks import gap_ticks, nice_ticks
from mixedscope.charts.kinds.shrinkage.levels import Pull, share
from mixedscope.charts.kinds.shrinkage.words import infinite_key, joined
from mixedscope.charts.kinds.trace.words import PHASE_NAMES

__all__ = ["modes_still", "moments"]

_LEFT: Final = 44
_GAP: Final = 20
_LETTERS: Final = "ABCDEFGH"

#: Most fits, and most pairs of terms of one fit, that stand side by side.
_COLUMNS: Final = 3


def moments(course: Course, track: Track, most: int) -> list[int]:
    """Choose evaluations to show: the start, the ends of the phases, and the largest moves between.

    ``track``: its frames tell how far the modes moved. ``most``: number of moments. Gives
    evaluations, ascending; fewer than `most` where less happens.
    """
    ends = (np.flatnonzero(np.diff(course.phase)) + 1).tolist()
    chosen = {1, *ends, course.size}
    modes = track.modes
    unit = np.sqrt(np.mean(modes[-1] ** 2, axis=0))
    unit = np.where(unit > 0, unit, np.inf)
    while len(chosen) < most:
        # Between two neighbours with the most movement, the frame that halves it.
        best: tuple[float, int] | None = None
        known = sorted(chosen)
        for a, b in pairwise(known):
            i, j = track.at(a), track.at(b)
            for between in range(i + 1, j):
                if track.evaluations[between] in chosen:
                    continue
                steps = (modes[[i, between]] - modes[[between, j]]) / unit
                half = float(np.sqrt((steps**2).mean(axis=1)).max(axis=1).min())
                if best is None or half > best[0]:
                    best = (half, int(track.evaluations[between]))
        if best is None:
            break
        chosen.add(best[1])
    return sorted(chosen)


#: Pixels across of a moment below which its heading has no room.
_READABLE: Final = 120


def modes_still(scene: Scene, title: str, caption: str, *, theme: str = "light") -> Any:
    """Draw moments of an animation of conditional modes; the chart has no configuration."""
    return drawn_to_fit(lambda share: _still(scene, title, caption, theme, share))


def _still(scene: Scene, title: str, caption: str, theme: str, share: float) -> Any:
    """The moments with panels of a share of their height."""
    columns = _columns(scene)
    single = len(columns) == 1
    shown = 6 if single else 4
    chosen = [moments(a.course, a.tracks["best"], shown) for a in scene.actors]
    per_row = len(columns)
    if single:
        per_row = max(2, min(_COLUMNS, (inner() - _LEFT) // _READABLE))
    # Columns with vertical axes of their own need room for them.
    apart = not single and len({pair[1] for _, pair in columns}) > 1
    gap = _LEFT if apart else _GAP
    width = (inner() - _LEFT - gap * (per_row - 1)) // per_row
    height = round(share * width * (0.85 if single else 0.6))
    cells = []
    letters = [list(range(len(c))) for c in chosen]
    if single:
        ((fit, pair),) = columns
        for n, evaluation in enumerate(chosen[fit]):
            last = n + per_row >= len(chosen[fit])
            cells.append(
                _moment(scene, fit, pair, evaluation, n, (width, height), theme,
                        x=last, y=n % per_row == 0)
            )  # fmt: skip
    else:
        most = max(len(c) for c in chosen)
        letters = [_places(len(c), most) for c in chosen]
        for n in range(most):
            for i, (fit, pair) in enumerate(columns):
                if n in letters[fit]:
                    cell = _moment(
                        scene, fit, pair, chosen[fit][letters[fit].index(n)], n, (width, height),
                        theme, x=n + 1 == most, y=i == 0 or apart, named=i == 0 or fit > 0,
                    )  # fmt: skip
                else:
                    cell = _empty(width, height)
                cells.append(cell)
    rows: list[Any] = [
        in_row(*cells[i : i + per_row], spacing=gap, bounds="flush")
        for i in range(0, len(cells), per_row)
    ]
    several = len(scene.actors) > 1
    # Letters at the ends of neighbouring traces do not touch.
    apart_by = gap if several else 0
    wide = width if several else inner() - _LEFT
    along = Along("evaluation", 0.5, 1.0, [a.course.size + 0.5 for a in scene.actors[:_COLUMNS]])
    traced = scene.actors[:_COLUMNS]
    places = [_letter_rows(chosen[i], along, wide) for i in range(len(traced))]
    # Headings stand in a line, above as many rows of letters as any trace has.
    above = max(max(rows) for rows in places)
    rows.append(
        in_row(
            *(
                _trace(
                    actor,
                    dict(zip(letters[i], chosen[i], strict=True)),
                    places[i],
                    wide,
                    along,
                    theme,
                    height=round(90 * share),
                    first=i == 0,
                    named=16 + 9 * above if several else None,
                )
                for i, actor in enumerate(traced)
            ),
            spacing=apart_by,
            bounds="flush",
        )
    )
    rows.append(key_row(_key(scene), width=inner() - _LEFT, theme=theme))
    rows.append(phase_key(width=inner() - _LEFT, theme=theme))
    if any(actor.course.unsure for actor in scene.actors):
        rows.append(mark_key([probe_key(theme)], width=inner() - _LEFT, theme=theme))
    return in_column(*rows, spacing=14).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )


# -- details -------------------------------------------------------------------------------------


def _columns(scene: Scene) -> list[tuple[int, tuple[int, int]]]:
    """Fits and pairs of terms that stand side by side.

    Of several fits the pair that moves most among those in which something varies in every fit, or
    in most; of one fit the three pairs that move most.
    """
    if len(scene.terms) == 1:
        return [(i, (0, 0)) for i in range(min(len(scene.actors), _COLUMNS))]
    first = scene.actors[0]
    spread = np.nanstd(first.pull.reference, axis=0)
    moved = np.sqrt(np.nanmean((first.pull.mode - first.pull.reference) ** 2, axis=0))
    score = moved / np.where(spread > 0, spread, np.inf)
    pairs = first.pull.told_pairs()
    actors = scene.actors[:_COLUMNS]
    told = {p: sum(any(a.pull.varies[t] for t in p) for a in actors) for p in pairs}
    pairs = [p for p in pairs if told[p] == max(told.values())]
    ranked = sorted(pairs, key=lambda p: (-float(score[p[0]] + score[p[1]]), p))
    if len(scene.actors) > 1:
        return [(i, ranked[0]) for i in range(min(len(scene.actors), _COLUMNS))]
    return [(0, pair) for pair in sorted(ranked[:_COLUMNS])]


def _at(actor: Actor, evaluation: int) -> Pull:
    """What a fit did to its levels at the frame shown at an evaluation."""
    track = actor.tracks["best"]
    frame = track.at(evaluation)
    shown = int(track.evaluations[frame])
    return replace(
        actor.pull,
        mode=track.modes[frame],
        std_dev=np.full_like(actor.pull.std_dev, np.nan),
        factor=np.full_like(actor.pull.factor, np.nan),
        sds=actor.sds[shown - 1],
        correlations=actor.correlations[shown - 1],
    )


def _moment(
    scene: Scene,
    fit: int,
    pair: tuple[int, int],
    evaluation: int,
    number: int,
    size: tuple[int, int],
    theme: str,
    *,
    x: bool,
    y: bool,
    named: bool = True,
) -> Any:
    actor = scene.actors[fit]
    pull = _at(actor, evaluation)
    course = actor.course
    phase = list(PHASE_NAMES.values())[int(course.phase[evaluation - 1])].split(" and ")[0]
    words = f"{_LETTERS[number]}: {evaluation:,} of {course.size:,}"
    # The trace has the phases, too.
    words += f", {phase}" if size[0] >= _READABLE else ""
    head = len(scene.actors) > 1 and number == 0
    title = alt.TitleParams(
        text=words if named else " ",
        subtitle=_lines(actor.pull.label, size[0]) if head else alt.Undefined,
        fontSize=10,
        fontWeight="normal",
        subtitleFontSize=10,
        anchor="start",
        frame="group",
        offset=4,
    )
    if len(scene.terms) == 1:
        chart = _ranks(scene, pull, size, theme, x=x, y=y)
    else:
        panel = Panel(
            x=pair[0],
            y=pair[1],
            width=size[0],
            height=size[1],
            frames=scene.axes,
            chosen=np.arange(len(pull.levels)),
            # A panel is too narrow for the scale of a link, which the caption tells.
            titles=[
                t if actor.pull.is_generalized else term_title(t, actor.pull.info)
                for t in scene.terms
            ],
            x_labels=x,
            y_labels=y,
        )
        chart = panel_chart(pull, panel, ellipses=scene.ellipses, theme=theme, limit=False)
    return chart.properties(title=title)


def _ranks(scene: Scene, pull: Pull, size: tuple[int, int], theme: str, *, x: bool, y: bool) -> Any:
    """One term: levels by rank of the reference, the highest on top."""
    first = scene.actors[0].pull
    rank = {first.levels[i]: len(scene.order) - r for r, i in enumerate(scene.order.tolist())}
    rows = pd.DataFrame(
        {
            "level": pull.levels,
            "rank": [rank.get(level, 0) for level in pull.levels],
            "r": [rounded(v) for v in pull.reference[:, 0]],
            "m": [rounded(v) for v in pull.mode[:, 0]],
            "n": pull.n_obs,
        }
    )
    few = len(rows) <= 60
    base = alt.Chart(rows, width=size[0], height=size[1])
    ticks: dict[str, Any] = {"domain": False, "tickCount": 4, "labelOverlap": True}
    ranks = [value for value, _ in nice_ticks(1, len(rows)) if value >= 1 and value % 1 == 0]

    def across(field: str) -> alt.X:
        return alt.X(
            field=field,
            type="quantitative",
            scale=alt.Scale(domain=list(scene.axes[0]), nice=False, zero=False),
            axis=alt.Axis(title=scene.terms[0] if x else None, labels=x, ticks=x, **ticks),
        )

    down = alt.Y(
        field="rank",
        type="quantitative",
        scale=alt.Scale(
            domain=[1.04 * len(rows) + 0.5, 0.5 - 0.04 * len(rows)], nice=False, zero=False
        ),
        axis=alt.Axis(
            title="rank of the reference" if y else None,
            labels=y, ticks=y, grid=False, values=ranks,
            minExtent=30 if y else 0, maxExtent=30 if y else 0,
            **ticks,
        ),
    )  # fmt: skip
    tips = [alt.Tooltip(f"{field}:Q", title=name) for field, name in
            (("n", "n"), ("r", "reference"), ("m", "mode"))]  # fmt: skip
    tips.insert(0, alt.Tooltip("level:N"))
    point: dict[str, Any] = {"shape": "circle", "clip": True, "aria": False}
    zero = alt.Chart(pd.DataFrame([{"p": 0.0}])).mark_rule(
        color=COLOURS["zero"], strokeWidth=0.8, strokeDash=[3, 2], aria=False
    )
    ring = {
        **point, "stroke": COLOURS["reference"], "strokeWidth": 1.2 if few else 0.6,
        "fill": ink(theme)["paper"] if few else "transparent", "size": 18 if few else 5,
    }  # fmt: skip
    ends = []
    for i, row in enumerate(rows.to_dict("records")):
        found = row_ends(pull, i, 0, scene.axes[0], size[0])
        if found is not None:
            ends.append({"rank": row["rank"], "m": row["m"], **found})
    heads: list[Any] = []
    if ends:
        table = alt.Chart(pd.DataFrame(ends), width=size[0], height=size[1])
        mark = table.mark_point(**head_mark(theme, small=not few))
        heads.append(mark.encode(x=across("x"), y=down, angle=turned()))
        edge = [row for row in ends if "rx" in row]
        if edge:
            rings = alt.Chart(pd.DataFrame(edge), width=size[0], height=size[1]).mark_point(**ring)
            heads.append(rings.encode(x=across("rx"), y=down))
    return layered(
        zero.encode(x=across("p")),
        base.mark_rule(
            color=COLOURS["movement"], strokeWidth=1.0 if few else 0.4, clip=True, aria=False
        ).encode(x=across("r"), x2=alt.X2(field="m"), y=down),
        base.mark_point(**ring).encode(x=across("r"), y=down, tooltip=tips),
        *heads,
        base.mark_point(
            **point, filled=True, color=COLOURS["mode"], size=18 if few else 5, opacity=1
        ).encode(x=across("m"), y=down, tooltip=tips),
    )  # fmt: skip


def _empty(width: int, height: int) -> Any:
    """Room where a fit has fewer moments than another."""
    chart = alt.Chart(
        pd.DataFrame([{"x": 0}]), width=width, height=height, view=alt.ViewConfig(stroke=None)
    )
    return chart.mark_point(opacity=0, aria=False)


def _places(count: int, most: int) -> list[int]:
    """Rows of the moments of a fit with fewer than another: its last is beside the other's last."""
    return [*range(count - 1), most - 1]


def _lines(words: str, width: float) -> list[str]:
    """Break words where they would reach over what is beside them."""
    return textwrap.wrap(words, max(int(width / 5.4), 6), break_long_words=False)


def _letter_rows(chosen: Sequence[int], along: Along, width: int) -> list[int]:
    """Rows of the letters of moments: those that would touch take turns in two."""
    rows, last = [], [-np.inf, -np.inf]
    for evaluation in chosen:
        at = along.share(evaluation) * width
        row = 0 if at - last[0] >= 9 else 1
        last[row] = at
        rows.append(row)
    return rows


def _trace(
    actor: Actor,
    chosen: Mapping[int, int],
    rows: Sequence[int],
    width: int,
    along: Along,
    theme: str,
    *,
    height: int,
    first: bool,
    named: int | None,
) -> Any:
    """Draw the trace, with the moments, by number of their letter, whose rows are given.

    ``named``: pixels between the trace and its heading, if it has one.
    """
    course = actor.course
    colours = ink(theme)
    x: dict[str, Any] = {
        "type": "quantitative",
        "scale": alt.Scale(type="log" if along.log else "linear", domain=along.domain, nice=False),
        "axis": alt.Axis(
            title="evaluation" + (" (log)" if along.log else ""),
            grid=False,
            zindex=1,
            labelFlush=False,
            **along.ticks(),
        ),
    }
    ticks = gap_ticks(course.floor, course.top, most=5)
    labels = "{" + ", ".join(f"'{round(np.log10(v))}': '{label}'" for v, label in ticks) + "}"
    y: dict[str, Any] = {
        "type": "quantitative",
        "scale": alt.Scale(type="log", domain=[course.floor / 2, course.top], nice=False),
        "axis": alt.Axis(
            title="objective − minimum" if first else None,
            labels=first,
            values=[v for v, _ in ticks],
            labelExpr=f"{labels}[round(log(datum.value) / LN10)]",
            minExtent=30 if first else 0,
            maxExtent=30 if first else 0,
            domain=False,
            ticks=first,
        ),
    }
    edges = [0, *(np.flatnonzero(np.diff(course.phase)) + 1).tolist(), course.size]
    bands = pd.DataFrame(
        {
            "left": [e + 0.5 for e in edges[:-1]],
            "right": [e + 0.5 for e in edges[1:]],
            "tint": [COLOURS[list(PHASE_NAMES)[int(course.phase[e])]] for e in edges[:-1]],
        }
    )
    known = np.flatnonzero(np.isfinite(course.gap))
    points = pd.DataFrame({"e": known + 1, "gap": [rounded(v) for v in course.gap[known]]})
    best = np.flatnonzero(np.isfinite(course.best))
    line = pd.DataFrame({"e": best + 1, "gap": [rounded(v) for v in course.best[best]]})
    marks = pd.DataFrame({"e": chosen.values(), "letter": [_LETTERS[n] for n in chosen]})
    marks["row"] = rows

    def chart(frame: pd.DataFrame) -> alt.Chart:
        return alt.Chart(frame, width=width, height=height)

    letters = [
        chart(marks[marks["row"] == row])
        .mark_text(baseline="bottom", dy=-3 - 9 * row, fontSize=9, fill=colours["ink"], aria=False)
        .encode(x=alt.X(field="e", **x), y=alt.YValue(0), text=alt.Text(field="letter"))
        for row in sorted(set(rows))
    ]
    layers = [
        chart(bands)
        .mark_rect(opacity=0.75, aria=False)
        .encode(
            x=alt.X(field="left", **x), x2=alt.X2(field="right"),
            fill=alt.Fill(field="tint", type="nominal", scale=None),
        ),
        *probe_band(
            course.error.above if course.unsure else 0.0, course.floor / 2, "gap",
            alt.Y(field="gap", **y), theme,
        ),
        chart(marks)
        .mark_rule(stroke=colours["ink"], strokeWidth=0.8, aria=False)
        .encode(x=alt.X(field="e", **x)),
        chart(points)
        .mark_point(size=7, strokeWidth=0.8, stroke=COLOURS["evaluation"], opacity=0.8, aria=False)
        .encode(x=alt.X(field="e", **x), y=alt.Y(field="gap", **y)),
        chart(line)
        .mark_line(interpolate="step-after", stroke=COLOURS["best"], strokeWidth=1.3, aria=False)
        .encode(x=alt.X(field="e", **x), y=alt.Y(field="gap", **y)),
        *letters,
    ]  # fmt: skip
    if named is not None:
        # A title would stand where letters end, at another height beside other traces.
        for i, words in enumerate(reversed(_lines(actor.pull.label, width))):
            head = chart(pd.DataFrame([{"words": words}])).mark_text(
                align="left", baseline="bottom", dy=-named - 12 * i, fontSize=10,
                fill=colours["ink"], aria=False,
            )  # fmt: skip
            text = alt.Text(field="words", type="nominal")
            layers.append(head.encode(x=alt.XValue(0), y=alt.YValue(0), text=text))
    return layered(*layers)


def _key(scene: Scene) -> list[tuple[str, str]]:
    # Where panels have no arrow heads, the key has none.
    plain = len(scene.terms) == 1 or all(len(a.pull.levels) > DENSE for a in scene.actors)
    pull = "movement-line" if plain else "movement"
    items = [("reference", "reference"), (pull, "pull"), ("mode", "conditional mode")]
    if any(a.pull.infinite.any() for a in scene.actors):
        items.insert(1, ("infinite", infinite_key()))
    if scene.ellipses and len(scene.terms) > 1:
        shares = joined([share(c) for c in scene.ellipses])
        items.append(("ellipse", f"{shares} of fit"))
    if len(scene.terms) > 1:
        items.append(("population", "population"))
    return [*items, ("evaluation", "evaluation"), ("best", "best so far")]
