"""What films are made of, whatever they show: clock, marks, colours, ticks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mixedscope.charts.kinds.motion import film
from mixedscope.charts.kinds.motion.layout import Box
from mixedscope.charts.kinds.motion.scenes import _Clipped
from mixedscope.charts.kinds.motion.ticks import gap_ticks, nice_ticks


def test_marks_arrive_when_the_clock_reads_a_stop() -> None:
    plan = film.schedule(np.array([1.0, 2.0, 30.0]))
    assert 12 <= len(plan) / film.RATE <= 20
    clock = [stop + share for stop, share, _ in plan]
    assert clock == sorted(clock)
    for stop, share, way in plan:
        assert 0 <= way <= 1
        assert way == 0 or share > 0.5 or stop == 0
    assert plan[0] == (0, 0.0, 0.0)
    assert plan[-1] == (2, 0.0, 0.0)


@given(st.lists(st.floats(-300, 300), min_size=4, max_size=4))
def test_no_mark_leaves_its_panel(ends: list[float]) -> None:
    box = Box(20, 10, 60, 40)
    image = Image.new("L", (120 * film.SCALE, 80 * film.SCALE))
    clipped = _Clipped(ImageDraw.Draw(image), box)
    clipped.line(np.array(ends[:2]), np.array(ends[2:]), "white", 1.0)
    found = image.getbbox()
    if found is not None:
        left, top, right, bottom = (v / film.SCALE for v in found)
        assert left >= 19
        assert top >= 9
        assert right <= 81
        assert bottom <= 51


def test_translucent_colours_are_mixed_with_the_paper() -> None:
    assert film.mix("#000000", 1.0) == "#000000"
    assert film.mix("#000000", 0.0) == "#FFFFFF"
    assert film.mix("#0072B2", 0.5) == "#80B8D8"


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_are_even_and_inside(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    values = np.array([value for value, _ in ticks])
    assert 2 <= len(ticks) <= 8
    assert (values >= low - 1e-6 * width).all()
    assert (values <= low + width * (1 + 1e-6)).all()
    assert np.ptp(np.diff(values)) <= 1e-6 * width
    for value, label in ticks:
        assert float(label.replace(",", "").replace("\u2212", "-")) == pytest.approx(value)


def test_ticks_of_gaps_begin_at_the_floor() -> None:
    ticks = gap_ticks(1e-9, 1e3)
    assert ticks[0] == (1e-9, "1e\u22129")
    assert [value for value, _ in ticks] == sorted(value for value, _ in ticks)
    assert len(ticks) <= 6
