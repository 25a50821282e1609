"""Which stored tables of a fit a chart reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mixedscope.charts.registry import chart_kind
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.tables.fit_names import FIT_TABLES

if TYPE_CHECKING:
    from mixedscope.workflow.config.model import ModelConfig

__all__ = [
    "OF_PAIRS",
    "TABLES_OF_KEYS",
    "tables_beside",
    "tables_of_fits",
]

#: Tables beside a fit by the key that asks for them, each as CSV too.
TABLES_OF_KEYS: Final = {
    "tests": ("tests",),
    "influence": ("influence", "influence_parameters"),
    "profile": (
        "profile", "profile_intervals", "profile_parameters", "profile_coverage", "profile_curves",
        "profile_pairs", "profile_contours", "profile_traces",
    ),
    "bootstrap": (
        "bootstrap", "bootstrap_intervals", "bootstrap_parameters", "bootstrap_densities",
        "bootstrap_pairs", "bootstrap_regions",
    ),
}  # fmt: skip

#: Those of profiles that are of pairs.
OF_PAIRS: Final = ("profile_pairs", "profile_contours", "profile_traces")


def tables_beside(entry: ModelConfig) -> list[str]:
    """Name the tables beside each fit of a model, by the first optimiser."""
    found = [
        t for key, own in TABLES_OF_KEYS.items() if getattr(entry, key) is not None for t in own
    ]
    if entry.profile is not None and not entry.profile.pairs:
        found = [name for name in found if name not in OF_PAIRS]
    if entry.bootstrap is not None and "intervals" not in entry.bootstrap.of:
        found = [name for name in found if name not in TABLES_OF_KEYS["bootstrap"]]
    return found


def tables_of_fits(chart: str, settings: Mapping[str, Any] | None = None) -> list[str]:
    """Name the tables of each fit that a chart of a model shows: its own, of studies, beside it.

    ``settings``: those of charts, by kind: some ask for studies.

    Examples
    --------
    >>> tables_of_fits("stopping")[-2:]
    ['stopping', 'accuracy']
    """
    kind = chart_kind(chart)
    studies = (*kind.studies, *kind.where_made)
    studies += kind.asked_studies((settings or {}).get(kind.name, {}))
    studied = (table for study in studies for table in STUDIES[study].tables)
    return [*FIT_TABLES, *studied, *kind.beside, *kind.also]
