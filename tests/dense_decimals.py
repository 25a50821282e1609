"""The profiled objective by dense algebra with sixty digits, for small data."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def dense_objective(
    y: Floats, x: Floats, blocks: list[Floats], weights: Floats | None = None, *, reml: bool
) -> float:
    """-2 log-likelihood, or REML criterion, given ``V/sigma**2 = W^-1 + sum of B B'``.

    One factorisation of ``[V, X, y; X', 0, 0; y', 0, 0]`` without pivoting: the pivots are those of
    V, then those of ``-X'inv(V)X``, then minus the residual.
    """
    with localcontext() as context:
        context.prec = 60
        return _objective(y, x, blocks, weights, reml=reml)


def _objective(
    y: Floats, x: Floats, blocks: list[Floats], weights: Floats | None, *, reml: bool
) -> float:
    assert getcontext().prec == 60
    n, p = x.shape
    size = n + p + 1
    rows = [[Decimal(0)] * size for _ in range(size)]
    for i in range(n):
        weight = Decimal(1) if weights is None else Decimal(float(weights[i]))
        rows[i][i] = 1 / weight
        for j in range(i + 1):
            for block in blocks:
                for a, b in zip(block[i].tolist(), block[j].tolist(), strict=True):
                    if a and b:
                        rows[i][j] += Decimal(a) * Decimal(b)
        for c in range(p):
            rows[n + c][i] = Decimal(float(x[i, c]))
        rows[-1][i] = Decimal(float(y[i]))
    pivots = []
    for j in range(size):
        pivot = rows[j][j]
        pivots.append(abs(pivot))
        for i in range(j + 1, size):
            if rows[i][j]:
                share = rows[i][j] / pivot
                for k in range(j + 1, i + 1):
                    if rows[k][j]:
                        rows[i][k] -= share * rows[k][j]
    degrees = n - p if reml else n
    value = sum((d.ln() for d in pivots[:n]), Decimal(0))
    value += degrees * (1 + (2 * _PI * pivots[-1] / degrees).ln())
    if reml:
        value += sum((d.ln() for d in pivots[n:-1]), Decimal(0))
    return float(value)
