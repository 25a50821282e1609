"""What a ladder of structures says, in words: no more than its tables show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.numerals import fixed, number, told_gap
from mixedscope.charts.common.structure_names import worded
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import CRITERION_NAMES, OPTIMA

__all__ = [
    "criterion_of",
    "first_fits",
    "ladder_caption",
    "ladder_reading",
    "ladder_title",
    "p_words",
]

#: Levels of a grouping factor below which large-sample distributions are rough.
_FEW: Final = 30

#: So many tests are told one by one.
_TOLD: Final = 4

_COUNTS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def first_fits(
    structures: pd.DataFrame, tests: pd.DataFrame, components: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Leave the fits of the first optimiser, the structures of most parameters first."""
    optimizer = structures["optimizer"].iloc[0]
    own = structures[structures["optimizer"] == optimizer]
    own = own.sort_values("n_theta", ascending=False, kind="stable").reset_index(drop=True)
    return (
        own,
        tests[tests["optimizer"] == optimizer].reset_index(drop=True),
        components[components["optimizer"] == optimizer].reset_index(drop=True),
    )


def p_words(test: Any) -> str:
    """Write the p-value of a test: that of the bootstrap where there is one, else its bounds."""
    if not pd.isna(test["bootstrap_p"]):
        least = 1.0 / (test["bootstrap_draws"] - test["bootstrap_failed"] + 1)
        if test["bootstrap_p"] < 1.5 * least:  # no draw was as large
            return f"p ≤ {_outwards(least, math.ceil)} by bootstrap"
        return f"p = {_p(test['bootstrap_p'])} by bootstrap"
    if not pd.isna(test["p_value"]):
        return _equation(test["p_value"])
    if _is_open(test):
        return "no p-value"
    if _p(test["p_low"]) == _p(test["p_high"]) or test["p_high"] < 0.001:
        return _equation(test["p_high"])
    high = _outwards(test["p_high"], math.ceil)
    if test["p_low"] < 0.001:
        return f"p ≤ {high}"
    return f"{_outwards(test['p_low'], math.floor)} ≤ p ≤ {high}"


def _is_open(test: Any) -> bool:
    """Whether nothing is known of a p-value: its bounds are 0 and 1."""
    return bool(test["p_low"] == 0.0 and test["p_high"] == 1.0 and pd.isna(test["bootstrap_p"]))


def ladder_title(structures: pd.DataFrame, tests: pd.DataFrame, components: pd.DataFrame) -> str:
    """Say what the richest structure buys, and what is lost below it.

    ``structures``, ``tests``, ``components``: the tables of a ladder.
    """
    own, tested, _ = first_fits(structures, tests, components)
    if len(own) == 1:
        return f"{_capital(worded(own['structure'].iloc[0]))} alone: nothing to compare it with"
    parts = [_bought(test) for test in _climbed(own, tested)[:2]]
    if not parts:
        best = own.iloc[int(own["objective"].argmin())]
        what = criterion_of(own)
        return f"{_capital(worded(best['structure']))} has the smallest {what}; none are nested"
    return _capital("; ".join(parts))


def ladder_reading(
    structures: pd.DataFrame, tests: pd.DataFrame, components: pd.DataFrame
) -> list[str]:
    """Tell what a ladder shows, a sentence or two for each thing.

    ``structures``, ``tests``, ``components``: the tables of a ladder; the fits of the first
    optimiser are told.
    """
    own, tested, axes = first_fits(structures, tests, components)
    parts = [_tests(own, tested), _criteria(own), _dimensions(own, axes), _degrees(own)]
    parts += [_verdicts(own), _probes(own), *_cautions(tested)]
    return [part for part in parts if part]


def criterion_of(structures: pd.DataFrame) -> str:
    """What fits optimised, in words; their objective, where the table does not say what that is."""
    return CRITERION_NAMES.get(structures["criterion"].iloc[0], "objective")


def ladder_caption(structures: pd.DataFrame, tests: pd.DataFrame, components: pd.DataFrame) -> str:
    """Explain the picture, then read it."""
    own, _, axes = first_fits(structures, tests, components)
    criterion = criterion_of(own)
    criterion += " (−2 log-likelihood)" * (criterion == CRITERION_NAMES["ML"])
    degrees = (
        "; effective degrees of freedom are the sum of the leverages of all observations"
        if own["edf"].notna().any()
        else ""
    )
    grey = ", grey ones what the data do not determine" if axes["sd"].isna().any() else ""
    marks = (
        f"One row for each structure, by {own['optimizer'].iloc[0]}. Left: how far the {criterion} "
        "lies above the smallest; how far AIC and BIC lie above theirs, "
        "a point at zero being the smallest. Squares are the principal axes of the random effects: "
        f"full ones carry variance, empty ones none{grey}. "
        f"Parameters are those of the covariances{degrees}."
    )
    return " ".join([marks, *ladder_reading(structures, tests, components)])


