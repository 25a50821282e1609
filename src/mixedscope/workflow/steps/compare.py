"""Steps that set fits side by side."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixedscope.inference.ladder.ladder import Rung

__all__ = ["bootstrap", "compare", "phases"]


def phases(*, fits: Sequence[str], output: str | os.PathLike[str]) -> None:
    """Gather the phases of all optimisations of a run.

    ``fits``: ``fit.json`` of each fit. ``output``: ``phases.parquet``, evaluations per phase.
    Beside it ``phases_trend``, whether their shares grow with the size of a model, and the same of
    seconds, ``phases_timing`` and ``phases_timing_trend``.
    """
    from mixedscope.summaries.phases import phase_tables
    from mixedscope.tables.kinds.phases import PHASES, PHASES_TIMING, PHASES_TREND
    from mixedscope.tables.store import read_fit
    from mixedscope.tables.table_files import write_table

    tables = [read_fit(Path(path).parent, only=("trace", "timing")) for path in fits]
    names = [Path(path).parent.name for path in fits]
    digest = hashlib.sha256("".join(t.info["dataset"]["sha256"] for t in tables).encode())
    schemas = {
        "phases": PHASES,
        "phases_trend": PHASES_TREND,
        "phases_timing": PHASES_TIMING,
        "phases_timing_trend": PHASES_TREND,
    }
    for stem, table in phase_tables(tables, optimizers=names).items():
        write_table(
            Path(output).with_name(f"{stem}.parquet"),
            table,
            schemas[stem],
            formula="",
            sha256=digest.hexdigest(),
        )


def compare(
    *,
    fits: Sequence[str],
    bootstrap: Sequence[str] = (),
    seed: int = 0,
    output: str | os.PathLike[str],
) -> None:
    """Compare fits of one model: the rungs of its ladder, the tests between them, their axes.

    ``fits``: their ``fit.json``, the richest structure first. ``bootstrap``: draws of the
    bootstrap, if there is one. ``seed``: of simulated weights of mixtures. ``output``:
    ``structures.parquet``; ``tests``, ``components`` and ``structures_timing`` are written beside
    it, and all of them as CSV too.
    """
    import pandas as pd

    from mixedscope.inference.ladder.ladder import ladder_tables
    from mixedscope.tables.kinds.components import COMPONENTS
    from mixedscope.tables.kinds.structures import STRUCTURES, STRUCTURES_TIMING
    from mixedscope.tables.kinds.tests import TESTS, TESTS_BOOTSTRAP
    from mixedscope.tables.table_files import read_table, write_table

    rungs = _rungs(fits)
    drawn = [read_table(path, TESTS_BOOTSTRAP) for path in bootstrap]
    tables = ladder_tables(
        rungs, bootstrap=pd.concat(drawn, ignore_index=True) if drawn else None, seed=seed
    )
    info = rungs[0].info
    for schema in (STRUCTURES, STRUCTURES_TIMING, TESTS, COMPONENTS):
        kind, table = schema.kind, tables[schema.kind]
        write_table(
            Path(output).with_name(f"{kind}.parquet"),
            table,
            schema,
            formula=info["formula"],
            sha256=info["dataset"]["sha256"],
            csv=True,
        )
    print(tables["structures"].to_string())
    print(tables["tests"].to_string())


def bootstrap(
    *, fits: Sequence[str], draws: Sequence[int], seed: int, output: str | os.PathLike[str]
) -> None:
    """Draw a part of the bootstrap of the tests between structures.

    ``fits``: ``fit.json`` of every structure by one optimiser. ``draws``: the first draw, and the
    one after the last. ``seed``: that of the configuration. ``output``: a Parquet file.
    """
    from mixedscope.core.seeds import derive_seed
    from mixedscope.inference.ladder.ladder import bootstrap_of
    from mixedscope.tables.kinds.tests import TESTS_BOOTSTRAP
    from mixedscope.tables.table_files import write_table

    rungs = _rungs(fits)
    info = rungs[0].info
    own = derive_seed(seed, "bootstrap", model=info["model"])
    table = bootstrap_of(rungs, range(*draws), seed=own)
    write_table(
        output,
        table,
        TESTS_BOOTSTRAP,
        formula=info["formula"],
        sha256=info["dataset"]["sha256"],
    )
    print(f"{len(table)} statistics, {int(table['failed'].sum())} of them of failed refits")


def _rungs(fits: Sequence[str]) -> list[Rung]:
    """Load fits; those of one structure share a model."""
    from mixedscope.inference.estimates.stored import open_fit
    from mixedscope.inference.ladder.ladder import Rung

    models: dict[str, Any] = {}
    rungs = []
    for path in fits:
        directory = Path(path).parent
        fitted = open_fit(directory, tables=("timing",))
        structure = str(fitted.info["structure"])
        # The directory of a fit is named after its optimiser in the configuration.
        rungs.append(
            Rung(
                info=fitted.info,
                optimizer=directory.name,
                objective=models.setdefault(structure, fitted.objective),
                theta=fitted.theta,
                seconds=float(fitted.tables.require("timing")["seconds"].sum()),
            )
        )
    return rungs
