"""What the model does to each level of a grouping factor: the numbers behind shrinkage charts.

Reads stored tables only.  Nothing here knows of drawing but the frame of the axes, which has to
be the same for every structure of a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.link_scale import check_one_scale, is_generalized
from mixedscope.charts.common.numerals import number, share
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.kinds.shrinkage.ellipse import correlation_matrix
from mixedscope.charts.kinds.shrinkage.pull import Pull
from mixedscope.charts.kinds.shrinkage.references import (
    REFERENCES,
    asked_for,
    check_reference,
    confounded_in,
    missing_limit,
    reference_of,
    theta_words,
)
from mixedscope.core.errors import ModelError, StoreError, suggest
from mixedscope.tables.store import FitTables

__all__ = [
    "Pull",
    "drawn_terms",
    "fit_labels",
    "frame_of",
    "kept_share",
    "limit_differs",
    "movement",
    "need_references",
    "number",
    "outside",
    "pulls",
    "sample_ranks",
    "share",
    "term_names",
]

Floats = NDArray[np.float64]

_SCALES = ("b", "coef")
_INTERCEPT = "(Intercept)"


def term_names(tables: Sequence[FitTables], group: str) -> tuple[str, ...]:
    """Terms of a grouping factor in any of the fits, in order of appearance.

    Raises ModelError if there is no fit, or a fit has no such grouping factor.
    """
    if not tables:
        raise ModelError("There is no fit to draw: give at least one.")
    names: dict[str, None] = {}
    for fit in tables:
        modes = fit.require("modes")
        known = list(dict.fromkeys(modes["group"].tolist()))
        if group not in known:
            raise ModelError(
                f"The model {fit.info.get('formula', '?')!r} has no grouping factor {group!r}."
                f"{suggest(group, known)} It has: {', '.join(known)}."
            )
        names |= dict.fromkeys(modes.loc[modes["group"] == group, "term"].tolist())
    return tuple(names)


def drawn_terms(
    tables: Sequence[FitTables], group: str, terms: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Leave out an intercept that says of all levels of a factor what other fits say of each.

    Where one fit has ``(1 | g)`` and another ``(0 + f | g)``, the intercept is the effect of every
    level of f, and is drawn there.

    ``terms``: by default those of all fits.
    """
    known = tuple(terms) if terms is not None else term_names(tables, group)
    cells = _cells(tables, group)
    return tuple(t for t in known if t != _INTERCEPT) if cells and cells <= set(known) else known


def _cells(tables: Sequence[FitTables], group: str) -> frozenset[str]:
    """Effects of the levels of a factor that other fits of the group have as one intercept."""
    entries = [e for fit in tables for e in fit.info["random"] if e["group"] == group]
    intercept = any(list(entry["names"]) == [_INTERCEPT] for entry in entries)
    rest = [entry for entry in entries if list(entry["names"]) != [_INTERCEPT]]
    if not intercept or any(_INTERCEPT in entry["names"] for entry in rest):
        return frozenset()
    whole = {
        tuple(entry["names"])
        for entry in rest
        if len(entry["parts"]) == 1 and entry["parts"][0].get("factor") is not None
    }
    return frozenset(whole.pop()) if len(whole) == 1 and len(rest) > 0 else frozenset()


