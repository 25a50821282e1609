"""Pictures of fitted models.

Every function takes a fit, its stored tables, the directory it was saved in, or several of these
to be shown side by side, and reads the stored tables alone.

Functions share their names with modules of this package, which are therefore all imported before
the functions are defined: a module imported later would take a function's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixedscope.charts.registry import dumbbell_of, finish, shrinkage_of
from mixedscope.charts.render import save
from mixedscope.charts.source import as_tables
from mixedscope.charts.trace import trace_chart

__all__ = ["dumbbell", "save", "shrinkage", "trace"]


def shrinkage(
    source: Any,
    group: str | None = None,
    *,
    terms: Sequence[str] | None = None,
    reference: str = "joint_limit",
    scale: str = "b",
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: str = "light",
) -> Any:
    """Draw how far the model pulls each group from what the group alone would say.

    A panel for every pair of terms; a dumbbell chart where there is a single term.

    Parameters
    ----------
    source : Fit, FitTables, path, or sequence of these
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str, optional
        Terms in the order of the panels; by default all.
    reference : {"joint_limit", "within_group"}
        The limit of the conditional modes as the penalty vanishes for all factors together, or
        each group's own least-squares estimate.
    scale : {"b", "coef"}
        Deviations from the population, or population plus deviation.
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.shrinkage([full, zerocorr], "Subject")  # doctest: +SKIP
    """
    chart, title, caption = shrinkage_of(
        as_tables(source),
        group,
        terms=terms,
        reference=reference,
        scale=scale,
        ellipses=ellipses,
        theme=theme,
    )
    return finish(chart, title, caption, theme=theme)


def dumbbell(
    source: Any,
    group: str | None = None,
    *,
    term: str | None = None,
    reference: str = "joint_limit",
    scale: str = "b",
    theme: str = "light",
) -> Any:
    """Draw reference, conditional mode and zero of every level for one term.

    Parameters
    ----------
    source : Fit, FitTables, path, or sequence of these
    group : str, optional
        Grouping factor; by default the first of the formula.
    term : str, optional
        By default the first of the factor.
    reference : {"joint_limit", "within_group"}
    scale : {"b", "coef"}
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown.
    StoreError
        If a table is missing.
    """
    chart, title, caption = dumbbell_of(
        as_tables(source), group, term=term, reference=reference, scale=scale, theme=theme
    )
    return finish(chart, title, caption, theme=theme)


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
