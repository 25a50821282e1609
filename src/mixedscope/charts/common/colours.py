"""Colours that mean the same thing everywhere, looked up when something is drawn.

The sheet that is drawn on may have colours of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mixedscope.charts.common.palette import USUAL
from mixedscope.charts.common.sheet import current
from mixedscope.covariance.registry import look_of

__all__ = ["COLOURS", "Style", "structure_colour"]


class _Colours(Mapping[str, str]):
    """Colours by what they mean: those of the sheet that is drawn on, and the usual ones."""

    def __getitem__(self, name: str) -> str:
        return current().colours.get(name) or USUAL[name]

    def __iter__(self) -> Iterator[str]:
        return iter(USUAL)

    def __len__(self) -> int:
        return len(USUAL)

    def __or__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**self, **other}


COLOURS: Final = _Colours()
"""The colour of each meaning on the sheet that is drawn on."""


class Style(Mapping[str, Any]):
    """Settings of a mark; its colours are looked up when it is drawn.

    Parameters
    ----------
    settings : mapping
        All but the colours.
    **colours : str
        What a colour means, by the name of the setting: ``color="mode"``.
    """

    def __init__(self, settings: Mapping[str, Any], **colours: str) -> None:
        self._settings, self._colours = dict(settings), colours

    def __getitem__(self, name: str) -> Any:
        if name in self._colours:
            return COLOURS[self._colours[name]]
        return self._settings[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._colours
        yield from self._settings

    def __len__(self) -> int:
        return len(self._colours) + len(self._settings)


def structure_colour(name: str) -> str | None:
    """The colour of a covariance structure; None of what is no name of one."""
    look = look_of(name)
    return None if look is None else current().colours.get(name, look.colour)
