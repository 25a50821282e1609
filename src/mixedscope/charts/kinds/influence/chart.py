"""What estimates are without an observation, or without a group: who holds the fit up.

On which of the data do the estimates hang?
"""

from __future__ import annotations

from collections.abc import Sequence
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
from mixedscope.charts.common.theme import ink
from mixedscope.charts.kinds.influence.options import InfluenceOptions
from mixedscope.charts.kinds.influence.units import Units, read_units
from mixedscope.charts.kinds.influence.words import (
    effects_sentence,
    influence_caption,
    influence_title,
    sds_sentence,
    units_name,
)
from mixedscope.charts.kinds.residuals.parts import headed
from mixedscope.charts.kinds.shrinkage.levels import sample_ranks
from mixedscope.tables.store import FitTables

__all__ = ["influence_chart"]

#: Room for names of rows, at least and at most.
_LEAST: Final = 56
_LONGEST: Final = 116
_GAP: Final = 12
_ROW: Final = 15
_CHARACTER: Final = 5.6
#: Units drawn of a row of changes at most; ends of their order without exception.
_MOST: Final = 600
_ENDS: Final = 40
#: Coefficients and standard deviations that have a row.
_ROWS: Final = 12

_BAR: Final = Style({"strokeWidth": 1.6}, color="mode")
_NAMED: Final = Style({"filled": True, "size": 40, "opacity": 1}, color="mode")
_LIMIT: Final = Style({"strokeWidth": 1, "strokeDash": [4, 3]}, color="zero")


