"""The pictures of the explorer as Vega-Lite specifications, each of named tables and parameters.

The page's script fills the tables and sets the parameters; pictures are chosen in by selections of
Vega-Lite, whose values the script hands to all others.  What is chosen is marked by layers that
filter by a parameter, so that nothing else is drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.charts.common.open_ends import head_mark
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.explorer.level_views import (
    caterpillar_view,
    panel_view,
    shrinkage_view,
)
from mixedscope.charts.kinds.explorer.pieces import (
    Spec,
)
from mixedscope.charts.kinds.explorer.search_views import (
    landscape_view,
    ledger_view,
    path_view,
    trace_view,
)

__all__ = ["views"]


def views(
    gap: tuple[float, float],
    groups: Sequence[str],
    *,
    unsure: bool,
    infinite: bool,
    theme: str,
) -> dict[str, Spec]:
    """All pictures by name.

    ``gap``: ends of the axis of gaps. ``groups``: colours of what shares the variance, residuals
    first. ``unsure``: whether gaps of a fit may be smaller than their error. ``infinite``: whether
    own estimates of some levels are infinite.
    """
    colours = COLOURS | ink(theme)
    return {
        "shrinkage": shrinkage_view(colours, head_mark(theme, small=False) if infinite else None),
        "caterpillar": caterpillar_view(colours, "x"),
        "caterpillar2": caterpillar_view(colours, "y"),
        "panel": panel_view(colours),
        "trace": trace_view(colours, gap, unsure=unsure),
        "path": path_view(colours, "x"),
        "path2": path_view(colours, "y"),
        "ledger": ledger_view(colours, groups),
        "landscape": landscape_view(colours),
    }
