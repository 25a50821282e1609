"""What stopping a fit earlier would have cost and saved, in words made from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.along import spent, told_seconds
from mixedscope.charts.common.numerals import fixed, number, percent
from mixedscope.charts.common.probe_band import probe_error, probe_sentence
from mixedscope.charts.common.structure_names import LISTED, fit_label
from mixedscope.tables.store import FitTables

__all__ = [
    "ALL_NAMES",
    "MEASURE_NAMES",
    "final_from",
    "measures_of",
    "stopping_caption",
    "stopping_sentence",
    "stopping_title",
]

#: Measures of the estimates in the stored tables, and what they are called in a picture.
MEASURE_NAMES: Final = {
    "beta": "coefficients, in standard errors",
    "std_error": "standard errors, relative",
    "sigma": "residual \u03c3, relative",
    "modes": "conditional modes, in their SD",
}

#: With what a family may have in the place of sigma.
ALL_NAMES: Final = {**MEASURE_NAMES, "dispersion": "dispersion, relative"}

#: Criteria of the table ``accuracy``, and the setting of the optimiser that has one of its own.
_SETTINGS: Final = {
    "trust radius": ("A last trust radius", {"pybobyqa": "rhoend of Py-BOBYQA"}),
    "predicted decrease": ("A predicted decrease", {"bfgs": "ftol of BFGS"}),
    "decrease": (
        "A smallest decrease of the objective",
        dict.fromkeys(("nlopt-bobyqa", "nlopt-newuoa"), "ftol_abs of NLopt"),
    ),
}

#: A difference of coefficients, in standard errors, that rounding makes.
_NOTHING: Final = 1e-9


def stopping_sentence(fit: FitTables, accuracy: float = 1e-3, *, clock: bool = True) -> str:
    """Say what stopping one fit as early as the accuracy allows changes and saves.

    ``fit``: with ``stopping`` and ``accuracy``, and ``timing`` for the time. ``accuracy``: one of
    those studied. ``clock``: whether to tell the share of the time that is saved, which differs
    from run to run, or that of the evaluations. Gives such as "Stopping at evaluation 41 of 57
    changes no coefficient by more than 0.001 standard errors and saves 28 % of the time".
    """
    total = len(fit.require("stopping"))
    everything = final_from(fit, accuracy)
    beta = _evaluation(fit, "beta", accuracy)
    scale = _scale([fit])
    errors = f"neither a standard error nor {scale}" if scale else "no standard error"
    rest = (
        f"{errors} by more than {_percent(accuracy)}, nor a conditional "
        f"mode by more than {number(accuracy)} of its conditional standard deviation"
    )
    if total == 1:
        return "The fit took one evaluation: there is nothing to be saved."
    first: str
    if float(np.nanmax(fit.require("stopping")["beta"].to_numpy(dtype=float))) <= _NOTHING:
        first = "The coefficients are the same at every evaluation"
        if everything is None:
            return first + "."
        if everything == total:
            return f"{first}; for the rest every one of the {total:,} evaluations was needed."
        return (
            f"{first}; stopping at evaluation {everything:,} of {total:,} changes {rest}, and "
            f"saves {_saved(fit, everything, clock)}."
        )
    if beta is None:
        return (
            "Not even the best of all evaluations is within "
            f"{number(accuracy)} standard errors of the final coefficients."
        )
    if beta == total:
        first = (
            f"To change no coefficient by more than {number(accuracy)} standard errors every one "
            f"of the {total:,} evaluations was needed"
        )
    else:
        first = (
            f"Stopping at evaluation {beta:,} of {total:,} changes no coefficient by more than "
            f"{number(accuracy)} standard errors and saves {_saved(fit, beta, clock)}"
        )
    if everything is None or everything == beta:
        return first + ("." if everything is None else f"; it also changes {rest}.")
    saved = _saved(fit, everything, clock)
    return f"{first}; to change {rest} it takes {everything:,}, and saves {saved}."


def measures_of(fit: FitTables) -> list[str]:
    """The measures that a fit has: a generalised model may have a dispersion in sigma's place."""
    stopping = fit.require("stopping")
    some = ("sigma", "dispersion")
    return [m for m in ALL_NAMES if m not in some or (m in stopping and stopping[m].notna().any())]


def final_from(fit: FitTables, accuracy: float) -> int | None:
    """The evaluation from which on every measure is within an accuracy studied; None if none is."""
    where = [_evaluation(fit, measure, accuracy) for measure in measures_of(fit)]
    return None if None in where else max(n or 0 for n in where)


