"""Formats in which tables are written, and how the name of a file in each ends."""

from __future__ import annotations

from typing import Final

__all__ = ["FORMATS"]

FORMATS: Final = {
    "text": ".txt",
    "markdown": ".md",
    "html": ".html",
    "latex": ".tex",
    "typst": ".typ",
    "word": ".docx",
}
