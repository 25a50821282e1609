"""Pictures of fitted models.

Functions of fits take a fit, its stored tables, the directory it was saved in, or several of these
to be shown side by side, one after the other or in a list (``shrinkage(first, second, "Subject")``,
``trace([first, second])``), and read the stored tables alone. `race`, `efficiency`,
`crossvalidation`, `phases` and `ladder` take what `LinearMixedModel.race`, `mixedscope.efficiency`,
`mixedscope.cross_validate`, `mixedscope.phase_tables` and `mixedscope.ladder` made.

The functions are made from `mixedscope.charts.registry` when they are first asked for: what plans a
run reads the registry and loads nothing that draws.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from altair import TopLevelMixin

from mixedscope.charts.common.render import Figure
from mixedscope.charts.common.render import save as save
from mixedscope.charts.common.source import Made, Source

__all__ = [
    "caterpillar",
    "check",
    "coefficients",
    "crossvalidation",
    "dumbbell",
    "efficiency",
    "explorer",
    "influence",
    "ladder",
    "landscape",
    "ledger",
    "lens",
    "means",
    "motion",
    "panels",
    "phases",
    "pooling",
    "power",
    "principal",
    "profiledensity",
    "profilepairs",
    "qqcaterpillar",
    "race",
    "residuals",
    "ridge",
    "ridge2d",
    "save",
    "shrinkage",
    "splom",
    "stopping",
    "theta",
    "trace",
    "zeta",
]

def caterpillar(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str | int] | None = None,
    level: float = 0.95,
    order: str | int = 'mode',
    error: Literal["conditional", "marginal"] = 'conditional',
    reference: str | float | Sequence[float] | Mapping[str, float] = 'auto',
    scale: Literal["b", "coef"] = 'b',
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the conditional mode of every level with its interval, ordered, beside its reference.

    A column for each term; several fits stand side by side, term by term, on the same axes.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str or int, optional
        Terms in the order of the panels, by name or by position (from 0); by default all.
    level : float
        Coverage of the intervals, between 0 and 1.
    order : str or int
        Levels from the highest down by the mode of the first term (mode), its reference
        (reference) or the number of observations (n), or by the mode of the term that is named
        or whose position (from 0) is given.
    error : {"conditional", "marginal"}
        What bars are multiples of: the SD of b given the data and the fixed effects
        (conditional), or the SD of the error of the mode, the fixed effects being estimated too
        (marginal).
    reference : {"auto", "joint_limit", "within_group", "linearised", "theta"} or theta
        Where arrows start: the limit of the conditional modes as the penalty vanishes for all
        factors together (joint_limit), or each group's own least-squares estimate
        (within_group); by default (auto) the first, or the second where least squares cannot
        tell the factor from others. Of generalised models each group's own estimate, linearised
        at its mode (linearised, the default), or its own maximum likelihood (within_group). The
        modes at a theta of your own (theta), which a fit can be given in its place: an array,
        numbers by the names of theta, or one number, of so many sigma every random effect is
        then, uncorrelated (0: complete pooling).
    scale : {"b", "coef"}
        Deviations from the population (b), or population plus deviation, the coefficients
        (coef).
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.caterpillar(full, zerocorr, group="Subject", order="Days")  # doctest: +SKIP
    """

