"""Where to start, and how curved the objective is there, from quadratic forms of the data.

They make a quasi-Newton search short: variance components by moments put the start near the
optimum, information replaces the unit matrix as first approximation of the Hessian.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import chosen
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.kernels.start import (
    information_sums,
    own_moments,
    shared_moments,
    solve_moments,
)
from mixedscope.engine.linking import steps_of_information
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem
from mixedscope.engine.sparse.products import SparseProducts

__all__ = [
    "average_information",
    "expected_information",
    "information_after",
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
# Pivots, of a matrix of unit diagonal, above which equations do not depend on each other.
_REGULAR = 1e-8


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
    forms, traces, times = _moments(system, pairs)
    solution = forms.copy()
    if not solve_moments(solution, traces, times, _REGULAR):
        # Equations are weighed by the size of their diagonal, so that none outweighs the rest.
        weight = 1.0 / np.sqrt(np.maximum(np.abs(traces.diagonal()), 1e-300))
        weighed = traces * times * weight[:, None]
        solution = np.asarray(np.linalg.lstsq(weighed, forms * weight, rcond=1e-10)[0])
    relative = solution / (system.variance or max(float(solution[-1]), _RESIDUAL))
    start = []
    first = 0
    for term, (rows, cols) in zip(system.terms, pairs, strict=True):
        covariance = np.zeros((term.size, term.size))
        covariance[rows, cols] = covariance[cols, rows] = relative[first : first + len(rows)]
        first += len(rows)
        start.append(term.nearest_theta(_bounded(covariance)))
    return np.concatenate(start)


def _bounded(covariance: Floats) -> Floats:
    """Bring principal standard deviations to a range that a search can start from."""
    least, most = _SMALLEST**2, _LARGEST**2
    # Small models are not to wait for numpy.
    if len(covariance) == 1:
        return np.array([[min(max(float(covariance[0, 0]), least), most)]])
    if len(covariance) == 2:
        (a, b), (_, c) = covariance.tolist()
        half, reach = (a + c) / 2.0, math.hypot((a - c) / 2.0, b)
        if half - reach >= least and half + reach <= most:
            return covariance
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.minimum(np.maximum(values, least), most)) @ vectors.T


@dataclass
class _Levels:
    """Cross-products of one grouping factor that enter the equations of its moments.

    Attributes
    ----------
    rows, cols : (p,) arrays of int
        Pairs of columns that have a covariance.
    blocks : (q, k, k) array
        ``Z'Z`` per level.
    u : (q, h, k) array
        Its rows from `skipped` on hold ``Q'Z`` and ``y'Z`` per level.
    skipped : int
    squares : (r k, r k) array
        Sums over levels of products of entries of ``Q'Z``.
    """

    rows: Ints
    cols: Ints
    blocks: Floats
    u: Floats
    skipped: int
    squares: Floats


def _moments(
    system: ProfiledSystem, pairs: list[tuple[Ints, Ints]]
) -> tuple[Floats, Floats, Floats]:
    """Quadratic forms of the residual, and their expectations per unit of every covariance.

    The latter are a symmetric matrix times the number of places of every covariance, the third
    thing returned.

    With ``Z_l`` the columns of level l and Q the fixed-effects basis the expectations are sums of
    products of entries of ``B = Z_l'Z_m - Z_l'Q Q'Z_m``; for levels that never occur together
    only the second part is there.
    """
    levels = _levels(system, pairs)
    first = list(accumulate((len(rows) for rows, _ in pairs), initial=0))
    total = first[-1]
    forms = np.empty(total + 1)
    # The expectation of form (c, d) per unit of covariance (a, b) is the mean of those by (a, b)
    # and (b, a), times two where these are different places.
    traces = np.empty((total + 1, total + 1))
    times = np.empty(total + 1)
    for own, at in zip(levels, first, strict=False):
        own_moments(
            own.blocks, own.u, own.skipped, own.squares, own.rows, own.cols, at, forms, traces,
            times,
        )  # fmt: skip
    for f, g, blocks, ours, theirs in _shared_levels(system):
        one, other = levels[f], levels[g]
        shared_moments(
            blocks, ours, theirs, one.u, one.skipped, other.u, other.skipped, one.squares,
            other.squares, one.rows, one.cols, other.rows, other.cols, first[f], first[g], traces,
        )  # fmt: skip
    forms[total] = float(system.response @ system.response)
    traces[total, total] = system.n - len(system.basis.kept)
    times[total] = 1.0
    return forms, traces, times


def _levels(system: ProfiledSystem, pairs: list[tuple[Ints, Ints]]) -> list[_Levels]:
    """Give the cross-products of every factor by level."""
    cross = system.cross
    if isinstance(cross, SparseProducts):
        return [
            _Levels(rows, cols, d, u, 0, _squares(u[:, :-1]))
            for (rows, cols), (d, u) in zip(pairs, cross.levels, strict=True)
        ]
    pattern = cross.pattern
    n_tail, n_rest = cross.n_tail, pattern.n_rest
    found = {f: (s.d, s.u) for f, s in zip(pattern.chain, cross.tiers, strict=True)}
    for f, offset in zip(pattern.rest_factors, pattern.rest_offsets, strict=True):
        k, q = pattern.sizes[f], pattern.levels[f]
        own = cross.rest[offset : offset + q * k]
        tail = own[:, n_rest:].reshape(q, k, n_tail).transpose(0, 2, 1)
        if k == 1:
            blocks = own[:, offset : offset + q].diagonal()[:, None, None]
        else:
            at = offset + np.arange(q)[:, None] * k + np.arange(k)
            one, other = at[:, :, None], at[:, None, :]
            blocks = cross.rest[np.minimum(one, other), np.maximum(one, other)]
        found[f] = (np.ascontiguousarray(blocks), np.ascontiguousarray(tail))
    out = []
    for f, (rows, cols) in enumerate(pairs):
        blocks, u = found[f]
        skipped = u.shape[1] - n_tail
        out.append(_Levels(rows, cols, blocks, u, skipped, _squares(u[:, skipped:-1])))
    return out


def _squares(u: Floats) -> Floats:
    """Sums over levels of products of entries of ``Q'Z`` (q, r, k)."""
    flat = u.reshape(len(u), -1)
    return np.asarray(flat.T @ flat)


