"""Where to start, and how curved the objective is there, from quadratic forms of the data.

They make a quasi-Newton search short: variance components by moments put the start near the
optimum, information replaces the unit matrix as first approximation of the Hessian.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.blocked import BlockedSystem
from mixedscope.model.gather import sums_by_level
from mixedscope.model.kernels import level_factors
from mixedscope.model.kernels_start import information_sums
from mixedscope.model.objective import ProfiledObjective, ProfiledSystem

__all__ = [
    "average_information",
    "expected_information",
    "factor_information",
    "moment_start",
    "standard_information",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Standard deviation over sigma that the start keeps at least: at zero the gradient vanishes by
# symmetry, whatever the data say.
_SMALLEST = 0.1
_LARGEST = 30.0
# The equations grow with the fourth power of the columns of a factor.
_MOST_COLUMNS = 24
# Share of the residual variance on the fixed effects that is left to the observations at least.
_RESIDUAL = 0.02


def moment_start(objective: ProfiledObjective) -> Floats:
    """Estimate the covariances by moments and turn them into a theta, shape (k,).

    For every pair of random-effects columns c, d of a grouping factor the sum over levels of
    ``(z_c' r) (z_d' r)``, r being the residual on the fixed effects, is set equal to its
    expectation, which is linear in all the covariances and the residual variance (MINQUE(0): Rao
    1970, J. Am. Stat. Assoc. 65). The solution is brought to the nearest matrices whose principal
    standard deviations lie between 0.1 and 30 times sigma. Where a factor has so many columns that
    this would cost more than it saves, the start is that of the objective.
    """
    system = objective.system
    if any(term.size > _MOST_COLUMNS for term in system.terms):
        return objective.start
    pairs = [term.free_entries for term in system.terms]
    forms, traces = _moments(system, pairs)
    # Equations are weighed by the size of their diagonal, so that none outweighs the rest.
    weight = 1.0 / np.sqrt(np.maximum(np.abs(traces.diagonal()), 1e-300))
    solution = np.linalg.lstsq(traces * weight[:, None], forms * weight, rcond=1e-10)[0]
    residual = max(float(solution[-1]), _RESIDUAL)
    start = []
    first = 0
    for term, (rows, cols) in zip(system.terms, pairs, strict=True):
        covariance = np.zeros((term.size, term.size))
        covariance[rows, cols] = solution[first : first + len(rows)] / residual
        covariance[cols, rows] = covariance[rows, cols]
        first += len(rows)
        start.append(term.nearest_theta(_bounded(covariance)))
    return np.concatenate(start)


def _bounded(covariance: Floats) -> Floats:
    """Bring principal standard deviations to a range that a search can start from."""
    if len(covariance) == 1:  # small models are not to wait for numpy
        return np.minimum(np.maximum(covariance, _SMALLEST**2), _LARGEST**2)
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.minimum(np.maximum(values, _SMALLEST**2), _LARGEST**2)) @ vectors.T


def _moments(system: ProfiledSystem, pairs: list[tuple[Ints, Ints]]) -> tuple[Floats, Floats]:
    """Quadratic forms of the residual, and their expectations per unit of every covariance.

    With ``Z_l`` the columns of level l and Q the fixed-effects basis the expectations are sums of
    products of entries of ``B = Z_l'Z_m - Z_l'Q Q'Z_m``; for levels that never occur together
    only the second part is there.
    """
    tails = _tails(system)
    first = list(accumulate((len(rows) for rows, _ in pairs), initial=0))
    total = first[-1]
    forms = np.empty(total + 1)
    # The expectation of form (c, d) per unit of covariance (a, b) is the mean of those by (a, b)
    # and (b, a), which makes a symmetric matrix, times the number of places of the covariance.
    traces = np.empty((total + 1, total + 1))
    times = np.ones(total + 1)
    # Sums over levels of t_cx t_dy, (k k, r r): the part of all pairs of levels.
    squares = []
    for tail in tails:
        q, width, k = tail.shape
        r = width - 1
        flat = tail[:, :-1, :].reshape(q, r * k)
        square = (flat.T @ flat).reshape(r, k, r, k).transpose(1, 3, 0, 2)
        squares.append(square.reshape(k * k, r * r))
    crossed = [_crossproducts(system, f) for f in range(len(tails))]
    together = _products_of_pairs(system, tails, crossed)
    for f, (rows, cols) in enumerate(pairs):
        own = slice(first[f], first[f + 1])
        k = tails[f].shape[2]
        scores = tails[f][:, -1, :]
        forms[own] = (scores.T @ scores)[rows, cols]
        # Trace of Z_c'(I - QQ')Z_d.
        explained = tails[f][:, :-1, :].reshape(-1, k)
        inner = crossed[f].sum(axis=0) - explained.T @ explained
        traces[own, total] = traces[total, own] = inner[rows, cols]
        times[own] += rows != cols
        for g, (others, seconds) in list(enumerate(pairs))[f:]:
            # [c, d, a, b]: the sum over pairs of levels of B_ca B_db.
            m = tails[g].shape[2]
            whole = (squares[f] @ squares[g].T).reshape(k, k, m, m)
            if (f, g) in together:
                whole = whole + together[f, g].transpose(0, 2, 1, 3)
            elif (g, f) in together:
                whole = whole + together[g, f].transpose(1, 3, 0, 2)
            c, d = rows[:, None], cols[:, None]
            mean = (whole[c, d, others, seconds] + whole[c, d, seconds, others]) / 2
            theirs = slice(first[g], first[g + 1])
            traces[own, theirs] = mean
            traces[theirs, own] = mean.T
    forms[total] = float(system.response @ system.response)
    traces[total, total] = system.n - len(system.basis.kept)
    return forms, traces * times


def _tails(system: ProfiledSystem) -> list[Floats]:
    """Q'Z and r'Z per level of every factor: (q, r + 1, k)."""
    cross = system.cross
    n_tail = cross.n_tail
    tails: list[Floats] = [np.empty(0)] * len(cross.factors)
    for stage in cross.stages:
        tails[stage.factor] = stage.u[:, -n_tail:, :]
    for f, offset in zip(cross.rest_factors, cross.rest_offsets, strict=True):
        factor = cross.factors[f]
        rows = cross.rest[offset : offset + factor.n_levels * factor.size, cross.n_rest :]
        tails[f] = rows.reshape(factor.n_levels, factor.size, n_tail).transpose(0, 2, 1)
    return tails


def _crossproducts(system: ProfiledSystem, position: int) -> Floats:
    """``Z'Z`` of one factor per level, (q, k, k)."""
    cross = system.cross
    for stage in cross.stages:
        if stage.factor == position:
            return stage.d
    k, q = cross.factors[position].size, cross.factors[position].n_levels
    start = cross.rest_offsets[cross.rest_factors.index(position)]
    if k == 1:
        return cross.rest.diagonal()[start : start + q, None, None]
    at = start + np.arange(q)[:, None] * k + np.arange(k)
    rows, cols = at[:, :, None], at[:, None, :]
    return np.asarray(cross.rest[np.minimum(rows, cols), np.maximum(rows, cols)])


