"""Conjugate gradients for many right-hand sides at once, each by itself.

They see the matrix in products alone. Lengths and turns of the steps of one right-hand side are a
tridiagonal matrix, whose quadrature is that of the right-hand side in any function of the matrix
(Golub & Meurant 2010, Matrices, Moments and Quadrature, chapter 7): logarithms cost nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.crossing import conjugate_direction, conjugate_step

__all__ = ["MOST_ITERATIONS", "NotConverged", "Solves", "solve"]

Floats = NDArray[np.float64]

#: Iterations after which equations are given up. Where so many are needed the graph of the levels
#: is so badly connected that a sparse factor has few entries.
MOST_ITERATIONS = 600

#: Share of columns that are done at which these are put aside.
_DONE = 0.25


class NotConverged(FloatingPointError):
    """Raised where conjugate gradients do not get there."""


class Solves(NamedTuple):
    """Solutions of ``S x = right``.

    Attributes
    ----------
    x : (N, c) array
    first : (N, c) array
        ``product(right)``, which was on the way.
    iterations : (c,) array of int
    residuals : (c,) array
        Lengths of what is left of the right-hand sides, over theirs.
    lengths, turns : list of (iterations,) arrays
        Of the steps, per right-hand side.
    """

    x: Floats
    first: Floats
    iterations: NDArray[np.int64]
    residuals: Floats
    lengths: list[Floats]
    turns: list[Floats]

    def log_form(self, column: int) -> float:
        """``e1' log(T) e1`` of one right-hand side: its form in the logarithm, over its square."""
        from scipy.linalg import eigh_tridiagonal

        alpha, beta = self.lengths[column], self.turns[column]
        if not len(alpha):
            return 0.0
        diagonal = 1.0 / alpha
        diagonal[1:] += beta[:-1] / alpha[:-1]
        values, vectors = eigh_tridiagonal(diagonal, np.sqrt(beta[:-1]) / alpha[:-1])
        # No eigenvalue of S is zero; rounding may have one so.
        return float(vectors[0] ** 2 @ np.log(np.maximum(values, 1e-300)))


def solve(
    product: Callable[[Floats], Floats], lam: float, right: Floats, tolerances: Floats
) -> Solves:
    """Solve ``(I - lam P) x = right`` (N, c), P being given by its products.

    ``tolerances`` (c,): lengths of what may be left of right-hand sides, over theirs. Raises
    `NotConverged`.
    """
    x = np.zeros(right.shape)
    p = np.array(right, dtype=float, order="C")
    r = p.copy()
    sizes = np.einsum("jc,jc->c", r, r)
    whole = sizes.copy()
    targets = tolerances**2 * sizes
    active = np.arange(right.shape[1])
    count = np.where(sizes > 0.0, MOST_ITERATIONS, 0)
    left = np.zeros(len(active))
    out = x
    steps: list[tuple[NDArray[np.int64], Floats, Floats]] = []
    first = np.empty(0)
    for iteration in range(1, MOST_ITERATIONS + 1):
        applied = product(p)
        if iteration == 1:
            first = applied
        alpha = np.empty(len(active))
        after = conjugate_step(p, applied, lam, sizes, x, r, alpha)
        beta = np.divide(after, sizes, out=np.zeros(len(active)), where=sizes > 0.0)
        steps.append((active, alpha, beta))
        sizes = after
        newly = (after <= targets[active]) & (count[active] == MOST_ITERATIONS)
        count[active[newly]] = iteration
        left[active] = after
        done = count[active] < MOST_ITERATIONS
        if done.all():
            break
        if done.mean() >= _DONE:
            # The first time `out` is `x` itself; from then on `x` has what goes on only.
            if out is not x:
                out[:, active[done]] = x[:, done]
            else:
                out = x.copy()
            active = active[~done]
            x, r, p = (np.ascontiguousarray(a[:, ~done]) for a in (x, r, p))
            sizes, beta = sizes[~done], beta[~done]
        conjugate_direction(r, beta, p)
    else:
        raise NotConverged(f"conjugate gradients did not converge in {MOST_ITERATIONS} iterations")
    if out is not x:
        out[:, active] = x
    lengths, turns = _histories(steps, count)
    residuals = np.sqrt(np.divide(left, whole, out=np.zeros(len(left)), where=whole > 0.0))
    return Solves(out, first, count, residuals, lengths, turns)


def _histories(
    steps: list[tuple[NDArray[np.int64], Floats, Floats]], count: NDArray[np.int64]
) -> tuple[list[Floats], list[Floats]]:
    """Steps of every column up to where it was done, of those of all columns by iteration."""
    alphas = np.full((len(steps), len(count)), np.nan)
    betas = np.full((len(steps), len(count)), np.nan)
    for i, (active, alpha, beta) in enumerate(steps):
        alphas[i, active], betas[i, active] = alpha, beta
    return (
        [alphas[:n, c].copy() for c, n in enumerate(count.tolist())],
        [betas[:n, c].copy() for c, n in enumerate(count.tolist())],
    )
