"""The figures of a run as their captions describe them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Final

from mixedscope.charts.registry import FILMS, name_of_slug, spec_of
from mixedscope.core.errors import StoreError
from mixedscope.tables.files import read_json

__all__ = ["CAPTION", "HEAVY_SVG", "Figure", "moves", "read_figure", "read_figures"]

#: How the names of captions end.
CAPTION: Final = ".caption.json"

#: An SVG of more bytes than this takes a browser long to draw; the PNG is shown if there is one.
HEAVY_SVG: Final = 600_000

#: Words of a caption that a page shows at once.
_LEAD: Final = 80
#: Where one sentence ends and another begins.
_SENTENCES: Final = re.compile(r"(?<=[.!?]) (?=[A-Z0-9“(])")

_FORMAT_NAMES: Final = {
    "gif": "GIF",
    "mp4": "film",
    "html": "interactive",
    "svg": "SVG",
    "png": "PNG",
    "pdf": "PDF",
    "vl.json": "Vega-Lite",
}


@dataclass(frozen=True)
class Figure:
    """A figure and its words.

    Attributes
    ----------
    name : str
        Of the chart.
    title, caption : str
    files : dict of str to pathlib.Path
        By format.
    findings, movers : sequence of mapping
        What it answers, and which levels move most, where it tells that; see
        `mixedscope.charts.kinds.explorer.words`.
    titled : bool
        Whether its title stands above its picture.
    """

    name: str
    title: str
    caption: str
    files: dict[str, Path]
    findings: Sequence[Mapping[str, str]] = ()
    movers: Sequence[Mapping[str, str]] = ()
    titled: bool = True

    @property
    def lead(self) -> str:
        """The first sentences of its caption, `_LEAD` words at most where these are several."""
        return self._halves[0]

    @property
    def rest(self) -> str:
        """The other sentences; a page shows them when asked for."""
        return self._halves[1]

    @cached_property
    def _halves(self) -> tuple[str, str]:
        sentences = _SENTENCES.split(self.caption)
        words = list(accumulate(len(sentence.split()) for sentence in sentences))
        first = max(1, sum(count <= _LEAD for count in words))
        return " ".join(sentences[:first]), " ".join(sentences[first:])

    @property
    def picture(self) -> Path | None:
        """What stands in a page: SVG, or PNG where there is none or it is heavy."""
        svg, png = self.files.get("svg"), self.files.get("png")
        if svg is not None and png is not None:
            return png if svg.stat().st_size > HEAVY_SVG else svg
        return svg or png

    @property
    def named_files(self) -> list[tuple[str, Path]]:
        """What readers call each of its files, and the file; what is interactive first."""
        order = sorted(self.files.items(), key=lambda item: item[0] != "html")
        return [(_FORMAT_NAMES.get(kind, kind), file) for kind, file in order]

    @property
    def moving(self) -> bool:
        """Whether it shows something that moves."""
        return moves(self.name)

    @property
    def unfilmed(self) -> bool:
        """Whether it shows something that moves, and a film of it is not made."""
        return moves(self.name) and not set(FILMS) <= set(self.files)

    @property
    def label(self) -> str:
        """Its name for readers: names of grouping factors as the data have them."""
        kind, dash, factor = self.name.partition("-")
        if not dash or factor == "seconds":
            return self.name
        return f"{kind} of {name_of_slug(factor)}"

    @property
    def raster(self) -> Path | None:
        """What small pictures are made from."""
        return self.files.get("png") or self.files.get("svg")


def moves(chart: str) -> bool:
    """Whether a chart shows something that moves, of which films can be made."""
    spec = spec_of(chart)
    return spec is not None and bool(spec.formats)


def read_figure(path: Path) -> Figure:
    """Read a ``<chart>.caption.json``; the figure's files stand beside it, films if they are made.

    Raises StoreError if the caption is damaged, or a file is missing.
    """
    content = read_json(path)
    try:
        title, caption = str(content["title"]), str(content["caption"])
        formats = [str(kind) for kind in content["formats"]]
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"{path} does not tell title, caption and formats. Delete it and make it again"
        ) from error
    name = path.name.removesuffix(CAPTION)
    files = {kind: path.with_name(f"{name}.{kind}") for kind in formats}
    for file in files.values():
        if not file.is_file():
            raise StoreError(f"there is no file {file}")
    if moves(name):
        films = {kind: path.with_name(f"{name}.{kind}") for kind in FILMS}
        files |= {kind: file for kind, file in films.items() if file.is_file()}
    return Figure(
        name,
        title,
        caption,
        files,
        content.get("findings") or (),
        content.get("movers") or (),
        titled=content.get("titled") is not False,
    )


def read_figures(paths: Iterable[Path]) -> list[Figure]:
    """Read captions, in their order; see `read_figure`."""
    return [read_figure(path) for path in paths]
