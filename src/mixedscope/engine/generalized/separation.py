"""Whether fixed effects have an end: data of which some combination separates the responses.

If there are coefficients d, not zero, such that ``x'd`` is nowhere on the wrong side - of no
success above 0, of no failure below - the likelihood rises for ever along d (Albert & Anderson
1984, Biometrika 71). Of counts with a logarithmic mean only zeros leave room for such a direction.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = ["is_concordant", "separating"]

Floats = NDArray[np.float64]

#: Linear predictors of the fixed effects from here on are looked into.
_FAR: Final = 10.0

#: Shares of the best that count as nothing.
_NOTHING: Final = 1e-6

#: Families of counts.
_COUNTS: Final = ("poisson", "nbinom2", "nbinom1")


def separating(system: GeneralizedSystem, beta: Floats) -> list[str]:
    """Names of the fixed effects that have no finite estimate, seen from where a search ended.

    By a linear programme, which is solved only if some response is as good as certain there.
    """
    family, y = system.family, system.response.y
    eta = system.fixed_part(beta)
    if family.name == "binomial":
        if not np.abs(eta).max() > _FAR:
            return []
        side = np.where(y == 1.0, 1.0, np.where(y == 0.0, -1.0, 0.0))
    elif family.name in _COUNTS and family.link.name == "log":
        if not eta.min() < -_FAR:
            return []
        side = np.where(y == 0.0, -1.0, 0.0)
    else:
        return []
    from scipy.optimize import linprog

    q = system.basis.q * np.sqrt(system.n)
    is_free = side != 0.0
    turned = q[is_free] * side[is_free, None]
    rows = np.vstack([turned, -turned])
    limits = np.concatenate([np.ones(len(turned)), np.zeros(len(turned))])
    held = q[~is_free]
    found = linprog(
        -turned.sum(axis=0), rows, limits, held if len(held) else None,
        np.zeros(len(held)) if len(held) else None, (None, None), method="highs",
    )  # fmt: skip
    if found.status != 0 or not -found.fun > _NOTHING:
        return []
    direction = system.basis.r_inverse @ found.x
    sizes = np.abs(direction) * np.sqrt((system.X**2).mean(axis=0))
    names = np.array(system.fixed_names, dtype=object)
    return [str(name) for name in names[sizes > _NOTHING * sizes.max()]]


def is_concordant(system: GeneralizedSystem) -> bool:
    """Whether no level has outcomes of both kinds, and some have several of the one.

    Of one intercept that varies. The exact likelihood then never falls as its standard deviation
    grows; that of an approximation may.
    """
    family, y = system.family, system.response.y
    if family.name != "binomial" or len(system.factors) != 1 or system.factors[0].size != 1:
        return False
    factor = system.factors[0]
    if np.ptp(factor.z) > 0.0 or not np.isin(y, (0.0, 1.0)).all():
        return False
    counts = sums_by_level(factor.codes, np.column_stack([np.ones(system.n), y]), factor.n_levels)
    rows, successes = counts.T
    return bool(((successes == 0.0) | (successes == rows)).all() and rows.max() > 1.0)
