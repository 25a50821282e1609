"""What follows from the fits of a model where it is asked for: which files, from which settings.

Fits of the first optimiser have it, under every structure; charts show the same fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mixedscope.sweeps.costs import ModelSize
from mixedscope.workflow.config.inference import OBSERVATION
from mixedscope.workflow.plan import Plan

__all__ = ["InferencePlan"]

#: Tables beside a fit by the key that asks for them, each as CSV too.
_TABLES: Final = {
    "tests": ("tests",),
    "influence": ("influence", "influence_parameters"),
}

#: What leaving out one unit costs, as a share of a fit, by method.
_UNIT_COSTS: Final = {"fixed": 0.05, "newton": 0.3, "exact": 1.0}


@dataclass(frozen=True)
class InferencePlan:
    """Tables of tests, influence and intervals of the models of a plan.

    Attributes
    ----------
    plan : Plan
    """

    plan: Plan

    def settings(self, key: str, model: str) -> dict[str, Any]:
        """What a key of a model says, its defaults included."""
        settings: dict[str, Any] = getattr(self.plan.config.models[model], key).model_dump()
        return settings

    def table_files(self, model: str | None = None) -> list[str]:
        """Every table beside a fit, of all models or of one; a CSV file stands beside each."""
        return [
            file
            for name, entry in self.plan.config.models.items()
            if model in (None, name)
            for key, tables in _TABLES.items()
            if getattr(entry, key) is not None
            for table in tables
            for file in self.plan.fit_files(f"{table}.parquet", model=name, shows="structures")
        ]

    def csv_files(self) -> list[str]:
        """The same as CSV."""
        return [f"{file.removesuffix('.parquet')}.csv" for file in self.table_files()]

    def influence_fits(self, model: str, size: ModelSize) -> float:
        """As many fits as leaving out every unit takes, about."""
        asked = self.plan.config.models[model].influence
        if asked is None:
            return 0.0
        # A column of the data has no more values than there are rows, seldom more than a factor.
        units = sum(size.rows if by == OBSERVATION else max(size.effects) for by in asked.by)
        return units * _UNIT_COSTS[asked.method]
