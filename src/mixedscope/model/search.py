"""A search for the optimum of a small model in compiled code, every evaluation handed back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.objective import ProfiledObjective
from mixedscope.model.small import Batch, SmallSystem

__all__ = ["expected_information", "search_small"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Evaluations there is room for; a search that needs more is continued by the polishing stage.
_ROOM = 500


def search_small(
    objective: ProfiledObjective, small: SmallSystem, theta: Floats, tolerance: float, most: int
) -> Batch:
    """Search for the optimum from theta (k,); see :meth:`ProfiledObjective.quasi_newton`."""
    assert objective.entries is not None
    places, scales = objective.entries
    start = theta * scales
    system = objective.system
    factors = system.standard_factors(theta)
    if not system.blocked.is_single:
        system.blocked.solve(factors)
    information = np.zeros((len(theta), len(theta)))
    first = 0
    for term, block, factor in zip(system.terms, system.blocked.blocks(), factors, strict=True):
        rows, cols = np.divmod(places[term.theta] - first, term.size)
        information[term.theta, term.theta] = expected_information(
            block, factor, rows, cols, objective.degrees
        )
        first += term.size**2
    return small.search(
        places, start, _bounded_inverse(information), objective.degrees,
        reml=objective.reml, tolerance=tolerance, most=min(most, _ROOM),
    )  # fmt: skip


def _bounded_inverse(information: Floats) -> Floats:
    """Inverse with directions of little information kept from endless steps."""
    values, vectors = np.linalg.eigh(information)
    top = float(values[-1])
    if not top > 0.0:
        return np.eye(len(values))
    return np.ascontiguousarray((vectors / np.maximum(values, 1e-4 * top)) @ vectors.T)


def expected_information(
    d: Floats, lam: Floats, rows: Sequence[int] | Ints, cols: Sequence[int] | Ints, degrees: int
) -> Floats:
    """Expected information of the entries of one factor, sigma profiled out.

    The sum over levels of ``tr(B W_i B W_j)`` with ``B = Z'inv(V)Z``, ``W_i`` the derivative of
    ``lam lam'``, less the share that sigma takes up (Searle, Casella & McCulloch 1992, sec. 6.3).
    The fixed effects and the random effects of other factors are taken as known.

    Parameters
    ----------
    d : (q, k, k) array
        Cross-products of the levels.
    lam : (k, k) array
        Relative covariance factor.
    rows, cols : (p,) arrays of int
        Entries of the factor.
    degrees : int

    Returns
    -------
    (p, p) array
    """
    q, k = d.shape[:2]
    p = len(rows)
    # B = D - D lam inv(lam' D lam + I) lam' D, and the derivative is e_r lam_c' + lam_c e_r'.
    scaled = d @ lam
    h = lam.T @ scaled + np.eye(k)
    b = d - scaled @ np.linalg.solve(h, scaled.transpose(0, 2, 1))
    change = np.zeros((p, k, k))
    each = np.arange(p)
    change[each, rows] = lam[:, cols].T
    change[each, :, rows] += lam[:, cols].T
    products = (b.reshape(q * k, k) @ change.transpose(1, 0, 2).reshape(k, p * k)).reshape(
        q, k, p, k
    )
    trace = np.einsum("qipi->p", products)
    left = products.transpose(2, 0, 1, 3).reshape(p, -1)
    right = products.transpose(2, 0, 3, 1).reshape(p, -1)
    return np.asarray(left @ right.T - np.outer(trace, trace) / degrees)
