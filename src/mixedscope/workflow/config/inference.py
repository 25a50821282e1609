"""Keys of a configuration that ask what follows from the fits of a model: intervals, tests, tables.

Each may be written short, as ``profile: true`` or ``bootstrap: 1000``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from mixedscope.core.errors import suggest
from mixedscope.core.sections import Section, fault, listed_once
from mixedscope.formula.parse import Formula
from mixedscope.inference.bootstrap.ends import INTERVALS, fewest_draws
from mixedscope.inference.intervals.registry import METHODS as INTERVAL_METHODS
from mixedscope.sweeps.keys import DF, TYPES

__all__ = [
    "DF",
    "METHODS",
    "OBSERVATION",
    "TYPES",
    "Bootstrap",
    "BootstrapConfig",
    "Influence",
    "InfluenceConfig",
    "Profile",
    "ProfileConfig",
    "Table",
    "TableConfig",
    "Tests",
    "TestsConfig",
    "broken_inference",
]

#: What each observation by itself is called among what may be left out.
OBSERVATION: Final = "observation"

#: Names that planning knows without loading what computes (`tests/workflow/test_inference_keys.py`
#: holds them to it).
METHODS: Final = ("newton", "fixed", "exact")


def _one_of(known: Iterable[str], what: str) -> AfterValidator:
    """Check a name, with what may have been meant."""
    names = tuple(known)

    def check(name: str) -> str:
        if name not in names:
            raise fault(f"there {what} {name!r}.{suggest(name, names)} Known: {', '.join(names)}.")
        return name

    return AfterValidator(check)


def _short(schema: Any, **forms: Callable[[Any], dict[str, Any]]) -> BeforeValidator:
    """Let a section be written as a value of another type: ``true`` as that with its defaults.

    ``schema``: all that may be written, for editors.
    """
    kinds = {"bool": bool, "int": int, "str": str, "list": list}

    def read(value: Any) -> Any:
        if value is True:
            return {}
        if value is False:
            return None
        for kind, form in forms.items():
            if isinstance(value, kinds[kind]):
                return form(value)
        return value

    return BeforeValidator(read, json_schema_input_type=schema)


class BootstrapConfig(Section):
    """Parametric bootstrap: intervals of every fit, and tests between the structures."""

    draws: Annotated[int, Field(gt=0, le=1_000_000)] = 1000
    """Responses simulated from each fit, and from the poorer model of every test."""
    batch: Annotated[int, Field(gt=0)] = 250
    """Draws of one job."""
    of: Annotated[list[Literal["tests", "intervals"]], Field(min_length=1)] = ["tests", "intervals"]
    """What is drawn for: likelihood-ratio tests between structures, intervals of each fit."""
    interval: Annotated[str, _one_of(INTERVALS, "is no bootstrap interval")] = "percentile"
    """Kind of the intervals: percentile, shortest, basic or normal."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Seed of the draws for intervals; by default derived from that of the configuration."""

    @property
    def batches(self) -> list[str]:
        """First and last draw of each job: ``0-249``."""
        firsts = range(0, self.draws, self.batch)
        return [f"{i}-{min(i + self.batch, self.draws) - 1}" for i in firsts]

    @model_validator(mode="after")
    def _draws_are_enough(self) -> BootstrapConfig:
        least = fewest_draws(self.level)
        if "intervals" in self.of and self.draws < least:
            raise fault(
                f"draws: an interval of level {self.level:g} takes at least {least} draws, not "
                f"{self.draws}: draw more, ask for a lower level, or for tests alone (of: [tests])"
            )
        return self


class ProfileConfig(Section):
    """Profiles of the parameters of every fit, and the intervals that they give."""

    parameters: list[str] | None = None
    """Kinds (sd, correlation, sigma, beta) or names such as `sd Days | Subject`; by default all."""
    pairs: bool | list[Annotated[list[str], Field(min_length=2, max_length=2)]] = False
    """Pairs of parameters whose contours are followed too; `true` for all pairs."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals."""

    @field_validator("parameters")
    @classmethod
    def _parameters_are_said(cls, parameters: list[str] | None) -> list[str] | None:
        if parameters is not None and not parameters:
            raise fault("name a parameter or a kind, or leave it out: all are profiled then")
        return parameters

    @field_validator("pairs")
    @classmethod
    def _pairs_are_of_two(cls, pairs: bool | list[list[str]]) -> bool | list[list[str]]:
        for pair in pairs if isinstance(pairs, list) else ():
            if pair[0] == pair[1]:
                raise fault(f"a pair is of two parameters: {pair[0]!r} is named twice")
        return pairs


class TestsConfig(Section):
    """Tests of the fixed effects of every fit: coefficients, terms, and hypotheses of one's own."""

    type: Annotated[str, _one_of(TYPES, "are no hypotheses of type")] = "III"
    """Hypotheses about terms: I, II or III."""
    df: Annotated[str, _one_of(DF, "are no degrees of freedom by")] = "satterthwaite"
    """Degrees of freedom: satterthwaite, kenward-roger (REML only), residual, none."""
    hypotheses: list[str] = []
    """Hypotheses such as `x1 = x2`, each tested by itself; those with commas jointly."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of the intervals of coefficients and contrasts."""

    @field_validator("hypotheses")
    @classmethod
    def _hypotheses_say_something(cls, hypotheses: list[str]) -> list[str]:
        for text in hypotheses:
            if not text.strip():
                raise fault("a hypothesis is empty: write one such as 'x1 = x2', or leave it out")
            if hypotheses.count(text) > 1:
                raise fault(f"the hypothesis {text!r} is listed twice")
        return hypotheses


