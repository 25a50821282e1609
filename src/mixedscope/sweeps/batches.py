"""Many small fits to a job: how runs are put together, and which batches are there already.

A batch is named by the digests of its runs and keeps their specifications in its metadata, so that
what has been computed is found again however a sweep grows: runs that a stored batch holds are
not run again, the others are cut into new batches of about equal cost.  Which batch a run is in
decides nothing about its results.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from mixedscope.core.errors import StoreError
from mixedscope.sweeps.grid import Run
from mixedscope.sweeps.identity import digest

__all__ = ["Batch", "Costs", "measured_costs", "plan_batches", "stored_batches"]

#: Rows of a data set of which nothing is known.
_ROWS = 1000.0


@dataclass(frozen=True)
class Batch:
    """The runs of one job.

    Attributes
    ----------
    name : str
        Digest of the ids of its runs.
    specs : dict of str to dict
        Specification of each run by its id, in the order in which they run.
    """

    name: str
    specs: dict[str, dict[str, Any]]


class Costs:
    """Seconds a run will take: as such runs took before, else by a formula.

    Parameters
    ----------
    measured : mapping of str to sequence of float
        Seconds of finished runs by `kind` of run.
    """

    def __init__(self, measured: Mapping[str, Sequence[float]]) -> None:
        self._measured = {kind: median(seconds) for kind, seconds in measured.items()}

    def seconds(self, spec: Mapping[str, Any]) -> float:
        """Estimate the seconds of one run."""
        known = self._measured.get(self.kind(spec))
        return _guess(spec) if known is None else known

    @staticmethod
    def kind(spec: Mapping[str, Any]) -> str:
        """What runs have to share to take about as long: model, structure, optimiser, size."""
        model, optimizer = spec["model"], spec["optimizer"]
        return digest(
            [model["formula"], model["structure"], optimizer["backend"], optimizer["polish"]]
            + [_rows(spec) // 1]
        )


def _guess(spec: Mapping[str, Any]) -> float:
    """Seconds of a fit from its dimensions, after those of the shipped sweeps.

    Data and model take 10 ms and 4 µs a row; an evaluation 30 µs and 0.02 µs a row and random
    term.  The linear algebra of optimisers written in Python takes more than that: 0.7 ms a
    parameter for Py-BOBYQA, 1.5 ms and 60 µs a parameter for COBYQA, every evaluation.
    """
    rows = _rows(spec)
    formula, structure = spec["model"]["formula"], spec["model"]["structure"]
    terms = formula.count("|")
    columns = terms if structure == "intercept" else formula.count("+", formula.find("(")) + terms
    parameters = columns * (columns + 1) / 2 if structure == "full" else columns
    backend = spec["optimizer"]["backend"]
    by_gradient = backend in ("auto", "bfgs", "scipy-lbfgsb")
    evaluations = 8 + parameters if by_gradient else 10 + 12 * parameters
    own = {"pybobyqa": 7e-4 * parameters, "scipy-cobyqa": 1.5e-3 + 6e-5 * parameters}
    each = own.get(backend, 1e-4) + 3e-5 + 2e-8 * rows * columns
    return 0.01 + 4e-6 * rows + evaluations * each


def _rows(spec: Mapping[str, Any]) -> float:
    """About how many rows a run has, as far as its specification tells."""
    simulate = spec["data"]["dataset"].get("simulate")
    rows = _ROWS
    if simulate is not None:
        rows = 1.0
        for unit in simulate.get("units", {}).values():
            rows *= _number(unit.get("n") if isinstance(unit, Mapping) else unit)
        for condition in (simulate.get("conditions") or {}).values():
            levels = condition
            if isinstance(condition, Mapping):
                levels = condition.get("levels", condition.get("values", ()))
            rows *= max(len(levels), 1) if isinstance(levels, list) else 2.0
        rows *= _number(simulate.get("replicates", 1)) * _number(simulate.get("keep", 1))
    draw = spec["draw"] or {}
    return max(rows * float(draw.get("share") or 1.0), 1.0)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 10.0


def stored_batches(directory: Path, code: str) -> list[Batch]:
    """Batches that are there and were computed by the code of today, by name.

    Parameters
    ----------
    directory : path
    code : str
        Digest of the code that computes batches.

    Returns
    -------
    list of Batch
    """
    found = []
    for path in sorted(directory.glob("*.parquet")):
        if "." in path.stem or not path.with_suffix(".timing.parquet").is_file():
            continue
        try:
            metadata = pq.read_metadata(path).metadata or {}
            told = json.loads(metadata[b"mixedscope.batch"])
        except (OSError, ValueError, KeyError):
            continue  # not whole: the runs are cut into a new batch
        if told["code"] == code:
            found.append(Batch(path.stem, told["specs"]))
    return found


def plan_batches(
    runs: Sequence[Run],
    stored: Sequence[Batch],
    costs: Costs,
    *,
    seconds: float,
) -> list[Batch]:
    """Choose among stored batches and cut the runs that none of them holds into new ones.

    Parameters
    ----------
    runs : sequence of Run
    stored : sequence of Batch
        Sorted by name; of two that hold the same run the first counts.
    costs : Costs
    seconds : float
        About how long a batch is to take.

    Returns
    -------
    list of Batch
        Sorted by name.
    """
    wanted = {run.id: run for run in runs}
    chosen = []
    for batch in stored:
        if any(run in wanted for run in batch.specs):
            chosen.append(batch)
            for run in batch.specs:
                wanted.pop(run, None)
    chosen += _cut(list(wanted.values()), costs, seconds)
    return sorted(chosen, key=lambda batch: batch.name)


def _cut(runs: Sequence[Run], costs: Costs, seconds: float) -> list[Batch]:
    """Cut runs into batches of about equal cost; those on the same data stay together."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[digest([run.spec["data"], run.spec["draw"]])].append(run)
    # Dealt out so that each batch gets a bit of everything, and none all the expensive runs.
    ordered = sorted(groups.values(), key=_key(costs))
    weights = [sum(costs.seconds(run.spec) for run in group) for group in ordered]
    count = max(1, math.ceil(sum(weights) / seconds)) if runs else 0
    loads = [0.0] * count
    dealt: list[list[Run]] = [[] for _ in range(count)]
    for group, weight in zip(ordered, weights, strict=True):
        if weight > 2 * seconds and len(group) > 1:
            # So much on one data set that it is worth preparing it several times.
            for run in group:
                _deal(dealt, loads, [run], costs.seconds(run.spec))
        else:
            _deal(dealt, loads, group, weight)
    return [_batch(part) for part in dealt if part]


