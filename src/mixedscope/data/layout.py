"""Rows of a simulated experiment: units crossed or nested, conditions, covariates, missing cells.

Every random choice has a stream of its own, seeded by the experiment's seed and the name of what is
drawn, so that adding a covariate changes no other number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, MixedscopeError
from mixedscope.core.seeds import generator as stream
from mixedscope.formula.expressions import evaluate_condition

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.data.simulation_spec import Condition, Covariate, Limits, SimulationSpec, Unit

__all__ = ["largest_layout", "lay_out"]

# Hidden columns that number units across the experiment, whatever their labels; no expression can
# name them, and they are gone in the end.
_ID = "\0"


def lay_out(spec: SimulationSpec, seed: int) -> pd.DataFrame:
    """The rows: units and conditions categorical (or the numbers given), covariates numeric."""
    units = list(spec.units)
    frame = _conditions(_units(spec.units, seed), spec.conditions, units, spec.assign)
    drop = [spec.drop_cells] if isinstance(spec.drop_cells, str) else spec.drop_cells
    for text in drop:
        try:
            frame = frame[~evaluate_condition(text, frame)].reset_index(drop=True)
        except MixedscopeError as error:
            raise DataError(f"simulate: drop_cells: {error}") from None
    frame = frame[_chosen(len(frame), 1 - spec.missing_cells, stream(seed, "cells"))]
    if frame.empty:
        raise DataError("simulate: no rows remain; drop fewer cells.")
    frame = frame.reset_index(drop=True)
    counts = _sizes(spec.replicates, len(frame), "'replicates'", stream(seed, "replicates"))
    frame = frame.loc[np.repeat(np.arange(len(frame)), counts)].reset_index(drop=True)
    frame = frame[_chosen(len(frame), spec.keep, stream(seed, "keep"))]
    if frame.empty:
        raise DataError("simulate: no rows remain; keep more cells.")
    frame = frame.reset_index(drop=True)
    for name, covariate in spec.covariates.items():
        frame[name] = _covariate(frame, covariate, stream(seed, f"covariate {name}"))
    return frame.drop(columns=[_ID + name for name in units])


def _chosen(n: int, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """A random subset of fixed size, so that a share is kept exactly (up to rounding)."""
    kept = np.zeros(n, dtype=bool)
    kept[random.permutation(n)[: round(share * n)]] = True
    return kept


# -- units ----------------------------------------------------------------------------------------
def _units(units: Mapping[str, Unit], seed: int) -> pd.DataFrame:
    """All combinations of units: those nested in another unit run within it, others are crossed."""
    import pandas as pd

    made: dict[str, NDArray[np.int64]] = {}  # number of the unit in each row, from 0
    labels: dict[str, NDArray[np.int64]] = {}  # number shown
    n_rows = 1
    for name, unit in units.items():
        parent = unit.within
        n_parents = 1 if parent is None else int(made[parent].max()) + 1
        sizes = _sizes(unit.n, n_parents, f"unit {name!r}", stream(seed, f"unit {name}"))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        of = np.zeros(n_rows, dtype=np.int64) if parent is None else made[parent]
        repeats = sizes[of]
        row = np.repeat(np.arange(n_rows), repeats)
        within = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        made = {key: value[row] for key, value in made.items()}
        labels = {key: value[row] for key, value in labels.items()}
        made[name] = starts[of[row]] + within
        labels[name] = within if unit.numbering == "within" else made[name]
        n_rows = len(row)
    frame = pd.DataFrame(index=range(n_rows))
    for name, unit in units.items():
        prefix = name[:1].upper() if unit.prefix is None else str(unit.prefix)
        frame[_ID + name] = made[name]
        frame[name] = _labelled(labels[name], prefix)
    return frame


def _sizes(
    n: int | list[int] | Limits, count: int, where: str, random: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of units: one for all, one for each parent, or drawn between min and max."""
    if isinstance(n, int | list):
        sizes = np.asarray([n] * count if isinstance(n, int) else n, dtype=np.int64)
        if len(sizes) != count:
            raise DataError(
                f"simulate: {where} must have a whole number n, a list of {count} numbers, or min "
                f"and max; not {n!r}."
            )
    else:
        sizes = random.integers(n.min, n.max, size=count, endpoint=True)
    if not sizes.any():
        raise DataError(f"simulate: no rows remain, for {where} were drawn 0 times: raise 'min'.")
    return sizes


