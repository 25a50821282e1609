"""Rows of a simulated experiment: units crossed or nested, conditions, covariates, missing cells.

Every random choice has a stream of its own, seeded by the experiment's seed and the name of what is
drawn, so that adding a covariate changes no other number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, suggest
from mixedscope.core.seeds import generator
from mixedscope.formula.expressions import evaluate_condition

__all__ = ["LAYOUT_KEYS", "check_keys", "largest_layout", "lay_out", "stream"]

LAYOUT_KEYS = (
    "units",
    "conditions",
    "assign",
    "replicates",
    "covariates",
    "drop_cells",
    "missing_cells",
    "keep",
)
# Hidden columns that number units across the experiment, whatever their labels; no expression can
# name them, and they are gone in the end.
_ID = "\0"
_UNIT_KEYS = ("n", "within", "prefix", "numbering")
_CONDITION_KEYS = ("levels", "values", "between")
_COVARIATE_KEYS = ("distribution", "of", "mean", "sd", "low", "high", "round")
_DISTRIBUTIONS = {"normal": ("mean", "sd"), "uniform": ("low", "high")}


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose: PCG64 on a child of the seed that its name picks."""
    return generator(seed, purpose)


def check_keys(spec: Any, known: Sequence[str], where: str) -> Mapping[str, Any]:
    """Complain about anything but a mapping with known keys."""
    if not isinstance(spec, Mapping):
        raise DataError(f"{where} must be a mapping, not {type(spec).__name__}.")
    for key in spec:
        if key not in known:
            raise DataError(
                f"{where}: unknown key {key!r}.{suggest(str(key), known)} "
                f"Known: {', '.join(known)}."
            )
    return spec


