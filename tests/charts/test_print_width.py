"""Figures in the width that is asked for: no wider, no type too small, with or without a title."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixedscope import charts
from mixedscope.charts.common.render import FORMATS, PPI, Figure, to_spec
from mixedscope.charts.common.sheet import LEAST_TYPE, SMALLEST_TYPE, sheet
from mixedscope.charts.drawing import on_sheet
from mixedscope.core.errors import ModelError

sys.path.append(str(Path(__file__).parents[1] / "pictures"))

from picture_cases import CASES, FULL, specification

#: Drawn in plain runs: those with the least room to spare of each way of putting panels together.
FEW = ("trace", "ladder", "race")

#: Share of a picture that may be free on the right: titles are broken where all would fit.
LEFT_FREE = 0.2


def printed(case: str, width: float, **options: bool) -> tuple[float, float, str]:
    """Points across in print, smallest type in points, and the SVG of a case."""
    drawn = on_sheet(CASES[case], width=width, **options)
    svg = FORMATS["svg"](to_spec(drawn.chart if isinstance(drawn, Figure) else drawn)).decode()
    head = re.search(r"<svg\b[^>]*>", svg)
    assert head is not None
    across = float(re.search(r' width="([0-9.]+)"', head[0])[1])  # type: ignore[index]
    drawing = float(re.search(r'viewBox="0 0 ([0-9.]+)', head[0])[1])  # type: ignore[index]
    sizes = [float(size) for size in re.findall(r'font-size="([0-9.]+)px"', svg)]
    return across, min(sizes) * across / drawing, svg


@pytest.mark.parametrize(
    ("case", "width"),
    [
        *((name, width) for name in FEW for width in (85.0, 120.0)),
        *(pytest.param(n, 85.0, marks=pytest.mark.exhaustive) for n in CASES if n not in FEW),
    ],
)
def test_a_figure_is_as_wide_as_asked_for_and_can_be_read(
    case: str, width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What public functions draw is on the sheet of the whole.
    monkeypatch.setattr("mixedscope.charts.public.on_sheet", lambda make, **_: make())
    across, smallest, _ = printed(case, width)
    assert across <= width * 72 / 25.4 + 0.5
    # Sizes of the drawing are whole pixels.
    assert smallest >= LEAST_TYPE - 0.05


@pytest.mark.parametrize(
    "case",
    [
        *("coefficients-beside", "race", "stopping"),
        *(
            pytest.param(name, marks=pytest.mark.exhaustive)
            for name in CASES
            if name not in ("coefficients-beside", "race", "stopping")
        ),
    ],
)
def test_no_figure_has_much_empty_paper_at_its_side(case: str) -> None:
    picture = Image.open(io.BytesIO(FORMATS["png"](specification(case)))).convert("L")
    columns = np.flatnonzero((np.asarray(picture) < 250).any(axis=0))
    assert columns[-1] > (1 - LEFT_FREE) * picture.width


def test_one_width_that_is_asked_for_of_a_public_function() -> None:
    chart = charts.trace(FULL, width=85, title=False)
    spec = to_spec(chart)
    assert "title" not in spec
    svg = FORMATS["svg"](spec).decode()
    assert float(re.search(r'<svg\b[^>]* width="([0-9.]+)"', svg)[1]) <= 85 * 72 / 25.4  # type: ignore[index]
    picture = Image.open(io.BytesIO(FORMATS["png"](spec)))
    assert picture.width <= 85 / 25.4 * PPI + 1
    assert "title" in to_spec(charts.trace(FULL))


def test_where_no_width_is_asked_for_a_figure_is_as_it_is_drawn() -> None:
    assert "usermeta" not in to_spec(charts.trace(FULL))
    assert on_sheet(lambda: 1) == 1
    with sheet(180) as wide:
        assert wide.scale(wide.most) == 1.0
    with sheet(85) as narrow:
        assert narrow.scale(narrow.most) * SMALLEST_TYPE >= LEAST_TYPE


@pytest.mark.parametrize("width", [0, 79, 301, -85.0])
def test_no_figure_has_an_impossible_width(width: float) -> None:
    with pytest.raises(ModelError, match="between 80 and 300 mm, not"):
        charts.trace(FULL, width=width)
