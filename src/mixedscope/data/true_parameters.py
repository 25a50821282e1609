"""True parameters of simulated data, in the coding of a model that is fitted to them.

Names alone do not tell: ``cb`` is a difference with an intercept and a mean without one.  The truth
is therefore found from columns.  Where the model can express the expectation that the data were
made with, its coefficients are those that do; where it leaves something out, a coefficient keeps
the truth of the same column, unless it belongs to what is left out (marginality: without an
interaction the main effects mean something else).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.data.simulate import Simulation
from mixedscope.data.truth import rows_in_simulation, true_designs
from mixedscope.design.design import Design, RandomDesign
from mixedscope.design.nesting import containing_levels

if TYPE_CHECKING:
    from mixedscope.families.family import Family

__all__ = ["Key", "true_parameters"]

Floats = NDArray[np.float64]

#: What names a parameter in every table: kind, group, term, second term.
Key = tuple[str, str | None, str | None, str | None]

#: Difference from a column space, relative to the largest number in it, that is rounding.
_ROUNDING: Final = 1e-9


def true_parameters(
    simulation: Simulation,
    design: Design,
    kept: Sequence[int],
    family: Family | None = None,
    origin: NDArray[np.intp] | None = None,
) -> dict[Key, float]:
    """Give the true value of each parameter of a model that has one.

    ``kept``: columns of X whose coefficients are estimated. Fixed effects, standard deviations and
    correlations of the random effects, and sigma are there by kind, group, term and second term. A
    model that has fewer random effects than the simulation has the variances of the least-squares
    coefficients of the true columns on its own (as its true random effects, see
    `mixedscope.data.truth.true_effects`), and no true sigma, which takes up the rest. Of a factor
    nested in one that the model leaves out nothing is known: it takes up what that does. Nor is
    anything where the response is not that of the simulation.

    Of a family nothing is known of a model that leaves anything out: given fewer random effects, or
    fixed ones, all others are on another scale. ``family``, ``origin``: as of
    `mixedscope.data.truth.rows_in_simulation`.
    """
    rows = rows_in_simulation(simulation, design, family, origin)
    if rows is None:
        return {}
    beta, is_exact = _true_beta(simulation, design, list(kept), rows)
    found: dict[Key, float] = {
        ("beta", None, design.x_names[column], None): float(value)
        for column, value in zip(kept, beta, strict=True)
        if np.isfinite(value)
    }
    true = true_designs(simulation, design, rows)
    groups = {other.group for other in true if other is not None}
    left_out = [
        other
        for other in simulation.designs
        if other.group not in groups and simulation.covariance[other.group].any()
    ]
    for own, other in zip(design.random, true, strict=True):
        covariance, is_own = _true_covariance(own, other, simulation, rows)
        is_exact &= is_own
        # What varies between the levels of a factor that is left out varies between those of a
        # factor that is nested in it, which takes it up.
        outside = (containing_levels(own.codes, one.codes[rows]) for one in left_out)
        if all(level is None for level in outside):
            found |= _spread(own, covariance)
    is_exact &= not left_out
    if simulation.family is not None:
        # Weights are counts of rows, which change no parameter; beside trials they are theirs.
        if not is_exact:
            return {}
        if simulation.family.dispersion is not None and simulation.dispersion is not None:
            found["dispersion", None, simulation.family.dispersion, None] = simulation.dispersion
    elif is_exact and design.weights is None and design.sigma is None:
        assert simulation.sigma is not None
        found["sigma", None, None, None] = simulation.sigma
    return found


def _true_beta(
    simulation: Simulation, design: Design, kept: list[int], rows: NDArray[np.intp]
) -> tuple[Floats, bool]:
    """True coefficients (r,) of the columns estimated, and whether they express the expectation.

    NaN where there is no truth.
    """
    own, true = design.X[:, kept], simulation.fixed.matrix[rows]
    beta = np.array(list(simulation.beta.values()))
    offset = np.zeros(len(rows)) if simulation.offset is None else simulation.offset[rows]
    beyond = design.adjusted(offset)  # what the model does not add as the simulation does
    places = [
        next((j for j in range(true.shape[1]) if np.array_equal(column, true[:, j])), None)
        for column in own.T
    ]
    same = np.array([np.nan if j is None else beta[j] for j in places])
    left_out = [j for j in np.flatnonzero(beta).tolist() if j not in places]
    if not left_out and np.isfinite(same).all() and not _differs(beyond, 0.0 * beyond, offset):
        return same, True
    mean = true @ beta + beyond
    solved = np.linalg.lstsq(own, mean, rcond=None)[0] if own.shape[1] else np.empty(0)
    if not _differs(own @ solved, mean, true * beta):
        return solved, True
    # What is left out of the column space takes from the meaning of all that belongs to it.
    basis = np.linalg.qr(own)[0]
    lost = [
        j
        for j in np.flatnonzero(beta).tolist()
        if _differs(basis @ (basis.T @ true[:, j]), true[:, j], true[:, j])
    ]
    missing = [
        set(term.variables) for term in simulation.terms.terms if set(term.columns) & set(lost)
    ]
    if _differs(beyond, 0.0 * beyond, offset):
        missing.append(
            set()
        )  # an offset that is not the simulation's: the intercept takes its mean
    for place, j in enumerate(places):
        if j is None:
            continue
        variables = next(set(t.variables) for t in simulation.terms.terms if j in t.columns)
        if any(variables <= others for others in missing):
            same[place] = np.nan
    return same, False


def _differs(one: Floats, other: Floats, scale: Floats) -> bool:
    """Whether two arrays differ by more than rounding at the size of the numbers in a third."""
    if not one.size:
        return False
    largest = float(np.abs(scale).max(initial=0.0))
    return bool(np.abs(one - other).max() > _ROUNDING * max(largest, np.finfo(float).tiny))


def _true_covariance(
    own: RandomDesign, true: RandomDesign | None, simulation: Simulation, rows: NDArray[np.intp]
) -> tuple[Floats | None, bool]:
    """True covariance (k, k) of the effects of a grouping factor, and whether it expresses all.

    None where its levels are not those of the simulation.
    """
    if true is None:
        return np.zeros((len(own.names), len(own.names))), True
    if containing_levels(own.codes, true.codes[rows]) is None:
        return None, False
    columns = true.Z[rows]
    covariance = simulation.covariance[true.group]
    if np.array_equal(own.Z, columns):
        return covariance, True
    coding = np.linalg.lstsq(own.Z, columns, rcond=None)[0]
    varies = np.diag(covariance) > 0.0
    is_exact = not _differs((own.Z @ coding)[:, varies], columns[:, varies], columns)
    return coding @ covariance @ coding.T, is_exact


def _spread(own: RandomDesign, covariance: Floats | None) -> dict[Key, float]:
    """Standard deviations and correlations of a covariance, by key."""
    if covariance is None:
        return {}
    variances = np.diag(covariance)
    sds = np.sqrt(np.where(variances > _ROUNDING**2 * variances.max(initial=0.0), variances, 0.0))
    found: dict[Key, float] = {
        ("sd", own.group, name, None): float(sd) for name, sd in zip(own.names, sds, strict=True)
    }
    for first, a in enumerate(own.names):
        for second, b in enumerate(own.names[first + 1 :], start=first + 1):
            if sds[first] > 0.0 and sds[second] > 0.0:
                value = float(covariance[first, second] / (sds[first] * sds[second]))
                found["correlation", own.group, a, b] = min(1.0, max(-1.0, value))
    return found
