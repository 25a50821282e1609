r"""The distribution of a likelihood ratio for one variance in samples of any size.

Of a model with a single variance, ``V = I + lambda Z Z'``, Crainiceanu & Ruppert (2004, J. R. Stat.
Soc. B 66, 165-185, theorem 1) give the exact distribution of the statistic where the variance is
zero. With mu the eigenvalues of ``Z'(I - X inv(X'X) X')Z``, xi those of ``Z'Z``, and w independent
standard normal numbers,

.. math:: LRT = \sup_\lambda \Bigl\{ n \log\Bigl(1 + \frac{N(\lambda)}{D(\lambda)}\Bigr)
          - \sum_s \log(1 + \lambda \xi_s) \Bigr\}, \quad
          N = \sum_s \frac{\lambda \mu_s}{1 + \lambda \mu_s} w_s^2, \quad
          D = \sum_s \frac{w_s^2}{1 + \lambda \mu_s} + \sum_{s > K} w_s^2,

and the same for REML with n - p in place of n and mu in place of xi. As in RLRsim (Scheipl, Greven
& Kuechenhoff 2008, Comput. Stat. Data Anal. 52, 3283-3299) w is drawn, and the supremum taken over
a grid of lambda. Where a model has other variances too, they recommend the distribution of the
model with the tested one alone (Greven, Crainiceanu, Kuechenhoff & Peters 2008, J. Comput. Graph.
Stat. 17, 870-891): an approximation.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.seeds import generator
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.ladder.boundary import NOTHING

__all__ = ["has_one_variance", "one_variance_p_value"]

Floats = NDArray[np.float64]

#: Lambda times the largest eigenvalue: RLRsim's range and, about, its step.
_GRID: Final = np.exp(np.linspace(-10.0, 8.0, 240))

#: Random effects up to which eigenvalues are computed.
_MOST: Final = 3000

#: Numbers in a table of draws by eigenvalues or by grid at once.
_AT_ONCE: Final = 2**22


def has_one_variance(objective: ProfiledObjective) -> bool:
    """Whether a model has a single variance beside sigma, and the distribution can be computed."""
    system = objective.system
    return (
        len(objective.theta_names) == 1
        and system.design.sigma is None
        and system.factors[0].n_levels * system.factors[0].size <= _MOST
    )


def one_variance_p_value(
    objective: ProfiledObjective, statistic: float, *, draws: int, seed: int
) -> tuple[float, float]:
    """Probability of a statistic as large if the one variance of a model is zero, and its error.

    ``(1 + r) / (1 + draws)`` with r of the draws at least as large (Davison & Hinkley 1997, section
    4.2.3), and its Monte Carlo standard error; 1 and 0 of a statistic of zero.
    """
    if statistic <= NOTHING:
        return 1.0, 0.0
    mu, xi = _eigenvalues(objective)
    system = objective.system
    lost = system.n - system.n_fixed - len(mu)  # directions that owe nothing to the variance
    rng = generator(seed, "one variance")
    grid = _GRID / float(mu.max())
    shrunk = 1.0 / (1.0 + np.outer(mu, grid))
    penalty = np.log1p(np.outer(mu if objective.reml else xi, grid)).sum(axis=0)
    times = float(objective.degrees)
    step = max(1, _AT_ONCE // max(len(mu), len(grid)))
    count = 0
    for first in range(0, draws, step):
        size = min(step, draws - first)
        squares = rng.standard_normal((size, len(mu))) ** 2
        others = rng.chisquare(lost, size) if lost else np.zeros(size)
        left = squares @ shrunk + others[:, None]
        whole = squares.sum(axis=1) + others
        values = times * (np.log(whole)[:, None] - np.log(left)) - penalty
        count += int((values.max(axis=1) >= statistic - NOTHING).sum())
    p = (1.0 + count) / (1.0 + draws)
    return p, float(np.sqrt(p * (1.0 - p) / draws))


def _eigenvalues(objective: ProfiledObjective) -> tuple[Floats, Floats]:
    """Eigenvalues of Z'PZ that are not zero, and of Z'Z, for the engine's columns."""
    system = objective.system
    factor = system.factors[0]
    q, k = factor.n_levels, factor.size
    # Where several columns share one variance they do so in units of the data.
    z = system.terms[0].data_columns(factor.z)
    products = (z[:, :, None] * z[:, None, :]).reshape(system.n, -1)
    blocks = system.sums_by_level(0, products).reshape(q, k, k)
    whole = np.zeros((q, k, q, k))
    whole[np.arange(q), :, np.arange(q), :] = blocks
    matrix = whole.reshape(q * k, q * k)
    basis = system.fixed_part(np.eye(system.n_fixed))
    crossed = np.stack(
        [system.sums_by_level(0, row[:, None] * z).ravel() for row in basis], axis=1
    ) if len(basis) else np.empty((q * k, 0))  # fmt: skip
    mu = np.linalg.eigvalsh(matrix - crossed @ crossed.T)
    xi = np.linalg.eigvalsh(blocks).ravel()
    largest = float(xi.max())
    return np.asarray(mu[mu > 1e-10 * largest]), np.asarray(xi[xi > 1e-10 * largest])
