"""What follows from an objective at a point, for every kind of model by the same names.

Tables of a fit, what is stored of it and most of its studies ask a model through this protocol:
`mixedscope.inference.estimates.kinds.estimation_of` gives what answers for an objective.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluated
from mixedscope.optimize.driver import OptimizationResult

__all__ = ["Estimation", "Told"]

Floats = NDArray[np.float64]


class Told(NamedTuple):
    """What a search that stopped at a point would have told.

    Attributes
    ----------
    evaluation : Evaluated
    std_errors : (r,) array
        Of the fixed effects, covariances and dispersion as known.
    modes : list of (q, k) arrays
    """

    evaluation: Any
    std_errors: Floats
    modes: list[Floats]


class Estimation(Protocol):
    """What follows from an objective at a point.

    A point (k,) is what is searched: theta of a linear model; theta, fixed effects and the
    logarithm of the dispersion of a generalised one. Theta are always its first entries.
    """

    @property
    def objective(self) -> Any:
        """The objective, a `SearchableObjective` or a `LaplaceObjective`."""
        ...

    @property
    def is_generalized(self) -> bool:
        """Whether the model has a family."""
        ...

    def begin(self) -> None:
        """Forget earlier evaluations: what is computed next does not depend on them."""
        ...

    # -- what a fit is stored as

    def criteria(self, value: float) -> dict[str, float | int]:
        """Log-likelihood, degrees of freedom, AIC, AICc and BIC from a value of the objective."""
        ...

    def description(self) -> dict[str, Any]:
        """What is known of the model without an optimisation, as ``fit.json`` has it."""
        ...

    def found(self, result: OptimizationResult) -> dict[str, Any]:
        """What an optimisation found of it, as ``fit.json`` has it."""
        ...

    def trace(self, result: OptimizationResult) -> pd.DataFrame:
        """The table ``trace``."""
        ...

    def points(self, trace: pd.DataFrame) -> list[Floats]:
        """The points that the rows of a table ``trace`` were evaluated at."""
        ...

    def scales(self, trace: pd.DataFrame) -> Floats:
        """Sigma (rows,) that covariances are relative to; 1 of generalised models."""
        ...

    def estimates(
        self, point: Floats, *, unidentified: Sequence[Mapping[str, Any]] = ()
    ) -> pd.DataFrame:
        """The table ``estimates``."""
        ...

    def modes(self, point: Floats) -> pd.DataFrame:
        """The table ``modes``."""
        ...

    def modes_alone(self, point: Floats) -> pd.DataFrame:
        """The table ``modes`` without the references, which take longer."""
        ...

    def references(self) -> dict[str, Any]:
        """What is known of the references of modes, as ``fit.json`` has it."""
        ...

    # -- what studies ask

    def scale_of(self, evaluation: Evaluated) -> float:
        """Sigma that covariances are relative to; 1 of generalised models."""
        ...

    def modes_at(self, point: Floats) -> list[Floats]:
        """Conditional modes (q, k) per grouping factor, units of the data."""
        ...

    def mode_covariances(self, point: Floats) -> list[Floats]:
        """Conditional covariances (q, k, k) of the modes per grouping factor, units of the data."""
        ...

    def mode_sds(self, point: Floats) -> list[Floats]:
        """Conditional standard deviations (q, k) of the modes, units of the data."""
        ...

    def level_information(self, point: Floats) -> list[Floats]:
        """``Z'WZ`` (q, k, k) of every level, the engine's columns, beside relative covariances."""
        ...

    def own_errors(self, point: Floats) -> list[Floats]:
        """Standard errors (q, k) of estimates of every level by itself, a column at a time.

        Of levels that tell less than an average row those of one such row.
        """
        ...

    def own_estimates(self, point: Floats) -> list[Floats]:
        """What every level (q, k) says by itself, NaN where it does not: what modes are drawn from.

        Least squares of a linear model; of a generalised one linearised at the modes.
        """
        ...

    def cost(self) -> float:
        """Floating-point operations of one evaluation, about."""
        ...

    def standard_errors(self, point: Floats) -> Floats:
        """Standard errors (r,) of the fixed effects, covariances and dispersion as known."""
        ...

    def told(self, point: Floats) -> Told:
        """What a search that stopped here would have told."""
        ...
