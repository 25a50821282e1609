"""What single observations have of a fit: leverages, and their weight in the fixed effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.generalized.products import WeightedProducts, rest_slots
from mixedscope.engine.kernels.observations import add_rest, add_tier
from mixedscope.engine.selected_inverse import TierInverse
from mixedscope.engine.sparse.system import SparseSystem
from mixedscope.engine.system import ProfiledSystem

__all__ = ["Observations", "observations", "row_forms"]

Floats = NDArray[np.float64]


class Observations(NamedTuple):
    """Of every observation, at one theta, rows weighted, sigma = 1.

    With V the covariance of the observations, ``S = inv(V)`` and ``Phi = inv(X'S X)``:

    Attributes
    ----------
    leverage : (n,) array
        Diagonal of the matrix H that maps the response to fitted values ``X beta + Z b``; and one
        less that of ``P = S - S X Phi X'S``, as ``H = I - P``.
    marginal : (n,) array
        Diagonal of S.
    pull : (n, r) array
        Rows of ``S X Phi``: what one unit more of a response adds to the fixed effects.
    """

    leverage: Floats
    marginal: Floats
    pull: Floats


def observations(system: ProfiledSystem, factors: Sequence[Floats]) -> Observations:
    """Give what every observation has of the fit at these factors.

    All of it is made of entries of the inverse of the penalised system on the pattern of the data:
    the levels of different factors meet in a row. Nothing of n x n is formed.

    ``factors`` (k, k): relative covariance factors for columns of unit root mean square. Overwrites
    the factorisation. Raises FloatingPointError if the system is not positive definite to rounding.
    """
    blocked = system.blocked
    blocked.solve(factors)
    root = blocked.fixed_factor()
    basis = np.ascontiguousarray(system.basis.q)
    if isinstance(blocked, SparseSystem):
        leverage, fixed = blocked.row_forms(basis)
    else:
        scatter = blocked.pattern.scatter()
        slots = rest_slots(blocked.pattern, scatter)
        inverse = blocked.selected_inverse()
        leverage, fixed = _forms(blocked, basis, scatter.rest_column, slots, inverse)
    # X'S e = inv(Phi) Phi X'S e, and the quadratic form of it is what P lacks of S.
    taken = ((fixed @ root) ** 2).sum(axis=1)
    return Observations(leverage, 1.0 - leverage + taken, fixed @ system.r_inverse.T)


def row_forms(
    blocked: BlockedSystem, inverse: tuple[Floats, list[TierInverse]] | None = None
) -> Floats:
    """``z' Lambda inv(H) Lambda' z`` (n,) of every row z of random-effects columns.

    Of a system of `WeightedProducts` without fixed effects, whose columns are unweighted, as it was
    last solved. ``inverse``: its selected inverse; without it overwrites the factorisation.
    """
    cross = blocked.cross
    assert isinstance(cross, WeightedProducts)
    found = blocked.selected_inverse() if inverse is None else inverse
    return _forms(blocked, cross.q, cross.rest_column, cross.slots, found)[0]


def _forms(
    blocked: BlockedSystem,
    basis: Floats,
    rest_column: NDArray[np.int32],
    slots: Sequence[NDArray[np.int32]],
    inverse: tuple[Floats, list[TierInverse]],
) -> tuple[Floats, Floats]:
    """Quadratic forms (n,) of the inverse in the rows, and its products (n, r) with the basis."""
    cross, pattern = blocked.cross, blocked.pattern
    s, tiers = inverse
    n, r = basis.shape
    leverage, fixed = np.zeros(n), np.zeros((n, r))
    if isinstance(cross, WeightedProducts):
        rest_z = cross.rest_z
    elif pattern.rest_factors:
        rest_z = np.hstack([cross.factors[f].z for f in pattern.rest_factors])
    else:
        rest_z, rest_column = np.empty((n, 0)), np.empty((n, 0), dtype=np.int32)
    if pattern.n_rest or r:
        add_rest(s, rest_column, rest_z, basis, pattern.n_rest, leverage, fixed)
    for position, (tier, own) in enumerate(zip(pattern.tiers, tiers, strict=True)):
        factor = cross.factors[tier.factor]
        outer = [cross.factors[f].z for f in pattern.chain[position + 1 :]]
        add_tier(
            factor.codes, factor.z, np.hstack([*outer, basis]),
            slots[position] if slots else rest_column, rest_z, *own, leverage, fixed,
        )  # fmt: skip
    return leverage, fixed
