"""Which kind of model an objective is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.linear_estimation import LinearEstimation
from mixedscope.inference.estimates.references import JointLimit

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["estimation_of"]


def estimation_of(
    objective: ProfiledObjective | LaplaceObjective,
    joint_limit: Callable[[], JointLimit] | None = None,
) -> Estimation:
    """Give what answers for an objective.

    ``joint_limit``: of a linear model, where it is known already.
    """
    if isinstance(objective, ProfiledObjective):
        return LinearEstimation(objective, joint_limit)
    # Linear models load no families.
    from mixedscope.inference.estimates.generalized_estimation import GeneralizedEstimation

    return GeneralizedEstimation(objective)
