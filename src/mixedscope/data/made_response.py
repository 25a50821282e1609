"""The response of a simulated experiment: which columns its formula makes, and their draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, FormulaError
from mixedscope.core.seeds import generator as stream
from mixedscope.formula.parse import TRIALS, Formula
from mixedscope.formula.tree import Binary, Call, Name, Node

if TYPE_CHECKING:
    import pandas as pd

    from mixedscope.families.family import Family

__all__ = ["MadeResponse", "drawn_response", "drawn_trials", "made_response"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MadeResponse:
    """What the left side of a formula makes.

    Attributes
    ----------
    successes : str
        The response itself; of trials, how many of them.
    failures : str or None
        The rest of the trials, of ``cbind(successes, failures)``.
    trials : str or None
        Their number, of ``successes / trials``.
    """

    successes: str
    failures: str | None = None
    trials: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All columns on the left side."""
        more = (self.failures, self.trials)
        return (self.successes, *(name for name in more if name is not None))


def made_response(formula: Formula, family: Family | None) -> MadeResponse:
    """Read the left side of the formula of a simulation.

    Raises FormulaError where it is more than a name, or, of a binomial family, other than
    ``cbind(successes, failures)`` or ``successes / trials`` of names.
    """
    node = formula.response
    if isinstance(node, Name):
        return MadeResponse(node.name)
    parts: tuple[Node, ...] = ()
    if isinstance(node, Call) and node.function == TRIALS:
        parts = tuple(node.arguments)
    elif isinstance(node, Binary) and node.op == "/":
        parts = (node.left, node.right)
    names = [part.name for part in parts if isinstance(part, Name)]
    is_binomial = family is not None and family.name == "binomial"
    if not is_binomial or not len(set(names)) == len(parts) == 2:
        more = (
            f", {TRIALS}(successes, failures) or successes / trials of plain names"
            if is_binomial
            else ""
        )
        raise FormulaError(
            formula.text,
            node.position,
            f"A simulated response must be a plain name{more}; derive functions of it afterwards.",
        )
    if isinstance(node, Call):
        return MadeResponse(names[0], failures=names[1])
    return MadeResponse(names[0], trials=names[1])


def drawn_trials(
    made: MadeResponse, asked: tuple[int, int] | None, frame: pd.DataFrame, seed: int
) -> Floats | None:
    """Trials (n,) of every row; None where the response is not of trials.

    ``asked``: the fewest and the most, where they are no column. Raises DataError if a column of
    trials holds something else.
    """
    if asked is None and made.trials is None:
        return None
    if asked is None:
        values = frame[made.trials].to_numpy(dtype=np.float64)
        if not ((values >= 1.0) & (values == np.rint(values))).all():
            raise DataError(
                f"simulate: the trials {made.trials!r} must be whole numbers from 1 (of a "
                "covariate, round: 0 makes them whole)."
            )
        return np.asarray(values)
    drawn = stream(seed, "trials").integers(*asked, size=len(frame), endpoint=True)
    return np.asarray(drawn, dtype=np.float64)


def drawn_response(
    made: MadeResponse,
    family: Family,
    predictor: Floats,
    trials: Floats | None,
    dispersion: float | None,
    seed: int,
) -> Mapping[str, NDArray[np.generic]]:
    """Draw the columns of a response of a family, at its linear predictor (n,).

    Raises DataError where a linear predictor has no mean, or the numbers are beyond what can be
    drawn.
    """
    from mixedscope.families.family import Response

    with np.errstate(all="ignore"):
        mean = family.link.mean(predictor)
        # On the other side of zero a square root has the mean of another linear predictor.
        back = family.link.predictor(mean)
        is_other = np.isfinite(back) & (np.abs(back - predictor) > 0.5 * np.abs(predictor))
    bad = int((~np.isfinite(mean) | is_other).sum())
    if bad:
        raise DataError(
            f"simulate: with the link {family.link.name!r} {bad} of {len(mean)} rows have no mean: "
            f"their linear predictors reach from {predictor.min():.4g} to {predictor.max():.4g}. "
            "Change beta, make random effects smaller, or take another link."
        )
    blank = Response(np.zeros(len(mean)), trials=trials)
    try:
        values = family.draw(blank, mean, dispersion or 1.0, stream(seed, "response"))
    except ValueError as error:
        raise DataError(
            f"simulate: means from {mean.min():.4g} to {mean.max():.4g} are beyond what can be "
            f"drawn of the family {family.name!r} ({error}): make beta or random effects smaller."
        ) from None
    try:
        family.check(Response(values, trials=trials), made.successes)
    except DataError as error:  # so near to an end of the range that the draw is rounded to it
        raise DataError(
            f"simulate: {error} Make random effects smaller, or the {family.dispersion} larger."
        ) from None
    if trials is None:
        is_whole = bool((values == np.rint(values)).all())
        return {made.successes: values.astype(np.int64) if is_whole else values}
    counts = np.rint(values * trials).astype(np.int64)
    total = trials.astype(np.int64)
    columns: dict[str, NDArray[np.generic]] = {made.successes: counts}
    if made.failures is not None:
        columns[made.failures] = total - counts
    if made.trials is not None:
        columns[made.trials] = total
    return columns
