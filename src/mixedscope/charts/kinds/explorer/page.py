"""The page of the explorer: sentences first, its contents, and the script that links pictures.

Text from the data reaches the page escaped, or as packed JSON that the script writes with
``textContent`` and Vega on a canvas, so that it never is HTML.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from mixedscope.charts.common.assets import packed
from mixedscope.charts.common.interactive import LOADER, Brought
from mixedscope.charts.common.vega import compact
from mixedscope.charts.common.web.document import document, held, part, scoped

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
    body = f"""
<p class="formula"><code>{html.escape(str(contents["formula"]))}</code></p>
<main>
<ol class="findings" aria-label="Five questions and their answers; each sets the pictures below">
{_findings(contents["findings"])}
</ol>
<div id="explorer"></div>
<noscript><p>Without scripting: the page as it opens.</p>
<img alt="{html.escape(caption)}" src="{html.escape(still)}"></noscript>
</main>
{held("contents", packed(text))}
{brought.script}
"""
    style = "".join(map(part, ("base.css", "controls.css"))) + part("explorer.css", __package__)
    return document(
        body,
        title=title,
        policy=brought.policy(script, images),
        style=brought.style(style),
        script=script,
        back=back,
        head=brought.link,
    )


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


@cache
def _script() -> str:
    shared = [part(f"{name}.js") for name in ("unpack", "numbers", "elements")]
    own = [part(f"{name}.js", __package__) for name in _PARTS]
    return scoped(*shared, LOADER, *own, root="explorer")


#: What the page holds and what is chosen; tables of pictures; pictures; words; what is chosen with.
_PARTS: Final = ("holds", "rows", "pictures", "words", "controls", "explorer")
