"""Where to start, and how curved the objective is there, from quadratic forms of the data.

Both make a quasi-Newton search short: variance components by moments put the start near the
optimum, the average information replaces the unit matrix as first approximation of the Hessian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from mixedscope.model.blocked import BlockedSystem
from mixedscope.model.gather import sums_by_level
from mixedscope.model.objective import ProfiledObjective, ProfiledSystem

__all__ = ["average_information", "moment_start"]

Floats = NDArray[np.float64]

# Standard deviation over sigma that the start keeps at least: at zero the gradient vanishes by
# symmetry, whatever the data say.
_SMALLEST = 0.1
_LARGEST = 30.0


def moment_start(objective: ProfiledObjective) -> Floats:
    """Estimate the variances by moments and turn them into a theta, shape (k,).

    For every random-effects column c the sum over levels of ``(z_c' r)**2``, r being the residual
    on the fixed effects, is set equal to its expectation, which is linear in all the variances
    (MINQUE(0): Rao 1970, J. Am. Stat. Assoc. 65), and the equations are solved with variances
    not below zero. Correlations start at zero.
    """
    system = objective.system
    forms, traces = _moments(system)
    variances, _ = nnls(*_balanced(traces, forms))
    # Columns that cancel each other can leave nothing for the residuals: keep 2 % for them.
    residual = max(variances[-1], 0.02)
    start = []
    first = 0
    for term in system.terms:
        relative = np.sqrt(variances[first : first + term.size] / residual)
        first += term.size
        start.append(term.diagonal_theta(np.clip(relative, _SMALLEST, _LARGEST)))
    return np.concatenate(start)


def _balanced(traces: Floats, forms: Floats) -> tuple[Floats, Floats]:
    """Weigh the equations by the size of their diagonal, so that no column outweighs the rest."""
    weight = 1.0 / np.sqrt(np.maximum(np.diag(traces), 1e-300))
    return traces * weight[:, None], forms * weight


def _moments(system: ProfiledSystem) -> tuple[Floats, Floats]:
    """Quadratic forms of the residual, and their expectations per unit of every variance.

    With ``Z_c`` the columns of term c, one per level, and Q the fixed-effects basis, the
    expectations are ``|Z_c'Z_d - Z_c'Q Q'Z_d|**2``.
    """
    cross = system.cross
    n_tail = cross.n_tail
    sizes = [f.size for f in cross.factors]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    total = int(first[-1])
    forms = np.empty(total + 1)
    traces = np.zeros((total + 1, total + 1))
    tails: list[Floats] = [np.empty(0)] * len(sizes)  # Q'Z_c and r'Z_c per level: (q, r + 1, k)
    for stage in cross.stages:
        tails[stage.factor] = stage.u[:, -n_tail:, :]
    for f, offset in zip(cross.rest_factors, cross.rest_offsets, strict=True):
        factor = cross.factors[f]
        rows = cross.rest[offset : offset + factor.n_levels * factor.size, cross.n_rest :]
        tails[f] = rows.reshape(factor.n_levels, factor.size, n_tail).transpose(0, 2, 1)
    # Sums over levels of t t', per column: (columns, r, r).
    squares = np.concatenate(
        [np.einsum("qac,qbc->cab", t[:, :-1, :], t[:, :-1, :], optimize=True) for t in tails]
    )
    traces[:total, :total] = np.einsum("cab,dab->cd", squares, squares)
    for f, tail in enumerate(tails):
        own = slice(first[f], first[f + 1])
        forms[own] = (tail[:, -1, :] ** 2).sum(axis=0)
        within = np.einsum("qac->c", tail[:, :-1, :] ** 2)
        square_length = np.einsum("ij,ij->j", system.factors[f].z, system.factors[f].z)
        traces[own, total] = traces[total, own] = square_length - within
    forms[total] = float(system.response @ system.response)
    traces[total, total] = system.n - len(system.basis.kept)
    _add_pairs(system, tails, first, traces)
    return forms, traces


def _add_pairs(
    system: ProfiledSystem, tails: list[Floats], first: NDArray[np.int_], traces: Floats
) -> None:
    """Add ``A**2 - 2 A (t_l't_m)`` over all pairs of levels that occur together, A = z_l'z_m."""
    cross = system.cross

    def add(f: int, g: int, blocks: Floats, rows: Floats, cols: Floats) -> None:
        # blocks (pairs, k_f, k_g); rows (pairs, r, k_f), cols (pairs, r, k_g): Q'z of either side.
        inner = np.einsum("prc,prd->pcd", rows, cols, optimize=True)
        part = (blocks * (blocks - 2.0 * inner)).sum(axis=0)
        own, other = slice(first[f], first[f + 1]), slice(first[g], first[g + 1])
        traces[own, other] += part
        if f != g:
            traces[other, own] += part.T

    for position, stage in enumerate(cross.stages):
        f = stage.factor
        tail = tails[f][:, :-1, :]
        add(f, f, stage.d, tail, tail)
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
            other = tails[g][:, :-1, :][column[::k] // k]
            add(f, g, blocks, tail[level], other)
    for i, (f, start) in enumerate(zip(cross.rest_factors, cross.rest_offsets, strict=True)):
        k, q = cross.factors[f].size, cross.factors[f].n_levels
        rows = slice(start, start + q * k)
        for g, begin in list(zip(cross.rest_factors, cross.rest_offsets, strict=True))[i:]:
            m, s = cross.factors[g].size, cross.factors[g].n_levels
            block = cross.rest[rows, begin : begin + s * m]
            if f == g:
                block = np.triu(block) + np.triu(block, 1).T
            a, b = block.reshape(q, k, s, m).nonzero()[0::2]
            pairs = np.unique(a * s + b)
            a, b = pairs // s, pairs % s
            blocks = block.reshape(q, k, s, m)[a, :, b, :]
            add(f, g, blocks, tails[f][a][:, :-1, :], tails[g][b][:, :-1, :])


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
    modes = system.blocked.modes()
    beta_part = system.response
    residual = beta_part - system.basis.q @ solution.beta
    for factor, b in zip(system.factors, modes, strict=True):
        residual = residual - np.einsum("ij,ij->i", factor.z, b[factor.codes])
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
