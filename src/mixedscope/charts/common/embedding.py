"""The font that pictures carry with them, so that text is as wide as it was measured.

Charts are laid out with Liberation Sans, which the renderer has.  A reader's machine may have no
font of its widths: SVG files and pages therefore hold what they need of it, in slices by script.
What is in no slice is drawn in a font of the reader's.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["FAMILY", "SLICES", "all_font_faces", "embed_font", "font_faces", "image_data"]

#: What the embedded font is called: no name that a machine's own fonts have.
FAMILY: Final = "mixedscope Sans"

#: Ranges of characters of each slice; ``fonts/make.py`` makes the files.
SLICES: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "basic": (
        *((0x20, 0x7E), (0xA0, 0xA0), (0xB0, 0xB3), (0xB5, 0xB5), (0xB7, 0xB7), (0xD7, 0xD7)),
        *((0x2010, 0x2027), (0x2032, 0x2033), (0x2212, 0x2212), (0x2264, 0x2265)),
        *((0x2190, 0x2193), (0x221A, 0x221A), (0x221E, 0x221E), (0x2248, 0x2248)),
        *((0x398, 0x398), (0x39B, 0x39B), (0x3B2, 0x3B2), (0x3B8, 0x3B8), (0x3C1, 0x3C1)),
        *((0x3C3, 0x3C3), (0x3C7, 0x3C7), (0x2070, 0x2079)),
    ),
    "latin": ((0xA0, 0x24F), (0x1E00, 0x1EFF), (0x2039, 0x203A), (0x20AC, 0x20AC)),
    "greek": ((0x370, 0x3FF),),
    "cyrillic": ((0x400, 0x52F),),
}

_TEXT: Final = re.compile(r"<text\b([^>]*)>(.*?)</text>", re.DOTALL)
_ROOT: Final = re.compile(r"<svg\b[^>]*>")


def font_faces(characters: Iterable[str], weight: str) -> str:
    """The rules of a style sheet that bring the font for characters.

    ``weight`` is one of "400", "700". Gives CSS; empty where no slice has any of them.
    """
    codes = {ord(character) for character in characters}
    rules = []
    missing = codes
    for name, ranges in SLICES.items():
        own = {code for code in missing if any(low <= code <= high for low, high in ranges)}
        missing = missing - own
        if own:
            rules.append(
                f'@font-face{{font-family:"{FAMILY}";font-weight:{weight};'
                f"src:url(data:font/woff2;base64,{_slice(weight, name)})}}"
            )
    return "".join(rules)


def all_font_faces() -> str:
    """The rules that bring all of the font."""
    everything = [chr(low) for ranges in SLICES.values() for low, _ in ranges]
    return "".join(font_faces(everything, weight) for weight in ("400", "700"))


def embed_font(svg: str) -> str:
    """Put into an SVG file what its text needs of the font.

    ``svg``: as the renderer writes it: every text is an element with its attributes.
    """
    used: dict[str, set[str]] = {"400": set(), "700": set()}
    for attributes, content in _TEXT.findall(svg):
        weight = "700" if 'font-weight="bold"' in attributes else "400"
        used[weight] |= set(html.unescape(re.sub(r"<[^>]*>", "", content)))
    faces = "".join(font_faces(characters, weight) for weight, characters in used.items())
    root = _ROOT.search(svg)
    if not faces or root is None:
        return svg
    return f"{svg[: root.end()]}<style>{faces}</style>{svg[root.end() :]}"


def image_data(image: bytes, kind: str) -> str:
    """An image as an address that holds it; ``kind``: its media type, such as ``image/png``."""
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


@cache
def _slice(weight: str, name: str) -> str:
    data = (files(__package__) / "fonts" / f"{weight}-{name}.woff2").read_bytes()
    return base64.b64encode(data).decode()
