"""Which steps the data of a small model call for, and where they are.

A row of numbers, a column for every step, is handed to the kernels of
:mod:`mixedscope.engine.kernels.single` and :mod:`mixedscope.engine.kernels.whole`: numbers for
Python, or addresses of compiled code once they are linked. Steps that the data never lead to have
none, and are not compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels import dense, elimination, inverse, narrow, nested, steps, wide

__all__ = ["link", "steps_of_information", "steps_of_single", "steps_of_whole"]

Ints = NDArray[np.int64]


def _by_width(width: int, one: Any, two: Any, more: Any) -> Any:
    return one if width == 1 else two if width == 2 else more


def _put_factors(row: Ints, width: int) -> None:
    factors = _by_width(
        width, narrow.level_factors_1, narrow.level_factors_2, wide.level_factors_wide
    )
    steps.level_factors.put(row, factors)


def _put_common(row: Ints, width: int) -> None:
    """Steps that every tier has, levels having so many columns."""
    _put_factors(row, width)
    head = wide.eliminate_head_wide if width > 2 else narrow.eliminate_head_narrow
    steps.eliminate_head.put(row, head)
    derivative = _by_width(
        width, narrow.derivative_tier_1, narrow.derivative_tier_2, wide.derivative_tier_wide
    )
    steps.derivative_tier.put(row, derivative)


def link(numbers: Ints) -> None:
    """Put addresses of compiled code, which compiles or is loaded, for numbers (..., steps)."""
    for row in np.atleast_2d(numbers):
        for step in steps.ALL:
            step.link(row)


@cache
def steps_of_information(width: int, *, linked: bool) -> Ints:
    """Numbers (steps,) for the information of a factor whose levels have so many columns."""
    row = np.zeros(steps.STEPS, dtype=np.int64)
    _put_factors(row, width)
    if linked:
        link(row)
    return row


def steps_of_single(width: int, *, reml: bool) -> Ints:
    """Numbers (steps,) for one grouping factor whose levels have so many columns."""
    row = np.zeros(steps.STEPS, dtype=np.int64)
    _put_common(row, width)
    steps.back_solve.put(row, elimination.back_solve_tier)
    if reml:
        steps.fixed_forms.put(row, inverse.fixed_forms)
    return row


def steps_of_whole(
    widths: Sequence[int], sparse_rows: Sequence[int], n_rest: int, *, reml: bool
) -> Ints:
    """Numbers (tiers, steps) for tiers of so many columns and sparse rows, and a rest."""
    out = np.zeros((len(widths), steps.STEPS), dtype=np.int64)
    for tier, (row, width, rows) in enumerate(zip(out, widths, sparse_rows, strict=True)):
        later = widths[tier + 1 :]
        is_narrow = rows == 0 and width <= 2
        _put_common(row, width)
        steps.scale_dense.put(row, dense.scale_dense)
        steps.back_solve_rest.put(row, elimination.back_solve_rest)
        steps.derive_dense.put(row, dense.derive_dense)
        if is_narrow:
            steps.back_solve_narrow.put(row, narrow.back_solve_narrow)
        else:
            steps.back_solve.put(row, elimination.back_solve_tier)
        if n_rest or reml:
            steps.inverse_small.put(row, inverse.inverse_small)
        if reml:
            steps.head_forms.put(row, inverse.head_forms)
        if n_rest:
            steps.eliminate_sparse.put(row, elimination.eliminate_sparse)
            steps.sparse_forms.put(row, inverse.sparse_forms)
        if len(widths) > 1:
            steps.parents_of_inverse.put(row, nested.parents_of_inverse)
        if tier:
            steps.invert_tier.put(row, nested.invert_tier)
        if later:
            _put_parents(row, later, is_narrow=is_narrow)
            if tier:
                steps.parent_products.put(row, inverse.parent_products)
    return out


def _put_parents(row: Ints, later: Sequence[int], *, is_narrow: bool) -> None:
    """Steps of a tier whose levels lie within others, which have so many columns."""
    steps.eliminate_parents.put(row, nested.eliminate_parents)
    if is_narrow and min(later) <= 2:
        steps.eliminate_parent_narrow.put(row, narrow.eliminate_parent_narrow)
    if not is_narrow or max(later) > 2:
        steps.eliminate_parent.put(row, wide.eliminate_parent_wide)
    if is_narrow:
        steps.add_parents.put(row, nested.add_parents)
        steps.add_parent_narrow.put(row, narrow.add_parent_narrow)
        steps.parent_forms_narrow.put(row, narrow.parent_forms_narrow)
    else:
        steps.modes_of_parents.put(row, nested.modes_of_parents)
        steps.parent_forms.put(row, wide.parent_forms_wide)
