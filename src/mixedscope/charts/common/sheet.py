"""The sheet that charts are drawn on: how wide a figure is printed, and what stands on it.

Lengths of a chart are points of print, 72 to an inch, where a figure is as wide as a double column.
A narrower one is drawn on a sheet that is narrower by less, with type of the usual sizes, and is
made smaller as a whole when it is written: as much as its smallest type can bear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from mixedscope.core.errors import ModelError

__all__ = [
    "LEAST_TYPE",
    "NARROWEST",
    "SMALLEST_TYPE",
    "USUAL",
    "WIDEST",
    "Sheet",
    "across",
    "inner",
    "sheet",
]

_PER_MILLIMETRE: Final = 72 / 25.4

#: Usual width in millimetres, a double column; what is wider is drawn on a wider sheet.
USUAL: Final = 180.0

#: Smallest type of any chart as it is drawn, and the smallest that is printed, in points.
SMALLEST_TYPE: Final = 9.0
LEAST_TYPE: Final = 6.5

#: Widths in millimetres that can be asked for.
NARROWEST, WIDEST = 80.0, 300.0

#: Pixels to the left and right of a chart that are left free.
_MARGINS: Final = 16


@dataclass(frozen=True)
class Sheet:
    """How a figure is printed.

    Attributes
    ----------
    width : float
        Millimetres that it is printed across.
    title : bool
        Whether its title stands above it.
    """

    width: float = USUAL
    title: bool = True

    @cached_property
    def printed(self) -> float:
        """Points of print across."""
        return self.width * _PER_MILLIMETRE

    @cached_property
    def across(self) -> int:
        """Pixels across of the drawing."""
        most = SMALLEST_TYPE / LEAST_TYPE * self.printed
        return round(max(min(USUAL * _PER_MILLIMETRE, most), self.printed))

    @cached_property
    def scale(self) -> float:
        """Points of print to a pixel of the drawing, at most one."""
        return min(1.0, self.printed / self.across)


_DEFAULT: Final = Sheet()
_CURRENT: ContextVar[Sheet | None] = ContextVar("sheet", default=None)


@contextmanager
def sheet(width: float | None = None, *, title: bool = True) -> Iterator[Sheet]:
    """Draw what is drawn within on a sheet of this width in millimetres.

    Raises ModelError if no figure can be as narrow, or is as wide.
    """
    wanted = Sheet(title=title) if width is None else Sheet(float(width), title)
    if not NARROWEST <= wanted.width <= WIDEST:
        raise ModelError(
            f"A figure is between {NARROWEST:g} and {WIDEST:g} mm wide, not {wanted.width:g}."
        )
    token = _CURRENT.set(wanted)
    try:
        yield wanted
    finally:
        _CURRENT.reset(token)


def settled(settings: Mapping[str, Any]) -> AbstractContextManager[Sheet]:
    """The sheet that settings of charts ask for: ``width`` and ``title``, as for `sheet`."""
    return sheet(settings.get("width"), title=settings.get("title", True))


def current() -> Sheet:
    """The sheet that is drawn on."""
    return _CURRENT.get() or _DEFAULT


def across() -> int:
    """Pixels that the chart being drawn has across."""
    return current().across


def inner() -> int:
    """Pixels that its panels have with their axes, without the margins."""
    return current().across - _MARGINS
