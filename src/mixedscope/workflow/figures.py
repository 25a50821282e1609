"""What the steps that draw have in common: where figures lead back to, what is said of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mixedscope.charts.common.glyphs import font_words
from mixedscope.charts.common.render import Figure, specified
from mixedscope.charts.common.vega import compact
from mixedscope.core.errors import MixedscopeError, ModelError
from mixedscope.workflow.report.questions import is_timed

__all__ = ["back_to", "naming", "print_font_words", "sheet_of"]


def print_font_words(figures: Iterable[Figure]) -> None:
    """Say in the log which characters of figures no font has."""
    written: set[str] = set()
    for figure in figures:
        written.update(compact(specified(figure)))
    if warning := font_words("".join(sorted(written))):
        print(warning)


#: Keys of all charts that tell of the sheet they are drawn on.
_SHEET: Final = ("width", "title", "labels", "units", "colours")


def sheet_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `mixedscope.charts.drawing.on_sheet` is told by the settings of charts."""
    return {key: settings[key] for key in _SHEET if key in settings}


@contextmanager
def naming(chart: str) -> Iterator[None]:
    """Say in the log which chart is drawn, and in an error which was not."""
    try:
        yield
    except MixedscopeError as error:
        raise ModelError(f"chart {chart}: {error}") from error
    except Exception as error:
        error.add_note(f"while drawing the chart {chart}")
        raise
    print(f"{chart}: drawn")


def back_to(caption: str | os.PathLike[str]) -> tuple[str, str]:
    """Where the interactive page of a chart leads back to, and in what words.

    Parameters
    ----------
    caption : path
        ``charts/<model>/<chart>.caption.json``, ``charts/sweeps/<sweep>/...`` or ``charts/...``.

    Returns
    -------
    (address, text)
    """
    path = Path(caption)
    chart = path.name.removesuffix(".caption.json")
    # At most two folders and the file stand below it; a model may have its name.
    parts = path.parts[-4:]
    below = parts[parts.index("charts") + 1 : -1]
    up = "../" * (len(below) + 1)
    if is_timed(chart):
        return f"{up}timing.html", "← Measured seconds"
    if not below:
        return f"{up}index.html#{quote(chart, safe='')}", "← Overview"
    page = quote("/".join(below))
    return f"{up}pages/{page}.html#{quote(chart, safe='')}", f"← {below[-1]}"
