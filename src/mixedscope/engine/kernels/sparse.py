"""Kernels of the sparse factorisation: cross-products, Cholesky factor, and the way back.

``H = Lambda' Z'Z Lambda + I`` for all random effects at once, columns in an order of elimination.
Of its factor L the leading columns are sparse: `lp`, `li`, `lx` are their entries below the
diagonal, `pivot` that, `w` their rows of the tail (fixed-effects basis, response). What follows,
nearly full, is the dense matrix S with the tail, the upper triangle of which is filled here and the
lower one factorised by LAPACK. Nothing is divided by Lambda.

Blocks of ``Z'Z`` between nodes (levels of grouping factors, in that order): those of node J with
itself and later ones are ``gp[J]`` to ``gp[J + 1]``, of the nodes `gi`, row by row from ``gv`` on
in `gx`. `first` is the first column of every node, `at` where its factor begins in `lam`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = ["add_products", "back_solve", "eliminate_full", "eliminate_rows", "factorise"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]


@kernel
def add_products(
    ours: Ints, theirs: Ints, one: Floats, other: Floats, gp: Ints, gi: Ints, gv: Ints, gx: Floats
) -> None:
    """Add the products of the columns (n, k) and (n, m) of two factors to their blocks.

    `ours`, `theirs` (n,): nodes of the observations.
    """
    k, m = one.shape[1], other.shape[1]
    for i in range(len(ours)):
        row, column = ours[i], theirs[i]
        is_swapped = row < column
        if is_swapped:
            row, column = column, row
        low, high = gp[column], gp[column + 1] - 1
        while low < high:
            middle = (low + high) // 2
            if gi[middle] < row:
                low = middle + 1
            else:
                high = middle
        v = gv[low]
        if is_swapped:
            for b in range(m):
                for a in range(k):
                    gx[v + b * k + a] += other[i, b] * one[i, a]
        else:
            for a in range(k):
                for b in range(m):
                    gx[v + a * m + b] += one[i, a] * other[i, b]


@kernel
def factorise(
    gp: Ints,
    gi: Ints,
    gv: Ints,
    gx: Floats,
    first: Ints,
    at: Ints,
    lam: Floats,
    border: Floats,
    lp: Ints,
    li: Rows,
    lx: Floats,
    pivot: Floats,
    w: Floats,
    s: Floats,
    panel: Ints,
) -> bool:
    """Factorise the sparse columns that are in no panel; leave what they leave of all others.

    Column by column of the result, each of which takes from those before it that have an entry in
    its row. What is left of panels is where their factor is to be, of dense columns above the
    diagonal of S. `border` (n, t): ``Z'`` times the tail; the tail's own corner of S is left alone.
    `panel`: -1 where a sparse column is in none. Gives whether all pivots are positive.
    """
    n, c, t = len(border), len(pivot), border.shape[1]
    dense = n - c
    x = np.zeros(n)
    tail = np.empty(t)
    head = np.empty(n, dtype=np.int64)
    for j in range(n):
        head[j] = -1
    link = np.empty(c, dtype=np.int64)
    place = np.empty(c, dtype=np.int64)
    for node in range(len(first) - 1):
        i0, own = first[node], at[node]
        k = first[node + 1] - i0
        for b in range(k):
            j = i0 + b
            is_sparse = j < c
            target = x
            shift = 0
            if not is_sparse:
                target = s[j - c]
                shift = c
                for row in range(j - c, dense):
                    target[row] = 0.0
            # The column of H.
            for e in range(gp[node], gp[node + 1]):
                r0, o, v = first[gi[e]], at[gi[e]], gv[e]
                m = first[gi[e] + 1] - r0
                for a in range(b if e == gp[node] else 0, m):
                    value = 0.0
                    for y in range(a, m):
                        part = 0.0
                        for z in range(b, k):
                            part += gx[v + y * k + z] * lam[own + z * k + b]
                        value += lam[o + y * m + a] * part
                    target[r0 + a - shift] += value
            target[j - shift] += 1.0
            for u in range(t):
                value = 0.0
                for z in range(b, k):
                    value += lam[own + z * k + b] * border[i0 + z, u]
                tail[u] = value
            # Less what the columns before it take away.
            column = head[j]
            while column != -1:
                following = link[column]
                p, end = place[column], lp[column + 1]
                factor = lx[p]
                rows = li[p:end]
                values = lx[p:end]
                for q in range(len(rows)):
                    target[rows[q] - shift] -= values[q] * factor
                for u in range(t):
                    tail[u] -= w[column, u] * factor
                if p + 1 < end:
                    place[column] = p + 1
                    link[column] = head[li[p + 1]]
                    head[li[p + 1]] = column
                column = following
            if not is_sparse:
                for u in range(t):
                    target[dense + u] = tail[u]
                continue
            value = x[j]
            x[j] = 0.0
            if panel[j] != -1:
                pivot[j] = value
                for p in range(lp[j], lp[j + 1]):
                    lx[p] = x[li[p]]
                    x[li[p]] = 0.0
                for u in range(t):
                    w[j, u] = tail[u]
                continue
            if not value > 0.0:
                return False
            root = np.sqrt(value)
            pivot[j] = root
            for p in range(lp[j], lp[j + 1]):
                lx[p] = x[li[p]] / root
                x[li[p]] = 0.0
            for u in range(t):
                w[j, u] = tail[u] / root
            if lp[j] < lp[j + 1]:
                place[j] = lp[j]
                link[j] = head[li[lp[j]]]
                head[li[lp[j]]] = j
    return True


@kernel
def back_solve(
    first: Ints,
    at: Ints,
    lam: Floats,
    lp: Ints,
    li: Rows,
    lx: Floats,
    pivot: Floats,
    w: Floats,
    s: Floats,
    spherical: Floats,
    coefficient: Floats,
) -> float:
    """Solve for all random effects, whose ``|u|**2`` is returned, and for the fixed effects.

    `spherical` (n + t,) receives u and beta, `coefficient` (n + t,) ``b = Lambda u``, beta and -1,
    as in :func:`mixedscope.engine.kernels.elimination.back_solve_rest`.
    """
    c, size = len(pivot), len(s)
    last = size - 1
    n = first[len(first) - 1]
    t = w.shape[1]
    for j in range(last):
        spherical[c + j] = s[last, j]
    for back in range(last):
        j = last - 1 - back
        value = spherical[c + j] / s[j, j]
        spherical[c + j] = value
        for i in range(j):
            spherical[c + i] -= value * s[j, i]
    spherical[c + last] = -1.0
    for back in range(c):
        j = c - 1 - back
        value = w[j, t - 1]
        for u in range(t - 1):
            value -= w[j, u] * spherical[n + u]
        for p in range(lp[j], lp[j + 1]):
            value -= lx[p] * spherical[li[p]]
        spherical[j] = value / pivot[j]
    penalty = 0.0
    for node in range(len(first) - 1):
        i0, own = first[node], at[node]
        k = first[node + 1] - i0
        for a in range(k):
            value = 0.0
            for b in range(a + 1):
                value += lam[own + a * k + b] * spherical[i0 + b]
            coefficient[i0 + a] = value
            penalty += spherical[i0 + a] * spherical[i0 + a]
    for u in range(t):
        coefficient[n + u] = spherical[n + u]
    return penalty


@kernel
def eliminate_full(
    lp: Ints, li: Rows, lx: Floats, pivot: Floats, w: Floats, right: Floats, dense: Floats
) -> None:
    """Overwrite rows `right` (m, n) by ``inv(L) row`` in the sparse columns.

    `dense` (m, size of S): receives what is left of the others, and of the tail, for S to solve.
    """
    m, n = right.shape
    c, t = len(pivot), w.shape[1]
    for row in range(m):
        own = right[row]
        left = dense[row]
        for j in range(n - c):
            left[j] = own[c + j]
        for u in range(t):
            left[n - c + u] = 0.0
        for j in range(c):
            value = own[j] / pivot[j]
            own[j] = value
            for p in range(lp[j], lp[j + 1]):
                if li[p] < c:
                    own[li[p]] -= lx[p] * value
                else:
                    left[li[p] - c] -= lx[p] * value
            for u in range(t):
                left[n - c + u] -= w[j, u] * value


@kernel
def eliminate_rows(
    columns: Ints,
    values: Floats,
    lp: Ints,
    li: Rows,
    lx: Floats,
    pivot: Floats,
    w: Floats,
    n: int,
    forms: Floats,
    dense: Floats,
) -> None:
    """Eliminate the sparse columns from rows that have few of them, whose squares go to `forms`.

    Parameters
    ----------
    columns, values : (m, h) arrays
        Entries of the rows, spherical; column -1 for none.
    forms : (m,) array
        Receives ``|inv(L) row|**2`` of the sparse columns, added.
    dense : (m, size of S) array
        What else the rows have, less what the sparse columns take away of it.
    """
    m, h = columns.shape
    c, t = len(pivot), w.shape[1]
    x = np.zeros(n)
    heads = np.empty(h, dtype=np.int64)
    for row in range(m):
        left = dense[row]
        for e in range(h):
            heads[e] = n
            j = columns[row, e]
            if j >= c:
                left[j - c] += values[row, e]
            elif j >= 0:
                x[j] += values[row, e]
                heads[e] = j
        # Upwards in the elimination tree, from all of them at once.
        while True:
            j = heads[0]
            for e in range(1, h):
                j = min(j, heads[e])
            if j >= c:
                break
            value = x[j] / pivot[j]
            x[j] = 0.0
            forms[row] += value * value
            for p in range(lp[j], lp[j + 1]):
                if li[p] < c:
                    x[li[p]] -= lx[p] * value
                else:
                    left[li[p] - c] -= lx[p] * value
            for u in range(t):
                left[n - c + u] -= w[j, u] * value
            for e in range(h):
                if heads[e] == j:
                    heads[e] = n
                    if lp[j] < lp[j + 1]:
                        heads[e] = li[lp[j]]
