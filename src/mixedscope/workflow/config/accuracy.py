"""Keys of a configuration that ask how accurate the structures of a model are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mixedscope.core.sections import Section

__all__ = ["CrossvalidationConfig", "EfficiencyConfig"]


class EfficiencyConfig(Section):
    """Simulation from the fit by the first structure, refitted by all of them."""

    draws: Annotated[int, Field(ge=10, le=100_000)] = 200
    """Responses drawn."""
    batch_seconds: Annotated[float, Field(gt=0, strict=False)] = 15.0
    """About how many seconds of refitting are put into one job."""


class CrossvalidationConfig(Section):
    """Prediction of parts of the data from the rest, by every structure."""

    by: str | None = None
    """Grouping factor whose levels are held out; by default the first of the formula."""
    schemes: Annotated[list[Literal["new", "known"]], Field(min_length=1)] = ["new", "known"]
    """Hold out whole levels (new), and some of the observations of every level (known)."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of folds; by default a level each up to 20 levels and 10 otherwise."""
