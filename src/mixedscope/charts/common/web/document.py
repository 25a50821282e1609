"""The document around what a page shows: its head, the way back, its heading and its script.

Scripts are put together of parts that share a scope, some of them in this folder; text from the
data reaches a page escaped, or packed and written as text by a script, so that it never is HTML.
"""

from __future__ import annotations

import base64
import html
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["document", "framed", "held", "part", "scoped"]


def document(
    body: str,
    *,
    title: str,
    policy: str,
    style: str,
    script: str,
    back: tuple[str, str] | None = None,
    head: str = "",
) -> bytes:
    """Assemble a page.

    ``body``: HTML below the heading, which the elements end that hold data for the script.
    ``title``: text; without one there is no heading. ``policy``: the content-security policy, which
    knows the script, and the style where that is not free. ``back``: where the page leads back to,
    and in what words. ``head``: links of the head. Gives UTF-8.
    """
    way = ""
    if back is not None:
        address, words = (html.escape(part) for part in back)
        way = f'<p class="back"><a href="{address}">{words}</a></p>\n'
    heading = f"<h1>{html.escape(title)}</h1>\n" if title else ""
    return _PAGE.format(
        policy=policy,
        title=html.escape(title) or "Chart",
        head=f"{head}\n" if head else "",
        style=style,
        begin=way + heading,
        body=body.strip("\n"),
        script=script,
    ).encode()


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{head}<style>{style}</style>
</head>
<body>
{begin}{body}
<script>{script}</script>
</body>
</html>
"""


def scoped(*parts: str, root: str) -> str:
    """One script of parts that share a scope.

    ``root``: what has this id receives what the script makes, or the words of its failure.
    """
    return _SCRIPT.replace("ROOT", root).replace("PARTS", "\n".join(p.strip("\n") for p in parts))


_SCRIPT: Final = """
"use strict";
(async (root) => {
PARTS
})(document.getElementById("ROOT")).catch((error) => {
  document.getElementById("ROOT").textContent = `This page cannot be shown: ${error}`;
  console.error(error);
});
"""


@cache
def part(name: str, package: str = __package__) -> str:
    """A script or a style sheet that stands beside the modules of a package."""
    return (files(package) / name).read_text("utf-8")


def held(identifier: str, text: str) -> str:
    """An element that holds a packed text for the script of the page."""
    return f'<script type="text/plain" id="{identifier}">{text}</script>'


def framed(page: bytes, still: bytes, title: str, style: str) -> str:
    """A page above a picture of it, as HTML of a notebook.

    The page is in a frame of its own. Where the frame is taken out (a notebook that is not trusted)
    the picture is seen. ``still``: a PNG. ``style``: of the box that holds both.
    """
    words = html.escape(title)
    data = base64.b64encode(still).decode()
    return (
        f'<div style="position: relative; {style}">'
        f'<img alt="{words}" src="data:image/png;base64,{data}" '
        'style="max-width: 100%; max-height: 100%">'
        f'<iframe srcdoc="{html.escape(page.decode())}" sandbox="allow-scripts" title="{words}" '
        'style="position: absolute; left: 0; top: 0; width: 100%; height: 100%; border: 0">'
        "</iframe></div>"
    )
