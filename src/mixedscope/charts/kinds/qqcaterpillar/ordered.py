"""The modes of one term of one fit in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Ordered"]


@dataclass(frozen=True)
class Ordered:
    """The modes of one term of one fit in their order.

    Attributes
    ----------
    label, term : str
        Of the fit, and of the term.
    rows : DataFrame
        The stored quantiles with ``std_dev`` and ``n_obs``; none where the term does not vary.
    counts : Series or None
        The stored row of what the envelope is, and how many modes leave it.
    """

    label: str
    term: str
    rows: pd.DataFrame
    counts: pd.Series | None

    def __getattr__(self, name: str) -> Any:
        """Give a number of the envelope by its name."""
        counts = object.__getattribute__(self, "counts")
        if counts is None or name not in counts.index:
            raise AttributeError(name)
        return counts[name]
