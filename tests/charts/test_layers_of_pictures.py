"""Pictures of pixels are made from an SVG of few layers, and packed: they look the same."""

from __future__ import annotations

import io
import re

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert as vlc
from PIL import Image

from mixedscope.charts.common import vega
from mixedscope.charts.common.layers import in_few_layers
from mixedscope.charts.common.page import drawn_to_fit
from mixedscope.charts.common.png import pixels_of, png_of
from mixedscope.charts.common.render import FORMATS, save
from mixedscope.charts.common.theme import THEMES, configure
from mixedscope.charts.drawing import finish

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40" viewBox="0 0 60 40">'
CLIPS = "".join(
    f'<defs><clipPath id="clip{i}"><rect x="0" y="0" width="30" height="20"/></clipPath></defs>'
    for i in range(3)
)


def drawn(marks: str) -> str:
    return f'{HEAD}{CLIPS}<g fill="none" transform="translate(10,5)">{marks}</g></svg>'


def clipped(mark: str, clip: int = 0) -> str:
    return f'<g class="a" clip-path="url(#clip{clip})">{mark}</g>'


def pixels(svg: str) -> np.ndarray:
    image = Image.open(io.BytesIO(vlc.svg_to_png(svg, ppi=200))).convert("RGBA")
    return np.asarray(image).astype(int)


FONT = 'font-family="Liberation Sans" font-size="10"'
LINE = '<path d="M-5,3L40,{y}" stroke="#0072B2" stroke-width="2"/>'
DOT = '<path transform="translate({x},9)" d="M2,0A2,2,0,1,1,-2,0A2,2,0,1,1,2,0" fill="#D55E00"/>'
BOX = '<path d="M5,5h10v8h-10Z" fill="#000000" opacity="0.5"/>'
ROW = '<path d="M0,0h1v1h-1Z"/>'


@pytest.mark.parametrize(
    ("marks", "left"),
    [
        # Lines leave the clip, dots and boxes within do not; one at the edge does.
        (clipped(LINE.format(y=30)), 1),
        (clipped(DOT.format(x=15)) + clipped(BOX, 1), 0),
        (clipped(DOT.format(x=29)), 1),
        (clipped('<path d="M5,5h40v8h-40Z" fill="#000000"/>'), 1),
        (clipped('<line transform="translate(5,5)" x2="50" y2="0" stroke="#000000"/>'), 1),
        (clipped('<line transform="translate(8,8)" x2="2" y2="0" stroke="#000000"/>'), 0),
        # Neighbours that are clipped alike are clipped once, also in groups of their own.
        (clipped(LINE.format(y=30)) + clipped(LINE.format(y=8), 1), 1),
        (
            f"<g>{ROW}{clipped(LINE.format(y=30))}</g><g>{clipped(LINE.format(y=9), 2)}{ROW}</g>",
            1,
        ),
        # Not where something that is not clipped stands between, or the place is another.
        (clipped(LINE.format(y=30)) + BOX + clipped(LINE.format(y=8), 1), 2),
        (f'{clipped(LINE.format(y=9))}<g transform="translate(9,9)">{clipped(BOX)}</g>', 1),
        (
            f"{clipped(LINE.format(y=9))}"
            f'<g transform="translate(9,9)">{clipped(LINE.format(y=9))}</g>',
            2,
        ),
        # What cannot be told stays clipped: text, marks that are scaled.
        (clipped(f'<text x="12" y="12" fill="#000000" {FONT}>a</text>'), 1),
        (clipped('<path transform="scale(3)" d="M1,1h9v9h-9Z" fill="#000000"/>'), 1),
    ],
)
def test_few_layers_look_the_same(marks: str, left: int) -> None:
    before = drawn(marks)
    after = in_few_layers(before)
    assert len(re.findall(r"<g[^>]* clip-path=", after)) == left
    # Smoothing where the edge of a clip cuts a pixel may differ.
    assert np.abs(pixels(before) - pixels(after)).max() <= 2
    assert np.ptp(pixels(after)) > 100


@pytest.mark.parametrize(
    ("points", "left"),
    [
        # Out to the right, along and back: what is in between is not there.
        ([(5, 5), (200, 6), (900, 50), (900, 12), (20, 15)], 2),
        # From corner to corner and past a side; a line that ends outside.
        ([(-20, -20), (50, 40), (50, -300), (-20, -300), (15, 10), (15, 300), (15, 900)], 3),
        ([(-300, -40), (300, -40)], 0),
    ],
)
def test_lines_are_cut_where_a_clip_hides_them(points: list[tuple[int, int]], left: int) -> None:
    way = "M" + "L".join(f"{x},{y}" for x, y in points)
    before = drawn(clipped(f'<path d="{way}" stroke="#0072B2" stroke-width="2"/>') + BOX)
    after = in_few_layers(before)
    (kept,) = re.findall(r'd="([^"]*)" stroke=', after)
    assert kept.count("L") == left
    # The renderer counts how much of a pixel is covered in sixteenths.
    assert np.abs(pixels(before) - pixels(after)).max() <= 16


@pytest.mark.parametrize("more", ['fill="#000000"', 'stroke-dasharray="3,2"'])
def test_lines_that_enclose_or_are_dashed_are_left_whole(more: str) -> None:
    way = f'<path d="M5,5L200,6L900,50L900,12L20,15" stroke="#0072B2" {more}/>'
    assert 'd="M5,5L200,6L900,50L900,12L20,15"' in in_few_layers(drawn(clipped(way)))


