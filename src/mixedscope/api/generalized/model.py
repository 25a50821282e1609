"""A formula with its data and a family, ready to be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import EvaluationError, ModelError, suggest, warn_of
from mixedscope.design.contrasts import check_codings
from mixedscope.design.design import Design, design_of_frame
from mixedscope.design.frame import as_frame, in_order_of
from mixedscope.engine.generalized.laplace import GeneralizedEvaluation, LaplaceObjective
from mixedscope.engine.generalized.quadrature import QuadratureObjective
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.families.family import Family, Response
from mixedscope.families.registry import make_family
from mixedscope.formula.parse import parse_formula
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["GeneralizedModel"]

Floats = NDArray[np.float64]

#: The information that the determinant of the Laplace approximation is made of.
_INFORMATION: Final = ("observed", "expected")


class GeneralizedModel:
    """A formula with its data and a family, to be evaluated.

    The parameters are those of :class:`mixedscope.GeneralizedLinearMixedModel`.
    """

    def __init__(
        self,
        formula: str,
        data: Any,
        family: str = "binomial",
        link: str | None = None,
        *,
        information: str = "observed",
        quadrature: int = 1,
        structure: str = "full",
        contrasts: Mapping[str, Any] | None = None,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        subset: str | ArrayLike | None = None,
    ) -> None:
        if information not in _INFORMATION:
            raise ModelError(
                f"information must be {' or '.join(map(repr, _INFORMATION))}, not {information!r}."
                f"{suggest(information, _INFORMATION)}"
            )
        check_codings(contrasts)
        self.formula = formula
        self.structure = structure
        self.family: Family = make_family(family, link)
        self.information = information
        self.quadrature = quadrature
        if information == "expected" and self.family.name == "nbinom1":
            raise ModelError(
                "The expected information of the family 'nbinom1' has no closed form: "
                "leave information out."
            )
        frame = as_frame(data)
        of_rows: dict[str, Any] = {"weights": weights, "offset": offset, "subset": subset}
        if isinstance(data, pd.DataFrame):
            of_rows = {key: in_order_of(value, data.index) for key, value in of_rows.items()}
        self.design: Design = design_of_frame(
            parse_formula(formula), frame, structure=structure, contrasts=contrasts,
            **of_rows, of_family=True,
        )  # fmt: skip
        #: Labels of all rows given.
        self.all_labels = (
            data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(frame))
        )
        warn_of(self.design.notes, stacklevel=4)
        response = self._response()
        self.family.check(response, self.design.response)
        self.system = GeneralizedSystem(self.design, response, self.family)
        is_expected = information == "expected"
        self.laplace: LaplaceObjective = (
            LaplaceObjective(self.system, expected=is_expected)
            if quadrature == 1
            else QuadratureObjective(self.system, quadrature, expected=is_expected)
        )

    def _response(self) -> Response:
        """The response as the family takes it; weights of shares are trials."""
        design, weights = self.design, self.design.weights
        if self.family.name != "binomial":
            if design.trials is not None or design.success is not None:
                raise ModelError(
                    f"The response {design.response!r} is of successes: it goes with the family "
                    f"'binomial', not {self.family.name!r}."
                )
            return Response(design.y, weights)
        if design.trials is not None:
            same = weights is not None and np.array_equal(weights, design.trials)
            return Response(design.y, None if same else weights, design.trials)
        is_share = (design.y != 0.0) & (design.y != 1.0)
        if weights is not None and is_share.any():
            return Response(design.y, None, weights)
        return Response(design.y, weights)

    @property
    def theta_names(self) -> tuple[str, ...]:
        """Names of theta, as lme4's."""
        return self.laplace.theta_names[: self.laplace.n_theta]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of all that is searched: theta, fixed effects, logarithm of the dispersion."""
        return self.laplace.theta_names

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects that are estimated."""
        return self.system.fixed_names

    @property
    def dropped_coefficients(self) -> tuple[str, ...]:
        """Fixed effects left out because X is rank-deficient."""
        return self.system.dropped_names

    @door()
    def objective(self, parameters: ArrayLike) -> float:
        """-2 log-likelihood at parameters (k,), in the order of :attr:`parameter_names`.

        Raises
        ------
        ModelError
            If there are not as many numbers as parameters.
        EvaluationError
            If the objective cannot be computed there.
        """
        return self.evaluate(parameters).objective

    @door()
    def evaluate(self, parameters: ArrayLike) -> GeneralizedEvaluation:
        """-2 log-likelihood with its parts, at parameters (k,)."""
        return self._tried(lambda: self.laplace.evaluate(self._point(parameters)))

    @door()
    def objective_gradient(self, parameters: ArrayLike) -> tuple[float, Floats]:
        """-2 log-likelihood and its exact gradient, shape (k,), at parameters (k,)."""
        point = self._point(parameters)
        evaluation, gradient = self._tried(lambda: self.laplace.evaluate_gradient(point))
        return evaluation.objective, gradient

    def _tried(self, make: Any) -> Any:
        # Numbers do not depend, by rounding, on what was evaluated before.
        self.laplace.reset()
        try:
            return make()
        except EVALUATION_ERRORS as error:
            reason = str(error).rstrip(".")
            raise EvaluationError(f"The objective cannot be computed there ({reason}).") from None

    def _point(self, parameters: ArrayLike) -> Floats:
        """Parameters as the search has them; raises ModelError if they are not as many."""
        names = self.parameter_names
        wanted = f"an array of {len(names)} numbers, {', '.join(names)}"
        values = number_array("parameters", in_order_of(parameters, pd.Index(names)), wanted)
        if values.shape != (len(names),):
            raise ModelError(
                f"parameters have shape {values.shape}; this model has {len(names)}: "
                f"{', '.join(names)}."
            )
        return values

    def labels(self) -> pd.Index:
        """Labels of the rows used."""
        return self.all_labels[self.design.rows]

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.formula!r}, {self.family!r}, "
            f"{len(self.design.y)} observations>"
        )
