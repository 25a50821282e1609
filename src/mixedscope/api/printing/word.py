"""Word, by python-docx: real tables, to be edited."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from mixedscope.api.printing.document import Block, Figures, Formula, Section, Table, Title, clean
from mixedscope.core.errors import ModelError

__all__ = ["write"]


def write(document: Sequence[Block]) -> bytes:
    """Give the bytes of a ``.docx`` file.

    Raises ModelError if python-docx is not installed.
    """
    try:
        import docx
    except ModuleNotFoundError:
        raise ModelError(
            "Tables for Word are written by python-docx, which is not installed: "
            'pip install "python-docx>=1.1,<2".'
        ) from None
    page = docx.Document()
    for block in document:
        if isinstance(block, Table):
            if block.caption:
                page.add_paragraph(f"{clean(block.caption)}:")
            _add_table(page, block)
            page.add_paragraph()
            continue
        run = page.add_paragraph().add_run(clean(block.text))
        run.bold = isinstance(block, Title)
        if isinstance(block, Formula):
            run.font.name = "Courier New"
    content = BytesIO()
    page.save(content)
    return _undated(content)


def _undated(content: BytesIO) -> bytes:
    """Pack a file anew without the clock: the same table has the same bytes."""
    packed = BytesIO()
    with ZipFile(content) as made, ZipFile(packed, "w", ZIP_DEFLATED) as plain:
        for name in made.namelist():
            plain.writestr(ZipInfo(name), made.read(name), ZIP_DEFLATED)
    return packed.getvalue()


def _add_table(page: Any, table: Table) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    made = page.add_table(rows=0, cols=len(table.header))
    _rule(made._tbl.tblPr, "w:tblBorders", ("w:top", "w:bottom"))
    for at, row in enumerate([table.header, *table.rows]):
        cells = made.add_row().cells
        if isinstance(row, Section):
            merged = cells[0].merge(cells[-1])
            merged.paragraphs[0].add_run(clean(row.text)).italic = True
            continue
        for j, (cell, text) in enumerate(zip(cells, row, strict=True)):
            paragraph = cell.paragraphs[0]
            shown = clean(text)
            paragraph.add_run(shown.replace("-", "\u2212") if isinstance(text, Figures) else shown)
            if j >= table.left:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            if at == 0:
                _rule(cell._tc.get_or_add_tcPr(), "w:tcBorders", ("w:bottom",))


def _rule(properties: Any, borders: str, sides: Sequence[str]) -> None:
    """Draw lines at some sides of a table or a cell."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    frame = OxmlElement(borders)
    for side in sides:
        line = OxmlElement(side)
        for name, value in (("val", "single"), ("sz", "6"), ("space", "0"), ("color", "auto")):
            line.set(qn(f"w:{name}"), value)
        frame.append(line)
    properties.append(frame)
