"""Responses of families: counts, successes of trials, two categories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError
from mixedscope.design.frame import Factor
from mixedscope.design.terms import TermColumns
from mixedscope.formula.parse import TRIALS
from mixedscope.formula.tree import Binary, Call, Node, unparse

__all__ = ["Observed", "read_response"]

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
        parts = [
            columns.numeric(part, f"In {unparse(node)}, the column") for part in node.arguments
        ]
        if len(parts) != 2:
            raise DataError(
                f"{unparse(node)} must have two columns: {TRIALS}(successes, failures)."
            )
        successes, failures = parts
        _check_counts(node, successes, failures, columns)
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


def _check_counts(node: Node, successes: Floats, failures: Floats, columns: TermColumns) -> None:
    """Refuse numbers that are no counts, and rows of no trials."""
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
        found = np.flatnonzero(bad)
        if len(found):
            at = found[0]
            more = f", {len(found)} rows in all" if len(found) > 1 else ""
            raise DataError(
                f"Numbers of successes and of failures in {unparse(node)} {wanted}; row "
                f"{int(columns.rows[at]) + 1} has {successes[at]:g} and {failures[at]:g}{more}. "
                f"{advice}"
            )
