"""Formats in which tables are written, by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mixedscope.api.printing import html, latex, markdown, text, typst
from mixedscope.api.printing.document import Block
from mixedscope.api.printing.endings import FORMATS
from mixedscope.core.errors import ModelError, suggest
from mixedscope.tables.files import atomic_write

__all__ = ["FORMATS", "Printed", "printed"]

_WRITERS: Final = {
    "text": text.write,
    "markdown": markdown.write,
    "html": html.write,
    "latex": latex.write,
    "typst": typst.write,
}


class Printed(str):
    """Text in one of `FORMATS`, which shows itself as it is and, in notebooks, as what it makes.

    Attributes
    ----------
    kind : str
        The format.
    """

    kind: str

    def __new__(cls, content: str, kind: str = "text") -> Printed:
        """Make one of a text in the format ``kind``."""
        made = super().__new__(cls, content)
        made.kind = kind
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str | None:
        return str(self) if self.kind == "html" else None

    def _repr_markdown_(self) -> str | None:
        return str(self) if self.kind == "markdown" else None


def printed(
    document: Sequence[Block], format: str | None, file: str | os.PathLike[str] | None
) -> Printed:
    """Write a document, to a file too where one is given.

    The format is that of the file's ending, or text, where none is given. Of Word the text is given
    back as plain text. Raises ModelError if there is no such format, the file ends as that of
    another, or Word has no file.
    """
    chosen = _format(format, file)
    if file is None:
        if chosen == "word":
            raise ModelError('Word needs a file: format="word", file="table.docx".')
        return Printed(_WRITERS[chosen](document), chosen)
    path = Path(file)
    if chosen == "word":
        from mixedscope.api.printing.word import write

        atomic_write(path, write(document))
        return Printed(text.write(document))
    content = _WRITERS[chosen](document)
    page = html.write_page(document) if chosen == "html" else content
    atomic_write(path, page.encode("utf-8"))
    return Printed(content, chosen)


def _format(format: str | None, file: str | os.PathLike[str] | None) -> str:
    if format is not None and format not in FORMATS:
        raise ModelError(
            f"There is no format {format!r} of tables.{suggest(format, FORMATS)} "
            f"Known are: {', '.join(FORMATS)}."
        )
    if file is None:
        return format or "text"
    ending = Path(file).suffix.lower()
    if format is not None:
        if ending != FORMATS[format]:
            raise ModelError(
                f"A file in the format {format!r} ends in {FORMATS[format]}, not as {str(file)!r}."
            )
        return format
    found = next((name for name, own in FORMATS.items() if own == ending), None)
    if found is None:
        raise ModelError(
            f"What format is {str(file)!r}? Files of tables end in {', '.join(FORMATS.values())}; "
            "format= is then not needed."
        )
    return found
