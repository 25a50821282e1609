"""The steps of the workflow as plain functions of files: what its scripts call.

Each step reads files, calls the library and writes files; none of them knows Snakemake.  Imports
stand inside the steps: a job loads what it needs, and `mixedscope.code_digest` sees
which code a step depends on.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from mixedscope.errors import MixedscopeError

__all__ = [
    "chart",
    "compare",
    "fit",
    "index",
    "job",
    "phases",
    "phases_chart",
    "prepare",
    "race",
    "race_chart",
    "study",
    "sweep_batch",
    "sweep_charts",
    "sweep_gather",
    "sweep_plan",
]


@contextmanager
def job(log: str | os.PathLike[str], *, threads: int = 1) -> Iterator[None]:
    """Run the body of a script: output into its log, threads as granted, errors in words.

    Parameters
    ----------
    log : path
        Receives everything the body prints.
    threads : int
        Threads of linear algebra and compiled kernels.

    Raises
    ------
    SystemExit
        If the body fails: with the one message of an error that a user can mend, or after the
        traceback of any other.
    """
    # Read by libraries that are loaded later; those already loaded are limited below.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    os.environ["MIXEDSCOPE_THREADS"] = str(threads)
    from threadpoolctl import threadpool_limits

    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    message = None
    with ExitStack() as stack:
        stream = stack.enter_context(path.open("w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(stream))
        stack.enter_context(redirect_stderr(stream))
        stack.enter_context(threadpool_limits(threads))
        try:
            yield
        except MixedscopeError as error:
            message = str(error)
            print(message)
        except Exception:
            message = traceback.format_exc()
            print(message)
    if message is not None:
        print(message, file=sys.stderr)
        raise SystemExit(1)


def prepare(*, spec: Mapping[str, Any], output: str | os.PathLike[str]) -> None:
    """Read or simulate a data set, prepare it and store it.

    Parameters
    ----------
    spec : mapping
        An entry of ``datasets`` of the configuration.
    output : path
        A Parquet file; its metadata says where the data come from.
    """
    from mixedscope.data import prepare_dataset
    from mixedscope.store import write_table

    prepared = prepare_dataset(spec, directory=Path.cwd())
    write_table(
        output,
        prepared.frame,
        "data",
        formula="",
        sha256=prepared.description["sha256"],
        extra={"description": prepared.description},
    )
    print(f"{len(prepared.frame)} rows, {len(prepared.frame.columns)} columns -> {output}")


def fit(
    *,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    name: str,
    model: Mapping[str, Any],
    structure: str,
    optimizer: Mapping[str, Any],
    seed: int,
    keyframes: int,
) -> None:
    """Fit one model and store the fit with all its tables.

    Parameters
    ----------
    data : path
        A file written by `prepare`.
    output : path
        ``fit.json``; the other files are written beside it.
    name : str
        Name of the model.
    model : mapping
        ``formula``, ``criterion``, ``contrasts`` and ``weights`` of the model.
    structure : str
        Name of the covariance structure.
    optimizer : mapping
        An entry of ``optimizers`` of the configuration.
    seed : int
        For optimisers that draw random numbers.
    keyframes : int
        Into how many parts the path of the conditional modes is cut (see
        `mixedscope.inference.modes.keyframes`).
    """
    from mixedscope.linear import LinearMixedModel
    from mixedscope.store import read_table

    frame = read_table(data, "data")
    frame.attrs["file"] = os.fspath(data)  # referred to by the fit instead of copied
    fitted = LinearMixedModel(data=frame, **_arguments(model, structure)).fit(
        optimizer=optimizer["backend"],
        settings=optimizer["settings"] or None,
        reml=model["criterion"] == "REML",
        max_evaluations=optimizer["max_evaluations"],
        max_seconds=optimizer["max_seconds"],
        polish=optimizer["polish"],
        progress=False,
        name=name,
        seed=seed,
    )
    fitted.save(Path(output).parent, keyframe_parts=keyframes)
    print(fitted)


def _arguments(model: Mapping[str, Any], structure: str) -> dict[str, Any]:
    """What a model of the configuration means to the library, data apart."""
    return {
        "formula": model["formula"],
        "structure": structure,
        "contrasts": model["contrasts"] or None,
        "weights": model["weights"],
    }


def study(*, fit: str | os.PathLike[str], studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Study a stored fit and store what was found beside it.

    Parameters
    ----------
    fit : path
        ``fit.json``; the tables are written beside it.
    studies : mapping of str to mapping
        Settings by name of study, see `mixedscope.inference.studies`.
    """
    from mixedscope.inference.studies import STUDIES
    from mixedscope.linear import load_fit

    directory = Path(fit).parent
    fitted = load_fit(directory)
    for name, settings in studies.items():
        fitted.study(name, **settings)
    fitted.save(directory, only=[table for name in studies for table in STUDIES[name].tables])


