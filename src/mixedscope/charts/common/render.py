"""Charts as files: SVG, PNG, PDF, an interactive page that needs no network, and Vega-Lite JSON.

The same chart gives the same bytes in every process: keys are sorted, and PDF files are put in
order.  Text from the data is text in
every format.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Final

import vl_convert as vlc

from mixedscope.charts.common.embedding import embed_font
from mixedscope.charts.common.interactive import Page, interactive_page
from mixedscope.charts.common.layers import in_few_layers
from mixedscope.charts.common.pdf import normalise_pdf
from mixedscope.charts.common.png import png_of
from mixedscope.charts.common.shorter import shorter
from mixedscope.charts.common.vega import compact, evaluated, measured, to_spec
from mixedscope.charts.common.web.document import framed
from mixedscope.core.arguments import door, named
from mixedscope.core.errors import ModelError, suggest
from mixedscope.tables.files import atomic_write, write_json

__all__ = [
    "FORMATS",
    "PPI",
    "SCALE",
    "TALLEST",
    "Figure",
    "as_svg",
    "check_formats",
    "picture",
    "save",
    "save_figure",
    "specified",
    "to_spec",
]

#: Resolution of PNG files: pixels per inch, where a length of 72 in a chart is one inch.
PPI: Final = 200

#: Pixels of a picture in a notebook for one of the chart.
_SHARP: Final = 1.5

#: What a specification calls the size that it is printed in, as a share of that it is drawn in.
SCALE: Final = "mixedscope:scale"

#: The height of a PDF file in points at most, 250 mm: taller charts are made smaller, so that every
#: figure fits on a page.
TALLEST: Final = 708.0


@dataclass(frozen=True)
class Figure:
    """A chart, ready to be saved, and what it says in words.

    Attributes
    ----------
    chart : altair chart
        With theme, title and description.
    title, caption : str
    files : mapping of str to callable
        Formats that are not made from the chart, and what gives their bytes; a page's takes the
        name of a picture beside it, if it is to hold none.
    told : mapping
        What else is told in words and numbers, for pages that show the figure.
    """

    chart: Any
    title: str
    caption: str
    files: Mapping[str, Callable[..., bytes]] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification of the chart."""
        return to_spec(self.chart)

    @door()
    def save(
        self, path: str | os.PathLike[str], formats: Sequence[str] | None = None
    ) -> list[Path]:
        """Write the figure, as charts of Altair are written.

        Parameters
        ----------
        path, formats
            As for `mixedscope.charts.save`.

        Returns
        -------
        list of pathlib.Path

        Raises
        ------
        ModelError
            If a format is unknown; nothing is written then.
        StoreError
            If a file cannot be written.
        """
        return save(self, path, formats)

    def _repr_html_(self) -> str:
        """The figure in a notebook, in a frame of its own: its page brings its own scripts."""
        make = self.files.get("html")
        page = make() if make else interactive_page(self.spec)
        return framed(page, self._repr_png_(), self.title, "height: 44rem; overflow: hidden")

    def _repr_png_(self) -> bytes:
        """The figure where no page can be shown."""
        return picture(self.spec, _SHARP)


def save_figure(
    figure: Figure,
    output: str | os.PathLike[str],
    formats: Sequence[str],
    back: tuple[str, str] | None = None,
    assets: Sequence[str | os.PathLike[str]] = (),
) -> list[Path]:
    """Write a figure in every format, and its words.

    ``output``: ``<name>.caption.json``, which receives title, caption and formats, and ``titled``,
    false where the title does not stand above the picture; the other files are written beside it.
    ``back``: where the interactive page leads back to. ``assets``: the style sheet that it shares
    with others; without one it holds everything. Gives the files, the words last. Raises ModelError
    if a format is unknown; nothing is written then. Raises StoreError if a file cannot be written.
    """
    path = Path(output)
    stem = path.with_name(path.name.removesuffix(".caption.json"))
    shared = next(((Path(asset), path) for asset in assets), None)
    spec = specified(figure)
    others = {"html": lambda: interactive_page(spec, back, shared), **figure.files}
    beside = next((f"{stem.name}.{name}" for name in _PICTURES if name in formats), None)
    still = beside if shared is not None else None
    # Pages of their own hold a picture for browsers without scripts, if none is there already.
    if isinstance(linked := figure.files.get("html"), Page):
        others["html"] = partial(linked.make, back, shared, still)
    written = _write(lambda: spec, os.fspath(stem), formats, others)
    words = {"title": figure.title, "caption": figure.caption, "formats": list(formats)}
    above = {} if "title" in spec else {"titled": False}
    write_json(path, {**words, **above, **figure.told})
    return [*written, path]


def specified(figure: Figure) -> dict[str, Any]:
    """What a figure specifies that nobody has had in hand since it was drawn."""
    return measured(figure.chart) or figure.spec


