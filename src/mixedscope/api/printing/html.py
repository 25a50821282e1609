"""HTML: a fragment for notebooks and pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mixedscope.api.printing.document import Block, Figures, Formula, Section, Table, Title, clean

__all__ = ["write", "write_page"]


def write(document: Sequence[Block]) -> str:
    """Write blocks as one ``div``."""
    return f"<div class='mixedscope-fit'>{''.join(map(_block, document))}</div>"


def write_page(document: Sequence[Block]) -> str:
    """Write blocks as a page that says how it is encoded."""
    title = next((block.text for block in document if isinstance(block, Title)), "Table")
    head = f'<meta charset="utf-8"><title>{escape(clean(title))}</title>'
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>{write(document)}</body></html>\n"


def _block(block: Block) -> str:
    if isinstance(block, Title):
        return f"<p><strong>{_escaped(block.text)}</strong></p>"
    if isinstance(block, Formula):
        return f"<p><code>{_escaped(block.text)}</code></p>"
    if isinstance(block, Table):
        caption = f"<p>{_escaped(block.caption)}</p>" if block.caption else ""
        return caption + _table(block)
    return f"<p>{_escaped(block.text)}</p>"


def _table(table: Table) -> str:
    head = _row(table.header, "th", table.left)
    count = len(table.header)
    body = "".join(
        f"<tr><th colspan='{count}' style='text-align:left'>{_escaped(row.text)}</th></tr>"
        if isinstance(row, Section)
        else _row(row, "td", table.left)
        for row in table.rows
    )
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _row(cells: Sequence[str], tag: str, left: int) -> str:
    sides = ["left" if j < left else "right" for j in range(len(cells))]
    return (
        "<tr>"
        + "".join(
            f"<{tag} style='text-align:{side}'>{_escaped(cell)}</{tag}>"
            for cell, side in zip(cells, sides, strict=True)
        )
        + "</tr>"
    )


def _escaped(text: str) -> str:
    shown = clean(text).replace("-", "\u2212") if isinstance(text, Figures) else clean(text)
    return escape(shown)
