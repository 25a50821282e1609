"""Steps of a sweep: its plan, its batches, their gathering, its charts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["sweep_batch", "sweep_charts", "sweep_gather", "sweep_performance", "sweep_plan"]


def sweep_plan(*, content: str, output: str | os.PathLike[str]) -> None:
    """Write down the runs of a sweep and their batches.

    ``content``: JSON, see `mixedscope.sweeps.plan.SweepPlan.content`. ``output``: ``plan.json``.
    """
    from mixedscope.tables.files import atomic_write

    atomic_write(output, content.encode())


def sweep_batch(
    *,
    plan: str | os.PathLike[str],
    batch: str,
    data: Sequence[str],
    code: str,
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Fit the runs of one batch.

    ``plan``: written by `sweep_plan`. ``batch``: its name there. ``data``: the prepared data sets
    it reads, each named as in the plan but for its directory. ``code``: digest of the code, kept
    with the results: batches of other code are not used again. ``output``, ``timing``: the tables
    of results and of seconds.
    """
    from mixedscope.sweeps.run import execute
    from mixedscope.tables.files import read_json
    from mixedscope.tables.kinds.sweep_batch import SWEEP_BATCH, SWEEP_BATCH_TIMING
    from mixedscope.tables.table_files import write_table

    specs = read_json(plan)["batches"][batch]
    files = {Path(path).name: path for path in data}
    # A project that uses the workflow as a module may keep them elsewhere.
    found = [
        {**spec, "data": {**spec["data"], "file": files[Path(spec["data"]["file"]).name]}}
        if "file" in spec["data"]
        else spec
        for spec in specs.values()
    ]
    results, seconds = execute(found, list(specs))
    told = {"batch": {"code": code, "specs": specs}}
    write_table(timing, seconds, SWEEP_BATCH_TIMING, formula="", sha256=batch)
    write_table(output, results, SWEEP_BATCH, formula="", sha256=batch, extra=told)
    failed = results["error"].dropna()
    print(f"{len(results)} runs, {len(failed)} of them failed")
    for run, error in zip(results["run"][failed.index], failed, strict=True):
        print(f"{run}: {error}")


def sweep_gather(
    *,
    plan: str | os.PathLike[str],
    batches: Sequence[str],
    timings: Sequence[str],
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Gather the batches of a sweep.

    ``plan``: written by `sweep_plan`. ``batches``, ``timings``: written by `sweep_batch`.
    ``output``, ``timing``: the tables of all runs and of their seconds; as CSV beside them. Raises
    ModelError if no run could be fitted, or none has the intervals or tests that are asked for;
    says why the first has not.
    """
    from mixedscope.core.errors import ModelError
    from mixedscope.sweeps.table import gather, gather_timing
    from mixedscope.tables.files import read_json
    from mixedscope.tables.kinds.runs import RUNS, RUNS_TIMING
    from mixedscope.tables.kinds.sweep_batch import SWEEP_BATCH, SWEEP_BATCH_TIMING
    from mixedscope.tables.table_files import read_table, write_table

    told = read_json(plan)
    runs, swept = told["runs"], {"swept": told["swept"]}
    digest = hashlib.sha256("".join(run[0] for run in runs).encode()).hexdigest()
    table = gather(runs, [read_table(path, SWEEP_BATCH) for path in batches])
    for what, names, reasons in (
        (None, "objective", "error"),
        ("intervals", "interval_names", "interval_remarks"),
        ("tests", "test_names", "test_remarks"),
    ):
        # Those that failed are no reason to say that there are no tests.
        fits = table if what is None else table[table["error"].isna()]
        asked = fits if what is None else fits[fits[what].notna()]
        if len(asked) and asked[names].isna().all():
            at = asked.index[0]
            keys, first = runs[at][2], asked[reasons].loc[at]
            told = ", ".join(f"{key}: {value}" for key, value in keys.items())
            said = "failed" if what is None else f"are without {what}"
            raise ModelError(
                f"All {len(asked)} runs of the sweep {said}. The first ({told}): {first}"
            )
    seconds = gather_timing(runs, [read_table(path, SWEEP_BATCH_TIMING) for path in timings])
    write_table(output, table, RUNS, formula="", sha256=digest, extra=swept, csv=True)
    write_table(timing, seconds, RUNS_TIMING, formula="", sha256=digest, csv=True)


def sweep_performance(*, runs: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
    """Tell how the intervals and tests of a sweep perform.

    ``runs``: written by `sweep_gather`. ``output``: ``performance.parquet``; as CSV beside it too.
    """
    from mixedscope.summaries.performance import performance
    from mixedscope.tables.kinds.performance import PERFORMANCE
    from mixedscope.tables.kinds.runs import RUNS
    from mixedscope.tables.table_files import read_table, write_table

    frame = read_table(runs, RUNS)
    digest = hashlib.sha256("".join(frame["run"]).encode()).hexdigest()
    table = performance(frame)
    write_table(output, table, PERFORMANCE, formula="", sha256=digest, csv=True)


def sweep_charts(
    *,
    runs: str | os.PathLike[str],
    timing: str | os.PathLike[str],
    charts: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    output: Sequence[str],
    formats: Sequence[str],
    assets: Sequence[str] = (),
) -> None:
    """Draw the charts of a sweep.

    ``runs``, ``timing``: written by `sweep_gather`. ``charts``: settings by name of chart.
    ``settings``: ``theme``, ``width`` and ``title`` of the configuration's ``charts``.
    ``output``: ``<name>.caption.json`` of each; the chart's files are written beside it.
    ``assets``: what interactive pages share; nothing where each holds everything.
    """
    from mixedscope.charts.common.render import Figure, save_figure
    from mixedscope.charts.drawing import figure, on_sheet
    from mixedscope.charts.kinds.sweep.chart import sweep_chart
    from mixedscope.summaries.runs import summarise
    from mixedscope.sweeps.table import with_keys
    from mixedscope.tables.kinds.runs import RUNS, RUNS_TIMING
    from mixedscope.tables.table_files import read_table
    from mixedscope.workflow.figures import back_to, print_font_words, sheet_of

    frame = with_keys(read_table(runs, RUNS))
    seconds = read_table(timing, RUNS_TIMING)
    theme = settings.get("theme", "light")
    figures = []
    for chart, path in zip(charts.values(), output, strict=True):
        summary = summarise(frame, seconds, chart)

        def make(summary: Any = summary) -> Figure:
            return figure(*sweep_chart(summary, theme=theme), theme=theme)

        figures.append(on_sheet(make, **sheet_of(settings)))
        save_figure(figures[-1], path, formats, back_to(path), assets)
    print_font_words(figures)
