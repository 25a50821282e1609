"""Small models of any structure: evaluations, gradients or a whole search as one compiled call.

The steps are those of :class:`mixedscope.engine.blocked.BlockedSystem`, and so are the kernels. The
arrays of all tiers lie one after another in flat ones, so that models of one, two or three tiers
are served by the same compiled code; `table` tells where, a row per tier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import inlined, kernel
from mixedscope.engine.compile.logarithm import log
from mixedscope.engine.kernels import steps
from mixedscope.engine.kernels.criterion import (
    inlined_criterion,
    inlined_residual,
    inlined_weight,
)
from mixedscope.engine.kernels.elimination import cholesky_small
from mixedscope.engine.kernels.search import (
    ACCEPT,
    DECREMENT,
    RETRY,
    STATE,
    STOP,
    accept_or_halve,
    next_trial,
)
from mixedscope.engine.kernels.tiers import (
    BLOCKS,
    COLUMNS,
    HEAD,
    HEADS,
    LAM,
    MODES,
    NNZ,
    PTR,
    ROWS,
    SPARSE,
    H,
    K,
    Q,
    cube,
    square,
)

__all__ = ["run_whole"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Pattern = tuple[Ints, NDArray[np.uint32], NDArray[np.int32], Ints, Ints, Ints, Ints]
Data = tuple[Floats, Floats, Floats, Floats]
Work = tuple[Floats, ...]

_level_factors = steps.level_factors.call
_eliminate_parents = steps.eliminate_parents.call
_eliminate_head = steps.eliminate_head.call
_eliminate_sparse = steps.eliminate_sparse.call
_scale_dense = steps.scale_dense.call
_back_solve_rest = steps.back_solve_rest.call
_add_parents = steps.add_parents.call
_back_solve_narrow = steps.back_solve_narrow.call
_modes_of_parents = steps.modes_of_parents.call
_back_solve = steps.back_solve.call
_inverse_small = steps.inverse_small.call
_derive_dense = steps.derive_dense.call
_parents_of_inverse = steps.parents_of_inverse.call
_head_forms = steps.head_forms.call
_sparse_forms = steps.sparse_forms.call
_invert_tier = steps.invert_tier.call
_derivative_tier = steps.derivative_tier.call


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
    for i in range(n):
        for j in range(i, n):
            s[i, j] = rest[i, j]
    if tiers > 1:
        # Nothing is subtracted from the first tier: its cross-products are used as they are.
        for i in range(table[1, BLOCKS], len(own_d)):
            own_d[i] = first_d[i]
        for i in range(table[1, HEADS], len(own_u)):
            own_u[i] = first_u[i]
        for i in range(table[1, SPARSE], len(own_w)):
            own_w[i] = first_w[i]
    log_det = 0.0
    for tier in range(tiers):
        q, h, k, nnz = table[tier, Q], table[tier, H], table[tier, K], table[tier, NNZ]
        d = cube(first_d if tier == 0 else own_d, table[tier, BLOCKS], q, k, k)
        u = cube(first_u if tier == 0 else own_u, table[tier, HEADS], q, h, k)
        w = square(first_w if tier == 0 else own_w, table[tier, SPARSE], nnz, k)
        x = cube(all_x, table[tier, BLOCKS], q, k, k)
        m = cube(all_m, table[tier, BLOCKS], q, k, k)
        ptr = all_ptr[table[tier, PTR] : table[tier, PTR] + q + 1]
        step = table[tier, COLUMNS:]
        log_det += _level_factors(step, d, square(lam, table[tier, LAM], k, k), x, m)
        if tier + 1 < tiers:
            _eliminate_parents(
                step, table, tier, u, w, m, ptr, all_parent, all_relative,
                own_d, own_u, own_w,
            )  # fmt: skip
        _eliminate_head(step, u, m, n_tail, s)
        if n_rest > 0:
            rows = table[tier, ROWS]
            first = tier * (n_rest + 1)
            _eliminate_sparse(
                step, u, w, m, ptr, all_idx[rows : rows + nnz], all_level[rows : rows + nnz],
                all_by_column[rows : rows + nnz], all_column_ptr[first : first + n_rest + 1],
                n_tail, s,
            )  # fmt: skip
    step = table[0, COLUMNS:]
    _scale_dense(step, s, diagonal, node, lam, n_rest)
    log_det_fixed = pwrss = penalty = np.nan
    if np.isfinite(log_det) and cholesky_small(s):
        log_det_fixed = 0.0
        for i in range(n - 1):
            if i < n_rest:
                log_det += 2.0 * log(s[i, i])
            else:
                log_det_fixed += 2.0 * log(s[i, i])
        pwrss = s[n - 1, n - 1] * s[n - 1, n - 1]
        penalty = _back_solve_rest(step, s, node, lam, n_rest, spherical, coefficient)
        for back in range(tiers):
            tier = tiers - 1 - back
            q, h, k, nnz = table[tier, Q], table[tier, H], table[tier, K], table[tier, NNZ]
            u = cube(first_u if tier == 0 else own_u, table[tier, HEADS], q, h, k)
            x = cube(all_x, table[tier, BLOCKS], q, k, k)
            m = cube(all_m, table[tier, BLOCKS], q, k, k)
            forms = square(all_forms, table[tier, MODES], q, k)
            modes = square(all_modes, table[tier, MODES], q, k)
            step = table[tier, COLUMNS:]
            if nnz == 0 and k <= 2:
                for i in range(table[tier, MODES], table[tier, MODES] + q * k):
                    all_forms[i] = 0.0
                if tier + 1 < tiers:
                    _add_parents(step, table, tier, u, all_parent, all_modes, forms)
                penalty += _back_solve_narrow(step, u, x, m, coefficient[n_rest:], forms, modes)
                continue
            head = square(all_head, table[tier, HEAD], q, h)
            if tier + 1 < tiers:
                _modes_of_parents(step, table, tier, all_parent, all_modes, head)
            offset = h - n_tail
            for i in range(q):
                for t in range(n_tail):
                    head[i, offset + t] = coefficient[n_rest + t]
            rows = table[tier, ROWS]
            penalty += _back_solve(
                step, u,
                square(first_w if tier == 0 else own_w, table[tier, SPARSE], nnz, k), x, m,
                all_ptr[table[tier, PTR] : table[tier, PTR] + q + 1],
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
    step = table[0, COLUMNS:]
    if n_inverse > 0:
        _inverse_small(step, s, n_inverse)
    _derive_dense(
        step, s, diagonal, node, lam, n_rest, n_inverse, spherical, coefficient, weight, out
    )  # fmt: skip
    for back in range(tiers):
        tier = tiers - 1 - back
        q, h, k, nnz = table[tier, Q], table[tier, H], table[tier, K], table[tier, NNZ]
        d = cube(first_d if tier == 0 else own_d, table[tier, BLOCKS], q, k, k)
        u = cube(first_u if tier == 0 else own_u, table[tier, HEADS], q, h, k)
        w = square(first_w if tier == 0 else own_w, table[tier, SPARSE], nnz, k)
        m = cube(all_m, table[tier, BLOCKS], q, k, k)
        forms = cube(inner, table[tier, BLOCKS], q, k, k)
        ptr = all_ptr[table[tier, PTR] : table[tier, PTR] + q + 1]
        rows = table[tier, ROWS]
        idx = all_idx[rows : rows + nnz]
        step = table[tier, COLUMNS:]
        if tiers > 1:
            end = h if n_inverse > n_rest else h - n_tail
            _parents_of_inverse(
                step, table, tier, end, u, w, ptr, all_parent,
                all_relative, all_kd, all_ku, all_kw, forms,
            )  # fmt: skip
        if n_inverse > n_rest:
            _head_forms(step, u, w, ptr, idx, s, n_tail, forms)
        if n_rest > 0:
            first = tier * (n_rest + 1)
            _sparse_forms(
                step, w, ptr, idx, all_level[rows : rows + nnz],
                all_by_column[rows : rows + nnz], all_column_ptr[first : first + n_rest + 1], s,
                n_rest, forms,
            )  # fmt: skip
        if tier > 0:
            _invert_tier(
                step, table, tier, u, w, m, ptr, idx, n_tail, s, forms, all_kd,
                all_ku, all_kw,
            )  # fmt: skip
        _derivative_tier(
            step, d, cube(all_x, table[tier, BLOCKS], q, k, k), m, forms,
            square(all_forms, table[tier, MODES], q, k), weight,
            square(out, table[tier, LAM], k, k),
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
