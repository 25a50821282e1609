"""Methods of small-sample inference about fixed effects, by name."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.hypotheses.approximation import Approximation, Normal, Residual
from mixedscope.inference.hypotheses.kenward_roger import KenwardRoger
from mixedscope.inference.hypotheses.satterthwaite import Satterthwaite

__all__ = ["DF_METHODS", "approximation", "df_method"]

DF_METHODS: Final[dict[str, type[Approximation]]] = {
    method.name: method for method in (Satterthwaite, KenwardRoger, Residual, Normal)
}

#: Names that other programs have.
_SYNONYMS: Final = {
    "kenward_roger": "kenward-roger",
    "kenwardroger": "kenward-roger",
    "kr": "kenward-roger",
    "satterth": "satterthwaite",
    "asymptotic": "none",
    "normal": "none",
    "z": "none",
    "chisq": "none",
}


def df_method(name: str) -> str:
    """Name of the method that users mean, capitals aside; ModelError if there is none."""
    folded = str(name).lower()
    folded = _SYNONYMS.get(folded, folded)
    if folded not in DF_METHODS:
        raise ModelError(
            f"There are no degrees of freedom by {name!r}.{suggest(folded, DF_METHODS)} "
            f"Known are: {', '.join(DF_METHODS)}."
        )
    return folded


def approximation(
    name: str, objective: ProfiledObjective, theta: NDArray[np.float64]
) -> Approximation:
    """Small-sample behaviour of the fixed effects of a fit, by a method of `DF_METHODS`.

    Raises UnsuitedError for degrees of freedom that the solver of the fit does not compute.
    """
    method = DF_METHODS[df_method(name)]
    if objective.system.design.solver == "iterative" and method not in (Residual, Normal):
        raise UnsuitedError(
            f"Degrees of freedom by {method.name!r} are not computed by the iterative engine. "
            "df='none' gives z and chi-squared, as in large samples, df='residual' t and F; or fit "
            "the model with solver='exact' or solver='sparse'."
        )
    return method(objective, theta)
