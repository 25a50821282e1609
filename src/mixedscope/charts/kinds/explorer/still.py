"""A picture of the explorer as it opens, for pages and print: its specifications, filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, of_spec
from mixedscope.charts.common.legend import key_row, title_lines
from mixedscope.charts.common.open_ends import ends_of, row_ends
from mixedscope.charts.common.phase_bands import phase_key
from mixedscope.charts.common.probe_band import PROBE_KEY
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS
from mixedscope.charts.common.vega import to_spec
from mixedscope.charts.kinds.explorer.contents import Factor
from mixedscope.charts.kinds.motion.frames import course_of
from mixedscope.charts.kinds.shrinkage.ellipse import contour, widest
from mixedscope.charts.kinds.shrinkage.levels import share
from mixedscope.charts.kinds.shrinkage.words import infinite_key, reference_key
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.vocabulary import CRITERION_SYMBOLS
from mixedscope.tables.store import FitTables

__all__ = ["explorer_still"]

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

#: Pixels of axes, and of names of levels, beside pictures: of two in a row, and of one.
_BESIDE, _ALONE = 172, 64
_TALL: Final = 190
_LOW: Final = 90

#: Rows above and below those of levels, as a share of these; one at least.
_OUTER: Final = 0.04
#: So many levels have a name each beside their interval.
_NAMED: Final = 40


def explorer_still(
    views: Mapping[str, Spec],
    tables: Sequence[FitTables],
    factors: Sequence[Factor],
    opened: Mapping[str, Any],
    coverages: Sequence[float],
    title: str,
    *,
    theme: str,
) -> Any:
    """Draw the picture.

    ``views``: of `mixedscope.charts.kinds.explorer.views.views`. ``opened``: what is chosen at
    first: ``factor``, ``terms``, ``level``.
    """
    factor = factors[opened.get("factor", 0)]
    level = int(opened.get("level", factor.drawn[0]))
    x, y = opened.get("terms", (0, min(1, len(factor.terms) - 1)))
    n = len(tables[0].require("trace"))
    single = len(factor.terms) == 1
    drawn = sorted({*factor.drawn.tolist(), level})
    bars = _bar_rows(factor, drawn, x)
    name, term = factor.levels[level], factor.terms[x]
    time = {"x0": 0.5 - 0.01 * n, "x1": n + 0.5 + 0.02 * n}
    ends = [v for row in bars for v in (row["low"], row["high"]) if v is not None]
    path, end = _path_rows(factor, level, x, n)
    span = [v for v in [*(r["v"] for r in path), *end[0].values()] if v is not None]
    room = 0.08 * (max(span) - min(span)) or 1.0
    # Of many rows the marks of the outermost are higher than these.
    margin = max(1.0, _OUTER * len(drawn))
    rows: dict[str, float] = {"y0": 1.0 - margin, "y1": len(drawn) + margin}
    across = {"x0": factor.axes[x][0], "x1": factor.axes[x][1]}
    up = rows if single else {"y0": factor.axes[y][0], "y1": factor.axes[y][1]}
    cut = {"x0": min(across["x0"], *ends), "x1": max(across["x1"], *ends)}
    criterion = CRITERION_SYMBOLS[tables[0].info["criterion"]]
    other = f"{len(drawn)} levels, by reference" if single else factor.terms[y]
    wide = inner() - _ALONE if is_narrow() else (inner() - _BESIDE) // 2
    levels = _level_rows(factor, drawn, x, y)
    for row in levels:
        row |= _ends(factor, row, (x, y), (across, up), (wide, _TALL))
    shown = [
        [
            _filled(views["shrinkage"], across | up, (term, other), (wide, _TALL)),
            _filled(views["caterpillar"], cut | rows, (f"{term}, ± 1.96 SD", None), (wide, _TALL)),
        ],
        [
            _filled(views["trace"], time, ("evaluation", f"{criterion} − minimum"), (wide, _LOW)),
            _filled(
                views["path"],
                time | {"y0": min(span) - room, "y1": max(span) + room},
                ("evaluation", f"{name}: {term}"),
                (wide, _LOW),
            ),
        ],
    ]
    named = len(drawn) <= _NAMED
    fixed: dict[str, Any] = {"level": level, "at": n, "best": n, "ranked": single, "named": named}
    fixed["many"] = len(drawn)
    fixed |= {"dot": 26, "bar": 1.6} if named else {"dot": 7, "bar": 0.6}
    trace = course_of(tables[:1])[0]
    evaluations = pd.DataFrame({"e": range(1, n + 1), "gap": trace.gap, "best": trace.best})
    best = int(np.nanargmin(trace.objective)) + 1
    fixed["best"] = best
    datasets = {
        "levels": levels,
        "rows": bars,
        "ellipses": [] if single else _ellipse_rows(factor, x, y, coverages),
        "region": [] if single else _region_rows(factor, level, x, y, coverages),
        "trace": _plain(evaluations),
        "phases": _phase_rows(trace.phase.tolist()),
        **(
            {"unsure": [{"gap": trace.floor / 4, "above": trace.error.above}]}
            if trace.unsure
            else {}
        ),
        "pathx": path,
        "endx": end,
        "nowx": [{"e": n, "v": path[-1]["v"]}],
    }
    # Pictures that have it as a line.
    beside = not is_narrow()
    items = [
        ("reference", reference_key(factor.pulls[0])),
        *([("infinite", infinite_key())] if any("angle" in row for row in levels) else []),
        ("movement-line", "pull"),
        ("mode", "conditional mode"),
        ("ellipse", "fitted distribution, intervals"),
        *([("region", f"{share(widest(coverages))} of {name}")] if datasets["region"] else []),
        *([] if single else [("population", "population")]),
        *([("zero", "population" if single else "the same, a line")] if single or beside else []),
        ("evaluation", "evaluation"),
        ("best", "best so far"),
        *([("unsure", PROBE_KEY)] if trace.unsure else []),
    ]
    width = inner() - _ALONE
    keys = key_row(items, width=width, theme=theme), phase_key(width=width, theme=theme)
    key = to_spec(in_column(*keys, spacing=10))
    datasets |= key.pop("datasets", {})
    legend = {name: part for name, part in key.items() if name not in ("$schema", "config")}
    return of_spec(
        {
            "params": [{"name": name, "value": value} for name, value in fixed.items()],
            "vconcat": [*_arranged(shown), legend],
            "datasets": datasets,
            "title": {"text": title_lines(title, headline())},
        }
    )


def _arranged(shown: list[list[Spec]]) -> list[Spec]:
    """Pictures in rows; a narrow sheet has room for the first of each."""
    if is_narrow():
        return [row[0] for row in shown]
    return [{"hconcat": row, "spacing": 24} for row in shown]


# -- specifications --------------------------------------------------------------------------------


def _filled(
    view: Spec, ends: Mapping[str, float], titles: tuple[str, str | None], size: tuple[int, int]
) -> Spec:
    """A picture with the ends of its axes in place of parameters, and without selections."""
    found: Spec = _put(view, ends, dict(zip("xy", titles, strict=True)), "")
    return found | {"width": size[0], "height": size[1]}


def _put(node: Any, ends: Mapping[str, float], titles: Mapping[str, str | None], key: str) -> Any:
    if isinstance(node, list):
        return [_put(item, ends, titles, key) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"expr"} and node["expr"] in ends:
        return ends[node["expr"]]
    kept = {k: v for k, v in node.items() if k not in ("params", "tooltip", "cursor")}
    if key in titles and "axis" in kept:
        kept["axis"] = kept["axis"] | {"title": titles[key]}
    return {k: _put(v, ends, titles, k) for k, v in kept.items()}


# -- tables ----------------------------------------------------------------------------------------


def _value(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _plain(table: pd.DataFrame) -> Rows:
    return [
        {str(k): _value(v) if isinstance(v, float) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def _level_rows(factor: Factor, drawn: Sequence[int], x: int, y: int) -> Rows:
    pull = factor.pulls[0]
    reference, mode = pull.reference, pull.mode
    rank = {}
    if len(factor.terms) == 1:
        key = np.where(np.isfinite(reference[:, 0]), reference[:, 0], mode[:, 0])
        rank = {i: r + 1 for r, i in enumerate(sorted(drawn, key=lambda i: (key[i], i)))}
    return [
        {
            "i": i,
            "name": factor.levels[i],
            "rx": _value(reference[i, x]),
            "mx": _value(mode[i, x]),
            "ry": rank[i] if rank else _value(reference[i, y]),
            "my": rank[i] if rank else _value(mode[i, y]),
        }
        for i in drawn
    ]


def _ends(
    factor: Factor,
    row: Mapping[str, Any],
    terms: tuple[int, int],
    frames: Sequence[Mapping[str, float]],
    size: tuple[float, float],
) -> dict[str, Any]:
    """Arrowhead and ring of a level whose own estimate is infinite; nothing of another."""
    pull, i = factor.pulls[0], int(row["i"])
    (low, high), (foot, top) = (tuple(frame.values()) for frame in frames)
    if len(factor.terms) == 1:
        found = row_ends(pull, i, terms[0], (low, high), size[0])
        if found is None:
            return {}
        found = {"y": row["ry"], "ry": row["ry"], **found}
    else:
        found = ends_of(pull, i, terms, ((low, high), (foot, top)), size)
        if found is None:
            return {}
    names = {"x": "hx", "y": "hy"}
    return {names.get(name, name): _value(value) for name, value in found.items()}


def _bar_rows(factor: Factor, drawn: Sequence[int], x: int) -> Rows:
    pull = factor.pulls[0]
    mode, sd = pull.mode[:, x], pull.std_dev[:, x]
    return [
        {
            "i": i,
            "name": factor.levels[i],
            "row": row + 1,
            "rx": _value(pull.reference[i, x]),
            "mx": _value(mode[i]),
            "low": _value(mode[i] - 1.96 * sd[i]),
            "high": _value(mode[i] + 1.96 * sd[i]),
        }
        for row, i in enumerate(sorted(drawn, key=lambda i: (mode[i], i)))
    ]


def _ellipse_rows(factor: Factor, x: int, y: int, coverages: Sequence[float]) -> Rows:
    pull = factor.pulls[0]
    rows: Rows = []
    for c, coverage in enumerate(coverages):
        sds = (float(pull.sds[x]), float(pull.sds[y]))
        points = contour(sds, float(pull.correlations[x, y]), coverage)
        rows += [
            {"c": c, "o": o, "x": _value(a), "y": _value(b)}
            for o, (a, b) in enumerate(points.tolist())
        ]
    return rows


def _region_rows(factor: Factor, level: int, x: int, y: int, coverages: Sequence[float]) -> Rows:
    """Where a share of the random effects of a level is, given its data, about its mode."""
    pull = factor.pulls[0]
    if pull.dependence is None:
        return []
    sds = (float(pull.std_dev[level, x]), float(pull.std_dev[level, y]))
    correlation = float(pull.dependence[level, x, y])
    if not np.isfinite(sds).all() or (np.isnan(correlation) and min(sds) > 0.0):
        return []
    at = (float(pull.mode[level, x]), float(pull.mode[level, y]))
    points = contour(sds, correlation, widest(coverages), centre=at)
    return [{"o": o, "x": _value(a), "y": _value(b)} for o, (a, b) in enumerate(points.tolist())]


def _path_rows(factor: Factor, level: int, x: int, n: int) -> tuple[Rows, Rows]:
    moments, pull = factor.moments[0], factor.pulls[0]
    values = moments.modes[:, level, x]
    path = [
        {"e": e, "v": _value(v)}
        for e, v in zip([*moments.evaluations.tolist(), n], [*values, values[-1]], strict=True)
    ]
    sd = pull.std_dev[level, x]
    reach = 1.96 * sd if np.isfinite(sd) else 0.0
    end = {"reference": _value(pull.reference[level, x])}
    end |= {"low": _value(values[-1] - reach), "high": _value(values[-1] + reach)}
    return path, [end]


def _phase_rows(phases: Sequence[int]) -> Rows:
    colours = [COLOURS[name] for name in PHASE_NAMES]
    rows: Rows = []
    for i, phase in enumerate(phases):
        if rows and rows[-1]["colour"] == colours[phase]:
            rows[-1]["to"] = i + 1.5
        else:
            rows.append({"from": i + 0.5, "to": i + 1.5, "colour": colours[phase]})
    return rows
