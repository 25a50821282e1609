"""Which characters of a chart no font of this machine can draw."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

__all__ = ["font_words"]

#: Scripts that the fonts which come with the renderer do not have: Arabic to Mongolian and others,
#: Chinese, Japanese, Korean, pictographs.
_OTHERS: Final = ((0x0600, 0x1CFF), (0x2E80, 0xA4CF), (0xA800, 0xD7FF), (0xF900, 0x10FFFF))

#: Fonts that are free and cover a part of them.
_ADVICE: Final = (
    ("CJK", "Noto Sans CJK (Debian: fonts-noto-cjk)"),
    ("HIRAGANA", "Noto Sans CJK (Debian: fonts-noto-cjk)"),
    ("KATAKANA", "Noto Sans CJK (Debian: fonts-noto-cjk)"),
    ("HANGUL", "Noto Sans CJK (Debian: fonts-noto-cjk)"),
)
_PICTURES: Final = "Noto Emoji (Debian: fonts-noto-color-emoji)"
_ANY: Final = "Noto Sans for its script (Debian: fonts-noto-core)"


def font_words(text: str) -> str | None:
    """Say which characters are drawn as boxes, and which font to install.

    ``text``: all that is written in some charts. Gives None where nothing is missing.
    """
    doubtful = [c for c in dict.fromkeys(text) if _is_other(c)]
    if not doubtful:
        return None
    covered = _covered()
    if covered is None:
        return (
            f"Whether a font of this machine has {_listed(doubtful)} is not known, for fontconfig "
            "(fc-list) is not installed: look at the PNG and PDF files."
        )
    missing = [c for c in doubtful if not any(low <= ord(c) <= high for low, high in covered)]
    if not missing:
        return None
    fonts = dict.fromkeys(map(_advice, missing))
    return (
        f"No font of this machine has {_listed(missing)}: PNG, PDF, GIF and MP4 show boxes. "
        f"Install {', '.join(fonts)} and draw again."
    )


def _is_other(character: str) -> bool:
    # Marks and format characters, such as those that vary an emoji, have no picture of their own.
    drawn = unicodedata.category(character)[0] in "LNSP"
    return drawn and any(low <= ord(character) <= high for low, high in _OTHERS)


def _listed(characters: Iterable[str]) -> str:
    found = list(characters)
    return " ".join(found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "")


def _advice(character: str) -> str:
    name = unicodedata.name(character, "")
    if unicodedata.category(character) == "So":
        return _PICTURES
    return next((font for script, font in _ADVICE if name.startswith(script)), _ANY)


@cache
def _covered() -> tuple[tuple[int, int], ...] | None:
    """Ranges of characters that the fonts of this machine have; None where nothing can tell."""
    program = shutil.which("fc-list")
    if program is None:
        return None
    listed = subprocess.run(
        [program, "--format", "%{charset} "], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        return None
    ranges = set()
    for part in listed.stdout.split():
        low, _, high = part.partition("-")
        ranges.add((int(low, 16), int(high or low, 16)))
    return tuple(ranges)
