"""What films are made of, whatever they show: clock, marks, colours, ticks."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mixedscope.charts.kinds.motion import film
from mixedscope.charts.kinds.motion.backdrop import mix
from mixedscope.charts.kinds.motion.encode import _Planes
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH
from mixedscope.charts.kinds.motion.paint import Drawn, Patch
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


@example([0.0, 0.0, 23.0, 13.0], "lines")
@given(st.lists(st.floats(-1e5, 1e5), min_size=4, max_size=4), st.sampled_from(["lines", "loop"]))
def test_no_mark_leaves_its_panel_and_what_is_far_away_is_drawn_to_its_edge(
    ends: list[float], shape: Literal["lines", "loop"]
) -> None:
    picture = np.full((80, 120, 3), 255, dtype=np.uint8)
    patch = Patch(20, 10, 60, 40)
    at = np.array([ends]) if shape == "lines" else np.reshape(ends, (2, 2))
    painted = patch.painted(patch.of(picture), [Drawn("m", shape, at, "#000000", width=2.0)])
    assert painted.shape == (40, 60, 3)
    # Where the line is inside, by samples along it.
    share = np.linspace(0, 1, 2000)[:, None]
    along = np.array(ends[:2]) * (1 - share) + np.array(ends[2:]) * share
    inside = ((along > [22, 12]) & (along < [78, 48])).all(axis=1)
    # Of a pixel around the very end less than half may be covered.
    for end in (ends[:2], ends[2:]):
        inside &= np.hypot(*(along - end).T) > 1.5
    # A pixel whose middle is so close to the rest of the line is covered by half or more.
    for x, y in along[inside]:
        assert painted[int(y) - 10, int(x) - 20, 0] < 200
    if (np.max(ends) < 8) or np.min(ends) > 82:
        assert painted.min() == 255


def test_points_are_as_large_and_where_they_are_told() -> None:
    patch = Patch(0, 0, 40, 40)
    white = bytes([255]) * (40 * 40 * 3)
    point = Drawn("m", "points", np.array([[20.25, 15.75]]), "#000000", radius=6.0)
    dark = 255.0 - patch.painted(white, [point])[:, :, 0]
    y, x = np.mgrid[:40, :40] + 0.5
    assert (dark * x).sum() / dark.sum() == pytest.approx(20.25, abs=0.05)
    assert (dark * y).sum() / dark.sum() == pytest.approx(15.75, abs=0.05)
    assert dark.sum() / 255 == pytest.approx(np.pi * 36, rel=0.1)
    half = patch.painted(white, [replace(point, opacity=0.5)])
    assert half[15, 20].tolist() == pytest.approx([127.5] * 3, abs=1.5)


def test_parts_in_which_pictures_differ_are_found() -> None:
    patch = Patch(10, 20, 30, 40)
    one = np.zeros((40, 30, 3), dtype=np.uint8)
    assert patch.differing(one, one.copy()) is None
    other = one.copy()
    other[5, 7, 2] = other[9, 12, 0] = 1
    assert patch.differing(one, other) == Patch(17, 25, 6, 5)


def test_translucent_colours_are_mixed_with_the_paper() -> None:
    assert mix("#000000", 1.0) == "#000000"
    assert mix("#000000", 0.0) == "#FFFFFF"
    assert mix("#0072B2", 0.5) == "#80B8D8"


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_changed_parts_of_a_picture_become_the_same_planes_as_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    planes, whole = _Planes(), _Planes()
    planes.take(np.zeros_like(pixels), Patch(0, 0, WIDTH, HEIGHT))
    left, right = np.sort(rng.choice(WIDTH + 1, 2, replace=False)).tolist()
    top, bottom = np.sort(rng.choice(HEIGHT + 1, 2, replace=False)).tolist()
    patch = Patch(left, top, right - left, bottom - top)
    # Pixels of four that share a tint change together here.
    part = np.zeros_like(pixels)
    part[patch.place] = pixels[patch.place]
    planes.take(part, patch)
    whole.take(part, Patch(0, 0, WIDTH, HEIGHT))
    assert np.array_equal(planes.data, whole.data)


@pytest.mark.parametrize(
    ("colour", "luma", "blue", "red"),
    # By the equations of ITU-R BT.709-6, 3.2 to 3.5, with eight bits.
    [("#FFFFFF", 235, 128, 128), ("#000000", 16, 128, 128), ("#FF0000", 63, 102, 240),
     ("#00FF00", 173, 42, 26), ("#0000FF", 32, 240, 118)],
)  # fmt: skip
def test_colours_are_stored_as_films_of_this_size_store_them(
    colour: str, luma: int, blue: int, red: int
) -> None:
    planes = _Planes()
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    planes.take(np.full((HEIGHT, WIDTH, 3), rgb, dtype=np.uint8), Patch(0, 0, WIDTH, HEIGHT))
    assert np.unique(planes.luma).tolist() == [luma]
    assert [np.unique(plane).tolist() for plane in planes.chroma] == [[blue], [red]]


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
