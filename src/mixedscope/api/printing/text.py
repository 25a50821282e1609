"""Plain text in columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from mixedscope.api.printing.document import Block, Formula, Paragraph, Section, Table, clean

__all__ = ["write"]


def write(document: Sequence[Block]) -> str:
    """Write blocks one below the other, a line between them."""
    return "\n\n".join(map(_block, document))


def _block(block: Block) -> str:
    if isinstance(block, Table):
        caption = f"{clean(block.caption)}:\n" if block.caption else ""
        return caption + _table(block)
    is_set_in = isinstance(block, Formula) or (isinstance(block, Paragraph) and block.indented)
    return f"{' ' if is_set_in else ''}{clean(block.text)}"


def _table(table: Table) -> str:
    header = [clean(cell) for cell in table.header]
    rows = [
        row if isinstance(row, Section) else [clean(cell) for cell in row] for row in table.rows
    ]
    lines = [header, *(row for row in rows if not isinstance(row, Section))]
    widths = [max(_width(line[j]) for line in lines) for j in range(len(header))]
    out = []
    for line in [header, *rows]:
        if isinstance(line, Section):
            out.append(f" {clean(line.text)}")
            continue
        cells = [
            cell + blanks if j < table.left else blanks + cell
            for j, (cell, width) in enumerate(zip(line, widths, strict=True))
            for blanks in [" " * (width - _width(cell))]
        ]
        out.append((" " + "  ".join(cells)).rstrip())
    return "\n".join(out)


def _width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