def _shared_levels(
    system: ProfiledSystem,
) -> Iterator[tuple[int, int, Floats, Ints, Ints]]:
    """For every two factors the cross-products (pairs, k, m) of levels that occur together.

    Gives the factors, the cross-products and the levels of either.
    """
    cross = system.cross
    if isinstance(cross, SparseProducts):
        for f in range(len(cross.factors)):
            for g in range(f + 1, len(cross.factors)):
                yield f, g, *cross.between(f, g)
        return
    pattern = cross.pattern
    rest = list(zip(pattern.rest_factors, pattern.rest_offsets, strict=True))
    for position, (where, tier) in enumerate(zip(pattern.tiers, cross.tiers, strict=True)):
        offset = 0
        for later, parent in zip(pattern.chain[position + 1 :], where.parents, strict=True):
            k = pattern.sizes[later]
            blocks = tier.u[:, offset : offset + k, :].transpose(0, 2, 1)
            own = np.arange(len(blocks))
            yield where.factor, later, np.ascontiguousarray(blocks), own, parent
            offset += k
        for g, start in rest:
            k, q = pattern.sizes[g], pattern.levels[g]
            idx, level, w = where.idx, where.level, tier.w
            if len(rest) > 1:
                chosen = (idx >= start) & (idx < start + q * k)
                idx, level, w = idx[chosen], level[chosen], w[chosen]
            blocks = w.reshape(-1, k, w.shape[1]).transpose(0, 2, 1)
            theirs = (idx[::k].astype(np.int64) - start) // k
            ours = level[::k].astype(np.int64)
            yield where.factor, g, np.ascontiguousarray(blocks), ours, theirs
    for i, (f, start) in enumerate(rest):
        k, q = pattern.sizes[f], pattern.levels[f]
        rows = cross.rest[start : start + q * k]
        for g, begin in rest[i + 1 :]:
            m, s = pattern.sizes[g], pattern.levels[g]
            cells = rows[:, begin : begin + s * m].reshape(q, k, s, m)
            ours, theirs = np.nonzero((cells != 0.0).any(axis=(1, 3)))
            yield f, g, np.ascontiguousarray(cells[ours, :, theirs, :]), ours, theirs


def expected_information(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Expected information of theta (k, k), each grouping factor by itself.

    See :func:`standard_information`.
    """
    assert objective.entries is not None
    information = standard_information(objective, theta)
    if objective.coordinates is not None:
        return objective.coordinates.T @ information @ objective.coordinates
    _, scales = objective.entries
    return information * np.outer(scales, scales)


def standard_information(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Expected information at theta (k,) of the entries of its factors in internal units, (k, k).

    Random effects that are eliminated before a factor count as such, those after it as known, and
    what two factors tell of each other is left out. As the first Hessian of a quasi-Newton search
    this served as well as the average information or better (eight reference models of two or
    three factors), and it costs no pass over the data. For structures that only put theta in its
    places.
    """
    factors = objective.factors(theta)
    if not objective.system.blocked.is_single:
        objective.system.blocked.solve(factors)
    return information_after(objective, factors)


def information_after(objective: ProfiledObjective, factors: list[Floats]) -> Floats:
    """What :func:`standard_information` gives, after a solution with these factors."""
    system = objective.system
    k = len(objective.theta_names)
    out = np.zeros((k, k))
    for term, block, factor in zip(system.terms, system.blocked.blocks(), factors, strict=True):
        rows, cols = term.entry_places
        sums, linked = chosen(information_sums, block.size)
        sums(
            steps_of_information(len(factor), linked=linked), block, factor, rows, cols,
            objective.degrees, term.theta.start, out,
        )  # fmt: skip
    return out


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
    extended = system.solver(responses)
    triangle = extended.trailing_factor(factors, len(theta))
    return np.asarray(triangle @ triangle.T / (solution.pwrss / objective.degrees))
