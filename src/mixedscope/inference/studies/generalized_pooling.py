"""Pooling of a generalised model: conditional modes with more shrinkage, or with less.

The covariance factors of a fit are multiplied by s, all alike; fixed effects and dispersion stay as
they are. At 0 all modes are 0, at 1 they are those of the fit, and as s grows every level of a
single grouping factor comes to what its own rows say, all else as in the fit. Where that is
infinite its mode grows like log s. Degrees of freedom are those of the working linear model at the
modes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.inference.studies.pooling_span import pooling_span
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["generalized_pooling"]

Floats = NDArray[np.float64]
Frames = Callable[[Sequence[GroupEffects], float, Sequence[Floats]], pd.DataFrame]

#: Values of s per decade; decades on either side at most.
_PER_DECADE: Final = 10
_DECADES: Final = 3.0
#: Standard deviation on columns of unit root mean square beyond which the path does not go.
_LARGEST: Final = 100.0


class _Point(NamedTuple):
    """The fit with its covariance factors multiplied by `scale`."""

    scale: float
    objective: float
    modes: list[Floats]
    degrees: Floats


def generalized_pooling(fit: StudiedFit, frame: Frames) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``shrinkage_path`` and ``shrinkage_scale`` of a generalised model.

    ``frame`` tabulates the modes of one s. Raises UnsuitedError where no modes are found.
    """
    objective, point = fit.objective, np.asarray(fit.theta, dtype=float)
    terms = objective.system.terms
    low, high = _span(objective, point)
    exponents = np.arange(round(low * _PER_DECADE), round(high * _PER_DECADE) + 1) / _PER_DECADE
    objective.reset()
    path = [_point(objective, point, s) for s in (0.0, *(10.0**exponents).tolist())]
    own = fit.estimation.modes(point)
    ends = []
    for term in terms:
        values = own.loc[own["group"] == term.group, "within_group"].to_numpy(dtype=float)
        # Beside other factors, whose modes grow too, it is not where the path leads.
        values = values if len(terms) == 1 else np.full(len(values), np.nan)
        ends.append(values.reshape(-1, term.size))
    frames = [frame(terms, p.scale, p.modes) for p in path]
    frames.append(frame(terms, math.inf, ends))
    r = objective.n_fixed
    scale = pd.DataFrame(
        {
            "s": [p.scale for p in path],
            "objective": [p.objective for p in path],
            "sigma": 1.0,
            "edf": [r + float(p.degrees.sum()) for p in path],
            "edf_groups": [p.degrees for p in path],
        }
    )
    return pd.concat(frames, ignore_index=True), scale


def _point(objective: LaplaceObjective, point: Floats, scale: float) -> _Point:
    scaled = point.copy()
    for term in objective.system.terms:
        own = point[term.theta]
        scaled[term.theta] = term.enlarged(own, scale) if scale != 1.0 else own
    value = objective.evaluate(scaled).objective
    terms = objective.system.terms
    modes = objective.modes_at(scaled).b
    data = [t.data_modes(b) for t, b in zip(terms, modes, strict=True)]
    degrees = [float(own.sum()) for own in objective.effective_degrees(scaled)]
    return _Point(scale, value, data, np.array(degrees))


def _span(objective: LaplaceObjective, point: Floats) -> tuple[float, float]:
    """Ends of the path as logarithms of s to base 10, in half decades."""

    def degrees(exponent: float) -> float:
        try:
            return float(_point(objective, point, 10.0**exponent).degrees.sum())
        except FloatingPointError as error:
            raise UnsuitedError(f"no conditional modes are found: {error}") from None

    objective.reset()
    factors = objective.system.standard_factors(point[: objective.n_theta])
    return pooling_span(degrees, factors, decades=_DECADES, largest=_LARGEST)
