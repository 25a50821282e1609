"""What stands in place of a chart that cannot be drawn of a fit: why, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd

from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.render import Figure, as_svg
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.theme import configure, ink
from mixedscope.core.wording import mid_sentence

__all__ = ["absent_figure", "left_out"]

_SIZE = 12
_LINE = 17


def absent_figure(
    kind: str,
    reason: str,
    films: Callable[[str], dict[str, Callable[[], bytes]]] | None = None,
    *,
    theme: str = "light",
) -> Figure:
    """Say in place of a chart why there is none.

    ``kind``: name of the chart. ``reason``: a clause, as the error says it. ``films``: makes films
    of the picture, an SVG, where the chart has films.
    """
    title = f"The chart “{kind}” is left out"
    caption = f"Left out: {mid_sentence(reason.rstrip('.'))}."
    lines = title_lines(caption, inner(), _SIZE)
    rows = pd.DataFrame({"line": range(len(lines)), "text": lines})
    words = (
        alt.Chart(rows)
        .mark_text(align="left", baseline="top", fontSize=_SIZE, color=ink(theme)["soft"])
        .encode(
            x=alt.XValue(0),
            y=alt.Y("line:O", axis=None, scale=alt.Scale(paddingInner=0.0)),
            text=alt.Text("text:N"),
        )
        .properties(
            width=inner(),
            height=_LINE * len(lines),
            title=title_lines(title, headline()),
            view=alt.ViewConfig(stroke=None),
        )
    )
    chart: Any = configure(words.properties(description=caption), theme)
    return Figure(chart, title, caption, films(as_svg(chart)) if films else {})


def left_out(reasons: dict[str, str]) -> str:
    """Say which of several fits a chart does not show.

    ``reasons``: by what the fit is called. Gives a sentence each to append to a caption; empty if
    all are shown.
    """
    told = {name: mid_sentence(why.rstrip(".")) for name, why in reasons.items()}
    return "".join(f" Not shown is {name}: {why}." for name, why in told.items())