def _labelled(numbers: NDArray[np.int64], prefix: str) -> pd.Categorical[str]:
    """Labels such as S01, S02, …, padded so that they sort."""
    import pandas as pd

    count = int(numbers.max()) + 1
    width = len(str(count))
    names = pd.Index([f"{prefix}{i + 1:0{width}d}" for i in range(count)], dtype=object)
    return pd.Categorical.from_codes(numbers, categories=names)


# -- conditions -----------------------------------------------------------------------------------
def _conditions(
    frame: pd.DataFrame, conditions: Mapping[str, Condition], units: list[str], assign: str
) -> pd.DataFrame:
    """The rows times the cells of the conditions, or one cell for each row in turn."""
    import pandas as pd

    within: dict[str, pd.Series] = {}
    for name, condition in conditions.items():
        if condition.levels is not None:
            labels = list(map(str, condition.levels))
            values = pd.Series(pd.Categorical(labels, categories=labels))
        else:
            values = pd.Series(condition.values)
        if condition.between is None:
            within[name] = values
            continue
        # Units take turns, so that groups are as equal as they can be.
        codes = frame[_ID + condition.between].to_numpy()
        frame[name] = values.iloc[codes % len(values)].reset_index(drop=True)
    cells = pd.DataFrame({"": [0]})
    for name, values in within.items():
        index = np.tile(np.arange(len(values)), len(cells))
        cells = cells.loc[np.repeat(np.arange(len(cells)), len(values))].reset_index(drop=True)
        cells[name] = values.iloc[index].reset_index(drop=True)
    cells = cells.drop(columns="")
    m, n = len(cells), len(frame)
    if assign == "latin-square":
        # Row and column units together walk through the cells: each unit meets every cell.
        chosen = np.sum([frame[_ID + unit].to_numpy() for unit in units], axis=0) % m
        frame = frame.reset_index(drop=True)
    else:
        chosen = np.tile(np.arange(m), n)
        frame = frame.loc[np.repeat(np.arange(n), m)].reset_index(drop=True)
    for name in within:
        frame[name] = cells[name].iloc[chosen].reset_index(drop=True)
    return frame


def _covariate(
    frame: pd.DataFrame, spec: Covariate, random: np.random.Generator
) -> NDArray[np.float64]:
    """A number for each row, or for each unit of one kind."""
    size = len(frame) if spec.of is None else int(frame[_ID + spec.of].max()) + 1
    if spec.distribution == "normal":
        drawn = spec.mean + spec.sd * random.standard_normal(size)
    else:
        drawn = spec.low + (spec.high - spec.low) * random.random(size)
    if spec.round is not None:
        drawn = np.round(drawn, spec.round)
    return drawn if spec.of is None else drawn[frame[_ID + spec.of].to_numpy()]


def largest_layout(spec: SimulationSpec) -> tuple[int, dict[str, int]]:
    """Rows of an experiment, and levels of its units and conditions, at most."""
    levels: dict[str, int] = {}
    rows = _most(spec.replicates)
    for name, unit in spec.units.items():
        each = _most(unit.n)
        # So many in each unit of the one around it.
        levels[name] = each * levels.get(unit.within or "", 1)
        rows *= each
    for name, condition in spec.conditions.items():
        levels[name] = len(condition.levels or [0])
        if spec.assign == "crossed" and condition.between is None:
            rows *= len(condition.levels or condition.values or [0])
    return rows, levels


def _most(number: int | list[int] | Limits) -> int:
    """The largest number that a setting can come to, at least one."""
    if isinstance(number, int):
        return max(number, 1)
    return max(1, *number) if isinstance(number, list) else number.max
