"""The Laplace approximation of models with several grouping factors, compiled.

All random effects together, spherical ones, in an order in which nested factors leave no entries
beyond those of the data, and what crosses them comes last, as a full triangle: so that one sparse
Cholesky factor serves all designs. Formulas are those of
:mod:`mixedscope.engine.generalized.laplace`. Arrays `h` and `inverse` hold the entries below the
diagonal, column by column (`lp`, `li`), then the diagonal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel, part
from mixedscope.engine.compile.logarithm import log
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.laplace import (
    GAIN,
    MOST,
    ROUNDING,
    SETTLED,
    SHORTEST,
    SLACK,
    blur,
    shorter,
    slopes_of_rows,
    summed_up,
)
from mixedscope.engine.kernels.laplace_steps import (
    CHANGE,
    ETA,
    FIXED,
    LEVERAGE,
    MOVED,
    SCORE,
    SLOPE,
    WEIGHT,
    Columns,
    Graph,
    Work,
)

__all__ = ["derive_several", "fixed_information", "places_of_pairs", "value_of_several"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]

_rows = laplace_steps.rows.call


@kernel
def places_of_pairs(cells: Shorts, lp: Ints, li: Shorts, out: Shorts) -> None:
    """Find where the products of each two columns of a row stand, (n, c (c + 1) / 2).

    `cells` (n, c), ascending: the columns of each row. The second of two is the first or before it.
    """
    n, c = cells.shape
    below = lp[len(lp) - 1]
    for i in range(n):
        pair = 0
        for a in range(c):
            row = cells[i, a]
            for b in range(a):
                low, high = lp[cells[i, b]], lp[cells[i, b] + 1] - 1
                while low < high:
                    middle = (low + high) // 2
                    if li[middle] < row:
                        low = middle + 1
                    else:
                        high = middle
                out[i, pair] = low
                pair += 1
            out[i, pair] = below + row
            pair += 1


@part
def _across(cells: Shorts, turned: Floats, values: Floats, out: Floats) -> None:
    """Fill `out` (N,) with the products of the columns of all rows with values (n,)."""
    n, c = cells.shape
    for j in range(len(out)):
        out[j] = 0.0
    for i in range(n):
        for a in range(c):
            out[cells[i, a]] += turned[i, a] * values[i]


@part
def _along(cells: Shorts, turned: Floats, start: Floats, u: Floats, out: Floats) -> None:
    """Fill `out` (n,) with `start` and what random effects `u` (N,) add to each row."""
    n, c = cells.shape
    for i in range(n):
        value = start[i]
        for a in range(c):
            value += turned[i, a] * u[cells[i, a]]
        out[i] = value


@part
def _assemble(
    cells: Shorts, slots: Shorts, turned: Floats, rows: Floats, least: float, size: int, h: Floats
) -> None:
    """Fill `h` with the information of the penalised log-likelihood.

    Rows that have less information than `least` count as if they had that.
    """
    n, c = cells.shape
    weight = rows[WEIGHT]
    below = len(h) - size
    for p in range(below):
        h[p] = 0.0
    for p in range(below, len(h)):
        h[p] = 1.0
    for i in range(n):
        own = max(weight[i], least)
        pair = 0
        for a in range(c):
            product = turned[i, a] * own
            for b in range(a + 1):
                h[slots[i, pair]] += product * turned[i, b]
                pair += 1


@part
def _factorise(lp: Ints, li: Shorts, h: Floats) -> bool:
    """Overwrite `h` by its Cholesky factor; whether all pivots are positive.

    Column by column of the result, each of which takes from those before it that have an entry in
    its row.
    """
    n = len(lp) - 1
    below = lp[n]
    x = np.zeros(n)
    head, link, place = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for j in range(n):
        head[j] = -1
    for j in range(n):
        value = h[below + j]
        begin, end = lp[j], lp[j + 1]
        for p in range(begin, end):
            x[li[p]] = h[p]
        column = head[j]
        while column != -1:
            following = link[column]
            at, stop = place[column], lp[column + 1]
            factor = h[at]
            value -= factor * factor
            length = stop - at - 1
            if length > 0 and li[stop - 1] - li[at + 1] == length - 1:
                # Rows without a gap, as those of a full rest: several at once.
                target, source = x[li[at + 1] : li[stop - 1] + 1], h[at + 1 : stop]
                for p in range(length):
                    target[p] -= source[p] * factor
            else:
                for p in range(at + 1, stop):
                    x[li[p]] -= h[p] * factor
            if at + 1 < stop:
                place[column] = at + 1
                link[column] = head[li[at + 1]]
                head[li[at + 1]] = column
            column = following
        if not value > 0.0:
            return False
        root = np.sqrt(value)
        h[below + j] = root
        for p in range(begin, end):
            h[p] = x[li[p]] / root
        if begin < end:
            place[j] = begin
            link[j] = head[li[begin]]
            head[li[begin]] = j
    return True


@part
def _forward(lp: Ints, li: Shorts, h: Floats, x: Floats) -> None:
    """Overwrite `x` (N,) by ``inv(L) x``."""
    n = len(x)
    below = lp[n]
    for j in range(n):
        value = x[j] / h[below + j]
        x[j] = value
        for p in range(lp[j], lp[j + 1]):
            x[li[p]] -= h[p] * value


@part
def _solve(lp: Ints, li: Shorts, h: Floats, x: Floats) -> None:
    """Overwrite `x` (N,) by the solution of the system whose factor `h` is."""
    _forward(lp, li, h, x)
    n = len(x)
    below = lp[n]
    for back in range(n):
        j = n - 1 - back
        value = x[j]
        for p in range(lp[j], lp[j + 1]):
            value -= h[p] * x[li[p]]
        x[j] = value / h[below + j]


@part
def _invert(lp: Ints, li: Shorts, h: Floats, rest: int, full: Floats, inverse: Floats) -> None:
    """Fill `inverse` with the entries of the inverse where the factor `h` has some.

    Takahashi, Fagan & Chen (1973), as
    :func:`mixedscope.engine.kernels.sparse_inverse.select_inverse`. `full` (m, m): receives all of
    it among the columns of the rest, which begin at `rest`.
    """
    n = len(lp) - 1
    below = lp[n]
    sums, where = np.empty(n), np.empty(n, np.int64)
    for i in range(n):
        where[i] = -1
    for back in range(n):
        j = n - 1 - back
        begin, end = lp[j], lp[j + 1]
        length = end - begin
        for a in range(length):
            sums[a] = 0.0
            where[li[begin + a]] = a
        split = length
        for a in range(length):
            k = li[begin + a]
            if k >= rest:
                split = a
                break
            factor = h[begin + a]
            own = inverse[below + k] * factor
            for p in range(lp[k], lp[k + 1]):
                b = where[li[p]]
                if b >= 0:
                    sums[b] += inverse[p] * factor
                    own += inverse[p] * h[begin + b]
            sums[a] += own
        if split < length:
            row = li[begin + split]
            is_whole = li[end - 1] - row == length - split - 1
            for a in range(split, length):
                source = full[li[begin + a] - rest]
                factor = h[begin + a]
                if is_whole:
                    target, own_rows = (
                        sums[split:length],
                        source[row - rest : li[end - 1] - rest + 1],
                    )
                    for b in range(length - split):
                        target[b] += own_rows[b] * factor
                else:
                    for b in range(split, length):
                        sums[b] += source[li[begin + b] - rest] * factor
        root = h[below + j]
        total = 1.0
        for a in range(length):
            total += h[begin + a] * sums[a]
            value = -sums[a] / root
            inverse[begin + a] = value
            where[li[begin + a]] = -1
            if j >= rest:
                full[j - rest, li[begin + a] - rest] = value
                full[li[begin + a] - rest, j - rest] = value
        value = total / root / root
        inverse[below + j] = value
        if j >= rest:
            full[j - rest, j - rest] = value


@part
def _turn(columns: Columns, layout: Ints, lam: Floats, gamma: Floats, work: Work) -> None:
    """Fill predictors of the fixed effects, and random-effects columns times the factors."""
    z, x, offset, _ = columns
    turned, fixed = work[0], work[2][FIXED]
    r = len(gamma)
    for i in range(len(z)):
        value = offset[i]
        for j in range(r):
            value += x[i, j] * gamma[j]
        fixed[i] = value
        for f in range(len(layout)):
            first, k, at = layout[f, 0], layout[f, 1], layout[f, 2]
            for a in range(k):
                value = 0.0
                for c in range(a, k):
                    value += z[i, first + c] * lam[at + c * k + a]
                turned[i, first + a] = value


@part
def _predict(graph: Graph, work: Work, u: Floats) -> None:
    """Fill `u` (N,) with where the modes are, seen from those of the evaluation before.

    With a the change of the predictor that the parameters make by themselves, scores held, all of
    it is ``a - Z P Z'W a``, P being the inverse there; and modes follow the scores.
    """
    _, cells, _, lp, li, _ = graph
    turned, before, rows, _, vectors, _, h, _ = work
    n, c = cells.shape
    held, taken = vectors[0], vectors[1]
    eta, score, weight, change = rows[ETA], rows[SCORE], rows[WEIGHT], rows[SLOPE]
    _across(cells, turned, score, held)
    _along(cells, turned, rows[FIXED], held, change)
    for j in range(len(u)):
        taken[j] = 0.0
        u[j] = 0.0
    for i in range(n):
        change[i] -= eta[i]
        product = weight[i] * change[i]
        for a in range(c):
            taken[cells[i, a]] += before[i, a] * product
    _solve(lp, li, h, taken)
    for i in range(n):
        value = change[i]
        for a in range(c):
            value -= before[i, a] * taken[cells[i, a]]
        moved = score[i] - weight[i] * value
        for a in range(c):
            u[cells[i, a]] += turned[i, a] * moved
    total = 0.0
    for j in range(len(u)):
        total += u[j]
    if not np.isfinite(total):
        for j in range(len(u)):
            u[j] = held[j]


@part
def value_of_several(
    numbers: Ints,
    graph: Graph,
    columns: Columns,
    y: Floats,
    lam: Floats,
    gamma: Floats,
    dispersion: float,
    modes: Floats,
    work: Work,
    parts: Floats,
) -> float:
    """As :func:`mixedscope.engine.kernels.laplace.value_at`, of several factors.

    ``modes`` (2, N): the spherical modes, and 1 in the first place of the second row where what is
    in `work` belongs to them. ``lam``: the factors of all, one after another.
    """
    _, cells, slots, lp, li, layout = graph
    counts = columns[3]
    turned, before, rows, scratch, vectors, _, h, _ = work
    n, c = cells.shape
    u, known = modes[0], modes[1]
    size = len(u)
    if known[0] > 0.0:
        for i in range(n):
            for a in range(c):
                before[i, a] = turned[i, a]
    _turn(columns, layout, lam, gamma, work)
    if known[0] > 0.0:
        _predict(graph, work, u)
    known[0] = 0.0
    step, trial = vectors[0], vectors[1]
    fixed, eta = rows[FIXED], rows[ETA]
    score, weight, slope = rows[SCORE], rows[WEIGHT], rows[SLOPE]
    penalty = 0.0
    for j in range(size):
        penalty += u[j] * u[j]
    _along(cells, turned, fixed, u, eta)
    value = _rows(numbers, numbers, 0, n, eta, y, counts, dispersion, scratch, score, weight, slope)
    if not np.isfinite(value + penalty):
        for j in range(size):
            u[j] = 0.0
        penalty = 0.0
        _along(cells, turned, fixed, u, eta)
        value = _rows(
            numbers, numbers, 0, n, eta, y, counts, dispersion, scratch, score, weight, slope
        )  # fmt: skip
    steps = halvings = 0
    is_last = not np.isfinite(value)
    while not is_last:
        steps += 1
        here = 0.5 * penalty - value
        blurred = blur(0, n, eta, score)
        _assemble(cells, slots, turned, rows, -np.inf, size, h)
        is_definite = steps <= MOST and _factorise(lp, li, h)
        if steps <= MOST and not is_definite:
            # Where information is negative it counts as none: still a direction of descent.
            _assemble(cells, slots, turned, rows, 0.0, size, h)
            is_definite = _factorise(lp, li, h)
        if not is_definite:
            value = np.nan
            break
        _across(cells, turned, score, step)
        for j in range(size):
            trial[j] = step[j] - u[j]
            step[j] = trial[j]
        _solve(lp, li, h, step)
        decrement = 0.0
        for j in range(size):
            decrement += trial[j] * step[j]
        is_last = decrement < SETTLED or decrement < ROUNDING * (1.0 + abs(here))
        length = 1.0
        while True:
            penalty = 0.0
            for j in range(size):
                trial[j] = u[j] + length * step[j]
                penalty += trial[j] * trial[j]
            _along(cells, turned, fixed, trial, eta)
            value = _rows(
                numbers, numbers, 0, n, eta, y, counts, dispersion, scratch, score, weight, slope
            )  # fmt: skip
            there = 0.5 * penalty - value
            allowed = here - GAIN * length * decrement + SLACK * (1.0 + abs(here))
            if there <= allowed + blurred or (is_last and np.isfinite(there)):
                break
            halvings += 1
            length = shorter(length, there - here, decrement)
            if not length > SHORTEST:
                value = np.nan
                break
        for j in range(size):
            u[j] = trial[j]
        if not np.isfinite(value):
            break
    log_det = np.nan
    if np.isfinite(value):
        _assemble(cells, slots, turned, rows, -np.inf, size, h)
        if _factorise(lp, li, h):
            log_det = 0.0
            for p in range(len(h) - size, len(h)):
                log_det += 2.0 * log(h[p])
            known[0] = 1.0
    return summed_up(value, penalty, log_det, steps, halvings, parts)


@part
def derive_several(
    numbers: Ints,
    graph: Graph,
    columns: Columns,
    y: Floats,
    gamma: Floats,
    dispersion: float,
    modes: Floats,
    work: Work,
    by_factor: Floats,
    by_gamma: Floats,
) -> float:
    """As :func:`mixedscope.engine.kernels.laplace.derive`, after `value_of_several`.

    Leaves entries of the inverse where the factor has some.
    """
    _, cells, slots, lp, li, layout = graph
    z, x, _, counts = columns
    turned, _, rows, scratch, vectors, blocks, h, inverse = work
    score, weight, slope = rows[SCORE], rows[WEIGHT], rows[SLOPE]
    leverage, moved = rows[LEVERAGE], rows[MOVED]
    n, c = cells.shape
    r = len(gamma)
    u, v = modes[0], vectors[0]
    size = len(u)
    full = blocks[0]
    _invert(lp, li, h, size - len(full), full, inverse)
    for e in range(len(by_factor)):
        by_factor[e] = 0.0
    for j in range(r):
        by_gamma[j] = 0.0
    for j in range(size):
        v[j] = 0.0
    product = np.empty(c)
    for i in range(n):
        for a in range(c):
            product[a] = 0.0
        pair = 0
        for a in range(c):
            own = 0.0
            for b in range(a):
                entry = inverse[slots[i, pair]]
                own += entry * turned[i, b]
                product[b] += entry * turned[i, a]
                pair += 1
            product[a] += own + inverse[slots[i, pair]] * turned[i, a]
            pair += 1
        square = 0.0
        for a in range(c):
            square += turned[i, a] * product[a]
        leverage[i] = square
        t = square * slope[i]
        for a in range(c):
            v[cells[i, a]] += turned[i, a] * t
        for f in range(len(layout)):
            first, k, at = layout[f, 0], layout[f, 1], layout[f, 2]
            for a in range(k):
                value = 2.0 * weight[i] * z[i, first + a]
                for b in range(k):
                    by_factor[at + a * k + b] += value * product[first + b]
    _solve(lp, li, h, v)
    for i in range(n):
        along = 0.0
        for a in range(c):
            along += turned[i, a] * v[cells[i, a]]
        moved[i] = along
    by_dispersion = slopes_of_rows(
        numbers, int(np.int64(0)), n, x, y, counts, dispersion, score, scratch[CHANGE], rows,
        scratch, by_gamma,
    )  # fmt: skip
    for i in range(n):
        own = moved[i]
        for f in range(len(layout)):
            first, k, at = layout[f, 0], layout[f, 1], layout[f, 2]
            for a in range(k):
                one, two = z[i, first + a] * own, z[i, first + a] * score[i]
                for b in range(k):
                    j = cells[i, first + b]
                    by_factor[at + a * k + b] += one * u[j] + two * v[j]
    return by_dispersion


@kernel
def fixed_information(graph: Graph, columns: Columns, work: Work, by_gamma: Floats) -> None:
    """Fill ``2 (X'WX - X'WZ Lambda inv(H) Lambda'Z'WX)`` (r, r), after `value_of_several`."""
    _, cells, _, lp, li, _ = graph
    x = columns[1]
    turned, _, rows, _, vectors, _, h, _ = work
    n, r = x.shape
    weight, product = rows[WEIGHT], rows[LEVERAGE]
    half = np.empty((r, vectors.shape[1]))
    for j in range(r):
        for m in range(j + 1):
            by_gamma[j, m] = 0.0
        for i in range(n):
            product[i] = weight[i] * x[i, j]
            for m in range(j + 1):
                by_gamma[j, m] += product[i] * x[i, m]
        _across(cells, turned, product, half[j])
        _forward(lp, li, h, half[j])
        for m in range(j + 1):
            value = by_gamma[j, m]
            for e in range(half.shape[1]):
                value -= half[j, e] * half[m, e]
            by_gamma[j, m] = 2.0 * value
            by_gamma[m, j] = 2.0 * value
