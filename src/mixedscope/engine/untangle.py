"""Nearly collinear columns of random effects, written as orthogonal ones times a triangle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.design import RandomDesign

__all__ = ["OWN", "is_nearly_collinear", "uncentred", "untangled"]

Floats = NDArray[np.float64]

# Smallest eigenvalue of the matrix of cosines between columns below which they are nearly
# collinear.
_COLLINEAR = 0.01

OWN = 1e-11
"""Share of a column's length below which what the others leave of it is rounding."""


def is_nearly_collinear(cosines: Floats, columns: list[int]) -> bool:
    """Whether some combination of columns is much shorter than they are."""
    if len(columns) == 2:
        return 1.0 - abs(float(cosines[columns[1], columns[0]])) < _COLLINEAR
    return float(np.linalg.eigvalsh(cosines[np.ix_(columns, columns)])[0]) < _COLLINEAR


def uncentred(design: RandomDesign, cosines: Floats, tangled: list[bool]) -> tuple[str, ...]:
    """Columns nearly collinear with a constant one, outside of the parts that are untangled."""
    size = len(design.names)
    if size == 1 or float(np.abs(np.tril(cosines, -1)).max()) <= 1.0 - _COLLINEAR:
        return ()
    place = {c: i for i, part in enumerate(design.parts) for c in part.columns}
    constant = [c for c in range(size) if np.ptp(design.Z[:, c]) == 0.0]
    names = []
    for c in range(size):
        near = [o for o in constant if o != c and abs(cosines[c, o]) > 1.0 - _COLLINEAR]
        if c not in constant and any(place[o] != place[c] or not tangled[place[c]] for o in near):
            names.append(design.names[c])
    return tuple(names)


def untangled(
    rows: Floats, scale: Floats, standard: Floats, parts: list[list[int]]
) -> tuple[Floats, tuple[Floats, ...]]:
    """Write nearly collinear columns of some parts as orthogonal ones times a lower triangle.

    The order is from the last column to the first, so that the product of the triangle and a
    lower triangular factor is lower triangular too. The columns themselves are orthogonalised, for
    their cross-products have lost what tells them apart: from the first to the last (so that a
    variable is centred, which costs it no digits), then the coefficients from the last to the
    first, both twice (see :mod:`mixedscope.engine.basis`). Of a column of which the others leave
    nothing the engine sees zeros.

    ``rows`` (k, n): columns of the data, multiplied by the square roots of the weights. ``scale``
    (k,): their root mean squares. ``standard`` (n, k): the columns in units of these; those of
    other parts are taken from here.
    """
    n = rows.shape[1]
    out = np.array(standard)
    found = []
    for columns in parts:
        # Powers of two round nothing.
        units = 2.0 ** np.round(np.log2(scale[columns]))
        basis, upper = _orthogonal(rows[columns] / units[:, None], n, OWN)
        lengths = upper.diagonal()
        is_regular = bool((lengths > 0.0).all())
        mixed, flipped = _orthogonal(upper.T[::-1], 1, 0.0 if is_regular else OWN)
        mixed, lower = mixed[::-1], flipped[::-1, ::-1]
        if is_regular:
            # The last length found is the smallest; both triangles have one determinant.
            lower[0, 0] = np.exp(np.log(lengths).sum() - np.log(lower.diagonal()[1:]).sum())
        gone = lower.diagonal() == 0.0
        lower[gone, gone] = 1.0
        out[:, columns] = (mixed @ basis).T
        found.append(lower * units)
    return out, tuple(found)


def _orthogonal(rows: Floats, n: int, own: float) -> tuple[Floats, Floats]:
    """Orthogonal rows of squared length n, and the upper triangle R with ``rows = R' @ q``.

    A row of which no more than the share `own` is left is zero.
    """
    k = len(rows)
    q = np.zeros(rows.shape)
    upper = np.zeros((k, k))
    for i, row in enumerate(rows):
        size = math.sqrt(float(row @ row) / n)
        for _ in range(2):
            share = q[:i] @ row / n
            row = row - share @ q[:i]
            upper[:i, i] += share
        length = math.sqrt(float(row @ row) / n)
        if length > own * size:
            q[i] = row / length
            upper[i, i] = length
    return q, upper
