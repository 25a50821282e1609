"""Responses drawn for rows of data: random effects anew, or the modes of known levels kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.other_rows import OtherRows
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.simulated import Truth
from mixedscope.inference.predictions.predictions import codes_of, on_all_rows
from mixedscope.inference.predictions.predictor import linear_predictor

__all__ = ["simulate_rows"]

Floats = NDArray[np.float64]


def simulate_rows(
    objective: ProfiledObjective,
    truth: Truth,
    rows: OtherRows,
    count: int,
    rng: np.random.Generator,
    *,
    conditional: bool,
) -> Floats:
    """Draw responses (count, n) for the rows given, NaN for rows that are not complete.

    ``rows``: with all terms as ``own``, and weights if the model has some. ``conditional``: the
    modes at the truth's theta stay what they are, and levels that the model has not met are drawn;
    otherwise all levels are. Rows of one level have its one random effect.
    """
    system = objective.system
    x = rows.X[:, system.kept]
    terms = []
    if conditional:
        objective.evaluate(truth.theta)
        modes = system.modes()
        terms = [(codes_of(t), t.Z, modes[t.position][:, t.columns]) for t in rows.own]
    mean = linear_predictor(x, truth.beta, terms)
    if rows.offset is not None:
        mean += rows.offset
    out = rng.standard_normal((count, len(mean)))
    if rows.weights is None:
        out *= truth.sigma
    else:  # of weight 0 there is no observation
        out *= truth.sigma / np.sqrt(np.where(rows.weights > 0.0, rows.weights, np.nan))
    out += mean
    for one in rows.own:
        codes = codes_of(one)
        new = codes < 0
        drawn = np.flatnonzero(new) if conditional else np.arange(len(codes))
        # Known levels in the order of the model, then new ones: of its own rows a model draws what
        # it draws without being given them.
        _, own = np.unique(np.where(new, np.iinfo(np.int64).max + codes + 1, codes)[drawn],
                           return_inverse=True)  # fmt: skip
        term = system.terms[one.position]
        factor = term.factor(truth.theta[term.theta]) * truth.sigma
        levels = int(own.max(initial=-1)) + 1
        effects = rng.standard_normal((count, levels, term.size)) @ factor.T
        for j, column in enumerate(one.columns):
            out[:, drawn] += effects[:, own, column] * one.Z[drawn, j]
    return on_all_rows(out, rows)
