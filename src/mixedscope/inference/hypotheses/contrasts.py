"""Hypotheses as users write them become contrasts: text, mappings, tables and arrays.

Text is read as data: sums of coefficients times numbers, ``"x1 - 2 * x2 = 0.5, x3 = 0"``. Names of
coefficients may hold almost anything (``log(x)``, ``fb:gv``, ``(Intercept)``), so that they are
looked for first, the longest before all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import named, number_array
from mixedscope.core.errors import FormulaError, ModelError, suggest
from mixedscope.engine.objective import ProfiledObjective

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["Contrasts", "check_hypotheses", "contrasts_of"]

Floats = NDArray[np.float64]

_WANTED: Final = (
    'hypotheses are text such as "x1 = x2, x3 = 0", a list of such texts, coefficients by name '
    '({"x1": 1, "x2": -1}), a table with a column for each, or an array'
)

#: Deviation, relative to the sizes of the numbers, that is rounding.
_ROUNDING: Final = 1e-8

_NUMBER: Final = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD: Final = re.compile(r"`[^`]*`|[^\s,=+*/]+")
_TOKENS: Final = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Contrasts:
    """Linear combinations of the estimated fixed effects, and what they are said to be.

    Attributes
    ----------
    rows : (c, r) array
    values : (c,) array
    labels : tuple of str
    """

    rows: Floats
    values: Floats
    labels: tuple[str, ...]


def contrasts_of(objective: ProfiledObjective | LaplaceObjective, hypotheses: Any) -> Contrasts:
    """Read hypotheses about the fixed effects of a model.

    Raises FormulaError if a text cannot be read, and ModelError if a coefficient is unknown, a
    contrast is zero or not estimable, or hypotheses contradict each other.
    """
    system = objective.system
    names = system.design.x_names
    rows, values, labels = _read(hypotheses, names, system.fixed_names)
    kept = [names.index(name) for name in system.fixed_names]
    for row, label in zip(rows, labels, strict=True):
        if not np.isfinite(row).all():
            raise ModelError(f"The hypothesis {label!r} holds a coefficient that is not finite.")
        if not row.any():
            raise ModelError(f"The hypothesis {label!r} is about no coefficient: all are times 0.")
    _refuse_inestimable(objective, rows, labels)
    made = Contrasts(rows[:, kept], values, labels)
    _refuse_contradictions(made)
    return made


def check_hypotheses(text: str, names: tuple[str, ...]) -> None:
    """Raise what `contrasts_of` does of a text that cannot be read about these coefficients."""
    _read(text, names, names)


def _read(
    hypotheses: Any, names: tuple[str, ...], kept: tuple[str, ...]
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Contrasts (c, p) of all columns of X, their values (c,) and labels (c,)."""
    if isinstance(hypotheses, str):
        return _stacked(_Reader(hypotheses, names).hypotheses())
    if isinstance(hypotheses, pd.Series):
        hypotheses = hypotheses.to_dict()
    if isinstance(hypotheses, pd.DataFrame):
        labels = tuple(str(i) for i in hypotheses.index)
        table = number_array("the table of contrasts", hypotheses.to_numpy(), "numbers")
        rows = [_by_name(dict(zip(hypotheses.columns, row, strict=True)), names) for row in table]
        if not rows:
            raise ModelError("There are no hypotheses: the table of contrasts has no rows.")
        return np.array(rows), np.zeros(len(rows)), labels
    if isinstance(hypotheses, Mapping):
        if not hypotheses:
            raise ModelError(f"There are no hypotheses: {_WANTED}.")
        if all(isinstance(value, Mapping | pd.Series) for value in hypotheses.values()):
            rows = [_by_name(dict(value), names) for value in hypotheses.values()]
            return np.array(rows), np.zeros(len(rows)), tuple(map(str, hypotheses))
        row = _by_name(hypotheses, names)
        return row[None], np.zeros(1), (_label(row, names),)
    if isinstance(hypotheses, Sequence) and all(isinstance(h, str) for h in hypotheses):
        if not hypotheses:
            raise ModelError(f"There are no hypotheses: {_WANTED}.")
        return _stacked([read for text in hypotheses for read in _Reader(text, names).hypotheses()])
    given = number_array("hypotheses", hypotheses, f"what can be read ({_WANTED})")
    matrix = np.atleast_2d(given)
    if matrix.ndim != 2 or not len(matrix) or matrix.shape[1] not in (len(kept), len(names)):
        raise ModelError(
            f"An array of contrasts has a column for each of the {len(kept)} fixed effects "
            f"({', '.join(kept)}); this one has the shape {given.shape}."
        )
    if matrix.shape[1] != len(names):
        full = np.zeros((len(matrix), len(names)))
        full[:, [names.index(name) for name in kept]] = matrix
        matrix = full
    return matrix, np.zeros(len(matrix)), tuple(_label(row, names) for row in matrix)


