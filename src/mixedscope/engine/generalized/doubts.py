"""Why a point where a search of a generalised model ended is not what it seems.

Where predictors have an end, a mode may come to it and be none beyond; where rows are curved the
wrong way, information may vanish, and a mode with it. The approximation is not defined any further
then, and the lowest point of a search lies at that edge. And a log-likelihood with several maxima
has modes that hang on where the search for them begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.wording import counted
from mixedscope.engine.generalized.evaluation import GeneralizedEvaluation
from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = ["doubt_of"]

Floats = NDArray[np.float64]


class _Doubtful(Protocol):
    """What is asked of the objective of a generalised model."""

    system: GeneralizedSystem
    n_theta: int
    scale: Floats
    criterion_name: str
    has_factorisation: bool

    def reset(self) -> None: ...
    def evaluate(self, point: Floats) -> GeneralizedEvaluation: ...
    def evaluate_gradient(self, point: Floats) -> tuple[GeneralizedEvaluation, Floats]: ...
    def modes_at(self, point: Floats) -> Any: ...
    def known_covariances(self, point: Floats) -> Sequence[Floats]: ...
    def last_rows(self) -> tuple[Floats, Floats] | None: ...


#: Share of the mean distance of predictors to where means end that is as good as none, and how
#: many times its prior variance a conditional one is where information vanishes.
_CLOSE: Final = 0.02
_LOOSE: Final = 5.0

#: Length of the step downhill, on standardised parameters, that leads over an edge.
_STEP: Final = 0.05

#: Linear predictors from here on, or rows curved the wrong way, ask for modes found anew; and by
#: how much the deviance may then differ, beside its rounding.
_FAR: Final = 30.0
_SAME: Final = 1e-6

#: What is said at an edge, what comes before it, and what may be done.
_EDGE: Final = (
    "The search ended at the edge of where there are conditional modes: {}. Beyond, Laplace's "
    "approximation has no value; along the edge it may have lower ones. These estimates are not at "
    "a minimum: choose {}, or leave out a term."
)
_OTHERS: Final = {
    "identity": "the link 'log'", "inverse": "the link 'log'", "sqrt": "the link 'log'",
}  # fmt: skip
_ANOTHER: Final = "another link"
_PROBABILITIES: Final = "the link 'logit' or 'cloglog'"

_LOST: Final = (
    "The conditional modes at these estimates were found from those of points before, and are not "
    "found from none, so that nothing can be made of them anew: parameters are too extreme."
)
_SEVERAL: Final = (
    "The log-likelihood has several conditional modes at these estimates: with those of the search "
    "the {} is {:.6f}, with those that are found from zero {:.6f}. Which the approximation is made "
    "at hangs on where the search came from; choose another link or family."
)


def doubt_of(objective: _Doubtful, point: Floats, value: float, verdict: str) -> str:
    """Say why a point with this verdict is not what it seems, in words; empty if it is."""
    if verdict == "not converged":
        return _at_an_edge(objective, point)
    if verdict == "at infinity" or not (objective.has_factorisation and _is_doubtful(objective)):
        return ""
    try:
        objective.reset()
        found = objective.evaluate(point)
    except FloatingPointError:
        return _LOST
    room = _SAME * max(1.0, abs(value) / 1e4) + found.rounding
    if abs(found.objective - value) <= room:
        return ""
    return _SEVERAL.format(objective.criterion_name, value, found.objective)


def _is_doubtful(objective: _Doubtful) -> bool:
    """Whether modes found anew may be others, seen from those of the evaluation before."""
    last = objective.last_rows()
    if last is None:
        return True
    eta, weight = last
    return bool(np.abs(eta).max() > _FAR or weight.min() < 0.0)


def _at_an_edge(objective: _Doubtful, point: Floats) -> str:
    """Say what ends at a point that the objective cannot be followed downhill from."""
    link = objective.system.family.link
    try:
        modes = objective.modes_at(point)
        room = link.side * modes.eta
        near = int((room < _CLOSE * room.mean()).sum()) if link.side else 0
        loose = 0 if near else _loose_levels(objective, point)
        if not (near or loose) or not _ends_downhill(objective, point):
            return ""
    except FloatingPointError:
        return ""
    if near and link.side < 0:
        what = f"the probabilities of {counted(near, 'row')} have come to 1"
        return _EDGE.format(what, _PROBABILITIES)
    if near:
        where = "infinity" if link.name == "inverse" else "0"
        what = f"the means of {counted(near, 'row')} have come to {where}, where the link ends"
    else:
        what = (
            f"the information on {counted(loose, 'random effect')} has all but vanished, their "
            "rows being curved the wrong way"
        )
    return _EDGE.format(what, _OTHERS.get(link.name, _ANOTHER))


def _loose_levels(objective: _Doubtful, point: Floats) -> int:
    """How many random effects are known much less with their rows than without."""
    count = 0
    factors = objective.system.standard_factors(np.asarray(point)[: objective.n_theta])
    for own, factor in zip(objective.known_covariances(point), factors, strict=True):
        prior = (factor * factor).sum(axis=1)
        spread = np.diagonal(own, axis1=1, axis2=2)
        count += int((spread > _LOOSE * prior).sum())
    return count


def _ends_downhill(objective: _Doubtful, point: Floats) -> bool:
    """Whether a small step against the gradient leads to where there is no objective."""
    slope = objective.evaluate_gradient(point)[1] / objective.scale
    length = float(np.linalg.norm(slope))
    if not 0.0 < length < np.inf:
        return False
    try:
        objective.evaluate(point - _STEP * slope / length / objective.scale)
    except FloatingPointError:
        return True
    return False
