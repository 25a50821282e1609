"""The names of the stored tables of a fit, for those who only name them."""

from __future__ import annotations

from typing import Final

__all__ = ["BESIDE_FIT", "FIT_TABLES", "WITHOUT_CSV", "kind_beside"]

#: The Parquet tables of one fit; the attribute of `FitTables` and the stem of the file.
FIT_TABLES: Final = ("trace", "estimates", "modes", "modes_trace", "timing")

BESIDE_FIT: Final = (
    "tests",
    "influence",
    "influence_parameters",
    "profile_intervals",
    "bootstrap_intervals",
)
"""Files of tables that the workflow makes of a fit, and that are not read with it."""

WITHOUT_CSV: Final = (
    "profile",
    "profile_pairs",
    "profile_parameters",
    "profile_coverage",
    "profile_curves",
    "profile_contours",
    "profile_traces",
    "bootstrap",
    "bootstrap_parameters",
    "bootstrap_densities",
    "bootstrap_pairs",
    "bootstrap_regions",
)
"""Tables that the workflow makes of a fit whose rows are of use to programs alone."""


def kind_beside(name: str) -> str:
    """The kind of a table beside a fit: tests are of its fixed effects, not of structures."""
    return "effect_tests" if name == "tests" else name
