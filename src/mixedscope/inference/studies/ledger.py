"""The ledger: what the objective is made of, and where the variance lies, along an optimisation.

An optimiser that moves theta moves variance between observations and groups: more variance for the
groups lowers the residual sum of squares and raises the log-determinant, which is the price of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.running_best import improved_rows
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.leverage import told_degrees
from mixedscope.inference.studies.studied_fit import StudiedFit

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["ledger_study"]

Floats = NDArray[np.float64]


@door()
def ledger_study(fit: StudiedFit, *, most: int = 200) -> dict[str, pd.DataFrame]:
    """Keep the books of an optimisation, at the evaluations that improved on all before them.

    ``most``: evaluations at most. Where more of them improved, the first, the last and others
    evenly spaced among them are kept. Gives ``ledger``, a row per evaluation kept, and
    ``ledger_terms``, which has for each a row for the observations, for every grouping factor and
    for every term. Raises UnsuitedError if degrees of freedom are lost to rounding.
    """
    objective = fit.objective
    spread = [_spread(objective, position) for position in range(len(objective.system.terms))]
    rows, lines = [], []
    entry = _generalized_entry if fit.estimation.is_generalized else _entry
    fit.estimation.begin()
    for number, point in _improvements(fit, most):
        row, own = entry(objective, point, spread)
        rows.append({"evaluation": np.int32(number), **row})
        # Terms are parts of their factor: only observations and whole factors add up.
        whole = sum(line.variance for line in own if line.term is None)
        lines += [
            (np.int32(number), *line, line.variance / whole if whole > 0.0 else 0.0) for line in own
        ]
    columns = ["evaluation", *_Line._fields, "share"]
    return {"ledger": pd.DataFrame(rows), "ledger_terms": pd.DataFrame(lines, columns=columns)}


def _improvements(fit: StudiedFit, most: int) -> list[tuple[int, Floats]]:
    """Number and point of the evaluations that improved, thinned evenly to `most`."""
    trace = fit.trace
    improved = trace.iloc[improved_rows(trace["objective"].to_numpy())]
    kept = np.unique(np.linspace(0, len(improved) - 1, min(most, len(improved))).round())
    points = fit.estimation.points(improved)
    return [(int(improved["evaluation"].iloc[i]), points[i]) for i in kept.astype(int)]


class _Line(NamedTuple):
    """What observations, a grouping factor or one of its terms have of the variance."""

    group: str | None
    term: str | None
    std_dev: float
    variance: float
    edf: float


def _entry(
    objective: ProfiledObjective, theta: Floats, spread: list[Floats]
) -> tuple[dict[str, float], list[_Line]]:
    """One row of the ledger, and the lines of its terms."""
    system = objective.system
    factors = system.standard_factors(theta)
    solution, e, degrees = told_degrees(objective, factors)
    variance = e.sigma**2
    lines = [_Line(None, None, e.sigma, variance, system.n - degrees.total)]
    for term, square, edf in zip(system.terms, spread, degrees.terms, strict=True):
        lines += _lines(term, term.factor(theta[term.theta]) * e.sigma, square, edf)
    fixed = system.log_det_fixed(solution) if objective.reml else 0.0
    row = {
        "objective": e.objective,
        "residual_ss": e.residual_ss,
        "penalty": e.penalty,
        "sigma": e.sigma,
        "log_det": e.log_det,
        "part_residual": e.residual_ss / variance,
        "part_penalty": e.penalty / variance,
        "part_sigma": objective.degrees * math.log(2.0 * math.pi * variance),
        "part_fixed": fixed,
        "part_weights": -system.log_weights,
        "edf_fixed": float(degrees.fixed),
        "edf": degrees.total,
    }
    return row, lines


def _generalized_entry(
    objective: LaplaceObjective, point: Floats, spread: list[Floats]
) -> tuple[dict[str, float], list[_Line]]:
    """One row of the ledger of a generalised model, and the lines of its terms.

    There is no variance of observations on the scale of the linear predictor.
    """
    e = objective.evaluate(point)
    degrees = objective.effective_degrees(point)
    lines: list[_Line] = []
    for term, square, edf in zip(objective.system.terms, spread, degrees, strict=True):
        lines += _lines(term, term.factor(point[term.theta]), square, edf)
    missing = ("residual_ss", "sigma", "part_residual", "part_sigma", "part_fixed", "part_weights")
    row = {
        "objective": e.objective,
        "penalty": e.penalty,
        "log_det": e.log_det,
        **dict.fromkeys(missing, math.nan),
        "part_penalty": e.penalty,
        "edf_fixed": float(len(objective.beta_names)),
        "edf": len(objective.beta_names) + sum(float(edf.sum()) for edf in degrees),
        "conditional_deviance": e.conditional_deviance,
        "newton_steps": e.newton_steps,
    }
    return row, lines


def _lines(term: GroupEffects, factor: Floats, square: Floats, edf: Floats) -> list[_Line]:
    """The line of a whole grouping factor, and those of its terms, of their covariance factor."""
    covariance = factor @ factor.T
    whole = float((covariance * square).sum())
    own = np.diag(covariance)
    return [
        _Line(term.group, None, math.nan, whole, float(edf.sum())),
        *map(
            _Line,
            [term.group] * term.size,
            term.names,
            np.sqrt(own).tolist(),
            (own * np.diag(square)).tolist(),
            edf.tolist(),
        ),
    ]


def _spread(objective: ProfiledObjective | LaplaceObjective, position: int) -> Floats:
    """Mean over observations of ``z z'`` (k, k): turns covariances into variance contributed.

    Weighted observations are taken as on the scale on which all have the variance sigma squared.
    """
    system = objective.system
    term, factor = system.terms[position], system.factors[position]
    z = term.data_columns(factor.z)
    return np.asarray(z.T @ z / system.n)
