"""Charts in notebooks: tooltips without a network, pictures where scripts do not run."""

from __future__ import annotations

import base64
import html
import io
import json
import pickle
import re
from pathlib import Path

import altair as alt
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser
from PIL import Image

from mixedscope import charts
from mixedscope.charts.common.render import save

TABLES = Path(__file__).parents[1] / "pictures" / "tables"
NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"

#: What a browser would fetch: addresses in attributes that load, of scripts and in styles.
FETCHES = re.compile(r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(["']?(?:https?:)?//""")


def page_of(markup: str) -> str:
    """The page in the frame of what a notebook shows."""
    (held,) = re.findall(r'<iframe srcdoc="([^"]*)"', markup)
    return html.unescape(held)


def test_a_chart_brings_all_that_it_needs_and_a_picture() -> None:
    shown = charts.trace(TABLES / "full")._repr_mimebundle_()
    page = page_of(shown["text/html"])
    assert "default-src 'none'" in page
    assert FETCHES.search(page) is None
    assert 'sandbox="allow-scripts"' in shown["text/html"]
    still = base64.b64decode(shown["image/png"])
    # Below the frame, for notebooks that take it out.
    assert base64.b64encode(still).decode() in shown["text/html"].partition("<iframe")[0]
    image = Image.open(io.BytesIO(still)).convert("L")
    assert image.width > 400
    assert image.getextrema()[0] < 100


def test_texts_of_the_data_are_no_markup() -> None:
    chart = charts.trace(TABLES / "full").properties(description='"><script>alert(1)</script>')
    markup = chart._repr_mimebundle_()["text/html"]
    assert "<script>alert" not in markup.partition("<iframe")[0]


def test_a_changed_chart_is_shown_so_too_but_as_the_user_asks_altair_where_that_is_said() -> None:
    chart = charts.trace(TABLES / "full").properties(title="mine")
    assert "iframe" in chart._repr_mimebundle_()["text/html"]
    assert isinstance(chart, alt.TopLevelMixin)
    with alt.renderers.enable("json"):
        assert "application/json" in chart._repr_mimebundle_()[0]
    assert type(pickle.loads(pickle.dumps(chart))) is type(chart)


def test_files_are_the_same_bytes_as_before(tmp_path: Path) -> None:
    chart = charts.trace(TABLES / "full")
    base = type(chart).__mro__[2]
    own = save(chart, tmp_path / "own", ["svg", "vl.json"])
    object.__setattr__(chart, "__class__", base)
    plain = save(chart, tmp_path / "plain", ["svg", "vl.json"])
    assert [path.read_bytes() for path in own] == [path.read_bytes() for path in plain]


def test_a_page_that_plays_has_a_picture_too() -> None:
    figure = charts.motion(TABLES / "full")
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert FETCHES.search(page_of(figure._repr_html_())) is None


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_stored_notebook_was_run_and_fetches_nothing(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    pictures = 0
    for output in (output for cell in code for output in cell["outputs"]):
        assert output["output_type"] in ("execute_result", "display_data", "stream")
        markup = "".join(output.get("data", {}).get("text/html", ""))
        assert FETCHES.search(html.unescape(markup)) is None
        pictures += "image/png" in output.get("data", {})
    assert pictures >= 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_cells_of_a_notebook_run(path: Path) -> None:
    space: dict[str, object] = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)
    assert "fit" in space


@pytest.mark.exhaustive
@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_the_frame_draws_its_chart_in_a_browser_and_asks_for_nothing(tmp_path: Path) -> None:
    chart = charts.trace(TABLES / "full")
    path = tmp_path / "frame.html"
    path.write_text(page_of(chart._repr_mimebundle_()["text/html"]), encoding="utf-8")
    with Browser() as browser:
        page = browser.open(path)
        page.wait(lambda: page.js("document.documentElement.className") == "drawn", "it is drawn")
        assert page.js("document.querySelectorAll('svg.marks').length") == 1
        assert page.errors == []
        assert len(page.requests) == 1
