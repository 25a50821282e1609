"""What the groups alone would say: references that shrinkage is measured from.

Two references are unpenalised. The *joint limit* is where the conditional modes of all factors go
together as the penalty vanishes; the *within-group* reference is each group's own least squares.
Where least squares cannot tell factors apart (wafers nested in lots), the joint limit divides their
effects by its smallest norm: no estimate of any of them, which `confounded` finds out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.engine.least_norm import ITERATIONS, least_norm, untangled_system
from mixedscope.engine.system import ProfiledSystem

__all__ = [
    "JointLimit",
    "confounded",
    "joint_limit",
    "known_limit",
    "missing_limit",
    "own_least_squares",
    "reference_info",
    "solved_where_told",
    "within_group",
]

Floats = NDArray[np.float64]

# A group identifies a coefficient unless a null direction of its columns has this share of it.
_NULL = 1e-9
# A factor is told apart from others if its contribution comes back to within this share of it.
# Of one that is not, about one over the root of its number of levels is lost, or more.
_LOST = 1e-4


@dataclass(frozen=True)
class JointLimit:
    """The joint least-squares limit, in the units of the data.

    Attributes
    ----------
    modes : list of (q, k) arrays
        b per grouping factor.
    beta : (r,) array
        Fixed effects at the limit.
    iterations : int
    missing : str
        Why there is no limit: all values are NaN then. Empty otherwise.
    """

    modes: list[Floats]
    beta: Floats
    iterations: int
    missing: str = ""


def joint_limit(system: ProfiledSystem) -> JointLimit:
    """Limit of the conditional modes as the penalty vanishes for all factors together.

    The solution of ``min |y - X beta - Z b|**2`` with the smallest ``|b|**2``: what
    MixedModelsMakie approximates by a very large theta.

    Raises ModelError if the iteration does not settle (columns too nearly collinear).

    Iterated Tikhonov regularisation: the penalised problem is solved for the residual of the
    previous step, which takes the part of b along an eigenvector of ``Z'Z`` (fixed effects
    eliminated) with eigenvalue e to within ``(r / (r + e))**steps`` of the limit, r being the
    ridge, and leaves the null space at 0 throughout: the minimum-norm solution without deciding
    a rank by hand (Hanke & Groetsch 1998, J. Optim. Theory Appl. 98, 37-53). The norm of b is taken
    in the units of the data as long as the root mean squares of the random-effects columns are
    within a factor of 100 of each other; it matters only where the data leave b undetermined.
    Columns of a factor that are nearly collinear (an uncentred year beside the intercept) are
    written as orthogonal ones first, which a limit permits whatever the structure; the norm is that
    of their coefficients.
    """
    system = untangled_system(system)
    modes, iterations = least_norm(system, system.response)
    if iterations > ITERATIONS:
        raise ModelError(
            "The joint least-squares limit did not settle: the random-effects columns of different "
            "factors are nearly collinear with each other, or with the fixed effects. Use the "
            "within-group reference."
        )
    beta = system.beta_given(system.random_part(modes))
    return JointLimit([system.in_data_units(i, b) for i, b in enumerate(modes)], beta, iterations)


def known_limit(system: ProfiledSystem) -> JointLimit:
    """Give the joint limit of a model; where it cannot be computed its values are NaN."""
    try:
        return joint_limit(system)
    except ModelError as error:
        return missing_limit(system, str(error))


def reference_info(system: ProfiledSystem, limit: JointLimit) -> dict[str, Any]:
    """Say what is known of the joint limit beside the rest: ``references`` of ``fit.json``."""
    known: dict[str, Any] = {"missing": limit.missing}
    if not limit.missing:
        beta = dict(zip(system.fixed_names, limit.beta.tolist(), strict=True))
        known = {"beta": beta, "confounded": list(confounded(system))}
    return {"joint_limit": known}


def missing_limit(system: ProfiledSystem, reason: str) -> JointLimit:
    """Stand for a limit that could not be computed: NaN everywhere, and why."""
    modes = [np.full((f.n_levels, f.size), np.nan) for f in system.factors]
    return JointLimit(modes, np.full(system.n_fixed, np.nan), 0, reason)


def confounded(system: ProfiledSystem) -> tuple[str, ...]:
    """Grouping factors whose effects least squares cannot tell from those of other factors.

    Gives their names, in the order of the model; none where there is a single factor.

    A factor is told apart if least squares find its contribution to the response, fixed effects
    eliminated, whatever the contributions of the others: no ``Z b`` of all factors together is zero
    unless that of each is. The solution of smallest norm for ``y = Z b`` with b drawn at random
    leaves out the part of b that lies in the null space, which has, with probability one, a share
    in every factor that can have one.
    """
    if len(system.factors) < 2:
        return ()
    system = untangled_system(system)
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal((f.n_levels, f.size)) for f in system.factors]
    found, _ = least_norm(system, system.project(system.random_part(drawn)))
    rests = [b - back for b, back in zip(drawn, found, strict=True)]

    def length(modes: Sequence[Floats], position: int | None = None) -> float:
        kept = [b if position in (None, i) else np.zeros_like(b) for i, b in enumerate(modes)]
        return float(np.linalg.norm(system.project(system.random_part(kept))))

    # What all factors together miss is no exchange between them: an iteration that did not settle.
    missed = 10.0 * length(rests)
    lost = [
        term.group
        for position, term in enumerate(system.terms)
        if length(rests, position) > _LOST * length(drawn, position) + missed
    ]
    return tuple(lost)


def within_group(system: ProfiledSystem, beta: Floats) -> list[Floats]:
    """Least squares within every group, as deviations from the population.

    For every level of a grouping factor the part of the response that the fixed effects leave is
    regressed on the random-effects columns of the factor, by ordinary least squares and with the
    level's own observations only. Where the fixed effects contain the random-effects columns this
    is lme4's ``lmList`` minus the population coefficients.

    ``beta`` (r,): fixed effects. Gives (q, k), NaN where the level cannot identify the coefficient.
    """
    rest = system.design.y - system.fixed_columns @ beta
    return [own_least_squares(system, position, rest) for position in range(len(system.factors))]


def own_least_squares(system: ProfiledSystem, position: int, rest: Floats) -> Floats:
    """Regress values (n,), units of the response, within every level of one grouping factor.

    Gives (q, k), NaN where the level cannot identify the coefficient.
    """
    factor = system.factors[position]
    rest = rest * system.root_weights / system.y_scale
    k, q = factor.size, factor.n_levels
    products = (factor.z[:, :, None] * factor.z[:, None, :]).reshape(system.n, k * k)
    gram = system.sums_by_level(position, products).reshape(q, k, k)
    right = system.sums_by_level(position, rest[:, None] * factor.z)
    return system.in_data_units(position, solved_where_told(gram, right))


def solved_where_told(gram: Floats, right: Floats) -> Floats:
    """Solutions (q, k) of the systems of all levels: ``gram`` (q, k, k), ``right`` (q, k).

    NaN where a level does not identify the coefficient: along directions without information, or
    with a negative one.
    """
    # Every level's columns are brought to unit length before their rank is judged.
    length = np.sqrt(np.maximum(np.einsum("qii->qi", gram), 0.0))
    scale = np.where(length > 0.0, length, 1.0)
    gram = gram / (scale[:, :, None] * scale[:, None, :])
    values, vectors = np.linalg.eigh(gram)
    null = values <= _NULL * np.maximum(values[:, -1:], _NULL)
    inverse = np.where(null, 0.0, 1.0 / np.where(null, 1.0, values))
    solution = np.einsum("qij,qj,qkj,qk->qi", vectors, inverse, vectors, right / scale) / scale
    share = np.einsum("qij,qj->qi", vectors**2, null.astype(float))
    solution[(share > 1e-6) | (length == 0.0)] = np.nan
    return np.asarray(solution)
