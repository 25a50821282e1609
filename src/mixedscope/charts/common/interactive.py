"""Interactive pages: a chart that Vega draws in the reader's browser, without a network.

A page holds all that it needs, or shares Vega and the font with others beside it.
"""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mixedscope.charts.common.assets import PROPERTY, bundle, digest, packed, script_of
from mixedscope.charts.common.embedding import font_faces
from mixedscope.charts.common.theme import FONT
from mixedscope.charts.common.vega import compact

__all__ = ["interactive_page"]

#: How much larger than drawn an interactive chart is shown, as on the pages of a run.
_SCALE: Final = 1.25


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
    text = compact(spec)
    if shared is None:
        script, source = bundle(), "'unsafe-inline'"
        faces = "".join(font_faces(text, weight) for weight in ("400", "700"))
        carried = f'<script type="text/plain" id="vega">{packed(script)}</script>'
        link = ""
    else:
        asset, page = shared
        script, source = script_of(asset), "'self' 'unsafe-inline'"
        faces, carried = "", ""
        address = quote(Path(os.path.relpath(asset, page.parent)).as_posix())
        link = f'<link rel="stylesheet" href="{address}">'
    return _PAGE.format(
        title=html.escape(title) or "Chart",
        heading=f"<h1>{html.escape(title)}</h1>" if title else "",
        back=f'<p><a href="{html.escape(back[0])}">{html.escape(back[1])}</a></p>' if back else "",
        # No script runs but these two, no attribute of an element does, nothing is fetched.
        # (Vega compiles its own expressions, hence unsafe-eval.)
        policy=f"default-src 'none'; script-src {digest(script)} {digest(_START)} 'unsafe-eval'; "
        f"style-src {source}; font-src data:; img-src data: blob:",
        link=link,
        font=FONT,
        faces=faces,
        caption=f"<figcaption>{html.escape(caption)}</figcaption>" if caption else "",
        # Charts that are moved by a pointer count its pixels: they keep their size.
        scale=1 if "params" in spec else _SCALE,
        chart=packed(text),
        carried=carried,
        start=_START,
    ).encode()


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

_START: Final = (
    r"""
"use strict";
{
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
  const chart = document.getElementById("chart");
  const draw = async () => {
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
).replace("PROPERTY", PROPERTY)


def _title(spec: dict[str, Any]) -> str:
    title = spec.get("title", "")
    text = title.get("text", "") if isinstance(title, dict) else title
    return " ".join(text) if isinstance(text, list) else str(text)
