"""Interactive pages: a chart that Vega draws in the reader's browser, without a network.

A page holds all that it needs, or shares Vega and the font with others beside it.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from mixedscope.charts.common.assets import PROPERTY, bundle, digest, packed, script_of
from mixedscope.charts.common.embedding import font_faces
from mixedscope.charts.common.theme import FONT
from mixedscope.charts.common.vega import compact

__all__ = ["LOADER", "Brought", "Page", "interactive_page"]

#: How much larger than drawn an interactive chart is shown, as on the pages of a run.
_SCALE: Final = 1.25


@dataclass(frozen=True)
class Page:
    """A page of scripts of its own, which can share Vega and the font with others.

    Attributes
    ----------
    make : callable
        ``(back, shared, still)``, the first two as for `interactive_page`, gives its bytes;
        ``still`` is the name of a picture beside it, if it is to hold none.
    """

    make: Callable[[tuple[str, str] | None, tuple[Path, Path] | None, str | None], bytes]

    def __call__(self) -> bytes:
        """The page that holds everything."""
        return self.make(None, None, None)


@dataclass(frozen=True)
class Brought:
    """What a page has of Vega and the font: within it, or in the style sheet that it shares.

    Attributes
    ----------
    link, faces, script : str
        Of the style sheet; rules that bring the font; the element that holds Vega, packed.
    vega, styles : str
        What a content-security policy calls the script, and where styles come from.
    """

    link: str
    faces: str
    script: str
    vega: str
    styles: str

    @classmethod
    def by(cls, text: str, shared: tuple[Path, Path] | None) -> Self:
        """What a page needs that shows the characters of a text.

        ``shared``: as for `interactive_page`.
        """
        if shared is None:
            code = bundle()
            held = f'<script type="text/plain" id="vega">{packed(code)}</script>'
            faces = "".join(font_faces(text, weight) for weight in ("400", "700"))
            return cls("", faces, held, digest(code), "'unsafe-inline'")
        asset, page = shared
        address = quote(Path(os.path.relpath(asset, page.parent)).as_posix())
        link = f'<link rel="stylesheet" href="{address}">'
        return cls(link, "", "", digest(script_of(asset)), "'self' 'unsafe-inline'")

    def policy(self, start: str, images: str = "data: blob:") -> str:
        """The content-security policy of a page whose own script is ``start``.

        No script runs but this and Vega, no attribute of an element does, nothing is fetched. (Vega
        compiles its own expressions, hence unsafe-eval.)
        """
        return (
            f"default-src 'none'; script-src {self.vega} {digest(start)} 'unsafe-eval'; "
            f"style-src {self.styles}; font-src data:; img-src {images}"
        )


def interactive_page(
    spec: dict[str, Any],
    back: tuple[str, str] | None = None,
    shared: tuple[Path, Path] | None = None,
) -> bytes:
    """Give the page that shows a chart.

    ``back``: where it leads back to, and in what words. ``shared``: the style sheet that it shares
    with other pages, see `mixedscope.charts.common.assets`, and the page's own path; without it the
    page holds everything. Raises StoreError if that style sheet is damaged.
    """
    title, caption = _title(spec), str(spec.get("description", ""))
    text = compact(_unspoken(spec))
    brought = Brought.by(text, shared)
    return _PAGE.format(
        title=html.escape(title) or "Chart",
        heading=f"<h1>{html.escape(title)}</h1>" if title else "",
        back=f'<p><a href="{html.escape(back[0])}">{html.escape(back[1])}</a></p>' if back else "",
        policy=brought.policy(_START),
        link=brought.link,
        font=FONT,
        faces=brought.faces,
        caption=f"<figcaption>{html.escape(caption)}</figcaption>" if caption else "",
        scale=1 if _counts_pixels(spec) else _SCALE,
        chart=packed(text),
        carried=brought.script,
        start=_START,
    ).encode()


def _unspoken(spec: dict[str, Any]) -> dict[str, Any]:
    """A chart none of whose marks is read aloud, by the names of its columns: its caption is."""
    config = spec.get("config", {})
    return {**spec, "config": {**config, "mark": {**config.get("mark", {}), "aria": False}}}


def _counts_pixels(spec: dict[str, Any]) -> bool:
    """Whether a pointer is told by where it is, not by what it is over: the size has to be kept."""
    selects = [param.get("select") for param in spec.get("params", ()) if "select" in param]
    return any(
        not isinstance(select, dict) or select["type"] != "point" or bool(select.get("nearest"))
        for select in selects
    )


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{link}
<style>
{faces}
body {{ margin: 1rem; font: 15px/1.5 {font}; color: #222; background: #fff }}
a {{ color: #0062a0 }}
h1 {{ font-size: 1.2rem; line-height: 1.3; margin: 0 0 0.8rem; overflow-wrap: anywhere }}
figure {{ margin: 0 }}
#chart {{ overflow-x: auto; width: 100% }}
#chart .vega-embed {{ display: block }}
#chart svg.marks {{ max-width: 100%; height: auto }}
figcaption {{ max-width: 46rem; margin-top: 0.5rem; color: #444 }}
</style>
</head>
<body>
{back}
{heading}
<figure>
<div id="chart" data-scale="{scale}"></div>
{caption}
</figure>
<script type="text/plain" id="specification">{chart}</script>
{carried}
<script>{start}</script>
</body>
</html>
"""

#: What unpacks and starts Vega in a page; its text is written as text by `sanitize`.
LOADER: Final = (
    r"""
  const escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};
  const sanitize = (value) => String(value).replace(/[&<>"']/g, (c) => escapes[c]);
  const held = (id) => document.getElementById(id)?.textContent;
  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).text();
  };
  // The script of the page itself, or of the style sheet that pages share.
  const packed = () => held("vega") ??
    getComputedStyle(document.documentElement).getPropertyValue("PROPERTY").trim().slice(1, -1);
  const shared = document.querySelector("link[rel=stylesheet]")?.getAttribute("href");
  const loadVega = async () => {
    const text = packed();
    if (!text) {
      throw `${decodeURI(shared)} is missing. Keep this page in its folder of results, and move ` +
        "or copy that as a whole; the chart itself is also in the pictures beside this page.";
    }
    const script = document.createElement("script");
    script.textContent = await unpacked(text);
    // It runs if the policy of the page knows it.
    document.head.append(script);
    script.remove();
    if (!window.vegaEmbed) {
      throw `${decodeURI(shared)} is not the file that this page was made with. Run the workflow ` +
        "again; the chart itself is also in the pictures beside this page.";
    }
    // Text is measured as soon as the chart is drawn: the fonts have to be there.
    await Promise.all([...document.fonts].map((font) => font.load()));
  };
"""
).replace("PROPERTY", PROPERTY)

_START: Final = (
    r"""
"use strict";
{
LOADER
  const chart = document.getElementById("chart");
  const draw = async () => {
    await loadVega();
    const shown = await vegaEmbed("#chart", JSON.parse(await unpacked(held("specification"))), {
      renderer: "svg",
      tooltip: {sanitize: sanitize},
      actions: {export: true, source: true, compiled: false, editor: false},
    });
    const drawing = shown.view.container().querySelector("svg.marks");
    drawing.style.width = chart.dataset.scale * drawing.getAttribute("width") + "px";
  };
  draw().catch((error) => {
    chart.textContent = "The chart cannot be drawn: " + error;
  });
}
"""
).replace("LOADER", LOADER.strip("\n"))


def _title(spec: dict[str, Any]) -> str:
    title = spec.get("title", "")
    text = title.get("text", "") if isinstance(title, dict) else title
    return " ".join(text) if isinstance(text, list) else str(text)
