"""Traces and log-determinants by random probes, with what makes a few of them enough.

Probes are vectors of random signs in the space of the iterated columns. Three things take nearly
all of their variance (see `Complement` and `BlockComplement` for S): signs know the diagonal
exactly, and S is scaled to one; the directions of shifts, all levels of one factor up and all of
the other down, are taken out of the probes and computed by themselves; and the first term of a
series in ``I - S``, whose mean is known, is a control variate of each. The probes are the same at
every theta, so that differences between evaluations are known far better than each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.seeds import generator
from mixedscope.engine.iterative.blocks import BlockComplement
from mixedscope.engine.iterative.conjugate import Solves
from mixedscope.engine.iterative.crossing import Complement, Trace

__all__ = ["BLOCK", "Estimates", "directions", "estimate", "log_det_estimate", "signs"]

Floats = NDArray[np.float64]

#: Probes are drawn so many at a time: more of them begin with those that were there.
BLOCK = 16

#: Least share of itself that a probe's residual is thought to show: of one with the whole leverage
#: nothing is left but rounding.
_LEAST = 1e-6


class Estimates(NamedTuple):
    """Means over the probes, and what each of them was off.

    Attributes
    ----------
    values : (m,) array
    deviations : (probes, m) array
        What each of them was off: the mean's influence of a probe, times their number.
    """

    values: Floats
    deviations: Floats

    def covariance(self) -> Floats:
        """Covariance (m, m) of the means."""
        return covariance_of_means(self.deviations)


def covariance_of_means(deviations: Floats) -> Floats:
    """Covariance (m, m) of means, of what each probe was off (probes, m)."""
    number = len(deviations)
    return np.asarray(deviations.T @ deviations / number**2)


def signs(n_columns: int, number: int, seed: int, *, purpose: str = "probes") -> Floats:
    """Draw random signs (n_columns, number); of two numbers the larger begins with the smaller."""
    blocks = []
    for block in range(-(-number // BLOCK)):
        random = generator(seed, purpose, columns=n_columns, block=block)
        blocks.append(random.integers(0, 2, (n_columns, BLOCK)).astype(float) * 2.0 - 1.0)
    return np.ascontiguousarray(np.hstack(blocks)[:, :number])


def directions(complement: Complement | BlockComplement, probes: Floats) -> tuple[Floats, int]:
    """Give r directions computed by themselves, and the probes (N, k) without them: (N, r + k)."""
    shifts = complement.shifts()
    r = shifts.shape[1]
    out = np.empty((len(probes), r + probes.shape[1]))
    out[:, :r] = shifts
    out[:, r:] = probes
    for shift in shifts.T:
        out[:, r:] -= shift[:, None] * np.einsum("j,jc->c", shift, probes)
    return out, r


def log_det_estimate(
    complement: Complement | BlockComplement, z: Floats, r: int, solves: Solves, first: int
) -> Estimates:
    """Estimate the log-determinant of S; `z` (N, r + k) are :func:`directions`.

    ``first``: which of the right-hand sides solved for is the first of them.
    """
    sizes = np.einsum("jc,jc->c", z, z)
    logs = np.array([solves.log_form(first + c) for c in range(z.shape[1])]) * sizes
    control, known = complement.control(z, solves.first[:, first : first + z.shape[1]])
    return means([Trace(logs, control, known)], r)


def estimate(
    complement: Complement | BlockComplement, z: Floats, r: int, solves: Solves, first: int
) -> Estimates:
    """Estimate the traces that derivatives need, those of iterated factors first."""
    columns = slice(first, first + z.shape[1])
    x = np.ascontiguousarray(solves.x[:, columns])
    return means(complement.traces(z, solves.first[:, columns], x), r)


def means(parts: list[Trace], r: int) -> Estimates:
    """Traces by forms (r + k,), the first r exact, regressed on controls.

    A regression read off at the known mean of its control is a weighted mean of the forms. What a
    probe was off is its residual by its weight, divided by one less its leverage: the residuals of
    few probes are smaller than the errors, most of all far from the mean of the control, and their
    variances differ (MacKinnon & White 1985, J. Econometrics 29, 305-325, HC3; by residuals and
    degrees of freedom alone errors were up to 1.3 times those stated).
    """
    values, deviations = [], []
    for part in parts:
        exact, found, control = part.forms[:r], part.forms[r:], part.control[r:]
        mean = part.known - part.control[:r].sum()
        number = len(found)
        centred = control - control.mean()
        spread = float(centred @ centred)
        slope, weights = 0.0, np.ones(number)
        leverages = np.full(number, 1.0 / number)
        if spread > 0.0:
            slope = float(centred @ (found - found.mean())) / spread
            weights += number * (mean - float(control.mean())) / spread * centred
            leverages += centred * centred / spread
        adjusted = found - slope * (control - mean)
        values.append(float(exact.sum() + adjusted.mean()) + part.added)
        residuals = adjusted - adjusted.mean()
        deviations.append(weights * residuals / np.maximum(1.0 - leverages, _LEAST))
    return Estimates(np.array(values), np.column_stack(deviations))
