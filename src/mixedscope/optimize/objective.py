"""What an optimiser needs to know of a model: two protocols.

Of an `Objective` it asks values, of a `SmoothObjective` gradients, a metric, starts, and what a
certificate tells. Searches, trace and certificate see a model through these only; nothing here
imports the engine. `ManyMinima` and `CompiledSearch` are what two of the methods give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluated

__all__ = [
    "CompiledSearch",
    "FloatArray",
    "ManyMinima",
    "Objective",
    "SmoothObjective",
    "criterion_words",
]

FloatArray = NDArray[np.float64]


class ManyMinima(Protocol):
    """Where an objective may have another minimum: rays of points, and points to search from.

    From hopeful ones only where the objective is not much higher there; from rivals, where two
    parts of the model explain the same, whatever that takes.
    """

    @property
    def rays(self) -> Sequence[FloatArray]: ...  # noqa: D102
    @property
    def starts(self) -> Sequence[FloatArray]: ...  # noqa: D102
    @property
    def hopeful(self) -> Sequence[FloatArray]: ...  # noqa: D102
    @property
    def rivals(self) -> Sequence[FloatArray]: ...  # noqa: D102


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

    def evaluation(self, number: int, /) -> Evaluated | None:
        """Give all of one evaluation, counted from 0; None if it failed."""
        ...


class Objective(Protocol):
    """A function of the k parameters that are searched, which are called theta.

    An evaluation that cannot be done raises FloatingPointError (or a relative of it) or returns
    a value that is not finite.

    Attributes
    ----------
    criterion_name : str
        What it is called in words: ``deviance``.
    theta_names, beta_names : tuple of str
        Beta are the fixed effects that an evaluation yields, given theta.
    parts : tuple of str
        Fields of an evaluation, beside ``objective`` and ``beta``, that a trace has as columns.
    start : (k,) array
        Where to start, in theta units.
    lower : (k,) array
        Lower bounds: 0 where the sign of a parameter is a convention, -inf for the others.
    scale : (k,) array
        Positive; optimisers work on ``x = theta * scale``, in which a step of 1 means about the
        same for every parameter.
    """

    @property
    def criterion_name(self) -> str: ...  # noqa: D102
    @property
    def theta_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def beta_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def parts(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def start(self) -> FloatArray: ...  # noqa: D102
    @property
    def lower(self) -> FloatArray: ...  # noqa: D102
    @property
    def scale(self) -> FloatArray: ...  # noqa: D102

    def evaluate(self, theta: FloatArray, /) -> Evaluated:
        """Evaluate the objective at theta."""
        ...

    def canonical(self, theta: FloatArray, /) -> FloatArray:
        """Bring theta to its canonical range, where nothing bounded by 0 is negative."""
        ...

    def compiling_seconds(self) -> float:
        """Seconds that this thread has waited for the code to compile, in all fits."""
        ...


class SmoothObjective(Objective, Protocol):
    """An objective with exact gradients, and all that it knows of itself.

    It is smooth on the whole of R^k and does not change when a parameter that is bounded by 0
    changes its sign, with what `columns` has beside it; an evaluation outside the bounds is
    therefore legal. (Covariance parameters enter through ΛΛ' only.)

    Attributes
    ----------
    columns : (k,) array of int
        Equal for parameters that are entries of one column of Λ, which may become zero together;
        -1 for those of no column (fixed effects, angles of correlations), which stay as they are.
    edges : (k,) array
        Theta at plus or minus this has a singular covariance, and the objective is symmetric
        about it; 0 where the lower bound is 0, NaN where there is no such point.
    coordinates : (k, k) array or None
        Matrix C for optimisers to work on ``x = C @ theta`` in place of the scale alone.
        Invertible; zeros, signs and bounds of x are those of the canonical theta.
    uncentred : tuple of (str, str)
        Columns, each with its grouping factor, that should be centred and could not be.
    is_compiled : bool
        Whether `quasi_newton` and `gradients` serve a model of this kind.
    is_quick : bool
        Whether an evaluation takes no longer than what an optimiser does between two.
    has_scoring : bool
        Whether steps of `quasi_newton` have an information of their own and converge fast.
    is_approximate : bool
        Whether it leaves something out, which `left_out` knows about.
    """

    @property
    def columns(self) -> NDArray[np.intp]: ...  # noqa: D102
    @property
    def edges(self) -> FloatArray: ...  # noqa: D102
    @property
    def coordinates(self) -> FloatArray | None: ...  # noqa: D102
    @property
    def uncentred(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102
    @property
    def is_compiled(self) -> bool: ...  # noqa: D102
    @property
    def is_quick(self) -> bool: ...  # noqa: D102
    @property
    def has_scoring(self) -> bool: ...  # noqa: D102
    @property
    def is_approximate(self) -> bool: ...  # noqa: D102

    # -- values and slopes

    def evaluate_gradient(self, theta: FloatArray, /) -> tuple[Evaluated, FloatArray]:
        """Evaluate the objective and its exact gradient with respect to theta."""
        ...

    def gradients(self, thetas: FloatArray, /) -> FloatArray:
        """Exact gradients at every row of `thetas` (m, k), NaN where one fails."""
        ...

    def second_derivatives(self, theta: FloatArray, /) -> tuple[FloatArray, FloatArray] | None:
        """Exact gradient (k,) and Hessian (k, k), formed of the same numbers by another way.

        None where differences of gradients take less time, or are all that can be had.
        """
        ...

    def quasi_newton(
        self, theta: FloatArray, tolerance: float, most: int, /
    ) -> CompiledSearch | None:
        """Search from theta to a Newton decrement of `tolerance`, in at most `most` evaluations.

        Gives every evaluation made, or None where the model is not of a kind that this serves.
        """
        ...

    def workload(self) -> tuple[float, int]:
        """Seconds that one evaluation will take, about, 0 if less than one; bytes that are held."""
        ...

    # -- starts and metric

    def moment_start(self) -> FloatArray | None:
        """Estimate theta (k,) without an optimisation; None if there is no such estimate."""
        ...

    def initial_hessian(self, theta: FloatArray, /) -> FloatArray | None:
        """Approximate the Hessian at theta, (k, k) in theta units, if that can be had cheaply."""
        ...

    # -- the parameter space

    def rank_deficient(self, theta: FloatArray, tol: float, /) -> bool:
        """Tell whether Λ(theta) is singular to within `tol`."""
        ...

    def beyond(self, theta: FloatArray, /) -> Sequence[FloatArray]:
        """Points (k,) from which to look past theta, where its curvature cannot tell everything.

        Empty unless theta is at an edge beside which the objective may fall faster than second
        derivatives show.
        """
        ...

    def second_look(self, theta: FloatArray, /) -> ManyMinima:
        """Where, seen from one minimum, another may lie.

        Rays (m, k), each along one parameter from 0 on, and points (k,) to search from.
        """
        ...

    def far_starts(self, theta: FloatArray, /) -> Sequence[FloatArray]:
        """Points (k,) to search from where a standard deviation is hardly known."""
        ...

    def left_out(self, theta: FloatArray, /) -> float:
        """What an approximate objective leaves out at theta, about; NaN if it is not known."""
        ...

    # -- what a certificate tells

    def unidentified(self, theta: FloatArray, /) -> list[dict[str, Any]]:
        """``parameters`` and ``reason`` of each direction in which it is flat at theta."""
        ...

    def at_infinity(self, theta: FloatArray, /) -> Sequence[str]:
        """Parameters that have no finite optimum, seen from where a search ended."""
        ...

    def words_at_infinity(self, names: Sequence[str], /) -> str:
        """Say for people what it means that these have none."""
        ...

    def doubt(self, theta: FloatArray, value: float, verdict: str, /) -> str:
        """Say for people why theta, where a search ended, is not what it seems; empty if it is.

        ``value`` is the objective there, ``verdict`` what the curvature says.
        """
        ...

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


def criterion_words(objective: Objective) -> tuple[str, str]:
    """Name an objective, and its unit in the plural: a name of one word stands before it."""
    name = objective.criterion_name
    return name, f"points of the {name}" if " " in name else f"{name} points"
