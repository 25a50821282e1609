"""The ledger of one fit, as it is drawn and spoken of."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mixedscope.charts.common.panels import rounded
from mixedscope.tables.store import FitTables

__all__ = ["Books"]


class Books:
    """The stored ledger of one fit, and what is drawn of it."""

    def __init__(self, fit: FitTables) -> None:
        self.info = fit.info
        self.ledger = fit.require("ledger")
        self.terms = fit.require("ledger_terms")
        self.groups = [str(term["group"]) for term in fit.info["random"]]
        self.evaluations = self.ledger["evaluation"].to_numpy()
        # What was best at the last improvement stays so until the end.
        self.end = int(fit.require("trace")["evaluation"].max())

    def steps(self, values: Sequence[float] | pd.Series) -> pd.DataFrame:
        """Columns x and y of a line that keeps its value until the next improvement."""
        y = [rounded(v) for v in values]
        x = [*self.evaluations.tolist(), max(self.end, int(self.evaluations[-1]) + 1)]
        return pd.DataFrame({"x": x, "y": [*y, y[-1]]})

    def of(self, column: str, group: str | None, term: str | None = None) -> pd.Series:
        """One column of the terms along the evaluations."""
        own = self.terms
        chosen = own["group"].isna() if group is None else own["group"] == group
        chosen &= own["term"].isna() if term is None else own["term"] == term
        return own.loc[chosen, column].reset_index(drop=True)

    def names(self, group: str) -> list[str]:
        """Names of the terms of a grouping factor."""
        own = next(term for term in self.info["random"] if term["group"] == group)
        return [str(name) for name in own["names"]]
