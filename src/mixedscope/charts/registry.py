"""The charts of a model by name: what the workflow draws.

Adding a chart takes one function ``(tables, group, theme, options) -> (chart, title, caption)`` and
one line of `CHARTS`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import altair as alt

from mixedscope.charts.common.absent import absent_figure, left_out
from mixedscope.charts.common.page import fitted
from mixedscope.charts.common.render import Figure
from mixedscope.charts.common.structure_names import structure_name
from mixedscope.charts.common.theme import DOUBLE_COLUMN, configure
from mixedscope.charts.kinds.landscape.chart import landscape_chart
from mixedscope.charts.kinds.ledger.chart import ledger_chart
from mixedscope.charts.kinds.motion import Motion, motion, theta_motion
from mixedscope.charts.kinds.pooling.chart import shrinkage_path_chart
from mixedscope.charts.kinds.shrinkage.chart import shrinkage_chart
from mixedscope.charts.kinds.shrinkage.dumbbell import dumbbell_chart
from mixedscope.charts.kinds.shrinkage.levels import drawn_terms
from mixedscope.charts.kinds.stopping.chart import stopping_chart
from mixedscope.charts.kinds.trace.chart import trace_chart
from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.tables.store import FitTables

__all__ = [
    "CHARTS",
    "TIMED",
    "ChartKind",
    "chart_kind",
    "chart_names",
    "draw",
    "dumbbell_of",
    "figure",
    "file_slugs",
    "finish",
    "grouping_factor",
    "motion_of",
    "name_of_slug",
    "shrinkage_of",
]

#: Charts whose names end like this show measured seconds, which no other run repeats.
TIMED: Final = "-seconds"

#: Formats of films.
FILMS: Final = ("gif", "mp4")

Drawn = tuple[Any, str, str]


@dataclass(frozen=True)
class ChartKind:
    """One entry of the registry.

    Attributes
    ----------
    draw : callable
        ``(tables, group, theme, **options) -> (chart, title, caption)``, followed by the `files`
        of its `Figure` where it has any; ``group`` is None for a chart of the whole model.
    per_group : bool
        One chart per grouping factor, named ``<kind>-<slug of the factor>``.
    options : tuple of str
        Names of its settings.
    shows : {"structures", "optimizers", "first"}
        Which fits of a model stand side by side: those of all structures by the first optimiser,
        those of the first structure by all optimisers, or the first of both alone.
    studies : tuple of str
        The studies whose tables it reads.
    formats : tuple of str
        Formats beyond those of every chart.
    """

    draw: Callable[..., tuple[Any, ...]]
    per_group: bool = False
    options: tuple[str, ...] = ()
    shows: Literal["structures", "optimizers", "first"] = "structures"
    studies: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


def _shrinkage(tables: Sequence[FitTables], group: str | None, theme: str, **options: Any) -> Drawn:
    return shrinkage_of(tables, group, theme=theme, **options)


def _motion(
    tables: Sequence[FitTables], group: str | None, theme: str, **options: Any
) -> tuple[Any, ...]:
    return _film(motion_of(tables, group, theme=theme, **options))


def _theta(
    tables: Sequence[FitTables], group: str | None, theme: str, **options: Any
) -> tuple[Any, ...]:
    return _film(theta_motion(tables, theme=theme, **options))


def _film(motion: Motion) -> tuple[Any, ...]:
    return motion.still, motion.title, motion.caption, motion.files


def _trace(tables: Sequence[FitTables], group: str | None, theme: str, **options: Any) -> Drawn:
    return trace_chart(tables, theme=theme, **options)


def _stopping(tables: Sequence[FitTables], group: str | None, theme: str, **options: Any) -> Drawn:
    return stopping_chart(tables, theme=theme, **options)


def _landscape(tables: Sequence[FitTables], group: str | None, theme: str) -> Drawn:
    return landscape_chart(tables, theme=theme)


def _ledger(tables: Sequence[FitTables], group: str | None, theme: str, **options: Any) -> Drawn:
    return ledger_chart(tables, theme=theme, **options)


def _pooling(tables: Sequence[FitTables], group: str | None, theme: str, **options: Any) -> Drawn:
    return shrinkage_path_chart(tables, theme=theme, **options)


#: Kinds of charts in the order in which a model's are shown.
CHARTS: Final[dict[str, ChartKind]] = {
    "shrinkage": ChartKind(_shrinkage, per_group=True, options=("reference", "scale", "ellipses")),
    "motion": ChartKind(
        _motion,
        per_group=True,
        options=("frames", "reference", "ellipses"),
        studies=("parameters", "motion"),
        formats=FILMS,
    ),
    "pooling": ChartKind(_pooling, options=("x",), shows="first", studies=("shrinkage_path",)),
    "trace": ChartKind(_trace, options=("parameters",), studies=("parameters",)),
    "optimizers": ChartKind(
        _trace, options=("parameters", "overlay"), shows="optimizers", studies=("parameters",)
    ),
    "stopping": ChartKind(_stopping, options=("accuracy",), studies=("stopping",)),
    "landscape": ChartKind(_landscape, shows="first", studies=("landscape",)),
    "theta": ChartKind(_theta, options=("frames",), formats=FILMS),
    "ledger": ChartKind(_ledger, options=("x_scale",), studies=("ledger",)),
    f"trace{TIMED}": ChartKind(
        partial(_trace, x="seconds"),
        shows="optimizers",
        studies=("parameters",),
    ),
    f"stopping{TIMED}": ChartKind(partial(_stopping, x="seconds"), studies=("stopping",)),
}


def chart_names(groups: Sequence[str], kinds: Sequence[str] | None = None) -> list[str]:
    """Name the charts of a model.

    Parameters
    ----------
    groups : sequence of str
        Grouping factors in the order of the formula, each once.
    kinds : sequence of str, optional
        Some of `CHARTS`; all by default.

    Returns
    -------
    list of str
        Such as ``["shrinkage-Subject", "trace"]``; each can be a file's name.
    """
    return [name for name, (kind, _) in _charts(groups).items() if kinds is None or kind in kinds]


def chart_kind(name: str) -> ChartKind:
    """Find the kind of a chart named by `chart_names`.

    Raises
    ------
    ModelError
        If there is no such kind.
    """
    # The longest name that fits: one kind's name may begin another's.
    for kind in sorted(CHARTS, key=len, reverse=True):
        if name == kind or (CHARTS[kind].per_group and name.startswith(f"{kind}-")):
            return CHARTS[kind]
    raise ModelError(f"There is no chart {name!r}.{suggest(name, CHARTS)}")


def draw(name: str, tables: Sequence[FitTables], settings: Mapping[str, Any]) -> Figure:
    """Draw one chart of a model.

    Parameters
    ----------
    name : str
        One of `chart_names`.
    tables : sequence of FitTables
        Fits of one model, shown side by side.
    settings : mapping
        ``theme``, and per kind of chart a mapping of its options: ``shrinkage`` with
        ``reference``, ``scale`` and ``ellipses``, say.  What is missing has the default of the
        chart's function.

    Returns
    -------
    Figure
        Fits of which what it shows cannot be made are left out, and its caption says why.

    Raises
    ------
    ModelError
        If the model has no such chart, or a setting is unknown.
    """
    if not tables:
        raise ModelError("There is no fit to draw: give at least one.")
    groups = [term["group"] for term in tables[0].info["random"]]
    known = _charts(groups)
    if name not in known:
        raise ModelError(
            f"The model has no chart {name!r}.{suggest(name, known)} It has: {', '.join(known)}."
        )
    kind, group = known[name]
    options = dict(settings.get(kind, {}))
    for option in options:
        if option not in CHARTS[kind].options:
            raise ModelError(
                f"A {kind} chart has no setting {option!r}.{suggest(option, CHARTS[kind].options)}"
            )
    theme = settings.get("theme", "light")
    reasons = {_called(fit, tables): fit.skipped(CHARTS[kind].studies) for fit in tables}
    missing = {name: reason for name, reason in reasons.items() if reason is not None}
    shown = [fit for fit in tables if _called(fit, tables) not in missing]
    if not shown:
        return absent_figure(kind, next(iter(missing.values())), theme=theme)
    try:
        chart, title, caption, *files = CHARTS[kind].draw(shown, group, theme, **options)
    except UnsuitedError as error:
        return absent_figure(kind, str(error), theme=theme)
    return figure(chart, title, caption + left_out(missing), *files, theme=theme)


def _called(fit: FitTables, tables: Sequence[FitTables]) -> str:
    """Name a fit by what tells it from the others."""
    name = structure_name(fit.info)
    if len({structure_name(other.info) for other in tables}) == len(tables):
        return name
    return f"{name} by {fit.info['optimizer']['name']}"


def figure(
    chart: Any,
    title: str,
    caption: str,
    files: Mapping[str, Callable[[], bytes]] | None = None,
    *,
    theme: str = "light",
) -> Figure:
    """Make a figure of what the function of a chart gave.

    Parameters
    ----------
    chart : altair chart
    title, caption : str
    files : mapping of str to callable, optional
        Formats that are not made from the chart.
    theme : {"light", "print"}

    Returns
    -------
    Figure
    """
    return Figure(finish(chart, title, caption, theme=theme), title, caption, files or {})


def shrinkage_of(
    tables: Sequence[FitTables],
    group: str | None = None,
    *,
    terms: Sequence[str] | None = None,
    reference: str = "auto",
    scale: str = "b",
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: str = "light",
) -> Drawn:
    """Draw the shrinkage of one grouping factor: a dumbbell chart where only one term varies.

    Parameters
    ----------
    tables : sequence of FitTables
    group : str, optional
        By default the first grouping factor of the formula.
    terms, reference, scale, ellipses, theme
        As for `mixedscope.charts.kinds.shrinkage.chart`.

    Returns
    -------
    chart, title, caption : altair chart, str, str

    Raises
    ------
    ModelError
        If the factor, a term or a setting is unknown.
    """
    name, known = grouping_factor(tables, group)
    shown = drawn_terms(tables, name, _terms(known, name, terms))
    if len(shown) == 1:
        return dumbbell_of(
            tables, name, term=shown[0], reference=reference, scale=scale, theme=theme
        )
    return shrinkage_chart(
        tables,
        name,
        terms=shown,
        reference=reference,
        scale=scale,
        ellipses=ellipses,
        theme=theme,
    )


def motion_of(
    tables: Sequence[FitTables],
    group: str | None = None,
    *,
    terms: Sequence[str] | None = None,
    frames: str = "best",
    reference: str = "auto",
    ellipses: Sequence[float] = (0.5, 0.95),
    theme: str = "light",
) -> Motion:
    """Set the shrinkage of one grouping factor in motion.

    Parameters
    ----------
    tables : sequence of FitTables
    group : str, optional
        By default the first grouping factor of the formula.
    terms, frames, reference, ellipses, theme
        As for `mixedscope.charts.kinds.motion`.

    Returns
    -------
    Motion

    Raises
    ------
    ModelError
        If the factor, a term or a setting is unknown.
    """
    name, known = grouping_factor(tables, group)
    return motion(
        tables,
        name,
        _terms(known, name, terms),
        frames=frames,
        reference=reference,
        ellipses=ellipses,
        theme=theme,
    )


def dumbbell_of(
    tables: Sequence[FitTables],
    group: str | None = None,
    *,
    term: str | None = None,
    reference: str = "auto",
    scale: str = "b",
    theme: str = "light",
) -> Drawn:
    """Draw the shrinkage of one term of one grouping factor, a dumbbell for each level.

    Parameters
    ----------
    tables : sequence of FitTables
    group, term : str, optional
        By default the first.
    reference, scale, theme
        As for `mixedscope.charts.kinds.shrinkage.dumbbell`.

    Returns
    -------
    chart, title, caption : altair chart, str, str

    Raises
    ------
    ModelError
        If the factor, the term or a setting is unknown.
    """
    name, known = grouping_factor(tables, group)
    (shown,) = _terms(known, name, [known[0] if term is None else term])
    return dumbbell_chart(tables, name, term=shown, reference=reference, scale=scale, theme=theme)


def _terms(known: Sequence[str], group: str, terms: Sequence[str] | None) -> list[str]:
    if terms is not None and not terms:
        raise ModelError(
            f"There is nothing to draw: terms is empty. Known are: {', '.join(known)}."
        )
    for term in terms or ():
        if term not in known:
            raise ModelError(
                f"No random effect {term!r} of {group!r}.{suggest(term, known)} "
                f"Known are: {', '.join(known)}."
            )
    return list(known if terms is None else terms)


def grouping_factor(tables: Sequence[FitTables], group: str | None) -> tuple[str, tuple[str, ...]]:
    """Find a grouping factor and the terms that vary between its levels in any of the fits.

    Parameters
    ----------
    tables : sequence of FitTables
    group : str, optional
        By default the first of the formula.

    Returns
    -------
    group : str
    terms : tuple of str

    Raises
    ------
    ModelError
        If there is no such factor.
    """
    terms: dict[str, dict[str, None]] = {}
    for fit in tables:
        for term in fit.info["random"]:
            terms.setdefault(term["group"], {}).update(dict.fromkeys(term["names"]))
    name = next(iter(terms)) if group is None else group
    if name not in terms:
        raise ModelError(
            f"No grouping factor {name!r}.{suggest(name, terms)} Known are: {', '.join(terms)}."
        )
    return name, tuple(terms[name])


def finish(chart: Any, title: str, caption: str, *, theme: str = "light") -> Any:
    """Give a chart its title, its description, its theme, and a page's height at most.

    Parameters
    ----------
    chart : altair chart
    title, caption : str
    theme : {"light", "print"}

    Returns
    -------
    altair chart
    """
    if chart.title is alt.Undefined:
        # As many characters of the bold title as a double column holds.
        lines = textwrap.wrap(title, DOUBLE_COLUMN // 8, break_long_words=False)
        chart = chart.properties(title=lines)
    return fitted(configure(chart.properties(description=caption), theme))


def file_slugs(groups: Sequence[str]) -> dict[str, str]:
    """Turn names of grouping factors into names that any file system and any URL takes.

    ASCII letters, digits, ``_`` and ``-`` stay, ``:`` becomes ``.``, and every other byte of the
    name in UTF-8 becomes ``~`` and two hexadecimal digits, so that two names never share a slug.
    Names that differ in case alone are numbered: some file systems take them for one.

    Parameters
    ----------
    groups : sequence of str

    Returns
    -------
    dict of str to str
    """
    slugs: dict[str, str] = {}
    taken: dict[str, int] = {}
    for group in groups:
        slug = "".join(_safe(character) for character in group)
        taken[slug.lower()] = count = taken.get(slug.lower(), 0) + 1
        slugs[group] = slug if count == 1 else f"{slug}~{count}"
    return slugs


def name_of_slug(slug: str) -> str:
    """Give the name of a grouping factor whose slug `file_slugs` made, its number included."""

    def decoded(escaped: re.Match[str]) -> str:
        return bytes.fromhex(escaped[0].replace("~", "")).decode("utf-8", errors="replace")

    return re.sub(r"(?:~[0-9a-f]{2})+", decoded, slug.replace(".", ":"))


def _safe(character: str) -> str:
    if character.isascii() and (character.isalnum() or character in "_-"):
        return character
    return "." if character == ":" else "".join(f"~{b:02x}" for b in character.encode())


def _charts(groups: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Every chart of a model with these grouping factors: its kind and its factor, by name."""
    slugs = file_slugs(groups)
    found: dict[str, tuple[str, str | None]] = {}
    for name, kind in CHARTS.items():
        if kind.per_group:
            found |= {f"{name}-{slugs[group]}": (name, group) for group in groups}
        else:
            found[name] = (name, None)
    return found
