"""Which grouping factor a chart shows, and which of its terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mixedscope.core.errors import ModelError, suggest
from mixedscope.tables.store import FitTables

__all__ = ["chosen_terms", "grouping_factor", "one_term"]

RANDOM: Final = "random effect"
"""What the terms of a grouping factor are called."""


def grouping_factor(tables: Sequence[FitTables], group: str | None) -> tuple[str, tuple[str, ...]]:
    """Find a grouping factor and the terms that vary between its levels in any of the fits.

    ``group``: by default the first of the formula. Raises ModelError if there is no such factor.
    """
    terms: dict[str, dict[str, None]] = {}
    for fit in tables:
        for term in fit.info["random"]:
            terms.setdefault(term["group"], {}).update(dict.fromkeys(term["names"]))
    name = next(iter(terms)) if group is None else group
    if name not in terms:
        raise ModelError(
            f"No grouping factor {name!r}.{suggest(name, terms)} Known are: {', '.join(terms)}."
        )
    return name, tuple(terms[name])


def chosen_terms(
    known: Sequence[str], owner: str, terms: Sequence[str | int] | None, *, what: str = RANDOM
) -> list[str]:
    """The terms that are drawn: all, or those that are asked for, by name or by position.

    ``owner``: what has them, in words; ``what``: what one is called. Raises ModelError if one is
    unknown, named twice, or none is left.
    """
    if terms is None:
        return list(known)
    if not terms:
        raise ModelError(
            f"There is nothing to draw: terms is empty. Known are: {', '.join(known)}."
        )
    found = [one_term(known, owner, term, what=what) for term in terms]
    if len(set(found)) < len(found):
        twice = next(term for term in found if found.count(term) > 1)
        raise ModelError(f"A term is listed twice: {twice}.")
    return found


def one_term(known: Sequence[str], owner: str, term: str | int, *, what: str = RANDOM) -> str:
    """A term by its name, or by its position among those known, counted from 0."""
    if isinstance(term, int):
        if not 0 <= term < len(known):
            places = "0" if len(known) == 1 else f"0 to {len(known) - 1}"
            raise ModelError(
                f"No {what} at position {term} of {owner}: positions are {places}, for "
                f"{', '.join(known)}."
            )
        return known[term]
    if term not in known:
        raise ModelError(
            f"No {what} {term!r} of {owner}.{suggest(term, known)} Known are: {', '.join(known)}."
        )
    return term
