"""What a race says, in words made from its numbers."""

from __future__ import annotations

from typing import Final

import pandas as pd

from mixedscope.charts.common.along import told_seconds
from mixedscope.charts.common.numerals import fixed, told_gap
from mixedscope.charts.common.probe_band import EXACT, ProbeError, probe_sentence
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import OPTIMA

__all__ = ["ARRIVED", "CLOSE", "probe_error_of", "race_caption", "race_title", "spent_to_close"]

#: Verdicts of an optimum.
ARRIVED: Final = OPTIMA

#: A search that ended this little above the best of the race counts as having arrived.
CLOSE: Final = 1e-6


def race_title(
    race: pd.DataFrame,
    ends: pd.DataFrame,
    timing: pd.DataFrame | None = None,
    *,
    x: str = "evaluation",
) -> str:
    """Say who came down fastest, and how many runs arrived.

    ``race``, ``ends``: the tables ``race`` and ``race_ends``. ``timing``: the table
    ``race_timing``, for seconds. ``x``: what is spent (one of "evaluation", "seconds").
    """
    last = ends[ends["point"] == "end"]
    runs, same = len(last), int(last["same_optimum"].sum())
    who = f"all {runs}" if same == runs else f"{same} of {runs}"
    parts = [f"{who} runs ended at the same optimum"]
    if winner := _fastest(race, ends, timing, x):
        parts.insert(0, winner)
    doubtful = int((~last["verdict"].isin(ARRIVED)).sum())
    if doubtful:
        parts[-1] += f", {doubtful} uncertified"
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] if parts[0].startswith("all ") else text


def _fastest(race: pd.DataFrame, ends: pd.DataFrame, timing: pd.DataFrame | None, x: str) -> str:
    """Name the entrants that needed least and most, all starts together, to come close."""
    needed = spent_to_close(race, timing, x)
    runs = ends[ends["point"] == "end"].groupby("entrant", sort=False).size()
    own = {
        entrant: needed[entrant]
        for entrant in dict.fromkeys(needed.index.get_level_values("entrant"))
        if len(needed[entrant]) == runs[entrant]
    }
    if not own or len(runs) < 2:
        return ""
    ordered = sorted(own, key=lambda entrant: (float(own[entrant].sum()), entrant))
    what = "fewest evaluations" if x == "evaluation" else "least time"
    text = f"{ordered[0]} needed the {what} to come within {told_gap(CLOSE, 1)} of the best"
    text += f" ({_range(own[ordered[0]], x)})"
    if len(ordered) > 1:
        text += f", {ordered[-1]} the most ({_range(own[ordered[-1]], x)})"
    if len(own) < len(runs):
        text += f", {joined([e for e in runs.index if e not in own])} did not from every start"
    return text


def spent_to_close(race: pd.DataFrame, timing: pd.DataFrame | None, x: str) -> pd.Series:
    """Evaluations, or seconds, of every run that came close until it did, by entrant and start."""
    keys = ["entrant", "start"]
    steps = race[[*keys, "evaluation", "gap"]]
    if x == "seconds":
        assert timing is not None
        steps = steps.merge(timing, on=[*keys, "evaluation"], validate="one_to_one")
        steps = steps.assign(spent=steps.groupby(keys, sort=False)["seconds"].cumsum())
    else:
        steps = steps.assign(spent=steps["evaluation"].astype(float))
    return steps[steps["gap"] <= CLOSE].groupby(keys, sort=False)["spent"].min()


def probe_error_of(ends: pd.DataFrame) -> ProbeError:
    """What random probes leave open of the objective of a race: the most of any end."""
    if "probe_difference" not in ends or ends["probe_difference"].isna().all():
        return EXACT
    last = ends[ends["point"] == "end"]
    names = ("probe_difference", "objective_se", "probes")
    above, objective, probes = (float(last[name].max()) for name in names)
    return ProbeError(above, objective, int(probes))


def _range(values: pd.Series, x: str) -> str:
    """Write the smallest and the largest of what runs needed."""
    words = [
        told_seconds(v) if x == "seconds" else fixed(v)
        for v in (float(values.min()), float(values.max()))
    ]
    return words[0] if words[0] == words[1] else f"{words[0]} to {words[1]}"


def race_caption(
    race: pd.DataFrame, ends: pd.DataFrame, *, floor: float, x: str, timed: bool
) -> str:
    """Describe what the picture shows, and where each entrant ended.

    ``race``, ``ends``: the stored tables. ``floor``: smallest gap drawn. ``x`` is one of
    "evaluation", "seconds". ``timed``: whether the picture shows seconds of whole runs.
    """
    formula = race.attrs.get("formula")
    starts = int(ends["start"].max())
    along = "evaluations" if x == "evaluation" else "seconds"
    text = [
        "Several optimisers on one objective"
        + (f", that of {formula}" if formula else "")
        + f": the best so far minus the best of all runs, against {along} (both on log scales; "
        f"differences below {told_gap(floor, 1)} are drawn there). In every panel one entrant is "
        "blue and the others are grey; the bold line begins where a fit would"
        + (f", the thin ones at {starts} random starts that all share" if starts else "")
        + ". A ring marks where the search ended, a red cross where its certificate was not that "
        "of an optimum; what follows it, such as polishing, is pink."
        + (
            " Seconds of a whole run include what follows, and no compiling."
            if timed
            else " Below on the right, the evaluations of runs that came within "
            f"{told_gap(CLOSE, 1)} of the best until they did."
        )
    ]
    for entrant in dict.fromkeys(ends["entrant"]):
        text.append(_sentence(entrant, ends[ends["entrant"] == entrant], floor))
    text += [unsure] if (unsure := probe_sentence([("", probe_error_of(ends))], floor)) else []
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
    words = f"{named}: searches of {count} evaluations ended at most {told_gap(before, 3)} above"
    if after < before:
        words += f", {told_gap(after, 3)} at the end"
    astray = search[~search["verdict"].isin(ARRIVED)]
    if len(astray):
        words += f" ({len(astray)} of {len(search)} not at an optimum before)"
    other = int((~last["same_optimum"].astype(bool)).sum())
    if other:
        words += f"; {other} elsewhere than the best"
    return f"{words}; verdicts: {found}."