def lay_out(spec: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Make the rows of an experiment.

    Parameters
    ----------
    spec : mapping
        The keys of `LAYOUT_KEYS`; `mixedscope.data.simulate.simulate_dataset` documents them.
    seed : int

    Returns
    -------
    DataFrame
        Units and conditions categorical (conditions given by values numeric), covariates numeric.
    """
    units = spec.get("units")
    if not isinstance(units, Mapping) or not units:
        raise DataError("simulate: 'units' must name at least one unit, such as subject: 56.")
    frame = _units(units, seed)
    conditions = spec.get("conditions") or {}
    frame = _conditions(frame, conditions, list(units), str(spec.get("assign", "crossed")))
    for text in _listed(spec.get("drop_cells")):
        frame = frame[~evaluate_condition(text, frame)].reset_index(drop=True)
    frame = frame[
        _chosen(len(frame), 1 - _share(spec, "missing_cells", 0.0), stream(seed, "cells"))
    ]
    frame = _replicate(frame.reset_index(drop=True), spec.get("replicates", 1), seed)
    frame = frame[_chosen(len(frame), _share(spec, "keep", 1.0), stream(seed, "keep"))]
    if frame.empty:
        raise DataError("simulate: no rows remain; keep more cells.")
    frame = frame.reset_index(drop=True)
    for name, covariate in (spec.get("covariates") or {}).items():
        frame[name] = _covariate(frame, name, covariate, list(units), seed)
    return frame.drop(columns=[_ID + name for name in units])


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _share(spec: Mapping[str, Any], key: str, default: float) -> float:
    value = spec.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise DataError(f"simulate: {key!r} must be a share from 0 to 1, not {value!r}.")
    return float(value)


def _chosen(n: int, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """A random subset of fixed size, so that a share is kept exactly (up to rounding)."""
    kept = np.zeros(n, dtype=bool)
    kept[random.permutation(n)[: round(share * n)]] = True
    return kept


# -- units ----------------------------------------------------------------------------------------
def _units(units: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """All combinations of units: those nested in another unit run within it, others are crossed."""
    specs = {
        name: check_keys(
            {"n": spec} if not isinstance(spec, Mapping) else spec, _UNIT_KEYS, f"unit {name!r}"
        )
        for name, spec in units.items()
    }
    made: dict[str, NDArray[np.int64]] = {}  # number of the unit in each row, from 0
    labels: dict[str, NDArray[np.int64]] = {}  # number shown
    n_rows = 1
    for name, spec in specs.items():
        parent = spec.get("within")
        if parent is not None and parent not in made:
            raise DataError(
                f"simulate: unit {name!r} is within {parent!r}, which must be a unit listed before."
                f"{suggest(str(parent), made)}"
            )
        n_parents = 1 if parent is None else int(made[parent].max()) + 1
        sizes = _sizes(spec.get("n"), n_parents, f"unit {name!r}", stream(seed, f"unit {name}"))
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        of = np.zeros(n_rows, dtype=np.int64) if parent is None else made[parent]
        repeats = sizes[of]
        row = np.repeat(np.arange(n_rows), repeats)
        within = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        made = {key: value[row] for key, value in made.items()}
        labels = {key: value[row] for key, value in labels.items()}
        made[name] = starts[of[row]] + within
        numbering = spec.get("numbering", "global")
        if numbering not in ("global", "within"):
            raise DataError(
                f"simulate: 'numbering' of unit {name!r} must be 'global' (every unit has its own "
                f"label) or 'within' (labels start again in each parent), not {numbering!r}."
            )
        labels[name] = within if numbering == "within" else made[name]
        n_rows = len(row)
    frame = pd.DataFrame(index=range(n_rows))
    for name, spec in specs.items():
        frame[_ID + name] = made[name]
        frame[name] = _labelled(labels[name], str(spec.get("prefix", name[:1].upper())))
    return frame


def _sizes(value: Any, n: int, where: str, random: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of units: one for all, one for each parent, or drawn between min and max."""
    if isinstance(value, Mapping):
        limits = check_keys(value, ("min", "max"), f"{where}, 'n'")
        low, high = limits.get("min", 1), limits.get("max")
        if not (_whole(low) and _whole(high) and 0 <= low <= high):
            raise DataError(f"simulate: {where} needs whole numbers min ≤ max.")
        return random.integers(low, high, size=n, endpoint=True)
    listed = list(value) if isinstance(value, (list, tuple)) else [value] * n
    if len(listed) != n or not all(_whole(v) and v >= 0 for v in listed) or sum(listed) == 0:
        raise DataError(
            f"simulate: {where} must have a whole number n, a list of {n} numbers, or min and max; "
            f"not {value!r}."
        )
    return np.asarray(listed, dtype=np.int64)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _labelled(numbers: NDArray[np.int64], prefix: str) -> pd.Categorical[str]:
    """Labels such as S01, S02, …, padded so that they sort."""
    count = int(numbers.max()) + 1
    width = len(str(count))
    names = pd.Index([f"{prefix}{i + 1:0{width}d}" for i in range(count)], dtype=object)
    return pd.Categorical.from_codes(numbers, categories=names)


# -- conditions -----------------------------------------------------------------------------------
def _conditions(
    frame: pd.DataFrame, conditions: Mapping[str, Any], units: list[str], assign: str
) -> pd.DataFrame:
    if assign not in ("crossed", "latin-square"):
        raise DataError(f"simulate: 'assign' must be 'crossed' or 'latin-square', not {assign!r}.")
    if not isinstance(conditions, Mapping):
        raise DataError("simulate: 'conditions' must map names to lists of levels.")
    within: dict[str, pd.Series] = {}
    for name, given in conditions.items():
        spec = check_keys(
            given if isinstance(given, Mapping) else {"levels": given},
            _CONDITION_KEYS,
            f"condition {name!r}",
        )
        values = _condition_values(name, spec)
        between = spec.get("between")
        if between is None:
            within[name] = values
            continue
        if between not in units:
            raise DataError(
                f"simulate: condition {name!r} is between {between!r}, which is no unit."
                f"{suggest(str(between), units)}"
            )
        # Units take turns, so that groups are as equal as they can be.
        codes = frame[_ID + between].to_numpy()
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
        codes = [frame[_ID + unit].to_numpy() for unit in units]
        chosen = np.sum(codes, axis=0) % m
        frame = frame.reset_index(drop=True)
    else:
        chosen = np.tile(np.arange(m), n)
        frame = frame.loc[np.repeat(np.arange(n), m)].reset_index(drop=True)
    for name in within:
        frame[name] = cells[name].iloc[chosen].reset_index(drop=True)
    return frame


def _condition_values(name: str, spec: Mapping[str, Any]) -> pd.Series:
    if ("levels" in spec) == ("values" in spec):
        raise DataError(
            f"simulate: condition {name!r} needs either 'levels' (categories) or 'values'."
        )
    listed = spec.get("levels", spec.get("values"))
    if (
        not isinstance(listed, (list, tuple))
        or not listed
        or len(set(map(str, listed))) < len(listed)
    ):
        raise DataError(f"simulate: condition {name!r} needs a list of different levels or values.")
    if "levels" in spec:
        labels = [str(level) for level in listed]
        return pd.Series(pd.Categorical(labels, categories=labels))
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in listed):
        raise DataError(f"simulate: the values of condition {name!r} must be numbers.")
    return pd.Series([float(v) for v in listed])


