"""Fitted values and residuals of a model at theta, in the order of the rows used."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.engine.objective import ProfiledObjective

__all__ = ["RESIDUALS", "check_kind", "fitted_values", "residual_values"]

Floats = NDArray[np.float64]

Kind = Literal["response", "pearson", "marginal"]

#: Kinds of residuals.
RESIDUALS: Final[tuple[Kind, ...]] = ("response", "pearson", "marginal")


def fitted_values(objective: ProfiledObjective, theta: Floats, *, modes: bool = True) -> Floats:
    """``X beta + Z b`` (n,) at theta, or ``X beta`` without the conditional `modes`."""
    system = objective.system
    evaluation = objective.evaluate(theta)
    total = np.asarray(system.fixed_columns @ evaluation.beta, dtype=float)
    for term, b in zip(system.terms, system.modes(), strict=True) if modes else ():
        total += np.einsum("ij,ij->i", term.design.Z, b[term.design.codes])
    return total


def check_kind(kind: str) -> Kind:
    """Give a kind of residuals back, or say which there are."""
    for known in RESIDUALS:
        if kind == known:
            return known
    raise ModelError(
        f"There are no {kind!r} residuals.{suggest(kind, RESIDUALS)} "
        f"Known are: {', '.join(RESIDUALS)}."
    )


def residual_values(objective: ProfiledObjective, theta: Floats, kind: str) -> Floats:
    """Residuals (n,) at theta, of a kind of `RESIDUALS`."""
    known = check_kind(kind)
    system = objective.system
    plain = system.design.y - fitted_values(objective, theta, modes=known != "marginal")
    return np.asarray(plain * system.root_weights if known == "pearson" else plain, dtype=float)
