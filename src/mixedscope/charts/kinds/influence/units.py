"""Stored influence, a block for each kind of unit that is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from mixedscope.core.errors import UnsuitedError
from mixedscope.tables.store import FitTables

__all__ = ["Units", "read_units"]


#: What scales are called that belong to no grouping factor.
_SCALES: Final = {"sigma": "σ"}


@dataclass(frozen=True)
class Units:
    """What leaving out each unit of one kind does.

    Attributes
    ----------
    by : str or None
        What groups the observations left out; None where each is one.
    method : str
    table : DataFrame
        Rows of ``influence``, the largest Cook's distance first; without one last.
    effects : DataFrame
        Rows of ``influence_parameters`` of fixed effects, with `scaled`.
    sds : DataFrame
        Those of sigma and standard deviations, with `share`: the change over the estimate with all.
    """

    by: str | None
    method: str
    table: pd.DataFrame
    effects: pd.DataFrame
    sds: pd.DataFrame

    @property
    def noun(self) -> str:
        """What a unit is called."""
        return "row" if self.by is None else self.by

    @property
    def has_family(self) -> bool:
        """Whether they are of a generalised model, which has no sigma among its parameters."""
        return "sigma" not in set(self.sds["kind"])

    @property
    def scales(self) -> str:
        """What `sds` are called: standard deviations, and the dispersion by its name."""
        others = self.sds.loc[self.sds["kind"] == "dispersion", "term"]
        return " and ".join(["Standard deviations", *dict.fromkeys(others.astype(str))])

    @property
    def limit(self) -> float:
        """Twice the root of one over the number of units, from which dfbetas are large."""
        return 2.0 / math.sqrt(len(self.table))


def read_units(tables: Sequence[FitTables]) -> list[Units]:
    """Read what is stored of fits: groups first, observations last.

    Raises UnsuitedError if nothing is known of any unit.
    """
    found: dict[str | None, Units] = {}
    for fit in tables:
        whole, parameters = fit.require("influence"), fit.require("influence_parameters")
        for by in dict.fromkeys(None if pd.isna(name) else str(name) for name in whole["by"]):
            if by not in found:
                found[by] = _units(by, whole, parameters)
    if not found or all(units.effects["scaled"].isna().all() for units in found.values()):
        raise UnsuitedError("there is no fixed effect that a unit could change")
    return sorted(found.values(), key=lambda units: units.by is None)


def _units(by: str | None, whole: pd.DataFrame, parameters: pd.DataFrame) -> Units:
    own, changed = (
        table[table["by"].isna() if by is None else table["by"] == by]
        for table in (whole, parameters)
    )
    own = own.sort_values("cooks_distance", ascending=False, kind="stable", na_position="last")
    effects = changed[changed["kind"] == "beta"]
    # With theta as it is standard deviations follow sigma.
    kinds = ["sigma"] if (own["method"] == "fixed").all() else ["sigma", "dispersion", "sd"]
    sds = changed[changed["kind"].isin(kinds)]
    names = [
        _SCALES.get(kind) or (term if kind == "dispersion" else f"{term} | {group}")
        for kind, term, group in zip(sds["kind"], sds["term"], sds["group"], strict=True)
    ]
    all_of_them = sds["estimate"] + sds["change"]
    share = (sds["change"] / all_of_them).where(all_of_them > 1e-8 * all_of_them.abs().max())
    return Units(
        by,
        str(own["method"].iloc[0]),
        own.reset_index(drop=True),
        effects.reset_index(drop=True),
        sds.assign(name=names, share=share).reset_index(drop=True),
    )
