"""What a simulation of shrinkage says, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import fixed, percent
from mixedscope.charts.common.structure_names import in_words
from mixedscope.charts.kinds.shrinkage.levels import number, share
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import ORACLE, UNSHRUNKEN

__all__ = [
    "NO_SHRINKAGE",
    "change",
    "compared",
    "efficiency_reading",
    "efficiency_title",
    "is_same",
    "measure_name",
    "structures_of",
]

#: What the chart calls the latter.
NO_SHRINKAGE: Final = "no shrinkage"

#: Half width of an interval of 95 %, in standard errors.
WIDTH: Final = 1.96

#: Relative differences below this are rounding: the estimates are the same.
_SAME: Final = 1e-6

#: Shrinking gains too little to be divided up if no shrinkage errs by no more than this.
_LITTLE: Final = 0.05

#: From here on a difference is told as a factor.
_FACTOR: Final = 1.0

#: Squares that are rounding, relative to those beside them.
_NOTHING: Final = 1e-12


def is_same(row: pd.Series) -> bool:
    """Whether a structure errs exactly as the first one does."""
    return bool(abs(row["loss"]) < _SAME and row["loss_se"] < _SAME)


def measure_name(measure: str, group: str | None, term: str | None) -> str:
    """Name what was measured, for an axis or a sentence."""
    return {
        "mode": f"{group}: {term}",
        "contribution": f"{group}, all terms",
        "fixed": f"fixed effect {term}",
        "population": "population mean",
        "fitted": "fitted values",
    }[measure]


def change(loss: float, error: float) -> str:
    """Write a relative difference with its Monte Carlo error, as percentages.

    ``loss``: as a share. ``error``: its standard error; what is written is the half width of a 95 %
    interval. Gives such as ``+4.6 ± 1.1 %``, with as many decimals as the error has.
    """
    half = 100.0 * WIDTH * error
    decimals = 0 if half >= 2.0 else 1 if half >= 0.2 else 2
    sign = "+" if loss >= 0 else "\u2212"
    return f"{sign}{fixed(abs(100.0 * loss), decimals)} \u00b1 {fixed(half, decimals)}\u00a0%"


def compared(row: pd.Series) -> str:
    """Say whether a structure errs more or less than the first, if that can be told."""
    if is_same(row):
        return "exactly as much"
    told = change(row["loss"], row["loss_se"])
    if abs(row["loss"]) <= WIDTH * row["loss_se"]:
        return f"no more or less than the simulation can tell ({told})"
    return f"{told[1:]} {'more' if row['loss'] > 0 else 'less'}"


def efficiency_title(summary: pd.DataFrame, refits: pd.DataFrame) -> str:
    """Say what every structure costs or saves in the fitted values.

    ``summary``, ``refits``: the tables ``efficiency`` and ``efficiency_refits``.
    """
    summary, refits = in_words(summary), in_words(refits)
    first, *others = structures_of(summary)
    fitted = _fitted(summary)
    if not others:
        row = fitted[first]
        told = change(row["excess"], row["excess_se"])[1:]
        return (
            f"If the fit with {first} were the truth, its fitted values would err {told} more than "
            "those of estimates that know the covariances"
        )
    parts = []
    for name in others:
        row = fitted[name]
        if is_same(row) or abs(row["loss"]) <= WIDTH * row["loss_se"]:
            words = "as much" if is_same(row) else "about as much"
        elif row["loss"] >= _FACTOR:
            words = f"{number(1 + row['loss'], 2)} times as much"
        else:
            words = f"{_rounded(abs(row['loss']))} {'more' if row['loss'] > 0 else 'less'}"
        parts.append(f"{words} with {name}")
    return f"If the fit with {first} were the truth, fitted values would err {joined(parts)}"


def _rounded(value: float) -> str:
    return share(value) if value >= 0.095 else percent(value, 1)


def efficiency_reading(summary: pd.DataFrame, refits: pd.DataFrame) -> str:
    """Say what was shown, with its Monte Carlo error, and nothing more.

    ``summary``, ``refits``: the tables ``efficiency`` and ``efficiency_refits``.
    """
    summary, refits = in_words(summary), in_words(refits)
    first, *others = structures_of(summary)
    fitted = _fitted(summary)
    drawn = refits["draw"].nunique()
    text = [
        f"{drawn:,} responses were drawn from the fit with {first}, with new random effects and "
        "residuals, and every structure was refitted to each: what follows holds where that fit is "
        "the truth. Errors are mean squared errors against what was drawn, \u00b1 95\u00a0% Monte "
        "Carlo intervals; structures saw the same draws.",
        _fitted_sentence(fitted, first, others),
    ]
    text += [_terms_sentence(summary, name, first) for name in others]
    text.append(_gain_sentence(fitted, [first, *others]))
    text.append(_parts_sentence(fitted, [first, *others]))
    text.append(_fixed_sentence(summary, first, others))
    text.append(_refits_sentence(refits, int(summary["draws"].iloc[0])))
    return " ".join(part for part in text if part)


def structures_of(summary: pd.DataFrame) -> list[str]:
    """Names in the column ``structure`` that were fitted, in order."""
    names = dict.fromkeys(summary["structure"])
    return [str(name) for name in names if name not in (ORACLE, UNSHRUNKEN)]


def _fitted(summary: pd.DataFrame) -> dict[str, pd.Series]:
    """Give the errors of fitted values by structure."""
    rows = summary[summary["measure"] == "fitted"]
    return {str(row["structure"]): row for _, row in rows.iterrows()}


def _fitted_sentence(fitted: Mapping[str, pd.Series], first: str, others: list[str]) -> str:
    row = fitted[first]
    over = change(row["excess"], row["excess_se"])[1:]
    text = (
        f"Fitted values of the groups at hand: with {first} they err by {number(row['mse'], 3)} "
        f"(residual variance {number(row['scale'], 3)}), {over} more than estimates that know "
        "the true covariances"
    )
    if others:
        text += "; against it " + joined([f"{n} errs {compared(fitted[n])}" for n in others])
    return text + "."


def _terms_sentence(summary: pd.DataFrame, name: str, first: str) -> str:
    """Where a structure loses and gains, among the terms."""
    own = summary[(summary["structure"] == name) & (summary["measure"] == "mode")]
    clear = own[own["loss"].abs() > WIDTH * own["loss_se"]]
    if clear.empty:
        return f"The modes of no term differ between {name} and {first} by more than chance."
    ordered = clear.sort_values("loss", key=lambda c: -c.abs(), kind="stable").head(3)
    parts = [
        f"{measure_name('mode', r['group'], r['term'])} {change(r['loss'], r['loss_se'])}"
        for _, r in ordered.iterrows()
    ]
    more = f" (the {len(ordered)} largest of {len(clear)})" if len(clear) > len(ordered) else ""
    return f"Conditional modes with {name}, against {first}: {joined(parts)}{more}."


def _gain_sentence(fitted: Mapping[str, pd.Series], names: list[str]) -> str:
    if UNSHRUNKEN not in fitted:
        return "Without shrinkage the columns are too nearly collinear for any estimate."
    worst = fitted[UNSHRUNKEN]
    told = change(worst["excess"], worst["excess_se"])[1:]
    start = (
        f"Without any shrinkage fitted values err {told} more than with the true covariances"
        if worst["excess"] > WIDTH * worst["excess_se"]
        else "Shrinking gains nothing here"
    )
    if worst["excess"] <= max(_LITTLE, 4 * worst["excess_se"]):
        return f"{start}: there is little to gain."
    parts = []
    for name in names:
        gain, error = fitted[name]["gain"], fitted[name]["gain_se"]
        half = max(1, round(100 * WIDTH * error))
        if gain < 0:
            parts.append(f"{name} none of it, it errs more than no shrinkage at all")
        else:
            parts.append(f"{name} {fixed(100 * gain)} \u00b1 {half}\u00a0%")
    return f"{start}; of what shrinking can gain, there is reached with {'; with '.join(parts)}."


def _parts_sentence(fitted: Mapping[str, pd.Series], names: list[str]) -> str:
    parts = []
    for name in [n for n in [*names, UNSHRUNKEN] if n in fitted]:
        bias, variance = float(fitted[name]["bias2"]), float(fitted[name]["variance"])
        written = number(bias if bias > _NOTHING * variance else 0.0, 3)
        who = "without shrinkage" if name == UNSHRUNKEN else f"with {name}"
        parts.append(f"{written} and {number(variance, 3)} {who}")
    return (
        f"Squared bias given the random effects, and variance, of fitted values: {joined(parts)}."
    )


def _fixed_sentence(summary: pd.DataFrame, first: str, others: list[str]) -> str:
    if not others:
        return ""
    own = summary[summary["structure"].isin(others) & (summary["measure"] == "fixed")]
    if all(is_same(row) for _, row in own.iterrows()):
        known = summary[(summary["structure"] == ORACLE) & (summary["measure"] == "fixed")]
        # What true and fitted covariances give alike depends on neither.
        why = (known["excess"].abs() < _SAME).all() and (own["excess"].abs() < _SAME).all()
        balanced = ", as they do not depend on the covariances in a design so balanced"
        return f"The fixed effects are the same under every structure{balanced if why else ''}."
    clear = own[own["loss"].abs() > WIDTH * own["loss_se"]]
    if clear.empty:
        return "The fixed effects err alike under every structure, as far as can be told."
    row = clear.iloc[int(clear["loss"].abs().to_numpy().argmax())]
    told = change(row["loss"], row["loss_se"])
    return (
        f"The fixed effects differ in error most for {row['term']} with {row['structure']}, {told} "
        f"against {first}."
    )


def _refits_sentence(refits: pd.DataFrame, used: int) -> str:
    counts = refits.groupby("structure", sort=False)["status"]
    failed = counts.apply(lambda s: int((s == "failed").sum()))
    stopped = counts.apply(lambda s: int((s == "stopped").sum()))
    singular = refits.groupby("structure", sort=False)["singular"]
    shares = singular.apply(lambda s: float(s.dropna().astype(float).mean()))
    text = f"Of {len(refits):,} refits "
    if not failed.sum() and not stopped.sum():
        text += "all converged"
    else:
        told = [f"{n} with {name} failed" for name, n in failed.items() if n]
        told += [f"{n} with {name} stopped short of an optimum" for name, n in stopped.items() if n]
        text += joined(told)
        if failed.sum():
            text += (
                "; draws of which a refit failed are left out for all structures, "
                f"{used:,} are used"
            )
    found = [f"{_rounded(value)} with {name}" for name, value in shares.items() if value > 0]
    return f"{text}; singular were {joined(found)}." if found else f"{text}; none was singular."
