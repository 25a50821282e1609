"""Gather the batches of a sweep into one table of runs, and compare runs of one objective."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.core.errors import StoreError
from mixedscope.summaries.keys import KEYS, SIMULATE
from mixedscope.tables.kinds.runs import RUNS

__all__ = ["gather", "gather_timing", "with_keys"]


def gather(runs: Sequence[Sequence[Any]], batches: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Make the stored table ``runs`` of a sweep: the same however the runs were put into batches.

    ``runs`` are in order: digest of the specification, number of the objective function, value by
    key. Of the stored tables ``sweep_batch`` runs that are not of this sweep (any more) are left
    out. Raises StoreError if a run is missing.
    """
    ids = [str(run[0]) for run in runs]
    results = _in_order(pd.concat(batches, ignore_index=True), ids)
    keys = pd.DataFrame([_key_columns(run[2]) for run in runs], dtype=object)
    frame = pd.concat([keys, results.drop(columns="run").astype(object)], axis=1)
    frame.insert(0, "run", ids)
    frame["same_objective"] = [int(run[1]) for run in runs]
    frame = frame.assign(**_compared(frame))
    columns = RUNS.columns
    assert columns is not None
    return frame[list(columns)]


def gather_timing(runs: Sequence[Sequence[Any]], batches: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Make the table of seconds, in the same order; see `gather`."""
    return _in_order(pd.concat(batches, ignore_index=True), [str(run[0]) for run in runs])


def _in_order(table: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    table = table.drop_duplicates("run").set_index("run")
    missing = [run for run in ids if run not in table.index]
    if missing:
        raise StoreError(
            f"{len(missing)} of {len(ids)} runs are in none of the batches, the first being "
            f"{missing[0]}. Delete plan.json of this sweep and run the workflow again"
        )
    return table.loc[list(ids)].reset_index()


def _key_columns(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of one run as columns; what overrides simulated data is one column of JSON."""
    simulate = {k.removeprefix(SIMULATE): v for k, v in keys.items() if k.startswith(SIMULATE)}
    columns = {key: keys.get(key) for key in KEYS}
    text = json.dumps(simulate, ensure_ascii=False) if simulate else None
    start = columns["start"]
    return {**columns, "start": None if start is None else str(start), "simulate": text}


def _compared(frame: pd.DataFrame) -> dict[str, list[float]]:
    """Distances of every run from the best run of the same objective function."""
    measures = ("gap", "search_gap", "beta_error", "search_beta_error")
    out = {name: [float("nan")] * len(frame) for name in measures}
    objective = frame["objective"].astype(float)
    for _, rows in frame.groupby("same_objective", sort=False):
        values = objective[rows.index]
        if values.isna().all():
            continue
        places = [i for i in values.index.tolist() if not pd.isna(values.loc[i])]
        best = min(places, key=lambda i: float(values.loc[i]))  # the first of equals
        lowest = float(values.loc[best])
        beta, errors = frame["beta"].iloc[best], np.asarray(frame["beta_se"].iloc[best])
        for i in places:
            row = frame.iloc[i]
            out["gap"][i] = float(values.loc[i]) - lowest
            # Cleaned zeros may cost as much as rounding; that is no gap below zero.
            out["search_gap"][i] = max(0.0, float(row["search_objective"]) - lowest)
            for name, column in (("beta_error", "beta"), ("search_beta_error", "search_beta")):
                out[name][i] = _largest(np.asarray(row[column]) - beta, errors)
    return out


def _largest(difference: Any, errors: Any) -> float:
    return float(np.max(np.abs(difference) / errors)) if len(errors) else 0.0


def with_keys(runs: pd.DataFrame) -> pd.DataFrame:
    """``runs`` with columns such as ``simulate.units.subject`` in place of ``simulate``."""
    told = [json.loads(text) if isinstance(text, str) else {} for text in runs["simulate"]]
    names = list(dict.fromkeys(name for entry in told for name in entry))
    columns = {
        SIMULATE + name: pd.Series([e.get(name) for e in told], index=runs.index, dtype=object)
        for name in names
    }
    frame = runs.drop(columns="simulate").assign(**columns)
    frame.attrs = dict(runs.attrs)
    return frame
