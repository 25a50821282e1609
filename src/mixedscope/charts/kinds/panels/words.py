"""What panels of groups say, in words made from the stored numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from mixedscope.charts.common.numerals import fixed, number
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["is_of_family", "panels_caption", "panels_title", "strip"]

_ORDERS: Final = {
    "own": "their own estimate of {}",
    "mode": "the conditional mode of {}",
    "pull": "their pull",
    "n_obs": "their number of rows",
}
_SELECTED: Final = {
    "pull": "those pulled most",
    "few": "those of the fewest rows",
    "random": "drawn at random (seed {})",
}


def strip(level: str, pull: float, most: int, decimals: int) -> str:
    """Name a panel: the level and its pull.

    A name of more characters than `most` loses some of its middle: names often differ at the end.
    """
    name = level
    if len(level) > most:
        tail = (most - 1) // 2
        name = f"{level[: most - 1 - tail]}…{level[len(level) - tail :]}"
    return f"{name} · {fixed(pull, decimals)}"


def is_of_family(axis: Mapping[str, Any]) -> bool:
    """Whether panels are those of a generalised model."""
    return axis.get("counted") is not None


def panels_title(panels: pd.DataFrame, axis: dict[str, Any], response: str) -> str:
    """Say which group is pulled most, by how much, and what is usual.

    ``panels``: all that are stored of the factor, the one that is pulled most among them.
    """
    group = str(axis["group"])
    told = panels[panels["pull"].notna()].sort_values("by_pull")
    if told.empty:
        return f"{response} of each {group}: no group has a line of its own"
    if not float(axis["median_pull"]) > 0.0 and not float(told["pull"].max()) > 0.0:
        return f"{response} of each {group}: the model pulls no group"
    most = told.iloc[0]
    pull = number(float(most["pull"]))
    return (
        f"The model pulls the line of {group} {most['level']} most, by {pull}; "
        f"half of {int(axis['told']):,} groups by no more than "
        f"{number(float(axis['median_pull']))}"
    )


def panels_caption(
    axis: dict[str, Any],
    *,
    shown: int,
    select: str,
    order: str,
    term: str,
    cut: bool,
    rows: bool,
    pulls: Sequence[tuple[str, float]],
) -> str:
    """Say what the lines are, at which values, in which order, and which groups are drawn.

    ``pulls``: what each fit is called, and the median of its pulls.
    """
    group, count = str(axis["group"]), int(axis["levels"])
    if is_of_family(axis):
        text = _on_response(axis)
    else:
        text = _of_lines(axis)
    if len(pulls) > 1:
        told = [f"{number(pull)} ({label})" for label, pull in pulls if not math.isnan(pull)]
        text.append(
            f"Own lines, band and numbers are those of {pulls[0][0]}; half the groups are pulled "
            f"by no more than {joined(told)}, each structure from own lines of its terms."
        )
    if not axis["varies"] and axis["kind"] != "order" and not axis.get("averaged"):
        flat = "own lines are parallel" + " on the scale of the link" * is_of_family(axis)
        text.append(f"{axis['variable']} does not vary by {group}: {flat}.")
    if axis["own_values"] is not None and not axis.get("averaged"):
        text.append(f"At each group's own {axis['own_values']}.")
    if axis["held"] is not None:
        text.append(f"Lines are at {axis['held']}.")
    if axis["held"] is not None or axis["others"] is not None:
        text.append("Points are partial residuals: mixed line plus residual.")
    if axis["offset"]:
        text.append("The offset is subtracted.")
    text.append(f"Panels run by {_ORDERS[order].format(term)}.")
    if shown < count:
        how = _SELECTED[select].format(axis["seed"]) if select in _SELECTED else "chosen by name"
        text.append(f"Drawn are {shown} of {count:,}, {how}.")
    if rows:
        text.append("Of groups of many rows 120 are drawn, evenly spaced.")
    if cut:
        text.append("Lines that leave the data are cut.")
    return " ".join(text)


def _on_response(axis: Mapping[str, Any]) -> list[str]:
    """Say what points and lines of a generalised model are."""
    group = str(axis["group"])
    unit = "in probability" if axis["counted"] else "in units of the response"
    text = [
        "Number: pull, root mean square gap between own and mixed line over the rows of each "
        f"{group}, {unit}. Own line: maximum likelihood of its own rows, all else as fitted; where "
        "outcomes leave its estimate no end, the line is at the limit."
    ]
    if axis["counted"]:
        text.append("Points: shares of successes; area: how many rows or trials.")
    if axis["averaged"]:
        text.append("Lines are means of the predictions of the rows of each place.")
    return text


def _of_lines(axis: Mapping[str, Any]) -> list[str]:
    """Say what the numbers and the own lines of a linear model are."""
    group = str(axis["group"])
    own = "least squares of its own rows"
    if axis["others"] is not None:
        own += f", effects of {axis['others']} taken off"
    text = [
        "Number: pull, root mean square gap between own and mixed line over the rows of each "
        f"{group}, in units of the response. Own line: {own}."
    ]
    return text
