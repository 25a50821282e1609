"""Kernels for the dense part of a small model: plain loops, quick to compile.

Notation and arrays are those of :mod:`mixedscope.engine.kernels.elimination` and
:mod:`mixedscope.engine.kernels.inverse`, whose kernels for the rest do the same by tiles, for
matrices that no cache holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part

__all__ = ["derive_dense", "scale_dense"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@part
def scale_dense(s: Floats, diagonal: Floats, node: Ints, lam: Floats, n_rest: int) -> None:
    """Fill the lower triangle of S with ``Lambda' (A - C) Lambda + I``."""
    n = len(s)
    right = np.empty((n, n))
    for i in range(n):
        diagonal[i] = s[i, i]
    for p in range(len(node)):
        j0, k, at = node[p, 0], node[p, 1], node[p, 2]
        for i in range(j0 + k):
            for b in range(k):
                value = 0.0
                for c in range(b, k):
                    value += s[min(i, j0 + c), max(i, j0 + c)] * lam[at + c * k + b]
                right[i, j0 + b] = value
    for p in range(len(node)):
        i0, k, at = node[p, 0], node[p, 1], node[p, 2]
        for a in range(k):
            for j in range(i0 + a, n):
                value = 0.0
                for c in range(a, k):
                    value += lam[at + c * k + a] * right[i0 + c, j]
                s[j, i0 + a] = value
            if i0 < n_rest:
                s[i0 + a, i0 + a] += 1.0


@part
def derive_dense(
    s: Floats,
    diagonal: Floats,
    node: Ints,
    lam: Floats,
    n_rest: int,
    n_inverse: int,
    spherical: Floats,
    coefficient: Floats,
    weight: float,
    out: Floats,
) -> None:
    """Derivatives by the factors of the rest into `out`, then ``Lambda P Lambda'`` into S.

    S holds ``A - C`` above its diagonal and P from it downwards, in the leading `n_inverse` rows;
    its upper triangle is overwritten, with zeros beyond these.
    """
    n = len(s)
    g = np.empty((n, n))
    left = np.zeros((n, n))
    for i in range(n):
        g[i, i] = diagonal[i]
        for j in range(i + 1, n):
            g[i, j] = s[i, j]
            g[j, i] = s[i, j]
    # Lambda P.
    for p in range(len(node)):
        i0, k, at = node[p, 0], node[p, 1], node[p, 2]
        if i0 < n_inverse:
            for a in range(k):
                for j in range(n_inverse):
                    value = 0.0
                    for c in range(a + 1):
                        value += lam[at + a * k + c] * s[max(i0 + c, j), min(i0 + c, j)]
                    left[i0 + a, j] = value
    for p in range(len(node)):
        i0, k, at = node[p, 0], node[p, 1], node[p, 2]
        for a in range(k):
            if i0 < n_rest:
                force = 0.0
                for j in range(n):
                    force += g[i0 + a, j] * coefficient[j]
                for b in range(k):
                    value = weight * force * spherical[i0 + b]
                    for j in range(n_inverse):
                        value += g[i0 + a, j] * left[j, i0 + b]
                    out[at + a * k + b] += 2.0 * value
            for i in range(i0 + a + 1):
                value = 0.0
                for c in range(a + 1):
                    value += left[i, i0 + c] * lam[at + a * k + c]
                s[i, i0 + a] = value
