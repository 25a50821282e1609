"""Drawing of charts by name: what the workflow calls, and what finishes every picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import altair as alt
import pandas as pd
from altair.utils.schemapi import debug_mode

from mixedscope.charts.common.absent import absent_figure, left_out
from mixedscope.charts.common.interactive import Page
from mixedscope.charts.common.labels import explaining_labels, labelled, labelled_options
from mixedscope.charts.common.lines import broken
from mixedscope.charts.common.page import drawn_size, fitted
from mixedscope.charts.common.render import SCALE, Figure
from mixedscope.charts.common.sheet import across, current, is_narrow, sheet
from mixedscope.charts.common.structure_names import fit_label
from mixedscope.charts.common.theme import configure
from mixedscope.charts.common.vega import STACKED, measured, to_spec, vouched
from mixedscope.charts.registry import MODEL_CHARTS, ChartSpec, charts_of
from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.tables.store import FitTables

__all__ = [
    "draw",
    "draw_films",
    "draw_model_chart",
    "figure",
    "finish",
    "function_of",
    "on_sheet",
]


def function_of(spec: ChartSpec) -> Callable[..., tuple[Any, ...]]:
    """The function that draws a chart: ``<folder>_chart`` of its folder's ``chart.py``.

    It takes what it draws, ``options`` and ``theme``, and gives the chart, title, caption, and
    `files` and `told` of the `Figure` where it has any.
    """
    function: Callable[..., tuple[Any, ...]] = getattr(
        import_module(spec.module), f"{spec.folder}_chart"
    )
    return function


def draw(name: str, tables: Sequence[FitTables], settings: Mapping[str, Any]) -> Figure:
    """Draw one chart of a model on the sheet that is drawn on.

    ``name``: one of `mixedscope.charts.registry.chart_names`. ``tables``: fits of one model, shown
    side by side; those of which what it shows cannot be made are left out, and the caption says
    why. ``settings``: ``theme``, and per kind of chart a mapping of its options: ``shrinkage`` with
    ``reference``, ``scale`` and ``ellipses``, say; what is missing has its default. Raises
    ModelError if the model has no such chart, or a setting is unknown.
    """
    spec, source, options, missing = _asked(name, tables, settings)
    theme = settings.get("theme", "light")
    if source is None:
        return _absent(spec, next(iter(missing.values())), theme)
    try:
        with explaining_labels():
            chart, title, caption, *files = function_of(spec)(
                *labelled(source), options=labelled_options(options, source), theme=theme
            )
    except UnsuitedError as error:
        return _absent(spec, str(error), theme)
    return figure(chart, title, caption + left_out(missing), *files, theme=theme)


def draw_films(
    name: str, tables: Sequence[FitTables], settings: Mapping[str, Any]
) -> Mapping[str, Callable[[], bytes]]:
    """Give what makes the films of one chart of a model, by format, without its still.

    As `draw` otherwise. Raises ModelError if the chart has no films.
    """
    spec, source, options, missing = _asked(name, tables, settings)
    theme = settings.get("theme", "light")
    if not spec.formats:
        raise ModelError(f"The chart {name!r} has no films.")
    if source is None:
        return _absent(spec, next(iter(missing.values())), theme).files
    films = getattr(import_module(spec.module), f"{spec.folder}_films")
    try:
        found: Mapping[str, Callable[[], bytes]] = films(
            *labelled(source), options=labelled_options(options, source), theme=theme
        )
    except UnsuitedError as error:
        return _absent(spec, str(error), theme).files
    return found


def _asked(
    name: str, tables: Sequence[FitTables], settings: Mapping[str, Any]
) -> tuple[ChartSpec, tuple[Any, ...] | None, Any, dict[str, str]]:
    """The chart of a name, what it draws (nothing where all is missing), options, what is missing.

    What is missing is the reason, by what a fit is called.
    """
    if not tables:
        raise ModelError("There is no fit to draw: give at least one.")
    groups = [term["group"] for term in tables[0].info["random"]]
    known = charts_of(groups)
    if name not in known:
        raise ModelError(
            f"The model has no chart {name!r}.{suggest(name, known)} It has: {', '.join(known)}."
        )
    spec, group = known[name]
    chosen = dict(settings.get(spec.name, {}))
    for option in chosen:
        if option not in spec.keys:
            raise ModelError(
                f"A {spec.name} chart has no setting {option!r}.{suggest(option, spec.keys)}"
            )
    # What a key of the configuration asks for is left out by the name of the key.
    options = spec.options.of({**chosen, **spec.fixed})
    made = (*options.studies((*spec.studies, *spec.of_options)), spec.key)
    reasons = {fit_label(fit, tables): fit.skipped(made) for fit in tables}
    missing = {name: reason for name, reason in reasons.items() if reason is not None}
    shown = [fit for fit in tables if fit_label(fit, tables) not in missing]
    source = ((shown, group) if spec.per_group else (shown,)) if shown else None
    return spec, source, options, missing


def _absent(spec: ChartSpec, reason: str, theme: str) -> Figure:
    """Say why a chart is not there, in films too if it has some: their code is theirs alone."""
    films = import_module("mixedscope.charts.kinds.motion.film").standing if spec.formats else None
    return absent_figure(spec.name, reason, films, theme=theme)


def draw_model_chart(name: str, tables: Sequence[pd.DataFrame], *, theme: str = "light") -> Figure:
    """Draw one of `mixedscope.charts.registry.MODEL_CHARTS` from tables of the kinds that it reads.

    What cannot be made of a model is left out: its figure says why.
    """
    for table in tables:
        if "skipped" in table.attrs:
            return absent_figure(name, str(table.attrs["skipped"]["reason"]), theme=theme)
    spec = MODEL_CHARTS[name]
    options = spec.options.of(spec.fixed)
    return figure(
        *function_of(spec)(
            *labelled(tables), options=labelled_options(options, tables), theme=theme
        ),
        theme=theme,
    )


def figure(
    chart: Any,
    title: str,
    caption: str,
    files: Mapping[str, Callable[[], bytes]] | None = None,
    told: Mapping[str, Any] | None = None,
    *,
    theme: str = "light",
) -> Figure:
    """Make a figure of what the function of a chart gave.

    ``files``: formats that are not made from the chart. ``told``: what is told beside it.
    """
    drawn = finish(chart, title, caption, theme=theme)
    made = {name: _on_this_sheet(make) for name, make in (files or {}).items()}
    return Figure(drawn, title, caption, made, told or {})


def _on_this_sheet(make: Callable[..., bytes]) -> Callable[..., bytes]:
    """The same, done on the sheet that is drawn on now whenever it is called."""
    context = copy_context()
    if isinstance(make, Page):
        return Page(lambda *given: context.copy().run(make.make, *given))
    return lambda *given: context.copy().run(make, *given)


Drawn = TypeVar("Drawn")


def on_sheet(make: Callable[[], Drawn], *, width: float | None = None, **asked: Any) -> Drawn:
    """Draw a figure, or a chart, on a sheet of this width in millimetres, and for its size.

    ``make``: draws it, with theme and title. ``width`` and ``asked``: as for
    `mixedscope.charts.common.sheet.sheet`, which says what it refuses.
    """
    if width is None:
        with sheet(**asked):
            return make()
    less, narrowest = 0, math.inf
    while True:
        with sheet(width, **asked, less=less) as used:
            again = make()
        chart: Any = again.chart if isinstance(again, Figure) else again
        spec = measured(chart) or to_spec(chart)
        across, _ = drawn_size(spec)
        if across >= narrowest:  # less room has not made it narrower
            break
        drawn, narrowest, kept = again, across, (chart, spec)
        if across <= used.most:
            break
        less += math.ceil(across) - used.most
    chart, spec = kept
    # What is measured is what is written, with the size it has in print beside it.
    beside = {} if chart.usermeta is alt.Undefined else chart.usermeta
    spec["usermeta"] = chart.usermeta = {**beside, SCALE: used.scale(narrowest)}
    measured(chart, spec)
    return drawn


@debug_mode(False)
def finish(chart: Any, title: str, caption: str, *, theme: str = "light") -> Any:
    """Give a chart its title, its description, its theme, and a page's height at most."""
    drawn_on = current()
    drawn = None if is_narrow() else measured(chart)
    if not drawn_on.title:
        chart, drawn = chart.properties(title=alt.Undefined), None
    elif chart.title is alt.Undefined:
        # As many characters of the bold title as the sheet holds.
        chart, drawn = chart.properties(title=broken(title, across() // 8)), None
    if is_narrow():
        chart = chart.properties(usermeta={STACKED: True})
    whole = configure(chart.properties(description=caption), theme)
    if drawn is not None:
        # It was measured in the first theme; others differ in colours.
        measured(whole, {**drawn, "config": _specified(theme), "description": caption})
    return vouched(fitted(whole))


@cache
def _specified(theme: str) -> dict[str, Any]:
    """What a theme configures, as specifications have it."""
    config: dict[str, Any] = to_spec(configure(alt.Chart().mark_point(), theme))["config"]
    return config