def _climbed(own: pd.DataFrame, tested: pd.DataFrame) -> list[Any]:
    """Tests of every structure against the richest that it is nested in, from the top."""
    order = own["structure"].tolist()
    rows = [test for _, test in tested[tested["richest"].astype(bool)].iterrows()]
    return sorted(rows, key=lambda test: order.index(test["poorer"]))


def _bought(test: Any) -> str:
    richer, poorer = worded(test["richer"]), worded(test["poorer"])
    return (
        f"{richer} buys {_deviance(test['statistic'])}{_known_to(test, 'statistic_se')} "
        f"over {poorer} for {_plural(test['parameters'], 'parameter')} ({p_words(test)})"
    )


def _tests(own: pd.DataFrame, tested: pd.DataFrame) -> str:
    if tested.empty:
        return "" if len(own) == 1 else "No structure here is a special case of another."
    order = own["structure"].tolist()
    rows = [test for _, test in tested[tested["adjacent"].astype(bool)].iterrows()]
    rows.sort(key=lambda t: (order.index(t["richer"]), order.index(t["poorer"])))
    told = "; ".join(
        f"{worded(t['richer'])} over {worded(t['poorer'])} {_deviance(t['statistic'])}"
        f"{_known_to(t, 'statistic_se')} for "
        f"{_plural(t['parameters'], 'parameter')}, {p_words(t)}{_by(t)}"
        for t in rows[:_TOLD]
    )
    more = len(rows) - _TOLD
    rest = f" ({_plural(more, 'more test')} in the table)" if more > 0 else ""
    what = criterion_of(own)
    what = "the " * (what != CRITERION_NAMES["ML"]) + what
    return f"What a richer structure buys in {what}: {told}{rest}."


def _known_to(row: Any, column: str) -> str:
    """Say to what a difference is known, of objectives that random probes estimated."""
    error = row.get(column)
    return "" if error is None or pd.isna(error) or not error > 0.0 else f" ± {told_gap(error)}"


def _probes(own: pd.DataFrame) -> str:
    """Say that objectives are estimates, and what ± is."""
    if "objective_se" not in own or own["objective_se"].isna().all():
        return ""
    counts = sorted({int(n) for n in own["probes"].dropna()})
    return (
        f"The {criterion_of(own)} is estimated by {joined([f'{n:,}' for n in counts])} random "
        f"probes and known to ±{told_gap(float(own['objective_se'].max()))}; ± is one standard "
        "error of a difference"
        + (", in which that of the same probes cancels." if len(own) > 1 else ".")
    )


def _by(test: Any) -> str:
    """Name the distribution that a p-value comes from."""
    if not pd.isna(test["bootstrap_p"]) or pd.isna(test["p_value"]):
        return ""
    dofs, weights = test["dofs"], test["weights"]
    if dofs is None or not hasattr(dofs, "__len__"):
        return " by a mixture of χ²"
    if len(dofs) == 1:
        return f" by χ²({int(dofs[0])})"
    if len(dofs) > 3:
        return f" by a mixture of χ²({int(dofs[0])}) to χ²({int(dofs[-1])})"
    terms = [f"{number(w, 2)} χ²({int(d)})" for d, w in zip(dofs, weights, strict=True)]
    return f" by {' + '.join(terms)}"


def _criteria(own: pd.DataFrame) -> str:
    if len(own) == 1:
        return ""
    parts = []
    for column, name in (("above_aic", "AIC"), ("above_bic", "BIC")):
        ordered = own.sort_values(column, kind="stable")
        first, second = ordered.iloc[0], ordered.iloc[1]
        parts.append(
            f"{name} is smallest for {worded(first['structure'])}, then "
            f"{worded(second['structure'])} (+{fixed(second[column], 1)}"
            f"{_known_to(second, 'above_se') if column == 'above_aic' else ''})"
        )
    return "; ".join(parts) + "."