def _stacked(read: list[tuple[Floats, float, str]]) -> tuple[Floats, Floats, tuple[str, ...]]:
    rows, values, labels = zip(*read, strict=True)
    return np.array(rows), np.array(values), labels


def _by_name(coefficients: Mapping[Any, Any], names: tuple[str, ...]) -> Floats:
    row = np.zeros(len(names))
    for name, value in coefficients.items():
        if name not in names:
            raise ModelError(
                f"There is no fixed effect {name!r}.{suggest(str(name), names)} "
                f"Known are: {', '.join(names) or 'none'}."
            )
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise ModelError(f"The coefficient of {name!r} must be a number, not {named(value)}.")
        row[names.index(name)] = float(value)
    return row


def _label(row: Floats, names: tuple[str, ...]) -> str:
    """A contrast in words: ``x1 - 2 * x2``."""
    out = ""
    for name, value in zip(names, row, strict=True):
        if value == 0.0:
            continue
        size = "" if abs(value) == 1.0 else f"{abs(value):g} * "
        sign = "-" if value < 0.0 else "+"
        out += f" {sign} {size}{name}" if out else f"{'-' if value < 0.0 else ''}{size}{name}"
    return out or "0"


# -- text ------------------------------------------------------------------------------------------


class _Reader:
    """Reads hypotheses out of a text, by recursive descent."""

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        self.text, self.names, self.at = text, names, 0
        # Spaces between words and marks are free, within words they are not.
        self.patterns = [
            (name, re.compile(r"\s*".join(map(re.escape, _TOKENS.findall(name)))))
            for name in sorted(names, key=len, reverse=True)
        ]

    def hypotheses(self) -> list[tuple[Floats, float, str]]:
        """All of them: coefficients (p,), value and label of each."""
        out = []
        while True:
            self._skip()
            start = self.at
            row, constant = self._sum()
            if self._takes("==") or self._takes("="):
                right, other = self._sum()
                row, constant = row - right, constant - other
            label = " ".join(self.text[start : self.at].split())
            out.append((row, 0.0 - constant, label))
            self._skip()
            if self.at == len(self.text):
                return out
            if not self._takes(","):
                self._fail_here()

    def _sum(self) -> tuple[Floats, float]:
        sign = 1.0
        if self._takes("-"):
            sign = -1.0
        elif self._takes("+"):
            pass
        row, constant = self._product()
        row, constant = sign * row, sign * constant
        while True:
            if self._takes("+"):
                sign = 1.0
            elif self._takes("-"):
                sign = -1.0
            else:
                return row, constant
            more, number = self._product()
            row, constant = row + sign * more, constant + sign * number

    def _product(self) -> tuple[Floats, float]:
        row, constant = self._factor()
        while True:
            self._skip()
            position = self.at
            if self._takes("*"):
                other, number = self._factor()
                if row.any() and other.any():
                    self._fail(position, "Hypotheses are linear: coefficients are not multiplied.")
                row, constant = row * number + other * constant, constant * number
            elif self._takes("/"):
                other, number = self._factor()
                if other.any() or number == 0.0:
                    self._fail(position, "Hypotheses are linear: divide by numbers, and not by 0.")
                row, constant = row / number, constant / number
            else:
                return row, constant

    def _factor(self) -> tuple[Floats, float]:
        self._skip()
        row = np.zeros(len(self.names))
        name = self._name()
        if name is not None:
            row[self.names.index(name)] = 1.0
            return row, 0.0
        if number := _NUMBER.match(self.text, self.at):
            after = self.text[number.end() : number.end() + 1]
            if not (after.isalnum() or after in ("_", "`", "(")) or not after:
                self.at = number.end()
                return row, float(number.group())
        if self._takes("("):
            made = self._sum()
            if not self._takes(")"):
                self._fail(self.at, "A parenthesis is not closed.")
            return made
        if self._takes("-"):
            made_row, constant = self._factor()
            return -made_row, -constant
        self._fail_here()

    def _name(self) -> str | None:
        """The longest name of a coefficient that stands here, in backticks or without."""
        if self.text[self.at : self.at + 1] == "`":
            end = self.text.find("`", self.at + 1)
            inner = self.text[self.at + 1 : end] if end > 0 else ""
            if inner in self.names:
                self.at = end + 1
                return inner
        for name, pattern in self.patterns:
            match = pattern.match(self.text, self.at)
            if match is None:
                continue
            after = self.text[match.end() : match.end() + 1]
            last = match.group()[-1:]
            if (last.isalnum() or last == "_") and (after.isalnum() or after in ("_", ":", "(")) \
                    and after:  # fmt: skip
                continue  # the beginning of another word
            if last == ")" and (after.isalnum() or after == ":") and after:
                continue
            self.at = match.end()
            return name
        return None

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _takes(self, mark: str) -> bool:
        self._skip()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def _fail_here(self) -> NoReturn:
        self._skip()
        word = _WORD.match(self.text, self.at)
        if word is None:
            end = self.at == len(self.text)
            self._fail(
                self.at,
                "Here a coefficient or a number is missing."
                if end or self.text[self.at] in ",=+*/"
                else f"{self.text[self.at]!r} cannot stand here.",
            )
        written = word.group().strip("`")
        if written[0].isdigit():
            self._fail(self.at, f"{written!r} cannot stand here: a mark is missing before it.")
        self._fail(
            self.at,
            f"There is no fixed effect {written!r}.{suggest(written, self.names)} "
            f"Known are: {', '.join(self.names) or 'none'}.",
        )

    def _fail(self, position: int, message: str) -> NoReturn:
        raise FormulaError(self.text, position, message)


