"""What can be chosen of a ridge chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from mixedscope.charts.common.options import LEVEL, Options

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.tables.store import FitTables

__all__ = ["Parameters", "RidgeOptions"]

Parameters = Annotated[
    list[str] | None,
    Field(
        description="Parameters in their order: kinds (beta, sigma, sd, correlation), fixed "
        "effects by their names, or names such as 'sd Days | Subject'; by default all."
    ),
]


class RidgeOptions(Options):
    """Draw how the estimates of every parameter are distributed over the draws of a bootstrap.

    A density of each, with spikes where draws are at 0 or ±1, the estimate the responses were
    drawn from, the mean of the draws, and the interval they give.
    """

    example: ClassVar[str] = "ms.charts.ridge(fit.parametric_bootstrap(1000))"

    parameters: Parameters = None
    level: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Coverage of the intervals; by default that stored, 0.95."),
    ] = None

    def beside(
        self, item: Any, tables: FitTables, names: Sequence[str]
    ) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """What makes tables of draws that are there: of a fit, or the draws themselves."""
        draws = item if hasattr(item, "pictured") else getattr(item, "draws", None)
        lacking = [name for name in names if name not in tables.studies]
        if draws is None or not (lacking or self.level is not None):
            return {}
        made = draws.pictured(level=LEVEL if self.level is None else self.level)
        return {name: made[name] for name in names if name in made}
