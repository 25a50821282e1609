"""Steps that draw stored tables, and the pages that show the drawings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["chart", "index", "model_chart", "phases_chart"]


def chart(
    *,
    fits: Sequence[str],
    chart: str,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    formats: Sequence[str],
) -> None:
    """Draw one chart of one model, its fits side by side.

    Parameters
    ----------
    fits : sequence of path
        ``fit.json`` of each fit.
    chart : str
        Name of the chart, as listed by `mixedscope.charts.registry.chart_names`.
    settings : mapping
        ``theme`` and ``shrinkage`` of the configuration's ``charts``.
    output : path
        ``<chart>.caption.json``: title, caption and formats; the chart's files are written
        beside it.
    formats : sequence of str
        Formats of the chart.
    """
    from mixedscope.charts.registry import draw
    from mixedscope.charts.render import save_figure
    from mixedscope.store import read_fit

    figure = draw(chart, [read_fit(Path(path).parent) for path in fits], settings)
    save_figure(figure, output, formats)


def model_chart(
    *,
    tables: Sequence[str],
    chart: str,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    formats: Sequence[str],
) -> None:
    """Draw a chart of one model that has tables of its own.

    Parameters
    ----------
    tables : sequence of path
        The tables that the chart reads, in its order.
    chart : str
        One of `mixedscope.charts.model_charts.MODEL_CHARTS`.
    settings : mapping
        ``theme`` of the configuration's ``charts``.
    output : path
        ``<chart>.caption.json``; the chart's files are written beside it.
    formats : sequence of str
    """
    from mixedscope.charts.model_charts import MODEL_CHARTS, draw_model_chart
    from mixedscope.charts.render import save_figure
    from mixedscope.store import read_table

    kinds = MODEL_CHARTS[chart].tables
    read = [read_table(path, kind) for path, kind in zip(tables, kinds, strict=True)]
    drawn = draw_model_chart(chart, read, theme=settings.get("theme", "light"))
    save_figure(drawn, output, formats)


def phases_chart(
    *,
    phases: str | os.PathLike[str],
    chart: str,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    formats: Sequence[str],
) -> None:
    """Draw the phases of all optimisations of a run.

    Parameters
    ----------
    phases : path
        ``phases.parquet``; the other tables of phases are beside it.
    chart : {"phases", "phases-seconds"}
        Evaluations alone, or seconds as well.
    settings : mapping
        ``theme`` of the configuration's ``charts``.
    output : path
        ``<chart>.caption.json``; the chart's files are written beside it.
    formats : sequence of str
    """
    from mixedscope.charts.phases import phases_chart as draw_phases
    from mixedscope.charts.registry import figure
    from mixedscope.charts.render import save_figure
    from mixedscope.store import read_table

    theme = settings.get("theme", "light")
    kinds = {"phases": "phases", "phases_trend": "phases_trend"}
    if chart != "phases":
        kinds |= {"phases_timing": "phases_timing", "phases_timing_trend": "phases_trend"}
    tables = [read_table(Path(phases).with_name(f"{f}.parquet"), kind) for f, kind in kinds.items()]
    save_figure(figure(*draw_phases(*tables, theme=theme), theme=theme), output, formats)


def index(
    *,
    structures: Sequence[str],
    captions: Sequence[str],
    together: Sequence[str] = (),
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Write the page that shows every figure of a run, and that of the figures with seconds.

    Parameters
    ----------
    structures : sequence of path
        Tables of structures, one per model.
    captions : sequence of path
        ``<chart>.caption.json`` of every chart of a model.
    together : sequence of path
        The same of charts that show all models.
    output : path
        ``index.html``.
    timing : path
        ``timing.html``: what shows seconds, which no other run repeats, has a page of its own.
    """
    from mixedscope.report import write_index

    write_index(
        structures=structures, captions=captions, together=together, output=output, timing=timing
    )
