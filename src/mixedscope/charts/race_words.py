"""What a race says, in words made from its numbers."""

from __future__ import annotations

from typing import Final

import pandas as pd

from mixedscope.charts.words import joined

__all__ = ["CLOSE", "race_caption", "race_title"]

#: A search that ended this little above the best of the race counts as having arrived.
CLOSE: Final = 1e-6


def race_title(ends: pd.DataFrame) -> str:
    """Say how many runs arrived, and how many needed polishing for it.

    Parameters
    ----------
    ends : pandas.DataFrame
        The table ``race_ends``.

    Returns
    -------
    str
    """
    last = ends[ends["point"] == "end"]
    search = ends[ends["point"] == "search"]
    runs, same = len(last), int(last["same_optimum"].sum())
    text = (
        f"All {runs} runs ended at the same optimum"
        if same == runs
        else f"{same} of {runs} runs ended at the same optimum"
    )
    short = search[search["gap"] > CLOSE]
    if len(short):
        text += (
            f"; {len(short)} of {runs} searches had stopped more than {_number(CLOSE)} above it, "
            f"at most {_number(float(short['gap'].max()))}"
        )
    else:
        text += f"; every search came within {_number(CLOSE)} of it by itself"
    return text


def race_caption(race: pd.DataFrame, ends: pd.DataFrame, *, floor: float, x: str) -> str:
    """Describe what the picture shows, and where each entrant ended.

    Parameters
    ----------
    race, ends : pandas.DataFrame
        The stored tables.
    floor : float
        Smallest gap drawn.
    x : {"evaluation", "seconds"}

    Returns
    -------
    str
    """
    formula = race.attrs.get("formula")
    starts = int(ends["start"].max())
    along = "evaluations" if x == "evaluation" else "seconds"
    text = [
        "Several optimisers on one objective"
        + (f", that of {formula}" if formula else "")
        + f": the best so far minus the best of all runs, against {along} (both on log scales; "
        f"gaps below {_number(floor)} are drawn there). In every panel one entrant is blue and "
        "the others are grey; the bold line begins where a fit would"
        + (f", the thin ones at {starts} random starts that all share" if starts else "")
        + ". A ring marks where the search ended, red where its certificate was not that of an "
        "optimum; what follows it, polishing, is pink. Seconds of a whole run include polishing."
    ]
    for entrant in dict.fromkeys(ends["entrant"]):
        text.append(_sentence(entrant, ends[ends["entrant"] == entrant], floor))
    return " ".join(text)


def _sentence(entrant: str, own: pd.DataFrame, floor: float) -> str:
    search, last = own[own["point"] == "search"], own[own["point"] == "end"]
    low, high = int(search["evaluations"].min()), int(search["evaluations"].max())
    count = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    verdicts = last["verdict"].value_counts(sort=False)
    found = joined([f"{n} {verdict}" for verdict, n in verdicts.items()])
    settings = own["settings"].iloc[0]
    named = f"{entrant} ({settings})" if isinstance(settings, str) and settings else entrant
    before, after = (max(float(t["gap"].max()), floor) for t in (search, last))
    words = f"{named}: searches of {count} evaluations ended at most {_number(before)} above"
    if after < before:
        words += f", {_number(after)} after polishing"
    astray = search[~search["verdict"].isin(["optimum", "boundary optimum"])]
    if len(astray):
        words += f" ({len(astray)} of {len(search)} not at an optimum before)"
    other = int((~last["same_optimum"].astype(bool)).sum())
    if other:
        words += f"; {other} elsewhere than the best"
    return f"{words}; verdicts: {found}."


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.0e}".replace("e-0", "e-") if value < 1e-3 else f"{value:.3g}"
