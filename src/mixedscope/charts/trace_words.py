"""What a trace says, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from mixedscope.store import FitTables

__all__ = ["PHASE_NAMES", "counted", "phase_counts", "trace_caption", "trace_title"]

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
        shares.append((_label(fit, tables), counts["fine-tuning"], sum(counts.values())))
    if len(shares) == 1:
        _, last, total = shares[0]
        if total == 1:
            return "One evaluation: the search ended where it started"
        return f"Fine tuning and verification took {_share(last, total)} of {total:,} evaluations"
    parts = ", ".join(f"{_share(last, total)} ({name})" for name, last, total in shares)
    return f"Fine tuning and verification took {parts} of the evaluations"


def trace_caption(
    tables: Sequence[FitTables],
    *,
    floor: float,
    theta_span: tuple[float, float],
    thinned: Sequence[tuple[int, int]],
) -> str:
    """Describe what a trace shows and what its numbers are.

    Parameters
    ----------
    tables : sequence of FitTables
    floor : float
        Smallest gap drawn.
    theta_span : (float, float)
        Ends of the axis of θ.
    thinned : sequence of (int, int)
        Evaluations drawn and made, per fit.

    Returns
    -------
    str
    """
    info = tables[0].info
    words = [
        f"Every evaluation of the objective while {info['formula']} was fitted: above, the "
        f"objective minus the smallest of the same fit (log scale; gaps below {floor:.0e} are "
        "drawn there), the line being the best so far; below, the components of θ that were tried."
    ]
    words += [_sentence(fit, tables) for fit in tables]
    if beyond := sum(_beyond(fit, theta_span) for fit in tables):
        words.append(
            f"The axis of θ is that of the best so far and a third more: {beyond:,} "
            f"trial{' leaves' if beyond == 1 else 's leave'} it."
        )
    for fit, (drawn, made) in zip(tables, thinned, strict=True):
        if drawn < made:
            words.append(
                f"Of the {made:,} evaluations of {_label(fit, tables)} {drawn:,} are drawn: at "
                "even distances, and the ends of phases and stages."
            )
    return " ".join(words)


def _sentence(fit: FitTables, tables: Sequence[FitTables]) -> str:
    """Evaluations and gap per phase, failures, stages and verdict of one fit."""
    trace = fit.require("trace")
    best = trace["best"].to_numpy(dtype=float)
    total = len(trace)
    minimum = float(np.nanmin(trace["objective"].to_numpy(dtype=float)))
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
    label = _label(fit, tables)
    verdict = (fit.info.get("certificate") or {}).get("verdict") or "not examined"
    return (
        f"{label[0].upper()}{label[1:]}, {counted(total)} by "
        f"{fit.info['optimizer']['name']}: {'; '.join(parts)}{more}. Verdict: {verdict}."
    )


def counted(total: int) -> str:
    """Say how many evaluations."""
    return f"{total:,} evaluation{'' if total == 1 else 's'}"


def _beyond(fit: FitTables, span: tuple[float, float]) -> int:
    """Number of evaluations with a component of θ outside an axis."""
    theta = np.array(fit.require("trace")["theta"].tolist(), dtype=float)
    return int(((theta < span[0]) | (theta > span[1])).any(axis=1).sum())


def _label(fit: FitTables, tables: Sequence[FitTables]) -> str:
    """Structure of a fit, with its optimiser where structures do not tell fits apart."""
    structures = [other.info["structure"] for other in tables]
    name = str(fit.info["structure"])
    if len(set(structures)) < len(structures):
        name += f" by {fit.info['optimizer']['name']}"
    return name


def _share(part: int, total: int) -> str:
    return f"{100 * part / total:.0f} %"


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}" if value < 1e-3 else f"{value:.3g}"
