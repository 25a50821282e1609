"""Conditional modes at every evaluation, for those who watch an optimiser try and err."""

from __future__ import annotations

from typing import Final

import pandas as pd

from mixedscope.core.arguments import door
from mixedscope.inference.estimates.modes import keyframes
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["MOST_VALUES", "modes_study"]

#: Values that `modes_study` stores at most, so that its table stays below some two megabytes.
MOST_VALUES: Final = 250_000


@door()
def modes_study(fit: StudiedFit, *, values: int = MOST_VALUES) -> dict[str, pd.DataFrame]:
    """Tabulate the conditional modes at every evaluation, not only at the best so far.

    ``values``: the modes of every successful evaluation are stored if that is no more values.
    Otherwise the path of the modes through all of them, there and back, is cut into as many equal
    parts as there is room for: an evaluation is stored at the end of each. Gives ``modes_every``,
    with the columns of ``modes_trace``.
    """
    terms = fit.objective.system.terms
    per_frame = sum(len(term.design.levels) * term.size for term in terms)
    most = max(1, values // per_frame - 1)
    return {"modes_every": keyframes(fit.estimation, fit.trace, most=most, which="all")}
