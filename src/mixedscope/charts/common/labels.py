"""What variables are called in figures, and in which units they are measured.

Labels take the place of names in all that a chart reads, so that axes, keys, titles and captions
agree; a formula stays as it was written.  Units stand on axes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import permutations
from types import MappingProxyType
from typing import Any, Final, TypeVar

import pandas as pd

from mixedscope.charts.common.link_scale import is_generalized, scale_words
from mixedscope.charts.common.options import Options, allowed
from mixedscope.charts.common.parameters import KINDS
from mixedscope.charts.common.sheet import current
from mixedscope.core.errors import ModelError
from mixedscope.tables.late import LateTables
from mixedscope.tables.store import FitTables

__all__ = [
    "explaining_labels",
    "labelled",
    "labelled_fit",
    "labelled_options",
    "response_unit",
    "term_title",
    "term_unit",
    "variable_title",
    "variable_words",
]

_INTERCEPT: Final = "(Intercept)"

#: Columns that hold names of variables, of terms or of grouping factors.
_NAMED: Final = (
    "group", "term", "term2", "variable", "response", "by", "factor", "factor2",
    "x_group", "x_term", "x_term2", "x_name", "y_group", "y_term", "y_term2", "y_name",
)  # fmt: skip
#: Columns that hold sentences, or names put together.
_TOLD: Final = ("name", "words", "others", "effect")
#: What an origin of draws says of names; the last with a kind before them.
_DRAWN: Final = ("beta_names", "theta_names", "sd_names", "correlation_names", "undetermined")
#: Options that name terms, variables, or parameters.
_ASKED: Final = ("term", "terms", "parameters", "x", "order")
#: Orders of levels that are no terms.
_ORDERS: Final = ("mode", "reference", "n")
Source = TypeVar("Source")
Asked = TypeVar("Asked", bound=Options)


@contextmanager
def explaining_labels() -> Iterator[None]:
    """Say, in an error that names labels, whose labels these are."""
    try:
        yield
    except ModelError as error:
        named = [
            f"{label!r} is {name}"
            for name, label in current().labels.items()
            if label in str(error)
        ]
        if not named:
            raise
        raise type(error)(f"{error} By the labels given, {', '.join(named)}.") from error


def labelled(source: Source) -> Source:
    """Give fits, or tables, in which variables are called by their labels.

    ``source``: stored tables of a fit, a table, or sequences and mappings of these. Without labels
    it is given as it is.
    """
    labels = current().labels
    if not labels:
        return source
    found: Any = _Names(labels).all_of(source)
    result: Source = found
    return result


def labelled_fit(
    info: Mapping[str, Any], *tables: pd.DataFrame
) -> tuple[dict[str, Any], list[pd.DataFrame]]:
    """Give the information of a fit, and tables beside it, with labels in the place of names.

    ``info``: content of ``fit.json``.
    """
    labels = current().labels
    if not labels:
        return dict(info), list(tables)
    own = _Names(labels).of_info(info)
    return own.info(info), [own.table(table) for table in tables]


def labelled_options(options: Asked, source: Any) -> Asked:
    """Give options that name terms and variables by the labels of these, as `labelled` has them.

    ``source``: what is drawn, under its own names. What is named by a label is left as it is.
    """
    labels = current().labels
    fields = type(options).model_fields
    asked = {
        name: value
        for name in _ASKED
        if name in fields
        and not allowed(fields[name])
        and (value := getattr(options, name))
        # Positions are none of names.
        and not isinstance(value, int)
    }
    if not labels or not asked:
        return options
    names = _Names(labels)
    called = dict(labels)
    for fit in _fits(source):
        called |= names.of_fit(fit).all_names(fit.info)
    words = "|".join(re.escape(name) for name in sorted(called, key=len, reverse=True))
    within = re.compile(rf"(?<![\w.])(?:{words})(?![\w.(])")

    terms = {
        term for fit in _fits(source) for part in fit.info.get("random") or []
        for term in part["names"]
    }  # fmt: skip
    # Kinds of parameters are meant before terms of that name, orders of levels after them.
    kept = {"parameters": set(KINDS), "order": set(_ORDERS) - terms}

    def change(option: str, text: str) -> str:
        if text in kept.get(option, ()):
            return text
        return within.sub(lambda match: called[match[0]], text)

    return options.model_copy(
        update={
            name: change(name, value)
            if isinstance(value, str)
            else [change(name, text) if isinstance(text, str) else text for text in value]
            for name, value in asked.items()
        }
    )


def _fits(source: Any) -> list[FitTables]:
    """The fits of what is drawn."""
    if isinstance(source, FitTables):
        return [source]
    if isinstance(source, list | tuple):
        return [fit for part in source for fit in _fits(part)]
    return []


def variable_title(name: str) -> str:
    """The title of an axis of a variable, with its unit where that is known."""
    unit = _units().get(name)
    return f"{name} ({unit})" if unit else name


def variable_words(name: str) -> str:
    """A variable with its unit, where it stands in brackets."""
    unit = _units().get(name)
    return f"{name}, {unit}" if unit else name


def term_title(term: str, info: Mapping[str, Any]) -> str:
    """The title of an axis of the coefficient of a term, with its unit where that is known.

    Of a generalised model with its scale. ``info``: of the fit.
    """
    unit = term_unit(term, info) or scale_words(info)
    return f"{term} ({unit})" if unit else term


def response_unit(info: Mapping[str, Any]) -> str | None:
    """The unit of the response of a fit, where it is known."""
    return _units().get(str(info.get("response") or ""))


def term_unit(term: str, info: Mapping[str, Any]) -> str | None:
    """The unit of the coefficient of a term, where it is known.

    It is the unit of the response, for one unit of each variable of the term that has one; there is
    none on the scale of a link.
    ``info``: of the fit.
    """
    units = _units()
    unit = response_unit(info)
    if not unit or is_generalized(info):
        return None
    variables = info.get("variables") or {}
    factors = [name for name, known in variables.items() if known.get("kind") == "categorical"]
    per = []
    for part in term.split(":"):
        if part == _INTERCEPT or any(part.startswith(name) for name in factors):
            continue
        if part not in units:
            return None
        per.append(units[part])
    return "/".join([unit, *per])


def _units() -> dict[str, str]:
    """Units by what their variables are called in figures."""
    drawn_on = current()
    return {drawn_on.labels.get(name, name): unit for name, unit in drawn_on.units.items()}


class _Names:
    """Labels in place of names."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = labels
        names = "|".join(re.escape(name) for name in sorted(labels, key=len, reverse=True))
        # A name as such, or before the level of a factor; not as a part of another name.
        self._in_text = re.compile(rf"(?<![\w.])(?:{names})(?![\w.(])")

    def text(self, text: str) -> str:
        """A sentence, or names put together."""
        return self._in_text.sub(lambda match: self.labels[match[0]], text)

    def name(self, name: Any) -> Any:
        """The name of a variable, a term or a factor; what is no text is left as it is."""
        if not isinstance(name, str):
            return name
        if name in self.components:
            return self.components[name]
        return ":".join(self._part(part) for part in name.split(":"))

    def _part(self, part: str) -> str:
        if part in self.labels:
            return self.labels[part]
        # The level of a factor follows its name.
        for name in sorted(self.levelled, key=len, reverse=True):
            if part.startswith(name) and len(part) > len(name):
                return f"{self.labels[name]} {part[len(name) :]}"
        return self.text(part)

    #: Of a fit: factors with labels, and components of theta by what they are called.
    levelled: tuple[str, ...] = ()
    components: Mapping[str, str] = MappingProxyType({})

    def all_of(self, source: Any) -> Any:
        if isinstance(source, FitTables):
            return self.fit(source)
        if isinstance(source, pd.DataFrame):
            return self.table(source)
        if isinstance(source, Mapping):
            return {key: self.all_of(value) for key, value in source.items()}
        if isinstance(source, list | tuple):
            return type(source)(self.all_of(value) for value in source)
        return self.name(source)

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with names replaced; numbers and levels are those of the given one."""
        found = table.copy(deep=False)
        for column in found.columns:
            if column not in _NAMED and column not in _TOLD:
                continue
            change = self.name if column in _NAMED else self.text
            known = {text: change(text) for text in found[column] if isinstance(text, str)}
            if any(text != label for text, label in known.items()):
                found[column] = [
                    known[text] if isinstance(text, str) else text for text in found[column]
                ]
        if "origin" in found.attrs:
            found.attrs["origin"] = self._origin(found.attrs["origin"])
        return found

    def _origin(self, origin: Mapping[str, Any]) -> dict[str, Any]:
        """What draws are of: its names are those that columns of the draws are found by."""
        own = {key: self.all_of(origin[key]) for key in _DRAWN if key in origin}
        if "undetermined" in own:
            own["undetermined"] = [
                (kind, *self.all_of(names)) for kind, *names in origin["undetermined"]
            ]
        return {**origin, **own}

    def of_fit(self, fit: FitTables) -> _Names:
        """The same labels for the names of a fit."""
        return self.of_info(fit.info)

    def of_info(self, info: Mapping[str, Any]) -> _Names:
        """The same labels for the names of a fit of which this is stored."""
        variables = info.get("variables") or {}
        own = copy(self)
        own.levelled = tuple(
            name
            for name, known in variables.items()
            if name in self.labels and known.get("kind") == "categorical"
        )
        own.components = own.named_components(info.get("random") or [])
        return own

    def all_names(self, info: Mapping[str, Any]) -> dict[str, str]:
        """Names of terms, variables and factors of a fit that are replaced, by themselves."""
        random = info.get("random") or []
        known = [*(info.get("fixed_names") or []), *(info.get("variables") or {}), *self.components]
        known += [name for part in random for name in (part["group"], *part["names"])]
        return {name: label for name in known if (label := self.name(name)) != name}

    def fit(self, fit: FitTables) -> FitTables:
        """The tables of a fit with names replaced; those of studies when they are asked for."""
        own = self.of_fit(fit)
        studies = LateTables()
        for name in fit.studies:
            studies.later(name, partial(own.study, fit, name))
        return replace(
            fit,
            info=own.info(fit.info),
            estimates=None if fit.estimates is None else own.table(fit.estimates),
            modes=None if fit.modes is None else own.table(fit.modes),
            modes_trace=None if fit.modes_trace is None else own.table(fit.modes_trace),
            studies=studies,
        )

    def study(self, fit: FitTables, name: str) -> pd.DataFrame:
        """A table of a study of a fit."""
        return self.table(fit.studies[name])

    def info(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """The information of a fit: what names variables, terms and factors in it."""
        found = dict(info)
        if "response" in found:
            found["response"] = self.name(found["response"])
        for key in ("fixed_names", "dropped_coefficients"):
            found[key] = [self.name(name) for name in found.get(key) or []]
        found["variables"] = self._keys(found.get("variables") or {})
        if "dimensions" in found:
            groups = self._keys(found["dimensions"].get("groups") or {})
            found["dimensions"] = {**found["dimensions"], "groups": groups}
        found["random"] = [
            {
                **part,
                "group": self.name(part["group"]),
                "names": list(map(self.name, part["names"])),
            }
            for part in found.get("random") or []
        ]
        if "theta_names" in found:
            found["theta_names"] = [self.name(component) for component in found["theta_names"]]
        found["singular"] = [self._collapse(part) for part in found.get("singular") or []]
        if references := found.get("references"):
            found["references"] = {
                key: {**value, "beta": self._keys(value["beta"])} if "beta" in value else value
                for key, value in references.items()
            }
        return found

    def named_components(self, random: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What the components of theta are called: a factor, a term, perhaps another."""
        found = {}
        for part in random:
            group, names = part["group"], part["names"]
            for rest in [(name,) for name in names] + [*permutations(names, 2)]:
                found[".".join((group, *rest))] = ".".join(map(self.name, (group, *rest)))
        return found

    def _collapse(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Which terms of a factor have lost a dimension."""
        told = part.get("collapsed")
        return {
            **part,
            "group": self.name(part["group"]),
            "terms": [self.name(term) for term in part["terms"]],
            "collapsed": self.text(told) if isinstance(told, str) else told,
        }

    def _keys(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        return {self.name(key): value for key, value in mapping.items()}
