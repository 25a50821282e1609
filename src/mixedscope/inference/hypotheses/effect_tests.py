"""All tests of the fixed effects of a fit in one table: coefficients, terms, hypotheses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.hypotheses.approximation import Approximation
from mixedscope.inference.hypotheses.contrasts import contrasts_of
from mixedscope.inference.hypotheses.methods import approximation
from mixedscope.inference.hypotheses.tables import (
    coefficient_table,
    contrast_table,
    joint_table,
    term_table,
)
from mixedscope.tables.kinds.effect_tests import EFFECT_TESTS

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["effect_tests"]

Floats = NDArray[np.float64]


def effect_tests(
    objective: ProfiledObjective | LaplaceObjective,
    theta: Floats,
    *,
    type: str = "III",
    df: str = "satterthwaite",
    hypotheses: Sequence[str] = (),
    level: float = 0.95,
    method: Approximation | None = None,
) -> pd.DataFrame:
    """Give the stored table ``effect_tests`` (``docs/formats.md``).

    Coefficients one by one, terms by hypotheses of a ``type``, and every text of ``hypotheses``: a
    contrast with its estimate, several in one text jointly. ``method``: of a generalised model, in
    place of that of a name. Raises what `contrasts_of` and `anova_table` do.
    """
    if method is None:
        assert isinstance(objective, ProfiledObjective)
        method = approximation(df, objective, theta)
    by = method
    parts = [_single(coefficient_table(method, level).rename(columns={"term": "name"}))]
    parts[0]["kind"] = "coefficient"
    found = term_table(objective.system, type, lambda: by)
    terms = _joint(found.rename(columns={"term": "name"}))
    parts.append(terms.assign(kind="term", type=type))
    for text in hypotheses:
        contrasts = contrasts_of(objective, text)
        if len(contrasts.labels) == 1:
            made = _single(contrast_table(method, contrasts, level))
        else:
            made = _joint(joint_table(method, contrasts))
        parts.append(made.rename(columns={"hypothesis": "name"}).assign(kind="hypothesis"))
    columns = EFFECT_TESTS.columns
    assert columns is not None
    records = [row for part in parts for row in part.to_dict("records")]
    singles = {"t", "normal"}
    for row in records:
        row["method"] = method.name
        row["level"] = level if row["distribution"] in singles else None
    return pd.DataFrame(
        {c: pd.Series([row.get(c) for row in records], dtype=object) for c in columns}
    )


def _single(table: pd.DataFrame) -> pd.DataFrame:
    """Tests of one degree of freedom; in large samples the distribution has infinitely many."""
    made = table.rename(columns={"df": "den_df"}).assign(num_df=1.0)
    return made.assign(distribution=np.where(np.isinf(made["den_df"]), "normal", "t"))


def _joint(table: pd.DataFrame) -> pd.DataFrame:
    infinite = np.isinf(table["den_df"].to_numpy(dtype=float))
    return table.assign(distribution=np.where(infinite, "chi-squared", "F"))