def _replicate(frame: pd.DataFrame, replicates: Any, seed: int) -> pd.DataFrame:
    if isinstance(replicates, (list, tuple)):
        raise DataError("simulate: 'replicates' must be a whole number, or min and max.")
    counts = _sizes(replicates, len(frame), "'replicates'", stream(seed, "replicates"))
    return frame.loc[np.repeat(np.arange(len(frame)), counts)].reset_index(drop=True)


def _covariate(
    frame: pd.DataFrame, name: str, given: Any, units: list[str], seed: int
) -> NDArray[np.float64]:
    spec = check_keys(given, _COVARIATE_KEYS, f"covariate {name!r}")
    kind = spec.get("distribution", "normal")
    if kind not in _DISTRIBUTIONS:
        raise DataError(
            f"simulate: covariate {name!r} has the unknown distribution {kind!r}."
            f"{suggest(str(kind), _DISTRIBUTIONS)} Known: {', '.join(_DISTRIBUTIONS)}."
        )
    of = spec.get("of")
    if of is not None and of not in units:
        raise DataError(
            f"simulate: covariate {name!r} is of {of!r}, which is no unit.{suggest(str(of), units)}"
        )
    size = len(frame) if of is None else int(frame[_ID + of].max()) + 1
    random = stream(seed, f"covariate {name}")
    if kind == "normal":
        drawn = spec.get("mean", 0.0) + spec.get("sd", 1.0) * random.standard_normal(size)
    else:
        low, high = spec.get("low", 0.0), spec.get("high", 1.0)
        drawn = low + (high - low) * random.random(size)
    if "round" in spec:
        drawn = np.round(drawn, int(spec["round"]))
    return np.asarray(drawn if of is None else drawn[frame[_ID + of].to_numpy()])


def largest_layout(simulate: Mapping[str, Any]) -> tuple[int, dict[str, int]]:
    """Rows of an experiment, and levels of its units and conditions, at most.

    Parameters that `lay_out` would refuse count as if they were not there.
    """
    levels: dict[str, int] = {}
    rows = _most(simulate.get("replicates", 1))
    for name, unit in _parts(simulate, "units"):
        spec = unit if isinstance(unit, Mapping) else {"n": unit}
        each = _most(spec.get("n", 1))
        # So many in each unit of the one around it.
        levels[name] = each * levels.get(str(spec.get("within")), 1)
        rows *= each
    for name, condition in _parts(simulate, "conditions"):
        spec = condition if isinstance(condition, Mapping) else {"levels": condition}
        levels[name] = max(_length(spec.get("levels")), 1)
        rows *= max(levels[name], _length(spec.get("values")))
    return rows, levels


def _most(number: Any) -> int:
    """The largest number that a setting can come to: a number, a list, or limits."""
    if isinstance(number, Mapping):
        return _most(number.get("max", 1))
    if isinstance(number, list | tuple):
        return max(map(_most, number), default=1)
    return max(number, 1) if isinstance(number, int) else 1


def _parts(simulate: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    value = simulate.get(key)
    return list(value.items()) if isinstance(value, Mapping) else []


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple) else 0
