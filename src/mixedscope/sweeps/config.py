"""The section ``sweeps`` of a configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mixedscope.core.errors import ConfigError, suggest
from mixedscope.core.sections import Section, fault
from mixedscope.summaries.measures import MEASURES, PARTS
from mixedscope.sweeps.keys import DF, TYPES, check_key, check_value

__all__ = ["SweepChartConfig", "SweepConfig"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


class SweepChartConfig(Section):
    """One chart of a sweep: measures against swept keys."""

    kind: Literal["line", "area", "heat", "points"] = "line"
    """Lines with quartiles over all runs of a point, areas that add up to the whole (phases), a
    heat map of medians, or a mark per point."""
    x: str
    """The key along the axis; for points also a measure."""
    y: str
    """The measure; of a heat map, what its colours show."""
    rows: str | None = None
    """The key along the vertical axis of a heat map."""
    colour: str | None = None
    """The key told by colours."""
    facet: str | None = None
    """The key with a panel for each of its values."""
    where: dict[str, Any] = {}
    """Only runs that have this value, or one of these, of each key; only these terms,
    coefficients, parameters or effects."""
    scale: Literal["log", "linear"] | None = None
    """Scale of the measure; by default what suits it."""
    x_scale: Literal["log", "linear", "category"] | None = None
    """Scale of x; by default logarithmic for tolerances and numbers that spread over decades."""
    name: str | None = None
    """Name of its files; by default made of what it shows."""

    @field_validator("y")
    @classmethod
    def _measure_is_known(cls, name: str) -> str:
        if name not in MEASURES:
            raise fault(
                f"unknown measure {name!r}.{suggest(name, MEASURES)} Known: {', '.join(MEASURES)}."
            )
        return name

    @field_validator("name")
    @classmethod
    def _name_is_a_file(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise fault("a name becomes that of a file: use letters, digits, '_' and '-'")
        return name

    @model_validator(mode="after")
    def _keys_are_known(self) -> SweepChartConfig:
        part = MEASURES[self.y].part
        for role in ("x", "rows", "colour", "facet"):
            key = getattr(self, role)
            if key is None or key == part:
                continue
            if role == "x" and self.kind == "points" and key in MEASURES:
                if MEASURES[key].part is not None:
                    raise fault(f"x: {key!r} has several values for each run: give another measure")
                continue
            if key in PARTS:
                raise fault(f"{role}: {self.y!r} is not measured by {key}")
            try:
                check_key(key)
            except ConfigError as error:
                raise fault(f"{role}: {error}") from None
        for key, wanted in self.where.items():
            listed = wanted if isinstance(wanted, list) else [wanted]
            if key in PARTS:
                if key != part:
                    raise fault(f"where.{key}: {self.y!r} is not measured by {key}")
                if not all(isinstance(value, str) for value in listed):
                    raise fault(f"where.{key}: names are text, not {wanted!r}")
                continue
            try:
                for value in listed:
                    check_value(key, value)
            except ConfigError as error:
                raise fault(f"where.{key}: {error}") from None
        if (self.kind == "heat") != (self.rows is not None):
            raise fault(
                "'rows' names the key along the vertical axis of a heat map, and of nothing else"
            )
        if self.kind == "heat" and self.colour is not None:
            raise fault("the colours of a heat map show y: leave 'colour' out")
        if self.kind == "area" and (self.y != "phase_share" or self.colour != "phase"):
            raise fault("areas show phases: give y: phase_share and colour: phase")
        chosen = self.where.get(str(part))
        one = isinstance(chosen, str) or (isinstance(chosen, list) and len(chosen) == 1)
        if part not in (None, self.x, self.rows, self.colour, self.facet) and not one:
            raise fault(
                f"{self.y!r} has a value for each {part}: give colour: {part} or facet, or name "
                f"one under where: {part}"
            )
        return self


class SweepConfig(Section):
    """Many fits: every combination of a grid, and the points of a list."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """Values by key; every combination is a run."""
    points: list[dict[str, Any]] = []
    """Runs by their keys, beside those of the grid."""
    fixed: dict[str, Any] = {}
    """Values of keys that all runs share unless they say otherwise."""
    replicates: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """How often each run is repeated, with other random numbers."""
    type: str = "III"
    """Hypotheses about terms that the key `tests` of a run is about: I, II or III."""
    hypotheses: list[str] = []
    """More that it tests, such as `x1 = x2`, each by itself; those with commas jointly."""
    batch_seconds: Annotated[float, Field(gt=0, strict=False)] = 15.0
    """About how many seconds of fitting are put into one job."""
    charts: list[SweepChartConfig] = []
    """Charts of the sweep."""

    @model_validator(mode="after")
    def _keys_and_values_are_known(self) -> SweepConfig:
        given: list[tuple[str, str, Any]] = [
            (f"grid.{key}.{i}", key, value)
            for key, values in self.grid.items()
            for i, value in enumerate(values)
        ]
        given += [
            (f"points.{i}.{key}", key, value)
            for i, point in enumerate(self.points)
            for key, value in point.items()
        ]
        given += [(f"fixed.{key}", key, value) for key, value in self.fixed.items()]
        if not self.grid and not self.points:
            raise fault("a sweep has a 'grid' of values, a list of 'points', or both")
        for where, key, value in given:
            try:
                check_value(key, value)
            except ConfigError as error:
                raise fault(f"{where}: {error}") from None
        self._check_hypotheses({key for _, key, _ in given})
        for key, values in self.grid.items():
            shown = [repr(value) for value in values]
            if len(set(shown)) < len(shown):
                raise fault(f"grid.{key}: a value is listed twice")
        if self.replicates is not None and any(key == "replicate" for _, key, _ in given):
            raise fault("give either 'replicates' or the key 'replicate', and not both")
        return self

    def _check_hypotheses(self, keys: set[str]) -> None:
        """Refuse hypotheses that are none, or that nothing tests."""
        if self.type not in TYPES:
            raise fault(
                f"type: there are no hypotheses of type {self.type!r}."
                f"{suggest(self.type, TYPES)} Known: {', '.join(TYPES)}"
            )
        for text in self.hypotheses:
            if not text.strip():
                raise fault(
                    "hypotheses: one is empty: write one such as 'x1 = x2', or leave it out"
                )
            if self.hypotheses.count(text) > 1:
                raise fault(f"hypotheses: {text!r} is listed twice")
        if self.hypotheses and "tests" not in keys:
            raise fault(
                "hypotheses: no run tests them: give the key 'tests', the degrees of freedom "
                f"({', '.join(DF)})"
            )
        if "level" in keys and not keys & {"intervals", "tests"}:
            raise fault(
                "'level' is that of intervals and tests: give the key 'intervals' or 'tests'"
            )
