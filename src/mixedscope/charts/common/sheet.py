"""The sheet that charts are drawn on: how wide a figure is printed, and what stands on it.

Lengths of a chart are points of print, 72 to an inch, where a figure is as wide as a double column.
A narrower one is drawn on a sheet that is narrower by less, with type of the usual sizes, and is
made smaller as a whole when it is written: as much as its smallest type can bear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import Any, Final

from mixedscope.core.errors import ModelError

__all__ = [
    "FULL",
    "LEAST_TYPE",
    "NARROWEST",
    "SMALLEST_TYPE",
    "WIDEST",
    "Sheet",
    "across",
    "check_labels",
    "inner",
    "is_narrow",
    "sheet",
]

_PER_MILLIMETRE: Final = 72 / 25.4

#: Pixels across of a drawing whose width nobody asked for: a double column of 180 mm.
FULL: Final = 510

#: Smallest type of any chart as it is drawn, and the smallest that is printed, in points.
SMALLEST_TYPE: Final = 9.0
LEAST_TYPE: Final = 6.5

#: Widths in millimetres that can be asked for.
NARROWEST, WIDEST = 80.0, 300.0

#: Drawings with fewer pixels across are for a single column of print.
_COLUMN: Final = 400

#: Pixels to the left and right of a chart that are left free.
_MARGINS: Final = 16


@dataclass(frozen=True)
class Sheet:
    """How a figure is printed.

    Attributes
    ----------
    width : float or None
        Millimetres that it is printed across at most; None leaves it as large as it is drawn.
    title : bool
        Whether its title stands above it.
    labels, units : mapping of str to str
        What variables are called, and what they are measured in, by their names in the data.
    colours : mapping of str to str
        Colours of the user's own, by what they mean.
    less : int
        Pixels that it has less than would be its share, where a chart took more than it had.
    """

    width: float | None = None
    title: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    less: int = 0

    @cached_property
    def printed(self) -> float:
        """Points of print across."""
        return FULL if self.width is None else self.width * _PER_MILLIMETRE

    @cached_property
    def most(self) -> int:
        """Pixels across of the drawing at most: its smallest type can then be read in print."""
        return int(max(min(FULL, SMALLEST_TYPE / LEAST_TYPE * self.printed), self.printed))

    @property
    def across(self) -> int:
        """Pixels across of the drawing."""
        return self.most - self.less

    def scale(self, drawn: float) -> float:
        """Points of print to a pixel of a drawing that has become so many pixels wide."""
        return min(1.0, self.printed / max(self.most, drawn))


_DEFAULT: Final = Sheet()
_CURRENT: ContextVar[Sheet | None] = ContextVar("sheet", default=None)


@contextmanager
def sheet(
    width: float | None = None,
    *,
    title: bool = True,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    less: int = 0,
) -> Iterator[Sheet]:
    """Draw what is drawn within on such a `Sheet`.

    Raises ModelError if no figure can be as narrow, or is as wide, two variables would be called
    the same, or a colour could not be read.
    """
    labels, units = ({} if given is None else given for given in (labels, units))
    colours = {} if colours is None else colours
    if not isinstance(colours, dict) or colours:
        from mixedscope.charts.common.palette import check_colours  # which plans do not need

        check_colours(colours)
    check_labels(labels)
    _check_texts("units", units)
    known = isinstance(width, Real) and not isinstance(width, bool)
    if width is not None and not (known and NARROWEST <= width <= WIDEST):
        # These load what plans do not need.
        from mixedscope.charts.common.numerals import in_full
        from mixedscope.core.arguments import named

        told = in_full(width) if known else named(width)
        raise ModelError(
            f"The width of a figure is between {in_full(NARROWEST)} and {in_full(WIDEST)} mm, "
            f"not {told}."
        )
    token = _CURRENT.set(Sheet(width, title, labels, units, colours, less))
    try:
        yield current()
    finally:
        _CURRENT.reset(token)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise ModelError if a label is empty, or two variables have the same."""
    _check_texts("labels", labels)
    owners: dict[str, str] = {}
    for name, label in labels.items():
        if not label.strip():
            raise ModelError(f"The label of {name!r} is empty: write one, or leave it out.")
        if label in owners:
            raise ModelError(
                f"{owners[label]!r} and {name!r} have the same label, {label!r}: tell them apart."
            )
        owners[label] = name


def _check_texts(name: str, given: Any) -> None:
    """Refuse what gives no texts by names of variables."""
    texts = isinstance(given, Mapping) and all(
        isinstance(text, str) for pair in given.items() for text in pair
    )
    if not texts:
        from mixedscope.core.arguments import named

        raise ModelError(
            f"{name} is a mapping of names of variables to texts, "
            f'such as {name}={{"Reaction": "ms"}}, not {named(given)}.'
        )


def current() -> Sheet:
    """The sheet that is drawn on."""
    return _CURRENT.get() or _DEFAULT


def across() -> int:
    """Pixels that the chart being drawn has across."""
    return current().across


def inner() -> int:
    """Pixels that its panels have with their axes, without the margins."""
    return current().across - _MARGINS


def is_narrow() -> bool:
    """Whether it is a column of a journal, on which little stands side by side."""
    return current().most < _COLUMN


def headline() -> int:
    """Pixels that its title has."""
    return current().most - _MARGINS
