"""Power of a planned study: tables of what the draws amount to, and in words."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import pandas as pd

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.power.smallest import smallest_sizes

__all__ = ["Power"]

#: Columns that are shown, in order; the others are in the table.
_SHOWN: Final = (
    "effect", "truth", "rows", "power", "power_lower", "power_upper", "type_s", "type_m",
    "coverage", "width",
)  # fmt: skip


@dataclass(frozen=True)
class Power:
    """What a planned study would find, by its size.

    Made by :func:`mixedscope.power`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each size and each coefficient or contrast: the stored table ``power``, as
        described in ``docs/formats.md``.
    draws : pandas.DataFrame
        Every draw: ``size`` and ``size2`` (missing where nothing grows), ``draw``, ``effect``,
        ``estimate``, ``std_error``, ``df``, ``lower``, ``upper``, ``p_value``, ``certified``,
        ``failed``, ``singular``, ``remark``.
    wanted : float
        Power that sizes are read off for.
    """

    table: pd.DataFrame
    draws: pd.DataFrame = field(repr=False)
    wanted: float = 0.8

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The stored tables ``power`` and ``power_sizes``."""
        return {"power": self.table, "power_sizes": smallest_sizes(self.table, self.wanted)}

    @door()
    def smallest(self, wanted: float | None = None) -> pd.DataFrame:
        """Read off the smallest size that has a power, for every effect.

        Parameters
        ----------
        wanted : float, optional
            By default the one that was asked for, or 0.8.

        Returns
        -------
        pandas.DataFrame
            ``effect``, ``factor``, ``size``, missing where no size of the curve reaches it, and
            ``size_lower`` and ``size_upper``: where the ends of the intervals of power reach it.
        """
        chosen = self.wanted if wanted is None else wanted
        if not 0.0 < chosen < 1.0:
            raise ModelError(f"wanted must be a power between 0 and 1, not {chosen!r}.")
        return ResultTable(smallest_sizes(self.table, chosen))

    @property
    def reading(self) -> str:
        """What was found of fits that cannot be counted, and of sizes, in sentences."""
        return " ".join(filter(None, (_of_draws(self.table), _of_sizes(self.tables))))

    def __str__(self) -> str:
        return f"{_headline(self.table)}\n\n{_shown(self.table)!r}\n\n{self.reading}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return (
            f"<h3>{html.escape(_headline(self.table))}</h3>\n{_shown(self.table)._repr_html_()}\n"
            f"<p>{html.escape(self.reading)}</p>"
        )


def _shown(table: pd.DataFrame) -> ResultTable:
    sizes = {
        str(table[name].iloc[0]): table[number]
        for name, number in (("factor", "size"), ("factor2", "size2"))
        if table[name].notna().any()
    }
    return ResultTable(pd.DataFrame({**sizes, **{c: table[c] for c in _SHOWN}}))


def _headline(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    draws = sorted({int(d) for d in table["draws"]})
    count = f"{draws[0]:,}" if len(draws) == 1 else f"{draws[0]:,} to {draws[-1]:,}"
    share = 100.0 * (1.0 - float(first["level"]))
    return (
        f"Power of tests at {share:.3g} % by {first['test']} ({first['criterion']}), {count} draws "
        "of each size"
    )


def _of_draws(table: pd.DataFrame) -> str:
    """How many fits were singular, and how many draws had no test."""
    each = table.drop_duplicates(["size", "size2"])
    total = int(each["draws"].sum())
    singular, uncertified, failed = (
        int(each[c].sum()) for c in ("singular", "uncertified", "failed")
    )
    out = f"{singular:,} of {total:,} fits were singular ({100.0 * singular / total:.3g} %)"
    lost = uncertified + failed
    untested = int((table["draws"] - table["tested"]).max())
    if not (lost or untested):
        return out + "; all were certified to be at an optimum, and tested."
    out += f"; {lost:,} had no certificate of an optimum."
    if untested:
        reasons = table["reason"].dropna()
        why = f" ({reasons.mode().iloc[0]})" if len(reasons) else ""
        out += (
            f" Up to {untested:,} draws of a size have no test{why}: they count neither as "
            "significant nor as not; power_least and power_most take all of them for one or the "
            "other."
        )
    return out


def _of_sizes(tables: dict[str, pd.DataFrame]) -> str:
    found = tables["power_sizes"]
    told = []
    for row in found.to_dict("records"):
        told.append(_of_size(row))
    return " ".join(told)


def _of_size(row: Mapping[Any, Any]) -> str:
    at = f" with {row['factor2']} = {row['size2']}" if row["factor2"] is not None else ""
    power = f"{100.0 * row['wanted']:.3g} % for {row['effect']}{at}"
    if _none(row["size"]):
        return f"Power does not reach {power} up to {row['factor']} = {row['largest']:,}."
    if row["size"] == row["smallest"]:
        return f"Power reaches {power} at {row['factor']} = {row['smallest']:,}, the smallest size."
    ends = [row["size_lower"], row["size_upper"]]
    low = f"{ends[0]:,}" if not _none(ends[0]) else f"{row['smallest']:,}"
    high = f"{ends[1]:,}" if not _none(ends[1]) else f"more than {row['largest']:,}"
    return (
        f"Power reaches {power} at {row['factor']} = {row['size']:,} "
        f"({low} to {high} by the Monte-Carlo error)."
    )


def _none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
