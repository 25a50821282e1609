"""What follows from the fits of a model where it is asked for: which files, from which settings.

Fits of the first optimiser have it, under every structure; charts show the same fits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from mixedscope.api.printing.endings import FORMATS
from mixedscope.core.seeds import derive_seed
from mixedscope.inference.intervals.registry import METHODS
from mixedscope.sweeps.costs import ModelSize
from mixedscope.tables.fit_names import WITHOUT_CSV
from mixedscope.workflow.chart_tables import OF_PAIRS, TABLES_OF_KEYS, tables_beside
from mixedscope.workflow.config.inference import OBSERVATION
from mixedscope.workflow.plan import Plan

__all__ = ["InferencePlan"]

#: Methods of intervals whose tables stand beside each fit.
_STORED_INTERVALS: Final = ("profile", "bootstrap")

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
        entry = self.plan.config.models[model]
        settings: dict[str, Any] = getattr(entry, key).model_dump()
        if key == "tests" and entry.family is not None:
            settings["df"] = "none"  # those of families are for large samples
        return settings

    def tables(self, model: str) -> list[str]:
        """Names of the tables beside each fit of a model."""
        return tables_beside(self.plan.config.models[model])

    def table_files(self, model: str | None = None) -> list[str]:
        """Every table beside a fit, of all models or of one."""
        return [
            file
            for name in self.plan.config.models
            if model in (None, name)
            for table in self.tables(name)
            for file in self.plan.fit_files(f"{table}.parquet", model=name, shows="structures")
        ]

    def csv_files(self) -> list[str]:
        """The same as CSV, but for points of profiles and draws."""
        return [
            file.removesuffix(".parquet") + ".csv"
            for file in self.table_files()
            if PurePath(file).stem not in WITHOUT_CSV
        ]

    def interval_settings(self, model: str) -> dict[str, Any]:
        """What intervals of a bootstrap depend on beside its draws."""
        settings = self.settings("bootstrap", model)
        return {key: settings[key] for key in ("interval", "level")}

    def profiled_models(self, pairs: bool) -> str:
        """Pattern of the names of models that are profiled with contours of pairs, or without."""
        names = [
            re.escape(name)
            for name, entry in self.plan.config.models.items()
            if entry.profile is not None and bool(entry.profile.pairs) is pairs
        ]
        return "|".join(names) or "(?!)"

    def profile_files(self, pairs: bool) -> list[str]:
        """Tables that profiling writes beside the profile, with contours of pairs or without."""
        return [
            f"{name}.parquet"
            for name in TABLES_OF_KEYS["profile"]
            if name != "profile" and (pairs or name not in OF_PAIRS)
        ]

    def printed_files(self, model: str | None = None) -> list[str]:
        """The tables for papers, of all models or of one, in every format."""
        return [
            f"results/compare/{name}/table{FORMATS[kind]}"
            for name, entry in self.plan.config.models.items()
            if model in (None, name) and entry.table is not None
            for kind in entry.table.formats
        ]

    def printed_settings(self, model: str) -> dict[str, Any]:
        """How the table of a model is printed; its level is that of what it shows."""
        charts = self.plan.config.charts
        settings = self.settings("table", model)
        settings |= {"labels": charts.labels, "units": charts.units}
        if settings["level"] is None:
            source = getattr(self.plan.config.models[model], str(settings["intervals"]), None)
            settings["level"] = getattr(source, "level", 0.95)
        return settings

    def printed_intervals(self, model: str) -> list[str]:
        """Stored intervals that the table of a model shows; none where it finds its own."""
        method = self.settings("table", model)["intervals"]
        if method not in _STORED_INTERVALS:
            return []
        return self.plan.fit_files(f"{method}_intervals.parquet", model=model, shows="structures")

    def printed_modules(self, model: str) -> list[str]:
        """Module of the intervals that the table of a model finds by name."""
        method = self.settings("table", model)["intervals"]
        return [] if method in (None, *_STORED_INTERVALS) else [METHODS[method].module]

    def bootstrap_files(self, directory: str, model: str) -> list[str]:
        """Draws of the bootstrap of a fit, a batch to a file in its directory."""
        asked = self.plan.config.models[model].bootstrap
        assert asked is not None
        return [f"{directory}/bootstrap/{part}.parquet" for part in asked.batches]

    def bootstrap_seed(self, model: str) -> int:
        """Seed of the draws from each fit of a model."""
        asked = self.plan.config.models[model].bootstrap
        assert asked is not None
        if asked.seed is not None:
            return asked.seed
        return derive_seed(self.plan.config.seed, "bootstrap of a fit", model=model)

    def profile_fits(self, model: str, size: ModelSize) -> float:
        """As many fits as the profiles of a model take, about."""
        asked = self.plan.config.models[model].profile
        if asked is None:
            return 0.0
        parameters = size.parameters + size.columns + 1
        every = parameters * (parameters - 1) // 2
        pairs = every if asked.pairs is True else len(asked.pairs or ())
        return 10.0 * parameters + 100.0 * pairs

    def bootstrap_fits(self, model: str, size: ModelSize) -> float:
        """As many fits as a job of the bootstrap makes."""
        asked = self.plan.config.models[model].bootstrap
        return 0.0 if asked is None else float(asked.batch)

    def influence_fits(self, model: str, size: ModelSize) -> float:
        """As many fits as leaving out every unit takes, about."""
        asked = self.plan.config.models[model].influence
        if asked is None:
            return 0.0
        # A column of the data has no more values than there are rows, seldom more than a factor.
        units = sum(size.rows if by == OBSERVATION else max(size.effects) for by in asked.by)
        return units * _UNIT_COSTS[asked.method]
