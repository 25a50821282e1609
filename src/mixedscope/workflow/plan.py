"""From a checked configuration to the jobs of the workflow: their files and their parameters.

Every path under ``results/`` is spelled here or as the output of a rule, nowhere else.
Parameters are plain dictionaries that hold what one job depends on and no more, so that a changed
key reruns what it touches only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixedscope.charts.common.assets import asset_name
from mixedscope.charts.registry import (
    CHARTS,
    MODEL_CHARTS,
    ChartSpec,
    chart_kind,
    chart_names,
)
from mixedscope.core.errors import ConfigError, DataError
from mixedscope.core.seeds import derive_seed
from mixedscope.data.sources import RDATASETS, source_digest
from mixedscope.design.spec import without_defaults
from mixedscope.formula.parse import parse_formula
from mixedscope.inference.studies.registry import STUDIES
from mixedscope.sweeps.check import broken_simulations
from mixedscope.tables.fit_names import kind_beside
from mixedscope.tables.schemas import schema_module
from mixedscope.workflow.chart_tables import tables_beside, tables_of_fits
from mixedscope.workflow.config.families import is_of_families
from mixedscope.workflow.config.model import (
    Config,
    dataset_entries,
    read_yaml,
    validate_config,
)

__all__ = ["INFERENCE", "TABLES_OF_MODELS", "TOGETHER", "Plan", "make_plan"]


#: Tables of a model as a whole, by the key that asks for them.
TABLES_OF_MODELS = {
    "race": ("race", "race_ends", "race_timing"),
    "efficiency": ("efficiency", "efficiency_draws", "efficiency_refits", "efficiency_timing"),
    "crossvalidation": ("crossvalidation", "crossvalidation_groups", "crossvalidation_fits"),
    "power": ("power", "power_sizes"),
}

#: Keys of a model whose tables stand beside its fits: see `mixedscope.workflow.inference_plan`.
INFERENCE = ("tests", "influence", "profile", "bootstrap", "table")

#: Charts that show all models of a run.
TOGETHER = ("phases", "phases-seconds")


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
        if source is None or source.startswith(RDATASETS):
            return []
        return [os.path.expanduser(source)]

    @cached_property
    def source_digests(self) -> dict[str, str | None]:
        """SHA-256 of the file that each data set is read from; None for simulated ones.

        Content decides what is stale, not time stamps: a file that was replaced by an older one is
        another, one that was touched is the same.

        Raises
        ------
        ConfigError
            If a source is not there; every one is listed, with what may have been meant. Or if
            Snakemake cannot say its name.
        """
        for name in self.config.datasets:
            for file in self.source_files(name):
                if re.search("<.*>", file):
                    raise ConfigError(
                        f"datasets.{name}.source: Snakemake reads what stands between < and > in "
                        f"a path as a variable: rename {file!r}."
                    )
        digests: dict[str, str | None] = {}
        faults = []
        for name, dataset in self.config.datasets.items():
            try:
                digests[name] = None if dataset.source is None else source_digest(dataset.source)
            except DataError as error:
                faults.append(f"  datasets.{name}.source: {error}")
        if faults:
            raise ConfigError(
                "\n".join(
                    ["Data cannot be found:", *faults]
                    + [f"Relative names of files start from the working directory, {Path.cwd()}."]
                )
            )
        return digests

    def check_simulations(self) -> None:
        """Raise ConfigError if a data set cannot be simulated; small ones are tried."""
        entries = self.parameters["datasets"].items()
        simulated = [
            (f"  datasets.{name}.simulate", entry["simulate"])
            for name, entry in entries
            if "simulate" in entry
        ]
        if faults := simulated and broken_simulations(simulated):
            raise ConfigError("\n".join(["Data cannot be simulated:", *faults]))

    def data_file(self, model: str) -> str:
        """The prepared data of a model."""
        return f"results/data/{self.config.models[model].dataset}.parquet"

    def fit_files(self, file: str, *, model: str | None = None, shows: str = "all") -> list[str]:
        """One file of each fit, of all models or of one.

        Parameters
        ----------
        file : str
            Name of the file, such as ``"fit.json"``.
        model : str, optional
        shows : {"all", "structures", "optimizers", "first"}
            All fits, or those that a chart shows side by side: all structures by the first
            optimiser, the first structure by all optimisers, the first of both.

        Returns
        -------
        list of str
        """
        return [
            f"results/fits/{name}/{structure}/{optimizer}/{file}"
            for name, entry in self.config.models.items()
            if model in (None, name)
            for structure in entry.structures[: 1 if shows in ("optimizers", "first") else None]
            for optimizer in entry.optimizers[: 1 if shows in ("structures", "first") else None]
        ]

    def studies(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Studies whose tables the charts read, with their settings, by the job that makes them.

        A costly study has a job of its own; ``study`` makes the others.
        """
        kinds = [CHARTS[kind] for kind in self.config.charts.kinds]
        wanted = {study for kind in kinds for study in self._shown_studies(kind)}
        jobs: dict[str, dict[str, dict[str, Any]]] = {}
        for name, study in STUDIES.items():
            if name in wanted:
                job = jobs.setdefault(f"study_{name}" if study.costly else "study", {})
                job[name] = self.config.charts.studies.get(name, {})
        return jobs

    def _shown_studies(self, kind: ChartSpec) -> tuple[str, ...]:
        """The studies that a chart reads or shows, with those that its options ask for."""
        chosen = self.parameters["charts"].get(kind.name, {})
        return (*kind.shown_studies, *kind.asked_studies(chosen))

    def study_tables(self, job: str) -> list[str]:
        """Names of the tables that one of these jobs makes."""
        return [table for name in self.studies()[job] for table in STUDIES[name].tables]

    def study_modules(self, job: str) -> list[str]:
        """Modules that one of these jobs finds by name: its studies, the schemas of its tables."""
        studies = [STUDIES[name].module for name in self.studies()[job]]
        return _distinct([studies, map(schema_module, self.study_tables(job))])

    def compare_files(self) -> list[str]:
        """The tables of structures, one per model."""
        return [f"results/compare/{name}/structures.parquet" for name in self.config.models]

    def csv_files(self) -> list[str]:
        """Tables of fits and of models that are written as CSV too, those without seconds."""
        of_fits = [p for t in ("estimates", "modes") for p in self.fit_files(f"{t}.csv")]
        return of_fits + [
            path.removesuffix(".parquet") + ".csv"
            for path in self.compare_files() + self.shown_tables()
        ]

    def shown_tables(self) -> list[str]:
        """Tables of models as a whole that their pages link to, those without seconds."""
        return [
            f"results/compare/{name}/{table}.parquet"
            for name, entry in self.config.models.items()
            for table in (
                "tests",
                "components",
                *(
                    table
                    for key, tables in TABLES_OF_MODELS.items()
                    if getattr(entry, key) is not None
                    for table in tables
                    if not table.endswith("_timing")
                ),
            )
        ]

    def bootstrap_files(self, model: str) -> list[str]:
        """Draws of the bootstrap of a model, a batch to a file; none where it is not asked for."""
        entry = self.config.models[model]
        asked = entry.bootstrap
        if asked is None or "tests" not in asked.of:
            return []
        return [f"results/compare/{model}/bootstrap/{part}.parquet" for part in asked.batches]

    def charts(self) -> dict[str, list[str]]:
        """Names of the charts of every model, in the order in which they are shown."""
        kinds = self.config.charts.kinds
        formulas = {n: parse_formula(entry.formula) for n, entry in self.config.models.items()}
        return {
            name: [
                c
                for c in chart_names(formulas[name].groups, kinds, formulas[name].scalar_groups)
                if set(chart_kind(c).beside) <= set(tables_beside(entry))
                and (entry.family is None or is_of_families(chart_kind(c)))
            ]
            + [
                c
                for c, chart in MODEL_CHARTS.items()
                # A ladder of one structure would compare nothing.
                if getattr(entry, chart.key) is not None
                and (c != "ladder" or len(entry.structures) > 1)
                and (entry.family is None or is_of_families(chart))
            ]
            for name, entry in self.config.models.items()
        }

    def model_chart_tables(self, model: str, chart: str) -> list[str]:
        """Files of the tables that a chart of the model as a whole reads, such as its race."""
        return [f"results/compare/{model}/{t}.parquet" for t in MODEL_CHARTS[chart].tables]

    def chart_fits(self, model: str, chart: str) -> list[str]:
        """``fit.json`` of each fit that a chart of a model shows side by side."""
        return self.fit_files("fit.json", model=model, shows=chart_kind(chart).shows)

    def chart_tables(self, model: str, chart: str) -> list[str]:
        """The tables of these fits that the chart reads."""
        shows = chart_kind(chart).shows
        extra = set(chart_kind(chart).also) - set(tables_beside(self.config.models[model]))
        return [
            path
            for name in tables_of_fits(chart, self.parameters["charts"])
            if name not in extra
            for path in self.fit_files(f"{name}.parquet", model=model, shows=shows)
        ]

    def drawing_jobs(self) -> list[tuple[str, str, list[str]]]:
        """Jobs that draw the charts of models: name, model, charts.

        To start one takes about as long as to draw a chart: a model has one for what moves, one for
        what waits for a costly study, one for the page that links all, and one for all others.
        """
        kinds = self._kinds_apart()
        jobs = []
        for number, (model, names) in enumerate(self.charts().items(), start=1):
            alone = {
                job: [
                    name
                    for name in names
                    if name not in MODEL_CHARTS and chart_kind(name).name in drawn
                ]
                for job, drawn in kinds.items()
            }
            jobs += [
                (f"{job}_{number}", model, charts)
                for job, charts in {"charts": self.still_charts(model), **alone}.items()
                if charts
            ]
        return jobs

    def still_charts(self, model: str) -> list[str]:
        """Charts of a model that one job draws: all but those drawn apart."""
        names = self.charts()[model]
        apart = [kind for kinds in self._kinds_apart().values() for kind in kinds]
        return [
            name for name in names if name in MODEL_CHARTS or chart_kind(name).name not in apart
        ]

    def _kinds_apart(self) -> dict[str, list[str]]:
        """Kinds of charts that jobs of their own draw, by the name of the job."""
        return {
            "moving": self.film_kinds(),
            "costly": self.costly_kinds(),
            "linked": self.page_kinds(),
        }

    def drawn_fits(self, model: str, charts: Iterable[str]) -> list[str]:
        """``fit.json`` of each fit that charts of a model show."""
        return _distinct(self.chart_fits(model, c) for c in charts if c not in MODEL_CHARTS)

    def drawn_tables(self, model: str, charts: Iterable[str]) -> list[str]:
        """The tables of fits that charts of a model read."""
        return _distinct(self.chart_tables(model, c) for c in charts if c not in MODEL_CHARTS)

    def drawn_compared(self, model: str, charts: Iterable[str]) -> list[str]:
        """The tables of the model as a whole that charts of it read."""
        return _distinct(self.model_chart_tables(model, c) for c in charts if c in MODEL_CHARTS)

    def shown(self, model: str, charts: Iterable[str]) -> dict[str, list[str]]:
        """What each chart shows, without its directory: see `mixedscope.workflow.steps.charts`."""
        return {
            chart: [Path(file).name for file in self.model_chart_tables(model, chart)]
            if chart in MODEL_CHARTS
            else ["/".join(Path(file).parts[-3:-1]) for file in self.chart_fits(model, chart)]
            for chart in charts
        }

    def chart_settings(self, charts: Iterable[str]) -> dict[str, Any]:
        """The part of the settings of charts that these charts depend on."""
        kinds = [chart_kind(chart) for chart in charts if chart not in MODEL_CHARTS]
        others = {name for name, kind in CHARTS.items() if kind not in kinds}
        return {k: v for k, v in self.parameters["charts"].items() if k not in others}

    def chart_modules(self, charts: Iterable[str]) -> list[str]:
        """Modules that a job which draws these charts of a model finds by name.

        These are the charts themselves, and the schemas of the tables that they read.
        """
        kinds = [MODEL_CHARTS.get(chart) or chart_kind(chart) for chart in charts]
        tables = [t for kind in kinds for t in kind.tables]
        tables += [kind_beside(t) for kind in kinds for t in (*kind.beside, *kind.also)]
        studies = [study for kind in kinds for study in self._shown_studies(kind)]
        tables += [table for study in studies for table in STUDIES[study].tables]
        return _distinct([(kind.module for kind in kinds), map(schema_module, tables)])

    def costly_kinds(self) -> list[str]:
        """Kinds of charts, in the configuration, that wait for a costly study."""
        return [
            kind
            for kind in self.config.charts.kinds
            if any(STUDIES[study].costly for study in CHARTS[kind].studies)
        ]

    def page_kinds(self) -> list[str]:
        """Kinds of charts, in the configuration, that are pages of their own and do not move."""
        return [kind for kind in self.config.charts.kinds if CHARTS[kind].page]

    def film_kinds(self) -> list[str]:
        """Kinds of charts that there are films of, in the configuration."""
        return [kind for kind in self.config.charts.kinds if CHARTS[kind].formats]

    def film_formats(self) -> list[str]:
        """Formats of films."""
        return list(dict.fromkeys(f for kind in self.film_kinds() for f in CHARTS[kind].formats))

    def film_files(self) -> list[str]:
        """Every film of every model, whether it is asked for or not."""
        return [
            f"results/charts/{model}/{chart}.{kind}"
            for model, charts in self.charts().items()
            for chart in charts
            if chart not in MODEL_CHARTS
            for kind in chart_kind(chart).formats
        ]

    def chart_files(self) -> list[str]:
        """Every file of every chart that the configuration asks for."""
        of_models = [
            f"results/charts/{model}/{chart}.{kind}"
            for model, charts in self.charts().items()
            for chart in charts
            for kind in (*self.config.charts.formats, "caption.json")
        ]
        of_all = [
            f"results/charts/{chart}.{kind}"
            for chart in TOGETHER
            for kind in (*self.config.charts.formats, "caption.json")
        ]
        return of_models + of_all + (self.film_files() if self.config.charts.films else [])

    def asset_files(self) -> list[str]:
        """What the interactive pages of the run share; nothing where each holds everything."""
        charts = self.config.charts
        shared = charts.html == "shared" and "html" in charts.formats
        return [f"results/assets/{asset_name()}"] if shared else []

    def caption_files(self) -> list[str]:
        """The captions of the charts of every model."""
        return [
            f"results/charts/{model}/{chart}.caption.json"
            for model, charts in self.charts().items()
            for chart in charts
        ]

    def page_files(self) -> list[str]:
        """The pages of models."""
        return [f"results/pages/{model}.html" for model in self.config.models]

    def together_files(self) -> list[str]:
        """The captions of the charts that show all models."""
        return [f"results/charts/{chart}.caption.json" for chart in TOGETHER]


def _distinct(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


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
    parameters = {
        "datasets": dataset_entries(config),
        "models": {
            name: without_defaults(
                model.model_dump(
                    exclude={"structures", "optimizers", *INFERENCE, *TABLES_OF_MODELS}
                )
            )
            for name, model in config.models.items()
        },
        "optimizers": {name: o.model_dump() for name, o in config.optimizers.items()},
        "charts": config.charts.model_dump(
            exclude={"films", "formats", "html", "keyframes", "kinds", "studies"}
        ),
        "races": {
            name: {
                "structure": model.race.structure or model.structures[0],
                "optimizers": {o: config.optimizers[o].model_dump() for o in model.race.optimizers},
                "starts": model.race.starts,
            }
            for name, model in config.models.items()
            if model.race is not None
        },
        "crossvalidations": {
            name: {
                "structures": model.structures,
                "settings": model.crossvalidation.model_dump(),
                "seed": derive_seed(config.seed, "cross-validation of a model", model=name),
            }
            for name, model in config.models.items()
            if model.crossvalidation is not None
        },
    }
    return Plan(config, parameters)
