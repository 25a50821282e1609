"""What a job asks of a cluster: memory and minutes, from the size of its model.

A job that asks for too little is killed, and one that asks for much waits longer: what is asked is
what was measured (``docs/cluster.md`` has the table), with a margin, grown with rows, levels and
parameters.  An attempt after a failure asks for as many times more as attempts were made.

Sizes are read from the stored data (`mixedscope.sweeps.costs`); Snakemake asks again when a job's
data are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedscope.data.layout import largest_layout
from mixedscope.data.simulation_spec import read_spec
from mixedscope.sweeps.costs import ModelSize, fit_megabytes, fit_minutes, measuring_fits, size_on

if TYPE_CHECKING:
    from mixedscope.sweeps.plan import SweepPlan
    from mixedscope.workflow.plan import Plan

__all__ = ["JobResources"]

#: Megabytes of the two Snakemake processes that start and watch a job on its node.
_STARTING = 550
#: Megabytes of a process that has loaded what a step needs, with small tables and pictures; of
#: films with those of the encoder, which is a process of its own.
_BASE = {"prepare": 200, "fit": 500, "study": 700, "draw": 700, "film": 600, "tables": 300}
#: Minutes of a job on small data, compilation and a slow file system included.
_MINUTES = {"prepare": 10, "fit": 10, "study": 20, "draw": 15, "tables": 10}
#: A study evaluates the objective about so many times as often as a fit does.
_STUDY_EVALUATIONS = 20
#: Bytes in memory for each row of a simulation, and for each byte of a file, while it is prepared.
_SIMULATED_ROW = 320
_FILE_BYTE = 30
#: Bytes for each random effect while a picture of all of them, or a film, is made.
_DRAWN_EFFECT = 20_000
#: Bytes for each run of a sweep while it is gathered.
_RUN = 50_000

Asked = Callable[[Any, int], int]


@dataclass(frozen=True)
class JobResources:
    """Memory and minutes of the jobs of a plan, as functions that Snakemake calls.

    Each gives a function of the job's wildcards and the number of the attempt.

    Attributes
    ----------
    plan : Plan
    """

    plan: Plan

    def memory(self, step: str) -> Asked:
        """Megabytes of "prepare", "fit", "study", "draw" (pictures), "film" or "tables"."""
        return _asked(_STARTING + _BASE[step], lambda job: self._megabytes(step, job), round_to=100)

    def minutes(self, step: str) -> Asked:
        """Minutes of a step's jobs; see `memory`."""
        return _asked(_MINUTES[step], lambda job: self._minutes(step, job), round_to=5)

    def minutes_of_fits(self, fits: Callable[[str, ModelSize], float]) -> Asked:
        """Minutes of jobs that take as long as so many fits of their model.

        ``fits`` gives their number from the name of the model and its size.
        """

        def more(wildcards: Any) -> float:
            size = self._size(wildcards)
            return 0.0 if size is None else fit_minutes(size) * fits(wildcards.model, size)

        return _asked(_MINUTES["study"], more, round_to=5)

    def batch_memory(self, sweeps: SweepPlan) -> Asked:
        """Megabytes of a batch of a sweep: those of its largest run."""
        return _asked(
            _STARTING + _BASE["fit"],
            lambda job: max(
                (fit_megabytes(size) for _, size in _batch_runs(sweeps, job)), default=0
            ),
            round_to=100,
        )

    def batch_minutes(self, sweeps: SweepPlan) -> Asked:
        """Minutes of a batch of a sweep: those of all its runs."""
        return _asked(
            _MINUTES["fit"],
            lambda job: sum(
                fit_minutes(size) * (1 + measuring_fits(size, spec.get("inference")))
                for spec, size in _batch_runs(sweeps, job)
            ),
            round_to=5,
        )

    def gather_memory(self, sweeps: SweepPlan) -> Asked:
        """Megabytes of gathering a sweep: what its runs tell, and its plan."""
        return _asked(
            _STARTING + _BASE["tables"],
            lambda job: len(sweeps.runs[job.sweep]) * _RUN / 1e6,
            round_to=100,
        )

    # -- sizes -------------------------------------------------------------------------------------

    def _megabytes(self, step: str, wildcards: Any) -> int:
        if step == "prepare":
            return self._prepare_megabytes(wildcards.dataset)
        size = self._size(wildcards)
        if size is None or step == "tables":
            return 0
        if step in ("draw", "film"):
            return math.ceil(sum(size.effects) * _DRAWN_EFFECT / 1e6)
        return fit_megabytes(size)

    def _minutes(self, step: str, wildcards: Any) -> float:
        if step == "prepare":  # a gigabyte in a minute
            return self._prepare_megabytes(wildcards.dataset) / 1000
        size = self._size(wildcards)
        if size is None or step in ("tables", "draw"):
            return 0.0
        return fit_minutes(size) * (_STUDY_EVALUATIONS if step == "study" else 1)

    def _size(self, wildcards: Any) -> ModelSize | None:
        """Size of a job's model; None for one of all models."""
        name = getattr(wildcards, "model", None)
        if name is None:
            return None
        model = self.plan.config.models[name]
        return size_on(
            model.formula,
            self.plan.data_file(name),
            self.plan.parameters["datasets"][model.dataset],
        )

    def _prepare_megabytes(self, dataset: str) -> int:
        files = [Path(file) for file in self.plan.source_files(dataset)]
        read = sum(file.stat().st_size for file in files if file.is_file()) * _FILE_BYTE
        simulate = self.plan.parameters["datasets"][dataset].get("simulate")
        drawn = largest_layout(read_spec(simulate))[0] * _SIMULATED_ROW if simulate else 0
        return math.ceil((read + drawn) / 1e6)


def _asked(base: int, more: Callable[[Any], float], *, round_to: int) -> Asked:
    """Make a function of a job: ``base`` plus ``more`` of its wildcards, times the attempt.

    ``_asked(500, size, round_to=100)`` asks 700 for a job of size 130, and 1400 when tried again.
    """

    def asked(wildcards: Any, attempt: int) -> int:
        return attempt * math.ceil((base + more(wildcards)) / round_to) * round_to

    return asked


def _batch_runs(sweeps: SweepPlan, wildcards: Any) -> list[tuple[dict[str, Any], ModelSize]]:
    """Runs of a batch and their sizes; none of a batch that is not (or no longer) planned."""
    for batch in sweeps.batches[wildcards.sweep]:
        if batch.name == wildcards.batch:
            return [
                (s, size_on(s["model"]["formula"], s["data"].get("file"), s["data"]["dataset"]))
                for s in batch.specs.values()
            ]
    return []
