"""Batches of every sweep of a configuration, the files each reads, and the files it writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixedscope.sweeps.batches import Batch, measured_costs, plan_batches, stored_batches
from mixedscope.sweeps.config import SweepConfig
from mixedscope.sweeps.grid import Definitions, Run, expand, swept_keys
from mixedscope.sweeps.identity import digest
from mixedscope.sweeps.names import chart_names
from mixedscope.tables.files import read_json

__all__ = ["Digested", "SweepPlan"]


class Digested(str):
    """A long text that is shown, and compared by Snakemake, as its digest."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Digested({digest(str(self))})"


@dataclass(frozen=True)
class SweepPlan:
    """The jobs of every sweep of a configuration.

    Attributes
    ----------
    sweeps : mapping of str to SweepConfig
    definitions : Definitions
    code : str
        Digest of the code that computes batches.
    formats : list of str
        Of charts.
    root : str
        Where ``results`` is found: elsewhere in a project that uses the workflow with a prefix,
        which Snakemake puts before the names given here.
    """

    sweeps: Mapping[str, SweepConfig]
    definitions: Definitions
    code: str
    formats: list[str]
    root: str = "results"

    @cached_property
    def runs(self) -> dict[str, list[Run]]:
        """Runs of every sweep, in order."""
        return {name: expand(sweep, self.definitions) for name, sweep in self.sweeps.items()}

    @cached_property
    def batches(self) -> dict[str, list[Batch]]:
        """Batches of every sweep: stored ones that hold its runs, and those still to be run."""
        directories = [self._stored(name) / "batches" for name in self.sweeps]
        costs = measured_costs(directories)
        return {
            name: plan_batches(
                self.runs[name],
                stored_batches(self._stored(name) / "batches", self.code),
                costs,
                seconds=sweep.batch_seconds,
            )
            for name, sweep in self.sweeps.items()
        }

    def content(self, sweep: str) -> str:
        """What the jobs of one sweep are told, as JSON: `plan.json`."""
        runs = self.runs[sweep]
        numbers: dict[str, int] = {}
        for run in runs:
            numbers.setdefault(run.objective, len(numbers) + 1)
        plan = {
            "swept": swept_keys(self.sweeps[sweep]),
            "runs": [[run.id, numbers[run.objective], run.keys] for run in runs],
            "batches": {batch.name: batch.specs for batch in self.batches[sweep]},
        }
        return Digested(
            json.dumps(plan, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        )

    def _stored(self, sweep: str) -> Path:
        return Path(self.root) / "sweeps" / sweep

    # -- files -------------------------------------------------------------------------------------

    def batch_files(self, sweep: str) -> list[str]:
        """The results of every batch of one sweep."""
        return [f"{_directory(sweep)}/{batch.name}.parquet" for batch in self.batches[sweep]]

    def timing_files(self, sweep: str) -> list[str]:
        """The seconds of every batch of one sweep."""
        return [f"{_directory(sweep)}/{b.name}.timing.parquet" for b in self.batches[sweep]]

    def data_files(self, sweep: str, batch: str) -> list[str]:
        """The prepared data sets that one batch reads."""
        known = {b.name: b.specs for b in self.batches[sweep]}
        # A job on another machine plans again, when other batches have been finished meanwhile.
        specs = known.get(batch) or read_json(self._stored(sweep) / "plan.json")["batches"][batch]
        files = [spec["data"].get("file") for spec in specs.values()]
        return list(dict.fromkeys(file for file in files if file is not None))

    def charts(self, sweep: str) -> dict[str, dict[str, Any]]:
        """Settings of the charts of one sweep, by name."""
        charts = self.sweeps[sweep].charts
        names = chart_names(charts)
        return {n: chart.model_dump() for n, chart in zip(names, charts, strict=True)}

    def chart_files(self, sweep: str) -> list[str]:
        """Every file of every chart of one sweep."""
        return [
            f"results/charts/sweeps/{sweep}/{name}.{kind}"
            for name in self.charts(sweep)
            for kind in (*self.formats, "caption.json")
        ]

    def caption_files(self) -> list[str]:
        """The captions of the charts of every sweep."""
        return [
            f"results/charts/sweeps/{sweep}/{name}.caption.json"
            for sweep in self.sweeps
            for name in self.charts(sweep)
        ]

    def page_files(self) -> list[str]:
        """The pages of sweeps that have charts."""
        return [f"results/pages/sweeps/{s}.html" for s in self.sweeps if self.charts(s)]

    def targets(self) -> list[str]:
        """What the sweeps of a run come to: tables and captions of charts."""
        return [*self.table_files(), *self.caption_files()]

    def run_files(self) -> list[str]:
        """The tables of runs, one per sweep."""
        return [f"results/sweeps/{sweep}/runs.parquet" for sweep in self.sweeps]

    def table_files(self) -> list[str]:
        """The tables of runs, and of how those perform that have intervals or tests."""
        return self.run_files() + [
            f"results/sweeps/{sweep}/performance.parquet"
            for sweep, runs in self.runs.items()
            if any("inference" in run.spec for run in runs)
        ]

    def csv_files(self) -> list[str]:
        """The same tables as CSV."""
        return [file.removesuffix(".parquet") + ".csv" for file in self.table_files()]


def _directory(sweep: str) -> Path:
    return Path("results/sweeps") / sweep / "batches"
