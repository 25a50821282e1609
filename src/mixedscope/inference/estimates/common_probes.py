"""Objectives of several fits brought to the same random probes, and errors of their differences.

Probes live in the space of some random effects: fits that iterate the same ones have the same
probes, and most of the error of either objective is no error of their difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.optimize.estimated import EstimatedObjective

__all__ = ["Known", "error_of_difference", "known_alike"]

Floats = NDArray[np.float64]


class Known(NamedTuple):
    """An objective where a fit ended, as far as it is known.

    Attributes
    ----------
    value : float
    probed : tuple or None
        Grouping factors, with their columns, in whose space the probes are; None of an exact
        objective.
    deviations : (probes,) array
        What each probe was off in it, deviance units.
    """

    value: float
    probed: tuple[tuple[str, tuple[str, ...]], ...] | None
    deviations: Floats


def known_alike(fits: Sequence[tuple[Any, Floats, float, Mapping[str, Any]]]) -> list[Known]:
    """Tell how well objectives are known, those of fewer probes evaluated by as many as others.

    ``fits``: of each the objective, theta, the value there and the certificate. Costs an evaluation
    for each whose objective is estimated.
    """
    told = [certificate.get("probe_error", {}).get("probes") for *_, certificate in fits]
    most = max([n for n in told if n is not None], default=0)
    out = []
    for (objective, theta, value, _), probes in zip(fits, told, strict=True):
        if not isinstance(objective, EstimatedObjective):
            out.append(Known(value, None, np.empty(0)))
            continue
        whole: Any = objective.with_probes(most or objective.n_probes)
        found, deviations = whole.evaluate_with_deviations(theta)
        kept = value if probes == most else float(found.objective)
        out.append(Known(kept, whole.system.probed_columns, deviations))
    return out


def error_of_difference(one: Known, other: Known) -> float | None:
    """Standard error of the difference of two objectives; None where both are exact."""
    if one.probed is None and other.probed is None:
        return None
    if one.probed == other.probed and len(one.deviations) == len(other.deviations):
        return _error(one.deviations - other.deviations)
    return float(np.hypot(_error(one.deviations), _error(other.deviations)))


def _error(deviations: Floats) -> float:
    """Standard error of an estimate of which each probe was so far off (probes,); 0 of none.

    Deviations are the influences of the probes times their number, as `gradient_covariance` has it.
    """
    n = len(deviations)
    return float(np.sqrt(deviations @ deviations)) / n if n else 0.0
