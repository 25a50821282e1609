"""Tests of fixed effects as tables: coefficients, contrasts, terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import named
from mixedscope.core.errors import ModelError, suggest
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.hypotheses.approximation import Approximation
from mixedscope.inference.hypotheses.contrasts import Contrasts
from mixedscope.inference.hypotheses.methods import approximation, df_method
from mixedscope.inference.hypotheses.terms import TYPES, Type, term_hypotheses
from mixedscope.inference.intervals.columns import fixed_only, no_value

if TYPE_CHECKING:
    from mixedscope.engine.search.searchable import SearchableObjective

__all__ = [
    "COEFFICIENT_COLUMNS",
    "TERM_COLUMNS",
    "anova_table",
    "coefficient_table",
    "contrast_table",
    "joint_table",
    "kenward_roger_intervals",
    "satterthwaite_intervals",
    "single_tests",
    "term_table",
]

Floats = NDArray[np.float64]

_SINGLE: Final = ("std_error", "df", "lower", "upper", "statistic", "p_value", "remark")
_JOINT: Final = ("num_df", "den_df", "statistic", "p_value", "remark")

#: Columns of the table of coefficients.
COEFFICIENT_COLUMNS: Final = ("term", "estimate", *_SINGLE)

#: Columns of the table of tests of terms.
TERM_COLUMNS: Final = ("term", *_JOINT)

#: Types of hypotheses as others write them.
_TYPES: Final = {"1": "I", "2": "II", "3": "III"}

_ML: Final = (
    "maximum likelihood: variances are not corrected for the fixed effects estimated beside them"
)


def single_tests(method: Approximation, rows: Floats, values: Floats, level: float) -> pd.DataFrame:
    """Estimates, intervals and t tests (z with infinite df) of contrasts (c, r), one by one.

    ``values`` (c,) are what they are tested against.
    """
    from scipy.stats import t

    errors, degrees = method.errors(rows), method.degrees(rows)
    estimates = rows @ method.beta
    statistics = method.statistics(rows, values)
    widths = t.ppf(0.5 + level / 2.0, degrees) * errors
    return pd.DataFrame(
        {
            "estimate": estimates,
            "std_error": errors,
            "df": degrees,
            "lower": estimates - widths,
            "upper": estimates + widths,
            "statistic": statistics,
            "p_value": 2.0 * t.sf(np.abs(statistics), degrees),
            "remark": pd.Series([_remark(method, row[None]) for row in rows], dtype=object),
        }
    )


def coefficient_table(method: Approximation, level: float) -> pd.DataFrame:
    """Fixed effects one by one: ``term``, ``estimate``, and columns of `single_tests`."""
    r = len(method.beta)
    table = single_tests(method, np.eye(r), np.zeros(r), level)
    table.insert(0, "term", list(method.objective.beta_names))
    return table


def contrast_table(method: Approximation, contrasts: Contrasts, level: float) -> pd.DataFrame:
    """Contrasts one by one: ``hypothesis``, ``estimate``, ``value``, columns of `single_tests`."""
    table = single_tests(method, contrasts.rows, contrasts.values, level)
    table.insert(0, "hypothesis", list(contrasts.labels))
    table.insert(2, "value", contrasts.values)
    return table


def joint_table(method: Approximation, contrasts: Contrasts) -> pd.DataFrame:
    """Contrasts all together, one row: ``hypothesis`` and columns of `TERM_COLUMNS`."""
    row = _joint(method, contrasts.rows, contrasts.values)
    return _frame([{"hypothesis": ", ".join(contrasts.labels), **row}], ("hypothesis", *_JOINT))


def anova_table(
    objective: ProfiledObjective, theta: Floats, *, type: str | int, df: str
) -> pd.DataFrame:
    """Test every fixed-effects term: columns `TERM_COLUMNS`, a row for each but the intercept.

    ``type``: I, II or III (or 1, 2, 3); ``df``: a method of `DF_METHODS`. A term with nothing of
    its own that data determine has no test.
    """
    known = _type(type)
    df_method(df)
    return term_table(objective.system, known, lambda: approximation(df, objective, theta))


def term_table(system: Any, type: str | int, method: Callable[[], Approximation]) -> pd.DataFrame:
    """Do what `anova_table` does by any method, which is made where there is a term to test.

    ``system``: of a linear or generalised model.
    """
    hypotheses = term_hypotheses(system.design, system.kept, _type(type))
    if not hypotheses:
        return _frame([], TERM_COLUMNS)
    by = method()
    rows = []
    for hypothesis in hypotheses:
        if not len(hypothesis.rows):
            rows.append(
                {
                    "term": hypothesis.term,
                    **dict.fromkeys(_JOINT, np.nan),
                    "num_df": 0,
                    "remark": "the data do not tell its effects from those of other terms",
                }
            )
            continue
        row = _joint(by, hypothesis.rows, np.zeros(len(hypothesis.rows)))
        if hypothesis.with_mean:
            row["remark"] = _joined(
                row["remark"], "about the mean of the response too: there is no intercept"
            )
        rows.append({"term": hypothesis.term, **row})
    return _frame(rows, TERM_COLUMNS)


def _type(type: str | int) -> Type:
    """Which type of hypotheses is meant; raises ModelError if there is none."""
    written = str(type) if isinstance(type, str | int) else ""
    found = _TYPES.get(written, written.upper())
    known = next((t for t in TYPES if t == found), None)
    if known is None:
        raise ModelError(
            f"There are no hypotheses of type {named(type)}.{suggest(written, TYPES)} "
            f"Known are: {', '.join(TYPES)}."
        )
    return known


def satterthwaite_intervals(
    objective: SearchableObjective, theta: Floats, level: float, estimates: pd.DataFrame
) -> pd.DataFrame:
    """Intervals of fixed effects by Satterthwaite's degrees of freedom, for the registry."""
    return _intervals("satterthwaite", objective, theta, level, estimates)


