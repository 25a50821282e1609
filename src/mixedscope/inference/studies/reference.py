"""Conditional modes at a theta of one's own: a reference that a fit's modes are compared with.

What MixedModelsMakie calls ``θref``: it draws the modes at a theta far from any penalty; at theta 0
nothing but the fixed effects is left, complete pooling. Fixed effects go with theta: each has its
own, which say where the centre of the levels was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.estimates import estimates_table
from mixedscope.inference.estimates.modes import modes_alone
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.reference import REFERENCE_ESTIMATES, REFERENCE_MODES

__all__ = ["reference_study"]

Floats = NDArray[np.float64]

#: Bound of what rounding may take of the modes; what it does take is some tenth of it, or less.
_LOST: Final = 1e-4


@door()
def reference_study(
    fit: StudiedFit, *, theta: float | Sequence[float] | Mapping[str, float] = 1.0
) -> dict[str, pd.DataFrame]:
    """Tabulate conditional modes and estimates at a theta that is given.

    Parameters
    ----------
    fit : StudiedFit
    theta : float, sequence of float or mapping of str to float
        A number c stands for random effects that are uncorrelated, of standard deviation c sigma
        each: 1 is where MixedModels.jl starts, 10⁴ what MixedModelsMakie.jl draws as unshrunken, 0
        complete pooling. Of a mapping a fit takes what it has parameters of.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``reference_modes``, a row per grouping factor, level and term, and
        ``reference_estimates``: theta, and all else that is estimated there; a row of the kind
        ``multiple`` holds the number c where theta is one.

    Raises
    ------
    ModelError
        If theta is no such thing.
    UnsuitedError
        If this fit has other parameters, or rounding leaves nothing of its modes there.
    """
    objective = fit.objective
    values, multiple = _theta(objective, theta)
    if not _lost(objective, values) <= _LOST:
        raise UnsuitedError(
            "theta of the reference makes random effects so large that doubles cannot tell how "
            "much they are shrunk: take a smaller one, or the limit itself, joint_limit"
        )
    estimates = estimates_table(objective, values)
    if multiple is not None:
        row = {"kind": "multiple", "estimate": multiple}
        estimates = pd.concat([estimates, pd.DataFrame([row])], ignore_index=True)
    return {
        "reference_modes": modes_alone(objective, values)[list(REFERENCE_MODES.columns or ())],
        "reference_estimates": estimates[list(REFERENCE_ESTIMATES.columns or ())],
    }


def _theta(
    objective: ProfiledObjective, given: float | Sequence[float] | Mapping[str, float]
) -> tuple[Floats, float | None]:
    """Theta (k,) of a model, and the number that it is where it is given as one."""
    names = objective.theta_names
    if isinstance(given, int | float):
        return _uncorrelated(objective, float(given)), float(given)
    if isinstance(given, Mapping):
        for name in names:
            if name not in given:
                raise UnsuitedError(
                    f"theta of the reference has no {name!r}.{suggest(name, given)} "
                    f"This fit has: {', '.join(names)}"
                )
        given = [given[name] for name in names]
    values = np.array(given, dtype=float)
    if values.shape != (len(names),):
        raise UnsuitedError(
            f"theta of the reference has {values.size} numbers and this fit {len(names)} "
            f"parameters: {', '.join(names)}. Give numbers by these names where fits differ, or "
            "one number for all"
        )
    return values, None


def _lost(objective: ProfiledObjective, theta: Floats) -> float:
    """At most the share of the fixed effects and modes at theta that rounding takes.

    The systems that are solved have eigenvalues between 1 and at most 1 plus, summed over factors,
    the largest of ``Lambda' Z'Z Lambda``: of so many times the precision of a double the solutions
    are known.
    """
    system = objective.system
    most = 1.0
    for position, factor in enumerate(system.standard_factors(theta)):
        squares = (system.factors[position].z ** 2).sum(axis=1)[:, None]
        rows = float(system.sums_by_level(position, squares).max())
        most += float(np.linalg.norm(factor, 2)) ** 2 * rows
    return float(np.finfo(float).eps) * most


def _uncorrelated(objective: ProfiledObjective, multiple: float) -> Floats:
    """Theta of random effects that are uncorrelated, of standard deviation `multiple` sigma."""
    if multiple < 0.0:
        raise ModelError(
            f"theta of the reference is {multiple:g}: of so many sigma is the standard deviation "
            "of every random effect, so that it is no number below 0."
        )
    parts = []
    for term in objective.system.terms:
        identity = np.concatenate([s.identity for s in term.structures])
        own = term.enlarged(identity, multiple)
        off = np.abs(term.factor(own) - multiple * np.eye(term.size)).max()
        if not off <= 1e-9 * max(multiple, 1.0):
            raise UnsuitedError(
                f"The structure of {term.group!r} has no random effects that are uncorrelated and "
                f"of one standard deviation each: give theta itself, "
                f"{', '.join(term.theta_names())}"
            )
        parts.append(own)
    return np.concatenate(parts)
