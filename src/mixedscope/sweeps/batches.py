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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, cast

from mixedscope.core.errors import StoreError
from mixedscope.sweeps.costs import ModelSize, fit_seconds, measuring_fits, size_on
from mixedscope.sweeps.grid import Run
from mixedscope.sweeps.identity import digest

__all__ = [
    "Batch",
    "Costs",
    "columns_of",
    "measured_costs",
    "note_of",
    "plan_batches",
    "stored_batches",
]


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
    """Seconds a run will take: as such runs took before, else as its size tells.

    ``measured`` are the seconds of finished runs by `kind` of run.
    """

    def __init__(self, measured: Mapping[str, Sequence[float]]) -> None:
        self._measured = {kind: median(seconds) for kind, seconds in measured.items()}

    def seconds(self, spec: Mapping[str, Any]) -> float:
        """Estimate the seconds of one run."""
        known = self._measured.get(self.kind(spec)) if self._measured else None
        if known is not None:
            return known
        size = _size(spec)
        seconds = fit_seconds(size, spec["optimizer"]["backend"])
        # Profiles and tests go by gradients, whatever the optimiser.
        return seconds + fit_seconds(size, "auto") * measuring_fits(size, spec.get("inference"))

    @staticmethod
    def kind(spec: Mapping[str, Any]) -> str:
        """What runs have to share to take about as long: model, optimiser, size, what follows."""
        model, optimizer = spec["model"], spec["optimizer"]
        return digest(
            [model["formula"], model["structure"], optimizer["backend"], optimizer["polish"]]
            + [_size(spec).rows, spec.get("inference")]
        )


def _size(spec: Mapping[str, Any]) -> ModelSize:
    """About how large a run is, as far as its specification tells."""
    model, dataset = spec["model"], spec["data"]["dataset"]
    size = size_on(model["formula"], None, dataset, model["structure"])
    share = dataset.get("simulate", {}).get("keep", 1.0) * ((spec["draw"] or {}).get("share") or 1)
    return replace(size, rows=max(round(size.rows * share), 1))


def note_of(batch: Path) -> dict[str, Any] | None:
    """What a stored batch says it is made of; None if its file is not there or not whole."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(batch).metadata or {}
        return cast(dict[str, Any], json.loads(metadata[b"mixedscope.batch"]))
    except (OSError, ValueError, KeyError):
        return None


def columns_of(table: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    """These columns of a stored table row by row; nothing of one that is not whole."""
    import pyarrow.parquet as pq

    try:
        return zip(*pq.read_table(table, columns=list(names)).to_pydict().values(), strict=True)
    except (OSError, ValueError):
        return iter(())


def stored_batches(directory: Path, code: str) -> list[Batch]:
    """Batches that are there and were computed by the code of this digest, by name."""
    found = []
    for path in sorted(directory.glob("*.parquet")):
        if "." in path.stem or not path.with_suffix(".timing.parquet").is_file():
            continue
        # The runs of a batch that is not whole are cut into a new one.
        if (note := note_of(path)) is not None and note["code"] == code:
            found.append(Batch(path.stem, note["specs"]))
    return found


def plan_batches(
    runs: Sequence[Run],
    stored: Sequence[Batch],
    costs: Costs,
    *,
    seconds: float,
) -> list[Batch]:
    """Choose among stored batches and cut the runs that none of them holds into new ones.

    Stored batches are sorted by name; of two that hold the same run the first counts. A batch is to
    take about so many ``seconds``.
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
    cost = {run.id: costs.seconds(run.spec) for run in runs}
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[digest([run.spec["data"], run.spec["draw"]])].append(run)
    weighed = [(sum(cost[run.id] for run in group), group) for group in groups.values()]
    count = max(1, math.ceil(sum(weight for weight, _ in weighed) / seconds)) if runs else 0
    loads = [0.0] * count
    dealt: list[list[Run]] = [[] for _ in range(count)]
    # Dealt out so that each batch gets a bit of everything, and none all the expensive runs.
    for weight, group in sorted(weighed, key=lambda pair: (-pair[0], pair[1][0].id)):
        # So much on one data set that it is worth preparing it several times.
        apart = weight > 2 * seconds and len(group) > 1
        for part in [[run] for run in group] if apart else [group]:
            least = min(range(count), key=lambda i: (loads[i], i))
            dealt[least] += part
            loads[least] += sum(cost[run.id] for run in part)
    return [_batch(part) for part in dealt if part]


def _batch(runs: Sequence[Run]) -> Batch:
    ordered = sorted(runs, key=lambda run: (run.spec["model"]["name"], run.objective, run.id))
    specs = {run.id: run.spec for run in ordered}
    return Batch(digest(list(specs)), specs)


def measured_costs(directories: Sequence[Path]) -> Costs:
    """Read what finished runs took, from the directories of stored batches."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for directory in directories:
        for path in sorted(directory.glob("*.timing.parquet")):
            batch = path.with_name(path.name.removesuffix(".timing.parquet") + ".parquet")
            if (note := note_of(batch)) is None:
                continue
            for run, taken in columns_of(path, "run", "cpu_seconds"):
                if run not in note["specs"]:
                    raise StoreError(f"{path} tells the seconds of a run that {batch} lacks")
                seconds[Costs.kind(note["specs"][run])].append(taken)
    return Costs(seconds)