def race(
    *,
    data: str | os.PathLike[str],
    model: Mapping[str, Any],
    race: Mapping[str, Any],
    seed: int,
    output: str | os.PathLike[str],
    ends: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Let optimisers race on one objective, each from several starts.

    Parameters
    ----------
    data : path
        A file written by `prepare`.
    model : mapping
        ``formula``, ``criterion``, ``contrasts`` and ``weights`` of the model.
    race : mapping
        ``structure``, ``optimizers`` (entries of the configuration by name) and ``starts``.
    seed : int
        From which the starts are drawn.
    output, ends, timing : path
        The tables of all evaluations, of where each ended, and of seconds.
    """
    from mixedscope.inference.race import Entrant
    from mixedscope.inference.race import race as run_race
    from mixedscope.linear import LinearMixedModel
    from mixedscope.store import read_table, write_table

    frame = read_table(data, "data")
    entrants = [
        Entrant(
            name, entry["backend"], entry["settings"], entry["polish"], entry["max_evaluations"]
        )
        for name, entry in race["optimizers"].items()
    ]
    tables = run_race(
        LinearMixedModel(data=frame, **_arguments(model, race["structure"])),
        entrants,
        reml=model["criterion"] == "REML",
        starts=race["starts"],
        seed=seed,
    )
    sha256 = frame.attrs["sha256"]
    for kind, path in (("race", output), ("race_ends", ends), ("race_timing", timing)):
        write_table(path, tables[kind], kind, formula=model["formula"], sha256=sha256)


def phases(*, fits: Sequence[str], output: str | os.PathLike[str]) -> None:
    """Gather the phases of all optimisations of a run.

    Parameters
    ----------
    fits : sequence of path
        ``fit.json`` of each fit.
    output : path
        ``phases.parquet``, evaluations per phase.  Beside it ``phases_trend``, whether their
        shares grow with the size of a model, and the same of seconds, ``phases_timing`` and
        ``phases_timing_trend``.
    """
    from mixedscope.inference.phase_table import phase_tables
    from mixedscope.store import read_fit, write_table

    tables = [read_fit(Path(path).parent) for path in fits]
    names = [Path(path).parent.name for path in fits]
    digest = hashlib.sha256("".join(t.info["dataset"]["sha256"] for t in tables).encode())
    for stem, table in phase_tables(tables, optimizers=names).items():
        write_table(
            Path(output).with_name(f"{stem}.parquet"),
            table,
            "phases_trend" if stem.endswith("trend") else stem,
            formula="",
            sha256=digest.hexdigest(),
        )


def compare(*, fits: Sequence[str], output: str | os.PathLike[str]) -> None:
    """Compare fits of one model in one table.

    Parameters
    ----------
    fits : sequence of path
        Their ``fit.json``, the richest structure first.
    output : path
        A Parquet file.
    """
    from mixedscope.inference.compare import compare_structures
    from mixedscope.store import read_json, write_table

    infos = [read_json(path) for path in fits]
    # The directory of a fit is named after its optimiser in the configuration.
    table = compare_structures(infos, optimizers=[Path(path).parent.name for path in fits])
    write_table(
        output,
        table,
        "structures",
        formula=infos[0]["formula"],
        sha256=infos[0]["dataset"]["sha256"],
    )
    print(table.to_string())


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


def race_chart(
    *,
    race: str | os.PathLike[str],
    chart: str,
    settings: Mapping[str, Any],
    output: str | os.PathLike[str],
    formats: Sequence[str],
) -> None:
    """Draw the race of one model.

    Parameters
    ----------
    race : path
        ``race.parquet``; the other tables of the race are beside it.
    chart : {"race", "race-seconds"}
        Against evaluations or against seconds.
    settings : mapping
        ``theme`` of the configuration's ``charts``.
    output : path
        ``<chart>.caption.json``; the chart's files are written beside it.
    formats : sequence of str
    """
    from mixedscope.charts.race import race_chart as draw_race
    from mixedscope.charts.registry import figure
    from mixedscope.charts.render import save_figure
    from mixedscope.store import read_table

    theme = settings.get("theme", "light")
    x = "evaluation" if chart == "race" else "seconds"
    kinds = ["race", "race_ends", *(["race_timing"] if x == "seconds" else [])]
    tables = [read_table(Path(race).with_name(f"{kind}.parquet"), kind) for kind in kinds]
    save_figure(figure(*draw_race(*tables, x=x, theme=theme), theme=theme), output, formats)


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


def sweep_plan(*, content: str, output: str | os.PathLike[str]) -> None:
    """Write down the runs of a sweep and their batches.

    Parameters
    ----------
    content : str
        JSON, see `mixedscope.sweeps.plan.SweepPlan.content`.
    output : path
        ``plan.json``.
    """
    from mixedscope.files import atomic_write

    atomic_write(output, content.encode())


def sweep_batch(
    *,
    plan: str | os.PathLike[str],
    batch: str,
    code: str,
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> None:
    """Fit the runs of one batch.

    Parameters
    ----------
    plan : path
        Written by `sweep_plan`.
    batch : str
        Its name there.
    code : str
        Digest of the code, kept with the results: batches of other code are not used again.
    output, timing : path
        The tables of results and of seconds.
    """
    from mixedscope.store import read_json, write_table
    from mixedscope.sweeps.run import execute

    specs = read_json(plan)["batches"][batch]
    results, seconds = execute(list(specs.values()), list(specs))
    told = {"batch": {"code": code, "specs": specs}}
    write_table(timing, seconds, "sweep_batch_timing", formula="", sha256=batch)
    write_table(output, results, "sweep_batch", formula="", sha256=batch, extra=told)
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

    Parameters
    ----------
    plan : path
        Written by `sweep_plan`.
    batches, timings : sequence of path
        Written by `sweep_batch`.
    output, timing : path
        The tables of all runs and of their seconds.
    """
    from mixedscope.store import read_json, read_table, write_table
    from mixedscope.sweeps.table import gather, gather_timing

    told = read_json(plan)
    runs, swept = told["runs"], {"swept": told["swept"]}
    digest = hashlib.sha256("".join(run[0] for run in runs).encode()).hexdigest()
    table = gather(runs, [read_table(path, "sweep_batch") for path in batches])
    seconds = gather_timing(runs, [read_table(path, "sweep_batch_timing") for path in timings])
    write_table(output, table, "runs", formula="", sha256=digest, extra=swept)
    write_table(timing, seconds, "runs_timing", formula="", sha256=digest)


def sweep_charts(
    *,
    runs: str | os.PathLike[str],
    timing: str | os.PathLike[str],
    charts: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    output: Sequence[str],
    formats: Sequence[str],
) -> None:
    """Draw the charts of a sweep.

    Parameters
    ----------
    runs, timing : path
        Written by `sweep_gather`.
    charts : mapping of str to mapping
        Settings by name of chart.
    settings : mapping
        ``theme`` of the configuration's ``charts``.
    output : sequence of path
        ``<name>.caption.json`` of each; the chart's files are written beside it.
    formats : sequence of str
    """
    from mixedscope.charts.registry import figure
    from mixedscope.charts.render import save_figure
    from mixedscope.charts.sweep import sweep_chart
    from mixedscope.store import read_table
    from mixedscope.sweeps.summary import summarise
    from mixedscope.sweeps.table import with_keys

    frame = with_keys(read_table(runs, "runs"))
    seconds = read_table(timing, "runs_timing")
    theme = settings.get("theme", "light")
    for (_, chart), path in zip(charts.items(), output, strict=True):
        drawn = sweep_chart(summarise(frame, seconds, chart), theme=theme)
        save_figure(figure(*drawn, theme=theme), path, formats)