def pulls(
    tables: Sequence[FitTables],
    group: str,
    terms: Sequence[str],
    *,
    reference: str = "auto",
    scale: str = "b",
) -> list[Pull]:
    """Read what each fit does to each level, on one scale.

    ``group``: name of the grouping factor. ``terms``: terms wanted, in this order. ``reference``:
    see `reference_of` (one of `REFERENCES`). ``scale``:
    deviations from the population, or population plus deviation (one of "b", "coef"). Raises
    ModelError if a name is unknown. Raises StoreError if a table is missing, or has no references.
    """
    known = term_names(tables, group)
    for term in terms:
        if term not in known:
            raise ModelError(
                f"The grouping factor {group!r} has no term {term!r}.{suggest(term, known)} "
                f"It has: {', '.join(known)}."
            )
    if len(set(terms)) != len(terms):
        raise ModelError(f"A term is listed twice: {', '.join(terms)}.")
    for value, allowed, what in (
        (reference, REFERENCES, "reference"),
        (scale, _SCALES, "scale"),
    ):
        if value not in allowed:
            raise ModelError(
                f"There is no {what} {value!r}.{suggest(value, allowed)} "
                f"Known are: {', '.join(allowed)}."
            )
    check_one_scale(tables)
    check_reference(tables, reference)
    labels = fit_labels([fit.info for fit in tables])
    cells = _cells(tables, group)
    column = reference_of(tables, group) if reference == "auto" else reference
    out = [
        _pull(fit, group, tuple(terms), column, scale, label, cells)
        for fit, label in zip(tables, labels, strict=True)
    ]
    if reference != "auto":
        need_references(out, tables, group, reference)
    return out


def need_references(
    found: Sequence[Pull], tables: Sequence[FitTables], group: str, reference: str
) -> None:
    """Raise StoreError if a fit has none of the references that were asked for."""
    for pull in found:
        if any(pull.varies) and pull.missing.all():
            why = f" {missing_limit(tables)}" if reference == "joint_limit" else ""
            raise StoreError(
                f"The table of modes of {pull.label!r} has no {reference} reference for any level "
                f"of {group!r}: choose another reference.{why}"
            )


def _confounded(fit: FitTables, group: str) -> tuple[str, ...]:
    if is_generalized(fit.info):
        return ()
    found = confounded_in(fit)
    return found if group in found else ()


def _pull(
    fit: FitTables,
    group: str,
    terms: tuple[str, ...],
    reference: str,
    scale: str,
    label: str,
    cells: frozenset[str],
) -> Pull:
    rows = fit.require("modes")
    rows = rows[rows["group"] == group]
    levels = tuple(dict.fromkeys(rows["level"].tolist()))
    here = set(rows["term"])
    # The stored term that each term drawn is read from.
    source = {t: t if t in here else _INTERCEPT for t in terms if t in here or t in cells}

    def wide(column: str) -> Floats:
        return _wide(rows, levels, terms, source, column)

    mode = wide("mode")
    if reference == "theta":
        own = _wide(asked_for(fit, "reference_modes", group), levels, terms, source, "mode")
    elif is_generalized(fit.info):
        own = wide(reference)
    else:
        # What a level's own rows leave open the joint limit sets by its smallest norm.
        own = np.where(np.isnan(wide("within_group")), np.nan, wide(reference))
    varies = tuple(term in source for term in terms)
    counts = rows.drop_duplicates("level").set_index("level")["n_obs"]
    sds, correlations = correlation_matrix(fit.require("estimates"), group, terms)
    if shared := [j for j, term in enumerate(terms) if source.get(term, term) != term]:
        # One effect for all of them: equal, and perfectly correlated.
        own_sd, _ = correlation_matrix(fit.require("estimates"), group, [_INTERCEPT])
        sds[shared] = own_sd[0]
        correlations[np.ix_(shared, shared)] = 1.0
    fitted = _betas(fit, terms)
    limits = (fit.info.get("references") or {}).get("joint_limit", {}).get("beta", {})
    at = meaning = ""
    if reference == "theta":
        at, meaning = theta_words(fit)
        there = asked_for(fit, "reference_estimates")
        there = there[there["kind"] == "beta"]
        limits = dict(zip(there["term"], there["estimate"], strict=True))
    limit = np.array([float(limits.get(t, f)) for t, f in zip(terms, fitted, strict=True)])
    ways, not_found = None, 0
    if is_generalized(fit.info) and reference != "theta":
        ways = np.nan_to_num(wide("direction"))
        lost = rows["term"].isin(list(source.values())) & (rows["own_estimate"] == "not found")
        not_found = int(rows.loc[lost, "level"].nunique())
    base = fitted if scale == "coef" else np.zeros(len(terms))
    # Modes, and the joint limit, are measured from their own population, a group's own estimate
    # from the fitted.
    own_base = limit if scale == "coef" and reference != "within_group" else base
    return Pull(
        label=label,
        info=fit.info,
        terms=terms,
        varies=varies,
        levels=levels,
        n_obs=counts.reindex(list(levels)).to_numpy(dtype=np.int64),
        reference=own + own_base,
        mode=mode + base,
        std_dev=np.where(varies, wide("std_dev"), np.nan),
        factor=kept_share(own, mode),
        sds=sds,
        correlations=correlations,
        population=base,
        limit=limit if scale == "coef" else limit - fitted,
        dependence=_dependence(fit, group, levels, terms, source),
        compared=reference,
        at=at,
        meaning=meaning,
        confounded=_confounded(fit, group),
        has_limit=not missing_limit([fit]),
        ways=ways,
        not_found=not_found,
    )