def stopping_title(
    tables: Sequence[FitTables], accuracy: float = 1e-3, *, clock: bool = False
) -> str:
    """Say in one line how early each fit was good enough.

    ``clock``: whether in seconds, or in evaluations.
    """
    parts, never, shares = [], [], []
    for fit in tables:
        found = [_evaluation(fit, m, accuracy) for m in measures_of(fit)]
        elapsed = _elapsed(fit) if clock else np.arange(1.0, len(fit.require("stopping")) + 1)
        total = float(elapsed[-1])
        label = f" ({fit_label(fit, tables)})" if len(tables) > 1 else ""
        if None in found:
            never.append(f"never{label}")
        else:
            # Kept together where the title is broken into lines.
            last = float(elapsed[max(n or 0 for n in found) - 1])
            first, whole = (told_seconds(v) if clock else fixed(v) for v in (last, total))
            parts.append(f"{first}\u00a0of\u00a0{whole}{label}")
            shares.append(100 * last / total)
    if not parts:
        return f"Estimates are at no evaluation final to within {number(accuracy)}"
    if len(parts) > LISTED and not never:
        low, high = min(shares), max(shares)
        return (
            f"Estimates are final to within {number(accuracy)} after {fixed(low)} to "
            f"{fixed(high)}\u00a0% of the {'seconds' if clock else 'evaluations'}"
        )
    where = "after" if clock else "from evaluation"
    return f"Estimates are final to within {number(accuracy)} {where} {', '.join([*parts, *never])}"


def stopping_caption(
    tables: Sequence[FitTables],
    accuracy: float = 1e-3,
    *,
    clock: bool = False,
    floor: float = 1e-9,
) -> str:
    """Describe what the chart shows and what its numbers are.

    ``clock``: as for `stopping_sentence`. ``floor``: smallest gap drawn.
    """
    words = [
        f"How far the best point so far was from the final fit of {tables[0].info['formula']}: "
        "above, its objective minus the minimum; below, the largest difference of a coefficient, "
        f"in standard errors, of a standard error{_and_sigma(tables)}, relative, and of a "
        "conditional mode, in conditional standard deviations (in standard errors of the level's "
        "own estimate where the final fit leaves the term no variance). Points: from there on the "
        "measure stays within the accuracy of the dotted line. Upright line: all do, at "
        f"{number(accuracy)}."
    ]
    for fit in tables:
        label = fit_label(fit, tables)
        sentence = stopping_sentence(fit, accuracy, clock=clock)
        words.append(f"{label[0].upper()}{label[1:]}: {_lowered(sentence)}")
        if tolerance := _tolerance(fit, accuracy):
            words.append(tolerance)
        compiling = spent(fit.require("timing"))[1] if clock else 0.0
        if compiling > 0.0:
            words.append(
                f"Compiling and loading code took {told_seconds(compiling)}, which is left out."
            )
    unsure = probe_sentence(
        [(fit_label(fit, tables), probe_error(fit.info)) for fit in tables], floor
    )
    return " ".join([*words, *([unsure] if unsure else [])])


def _and_sigma(tables: Sequence[FitTables]) -> str:
    scale = _scale(tables)
    return f" and of {scale}" if scale else ""


def _scale(tables: Sequence[FitTables]) -> str:
    """Sigma, or the dispersion, where a fit has one."""
    known = {measure for fit in tables for measure in measures_of(fit)}
    return "\u03c3" if "sigma" in known else "the dispersion" if "dispersion" in known else ""


def _elapsed(fit: FitTables) -> NDArray[np.float64]:
    """Seconds from the start to the end of every evaluation."""
    return np.asarray(fit.require("timing")["seconds"], dtype=float).cumsum()


def _tolerance(fit: FitTables, accuracy: float) -> str:
    """Say which tolerance of the optimiser would have sufficed for all estimates."""
    rows = _rows(fit, accuracy)
    if rows["evaluation"].isna().any() or rows["tolerance"].isna().any():
        return ""
    # The strictest demand: the smallest tolerance.
    row = rows.sort_values("tolerance", kind="stable").iloc[0]
    criterion, settings = _SETTINGS[str(row["criterion"])]
    own = settings.get(str(fit.info["optimizer"]["name"]))
    return (
        f"{criterion}{f' ({own})' if own else ''} of {number(row['tolerance'], 2)} would have "
        f"sufficed for that, and ended the search at about evaluation {int(row['stops_at']):,}."
    )


def _rows(fit: FitTables, accuracy: float) -> pd.DataFrame:
    table = fit.require("accuracy")
    return table[table["measure"].isin(measures_of(fit)) & (table["accuracy"] == accuracy)]


def _evaluation(fit: FitTables, measure: str, accuracy: float) -> int | None:
    rows = _rows(fit, accuracy)
    value: Any = rows.loc[rows["measure"] == measure, "evaluation"].iloc[0]
    return None if pd.isna(value) else int(value)


def _saved(fit: FitTables, evaluation: int, clock: bool) -> str:
    """Say which share of the time, or of the evaluations, came after an evaluation."""
    if not clock:
        total = len(fit.require("stopping"))
        return f"{_percent((total - evaluation) / total, digits=0)} of the evaluations"
    seconds = fit.require("timing")["seconds"].to_numpy(dtype=float)
    return f"{_percent(float(seconds[evaluation:].sum() / seconds.sum()), digits=0)} of the time"


def _percent(value: float, digits: int | None = None) -> str:
    return f"{number(100 * value, 6)}\u00a0%" if digits is None else percent(value, digits)


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]
