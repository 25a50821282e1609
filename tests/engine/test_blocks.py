"""What a model says of its block structure."""

from __future__ import annotations

import pytest
from test_blocked import CASES, _design

from mixedscope.engine import blocked
from mixedscope.engine.blocks import describe_blocks
from mixedscope.engine.objective import ProfiledSystem

KERNELS = {
    "one factor": "one compiled call",
    "crossed densely": "products of dense rows",
    "crossed sparsely": "sparse row sums",
    "nested chain": "g within o within p; nothing is left to fill in",
    "nested and crossed": "g within o; then one dense Cholesky factor of 17 rows",
}


@pytest.mark.parametrize("name", CASES)
def test_a_small_model_is_one_compiled_call(name):
    system = ProfiledSystem(_design(*CASES[name][0]))
    is_small = len(system.cross.rest) <= blocked.WHOLE
    assert ("one compiled call" in str(describe_blocks(system))) is is_small


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_is_named(name, monkeypatch):
    monkeypatch.setattr(blocked, "WHOLE", 0)
    assert KERNELS[name] in str(describe_blocks(ProfiledSystem(_design(*CASES[name][0]))))


def test_nested_blocks_stay_block_diagonal_and_crossed_ones_fill_in():
    blocks = describe_blocks(ProfiledSystem(_design(*CASES["nested and crossed"][0])))
    assert blocks.names == ("g", "o", "h", "fixed")
    assert blocks.sizes == (72, 16, 14, 3)
    assert blocks.kinds[1] == ("Nested", "BlkDiag")
    assert blocks.kinds[2][2] == "Blk/Dense"


def test_rows_print_in_columns():
    lines = str(describe_blocks(ProfiledSystem(_design(*CASES["one factor"][0])))).splitlines()
    assert lines[0].split() == ["rows", "g", "fixed"]
    assert lines[1].split() == ["48:", "BlkDiag"]
