"""Key of a configuration that asks what a planned study would find."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from mixedscope.core.errors import suggest
from mixedscope.core.sections import Section, fault
from mixedscope.formula.parse import Formula
from mixedscope.inference.power.limits import GENERALIZED_TESTS, MOST_DRAWS

__all__ = ["PowerConfig", "broken_power"]

#: What repeats every row.
_REPLICATES = "replicates"

_Number = Annotated[float, Field(strict=False, allow_inf_nan=False)]


class PowerConfig(Section):
    """Power of a study planned from the fit by the first structure, by simulation."""

    effects: dict[str, _Number] = {}
    """True values of fixed effects by coefficient; the others are as estimated."""
    along: dict[str, list[Annotated[int, Field(ge=1)]]] = {}
    """What grows, one thing or two, and its sizes: `Subject: [10, 20, 40]`, or `replicates`."""
    test: Literal["satterthwaite", "kenward-roger", "wald", "lrt", "profile"] | None = None
    """Tests, and intervals by them; by default satterthwaite, and wald of a family."""
    hypotheses: list[str] = []
    """Contrasts such as `x1 = x2`, one by one; by default every coefficient but the intercept."""
    draws: Annotated[int, Field(ge=1, le=MOST_DRAWS)] = 1000
    """Studies simulated of each size."""
    batch: Annotated[int, Field(ge=1)] = 1000
    """Draws of one job."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Coverage of intervals, and one minus the size of the tests."""
    reml: bool | None = None
    """Criterion of the fits; by default REML for Satterthwaite and Kenward-Roger."""
    newdata: str | None = None
    """Data set of the planned rows before they grow; by default the rows of the fit."""
    missing: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.0
    """Share of the rows that is lost at random."""
    wanted: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Power that sizes are read off for."""
    search: bool = False
    """Look for the smallest size with that power between the two of `along`, in one job."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """Seed of the draws; by default derived from that of the configuration."""

    @model_validator(mode="after")
    def _search_has_ends(self) -> PowerConfig:
        if not self.search:
            return self
        if [len(sizes) for sizes in self.along.values()] != [2]:
            raise fault(
                "a search has one thing that grows, with its smallest and its largest size: "
                "along: {Subject: [10, 200]}"
            )
        if "batch" in self.model_fields_set:
            raise fault("a search is one job, whose next size depends on the last: leave batch out")
        return self

    @property
    def batches(self) -> list[str]:
        """First and last draw of each job: ``0-249``."""
        firsts = range(0, self.draws, self.batch)
        return [f"{i}-{min(i + self.batch, self.draws) - 1}" for i in firsts]

    @field_validator("along")
    @classmethod
    def _sizes_are_said(cls, along: dict[str, list[int]]) -> dict[str, list[int]]:
        if len(along) > 2:
            raise fault(f"a study grows by one or two things at a time, not by {len(along)}")
        for name, sizes in along.items():
            least = 1 if name == _REPLICATES else 2
            if not sizes or min(sizes) < least:
                raise fault(f"the sizes of {name!r} must be whole numbers from {least}")
            if len(set(sizes)) < len(sizes):
                raise fault(f"a size of {name!r} is listed twice")
        return {name: sorted(sizes) for name, sizes in along.items()}


def broken_power(formula: Formula, power: PowerConfig | None, family: str | None) -> list[str]:
    """What the key asks of a model that it cannot have, in words, each behind its key."""
    if power is None:
        return []
    faults = []
    columns = [*dict.fromkeys(name for term in formula.random for name in term.factors)]
    known = [*columns, _REPLICATES]
    for name in power.along:
        if name not in known:
            faults.append(
                f"power.along: {name!r} is no grouping column of the formula."
                f"{suggest(name, known)} Known: {', '.join(known)}."
            )
    if family is not None:
        if power.test is not None and power.test not in GENERALIZED_TESTS:
            faults.append(
                f"power.test: {power.test} is of linear models; tests of the family {family!r} are "
                f"for large samples: give one of {', '.join(GENERALIZED_TESTS)}, or leave it out"
            )
        if power.reml is not None:
            faults.append("power.reml: REML is a likelihood of linear models: leave it out.")
        return faults
    if power.test in ("lrt", "profile") and power.reml:
        faults.append(
            f"power.reml: the test {power.test} compares fits by maximum likelihood: leave it out."
        )
    if power.test == "kenward-roger" and power.reml is False:
        faults.append("power.reml: Kenward and Roger's method is about REML: leave it out.")
    return faults
