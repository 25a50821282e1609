"""What can be chosen of a zeta chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from mixedscope.charts.common.options import Options
from mixedscope.charts.kinds.ridge.options import Parameters

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.tables.store import FitTables

__all__ = ["OfProfile", "ZetaOptions"]


class OfProfile(Options):
    """Draw what the profile of a fit shows."""

    parameters: Parameters = None

    def beside(
        self, item: Any, tables: FitTables, names: Sequence[str]
    ) -> Mapping[str, Callable[[], pd.DataFrame]]:
        """What makes tables of a profile that is stored with a fit."""
        lacking = [name for name in names if name not in tables.studies]
        if not lacking or "profile" not in tables.studies or not hasattr(item, "profile"):
            return {}
        made = item.profile().pictured()
        return {name: made[name] for name in lacking if name in made}


class ZetaOptions(OfProfile):
    """Draw the profile of every parameter: zeta, the signed root of the rise of the deviance.

    Where it is straight, Wald's interval (a dashed line) is right. Exact points are dots; level
    lines are where intervals of 50, 80, 90, 95 and 99 % end.
    """

    example: ClassVar[str] = "ms.charts.zeta(fit.profile())"

    absolute: Annotated[
        bool,
        Field(
            description="Draw the size of zeta, so that an interval is a level line between two "
            "branches."
        ),
    ] = False
