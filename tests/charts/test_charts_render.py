"""Charts as files: whole, the same bytes everywhere, and text from the data stays text."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser

from mixedscope.charts.common.embedding import embed_font
from mixedscope.charts.common.pdf import normalise_pdf
from mixedscope.charts.common.render import FORMATS, PPI, TALLEST, Figure, as_svg, save, save_figure
from mixedscope.charts.common.theme import FONT, configure
from mixedscope.charts.common.vega import to_spec
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.workflow.figures import back_to

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    'x" onerror="document.title=1',
    "</script><b>bold</b>",
    "a|b",
    "Ärger & Söhne",
]


def nasty_chart() -> alt.Chart:
    frame = pd.DataFrame({"x": range(len(NASTY)), "level": NASTY})
    return (
        alt.Chart(frame, title="Text & <b>title</b>", description="About <i>text</i>.")
        .mark_text()
        .encode(
            x="x:Q",
            text="level:N",
            tooltip=[alt.Tooltip("level:N", title=t) for t in ("image", "level")],
        )
        .interactive()
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    stem = tmp_path_factory.mktemp("charts") / "a.b"
    return dict(zip(FORMATS, save(nasty_chart(), stem, tuple(FORMATS)), strict=True))


def test_extension_is_appended_to_the_stem(saved: dict[str, Path]) -> None:
    assert [path.name for path in saved.values()] == [f"a.b.{name}" for name in FORMATS]


def test_svg_is_xml_that_holds_the_text(saved: dict[str, Path]) -> None:
    root = ElementTree.parse(saved["svg"]).getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(NASTY) <= set(texts)
    assert {element.tag.partition("}")[2] for element in root.iter()} <= {
        *("svg", "g", "path", "text", "rect", "line", "defs", "clipPath", "tspan", "title", "style")
    }
    (style,) = root.iter("{http://www.w3.org/2000/svg}style")
    source = r"src:url\(data:font/woff2;base64,[^)]+\)"
    face = rf'@font-face\{{font-family:"[\w ]+";font-weight:\d+;{source}\}}'
    assert re.fullmatch(f"(?:{face})+", style.text or "")


def test_control_characters_do_not_break_svg(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": ["a\x01b"]})
    (path,) = save(alt.Chart(frame).mark_text().encode(text="t:N"), tmp_path / "c", ("svg",))
    assert "a\ufffdb" in "".join(ElementTree.parse(path).getroot().itertext())


def test_png_states_its_resolution(saved: dict[str, Path]) -> None:
    content = saved["png"].read_bytes()
    where = content.index(b"pHYs")
    per_metre = int.from_bytes(content[where + 4 : where + 8], "big")
    assert per_metre == pytest.approx(PPI / 0.0254, abs=1)


def test_vega_lite_is_sorted_json(saved: dict[str, Path]) -> None:
    text = saved["vl.json"].read_text("utf-8")
    content = json.loads(text)
    assert list(content) == sorted(content)
    assert [row["level"] for row in next(iter(content["datasets"].values()))] == NASTY


def test_page_needs_no_network_and_is_small(saved: dict[str, Path]) -> None:
    addresses: list[str] = []

    class Page(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            addresses.extend(value or "" for key, value in attrs if key in ("src", "href"))

    Page().feed(saved["html"].read_text("utf-8"))
    assert addresses == []
    assert saved["html"].stat().st_size < 600_000


def test_level_names_do_not_end_the_script_of_the_page(saved: dict[str, Path]) -> None:
    text = saved["html"].read_text("utf-8")
    # Specification, Vega, and what starts it.
    assert text.count("</script>") == 3
    assert NASTY[0] not in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_browser_shows_text_and_runs_none_of_it(saved: dict[str, Path], tmp_path: Path) -> None:
    # Move the pointer over every text, so that all tooltips have been shown, and report.
    probe = """
    const report = () => {
      const words = document.querySelectorAll("#chart .mark-text.role-mark text");
      if (!words.length) return setTimeout(report, 50);
      const tips = [];
      for (const text of words) {
        const box = text.getBoundingClientRect();
        for (const kind of ["pointerover", "pointermove", "mousemove"]) {
          text.dispatchEvent(new PointerEvent(kind, {bubbles: true,
            clientX: box.x + box.width / 2, clientY: box.y + box.height / 2}));
        }
        const tip = document.getElementById("vg-tooltip-element");
        tips.push({text: tip.textContent, images: tip.querySelectorAll("img").length,
          broken: [...tip.querySelectorAll("*")].some((e) => e.hasAttribute("onerror"))});
      }
      const found = {tips, title: document.title,
        texts: [...document.querySelectorAll("#chart text")].map((e) => e.textContent),
        foreign: document.querySelectorAll("#chart script, #chart img, #chart b, #chart i").length};
      document.body.replaceChildren(JSON.stringify(found));
    };
    report();
    """
    text = saved["html"].read_text("utf-8")
    # The probe is a script of the test: the policy of the page would rightly refuse it.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    page = tmp_path / "probe.html"
    page.write_text(text.replace("\n</body>\n", f"\n<script>{probe}</script></body>\n"), "utf-8")
    # The browser writes text with entities.
    report = json.loads(html.unescape(dumped(page).partition("<body>")[2].partition("</body>")[0]))
    assert set(NASTY) <= set(report["texts"])
    assert report["title"] == "Text & <b>title</b>"
    assert report["foreign"] == 0
    assert len(report["tips"]) == len(NASTY)
    shown = [tip["text"] for tip in report["tips"]]
    assert all(name in text for name, text in zip(NASTY, shown, strict=True))
    assert not any(tip["broken"] for tip in report["tips"])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_policy_of_the_page_lets_the_chart_be_drawn(saved: dict[str, Path]) -> None:
    body = dumped(saved["html"]).partition('<div id="chart"')[2].partition("<figcaption>")[0]
    assert "Ärger &amp; Söhne" in body
    # Axes are read aloud, and no mark by the names of its columns.
    assert set(re.findall(r'aria-roledescription="([^"]+)"', body)) <= SPOKEN


#: What of a page is described to screen readers besides its caption.
SPOKEN = {"visualization", "group mark container", "axis", "legend", "header", "title"}


def dumped(page: Path) -> str:
    """The document of a page after its scripts have run."""
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    done = subprocess.run(
        [CHROMIUM, *options, "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout.decode("utf-8")


def test_same_bytes_in_another_process(saved: dict[str, Path], tmp_path: Path) -> None:
    code = (
        "import sys; from test_charts_render import *;"
        # Names that Altair makes up must not depend on the charts made before.
        "[nasty_chart().to_dict() for _ in range(3)]; [alt.selection_point() for _ in range(7)];"
        "save(nasty_chart(), sys.argv[1], tuple(FORMATS))"
    )
    tests = Path(__file__).parents[1]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tests), str(tests / "charts")]),
        "PYTHONHASHSEED": "5",
    }
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.b")], env=environment, check=True)
    differing = [
        name
        for name, path in saved.items()
        if path.read_bytes() != (tmp_path / path.name).read_bytes()
    ]
    assert differing == []


def test_pdf_keeps_every_object_it_refers_to(saved: dict[str, Path]) -> None:
    content = saved["pdf"].read_bytes()
    start = int(content.rpartition(b"startxref\n")[2].split()[0])
    offsets = [int(o) for o in re.findall(rb"(\d{10}) 00000 n", content[start:])]
    for number, offset in enumerate(offsets, 1):
        assert content.startswith(b"%d 0 obj\n" % number, offset)
    assert b"/Size %d" % (len(offsets) + 1) in content[start:]


def test_ordering_a_pdf_again_changes_nothing(saved: dict[str, Path]) -> None:
    content = saved["pdf"].read_bytes()
    assert normalise_pdf(content) == content


def test_other_pdf_is_refused() -> None:
    with pytest.raises(ValueError, match="cross-reference"):
        normalise_pdf(b"%PDF-1.7\nnothing")


def test_translucent_marks_do_not_swell_a_pdf(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": range(500)})
    sizes = []
    for opacity in (1.0, 0.5):
        chart = alt.Chart(frame).mark_point(opacity=opacity).encode(x="x:Q")
        sizes.append(save(chart, tmp_path / "p", ("pdf",))[0].stat().st_size)
    assert sizes[1] < sizes[0] + 60_000  # and not 350,000 more, as objects of their own


def test_unknown_format_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'pgn'\. Did you mean 'png'"):
        save(nasty_chart(), tmp_path / "c", ("svg", "pgn"))
    assert not list(tmp_path.iterdir())


def test_unwritable_directory_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        save(nasty_chart(), tmp_path / "file" / "c", ("vl.json",))


#: Width of a digit of Liberation Sans, regular and bold, as a share of its size.
DIGIT = 0.556


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
@pytest.mark.parametrize("form", ["svg", "html"])
def test_text_is_as_wide_as_it_was_measured_whatever_fonts_a_machine_has(
    form: str, tmp_path: Path
) -> None:
    # Latin, Greek and Cyrillic letters, regular and bold, as far apart as their widths say.
    words = ["0000000000", "AVAR Wörter λΔ Шаг ≤ 3σ²"]
    chart = alt.layer(
        *(
            alt.Chart(pd.DataFrame({"t": [text], "y": [i]}), width=900, height=200)
            .mark_text(fontSize=40, fontWeight=weight, font=FONT)
            .encode(text="t:N", y="y:O")
            for i, (text, weight) in enumerate(product(words, ("normal", "bold")))
        )
    )
    (path,) = save(configure(chart.properties(title="T")), tmp_path / "a", [form])
    with Browser() as browser:
        page = browser.open(path)
        page.wait(lambda: page.js("document.querySelectorAll('text').length > 4"), "a chart")
        page.js("document.fonts.ready.then(() => true)")
        widths = {
            (text, bool(bold)): width
            for text, bold, width in page.js(
                "[...document.querySelectorAll('text')].map((e) => [e.textContent,"
                "Number(getComputedStyle(e).fontWeight) > 500, e.getComputedTextLength()])"
            )
            if text in words
        }
        assert page.errors == []
        assert len(widths) == 4
        assert page.js("[...document.fonts].every((f) => f.status === 'loaded')")
    for bold in (False, True):
        assert widths["0000000000", bold] == pytest.approx(10 * DIGIT * 40, rel=0.01)
    # By the advances of the font: 2048 units to its size; "AV" is kerned in most programs.
    assert 450 < widths[words[1], False] < widths[words[1], True] < 600


def test_svg_holds_the_slices_of_the_font_that_it_needs() -> None:
    plain = '<svg width="1"><text font-weight="bold">a &lt; b</text></svg>'
    found = re.findall(r'font-family:"([^"]+)";font-weight:(\d+)', embed_font(plain))
    assert found == [("mixedscope Sans", "700")]
    both = embed_font('<svg width="1"><text>Шаг</text><text>a</text></svg>')
    assert len(re.findall("@font-face", both)) == 2
    assert embed_font('<svg width="1"><text>数据</text></svg>') == (
        '<svg width="1"><text>数据</text></svg>'
    )
    assert embed_font("<svg><rect/></svg>") == "<svg><rect/></svg>"


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_interactive_chart_is_large_on_a_desk_and_keeps_its_type_on_a_phone(tmp_path: Path) -> None:
    chart = alt.Chart(pd.DataFrame({"x": [1, 2]}), width=500, height=300).mark_point()
    figure = Figure(configure(chart.encode(x="x:Q").properties(title="What it says")), "t", "c")
    caption = tmp_path / "charts/a model/x-g~20h.caption.json"
    save_figure(figure, caption, ["html"], back_to(caption))
    with Browser() as browser:
        for width in (1280, 390):
            page = browser.open(caption.with_name("x-g~20h.html"), width=width)
            drawn = "!!document.querySelector('svg.marks')?.style.width"
            page.wait(lambda page=page, drawn=drawn: page.js(drawn), "a chart")
            left, _, shown, _ = page.place("svg.marks")
            natural = float(page.js("document.querySelector('svg.marks').getAttribute('width')"))
            assert page.js("document.documentElement.scrollWidth") <= width
            is_wide = page.js("!document.getElementById('wide').hidden")
            if width == 1280:
                assert left + shown <= width
                assert shown == pytest.approx(1.25 * natural, rel=0.01)
                # The menu stands beside the picture.
                assert page.place("summary")[0] >= left + shown - 1
                assert not is_wide
            else:
                # It scrolls in its own box, and the page says so.
                box, _, room, _ = page.place("#chart")
                assert box + room <= width
                assert shown == pytest.approx(natural, rel=0.01)
                assert is_wide
            assert page.text("h1") == "What it says"
            link = page.js("document.querySelector('a').href")
            assert link == (tmp_path / "pages/a model.html").as_uri() + "#x-g~20h"
            assert page.errors == []
            page.close()


def test_interactive_charts_lead_back_to_the_page_that_shows_them() -> None:
    assert back_to("results/charts/phases.caption.json") == ("../index.html#phases", "← Overview")
    assert back_to("a/charts/m/b-seconds.caption.json")[0] == "../../timing.html"
    assert back_to("results/charts/charts/c.caption.json")[0] == "../../pages/charts.html#c"
    assert back_to("a/charts/sweeps/s t/c.caption.json") == (
        "../../../pages/sweeps/s%20t.html#c",
        "← s t",
    )


@pytest.mark.parametrize("height", [200, 2000])
def test_pdf_fits_on_a_page(height: int, tmp_path: Path) -> None:
    chart = alt.Chart(pd.DataFrame({"x": [1]}), width=100, height=height).mark_point().encode(x="x")
    pdf, svg = save(chart, tmp_path / "a", ["pdf", "svg"])
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
    size = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg.read_text("utf-8"))
    assert box is not None
    assert size is not None
    scale = min(1.0, TALLEST / float(size[2]))
    assert [float(side) for side in box.groups()] == pytest.approx(
        [scale * float(side) for side in size.groups()], abs=1
    )
    assert float(box[2]) <= TALLEST + 1


def test_numbers_that_are_not_finite_are_missing_in_every_format() -> None:
    rows = [{"x": 1.0, "y": float("nan")}, {"x": float("inf"), "y": 2.0}, {"x": 2.0, "y": 3.0}]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_point().encode(x="x:Q", y="y:Q")
    (values,) = to_spec(chart)["datasets"].values()
    assert values == [
        {"x": 1.0, "y": None},
        {"x": None, "y": 2.0},
        {"x": 2.0, "y": 3.0},
    ]
    assert "NaN" not in as_svg(chart)
