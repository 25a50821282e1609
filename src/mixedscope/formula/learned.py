"""What a formula learns from the rows that a model is made from, and keeps for all other rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

__all__ = ["Learned"]

T = TypeVar("T")


class Learned:
    """Values by call: the mean behind ``center(x)``, the levels of a factor, a basis of ``poly``.

    Whatever depends on a whole column is asked for by :meth:`once`. The first time, on the rows a
    model is made from, it is computed and kept; once the object is closed the same code, run on
    other rows, finds what was kept. Keys are what is written in the formula, so that ``scale(x)``
    is one thing wherever it stands. Values are never changed.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether what is learned is complete, so that rows looked at now are other rows."""
        return self._closed

    @property
    def numbers(self) -> bool:
        """Whether anything was learned of numbers: keys of that are texts, other keys are not."""
        return any(isinstance(key, str) for key in self._values)

    def without_numbers(self) -> Learned:
        """What was learned of levels and kinds of columns, open to learn of numbers anew."""
        new = Learned()
        new._values = {k: v for k, v in self._values.items() if not isinstance(k, str)}
        return new

    def close(self) -> None:
        """Learn nothing from now on."""
        self._closed = True

    def once(self, call: Hashable, learn: Callable[[], T]) -> T:
        """Give what was learned under this key; learn it now if that is still to be done."""
        if not self._closed and call not in self._values:
            self._values[call] = learn()
        return cast(T, self[call])

    def __getitem__(self, call: Hashable) -> Any:
        """Give what was learned under this key; raises KeyError if nothing was."""
        return self._values[call]
