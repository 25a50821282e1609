"""Interactive pages: a chart that Vega draws in the reader's browser, without a network.

A page holds all that it needs, or shares Vega and the font with others beside it.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from mixedscope.charts.common.assets import PROPERTY, bundle, digest, packed, script_of
from mixedscope.charts.common.embedding import font_faces
from mixedscope.charts.common.theme import FONT
from mixedscope.charts.common.vega import compact
from mixedscope.charts.common.web.document import document, held, part, scoped

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
            faces = "".join(font_faces(text, weight) for weight in ("400", "700"))
            return cls("", faces, held("vega", packed(code)), digest(code), "'unsafe-inline'")
        asset, page = shared
        address = quote(Path(os.path.relpath(asset, page.parent)).as_posix())
        link = f'<link rel="stylesheet" href="{address}">'
        return cls(link, "", "", digest(script_of(asset)), "'self' 'unsafe-inline'")

    def style(self, style: str) -> str:
        """A style sheet of the page, with the font."""
        return f"\n{self.faces}\nbody {{ font-family: {FONT} }}\n{style}"

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
    *,
    above: bool = False,
) -> bytes:
    """Give the page that shows a chart.

    ``back``: where it leads back to, and in what words. ``shared``: the style sheet that it shares
    with other pages, see `mixedscope.charts.common.assets`, and the page's own path; without it the
    page holds everything. ``above``: whether it lies above a picture of the chart, which
    is seen through it until it has drawn its own; without heading and caption. Raises StoreError if
    that style sheet is damaged.
    """
    title, caption = _title(spec), str(spec.get("description", ""))
    if above:
        caption = ""
    text = compact(_unspoken(spec))
    brought = Brought.by(text, shared)
    scale = 1 if _counts_pixels(spec) else _SCALE
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    body = f"""
<main>
<figure>
<p id="wide" hidden>Wider than this window: the chart scrolls sideways.</p>
<div id="chart" data-scale="{scale}" role="group" aria-label="Chart"></div>
{words}
</figure>
</main>
{held("specification", packed(text))}
{brought.script}
"""
    script = start(above)
    return document(
        body,
        title="" if above else title,
        policy=brought.policy(script),
        style=brought.style(part("base.css") + _STYLE + (_ABOVE if above else "")),
        script=script,
        back=back,
        head=brought.link,
    )


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


_STYLE: Final = """
body { margin: 1rem }
#chart { overflow-x: auto; width: 100% }
#chart .vega-embed { display: block }
#chart svg.marks { max-width: 100%; height: auto }
#wide { margin: 0 0 0.3rem; color: var(--soft); font-size: 0.85rem }
figcaption { max-width: 46rem; margin-top: 0.5rem; color: #444 }
"""

#: The page is clear until the chart is there, and then covers the picture below it.
_ABOVE: Final = """
html, body { background: transparent; margin: 0 }
html.drawn, .drawn body { background: #fff }
"""
_DRAWN: Final = """  document.documentElement.className = "drawn";
"""


@cache
def start(above: bool = False) -> str:
    """The script of a page that shows a chart."""
    drawn = _DRAWN if above else ""
    return scoped(part("unpack.js"), LOADER, _DRAW + drawn, root="chart")


#: What starts Vega in a page; its text is written as text by ``sanitize``.
LOADER: Final = part("vega.js").replace("PROPERTY", PROPERTY)

_DRAW: Final = """
  await loadVega();
  const shown = await vegaEmbed(root, JSON.parse(await unpacked(held("specification"))), {
    renderer: "svg",
    tooltip: {sanitize},
    actions: {export: true, source: true, compiled: false, editor: false},
  });
  const drawing = shown.view.container().querySelector("svg.marks");
  const own = drawing.getAttribute("width");
  // No type is smaller than it is drawn: what is wider than the window scrolls, and says so.
  Object.assign(drawing.style, {width: `${root.dataset.scale * own}px`, minWidth: `${own}px`});
  new ResizeObserver(() => {
    // The drawing alone: a menu that is open may stand beyond it.
    const end = drawing.getBoundingClientRect().right - root.getBoundingClientRect().left;
    const isWide = end + root.scrollLeft > root.clientWidth + 0.5;
    document.getElementById("wide").hidden = !isWide;
    if (isWide) root.tabIndex = 0;
    else root.removeAttribute("tabindex");
  }).observe(root);
"""


def _title(spec: dict[str, Any]) -> str:
    title = spec.get("title", "")
    text = title.get("text", "") if isinstance(title, dict) else title
    return " ".join(text) if isinstance(text, list) else str(text)
