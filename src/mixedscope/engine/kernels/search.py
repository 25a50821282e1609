"""The steps of a quasi-Newton search, compiled: BFGS with halved steps.

Small models take a few evaluations of a few microseconds to fit, less than one call from Python
into an optimiser. Their kernels (:mod:`kernels_single`, :mod:`kernels_whole`) therefore run the
search themselves and hand back every evaluation; what they have in common is here.

`state` holds the numbers of a search between its evaluations, see the constants below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import inlined

__all__ = ["ACCEPT", "DECREMENT", "RETRY", "STATE", "STOP", "accept_or_halve", "next_trial"]

Floats = NDArray[np.float64]

# Places in the state: objective and slope at the last point accepted, length of the step under
# trial, how often it was halved, how much the last step gained, and the Newton decrement.
_VALUE, _SLOPE, _LENGTH, _HALVED, _GAIN, DECREMENT = range(6)
STATE = 6

# What follows from an evaluation: compute the gradient, try a shorter step, or end.
ACCEPT, RETRY, STOP = range(3)

# Sufficient decrease (Nocedal & Wright 2006, eq. 3.4) and most halvings of a step.
_ARMIJO = 1e-4
_HALVINGS = 30


@inlined
def accept_or_halve(
    new: float, best: int, points: Floats, direction: Floats, trial: Floats, state: Floats
) -> int:
    """Judge the objective `new` at `trial`: ``ACCEPT``, ``RETRY`` (with a new trial) or ``STOP``.

    `best` is the row of `points` accepted last, -1 if none was yet; a step that fails (NaN), or
    does not lower the objective enough, is halved.
    """
    verdict = ACCEPT
    enough = state[_VALUE] + _ARMIJO * state[_LENGTH] * state[_SLOPE] + 1e-13 * abs(new)
    if best < 0:
        if not np.isfinite(new):
            verdict = STOP
    elif not new <= enough:
        state[_LENGTH] *= 0.5
        state[_HALVED] += 1.0
        verdict = STOP if state[_HALVED] > _HALVINGS else RETRY
        for i in range(len(trial)):
            trial[i] = points[best, i] + state[_LENGTH] * direction[i]
    return verdict


@inlined
def next_trial(
    new: float,
    best: int,
    now: int,
    points: Floats,
    gradients: Floats,
    inverse: Floats,
    tolerance: float,
    direction: Floats,
    trial: Floats,
    work: Floats,
    state: Floats,
) -> bool:
    """Go on from row `now` of `points`, just accepted after row `best` (-1: the first).

    Updates the inverse Hessian (BFGS: Nocedal & Wright 2006, eq. 6.17) where curvature allows and
    fills `direction` and `trial`; returns whether the search is done: its Newton decrement is
    below `tolerance`, or close to it with nothing but rounding gained.
    """
    k = len(trial)
    step, change, product = work[0], work[1], work[2]
    gain = np.inf
    if best >= 0:
        gain = state[_VALUE] - new
        curvature = 0.0
        for i in range(k):
            step[i] = points[now, i] - points[best, i]
            change[i] = gradients[now, i] - gradients[best, i]
            curvature += step[i] * change[i]
        if curvature > 1e-300:
            quadratic = 0.0
            for i in range(k):
                value = 0.0
                for j in range(k):
                    value += inverse[i, j] * change[j]
                product[i] = value
                quadratic += change[i] * value
            factor = (1.0 + quadratic / curvature) / curvature
            for i in range(k):
                for j in range(k):
                    inverse[i, j] += (
                        factor * step[i] * step[j]
                        - (product[i] * step[j] + step[i] * product[j]) / curvature
                    )
    slope = 0.0
    for i in range(k):
        move = 0.0
        for j in range(k):
            move -= inverse[i, j] * gradients[now, j]
        direction[i] = move
        slope += move * gradients[now, i]
        trial[i] = points[now, i] + move
    state[_VALUE] = new
    state[_SLOPE] = slope
    state[_LENGTH] = 1.0
    state[_HALVED] = 0.0
    state[_GAIN] = gain
    state[DECREMENT] = -0.5 * slope
    rounding = 1e-13 * abs(new)
    return state[DECREMENT] <= tolerance or (
        gain <= rounding and state[DECREMENT] <= 1e3 * tolerance
    )
