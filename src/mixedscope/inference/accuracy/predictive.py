"""Predictive distributions of rows whose linear predictor is normal, by quadrature.

What a model says of a row that it has not seen is its family's distribution, averaged over what is
not known of the linear predictor: a normal distribution. The integral is one of one dimension
whatever the random effects are. It is summed on equal steps between ends beyond which less than
1e-19 of it lies: as integrands are analytic, the error falls like ``exp(-2 pi a / h)`` with the
step h, a being the distance of the nearest pole from the real line, pi for logit.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.families.family import Family, Response

__all__ = ["check_link", "log_densities", "predictive_means"]

Floats = NDArray[np.float64]

#: Links under which every linear predictor has a mean, by what is bounded.
_EVERYWHERE: Final = {"mean": ("log",), "probability": ("logit", "probit", "cloglog")}

#: How far below its maximum an integrand, in logarithms, counts as nothing.
_NOTHING: Final = 45.0

#: Steps of the sum at least and at most, and their length on the scale of the predictor.
_STEPS: Final = 128
_MOST: Final = 20_000
_LENGTH: Final = 0.5

#: Bisections to a maximum and to ends, and how near a Newton step is to none.
_HALVINGS: Final = 60
_ENDS: Final = 24
_SETTLED: Final = 1e-9


def check_link(family: Family) -> None:
    """Raise UnsuitedError where a normal predictor reaches where the link has no mean."""
    known = [name for names in _EVERYWHERE.values() for name in names]
    is_probability = family.name in ("binomial", "beta")
    if family.link.name not in _EVERYWHERE["probability" if is_probability else "mean"]:
        raise UnsuitedError(
            "Predictions are averaged over a normal distribution of the linear predictor, which "
            f"reaches where the link {family.link.name!r} of the family {family.name!r} has no "
            f"mean: cross-validation takes the links {', '.join(known)}."
        )


def log_densities(
    family: Family, response: Response, mean: Floats, variance: Floats, dispersion: float
) -> Floats:
    """Logarithms (n,) of the densities of rows, each by itself, its predictor being normal.

    ``mean``, ``variance`` (n,): of the linear predictors. Prior weights count for nothing: a row
    is taken once.
    """
    once = Response(response.y, None, response.trials)
    constants = family.row_constants(once, dispersion)
    out = np.empty(len(mean))
    spread = variance > 0.0
    if not spread.all():
        still = _part(once, ~spread)
        out[~spread] = family.rows(still, mean[~spread], dispersion).values
    if spread.any():
        own = _part(once, spread)
        out[spread] = _integrated(family, own, mean[spread], variance[spread], dispersion)
    return constants + out


def predictive_means(family: Family, mean: Floats, variance: Floats) -> Floats:
    """Means (n,) of the responses of rows whose linear predictors are normal."""
    if family.link.name == "log":
        return np.exp(mean + 0.5 * variance)
    sd = np.sqrt(variance)
    count = _count(17.0 * float(sd.max(initial=0.0)))
    nodes = np.linspace(-8.5, 8.5, count + 1)
    shares = np.exp(-0.5 * nodes**2)
    shares /= shares.sum()
    total = np.zeros(len(mean))
    for node, share in zip(nodes, shares, strict=True):
        total += share * family.link.mean(mean + node * sd)
    return total


def _part(response: Response, rows: NDArray[np.bool_]) -> Response:
    trials = response.trials
    return Response(response.y[rows], None, None if trials is None else trials[rows])


def _count(longest: float) -> int:
    return int(min(max(_STEPS, math.ceil(longest / _LENGTH)), _MOST))


def _integrated(
    family: Family, response: Response, mean: Floats, variance: Floats, dispersion: float
) -> Floats:
    """``log of the integral of p(y | eta) N(eta; mean, variance)`` without constants of p."""
    sd = np.sqrt(variance)

    def log_integrand(eta: Floats) -> Floats:
        with np.errstate(all="ignore"):
            values = family.rows(response, eta, dispersion).values
            made = values - 0.5 * ((eta - mean) / sd) ** 2
        return np.where(np.isnan(made), -np.inf, made)

    top = _maximum(family, response, mean, variance, dispersion)
    highest = log_integrand(top)
    ends = [_end(log_integrand, top, highest, sd, sign) for sign in (-1.0, 1.0)]
    steps = _count(float((ends[1] - ends[0]).max()))
    length = (ends[1] - ends[0]) / steps
    total = np.zeros(len(mean))
    for i in range(steps + 1):
        total += np.exp(log_integrand(ends[0] + i * length) - highest)
    return np.asarray(highest + np.log(total * length / (sd * math.sqrt(2.0 * math.pi))))


def _maximum(
    family: Family, response: Response, mean: Floats, variance: Floats, dispersion: float
) -> Floats:
    """Where ``log p(y | eta) - (eta - mean)**2 / (2 variance)`` is largest, (n,).

    By Newton steps inside of a bracket, which a concave log-likelihood gives: the maximum lies
    between the mean and the mean plus variance times the score there.
    """

    def slope(eta: Floats) -> tuple[Floats, Floats]:
        with np.errstate(all="ignore"):
            rows = family.rows(response, eta, dispersion)
            return rows.score - (eta - mean) / variance, rows.weight + 1.0 / variance

    first, _ = slope(mean)
    reach = variance * first
    sign = np.sign(reach)
    near, far = mean.copy(), mean + reach
    # Where log-likelihoods are not concave the slope may not have turned there yet.
    for _ in range(_HALVINGS):
        ahead = slope(far)[0]
        short = sign * ahead > 0.0
        if not short.any():
            break
        far = np.where(short, mean + 2.0 * (far - mean), far)
    at = near.copy()
    for turn in range(2 * _HALVINGS):
        own, curvature = slope(at)
        before = sign * own > 0.0
        near, far = np.where(before, at, near), np.where(before, far, at)
        with np.errstate(all="ignore"):
            step = own / curvature
            ahead = at + step
        low, high = np.minimum(near, far), np.maximum(near, far)
        inside = (ahead >= low) & (ahead <= high) & (curvature > 0.0)
        with np.errstate(all="ignore"):
            settled = inside & (np.abs(step) * np.sqrt(curvature) < _SETTLED)
        # Where the slope is that of an exponential, Newton's steps are ones of length one.
        taken = settled | (inside & (turn % 2 == 0))
        at = np.where(taken, ahead, 0.5 * (near + far))
        if settled.all():
            break
    return at


def _end(log_integrand, top: Floats, highest: Floats, sd: Floats, sign: float) -> Floats:  # type: ignore[no-untyped-def]
    """Where to one side of its maximum the integrand counts as nothing, (n,)."""
    low, high = np.zeros(len(top)), math.sqrt(2.0 * _NOTHING) * sd
    for _ in range(_ENDS):
        short = highest - log_integrand(top + sign * high) < _NOTHING
        if not short.any():
            break
        high = np.where(short, 2.0 * high, high)
    for _ in range(_ENDS):
        middle = 0.5 * (low + high)
        beyond = highest - log_integrand(top + sign * middle) >= _NOTHING
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.asarray(top + sign * high)