def _products_of_pairs(
    system: ProfiledSystem, tails: list[Floats], crossed: list[Floats]
) -> dict[tuple[int, int], Floats]:
    """What the levels that occur together add to the products of B, per pair of factors.

    With A = Z_l'Z_m and T = Z_l'Q Q'Z_m the sum of ``A_ca A_db - A_ca T_db - T_ca A_db``; levels
    of one factor occur together with themselves only, and `crossed` holds their A.
    """
    cross = system.cross
    out: dict[tuple[int, int], Floats] = {}

    def add(f: int, g: int, blocks: Floats, rows: Floats, cols: Floats) -> None:
        # blocks (pairs, k_f, k_g); rows (pairs, r, k_f), cols (pairs, r, k_g): Q'Z of either side.
        shape = blocks.shape[1:] * 2
        a = blocks.reshape(len(blocks), -1)
        t = (rows.transpose(0, 2, 1) @ cols).reshape(len(blocks), -1)
        mixed = a.T @ t
        out[f, g] = (a.T @ a - mixed - mixed.T).reshape(shape)

    for f, (blocks, tail) in enumerate(zip(crossed, tails, strict=True)):
        add(f, f, blocks, tail[:, :-1, :], tail[:, :-1, :])
    for position, stage in enumerate(cross.stages):
        f = stage.factor
        tail = tails[f][:, :-1, :]
        offset = 0
        for later, parent in zip(cross.stages[position + 1 :], stage.parents, strict=True):
            g = later.factor
            k = cross.factors[g].size
            blocks = stage.u[:, offset : offset + k, :].transpose(0, 2, 1)
            add(f, g, blocks, tail, tails[g][parent][:, :-1, :])
            offset += k
        for g, start in zip(cross.rest_factors, cross.rest_offsets, strict=True):
            k, q = cross.factors[g].size, cross.factors[g].n_levels
            chosen = (stage.idx >= start) & (stage.idx < start + q * k)
            column = stage.idx[chosen] - start
            blocks = stage.w[chosen].reshape(-1, k, stage.w.shape[1]).transpose(0, 2, 1)
            level = stage.level[chosen][::k]
            add(f, g, blocks, tail[level], tails[g][:, :-1, :][column[::k] // k])
    for i, (f, start) in enumerate(zip(cross.rest_factors, cross.rest_offsets, strict=True)):
        k, q = cross.factors[f].size, cross.factors[f].n_levels
        rows = slice(start, start + q * k)
        for g, begin in list(zip(cross.rest_factors, cross.rest_offsets, strict=True))[i + 1 :]:
            m, s = cross.factors[g].size, cross.factors[g].n_levels
            block = cross.rest[rows, begin : begin + s * m]
            cells = block.reshape(q, k, s, m)
            a, b = np.nonzero((cells != 0.0).any(axis=(1, 3)))
            add(f, g, cells[a, :, b, :], tails[f][a][:, :-1, :], tails[g][b][:, :-1, :])
    return out


def expected_information(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Expected information of theta (k, k), each grouping factor by itself.

    See :func:`standard_information`.
    """
    assert objective.entries is not None
    _, scales = objective.entries
    return standard_information(objective, theta) * np.outer(scales, scales)


def standard_information(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Expected information at theta (k,) of the entries of its factors in internal units, (k, k).

    Random effects that are eliminated before a factor count as such, those after it as known, and
    what two factors tell of each other is left out. As the first Hessian of a quasi-Newton search
    this served as well as the average information or better (eight reference models of two or
    three factors), and it costs no pass over the data. For structures that only put theta in its
    places.
    """
    assert objective.entries is not None
    places, _ = objective.entries
    system = objective.system
    factors = objective.factors(theta)
    if not system.blocked.is_single:
        system.blocked.solve(factors)
    out = np.zeros((len(theta), len(theta)))
    first = 0
    for term, block, factor in zip(system.terms, system.blocked.blocks(), factors, strict=True):
        rows, cols = np.divmod(places[term.theta] - first, term.size)
        out[term.theta, term.theta] = factor_information(
            block, factor, rows, cols, objective.degrees
        )
        first += term.size**2
    return out


def factor_information(d: Floats, lam: Floats, rows: Ints, cols: Ints, degrees: int) -> Floats:
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
    p = len(rows)
    products, traces = np.empty((p, p)), np.empty(p)
    x, m = np.empty(d.shape), np.empty(d.shape)
    level_factors(d, lam, x, m)
    information_sums(d, m, lam, rows, cols, products, traces)
    return np.asarray(products - traces[:, None] * traces / degrees)


def average_information(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Average of the observed and the expected information of the profiled objective.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array

    Returns
    -------
    (k, k) array
        Approximates the Hessian of the objective at theta (theta units), without its
        derivatives of second order: ``q_i' P q_j / sigma**2``, sigma profiled out, with
        ``q_i = dW/dtheta_i P y`` and ``W = I + Z Lambda Lambda' Z'`` (Gilmour, Thompson & Cullis
        1995, Biometrics 51, eq. 3).
    """
    system = objective.system
    factors = system.standard_factors(theta)
    solution = system.blocked.solve(factors)
    fixed_part = system.basis.q @ solution.beta
    residual = system.response - fixed_part - system.random_part(system.blocked.modes())
    columns = [system.response]
    for term, factor, lam in zip(system.terms, system.factors, factors, strict=True):
        # W_i e = Z (dL L' + L dL') Z'e for every entry of theta: its part per level, then per row.
        score = sums_by_level(factor.codes, residual[:, None] * factor.z, factor.n_levels)
        for derivative in term.standard_derivatives(theta[term.theta]):
            change = derivative @ lam.T
            level = score @ (change + change.T)
            columns.append(np.einsum("ij,ij->i", factor.z, level[factor.codes]))
    responses = np.column_stack([system.project(c) for c in columns])
    extended = BlockedSystem(system.cross.with_response(responses))
    triangle = extended.trailing_factor(factors, len(theta))
    return np.asarray(triangle @ triangle.T / (solution.pwrss / objective.degrees))
