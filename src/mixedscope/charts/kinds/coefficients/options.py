"""What can be chosen of coefficient plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mixedscope.charts.common.options import LEVEL, Options

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.tables.store import FitTables

__all__ = ["CoefficientsOptions"]


class CoefficientsOptions(Options):
    """Draw fixed effects, standard deviations and correlations with their intervals.

    Several fits, and several kinds of intervals of one, stand in one row of each parameter. Stored
    intervals are drawn; of a fit those named are made: all of its profile, its bootstrap.
    """

    example = 'chart = ms.charts.coefficients(fit, intervals=["wald", "profile"])'

    terms: Annotated[
        list[str | int] | None,
        Field(
            description="Fixed effects in the order of their rows, by name or by position (from "
            "0); by default all."
        ),
    ] = None
    kinds: Annotated[
        list[Literal["beta", "sd", "correlation"]],
        Field(description="Parameters that have panels: fixed effects, SDs, correlations."),
    ] = ["beta", "sd", "correlation"]
    intervals: Annotated[
        list[Literal["wald", "profile", "bootstrap", "satterthwaite", "kenward-roger"]] | None,
        Field(
            description="Methods of the intervals; by default, of one fit all that are stored or "
            "made, of several the first that all have."
        ),
    ] = None
    ratios: bool = False
    """Fixed effects of a generalised model as ratios, on a log scale: of odds (logit), of rates or
    means (log), of hazards (cloglog)."""
    level: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Coverage; by default that of stored intervals, or 0.95."),
    ] = None

    def beside(
        self, item: Any, tables: FitTables, names: Sequence[str]
    ) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """Intervals by degrees of freedom too, where a fit is asked for them."""
        made = dict(super().beside(item, tables, names))
        approximate = [n for n in self.intervals or () if n in ("satterthwaite", "kenward-roger")]
        if approximate and hasattr(item, "study"):
            made["tests"] = lambda: _tests(item, approximate, self.level or LEVEL)
        return made


def _tests(fit: Any, methods: Sequence[str], level: float) -> pd.DataFrame:
    """Intervals of fixed effects as the table of tests beside a fit has them."""
    import pandas as pd

    from mixedscope.tables.table_files import conformed

    parts = []
    for method in methods:
        found = fit.confint(level, method)
        found = found[found["kind"] == "beta"]
        parts.append(
            pd.DataFrame(
                {
                    "kind": "coefficient", "name": found["term"], "type": None, "method": method,
                    "estimate": found["estimate"], "value": 0.0, "std_error": found["std_error"],
                    "level": level, "lower": found["lower"], "upper": found["upper"], "num_df": 1.0,
                    "den_df": found["df"], "statistic": found["estimate"] / found["std_error"],
                    "distribution": "t", "p_value": float("nan"), "remark": None,
                }
            )
        )  # fmt: skip
    table = conformed(pd.concat(parts, ignore_index=True), "effect_tests")
    table.attrs["schema"] = "effect_tests/1"
    return table
