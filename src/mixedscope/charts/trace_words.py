"""What a trace says, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from mixedscope.charts.structure_names import LISTED, fit_label
from mixedscope.charts.trace_frames import same_problem
from mixedscope.store import FitTables

if TYPE_CHECKING:
    from mixedscope.charts.trace_parameters import ParameterRow

__all__ = [
    "PHASE_NAMES",
    "counted",
    "overlay_caption",
    "phase_counts",
    "trace_caption",
    "trace_title",
]

#: Phases of the stored tables, in order, and what they are called in a picture.
PHASE_NAMES: Final = {
    "exploration": "exploration",
    "convergence": "rapid convergence",
    "fine-tuning": "fine tuning and verification",
}


def phase_counts(fit: FitTables) -> dict[str, int]:
    """Count the evaluations in each phase.

    Parameters
    ----------
    fit : FitTables

    Returns
    -------
    dict of str to int
        Every phase in order, also those of no evaluation.
    """
    phase = fit.require("trace")["phase"]
    return {name: int((phase == name).sum()) for name in PHASE_NAMES}


def trace_title(tables: Sequence[FitTables]) -> str:
    """Say in one line where the evaluations went.

    Parameters
    ----------
    tables : sequence of FitTables

    Returns
    -------
    str
    """
    shares = []
    for fit in tables:
        counts = phase_counts(fit)
        shares.append((fit_label(fit, tables), counts["fine-tuning"], sum(counts.values())))
    if len(shares) == 1:
        _, last, total = shares[0]
        if total == 1:
            return "One evaluation: the search ended where it started"
        return f"Fine tuning and verification took {_share(last, total)} of {total:,} evaluations"
    if len(shares) > LISTED:
        low, high = (end(100 * last / total for _, last, total in shares) for end in (min, max))
        return (
            f"Fine tuning and verification took {low:.0f} to {high:.0f}\u00a0% of the evaluations"
        )
    parts = ", ".join(f"{_share(last, total)} ({name})" for name, last, total in shares)
    return f"Fine tuning and verification took {parts} of the evaluations"


def trace_caption(
    tables: Sequence[FitTables],
    rows: Sequence[ParameterRow],
    *,
    floor: float,
    thinned: Sequence[tuple[int, int]],
) -> str:
    """Describe what a trace shows and what its numbers are.

    Parameters
    ----------
    tables : sequence of FitTables
    rows : sequence of ParameterRow
        What is drawn of theta.
    floor : float
        Smallest gap drawn.
    thinned : sequence of (int, int)
        Evaluations drawn and made, per fit.

    Returns
    -------
    str
    """
    info = tables[0].info
    below = " and ".join(
        {
            "\u03b8": "the components of \u03b8 that were tried",
            "correlation": "the correlations of the random effects",
        }.get(row.title, "the standard deviations of the random effects and of the residuals")
        for row in rows
    )
    what = " at the \u03b8 that was tried" if rows[0].title != "\u03b8" else ""
    words = [
        f"Every evaluation of the objective while {info['formula']} was fitted: above, the "
        f"{_gap(tables)} (log scale; gaps below {floor:.0e} are "
        f"drawn there), the line being the best so far; below, {below}{what}."
    ]
    words += [_sentence(fit, tables) for fit in tables]
    if (beyond := sum(rows[0].beyond)) and not rows[0].log:
        name = "\u03b8" if rows[0].title == "\u03b8" else "the standard deviations"
        words.append(
            f"The axis of {name} is that of the best so far and a third more: {beyond:,} "
            f"trial{' leaves' if beyond == 1 else 's leave'} it."
        )
    for fit, (drawn, made) in zip(tables, thinned, strict=True):
        if drawn < made:
            words.append(
                f"Of the {made:,} evaluations of {fit_label(fit, tables)} {drawn:,} are drawn: at "
                "even distances, and the ends of phases and stages."
            )
    return " ".join(words)


def overlay_caption(tables: Sequence[FitTables], *, floor: float) -> str:
    """Describe what traces in one panel show.

    Parameters
    ----------
    tables : sequence of FitTables
    floor : float
        Smallest gap drawn.

    Returns
    -------
    str
    """
    words = [
        f"The best so far while {tables[0].info['formula']} was fitted, a line for every fit: the "
        f"{_gap(tables)} (log scale; gaps below {floor:.0e} are drawn there). The strips above "
        "show the phases of each."
    ]
    return " ".join([*words, *(_sentence(fit, tables) for fit in tables)])


def _gap(tables: Sequence[FitTables]) -> str:
    """Say what gaps count from."""
    if any(len(same_problem(fit, tables)) > 1 for fit in tables):
        return "objective minus the smallest that was found for the same structure"
    return "objective minus the smallest of the same fit"


def _sentence(fit: FitTables, tables: Sequence[FitTables]) -> str:
    """Evaluations and gap per phase, failures, stages and verdict of one fit."""
    trace = fit.require("trace")
    best = trace["best"].to_numpy(dtype=float)
    total = len(trace)
    minimum = min(
        float(np.nanmin(other.require("trace")["objective"].to_numpy(dtype=float)))
        for other in same_problem(fit, tables)
    )
    parts = []
    for phase, name in PHASE_NAMES.items():
        rows = np.flatnonzero((trace["phase"] == phase).to_numpy())
        if rows.size:
            gap = best[rows[-1]] - minimum
            left = "" if not np.isfinite(gap) else f", gap then {_number(gap)}"
            parts.append(f"{name} {rows.size:,} ({_share(rows.size, total)}{left})")
    failed = int((trace["status"] == "failed").sum())
    more = f"; {failed:,} failed" if failed else ""
    stages = trace["stage"].value_counts(sort=False)
    if len(stages) > 1:
        more += "; stages: " + ", ".join(f"{name} {count:,}" for name, count in stages.items())
    label = fit_label(fit, tables)
    by = "" if " by " in label else f" by {fit.info['optimizer']['name']}"
    verdict = (fit.info.get("certificate") or {}).get("verdict") or "not examined"
    return (
        f"{label[0].upper()}{label[1:]}, {counted(total)}{by}: {'; '.join(parts)}{more}. "
        f"Verdict: {verdict}."
    )


def counted(total: int) -> str:
    """Say how many evaluations."""
    return f"{total:,} evaluation{'' if total == 1 else 's'}"


def _share(part: int, total: int) -> str:
    return f"{100 * part / total:.0f} %"


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}" if value < 1e-3 else f"{value:.3g}"
