"""The design of a model for other rows, to fit it to what is observed there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.errors import DataError
from mixedscope.design.design import Design
from mixedscope.design.identifiable import check_levels
from mixedscope.design.other_rows import other_rows, whole_terms

__all__ = ["design_of_rows"]

Floats = NDArray[np.float64]


def design_of_rows(
    design: Design,
    data: Any,
    *,
    weights: str | ArrayLike | None = None,
    offset: str | None = None,
    what: str = "newdata",
) -> Design:
    """Make the design that other rows give, with what a design learned from its own.

    Columns mean what they mean there (centres, polynomials, contrasts). Of grouping factors the
    levels that occur count, new ones too. Rows with a missing value or of weight 0 are left out;
    columns of X are those of the design. The response is 0 everywhere: it has none.

    Raises
    ------
    DataError
        As `other_rows`; also if no row is left.
    ModelError
        If a grouping factor has one level. What rows tell of variances is not asked.
    """
    found = other_rows(
        design, data, own=whole_terms(design), weights=weights, offset=offset, what=what
    )
    fine = np.ones(len(found.rows), dtype=bool)
    if found.weights is not None:
        fine = found.weights > 0.0
    if not fine.any():
        raise DataError(f"{what} has no complete row: there is nothing to fit the model to.")
    kept = None if found.weights is None else found.weights[fine]
    random = []
    for term, own in zip(found.own, design.random, strict=True):
        assert term.codes is not None
        codes = term.codes[fine]
        names = (*own.levels, *term.new)
        there, codes = np.unique(
            np.where(codes < 0, len(own.levels) - 1 - codes, codes), return_inverse=True
        )
        levels = tuple(names[i] for i in there.tolist())
        made = replace(
            own, levels=levels, codes=codes.astype(np.int64),
            Z=np.ascontiguousarray(term.Z[fine]),
        )  # fmt: skip
        check_levels(made.group, made.levels)
        random.append(made)
    return replace(
        design,
        y=np.zeros(int(fine.sum())),
        X=np.ascontiguousarray(found.X[fine]),
        weights=kept,
        random=tuple(random),
        rows=found.rows[fine],
        n_dropped=found.n - len(found.rows),
        n_zero_weight=int((~fine).sum()),
        n_outside=0,
        offset=None if found.offset is None else found.offset[fine],
    )
