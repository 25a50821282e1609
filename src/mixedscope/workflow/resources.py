"""What a job asks of a cluster: memory and minutes, from the size of its model.

A job that asks for too little is killed, and one that asks for much waits longer: what is asked is
what was measured (``docs/cluster.md`` has the table), with a margin, grown with rows, levels and
parameters.  An attempt after a failure asks for as many times more as attempts were made.

Sizes are read from the stored data.  Before these are made, a simulation tells its rows, and any
other data count as small; Snakemake asks again when a job's data are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedscope.data.layout import largest_layout
from mixedscope.data.simulation_spec import read_spec
from mixedscope.formula.parse import RandomTerm, parse_formula
from mixedscope.formula.tree import names_in

if TYPE_CHECKING:
    from mixedscope.sweeps.plan import SweepPlan
    from mixedscope.workflow.plan import Plan

__all__ = ["JobResources", "ModelSize", "fit_megabytes", "fit_minutes", "model_size"]

#: Megabytes of the two Snakemake processes that start and watch a job on its node.
_STARTING = 550
#: Megabytes of a process that has loaded what a step needs, with small tables and pictures.
_BASE = {"prepare": 200, "fit": 500, "study": 700, "draw": 1200, "tables": 300}
#: Minutes of a job on small data, compilation and a slow file system included.
_MINUTES = {"prepare": 10, "fit": 10, "study": 20, "draw": 15, "tables": 10}
#: A study evaluates the objective about so many times as often as a fit does.
_STUDY_EVALUATIONS = 20
#: Copies of the columns of a model that are in memory at once: as read, coded, weighted, sorted.
_COPIES = 8
#: Arrays as large as the factor: itself, its inverse, and one to work with.
_FACTORS = 3
#: Bytes in memory for each row of a simulation, and for each byte of a file, while it is prepared.
_SIMULATED_ROW = 320
_FILE_BYTE = 30
#: Bytes for each random effect while a picture of all of them, or a film, is made.
_DRAWN_EFFECT = 20_000
#: Bytes for each run of a sweep while it is gathered.
_RUN = 50_000
#: Rows and levels of data that are not there yet and say nothing about themselves.
_UNKNOWN_ROWS = 1000
_UNKNOWN_LEVELS = 10

Asked = Callable[[Any, int], int]


@dataclass(frozen=True)
class ModelSize:
    """The numbers that decide what a fit costs.

    Attributes
    ----------
    rows : int
    columns : int
        Columns of the fixed and of all random design matrices, and the variables they come from.
    effects : tuple of int
        Random effects (levels times columns) of each grouping factor.
    parameters : int
        Covariance parameters of the unrestricted structure.
    """

    rows: int
    columns: int
    effects: tuple[int, ...]
    parameters: int

    @property
    def rest(self) -> int:
        """Random effects that may fill in: all but those of the largest grouping factor."""
        return sum(self.effects) - max(self.effects, default=0)

    @property
    def factor(self) -> int:
        """Numbers in the Cholesky factor, at most."""
        rest, largest = self.rest, max(self.effects, default=0)
        crossed = min(largest * rest, self.rows * len(self.effects) ** 2)
        return largest + crossed + rest * rest


def model_size(formula: str, rows: int, levels: Mapping[str, int]) -> ModelSize:
    """Size of a model on data of so many rows and levels.

    Parameters
    ----------
    formula : str
    rows : int
    levels : mapping of str to int
        Levels of each categorical variable; grouping factors not listed have a few.

    Returns
    -------
    ModelSize
    """
    parsed = parse_formula(formula)

    def width(terms: Iterable[Any]) -> int:
        return sum(
            math.prod(levels.get(name.name, 1) for f in term.factors for name in names_in(f))
            for term in terms
        )

    def groups(part: RandomTerm) -> int:
        return min(math.prod(levels.get(name, _UNKNOWN_LEVELS) for name in part.factors), rows)

    per_group: dict[frozenset[str], int] = {}
    counts: dict[frozenset[str], int] = {}
    parameters = 0
    for part in parsed.random:
        own, key = int(part.intercept) + width(part.terms), frozenset(part.factors)
        per_group[key] = per_group.get(key, 0) + own
        counts[key] = groups(part)
        parameters += own * (own + 1) // 2
    return ModelSize(
        rows=rows,
        columns=len(parsed.variables) + 1 + width(parsed.fixed.terms) + sum(per_group.values()),
        effects=tuple(counts[key] * per_group[key] for key in counts),
        parameters=parameters,
    )


def fit_megabytes(size: ModelSize) -> int:
    """Megabytes a fit needs beyond the loaded libraries.

    Parameters
    ----------
    size : ModelSize

    Returns
    -------
    int
    """
    data = 8 * size.rows * size.columns * _COPIES
    return math.ceil((data + 8 * size.factor * _FACTORS) / 1e6)


def fit_minutes(size: ModelSize) -> float:
    """Minutes a fit takes at most, by the slowest optimiser.

    Parameters
    ----------
    size : ModelSize

    Returns
    -------
    float
    """
    evaluations = 100 * (size.parameters + 1)
    # Floating-point operations of a factorisation at one per nanosecond; then the optimiser's own.
    each = 1e-9 * (size.rest**3 / 3 + size.factor * max(size.rest, 10)) + 1e-3 * size.parameters
    return (1e-4 * size.rows + evaluations * each) / 60


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
        """Megabytes of a step's jobs.

        Parameters
        ----------
        step : {"prepare", "fit", "study", "draw", "tables"}
            ``draw`` makes pictures, ``tables`` reads and writes small tables.

        Returns
        -------
        callable
        """
        return _asked(_STARTING + _BASE[step], lambda job: self._megabytes(step, job), round_to=100)

    def minutes(self, step: str) -> Asked:
        """Minutes of a step's jobs; see `memory`."""
        return _asked(_MINUTES[step], lambda job: self._minutes(step, job), round_to=5)

    def batch_memory(self, sweeps: SweepPlan) -> Asked:
        """Megabytes of a batch of a sweep: those of its largest run."""
        return _asked(
            _STARTING + _BASE["fit"],
            lambda job: max(map(fit_megabytes, _batch_sizes(sweeps, job)), default=0),
            round_to=100,
        )

    def batch_minutes(self, sweeps: SweepPlan) -> Asked:
        """Minutes of a batch of a sweep: those of all its runs."""
        return _asked(
            _MINUTES["fit"],
            lambda job: sum(map(fit_minutes, _batch_sizes(sweeps, job))),
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
        if step == "draw":
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
        return _size_on(
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
    """What a job asks for: so much, and more by its size; twice that in its second attempt."""

    def asked(wildcards: Any, attempt: int) -> int:
        return attempt * math.ceil((base + more(wildcards)) / round_to) * round_to

    return asked


def _batch_sizes(sweeps: SweepPlan, wildcards: Any) -> list[ModelSize]:
    """Sizes of the runs of a batch; none of a batch that is not (or no longer) planned."""
    for batch in sweeps.batches[wildcards.sweep]:
        if batch.name == wildcards.batch:
            specs = batch.specs.values()
            return [
                _size_on(s["model"]["formula"], s["data"].get("file"), s["data"]["dataset"])
                for s in specs
            ]
    return []


def _size_on(formula: str, file: str | None, dataset: Mapping[str, Any]) -> ModelSize:
    """Size of a model on stored data, else on what its source tells."""
    if file is not None and Path(file).is_file():
        wanted = frozenset(parse_formula(formula).variables)
        return model_size(formula, *_stored(file, Path(file).stat().st_mtime_ns, wanted))
    if simulate := dataset.get("simulate"):
        return model_size(formula, *largest_layout(read_spec(simulate)))
    return model_size(formula, _UNKNOWN_ROWS, {})


@cache
def _stored(file: str, changed: int, wanted: frozenset[str]) -> tuple[int, dict[str, int]]:
    """Rows of a stored table, and levels of those of these columns that are categorical.

    ``changed``, the time of its last change, makes a new file another one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    del changed
    table = pq.ParquetFile(file)
    names = [field.name for field in table.schema_arrow if field.name in wanted]
    levels = {}
    for name, column in zip(names, table.read(columns=names).columns, strict=True):
        if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
            levels[name] = len(column.unique())
    return table.metadata.num_rows, levels
