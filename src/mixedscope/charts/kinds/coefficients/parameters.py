"""The parameters of fits with their intervals, as a coefficient plot draws them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.groups import chosen_terms
from mixedscope.charts.common.options import LEVEL
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.kinds.coefficients.options import CoefficientsOptions
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["METHODS", "NAMES", "labels_of", "level_of", "parameters_of", "without_intercept"]

#: Methods of intervals in the order of their bars, and what they are called.
NAMES: Final = {
    "wald": "Wald",
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward\u2013Roger",
    "profile": "profile",
    "bootstrap": "bootstrap",
}
METHODS: Final = tuple(NAMES)

#: What makes intervals that a fit has not.
_MAKERS: Final = {
    "profile": "fit.profile()",
    "bootstrap": "fit.parametric_bootstrap(1000)",
    "satterthwaite": 'the fit itself, with intervals=["satterthwaite"]',
    "kenward-roger": 'the fit itself, with intervals=["kenward-roger"]',
    "wald": "a fit",
}

_KEY: Final = ["kind", "group", "term", "term2"]


def labels_of(infos: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name fits by their structures, and by what else tells them apart."""
    labels = [structure_label(info) for info in infos]
    told = (
        [str(info.get("criterion", "")) for info in infos],
        [str(info.get("formula", "")) for info in infos],
        [str((info.get("optimizer") or {}).get("name", "")) for info in infos],
    )
    for values in told:
        if len(set(labels)) < len(labels) and len(set(values)) > 1:
            labels = [f"{a}, {b}" for a, b in zip(labels, values, strict=True)]
    seen: dict[str, int] = {}
    for i, text in enumerate(labels):
        seen[text] = seen.get(text, 0) + 1
        if labels.count(text) > 1:
            labels[i] = f"{text} ({seen[text]})"
    return labels


def level_of(fits: Sequence[FitTables], options: CoefficientsOptions) -> float:
    """The coverage of all intervals drawn: that asked for, that of stored ones, or 0.95."""
    if options.level is not None:
        return options.level
    for fit in fits:
        for method in options.intervals or METHODS:
            table = _stored(fit, method)
            if table is not None and len(table):
                return float(table["level"].iloc[0])
    return LEVEL


def parameters_of(
    fits: Sequence[FitTables], options: CoefficientsOptions, level: float
) -> pd.DataFrame:
    """Tabulate every parameter of every fit, a row for each method of intervals.

    Columns: ``fit`` (place), ``method`` (missing where a parameter has no interval), ``kind``
    (``sigma`` is an ``sd`` of no group), ``group``, ``term``, ``term2``, ``name``, ``estimate``,
    ``lower``, ``upper``, ``mean``. Raises ModelError if a method was asked for that a fit has not,
    or a term is unknown.
    """
    found = [_of_fit(fit, level) for fit in fits]
    chosen = _methods(found, options)
    frames = []
    for place, (fit, tables) in enumerate(zip(fits, found, strict=True)):
        whole = _estimates(fit, tables)
        parts = [
            whole.merge(tables[method].assign(method=method), on=_KEY, how="inner")
            for method in chosen
            if method in tables
        ]
        drawn = pd.concat(parts, ignore_index=True) if parts else whole.iloc[:0]
        known = drawn.set_index(_KEY).index
        rest = whole[~whole.set_index(_KEY).index.isin(known)]
        frames.append(pd.concat([drawn, rest], ignore_index=True).assign(fit=place))
    table = pd.concat(frames, ignore_index=True)
    for name in ("method", "lower", "upper", "mean"):
        if name not in table:
            table[name] = None if name == "method" else np.nan
    table["name"] = [_name(*row) for row in table[_KEY].itertuples(index=False, name=None)]
    table["kind"] = table["kind"].replace("sigma", "sd")
    return _asked(table, options)


