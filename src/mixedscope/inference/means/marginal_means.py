"""Estimated marginal means: means of the fitted fixed effects over a reference grid.

Searle, Speed & Milliken (1980, Am. Stat. 34, 216-221); emmeans' definitions: all combinations of
the levels count alike, whatever their numbers of rows, and numeric covariates are at their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.hypotheses.approximation import Approximation
from mixedscope.inference.hypotheses.tables import single_tests
from mixedscope.inference.means.adjust import ADJUSTMENTS, adjusted
from mixedscope.inference.means.reference_grid import ReferenceGrid

if TYPE_CHECKING:
    from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = [
    "MEAN_COLUMNS",
    "WEIGHTINGS",
    "LinearMeans",
    "linear_means",
    "means_table",
    "pairs_table",
    "stored_means",
]

Floats = NDArray[np.float64]

WEIGHTINGS: Final = ("equal", "proportional")

#: Columns of a table of means behind those of its variables.
MEAN_COLUMNS: Final = ("mean", "std_error", "df", "lower", "upper", "remark")

#: What a row may leave of the rows of X, as a share of its length, to be estimable.
_ESTIMABLE: Final = 1e-7

_NOT_ESTIMABLE: Final = "not estimable: the data have nothing of some combination"


@dataclass(frozen=True)
class LinearMeans:
    """Means as linear functions of the estimated fixed effects.

    Attributes
    ----------
    variables : tuple of str
        What the means are of, then what they are by.
    by : tuple of str
    keys : DataFrame
        Values of the variables, a row for each mean.
    rows : (m, r) array
    estimable : (m,) array of bool
    """

    variables: tuple[str, ...]
    by: tuple[str, ...]
    keys: pd.DataFrame
    rows: Floats
    estimable: NDArray[np.bool_]

    def families(self) -> list[NDArray[np.intp]]:
        """Places of the means that are compared with each other: one set for each of ``by``."""
        if not self.by:
            return [np.arange(len(self.rows))]
        grouped = self.keys.groupby(list(self.by), observed=True, sort=False).indices
        return [np.sort(np.asarray(places)) for places in grouped.values()]


def linear_means(
    system: ProfiledSystem | GeneralizedSystem,
    grid: ReferenceGrid,
    of: Sequence[str],
    by: Sequence[str],
    weights: str,
) -> LinearMeans:
    """Average a grid over what is neither in ``of`` nor in ``by``.

    ``weights``: ``equal`` for all levels, or ``proportional`` to how many rows have a combination
    of the levels that are averaged over.
    """
    if weights not in WEIGHTINGS:
        raise ModelError(
            f"There are no weights {weights!r}.{suggest(weights, WEIGHTINGS)} "
            f"Known are: {', '.join(WEIGHTINGS)}."
        )
    kept = [*of, *by]
    places = {v.name: j for j, v in enumerate(grid.variables)}
    shape = [len(v.values) for v in grid.variables]
    x = grid.x.reshape(*shape, -1)
    averaged = [j for j, v in enumerate(grid.variables) if v.name not in kept]
    shares = np.ones([shape[j] for j in averaged])
    if weights == "proportional":
        shares *= grid.counts.sum(axis=tuple(j for j in range(len(shape)) if j not in averaged))
    if not shares.any():
        words = ", ".join(repr(grid.variables[j].name) for j in averaged)
        raise ModelError(
            f"weights='proportional': no row has such a combination of levels of {words}. "
            "Use weights='equal'."
        )
    x = np.tensordot(shares / shares.sum(), x, axes=(list(range(len(averaged))), averaged))
    left = [v.name for v in grid.variables if v.name in kept]
    order = [left.index(name) for name in reversed(kept)]
    # The variables of the means vary fastest, the first of them most.
    x = np.transpose(x, [*order, len(order)]).reshape(-1, x.shape[-1])
    columns: dict[str, list[object]] = {name: [] for name in kept}
    chosen = [grid.variables[places[name]] for name in reversed(kept)]
    for values in product(*(v.labels if v.is_factor else v.values for v in chosen)):
        for name, value in zip(reversed(kept), values, strict=True):
            columns[name].append(value)
    keys = pd.DataFrame(
        {
            name: pd.Series(columns[name], dtype=None if not _is_factor(grid, name) else object)
            for name in kept
        }
    )
    return LinearMeans(tuple(kept), tuple(by), keys, x[:, system.kept], _estimable(system, x))


def means_table(method: Approximation, means: LinearMeans, level: float) -> pd.DataFrame:
    """Means with intervals: the variables, then `MEAN_COLUMNS`."""
    table = single_tests(method, _safe(means), np.zeros(len(means.rows)), level)
    table = table.rename(columns={"estimate": "mean"})[list(MEAN_COLUMNS)]
    _blank(table, means.estimable)
    return pd.concat([means.keys, table], axis=1)


def stored_means(
    method: Approximation, means: LinearMeans, level: float, response: str
) -> pd.DataFrame:
    """The stored table ``means``: what charts draw, a row for each mean.

    The first variable stands along an axis, the others of what the means are of are series, and
    what they are by are panels.
    """
    table = means_table(method, means, level)
    first = means.variables[0]
    own = table[first]
    is_number = own.dtype != object
    missing = pd.Series([None] * len(table), dtype=object)
    series = [name for name in means.variables[1:] if name not in means.by]
    return pd.DataFrame(
        {
            "response": response,
            "variable": first,
            "level": missing if is_number else own,
            "value": own.astype(float) if is_number else np.nan,
            "series": _labelled(table, series),
            "panel": _labelled(table, means.by),
            **{name: table[name] for name in ("mean", "std_error", "df", "lower", "upper")},
            "coverage": level,
            "method": method.name,
            "remark": table["remark"],
        }
    )


def _labelled(table: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Values of several variables as one text a row: ``f a, x 2``; None without any."""
    if not names:
        return pd.Series([None] * len(table), dtype=object)
    parts = [
        [f"{name} {v if isinstance(v, str) else f'{v:g}'}" for v in table[name]] for name in names
    ]
    return pd.Series([", ".join(row) for row in zip(*parts, strict=True)], dtype=object)


