"""Parameters of fits in pictures: what each is called, and which stand together on one axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pandas as pd

from mixedscope.core.errors import ModelError, suggest

__all__ = [
    "KEY",
    "KINDS",
    "Key",
    "chosen_rows",
    "keys_of",
    "of_key",
    "parameter_name",
    "share_an_axis",
    "stored_name",
]

#: What names a parameter in every table.
KEY: Final = ("kind", "group", "term", "term2")

#: Kinds of parameters as headings.
KINDS: Final = {
    "beta": "fixed effects",
    "sigma": "residual standard deviation",
    "sd": "standard deviations of random effects",
    "correlation": "correlations of random effects",
}

Key = tuple[str, str | None, str | None, str | None]


def parameter_name(key: Key, *, short: bool = False) -> str:
    """Name a parameter for readers; `short` where a heading says its kind.

    Examples
    --------
    >>> parameter_name(("sd", "Subject", "Days", None))
    'SD of Days | Subject'
    >>> parameter_name(("correlation", "Subject", "(Intercept)", "Days"))
    'ρ of (Intercept), Days | Subject'
    >>> parameter_name(("sd", "Subject", "Days", None), short=True)
    'Days | Subject'
    """
    kind, group, term, term2 = key
    if kind == "sigma":
        return "\u03c3"
    if kind == "beta":
        return str(term)
    terms = str(term) if term2 is None else f"{term}, {term2}"
    if short:
        return f"{terms} | {group}"
    what = "SD" if kind == "sd" else "\u03c1"
    return f"{what} of {terms} | {group}"


def stored_name(key: Key) -> str:
    """Name a parameter as tables and calls do.

    Examples
    --------
    >>> stored_name(("correlation", "Subject", "(Intercept)", "Days"))
    'correlation (Intercept) ~ Days | Subject'
    """
    kind, group, term, term2 = key
    words = kind if term is None else f"{kind} {term}"
    if term2 is not None:
        words += f" ~ {term2}"
    return words if group is None else f"{words} | {group}"


def of_key(row: pd.Series, axis: str = "") -> Key:
    """What names the parameter of a row; of an axis of a pair by ``x_`` or ``y_``."""
    kind, *rest = (row[f"{axis}{name}"] for name in KEY)
    group, term, term2 = (None if pd.isna(part) else str(part) for part in rest)
    return str(kind), group, term, term2


def keys_of(table: pd.DataFrame, axis: str = "") -> Iterator[Key]:
    """What names the parameter of each row."""
    columns = [table[f"{axis}{name}"].astype(object) for name in KEY]
    known: dict[tuple[Any, ...], Key] = {}
    for parts in zip(*columns, strict=True):
        if parts not in known:
            kind, *rest = parts
            group, term, term2 = (None if pd.isna(part) else str(part) for part in rest)
            known[parts] = (str(kind), group, term, term2)
        yield known[parts]


def chosen_rows(known: Sequence[Key], wanted: Sequence[str] | None) -> list[int]:
    """Places of the parameters that are drawn, of kinds or of names; all by default.

    Raises ModelError if there is no such parameter, or nothing is wanted.
    """
    if wanted is None:
        return list(range(len(known)))
    found: list[int] = []
    for name in wanted:
        own = [i for i, key in enumerate(known) if name in (key[0], stored_name(key))]
        own = own or [i for i, key in enumerate(known) if key[0] == "beta" and key[2] == name]
        if not own:
            names = [*dict.fromkeys(key[0] for key in known), *map(stored_name, known)]
            near = [*names, *(str(key[2]) for key in known if key[0] == "beta")]
            raise ModelError(
                f"There is no parameter {name!r} here.{suggest(name, near)} "
                f"Known are: {', '.join(repr(n) for n in names)}."
            )
        found += [i for i in own if i not in found]
    if not found:
        raise ModelError("There is nothing to draw: parameters is empty.")
    return found


def share_an_axis(spreads: Sequence[float], low: float, high: float, most: float) -> bool:
    """Whether parameters can be read on one axis: the narrowest is not lost on it.

    ``spreads``: widths of their distributions. ``low``, ``high``: ends of the axis they share.
    ``most``: times the narrowest that the axis may be wide.
    """
    known = [s for s in spreads if s > 0.0 and math.isfinite(s)]
    return len(known) < 2 or high - low <= most * min(known)
