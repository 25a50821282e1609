"""Entries of the inverse of a sparse system on the pattern of its factor, and what is made of them.

Takahashi, Fagan & Chen (1973), column by column from the last: with L the factor and P the inverse
of H beside the tail, ``P[i, j] = -sum_k P[i, k] L[k, j] / L[j, j]`` over the rows k of column j,
which all are rows of each other's columns. Notation and arrays are those of
:mod:`mixedscope.engine.kernels.sparse`; below the diagonal of S there is P in the dense columns and
the tail, of which the first r columns take part. `zx`, `zd`, `zw` are to P what `lx`, `pivot`, `w`
are to L. `rel` tells where a block of the data is among the rows of a sparse column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel, part

__all__ = ["differentiate", "own_blocks", "row_forms", "select_inverse"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]

# Rows of a column from which on it is read whole, not searched, for one that is sought.
_SOUGHT = 16


@kernel
def select_inverse(
    lp: Ints,
    li: Rows,
    lx: Floats,
    pivot: Floats,
    w: Floats,
    s: Floats,
    n: int,
    r: int,
    zx: Floats,
    zd: Floats,
    zw: Floats,
    panel: Ints,
) -> None:
    """Fill `zx`, `zd` and, of the first r columns of the tail, `zw` with entries of P.

    But for columns in panels (`panel` is not -1), where they are to be there.
    """
    c = len(pivot)
    dense = n - c
    longest = 0
    for j in range(c):
        if panel[j] == -1:
            longest = max(longest, lp[j + 1] - lp[j])
    sums = np.empty(longest + r)
    where = np.empty(n, dtype=np.int64)
    for i in range(n):
        where[i] = -1
    for back in range(c):
        j = c - 1 - back
        if panel[j] != -1:
            continue
        rows = li[lp[j] : lp[j + 1]]
        values = lx[lp[j] : lp[j + 1]]
        m = len(rows)
        split = m
        for a in range(m + r):
            sums[a] = 0.0
        for a in range(m):
            where[rows[a]] = a
        for a in range(m):
            k = rows[a]
            if k >= c:
                split = a
                break
            factor = values[a]
            own = zd[k] * factor
            begin, end = lp[k], lp[k + 1]
            if (m - a) * _SOUGHT < end - begin:
                for b in range(a + 1, m):
                    high = end - 1
                    while begin < high:
                        middle = (begin + high) // 2
                        if li[middle] < rows[b]:
                            begin = middle + 1
                        else:
                            high = middle
                    sums[b] += zx[begin] * factor
                    own += zx[begin] * values[b]
            else:
                for p in range(begin, end):
                    b = where[li[p]]
                    if b >= 0:
                        sums[b] += zx[p] * factor
                        own += zx[p] * values[b]
            for u in range(r):
                sums[m + u] += zw[k, u] * factor
                own += zw[k, u] * w[j, u]
            sums[a] += own
        for a in range(m):
            where[rows[a]] = -1
        for a in range(split, m):
            source = s[rows[a] - c]
            own = source[rows[a] - c] * values[a]
            for b in range(split, a):
                value = source[rows[b] - c]
                sums[b] += value * values[a]
                own += value * values[b]
            sums[a] += own
        for u in range(r):
            source = s[dense + u]
            own = source[dense + u] * w[j, u]
            for b in range(split, m):
                value = source[rows[b] - c]
                sums[b] += value * w[j, u]
                own += value * values[b]
            for v in range(u):
                value = source[dense + v]
                sums[m + v] += value * w[j, u]
                own += value * w[j, v]
            sums[m + u] += own
        root = pivot[j]
        total = 1.0
        for a in range(m):
            total += values[a] * sums[a]
            zx[lp[j] + a] = -sums[a] / root
        for u in range(r):
            total += w[j, u] * sums[m + u]
            zw[j, u] = -sums[m + u] / root
        zd[j] = total / root / root


@part
def _own(first: Ints, lp: Ints, zx: Floats, zd: Floats, s: Floats, node: int, out: Floats) -> None:
    """Fill the leading square of `out` with the block of P of a node with itself."""
    c = len(zd)
    i0 = first[node]
    k = first[node + 1] - i0
    for b in range(k):
        for a in range(b, k):
            if i0 >= c:
                value = s[i0 + a - c, i0 + b - c]
            elif a == b:
                value = zd[i0 + a]
            else:
                value = zx[lp[i0 + b] + a - b - 1]
            out[a, b] = value
            out[b, a] = value


@part
def _between(
    first: Ints, lp: Ints, zx: Floats, c: int, s: Floats, rel: int, node: int, other: int,
    out: Floats,
) -> None:  # fmt: skip
    """Fill the leading rows of `out` with the block of P of a later node `other` with a node."""
    i0, r0 = first[node], first[other]
    k, m = first[node + 1] - i0, first[other + 1] - r0
    for b in range(k):
        for a in range(m):
            if i0 >= c:
                out[a, b] = s[r0 + a - c, i0 + b - c]
            else:
                out[a, b] = zx[lp[i0 + b] + k - 1 - b + rel + a]


@part
def _add_share(
    met: Floats, p: Floats, lam: Floats, o: int, m: int, own: int, k: int, moved: Floats,
    coefficient: Floats, r0: int, i0: int, force: Floats, out: Floats,
) -> None:  # fmt: skip
    """Add ``2 G' Lambda P`` to the derivative by the factor that begins at `own`.

    G and P (m, k): blocks of the data and of P of a node, m columns from `r0` on, with that of the
    factor, k from `i0` on. `o`: where the factor of the node begins. `force` receives G' times the
    node's coefficients.
    """
    for a in range(m):
        for b in range(k):
            value = 0.0
            for y in range(a + 1):
                value += lam[o + a * m + y] * p[y, b]
            moved[a, b] = value
    for a in range(k):
        for b in range(k):
            value = 0.0
            for y in range(m):
                value += met[y, a] * moved[y, b]
            out[own + a * k + b] += 2.0 * value
        for y in range(m):
            force[i0 + a] += met[y, a] * coefficient[r0 + y]


@kernel
def differentiate(
    gp: Ints,
    gi: Ints,
    gv: Ints,
    gx: Floats,
    rel: Ints,
    first: Ints,
    at: Ints,
    lam: Floats,
    border: Floats,
    lp: Ints,
    zx: Floats,
    zd: Floats,
    zw: Floats,
    s: Floats,
    r: int,
    spherical: Floats,
    coefficient: Floats,
    weight: float,
    out: Floats,
) -> None:
    """Add the derivative by all factors to `out` (laid out as `lam`).

    With ``F = P + weight v v'``, v = (-u, -beta, 1), it is twice the sum over the levels of each
    factor of the diagonal blocks of ``[Z'Z, Z'(tail)] Lambda F``.
    """
    n, t = border.shape
    c = len(zd)
    nodes = len(first) - 1
    largest = first[1] - first[0]
    for node in range(nodes):
        largest = max(largest, first[node + 1] - first[node])
    p = np.empty((largest, largest))
    met = np.empty((largest, largest))
    turned_p = np.empty((largest, largest))
    turned_met = np.empty((largest, largest))
    moved = np.empty((largest, largest))
    force = np.zeros(n)
    for node in range(nodes):
        i0, own = first[node], at[node]
        k = first[node + 1] - i0
        for e in range(gp[node], gp[node + 1]):
            other, v = gi[e], gv[e]
            r0, o = first[other], at[other]
            m = first[other + 1] - r0
            if other == node:
                _own(first, lp, zx, zd, s, node, p)
            else:
                _between(first, lp, zx, c, s, rel[e], node, other, p)
            for y in range(m):
                for a in range(k):
                    met[y, a] = gx[v + y * k + a]
            _add_share(met, p, lam, o, m, own, k, moved, coefficient, r0, i0, force, out)
            if other == node:
                continue
            for y in range(m):
                for a in range(k):
                    turned_met[a, y] = met[y, a]
                    turned_p[a, y] = p[y, a]
            _add_share(
                turned_met, turned_p, lam, own, k, o, m, moved, coefficient, i0, r0, force, out
            )
        for a in range(k):
            for b in range(k):
                value = 0.0
                for u in range(r):
                    if i0 < c:
                        value += border[i0 + a, u] * zw[i0 + b, u]
                    else:
                        value += border[i0 + a, u] * s[n - c + u, i0 + b - c]
                out[own + a * k + b] += 2.0 * value
            for u in range(t):
                force[i0 + a] += border[i0 + a, u] * coefficient[n + u]
    for node in range(nodes):
        i0, own = first[node], at[node]
        k = first[node + 1] - i0
        for a in range(k):
            for b in range(k):
                out[own + a * k + b] += 2.0 * weight * force[i0 + a] * spherical[i0 + b]


@kernel
def own_blocks(
    place: Ints, first: Ints, at: Ints, lam: Floats, lp: Ints, zx: Floats, zd: Floats, s: Floats,
    out: Floats,
) -> None:  # fmt: skip
    """Fill `out` (q, k, k) with ``Lambda P Lambda'`` of every level of a factor with itself.

    `place` (q,): the nodes of its levels.
    """
    k = out.shape[1]
    p = np.empty((k, k))
    moved = np.empty((k, k))
    for level in range(len(place)):
        node = place[level]
        own = at[node]
        _own(first, lp, zx, zd, s, node, p)
        for a in range(k):
            for b in range(k):
                value = 0.0
                for y in range(a + 1):
                    value += lam[own + a * k + y] * p[y, b]
                moved[a, b] = value
        for a in range(k):
            for b in range(k):
                value = 0.0
                for y in range(b + 1):
                    value += moved[a, y] * lam[own + b * k + y]
                out[level, a, b] = value


@kernel
def row_forms(
    nodes: Ints,
    values: Floats,
    gp: Ints,
    gi: Ints,
    rel: Ints,
    first: Ints,
    lp: Ints,
    zx: Floats,
    zd: Floats,
    zw: Floats,
    s: Floats,
    basis: Floats,
    leverage: Floats,
    fixed: Floats,
) -> None:
    """Quadratic forms (n,) of the inverse in the rows, and its products (n, r) with the basis.

    `nodes` (n, f): those of each row, one of every factor. `values` (n, all k): its columns times
    Lambda, spherical, one factor after another. `basis` (n, r): its fixed effects.
    """
    r, count = basis.shape[1], nodes.shape[1]
    c = len(zd)
    n = first[len(first) - 1]
    largest = values.shape[1]
    p = np.empty((largest, largest))
    for i in range(len(nodes)):
        form = 0.0
        for u in range(r):
            for v in range(r):
                product = s[n - c + max(u, v), n - c + min(u, v)] * basis[i, v]
                fixed[i, u] += product
                form += product * basis[i, u]
        begin = 0
        for f in range(count):
            node = nodes[i, f]
            i0 = first[node]
            k = first[node + 1] - i0
            for b in range(k):
                value = values[i, begin + b]
                for u in range(r):
                    if i0 < c:
                        product = zw[i0 + b, u] * value
                    else:
                        product = s[n - c + u, i0 + b - c] * value
                    fixed[i, u] += product
                    form += 2.0 * product * basis[i, u]
            start = 0
            for g in range(count):
                other = nodes[i, g]
                m = first[other + 1] - first[other]
                if other >= node:
                    times = 2.0
                    if other == node:
                        times = 1.0
                        _own(first, lp, zx, zd, s, node, p)
                    else:
                        low, high = gp[node], gp[node + 1] - 1
                        while low < high:
                            middle = (low + high) // 2
                            if gi[middle] < other:
                                low = middle + 1
                            else:
                                high = middle
                        _between(first, lp, zx, c, s, rel[low], node, other, p)
                    for a in range(m):
                        for b in range(k):
                            form += times * p[a, b] * values[i, start + a] * values[i, begin + b]
                start += m
            begin += k
        leverage[i] = form
