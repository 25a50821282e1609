"""A generalised model of two crossed factors at one point: modes, determinant, slopes.

The conditional modes are found by Newton steps whose equations conjugate gradients solve: exact, as
steps go on until nothing is left. With W the information of the rows at the modes, the system left
there is that of a linear model whose rows have these weights, so that its log-determinant and the
traces of its derivatives by covariances are estimated as there, see
:mod:`mixedscope.engine.iterative.solution`.

What the modes do to the determinant adds, with ``P = Lambda inv(H) Lambda'`` and w' the derivative
of the weights by the linear predictor eta, to the slope by a parameter the trace

    sum_i c_i (z_i'P z_i),    c = w' d eta,    d eta = x - Z P Z'W x,

x being what the parameter by itself does to eta: a column of X, or ``Z_f dT_f g_f`` with g = Z'd,
d the scores. With M and G as in :mod:`mixedscope.engine.iterative.crossing`,

    z_i'P z_i = z_i1'M z_i1 + lam**2 y_i'inv(B) y_i,    y_i = z_i2 - C'M z_i1,

of which the second part is estimated by the probes that the determinant has, its first term in a
series, ``inv(G)`` for ``inv(B)``, being known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.evaluation import Solution
from mixedscope.engine.generalized.iterative.system import IterativeGeneralizedSystem
from mixedscope.engine.generalized.modes import (
    Modes,
    first_place,
    inner,
    place_at,
)
from mixedscope.engine.iterative.conjugate import solve
from mixedscope.engine.iterative.crossing import Complement, Trace
from mixedscope.engine.iterative.probes import (
    Estimates,
    directions,
    estimate,
    log_det_estimate,
    means,
)
from mixedscope.engine.kernels.crossing import spread_levels
from mixedscope.engine.kernels.laplace import GAIN, MOST, ROUNDING, SETTLED, SHORTEST, SLACK

__all__ = ["LaplacePoint", "find_modes"]

Floats = NDArray[np.float64]

#: What conjugate gradients leave of the equations of a Newton step: of one whose errors the next
#: mends, and of one near the modes; of probes; and of what parameters do to the modes.
STEP: Final = (1e-4, 1e-8)
PROBED: Final = 1e-6
EXACT: Final = 1e-9

#: Newton decrement from which on every whole step is taken: a sum over a million rows is not known
#: well enough to tell what is left to be gained.
_NEAR: Final = 1e-5


def find_modes(
    system: IterativeGeneralizedSystem,
    factors: Sequence[Floats],
    fixed: Floats,
    dispersion: float,
    start: Sequence[Floats] | None,
) -> tuple[Modes, Complement, int]:
    """Find the conditional modes; with the system there, and the most iterations of a step.

    As :func:`mixedscope.engine.generalized.modes.find_modes`. The log-determinant of the modes'
    ``solution`` is that of what was eliminated.
    """
    squares = [f @ f.T for f in factors]
    most = 0
    with np.errstate(all="ignore"):
        here = first_place(system, squares, fixed, dispersion, start)
        steps = halvings = 0
        decrement = math.inf
        while True:
            steps += 1
            if steps > MOST:
                raise FloatingPointError("The conditional modes were not found.")
            rows = here.rows
            slope = [
                one - own for one, own in zip(system.level_sums(rows.score), here.g, strict=True)
            ]
            tolerance = STEP[decrement < 1.0]
            turned, taken, iterations = _step(system, factors, rows.weight, slope, tolerance)
            most = max(most, iterations)
            moved = [own @ square for own, square in zip(turned, squares, strict=True)]
            decrement = inner(slope, taken)
            change = system.random_part(moved)
            is_last = decrement < SETTLED or decrement < ROUNDING * (1.0 + abs(here.value))
            length = 1.0
            while True:
                there = place_at(
                    system, fixed, dispersion,
                    [own + length * t for own, t in zip(here.g, turned, strict=True)],
                    [own + length * m for own, m in zip(here.b, moved, strict=True)],
                    here.random + length * change,
                )  # fmt: skip
                allowed = here.value - GAIN * length * decrement + SLACK * (1.0 + abs(here.value))
                if there.value <= allowed or (decrement < _NEAR and math.isfinite(there.value)):
                    break
                halvings += 1
                length *= 0.5
                if length < SHORTEST:
                    raise FloatingPointError("No step towards the conditional modes gains.")
            here = there
            if is_last:
                break
        complement = system.complement(here.rows.weight, factors)
    solution = Solution(complement.log_det, 0.0, 0.0, here.penalty, np.empty(0))
    found = Modes(*here[:6], here.rows.weight, solution, steps, halvings, decrement)
    return found, complement, most


def _step(
    system: IterativeGeneralizedSystem,
    factors: Sequence[Floats],
    weight: Floats,
    slope: Sequence[Floats],
    tolerance: float,
) -> tuple[list[Floats], list[Floats], int]:
    """Newton step of g and, but for what is left of the equations, of b; iterations taken.

    With negative weights as nothing where the system is not positive definite.
    """
    own, far = slope[system.eliminated], slope[system.iterated]
    for used in (weight, np.maximum(weight, 0.0)):
        try:
            complement = system.complement(used, factors)
            of_own, of_far, solves = system.solved(complement, own[:, :, None], far, tolerance)
        except FloatingPointError:
            if used is weight and float(weight.min()) < 0.0:
                continue
            raise
        break
    # What the step does to the scores, by pairs of levels.
    crossing = complement.crossing
    back_own = own[:, :, None] - crossing.d @ of_own - complement.met(of_far)
    back_far = far - crossing.squares[:, None] * of_far
    back_far -= spread_levels(crossing.ptr, crossing.idx, crossing.w, of_own, len(far))
    turned = system.in_order(back_own[:, :, 0], back_far)
    taken = system.in_order(of_own[:, :, 0], of_far)
    return turned, taken, int(solves.iterations.max())


class LaplacePoint:
    """What is known at one point beside its modes.

    Parameters
    ----------
    system : IterativeGeneralizedSystem
    factors : sequence of (k, k) arrays
        Covariance factors for the internal units.
    modes : Modes
    complement : Complement
        Of the system at the modes.
    probes : (N, m) array
    starts : (N, r) array
        See :func:`mixedscope.engine.iterative.probes.starts`.
    """

    def __init__(
        self,
        system: IterativeGeneralizedSystem,
        factors: Sequence[Floats],
        modes: Modes,
        complement: Complement,
        probes: Floats,
        starts: Floats,
    ) -> None:
        self.system, self.factors = system, list(factors)
        self.modes, self.complement = modes, complement
        self._z, self._n_shifts = directions(complement, starts, probes)
        self.solves = solve(
            complement.product, complement.variance, self._z,
            np.full(self._z.shape[1], PROBED),
        )  # fmt: skip
        self.log_det = log_det_estimate(complement, self._z, self._n_shifts, self.solves, 0)

    @cached_property
    def _traces(self) -> Estimates:
        return estimate(self.complement, self._z, self._n_shifts, self.solves, 0)

    def covariance_slopes(self) -> list[Floats]:
        """Matrices (k, k) per factor: derivatives by the covariances, modes held."""
        complement, k = self.complement, self.complement.covariance.shape[0]
        values = self._traces.values
        own = np.einsum("qab,qbc->ac", complement.shares, complement.crossing.d)
        own -= values[1:].reshape(k, k)
        traces = self.system.in_order(own, values[:1, None])
        out = []
        for trace, g in zip(traces, self.modes.g, strict=True):
            whole = trace - np.einsum("qa,qb->ab", g, g)
            out.append((whole + whole.T) / 2.0)
        return out

    def slope_deviations(self) -> list[Floats]:
        """What each probe was off in these, (probes, k, k) per factor."""
        k = self.complement.covariance.shape[0]
        deviations = self._traces.deviations
        return list(
            self.system.in_order(
                -deviations[:, 1:].reshape(len(deviations), k, k), deviations[:, :1, None]
            )
        )

    def changes(
        self, columns: Floats, by_score: Floats | None = None
    ) -> tuple[Floats, list[Floats], Floats]:
        """What columns (n, m) do to the linear predictor, the modes following: (n, m).

        With what they do to g, per factor (q, k, m), and ``columns' W`` times the changes (m, m).
        ``by_score`` (n,): what the last parameter, whose column is zero, does to the scores.
        """
        system, weight = self.system, self.modes.rows.weight
        of_own, of_far = system.weighted_sums(weight, columns)
        if by_score is not None:
            more_own, more_far = system.weighted_sums(np.ones(system.n), by_score[:, None])
            of_own[:, :, -1:] -= more_own
            of_far[:, -1:] -= more_far
        taken_own, taken_far, _ = system.solved(self.complement, of_own, of_far, EXACT)
        out, turned_own, turned_far, information = system.changed_rows(
            weight, columns, np.ascontiguousarray(taken_own), np.ascontiguousarray(taken_far)
        )
        if by_score is not None:
            turned_own[:, :, -1:] -= more_own
            turned_far[:, -1:] -= more_far
        turned = system.in_order(-turned_own, -turned_far[:, None, :])
        return out, turned, (information + information.T) / 2.0

    def leverages(self, columns: Floats) -> Estimates:
        """Sums over rows of ``c z'P z`` for columns c (n, m): estimates."""
        system, complement = self.system, self.complement
        inner, first = system.known_of_rows(complement)
        mixed, squared = system.row_products(complement, self._z, self.solves.x, columns)
        mixed *= complement.variance
        squared *= complement.variance
        known = complement.variance * (columns.T @ first)
        return means(
            [
                Trace(one, control, float(mean), float(added))
                for one, control, mean, added in zip(
                    mixed, squared, known, columns.T @ inner, strict=True
                )
            ],
            self._n_shifts,
        )

    def conditional_covariances(self, position: int, levels: NDArray[np.intp]) -> Floats:
        """Conditional covariances (levels, k, k) of some levels of one factor, internal units.

        Exact, by as many solutions as they have columns.
        """
        complement, crossing = self.complement, self.complement.crossing
        n, size, k = len(complement.scale), len(levels), len(self.factors[position])
        right = np.zeros((n, size, k))
        if position == self.system.iterated:
            right[levels, np.arange(size), 0] = complement.scale[levels]
        else:
            for i, level in enumerate(levels.tolist()):
                pairs = slice(int(crossing.ptr[level]), int(crossing.ptr[level + 1]))
                right[crossing.idx[pairs], i] = complement.w[pairs] @ complement.m[level]
        x = solve(
            complement.product, complement.variance, right.reshape(n, size * k),
            np.full(size * k, EXACT),
        ).x.reshape(n, size, k)  # fmt: skip
        out = complement.variance * np.einsum("jla,jlb->lab", right, x)
        return out if position == self.system.iterated else complement.m[levels] + out
