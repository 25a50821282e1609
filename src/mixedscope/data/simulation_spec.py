"""What a simulated experiment is made of: the keys of ``simulate``, their types and their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from mixedscope.core.errors import DataError, FormulaError, MixedscopeError, suggest, yaml_hint
from mixedscope.core.faults import describe_faults
from mixedscope.core.sections import Section, fault
from mixedscope.data.made_response import MadeResponse, made_response
from mixedscope.formula.parse import parse_formula

if TYPE_CHECKING:
    from mixedscope.families.family import Family

__all__ = [
    "SIMULATE_KEYS",
    "AsWritten",
    "Condition",
    "Covariate",
    "Limits",
    "RandomEffects",
    "SimulationSpec",
    "Unit",
    "read_spec",
]


def _must(be: str) -> WrapValidator:
    """What a value must be, in words that stand for the faults of all alternatives of its type."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise fault(f"must be {be}, not {value!r}{yaml_hint(value, 'number')}") from None

    return WrapValidator(check)


def _one_of(what: str, *names: str) -> WrapValidator:
    """One of some names; a typing error gets a suggestion."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            near = suggest(str(value), names)
            raise fault(f"unknown {what} {value!r}.{near} Known: {', '.join(names)}.") from None

    return WrapValidator(check)


def _short_for(key: str, kind: Any) -> BeforeValidator:
    """A section that may be written as the value of one of its keys alone."""
    return BeforeValidator(
        lambda value: value if isinstance(value, dict | Section) else {key: value},
        json_schema_input_type=kind,
    )


def _different(listed: list[Any]) -> list[Any]:
    if not listed or len(set(map(str, listed))) < len(listed):
        raise ValueError
    return listed


def _some(counts: int | list[int] | Limits) -> int | list[int] | Limits:
    if counts == 0 or (isinstance(counts, list) and not sum(counts)):
        raise ValueError
    return counts


def _one_or_more(trials: int | Limits) -> int | Limits:
    if isinstance(trials, Limits) and trials.min < 1:
        raise ValueError
    return trials


Number = Annotated[float, Field(allow_inf_nan=False), _must("a number")]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False), _must("a number from 0")]
Whole = Annotated[int, Field(ge=0)]


class Limits(Section):
    """Numbers drawn between two limits, which they may be."""

    min: Whole = 1
    max: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Limits:
        if self.min > self.max:
            raise fault("min must be no more than max")
        return self


class Unit(Section):
    """Units of observation: subjects, items, classes."""

    n: Annotated[
        Whole | list[Whole] | Limits,
        AfterValidator(_some),
        _must("a whole number n from 1, a list of them, one for each parent, or {min, max}"),
    ]
    """How many: a number (in each parent), a list with one number for each parent, or limits."""
    within: str | None = None
    """The unit it is nested in; units that are not nested are crossed."""
    prefix: Annotated[str | int, _must("text")] | None = None
    """Beginning of its labels; the first letter of its name, as a capital, by default."""
    numbering: Annotated[
        Literal["global", "within"],
        _must(
            "'global' (every unit has its own label) or 'within' (labels start again in each "
            "parent)"
        ),
    ] = "global"
    """Whether every unit has a label of its own, or labels start again in each parent."""


class Condition(Section):
    """A condition: categories or numbers that the experimenter sets."""

    levels: (
        Annotated[list[Any], AfterValidator(_different), _must("a list of different levels")] | None
    ) = None
    """Categories."""
    values: (
        Annotated[
            list[Number],
            AfterValidator(_different),
            _must("a list of different values, all numbers"),
        ]
        | None
    ) = None
    """Numbers."""
    between: str | None = None
    """The unit it is constant in; it varies within all units by default."""

    @model_validator(mode="after")
    def _one_kind(self) -> Condition:
        if (self.levels is None) == (self.values is None):
            raise fault("needs either 'levels' (categories) or 'values' (numbers)")
        return self


class Covariate(Section):
    """A numeric column that is drawn."""

    distribution: Annotated[
        Literal["normal", "uniform"], _one_of("distribution", "normal", "uniform")
    ] = "normal"
    of: str | None = None
    """The unit that has one number each; every row has its own by default."""
    mean: Number = 0.0
    """Of `normal`."""
    sd: Positive = 1.0
    """Standard deviation of `normal`."""
    low: Number = 0.0
    """Of `uniform`."""
    high: Number = 1.0
    """Of `uniform`."""
    round: Annotated[int, _must("a whole number")] | None = None
    """Decimals it is rounded to."""

    @model_validator(mode="after")
    def _parameters_are_its_own(self) -> Covariate:
        own = {"normal": {"low", "high"}, "uniform": {"mean", "sd"}}
        for other in sorted(own[self.distribution] & self.model_fields_set):
            raise fault(f"{other!r} is no parameter of the {self.distribution} distribution")
        if self.low > self.high:
            raise fault(f"low ({self.low:g}) must be no more than high ({self.high:g})")
        return self


class RandomEffects(Section):
    """The random effects of one grouping factor."""

    sd: Annotated[
        Positive | list[Positive] | dict[str, Positive],
        _must("numbers from 0, none of them a negative standard deviation, by term or in order"),
    ]
    """Standard deviations, by name of the term or in their order; 0 makes a singular truth."""
    correlations: Annotated[
        Number | list[list[Number]] | dict[str, dict[str, Number]],
        _must("a number, a matrix, or numbers by term and term"),
    ] = 0.0
    """One number for all pairs, a matrix, or by term and term; 0 where nothing is said."""


class SimulationSpec(Section):
    """A simulated experiment: the truth, and the rows."""

    seed: Annotated[int, Field(ge=0), _must("a whole number from 0")] | None = None
    """Every quantity draws from a stream of its own under it."""
    formula: str
    """Mixed-model formula whose left side names the response to make."""
    contrasts: dict[str, Any] = {}
    """Contrasts of conditions, as in models."""
    beta: Annotated[
        Number | list[Number] | dict[str, Number],
        _must("numbers, by name of the coefficient or in their order"),
    ]
    """Fixed effects, by name of the coefficient or in their order."""
    sigma: Positive | None = None
    """Residual standard deviation of a normal response; one of a family has none."""
    family: str | None = None
    """Family of the response, as of models; a normal one by default."""
    link: str | None = None
    """Link of the family; by default its first."""
    dispersion: (
        Annotated[float, Field(gt=0, allow_inf_nan=False), _must("a number above 0")] | None
    ) = None
    """Further parameter of the family: `size`, `dispersion`, `shape` or `precision`."""
    trials: (
        Annotated[
            Annotated[int, Field(ge=1)] | Limits,
            AfterValidator(_one_or_more),
            _must("a whole number from 1, or {min, max} from 1"),
        ]
        | None
    ) = None
    """Trials of each row of a binomial family."""
    random: dict[str, RandomEffects] = {}
    """Random effects of each grouping factor."""
    missing: dict[str, Annotated[float, Field(ge=0, lt=1), _must("a share from 0 to below 1")]] = {}
    """Share of the values of a column that are made missing."""
    units: Annotated[
        dict[str, Annotated[Unit, _short_for("n", Whole | list[Whole] | Unit)]], Field(min_length=1)
    ]
    """Units of observation: how many, or more about them."""
    conditions: dict[str, Annotated[Condition, _short_for("levels", list[Any] | Condition)]] = {}
    """Conditions: their levels, or more about them."""
    assign: Annotated[Literal["crossed", "latin-square"], _must("'crossed' or 'latin-square'")] = (
        "crossed"
    )
    """Whether every combination of units meets every combination of conditions, or one, in turn."""
    replicates: Annotated[
        Whole | Limits, AfterValidator(_some), _must("a whole number from 1, or {min, max}")
    ] = 1
    """Rows per cell."""
    covariates: dict[str, Covariate] = {}
    """Numeric columns that are drawn."""
    drop_cells: str | list[str] = []
    """Conditions: cells for which one of them is true are left out."""
    missing_cells: Annotated[float, Field(ge=0, lt=1), _must("a share from 0 to below 1")] = 0.0
    """Share of the cells that is left out at random."""
    keep: Annotated[float, Field(gt=0, le=1), _must("a share above 0, 1 at most")] = 1.0
    """Share of the rows that is kept at random."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, value: Any) -> Any:
        # ``covariates:`` with nothing after it.
        return (
            {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
        )

    @field_validator("units", mode="before")
    @classmethod
    def _some_units(cls, units: Any) -> Any:
        if not isinstance(units, dict) or not units:
            raise fault("must name at least one unit, such as subject: 56")
        return units

    @field_validator("formula")
    @classmethod
    def _formula_is_read(cls, text: str) -> str:
        try:
            parse_formula(text)
        except MixedscopeError as error:
            raise fault(str(error)) from None
        return text

    def made(self) -> MadeResponse:
        """What the left side of the formula makes."""
        return made_response(parse_formula(self.formula), self.family_made())

    def trials_asked(self) -> tuple[int, int] | None:
        """The fewest and the most trials of a row, where they are no column."""
        if isinstance(self.trials, Limits):
            return self.trials.min, self.trials.max
        return None if self.trials is None else (self.trials, self.trials)

    def family_made(self) -> Family | None:
        """The family with its link; None of a normal response."""
        if self.family is None:
            return None
        from mixedscope.families.registry import make_family  # loaded by those alone who have one

        return make_family(self.family, self.link)

    @model_validator(mode="after")
    def _response_is_known(self) -> SimulationSpec:
        try:
            family, made = self.family_made(), self.made()
        except FormulaError as error:
            raise fault(f"formula: {error}") from None
        except MixedscopeError as error:
            raise fault(str(error)) from None
        if family is None:
            for key in ("link", "dispersion", "trials"):
                if getattr(self, key) is not None:
                    raise fault(f"{key!r} belongs to a family: name one, as in family: binomial")
            if self.sigma is None:
                raise fault(
                    "'sigma' is missing, the residual standard deviation; or name a family of "
                    "responses that are not normal"
                )
            return self
        if self.sigma is not None:
            more = f": say its {family.dispersion} as 'dispersion'" if family.dispersion else ""
            raise fault(
                "'sigma' is the residual standard deviation of a normal response; the family "
                f"{family.name!r} has none{more}"
            )
        if family.dispersion is None and self.dispersion is not None:
            raise fault(f"the family {family.name!r} has no 'dispersion': leave it out")
        if family.dispersion is not None and self.dispersion is None:
            raise fault(
                f"'dispersion' is missing, the {family.dispersion} of the family {family.name!r}"
            )
        columns = [*self.units, *self.conditions, *self.covariates]
        counted = made.trials is not None and made.trials not in columns
        if (counted or made.failures is not None) and self.trials is None:
            raise fault(f"'trials' is missing: of how many trials are the {made.successes!r}?")
        if not counted and made.failures is None and self.trials is not None:
            raise fault(
                f"'trials' are those of column {made.trials!r}: leave the key out"
                if made.trials is not None
                else "'trials' go with a left side of the formula that says what becomes of them: "
                "cbind(successes, failures) or successes / trials"
            )
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> SimulationSpec:
        before: list[str] = []
        for name, unit in self.units.items():
            if unit.within is not None and unit.within not in before:
                raise fault(
                    f"unit {name!r} is within {unit.within!r}, which must be a unit listed before."
                    f"{suggest(unit.within, before)}"
                )
            before.append(name)
        for kind, word, unit_of in (
            ("condition", "between", {k: v.between for k, v in self.conditions.items()}),
            ("covariate", "of", {k: v.of for k, v in self.covariates.items()}),
        ):
            for name, of in unit_of.items():
                if of is not None and of not in self.units:
                    raise fault(
                        f"{kind} {name!r} is {word} {of!r}, which is no unit."
                        f"{suggest(of, self.units)}"
                    )
        formula = parse_formula(self.formula)
        columns = [*self.units, *self.conditions, *self.covariates]
        made = self.made()
        responses = [name for name in made.names if name != made.trials or name not in columns]
        for name in formula.variables:
            if name not in responses and name not in columns:
                raise fault(
                    f"the formula uses {name!r}, which is no unit, condition or covariate."
                    f"{suggest(name, columns)}"
                )
        for name in responses:
            if name in columns:
                raise fault(f"the response {name!r} is also a unit, condition or covariate")
        for name in columns:
            if columns.count(name) > 1:
                raise fault(f"{name!r} is the name of more than one unit, condition or covariate")
        known_by_key = {
            "random": formula.groups,
            "missing": (*columns, *responses),
            "contrasts": columns,
        }
        for key, known in known_by_key.items():
            for name in getattr(self, key):
                if name not in known:
                    raise fault(
                        f"{key}: unknown key {name!r}.{suggest(name, known)} "
                        f"Known: {', '.join(known)}."
                    )
        for group in formula.groups:
            if group not in self.random:
                raise fault(f"'random' says nothing about the grouping factor {group!r}")
        return self


#: The keys of ``simulate``.
SIMULATE_KEYS = tuple(SimulationSpec.model_fields)


class AsWritten:
    """Of a mapping: checked as a specification, and kept as it was written.

    What is stored, compared and overridden in sweeps is the mapping.
    """

    section = SimulationSpec

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check by the schema of the section, whose JSON schema it is, and give back the input."""
        return core_schema.no_info_wrap_validator_function(
            lambda value, check: (check(value), value)[1],
            handler.generate_schema(self.section),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )


def read_spec(spec: Any) -> SimulationSpec:
    """Check a specification of an experiment.

    Raises DataError if it has a fault; the message names the key.
    """
    if not isinstance(spec, Mapping):
        raise DataError(f"simulate must be a mapping, not {type(spec).__name__}.")
    try:
        return SimulationSpec.model_validate(_plain(spec))
    except ValidationError as error:
        faults = [line.removeprefix(": ") for line in describe_faults(error, SimulationSpec)]
        told = [
            f"{path!r} {words}" if words.startswith("must be") else line
            for line in faults
            for path, _, words in [line.partition(": ")]
        ]
        raise DataError("simulate: " + "\n".join(told)) from None


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists, mappings of all kinds as dicts, as YAML would have them."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
