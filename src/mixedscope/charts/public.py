"""The functions of `mixedscope.charts`, made from the registry: signature, documentation, call."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any, Final

import pandas as pd

from mixedscope.charts.common.labels import explaining_labels, labelled, labelled_options
from mixedscope.charts.common.notebook import for_notebooks
from mixedscope.charts.common.options import Options, annotated, described
from mixedscope.charts.common.render import Figure
from mixedscope.charts.common.source import (
    Made,
    Source,
    as_tables,
    is_made,
    made_tables,
    study_where_possible,
    with_group,
)
from mixedscope.charts.drawing import figure, finish, function_of, on_sheet
from mixedscope.charts.registry import PUBLIC, ChartSpec
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError
from mixedscope.summaries.phases import phase_tables

# The names that annotations of these functions are written with can be looked up here.
__all__ = ["Any", "Figure", "Made", "Mapping", "Sequence", "Source", "public_function"]

_WIDTH: Final = 92
_FITS: Final = "Fit, FitTables, path, or sequence of these"


def public_function(name: str) -> Callable[..., Any]:
    """Make the function that draws one of `mixedscope.charts.registry.PUBLIC`."""
    spec = PUBLIC[name]

    def draw(
        source: Any,
        *others: Any,
        theme: str = "light",
        width: float | None = None,
        title: bool = True,
        labels: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        colours: Mapping[str, str] | None = None,
        **given: Any,
    ) -> Any:
        shown = on_sheet(
            lambda: drawn(source, *others, theme=theme, **given),
            width=width,
            title=title,
            labels=labels,
            units=units,
            colours=colours,
        )
        return for_notebooks(shown)

    def drawn(source: Any, *others: Any, theme: str, **given: Any) -> Any:
        group = given.pop("group", None)
        options = spec.options.of(given)
        shown: Sequence[Any]
        if spec.tables:
            if is_made(source) or not spec.of_fits:
                tables = made_tables(name, source, *others)
            else:
                tables = phase_tables(as_tables([source, *others]))
            shown = options.chosen(tables, spec.tables)
        elif spec.of_columns and isinstance(source, pd.DataFrame):
            if others or group is not None:
                raise ModelError(f"ms.charts.{name} draws one table, without a grouping factor.")
            shown = (source, None)
        elif spec.per_group:
            fits, group = with_group(source, others, group)
            own = as_tables(fits, *_read(spec, options), spec=spec, options=options)
            shown = (own, group)
            study_where_possible(fits, options.studies(spec.where_made))
        else:
            given_fits, studies = [source, *others], _read(spec, options)
            shown = (as_tables(given_fits, *studies, spec=spec, options=options),)
            study_where_possible(given_fits, options.studies(spec.where_made))
        # Columns of a table are called what they are called.
        own_names = spec.of_columns and isinstance(source, pd.DataFrame)
        named = options if own_names else labelled_options(options, shown)
        with explaining_labels():
            chart, told, caption, *files = function_of(spec)(
                *labelled(shown), options=named, theme=theme
            )
        if spec.paged:
            return figure(chart, told, caption, *files, theme=theme)
        return finish(chart, told, caption, theme=theme)

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = _documentation(spec)
    draw.__signature__ = _signature(spec)  # type: ignore[attr-defined]
    return door()(draw)


def _read(spec: ChartSpec, options: Options) -> tuple[str, ...]:
    """The studies that a chart with these options reads."""
    return options.studies((*spec.studies, *spec.of_options))


def _signature(spec: ChartSpec) -> inspect.Signature:
    """The parameters of the function: what is drawn, the options, the theme."""
    places = {"source": "Source", "others": "Source"}
    if spec.tables:
        places = {"source": "Source | Made", "others": "Source"}
        if not spec.of_fits:
            places = {"source": "Made", "others": "Any"}
    elif spec.per_group:
        places["others"] = "Source | None"
    elif spec.beside or spec.also:
        places = {"source": "Source | Made", "others": "Source | Made"}
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    named: dict[str, tuple[str, Any]] = {"group": ("str | None", None)} if spec.per_group else {}
    for option, field in spec.options.model_fields.items():
        default = tuple(field.default) if isinstance(field.default, list) else field.default
        named[option] = (annotated(field), default)
    named["theme"] = ("str", "light")
    named["width"] = ("float | None", None)
    named["title"] = ("bool", True)
    for name in ("labels", "units", "colours"):
        named[name] = ("Mapping[str, str] | None", None)
    placed = zip(places.items(), kinds, strict=True)
    return inspect.Signature(
        [
            *(Parameter(name, kind, annotation=written) for (name, written), kind in placed),
            *(
                Parameter(name, Parameter.KEYWORD_ONLY, annotation=written, default=default)
                for name, (written, default) in named.items()
            ),
        ],
        return_annotation="Figure" if spec.paged else "Any",
    )


def _documentation(spec: ChartSpec) -> str:
    """The docstring of the function: what it draws, each parameter, what it gives and refuses."""
    told = ", ".join(f"``{table}``" for table in spec.tables)
    made = [f"What {spec.maker} gives, or its tables by name: {told}."]
    if spec.beside:
        told = ", ".join(f"``{table}``" for table in spec.beside)
        source = [
            f"source, *others : object with tables, {_FITS}",
            f"What {spec.maker} gives, fits that have it, or its tables by name: {told}.",
        ]
    elif not spec.tables:
        kinds = f"{_FITS}; or DataFrame" if spec.of_columns else _FITS
        source = [f"source, *others : {kinds}"]
        if spec.per_group:
            source.append("A text behind the first is the grouping factor.")
    elif spec.of_fits:
        source = [f"source, *others : {_FITS}; or mapping of str to DataFrame", *made]
    else:
        source = ["source : object with tables, or mapping of str to pandas.DataFrame", *made]
    parameters = [source]
    if spec.per_group:
        parameters.append(
            ["group : str, optional", "Grouping factor; by default the first of the formula."]
        )
    parameters += [described(name, field) for name, field in spec.options.model_fields.items()]
    parameters.append(['theme : {"light", "print"}'])
    parameters.append(
        ["width : float, optional", "Millimetres that the figure is wide in print at most."]
    )
    parameters.append(["title : bool", "Whether the title stands above the figure."])
    told = "What variables are called, and what they are measured in, by their names in the data."
    parameters.append(["labels, units : mapping of str to str, optional", told])
    told = "Colours of your own, as #0072B2, by what they mean: mode, reference, best, full, ..."
    parameters.append(["colours : mapping of str to str, optional", told])
    film = "Shown in a notebook as a page to play with; `save` writes that page, films and stills."
    page = "Shown in a notebook as the page; `save` writes that page, and pictures of how it opens."
    refused = (
        "the source is another thing" if spec.tables or spec.beside else "there is nothing to draw"
    )
    group = "a grouping factor, a term or " if spec.per_group else ""
    raised = [
        ["ModelError", f"If {group}a setting is unknown, or {refused}."],
        ["StoreError", "If a table is missing."],
    ]
    sections = {
        "Parameters": parameters,
        "Returns": [["Figure", film if spec.formats else page] if spec.paged else ["altair chart"]],
        "Raises": raised[: 1 if spec.tables else 2],
    }
    text = inspect.cleandoc(spec.options.__doc__ or "")
    for title, entries in sections.items():
        lines = [line for entry in entries for line in _entry(*entry)]
        text += "\n\n" + "\n".join([title, "-" * len(title), *lines])
    if spec.options.example:
        text += f"\n\nExamples\n--------\n>>> {spec.options.example}  # doctest: +SKIP"
    return text + "\n"


def _entry(head: str, *rest: str) -> list[str]:
    """An entry of a section: its head, and what is said of it, indented."""
    text = " ".join(" ".join(rest).split())
    return [
        head,
        *textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    "),
    ]