def _wide(
    rows: pd.DataFrame,
    levels: Sequence[str],
    terms: Sequence[str],
    source: Mapping[str, str],
    column: str,
) -> Floats:
    """A column of a table by level and term, (q, k); 0 for terms that the fit lacks.

    ``source``: the term of the table that each of its terms is read from.
    """
    out = np.zeros((len(levels), len(terms)))
    for j, term in enumerate(terms):
        if term in source:
            values = rows.loc[rows["term"] == source[term]].set_index("level")[column]
            out[:, j] = pd.to_numeric(values.reindex(list(levels))).to_numpy(dtype=float)
    return out


def _dependence(
    fit: FitTables,
    group: str,
    levels: Sequence[str],
    terms: Sequence[str],
    source: Mapping[str, str],
) -> Floats | None:
    """Conditional correlations (q, k, k) of the terms of each level, where they are stored."""
    table = fit.optional("mode_correlations")
    if table is None:
        return None
    out = np.full((len(levels), len(terms), len(terms)), np.nan)
    own = table[table["group"] == group]
    for (first, second), rows in own.groupby(["term", "term2"], sort=False):
        values = rows.set_index("level")["correlation"].reindex(list(levels)).to_numpy(dtype=float)
        for i, one in enumerate(terms):
            for j, other in enumerate(terms):
                if {source.get(one), source.get(other)} == {first, second}:
                    out[:, i, j] = values
    return out


def kept_share(reference: Floats, mode: Floats) -> Floats:
    """Mode over reference (q, k); missing where that is within rounding of its population."""
    spread = np.nanmax(np.abs(reference), axis=0, initial=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(reference) > 1e-6 * spread, mode / reference, np.nan)


def _betas(fit: FitTables, terms: Sequence[str]) -> Floats:
    """Fixed effects that belong to random-effects terms; 0 for a term that has none."""
    estimates = fit.require("estimates")
    rows = estimates[estimates["kind"] == "beta"]
    values = dict(zip(rows["term"].tolist(), rows["estimate"].tolist(), strict=True))
    return np.array([float(values.get(t, 0.0)) for t in terms])


def fit_labels(infos: Sequence[dict[str, Any]]) -> list[str]:
    """Structure names; where one occurs twice, with model or optimiser, or counted."""
    labels = [structure_label(info) for info in infos]
    for key in ("model", "optimizer"):
        if len(set(labels)) == len(labels):
            break
        values = [i.get(key) or "" for i in infos]
        names = [str(v.get("name", "")) if isinstance(v, dict) else str(v) for v in values]
        if len(set(names)) > 1:
            labels = [f"{a}, {b}" for a, b in zip(labels, names, strict=True)]
    totals, seen = Counter(labels), Counter[str]()
    for i, text in enumerate(labels):
        seen[text] += 1
        if totals[text] > 1:
            labels[i] = f"{text} ({seen[text]})"
    return labels


#: References and modes of fewer levels are all in the frame.
_FEWEST_CUT = 20


