"""Terms of the fixed effects left out of a generalised model, by likelihood ratio."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.design import Design
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.hypotheses.dropped_terms import deletions_table
from mixedscope.inference.hypotheses.generalized_ratios import LARGE_SAMPLES
from mixedscope.optimize.driver import minimize

__all__ = ["generalized_deletions"]


def generalized_deletions(
    objective: LaplaceObjective, point: NDArray[np.float64], value: float
) -> pd.DataFrame:
    """Leave out every fixed-effects term that no other contains; see `deletions_table`.

    Of a fit that ended at a point (k,), with this value of the objective. The others start there
    too, with the fixed effects of their model without random effects.
    """
    system = objective.system
    k, r = objective.n_theta, objective.n_fixed

    def fit(design: Design) -> tuple[int, float]:
        poorer = objective.like(system.of_design(design))
        start = np.concatenate([point[:k], poorer.start[k : k + poorer.n_fixed], point[k + r :]])
        return len(poorer.theta_names), minimize(poorer, start=start).evaluation.objective

    return deletions_table(system, (len(objective.theta_names), value), fit, LARGE_SAMPLES)
