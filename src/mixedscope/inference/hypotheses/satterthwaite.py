r"""Satterthwaite's degrees of freedom (1946, Biometrics Bull. 2, 110-114), as lmerTest has them.

The variance of a contrast, ``v = l' Phi l`` with ``Phi = inv(X' inv(Sigma) X)``, is a function of
theta and sigma (of theta alone where sigma is known); ``df = 2 v**2 / (g' A g)`` with its gradient
g and ``A = 2 inv(H)``, H the Hessian of the criterion by theta and sigma (Giesbrecht & Burns 1985,
Biometrics 41, 477-486; Fai & Cornelius 1996, J. Stat. Comput. Simul. 54, 363-378, for several
contrasts). H is that of the profiled criterion, by differences of its exact gradient, with what
profiling out sigma took from it; g is exact, from ``C = Z' inv(V) X`` by levels.
"""

# The methods are documented where the base class declares them.
# ruff: noqa: D102

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.group_effects import inverse_of_lower
from mixedscope.engine.marginal_products import marginal_products
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.estimates import SINGULAR
from mixedscope.inference.hypotheses.approximation import Approximation, JointTest, f_tail

__all__ = ["Satterthwaite", "difference_steps", "parameter_covariances", "variance_degrees"]

Floats = NDArray[np.float64]

#: Degrees of freedom above which the variance owes no more than rounding to what is estimated.
_ENDLESS: Final = 1e12

#: Step of the differences, relative to the parameter, and its smallest reference.
_STEP: Final = 1e-4
_SMALLEST: Final = 0.1

#: Eigenvalues of H, relative to the largest, below which nothing is known along a direction;
#: lmerTest's number, for parameters in units that do not depend on those of the data.
_FLAT: Final = 1e-8

#: Share of the variance of a contrast that a variance of zero would add if it were as large as
#: sigma, above which the contrast depends on it.
_DEPENDS: Final = 1e-8


class Satterthwaite(Approximation):
    """t and F with degrees of freedom by Satterthwaite's method."""

    name = "satterthwaite"

    def __init__(self, objective: ProfiledObjective, theta: Floats) -> None:
        super().__init__(objective, theta)
        system = objective.system
        precision, products = marginal_products(system, system.standard_factors(theta))
        self._check_digits(precision)
        # All for the coefficients of the orthonormal basis.
        back = np.linalg.inv(system.r_inverse)
        self._phi = back @ self.covariance @ back.T / self.sigma**2
        self._collapsed = _collapsed(objective, theta, products)
        shape, slopes = _slopes(objective, theta, products)
        self._slopes = [self._phi @ s @ self._phi * self.sigma**2 for s in slopes]
        if not self.knows_sigma:  # by the logarithm of sigma
            self._slopes.append(2.0 * self._phi * self.sigma**2)
        self._parameters = _parameter_covariance(objective, theta, shape)

    @property
    def parameter_covariance(self) -> Floats:
        """Covariance (k + 1, k + 1) of theta and sigma, as lmerTest's ``vcov_varpar``.

        Of theta alone, (k, k), where sigma is known.
        """
        shape = inverse_of_lower(_shape(self.objective))
        k, m = len(shape), len(self._parameters)
        back = np.zeros((m, m))
        back[:k, :k] = shape
        if m > k:
            back[k, k] = self.sigma
        return np.asarray(back @ self._parameters @ back.T)

    def degrees(self, rows: Floats) -> Floats:
        own = rows @ self.objective.system.r_inverse
        variances = np.einsum("cr,rs,cs->c", own, self._phi, own) * self.sigma**2
        gradients = np.array([np.einsum("cr,rs,cs->c", own, s, own) for s in self._slopes])
        return variance_degrees(variances, gradients, self._parameters)

    def joint(self, rows: Floats, values: Floats) -> JointTest:
        axes, sizes, left = self._axes(rows, values)
        q = len(sizes)
        own = self.degrees(axes)
        statistic = float((left**2 / sizes).sum() / q)
        if q == 1 or np.isinf(own).all() or np.ptp(own) < 1e-8:
            df = float(own.mean())
        elif (own <= 2.0).any():
            df = 2.0
        else:
            expected = float((1.0 / (1.0 - 2.0 / own)).sum())
            df = 2.0 * expected / (expected - q)
        return JointTest(statistic, q, df, f_tail(statistic, q, df))

    def remark(self, rows: Floats) -> str:
        own = rows @ self.objective.system.r_inverse
        moved = own @ self._phi
        variances = np.einsum("cr,cr->c", moved, own)
        groups = [
            group
            for group, products in self._collapsed
            if (_sums(products, moved) > _DEPENDS * variances).any()
        ]
        if not groups:
            return ""
        return (
            f"singular in {' and '.join(groups)}: a variance of zero is taken as known, so that df "
            "may be far too large (kenward-roger does not take it so)"
        )