def _deal(dealt: list[list[Run]], loads: list[float], runs: list[Run], weight: float) -> None:
    least = min(range(len(loads)), key=lambda i: (loads[i], i))
    dealt[least] += runs
    loads[least] += weight


def _key(costs: Costs) -> Callable[[list[Run]], tuple[float, str]]:
    return lambda group: (-sum(costs.seconds(run.spec) for run in group), group[0].id)


def _batch(runs: Sequence[Run]) -> Batch:
    ordered = sorted(runs, key=lambda run: (run.spec["model"]["name"], run.objective, run.id))
    specs = {run.id: run.spec for run in ordered}
    return Batch(digest(list(specs)), specs)


def measured_costs(directories: Sequence[Path]) -> Costs:
    """Read what finished runs took.

    Parameters
    ----------
    directories : sequence of path
        Of stored batches.

    Returns
    -------
    Costs
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for directory in directories:
        for path in sorted(directory.glob("*.timing.parquet")):
            batch = path.with_name(path.name.removesuffix(".timing.parquet") + ".parquet")
            try:
                table = pq.read_table(path, columns=["run", "cpu_seconds"])
                metadata = pq.read_metadata(batch).metadata or {}
                specs = json.loads(metadata[b"mixedscope.batch"])["specs"]
            except (OSError, ValueError, KeyError):
                continue
            for run, taken in zip(*table.to_pydict().values(), strict=True):
                if run not in specs:
                    raise StoreError(f"{path} tells the seconds of a run that {batch} lacks")
                seconds[Costs.kind(specs[run])].append(taken)
    return Costs(seconds)