# -- what can be tested ----------------------------------------------------------------------------


def _refuse_inestimable(
    objective: ProfiledObjective | LaplaceObjective, rows: Floats, labels: tuple[str, ...]
) -> None:
    """Refuse contrasts (c, p) of coefficients that were left out, unless the data determine them.

    Where a column of X is a combination ``X t`` of those before it, ``l' beta`` is estimable if its
    own coefficient is the same combination of theirs. Contrasts of estimated coefficients alone are
    those of the model without the columns that were left out.
    """
    system = objective.system
    if not system.dropped_names:
        return
    names = system.design.x_names
    kept = [names.index(name) for name in system.fixed_names]
    dropped = [names.index(name) for name in system.dropped_names]
    x = system.design.X
    combinations = np.linalg.lstsq(x[:, kept], x[:, dropped], rcond=None)[0]
    for row, label in zip(rows, labels, strict=True):
        own = row[dropped]
        if not own.any():
            continue
        wanted = row[kept] @ combinations
        size = np.abs(row[kept]) @ np.abs(combinations) + np.abs(own)
        if (np.abs(own - wanted) > _ROUNDING * np.maximum(size, 1e-300)).any():
            which = [n for n, v in zip(system.dropped_names, own, strict=True) if v != 0.0]
            raise ModelError(
                f"The hypothesis {label!r} is not estimable: the data do not tell "
                f"{', '.join(which) or ', '.join(system.dropped_names)} from other coefficients, "
                "and it was left out of the model."
            )


def _refuse_contradictions(made: Contrasts) -> None:
    """Refuse hypotheses of which one follows from others with another value."""
    scale = np.linalg.norm(made.rows, axis=1)
    if not scale.all():
        at = int((scale == 0.0).argmax())
        raise ModelError(
            f"The hypothesis {made.labels[at]!r} is about coefficients that were left out of the "
            "model alone."
        )
    # Columns may be of different units.
    units = np.abs(made.rows).max(axis=0)
    rows = made.rows / np.where(units > 0.0, units, 1.0)
    scale = np.linalg.norm(rows, axis=1)
    rows, values = rows / scale[:, None], made.values / scale
    solution = np.linalg.lstsq(rows, values, rcond=_ROUNDING)[0]
    off = np.abs(rows @ solution - values)
    if (off > _ROUNDING * max(float(np.abs(values).max(initial=0.0)), 1e-300)).any():
        raise ModelError(
            f"The hypotheses {', '.join(map(repr, made.labels))} contradict each other: one "
            "follows from others with another value. Test them one by one."
        )
