"""Typst: texts are strings of its code, where only quotes and backslashes have a meaning."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.api.printing.document import Block, Figures, Formula, Section, Table, Title, clean

__all__ = ["write"]


def write(document: Sequence[Block]) -> str:
    """Write blocks as paragraphs and tables."""
    return "\n\n".join(map(_block, document)) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Title):
        return f"#strong({_string(block.text)})"
    if isinstance(block, Formula):
        return f"#raw({_string(block.text)})"
    if isinstance(block, Table):
        caption = f"#text({_string(f'{block.caption}:')})\n\n" if block.caption else ""
        return caption + _table(block)
    return f"#text({_string(block.text)})"


def _table(table: Table) -> str:
    count = len(table.header)
    sides = ", ".join("left" if j < table.left else "right" for j in range(count))
    lines = [
        "#table(",
        f"  columns: {count},",
        f"  align: ({sides},),",
        "  stroke: none,",
        "  table.hline(),",
        f"  table.header({', '.join(map(_string, table.header))}),",
        "  table.hline(stroke: 0.5pt),",
    ]
    for row in table.rows:
        if isinstance(row, Section):
            lines.append(f"  table.cell(colspan: {count}, align: left, emph({_string(row.text)})),")
        else:
            lines.append(f"  {', '.join(map(_string, row))},")
    return "\n".join([*lines, "  table.hline(),", ")"])


def _string(text: str) -> str:
    shown = clean(text).replace("-", "\u2212") if isinstance(text, Figures) else clean(text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
