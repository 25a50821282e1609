"""Steps that set fits side by side."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["compare", "phases"]


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
