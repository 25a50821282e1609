"""SVG files are written in fewer characters, and look and read as the renderer's do."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert as vlc
from PIL import Image

from mixedscope.charts.common.assets import VEGA_LITE
from mixedscope.charts.common.shorter import shorter, without_unseen
from mixedscope.charts.common.vega import compact, to_spec

HOSTILE = [
    'a opacity="1" b',
    '<path class="background" aria-hidden="true" d="M0,0h0v0h0Z"/>',
    '</g> fill="#0072B2"',
    "& > ' \" translate(1,2)",
]


def pixels(svg: str) -> np.ndarray:
    image = Image.open(io.BytesIO(vlc.svg_to_png(svg, ppi=200))).convert("RGBA")
    return np.asarray(image).astype(int)


def rendered(chart: alt.TopLevelMixin) -> str:
    return str(vlc.vegalite_to_svg(compact(to_spec(chart)), vl_version=VEGA_LITE))


def words(svg: str) -> list[str]:
    """Texts, and labels for readers of screens, in their order."""
    root = ElementTree.fromstring(svg)
    labels = [part.get("aria-label") for part in root.iter()]
    return [*root.itertext(), *(label for label in labels if label is not None)]


def panel(frame: pd.DataFrame, **mark: object) -> alt.Chart:
    at = {"x": alt.X("x:Q"), "y": alt.Y("y:Q")}
    return alt.Chart(frame, width=120, height=80).mark_point(clip=True, **mark).encode(**at)


FRAME = pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [2.0, 1, 4, 3], "level": HOSTILE})


@pytest.mark.parametrize(
    "chart",
    [
        panel(FRAME, filled=True, opacity=0.5),
        panel(FRAME, opacity=0.7, stroke="#0072B2", fill="#FFFFFF", strokeWidth=3, size=200),
        panel(FRAME, filled=True).encode(opacity=alt.Opacity("y:Q"), color=alt.Color("x:Q")),
        panel(FRAME, shape="triangle", filled=True).encode(size="x:Q"),
        alt.layer(
            panel(FRAME).mark_rule().encode(x2=alt.value(30)),
            panel(FRAME).mark_line(strokeDash=[3, 2], opacity=0.4),
            panel(FRAME).mark_area(opacity=0.3),
            panel(FRAME).mark_bar(opacity=0.3, stroke="#000000"),
            panel(FRAME).mark_text(dy=-9, opacity=0.6).encode(text="level:N"),
        ),
        alt.hconcat(
            panel(FRAME).encode(color="level:N"), panel(FRAME).mark_text().encode(text="level:N")
        ),
        panel(FRAME).facet("level:N", columns=2, title=HOSTILE),
    ],
    ids=["filled", "both", "scales", "triangles", "layers", "words", "facets"],
)
def test_a_shorter_picture_looks_and_reads_the_same(chart: alt.TopLevelMixin) -> None:
    before = rendered(chart)
    after = shorter(without_unseen(before))
    assert len(after) < 0.8 * len(before)
    assert words(after) == words(before)
    # The renderer counts how much of a pixel is covered in sixteenths.
    assert np.abs(pixels(before) - pixels(after)).max() <= 16
    assert np.ptp(pixels(after)) > 100


def test_equal_clips_are_one_and_are_counted_in_a_picture_alone() -> None:
    wide = panel(FRAME).properties(width=200)
    both = [without_unseen(rendered(alt.hconcat(panel(FRAME), panel(FRAME), wide))) for _ in "ab"]
    assert both[0] == both[1]
    assert re.findall(r'<clipPath id="(\w+)"', both[0]) == ["clip0", "clip1"]
    assert re.findall(r"url\(#(\w+)\)", both[0]) == ["clip0", "clip0", "clip1"]


def test_gradients_are_counted_in_a_picture_alone() -> None:
    chart = panel(FRAME.assign(level="gradient_7")).encode(color="x:Q", text="level:N")
    both = [without_unseen(rendered(chart.mark_text())) for _ in "ab"]
    assert both[0] == both[1]
    assert set(re.findall(r"#gradient_(\d+)", both[0])) == {"0"}
    assert both[0].count(">gradient_7<") == len(FRAME)


def test_what_marks_have_in_common_is_said_once() -> None:
    svg = shorter(rendered(panel(FRAME, filled=True, aria=False, color="#0072B2", opacity=0.5)))
    (group,) = re.findall(r'<g class="mark-symbol role-mark[^>]*>.*?</g>', svg)
    assert group.count("#0072B2") == group.count('fill-opacity="0.5"') == 1
    assert len(re.findall(r'<circle cx="[\d.]+" cy="[\d.]+" r="[\d.]+"/>', group)) == len(FRAME)
