"""One look for every chart: font, sizes, and colours that mean the same thing everywhere.

The font is Liberation Sans, which the renderer carries with it, so that text is measured and drawn
alike on every machine; SVG files and pages carry what they need of it under a name of their own
(`mixedscope.charts.common.embedding`), and Arial and Helvetica have the same widths for programs
that read no embedded font.
The colours are those of Okabe & Ito (2008) and of Tol (2021), told apart by colour-blind readers
and, by their lightness, in grey.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import altair as alt
from altair.utils.schemapi import debug_mode

from mixedscope.charts.common.embedding import FAMILY
from mixedscope.core.errors import ModelError, suggest
from mixedscope.core.vocabulary import CONVERGENCE, EXPLORATION, FINE_TUNING

__all__ = [
    "COLOURS",
    "FONT",
    "GROUP_COLOURS",
    "THEMES",
    "configure",
    "ink",
]

FONT: Final = f"{FAMILY}, Liberation Sans, Arial, Helvetica, sans-serif"

#: Fixed meanings; names of stages and phases are those of the stored tables. Structures say their
#: own colours (`mixedscope.charts.common.structure_names.structure_colours`).
COLOURS: Final[dict[str, str]] = {
    # shrinkage
    "reference": "#E69F00",
    "mode": "#0072B2",
    "population": "#000000",
    "movement": "#9A9A9A",
    "ellipse": "#56B4E9",
    "zero": "#6E6E6E",
    # levels of variance and of degrees of freedom; grouping factors have `GROUP_COLOURS`
    "observations": "#BDBDBD",
    "fixed": "#6E6E6E",
    # phases of an optimisation
    EXPLORATION: "#F3D9B1",
    CONVERGENCE: "#BFDDF0",
    FINE_TUNING: "#DCDCDC",
    # evaluations
    "evaluation": "#7A7A7A",
    "best": "#0072B2",
    "failed": "#CC3311",
    "polish": "#CC79A7",
    "escape": "#882255",
    "restart": "#44AA99",
}

#: Colours of grouping factors, in the order of the formula.
GROUP_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

#: Ink and paper of every theme: "light" for screens, "print" for paper (no tint anywhere).
THEMES: Final[dict[str, dict[str, str]]] = {
    "light": {"ink": "#222222", "soft": "#5A5A5A", "grid": "#E6E6E6", "paper": "#FFFFFF"},
    "print": {"ink": "#000000", "soft": "#333333", "grid": "#DDDDDD", "paper": "#FFFFFF"},
}


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
