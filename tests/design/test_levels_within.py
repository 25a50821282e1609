"""Levels of one coding within levels of another."""

from __future__ import annotations

import numpy as np
import pytest

from mixedscope.design.nesting import containing_levels


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ([0, 1, 2, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1]),
        # The last row of level 0 is of another level: crossed, however late it shows.
        ([0, 0, 1, 1, 0], [0, 0, 1, 1, 1], None),
        # A coding lies within itself, and within another that renames its levels.
        ([0, 1, 2], [2, 0, 1], [2, 0, 1]),
        ([], [], []),
    ],
)
def test_each_level_lies_within_one_or_there_is_none(inner, outer, within) -> None:
    found = containing_levels(np.array(inner, dtype=np.int64), np.array(outer, dtype=np.int64))
    assert (found if found is None else found.tolist()) == within
