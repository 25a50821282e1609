"""Variances and covariances, principal axes and coefficients by level, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.estimates.parameters import sds_and_correlations, undetermined
from mixedscope.inference.estimates.principal import principal_axes

__all__ = ["axes_table", "level_coefficients", "term_of", "variances_table"]

Floats = NDArray[np.float64]


def term_of(objective: ProfiledObjective, group: str | None) -> GroupEffects:
    """Find a grouping factor; the only one if none is named.

    Raises ModelError if there is no such factor, or several and none is named.
    """
    terms = {term.group: term for term in objective.system.terms}
    if group is None and len(terms) == 1:
        return next(iter(terms.values()))
    if group not in terms:
        asked = (
            "This model has several grouping factors: name one, group=..."
            if group is None
            else f"There is no grouping factor {group!r}.{suggest(group, terms)}"
        )
        raise ModelError(f"{asked} Known are: {', '.join(terms)}.")
    return terms[group]


def variances_table(
    objective: ProfiledObjective,
    theta: Floats,
    unidentified: Sequence[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Variances and covariances with their standard deviations and correlations.

    Gives columns ``group``, ``term``, ``term2``, ``vcov``, ``sdcor``, rows as lme4's ``VarCorr``.
    """
    sigma = objective.evaluate(theta).sigma
    missing = undetermined(unidentified)
    rows: list[tuple[str, str | None, str | None, float, float]] = []
    for term in objective.system.terms:
        factor = term.factor(theta[term.theta])
        covariance = sigma**2 * factor @ factor.T
        place = {name: j for j, name in enumerate(term.names)}
        found = sds_and_correlations(term, factor[None], np.array([sigma]))
        for kind, a, b, values in found:
            vcov, sdcor = float(covariance[place[a], place[b or a]]), float(values[0])
            if (kind, term.group, a, b) in missing:
                vcov = sdcor = np.nan
            rows.append((term.group, a, b, vcov, sdcor))
    if ("sigma", None, None, None) in missing:
        sigma = np.nan
    rows.append(("Residual", None, None, sigma**2, sigma))
    columns = dict(zip(("group", "term", "term2", "vcov", "sdcor"), zip(*rows), strict=True))
    text = {name: pd.Series(columns.pop(name), dtype=object) for name in ("group", "term", "term2")}
    return pd.DataFrame({**text, **columns})


def axes_table(
    objective: ProfiledObjective,
    theta: Floats,
    unidentified: Sequence[Mapping[str, Any]] = (),
    *,
    standardised: bool = False,
) -> pd.DataFrame:
    """Principal axes of the covariances of the random effects, a row for each axis and term.

    Of the effects as they are, or times the root mean square of their columns. Numbers are NaN
    where the data leave the axes of a factor open.
    """
    sigma = objective.evaluate(theta).sigma
    open_groups = {group for _, group, *_ in undetermined(unidentified)}
    frames = []
    for term in objective.system.terms:
        told = term.group not in open_groups
        axes = principal_axes(term, theta[term.theta], sigma, told=told, unit=standardised)
        total = 0.0
        for axis in axes:
            total += axis.share
            own = {
                "group": term.group, "component": axis.component, "sd": axis.sd,
                "share": axis.share, "cumulative": total, "collapsed": axis.collapsed,
                "term": list(term.names), "loading": axis.loadings,
            }  # fmt: skip
            frames.append(pd.DataFrame(own))
    return pd.concat(frames, ignore_index=True)


def level_coefficients(
    objective: ProfiledObjective, theta: Floats, group: str | None = None
) -> pd.DataFrame:
    """Coefficients ``beta + b`` by level, a row for each grouping factor, level and column.

    Columns of the fixed effects come first, then those of random effects alone. A random effect is
    added to the fixed effect of its name where both have the same column of numbers; where a name
    stands for two columns they are kept apart, the random one as ``name | group``.
    """
    modes = estimation_of(objective).modes_at(theta)
    system = objective.system
    beta = objective.evaluate(theta).beta
    columns = system.fixed_columns
    terms = system.terms if group is None else (term_of(objective, group),)
    frames = []
    for term in terms:
        own = modes[system.terms.index(term)]
        names = list(objective.beta_names)
        levels = len(term.design.levels)
        fixed, mode = np.tile(beta, (levels, 1)), np.zeros((levels, len(beta)))
        for c, name in enumerate(term.names):
            j = names.index(name) if name in names else -1
            if j >= 0 and np.array_equal(columns[:, j], term.design.Z[:, c]):
                mode[:, j] = own[:, c]
                continue
            names.append(name if j < 0 else f"{name} | {term.group}")
            fixed = np.column_stack([fixed, np.zeros(levels)])
            mode = np.column_stack([mode, own[:, c]])
        frame = {
            "group": term.group,
            "level": np.repeat(np.array(term.design.levels, dtype=object), len(names)),
            "term": np.tile(np.array(names, dtype=object), levels),
            "fixed": fixed.ravel(),
            "mode": mode.ravel(),
            "coefficient": (fixed + mode).ravel(),
        }
        frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True)
