"""What follows from the fit of a generalised model: covariances, standard deviations, modes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.making import by_quadrature
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

#: Step of the differences that give the second derivative of the information.
_ETA: Final = 1e-4

#: Observations times grouping factors for which a printed fit waits for the draws.
_QUICK: Final = 40_000

#: Draws for the sum over pairs of rows, and their seed.
_DRAWS: Final = 64
_SEED: Final = 20251129


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

    With w' and w'' the derivatives of the observed information and ``c_rs = z_r' Lambda inv(H)
    Lambda' z_s``, of the log-likelihood it is ``-1/8 sum w''_r c_rr**2 + 1/8 sum w'_r w'_s c_rr
    c_ss c_rs + 1/12 sum w'_r w'_s c_rs**3`` (Shun & McCullagh 1995, J. R. Stat. Soc. B 57;
    Raudenbush, Yang & Yosef 2000, J. Comput. Graph. Stat. 9). With several grouping factors the
    last sum, over all pairs of rows, comes from draws, good to about a sixth of it.
    """
    system = objective.system
    objective.reset()
    modes = objective.modes_at(point)
    theta, _, dispersion = objective.split(np.asarray(point, dtype=float))
    factors = system.standard_factors(theta)
    family, response = system.family, system.response
    with np.errstate(all="ignore"):
        slope = family.slopes(response, modes.eta, dispersion).weight
        above, below = (
            family.slopes(response, modes.eta + step, dispersion).weight for step in (_ETA, -_ETA)
        )
    bend = (above - below) / (2.0 * _ETA)
    is_single = len(system.terms) == 1
    covariance = system.modal.conditional_covariances()[0] if is_single else None
    system.modal.reform(modes.rows.weight, modes.rows.score + modes.rows.weight * modes.random)
    system.modal.solve(factors)
    leverage = row_forms(system.modal)
    objective.forget()
    t = leverage * slope
    system.adjoint.reform(modes.rows.weight, t)
    system.adjoint.solve(factors)
    q = system.random_part(system.adjoint.modes())
    of_rows = 0.125 * (t * q - bend * leverage**2)
    most = max(range(len(system.terms)), key=lambda i: system.factors[i].n_levels)
    factor, term = system.factors[most], system.terms[most]
    if covariance is not None:
        cubes = _cubes(factor.z, factor.codes, slope, covariance) / 12.0
        total = float(cubes.sum())
    else:
        total = _drawn_cubes(objective, factors, modes.rows.weight, slope, leverage) / 12.0
        # Rows of one level are taken for as good as equal.
        size = slope * np.maximum(leverage, 0.0) ** 1.5
        cubes = factor_sums(factor.codes, size, factor.n_levels) ** 2 / 12.0
    own = factor_sums(factor.codes, of_rows, factor.n_levels) + cubes
    worst = int(np.abs(own).argmax())
    made = Approximation(
        -2.0 * (float(of_rows.sum()) + total),
        2.0 * float(abs(own[worst])),
        term.group,
        str(term.design.levels[worst]),
    )
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


def _drawn_cubes(
    objective: LaplaceObjective,
    factors: Sequence[Floats],
    weight: Floats,
    slope: Floats,
    leverage: Floats,
) -> float:
    """``sum over r, s of w'_r w'_s c_rs**3`` of all pairs of rows, by draws of a fixed seed.

    Of x from the normal approximation, whose covariance is c, ``S = sum w' (x**3 - 3 c x)`` has the
    variance ``6 sum w' w' c**3``. Draws are those of the prior, corrected by what data would say.
    """
    system = objective.system
    rng = np.random.default_rng(_SEED)
    root = np.sqrt(np.maximum(weight, 0.0))
    squares = 0.0
    for _ in range(_DRAWS):
        prior = [
            rng.standard_normal((own.n_levels, own.size)) @ factor.T
            for own, factor in zip(system.factors, factors, strict=True)
        ]
        x = system.random_part(prior)
        system.adjoint.reform(weight, weight * x + root * rng.standard_normal(system.n))
        system.adjoint.solve(factors)
        x = x - system.random_part(system.adjoint.modes())
        squares += float(slope @ (x**3 - 3.0 * leverage * x)) ** 2
    return squares / (6.0 * _DRAWS)


def is_quick(objective: LaplaceObjective) -> bool:
    """Whether :func:`approximation` takes no longer than some evaluations of the objective."""
    system = objective.system
    if not objective.has_factorisation:
        return False
    return len(system.terms) == 1 or system.n * len(system.terms) <= _QUICK


def factor_sums(codes: NDArray[np.int64], values: Floats, n_levels: int) -> Floats:
    """Sums (q,) of values (n,) by level."""
    return np.asarray(np.bincount(codes, values, n_levels), dtype=float)


def _cubes(z: Floats, codes: NDArray[np.int64], slope: Floats, covariance: Floats) -> Floats:
    """``sum over r, s of w'_r w'_s (z_r' C z_s)**3`` (q,) over the rows of every level."""
    q, k = len(covariance), z.shape[1]
    tensor = np.zeros((q, k, k, k))
    for a in range(k):
        for b in range(a + 1):
            for c in range(b + 1):
                sums = factor_sums(codes, slope * z[:, a] * z[:, b] * z[:, c], q)
                for i, j, m in set(permutations((a, b, c))):
                    tensor[:, i, j, m] = sums
    turned = tensor
    for axis in ("qabc,qad->qdbc", "qabc,qbd->qadc", "qabc,qcd->qabd"):
        turned = np.einsum(axis, turned, covariance)
    return np.asarray((tensor * turned).sum(axis=(1, 2, 3)))


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