def _sums(products: Floats, own: Floats) -> Floats:
    """Sum over levels of the squares (c,) of products (q, m, r) with contrasts (c, r)."""
    return np.asarray((np.einsum("qmr,cr->qmc", products, own) ** 2).sum(axis=(0, 1)))


def _collapsed(
    objective: ProfiledObjective, theta: Floats, products: list[Floats]
) -> list[tuple[str, Floats]]:
    """Groups with a variance of zero, and the products (q, m, r) of its directions."""
    out = []
    for term, c in zip(objective.system.terms, products, strict=True):
        axes, lengths, _ = np.linalg.svd(term.standard_factor(theta[term.theta]))
        null = axes[:, lengths <= SINGULAR]
        if int((lengths > SINGULAR).sum()) < term.rank:
            out.append((term.group, np.einsum("am,qar->qmr", null, c)))
    return out


def _shape(objective: ProfiledObjective) -> Floats:
    """Matrix (k, k) from theta to units that do not depend on those of the data."""
    return np.diag(objective.scale) if objective.coordinates is None else objective.coordinates


def _slopes(
    objective: ProfiledObjective, theta: Floats, products: list[Floats]
) -> tuple[Floats, list[Floats]]:
    """Derivatives (r, r) of ``X' inv(V) X``, sign turned, by every parameter in its own units."""
    by_theta: list[Floats] = []
    for term, c in zip(objective.system.terms, products, strict=True):
        own = theta[term.theta]
        factor = term.standard_factor(own)
        for derivative in term.standard_derivatives(own):
            half = derivative @ factor.T
            by_theta.append(np.einsum("qar,ab,qbs->rs", c, half + half.T, c, optimize=True))
    shape = _shape(objective)
    back = inverse_of_lower(shape)
    mixed = np.tensordot(back.T, np.array(by_theta), axes=1)
    return shape, list(mixed)


def _parameter_covariance(objective: ProfiledObjective, theta: Floats, shape: Floats) -> Floats:
    """``2 inv(H)`` (k + 1, k + 1) for theta in its own units and the logarithm of sigma.

    With f the profiled criterion and s2 the variance that minimises it at theta, the criterion by
    theta and sigma is ``f + degrees (log(sigma**2 / s2) + s2 / sigma**2 - 1)``. Where sigma is
    known there is f alone, (k, k).
    """
    back = inverse_of_lower(shape)
    x = shape @ theta
    k = len(x)
    steps = difference_steps(x)
    hessian = np.empty((k, k))
    logs = np.empty(k)  # derivative of log s2
    for i in range(k):
        step = np.zeros(k)
        step[i] = steps[i]
        above, gradient_above = objective.evaluate_gradient(back @ (x + step))
        below, gradient_below = objective.evaluate_gradient(back @ (x - step))
        hessian[i] = (gradient_above - gradient_below) @ back / (2.0 * step[i])
        logs[i] = np.log(above.sigma / below.sigma) / step[i]
    if objective.system.design.sigma is not None:
        return parameter_covariances(hessian, None, 0.0)
    return parameter_covariances(hessian, logs, float(objective.degrees))


def difference_steps(x: Floats) -> Floats:
    """Steps of the differences at parameters of any shape, in units that no data have."""
    return _STEP * np.maximum(np.abs(x), _SMALLEST)


def parameter_covariances(hessians: Floats, logs: Floats | None, degrees: float) -> Floats:
    """Twice the inverse of the Hessian by theta and log sigma, (..., k + 1, k + 1).

    ``hessians`` (..., k, k): of the profiled criterion; ``logs`` (..., k): derivatives of the
    logarithm of the variance that minimises it, None where sigma is known and there is theta alone.
    On the directions of which something is known.
    """
    half = 0.5 * (hessians + np.swapaxes(hessians, -1, -2))
    if logs is not None:
        k = logs.shape[-1]
        whole = np.empty((*logs.shape[:-1], k + 1, k + 1))
        # By u = log sigma**2 the second term is degrees ((u - log s2)**2 / 2 + ...).
        whole[..., :k, :k] = half + degrees * logs[..., :, None] * logs[..., None, :]
        whole[..., k, :k] = whole[..., :k, k] = -2.0 * degrees * logs
        whole[..., k, k] = 4.0 * degrees
        half = whole
    values, vectors = np.linalg.eigh(half)
    known = values > _FLAT * values[..., -1:]
    inverse = np.where(known, 2.0 / np.where(known, values, 1.0), 0.0)
    return np.asarray((vectors * inverse[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def variance_degrees(variances: Floats, gradients: Floats, covariance: Floats) -> Floats:
    """Degrees of freedom (..., c) of variances (..., c) that are functions of the parameters.

    ``gradients`` (..., p, c): by the parameters, whose covariance (..., p, p) is.
    """
    spread = np.einsum("...ic,...ij,...jc->...c", gradients, covariance, gradients)
    with np.errstate(divide="ignore"):  # a variance that owes nothing to what is estimated
        found = 2.0 * variances**2 / spread
    return np.where(found > _ENDLESS, np.inf, found)
