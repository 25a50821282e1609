"""The design of a model for other rows, to fit it to what is observed there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.errors import DataError
from mixedscope.design.design import Design
from mixedscope.design.frame import as_frame
from mixedscope.design.identifiable import check_levels
from mixedscope.design.other_rows import other_rows, whole_terms
from mixedscope.design.responses import trials_of_rows

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
    columns of X are those of the design. The response is 0 everywhere: it has none, of so many
    trials as the rows say.

    Raises
    ------
    DataError
        As `other_rows`; also if no row is left, or rows do not say how many trials they have.
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
    rows = found.rows[fine]
    trials = None
    if design.trials is not None and design.training is not None:
        trials = trials_of_rows(
            design.training.formula.response, as_frame(data, empty=True), rows, what
        )
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
        rows=rows,
        n_dropped=found.n - len(found.rows),
        n_zero_weight=int((~fine).sum()),
        n_outside=0,
        offset=None if found.offset is None else found.offset[fine],
        trials=trials,
    )
