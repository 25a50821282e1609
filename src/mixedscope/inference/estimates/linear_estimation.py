"""What follows from the profiled objective of a linear model at theta."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.blocks import evaluation_cost
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.estimates import estimates_table, information_criteria
from mixedscope.inference.estimates.estimation import Told
from mixedscope.inference.estimates.modes import modes_alone, modes_table
from mixedscope.inference.estimates.parameters import column_squares
from mixedscope.inference.estimates.references import (
    JointLimit,
    known_limit,
    reference_info,
    within_group,
)
from mixedscope.optimize.driver import OptimizationResult

__all__ = ["LinearEstimation"]

Floats = NDArray[np.float64]


class LinearEstimation:
    """The `Estimation` of linear models.

    Parameters
    ----------
    objective : ProfiledObjective
    joint_limit : callable, optional
        Gives the joint limit, where it is kept elsewhere.

    Attributes
    ----------
    joint_limit : callable
        Gives the limit of the conditional modes as the penalty vanishes.
    """

    is_generalized = False

    def __init__(
        self, objective: ProfiledObjective, joint_limit: Callable[[], JointLimit] | None = None
    ) -> None:
        self.objective = objective
        self.joint_limit = cache(joint_limit or (lambda: known_limit(objective.system)))

    def begin(self) -> None:
        """Evaluations of a linear model do not depend on each other."""

    def criteria(self, value: float) -> dict[str, float | int]:
        """See `mixedscope.inference.estimates.estimates.information_criteria`."""
        return information_criteria(self.objective, value)

    def description(self) -> dict[str, Any]:
        """Nothing beyond what all models have."""
        return {}

    def found(self, result: OptimizationResult) -> dict[str, Any]:
        """Sigma and theta."""
        theta = np.asarray(result.theta, dtype=float)
        return {"sigma": result.evaluation.sigma, "theta": theta.tolist()}

    def trace(self, result: OptimizationResult) -> pd.DataFrame:
        """The trace as it is."""
        return result.trace.frame()

    def points(self, trace: pd.DataFrame) -> list[Floats]:
        """Theta of every row."""
        return [np.asarray(theta, dtype=float) for theta in trace["theta"]]

    def scales(self, trace: pd.DataFrame) -> Floats:
        """Sigma of every row."""
        return trace["sigma"].to_numpy(dtype=float)

    def estimates(
        self, point: Floats, *, unidentified: Sequence[Mapping[str, Any]] = ()
    ) -> pd.DataFrame:
        """See `mixedscope.inference.estimates.estimates.estimates_table`."""
        return estimates_table(self.objective, point, unidentified=unidentified)

    def modes(self, point: Floats) -> pd.DataFrame:
        """See `mixedscope.inference.estimates.modes.modes_table`."""
        return modes_table(self.objective, point, self.joint_limit())

    def modes_alone(self, point: Floats) -> pd.DataFrame:
        """See `mixedscope.inference.estimates.modes.modes_alone`."""
        return modes_alone(self.objective, point)

    def references(self) -> dict[str, Any]:
        """What is known of the joint limit."""
        return reference_info(self.objective.system, self.joint_limit())

    def scale_of(self, evaluation: Any) -> float:
        """Sigma."""
        return float(evaluation.sigma)

    def modes_at(self, point: Floats) -> list[Floats]:
        """Conditional modes (q, k) per grouping factor."""
        self.objective.evaluate(point)
        return self.objective.system.modes()

    def mode_covariances(self, point: Floats) -> list[Floats]:
        """Conditional covariances (q, k, k) per grouping factor."""
        sigma = self.objective.evaluate(point).sigma
        return self.objective.system.conditional_covariances(sigma)

    def mode_sds(self, point: Floats) -> list[Floats]:
        """Conditional standard deviations (q, k) per grouping factor."""
        sigma = self.objective.evaluate(point).sigma
        return self.objective.system.conditional_sds(sigma)

    def level_information(self, point: Floats) -> list[Floats]:
        """``Z'Z`` (q, k, k) of every level, rows by their weights."""
        system = self.objective.system
        out = []
        for position, factor in enumerate(system.factors):
            k = factor.size
            products = (factor.z[:, :, None] * factor.z[:, None, :]).reshape(system.n, k * k)
            out.append(system.sums_by_level(position, products).reshape(-1, k, k))
        return out

    def own_errors(self, point: Floats) -> list[Floats]:
        """Sigma over the root of the level's sum of squares of each column."""
        system = self.objective.system
        sigma = self.objective.evaluate(point).sigma
        return [
            sigma / np.sqrt(np.maximum(column_squares(term, factor.z), 1.0)) / term.column_scale
            for term, factor in zip(system.terms, system.factors, strict=True)
        ]

    def own_estimates(self, point: Floats) -> list[Floats]:
        """See `mixedscope.inference.estimates.references.within_group`."""
        return within_group(self.objective.system, self.objective.evaluate(point).beta)

    def cost(self) -> float:
        """See `mixedscope.engine.blocks.evaluation_cost`."""
        return evaluation_cost(self.objective.system)

    def standard_errors(self, point: Floats) -> Floats:
        """Standard errors (r,) of the fixed effects, theta as known."""
        return self.told(point).std_errors

    def told(self, point: Floats) -> Told:
        """What a search that stopped here would have told, of one evaluation."""
        evaluation = self.objective.evaluate(point)
        system = self.objective.system
        errors = np.sqrt(np.diag(system.beta_covariance(evaluation.sigma)))
        return Told(evaluation, np.asarray(errors, dtype=float), system.modes())
