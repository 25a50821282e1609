"""The names of the stored tables of a fit, for those who only name them."""

from __future__ import annotations

from typing import Final

__all__ = ["FIT_TABLES"]

#: The Parquet tables of one fit; the attribute of `FitTables` and the stem of the file.
FIT_TABLES: Final = ("trace", "estimates", "modes", "modes_trace", "timing")
