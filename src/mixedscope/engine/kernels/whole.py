"""Small models of any structure: evaluations, gradients or a whole search as one compiled call.

The steps are those of :class:`mixedscope.engine.blocked.BlockedSystem`, and so are the kernels. The
arrays of all tiers lie one after another in flat ones, so that models of one, two or three tiers
are served by the same compiled code; `table` tells where, a row per tier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import inlined, kernel, part
from mixedscope.engine.kernels.criterion import (
    inlined_criterion,
    inlined_residual,
    inlined_weight,
)
from mixedscope.engine.kernels.dense import derive_dense, scale_dense
from mixedscope.engine.kernels.elimination import (
    back_solve_rest,
    back_solve_tier,
    cholesky_small,
    copy_upper,
    eliminate_head,
    eliminate_parent,
    eliminate_sparse,
    level_factors,
)
from mixedscope.engine.kernels.inverse import (
    derivative_tier,
    head_forms,
    inverse_small,
    parent_forms,
    parent_products,
    sparse_forms,
    tier_inverse,
)
from mixedscope.engine.kernels.narrow import add_parent_narrow, back_solve_narrow
from mixedscope.engine.kernels.search import (
    ACCEPT,
    DECREMENT,
    RETRY,
    STATE,
    STOP,
    accept_or_halve,
    next_trial,
)

__all__ = ["COLUMNS", "run_whole"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of the table: numbers of levels, head rows, columns and sparse rows of a tier; then
# where its part of every flat array begins.
(
    _Q, _H, _K, _NNZ, _BLOCKS, _HEADS, _SPARSE, _ROWS, _PTR, _MODES, _HEAD, _PARENT, _RELATIVE,
    _LAM,
) = range(14)  # fmt: skip
COLUMNS = 14

Pattern = tuple[Ints, NDArray[np.uint32], NDArray[np.int32], Ints, Ints, Ints, Ints]
Data = tuple[Floats, Floats, Floats, Floats]
Work = tuple[Floats, ...]


@part
def _cube(flat: Floats, at: int, q: int, h: int, k: int) -> Floats:
    """Part (q, h, k) of a flat array."""
    return flat[at : at + q * h * k].reshape((q, h, k))


@part
def _square(flat: Floats, at: int, q: int, k: int) -> Floats:
    """Part (q, k) of a flat array."""
    return flat[at : at + q * k].reshape((q, k))


@inlined
def _solve(
    table: Ints, pattern: Pattern, node: Ints, data: Data, work: Work, n_rest: int
) -> tuple[float, float, float, float]:
    """Return ``log |L|**2``, ``log |R_X|**2``, the penalised residual, ``|u|**2``; NaN if broken.

    Factor, coefficients and modes are left in `work`.
    """
    all_ptr, all_idx, all_level, all_by_column, all_column_ptr, all_parent, all_relative = pattern
    first_d, first_u, first_w, rest = data
    (
        lam, own_d, own_u, own_w, all_x, all_m, all_head, all_forms, all_modes, _, _, _, _, s,
        diagonal, spherical, coefficient, _,
    ) = work  # fmt: skip
    n = len(rest)
    n_tail = n - n_rest
    tiers = len(table)
    copy_upper(rest, s)
    if tiers > 1:
        # Nothing is subtracted from the first tier: its cross-products are used as they are.
        for i in range(table[1, _BLOCKS], len(own_d)):
            own_d[i] = first_d[i]
        for i in range(table[1, _HEADS], len(own_u)):
            own_u[i] = first_u[i]
        for i in range(table[1, _SPARSE], len(own_w)):
            own_w[i] = first_w[i]
    log_det = 0.0
    for tier in range(tiers):
        q, h, k, nnz = table[tier, _Q], table[tier, _H], table[tier, _K], table[tier, _NNZ]
        d = _cube(first_d if tier == 0 else own_d, table[tier, _BLOCKS], q, k, k)
        u = _cube(first_u if tier == 0 else own_u, table[tier, _HEADS], q, h, k)
        w = _square(first_w if tier == 0 else own_w, table[tier, _SPARSE], nnz, k)
        x = _cube(all_x, table[tier, _BLOCKS], q, k, k)
        m = _cube(all_m, table[tier, _BLOCKS], q, k, k)
        ptr = all_ptr[table[tier, _PTR] : table[tier, _PTR] + q + 1]
        log_det += level_factors(d, _square(lam, table[tier, _LAM], k, k), x, m)
        offset = int(np.int64(0))
        for later in range(tier + 1, tiers):
            outer_q, outer_h, size = table[later, _Q], table[later, _H], table[later, _K]
            skipped = later - tier - 1
            at = table[tier, _PARENT] + skipped * q
            where = table[tier, _RELATIVE] + skipped * nnz
            eliminate_parent(
                u, w, m, ptr, all_parent[at : at + q], all_relative[where : where + nnz], offset,
                _cube(own_d, table[later, _BLOCKS], outer_q, size, size),
                _cube(own_u, table[later, _HEADS], outer_q, outer_h, size),
                _square(own_w, table[later, _SPARSE], table[later, _NNZ], size),
            )  # fmt: skip
            offset += size
        eliminate_head(u, m, n_tail, s)
        if n_rest > 0:
            rows = table[tier, _ROWS]
            first = tier * (n_rest + 1)
            eliminate_sparse(
                u, w, m, ptr, all_idx[rows : rows + nnz], all_level[rows : rows + nnz],
                all_by_column[rows : rows + nnz], all_column_ptr[first : first + n_rest + 1],
                n_tail, s,
            )  # fmt: skip
    scale_dense(s, diagonal, node, lam, n_rest)
    log_det_fixed = pwrss = penalty = np.nan
    if np.isfinite(log_det) and cholesky_small(s):
        log_det_fixed = 0.0
        for i in range(n - 1):
            if i < n_rest:
                log_det += 2.0 * np.log(s[i, i])
            else:
                log_det_fixed += 2.0 * np.log(s[i, i])
        pwrss = s[n - 1, n - 1] ** 2
        penalty = back_solve_rest(s, node, lam, n_rest, spherical, coefficient)
        for back in range(tiers):
            tier = tiers - 1 - back
            q, h, k, nnz = table[tier, _Q], table[tier, _H], table[tier, _K], table[tier, _NNZ]
            u = _cube(first_u if tier == 0 else own_u, table[tier, _HEADS], q, h, k)
            x = _cube(all_x, table[tier, _BLOCKS], q, k, k)
            m = _cube(all_m, table[tier, _BLOCKS], q, k, k)
            forms = _square(all_forms, table[tier, _MODES], q, k)
            modes = _square(all_modes, table[tier, _MODES], q, k)
            offset = int(np.int64(0))
            if nnz == 0 and k <= 2:
                for i in range(table[tier, _MODES], table[tier, _MODES] + q * k):
                    all_forms[i] = 0.0
                for later in range(tier + 1, tiers):
                    size = table[later, _K]
                    at = table[tier, _PARENT] + (later - tier - 1) * q
                    add_parent_narrow(
                        u, all_parent[at : at + q], offset,
                        _square(all_modes, table[later, _MODES], table[later, _Q], size), forms,
                    )  # fmt: skip
                    offset += size
                penalty += back_solve_narrow(u, x, m, coefficient[n_rest:], forms, modes)
                continue
            head = _square(all_head, table[tier, _HEAD], q, h)
            for later in range(tier + 1, tiers):
                size = table[later, _K]
                outer_modes = _square(all_modes, table[later, _MODES], table[later, _Q], size)
                at = table[tier, _PARENT] + (later - tier - 1) * q
                for i in range(q):
                    for c in range(size):
                        head[i, offset + c] = outer_modes[all_parent[at + i], c]
                offset += size
            for i in range(q):
                for t in range(n_tail):
                    head[i, offset + t] = coefficient[n_rest + t]
            rows = table[tier, _ROWS]
            penalty += back_solve_tier(
                u, _square(first_w if tier == 0 else own_w, table[tier, _SPARSE], nnz, k), x, m,
                all_ptr[table[tier, _PTR] : table[tier, _PTR] + q + 1],
                all_idx[rows : rows + nnz], head, coefficient, forms, modes,
            )  # fmt: skip
    return log_det, log_det_fixed, pwrss, penalty


@inlined
def _derive(
    table: Ints,
    pattern: Pattern,
    node: Ints,
    data: Data,
    work: Work,
    n_rest: int,
    weight: float,
    reml: bool,
) -> None:
    """Fill the `out` of `work`, laid out as its `lam`, with derivatives; overwrites `s`."""
    all_ptr, all_idx, all_level, all_by_column, all_column_ptr, all_parent, all_relative = pattern
    first_d, first_u, first_w, rest = data
    (
        lam, own_d, own_u, own_w, all_x, all_m, _, all_forms, _, inner, all_kd, all_ku, all_kw, s,
        diagonal, spherical, coefficient, out,
    ) = work  # fmt: skip
    n_tail = len(rest) - n_rest
    tiers = len(table)
    n_inverse = n_rest + (n_tail - 1 if reml else 0)
    for i in range(len(out)):
        out[i] = 0.0
    for i in range(len(inner)):
        inner[i] = 0.0
    if n_inverse > 0:
        inverse_small(s, n_inverse)
    derive_dense(s, diagonal, node, lam, n_rest, n_inverse, spherical, coefficient, weight, out)
    for back in range(tiers):
        tier = tiers - 1 - back
        q, h, k, nnz = table[tier, _Q], table[tier, _H], table[tier, _K], table[tier, _NNZ]
        d = _cube(first_d if tier == 0 else own_d, table[tier, _BLOCKS], q, k, k)
        u = _cube(first_u if tier == 0 else own_u, table[tier, _HEADS], q, h, k)
        w = _square(first_w if tier == 0 else own_w, table[tier, _SPARSE], nnz, k)
        m = _cube(all_m, table[tier, _BLOCKS], q, k, k)
        forms = _cube(inner, table[tier, _BLOCKS], q, k, k)
        ptr = all_ptr[table[tier, _PTR] : table[tier, _PTR] + q + 1]
        rows = table[tier, _ROWS]
        idx = all_idx[rows : rows + nnz]
        kd = _cube(all_kd, table[tier, _BLOCKS], q, k, k)
        ku = _cube(all_ku, table[tier, _HEADS], q, h, k)
        kw = _square(all_kw, table[tier, _SPARSE], nnz, k)
        # The entries of the inverse in the rows of a tier serve the tiers within it.
        is_innermost = tier == 0
        if not is_innermost:
            for i in range(table[tier, _HEADS], table[tier, _HEADS] + q * h * k):
                all_ku[i] = 0.0
            for i in range(table[tier, _SPARSE], table[tier, _SPARSE] + nnz * k):
                all_kw[i] = 0.0
        offset = int(np.int64(0))
        for later in range(tier + 1, tiers):
            outer_q, outer_h, size = table[later, _Q], table[later, _H], table[later, _K]
            skipped = later - tier - 1
            at = table[tier, _PARENT] + skipped * q
            where = table[tier, _RELATIVE] + skipped * nnz
            parent = all_parent[at : at + q]
            relative = all_relative[where : where + nnz]
            outer_kd = _cube(all_kd, table[later, _BLOCKS], outer_q, size, size)
            outer_ku = _cube(all_ku, table[later, _HEADS], outer_q, outer_h, size)
            outer_kw = _square(all_kw, table[later, _SPARSE], table[later, _NNZ], size)
            end = h if n_inverse > n_rest else h - n_tail
            parent_forms(
                u, w, ptr, parent, relative, offset, end, outer_kd, outer_ku, outer_kw, forms
            )
            if not is_innermost:
                parent_products(
                    u, w, ptr, parent, relative, offset, outer_kd, outer_ku, outer_kw, ku, kw
                )
            offset += size
        if n_inverse > n_rest:
            head_forms(u, w, ptr, idx, s, n_tail, forms)
        if n_rest > 0:
            first = tier * (n_rest + 1)
            sparse_forms(
                w, ptr, idx, all_level[rows : rows + nnz], all_by_column[rows : rows + nnz],
                all_column_ptr[first : first + n_rest + 1], s, n_rest, forms,
            )  # fmt: skip
        if not is_innermost:
            tier_inverse(u, w, m, ptr, idx, n_tail, s, forms, kd, ku, kw)
        derivative_tier(
            d, _cube(all_x, table[tier, _BLOCKS], q, k, k), m, forms,
            _square(all_forms, table[tier, _MODES], q, k), weight,
            _square(out, table[tier, _LAM], k, k),
        )  # fmt: skip


@kernel
def run_whole(
    table: Ints,
    pattern: Pattern,
    node: Ints,
    data: Data,
    work: Work,
    n_rest: int,
    places: Ints,
    start: Floats,
    inverse: Floats,
    degrees: int,
    variance: float,
    reml: bool,
    tolerance: float,
    search: bool,
    derive: bool,
    known: bool,
    points: Floats,
    gradients: Floats,
    parts: Floats,
    betas: Floats,
) -> tuple[int, int, float]:
    """Evaluate at given points, or search for the optimum and record every evaluation.

    Parameters
    ----------
    table, pattern, node, data, work
        Made in :mod:`mixedscope.engine.small`.
    n_rest : int
        Random-effects columns of the rest.
    places : (p,) array of int
        Where theta stands in the flat array of factors.
    known : bool
        Whether `start` was the last point evaluated, without gradient, and the first rows of
        `parts` and `betas` hold what came of it.

    The other parameters and what is returned are those of
    :func:`mixedscope.engine.kernels.single.run_single`.
    """
    lam, s, coefficient, out = work[0], work[13], work[16], work[17]
    r, p = len(s) - n_rest - 1, len(places)
    state = np.zeros(STATE)
    state[DECREMENT] = np.inf
    direction = np.empty(p)
    trial = np.empty(p)
    scratch = np.empty((3, p))
    for i in range(p):
        trial[i] = start[i]
    best = int(np.int64(-1))
    count = 0
    while count < len(points):
        for i in range(p):
            if search:
                points[count, i] = trial[i]
            gradients[count, i] = np.nan
            lam[places[i]] = points[count, i]
        log_det, log_det_fixed, pwrss = parts[count, 0], parts[count, 1], parts[count, 2]
        if count > 0 or not known:
            log_det, log_det_fixed, pwrss, parts[count, 3] = _solve(
                table, pattern, node, data, work, n_rest
            )
            parts[count, 0] = log_det
            parts[count, 1] = log_det_fixed
            parts[count, 2] = pwrss
            for i in range(r):
                betas[count, i] = coefficient[n_rest + i]
        residual = inlined_residual(pwrss, degrees, variance)
        new = inlined_criterion(log_det, log_det_fixed, residual, reml)
        verdict = ACCEPT
        if search:
            verdict = accept_or_halve(new, best, points, direction, trial, state)
        count += 1
        if verdict == STOP:
            break
        if verdict == RETRY or not derive:
            continue
        weight = inlined_weight(pwrss, degrees, variance)
        _derive(table, pattern, node, data, work, n_rest, weight, reml)
        for i in range(p):
            gradients[count - 1, i] = out[places[i]]
        if search:
            done = next_trial(
                new, best, count - 1, points, gradients, inverse, tolerance, direction, trial,
                scratch, state,
            )  # fmt: skip
            best = count - 1
            if done:
                break
    return count, best, state[DECREMENT]
