"""Where a generalised model is searched from, and how curved its objective is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.engine.generalized.modes import Modes, find_modes
from mixedscope.engine.generalized.rows import Working, working
from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = [
    "MOST_STEPS",
    "SETTLED",
    "generalized_linear_fit",
    "information_at",
    "information_of_theta",
    "log_dispersion_at",
    "moments_at",
]

Floats = NDArray[np.float64]

#: Steps of the generalised linear model at most, and where they end, relative to the deviance.
MOST_STEPS: Final = 50
SETTLED: Final = 1e-7

#: Share of the mean distance of predictors to where means end that each has at the start, and how
#: far it is gone back for that.
_ROOM: Final = 0.1
_BACK: Final = 0.3

#: Variance that the start keeps at least, as a share of what the data tell it from zero by.
_LEAST: Final = 0.05

#: Least curvature of the search's first metric, and least standard deviation it is taken at.
_FLAT: Final = 1e-4
_SMALL: Final = 1e-3


def generalized_linear_fit(system: GeneralizedSystem) -> Floats:
    """Fixed effects (r,) of the model without random effects, by Fisher scoring.

    Where the data separate, and they have no end, those after some steps.
    """
    family, response = system.family, system.response
    dispersion = family.initial_dispersion()
    q = system.basis.q
    with np.errstate(all="ignore"):
        eta = family.link.predictor(family.initial_mean(response))
        coefficients = q.T @ (eta - system.offset)
        eta_now, rows = _at(system, coefficients, dispersion)
        if family.link.side or not math.isfinite(rows.log_likelihood):
            # Links that not every predictor has a mean for: the mean of all, or what there is.
            # Of amounts of many sizes the mean of their inverses is far from that of the mean.
            level = _level(system)
            eta_level, at_level = _at(system, level, dispersion)
            here = rows.log_likelihood
            if not math.isfinite(here) or at_level.log_likelihood > here:
                coefficients, eta_now, rows = level, eta_level, at_level
        if not math.isfinite(rows.log_likelihood):
            coefficients = _inside(system)
            eta_now, rows = _at(system, coefficients, dispersion)
        for _ in range(MOST_STEPS):
            weight = rows.weight
            if not family.is_canonical:
                weight = family.slopes(response, eta_now, dispersion).expected
                if not np.isfinite(weight).all():
                    weight = np.maximum(rows.weight, 0.0)
            step = _solve((q * weight[:, None]).T @ q, q.T @ rows.score)
            length, value = 1.0, rows.log_likelihood
            while length > 1e-6:
                ahead = coefficients + length * step
                eta_ahead, rows_ahead = _at(system, ahead, dispersion)
                if rows_ahead.log_likelihood >= value - 1e-12 * abs(value):
                    break
                length *= 0.5
            else:
                break
            coefficients, eta_now, rows = ahead, eta_ahead, rows_ahead
            if rows.log_likelihood - value < SETTLED * (1.0 + abs(value)):
                break
    if family.link.side:
        coefficients = _away(system, coefficients, eta_now)
    return np.asarray(system.basis.r_inverse @ coefficients)


def _away(system: GeneralizedSystem, coefficients: Floats, eta: Floats) -> Floats:
    """Coefficients farther from where means end: a maximum may be there, modes are inside.

    Towards those of an equal mean of all rows, or others whose means all are, by a share.
    """
    side = system.family.link.side
    room = side * eta
    if room.min() >= _ROOM * room.mean():
        return coefficients
    inner = _level(system)
    room = side * (system.offset + system.basis.q @ inner)
    if room.min() < _ROOM * room.mean():
        inner = _inside(system)
    return (1.0 - _BACK) * coefficients + _BACK * inner


def _at(
    system: GeneralizedSystem, coefficients: Floats, dispersion: float
) -> tuple[Floats, Working]:
    """Linear predictor of coefficients of the orthonormal basis, and what rows say there."""
    eta = system.offset + system.basis.q @ coefficients
    return eta, working(system.family, system.response, eta, dispersion)


def _level(system: GeneralizedSystem) -> Floats:
    """Coefficients whose predictor is nearest to one and the same of all rows."""
    mean = system.family.initial_mean(system.response).mean()
    level = system.family.link.predictor(np.full(system.n, mean)) - system.offset
    return np.asarray(system.basis.q.T @ level)


def _inside(system: GeneralizedSystem) -> Floats:
    """Coefficients whose predictors are all on the side of zero that has a mean, by a programme.

    Raises ModelError if there are none.
    """
    from scipy.optimize import linprog

    link = system.family.link
    if not link.side:
        raise ModelError(
            f"No fixed effects to start from give every row a mean under the link {link.name!r}: "
            "give the model an intercept, or another link."
        )
    q = system.basis.q * math.sqrt(system.n)
    offset = link.side * system.offset / system.unit
    size = 1.0 + float(np.abs(offset).max(initial=0.0))
    # As far inside as the row that is least so can be, up to where it is far enough.
    columns = np.column_stack([-link.side * q, np.ones(system.n)])
    bounds = [(None, None)] * q.shape[1] + [(None, size)]
    aim = np.append(np.zeros(q.shape[1]), -1.0)
    found = linprog(aim, columns, offset, bounds=bounds, method="highs")
    if found.status != 0 or not found.x[-1] > 0.0:
        where = "below" if link.side < 0 else "above"
        raise ModelError(
            f"Linear predictors of the link {link.name!r} are {where} 0, and no fixed effects "
            "bring those of all rows there: give the model an intercept, or another link."
        )
    return np.asarray(found.x[:-1] * system.root)


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solve a symmetric system; along directions without information nothing happens."""
    values, vectors = np.linalg.eigh(matrix)
    top = float(values[-1]) if len(values) else 0.0
    keep = values > 1e-12 * top
    turned = vectors[:, keep]
    return np.asarray(turned @ ((turned.T @ right) / values[keep]))


