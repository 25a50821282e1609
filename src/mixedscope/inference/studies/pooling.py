"""Pooling: what the fit would be with more shrinkage, or with less, down to none.

The relative covariance factors of a fit are multiplied by s, all alike: 0 pools all groups
completely, 1 is the fit, and as s grows every group is left to itself.  The conditional modes along
s are a regularisation path.  They are linear in the response, so that on simulated data their mean
squared error given the true random effects is known without any drawing of samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.data.truth import Truth, true_effects
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.marginal import MarginalCovariances
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem
from mixedscope.inference.estimates.leverage import (
    DIGITS,
    EffectiveDegrees,
    effective_degrees,
    hidden,
)
from mixedscope.inference.studies.pooling_span import pooling_span
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["pooling_study"]

Floats = NDArray[np.float64]

# Values of s per decade; with a truth more, as derivatives by log s are taken along them.
_PER_DECADE: Final = 10
_PER_DECADE_TRUTH: Final = 20
# The path spans no more decades on either side, and no standard deviation over sigma beyond the
# last.
_DECADES: Final = 4.0
_LARGEST: Final = 1e4
# Columns of the table of errors.
_ERRORS: Final = ("s", "group", "term", "bias2", "variance", "mse")
# Weights of values 1, 2, 3, 4 steps away in a first derivative (central, order 8).
_STENCIL: Final = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


@door()
def pooling_study(fit: StudiedFit, *, levels: int = 60) -> dict[str, pd.DataFrame]:
    """Follow the conditional modes of a fit from complete to no pooling.

    Parameters
    ----------
    fit : StudiedFit
    levels : int
        Levels tabulated per grouping factor at most: where there are more, those evenly spaced in
        rank of the first term's conditional mode in the fit.

    Returns
    -------
    dict
        ``shrinkage_path`` (modes per s, with s = 0 and, as s = infinity, the joint limit),
        ``shrinkage_scale`` (objective and degrees of freedom per s) and ``shrinkage_error`` (bias²
        and variance per s; no rows unless the data are simulated and unchanged since).

    Raises
    ------
    UnsuitedError
        Where sigma is so small beside the random effects that rounding hides how much they are
        shrunk.

    Notes
    -----
    With ``C(s) = Lambda_s P Lambda_s'`` (see :mod:`mixedscope.inference.estimates.leverage`) the
    modes given the true b have the covariance ``sigma² (C - C inv(Lambda_s Lambda_s') C)``, which
    is ``sigma² (C - ½ dC/dlog s)``: only the diagonal blocks of C are needed, and derivatives along
    the path.  These are central differences of order 8; their error is 1e-6 of the largest value.
    The bias is that of the modes of the noiseless response.

    Of generalised models fixed effects and dispersion stay those of the fit, the path of a single
    grouping factor ends at what the rows of each level say by themselves, where that is finite, and
    no errors are told: modes are not linear in the response.
    """
    if fit.estimation.is_generalized:
        return _generalized(fit, levels)
    objective = fit.objective
    system = objective.system
    factors = system.standard_factors(fit.theta)
    truth = None
    if fit.truth is not None and system.design.weights is None:
        truth = true_effects(fit.truth, system.design)
    per_decade = _PER_DECADE if truth is None else _PER_DECADE_TRUTH
    low, high = _span(objective, factors)
    exponents = np.arange(round(low * per_decade), round(high * per_decade) + 1) / per_decade
    scales = [0.0, *(10.0**exponents).tolist()]
    points = [_point(objective, factors, s) for s in scales]
    chosen = _chosen(_point(objective, factors, 1.0).modes, levels)
    limit = fit.joint_limit().modes
    path = [_modes_frame(system.terms, p.scale, p.modes, chosen) for p in points]
    path.append(_modes_frame(system.terms, math.inf, limit, chosen))
    return {
        "shrinkage_path": pd.concat(path, ignore_index=True),
        "shrinkage_scale": pd.DataFrame(
            {
                "s": scales,
                "objective": [p.objective for p in points],
                "sigma": [p.sigma for p in points],
                "edf": [p.degrees.total for p in points],
                "edf_groups": [p.degrees.factors for p in points],
            }
        ),
        "shrinkage_error": (
            pd.DataFrame({name: [] for name in _ERRORS})
            if truth is None
            else _errors(system, factors, truth, exponents)
        ),
    }


def _generalized(fit: StudiedFit, levels: int) -> dict[str, pd.DataFrame]:
    """The tables of a generalised model, whose errors are known by no formula."""
    # Linear models load no families.
    from mixedscope.inference.studies.generalized_pooling import generalized_pooling

    chosen = _chosen(fit.estimation.modes_at(fit.theta), levels)
    path, scale = generalized_pooling(
        fit, lambda terms, s, modes: _modes_frame(terms, s, modes, chosen)
    )
    errors = pd.DataFrame({name: [] for name in _ERRORS})
    return {"shrinkage_path": path, "shrinkage_scale": scale, "shrinkage_error": errors}


@dataclass(frozen=True)
class _Point:
    """The fit with its relative covariance factors multiplied by `scale`."""

    scale: float
    objective: float
    sigma: float
    modes: list[Floats]
    degrees: EffectiveDegrees
    rounding: float


def _point(objective: ProfiledObjective, factors: Sequence[Floats], scale: float) -> _Point:
    system = objective.system
    scaled = [f * scale for f in factors]
    solution = system.solve(scaled)
    evaluation = objective.describe(scaled, solution)
    modes = system.modes()
    degrees = effective_degrees(system, scaled, solution)
    return _Point(
        scale, evaluation.objective, evaluation.sigma, modes, degrees, evaluation.rounding
    )


def _span(objective: ProfiledObjective, factors: Sequence[Floats]) -> tuple[float, float]:
    """Ends of the path as logarithms of s to base 10, in half decades."""

    def degrees(exponent: float) -> float:
        try:
            point = _point(objective, factors, 10.0**exponent)
        except FloatingPointError as error:
            raise hidden() from error
        if not point.rounding <= DIGITS:
            raise hidden()
        return point.degrees.random

    return pooling_span(degrees, factors, decades=_DECADES, largest=_LARGEST)


def _chosen(modes: Sequence[Floats], most: int) -> list[NDArray[np.intp]]:
    """Positions of the levels tabulated, per grouping factor, ascending."""
    out = []
    for b in modes:
        order = np.argsort(b[:, 0], kind="stable")
        ranks = np.linspace(0, len(b) - 1, min(most, len(b))).round().astype(np.intp)
        out.append(np.sort(order[ranks]))
    return out


def _modes_frame(
    terms: Sequence[GroupEffects],
    scale: float,
    modes: Sequence[Floats],
    chosen: Sequence[NDArray[np.intp]],
) -> pd.DataFrame:
    frames = []
    for term, b, rows in zip(terms, modes, chosen, strict=True):
        levels = np.asarray(term.design.levels, dtype=object)[rows]
        frames.append(
            pd.DataFrame(
                {
                    "s": scale,
                    "group": term.group,
                    "level": np.repeat(levels, term.size),
                    "term": np.tile(np.asarray(term.names, dtype=object), len(rows)),
                    "mode": b[rows].ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


# -- error against the truth -----------------------------------------------------------------------


def _errors(
    system: ProfiledSystem, factors: Sequence[Floats], truth: Truth, exponents: Floats
) -> pd.DataFrame:
    """Mean squared errors given the true random effects, at s = 0 and along the path.

    Measured are, per level, each term (in its own units) and, per observation, the contribution
    of each grouping factor and the whole fitted value (in units of the response).
    """
    measures = _Measures(system)
    step = float(exponents[1] - exponents[0])
    margin = len(_STENCIL)
    wide = exponents[0] + step * np.arange(-margin, len(exponents) + margin)
    covariances = MarginalCovariances(system)
    spread = np.empty((len(wide), len(measures.names)))
    for i, exponent in enumerate(wide):
        scaled = [f * 10.0**exponent for f in factors]
        degrees = effective_degrees(system, scaled, system.solve(scaled))
        spread[i] = measures.mean_of(covariances.at(scaled), degrees.total / system.n)
    slope = np.zeros((len(exponents), spread.shape[1]))
    for distance, weight in enumerate(_STENCIL, start=1):
        after = spread[margin + distance :][: len(exponents)]
        before = spread[margin - distance :][: len(exponents)]
        slope += weight * (after - before)
    slope /= step * math.log(10.0)
    assert truth.sigma is not None  # of a normal response
    variance = truth.sigma**2 * (spread[margin:-margin] - 0.5 * slope)
    none = np.zeros(len(measures.names))
    none[-1] = truth.sigma**2 * system.n_fixed / system.n

    noiseless = _Noiseless(system, truth)
    frames = []
    scales = [0.0, *(10.0**exponents).tolist()]
    for s, spent in zip(scales, [none, *variance], strict=True):
        errors, rest = noiseless.at([f * s for f in factors])
        squares = [e[:, :, None] * e[:, None, :] for e in errors]
        bias2 = measures.mean_of(squares, rest)
        frames.append(
            pd.DataFrame(
                {
                    "s": s,
                    "group": [group for group, _ in measures.names],
                    "term": [term for _, term in measures.names],
                    "bias2": bias2,
                    "variance": spent,
                    "mse": bias2 + spent,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


class _Measures:
    """Means over levels or observations that sum up matrices (q, k, k), one per level."""

    def __init__(self, system: ProfiledSystem) -> None:
        self.names: list[tuple[str | None, str | None]] = []
        self._products = []
        for term, factor in zip(system.terms, system.factors, strict=True):
            z = term.data_columns(factor.z)
            products = np.empty((factor.n_levels, term.size, term.size))
            for a in range(term.size):
                for b in range(term.size):
                    products[:, a, b] = np.bincount(
                        factor.codes, z[:, a] * z[:, b], minlength=factor.n_levels
                    )
            self._products.append(products / system.n)
            self.names += [(term.group, name) for name in term.names] + [(term.group, None)]
        self.names.append((None, None))

    def mean_of(self, blocks: Sequence[Floats], fitted: float) -> Floats:
        """One number per name; that of the fitted values, the last, is given."""
        out: list[float] = []
        for own, products in zip(blocks, self._products, strict=True):
            out += (np.einsum("qii->i", own) / len(own)).tolist()
            out.append(float((own * products).sum()))
        return np.array([*out, fitted])


class _Noiseless:
    """The fit to the expectation of the response given the true random effects."""

    def __init__(self, system: ProfiledSystem, truth: Truth) -> None:
        self._system = system
        self._effects = truth.effects
        mean = system.project(truth.predictor) / system.y_scale
        self._length = float(mean @ mean)
        # A mean that lies in the fixed effects but for rounding is fitted without error.
        self._solver = system.solver(mean) if self._length > 1e-20 else None

    def at(self, factors: Sequence[Floats]) -> tuple[list[Floats], float]:
        """Errors of the modes (q, k) per factor, and mean square error of the fitted values."""
        system = self._system
        if self._solver is None:
            return [-b for b in self._effects], 0.0
        solution = self._solver.solve(factors)
        modes = [system.in_data_units(i, b) for i, b in enumerate(self._solver.modes())]
        rest = max(solution.pwrss - solution.penalty, 0.0) * system.y_scale**2 / system.n
        return [m - b for m, b in zip(modes, self._effects, strict=True)], rest
