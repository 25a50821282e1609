"""A formula with its data: the objective and all that is known before a model is fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.familiar import MODEL_WORDS, no_attribute
from mixedscope.api.model_data import GIVEN, ModelData, columns_of
from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import EvaluationError, ModelError, warn_of
from mixedscope.core.evaluation import Evaluation
from mixedscope.design.contrasts import check_codings
from mixedscope.design.design import Design, design_of_frame
from mixedscope.design.frame import in_order_of
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.blocks import BlockDescription, describe_blocks
from mixedscope.engine.making import linear_objective, linear_system
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.formula.parse import parse_formula
from mixedscope.formula.tree import Name, unparse
from mixedscope.inference.estimates.references import JointLimit, confounded, known_limit
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["Model"]

Floats = NDArray[np.float64]

#: What a specification says of a linear model beside its formula and its criterion.
_SAID: Final = (
    "structure", "contrasts", "weights", "offset", "subset", "sigma", "unidentified", "solver",
)  # fmt: skip


class Model(ModelData):
    """A formula with its data, to be evaluated.

    The parameters are those of :class:`mixedscope.LinearMixedModel`.
    """

    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        structure: str = "full",
        contrasts: Mapping[str, Any] | None = None,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        subset: str | ArrayLike | None = None,
        sigma: float | None = None,
        unidentified: str = "refuse",
        solver: str = "auto",
    ) -> None:
        check_codings(contrasts)
        of_rows: dict[str, Any] = {"weights": weights, "offset": offset, "subset": subset}
        frame, parsed, of_rows = self._take(
            data, of_rows, formula=formula, structure=structure, contrasts=contrasts or {},
            sigma=sigma, unidentified=unidentified, solver=solver,
        )  # fmt: skip
        self.design: Design = design_of_frame(
            parsed,
            frame,
            structure=structure,
            contrasts=contrasts,
            **of_rows,
            sigma=sigma,
            unidentified=unidentified,
            solver=solver,
        )
        warn_of(self.design.notes, stacklevel=4)
        self.system = linear_system(self.design)
        self._objectives = {False: linear_objective(self.system)}
        self._keep(data, frame, parsed, of_rows)

    @classmethod
    def of(cls, spec: ModelSpec, data: Any) -> Self:
        """Make the model that a specification and data give.

        Parameters
        ----------
        spec : ModelSpec
            Its criterion is for those who fit: ``fit(reml=spec.reml)``.
        data : pandas, polars or pyarrow table, or mapping of columns
        """
        if spec.family is not None:
            raise ModelError(
                f"The family {spec.family!r} is of generalised models: "
                "ms.GeneralizedLinearMixedModel."
            )
        return cls(spec.formula, data, **{name: getattr(spec, name) for name in _SAID})

    @door()
    def specification(self, *, reml: bool = False) -> ModelSpec:
        """Say what the model is without its data, as optimised by this criterion."""
        return replace(self._spec, criterion="REML" if reml else "ML")

    @property
    def theta_names(self) -> tuple[str, ...]:
        """Names of theta, as lme4's: ``Subject.(Intercept)``, ``Subject.Days.(Intercept)``."""
        return self.profiled().theta_names

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects that are estimated."""
        return self.system.fixed_names

    @property
    def dropped_coefficients(self) -> tuple[str, ...]:
        """Fixed effects left out because X is rank-deficient."""
        return self.system.dropped_names

    @cached_property
    def joint_limit(self) -> JointLimit:
        """Where the conditional modes go as the penalty vanishes; computed when first needed.

        Where it cannot be computed its values are NaN, and `missing` says why.
        """
        return known_limit(self.system)

    @cached_property
    def confounded(self) -> tuple[str, ...]:
        """Grouping factors whose effects least squares cannot tell from those of others."""
        return confounded(self.system)

    @door()
    def profiled(self, *, reml: bool = False) -> SearchableObjective:
        """Give the objective as optimisers see it."""
        if reml not in self._objectives:
            self._objectives[reml] = linear_objective(self.system, reml=reml)
        return self._objectives[reml]

    def blocks(self) -> BlockDescription:
        """Show how the factorisation is cut into blocks, and which kernel computes it."""
        return describe_blocks(self.system)

    @door()
    def objective(self, theta: ArrayLike, *, reml: bool = False) -> float:
        """-2 profiled log-likelihood (or the REML criterion) at theta.

        Parameters
        ----------
        theta : (k,) array_like
            Relative covariance parameters in the order of :attr:`theta_names`.
        reml : bool

        Raises
        ------
        ModelError
            If theta has the wrong length, or is not finite.
        EvaluationError
            If the objective cannot be computed there; a FloatingPointError, too.
        """
        return self.evaluate(theta, reml=reml).objective

    @door()
    def objective_gradient(self, theta: ArrayLike, *, reml: bool = False) -> tuple[float, Floats]:
        """Objective and its gradient, shape (k,), at theta.

        The exact one; with ``solver="iterative"`` both are estimates by the model's random probes.
        """
        values = self._finite(theta)
        try:
            evaluation, gradient = self.profiled(reml=reml).evaluate_gradient(values)
        except EVALUATION_ERRORS as error:
            raise _out_of_reach(values, error) from None
        return evaluation.objective, gradient

    @door()
    def evaluate(self, theta: ArrayLike, *, reml: bool = False) -> Evaluation:
        """Objective with its parts, fixed effects and sigma at theta."""
        values = self._finite(theta)
        try:
            return self.profiled(reml=reml).evaluate(values)
        except EVALUATION_ERRORS as error:
            raise _out_of_reach(values, error) from None

    @door()
    def with_structure(self, structure: str) -> Self:
        """Give the model of the same formula and data with another covariance structure."""
        return type(self).of(replace(self._spec, structure=structure), self.data)

    @door()
    def with_response(self, response: ArrayLike) -> Self:
        """Give the same model for another response (n,), one value per row of data used.

        A Series with the labels of the rows used is put in their order; of one with those of all
        rows given, in their order, the rows used are taken.

        A response that is made of columns, such as ``log(y)``, is given as what is made: the model
        has it as a column of that name.
        """
        labels = self.data.index
        if isinstance(response, pd.Series) and response.index.equals(labels):
            response = response.iloc[self.design.rows]
        response = in_order_of(response, labels[self.design.rows])
        response = number_array("response", response, "an array of numbers, one per row used")
        if response.shape != self.design.y.shape:
            raise ModelError(
                f"A response for this model has {len(self.design.y)} finite values, one per row "
                f"of data used; got shape {response.shape}."
            )
        if bad := np.flatnonzero(~np.isfinite(response)).tolist():
            more = f", {len(bad)} in all" if len(bad) > 1 else ""
            raise ModelError(
                f"A response for this model has {len(response)} finite values, one per row of data "
                f"used; that of row {bad[0] + 1} of these (counted from 1) is {response[bad[0]]}"
                f"{more}."
            )
        written = parse_formula(self.formula).response
        data = self.data.iloc[self.design.rows]
        model = copy(self)
        # The rows are those used, whatever a condition would say of the new response.
        model._spec = replace(self._spec, subset=None)
        if isinstance(written, Name):
            name = written.name
        else:
            name = _unused(unparse(written).replace("`", ""), data.columns)
            right = self.formula[self.formula.index("~") :]
            model._spec = replace(model._spec, formula=f"`{name}` {right}")
            others = parse_formula(model.formula).variables
            kept = {*others, *columns_of(model._spec, data), *GIVEN.values()}
            data = data[[column for column in data.columns if column in kept]]
        model.design = replace(
            self.design,
            formula=model.formula,
            response=unparse(parse_formula(model.formula).response),
            y=self.design.adjusted(response),
            rows=np.arange(len(response)),
        )
        model.data = data.assign(**{name: response})
        model.source = {}
        model.system = linear_system(model.design)
        model._objectives = {False: linear_objective(model.system)}
        model.__dict__.pop("joint_limit", None)
        return model

    def _theta(self, theta: ArrayLike) -> Floats:
        wanted = f"an array of {len(self.theta_names)} numbers, {', '.join(self.theta_names)}"
        names = self.theta_names
        ordered = in_order_of(theta, pd.Index(names))
        values = number_array("theta (a start, too)", ordered, wanted)
        if values.shape != (len(names),):
            raise ModelError(
                f"theta has {values.size} values in shape {values.shape}; this model has "
                f"{len(names)}: {', '.join(names)}."
            )
        return values

    def _finite(self, theta: ArrayLike) -> Floats:
        """Theta to evaluate at; a start is checked by what optimises."""
        values = self._theta(theta)
        for name, value in zip(self.theta_names, values, strict=True):
            if not np.isfinite(value):
                raise ModelError(f"theta has {value} for {name}: it takes finite numbers.")
        return values

    if not TYPE_CHECKING:  # checkers know all attributes

        def __getattr__(self, name: str) -> Any:
            no_attribute("A model", name, MODEL_WORDS, dir(type(self)))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.formula!r}, structure {self.structure!r}, "
            f"{len(self.design.y)} observations>"
        )


def _unused(name: str, taken: Collection[str]) -> str:
    """A name that no column has yet."""
    while name in taken:
        name += "'"
    return name


def _out_of_reach(theta: Floats, error: Exception) -> EvaluationError:
    reason = str(error).rstrip(".")
    return EvaluationError(
        f"The objective cannot be computed at theta = {theta.tolist()} ({reason}). Choose values "
        "that standard deviations of random effects over that of the residuals can have."
    )
