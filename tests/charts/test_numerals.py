"""Numbers in words: rounded, but never to what they are not, and parts that add up."""

from __future__ import annotations

import re

import numpy as np
import pytest
from caption_claims import agrees, read
from hypothesis import given
from hypothesis import strategies as st

from mixedscope.charts.common.numerals import deviation, number, share, shares


def percent(text: str) -> float:
    return read(text.replace("\u00a0%", "").replace("<\u2009", ""))


@given(st.floats(0.0, 1.0))
def test_nothing_and_all_are_said_of_nothing_and_all_only(value: float) -> None:
    text = share(value)
    assert (text == "0\u00a0%") == (value <= 1e-6)
    assert (text == "100\u00a0%") == (1.0 - value <= 1e-6)
    assert percent(text) == pytest.approx(100 * value, abs=0.5)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=7).filter(lambda v: sum(v) > 1e-3))
def test_parts_add_up_to_the_whole_and_each_is_nearly_itself(values: list[float]) -> None:
    parts = np.array(values) / sum(values)
    written = shares(parts.tolist())
    told = [0.0 if text.startswith("<") else percent(text) for text in written]
    assert sum(told) == pytest.approx(100.0, abs=1e-6)
    decimals = max(len(re.sub(r"[^.\d]", "", text).partition(".")[2]) for text in written)
    for text, part in zip(written, parts, strict=True):
        assert percent(text) == pytest.approx(100 * part, abs=10.0**-decimals)
        assert (text == "0\u00a0%") == (100 * part < 1e-4)


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        ([0.184, 0.073, 0.743], ["18.4", "7.3", "74.3"]),
        ([0.0035, 0.40, 0.5965], ["0.4", "40.0", "59.6"]),
        ([0.0732, 0.2823, 0.6445], ["7.3", "28.2", "64.5"]),
        ([0.25, 0.75, 0.0], ["25", "75", "0"]),
        ([1 / 3, 1 / 3, 1 / 3], ["33.4", "33.3", "33.3"]),
    ],
)
def test_parts_as_written(parts: list[float], written: list[str]) -> None:
    found = [text.removesuffix("\u00a0%") for text in shares(parts)]
    assert sorted(found) == sorted(written) if len(set(parts)) == 1 else found == written


@pytest.mark.parametrize("value", [0.0, 1.5, -12345.6, 99.96, 120.0, 1e-7, 31415.9])
@pytest.mark.parametrize("digits", [2, 3])
def test_numbers_agree_with_what_they_stand_for(value: float, digits: int) -> None:
    assert agrees(number(value, digits), value)


def test_collapsed_deviations_are_not_read_as_numbers() -> None:
    assert deviation(3.1e-11, 2.0) == "< 1e\u22126 \u03c3"
    assert deviation(3.1e-11, 1e-9) == "3.1e\u221211"
    assert deviation(0.0, 2.0) == "0"