@drawn_with(InfluenceOptions)
def influence_chart(
    tables: Sequence[FitTables], *, options: InfluenceOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw stored influence: a block for each kind of unit."""
    blocks = read_units(tables)
    data = Datasets(digits=5)
    per_row = 1 if is_narrow() else 2
    units_room, rows_room = _rooms(blocks)
    names_room = max(units_room, rows_room) if per_row == 1 else units_room + rows_room
    width = (inner() - names_room - (per_row - 1) * _GAP) // per_row
    rows = []
    for units in blocks:
        drawn = _Block(units, options.names, data, width, theme)
        left = headed(
            drawn.distances(), "Cook's distance", f"The largest of {units_name(units)}.", 2
        )
        right = [
            headed(
                drawn.changes(units.effects.assign(name=units.effects["term"]), "scaled"),
                "Coefficients",
                effects_sentence(units),
                2,
            ),
            headed(
                drawn.changes(units.sds, "share"),
                units.scales,
                sds_sentence(units),
                2,
            ),
        ]
        if per_row == 1:
            rows += [left, *right]
        else:
            rows.append(
                in_row(
                    left, in_column(*right, spacing=12), spacing=_GAP + rows_room, bounds="flush"
                )
            )
    rows.append(mark_key(_key(theme), width=inner() - units_room, theme=theme))
    title, caption = influence_title(blocks), influence_caption(blocks)
    chart = data.give(in_column(*rows, spacing=20)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _rooms(blocks: Sequence[Units]) -> tuple[int, int]:
    """Pixels that names of units, and of parameters, take beside their panels."""
    units = [str(unit) for one in blocks for unit in one.table["unit"]]
    parameters = [str(n) for one in blocks for n in (*one.effects["term"], *one.sds["name"])]
    return _room([*units, "9,999 others"]), _room(parameters)


def _room(names: Sequence[str]) -> int:
    return min(max(_LEAST, round(_CHARACTER * max(map(len, names))) + 4), _LONGEST)


def _names(order: Sequence[str]) -> alt.Y:
    """A row for each name, in their order."""
    return alt.Y(
        field="name",
        type="nominal",
        sort=None,
        scale=alt.Scale(domain=list(order)),
        axis=alt.Axis(
            title=None,
            ticks=False,
            domain=False,
            labelLimit=_LONGEST,
            grid=True,
        ),
    )


def _other(theme: str) -> dict[str, Any]:
    return {"filled": True, "color": ink(theme)["soft"], "size": 12, "opacity": 0.6}


def _key(theme: str) -> list[Keyed]:
    return [
        Keyed("point", "named to the left", _NAMED),
        Keyed("point", "other unit", _other(theme)),
        Keyed("line", "±2/√units", _LIMIT),
    ]


class _Block:
    """The panels of one kind of unit."""

    def __init__(self, units: Units, names: int, data: Datasets, width: int, theme: str) -> None:
        self._units, self._data, self._width, self._theme = units, data, width, theme
        known = units.table[units.table["cooks_distance"].notna()]
        self._named = known["unit"].tolist()[:names]

    def distances(self) -> Any:
        """The largest Cook's distances, a row each, and all others on one."""
        table = self._units.table
        own = table[table["unit"].isin(self._named)]
        order = [*self._named]
        others = table[~table["unit"].isin(self._named) & table["cooks_distance"].notna()]
        y_others = f"{len(others):,} others"
        title = "Cook's distance of the fixed effects"
        scale = alt.Scale(domainMin=0, nice=False, zero=True, padding=6)
        x = alt.X(
            field="cooks_distance",
            type="quantitative",
            scale=scale,
            axis=alt.Axis(title=title, tickCount=4, labelFlush=False),
        )
        if len(others):
            order.append(y_others)
            ranks = sample_ranks(len(others), _MOST, first=_ENDS, last=_ENDS)
            others = others.iloc[ranks].assign(name=y_others)
        y = _names(order)
        tips = [
            alt.Tooltip(field="unit", type="nominal", title=self._units.noun),
            alt.Tooltip(field="cooks_distance", type="quantitative", format=".4~g"),
            alt.Tooltip(field="covratio", type="quantitative", format=".4~g"),
            alt.Tooltip(field="n_obs", type="quantitative", title="rows"),
        ]
        kept = ["unit", "cooks_distance", "covratio", "n_obs"]
        base = self._data.chart(own[kept].assign(name=own["unit"], zero=0.0))
        layers = [
            base.mark_rule(aria=False, **_BAR).encode(x=x, x2=alt.X2(field="zero"), y=y),
            base.mark_point(aria=False, **_NAMED).encode(x=x, y=y, tooltip=tips),
        ]
        if len(others):
            layers.append(
                self._data.chart(others[[*kept, "name"]])
                .mark_point(aria=False, **_other(self._theme))
                .encode(x=x, y=y, tooltip=tips)
            )
        return layered(*layers, width=self._width, height=_ROW * len(order))

    def changes(self, rows: pd.DataFrame, field: str) -> Any:
        """What parameters change by without each unit: a row of points per parameter."""
        told = rows[rows[field].notna()]
        size = told[field].abs().groupby(told["name"]).max()
        names = [name for name in dict.fromkeys(told["name"]) if name in size.nlargest(_ROWS).index]
        told = told[told["name"].isin(names)]
        percent = field == "share"
        x = alt.X(
            field=field,
            type="quantitative",
            scale=alt.Scale(nice=False, zero=True, padding=32),
            axis=alt.Axis(
                title="change over the estimate" if percent else "dfbetas, in standard errors",
                tickCount=4, labelFlush=False, format="+.1~%" if percent else "+~g",
                labelExpr="datum.value == 0 ? '0' : datum.label",
            ),
        )  # fmt: skip
        y = _names(names)
        tips = [
            alt.Tooltip(field="unit", type="nominal", title=self._units.noun),
            alt.Tooltip(field="name", type="nominal", title="parameter"),
            alt.Tooltip(field="estimate", type="quantitative", title="without it", format=".4~g"),
            alt.Tooltip(field="change", type="quantitative", format=".3~g"),
        ]
        kept = ["unit", "name", "estimate", "change", field]
        is_named = told["unit"].isin(self._named)
        others = []
        for _, own in told[~is_named].groupby("name", sort=False):
            ordered = own.sort_values(field, kind="stable")
            others.append(ordered.iloc[sample_ranks(len(ordered), _MOST, first=_ENDS, last=_ENDS)])
        layers = []
        if not percent:
            limits = pd.DataFrame({field: [-self._units.limit, self._units.limit]})
            layers.append(self._data.chart(limits).mark_rule(aria=False, **_LIMIT).encode(x=x))
        if others:
            layers.append(
                self._data.chart(pd.concat(others)[kept])
                .mark_point(aria=False, **_other(self._theme))
                .encode(x=x, y=y, tooltip=tips)
            )
        layers.append(
            self._data.chart(told[is_named][kept])
            .mark_point(aria=False, **_NAMED)
            .encode(x=x, y=y, tooltip=tips)
        )
        if names:
            # The farthest on each row has its name: a second look at the table to the left.
            far = told.loc[told[field].abs().groupby(told["name"], sort=False).idxmax()]
            for side, own in far.groupby(far[field] > 0):
                layers.append(
                    self._data.chart(own[kept])
                    .mark_text(
                        aria=False, fontSize=9, align="left" if side else "right",
                        dx=6 if side else -6, color=ink(self._theme)["ink"],
                    )
                    .encode(x=x, y=y, text=alt.Text(field="unit", type="nominal"))
                )  # fmt: skip
        return layered(*layers, width=self._width, height=_ROW * max(2, len(names)))
