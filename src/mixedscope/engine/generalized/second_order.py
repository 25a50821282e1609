"""What Laplace's approximation leaves out, by its own next term."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.modes import Modes
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.observations import row_forms

__all__ = ["SecondOrder", "second_order"]

Floats = NDArray[np.float64]

#: Step of the differences that give the second derivative of the information.
_ETA: Final = 1e-4

#: Draws for the sum over pairs of rows, and their seed.
_DRAWS: Final = 64
_SEED: Final = 20251129


class SecondOrder(NamedTuple):
    """The second-order term of Laplace's approximation, in units of -2 log-likelihood.

    Attributes
    ----------
    correction : float
        What it would add.
    largest : float
        The largest share, in size, of one level.
    group, level : str
        Which level that is, of the grouping factor with the most levels.
    """

    correction: float
    largest: float
    group: str
    level: str


class _Approximated(Protocol):
    """What is asked of the objective of a generalised model."""

    system: GeneralizedSystem

    def reset(self) -> None: ...
    def forget(self) -> None: ...
    def modes_at(self, point: Floats) -> Modes: ...
    def split(self, point: Floats) -> tuple[Floats, Floats, float]: ...


def second_order(objective: _Approximated, point: Floats) -> SecondOrder:
    """Second-order term of the Laplace approximation at a point (k,).

    With w' and w'' the derivatives of the observed information and ``c_rs = z_r' Lambda inv(H)
    Lambda' z_s``, of the log-likelihood it is ``-1/8 sum w''_r c_rr**2 + 1/8 sum w'_r w'_s c_rr
    c_ss c_rs + 1/12 sum w'_r w'_s c_rs**3`` (Shun & McCullagh 1995, J. R. Stat. Soc. B 57;
    Raudenbush, Yang & Yosef 2000, J. Comput. Graph. Stat. 9). With several grouping factors the
    last sum, over all pairs of rows, comes from draws, good to about a sixth of it.

    Raises FloatingPointError if there are no conditional modes at the point.
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
        cubes = _factor_sums(factor.codes, size, factor.n_levels) ** 2 / 12.0
    own = _factor_sums(factor.codes, of_rows, factor.n_levels) + cubes
    worst = int(np.abs(own).argmax())
    return SecondOrder(
        -2.0 * (float(of_rows.sum()) + total),
        2.0 * float(abs(own[worst])),
        term.group,
        str(term.design.levels[worst]),
    )


def _drawn_cubes(
    objective: _Approximated,
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


def _factor_sums(codes: NDArray[np.int64], values: Floats, n_levels: int) -> Floats:
    """Sums (q,) of values (n,) by level."""
    return np.asarray(np.bincount(codes, values, n_levels), dtype=float)


def _cubes(z: Floats, codes: NDArray[np.int64], slope: Floats, covariance: Floats) -> Floats:
    """``sum over r, s of w'_r w'_s (z_r' C z_s)**3`` (q,) over the rows of every level."""
    q, k = len(covariance), z.shape[1]
    tensor = np.zeros((q, k, k, k))
    for a in range(k):
        for b in range(a + 1):
            for c in range(b + 1):
                sums = _factor_sums(codes, slope * z[:, a] * z[:, b] * z[:, c], q)
                for i, j, m in set(permutations((a, b, c))):
                    tensor[:, i, j, m] = sums
    turned = tensor
    for axis in ("qabc,qad->qdbc", "qabc,qbd->qadc", "qabc,qcd->qabd"):
        turned = np.einsum(axis, turned, covariance)
    return np.asarray((tensor * turned).sum(axis=(1, 2, 3)))
