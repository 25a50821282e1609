"""The objective of a generalised model, made of its design and what is said of its family."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mixedscope.core.errors import ModelError, suggest
from mixedscope.design.design import Design
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.generalized.iterative.objective import IterativeLaplace
from mixedscope.engine.generalized.iterative.system import IterativeGeneralizedSystem
from mixedscope.engine.generalized.joint import JointLaplace
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.quadrature import QuadratureObjective
from mixedscope.engine.generalized.several import SeveralLaplace
from mixedscope.engine.generalized.single import SingleLaplace
from mixedscope.engine.generalized.single_quadrature import SingleQuadrature
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.families.family import Family, Response
from mixedscope.families.registry import make_family

__all__ = [
    "by_quadrature",
    "family_of",
    "generalized_objective",
    "objective_of_design",
    "response_of",
]

#: The information that the determinant of the Laplace approximation is made of.
_INFORMATION: Final = ("observed", "expected")


def family_of(spec: ModelSpec) -> Family:
    """The family of a model, with its link.

    Raises ModelError if there is no such family, or it cannot have what is said of it.
    """
    information = spec.information
    if information not in _INFORMATION:
        raise ModelError(
            f"information must be {' or '.join(map(repr, _INFORMATION))}, not {information!r}."
            f"{suggest(information, _INFORMATION)}"
        )
    family = make_family(str(spec.family), spec.link)
    if information == "expected" and family.name == "nbinom1":
        raise ModelError(
            "The expected information of the family 'nbinom1' has no closed form: "
            "leave information out."
        )
    return family


def generalized_objective(spec: ModelSpec, data: Any) -> LaplaceObjective:
    """Make the objective of a generalised model from a table of its data."""
    family = family_of(spec)
    return objective_of_design(spec, spec.design(data), family)


def objective_of_design(spec: ModelSpec, design: Design, family: Family) -> LaplaceObjective:
    """Make the objective of a generalised model of a design; the response is checked."""
    response = response_of(design, family)
    family.check(response, design.response)
    is_expected = spec.information == "expected"
    if spec.solver == "iterative":
        if is_expected and not family.is_canonical:
            raise ModelError(
                "solver='iterative' takes the observed information: leave out information, or "
                "solver."
            )
        return IterativeLaplace(IterativeGeneralizedSystem(design, response, family))
    system = GeneralizedSystem(design, response, family)
    if spec.quadrature == 0:
        return JointLaplace(system, expected=is_expected)
    if spec.quadrature == 1:
        for kind in (SingleLaplace, SeveralLaplace):
            if kind.fits(system, expected=is_expected):
                return kind(system, expected=is_expected)
        return LaplaceObjective(system, expected=is_expected)
    if SingleQuadrature.fits(system, expected=is_expected):
        return SingleQuadrature(system, spec.quadrature, expected=is_expected)
    return QuadratureObjective(system, spec.quadrature, expected=is_expected)


def by_quadrature(objective: LaplaceObjective, points: int) -> QuadratureObjective | None:
    """The objective by quadrature of a model fitted by Laplace's approximation, if it has one.

    Both work in the same memory, one at a time.
    """
    if not objective.has_factorisation or objective.system.pattern.n_rest:
        return None
    return QuadratureObjective(objective.system, points, expected=objective.expected)


def response_of(design: Design, family: Family) -> Response:
    """The response as the family takes it; weights of shares are trials."""
    weights = design.weights
    if family.name != "binomial":
        if design.trials is not None or design.success is not None:
            advice = ""
            if design.trials is not None and family.of_counts:
                advice = (
                    " Counts of them, whatever the trials, are the successes alone; the logarithm "
                    "of the trials may be their offset."
                )
            raise ModelError(
                f"The response {design.response!r} is of successes: it goes with the family "
                f"'binomial', not {family.name!r}.{advice}"
            )
        return Response(design.y, weights)
    if design.trials is not None:
        same = weights is not None and np.array_equal(weights, design.trials)
        return Response(design.y, None if same else weights, design.trials)
    is_share = (design.y != 0.0) & (design.y != 1.0)
    if weights is not None and is_share.any():
        return Response(design.y, None, weights)
    return Response(design.y, weights)
