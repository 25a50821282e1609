"""What marginal means say, in words made from the stored numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.numerals import number, percent

__all__ = ["means_caption", "means_title"]

_METHODS: Final = {
    "satterthwaite": "degrees of freedom by Satterthwaite's method",
    "kenward-roger": "covariance and degrees of freedom by Kenward and Roger",
    "residual": "residual degrees of freedom",
    "none": "the normal distribution",
}


def means_title(means: pd.DataFrame) -> str:
    """Say between which values the means lie, where there is one row of them."""
    response, variable = (str(means[name].iloc[0]) for name in ("response", "variable"))
    told = means[means["mean"].notna()]
    head = f"Estimated marginal means of {response} by {variable}"
    if told.empty:
        return f"{head}: none can be estimated"
    order = told["mean"].to_numpy(dtype=float)
    low, high = told.iloc[int(order.argmin())], told.iloc[int(order.argmax())]
    if len(told) == 1 or not float(high["mean"]) > float(low["mean"]):
        return f"{head}: {number(float(low['mean']))}"
    return (
        f"{head}: from {number(float(low['mean']))} ({_where(low)}) to "
        f"{number(float(high['mean']))} ({_where(high)})"
    )


def means_caption(means: pd.DataFrame, most: int) -> str:
    """Say what the means and their intervals are, and which are missing.

    ``most``: panels that are drawn.
    """
    method = str(means["method"].iloc[0])
    coverage = float(means["coverage"].iloc[0])
    text = [
        "Means of what the fixed effects predict over all combinations of the other factors, "
        "numeric variables at their mean or where they are asked for; random effects are zero.",
        f"Intervals cover with a probability of {percent(coverage)} each, "
        f"{_METHODS.get(method, method)}; they are not for comparing two means, whose difference "
        "has an interval of its own.",
    ]
    missing = int(means["mean"].isna().sum())
    if missing:
        text.append(
            f"{missing} of {len(means)} means cannot be estimated: the data have nothing of some "
            "combination."
        )
    panels = means["panel"].dropna().nunique()
    if panels > most:
        text.append(f"Drawn are the first {most} of {panels} panels.")
    remarks = means.loc[means["mean"].notna(), "remark"].dropna().unique()
    text += [f"{remark[:1].upper()}{remark[1:]}." for remark in remarks]
    return " ".join(text)


def _where(row: pd.Series) -> str:
    """Level or value, and series and panel, of a mean."""
    own = row["level"] if isinstance(row["level"], str) else _value(float(row["value"]))
    rest = [row[name] for name in ("series", "panel") if isinstance(row[name], str)]
    return ", ".join([f"{row['variable']} {own}", *rest])


def _value(value: float) -> str:
    return number(value) if np.isfinite(value) else "?"
