"""The ledger of one fit, as it is drawn and spoken of."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mixedscope.charts.common.link_scale import is_generalized
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

    @property
    def is_generalized(self) -> bool:
        """Whether the fit is one of a generalised model."""
        return is_generalized(self.info)

    def deviations(self) -> dict[tuple[str | None, str | None], pd.Series]:
        """SD along the evaluations, by factor and term; of the observations first, without names.

        Of linear models that of the contribution to an observation, of generalised ones, whose
        observations have none, that of the random effect on the scale of the link.
        """
        lines: dict[tuple[str | None, str | None], pd.Series] = {}
        if not self.is_generalized:
            lines[None, None] = self.of("variance", None) ** 0.5
        for group in self.groups:
            for name in self.names(group):
                own = self.of("std_dev" if self.is_generalized else "variance", group, name)
                lines[group, name] = own if self.is_generalized else own**0.5
        return lines

    def changes(self) -> dict[str, pd.Series]:
        """Objective and its parts, each minus its final value."""
        own = self.ledger
        if self.is_generalized:
            parts = {
                "objective": own["objective"],
                "−2 log L given modes": own["conditional_deviance"],
                "penalty": own["penalty"],
                "log-determinant": own["log_det"],
            }
        else:
            parts = {
                "objective": own["objective"],
                "n log σ²": own["part_sigma"],
                "log-determinant": own["log_det"] + own["part_fixed"],
            }
        return {name: values - values.iloc[-1] for name, values in parts.items()}

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
