"""PNG files of charts: their PDF, drawn by pdfium and packed well.

The renderer of Vega makes a PDF of an SVG in a tenth of the time that it takes to draw one, gives
pixels as a PNG that would have to be packed anew, and draws several times as slowly as pdfium.
Charts have large areas of one colour, which pack best where rows are not filtered first.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["pixels_of", "png_of"]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: What the format calls pixels of so many channels: colours alone, or with opacity.
_KINDS: Final = {3: 2, 4: 6}
_METRE: Final = 1
_POINTS: Final = 72.0

_CLEAR: Final = (255, 255, 255, 0)
_WHITE: Final = (255, 255, 255, 255)

Pixels = NDArray[np.uint8]


def pixels_of(document: bytes, scale: float, *, opaque: bool) -> Pixels:
    """Draw the one page of a PDF file: (height, width, 3), or 4 where it is seen through.

    ``scale``: pixels to a point. ``opaque``: whether a background covers the page.
    """
    # Reads its own configuration when it is loaded: most jobs draw nothing.
    from pypdfium2 import PdfDocument

    settings: dict[str, Any] = {"rev_byteorder": True, "may_draw_forms": False}
    with PdfDocument(document) as opened:
        page = opened[0]
        # Pixels that the page fills whole; its sides are told in single precision.
        width, height = (max(int(scale * side + 0.01), 1) for side in page.get_size())
        fill = _WHITE if opaque else _CLEAR
        drawn = page.render(scale=scale, fill_color=fill, **settings).to_numpy()
        pixels: Pixels = np.array(drawn[:height, :width])
        page.close()
    if not opaque and (pixels[:, :, 3] == 255).all():
        return pixels[:, :, :3]
    return pixels


def png_of(document: bytes, resolution: int, *, opaque: bool) -> bytes:
    """Draw the one page of a PDF file as PNG; ``resolution``: in pixels per inch."""
    pixels = pixels_of(document, resolution / _POINTS, opaque=opaque)
    height, width, channels = pixels.shape
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    per_metre = round(resolution / 0.0254)
    return _SIGNATURE + b"".join(
        [
            # Eight bits to a channel, the one way to pack, rows in their order.
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _KINDS[channels], 0, 0, 0)),
            _chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, _METRE)),
            _chunk(b"IDAT", zlib.compress(rows.data)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
