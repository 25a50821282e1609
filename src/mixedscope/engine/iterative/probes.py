"""Traces and log-determinants by random probes, with what makes a few of them enough.

Probes are vectors of random signs in the space of the iterated factor. Three things take nearly all
of their variance (see `Complement` for S): signs know the diagonal exactly, and S is scaled to one;
the direction of a shift, all levels of one factor up and all of the other down, is taken out of the
probes and computed by itself; and the first term of a series in ``I - S``, whose mean is known, is
a control variate of each. The probes are the same at every theta, so that differences between
evaluations are known far better than each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.seeds import generator
from mixedscope.engine.iterative.conjugate import Solves
from mixedscope.engine.iterative.crossing import Complement
from mixedscope.engine.kernels import crossing as kernels

__all__ = ["BLOCK", "Estimates", "directions", "estimate", "log_det_estimate", "signs"]

Floats = NDArray[np.float64]

#: Probes are drawn so many at a time: more of them begin with those that were there.
BLOCK = 16


class Estimates(NamedTuple):
    """Means over the probes, and what each of them was off.

    Attributes
    ----------
    values : (m,) array
    deviations : (probes, m) array
        What control variates left of the variation between the probes.
    """

    values: Floats
    deviations: Floats

    def covariance(self) -> Floats:
        """Covariance (m, m) of the means."""
        return covariance_of_means(self.deviations)


def covariance_of_means(deviations: Floats) -> Floats:
    """Covariance (m, m) of means, of deviations (probes, m) after a regression on one variate."""
    number = len(deviations)
    return np.asarray(deviations.T @ deviations / ((number - 2.0) * number))


def signs(n_columns: int, number: int, seed: int, *, purpose: str = "probes") -> Floats:
    """Draw random signs (n_columns, number); of two numbers the larger begins with the smaller."""
    blocks = []
    for block in range(-(-number // BLOCK)):
        random = generator(seed, purpose, columns=n_columns, block=block)
        blocks.append(random.integers(0, 2, (n_columns, BLOCK)).astype(float) * 2.0 - 1.0)
    return np.ascontiguousarray(np.hstack(blocks)[:, :number])


def directions(complement: Complement, probes: Floats) -> Floats:
    """Give the direction of the shift, and the probes (N, k) without it: (N, 1 + k)."""
    shift = 1.0 / complement.scale
    shift /= np.sqrt(np.einsum("j,j->", shift, shift))
    out = np.empty((len(probes), 1 + probes.shape[1]))
    out[:, 0] = shift
    out[:, 1:] = probes - shift[:, None] * np.einsum("j,jc->c", shift, probes)
    return out


def log_det_estimate(complement: Complement, z: Floats, solves: Solves, first: int) -> Estimates:
    """Estimate the log-determinant of S; `z` (N, 1 + k) are :func:`directions`.

    ``first``: which of the right-hand sides solved for is the first of them.
    """
    sizes = np.einsum("jc,jc->c", z, z)
    logs = np.array([solves.log_form(first + c) for c in range(z.shape[1])]) * sizes
    applied = solves.first[:, first : first + z.shape[1]]
    variance = complement.variance
    control = variance * np.einsum("jc,jc->c", z, applied)
    mean = variance * float(complement.diagonal().sum()) - control[0]
    return _means([(logs, control, mean)])


def estimate(complement: Complement, z: Floats, solves: Solves, first: int) -> Estimates:
    """Estimate the traces that derivatives need, (1 + k k,).

    They are ``tr(K inv(B))``, K being ``(B - I) / lam**2``, and the matrix ``lam**2 sum_i E_i C_i
    inv(B) C_i' E_i'``.
    """
    c, scale2 = complement.crossing, complement.scale**2
    columns = slice(first, first + z.shape[1])
    x, applied = solves.x[:, columns], solves.first[:, columns]
    # K of the scaled space times z. Of its part that is diagonal nothing needs to be estimated.
    weights = c.squares * scale2
    of_z = weights[:, None] * z - applied
    far = np.einsum("jc,jc->c", of_z, x) - np.einsum("j,jc,jc->c", weights, z, z)
    control = np.einsum("j,jc,jc->c", scale2, z, applied)
    mean = float(scale2 @ complement.diagonal()) - control[0]
    parts = [(far, control, mean)]
    variance = complement.variance
    mixed, own = kernels.forms_of_levels(
        c.ptr, c.idx, complement.w, complement.shares, z, np.ascontiguousarray(x)
    )
    squares = variance * kernels.squares_of_pairs(c.ptr, complement.w, complement.shares)
    mixed = variance * (mixed + mixed.transpose(1, 0, 2)) / 2.0
    own = variance * own
    k = len(squares)
    for a in range(k):
        for b in range(k):
            known = squares[a, b] - own[a, b, 0]
            parts.append((mixed[a, b], own[a, b], float(known)))
    found = _means(parts)
    found.values[0] += float(weights.sum())
    return found


def _means(parts: list[tuple[Floats, Floats, float]]) -> Estimates:
    """Means of quantities (1 + k,), the first exact, regressed on controls of known mean."""
    values, deviations = [], []
    for quantity, control, mean in parts:
        exact, found, known = quantity[0], quantity[1:], control[1:]
        centred = known - known.mean()
        spread = float(centred @ centred)
        slope = float(centred @ (found - found.mean())) / spread if spread > 0.0 else 0.0
        adjusted = found - slope * (known - mean)
        values.append(float(exact + adjusted.mean()))
        deviations.append(adjusted - adjusted.mean())
    return Estimates(np.array(values), np.column_stack(deviations))
