"""What a fit costs, from the size of its model: megabytes, seconds as a rule, minutes at most.

Sizes are read from the stored data.  Before these are made, a simulation tells its rows, and any
other data count as small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mixedscope.core.errors import ModelError
from mixedscope.covariance.registry import STRUCTURES, make_structure, named_structure
from mixedscope.data.layout import largest_layout
from mixedscope.data.simulation_spec import read_spec
from mixedscope.formula.algebra import Term
from mixedscope.formula.parse import RandomTerm, parse_formula
from mixedscope.formula.tree import names_in
from mixedscope.optimize.announcement import expected_evaluations
from mixedscope.sweeps.keys import RATIO

__all__ = [
    "ModelSize",
    "fit_megabytes",
    "fit_minutes",
    "fit_seconds",
    "measuring_fits",
    "model_size",
    "size_on",
]

#: Copies of the columns of a model that are in memory at once: as read, coded, weighted, sorted.
_COPIES = 8
#: Arrays as large as the factor: itself, its inverse, and one to work with.
_FACTORS = 3
#: Rows and levels of data that are not there yet and say nothing about themselves.
_UNKNOWN_ROWS = 1000
_UNKNOWN_LEVELS = 10


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
        Covariance parameters.
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


def model_size(
    formula: str, rows: int, levels: Mapping[str, int], structure: str | None = None
) -> ModelSize:
    """Size of a model on data of so many rows and levels.

    Grouping factors without ``levels`` have a few. Without a ``structure``, every term has the
    parameters of an unrestricted covariance.
    """
    parsed = parse_formula(formula)

    def width(intercept: bool, terms: Iterable[Term]) -> int:
        """Columns of terms: a level fewer than there are, but of the first without an intercept."""
        found = int(intercept)
        for term in terms:
            names = [name.name for part in term.factors for name in names_in(part)]
            lost = 1 if found else 0
            found += math.prod(max(levels[name] - lost, 1) for name in names if name in levels)
        return found

    def groups(part: RandomTerm) -> int:
        return min(math.prod(levels.get(name, _UNKNOWN_LEVELS) for name in part.factors), rows)

    per_group: dict[frozenset[str], int] = {}
    counts: dict[frozenset[str], int] = {}
    parameters = 0
    for part in parsed.random:
        own, key = width(part.intercept, part.terms), frozenset(part.factors)
        if structure is not None and _reduced(part, structure):
            own = 1
        per_group[key] = per_group.get(key, 0) + own
        counts[key] = groups(part)
        parameters += _parameters(part, own, structure)
    return ModelSize(
        rows=rows,
        columns=len(parsed.variables)
        + width(parsed.fixed.intercept, parsed.fixed.terms)
        + sum(per_group.values()),
        effects=tuple(counts[key] * per_group[key] for key in counts),
        parameters=parameters,
    )


def _choice(part: RandomTerm, structure: str) -> tuple[str, dict[str, float]]:
    """What a term gets where a structure is asked of the whole model, and can take it."""
    asked = named_structure(structure)
    return asked if asked[0] != "full" else named_structure(part.structure, part.settings)


def _reduced(part: RandomTerm, structure: str) -> bool:
    return STRUCTURES[_choice(part, structure)[0]].intercept_only


def _parameters(part: RandomTerm, columns: int, structure: str | None) -> int:
    """Covariance parameters of a term; those of an unrestricted one where it is refused."""
    if structure is not None:
        try:
            name, settings = _choice(part, structure)
            return make_structure(name, columns, settings).n_theta
        except ModelError:
            pass
    return columns * (columns + 1) // 2


def size_on(
    formula: str, file: str | None, dataset: Mapping[str, Any], structure: str | None = None
) -> ModelSize:
    """Size of a model on a stored table, else on what the entry of its data set tells."""
    if file is not None and Path(file).is_file():
        wanted = frozenset(parse_formula(formula).variables)
        stored = _stored(file, Path(file).stat().st_mtime_ns, wanted)
        return model_size(formula, *stored, structure)
    if simulate := dataset.get("simulate"):
        told = {key: value for key, value in simulate.items() if key != "seed"}
        return model_size(formula, *_simulated(json.dumps(told)), structure)
    return model_size(formula, _UNKNOWN_ROWS, {}, structure)


@cache
def _simulated(told: str) -> tuple[int, dict[str, int]]:
    """Rows and levels of an experiment, as JSON without its seed: replicates are read once."""
    return largest_layout(read_spec(json.loads(told)))


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


def fit_megabytes(size: ModelSize) -> int:
    """Megabytes a fit needs beyond the loaded libraries."""
    data = 8 * size.rows * size.columns * _COPIES
    return math.ceil((data + 8 * size.factor * _FACTORS) / 1e6)


def measuring_fits(size: ModelSize, inference: Mapping[str, Any] | None) -> float:
    """As many fits as intervals and tests of a run take, about, beside the fit itself."""
    if inference is None:
        return 0.0
    profiles = inference.get("intervals") == "profile"
    tests = inference.get("tests")
    small = tests is not None or inference.get("intervals", "wald") not in ("wald", "profile")
    # Every coefficient, term and hypothesis is a fit.
    refits = 2.0 * size.columns if tests is not None and tests["df"] == RATIO else 0.0
    return 10.0 * (size.parameters + size.columns + 1) * profiles + refits + 1.0 * small


def fit_minutes(size: ModelSize) -> float:
    """Minutes a fit takes at most, by the slowest optimiser."""
    evaluations = 100 * (size.parameters + 1)
    # Floating-point operations of a factorisation at one per nanosecond; then the optimiser's own.
    each = 1e-9 * (size.rest**3 / 3 + size.factor * max(size.rest, 10)) + 1e-3 * size.parameters
    return (1e-4 * size.rows + evaluations * each) / 60


def fit_seconds(size: ModelSize, backend: str) -> float:
    """Seconds a fit takes as a rule, after those of the shipped sweeps.

    Data and model take 10 ms and 4 µs a row; an evaluation 30 µs and 6 ns a row and column.
    The linear algebra of optimisers written in Python takes more than that: 0.7 ms a parameter for
    Py-BOBYQA, 1.5 ms and 60 µs a parameter for COBYQA, every evaluation.
    """
    parameters = size.parameters
    evaluations = expected_evaluations(parameters, backend)
    own = {"pybobyqa": 7e-4 * parameters, "scipy-cobyqa": 1.5e-3 + 6e-5 * parameters}
    each = own.get(backend, 1e-4) + 3e-5 + 6e-9 * size.rows * size.columns
    return 0.01 + 4e-6 * size.rows + evaluations * each