def moments_at(system: GeneralizedSystem, beta: Floats) -> Floats:
    """Theta by one step of moments from the scores without random effects.

    Of every column ``(sum (z'd)**2 - sum z'Wz) / sum (z'Wz)**2`` over levels estimates its variance
    there; correlations start at zero.
    """
    family, response = system.family, system.response
    dispersion = family.initial_dispersion()
    with np.errstate(all="ignore"):
        rows = working(family, response, system.fixed_part(beta), dispersion)
    weight = np.maximum(rows.weight, 0.0)
    scores = system.level_sums(rows.score)
    parts = []
    for term, factor, own in zip(system.terms, system.factors, scores, strict=True):
        variances = []
        for j in range(factor.size):
            blocks = np.bincount(factor.codes, factor.z[:, j] ** 2 * weight, factor.n_levels)
            squares = float(blocks @ blocks)
            excess = float(own[:, j] @ own[:, j]) - float(blocks.sum())
            least = _LEAST * float(blocks.sum())
            variances.append(max(excess, least) / squares if squares > 0.0 else 1.0)
        parts.append(term.nearest_theta(np.diag(variances)))
    return np.concatenate(parts)


def log_dispersion_at(system: GeneralizedSystem, theta: Floats, beta: Floats) -> float:
    """Logarithm of a dispersion by moments of what is left at the modes, without one or nearly."""
    family = system.family
    dispersion = family.initial_dispersion()
    fixed = system.fixed_part(beta)
    try:
        modes = find_modes(system, system.standard_factors(theta), fixed, dispersion, None)
    except FloatingPointError:
        return math.log(dispersion)
    with np.errstate(all="ignore"):
        mean = family.link.mean(modes.eta)
        return math.log(family.dispersion_by_moments(system.response, mean))


def information_at(system: GeneralizedSystem, theta: Floats, modes: Modes) -> tuple[Floats, Floats]:
    """Expected information, times two, of theta (k, k) by factor, and of the fixed effects.

    That of the working linear model. After `modes` were found, whose factorisation it overwrites.
    """
    factors = system.standard_factors(theta)
    covariances = system.modal.conditional_covariances()
    out = information_of_theta(system, theta, covariances)
    joint = system.joint
    weight = np.maximum(modes.rows.weight, 0.0)
    joint.reform(weight, modes.rows.score + weight * modes.random)
    joint.solve(factors)
    root = joint.fixed_factor().T @ system.basis.r
    return out, 2.0 * root.T @ root


def information_of_theta(
    system: GeneralizedSystem, theta: Floats, covariances: Sequence[Floats]
) -> Floats:
    """Expected information, times two, of theta (k, k) by factor, of the working linear model.

    ``tr(Q D Q D)`` summed over levels, Q the diagonal blocks of ``Z' inv(V) Z`` and D the
    derivative of a covariance. ``covariances``: conditional ones (q, k, k) of the levels, per
    grouping factor.
    """
    out = np.diag(np.full(len(theta), _FLAT))
    factors = system.standard_factors(theta)
    for term, factor, covariance in zip(system.terms, factors, covariances, strict=True):
        square = factor @ factor.T + _SMALL**2 * np.eye(term.size)
        inverse = np.linalg.inv(square)
        blocks = inverse - inverse @ covariance @ inverse
        changes = []
        for derivative in term.standard_derivatives(theta[term.theta]):
            change = derivative @ factor.T
            changes.append(blocks @ (change + change.T))
        for i, one in enumerate(changes):
            for j, other in enumerate(changes[: i + 1]):
                value = float(np.einsum("qab,qba->", one, other))
                at = term.theta.start + i, term.theta.start + j
                out[at] = out[at[::-1]] = value + (_FLAT if i == j else 0.0)
    return out
