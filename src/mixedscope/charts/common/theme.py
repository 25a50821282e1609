"""One look for every chart: font, sizes, and colours that mean the same thing everywhere.

The font is Liberation Sans, which the renderer carries with it, so that text is measured and drawn
alike on every machine but those that have another version of it, where words may be a pixel wider
or narrower; SVG files and pages carry what they need of it under a name of their own
(`mixedscope.charts.common.embedding`), and Arial and Helvetica have the same widths for programs
that read no embedded font.
The colours have the hues of Okabe & Ito (2008) and of Tol (2021), told apart by colour-blind
readers, as dark as is needed to stand out from paper and from the bands of phases. In grey phases
and parts of the variance differ in lightness; what else has a colour of its own has a dash, a shape
or a place of its own too. `tests/charts/test_contrast.py` holds all that is drawn to it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import altair as alt
from altair.utils.schemapi import debug_mode

from mixedscope.charts.common.colours import COLOURS
from mixedscope.charts.common.embedding import FAMILY
from mixedscope.charts.common.palette import GROUP_COLOURS, THEMES
from mixedscope.core.errors import ModelError, suggest

__all__ = [
    "COLOURS",
    "FONT",
    "GROUP_COLOURS",
    "THEMES",
    "configure",
    "ink",
]

FONT: Final = f"{FAMILY}, Liberation Sans, Arial, Helvetica, sans-serif"


def ink(theme: str) -> dict[str, str]:
    """Give ink and paper colours of a theme.

    Raises ModelError if there is no theme of that name.
    """
    if theme not in THEMES:
        raise ModelError(
            f"Unknown theme {theme!r}.{suggest(theme, THEMES)} Known are: {', '.join(THEMES)}."
        )
    return THEMES[theme]


def configure(chart: Any, theme: str = "light") -> Any:
    """Apply the theme to a whole chart (the outermost one)."""
    return chart.properties(config=_configuration(theme).copy())


@cache
@debug_mode(False)
def _configuration(theme: str) -> alt.Config:
    """What a theme configures."""
    colours = ink(theme)
    size = 11
    # Set at once: each configure_* of a chart would copy the whole of it.
    carrier = (
        alt.Chart()
        .configure(font=FONT, background=colours["paper"], padding=8)
        .configure_view(stroke=colours["grid"], strokeWidth=1)
        .configure_axis(
            labelFont=FONT,
            titleFont=FONT,
            labelFontSize=size - 1,
            titleFontSize=size,
            titleFontWeight="normal",
            labelColor=colours["soft"],
            titleColor=colours["ink"],
            gridColor=colours["grid"],
            domainColor=colours["soft"],
            tickColor=colours["soft"],
            tickSize=4,
            labelLimit=220,
            titleLimit=600,
        )
        .configure_header(
            labelFont=FONT,
            titleFont=FONT,
            labelFontSize=size,
            titleFontSize=size,
            labelColor=colours["ink"],
            titleColor=colours["ink"],
            labelLimit=600,
        )
        .configure_legend(
            labelFont=FONT,
            titleFont=FONT,
            labelFontSize=size - 1,
            titleFontSize=size,
            titleFontWeight="normal",
            labelColor=colours["ink"],
            titleColor=colours["ink"],
            labelLimit=300,
            symbolLimit=60,
        )
        .configure_title(
            font=FONT,
            subtitleFont=FONT,
            fontSize=size + 3,
            subtitleFontSize=size,
            fontWeight="bold",
            color=colours["ink"],
            subtitleColor=colours["soft"],
            anchor="start",
            offset=8,
            limit=1200,
        )
        .configure_text(font=FONT)
        .configure_concat(spacing=14)
    )
    return carrier.config


# Altair is told once that large tables are meant; charts aggregate by their own stated rules.
alt.data_transformers.disable_max_rows()
