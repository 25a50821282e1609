"""Standardised residuals: normal quantiles, fitted values, sizes, leverages, and by group.

Do the residuals look as the model says, everywhere?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

from mixedscope.charts.common.compose import in_column, in_row
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.kinds.residuals.options import ResidualsOptions
from mixedscope.charts.kinds.residuals.parts import ResidualPanels, headed, in_headed_rows
from mixedscope.charts.kinds.residuals.words import (
    levels_sentence,
    leverage_sentence,
    linear_sentence,
    normal_sentence,
    numbers_of,
    residuals_caption,
    residuals_title,
    spread_sentence,
)
from mixedscope.tables.store import FitTables

__all__ = ["ROOT", "residuals_chart"]

_LEFT: Final = 44
_GAP: Final = 14
_HEIGHT: Final = 140
_GROUPS: Final = 3

#: Root of the median size of a standard normal variable.
ROOT: Final = 0.6744897501960817**0.5


@drawn_with(ResidualsOptions)
def residuals_chart(
    tables: Sequence[FitTables], *, options: ResidualsOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the stored residuals of the first fit."""
    del options
    fit = tables[0]
    numbers = numbers_of(fit.require("residuals_numbers"))
    levels = fit.require("residuals_groups")
    # Of a generalised model there are no leverages.
    per_row = 1 if is_narrow() else 3 if "draws" in numbers else 2
    width = (inner() - per_row * _LEFT - (per_row - 1) * _GAP) // per_row
    data = Datasets(digits=5)
    sheet = ResidualPanels(fit, data, width, _HEIGHT, theme)
    points = fit.require("residuals_points")
    normal = normal_sentence(numbers, fit.require("residuals_qq"))
    panels = [
        (sheet.normal(), "Normality", normal),
        (sheet.along("residual", 0.0), "Linearity", linear_sentence(numbers)),
        (sheet.along("root", ROOT), "Spread", spread_sentence(numbers)),
    ]
    if "draws" not in numbers:
        panels.append((sheet.leverages(), "Influence", leverage_sentence(numbers, points)))
    groups = list(dict.fromkeys(levels["group"]))
    rows = [
        in_row(*row, spacing=_GAP + _LEFT, bounds="flush")
        for row in in_headed_rows(panels, per_row)
    ]
    for group in groups[:_GROUPS]:
        own = levels[levels["group"] == group]
        panel = sheet.levels(group, inner() - _LEFT, 70)
        rows.append(headed(panel, levels_sentence(group, own), "", 0))
    keyed = sheet.key("levels", *(["leverage"] if "draws" not in numbers else []))
    rows.append(mark_key(keyed, width=inner() - _LEFT, theme=theme))
    title = residuals_title(numbers)
    drawn = [
        (group, len(own), int(own["levels"].iloc[0]))
        for group in groups[:_GROUPS]
        for own in [levels[levels["group"] == group]]
    ]
    caption = residuals_caption(numbers, len(points), drawn)
    chart = data.give(in_column(*rows, spacing=16)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption
