"""What an optimiser needs to know of a model: the objective protocol.

The optimisers, the trace and the certificate see a model only through `Objective`; nothing here
imports the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CompiledObjective",
    "CurvedObjective",
    "Evaluation",
    "FloatArray",
    "InformedObjective",
    "Objective",
]

FloatArray = NDArray[np.float64]


class Evaluation(Protocol):
    """The objective at one theta, with its parts: what an evaluation has to tell.

    Attributes
    ----------
    objective : float
        -2 profiled log-likelihood, or the REML criterion.
    beta : (p,) array
        Fixed effects at this theta, in the units of the data.
    sigma : float
        Residual standard deviation at this theta, in the units of the response.
    log_det : float
        log|L|², the log-determinant of the penalised random-effects system.
    residual_ss : float
        ‖y − Xβ − Zb‖², squared units of the response.
    penalty : float
        ‖u‖², squared units of the response.
    """

    @property
    def objective(self) -> float: ...  # noqa: D102
    @property
    def beta(self) -> FloatArray: ...  # noqa: D102
    @property
    def sigma(self) -> float: ...  # noqa: D102
    @property
    def log_det(self) -> float: ...  # noqa: D102
    @property
    def residual_ss(self) -> float: ...  # noqa: D102
    @property
    def penalty(self) -> float: ...  # noqa: D102


class Objective(Protocol):
    """A smooth function of the relative covariance parameters theta.

    It is smooth on the whole of R^k, because theta enters through ΛΛ' only, and does not change
    when a column of Λ changes its sign; an evaluation outside the bounds is therefore legal.

    An evaluation that cannot be done raises FloatingPointError (or a relative of it) or returns
    a value that is not finite.

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
        """Flip the signs of columns of Λ so that its diagonal is not negative."""
        ...

    def rank_deficient(self, theta: FloatArray, tol: float, /) -> bool:
        """Tell whether Λ(theta) is singular to within `tol`."""
        ...


@runtime_checkable
class CurvedObjective(Protocol):
    """An objective that can also say how curved it is, for a better first step of BFGS."""

    def initial_hessian(self, theta: FloatArray, /) -> FloatArray:
        """Approximate the Hessian at theta, (k, k) in theta units (average information, say)."""
        ...


@runtime_checkable
class InformedObjective(Protocol):
    """An objective that can also guess where its optimum is, from moments of the data."""

    def moment_start(self) -> FloatArray:
        """Estimate theta without an optimisation, (k,)."""
        ...


@runtime_checkable
class CompiledObjective(Protocol):
    """An objective that can run a whole quasi-Newton search in compiled code."""

    def quasi_newton(
        self, theta: FloatArray, tolerance: float, most: int, /
    ) -> Sequence[tuple[FloatArray, Evaluation | None, FloatArray | None]] | None:
        """Search from theta to a Newton decrement of `tolerance`, in at most `most` evaluations.

        Gives every evaluation made (theta, what it yielded, its gradient), or None where the
        model is not of a kind that this serves.
        """
        ...
