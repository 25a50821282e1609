"""What an optimiser needs to know of a model: the objective protocol.

The optimisers, the trace and the certificate see a model only through `Objective`; nothing here
imports the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.core.vocabulary import CRITERION_NAMES

__all__ = [
    "CompiledObjective",
    "CompiledSearch",
    "CurvedObjective",
    "DoubtedObjective",
    "EdgedObjective",
    "FloatArray",
    "IdentifiedObjective",
    "InformedObjective",
    "ManyMinima",
    "Objective",
    "ShapedObjective",
    "compiling_seconds",
    "criterion_words",
    "edges_of",
    "finishes_fast",
    "is_quick",
    "offers_beyond",
    "offers_coordinates",
    "offers_hessian",
    "offers_identification",
    "offers_moments",
    "offers_search",
    "offers_second_look",
    "shape_of",
]

FloatArray = NDArray[np.float64]


class Objective(Protocol):
    """A smooth function of the relative covariance parameters theta.

    It is smooth on the whole of R^k, because theta enters through ΛΛ' only, and does not change
    when a theta that is bounded by 0 changes its sign (with a column of Λ, as a rule); an
    evaluation outside the bounds is therefore legal.

    An evaluation that cannot be done raises FloatingPointError (or a relative of it) or returns
    a value that is not finite.  One that is ``reml`` is called so; see `criterion_words`.

    Attributes
    ----------
    theta_names, beta_names : tuple of str
    start : (k,) array
        Where to start, in theta units.
    lower : (k,) array
        Lower bounds: 0 for diagonal elements of Λ, -inf for the others.
    scale : (k,) array
        Positive; optimisers work on ``x = theta * scale``, in which a step of 1 means about the
        same for every parameter.
    """

    @property
    def theta_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def beta_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def start(self) -> FloatArray: ...  # noqa: D102
    @property
    def lower(self) -> FloatArray: ...  # noqa: D102
    @property
    def scale(self) -> FloatArray: ...  # noqa: D102

    def evaluate(self, theta: FloatArray, /) -> Evaluation:
        """Evaluate the objective at theta."""
        ...

    def evaluate_gradient(self, theta: FloatArray, /) -> tuple[Evaluation, FloatArray]:
        """Evaluate the objective and its exact gradient with respect to theta."""
        ...

    def canonical(self, theta: FloatArray, /) -> FloatArray:
        """Bring theta to its canonical range, where no diagonal of Λ is negative."""
        ...

    def rank_deficient(self, theta: FloatArray, tol: float, /) -> bool:
        """Tell whether Λ(theta) is singular to within `tol`."""
        ...


class EdgedObjective(Protocol):
    """An objective that knows the ends of its parameter space, and what they hide.

    Attributes
    ----------
    edges : (k,) array
        Theta at plus or minus this has a singular covariance, and the objective is symmetric
        about it; 0 where the lower bound is 0, NaN where there is no such point.
    """

    @property
    def edges(self) -> FloatArray: ...  # noqa: D102

    def beyond(self, theta: FloatArray, /) -> Sequence[FloatArray]:
        """Points (k,) from which to look past theta, where its curvature cannot tell everything.

        Empty unless theta is at an edge beside which the objective may fall faster than second
        derivatives show.
        """
        ...


class IdentifiedObjective(Protocol):
    """An objective that can tell which parameters of the covariances it does not depend on."""

    def unidentified(self, theta: FloatArray, /) -> list[dict[str, Any]]:
        """``parameters`` and ``reason`` of each direction in which it is flat at theta."""
        ...


class ManyMinima(Protocol):
    """Where an objective may have another minimum: rays of points, and points to search from."""

    @property
    def rays(self) -> Sequence[FloatArray]: ...  # noqa: D102
    @property
    def starts(self) -> Sequence[FloatArray]: ...  # noqa: D102


class DoubtedObjective(Protocol):
    """An objective that can say where, seen from one minimum, another may lie."""

    def second_look(self, theta: FloatArray, /) -> ManyMinima:
        """Rays (m, k), each along one parameter from 0 on, and points (k,) to search from."""
        ...


class CurvedObjective(Protocol):
    """An objective that can also say how curved it is, for a better first step of BFGS."""

    def initial_hessian(self, theta: FloatArray, /) -> FloatArray:
        """Approximate the Hessian at theta, (k, k) in theta units (average information, say)."""
        ...


class InformedObjective(Protocol):
    """An objective that can also guess where its optimum is, from moments of the data."""

    def moment_start(self) -> FloatArray:
        """Estimate theta without an optimisation, (k,)."""
        ...


class ResidualObjective(Protocol):
    """An objective that can tell whether the residual variance is identified."""

    def residual_state(
        self, theta: FloatArray, value: float, /
    ) -> Literal["identified", "shared", "vanishing"]:
        """Tell whether sigma is identified, shared with random effects, or vanishing.

        Vanishing: the objective, `value` at theta, does not rise on the way to sigma = 0.
        """
        ...

    def residual_limit(self, theta: FloatArray, /) -> float:
        """Limit of the objective on that way: minus infinity if there is none, NaN if unknown."""
        ...


class ShapedObjective(Protocol):
    """An objective that may know better coordinates than ``theta * scale``.

    Of columns that it had no means to untangle it may tell in ``uncentred``, pairs of the names of
    the column and of its grouping factor.
    """

    @property
    def coordinates(self) -> FloatArray | None:
        """Matrix C (k, k) for optimisers to work on ``x = C @ theta``; None for the scale alone.

        Invertible; zeros, signs and bounds of x are those of the canonical theta.
        """
        ...


class CompiledSearch(Protocol):
    """Every evaluation of a search that was run in compiled code, in order.

    Attributes
    ----------
    thetas, gradients : (m, k) arrays
        Gradients are NaN where a step was refused for its objective.
    objectives : list of float
        NaN where an evaluation failed.
    """

    @property
    def thetas(self) -> FloatArray: ...  # noqa: D102
    @property
    def gradients(self) -> FloatArray: ...  # noqa: D102
    @property
    def objectives(self) -> list[float]: ...  # noqa: D102

    def evaluation(self, number: int, /) -> Evaluation | None:
        """Give all of one evaluation, counted from 0; None if it failed."""
        ...


class CompiledObjective(Protocol):
    """An objective that can run a whole quasi-Newton search in compiled code."""

    @property
    def is_compiled(self) -> bool:
        """Whether this model is of a kind that `quasi_newton` serves."""
        ...

    @property
    def is_quick(self) -> bool:
        """Whether an evaluation takes no longer than what an optimiser does between two."""
        ...

    @property
    def has_scoring(self) -> bool:
        """Whether steps of `quasi_newton` have an information of their own and converge fast."""
        ...

    def quasi_newton(
        self, theta: FloatArray, tolerance: float, most: int, /
    ) -> CompiledSearch | None:
        """Search from theta to a Newton decrement of `tolerance`, in at most `most` evaluations.

        Gives every evaluation made, or None where the model is not of a kind that this serves.
        """
        ...

    def gradients(self, thetas: FloatArray, /) -> FloatArray:
        """Exact gradients at every row of `thetas` (m, k), NaN where one fails."""
        ...


# Python's own check of a protocol takes as long as a small model's evaluation; asking for the
# members themselves does not.


def criterion_words(objective: object) -> tuple[str, str]:
    """Name an objective, and its unit in the plural: no deviance where it is ``reml``."""
    if getattr(objective, "reml", False):
        name = CRITERION_NAMES["REML"]
        return name, f"points of the {name}"
    name = CRITERION_NAMES["ML"]
    return name, f"{name} points"


def offers_beyond(objective: object) -> TypeGuard[EdgedObjective]:
    """Whether an objective is an `EdgedObjective`."""
    return hasattr(objective, "edges") and hasattr(objective, "beyond")


def offers_coordinates(objective: object) -> TypeGuard[ShapedObjective]:
    """Whether an objective is a `ShapedObjective`."""
    return hasattr(objective, "coordinates")


def offers_hessian(objective: object) -> TypeGuard[CurvedObjective]:
    """Whether an objective is a `CurvedObjective`."""
    return hasattr(objective, "initial_hessian")


def offers_identification(objective: object) -> TypeGuard[IdentifiedObjective]:
    """Whether an objective is an `IdentifiedObjective`."""
    return hasattr(objective, "unidentified")


def offers_moments(objective: object) -> TypeGuard[InformedObjective]:
    """Whether an objective is an `InformedObjective`."""
    return hasattr(objective, "moment_start")


def offers_residual(objective: object) -> TypeGuard[ResidualObjective]:
    """Whether an objective is a `ResidualObjective`."""
    return hasattr(objective, "residual_state")


def offers_second_look(objective: object) -> TypeGuard[DoubtedObjective]:
    """Whether an objective is a `DoubtedObjective`."""
    return hasattr(objective, "second_look")


def offers_search(objective: object) -> TypeGuard[CompiledObjective]:
    """Whether an objective is a `CompiledObjective`, and of a model that this serves."""
    return bool(getattr(objective, "is_compiled", False))


def is_quick(objective: object) -> bool:
    """Whether an objective is a `CompiledObjective` that takes no time worth saving."""
    return bool(getattr(objective, "is_quick", False))


def finishes_fast(objective: object) -> bool:
    """Whether the last digits cost less by an objective's own search than by polishing."""
    return is_quick(objective) or bool(getattr(objective, "has_scoring", False))


def compiling_seconds(objective: object) -> float:
    """Seconds that this thread has waited for an objective's code to compile, in all fits."""
    told = getattr(objective, "compiling_seconds", None)
    return 0.0 if told is None else float(told())


def shape_of(objective: Objective) -> FloatArray | None:
    """Matrix (k, k) from theta to better coordinates, if the objective knows any."""
    return objective.coordinates if offers_coordinates(objective) else None


def edges_of(objective: Objective) -> FloatArray:
    """Sizes of theta at which a covariance is singular, (k,); NaN where there are none."""
    if offers_beyond(objective):
        return np.asarray(objective.edges, dtype=np.float64)
    return np.where(np.asarray(objective.lower) == 0.0, 0.0, np.nan)
