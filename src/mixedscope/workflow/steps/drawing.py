"""Steps that draw stored tables, and the pages that show the drawings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["assets", "charts", "films", "index", "phases_charts"]


def assets(*, output: str | os.PathLike[str]) -> None:
    """Write the style sheet that the interactive pages of a run share, with Vega and the font.

    ``output``: ``assets/<name>``, of `mixedscope.charts.common.assets.asset_name`.
    """
    from mixedscope.charts.common.assets import asset_content
    from mixedscope.tables.files import atomic_write

    atomic_write(Path(output), asset_content().encode())


def charts(
    *,
    fits: Sequence[str] = (),
    tables: Sequence[str] = (),
    shows: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    output: Sequence[str],
    formats: Sequence[str],
    assets: Sequence[str] = (),
) -> None:
    """Draw charts of one model.

    ``fits``: ``fit.json`` of each fit that any of them shows, in ``<structure>/<optimizer>``.
    ``tables``: the tables of the model as a whole that any of them shows. ``shows``: what each
    chart shows, in its order: fits side by side, as ``<structure>/<optimizer>``, or for one of
    `mixedscope.charts.registry.MODEL_CHARTS` tables, as ``<kind>.parquet``. ``settings``:
    ``theme``, ``width``, ``title`` and what concerns these kinds of the configuration's ``charts``.
    ``output``: ``<chart>.caption.json`` of each: title, caption and formats; the chart's files are
    written beside it. ``formats``: formats of the charts. ``assets``: what interactive pages share;
    nothing where each holds everything. Raises ModelError if a chart cannot be drawn; names it.
    """
    from mixedscope.charts.common.render import Figure, save_figure
    from mixedscope.charts.drawing import draw, draw_model_chart, on_sheet
    from mixedscope.charts.registry import MODEL_CHARTS
    from mixedscope.tables.store import read_fit
    from mixedscope.tables.table_files import read_table
    from mixedscope.workflow.chart_tables import tables_of_fits
    from mixedscope.workflow.figures import back_to, naming, print_font_words, sheet_of

    needed: dict[str, dict[str, None]] = {}
    for chart, shown in shows.items():
        if chart not in MODEL_CHARTS:
            for fit in shown:
                needed.setdefault(fit, {}).update(dict.fromkeys(tables_of_fits(chart, settings)))
    folders = {"/".join(Path(fit).parts[-3:-1]): Path(fit).parent for fit in fits}
    known = {fit: read_fit(folders[fit], only=names) for fit, names in needed.items()}
    stored = {Path(path).name: path for path in tables}
    theme = settings.get("theme", "light")
    figures: list[Figure] = []
    for (chart, shown), path in zip(shows.items(), output, strict=True):
        with naming(chart):
            if chart in MODEL_CHARTS:
                read = [read_table(stored[name], Path(name).stem) for name in shown]
                make: Callable[[], Figure] = partial(draw_model_chart, chart, read, theme=theme)
            else:
                make = partial(draw, chart, [known[fit] for fit in shown], settings)
            figures.append(on_sheet(make, **sheet_of(settings)))
            save_figure(figures[-1], path, formats, back_to(path), assets)
    print_font_words(figures)


def films(
    *,
    fits: Sequence[str],
    shows: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    output: Sequence[str],
) -> None:
    """Make the films of one chart of a model.

    ``fits``, ``settings``: as for `charts`. ``shows``: what the chart shows. ``output``:
    ``<chart>.<format>`` of each film. Raises ModelError if the chart cannot be drawn; names it.
    """
    from mixedscope.charts.common.sheet import sheet
    from mixedscope.charts.drawing import draw_films
    from mixedscope.tables.files import atomic_write
    from mixedscope.tables.store import read_fit
    from mixedscope.workflow.chart_tables import tables_of_fits
    from mixedscope.workflow.figures import naming, sheet_of

    folders = {"/".join(Path(fit).parts[-3:-1]): Path(fit).parent for fit in fits}
    ((chart, shown),) = shows.items()
    with naming(chart):
        known = [read_fit(folders[fit], only=tables_of_fits(chart, settings)) for fit in shown]
        with sheet(**sheet_of(settings)):
            make = draw_films(chart, known, settings)
            for path in map(Path, output):
                atomic_write(path, make[path.suffix[1:]]())


def phases_charts(
    *,
    phases: str | os.PathLike[str],
    settings: Mapping[str, Any],
    output: Sequence[str],
    formats: Sequence[str],
    assets: Sequence[str] = (),
) -> None:
    """Draw the phases of all optimisations of a run: evaluations alone, and seconds as well.

    ``phases``: ``phases.parquet``; the other tables of phases are beside it. ``settings``:
    ``theme``, ``width`` and ``title`` of the configuration's ``charts``. ``output``:
    ``<chart>.caption.json`` of ``phases`` and of ``phases-seconds``; the charts' files are written
    beside them. ``assets``: what interactive pages share; nothing where each holds everything.
    """
    from mixedscope.charts.common.render import Figure, save_figure
    from mixedscope.charts.drawing import figure, on_sheet
    from mixedscope.charts.kinds.phases.chart import phases_chart
    from mixedscope.charts.registry import TIMED
    from mixedscope.tables.kinds.phases import PHASES, PHASES_TIMING, PHASES_TREND
    from mixedscope.tables.table_files import read_table
    from mixedscope.workflow.figures import back_to, naming, print_font_words, sheet_of

    theme = settings.get("theme", "light")
    kinds = {"phases": PHASES, "phases_trend": PHASES_TREND}
    timing = {"phases_timing": PHASES_TIMING, "phases_timing_trend": PHASES_TREND}
    figures = []
    for path in map(Path, output):
        chart = path.name.removesuffix(".caption.json")
        wanted = kinds | timing if chart.endswith(TIMED) else kinds
        tables = [
            read_table(Path(phases).with_name(f"{file}.parquet"), kind)
            for file, kind in wanted.items()
        ]
        with naming(chart):

            def make(tables: Sequence[Any] = tables) -> Figure:
                return figure(*phases_chart(*tables, theme=theme), theme=theme)

            figures.append(on_sheet(make, **sheet_of(settings)))
            save_figure(figures[-1], path, formats, back_to(path), assets)
    print_font_words(figures)


def index(
    *,
    structures: Sequence[str],
    captions: Sequence[str],
    together: Sequence[str],
    fits: Sequence[str] = (),
    tables: Sequence[str] = (),
    inference: Sequence[str] = (),
    printed: Sequence[str] = (),
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str],
    report: Sequence[str],
    assets: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write the pages that show every figure of a run, and captions for the report of Snakemake.

    ``structures``: tables of structures, one per model. ``captions``: ``<chart>.caption.json`` of
    every chart of a model. ``together``: the same of charts that show all models, or a sweep.
    ``fits``: ``fit.json`` of every fit. ``tables``: what the pages of models and sweeps link to,
    with CSV beside it. ``inference``: tables beside fits that pages show or link to. ``printed``:
    tables for papers. ``output``: ``index.html``; the pages of models and sweeps are written into
    ``pages`` beside it. ``timing``: ``timing.html``: what shows seconds, which no other run
    repeats, has a page of its own. ``report``: ``<chart>.rst`` of every chart, those of models
    first. ``assets``: what interactive pages share; what others shared before is removed.
    ``labels``, ``units``: of variables, by their names in the data.
    """
    from mixedscope.charts.common.sheet import sheet
    from mixedscope.workflow.report.captions import write_captions
    from mixedscope.workflow.report.pages import write_pages

    with sheet(labels=labels, units=units):
        write_pages(
            structures=structures,
            captions=captions,
            together=together,
            fits=fits,
            tables=tables,
            inference=inference,
            printed=printed,
            output=output,
            timing=timing,
        )
    write_captions([*captions, *together], report)
    kept = {Path(asset).name for asset in assets}
    for path in Path(output).with_name("assets").glob("vega-*.css"):
        if path.name not in kept:
            path.unlink()
