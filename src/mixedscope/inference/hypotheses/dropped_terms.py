"""Single terms left out of a model, fixed ones and random ones, each tested by likelihood ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, OptimizerError
from mixedscope.core.wording import as_remark
from mixedscope.covariance.registry import make_structure
from mixedscope.design.design import Design, RandomDesign, TermPart
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.hypotheses.likelihood_ratios import (
    exact_entries,
    referred,
    statistic_of,
    table_of,
)
from mixedscope.inference.hypotheses.terms import columns_without
from mixedscope.inference.ladder.likelihood_ratio import null_reference, reference
from mixedscope.inference.ladder.one_variance import has_one_variance
from mixedscope.optimize.driver import minimize

__all__ = ["DELETION_COLUMNS", "deletions_table", "fixed_deletions", "random_deletions"]

Floats = NDArray[np.float64]

#: Columns of tables of single terms left out; the first row is the model itself.
DELETION_COLUMNS: Final = (
    "term", "dof", "objective", "aic", "statistic", "df", "p_value", "distribution", "p_low",
    "p_high", "p_error", "remark",
)  # fmt: skip

#: The model itself, as R has it.
_ALL: Final = "<none>"

_NOT_NESTED: Final = (
    "no test: of fewer columns the correlation may be lower, so that this is no special case of "
    "the model"
)

_FIXED: Final = (
    "by maximum likelihood; chi-squared is for large samples, in small ones anova() is closer"
)


def fixed_deletions(objective: SearchableObjective, theta: Floats) -> pd.DataFrame:
    """Leave out every fixed-effects term that no other contains, as ``drop1`` of R does.

    All models are fitted by maximum likelihood: ``objective`` has that criterion, and ``theta``
    (k,) are the estimates or where to look for them. Gives `DELETION_COLUMNS`.
    """
    whole = minimize(objective, start=theta)

    def fit(design: Design) -> tuple[int, float]:
        poorer = SearchableObjective(ProfiledSystem(design), reml=False)
        return poorer.n_identified, minimize(poorer, start=whole.theta).evaluation.objective

    own = objective.n_identified, whole.evaluation.objective
    return deletions_table(objective.system, own, fit, _FIXED)


def deletions_table(
    system: Any,
    whole: tuple[int, float],
    fit: Callable[[Design], tuple[int, float]],
    remark: str,
) -> pd.DataFrame:
    """Leave out fixed-effects terms of a linear or generalised model: `DELETION_COLUMNS`.

    ``whole``: parameters and objective of the model; ``fit`` gives those of another design, without
    the columns of a term. ``remark`` is said of every test.
    """
    from scipy.stats import chi2

    design = system.design
    rows = [_row(_ALL, *whole)]
    for name, columns in columns_without(design, system.kept).items():
        lost = len(system.kept) - columns.shape[1]
        if not lost:
            row = _row(name, *whole)
            row |= {"df": 0, "remark": "the data do not tell its effects from those of other terms"}
            rows.append(row)
            continue
        names = tuple(f"{j}" for j in range(columns.shape[1]))
        dof, value = fit(replace(design, X=columns, x_names=names))
        statistic = statistic_of(value, whole[1], f"the model without {name}", design.formula)
        p = float(chi2.sf(statistic, lost))
        rows.append(
            _row(name, dof, value)
            | {"statistic": statistic, "df": lost, "p_value": p, "p_low": p, "p_high": p}
            | {"distribution": f"χ²({lost})", "remark": remark}
        )
    return table_of(rows, DELETION_COLUMNS)


def random_deletions(
    objective: SearchableObjective, theta: Floats, *, draws: int, seed: int
) -> pd.DataFrame:
    """Leave out what every random-effects term can do without, as lmerTest's ``ranova`` does.

    Of a term that correlates an intercept with others, these one by one; of others each column's
    term, or the whole. ``objective`` has the criterion of the fit, ``theta`` (k,) are its
    estimates. Gives `DELETION_COLUMNS`.
    """
    value = objective.evaluate(theta).objective
    rows = [_row(_ALL, objective.n_identified, value)]
    for deletion in _deletions(objective.system.design):
        entries = _tested(objective, theta, value, deletion, draws, seed)
        rows.append(entries)
    return table_of(rows, DELETION_COLUMNS)


@dataclass(frozen=True)
class _Deletion:
    """Random effects that are left out.

    Attributes
    ----------
    name : str
    random : tuple of RandomDesign
        What is left.
    alone : tuple of RandomDesign
        What is left out, with the same structure, by itself.
    is_nested : bool
        Whether what is left is a special case of the whole.
    """

    name: str
    random: tuple[RandomDesign, ...]
    alone: tuple[RandomDesign, ...]
    is_nested: bool


def _tested(
    objective: SearchableObjective,
    theta: Floats,
    value: float,
    deletion: _Deletion,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """The row of what is left out."""
    design = objective.system.design
    only = _objective(replace(design, random=deletion.alone), objective.reml)
    if not deletion.random:
        at_zero = objective.evaluate(np.zeros(len(theta))).objective
        statistic = statistic_of(at_zero, value, "the model without it", design.formula)
        dof = len(objective.beta_names) + (design.sigma is None)
        row = _row(deletion.name, objective.n_identified, at_zero) | {
            "dof": dof,
            "aic": at_zero + 2.0 * dof,
            "statistic": statistic,
            "df": objective.n_identified - dof,
        }
        if has_one_variance(objective):
            return row | exact_entries(objective, statistic, draws=draws, seed=seed)
        return row | referred(null_reference(objective, seed=seed), statistic)
    poorer = _objective(replace(design, random=deletion.random), objective.reml)
    try:
        found = minimize(poorer)
    except OptimizerError as error:
        return _row(deletion.name, poorer.n_identified, np.nan) | {"remark": as_remark(str(error))}
    row = _row(deletion.name, poorer.n_identified, found.evaluation.objective)
    if not deletion.is_nested:
        return row | {"remark": _NOT_NESTED}
    statistic = statistic_of(found.evaluation.objective, value,
                             f"the model without {deletion.name}", design.formula)  # fmt: skip
    lost = objective.n_identified - poorer.n_identified
    row |= {"statistic": statistic, "df": lost}
    if lost == 1 and has_one_variance(only):
        alone = " of the model with this variance alone, an approximation (Greven et al. 2008)"
        entries = exact_entries(only, statistic, draws=draws, seed=seed, of=alone)
        entries["distribution"] = "as if alone"
        return row | entries
    return row | referred(reference(poorer, found.theta, objective, seed=seed), statistic)


def _objective(design: Design, reml: bool) -> SearchableObjective:
    return SearchableObjective(ProfiledSystem(design), reml=reml)


def _deletions(design: Design) -> Iterator[_Deletion]:
    """What can be left out, one by one."""
    for place, factor in enumerate(design.random):
        for number, part in enumerate(factor.parts):
            pieces = _pieces(part)
            for name, columns in pieces:
                left = [j for j in part.columns if j - part.columns[0] not in columns]
                others = [p for i, p in enumerate(factor.parts) if i != number]
                kept = [(p, list(p.columns)) for p in others]
                if left:
                    kept.insert(number, (part, left))
                reduced = _reduced(factor, kept)
                random = list(design.random)
                random[place : place + 1] = [reduced] if reduced else []
                gone = [j for j in part.columns if j not in left]
                alone = _reduced(factor, [(part, gone)])
                assert alone is not None
                written = _written(factor, part)
                label = written if not left else f"{name} in {written}"
                yield _Deletion(label, tuple(random), (alone,), _is_nested(part, len(left)))


def _pieces(part: TermPart) -> list[tuple[str, set[int]]]:
    """Names and columns, counted from the first, of what can be left out of a part."""
    structure = make_structure(part.structure, len(part.columns), part.settings)
    terms = part.terms
    slopes = [t for t in terms if t.variables]
    if structure.separates and len(terms) > 1:
        free = list(terms)
    elif slopes and len(terms) > 1:
        # An intercept stays while anything else is there.
        free = slopes
    else:
        return [("", set(range(len(part.columns))))]
    out = []
    for term in free:
        names = set(term.variables)
        if any(names < set(other.variables) for other in slopes) and names:
            continue  # contained in an interaction
        out.append((term.name, set(term.columns)))
    return out


def _reduced(
    factor: RandomDesign, kept: Sequence[tuple[TermPart, Sequence[int]]]
) -> RandomDesign | None:
    """A grouping factor with some columns of some parts; None without any."""
    columns: list[int] = []
    parts = []
    for part, own in kept:
        first = len(columns)
        columns += own
        whole = len(own) == len(part.columns)
        structure, settings = _structure(part, len(own))
        parts.append(
            TermPart(
                tuple(range(first, first + len(own))),
                structure,
                settings,
                part.factor if whole else None,
                part.terms if whole else (),
            )
        )
    if not columns:
        return None
    return replace(
        factor,
        Z=np.ascontiguousarray(factor.Z[:, columns]),
        names=tuple(factor.names[j] for j in columns),
        parts=tuple(parts),
    )


def _structure(part: TermPart, size: int) -> tuple[str, Mapping[str, float]]:
    """The structure of a part for fewer columns: unstructured where it needs more."""
    try:
        make_structure(part.structure, size, part.settings)
    except ModelError:
        return "full", {}
    return part.structure, part.settings


def _is_nested(part: TermPart, left: int) -> bool:
    """Whether a part with fewer columns is one with all, some of them without variance.

    One correlation of many columns has a narrower range than that of a few.
    """
    whole = make_structure(part.structure, len(part.columns), part.settings)
    if left < 2 or not hasattr(whole, "correlation"):
        return True
    names = ("",) * left
    fewer = make_structure(*_structure(part, left)[:1], left, part.settings)
    ranges = [
        [(m.lower, m.upper) for m in structure.measures(given, np.ones(len(given)))][-1]
        for structure, given in ((whole, ("",) * len(part.columns)), (fewer, names))
    ]
    return ranges[0] == ranges[1]


def _written(factor: RandomDesign, part: TermPart) -> str:
    """A part as a formula would have it."""
    names = [term.name for term in part.terms]
    has_intercept = "(Intercept)" in names
    inner = " + ".join([str(int(has_intercept)), *(n for n in names if n != "(Intercept)")])
    inner = inner if has_intercept or len(names) else " + ".join(factor.names)
    if part.structure == "full":
        return f"({inner} | {factor.group})"
    return f"{part.structure}({inner} | {factor.group})"


def _row(term: str, dof: int, value: float) -> dict[str, Any]:
    return dict.fromkeys(DELETION_COLUMNS) | {
        "term": term,
        "dof": dof,
        "objective": value,
        "aic": value + 2.0 * dof,
    }
