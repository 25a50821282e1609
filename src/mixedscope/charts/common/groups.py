"""Which grouping factor a chart shows, and which of its terms."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.core.errors import ModelError, suggest
from mixedscope.tables.store import FitTables

__all__ = ["chosen_terms", "grouping_factor"]


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


def chosen_terms(known: Sequence[str], group: str, terms: Sequence[str] | None) -> list[str]:
    """The terms of a factor that are drawn: all, or those named, which have to be known."""
    if terms is not None and not terms:
        raise ModelError(
            f"There is nothing to draw: terms is empty. Known are: {', '.join(known)}."
        )
    for term in terms or ():
        if term not in known:
            raise ModelError(
                f"No random effect {term!r} of {group!r}.{suggest(term, known)} "
                f"Known are: {', '.join(known)}."
            )
    return list(known if terms is None else terms)
