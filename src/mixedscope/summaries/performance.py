"""How intervals and tests perform over the replicates of a sweep.

Measures and their Monte Carlo standard errors are those of Morris, White & Crowther (2019, Using
simulation studies to evaluate statistical methods, Statistics in Medicine 38, table 6). All
measures of a row are over the same runs: those that have the interval, or the p value.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.summaries.keys import KEYS
from mixedscope.summaries.truths import with_outcomes
from mixedscope.tables.kinds.performance import PERFORMANCE

__all__ = ["performance"]

Floats = NDArray[np.float64]

#: Keys in which the runs of one row differ.
_REPEATED: Final = ("replicate", "seed")

#: Columns of runs by quantity: names, what decides that a run counts, and reasons.
_PARTS: Final = {
    "interval": ("interval_names", "width", "interval_remarks"),
    "test": ("test_names", "p_value", "test_remarks"),
}


#: Key of runs that asks for each.
_KEYS: Final = {"interval": "intervals", "test": "tests"}


def performance(runs: pd.DataFrame) -> pd.DataFrame:
    """Make the stored table ``performance`` of the stored table ``runs``.

    A row for each interval and each test of all runs that differ in nothing but replicate and seed,
    in the order of the runs.
    """
    keys = [*(key for key in KEYS if key not in _REPEATED), "simulate"]
    frame = with_outcomes(runs)
    points: dict[tuple[Any, ...], list[int]] = {}
    for at, values in enumerate(frame[keys].itertuples(index=False)):
        told = tuple(None if pd.isna(value) else value for value in values)
        points.setdefault(told, []).append(at)
    known = _known_names(frame)
    rows: list[dict[str, Any]] = []
    for told, places in points.items():
        own = dict(zip(keys, told, strict=True))
        rows += [{**own, **row} for row in _rows(frame.iloc[places], own, known)]
    columns = PERFORMANCE.columns
    assert columns is not None
    return pd.DataFrame({c: pd.Series([row.get(c) for row in rows], dtype=object) for c in columns})


def _known_names(runs: pd.DataFrame) -> dict[tuple[Any, ...], dict[str, None]]:
    """What the runs of each model, under a structure or any, have of a quantity, in order.

    Coefficients, where none of them has any.
    """
    found: dict[tuple[Any, ...], dict[str, None]] = {}
    for columns in ([part[0] for part in _PARTS.values()], ["beta_names"] * len(_PARTS)):
        before = set(found)
        for quantity, column in zip(_PARTS, columns, strict=True):
            for model, structure, told in runs[["model", "structure", column]].itertuples(
                index=False
            ):
                for key in ((model, structure, quantity), (model, None, quantity)):
                    if key not in before and isinstance(told, str):
                        found.setdefault(key, {}).update(dict.fromkeys(json.loads(told)))
    return found


def _rows(
    runs: pd.DataFrame,
    point: dict[str, Any],
    known: dict[tuple[Any, ...], dict[str, None]],
) -> Iterator[dict[str, Any]]:
    """Rows of the runs of one point; ``known``: names, where none of them has any."""
    failed = int(runs["error"].notna().sum())
    fitted = runs[runs["error"].isna()]
    for quantity, (names, column, remarks) in _PARTS.items():
        if point[_KEYS[quantity]] is None:
            continue
        # Where each name stands in the lists of a run.
        places: dict[str, list[tuple[int, int]]] = {}
        for at, told in enumerate(fitted[names]):
            for place, name in enumerate(json.loads(told) if isinstance(told, str) else ()):
                places.setdefault(name, []).append((at, place))
        if not places:
            of = (point["model"], point["structure"], quantity)
            named = known.get(of) or known.get((point["model"], None, quantity), {})
            places = {name: [] for name in named}
        for name, found in places.items():
            values = _taken(fitted, column, found)
            has = ~np.isnan(values)
            counted = [where for where, keep in zip(found, has.tolist(), strict=True) if keep]
            without = set(range(len(fitted))) - {at for at, _ in counted}
            row = {
                "quantity": quantity,
                "name": name,
                "runs": len(runs),
                "failed": failed,
                "missing": len(without),
                "reason": _reason(fitted[remarks].iloc[sorted(without)])
                if len(fitted)
                else _reason(runs["error"]),
            }
            measures = _of_intervals if quantity == "interval" else _of_tests
            yield row | (measures(fitted, name, counted) if counted else {})


def _taken(runs: pd.DataFrame, column: str, places: list[tuple[int, int]]) -> Floats:
    """One number of the list of each run."""
    lists = runs[column].tolist()
    return np.array([lists[at][place] for at, place in places], dtype=np.float64)


def _reason(remarks: pd.Series) -> str | None:
    """What most runs say of what is missing."""
    told = Counter(text for text in remarks if isinstance(text, str))
    return max(told, key=lambda text: told[text]) if told else None


def _of_intervals(runs: pd.DataFrame, name: str, places: list[tuple[int, int]]) -> dict[str, float]:
    estimates = _taken(runs, "interval_estimates", places)
    truths = _taken(runs, "interval_truths", places)
    n = len(places)
    spread = _deviation(estimates)
    out = {
        "truth": float(truths[0]) if (truths == truths[0]).all() else math.nan,
        "mean": _mean("mean", estimates)["mean"],
        **_mean("bias", estimates - truths),
        "empirical_se": spread,
        "empirical_se_se": spread / math.sqrt(2.0 * (n - 1)) if n > 1 else math.nan,
        **_share("coverage", _taken(runs, "covered", places)),
        **_mean("width", _taken(runs, "width", places)),
    }
    at, names = places[0][0], json.loads(runs["beta_names"].iloc[places[0][0]])
    if name in names and name == json.loads(runs["interval_names"].iloc[at])[places[0][1]]:
        own = [(i, json.loads(runs["beta_names"].iloc[i]).index(name)) for i, _ in places]
        squares = _taken(runs, "beta_se", own) ** 2
        model = math.sqrt(float(squares.mean()))
        out["model_se"] = model
        out["model_se_se"] = _deviation(squares) / (2.0 * model * math.sqrt(n))
    return out


def _of_tests(runs: pd.DataFrame, name: str, places: list[tuple[int, int]]) -> dict[str, float]:
    null = _taken(runs, "null_true", places)
    return {
        "null_true": float(null[0]) if (null == null[0]).all() else math.nan,
        **_share("rejection", _taken(runs, "rejected", places)),
    }


def _deviation(values: Floats) -> float:
    """NaN of one value, and where one is infinite."""
    is_known = len(values) > 1 and np.isfinite(values).all()
    return float(np.std(values, ddof=1)) if is_known else math.nan


def _mean(name: str, values: Floats) -> dict[str, float]:
    """Mean and its standard error; NaN where a value is, and of values of both infinities."""
    with np.errstate(invalid="ignore"):
        middle = float(values.mean())
    return {
        name: middle,
        f"{name}_se": _deviation(values) / math.sqrt(len(values)),
    }


def _share(name: str, values: Floats) -> dict[str, float]:
    """Share of ones and its standard error; NaN where an outcome is not known."""
    share = float(values.mean())
    return {name: share, f"{name}_se": math.sqrt(share * (1.0 - share) / len(values))}
