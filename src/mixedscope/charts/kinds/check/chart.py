"""A sheet of checks: what should hold of a model and its data, a sentence to each panel.

Where does the model not fit?  The panels are those of check_model of the R package performance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS
from mixedscope.charts.kinds.check.options import CheckOptions
from mixedscope.charts.kinds.check.words import (
    check_caption,
    check_title,
    checks_of,
    collinearity_sentence,
    compared_sentence,
    density_sentence,
    effects_sentence,
)
from mixedscope.charts.kinds.residuals.chart import ROOT
from mixedscope.charts.kinds.residuals.parts import (
    ResidualPanels,
    headed,
    in_headed_rows,
    short_response,
)
from mixedscope.charts.kinds.residuals.words import (
    leverage_sentence,
    linear_sentence,
    normal_sentence,
    numbers_of,
    spread_sentence,
)
from mixedscope.tables.store import FitTables

__all__ = ["check_chart"]

_LEFT: Final = 44
_GAP: Final = 14
_HEIGHT: Final = 92
#: Terms of random effects that have a panel: those least normal.
_MOST: Final = 3
_SIMULATED: Final = Style({"opacity": 0.4}, color="reference")
_OBSERVED: Final = Style({"strokeWidth": 1.8}, color="mode")

#: Names of the axes of what is told of the response: densities, values, shares.
_DISTRIBUTIONS: Final = (
    ("{}", "density"), ("{}", "rows"), ("population mean of {}", "share of successes"),
)  # fmt: skip
_VALUES: Final = 1
_SHARES: Final = 2
#: Values and bins that are not densities have points.
_POINTS: Final = Style({"filled": True, "size": 22, "opacity": 1}, color="mode")


@drawn_with(CheckOptions)
def check_chart(
    tables: Sequence[FitTables], *, options: CheckOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the stored checks of the first fit."""
    del options
    fit = tables[0]
    residuals = numbers_of(fit.require("residuals_numbers"))
    numbers = numbers_of(fit.require("check_numbers"))
    collinearity, terms = fit.require("check_collinearity"), fit.require("check_terms")
    points = fit.require("residuals_points")
    data = Datasets(digits=5)
    per_row = 1 if is_narrow() else 2
    width = (inner() - per_row * _LEFT - (per_row - 1) * _GAP) // per_row
    sheet = ResidualPanels(fit, data, width, _HEIGHT, theme)
    inflation = collinearity_sentence(collinearity)
    normal = normal_sentence(residuals, fit.require("residuals_qq"))
    family = "shown" in numbers
    beside = (
        (_compared(sheet, numbers), "Dispersion and zeros", compared_sentence(numbers))
        if family
        else (sheet.leverages(), "Influence", leverage_sentence(residuals, points))
    )
    panels = [
        (_density(sheet, numbers), "Simulated data", density_sentence(numbers)),
        (sheet.along("residual", 0.0), "Linearity", linear_sentence(residuals)),
        (sheet.along("root", ROOT), "Spread", spread_sentence(residuals)),
        beside,
        (_collinearity(sheet, collinearity), "Collinearity", inflation),
        (sheet.normal(), "Residuals", normal),
    ]
    rows = [
        in_row(*row, spacing=_GAP + _LEFT, bounds="flush")
        for row in in_headed_rows(panels, per_row)
    ]
    varying = terms[terms["varies"] & (terms["levels"] > 0)]
    told = varying.loc[sorted(varying["gap"].nlargest(_MOST).index)]
    rows.append(_effects(sheet, told))
    keyed = [
        *sheet.key(*([] if family else ["leverage"])),
        Keyed("line", "observed" if family else "observed density", _OBSERVED),
        Keyed("band", "95\u00a0% of simulated", _SIMULATED),
    ]
    rows.append(mark_key(keyed, width=inner() - _LEFT, theme=theme))
    title = check_title(checks_of(residuals, numbers, collinearity, terms))
    told_of = (len(points), int(residuals["told"]), len(told), len(varying))
    caption = check_caption(*told_of, family=family)
    chart = data.give(in_column(*rows, spacing=14)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _x(field: str, title: str) -> alt.X:
    return alt.X(
        field=field,
        type="quantitative",
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(title=title, grid=False, tickCount=5, labelFlush=False),
    )


def _density(sheet: ResidualPanels, numbers: Mapping[str, float]) -> Any:
    """Distribution of the response over the band of those of simulated responses."""
    rows = sheet.fit.require("check_density")
    # Beyond where all densities are a thousandth of the highest there is nothing to see.
    most = rows[["observed", "upper"]].max(axis=1)
    seen = most[most > 1e-3 * most.max()].index
    shown = int(numbers.get("shown", 0))
    base = sheet.data.chart(rows if shown else rows.loc[seen.min() : seen.max()])
    response = short_response(sheet.fit)
    across, upwards = _DISTRIBUTIONS[shown]
    x = _x("response", across.format(response))
    # Of rows there are whole numbers, which `g` would write as powers of ten.
    ticks: dict[str, Any] = (
        {"format": ",d", "tickMinStep": 1} if shown == _VALUES else {"format": "~g"}
    )

    def y(field: str) -> alt.Y:
        return alt.Y(
            field=field,
            type="quantitative",
            scale=alt.Scale(zero=shown != _SHARES, nice=False),
            axis=alt.Axis(title=upwards, tickCount=4, **ticks),
        )

    return layered(
        base.mark_area(aria=False, **_SIMULATED).encode(
            x=x, y=y("lower"), y2=alt.Y2(field="upper")
        ),
        base.mark_line(aria=False, color=COLOURS["reference"], strokeWidth=1).encode(
            x=x, y=y("middle")
        ),
        base.mark_line(aria=False, point=dict(_POINTS) if shown else False, **_OBSERVED).encode(
            x=x,
            y=y("observed"),
            tooltip=[
                alt.Tooltip(field=name, type="quantitative", format=".3~g")
                for name in ("response", "observed", "lower", "upper")
            ],
        ),
        width=sheet.width,
        height=sheet.height,
    )


def _compared(sheet: ResidualPanels, numbers: Mapping[str, float]) -> Any:
    """Dispersion and zeros over their means in simulated data, with the limits of these."""
    rows = [
        {
            "name": name,
            **{
                part: numbers[f"{name}_{part}"] / numbers[f"{name}_mean"]
                for part in ("observed", "lower", "upper")
            },
        }
        for name in ("dispersion", "zeros")
        if numbers.get(f"{name}_mean", 0.0) > 0.0
    ]
    if not rows:
        height = 1 if is_narrow() else sheet.height
        empty = alt.Chart(pd.DataFrame({"x": [0]}), width=sheet.width, height=height)
        return empty.mark_point(opacity=0).properties(view=alt.ViewConfig(stroke=None))
    ends = [float(value) for row in rows for part, value in row.items() if part != "name"]
    low, high = min(1.0, *ends), max(1.0, *ends)
    room = 0.08 * (high - low) or 0.1
    domain = [max(0.0, low - room), high + room]

    def x(field: str) -> alt.X:
        return alt.X(
            field=field,
            type="quantitative",
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=alt.Axis(
                title="observed over mean of simulated", grid=False, tickCount=5, format="~g"
            ),
        )

    axis = alt.Axis(title=None, ticks=False, domain=False, labelLimit=_LEFT + 16)
    y = alt.Y(field="name", type="nominal", sort=None, axis=axis)
    base = sheet.data.chart(pd.DataFrame(rows))
    tips = [
        alt.Tooltip(field="name", type="nominal"),
        *(
            alt.Tooltip(field=part, type="quantitative", format=".3~g")
            for part in ("observed", "lower", "upper")
        ),
    ]
    return layered(
        sheet.data.chart(pd.DataFrame({"one": [1.0]}))
        .mark_rule(aria=False, color=COLOURS["zero"], strokeWidth=1.1, strokeDash=[4, 3])
        .encode(x=x("one")),
        base.mark_bar(aria=False, height=14, **_SIMULATED).encode(
            x=x("lower"), x2=alt.X2(field="upper"), y=y
        ),
        base.mark_tick(aria=False, thickness=2, size=20, color=COLOURS["mode"]).encode(
            x=x("observed"), y=y, tooltip=tips
        ),
        width=sheet.width,
        height=sheet.height,
    )


def _collinearity(sheet: ResidualPanels, table: pd.DataFrame) -> Any:
    """Variance inflation factors of terms on a log axis, and where they become moderate, high."""
    known = table[table["vif"].notna()]
    if known.empty:
        height = 1 if is_narrow() else sheet.height
        empty = alt.Chart(pd.DataFrame({"x": [0]}), width=sheet.width, height=height)
        return empty.mark_point(opacity=0).properties(view=alt.ViewConfig(stroke=None))
    known = known.nlargest(12, "vif")
    top = max(12.0, 1.2 * float(known["vif"].max()))
    x = alt.X(
        field="vif",
        type="quantitative",
        scale=alt.Scale(type="log", domain=[0.95, top], nice=False),
        axis=alt.Axis(
            title="variance inflation factor (log)", grid=False, labelFlush=False, format="~g",
            values=[v for v in (1, 2, 5, 10, 20, 50, 100, 1000, 10000) if v <= top],
        ),
    )  # fmt: skip
    y = alt.Y(
        field="term",
        type="nominal",
        sort=known["term"].tolist(),
        axis=alt.Axis(title=None, labelLimit=_LEFT + 10, ticks=False, domain=False),
    )
    limits = pd.DataFrame({"vif": [v for v in (5.0, 10.0) if v <= top]})
    base = sheet.data.chart(known)
    tips = [
        alt.Tooltip(field="term", type="nominal"),
        alt.Tooltip(field="vif", type="quantitative", format=".4~g"),
        alt.Tooltip(field="df", type="quantitative", title="coefficients"),
    ]
    return layered(
        sheet.data.chart(limits)
        .mark_rule(aria=False, color=COLOURS["zero"], strokeWidth=1.1, strokeDash=[4, 3])
        .encode(x=x),
        base.mark_point(aria=False, filled=True, size=40, opacity=1, color=COLOURS["mode"]).encode(
            x=x, y=y, tooltip=tips
        ),
        width=sheet.width,
        height=sheet.height,
    )


def _effects(sheet: ResidualPanels, told: pd.DataFrame) -> Any:
    """Standardised modes against normal quantiles: a panel for each term."""
    if told.empty:
        empty = alt.Chart(pd.DataFrame({"x": [0]}), width=sheet.width, height=1)
        blank = empty.mark_point(opacity=0).properties(view=alt.ViewConfig(stroke=None))
        return headed(blank, "Random effects", "No random effect varies.", 1)
    rows = sheet.fit.require("check_effects")
    per_row = 1 if is_narrow() else len(told)
    width = (inner() - per_row * _LEFT - (per_row - 1) * _GAP) // per_row
    small = replace(sheet, width=min(width, sheet.width), height=96)
    panels = []
    for row in told.to_dict("records"):
        group, term = str(row["group"]), str(row["term"])
        own = rows[(rows["group"] == group) & (rows["term"] == term)]
        panel = small.quantiles(own, "mode / SD", [("level", group), ("value", "mode / SD")])
        words = effects_sentence(int(row["outside"]), int(row["levels"]), float(row["gap"]))
        panels.append((panel, f"{group}: {term}", words))
    drawn = in_headed_rows(panels, per_row)
    if per_row == 1:
        return in_column(*(panel for row in drawn for panel in row), spacing=14)
    return in_row(*drawn[0], spacing=_GAP + _LEFT, bounds="flush")