def without_intercept(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the intercept, whose exponential is no ratio.

    Raises ModelError if no other effect is drawn.
    """
    is_intercept = (table["kind"] == "beta") & (table["term"] == "(Intercept)")
    out = table[~is_intercept].reset_index(drop=True)
    if not (out["kind"] == "beta").any():
        raise ModelError(
            "ratios: there is no effect beside the intercept to draw, whose exponential is no "
            "ratio; leave ratios out."
        )
    return out


def _of_fit(fit: FitTables, level: float) -> dict[str, pd.DataFrame]:
    """The intervals of a fit at a level, by method: key, ends, and the mean of draws."""
    tables: dict[str, pd.DataFrame] = {}
    for method in METHODS:
        table = _stored(fit, method)
        if table is None or not len(table):
            continue
        own = table[np.isclose(table["level"], level)]
        own = own[own["lower"].notna() | own["upper"].notna()]
        if len(own):
            columns = [*_KEY, "lower", "upper", *(["mean"] if "mean" in own else [])]
            tables[method] = _plain(own[columns])
    if fit.estimates is not None:
        rows = fit.estimates[fit.estimates["kind"] == "beta"]
        rows = rows[rows["std_error"].notna()]
        z = NormalDist().inv_cdf(0.5 * (1.0 + level))
        stored = np.isclose(level, LEVEL)
        ends = {
            name: rows[name] if stored else rows["estimate"] + sign * z * rows["std_error"]
            for name, sign in (("lower", -1.0), ("upper", 1.0))
        }
        if len(rows):
            tables["wald"] = _plain(rows[_KEY].assign(**ends))
    return {method: tables[method] for method in METHODS if method in tables}


def _stored(fit: FitTables, method: str) -> pd.DataFrame | None:
    """The stored intervals by a method, with the key of parameters; None where there are none."""
    if method in ("profile", "bootstrap"):
        return fit.optional(f"{method}_intervals")
    tests = fit.optional("tests") if method != "wald" else None
    if tests is None:
        return None
    own = tests[(tests["kind"] == "coefficient") & (tests["method"] == method)]
    return own.assign(kind="beta", group=None, term=own["name"], term2=None)


def _estimates(fit: FitTables, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Estimates of all parameters, those that have none too; of intervals alone what these tell."""
    if fit.estimates is not None:
        rows = fit.estimates[fit.estimates["kind"] != "theta"][[*_KEY, "estimate"]]
        dropped = [str(name) for name in fit.info.get("dropped_coefficients") or ()]
        lost = pd.DataFrame({"kind": "beta", "term": dropped}, columns=[*_KEY, "estimate"])
        beta = rows["kind"] == "beta"
        parts = [rows[beta], lost, rows[~beta]]
        return _plain(pd.concat([p for p in parts if len(p)], ignore_index=True))
    stored = [fit.optional(f"{method}_intervals") for method in tables]
    told = [table for table in stored if table is not None]
    if not told:
        raise ModelError("There are no estimates to draw: give the fit, its profile or bootstrap.")
    return _plain(told[0][[*_KEY, "estimate"]])


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """The same with texts as objects, empty where they are missing, so that keys can be joined."""
    keys = {name: table[name].astype(object).where(table[name].notna(), "") for name in _KEY}
    numbers = {
        n: table[n].astype(float) for n in ("estimate", "lower", "upper", "mean") if n in table
    }
    return pd.DataFrame({**keys, **numbers}).reset_index(drop=True)


def _methods(found: Sequence[Mapping[str, Any]], options: CoefficientsOptions) -> list[str]:
    """The methods drawn: those asked for, all of one fit, or the first that several have."""
    if options.intervals is not None:
        for method in options.intervals:
            if not all(method in tables for tables in found):
                raise ModelError(
                    f"There are no intervals by {method!r} at this level to draw: "
                    f"{_MAKERS[method]} makes them."
                )
        return [method for method in METHODS if method in options.intervals]
    if len(found) == 1:
        return list(found[0])
    # Wald's are of fixed effects alone: of other parameters the first that all have stands for it.
    shared = [method for method in METHODS if all(method in tables for tables in found)]
    general = [method for method in shared if method in ("profile", "bootstrap")]
    return general[:1] or shared[:1]


def _name(kind: str, group: str, term: str, term2: str) -> str:
    if kind == "beta":
        return term
    if kind == "sigma":
        return "\u03c3"
    return f"{term} | {group}" if kind == "sd" else f"{term} ~ {term2} | {group}"


def _asked(table: pd.DataFrame, options: CoefficientsOptions) -> pd.DataFrame:
    """The kinds and the fixed effects asked for, these in their order."""
    kinds = list(options.kinds)
    out = table[table["kind"].isin(kinds)]
    if options.terms is not None:
        known = list(_ordered(table.loc[table["kind"] == "beta", "term"]))
        chosen = chosen_terms(known, "the model", options.terms, what="fixed effect")
        place = {term: i for i, term in enumerate(chosen)}
        beta = out[(out["kind"] == "beta") & out["term"].isin(place)]
        beta = beta.assign(at=beta["term"].map(place)).sort_values("at", kind="stable")
        out = pd.concat([beta.drop(columns="at"), out[out["kind"] != "beta"]], ignore_index=True)
    if out.empty:
        raise ModelError("There is no parameter of these kinds to draw: choose others by kinds.")
    return out.reset_index(drop=True)


def _ordered(values: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(values)