def _dimensions(own: pd.DataFrame, axes: pd.DataFrame) -> str:
    parts = []
    for structure in own["structure"]:
        for group, rows in axes[axes["structure"] == structure].groupby("group", sort=False):
            gone = rows[rows["collapsed"]]
            if gone.empty:
                continue
            parts.append(
                f"under {worded(structure)}, {_count(len(gone))} of {_count(len(rows))} "
                f"dimension{'s' * (len(rows) > 1)} of (… | {group}) "
                f"carr{'y' if len(gone) > 1 else 'ies'} no variance: "
                f"{'; '.join(gone['name'])}"
            )
    return _capital(". ".join(_capital(part) for part in parts)) + "." if parts else ""


def _degrees(own: pd.DataFrame) -> str:
    if own["edf"].isna().any():
        return ""
    parts = []
    for column, what, form in (
        ("edf", "Effective degrees of freedom", ",.1f"),
        ("evaluations", "evaluations of the objective", ",.0f"),
    ):
        rows = _rows(own)
        if len(rows) > _TOLD:
            rows = [rows[int(own[column].argmin())], rows[int(own[column].argmax())]]
        told = [f"{format(r[column], form)} by {worded(r['structure'])}" for r in rows]
        parts.append(f"{what}: " + (" to ".join(told) if len(own) > _TOLD else joined(told)))
    return "; ".join(parts) + "."


def _verdicts(own: pd.DataFrame) -> str:
    bad = own[~own["verdict"].isin(OPTIMA)]
    if bad.empty:
        return "Every fit is certified as an optimum." if len(own) > 1 else ""
    names = joined([f"{worded(r['structure'])}: {r['verdict']}" for r in _rows(bad)])
    return f"Not certified as an optimum ({names}): what is said of it may be wrong."


def _cautions(tested: pd.DataFrame) -> list[str]:
    parts = []
    is_open = np.array([_is_open(test) for test in _rows(tested)], dtype=bool)
    if is_open.any():
        names = list(dict.fromkeys(worded(name) for name in tested.loc[is_open, "poorer"]))
        parts.append(
            f"Tests against {joined(names)} have no p-value: what their statistics are to be "
            "compared with is not worked out."
        )
        tested = tested[~is_open]
    bounds = tested[(tested["reference"] == "bounds") & tested["bootstrap_p"].isna()]
    if not bounds.empty:
        names = list(dict.fromkeys(worded(name) for name in bounds["poorer"]))
        parts.append(
            f"Tests against {joined(names)} have bounds in place of a p-value: where a fit is "
            "singular itself, has no residual variance, or is left in unusual ways, no "
            "large-sample distribution is right for all truths."
        )
    large = tested[tested["bootstrap_p"].isna()]
    if not large.empty and (few := int(large["fewest_levels"].min())) < _FEW:
        parts.append(
            f"p-values hold for many groups; with {few} levels of a grouping factor they are rough "
            "(a bootstrap does without that)."
        )
    drawn = tested[tested["bootstrap_p"].notna()]
    if not drawn.empty:
        failed = int(drawn["bootstrap_failed"].sum())
        parts.append(
            f"Bootstrap: {int(drawn['bootstrap_draws'].max()):,} responses from the poorer model "
            f"of {'every' if len(drawn) > 1 else 'the'} test, standard error of p at most "
            f"{_outwards(drawn['bootstrap_error'].max(), math.ceil)}, "
            + (
                f"{_plural(failed, 'draw')} with a failed refit left out"
                f"{' (of all tests together)' if len(drawn) > 1 else ''}."
                if failed
                else "no failed refits."
            )
        )
    return parts


def _rows(frame: pd.DataFrame) -> list[Any]:
    return [row for _, row in frame.iterrows()]


def _deviance(value: float) -> str:
    if value < 0.005:
        return "nothing"
    return fixed(value, 2 if value < 100 else 0)


def _p(value: float) -> str:
    return fixed(value, 3 if value < 0.0995 else 2)


def _outwards(value: float, rounded: Callable[[float], int]) -> str:
    """Write a bound with two digits, so that it still is one: up or down, never to the nearest."""
    if value <= 0.0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    # What has two digits but for the rounding of a division is not moved.
    near = round(value / unit)
    whole = near if abs(value / unit - near) < 1e-6 else rounded(value / unit)
    return number(whole * unit, 2)


def _equation(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {_p(value)}"


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def _plural(number: int, noun: str) -> str:
    return f"{_count(int(number))} {noun}" + ("" if number == 1 else "s")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
