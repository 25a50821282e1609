"""Figures that a page holds: panels lower where a chart would be taller than one.

Charts put panels of terms, structures and groups beside and below each other; how many there are is
known from the fit alone.  What all of them share stands here: the shape of a page, in how many
columns blocks of panels stand, and that panels give way where together they would be too tall.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import altair as alt

from mixedscope.charts.common.sheet import FULL, across
from mixedscope.charts.common.specify import written
from mixedscope.charts.common.theme import configure
from mixedscope.charts.common.vega import evaluated, measured, to_spec

__all__ = ["TALLEST_ASPECT", "beside", "drawn_size", "drawn_to_fit", "fitted", "tallest"]

#: Height of a figure in terms of its width at most: that of a sheet of A4.
TALLEST_ASPECT: Final = 1.4

#: Pixels of the title and the key of a chart that blocks of panels leave.
_TITLES: Final = 90

#: Charts whose panels take less of a page than this fit with all that is about them.
_SURE: Final = 0.4

#: Panels lower than this are left as they are: keys, strips and rows of numbers.
_LOW: Final = 60
#: No panel becomes lower than this, nor than so much for each of the values named on its axis.
_LOWEST: Final = 44
_PER_VALUE: Final = 10
#: Smallest share of its own height that a panel keeps.
_LEAST: Final = 0.3
#: Titles of axes that are longer than a low panel make it need more room: a second look, or third.
_LOOKS: Final = 3

#: Pixels that rounding the heights of panels may add up to.
_ROUNDING: Final = 6

#: What is lower than this in a chart that is drawn again is a key and keeps its height.
_KEY: Final = 36

_SIZE: Final = re.compile(r'<svg\b[^>]*? width="([0-9.]+)" height="([0-9.]+)"')


def tallest(width: float | None = None) -> float:
    """Pixels that a figure is high at most: a narrow one stands in a column as high as the page.

    ``width``: pixels across that it has come to have; by default those that it has been given.
    """
    own = across() if width is None else width
    return TALLEST_ASPECT * (max(own, FULL) if across() < FULL else own)


def drawn_size(spec: dict[str, Any]) -> tuple[float, float]:
    """Measure a chart by drawing it.

    ``spec``: of Vega-Lite. Gives width and height in pixels, with titles, axes and legends.
    """
    found = _SIZE.search(evaluated(spec))
    if found is None:
        raise ValueError("the renderer gave no size")
    return float(found[1]), float(found[2])


def beside(
    blocks: int,
    *,
    columns: int,
    rows: int,
    room: float,
    between: float,
    gap: float,
    head: float,
    shape: float,
    largest: float,
    flat: float = 0.4,
) -> tuple[int, int, int]:
    """In how many columns blocks of panels stand, so that panels are as large as a page permits.

    ``blocks``: blocks, such as one per fit. ``columns``, ``rows``: panels of a block side by side,
    and one below the other. ``room``: pixels across that all blocks of a row share. ``between``,
    ``gap``: pixels between blocks, and between the panels of one. ``head``: pixels down of a block
    that are no panel: its heading, its labels. ``shape``: height of a panel in terms of its width
    at most. ``largest``: largest width of a panel. ``flat``: height of a panel in terms of its
    width at least. Gives blocks side by side, and width and height of a panel.
    """

    def panel(count: int) -> tuple[int, int]:
        across = (room - between * (count - 1) - gap * count * (columns - 1)) / (count * columns)
        lines = -(-blocks // count)
        down = ((tallest() - _TITLES) / lines - head - gap * (rows - 1)) / rows
        width = max(min(across, largest, down / flat), 1.0)
        return int(width), int(max(min(shape * width, down), 1.0))

    counts = range(1, blocks + 1)
    # Of equals, the fewest side by side.
    best = max(counts, key=lambda count: (panel(count)[0] * panel(count)[1], -count))
    return best, *panel(best)


def drawn_to_fit(draw: Callable[[float], Any]) -> Any:
    """Draw a chart with lower panels where it would be taller than a page.

    For charts that place marks by pixels of their panels, such as heads of arrows, which
    `fitted` leaves alone.

    ``draw``: ``(share)`` gives the chart, without configuration, with panels of that share of their
    height.
    """
    share, chart = 1.0, draw(1.0)
    for _ in range(_LOOKS):
        spec = to_spec(configure(chart))
        over = _over(spec)
        if over <= 0 or share <= _LEAST or not _stacked(chart, _KEY):
            measured(chart, spec)
            break
        # What is not a panel keeps its height.
        share = max(share * (1.0 - over / _stacked(chart, _KEY)), _LEAST)
        chart = draw(share)
    return chart


def fitted(chart: Any) -> Any:
    """Make the panels of a chart lower where it would be taller than a page.

    ``chart``: with its configuration; its panels are changed. Gives the same.
    """
    if measured(chart):
        return chart
    panels = {id(panel): (panel, panel.height) for panel in _panels(chart)}
    if not panels or _stacked(chart) < _SURE * tallest() or _turned(chart):
        return chart
    share = 1.0
    for _ in range(_LOOKS):
        spec = to_spec(chart)
        over = _over(spec)
        if over <= 0 or share <= _LEAST:
            measured(chart, spec)
            break
        wanted = _stacked(chart) - over
        while _stacked(chart) > wanted and share > _LEAST:
            share -= 0.01
            for panel, own in panels.values():
                panel.height = max(round(share * own), min(own, _lowest(panel)))
    return chart


def _over(spec: dict[str, Any]) -> float:
    """By how many pixels a chart is taller than a page; not above zero where it fits."""
    width, height = drawn_size(spec)
    over = height - tallest(width)
    # Heights of panels are rounded.
    return over + _ROUNDING if over > 0 else over


def _children(chart: Any) -> tuple[str, list[Any]]:
    """How a chart is put together, and of what; nothing for what is drawn as one."""
    for kind in ("vconcat", "hconcat", "concat"):
        parts: Any = getattr(chart, kind, alt.Undefined)
        if parts is not alt.Undefined:
            return kind, list(parts)
    return "", []


def _panels(chart: Any) -> Iterator[Any]:
    """Panels whose height may change: of a number of pixels, and not a row for each name."""
    _, parts = _children(chart)
    for part in parts:
        yield from _panels(part)
    own = getattr(chart, "height", alt.Undefined)
    if not parts and isinstance(own, int | float) and own >= _LOW and not _named(chart):
        yield chart


def _stacked(chart: Any, least: float = 0.0) -> float:
    """Pixels of panels one below the other where they are the most, of `least` or more each."""
    kind, parts = _children(chart)
    heights = [_stacked(part, least) for part in parts]
    if kind == "vconcat":
        return sum(heights)
    if kind == "hconcat":
        return max(heights)
    if kind == "concat":
        columns = chart.columns if isinstance(chart.columns, int) else len(heights)
        return sum(max(heights[i : i + columns]) for i in range(0, len(heights), columns))
    if isinstance(chart, alt.FacetChart):
        return _stacked(chart.spec, least)
    own = getattr(chart, "height", alt.Undefined)
    return float(own) if isinstance(own, int | float) and own >= least else 0.0


def _encoded(chart: Any, channel: str) -> Iterator[Any]:
    """What the layers of a chart, or of its panels, encode in a channel."""
    layers: Any = getattr(chart, "layer", alt.Undefined)
    parts = _children(chart)[1] if layers is alt.Undefined else layers
    for part in parts:
        yield from _encoded(part, channel)
    encoded = getattr(getattr(chart, "encoding", alt.Undefined), channel, alt.Undefined)
    if encoded is not alt.Undefined:
        yield encoded


def _turned(chart: Any) -> bool:
    """Whether marks point somewhere by an angle that the shape of their panel gave."""
    return next(_encoded(chart, "angle"), None) is not None


def _vertical(chart: Any) -> Iterator[dict[str, Any]]:
    """The vertical encodings of all layers of a panel."""
    for y in _encoded(chart, "y"):
        yield y if isinstance(y, dict) else written(y)


def _named(chart: Any) -> bool:
    """Whether a panel has a row for each of several names."""
    return any(y.get("type") in ("nominal", "ordinal") for y in _vertical(chart))


def _lowest(panel: Any) -> float:
    """Least height at which the values named on the axis of a panel do not touch."""
    values = [
        len(axis.get("values") or ())
        for axis in (y.get("axis") or {} for y in _vertical(panel))
        if axis.get("labels", True) and not axis.get("labelOverlap")
    ]
    return max(_LOWEST, _PER_VALUE * max(values, default=0))
