"""What the page of linked displays answers: a sentence with a number to each of five questions.

Each sentence comes with what is to be chosen for the pictures to show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.labels import term_title, term_unit
from mixedscope.charts.common.numerals import counted, number, percent, told_gap
from mixedscope.charts.common.probe_band import probe_sentence
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.kinds.explorer.contents import Factor
from mixedscope.charts.kinds.motion.frames import course_of
from mixedscope.charts.kinds.shrinkage.levels import Pull, movement
from mixedscope.charts.kinds.shrinkage.words import joined, pull_title
from mixedscope.charts.kinds.stopping.words import final_from
from mixedscope.core.vocabulary import CRITERION_NAMES, FINE_TUNING
from mixedscope.covariance.structure_names import structure_name
from mixedscope.tables.store import FitTables

__all__ = ["OPENED", "explorer_caption", "explorer_title", "findings", "movers"]

Floats = NDArray[np.float64]

OPENED: Final = 1
"""The question whose answer the page shows as it opens: who moved most."""

_NO_VARIANCE: Final = 1e-6
"""SDs of this part of sigma are rounding."""

_TOLD: Final = 3
"""So many structures that collapsed are told one by one."""

_MOST: Final = 5
"""So many levels of each factor are ranked by how far they move."""

_ACCURACY: Final = 1e-3
"""The fit is over where all estimates are so close to their end, or by the strictest studied."""


def explorer_title(factors: Sequence[Factor], found: Sequence[Mapping[str, Any]]) -> str:
    """Say what shrinkage does to the grouping factor that the page opens with.

    ``found``: as made by `findings`.
    """
    shown = factors[found[OPENED]["set"].get("factor", 0)]
    return pull_title(shown.pulls[0], shown.name)


def explorer_caption(tables: Sequence[FitTables], factors: Sequence[Factor]) -> str:
    """Say what the page is, and what a picture of it shows."""
    words = (
        f"The displays of {tables[0].info['formula']}, linked: whatever is chosen in one, a level, "
        "an evaluation of the optimiser or a structure, is marked in all. The picture shows the "
        "page as it opens: the level that moves most, at the end of the first fit. Bars: "
        "conditional mode ± 1.96 conditional standard deviations."
    )
    words += _infinite(factors)
    rules = [f"{factor.name}: {factor.rule}" for factor in factors if factor.rule]
    courses, labels = course_of(tables), [pull.label for pull in factors[0].pulls]
    errors = [(label, c.error) for label, c in zip(labels, courses, strict=True)]
    unsure = probe_sentence(errors, courses[0].floor)
    return " ".join([words, *rules, *([unsure] if unsure else [])])


def _infinite(factors: Sequence[Factor]) -> str:
    """Say how many levels of the first fit have an infinite own estimate, where any have."""
    found = [(factor, factor.pulls[0].infinite) for factor in factors]
    counts = [
        f"{int(own.sum()):,} of {own.size:,} of {factor.name}" for factor, own in found if own.any()
    ]
    if not counts:
        return ""
    return f" Open arrowhead: levels whose own estimate is infinite, {joined(counts)}."


def findings(tables: Sequence[FitTables], factors: Sequence[Factor]) -> list[dict[str, Any]]:
    """Answer the five questions.

    Gives for each ``question``, ``text``, ``short`` (its numbers alone), ``set`` (what is to be
    chosen: ``fit``, ``factor``, ``terms``, ``level``, ``at``; empty where nothing shows more) and
    ``show``, the picture.
    """
    asked = {
        "Which structure collapsed?": _collapsed(tables, factors),
        "Who moved most, and why?": _moved(factors),
        "When was it over?": _over(tables[0], tables),
        "What would stopping have cost?": _cost(tables[0], tables),
        "What did the correlation buy?": _correlation(tables, factors),
    }
    return [
        {"question": question, "text": text, "short": short, "set": chosen, "show": show}
        for question, (text, short, chosen, show) in asked.items()
    ]


def movers(factors: Sequence[Factor], most: int = _MOST) -> list[dict[str, Any]]:
    """Rank levels by how far the first fit moves them from their own estimates.

    ``most``: of each factor. Gives for each ``group``, ``level``, ``n``, the ``term`` that is moved
    most, ``start`` and ``end`` in it, and ``moved``, all terms together in standard deviations of
    the references.
    """
    found = []
    for factor in factors:
        pull = factor.pulls[0]
        moved = _known(movement(pull))
        steps = np.abs(_known((pull.mode - pull.reference) / _spread(pull.reference)))
        for level in np.argsort(-moved, kind="stable")[:most].tolist():
            if not moved[level] > 0.0:
                break
            j = int(np.argmax(steps[level]))
            found.append(
                {
                    "group": factor.name,
                    "level": str(factor.levels[level]),
                    "n": f"{int(factor.n_obs[level]):,}",
                    "term": term_title(pull.terms[j], pull.info),
                    "start": number(float(pull.reference[level, j])),
                    "end": number(_clear(pull, level, j)),
                    "moved": number(float(moved[level]), 2),
                }
            )
    return found


_Answer = tuple[str, str, dict[str, Any], str]


def _collapsed(tables: Sequence[FitTables], factors: Sequence[Factor]) -> _Answer:
    names = [factor.name for factor in factors]
    found = [
        (i, entry)
        for i, fit in enumerate(tables)
        for entry in fit.info.get("singular") or ()
        if entry["singular"]
    ]
    if not found:
        if any(fit.info.get("singular") is None for fit in tables):
            return "Whether a fit is singular was not examined.", "not examined", {}, "structures"
        ranks = [
            f"{sum(e['rank'] for e in fit.info['singular'])} of "
            f"{sum(e['full_rank'] for e in fit.info['singular'])}"
            for fit in tables
        ]
        which = "None: the fit keeps" if len(tables) == 1 else f"None: the {len(tables)} fits keep"
        return f"{which} {joined(ranks)} dimensions.", "none", {}, "structures"
    parts = [
        f"{_label(factors, i)}, rank {entry['rank']} of {entry['size']} in {entry['group']}"
        for i, entry in found[:_TOLD]
    ]
    brief = [
        f"{_label(factors, i)}: {entry['rank']} of {entry['size']} in {entry['group']}"
        for i, entry in found[:_TOLD]
    ]
    more = f"; {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    i, entry = found[0]
    factor = names.index(entry["group"])
    sds = factors[factor].pulls[i].sds
    chosen: dict[str, Any] = {"fit": i, "factor": factor, "at": -1}
    # The plane of the term that varies least, beside the one that varies most.
    if len(sds) > 1:
        chosen["terms"] = _pair(int(np.argmax(sds)), int(np.argmin(sds)))
    return _sentence("; ".join(parts) + more), "; ".join(brief) + more, chosen, "shrinkage"


def _moved(factors: Sequence[Factor]) -> _Answer:
    moved = [_known(movement(factor.pulls[0])) for factor in factors]
    at = int(np.argmax([m.max(initial=0.0) for m in moved]))
    if not moved[at].max(initial=0.0) > 0:
        return "No level has an estimate of its own to be pulled from.", "none", {}, "shrinkage"
    factor, pull = factors[at], factors[at].pulls[0]
    level = int(np.argmax(moved[at]))
    away = _known(movement(replace(pull, mode=np.zeros_like(pull.mode))))
    rank = int((away > away[level]).sum()) + 1
    farthest = "the farthest" if rank == 1 else f"number {rank} in distance"
    n, middle = int(factor.n_obs[level]), float(np.median(factor.n_obs))
    rows = f"{n:,} observation{'s' * (n != 1)}"
    rows += ", as the median level" if n == middle else f" (median {number(middle)})"
    steps = np.abs(_known((pull.mode - pull.reference)[level]) / _spread(pull.reference))
    order = np.argsort(-steps, kind="stable")
    ways = [
        f"{number(pull.reference[level, j])} → {number(_clear(pull, level, j))}"
        f"{_unit(pull, j)} in {pull.terms[j]}"
        for j in order[:2].tolist()
        if steps[j] > 0
    ]
    text = (
        f"{factor.levels[level]} of {factor.name}, by {number(moved[at][level], 2)} SD of the "
        f"references ({joined(ways)}): its own estimate lies {number(away[level], 2)} SD out, "
        f"{farthest} of {len(factor.levels):,}, and rests on {rows}{_gone(pull)}."
    )
    short = f"{factor.levels[level]} of {factor.name}, {number(moved[at][level], 2)} SD: {ways[0]}"
    chosen: dict[str, Any] = {"fit": 0, "factor": at, "level": level, "at": -1}
    if len(order) > 1:
        chosen["terms"] = _pair(*order[:2].tolist())
    return text, short, chosen, "shrinkage"


def _over(fit: FitTables, tables: Sequence[FitTables]) -> _Answer:
    accuracy = fit.get("accuracy")
    total = len(fit.require("trace"))
    if accuracy is None or "skipped" in accuracy.attrs:
        return "What stopping would have cost was not studied.", "not studied", {}, "trace"
    studied = accuracy["accuracy"].unique().tolist()
    told = _ACCURACY if _ACCURACY in studied else min(studied)
    where = final_from(fit, told)
    if where is None:
        text = f"At none of {counted(total)} are all estimates final to within {number(told)}."
        return text, f"at none of {total:,}", {}, "trace"
    of = _of(fit, tables)
    if total == 1:
        text = f"At once: the search began at its end{of}."
        return text, "at once", {"fit": 0, "at": 1}, "trace"
    text = (
        f"From evaluation {where:,} of {total:,}{of} no estimate is farther than {number(told)} "
        f"from its end, in standard errors or relative; {counted(total - where)} came after."
        if where < total
        else f"At the last of {counted(total)}{of}: before, some estimate was farther than "
        f"{number(told)} from its end, in standard errors or relative."
    )
    return text, f"from {where:,} of {counted(total)}", {"fit": 0, "at": where}, "trace"


def _cost(fit: FitTables, tables: Sequence[FitTables]) -> _Answer:
    stopping = fit.get("stopping")
    if stopping is None or "skipped" in stopping.attrs:
        return "What stopping would have cost was not studied.", "not studied", {}, "trace"
    total = len(stopping)
    phase = fit.require("trace")["phase"].to_numpy()
    tuning = np.flatnonzero(phase == FINE_TUNING)
    at = int(tuning[0]) if tuning.size else total
    of = _of(fit, tables)
    if at in (0, total):
        text = f"There is no earlier phase to stop at: {counted(total)}{of}."
        return text, "no earlier phase", {}, "ledger"
    row = stopping.iloc[at - 1]
    # A generalised model has no sigma.
    sigma = f", σ by {_relative(row['sigma'])}" if np.isfinite(row["sigma"]) else ""
    text = (
        f"Stopping at evaluation {at:,} of {total:,}{of}, before the fine tuning, would have moved "
        f"a coefficient by {told_gap(_nothing(row['beta']))} standard errors{sigma} and a mode by "
        f"{told_gap(_nothing(row['modes']))} of its SD at most, and saved "
        f"{percent((total - at) / total)} of the evaluations."
    )
    short = (
        f"at {at:,}: a mode off by {told_gap(_nothing(row['modes']))} SD, "
        f"{percent((total - at) / total)} saved"
    )
    return text, short, {"fit": 0, "at": at}, "ledger"


def _correlation(tables: Sequence[FitTables], factors: Sequence[Factor]) -> _Answer:
    counts = [_correlations(fit) for fit in tables]
    if not any(counts):
        many = any(len(factor.terms) > 1 for factor in factors)
        why = "no fit here estimates any" if many else "every factor has a single random effect"
        return f"There is none to buy with: {why}.", "none is fitted", {}, "structures"
    rich = int(np.argmax(counts))
    names = [structure_name(fit.info) for fit in tables]
    poor = next((i for i, name in enumerate(names) if name == "zerocorr"), None)
    if poor is None:
        return (
            "No fit without correlations is here to compare with: give structure='zerocorr' too.",
            "no fit without any",
            {},
            "structures",
        )
    first, second = tables[rich].info, tables[poor].info
    more = int(first["dof"]) - int(second["dof"])
    gain = float(second["objective"]) - float(first["objective"])
    aic = float(first["aic"]) - float(second["aic"])
    what = "The correlation" if counts[rich] == 1 else f"The {counts[rich]} correlations"
    text = (
        f"{what} of {_label(factors, rich)} lower{'s' * (counts[rich] == 1)} the "
        f"{CRITERION_NAMES[first['criterion']]} by {told_gap(max(gain, 0.0))} for "
        f"{more} parameter{'s' * (more != 1)} more; AIC is {number(abs(aic))} "
        f"{'higher' if aic > 0 else 'lower'} with {'it' if counts[rich] == 1 else 'them'}."
    )
    short = (
        f"{CRITERION_NAMES[first['criterion']]} lower by {told_gap(max(gain, 0.0))}, AIC "
        f"{'higher' if aic > 0 else 'lower'} by {number(abs(aic))}"
    )
    return text, short, {"fit": poor, "at": -1}, "structures"


# -- pieces ----------------------------------------------------------------------------------------


def _label(factors: Sequence[Factor], fit: int) -> str:
    return factors[0].pulls[fit].label


def _of(fit: FitTables, tables: Sequence[FitTables]) -> str:
    return f" ({structure_label(fit.info)})" if len(tables) > 1 else ""


def _correlations(fit: FitTables) -> int:
    """Correlations that a fit estimates."""
    kinds = fit.require("estimates")["kind"]
    return int((kinds == "correlation").sum())


def _pair(first: int, second: int) -> list[int]:
    """Two terms, the earlier of the formula to the right."""
    return sorted([first, second])


def _known(values: Floats) -> Floats:
    return np.nan_to_num(values, nan=0.0)


def _spread(reference: Floats) -> Floats:
    """SD of the references of each term as in `movement`; infinite where there is none."""
    known = np.isfinite(reference)
    spread = np.array(
        [
            np.std(column[own], ddof=1) if own.sum() > 1 else 0.0
            for column, own in zip(reference.T, known.T, strict=True)
        ]
    )
    return np.where(spread > 0, spread, np.inf)


def _gone(pull: Pull) -> str:
    """Which terms the fit leaves no variance: every level's own estimate of them is given up."""
    gone = [
        term
        for term, sd, varies in zip(pull.terms, pull.sds.tolist(), pull.varies, strict=True)
        if varies and sd <= _NO_VARIANCE * float(pull.info["sigma"] or 1.0)
    ]
    return f"; the fit leaves {joined(gone)} no variance" if gone else ""


def _unit(pull: Pull, j: int) -> str:
    """The unit of a term behind a number; nothing where it is not known."""
    unit = term_unit(pull.terms[j], pull.info)
    return f"\u00a0{unit}" if unit else ""


def _clear(pull: Pull, level: int, j: int) -> float:
    """A mode; 0 where it is rounding beside its reference."""
    mode = float(pull.mode[level, j])
    return mode if abs(mode) > 1e-6 * abs(float(pull.reference[level, j])) else 0.0


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _nothing(value: float) -> float:
    """A difference; 0 where it is rounding."""
    return 0.0 if abs(value) < 1e-9 else float(value)


def _relative(value: float) -> str:
    return f"{number(100 * _nothing(value), 2)}\u00a0%"
