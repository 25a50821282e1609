"""What the report of Snakemake holds, known before anything is drawn: files, places, labels."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mixedscope.tables.files import read_json
from mixedscope.workflow.report.figures import CAPTION, moves
from mixedscope.workflow.report.questions import is_timed, question_of

__all__ = ["Entry", "caption_file", "entries", "thumbnail_files"]

#: Characters of a title in the list of figures.
_WIDTH: Final = 56


@dataclass(frozen=True)
class Entry:
    """One file of the report.

    Attributes
    ----------
    file : str
    caption : str
        Absolute path of its caption, see `mixedscope.workflow.report.captions`.
    category, subcategory : str
        The model (or sweep), and what its figures are about.
    labels : callable
        ``(wildcards)`` gives what tells it from others there, once it is drawn.
    """

    file: str
    caption: str
    category: str
    subcategory: str
    labels: Callable[[Any], dict[str, str]]


def entries(captions: Sequence[str], formats: Sequence[str], root: str) -> list[Entry]:
    """The files of figures that a report shows.

    Of every figure the SVG (or else PNG), and of what moves the page that plays it: it is small,
    where other interactive pages take a megabyte each. ``captions`` are the
    ``<chart>.caption.json`` of all figures, in the order of the report, ``formats`` those of all
    charts, and ``root`` is where ``results`` is found from the working directory.
    """
    found = []
    for caption in captions:
        stem = caption.removesuffix(CAPTION)
        film = "html" in formats and moves(Path(caption).name.removesuffix(CAPTION))
        still = next((kind for kind in ("svg", "png") if kind in formats), None)
        wanted = {"still": still, "film": "html" if film else None}
        for form, kind in wanted.items():
            if kind is not None:
                found.append(_entry(caption, f"{stem}.{kind}", form, root))
    return found


def _entry(caption: str, file: str, form: str, root: str) -> Entry:
    path = Path(caption)
    chart, place = path.name.removesuffix(CAPTION), path.parent
    # results/charts/<chart>, <model>/<chart> or sweeps/<sweep>/<chart>
    category = {3: "All models", 4: place.name}.get(len(path.parts), f"Sweep: {place.name}")
    stored = Path(root, *path.parts[1:])
    return Entry(
        file=file,
        caption=os.path.abspath(Path(root, *Path(caption_file(caption)).parts[1:])),
        category=category,
        subcategory=question_of(chart).name,
        labels=lambda wildcards: {
            "figure": chart if form == "still" else f"{chart} (plays)",
            "what it shows": _title(stored),
        },
    )


def _title(caption: Path) -> str:
    """The beginning of the title: the list stands beside the figure, and the caption has it all."""
    title = textwrap.shorten(str(read_json(caption)["title"]), _WIDTH, placeholder=" …")
    # Snakemake takes what stands in braces for a wildcard.
    return title.replace("{", "(").replace("}", ")")


def caption_file(caption: str) -> str:
    """Where the caption of a figure for the report is written."""
    return caption.replace("results/charts/", "results/report/", 1).removesuffix(CAPTION) + ".rst"


def thumbnail_files(captions: Sequence[str], formats: Sequence[str]) -> list[str]:
    """The small pictures of the overview: of figures of models and sweeps that show no seconds.

    ``captions`` are their ``<chart>.caption.json``; ``formats`` those of all charts.
    """
    return [
        caption.replace("results/charts/", "results/thumbnails/", 1).removesuffix(CAPTION) + ".png"
        for caption in captions
        if not is_timed(Path(caption).name.removesuffix(CAPTION)) and {"svg", "png"} & set(formats)
    ]