def pairs_table(
    method: Approximation,
    means: LinearMeans,
    level: float,
    adjust: Literal["tukey", "holm", "bonferroni", "none"] | str,
) -> pd.DataFrame:
    """Differences of all pairs of means within each family, with adjusted tests and intervals.

    The variables that means are by, then ``first``, ``second``, ``estimate`` (first less second),
    ``std_error``, ``df``, ``lower``, ``upper``, ``statistic``, ``p_value``, ``adjust``, ``remark``.
    """
    if adjust not in ADJUSTMENTS:
        raise ModelError(
            f"There is no adjustment {adjust!r}.{suggest(str(adjust), ADJUSTMENTS)} "
            f"Known are: {', '.join(ADJUSTMENTS)}."
        )
    own = [name for name in means.variables if name not in means.by]
    labels = means.keys[own].map(lambda v: v if isinstance(v, str) else f"{v:g}")
    names = labels.agg(", ".join, axis=1) if own else pd.Series([""] * len(means.rows))
    parts = []
    rows = _safe(means)
    for family in means.families():
        first, second = np.triu_indices(len(family), 1)
        a, b = family[first], family[second]
        if not len(a):
            continue
        differences = rows[a] - rows[b]
        fine = means.estimable[a] & means.estimable[b]
        # A mean that is the same linear function differs by nothing that could be tested.
        fine &= differences.any(axis=1)
        differences[~fine] = rows[a][~fine] + 1.0
        table = single_tests(method, differences, np.zeros(len(a)), level)
        table["lower"], table["upper"], table["p_value"] = adjusted(
            table, adjust, means=len(family), level=level, fine=fine
        )
        table["adjust"] = adjust
        _blank(table, fine)
        table.insert(0, "first", names.iloc[a].to_numpy())
        table.insert(1, "second", names.iloc[b].to_numpy())
        for place, name in enumerate(means.by):
            table.insert(place, name, means.keys[name].iloc[a].to_numpy())
        parts.append(table)
    if not parts:
        raise ModelError(
            "There are no pairs: a difference takes two means at least "
            f"({', '.join(own) or 'the mean'} has one)."
        )
    out = pd.concat(parts, ignore_index=True)
    remark, adjustment = out.pop("remark"), out.pop("adjust")
    return out.assign(adjust=adjustment, remark=remark)


def _is_factor(grid: ReferenceGrid, name: str) -> bool:
    return next(v.is_factor for v in grid.variables if v.name == name)


def _safe(means: LinearMeans) -> Floats:
    """Rows to compute with: of means that are not estimable others, whose results are blanked."""
    return np.where(means.estimable[:, None], means.rows, np.ones(means.rows.shape[1]))


def _blank(table: pd.DataFrame, fine: NDArray[np.bool_]) -> None:
    """Take out the numbers of what is not estimable, and say so."""
    numbers = [c for c in table.columns if c not in ("remark", "adjust")]
    table.loc[~fine, numbers] = np.nan
    table["remark"] = pd.Series(
        [r if ok else _NOT_ESTIMABLE for r, ok in zip(table["remark"], fine, strict=True)],
        dtype=object,
    )


def _estimable(system: ProfiledSystem | GeneralizedSystem, x: Floats) -> NDArray[np.bool_]:
    """Whether rows (m, p) are combinations of the rows of X."""
    if not system.dropped_names:
        return np.ones(len(x), dtype=bool)
    design = system.design
    sizes = np.linalg.norm(design.X, axis=0)
    sizes = np.where(sizes > 0.0, sizes, 1.0)
    _, values, axes = np.linalg.svd(np.linalg.qr(design.X / sizes, mode="r"))
    rank = len(system.kept)
    del values
    scaled = x / sizes
    left = scaled @ axes[rank:].T
    return np.asarray(np.linalg.norm(left, axis=1) <= _ESTIMABLE * np.linalg.norm(scaled, axis=1))
