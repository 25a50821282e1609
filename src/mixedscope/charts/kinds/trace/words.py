"""What a trace says, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from mixedscope.charts.common.along import spent, told_seconds
from mixedscope.charts.common.link_scale import is_generalized
from mixedscope.charts.common.numerals import counted, fixed, number, percent, power, told_gap
from mixedscope.charts.common.probe_band import probe_error, probe_sentence
from mixedscope.charts.common.structure_names import LISTED, fit_label
from mixedscope.charts.kinds.trace.frames import same_problem
from mixedscope.core.vocabulary import CONVERGENCE, EXPLORATION, FINE_TUNING
from mixedscope.tables.store import FitTables

if TYPE_CHECKING:
    from mixedscope.charts.kinds.trace.parameters import ParameterRow

__all__ = [
    "FEW",
    "PHASE_NAMES",
    "overlay_caption",
    "part_of",
    "phase_counts",
    "phase_seconds",
    "trace_caption",
    "trace_title",
]

#: Of fewer evaluations than these, parts are counts and not shares.
FEW: Final = 20

#: Phases of the stored tables, in order, and what they are called in a picture.
PHASE_NAMES: Final = {
    EXPLORATION: "exploration",
    CONVERGENCE: "rapid convergence",
    FINE_TUNING: "fine tuning and verification",
}


def phase_counts(fit: FitTables) -> dict[str, int]:
    """Count the evaluations in each phase.

    Gives every phase in order, also those of no evaluation.
    """
    phase = fit.require("trace")["phase"]
    return {name: int((phase == name).sum()) for name in PHASE_NAMES}


def phase_seconds(fit: FitTables) -> dict[str, float]:
    """Sum the seconds of each phase.

    ``fit``: with ``timing``. Gives every phase in order, also those of no evaluation.
    """
    phase = fit.require("trace")["phase"].to_numpy()
    seconds = fit.require("timing")["seconds"].to_numpy(dtype=float)
    return {name: float(seconds[phase == name].sum()) for name in PHASE_NAMES}


def trace_title(tables: Sequence[FitTables], *, x: str = "evaluation") -> str:
    """Say in one line where the evaluations, or the seconds, went.

    ``x`` is one of "evaluation", "seconds".
    """
    clock = x == "seconds"
    shares: list[tuple[str, float, float]] = []
    for fit in tables:
        parts = phase_seconds(fit) if clock else phase_counts(fit)
        shares.append((fit_label(fit, tables), parts[FINE_TUNING], sum(parts.values())))
    took = "Fine tuning and verification took"
    if len(shares) == 1:
        _, last, total = shares[0]
        if len(tables[0].require("trace")) == 1:
            return "One evaluation" + (
                f" of {told_seconds(total)}" if clock else ": the search ended where it started"
            )
        if clock:
            return f"{took} {percent(last / total)} of {told_seconds(total)}"
        return f"{took} {part_of(int(last), int(total))} evaluations"
    if len(shares) > LISTED:
        low, high = (end(last / total for _, last, total in shares) for end in (min, max))
        what = "seconds" if clock else "evaluations"
        return f"{took} {fixed(100 * low)} to {percent(high)} of the {what} of each"
    if clock:
        words = [
            f"{percent(a / total)} of {told_seconds(total)} ({name})" for name, a, total in shares
        ]
        return f"{took} {', '.join(words)}"
    words = [f"{part_of(int(a), int(total))} ({name})" for name, a, total in shares]
    return f"{took} {words[0].replace(' (', ' evaluations (', 1)}, {', '.join(words[1:])}"


def trace_caption(
    tables: Sequence[FitTables],
    rows: Sequence[ParameterRow],
    *,
    floor: float,
    thinned: Sequence[tuple[int, int]],
    x: str = "evaluation",
) -> str:
    """Describe what a trace shows and what its numbers are.

    ``rows``: what is drawn of theta. ``floor``: smallest gap drawn. ``thinned``: evaluations drawn
    and made, per fit. ``x``: what runs to the right (one of "evaluation", "seconds").
    """
    info = tables[0].info
    deviations = "the standard deviations of the random effects"
    if not is_generalized(info):
        deviations += " and of the residuals"
    below = " and ".join(
        {
            "\u03b8": "the components of \u03b8 that were tried",
            "correlation": "the correlations of the random effects",
        }.get(row.title, deviations)
        for row in rows
    )
    what = " at the \u03b8 that was tried" if rows[0].title != "\u03b8" else ""
    words = [
        f"Every evaluation of the objective while {info['formula']} was fitted: above, the "
        f"{_gap(tables)} (log scale; gaps below {power(floor, 1)} are "
        f"drawn there), the line being the best so far; below, {below}{what}."
    ]
    words += [_sentence(fit, tables, x) for fit in tables]
    words += _unsure(tables, floor)
    if rows[0].title != "\u03b8" and (open_ones := _undetermined(tables)):
        words.append(f"Not drawn is what the data do not determine: {open_ones}.")
    if any(rows[0].raised):
        words.append(
            f"Standard deviations below {number(rows[0].span[0])} are drawn at the foot of their "
            "axis."
        )
    if any(row.elsewhere for row in rows):
        words.append("Lines below leave out trials that looked for a lower minimum and found none.")
    if beyond := sum(rows[0].beyond):
        name = "\u03b8" if rows[0].title == "\u03b8" else "the standard deviations"
        words.append(
            f"The axis of {name} is that of the best so far and a third more: {beyond:,} "
            f"trial{' leaves' if beyond == 1 else 's leave'} it."
        )
    for fit, (drawn, made), *lines in zip(tables, thinned, *(r.kept for r in rows), strict=True):
        some = [f"{drawn:,} are drawn"] if drawn < made else []
        if (fewest := min(lines)) < min(drawn, made):
            some.append(f"lines below go through {fewest:,}" + " at least" * (len(set(lines)) > 1))
        if some:
            words.append(_thinned(fit, tables, made, " and ".join(some)))
    return " ".join(words)


def _thinned(fit: FitTables, tables: Sequence[FitTables], made: int, what: str) -> str:
    """Say by which rule a picture shows some of the evaluations."""
    failed = ", and some that failed" * bool((fit.require("trace")["status"] != "ok").any())
    return (
        f"Of the {made:,} evaluations of {fit_label(fit, tables)} {what}: at even distances, and "
        f"the ends of phases and stages{failed}."
    )


def _undetermined(tables: Sequence[FitTables]) -> str:
    """Name the standard deviations and correlations that the data leave open."""
    names: dict[str, None] = {}
    for fit in tables:
        for entry in (fit.info.get("certificate") or {}).get("unidentified") or ():
            for p in entry["parameters"]:
                if p["kind"] == "sigma":
                    names["residual \u03c3"] = None
                elif p["kind"] in ("sd", "correlation"):
                    other = f" ~ {p['term2']}" if p["term2"] else ""
                    names[f"{p['group']}: {p['term']}{other}"] = None
    return ", ".join(names)


def overlay_caption(
    tables: Sequence[FitTables],
    *,
    floor: float,
    thinned: Sequence[tuple[int, int]],
    x: str = "evaluation",
) -> str:
    """Describe what traces in one panel show.

    ``floor``: smallest gap drawn. ``thinned``: evaluations that the line goes through and
    evaluations made, per fit. ``x`` is one of "evaluation", "seconds".
    """
    words = [
        f"The best so far while {tables[0].info['formula']} was fitted, a line for every fit: the "
        f"{_gap(tables)} (log scale; gaps below {power(floor, 1)} are drawn there). The strips "
        "above show the phases of each."
    ]
    words += [_sentence(fit, tables, x) for fit in tables]
    words += _unsure(tables, floor)
    for fit, (drawn, made) in zip(tables, thinned, strict=True):
        # Before the first success there is no best.
        if drawn < int(fit.require("trace")["best"].notna().sum()):
            words.append(_thinned(fit, tables, made, f"the line goes through {drawn:,}"))
    return " ".join(words)


def _unsure(tables: Sequence[FitTables], floor: float) -> list[str]:
    """Say what the error of random probes is, where an objective was estimated by some."""
    told = probe_sentence(
        [(fit_label(fit, tables), probe_error(fit.info)) for fit in tables], floor
    )
    return [told] * bool(told)


def _gap(tables: Sequence[FitTables]) -> str:
    """Say what gaps count from."""
    if any(len(same_problem(fit, tables)) > 1 for fit in tables):
        return "objective minus the smallest that was found for the same structure"
    return "objective minus the smallest of the same fit"


def _sentence(fit: FitTables, tables: Sequence[FitTables], x: str) -> str:
    """Evaluations or seconds and gap per phase, failures, stages and verdict of one fit."""
    trace = fit.require("trace")
    best = trace["best"].to_numpy(dtype=float)
    total = len(trace)
    minimum = min(
        float(np.nanmin(other.require("trace")["objective"].to_numpy(dtype=float)))
        for other in same_problem(fit, tables)
    )
    clock = x == "seconds"
    seconds = phase_seconds(fit) if clock else {}
    whole = sum(seconds.values())
    parts = []
    for phase, name in PHASE_NAMES.items():
        rows = np.flatnonzero((trace["phase"] == phase).to_numpy())
        if rows.size:
            gap = best[rows[-1]] - minimum
            left = [f"gap then {told_gap(gap)}"] if np.isfinite(gap) else []
            if clock:
                amount, share = told_seconds(seconds[phase]), percent(seconds[phase] / whole)
            else:
                amount, share = f"{rows.size:,}", percent(rows.size / total)
            # A step of a few is no matter of per cent.
            known = [share] if clock or total >= FEW else []
            told = ", ".join([*known, *left])
            parts.append(f"{name} {amount}" + (f" ({told})" if told else ""))
    failed = int((trace["status"] == "failed").sum())
    more = f"; {failed:,} failed" if failed else ""
    stages = trace["stage"].value_counts(sort=False)
    if len(stages) > 1:
        more += "; stages: " + ", ".join(f"{name} {count:,}" for name, count in stages.items())
    label = fit_label(fit, tables)
    by = "" if " by " in label else f" by {fit.info['optimizer']['name']}"
    verdict = (fit.info.get("certificate") or {}).get("verdict") or "not examined"
    spent_in = f" in {told_seconds(whole)}" if clock else ""
    sentence = (
        f"{label[0].upper()}{label[1:]}, {counted(total)}{spent_in}{by}: {'; '.join(parts)}{more}. "
        f"Verdict: {verdict}."
    )
    compiling = spent(fit.require("timing"))[1] if clock else 0.0
    if compiling > 0.0:
        sentence += (
            f" Compiling and loading code took {told_seconds(compiling)}, which is left out."
        )
    return sentence


def part_of(part: int, total: int) -> str:
    """Say which part of a number of evaluations, in per cent where they are many.

    Examples
    --------
    >>> part_of(2, 5), part_of(53, 380)
    ('2 of 5', '14 % of 380')
    """
    return f"{part:,} of {total:,}" if total < FEW else f"{percent(part / total)} of {total:,}"
