"""Captions of figures for the report that Snakemake makes, as reStructuredText.

Snakemake reads a caption as a Jinja template of reStructuredText: nothing that a title or a name
from the data holds may mean anything in either.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mixedscope.tables.files import atomic_write
from mixedscope.workflow.report.figures import Figure, read_figure
from mixedscope.workflow.report.questions import question_of

__all__ = ["caption_text", "escaped", "write_captions"]


def write_captions(
    captions: Sequence[str | os.PathLike[str]], output: Sequence[str | os.PathLike[str]]
) -> list[Path]:
    """Write ``<chart>.rst`` of every ``<chart>.caption.json``; a StoreError if one is damaged."""
    return [
        atomic_write(to, caption_text(read_figure(Path(path))).encode())
        for path, to in zip(captions, output, strict=True)
    ]


def caption_text(figure: Figure) -> str:
    """The caption of one figure."""
    page = figure.files.get("html")
    also = f"\n\nInteractive: {escaped(page.as_posix())}" if page is not None else ""
    return (
        f"**{escaped(figure.title)}.** {escaped(figure.caption)}\n\n"
        f"*{escaped(question_of(figure.name).text)}*{also}\n"
    )


def escaped(text: str) -> str:
    """Escape text for reStructuredText and Jinja, on one line: `a*b` stays `a*b` when rendered."""
    return "".join(map(_escaped, " ".join(text.split())))


def _escaped(character: str) -> str:
    if character in "{}":
        return f"\\{{{{ '{character}' }}}}"
    plain = character.isalnum() or character.isspace() or not character.isascii()
    return character if plain else f"\\{character}"
