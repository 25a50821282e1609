"""The errors a user can cause, and how they are worded.

Every message names the thing at fault (key, column, term, file) and says what to do.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigError",
    "DataError",
    "DataWarning",
    "EvaluationError",
    "FormulaError",
    "MixedscopeError",
    "ModelError",
    "OptimizerError",
    "StoreError",
    "UnsuitedError",
    "nearest",
    "suggest",
    "warn_of",
    "yaml_hint",
]


def __dir__() -> list[str]:
    return sorted(name for name in __all__ if name[0].isupper())


class MixedscopeError(Exception):
    """Base class of every error that mixedscope raises on purpose."""


class FormulaError(MixedscopeError, ValueError):
    """A formula (or safe expression) that cannot be read, pointing at the character.

    Parameters
    ----------
    text : str
        The whole formula.
    position : int
        Index of the offending character, from 0; ``len(text)`` points behind the end.
    message : str
        What is wrong and what to do about it.
    """

    def __init__(self, text: str, position: int, message: str) -> None:
        self.text = text
        self.position = position
        self.message = message
        # A caret can only point within one line, so line breaks and tabs are shown as blanks.
        shown = "".join(" " if c in "\n\r\t" else c for c in text)
        super().__init__(f"{message}\n    {shown}\n    {' ' * position}^")

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return type(self), (self.text, self.position, self.message)


class DataError(MixedscopeError, ValueError):
    """Data that cannot be used as asked: unknown column, infinite value, empty file."""


class DataWarning(UserWarning):
    """Data that are used, but perhaps not as meant: a column of numbers with a word among them."""


class ModelError(MixedscopeError, ValueError):
    """A model that cannot be built or evaluated."""


class EvaluationError(ModelError, FloatingPointError):
    """A theta at which the objective of a model cannot be computed."""


class UnsuitedError(ModelError):
    """A fit, or data, of which what is asked for does not exist, whatever the settings.

    The workflow leaves out what it cannot make, says so in its place, and goes on.
    """


class OptimizerError(MixedscopeError, ValueError):
    """An unknown optimiser, an unknown setting, or an optimisation that cannot start."""


class ConfigError(MixedscopeError, ValueError):
    """A workflow configuration that does not fit its schema."""


class StoreError(MixedscopeError, OSError):
    """A stored table that cannot be written, read or trusted."""


def warn_of(notes: Iterable[str], *, stacklevel: int = 1) -> None:
    """Warn of what is doubtful about data; ``stacklevel`` as if this were `warnings.warn`."""
    for note in notes:
        warnings.warn(note, DataWarning, stacklevel=stacklevel + 1)


def suggest(name: str, known: Iterable[str]) -> str:
    """Name the known word nearest to what the user wrote, as a sentence to append to a message.

    ``" Did you mean 'x'?"``, or the empty string if nothing is near.
    """
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known word nearest to what the user wrote; empty if nothing is near."""
    candidates = [str(k) for k in known]
    near = get_close_matches(str(name), candidates, n=1, cutoff=0.6)
    if not near:
        folded = {c.lower(): c for c in candidates}
        near = [folded[m] for m in get_close_matches(str(name).lower(), list(folded), n=1)]
    return near[0] if near else ""


def yaml_hint(value: object, wanted: str = "") -> str:
    """Say what YAML made of a value that a key was given and cannot take.

    ``wanted`` is what it takes: "text", "number", "integer", or anything. A remark in parentheses
    to append to a message, or the empty string.
    """
    if isinstance(value, bool) and wanted in ("", "text"):
        word = "yes, on" if value else "no, off"
        return (
            f" (YAML reads {word} and {str(value).lower()} as a truth value: put the word into "
            "quotes)"
        )
    if isinstance(value, str) and wanted != "text":
        number = re.fullmatch(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)", value.strip())
        if number:
            whole, fraction, sign, power = number.groups()
            fraction = fraction if fraction and len(fraction) > 1 else ".0"
            meant = f"{whole}{fraction}e{sign or '+'}{power}"
            if wanted == "integer" and len(power) < 3 and float(meant).is_integer():
                meant = str(int(float(meant)))
            return f" (YAML reads {value.strip()} as text: write {meant})"
    return ""
