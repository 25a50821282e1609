"""Which parameters of a generalised model have no finite estimate, and what is said of them.

Fixed effects: if there are coefficients d, not zero, such that ``x'd`` is nowhere on the wrong side
- of no success above 0, of no failure below - the likelihood rises for ever along d (Albert &
Anderson 1984, Biometrika 71). Of counts with a logarithmic mean only zeros leave room for such a
direction. A standard deviation, of levels of which none has outcomes of both kinds. A dispersion,
where the objective does not rise any more as the family becomes another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.families.family import Family
from mixedscope.families.links import ProbabilityLink

__all__ = ["is_concordant", "is_without_end", "separating", "words_at_infinity"]

Floats = NDArray[np.float64]

#: Logarithm of the chance of any other outcome, sign changed, from which on a response is as good
#: as certain by the fixed effects, and is looked into.
_CERTAIN: Final = 10.0

#: Shares of the best that count as nothing.
_NOTHING: Final = 1e-6

#: Logarithm of the dispersion from which on, towards where the family is another one, it is looked
#: whether the objective still rises; how much further; and a rise that is none.
_CLOSE_TO_LIMIT: Final = 8.0
_FURTHER: Final = 5.0
_LEVEL: Final = 1e-7

#: What is said where fixed effects have no end.
_INFINITE: Final = (
    "The likelihood has no maximum: it rises for ever as {} to infinity, for {} tell{} some "
    "responses without a miss (the data separate). {} estimates and standard errors are only where "
    "the search gave up; so are no others that hang on {}. Leave out a term, join categories, or "
    "find out why these responses are certain."
)

#: What is said where a dispersion has no end.
_LIMIT: Final = (
    "The likelihood does not fall as {} goes on and on, to where the family {!r} is {}, without "
    "that parameter. Its estimate is only where the search gave up; fit the other family."
)

#: What is said where levels have outcomes of one kind only.
_CONCORDANT: Final = (
    "No level has outcomes of both kinds, so that the exact likelihood never falls as the standard "
    "deviation of {} grows: that it has an estimate is owed to the approximation. Leave the term "
    "out, or observe levels more often."
)


def words_at_infinity(
    family: Family, effects: Sequence[str], deviations: Sequence[str], dispersion: Sequence[str]
) -> str:
    """What is said of parameters without a finite estimate, by names of each kind."""
    words = []
    if len(effects) == 1:
        words.append(_INFINITE.format(f"{effects[0]} goes", "it alone", "s", "Its", "it"))
    elif effects:
        together = f"{', '.join(effects)} go", "together they", "", "Their", "them"
        words.append(_INFINITE.format(*together))
    words += [_CONCORDANT.format(name) for name in deviations]
    words += [_LIMIT.format(name, family.name, family.limit_name) for name in dispersion]
    return " ".join(words)


def separating(system: GeneralizedSystem, beta: Floats) -> list[str]:
    """Names of the fixed effects that have no finite estimate, seen from where a search ended.

    By a linear programme, which is solved only if some response is as good as certain there.
    """
    side = system.family.endless_sides(system.response.y)
    if not _is_certain(system.family, side, system.fixed_part(beta)):
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


def _is_certain(family: Family, side: Floats, eta: Floats) -> bool:
    """Whether predictors (n,) leave a response that has an endless side next to no other outcome.

    On the scale of probabilities: of a probit 7 is further away than 20 of a logit.
    """
    other = eta  # of counts the logarithm of the mean, of which zeros alone have a side
    if isinstance(family.link, ProbabilityLink):
        with np.errstate(all="ignore"):
            found = family.link.log_probabilities(eta)
        other = np.where(side > 0.0, found.no[0], found.yes[0])
    return bool((-other[side != 0.0]).max(initial=0.0) > _CERTAIN)


def is_concordant(system: GeneralizedSystem) -> bool:
    """Whether no level has outcomes of both kinds, and some have several of the one.

    Of one intercept that varies. The exact likelihood then never falls as its standard deviation
    grows; that of an approximation may.
    """
    if len(system.factors) != 1 or system.factors[0].size != 1:
        return False
    factor = system.factors[0]
    side = system.family.endless_sides(system.response.y)
    if not side.all() or np.ptp(factor.z) > 0.0:
        return False
    counts = system.response.counts
    each = np.ones(system.n) if counts is None else counts
    ups = sums_by_level(
        factor.codes, np.column_stack([each, np.where(side > 0.0, each, 0.0)]), factor.n_levels
    )
    rows, successes = ups.T
    if not ((successes > 0.0).any() and (successes < rows).any()):
        return False
    return bool(((successes == 0.0) | (successes == rows)).all() and rows.max() > 1.0)


def is_without_end(family: Family, value: Callable[[Floats], float], point: Floats) -> bool:
    """Whether the dispersion is close to where the family is another one, and that is no worse.

    ``value``: the objective at a point (k,), whose last entry is the dispersion's logarithm.
    """
    if not family.limit or family.limit * point[-1] < _CLOSE_TO_LIMIT:
        return False
    further = np.array(point, dtype=float)
    further[-1] += family.limit * _FURTHER
    try:
        return value(point) - value(further) > -_LEVEL
    except FloatingPointError:
        return False
