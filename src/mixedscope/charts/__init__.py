"""Pictures of fitted models.

Functions of fits take a fit, its stored tables, the directory it was saved in, or several of these
to be shown side by side, one after the other or in a list (``shrinkage(first, second, "Subject")``,
``trace([first, second])``), and read the stored tables alone. `race`, `efficiency`,
`crossvalidation`, `phases` and `ladder` take what `LinearMixedModel.race`, `mixedscope.efficiency`,
`mixedscope.cross_validate`, `mixedscope.phase_tables` and `mixedscope.ladder` made.

Functions share their names with modules of this package, which are therefore all imported before
the functions are defined: a module imported later would take a function's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixedscope.charts.common.render import Figure, save
from mixedscope.charts.common.source import Source, as_tables, with_group
from mixedscope.charts.compared import crossvalidation, efficiency, ladder, phases, race
from mixedscope.charts.kinds.landscape.chart import landscape_chart
from mixedscope.charts.kinds.ledger.chart import ledger_chart
from mixedscope.charts.kinds.motion import theta_motion
from mixedscope.charts.kinds.pooling.chart import shrinkage_path_chart
from mixedscope.charts.kinds.stopping.chart import stopping_chart
from mixedscope.charts.kinds.trace.chart import trace_chart
from mixedscope.charts.registry import dumbbell_of, figure, finish, motion_of, shrinkage_of
from mixedscope.core.arguments import door

__all__ = [
    "crossvalidation",
    "dumbbell",
    "efficiency",
    "ladder",
    "landscape",
    "ledger",
    "motion",
    "phases",
    "pooling",
    "race",
    "save",
    "shrinkage",
    "stopping",
    "theta",
    "trace",
]


@door()
def shrinkage(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str] | None = None,
    reference: str = "auto",
    scale: str = "b",
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: str = "light",
) -> Any:
    """Draw how far the model pulls each group from what the group alone would say.

    A panel for every pair of terms; a dumbbell chart where there is a single term.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str, optional
        Terms in the order of the panels; by default all.
    reference : {"auto", "joint_limit", "within_group"}
        The limit of the conditional modes as the penalty vanishes for all factors together, or
        each group's own least-squares estimate; by default the first, or the second where least
        squares cannot tell the factor from others.
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
    >>> chart = ms.charts.shrinkage(full, zerocorr, group="Subject")  # doctest: +SKIP
    """
    fits, group = with_group(source, others, group)
    chart, title, caption = shrinkage_of(
        as_tables(fits),
        group,
        terms=terms,
        reference=reference,
        scale=scale,
        ellipses=ellipses,
        theme=theme,
    )
    return finish(chart, title, caption, theme=theme)


@door()
def dumbbell(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    term: str | None = None,
    reference: str = "auto",
    scale: str = "b",
    theme: str = "light",
) -> Any:
    """Draw reference, conditional mode and zero of every level for one term.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    term : str, optional
        By default the first of the factor.
    reference : {"auto", "joint_limit", "within_group"}
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
    fits, group = with_group(source, others, group)
    chart, title, caption = dumbbell_of(
        as_tables(fits), group, term=term, reference=reference, scale=scale, theme=theme
    )
    return finish(chart, title, caption, theme=theme)


@door()
def trace(
    source: Source,
    *others: Source,
    x: str = "evaluation",
    parameters: str | None = None,
    overlay: bool = False,
    theme: str = "light",
) -> Any:
    """Draw how an optimiser found the optimum, and whether it arrived.

    Above, the objective minus its minimum on a log scale, every evaluation a point; below, the
    standard deviations and correlations.  Phases are shaded.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x : {"evaluation", "seconds"}
        What runs to the right.
    parameters : {"sd", "theta"}, optional
        Standard deviations and correlations, or the components of θ; by default the former where
        their table is there, as it always is for a fit.
    overlay : bool
        Draw all fits in one panel, without the parameters.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.
    """
    tables = as_tables(
        [source, *others], *([] if parameters == "theta" or overlay else ["parameters"])
    )
    drawn = trace_chart(tables, x=x, parameters=parameters, overlay=overlay, theme=theme)
    return finish(*drawn, theme=theme)