class InfluenceConfig(Section):
    """What the estimates of every fit would be without each observation, or each group."""

    by: Annotated[list[str], Field(min_length=1), AfterValidator(listed_once)] = [OBSERVATION]
    """What is left out in turn: grouping factors or columns of the formula, `observation` each."""
    method: Annotated[str, _one_of(METHODS, "is no method of influence")] = "newton"
    """`newton` (one step of the variances), `fixed` (they stay as they were), `exact` (refits)."""


class TableConfig(Section):
    """The structures of a model side by side, as papers print them."""

    formats: Annotated[
        list[Literal["text", "markdown", "html", "latex", "typst", "word"]], Field(min_length=1)
    ] = ["text", "markdown", "html", "latex"]
    """Formats of the file."""
    intervals: Annotated[str, _one_of(INTERVAL_METHODS, "are no intervals by")] | None = None
    """Method of intervals in place of standard errors: wald, profile, bootstrap, ..."""
    level: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Coverage of the intervals; by default 0.95, or that of the profiles or draws."""
    digits: Annotated[int, Field(ge=1, le=15)] = 3
    """Significant digits of a standard error, or of the width of an interval."""
    stars: bool = False
    """Mark coefficients by their p values."""


Table = Annotated[
    TableConfig | None,
    _short(
        TableConfig | bool | str | list[str] | None,
        str=lambda name: {"formats": [name]},
        list=lambda names: {"formats": names},
    ),
]
Bootstrap = Annotated[
    BootstrapConfig | None,
    _short(BootstrapConfig | bool | int | None, int=lambda draws: {"draws": draws}),
]
Profile = Annotated[
    ProfileConfig | None,
    _short(
        ProfileConfig | bool | str | list[str] | None,
        str=lambda name: {"parameters": [name]},
        list=lambda names: {"parameters": names},
    ),
]
Tests = Annotated[
    TestsConfig | None,
    _short(
        TestsConfig | bool | str | list[str] | None,
        str=lambda text: {"hypotheses": [text]},
        list=lambda texts: {"hypotheses": texts},
    ),
]
Influence = Annotated[
    InfluenceConfig | None,
    _short(
        InfluenceConfig | bool | str | list[str] | None,
        str=lambda name: {"by": [name]},
        list=lambda names: {"by": names},
    ),
]


def broken_inference(
    formula: Formula,
    criterion: str,
    *,
    profile: ProfileConfig | None,
    tests: TestsConfig | None,
    influence: InfluenceConfig | None,
    bootstrap: BootstrapConfig | None,
    table: TableConfig | None,
) -> list[str]:
    """What these keys ask of a model that it cannot have, in words, each behind its key."""
    faults = []
    if tests and tests.df == "kenward-roger" and criterion != "REML":
        faults.append(
            "tests.df: Kenward and Roger's method is about REML: write criterion: REML, or another "
            f"df. Known: {', '.join(DF)}."
        )
    wanted = (profile.parameters or []) if profile else []
    pairs = profile.pairs if profile and isinstance(profile.pairs, list) else []
    for name in dict.fromkeys([*wanted, *chain(*pairs)]):
        group = name.rpartition(" | ")[2] if " | " in name else None
        if group is not None and group not in formula.groups:
            faults.append(
                f"profile: {name!r} is a parameter of no grouping factor of the formula."
                f"{suggest(group, formula.groups)} Known: {', '.join(formula.groups)}."
            )
        if criterion == "REML" and (name == "beta" or name.startswith("beta ")):
            faults.append(
                f"profile: {name!r} has no profile under REML, which is no function of fixed "
                "effects: write criterion: ML, or ask for tests."
            )
    if table and table.intervals == "kenward-roger" and criterion != "REML":
        faults.append(
            "table.intervals: Kenward and Roger's method is about REML: write criterion: REML."
        )
    drawn = bootstrap if bootstrap and "intervals" in bootstrap.of else None
    levels = {"profile": profile and profile.level, "bootstrap": drawn and drawn.level}
    if table and table.intervals in levels:
        level = levels[table.intervals]
        if level is None:
            faults.append(
                f"table.intervals: the model has no intervals by {table.intervals}: ask for them "
                f"by the key {table.intervals!r}."
            )
        elif table.level not in (None, level):
            faults.append(
                f"table.level: {table.level:g} is not that of {table.intervals}, {level:g}: leave "
                "it out, or change that one."
            )
    known = [OBSERVATION, *dict.fromkeys([*formula.groups, *formula.variables])]
    faults += [
        f"influence.by: the formula has no grouping factor or column {name!r}."
        f"{suggest(name, known)} Known: {', '.join(known)}."
        for name in (influence.by if influence else ())
        if name not in known
    ]
    return faults
