"""What a chart of power says: the size that is enough, and what the draws cannot tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from mixedscope.charts.common.numerals import in_full, number, percent, share

__all__ = ["along_words", "is_null", "power_caption", "power_title", "size_words"]

_TESTS: Final = {
    "satterthwaite": "t tests with Satterthwaite's degrees of freedom",
    "kenward-roger": "t tests by Kenward and Roger",
    "wald": "z tests",
    "lrt": "likelihood-ratio tests",
    "profile": "likelihood-ratio tests",
}


def is_null(table: pd.DataFrame) -> bool:
    """Whether there is nothing to be found: then what is drawn is the error of type I."""
    return bool((table["truth"] == table["value"]).all())


def along_words(factor: str) -> str:
    """What a size counts."""
    return "replicates" if factor == "replicates" else f"levels of {factor}"


def size_words(row: Mapping[Any, Any]) -> str:
    """A size that was read off, with what the draws do not exclude."""
    low = row["size_lower"] if pd.notna(row["size_lower"]) else row["smallest"]
    most = f"over {int(row['largest']):,}" if pd.isna(row["size_upper"]) else None
    high = most or f"{int(row['size_upper']):,}"
    if most is None and int(low) == int(row["size"]) == int(row["size_upper"]):
        return f"{int(row['size']):,}"
    return f"{int(row['size']):,} ({int(low):,} to {high})"


def power_title(table: pd.DataFrame, sizes: pd.DataFrame) -> str:
    """The finding with its number."""
    if is_null(table):
        rates = table["power"].dropna()
        size = percent(1.0 - float(table["level"].iloc[0]))
        if rates.empty:
            return "No draw could be tested"
        told = share(float(rates.min()))
        if rates.max() > rates.min():
            told += f" to {share(float(rates.max()))}"
        return f"Tests at {size} reject {told} of the draws in which there is nothing to find"
    found = [row for row in sizes.to_dict("records") if pd.notna(row["size"])]
    alone = [row for row in found if pd.isna(row["size2"])]
    wanted = percent(float(sizes["wanted"].iloc[0])) if len(sizes) else ""
    if len(sizes) == 1 and alone:
        (row,) = alone
        if row["size"] == row["smallest"]:
            return (
                f"{row['effect']} has a power of {wanted} from the smallest size on, "
                f"{row['factor']} = {int(row['smallest']):,}"
            )
        return f"{row['effect']} has a power of {wanted} from {row['factor']} = {size_words(row)}"
    if len(sizes) == 1 and not found:
        only = sizes.iloc[0]
        return (
            f"No size up to {only['factor']} = {int(only['largest']):,} has a power of {wanted} "
            f"for {only['effect']}"
        )
    own = table[table["truth"] != table["value"]].dropna(subset=["power"])
    if own.empty:
        return "No draw could be tested"
    if alone:
        row = max(alone, key=lambda r: r["size"])
        count = len(set(sizes["effect"])) - len(alone)
        rest = (
            ""
            if not count
            else f"; {count} of {len(sizes)} effects {'does' if count == 1 else 'do'} not reach it"
        )
        return (
            f"{row['factor']} = {size_words(row)} gives a power of {wanted} for {row['effect']}, "
            f"the slowest{rest}"
        )
    ordered = own.sort_values("power", kind="stable")
    if len(sizes) and sizes["size"].isna().all() and sizes["size2"].isna().all():
        only = sizes.iloc[0]
        return (
            f"No size up to {only['factor']} = {int(only['largest']):,} has a power of {wanted} "
            f"for any of {len(sizes)} effects"
        )
    low, high = ordered.iloc[0], ordered.iloc[-1]
    if len(own) == 1:
        return f"The power for {low['effect']} is {share(float(low['power']))}"
    return (
        f"Power goes from {share(float(low['power']))}{_at(low)} to "
        f"{share(float(high['power']))}{_at(high)}"
    )


def _at(row: pd.Series) -> str:
    sizes = (("factor", "size"), ("factor2", "size2"))
    known = [(row[factor], int(row[size])) for factor, size in sizes if pd.notna(row[factor])]
    told = [f"{factor}\u00a0=\u00a0{size:,}" for factor, size in known]
    return f" ({', '.join(told)})" if told else f" ({row['effect']})"


def power_caption(table: pd.DataFrame, sizes: pd.DataFrame) -> str:
    """What was done, what bands are, and how many draws tell nothing."""
    first = table.iloc[0]
    draws = sorted({int(d) for d in table["draws"]})
    count = f"{draws[0]:,}" if len(draws) == 1 else f"{draws[0]:,} to {draws[-1]:,}"
    size = in_full(round(100.0 * (1.0 - float(first["level"])), 10))
    out = [
        f"Share of significant results ({size}\u00a0%, {_TESTS[str(first['test'])]}, "
        f"{first['criterion']}) in {count} simulated studies of each size, with 95\u00a0% Wilson "
        "intervals.",
    ]
    if any(pd.notna(row["size"]) and pd.isna(row["size2"]) for row in sizes.to_dict("records")):
        out.append(
            "Sizes are read off between those simulated, in brackets those that the simulation "
            "does not exclude."
        )
    if table["factor2"].notna().any() and len(sizes):
        wanted = percent(float(sizes["wanted"].iloc[0]))
        out.append(f"Designs with a power of {wanted} or more are framed.")
    each = table.drop_duplicates(["size", "size2"])
    total = int(each["draws"].sum())
    singular = int(each["singular"].sum())
    lost = int((table["draws"] - table["tested"]).max())
    out.append(f"{share(singular / total)} of the fits were singular.")
    if lost:
        out.append(
            f"Up to {number(lost)} studies of a size could not be tested: they are left out; "
            "whiskers show power if all of them, or none, were significant."
        )
    return " ".join(out)
