"""The rows of one run: those of a data set, a part of them, or a simulation of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, suggest
from mixedscope.core.seeds import generator
from mixedscope.data.prepare import prepare_dataset
from mixedscope.data.simulate import Simulation, simulate_dataset
from mixedscope.formula.expressions import evaluate_condition
from mixedscope.tables.kinds.data import DATA
from mixedscope.tables.table_files import read_table

__all__ = ["DrawnRows", "rows_of"]

Places = NDArray[np.intp]


class DrawnRows(NamedTuple):
    """The rows of a run.

    Attributes
    ----------
    frame : DataFrame
    simulation : Simulation or None
        What they come from, if they are simulated.
    origin : (n,) array or None
        Row of the simulation that each is; None where preparing them left rows out.
    """

    frame: pd.DataFrame
    simulation: Simulation | None
    origin: Places | None


def rows_of(data: Mapping[str, Any], draw: Mapping[str, Any] | None) -> DrawnRows:
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
    places = np.arange(len(frame)) if draw is None else _part(frame, draw)
    # Preparation keeps the order of rows.
    is_whole = simulation is not None and len(frame) == len(simulation.frame)
    kept = frame if draw is None else frame.iloc[places].reset_index(drop=True)
    return DrawnRows(kept, simulation, places if is_whole else None)


def _part(frame: pd.DataFrame, draw: Mapping[str, Any]) -> Places:
    """Places of the rows that are kept, ascending."""
    places = np.arange(len(frame))
    if draw.get("subset") is not None:
        places = np.flatnonzero(evaluate_condition(draw["subset"], frame))
    if draw.get("share") is not None or draw.get("size") is not None:
        places = places[_drawn(frame.iloc[places].reset_index(drop=True), draw)]
    if not len(places):
        raise DataError(f"No rows remain of the data drawn by {dict(draw)}.")
    return places


def _drawn(frame: pd.DataFrame, draw: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which rows are among the first of all, or of all levels, in an order drawn at random."""
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
    return np.asarray(chosen[codes])