# -- frames, samples, words ----------------------------------------------------------------------


def frame_of(
    references: Floats, modes: Floats, extra: Sequence[float] = (), *, wild: float = 4.0
) -> tuple[float, float]:
    """Choose the range of an axis that every structure shares.

    ``references``, ``modes``: values of all levels in all fits; NaN is ignored. ``extra``: what
    should be in the frame besides (ends of ellipses, population). ``wild``: where the whole range
    exceeds this many times the central 95 % of references and modes, the frame is the central range
    with three quarters of its width added on either side. Few values (less than 20) are never cut:
    each counts. ``low``, ``high``: with padding; low < high.
    """
    parts = [v[np.isfinite(v)] for v in (np.ravel(references), np.ravel(modes))]
    parts = [p for p in parts if p.size]
    values = np.concatenate([*parts, np.asarray(extra, dtype=float)])
    if not values.size:
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    if parts and min(p.size for p in parts) >= _FEWEST_CUT:
        # Order statistics inside the 2.5 and 97.5 % points: one wild level is never among them.
        a = min(float(np.quantile(p, 0.025, method="higher")) for p in parts)
        b = max(float(np.quantile(p, 0.975, method="lower")) for p in parts)
        if b > a and high - low > wild * (b - a):
            low, high = max(low, a - 0.75 * (b - a)), min(high, b + 0.75 * (b - a))
    width = high - low
    pad = 0.06 * width if width > 0 else max(abs(high), 1.0) * 0.5
    return low - pad, high + pad


def limit_differs(fits: Sequence[Pull], frames: Sequence[tuple[float, float]]) -> bool:
    """Whether the two populations are apart by more than a hair of the frame, and in it."""
    low, high = np.array(frames).T
    apart = max(float(np.max(np.abs(p.limit - p.population) / (high - low))) for p in fits)
    inside = all(bool(((p.limit > low) & (p.limit < high)).all()) for p in fits)
    return apart > 0.01 and inside


def outside(pull: Pull, frames: Sequence[tuple[float, float]]) -> int:
    """Count the levels with a reference or a mode outside the frame in some term."""
    low, high = np.array(frames).T
    gone = np.zeros(len(pull.levels), dtype=bool)
    for values in (pull.reference, pull.mode):
        gone |= ((values < low) | (values > high)).any(axis=1)
    return int(gone.sum())


def sample_ranks(n: int, limit: int, *, first: int = 0, last: int = 0) -> NDArray[np.int64]:
    """Choose ranks to draw out of n: all at the ends asked for, the others evenly spaced.

    ``n``, ``limit``: ranks there are, and most that are drawn. ``first``, ``last``: ranks kept
    without exception at either end. Gives sorted, from 0; all ranks where n <= limit.
    """
    if n <= limit:
        return np.arange(n)
    between = np.linspace(first, n - 1 - last, limit - first - last).round().astype(np.int64)
    return np.unique(np.concatenate([np.arange(first), between, np.arange(n - last, n)]))


def movement(pull: Pull) -> Floats:
    """How far each level moves from reference to mode, in SDs of the references of each term.

    The root of the sum of squares over terms, (q,); what has no reference does not count. Modes at
    a theta that was given may vary little, or not at all: there it is the larger of both SDs.
    """
    step = np.where(np.isnan(pull.reference), 0.0, pull.mode - pull.reference)
    square = _square(pull.reference)
    if pull.compared == "theta":
        square = np.maximum(square, _square(pull.mode))
    spread = np.where(square > 0, np.sqrt(square), np.inf)
    return np.asarray(np.sqrt(((step / spread) ** 2).sum(axis=1)))


def _square(values: Floats) -> Floats:
    """Variances (k,) over the levels that have a value, (q, k)."""
    known = (~np.isnan(values)).sum(axis=0)
    mean = np.nansum(values, axis=0) / np.maximum(known, 1)
    found: Floats = np.nansum((values - mean) ** 2, axis=0) / np.maximum(known - 1, 1)
    return found
