"""Charts put together of others: in layers, side by side, one below the other, in a grid.

Altair's own functions copy every part, all the way down, each time it becomes part of something
larger, has a property set or is written as a specification, to give selections names of their own:
of a chart of 24 panels that is nine tenths of the time to build it. Our charts have no selections,
so that parts are taken as they are; the specifications are those of Altair's functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self

import altair as alt

__all__ = ["in_column", "in_grid", "in_row", "layered", "of_spec"]

#: What layers cannot have of their own: it belongs to the chart they form.
_OF_THE_WHOLE: Final = ("height", "width")


class _Whole(alt.TopLevelMixin):
    """A chart of parts, which a copy of it has too."""

    def copy(self, deep: bool | Iterable[Any] = True, ignore: list[str] | None = None) -> Self:
        """Copy as Altair does, but for what makes a shallow copy deep: the constructor."""
        if deep is True:
            return super().copy(deep, ignore)  # type: ignore[misc]
        twin = object.__new__(type(self))
        for name in ("_args", "_kwds"):
            object.__setattr__(twin, name, type(vars(self)[name])(vars(self)[name]))
        for name in deep or ():
            inner = vars(twin)["_kwds"][name]
            copied = inner.copy(deep=False) if isinstance(inner, alt.SchemaBase) else inner
            vars(twin)["_kwds"][name] = list(copied) if isinstance(copied, list) else copied
        return twin

    def properties(self, **given: Any) -> Self:
        """Set properties as Altair does, but for holding each to the schema: tests do, of all."""
        twin = self.copy(deep=False)
        for name, value in given.items():
            setattr(twin, name, value)
        return twin


class _Layers(_Whole, alt.LayerChart): ...


class _Row(_Whole, alt.HConcatChart): ...


class _Column(_Whole, alt.VConcatChart): ...


class _Grid(_Whole, alt.ConcatChart): ...


def layered(*layers: Any, **properties: Any) -> alt.LayerChart:
    """Draw charts over each other, the first at the back; `alt.layer` without its copies."""
    chart = _Layers(**properties)
    parts = _parts(chart, layers)
    for name in _OF_THE_WHOLE:
        given = [part for part in parts if _has(part, name)]
        own = {part[name] for part in given} | ({chart[name]} if _has(chart, name) else set())
        if len(own) > 1:
            raise ValueError(f"Layers of different {name}: {sorted(own)}.")
        for part in given:
            part[name] = alt.Undefined
        if own:
            chart[name] = own.pop()
    chart.layer = parts
    return chart


def in_row(*charts: Any, **properties: Any) -> alt.HConcatChart:
    """Put charts side by side, as `alt.hconcat` does."""
    chart = _Row(**properties)
    chart.hconcat = _parts(chart, charts)
    return chart


def in_column(*charts: Any, **properties: Any) -> alt.VConcatChart:
    """Put charts in_column each other, as `alt.vconcat` does."""
    chart = _Column(**properties)
    chart.vconcat = _parts(chart, charts)
    return chart


def in_grid(*charts: Any, columns: int, **properties: Any) -> alt.ConcatChart:
    """Put charts in rows of so many, as `alt.concat` does."""
    chart = _Grid(columns=columns, **properties)
    chart.concat = _parts(chart, charts)
    return chart


def of_spec(spec: dict[str, Any]) -> alt.VConcatChart:
    """A chart of parts below each other from its specification, which is ours.

    `alt.VConcatChart.from_dict` tries for every part, down to the last axis, which of all parts of
    the schema it might be.
    """
    chart = _Column()
    for name, part in spec.items():
        chart[name] = part
    chart.vconcat = [_part_of(part) for part in spec["vconcat"]]
    return chart


#: What parts are called that are put together of others.
_SPECS: Final = {
    "concat": alt.ConcatSpecGenericSpec,
    "hconcat": alt.HConcatSpecGenericSpec,
    "layer": alt.LayerSpec,
    "vconcat": alt.VConcatSpecGenericSpec,
}


def _part_of(spec: dict[str, Any]) -> Any:
    for name, kind in _SPECS.items():
        if name in spec:
            return kind(**{**spec, name: [_part_of(part) for part in spec[name]]})
    if "encoding" in spec:
        spec = {**spec, "encoding": alt.FacetedEncoding(**spec["encoding"])}
    return alt.FacetedUnitSpec(**spec)


def _parts(chart: Any, given: Iterable[Any]) -> list[Any]:
    """Copies of the parts, not of what is in them; data that all have become those of the chart."""
    parts = [part.copy(deep=False) for part in given]
    for part in parts:
        if _has(part, "params"):
            raise ValueError("A chart with selections is to be put together by Altair itself.")
    if not parts:
        return parts
    own = [part.data for part in parts]
    data = chart.data if _has(chart, "data") else own[0]
    if data is alt.Undefined or any(one is not data for one in own if one is not alt.Undefined):
        return parts
    if not _has(chart, "data") and any(one is alt.Undefined for one in own):
        return parts
    chart.data = data
    for part in parts:
        part.data = alt.Undefined
    return parts


def _has(chart: Any, name: str) -> bool:
    return getattr(chart, name, alt.Undefined) is not alt.Undefined
