"""What follows from the fit of a generalised model: covariances, standard deviations, modes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.making import by_quadrature
from mixedscope.engine.generalized.second_order import second_order
from mixedscope.engine.observations import row_forms

__all__ = [
    "DOUBTFUL",
    "SHIFTED",
    "Approximation",
    "approximation",
    "is_quick",
    "parameter_covariance",
    "predictor_variances",
    "simulated",
    "towards_quadrature",
]

Floats = NDArray[np.float64]

#: Step of the differences of the gradient, in standard errors about.
_STEP: Final = 1e-4

#: Eigenvalues of the Hessian in standardised units below this share of the largest are flat.
_FLAT: Final = 1e-9

#: Share of one level in the second-order term, deviance units, from which on it is told.
DOUBTFUL: Final = 0.1

#: Standard errors that an estimate may be off by quadrature from which on it is told.
SHIFTED: Final = 0.5

#: Points of that quadrature, and nodes times observations that it may have.
_POINTS: Final = 5
_WORK: Final = 2_000_000

#: Observations times grouping factors for which a printed fit waits for the draws.
_QUICK: Final = 40_000


def parameter_covariance(objective: LaplaceObjective, point: Floats) -> Floats:
    """Covariance (k, k) of all parameters: ``2 inv(Hessian)``, by differences of the gradient.

    NaN in the rows of parameters that take part in a direction without curvature, and everywhere
    if there are no conditional modes at or beside the point.
    """
    point = np.asarray(point, dtype=float)
    try:
        return _parameter_covariance(objective, point)
    except FloatingPointError:
        return np.full((len(point), len(point)), np.nan)


def _parameter_covariance(objective: LaplaceObjective, point: Floats) -> Floats:
    inverse = np.linalg.inv(objective.coordinates)
    known = objective.second_derivatives(point)
    hessian = (
        np.empty((len(point), len(point))) if known is None else inverse.T @ known[1] @ inverse
    )
    if known is None:
        objective.reset()
        for i in range(len(point)):
            step = _STEP * inverse[:, i]
            above = objective.evaluate_gradient(point + step)[1]
            below = objective.evaluate_gradient(point - step)[1]
            hessian[i] = (above - below) @ inverse / (2.0 * _STEP)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2.0)
    is_flat = values < _FLAT * float(np.abs(values).max())
    turned = inverse @ vectors
    kept = turned[:, ~is_flat]
    covariance = 2.0 * (kept / values[~is_flat]) @ kept.T
    lost = (np.abs(turned[:, is_flat]) > 1e-6 * np.abs(turned).max(axis=1)[:, None]).any(axis=1)
    covariance[lost] = np.nan
    covariance[:, lost] = np.nan
    return covariance


def predictor_variances(objective: LaplaceObjective, point: Floats) -> tuple[Floats, Floats]:
    """Linear predictors (n,) at the modes of a point (k,), and their variances, parameters known.

    Those of the normal approximation of the random effects at the modes, whose precision is
    the penalised observed information.
    """
    objective.reset()
    point = np.asarray(point, dtype=float)
    modes = objective.modes_at(point)
    system = objective.system
    system.modal.reform(modes.rows.weight, modes.rows.score + modes.rows.weight * modes.random)
    system.modal.solve(system.standard_factors(objective.split(point)[0]))
    variances = row_forms(system.modal)
    objective.forget()
    return modes.eta, np.maximum(variances, 0.0)


class Approximation(NamedTuple):
    """How far the Laplace approximation may be off, by its own next term.

    Attributes
    ----------
    correction : float
        What the second-order term would add to -2 log-likelihood; about the error where it is
        small, a sign that there is one where it is large.
    largest : float
        The largest share, in size, of one level.
    group, level : str
        Which level that is, of the grouping factor with the most levels.
    parameter : str or None
        Which estimate one Newton step towards quadrature moves most; None if that is not known.
    shift : float or None
        How far, in standard errors.
    """

    correction: float
    largest: float
    group: str
    level: str
    parameter: str | None = None
    shift: float | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether a level's share, or a shift, is so large that estimates are not to be trusted."""
        return self.largest > DOUBTFUL or abs(self.shift or 0.0) > SHIFTED


def approximation(
    objective: LaplaceObjective, point: Floats, whole: Floats | None = None
) -> Approximation:
    """Second-order term of the Laplace approximation at a point (k,).

    With the covariance of all parameters, ``whole`` (k, k), of an optimum, what quadrature would
    change of the estimates too, see `towards_quadrature`.

    Raises FloatingPointError if there are no conditional modes there.
    """
    made = Approximation(*second_order(objective, point))
    shifts = None if whole is None else towards_quadrature(objective, point, whole)
    if shifts is None or not np.isfinite(shifts).any():
        return made
    most = int(np.nanargmax(np.abs(shifts)))
    return made._replace(parameter=objective.theta_names[most], shift=float(shifts[most]))


def towards_quadrature(
    objective: LaplaceObjective, point: Floats, covariance: Floats
) -> Floats | None:
    """Shifts (k,) of the estimates in standard errors by one Newton step towards quadrature.

    From where the Laplace approximation is least, with ``covariance`` there (k, k), twice the
    inverse of the Hessian: its gradient is zero, and that of quadrature with few points is what it
    leaves out. None of crossed factors, where there is no quadrature, and where it takes long.
    """
    sizes = sum(term.size for term in objective.system.terms)
    if objective.system.n * _POINTS**sizes > _WORK:
        return None
    rule = by_quadrature(objective, _POINTS)
    if rule is None:
        return None
    objective.reset()
    try:
        slope = rule.evaluate_gradient(point)[1]
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    finally:
        objective.reset()
    known = np.isfinite(np.diag(covariance))
    inside = covariance[np.ix_(known, known)]
    out = np.full(len(point), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        out[known] = -0.5 * (inside @ slope[known]) / np.sqrt(np.diag(inside))
    return out


def is_quick(objective: LaplaceObjective) -> bool:
    """Whether :func:`approximation` takes no longer than some evaluations of the objective."""
    system = objective.system
    if not objective.has_factorisation:
        return False
    return len(system.terms) == 1 or system.n * len(system.terms) <= _QUICK


def simulated(
    objective: LaplaceObjective, point: Floats, count: int, seed: int, *, conditional: bool
) -> Floats:
    """Draw responses (count, n) of the model's rows at a point (k,).

    ``conditional``: at the conditional modes; otherwise random effects are drawn too.
    """
    system = objective.system
    theta, beta, dispersion = objective.split(np.asarray(point, dtype=float))
    factors = system.standard_factors(theta)
    rng = np.random.default_rng(seed)
    fixed = system.fixed_part(beta)
    if conditional:
        objective.reset()
        fixed = objective.modes_at(point).eta
    out = np.empty((count, system.n))
    for row in out:
        eta = fixed
        if not conditional:
            effects = [
                rng.standard_normal((own.n_levels, own.size)) @ factor.T
                for own, factor in zip(system.factors, factors, strict=True)
            ]
            eta = fixed + system.random_part(effects)
        row[:] = system.family.draw(system.response, system.family.link.mean(eta), dispersion, rng)
    return out
