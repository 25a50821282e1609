"""The stored principal axes of a factor, and its levels in them: what the chart draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.link_scale import is_generalized
from mixedscope.charts.common.numerals import number, shares
from mixedscope.charts.kinds.shrinkage.levels import (
    Pull,
    fit_labels,
    kept_share,
    need_references,
)
from mixedscope.charts.kinds.shrinkage.references import (
    confounded_in,
    missing_limit,
    reference_of,
)
from mixedscope.core.errors import UnsuitedError
from mixedscope.tables.store import FitTables

__all__ = ["Axes", "read_axes"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axes:
    """The axes of one factor in one fit.

    Attributes
    ----------
    pull : Pull
        The levels, axes in the place of terms; axes beyond those of the fit do not vary.
    table : DataFrame
        Rows of the stored ``principal``.
    terms : tuple of str
        The columns of the factor.
    loadings : ndarray, shape (axes, terms)
    column_rms : ndarray, shape (terms,)
    """

    pull: Pull
    table: pd.DataFrame
    terms: tuple[str, ...]
    loadings: Floats
    column_rms: Floats

    @property
    def size(self) -> int:
        """Number of axes."""
        return len(self.table)

    @property
    def varies(self) -> list[bool]:
        """Whether there is variance along each axis."""
        return (self.table["allowed"] & ~self.table["collapsed"]).tolist()

    @property
    def collapsed(self) -> list[int]:
        """Numbers of the axes that the structure allows and the fit leaves no variance."""
        return self.table.loc[self.table["collapsed"], "component"].tolist()

    def shares(self) -> list[str]:
        """Share of each axis of the variance, in words; they add up."""
        values = self.table["share"].tolist()
        return shares(values) if any(values) else [shares([1.0, 0.0])[1]] * len(values)

    def titles(self) -> list[list[str]]:
        """What is written at each axis of the panels: which it is, its share, its SD."""
        told = zip(self.shares(), self.table["sd"], self.varies, strict=True)
        names = [
            [f"axis {i + 1}: {part}", f"SD {number(sd)}"]
            if varies
            else [f"axis {i + 1}:", "no variance"]
            for i, (part, sd, varies) in enumerate(told)
        ]
        return names + [[f"no axis {i + 1}"] for i in range(self.size, len(self.pull.terms))]


def read_axes(
    tables: Sequence[FitTables], group: str, reference: str
) -> tuple[list[Axes], dict[str, str]]:
    """Read the axes of a factor in each fit, and say which fits have none to draw, and why.

    Raises UnsuitedError if no fit has two axes that the data determine. Raises StoreError if there
    is no such reference.
    """
    labels = fit_labels([fit.info for fit in tables])
    open_fits = {
        label: f"the data do not determine the covariance of (… | {group})"
        for fit, label in zip(tables, labels, strict=True)
        if _own(fit, "principal", group)["sd"].isna().any()
    }
    drawn = [(f, label) for f, label in zip(tables, labels, strict=True) if label not in open_fits]
    if not drawn:
        raise UnsuitedError(
            next(iter(open_fits.values())) + ": other principal axes fit as well as these"
        )
    fits = [fit for fit, _ in drawn]
    count = max(len(_own(fit, "principal", group)) for fit in fits)
    if count == 1:
        raise UnsuitedError(
            f"The random effects of {group!r} have a single column, which is their only principal "
            "axis: the shrinkage chart shows it"
        )
    column = reference_of(fits, group) if reference == "auto" else reference
    found = [_axes(fit, label, group, column, count) for fit, label in drawn]
    if reference != "auto":
        need_references([axes.pull for axes in found], fits, group, reference)
    return found, open_fits


def _own(fit: FitTables, table: str, group: str) -> pd.DataFrame:
    rows = fit.require(table)
    return rows[rows["group"] == group].reset_index(drop=True)


def _axes(fit: FitTables, label: str, group: str, column: str, count: int) -> Axes:
    table = _own(fit, "principal", group)
    loadings, rows = (_own(fit, f"principal_{name}", group) for name in ("loadings", "levels"))
    size = len(table)
    levels = tuple(dict.fromkeys(rows["level"].tolist()))

    def wide(name: str, missing: float = 0.0) -> Floats:
        out = np.full((len(levels), count), missing)
        out[:, :size] = pd.to_numeric(rows[name]).to_numpy(dtype=float).reshape(-1, size)
        return out

    # What a level's own rows leave open the joint limit sets by its smallest norm.
    if is_generalized(fit.info):
        own = wide(column)
    else:
        own = np.where(np.isnan(wide("within_group")), np.nan, wide(column))
    mode, sds = wide("mode"), np.zeros(count)
    sds[:size] = np.where(table["allowed"] & ~table["collapsed"], table["sd"], 0.0)
    confounded = confounded_in(fit)
    pull = Pull(
        label=label,
        info=fit.info,
        terms=tuple(f"axis {i + 1}" for i in range(count)),
        varies=tuple(i < size for i in range(count)),
        levels=levels,
        n_obs=rows["n_obs"].to_numpy(dtype=np.int64)[::size],
        reference=own,
        mode=mode,
        std_dev=wide("std_dev", np.nan),
        factor=kept_share(own, mode),
        sds=sds,
        correlations=np.eye(count),
        population=np.zeros(count),
        limit=np.zeros(count),
        compared=column,
        confounded=confounded if group in confounded and not is_generalized(fit.info) else (),
        has_limit=not missing_limit([fit]),
    )
    return Axes(
        pull=pull,
        table=table,
        terms=tuple(loadings["term"].tolist()[:size]),
        loadings=loadings["loading"].to_numpy(dtype=float).reshape(size, size),
        column_rms=loadings["column_rms"].to_numpy(dtype=float)[:size],
    )