def kenward_roger_intervals(
    objective: SearchableObjective, theta: Floats, level: float, estimates: pd.DataFrame
) -> pd.DataFrame:
    """Intervals of fixed effects by Kenward and Roger, for the registry."""
    return _intervals("kenward-roger", objective, theta, level, estimates)


def _intervals(
    name: str,
    objective: SearchableObjective,
    theta: Floats,
    level: float,
    estimates: pd.DataFrame,
) -> pd.DataFrame:
    table = estimates.loc[estimates["kind"] != "theta"].reset_index(drop=True)
    found = coefficient_table(approximation(name, objective, theta), level)
    out = table[["kind", "group", "term", "term2", "estimate"]].copy()
    is_fixed = (table["kind"] == "beta").to_numpy()
    for column in ("lower", "upper", "std_error", "df"):
        values = np.full(len(table), np.nan)
        values[is_fixed] = found[column]
        out[column] = values
    knows_sigma = objective.system.design.sigma is not None
    words: list[str | None] = [
        no_value(kind, estimate, knows_sigma=knows_sigma) or fixed_only(name)
        for kind, estimate in zip(table["kind"], table["estimate"], strict=True)
    ]
    for place, remark in zip(np.flatnonzero(is_fixed), found["remark"], strict=True):
        words[place] = remark
    out["remark"] = pd.Series(words, dtype=object)
    return out


def _frame(rows: list[dict[str, object]], columns: tuple[str, ...]) -> pd.DataFrame:
    """Rows as a table; a remark that is not there is None."""
    made = {column: [row[column] for row in rows] for column in columns if column != "remark"}
    remarks = pd.Series([row["remark"] for row in rows], dtype=object)
    return pd.DataFrame(made).assign(remark=remarks)


def _joint(method: Approximation, rows: Floats, values: Floats) -> dict[str, object]:
    found = method.joint(rows, values)
    return {
        "num_df": found.num_df,
        "den_df": found.den_df,
        "statistic": found.statistic,
        "p_value": found.p_value,
        "remark": _remark(method, rows),
    }


def _remark(method: Approximation, rows: Floats) -> str | None:
    """What has to be said of a test; None if nothing."""
    own = method.remark(rows)
    if method.name == "satterthwaite" and not method.objective.reml:
        return _joined(own or None, _ML)
    return own or None


def _joined(first: object, second: str) -> str:
    return f"{first}; {second}" if first else second
