"""Least squares without a penalty: modes of smallest norm, by steps of the penalised problem.

Iterated Tikhonov regularisation, on columns that are first brought apart where they are nearly
collinear: such columns hardly differ in what the steps would have to find.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.design.design import TermPart
from mixedscope.engine.group_effects import group_effects
from mixedscope.engine.solvers import factorisation_of, products_like
from mixedscope.engine.system import ProfiledSystem
from mixedscope.engine.untangle import is_nearly_collinear

__all__ = ["ITERATIONS", "least_norm", "untangled_system"]

Floats = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)

# Relative covariance factor of the steps towards the limit, for the smallest column. Larger steps
# converge in fewer iterations; from 1e5 on the factorisation itself loses digits.
_STEP = 100.0
# Columns whose root mean squares differ by more are brought to within it.
_SPREAD = 100.0
#: Most steps of the iteration: where it did not settle, one more are told.
ITERATIONS = 200
# What others leave of a column is rounding up to so many times an estimate of it; up to this share
# of its length it does no harm.
_TIMES = 8.0
_EXACT = 1e-14


def untangled_system(system: ProfiledSystem) -> ProfiledSystem:
    """Write nearly collinear columns as orthogonal ones, or, across factors, as the same ones.

    Steps of the iteration along what such columns hardly differ in are short: it would take
    millions, or stop where they look like rounding. The columns of a factor are untangled whatever
    its structure. Of a column that fixed effects or columns of earlier factors hold but for
    rounding the rounding is left out, which else has coefficients of its own: a serial date near
    1e9 keeps seven digits of its deviations from the mean.
    """
    designs = tuple(
        replace(t.design, parts=(TermPart(tuple(range(t.size)), "full", {}),))
        if _is_tangled(t.standard)
        else t.design
        for t in system.terms
    )
    is_new = any(new is not t.design for new, t in zip(designs, system.terms, strict=True))
    root = None if system.design.weights is None else system.root_weights
    terms = group_effects(designs, root) if is_new else system.terms
    x = system.design.X[:, system.basis.kept] * system.root_weights[:, None]
    noise = _EPS * np.abs(system.basis.r_inverse).T @ np.linalg.norm(x, axis=0)
    known = _Known(system.basis.q, noise)
    cleaned = []
    for term in terms:
        # Rows of the identity become those of the inverse that made the engine's columns.
        noise = _EPS * np.abs(term.data_modes(np.eye(term.size))) @ term.column_scale
        columns, known = _without_rounding(term.standard, noise, known)
        cleaned.append(term if columns is term.standard else replace(term, standard=columns))
    if not is_new and all(new is old for new, old in zip(cleaned, terms, strict=True)):
        return system
    other = copy(system)
    other.terms = tuple(cleaned)
    other.factors = tuple(
        replace(f, z=t.standard) for f, t in zip(system.factors, cleaned, strict=True)
    )
    # Columns alone have changed.
    other.cross = products_like(system.cross, other.factors, other.basis, other.response)
    other.blocked = factorisation_of(other.cross)
    return other


def _is_tangled(columns: Floats) -> bool:
    """Whether some columns (n, k) of unit root mean square, or zero, are nearly collinear."""
    used = columns[:, columns.any(axis=0)]
    k = used.shape[1]
    return k > 1 and is_nearly_collinear(used.T @ used / len(used), list(range(k)))


class _Known(NamedTuple):
    """Orthonormal columns (n, m) and how much of each (m,) is rounding of the data."""

    columns: Floats
    noise: Floats


def _without_rounding(columns: Floats, noise: Floats, known: _Known) -> tuple[Floats, _Known]:
    """Columns (n, k), of which shares `noise` (k,) are rounding, less what is so beside others."""
    out = columns
    for j, column in enumerate(columns.T):
        size = float(np.linalg.norm(column))
        share = known.columns.T @ column
        rest = column - known.columns @ share
        rest -= known.columns @ (known.columns.T @ rest)
        length = float(np.linalg.norm(rest))
        rounding = size * float(noise[j]) + float(np.abs(share) @ known.noise)
        if length > _TIMES * rounding:
            known = _Known(
                np.column_stack([known.columns, rest / length]),
                np.append(known.noise, rounding / length),
            )
        elif length > _EXACT * size:
            out = out.copy() if out is columns else out
            out[:, j] = column - rest
    return out, known


def least_norm(system: ProfiledSystem, response: Floats) -> tuple[list[Floats], int]:
    """Least-squares modes of smallest norm, internal units, for a response clear of fixed effects.

    Also the number of iterations, more than `ITERATIONS` where they did not settle.
    """
    scales = [
        # What orthogonal columns are made of differs in size by what they have in common.
        t.column_scale if t.coordinates is None else np.full(t.size, t.column_scale.min())
        for t in system.terms
    ]
    smallest = min(float(s.min()) for s in scales)
    factors = [np.diag(_STEP * np.minimum(s / smallest, _SPREAD)) for s in scales]
    modes = [np.zeros((f.n_levels, f.size)) for f in system.factors]
    previous = np.inf
    for iterations in range(1, ITERATIONS + 1):
        residual = system.project(response - system.random_part(modes))
        solver = system.solver(residual)
        try:
            solver.solve(factors)
        except FloatingPointError:
            # Nothing is left of the residual: the model fits every observation exactly.
            return modes, iterations
        steps = solver.modes()
        modes = [b + s for b, s in zip(modes, steps, strict=True)]
        step = max(float(np.abs(s).max()) for s in steps)
        size = max(float(np.abs(b).max()) for b in modes)
        # Rounding sets a floor to the steps; once reached they stop shrinking.
        if step <= 1e-12 * size or (step <= 1e-8 * size and step >= 0.5 * previous):
            return modes, iterations
        previous = step
    return modes, ITERATIONS + 1