def check(
    source: Source,
    *others: Source,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw what should hold of a model and its data on one sheet, a sentence to each panel.

    Simulated data, linearity, homogeneity of variance, influential observations, collinearity, and
    the normality of residuals and of random effects.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.check(fit)  # doctest: +SKIP
    """

def coefficients(
    source: Source | Made,
    *others: Source | Made,
    terms: Sequence[str | int] | None = None,
    kinds: Sequence[str] = ('beta', 'sd', 'correlation'),
    intervals: Sequence[str] | None = None,
    ratios: bool = False,
    level: float | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw fixed effects, standard deviations and correlations with their intervals.

    Several fits, and several kinds of intervals of one, stand in one row of each parameter. Stored
    intervals are drawn; of a fit those named are made: all of its profile, its bootstrap.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    terms : sequence of str or int, optional
        Fixed effects in the order of their rows, by name or by position (from 0); by default
        all.
    kinds : sequence of {"beta", "sd", "correlation"}
        Parameters that have panels: fixed effects, SDs, correlations.
    intervals : sequence of {"wald", "profile", "bootstrap", "satterthwaite", "kenward-roger"}, optional
        Methods of the intervals; by default, of one fit all that are stored or made, of several
        the first that all have.
    ratios : bool
        Fixed effects of a generalised model as ratios, on a log scale: of odds (logit), of
        rates or means (log), of hazards (cloglog).
    level : float, optional
        Coverage; by default that of stored intervals, or 0.95.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.coefficients(fit, intervals=["wald", "profile"])  # doctest: +SKIP
    """

def crossvalidation(
    source: Made,
    *others: Any,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw how well every structure predicts what was held out.

    Parameters
    ----------
    source : object with tables, or mapping of str to pandas.DataFrame
        What ms.cross_validate(model) gives, or its tables by name: ``crossvalidation``,
        ``crossvalidation_groups``, ``crossvalidation_fits``.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    """

def dumbbell(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    term: str | int | None = None,
    reference: str | float | Sequence[float] | Mapping[str, float] = 'auto',
    scale: Literal["b", "coef"] = 'b',
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw reference, conditional mode and zero of every level for one term.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    term : str or int, optional
        By name or by position (from 0); by default the first of the factor.
    reference : {"auto", "joint_limit", "within_group", "linearised", "theta"} or theta
        Where arrows start: the limit of the conditional modes as the penalty vanishes for all
        factors together (joint_limit), or each group's own least-squares estimate
        (within_group); by default (auto) the first, or the second where least squares cannot
        tell the factor from others. Of generalised models each group's own estimate, linearised
        at its mode (linearised, the default), or its own maximum likelihood (within_group). The
        modes at a theta of your own (theta), which a fit can be given in its place: an array,
        numbers by the names of theta, or one number, of so many sigma every random effect is
        then, uncorrelated (0: complete pooling).
    scale : {"b", "coef"}
        Deviations from the population (b), or population plus deviation, the coefficients
        (coef).
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.
    """

def efficiency(
    source: Made,
    *others: Any,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw how efficiently every structure shrinks: its errors from a known truth.

    Parameters
    ----------
    source : object with tables, or mapping of str to pandas.DataFrame
        What ms.efficiency(fit) gives, or its tables by name: ``efficiency``,
        ``efficiency_refits``.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    """

def explorer(
    source: Source,
    *others: Source,
    reference: Literal["auto", "joint_limit", "within_group", "linearised"] = 'auto',
    ellipses: Sequence[float] = (0.5, 0.95),
    landscape: bool = True,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    r"""Link shrinkage, modes and optimisation of a model on one page: choose a level, a moment.

    Whatever is chosen in one picture is marked in all: a level of a grouping factor, an evaluation
    of the optimiser, a covariance structure. Sentences at its top answer which structure collapsed,
    who moved most, when the fit was over, what stopping would have cost and what the correlation
    bought; each leads to the pictures that show it.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    reference : {"auto", "joint_limit", "within_group", "linearised"}
        Where arrows start: the limit of the conditional modes as the penalty vanishes for all
        factors together (joint_limit), or each group's own least-squares estimate
        (within_group); by default (auto) the first, or the second where least squares cannot
        tell the factor from others. Of generalised models each group's own estimate, linearised
        at its mode (linearised, the default), or its own maximum likelihood (within_group).
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution of random effects.
    landscape : bool
        Whether the landscape of the objective around each fit is shown: where it is not stored
        yet, it costs many evaluations.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    Figure
        Shown in a notebook as the page; `save` writes that page, and pictures of how it opens.

    Raises
    ------
    ModelError
        If a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.explorer([full, zerocorr]).save("explorer.html")  # doctest: +SKIP
    """

def influence(
    source: Source | Made,
    *others: Source | Made,
    names: int = 10,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw what estimates change by without an observation or a group.

    Cook's distances of the fixed effects, what each fixed effect changes by, and what standard
    deviations do; the most influential are named.

    Parameters
    ----------
    source, *others : object with tables, Fit, FitTables, path, or sequence of these
        What fit.influence() gives, fits that have it, or its tables by name: ``influence``,
        ``influence_parameters``.
    names : int
        How many of the most influential have a row and a name.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.influence(fit.influence("Subject"), fit.influence())  # doctest: +SKIP
    """

def ladder(
    source: Made,
    *others: Any,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the structures of one model on common axes: what each costs and what it buys.

    Parameters
    ----------
    source : object with tables, or mapping of str to pandas.DataFrame
        What ms.ladder(model) gives, or its tables by name: ``structures``, ``tests``,
        ``components``.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    """

def landscape(
    source: Source,
    *others: Source,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the objective around the path of the optimiser: contours for pairs of parameters.

    One fit at a time; `Fit.study("landscape", ...)` chooses pairs, scale and window beforehand.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

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

def ledger(
    source: Source,
    *others: Source,
    x_scale: Literal["auto", "linear", "log"] = 'auto',
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw how variance moved between observations and groups along the optimisation.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x_scale : {"auto", "linear", "log"}
        Scale of the axis of evaluations; ``auto``: log where their numbers differ tenfold.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

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

def lens(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str | int] | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw what the model makes of any estimate that a level could have: shrinkage as a lens.

    A square grid of a level's own estimates of two terms, and the grid of conditional modes that
    the model would make of them: smaller where little is kept, sheared where one term's data speak
    for the other, flat where a dimension has collapsed. For the levels with the least, the median
    and the most data, and for several fits side by side.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str or int, optional
        Terms in the order of the panels, by name or by position (from 0); by default all.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.lens(full, zerocorr, group="Subject")  # doctest: +SKIP
    """

def means(
    source: Made,
    *others: Any,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw estimated marginal means with their intervals, and effects of numbers as bands.

    Parameters
    ----------
    source : object with tables, or mapping of str to pandas.DataFrame
        What fit.means(...) gives, or its tables by name: ``means``.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.

    Examples
    --------
    >>> chart = ms.charts.means(fit.means("Machine"))  # doctest: +SKIP
    """

def motion(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str | int] | None = None,
    frames: Literal["best", "every"] = 'best',
    reference: Literal["auto", "joint_limit", "within_group", "linearised"] = 'auto',
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    r"""Set shrinkage in motion: the conditional modes as they moved while the optimiser did.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str or int, optional
        Terms in the order of the panels, by name or by position (from 0); by default all.
    frames : {"best", "every"}
        What the films show: the best so far, or every evaluation.
    reference : {"auto", "joint_limit", "within_group", "linearised"}
        Where arrows start: the limit of the conditional modes as the penalty vanishes for all
        factors together (joint_limit), or each group's own least-squares estimate
        (within_group); by default (auto) the first, or the second where least squares cannot
        tell the factor from others. Of generalised models each group's own estimate, linearised
        at its mode (linearised, the default), or its own maximum likelihood (within_group).
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution of random effects.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    Figure
        Shown in a notebook as a page to play with; `save` writes that page, films and stills.

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.motion(fit).save("in-motion.html")  # doctest: +SKIP
    """

def panels(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    x: str | None = None,
    select: Literal["pull", "few", "random"] = 'pull',
    levels: Sequence[str] | None = None,
    order: Literal["own", "mode", "pull", "n_obs"] = 'own',
    term: str | int | None = None,
    count: int = 24,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the data of each group with its own, the mixed model's and the population's line.

    The gap between the first two is how far the model pulls the group; its root mean square over
    the rows of the group is written beside its name.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    x : str, optional
        The variable that runs to the right: by default the first number among the random
        slopes, else the first number of the fixed effects, else the first factor.
    select : {"pull", "few", "random"}
        Of more groups than there are panels: those pulled most, those of the fewest rows, or
        some drawn at random.
    levels : sequence of str, optional
        The groups to draw, by name.
    order : {"own", "mode", "pull", "n_obs"}
        Order of panels: by the own least-squares estimate of `term`, by its conditional mode,
        by the pull, or by the number of rows.
    term : str or int, optional
        The term that panels are ordered by, by name or by position (from 0); by default the
        first of the group.
    count : int
        Most panels.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.panels(fit, order="pull")  # doctest: +SKIP
    """

def phases(
    source: Source | Made,
    *others: Source,
    order: Literal["n_theta", "q", "n"] = 'n_theta',
    seconds: bool = True,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw which share of the work of every fit each phase took.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these; or mapping of str to DataFrame
        What ms.phase_tables([fit, ...]) gives, or its tables by name: ``phases``,
        ``phases_trend``.
    order : {"n_theta", "q", "n"}
        Size by which the fits are ordered, the smallest first.
    seconds : bool
        Draw shares of seconds beside those of evaluations.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.

    Examples
    --------
    >>> ms.charts.phases(small, large)  # doctest: +SKIP
    """

def pooling(
    source: Source,
    *others: Source,
    x: Literal["edf", "s"] = 'edf',
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the conditional modes from complete pooling through the fit to no pooling.

    The relative covariance factor is scaled from 0 to infinity; on simulated data the true mean
    squared error of the modes is drawn below, split into squared bias and variance.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x : {"edf", "s"}
        What runs to the right: effective degrees of freedom (of the grouping factor, and of the
        whole fit for its fitted values), or the scale on a log axis.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

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

def power(
    source: Made,
    *others: Any,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the power of a planned study along its size, or over two sizes, and read sizes off.

    Parameters
    ----------
    source : object with tables, or mapping of str to pandas.DataFrame
        What ms.power(fit, ...) gives, or its tables by name: ``power``, ``power_sizes``.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.

    Examples
    --------
    >>> chart = ms.charts.power(ms.power(fit, along={"Subject": [10, 20, 40]}))  # doctest: +SKIP
    """

def principal(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    reference: Literal["auto", "joint_limit", "within_group", "linearised"] = 'auto',
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw shrinkage in the principal axes of the fitted covariance of the random effects.

    A panel for the first axis and each of the others, and the loadings of all: a singular fit,
    which pairs of terms can hide, shows as an axis along which all modes lie on one line.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    reference : {"auto", "joint_limit", "within_group", "linearised"}
        Where arrows start: the limit of the conditional modes as the penalty vanishes for all
        factors together (joint_limit), or each group's own least-squares estimate
        (within_group); by default (auto) the first, or the second where least squares cannot
        tell the factor from others. Of generalised models each group's own estimate, linearised
        at its mode (linearised, the default), or its own maximum likelihood (within_group).
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution of random effects.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.principal(fit, group="subject")  # doctest: +SKIP
    """

def profiledensity(
    source: Source | Made,
    *others: Source | Made,
    parameters: Sequence[str] | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the density of every parameter that its profile gives, were zeta a normal variable.

    That is φ(ζ) ζ′, beside Wald's normal density. What of it is missing where the range of a
    parameter ends is a bar at the end, its share written beside it.

    Parameters
    ----------
    source, *others : object with tables, Fit, FitTables, path, or sequence of these
        What fit.profile() gives, fits that have it, or its tables by name:
        ``profile_parameters``, ``profile_coverage``, ``profile_curves``.
    parameters : sequence of str, optional
        Parameters in their order: kinds (beta, sigma, sd, correlation), fixed effects by their
        names, or names such as 'sd Days | Subject'; by default all.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.profiledensity(fit.profile())  # doctest: +SKIP
    """

def profilepairs(
    source: Source | Made,
    *others: Source | Made,
    parameters: Sequence[str] | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw contours of the likelihood of every pair of parameters, all others optimised.

    Above the diagonal in the units of the parameters, below it on the scale of zeta, where a
    normal likelihood has ellipses. With the traces: where one is optimised as the other is held.

    Parameters
    ----------
    source, *others : object with tables, Fit, FitTables, path, or sequence of these
        What a fit after fit.profile_pairs() gives, fits that have it, or its tables by name:
        ``profile_contours``, ``profile_traces``.
    parameters : sequence of str, optional
        Parameters in their order: kinds (beta, sigma, sd, correlation), fixed effects by their
        names, or names such as 'sd Days | Subject'; by default all.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.profilepairs(fit)  # after fit.profile_pairs()  # doctest: +SKIP
    """

def qqcaterpillar(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str | int] | None = None,
    level: float = 0.95,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw ordered conditional modes against normal quantiles, with the envelope of the fit.

    The line is that of the modes' own standard deviation, which shrinkage makes smaller than that
    of the random effects; the envelope holds 95 % of each ordered mode of draws from the fit.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str or int, optional
        Terms in the order of the panels, by name or by position (from 0); by default all.
    level : float
        Coverage of the intervals, between 0 and 1.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.qqcaterpillar(fit, group="Subject")  # doctest: +SKIP
    """

def race(
    source: Made,
    *others: Any,
    x: Literal["evaluation", "seconds"] = 'evaluation',
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw a race of optimisers: how fast each came down, and where each ended.

    Without the table ``race_timing`` the picture holds no seconds.

    Parameters
    ----------
    source : object with tables, or mapping of str to pandas.DataFrame
        What model.race([...]) gives, or its tables by name: ``race``, ``race_ends``.
    x : {"evaluation", "seconds"}
        What runs to the right: the number of the evaluation, or the time spent in evaluations
        up to and including it.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    """

def residuals(
    source: Source,
    *others: Source,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw standardised residuals: normal quantiles, fitted values, leverages, and by group.

    What is stored of the first fit is drawn.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.residuals(fit)  # doctest: +SKIP
    """

def ridge(
    source: Source | Made,
    *others: Source | Made,
    parameters: Sequence[str] | None = None,
    level: float | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw how the estimates of every parameter are distributed over the draws of a bootstrap.

    A density of each, with spikes where draws are at 0 or ±1, the estimate the responses were
    drawn from, the mean of the draws, and the interval they give.

    Parameters
    ----------
    source, *others : object with tables, Fit, FitTables, path, or sequence of these
        What fit.parametric_bootstrap(...) gives, fits that have it, or its tables by name:
        ``bootstrap_parameters``, ``bootstrap_densities``.
    parameters : sequence of str, optional
        Parameters in their order: kinds (beta, sigma, sd, correlation), fixed effects by their
        names, or names such as 'sd Days | Subject'; by default all.
    level : float, optional
        Coverage of the intervals; by default that stored, 0.95.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.ridge(fit.parametric_bootstrap(1000))  # doctest: +SKIP
    """

def ridge2d(
    source: Source | Made,
    *others: Source | Made,
    parameters: Sequence[str] | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw pairs of parameters over the draws of a bootstrap, with regions that hold shares.

    Lines hold 50, 80 and 95 % of the draws inside the ranges; draws at an end of a range lie on it
    and are counted. Where contours of the likelihood are stored, they are beside them.

    Parameters
    ----------
    source, *others : object with tables, Fit, FitTables, path, or sequence of these
        What fit.parametric_bootstrap(...) gives, fits that have it, or its tables by name:
        ``bootstrap``, ``bootstrap_pairs``, ``bootstrap_regions``.
    parameters : sequence of str, optional
        Parameters all pairs of which are drawn, in their order: kinds, fixed effects by their
        names, or names such as 'sd Days | Subject'; by default the six pairs that depend on
        each other most, by rank correlation.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.ridge2d(draws, parameters=["Days", "sigma"])  # doctest: +SKIP
    """

def shrinkage(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str | int] | None = None,
    reference: str | float | Sequence[float] | Mapping[str, float] = 'auto',
    scale: Literal["b", "coef"] = 'b',
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw how far the model pulls each group from what the group alone would say.

    A panel for every pair of terms; a dumbbell chart where there is a single term.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str or int, optional
        Terms in the order of the panels, by name or by position (from 0); by default all.
    reference : {"auto", "joint_limit", "within_group", "linearised", "theta"} or theta
        Where arrows start: the limit of the conditional modes as the penalty vanishes for all
        factors together (joint_limit), or each group's own least-squares estimate
        (within_group); by default (auto) the first, or the second where least squares cannot
        tell the factor from others. Of generalised models each group's own estimate, linearised
        at its mode (linearised, the default), or its own maximum likelihood (within_group). The
        modes at a theta of your own (theta), which a fit can be given in its place: an array,
        numbers by the names of theta, or one number, of so many sigma every random effect is
        then, uncorrelated (0: complete pooling).
    scale : {"b", "coef"}
        Deviations from the population (b), or population plus deviation, the coefficients
        (coef).
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution of random effects.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.shrinkage(full, zerocorr, group="Subject")  # doctest: +SKIP
    """

def splom(
    source: Source,
    *others: Source | None,
    group: str | None = None,
    terms: Sequence[str | int] | None = None,
    values: Literal["mode", "joint_limit", "within_group"] = 'mode',
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw every two terms of a grouping factor against each other, and the density of each.

    Conditional modes with contours of the fitted distribution; or the numeric columns of any table
    given in place of a fit.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these; or DataFrame
        A text behind the first is the grouping factor.
    group : str, optional
        Grouping factor; by default the first of the formula.
    terms : sequence of str or int, optional
        Terms in the order of the panels, by name or by position (from 0); by default all.
    values : {"mode", "joint_limit", "within_group"}
        Conditional modes, or one of their references, as deviations from the population.
    ellipses : sequence of float
        Coverages of the contours of the fitted distribution of random effects.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a grouping factor, a term or a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> chart = ms.charts.splom(fit)  # doctest: +SKIP
    """

def stopping(
    source: Source,
    *others: Source,
    x: Literal["evaluation", "seconds"] = 'evaluation',
    accuracy: float | None = None,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw what stopping earlier would have cost.

    For every evaluation the gap in the objective, the largest change of a fixed effect in standard
    errors, that of sigma, and that of a conditional mode in conditional standard deviations.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x : {"evaluation", "seconds"}
        What runs to the right: the number of the evaluation, or the time spent in evaluations
        up to and including it.
    accuracy : float, optional
        The accuracy that is marked and spoken of, one of those studied; by default the
        smallest.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

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

def theta(
    source: Source,
    *others: Source,
    frames: Literal["best", "every"] = 'every',
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    r"""Set the components of θ in motion.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    frames : {"best", "every"}
        What the films show: the best so far, or every evaluation.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    Figure
        Shown in a notebook as a page to play with; `save` writes that page, films and stills.

    Raises
    ------
    ModelError
        If a setting is unknown, or there is nothing to draw.
    StoreError
        If a table is missing.
    """

def trace(
    source: Source,
    *others: Source,
    x: Literal["evaluation", "seconds"] = 'evaluation',
    parameters: Literal["sd", "theta"] | None = None,
    overlay: bool = False,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw how an optimiser found the optimum, and whether it arrived.

    Above, the objective minus its minimum on a log scale, every evaluation a point; below, the
    standard deviations and correlations.  Phases are shaded.

    Parameters
    ----------
    source, *others : Fit, FitTables, path, or sequence of these
    x : {"evaluation", "seconds"}
        What runs to the right: the number of the evaluation, or the time spent in evaluations
        up to and including it.
    parameters : {"sd", "theta"}, optional
        Standard deviations and correlations, or the components of θ; by default the former
        where their table is there, as it always is for a fit.
    overlay : bool
        Draw all fits in one panel, without the parameters.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

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

def zeta(
    source: Source | Made,
    *others: Source | Made,
    parameters: Sequence[str] | None = None,
    absolute: bool = False,
    theme: Literal["light", "print"] = 'light',
    width: float | None = None,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> TopLevelMixin:
    r"""Draw the profile of every parameter: zeta, the signed root of the rise of the deviance.

    Where it is straight, Wald's interval (a dashed line) is right. Exact points are dots; level
    lines are where intervals of 50, 80, 90, 95 and 99 % end.

    Parameters
    ----------
    source, *others : object with tables, Fit, FitTables, path, or sequence of these
        What fit.profile() gives, fits that have it, or its tables by name:
        ``profile_parameters``, ``profile_coverage``, ``profile_curves``.
    parameters : sequence of str, optional
        Parameters in their order: kinds (beta, sigma, sd, correlation), fixed effects by their
        names, or names such as 'sd Days | Subject'; by default all.
    absolute : bool
        Draw the size of zeta, so that an interval is a level line between two branches.
    theme : {"light", "print"}
    width : float, optional
        Millimetres that the figure is wide in print at most.
    title : bool
        Whether the title stands above the figure.
    labels, units : mapping of str to str, optional
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str, optional
        Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ...

    Returns
    -------
    altair chart

    Raises
    ------
    ModelError
        If a setting is unknown, or the source is another thing.
    StoreError
        If a table is missing.

    Examples
    --------
    >>> ms.charts.zeta(fit.profile())  # doctest: +SKIP
    """