def test_marks_that_are_filled_and_stroked_stay_translucent_as_a_whole() -> None:
    both = '<path d="M5,5h10v8h-10Z" fill="#FFFFFF" stroke="#000000" opacity="0.5"/>'
    assert in_few_layers(drawn(both)) == drawn(both)
    assert 'fill-opacity="0.5"' in in_few_layers(drawn(BOX))


@pytest.mark.parametrize("background", ["#FFFFFF", "transparent"])
def test_pictures_of_pixels_are_those_of_the_renderer(background: str) -> None:
    words = f'<text x="20" y="30" fill="#000000" {FONT}>gap</text>'
    svg = f'{HEAD}<rect width="60" height="40" fill="{background}"/>{BOX}{words}</svg>'
    opaque = background == "#FFFFFF"
    content = png_of(vlc.svg_to_pdf(svg), 200, opaque=opaque)
    packed = Image.open(io.BytesIO(content))
    assert packed.mode == ("RGB" if opaque else "RGBA")
    assert packed.info["dpi"] == pytest.approx((200, 200), abs=0.1)
    ours, theirs = np.asarray(packed.convert("RGBA")).astype(int), pixels(svg)
    assert ours.shape == theirs.shape
    # A page is drawn to whole pixels, and each renderer smooths edges in its own way.
    assert np.abs(ours - theirs)[:, :, 3].mean() < 4
    seen = [np.where(p[:, :, 3:] > 0, p[:, :, :3], 255) for p in (ours, theirs)]
    assert np.abs(seen[0] - seen[1]).mean() < 4
    assert np.ptp(ours[:, :, 3]) == (0 if opaque else 255)
    # Within the box paint is half of what it would be.
    where = ours[25, 30]
    assert where.tolist() == pytest.approx(theirs[25, 30].tolist(), abs=2)


def test_a_page_without_a_background_of_its_own_that_is_covered_is_opaque() -> None:
    document = vlc.svg_to_pdf(f'{HEAD}<rect width="60" height="40" fill="#0072B2"/></svg>')
    covered = pixels_of(document, 1.0, opaque=False)
    assert covered.shape == (40, 60, 3)
    assert (covered == [0, 0x72, 0xB2]).all()


class Counting:
    """The renderer, and what it evaluated."""

    def __init__(self) -> None:
        self.specs: list[str] = []

    def vegalite_to_svg(self, spec: str, **settings: str) -> str:
        self.specs.append(spec)
        return str(vlc.vegalite_to_svg(spec, **settings))


def test_a_chart_is_evaluated_once_for_all_formats(monkeypatch, tmp_path) -> None:
    counting = Counting()
    monkeypatch.setattr(vega, "vlc", counting)
    frame = pd.DataFrame({"x": [1, 2, 3]})
    # So tall that its panels are made lower, by a look at it or two: the last is the picture.
    panels = [alt.Chart(frame, height=500).mark_point().encode(x="x:Q", y="x:Q") for _ in "ab"]
    chart = finish(alt.vconcat(*panels), "Once", "One evaluation.")
    looks = len(counting.specs)
    assert looks >= 2
    save(chart, tmp_path / "a", tuple(FORMATS))
    assert len(counting.specs) == looks == len(set(counting.specs))


def test_pictures_are_those_of_charts_with_words_and_tooltips(monkeypatch) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [2.0, 1.0]})
    base = alt.Chart(frame).encode(x="x:Q", y="y:Q", tooltip=["x:Q", "y:Q"])
    # Labels for readers of screens say what a tooltip does; marks without such have none.
    layers = alt.layer(base.mark_point(aria=False), base.mark_line(clip=True))
    chart = alt.hconcat(layers, base.mark_bar(aria=False), description="Two panels.")
    spec = chart.to_dict()
    seen = vega.evaluated(spec)
    monkeypatch.setattr(vega, "_pictured", lambda spec: spec)
    assert seen == vega.evaluated(spec)
    assert 'aria-label="x: ' in seen


def test_a_chart_drawn_to_fit_specifies_what_was_measured() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "angle": [10.0, 20.0]})

    def draw(share: float) -> alt.VConcatChart:
        panel = alt.Chart(frame, height=round(300 * share)).mark_point()
        own = panel.encode(x="x:Q", angle="angle:Q")
        return alt.vconcat(own, own, title="Turned")

    for theme in THEMES:
        chart = finish(drawn_to_fit(draw), "Turned", "Marks that point.", theme=theme)
        assert vega.measured(chart) == chart.to_dict()


def test_charts_that_were_changed_are_held_to_the_schema(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(vega, "CHECK_ALL", False)
    frame = pd.DataFrame({"x": [1]})
    ours = finish(alt.Chart(frame).mark_point().encode(x="x:Q"), "Ours", "A point.")
    changed = ours.copy()
    for chart in (ours, changed):
        chart.mark = {"type": "pont"}
    assert vega.to_spec(ours, check=True)
    with pytest.raises(alt.utils.schemapi.SchemaValidationError, match="pont"):
        save(changed, tmp_path / "a.svg")
    with pytest.raises(alt.utils.schemapi.SchemaValidationError, match="pont"):
        save(configure(changed), tmp_path / "a.svg")
