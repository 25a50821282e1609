"""What fits have in a table that sets them side by side: estimates, and what stands below them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from mixedscope.api.printing.document import Block, Figures, Paragraph, Section, Table
from mixedscope.api.printing.numbers import MISSING, decimals_of, fixed
from mixedscope.charts.common.labels import labelled_fit, response_unit, term_unit
from mixedscope.core.vocabulary import OPTIMA
from mixedscope.covariance.registry import STRUCTURES, named_structure
from mixedscope.design.spec import KNOWN_SIGMA
from mixedscope.formula.parse import parse_formula

__all__ = ["Column", "columns_document"]

#: p values below which a coefficient has one more star.
_STARS: Final = (0.05, 0.01, 0.001)

_KINDS: Final = {"sd": "SD", "correlation": "Correlation"}


@dataclass(frozen=True)
class _Entry:
    """An estimate with its standard error or the ends of its interval, NaN where it has none."""

    estimate: float
    error: float
    lower: float
    upper: float
    stars: int

    @property
    def unit(self) -> float:
        """What says how many decimals are worth printing; NaN if nothing does."""
        return self.error if math.isfinite(self.error) else (self.upper - self.lower) / 2.0

    def printed(self, decimals: int | None) -> tuple[str, str]:
        """Print the estimate, and what stands below it."""
        estimate = Figures(fixed(self.estimate, decimals) + "*" * self.stars)
        if math.isfinite(self.error):
            return estimate, Figures(f"({fixed(self.error, decimals)})")
        if math.isnan(self.lower) and math.isnan(self.upper):
            return estimate, ""
        ends = ", ".join(fixed(end, decimals) for end in (self.lower, self.upper))
        return estimate, Figures(f"[{ends}]")


#: What a parameter is, whatever the order of its terms: kind, group, terms.
_Key = tuple[str, str | None, frozenset[str]]


class Column:
    """What one fit has in the table, under labels and with units of the sheet that is drawn on.

    Parameters
    ----------
    name : str
        Its heading.
    info : mapping
        Content of ``fit.json``.
    estimates : pandas.DataFrame
        Stored table ``estimates``.
    intervals : pandas.DataFrame, optional
        Estimates with ``lower`` and ``upper``, which stand in place of the standard errors.
    stars : bool
        Whether fixed effects are marked by their p values.
    remark : str, optional
        What is to be said of the fit below the table, a sentence without its full stop.
    """

    def __init__(
        self,
        name: str,
        info: Mapping[str, Any],
        estimates: pd.DataFrame,
        intervals: pd.DataFrame | None = None,
        *,
        stars: bool = False,
        remark: str | None = None,
    ) -> None:
        own = [estimates] if intervals is None else [estimates, intervals]
        self.name = name
        self.info, (estimates, *others) = labelled_fit(info, *own)
        intervals = others[0] if others else None
        self.remark = remark
        self.labels: dict[_Key, str] = {}
        self.entries: dict[_Key, _Entry] = {}
        effects = estimates.loc[estimates["kind"] == "beta"]
        errors = dict(zip(effects["term"], effects["std_error"].tolist(), strict=True))
        p_values = dict(zip(effects["term"], effects["p_value"].tolist(), strict=True))
        if intervals is None:
            found = estimates[estimates["kind"] != "theta"]
            found = found.assign(lower=math.nan, upper=math.nan)
        else:
            found = intervals
        shown = ["kind", "group", "term", "term2", "estimate", "lower", "upper"]
        for kind, group, *names, estimate, lower, upper in found[shown].to_numpy(object).tolist():
            where = None if pd.isna(group) else str(group)
            terms = [str(name) for name in names if not pd.isna(name)]
            error, count = math.nan, 0
            if kind == "beta":
                error = errors[terms[0]] if intervals is None else math.nan
                count = sum(p_values[terms[0]] < most for most in _STARS) if stars else 0
            key = (str(kind), where, frozenset(terms))
            self.labels[key] = _label(str(kind), where, terms, self.info)
            self.entries[key] = _Entry(estimate, error, lower, upper, count)


def _label(kind: str, group: str | None, terms: Sequence[str], info: Mapping[str, Any]) -> str:
    first = terms[0] if terms else ""
    words = {"beta": first, "sigma": "SD Residual", "dispersion": f"Dispersion: {first}"}.get(kind)
    if words is None:
        words = f"{_KINDS[kind]} {group}: {', '.join(terms)}"
    unit = None
    # Those of a linear predictor have no unit of the data.
    if kind != "correlation" and info.get("family") is None:
        unit = term_unit(terms[0], info) if terms else response_unit(info)
    return f"{words} ({unit})" if unit else words


def columns_document(
    columns: Sequence[Column], intervals: str | None, level: float, digits: int, stars: bool
) -> list[Block]:
    """Put the table together, for any format; see `mixedscope.table`."""
    labels: dict[_Key, str] = {}
    for column in columns:
        labels = {**column.labels, **labels}
    keys = list(dict.fromkeys(key for column in columns for key in column.labels))
    groups = list(dict.fromkeys(group for _, group, _ in keys))
    effects = [key for key in keys if key[0] == "beta"]
    random = [key for key in keys if key[0] in _KINDS]
    random.sort(key=lambda key: (groups.index(key[1]), list(_KINDS).index(key[0])))
    random += [key for key in keys if key[0] in ("sigma", "dispersion")]
    rows: list[Section | Sequence[str]] = []
    for title, chosen in (("Fixed effects", effects), ("Random effects", random)):
        rows += [Section(title)] if chosen else []
        for key in chosen:
            entries = [column.entries.get(key) for column in columns]
            rows += _rows(labels[key], key[0], entries, digits)
    rows += [Section("Fit"), *_statistics(columns)]
    header = ["", *(column.name for column in columns)]
    return [Table(header, rows), *map(Paragraph, _notes(columns, intervals, level, stars))]


def _rows(
    label: str, kind: str, entries: Sequence[_Entry | None], digits: int
) -> list[Sequence[str]]:
    """Print one parameter of all models, with as many decimals as the best known of them is worth.

    Where nothing says how well it is known standard deviations have a digit more, correlations two
    decimals.
    """
    there = [entry for entry in entries if entry is not None]
    worth = [decimals_of(entry.unit, digits) for entry in there]
    if all(decimals is None for decimals in worth):
        worth = [2 if kind == "correlation" else decimals_of(e.estimate, digits + 1) for e in there]
    decimals = max((d for d in worth if d is not None), default=None)
    cells = [("", "") if entry is None else entry.printed(decimals) for entry in entries]
    rows: list[Sequence[str]] = [[label, *(estimate for estimate, _ in cells)]]
    if any(below for _, below in cells):
        rows.append(["", *(below for _, below in cells)])
    return rows


def _statistics(columns: Sequence[Column]) -> list[list[str]]:
    """Rows on the whole of each fit."""
    infos = [column.info for column in columns]
    rows = [["Observations", *(Figures(info["dimensions"]["n"]) for info in infos)]]
    groups = [info["dimensions"]["groups"] for info in infos]
    for group in dict.fromkeys(name for own in groups for name in own):
        levels = [Figures(own[group]["levels"]) if group in own else "" for own in groups]
        rows.append([f"Levels of {group}", *levels])
    rows.append(["Parameters", *(Figures(info["dof"]) for info in infos)])
    criteria = [str(info["criterion"]) for info in infos]
    rows.append(["Criterion", *criteria])
    names = {"Log-likelihood": "loglik", "AIC": "aic", "BIC": "bic"}
    for name, key in names.items():
        rows.append([name, *(Figures(f"{info[key]:.2f}") for info in infos)])
    families = [_family(info) for info in infos]
    if any(info.get("family") is not None for info in infos):
        rows = [["Family", *families], *rows]
    responses = [str(info["response"]) for info in infos]
    return rows if len(set(responses)) == 1 else [["Response", *responses], *rows]


def _notes(
    columns: Sequence[Column], intervals: str | None, level: float, stars: bool
) -> list[str]:
    """Sentences below the table: what is in brackets, what models are, what to beware of."""
    entries = [entry for column in columns for entry in column.entries.values()]
    notes = []
    if any(not math.isnan(entry.lower) for entry in entries):
        notes.append(f"{100 * level:g} % intervals ({intervals}) in brackets.")
    elif any(not math.isnan(entry.error) for entry in entries):
        notes.append("Standard errors in parentheses.")
    if stars and any(key[0] == "beta" for column in columns for key in column.entries):
        limits = ", ".join(f"{'*' * (i + 1)} p < {most:g}" for i, most in enumerate(_STARS))
        notes.append(f"{limits} (normal distribution).")
    infos = [column.info for column in columns]
    notes += [f"{column.name}: {column.info['formula']}{_structure(column)}." for column in columns]
    if any(math.isnan(entry.estimate) for entry in entries):
        notes.append(f"{MISSING}: not defined, or not determined by the data.")
    criteria = {info["criterion"] for info in infos}
    if len(criteria) > 1:
        notes.append("Log-likelihoods, AIC and BIC of REML and of ML fits do not compare.")
    elif criteria == {"REML"} and len({tuple(info["fixed_names"]) for info in infos}) > 1:
        notes.append(
            "REML fits with different fixed effects: their log-likelihoods, AIC and BIC do not "
            "compare."
        )
    if (
        len({info["dataset"]["sha256"] for info in infos}) > 1
        and len({info["dimensions"]["n"] for info in infos}) > 1
    ):
        notes.append("Models are of different observations; AIC and BIC then do not compare.")
    if len({info["response"] for info in infos}) > 1:
        notes.append("Models are of different responses; AIC and BIC then do not compare.")
    kinds = {info.get("family") is None for info in infos}
    if len(kinds) > 1:
        notes.append(
            "Models are linear and generalised: coefficients are in units of the response or of "
            "the link, and log-likelihoods, AIC and BIC do not compare."
        )
    elif len({_link(info) for info in infos}) > 1:
        notes.append("Models are of different links: their coefficients do not compare.")
    notes += [f"{column.name}: {column.remark}." for column in columns if column.remark]
    for column in columns:
        if column.info.get(KNOWN_SIGMA) is not None:
            notes.append(f"{column.name}: the residual standard deviation is known, not estimated.")
        verdict = column.info["certificate"]["verdict"]
        if verdict not in OPTIMA:
            notes.append(f"{column.name}: {verdict}; these are no estimates to report.")
        singular = [term for term in column.info["singular"] if term["singular"]]
        for term in singular:
            words = f"singular: {term['group']} has rank {term['rank']} of {term['size']}"
            notes.append(f"{column.name}: {words}.")
    return notes


def _family(info: Mapping[str, Any]) -> str:
    """Name the family of a fit, with its link."""
    return "normal" if info.get("family") is None else f"{info['family']} ({info['link']})"


def _link(info: Mapping[str, Any]) -> str | None:
    """The link of a fit; None of linear models."""
    return None if info.get("family") is None else str(info["link"])


def _structure(column: Column) -> str:
    """Words on the structures of terms that could have another, intercepts alone among them."""
    asked = str(column.info["structure"])
    written = parse_formula(str(column.info["formula"])).random
    if STRUCTURES[named_structure(asked)[0]].intercept_only and any(t.terms for t in written):
        return f"; structure {asked}"
    parts = [part for random in column.info["random"] for part in random["parts"]]
    own = list(dict.fromkeys(str(part["structure"]) for part in parts if len(part["columns"]) > 1))
    return f"; structure {' and '.join(own)}" if own else ""
