"""The steps of the workflow as plain functions of files: what its scripts call.

Each step reads files, calls the library and writes files; none of them knows Snakemake.  Imports
stand inside the steps: a job loads what it needs, and `mixedscope.code_digest` sees
which code a step depends on.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from mixedscope.errors import MixedscopeError

__all__ = ["chart", "compare", "fit", "index", "job", "prepare"]


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
    fitted = LinearMixedModel(
        model["formula"],
        frame,
        structure=structure,
        contrasts=model["contrasts"] or None,
        weights=model["weights"],
    ).fit(
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


def index(
    *,
    structures: Sequence[str],
    captions: Sequence[str],
    together: Sequence[str] = (),
    output: str | os.PathLike[str],
) -> None:
    """Write the page that shows every figure of a run.

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
    """
    from mixedscope.report import write_index

    write_index(structures=structures, captions=captions, together=together, output=output)
