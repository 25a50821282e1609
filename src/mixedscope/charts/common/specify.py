"""What a chart of Altair specifies, in a fraction of the time that its `to_dict` takes.

Altair copies every part before it writes it, asks of every value down to the last word whether it
is a table, a date or an expression, and hashes a table for every layer that shows it.  Parts that
are no more than properties are written here at once, to the same specification; of a chart with
any other part, such as a condition, Altair writes the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from altair.utils import parse_shorthand, update_nested

from mixedscope.charts.common.records import plain_records

__all__ = ["quick_spec", "written"]

_PLAIN: Final = frozenset([str, int, float, bool, type(None)])
#: Properties of parts that are no part of what they specify.
_INNER: Final = ("shorthand", "_cached_hash")


class _Unusual(Exception):
    """A part that Altair has to write."""


def quick_spec(chart: Any) -> dict[str, Any] | None:
    """What ``chart.to_dict(validate=False)`` gives; None for what Altair has to write."""
    if alt.data_transformers.active != "default":
        return None
    writing = _Writing()
    try:
        own: dict[str, Any] = writing.plain(chart)
    except _Unusual:
        return None
    theme = alt.theme.get()
    if theme is None:
        return None
    spec = dict(update_nested(theme(), {"$schema": alt.SCHEMA_URL, **own}, copy=True))
    if writing.tables:
        spec.setdefault("datasets", {}).update(writing.tables)
    return spec


def written(part: Any) -> dict[str, Any]:
    """What a part of a chart specifies, such as an encoding."""
    try:
        own: dict[str, Any] = _Writing().plain(part)
    except _Unusual:
        own = part.to_dict(validate=False, context={"data": None, "pre_transform": False})
    return own


class _Writing:
    """One specification, and the tables that its parts show, by name."""

    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}
        # A table that is held keeps its identity.
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._inherits = False

    def plain(self, value: Any) -> Any:
        """A value as JSON has it."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if isinstance(value, alt.SchemaBase):
            return self._part(value)
        if kind is list or kind is tuple:
            return [self.plain(item) for item in value]
        if kind is dict:
            return {
                key: self.plain(item) for key, item in value.items() if item is not alt.Undefined
            }
        if isinstance(value, np.ndarray):
            return [self.plain(item) for item in value]
        if isinstance(value, np.number):
            return float(value)
        raise _Unusual

    def _part(self, part: Any) -> Any:
        write = _WRITERS.get(type(part).to_dict)
        if write is None:
            raise _Unusual
        return write(self, part)

    def properties(self, part: Any, others: dict[str, Any] | None = None) -> Any:
        """A part of properties, some of which are others, or of a value."""
        own = vars(part)
        if own["_args"]:
            if own["_kwds"]:
                raise _Unusual
            return self.plain(own["_args"][0])
        plain = self.plain
        given = {**own["_kwds"], **others} if others else own["_kwds"]
        written = {
            # Tables by name are rows of plain values.
            key: value if type(value) in _PLAIN or _is_tables(key, value) else plain(value)
            for key, value in given.items()
            if value is not alt.Undefined and key not in _INNER
        }
        if mark := written.get("mark"):
            written["mark"] = {"type": mark} if isinstance(mark, str) else mark
        return written

    def channel(self, part: Any) -> Any:
        """An encoding of a field, or of a value."""
        own = vars(part)["_kwds"]
        if own.get("condition", alt.Undefined) is not alt.Undefined:
            raise _Unusual
        said = own.get("shorthand", alt.Undefined)
        if said is alt.Undefined:
            return self.properties(part)
        known = {key for key, value in own.items() if value is not alt.Undefined}
        if not isinstance(said, str) or "field" in known:
            raise _Unusual
        parsed = _parsed(said)
        if "type" in own and not {"type"} & (known | parsed.keys()):
            raise _Unusual  # Altair looks at the table
        new = {k: v for k, v in parsed.items() if k not in known and (k != "type" or k in own)}
        return self.properties(part, new)

    def chart(self, part: Any) -> Any:
        """A chart, which may show a table, and is part of one whose table it may show."""
        data = vars(part)["_kwds"].get("data", alt.Undefined)
        inherited = self._inherits
        if data is alt.Undefined:
            if inherited or not isinstance(part, alt.Chart):
                return self.properties(part)
            self.tables["empty"] = [{}]
            shown = {"name": "empty"}
        else:
            shown = self._table(data)
        self._inherits = True
        own = self.properties(part, {"data": shown})
        self._inherits = inherited
        return own

    def _table(self, data: Any) -> Any:
        if isinstance(data, alt.NamedData):
            return self.plain(data)
        if id(data) not in self._known:
            rows = plain_records(data) if type(data) is pd.DataFrame else _inline(data)
            if rows is None:
                raise _Unusual
            text = json.dumps(rows, sort_keys=True, default=str)
            # The name that Altair gives it.
            name = f"data-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
            self.tables[name] = rows
            self._known[id(data)] = data, {"name": name}
        return dict(self._known[id(data)][1])


def _is_tables(key: str, value: Any) -> bool:
    return key == "datasets" and type(value) is dict


@cache
def _parsed(shorthand: str) -> dict[str, Any]:
    """What a shorthand says without its table."""
    found: dict[str, Any] = parse_shorthand(shorthand)
    return found


def _inline(data: Any) -> list[Any] | None:
    """The rows of a table that was given as rows, and nothing else."""
    if not isinstance(data, alt.InlineData):
        return None
    own = {key: value for key, value in vars(data)["_kwds"].items() if value is not alt.Undefined}
    rows = own.get("values")
    return rows if own.keys() == {"values"} and isinstance(rows, list) and rows != [{}] else None


#: How a part is written, by how Altair does.
_WRITERS: Final[dict[Any, Callable[[_Writing, Any], Any]]] = {
    alt.Axis.to_dict: _Writing.properties,
    alt.X.to_dict: _Writing.channel,
    alt.XValue.to_dict: _Writing.channel,
    alt.XDatum.to_dict: _Writing.channel,
    alt.LayerChart.to_dict: _Writing.chart,
    alt.Chart.to_dict: _Writing.chart,
}
