"""What can be chosen of the cost of stopping earlier."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mixedscope.charts.common.options import Options, X

__all__ = ["StoppingOptions"]


class StoppingOptions(Options):
    """Draw what stopping earlier would have cost.

    For every evaluation the gap in the objective, the largest change of a fixed effect in standard
    errors, that of sigma, and that of a conditional mode in conditional standard deviations.
    """

    x: X = "evaluation"
    accuracy: Annotated[float | None, Field(gt=0)] = None
    """The accuracy that is marked and spoken of, one of those studied; by default the smallest."""
