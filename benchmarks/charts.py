"""Two charts: how much longer the others take, and how the time grows with the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from mixedscope.charts.common.sheet import across
from mixedscope.charts.common.theme import COLOURS, configure

from .cases import CASES
from .competitors import COMPETITORS, OURS

__all__ = ["growth_chart", "ratio_chart", "write_charts"]

_PALETTE = {
    OURS: COLOURS["mode"],
    "lme4": "#D55E00",
    "mixedlm": "#009E73",
    "statsmodels": "#CC79A7",
}
_NAMES = list(COMPETITORS)


def write_charts(table: pd.DataFrame, directory: Path, prefix: str = "") -> list[Path]:
    """Write what can be drawn of a table, as SVG; give the files."""
    written = []
    for name, chart in (("ratios", ratio_chart(table)), ("growth", growth_chart(table))):
        if chart is not None:
            path = directory / f"{prefix}{name}.svg"
            chart.save(str(path))
            written.append(path)
    return written


def _colour(names: list[str]) -> Any:
    colours = [_PALETTE[name] for name in names]
    return alt.Color("competitor:N", scale=alt.Scale(domain=names, range=colours), title=None)


def ratio_chart(table: pd.DataFrame) -> Any | None:
    """CPU times of the others over ours, a row per case; a tick where the target of the fit is."""
    ours = table[table["competitor"] == OURS].set_index("case")
    others = table[(table["competitor"] != OURS) & ~table["growth"] & table["total_cpu_s"].notna()]
    if others.empty:
        return None
    rows: list[dict[str, Any]] = []
    for row in others.to_dict("records"):
        mine = ours.loc[row["case"]]
        place = {"title": row["title"], "competitor": row["competitor"]}
        rows.append(place | {"time": "total", "ratio": row["total_cpu_s"] / mine["total_cpu_s"]})
        if row["fit_cpu_s"] == row["fit_cpu_s"]:
            rows.append(place | {"time": "fit", "ratio": row["fit_cpu_s"] / mine["fit_cpu_s"]})
        target = CASES[row["case"]].ratio
        if row["competitor"] == "lme4" and target is not None:
            wanted = {"time": "lme4's total over our fit", "target": 2.0 * target}
            rows.append(place | wanted | {"ratio": row["total_cpu_s"] / mine["fit_cpu_s"]})
    data = pd.DataFrame(rows)
    order = [case.title for case in CASES.values()]
    times = ["total", "fit", "lme4's total over our fit"]
    base = alt.Chart(data).encode(y=alt.Y("title:N", sort=order, title=None))
    points = base.mark_point(filled=True, size=55, opacity=0.9).encode(
        x=alt.X("ratio:Q", scale=alt.Scale(type="log"), title="CPU time over mixedscope's"),
        color=_colour([n for n in _NAMES if n in set(others["competitor"])]),
        shape=alt.Shape(
            "time:N",
            scale=alt.Scale(domain=times, range=["circle", "diamond", "cross"]),
            title=None,
        ),
    )
    layers = [alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule().encode(x="one:Q"), points]
    if "target" in data:
        goals = base.transform_filter("isValid(datum.target)")
        layers.append(goals.mark_tick(color="black", thickness=2).encode(x="target:Q"))
    chart = alt.layer(*layers).properties(
        width=across() - 150,
        height=alt.Step(24),
        title=alt.TitleParams(
            "Time of the others over mixedscope's",
            subtitle="Black ticks: what a cross was to reach (half the time of MixedModels.jl).",
        ),
    )
    return configure(chart)


def growth_chart(table: pd.DataFrame) -> Any | None:
    """CPU seconds from formula to fit against the rows of one design, both on log axes."""
    data = table[table["growth"] & table["total_cpu_s"].notna()]
    if data.empty:
        return None
    names = [n for n in _NAMES if n in set(data["competitor"])]
    columns = data[["rows", "competitor", "total_cpu_s", "total_q1_cpu_s", "total_q3_cpu_s"]]
    chart = (
        alt.Chart(columns)
        .mark_line(point=True)
        .encode(
            x=alt.X("rows:Q", scale=alt.Scale(type="log", nice=False), title="ratings"),
            y=alt.Y(
                "total_cpu_s:Q", scale=alt.Scale(type="log"), title="CPU seconds, formula to fit"
            ),
            color=_colour(names),
        )
        .properties(
            width=across() - 150,
            height=260,
            title=alt.TitleParams(
                "How the time grows",
                subtitle="Crossed users and items, both doubled when the ratings grow fourfold.",
            ),
        )
    )
    return configure(chart)
