"""The rows of one run: those of a data set, a part of them, or a simulation of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.core.errors import DataError, suggest
from mixedscope.core.seeds import generator
from mixedscope.data.prepare import prepare_dataset
from mixedscope.data.simulate import Simulation, simulate_dataset
from mixedscope.formula.expressions import evaluate_condition
from mixedscope.tables.kinds.data import DATA
from mixedscope.tables.table_files import read_table

__all__ = ["rows_of"]


def rows_of(
    data: Mapping[str, Any], draw: Mapping[str, Any] | None
) -> tuple[pd.DataFrame, Simulation | None]:
    """Give the rows of a run.

    ``data`` has ``dataset``, an entry of the configuration, and ``file`` where it is prepared
    already. ``draw`` has ``subset``, a safe condition; ``share`` or ``size``, how much is kept of
    the rows or of the levels of the factor ``of``; and ``seed``. Raises DataError if no rows
    remain, or there is no such factor.
    """
    dataset = data["dataset"]
    simulation = simulate_dataset(dataset["simulate"]) if "simulate" in dataset else None
    if "file" in data:
        frame = read_table(data["file"], DATA)
    elif simulation is not None and len(dataset) == 1:
        frame = simulation.frame  # as prepared, without the cost of preparing it
    else:
        frame = prepare_dataset(dataset, directory=Path.cwd()).frame
    return frame if draw is None else _part(frame, draw), simulation


def _part(frame: pd.DataFrame, draw: Mapping[str, Any]) -> pd.DataFrame:
    if draw.get("subset") is not None:
        frame = frame[evaluate_condition(draw["subset"], frame)].reset_index(drop=True)
    if draw.get("share") is not None or draw.get("size") is not None:
        frame = _drawn(frame, draw)
    if frame.empty:
        raise DataError(f"No rows remain of the data drawn by {dict(draw)}.")
    return frame


def _drawn(frame: pd.DataFrame, draw: Mapping[str, Any]) -> pd.DataFrame:
    """Keep the first of all rows, or levels, in an order drawn at random."""
    of = draw.get("of")
    if of is not None and of not in frame.columns:
        raise DataError(
            f"of: the data have no column {of!r}.{suggest(of, map(str, frame.columns))}"
        )
    if of is None:
        codes = np.arange(len(frame))
    else:
        codes = np.asarray(pd.factorize(frame[of], sort=True)[0])
    count = int(codes.max(initial=-1)) + 1
    what = "rows" if of is None else f"levels of {of}"
    if draw.get("size") is not None:
        kept = int(draw["size"])
        if kept > count:
            raise DataError(f"size: {kept} of the {what} are asked for, and there are {count}.")
    else:
        kept = max(1, round(float(draw["share"]) * count))
    order = generator(int(draw["seed"]), "rows").permutation(count)
    chosen = np.zeros(count + 1, dtype=bool)  # the last stands for missing levels
    chosen[order[:kept]] = True
    return frame[chosen[codes]].reset_index(drop=True)
