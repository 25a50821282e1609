"""What cross-validation comes to: scores of structures, and how they differ from the first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.core.vocabulary import NO_RANDOM, UNSHRUNKEN
from mixedscope.core.wording import counted
from mixedscope.inference.accuracy.folds import SCHEMES

__all__ = ["BESIDE", "area_under_curve", "crossvalidation_summary"]

Floats = NDArray[np.float64]

BESIDE: Final = (UNSHRUNKEN, NO_RANDOM)
"""What stands beside structures in the tables, and is none."""

#: Numbers of groups below which a standard error over groups means nothing.
_FEWEST: Final = 3

#: Probabilities closer than this are equal: no fit tells them apart.
_TIED: Final = 1e-10


def crossvalidation_summary(
    groups: pd.DataFrame, areas: Mapping[str, pd.DataFrame | None] | None = None
) -> pd.DataFrame:
    """The table ``crossvalidation``: scores of every structure, and how it differs from the first.

    ``areas``, of binomial families: by scheme, the rows that areas under curves are made of, with
    ``structure``, ``level``, ``yes`` and ``no`` (outcomes) and ``probability``. Standard errors
    take the levels as independent; a level that some structure could not be predicted for is left
    out for all of them. Raises UnsuitedError if too few levels are left.
    """
    rows = []
    for scheme in [s for s in SCHEMES if s in set(groups["scheme"])]:
        own = groups[groups["scheme"] == scheme]
        rows += _of_scheme(scheme, own, (areas or {}).get(scheme))
    return pd.DataFrame(rows)


def _of_scheme(
    scheme: str, own: pd.DataFrame, areas: pd.DataFrame | None
) -> list[dict[str, object]]:
    """Rows of one scheme."""
    names = [n for n in own["structure"].unique() if n not in BESIDE]
    by = str(own["by"].iloc[0])
    has_family = "outcomes" in own.columns
    summed = ["n", "squared_error", "log_density"]
    summed += ["outcomes", "absolute_error"] if has_family else []
    # A level may be in several folds.
    sums = own.groupby(["structure", "level"], sort=False)[summed].sum(min_count=1)
    failed = own["squared_error"].isna()
    bad = own.loc[failed & ~own["structure"].isin(BESIDE), "level"].unique()
    whole = pd.DataFrame(sums.unstack("structure")).drop(index=list(bad))
    if len(whole) < _FEWEST:
        raise UnsuitedError(
            f"Only {counted(len(whole), 'level')} of {by!r} could be predicted by every "
            "structure; see the table crossvalidation_fits for why others failed."
        )
    told = [*names, *(n for n in BESIDE if n in set(own["structure"]))]
    told = [n for n in told if not bool(whole["squared_error"][n].isna().any())]

    def column(what: str, structure: str) -> Floats:
        return np.asarray(whole[what][structure], dtype=float)

    first, n = names[0], column("n", names[0])
    counts = column("outcomes", first) if has_family else n
    rows = []
    for structure in told:
        of_all: dict[str, Any] = {
            "scheme": scheme,
            "by": by,
            "structure": structure,
            "groups": len(whole),
            "groups_failed": len(bad),
            "n": int(n.sum()),
        }
        one, other = (_root(column("squared_error", s), counts) for s in (structure, first))
        row = of_all | {"rmse": one[0], "rmse_se": _error(one[1]), **_differs("", one, other)}
        row |= dict.fromkeys(("log_density", "density_difference", "density_difference_se"), np.nan)
        if structure != UNSHRUNKEN:
            own_density = column("log_density", structure)
            gained = own_density - column("log_density", first)
            row["log_density"] = float(own_density.sum())
            row["density_difference"] = float(gained.sum())
            row["density_difference_se"] = _error(gained - gained.mean())
        if has_family:
            # Of outcomes of two kinds the mean square is a score by itself, the mean size is none.
            row["outcomes"] = float(counts.sum())
            known, none = ("mae", "brier") if areas is None else ("brier", "mae")
            what = "absolute_error" if areas is None else "squared_error"
            one, other = (_mean(column(what, s), counts) for s in (structure, first))
            row |= {known: one[0], f"{known}_se": _error(one[1])}
            row |= _differs(f"{known}_", one, other)
            row |= dict.fromkeys(_columns(none), np.nan)
            row |= dict.fromkeys(_columns("auc"), np.nan)
            if areas is not None:
                made = [_area(areas, s, whole.index) for s in (structure, first)]
                row |= {"auc": made[0][0], "auc_se": _error(made[0][1])}
                row |= _differs("auc_", *made)
        rows.append(row)
    return rows


def _columns(score: str) -> list[str]:
    return [f"{score}{part}" for part in ("", "_se", "_difference", "_difference_se")]


def _differs(
    before: str, one: tuple[float, Floats], other: tuple[float, Floats]
) -> dict[str, float]:
    """A score minus that of the first structure, with its standard error."""
    return {
        f"{before}difference": one[0] - other[0],
        f"{before}difference_se": _error(one[1] - other[1]),
    }


def _mean(values: Floats, counts: Floats) -> tuple[float, Floats]:
    """Mean over all outcomes, and what every group adds to its deviation."""
    mean = float(values.sum() / counts.sum())
    return mean, (values - mean * counts) / counts.sum()


def _root(squares: Floats, counts: Floats) -> tuple[float, Floats]:
    """Root of the mean, and what every group adds to its deviation."""
    mean, influence = _mean(squares, counts)
    root = math.sqrt(mean)
    return root, influence / (2.0 * root) if root else influence


def _error(influence: Floats) -> float:
    """Standard error of a sum of independent contributions with mean 0."""
    count = len(influence)
    return float(np.sqrt(count / (count - 1) * (influence**2).sum()))


def _area(areas: pd.DataFrame, structure: str, levels: pd.Index) -> tuple[float, Floats]:
    """Area under the curve of a structure, and what every level adds to its deviation."""
    own = areas[(areas["structure"] == structure) & areas["level"].isin(levels)]
    codes = levels.get_indexer(pd.Index(own["level"]))
    probability, yes, no = (
        own[name].to_numpy(dtype=float) for name in ("probability", "yes", "no")
    )
    return area_under_curve(probability, yes, no, codes, len(levels))


def area_under_curve(
    probability: Floats, yes: Floats, no: Floats, codes: NDArray[np.intp], n_levels: int
) -> tuple[float, Floats]:
    """Probability that a success has a larger prediction than a failure, ties counting one half.

    ``probability``, ``yes``, ``no`` (n,): of rows, with their numbers of successes and failures;
    ``codes`` (n,): their levels. Gives the area, NaN where all outcomes are alike, and what every
    level (q,) adds to its deviation, in the way of Obuchowski (1997, Biometrics 53, 567-578).
    """
    successes, failures = float(yes.sum()), float(no.sum())
    if not successes > 0.0 or not failures > 0.0:
        return np.nan, np.full(n_levels, np.nan)
    order = np.argsort(probability, kind="stable")
    rises = np.diff(probability[order], prepend=probability[order[:1]]) > _TIED
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.cumsum(rises)
    count = int(place.max()) + 1
    of_yes, of_no = (np.bincount(place, own, count) for own in (yes, no))
    # Of a value: the share of failures below it, and of successes above it, ties by half.
    below = (np.cumsum(of_no) - 0.5 * of_no) / failures
    above = (successes - np.cumsum(of_yes) + 0.5 * of_yes) / successes
    area = float(of_yes @ below) / successes
    deviation = yes * (below[place] - area) / successes + no * (above[place] - area) / failures
    return area, np.asarray(np.bincount(codes, deviation, n_levels), dtype=float)
