"""What can be chosen of a chart of pairs of parameters of a bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from mixedscope.charts.common.options import Options

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.tables.store import FitTables

__all__ = ["Ridge2DOptions"]


class Ridge2DOptions(Options):
    """Draw pairs of parameters over the draws of a bootstrap, with regions that hold shares.

    Lines hold 50, 80 and 95 % of the draws inside the ranges; draws at an end of a range lie on it
    and are counted. Where contours of the likelihood are stored, they are beside them.
    """

    example: ClassVar[str] = 'ms.charts.ridge2d(draws, parameters=["Days", "sigma"])'

    parameters: Annotated[
        list[str] | None,
        Field(
            description="Parameters all pairs of which are drawn, in their order: kinds, fixed "
            "effects by their names, or names such as 'sd Days | Subject'; by default the six "
            "pairs that depend on each other most, by rank correlation."
        ),
    ] = None

    def beside(
        self, item: Any, tables: FitTables, names: Sequence[str]
    ) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """What makes tables of draws that are there: of a fit, or the draws themselves."""
        draws = item if hasattr(item, "regions") else getattr(item, "draws", None)
        own = [name for name in names if name in ("bootstrap_pairs", "bootstrap_regions")]
        lacking = [name for name in own if name not in tables.studies]
        if draws is None or not (lacking or self.parameters is not None):
            return {}
        made = draws.regions(self.parameters)
        return {name: partial(made.__getitem__, name) for name in own}