@door()
def save(
    chart: Any,
    path: str | os.PathLike[str],
    formats: Sequence[str] | None = None,
    files: Mapping[str, Callable[[], bytes]] | None = None,
) -> list[Path]:
    """Write a chart in one or more formats.

    Parameters
    ----------
    chart : altair chart or Figure
    path : path
        With the ending of a format (``name.html``), that file. Otherwise what the endings of all
        `formats` are appended to; one of these may be there already.
    formats : sequence of str, optional
        From ``svg``, ``png`` (`PPI` pixels per inch), ``pdf`` (at most 250 mm high), ``html``
        (interactive, everything within one file) and ``vl.json`` (Vega-Lite), and those of
        `files`; by default what the ending of the path says, or all if it has none.
    files : mapping of str to callable, optional
        What gives the bytes of formats that are not made from the chart, such as a film.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of ``formats``.

    Raises
    ------
    ModelError
        If a format is unknown, or the ending is that of another; nothing is written then.
    StoreError
        If a file cannot be written.
    """
    if isinstance(chart, Figure):
        files = {**chart.files, **(files or {})}
    elif not hasattr(chart, "to_dict") or not hasattr(chart, "save"):
        raise ModelError(
            "save writes a chart or a figure, as ms.charts.trace(fit) gives it, "
            f"not {named(chart)}."
        )
    others = {} if files is None else files
    if not isinstance(others, Mapping) or not all(map(callable, others.values())):
        raise ModelError(
            f"files must be a mapping of formats to functions that give bytes, not {named(files)}."
        )
    known = list(dict.fromkeys([*FORMATS, *others]))

    def spec() -> dict[str, Any]:
        return chart.spec if isinstance(chart, Figure) else to_spec(chart, check=True)

    name = os.fspath(path)
    ending = next((e for e in known if name.endswith(f".{e}")), None)
    if ending is not None:
        stem = name.removesuffix(f".{ending}")
        wanted = [ending] if formats is None else list(formats)
        if ending not in wanted:
            raise ModelError(
                f"{Path(name).name} ends in .{ending}, but {', '.join(wanted)} is asked for: leave "
                "out the ending, or the formats."
            )
        return _write(spec, stem, wanted, others)
    if formats is None and (suffix := Path(name).suffix[1:]):
        raise _no_format(suffix, known)
    return _write(spec, name, known if formats is None else formats, others)


def _write(
    draw: Callable[[], dict[str, Any]],
    stem: str,
    formats: Sequence[str],
    others: Mapping[str, Callable[[], bytes]],
) -> list[Path]:
    """Write what a function specifies in formats whose endings are appended to a path."""
    check_formats(formats, others)
    spec = draw() if any(name not in others for name in formats) else {}
    # Everything is rendered before the first file is touched.
    payloads = {
        Path(f"{stem}.{name}"): others[name]() if name in others else FORMATS[name](spec)
        for name in formats
    }
    return [atomic_write(path, payload) for path, payload in payloads.items()]


def check_formats(formats: Sequence[str], others: Iterable[str] = ()) -> None:
    """Refuse a format that is neither one of every chart nor one of these others."""
    known = list(dict.fromkeys([*FORMATS, *others]))
    for name in formats:
        if name not in known:
            raise _no_format(name, known)


def _no_format(name: str, known: Sequence[str]) -> ModelError:
    return ModelError(
        f"There is no format {name!r}.{suggest(name, known)} Known are: "
        f"{', '.join(dict.fromkeys(known))}."
    )


def as_svg(chart: Any) -> str:
    """Give a chart as the text of an SVG file."""
    return _svg(to_spec(chart)).decode()


#: Formats that browsers show as a picture.
_PICTURES: Final = ("svg", "png")


# -- one function per format ---------------------------------------------------------------------


def _svg(spec: dict[str, Any]) -> bytes:
    return (embed_font(shorter(_printed(evaluated(spec), spec))) + "\n").encode()


def _png(spec: dict[str, Any]) -> bytes:
    drawn = _printed(in_few_layers(evaluated(spec)), spec)
    return png_of(_document(drawn), PPI, opaque=_OPAQUE.search(drawn) is not None)


def picture(spec: dict[str, Any], scale: float) -> bytes:
    """A chart as PNG, so many pixels to one that it is drawn in."""
    drawn = in_few_layers(evaluated(spec))
    return png_of(_document(drawn), round(72 * scale), opaque=_OPAQUE.search(drawn) is not None)


def _pdf(spec: dict[str, Any]) -> bytes:
    return normalise_pdf(_document(_printed(in_few_layers(evaluated(spec)), spec, tallest=TALLEST)))


# A chart that is not taller than a page is the same in both.
@lru_cache(maxsize=1)
def _document(svg: str) -> bytes:
    """An SVG as PDF, its objects in the order in which the renderer came upon them."""
    document: bytes = vlc.svg_to_pdf(svg)
    return document


#: What covers an SVG file as a whole, if its colour does.
_OPAQUE: Final = re.compile(
    r'<rect width="[0-9.]+" height="[0-9.]+" fill="(?:#[0-9A-Fa-f]{6}|white)"/>'
)


#: Width and height of an SVG file; its viewBox keeps the coordinates.
_SIZE: Final = re.compile(r'(<svg\b[^>]*?) width="([0-9.]+)" height="([0-9.]+)"')


def _printed(svg: str, spec: dict[str, Any], tallest: float = math.inf) -> str:
    """An SVG in the size that its chart is printed in, and no taller than `tallest`."""
    wanted = float(spec.get("usermeta", {}).get(SCALE, 1.0))
    if wanted == 1.0 and math.isinf(tallest):
        return svg

    def sized(match: re.Match[str]) -> str:
        width, height = float(match[2]), float(match[3])
        scale = min(wanted, tallest / height)
        return f'{match[1]} width="{scale * width:g}" height="{scale * height:g}"'

    return _SIZE.sub(sized, svg, count=1)


def _vega_lite(spec: dict[str, Any]) -> bytes:
    return (compact(spec) + "\n").encode()


#: Formats and how each is made from a specification.
FORMATS: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "svg": _svg,
    "png": _png,
    "pdf": _pdf,
    "html": interactive_page,
    "vl.json": _vega_lite,
}
