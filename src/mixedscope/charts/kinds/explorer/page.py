"""The page of the explorer: sentences first, its contents, and the script that links pictures.

Text from the data reaches the page escaped, or as packed JSON that the script writes with
``textContent`` and Vega on a canvas, so that it never is HTML.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mixedscope.charts.common.assets import packed
from mixedscope.charts.common.interactive import LOADER, Brought
from mixedscope.charts.common.theme import FONT
from mixedscope.charts.common.vega import compact

__all__ = ["explorer_page"]


def explorer_page(
    contents: Mapping[str, Any],
    title: str,
    caption: str,
    still: str,
    back: tuple[str, str] | None = None,
    shared: tuple[Path, Path] | None = None,
) -> bytes:
    """Assemble the page.

    ``contents``: of `mixedscope.charts.kinds.explorer.contents.page_data`, with the specifications
    of its ``views``. ``still``: address of the picture that is shown where no script runs: data, or
    a file beside the page. ``back``, ``shared``: as for
    `mixedscope.charts.common.interactive.interactive_page`. Gives UTF-8.
    """
    script = _script()
    text = compact(dict(contents))
    brought = Brought.by(text + script + title + caption, shared)
    images = "data: blob:" if still.startswith("data:") else "data: blob: 'self'"
    address = ""
    if back is not None:
        link = f'<a href="{html.escape(back[0])}">{html.escape(back[1])}</a>'
        address = f'<p class="back">{link}</p>'
    return _PAGE.format(
        policy=brought.policy(script, images),
        link=brought.link,
        faces=brought.faces,
        font=FONT,
        style=_resource("explorer.css"),
        title=html.escape(title),
        formula=html.escape(str(contents["formula"])),
        caption=html.escape(caption),
        back=address,
        findings=_findings(contents["findings"]),
        still=html.escape(still),
        contents=packed(text),
        carried=brought.script,
        script=script,
    ).encode()


def _findings(found: Sequence[Mapping[str, Any]]) -> str:
    """The sentences, a button each where pictures show it."""
    items = []
    for i, finding in enumerate(found):
        words = (
            f'<span class="question">{html.escape(finding["question"])}</span> '
            f'<span class="answer">{html.escape(finding["text"])}</span>'
        )
        items.append(f'<li><button type="button" data-finding="{i}">{words}</button></li>')
    return "\n".join(items)


def _script() -> str:
    return _resource("explorer.js").replace("//LOADER", LOADER.strip("\n"))


@cache
def _resource(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")


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
body {{ font-family: {font} }}
{style}</style>
</head>
<body>
{back}
<h1>{title}</h1>
<p class="formula"><code>{formula}</code></p>
<ol class="findings" aria-label="Five questions and their answers; each sets the pictures below">
{findings}
</ol>
<main id="explorer"></main>
<noscript><p>Without scripting: the page as it opens.</p>
<img alt="{caption}" src="{still}"></noscript>
<script type="text/plain" id="contents">{contents}</script>
{carried}
<script>{script}</script>
</body>
</html>
"""
