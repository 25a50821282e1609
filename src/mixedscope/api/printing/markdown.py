"""Markdown with pipe tables, as GitHub, Quarto and pandoc read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mixedscope.api.printing.document import Block, Formula, Section, Table, Title, clean

__all__ = ["write"]


def write(document: Sequence[Block]) -> str:
    """Write blocks as paragraphs and pipe tables."""
    return "\n\n".join(map(_block, document)) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Title):
        return f"**{_escaped(block.text)}**"
    if isinstance(block, Formula):
        return _code(clean(block.text))
    if isinstance(block, Table):
        caption = f"{_escaped(block.caption)}:\n\n" if block.caption else ""
        return caption + _table(block)
    return _escaped(block.text)


def _table(table: Table) -> str:
    empty = [""] * (len(table.header) - 1)
    rows = [
        [f"**{_escaped(row.text)}**", *empty]
        if isinstance(row, Section)
        else [_escaped(cell) for cell in row]
        for row in table.rows
    ]
    rule = [":--" if j < table.left else "--:" for j in range(len(table.header))]
    lines = [[_escaped(cell) for cell in table.header], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


#: What means something to Markdown, to HTML, mathematics and marks of GitHub within it, or turns
#: into other quotes and dashes; and what begins a list at the start of a paragraph.
_SPECIAL = re.compile(r"[\\`*_{}\[\]|#<>~$^&@\"']|:(?=\w)|(?<=-)-|(?<=\.)\.")
_START = re.compile(r"^(\s*)([-+](?=\s|$)|\(?(?:\d+|[A-Za-z]|[ivxlcdmIVXLCDM]+)[.)](?=\s|$))")


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    shown = clean(text)
    start = _START.match(shown)
    escaped = _SPECIAL.sub(r"\\\g<0>", shown)
    if start is None:
        return escaped
    # The mark of a list: its only, or last, character.
    at = escaped.index(start[2][-1], len(start[1]))
    return f"{escaped[:at]}\\{escaped[at:]}"


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text}{blank}{fence}"