@door()
def stopping(
    source: Source,
    *others: Source,
    x: str = "evaluation",
    accuracy: float = 1e-3,
    theme: str = "light",
) -> Any:
    """Draw what stopping earlier would have cost.

    For every evaluation the gap in the objective, the largest change of a fixed effect in standard
    errors, that of sigma, and that of a conditional mode in conditional standard deviations.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x : {"evaluation", "seconds"}
    accuracy : float
        The accuracy that is marked and spoken of.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown.
    StoreError
        If a table is missing.
    """
    drawn = stopping_chart(
        as_tables([source, *others], "stopping"), x=x, accuracy=accuracy, theme=theme
    )
    return finish(*drawn, theme=theme)


@door()
def landscape(source: Source, *others: Source, theme: str = "light") -> Any:
    """Draw the objective around the path of the optimiser: contours for pairs of parameters.

    `Fit.study("landscape", ...)` chooses pairs, scale and window beforehand.

    Parameters
    ----------
    source, *others : Fit, FitTables or path
        One fit: others are refused.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If there is more than one fit, or the theme is unknown.
    StoreError
        If a table is missing.
    """
    return finish(
        *landscape_chart(as_tables([source, *others], "landscape"), theme=theme), theme=theme
    )


@door()
def ledger(source: Source, *others: Source, x_scale: str = "auto", theme: str = "light") -> Any:
    """Draw how variance moved between observations and groups along the optimisation.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x_scale : {"auto", "linear", "log"}
        Of the axis of evaluations.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown.
    StoreError
        If a table is missing.
    """
    tables = as_tables([source, *others], "ledger")
    return finish(*ledger_chart(tables, x_scale=x_scale, theme=theme), theme=theme)


@door()
def pooling(source: Source, *others: Source, x: str = "edf", theme: str = "light") -> Any:
    """Draw the conditional modes from complete pooling through the fit to no pooling.

    The relative covariance factor is scaled from 0 to infinity; on simulated data the true mean
    squared error of the modes is drawn below, split into squared bias and variance.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x : {"edf", "s"}
        Effective degrees of freedom, or the scale on a log axis.
    theme : {"light", "print"}

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown.
    StoreError
        If a table is missing.
    """
    tables = as_tables([source, *others], "shrinkage_path")
    return finish(*shrinkage_path_chart(tables, x=x, theme=theme), theme=theme)


@door()
def motion(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str] | None = None,
    frames: str = "best",
    reference: str = "auto",
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: str = "light",
) -> Figure:
    """Set shrinkage in motion: the conditional modes as they moved while the optimiser did.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str, optional
        By default all.
    frames : {"best", "every"}
        What the films show: the best so far, or every evaluation.
    reference : {"auto", "joint_limit", "within_group"}
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution.
    theme : {"light", "print"}

    Returns
    -------
    Figure
        Shown in a notebook as a page to play with; `save` writes that page, films and stills.

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.motion(fit).save("in-motion.html")  # doctest: +SKIP
    """
    fits, group = with_group(source, others, group)
    tables = as_tables(fits, "parameters", *(["motion"] if frames == "every" else []))
    made = motion_of(
        tables,
        group,
        terms=terms,
        frames=frames,
        reference=reference,
        ellipses=ellipses,
        theme=theme,
    )
    return figure(made.still, made.title, made.caption, made.files, theme=theme)


@door()
def theta(source: Source, *others: Source, frames: str = "every", theme: str = "light") -> Figure:
    """Set the components of θ in motion.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    frames : {"best", "every"}
        What the films show.
    theme : {"light", "print"}

    Returns
    -------
    Figure
        As of `motion`.

    Raises
    ------
    ModelError
        If a setting is unknown.
    StoreError
        If a table is missing.
    """
    made = theta_motion(as_tables([source, *others]), frames=frames, theme=theme)
    return figure(made.still, made.title, made.caption, made.files, theme=theme)


def __dir__() -> list[str]:
    return sorted(__all__)
