"""Responses of families: counts, successes of trials, two categories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError
from mixedscope.design.frame import Factor, missing_values
from mixedscope.design.terms import TermColumns
from mixedscope.formula.parse import TRIALS
from mixedscope.formula.tree import Binary, Call, Node, names_in, unparse

__all__ = ["Observed", "read_response", "trials_of_rows"]

Floats = NDArray[np.float64]


class Observed(NamedTuple):
    """What was observed, as families take it.

    Attributes
    ----------
    y : (n,) array
        Of trials the share of successes.
    trials : (n,) array or None
    success : str or None
        The category that counts as 1, of two.
    """

    y: Floats
    trials: Floats | None = None
    success: str | None = None


def read_response(node: Node, columns: TermColumns) -> Observed:
    """Read the left-hand side of a formula: numbers, two categories, or successes of trials.

    ``cbind(successes, failures)`` says both, as in R; ``successes / trials`` says the same. Of two
    categories the second is the success, in the order of the levels.
    """
    if isinstance(node, Call) and node.function == TRIALS:
        written = unparse(node)
        parts = [columns.numeric(part, f"In {written}, the column") for part in node.arguments]
        if len(parts) != 2:
            raise DataError(f"{written} must have two columns: {TRIALS}(successes, failures).")
        successes, failures = parts
        _check_counts(written, successes, failures, columns)
        total = successes + failures
        return Observed(successes / total, total)
    if isinstance(node, Binary) and node.op == "/":
        y = columns.numeric(node, "The response")
        return Observed(y, columns.numeric(node.right, "The number of trials"))
    variable = columns.variable(node)
    if isinstance(variable, Factor):
        if len(variable.levels) != 2:
            raise DataError(
                f"The response {unparse(node)!r} has {len(variable.levels)} categories; a response "
                "of categories has two, the second of which counts as 1."
            )
        return Observed((variable.codes == 1).astype(np.float64), None, variable.levels[1])
    return Observed(columns.numeric(node, "The response"))


def trials_of_rows(
    node: Node, frame: pd.DataFrame, rows: NDArray[np.int64], what: str
) -> Floats | None:
    """Trials (m,) of some rows whose successes nobody has counted; None of a response without.

    Of ``cbind(successes, failures)`` the sum counts alone: columns that are not there, or have
    missing values, do not matter if they cancel in it, as in ``cbind(hits, size - hits)``.

    Parameters
    ----------
    node : Node
        The left-hand side of the formula.
    frame : DataFrame
    rows : (m,) array of int
        Positions in the frame.
    what : str
        What the rows are called in messages.

    Raises
    ------
    DataError
        If the columns do not say how many trials a row has, or say none.
    """
    if isinstance(node, Call) and node.function == TRIALS:
        parts = list(node.arguments)
    elif isinstance(node, Binary) and node.op == "/":
        parts = [node.right]
    else:
        return None
    names = list(dict.fromkeys(name.name for part in parts for name in names_in(part)))
    known = {name: frame[name].take(rows) for name in names if name in frame.columns}
    open_rows = dict.fromkeys(names, np.ones(len(rows), dtype=bool))
    for name, series in known.items():
        missing = missing_values(series)
        open_rows[name] = np.zeros(len(rows), dtype=bool) if missing is None else missing

    def total(value: float) -> Floats:
        filled = {
            name: pd.Series(np.full(len(rows), value))
            if name not in known
            else known[name].where(~open_rows[name], value)
            if open_rows[name].any()
            else known[name]
            for name in names
        }
        columns = TermColumns(unparse(node), filled, rows, {})
        return np.sum([columns.numeric(p, "The number of trials") for p in parts], axis=0)

    trials, other = total(0.0), total(1.0)
    unknown = np.flatnonzero(trials != other)
    if len(unknown):
        absent = [name for name in names if open_rows[name][unknown[0]]]
        raise DataError(
            f"Row {int(rows[unknown[0]]) + 1} of {what} (counted from 1) does not say how many "
            f"trials it has: {unparse(node)} needs {', '.join(map(repr, absent))}."
        )
    wrong = np.flatnonzero(~(trials >= 1.0) | (trials != np.rint(trials)))
    if len(wrong):
        raise DataError(
            f"Numbers of trials must be whole numbers from 1; row {int(rows[wrong[0]]) + 1} of "
            f"{what} (counted from 1) has {trials[wrong[0]]:g}."
        )
    return trials


def _check_counts(written: str, successes: Floats, failures: Floats, columns: TermColumns) -> None:
    """Refuse numbers that are no counts, and rows of no trials; `written`: what says them."""
    faults = (
        (
            ~((successes >= 0.0) & (failures >= 0.0)),
            "must not be below 0",
            "If the second is the number of trials, write its difference to the first, or "
            "successes / trials.",
        ),
        (
            (successes != np.rint(successes)) | (failures != np.rint(failures)),
            "must be whole",
            "Of shares write the share as response and the trials as weights.",
        ),
        (successes + failures == 0.0, "must not both be 0", "Leave such rows out."),
    )
    for bad, wanted, advice in faults:
        at = int(bad.argmax())
        if bad[at]:
            count = int(bad.sum())
            more = f", {count} rows in all" if count > 1 else ""
            raise DataError(
                f"Numbers of successes and of failures in {written} {wanted}; row "
                f"{int(columns.rows[at]) + 1} has {successes[at]:g} and {failures[at]:g}{more}. "
                f"{advice}"
            )
