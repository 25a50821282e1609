"""A formula with its data and a family, ready to be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.model_data import ModelData
from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import EvaluationError, ModelError, warn_of
from mixedscope.design.contrasts import check_codings
from mixedscope.design.design import Design, design_of_frame
from mixedscope.design.frame import in_order_of
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.generalized.laplace import GeneralizedEvaluation, LaplaceObjective
from mixedscope.engine.generalized.making import family_of, objective_of_design
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.families.family import Family
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["GeneralizedModel"]

Floats = NDArray[np.float64]

#: What a specification says of a generalised model beside its formula.
_SAID: Final = (
    "family", "link", "information", "quadrature", "structure", "contrasts", "weights", "offset",
    "subset", "solver",
)  # fmt: skip


class GeneralizedModel(ModelData):
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
        solver: str = "auto",
    ) -> None:
        check_codings(contrasts)
        of_rows: dict[str, Any] = {"weights": weights, "offset": offset, "subset": subset}
        frame, parsed, of_rows = self._take(
            data, of_rows, formula=formula, structure=structure, contrasts=contrasts or {},
            family=family, link=link, information=information, quadrature=quadrature,
            solver=solver,
        )  # fmt: skip
        self.family: Family = family_of(self._spec)
        # What the family is called here, whatever it was called, and the link that it has.
        self._spec = replace(self._spec, family=self.family.name, link=self.family.link.name)
        self.design: Design = design_of_frame(
            parsed, frame, structure=structure, contrasts=contrasts, **of_rows, of_family=True,
            solver=solver,
        )  # fmt: skip
        warn_of(self.design.notes, stacklevel=4)
        self.laplace: LaplaceObjective = objective_of_design(self._spec, self.design, self.family)
        self.system: GeneralizedSystem = self.laplace.system
        self._keep(data, frame, parsed, of_rows)

    @classmethod
    def of(cls, spec: ModelSpec, data: Any) -> Self:
        """Make the model that a specification and data give."""
        if spec.family is None:
            raise ModelError("A model without a family is linear: ms.LinearMixedModel.")
        return cls(spec.formula, data, **{name: getattr(spec, name) for name in _SAID})

    @door()
    def with_structure(self, structure: str) -> Self:
        """Give the model of the same formula and data with another covariance structure."""
        return type(self).of(replace(self._spec, structure=structure), self.data)

    @door()
    def specification(self) -> ModelSpec:
        """Say what the model is without its data."""
        return self._spec

    @property
    def information(self) -> str:
        """What the determinant is made of: the observed or the expected information."""
        return self._spec.information

    @property
    def quadrature(self) -> int:
        """Points of quadrature per random effect of a level; 1 is Laplace's approximation."""
        return self._spec.quadrature

    @property
    def all_labels(self) -> pd.Index:
        """Labels of all rows given."""
        return self.data.index

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
        """-2 log-likelihood and its gradient, shape (k,), at parameters (k,).

        The exact one; with ``solver="iterative"`` both are estimates by the model's random probes,
        see ``docs/glmm.md``.
        """
        point = self._point(parameters)
        evaluation, gradient = self._tried(lambda: self.laplace.evaluate_gradient(point))
        return evaluation.objective, gradient

    def _tried(self, make: Any) -> Any:
        # Numbers do not depend, by rounding, on what was evaluated before.
        self.laplace.reset()
        try:
            return make()
        except EvaluationError:  # which says it
            raise
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
