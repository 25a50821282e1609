"""Pictures of fitted models.

Every function takes a fit, its stored tables, the directory it was saved in, or several of these
to be shown side by side, and reads the stored tables alone.
"""

from __future__ import annotations

from typing import Any

from mixedscope.charts.registry import finish
from mixedscope.charts.render import save
from mixedscope.charts.source import as_tables
from mixedscope.charts.trace import trace_chart

__all__ = ["save", "trace"]


def trace(source: Any, *, x: str = "evaluation", theme: str = "light") -> Any:
    """Draw how an optimiser found the optimum, and whether it arrived.

    Above, the objective minus its minimum on a log scale, every evaluation a point; below, the
    components of θ.  Phases are shaded.

    Parameters
    ----------
    source : Fit, FitTables, path, or sequence of these
    x : {"evaluation", "seconds"}
        What runs to the right.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If ``x`` or ``theme`` is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.
    """
    chart, title, caption = trace_chart(as_tables(source), x=x, theme=theme)
    return finish(chart, title, caption, theme=theme)
