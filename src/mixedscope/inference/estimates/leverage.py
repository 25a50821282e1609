"""Effective degrees of freedom: the sum of the leverages, and what every term has of it.

The fitted values ``X beta + Z b`` are linear in the response, ``H y`` for a given theta; the trace
of H counts the parameters that the fit spends (Hodges & Sargent 2001, Biometrika 88, 367-379). With
``A = Z'Z - Z'X inv(X'X) X'Z`` and ``P = inv(Lambda' A Lambda + I)``

    tr H = rank X + sum over factors of (q - tr P_ff)

and every summand is half the derivative of ``log |Lambda' A Lambda + I|`` by the logarithm of the
factor's scale.  That is the part of the REML criterion that the exact gradient differentiates
anyway: its cost, its accuracy (no difference of large numbers) and its blocks, nothing of size q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.core.evaluation import Evaluation
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem

__all__ = [
    "DIGITS",
    "EffectiveDegrees",
    "effective_degrees",
    "hidden",
    "told_degrees",
]

Floats = NDArray[np.float64]

#: Rounding error of an evaluation, deviance units at most, where degrees of freedom, which lose as
#: many digits, are still told.
DIGITS: Final = 1e-3


@dataclass(frozen=True)
class EffectiveDegrees:
    """Degrees of freedom of the fitted values at one theta.

    Attributes
    ----------
    fixed : int
        Rank of X: fixed effects are not penalised.
    terms : tuple of (k,) arrays
        Per grouping factor what each of its terms has: the trace of the map from the response to
        the term's part of the fitted values.  A factor's sum lies between 0 and the number of its
        modes; a single term that is correlated with others may lie a little outside.
    """

    fixed: int
    terms: tuple[Floats, ...]

    @property
    def factors(self) -> Floats:
        """Sum over the terms of every grouping factor, shape (number of factors,)."""
        return np.array([float(t.sum()) for t in self.terms])

    @property
    def random(self) -> float:
        """What the random effects have together."""
        return float(self.factors.sum())

    @property
    def total(self) -> float:
        """The sum of the leverages."""
        return self.fixed + self.random


def told_degrees(
    objective: ProfiledObjective, factors: Sequence[Floats]
) -> tuple[Solution, Evaluation, EffectiveDegrees]:
    """Degrees of freedom, and the evaluation that they belong to.

    ``factors`` (k, k): relative covariance factors for columns of unit root mean square. Raises
    UnsuitedError if rounding leaves nothing of how much the random effects are shrunk.
    """
    system = objective.system
    try:
        solution = system.solve(factors)
        evaluation = objective.describe(factors, solution)
    except FloatingPointError as error:
        raise hidden() from error
    if not evaluation.rounding <= DIGITS:
        raise hidden()
    return solution, evaluation, effective_degrees(system, factors, solution)


def hidden() -> UnsuitedError:
    """Give the error of fits whose residual variance all but vanishes."""
    return UnsuitedError(
        "The random effects are so large beside sigma that doubles cannot tell how much they "
        "are shrunk: shrinkage is studied of fits whose residual variance does not vanish"
    )


def effective_degrees(
    system: ProfiledSystem, factors: Sequence[Floats], solution: Solution
) -> EffectiveDegrees:
    """Degrees of freedom after ``system.solve(factors)``, whose factor is overwritten.

    ``factors`` (k, k): relative covariance factors for columns of unit root mean square.
    ``solution``: what the solve gave.
    """
    derivatives = system.derivatives_of_determinants(factors, solution)
    terms = tuple(
        0.5 * (np.tril(factor) * np.tril(derivative)).sum(axis=1)
        for factor, derivative in zip(factors, derivatives, strict=True)
    )
    return EffectiveDegrees(system.n_fixed, terms)
