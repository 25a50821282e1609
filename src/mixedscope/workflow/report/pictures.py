"""Pictures of figures: how large they are, and small ones for the overview."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final

from mixedscope.core.errors import StoreError
from mixedscope.tables.files import atomic_write

__all__ = ["SMALL", "natural_size", "small_picture"]

#: Longest side of a small picture in pixels: sharp where it is shown at a third of that.
SMALL: Final = 480

#: Colours of a small picture.
_COLOURS: Final = 256

_ROOT: Final = re.compile(rb"<svg\b[^>]*>")
_BOX: Final = re.compile(r'\sviewBox="0 0 ([0-9.]+) ([0-9.]+)"')
_SIDE: Final = r'\s%s="([0-9.]+)(?:px)?"'


def natural_size(path: Path) -> tuple[float, float]:
    """Width and height of an SVG or PNG of a chart, in the chart's own pixels."""
    try:
        if path.suffix == ".png":
            from PIL import Image

            from mixedscope.charts.common.render import PPI

            with Image.open(path) as image:
                width, height = image.size
            # A length of 72 in a chart is one inch.
            return width * 72 / PPI, height * 72 / PPI
        root = _ROOT.search(path.read_bytes()[:4096])
        head = root[0].decode() if root else ""
        # Where a figure is printed smaller than it is drawn, on a page it is as large as drawn.
        if box := _BOX.search(head):
            return float(box[1]), float(box[2])
        sides = [float(re.search(_SIDE % name, head)[1]) for name in ("width", "height")]  # type: ignore[index]
        return sides[0], sides[1]
    except (OSError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} is no picture that can be read. Delete it and make it again"
        ) from error


def small_picture(path: Path, output: Path) -> tuple[int, int]:
    """Write a small copy of an SVG or PNG, as PNG of few colours; give its width and height.

    Raises StoreError if there is no picture, or the copy cannot be written.
    """
    from PIL import Image

    width, height = natural_size(path)
    if path.suffix == ".svg":
        import vl_convert as vlc

        from mixedscope.charts.common.png import pixels_of

        document = vlc.svg_to_pdf(path.read_text("utf-8"))
        drawn = pixels_of(document, 2 * SMALL / max(width, height), opaque=True)
        image = Image.fromarray(drawn)
    else:
        image = Image.open(path)
    small = image.convert("RGB")
    small.thumbnail((SMALL, SMALL), Image.Resampling.LANCZOS)
    few = small.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    atomic_write(output, out.getvalue())
    return small.size
