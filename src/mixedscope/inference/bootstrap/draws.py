"""Draws of the parametric bootstrap by number: the same whoever makes them, beside whatever others.

The random numbers of draw i are a stream of its own, of a generator that counts (Philox: Salmon,
Moraes, Dror & Shaw 2011, Proc. SC11): the seed is its key, i stands in its counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.core.seeds import derive_seed
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.refits import to_points
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.bootstrap.result import Bootstrap, Origin
from mixedscope.inference.estimates.compiled_refits import below
from mixedscope.inference.estimates.estimates import SINGULAR
from mixedscope.inference.estimates.parameters import sds_and_correlations
from mixedscope.inference.estimates.refit import Refits, refit_many
from mixedscope.inference.estimates.simulated import Truth, drawn_responses, truth_at

__all__ = [
    "bootstrap_part",
    "described",
    "estimated_truth",
    "is_singular",
    "origin_of",
    "refuse_vanishing",
    "responses_of_draws",
    "streams",
]

Floats = NDArray[np.float64]

#: Numbers of responses that are in memory at once, about.
_AT_ONCE = 1 << 22


def refuse_vanishing(objective: SearchableObjective, theta: Floats) -> None:
    """Raise UnsuitedError if a fit that ended at theta (k,) has no sigma to draw with."""
    value = objective.evaluate(theta).objective
    if objective.residual_state(theta, value) == "vanishing":
        raise UnsuitedError(
            "the objective does not rise while sigma vanishes: there are no estimates to draw "
            "responses from"
        )


def estimated_truth(objective: SearchableObjective, theta: Floats) -> Truth:
    """Parameters estimated by a fit that ended at theta (k,); see `refuse_vanishing`."""
    refuse_vanishing(objective, theta)
    return truth_at(objective, theta)


def origin_of(
    objective: ProfiledObjective,
    truth: Truth,
    *,
    seed: int,
    data: str = "",
    undetermined: Sequence[Sequence[str | None]] = (),
) -> Origin:
    """Say what draws are of: the model, the parameters they are drawn from, the seed.

    ``data``: digest of the data that the model is of. ``undetermined``: kind, group, term and
    second term of parameters that the data do not determine; a sigma that is known is added.
    """
    if objective.system.design.sigma is not None:
        undetermined = [*undetermined, ("sigma", None, None, None)]
    terms = objective.system.terms
    sigma = np.array([truth.sigma])
    known = []
    for term in terms:
        factor = term.factor(truth.theta[term.theta])[None]
        for kind, first, second, value in sds_and_correlations(term, factor, sigma):
            known.append((kind, term.group, first, second, float(value[0])))
    return Origin(
        seed=seed,
        criterion=objective.criterion_name,
        data=data,
        beta_names=objective.beta_names,
        theta_names=objective.theta_names,
        sd_names=tuple((g, a) for kind, g, a, _, _ in known if kind == "sd"),
        correlation_names=tuple((g, a, str(b)) for kind, g, a, b, _ in known if kind != "sd"),
        beta=tuple(truth.beta.tolist()),
        sigma=truth.sigma,
        theta=tuple(truth.theta.tolist()),
        sd=tuple(value for kind, *_, value in known if kind == "sd"),
        correlation=tuple(value for kind, *_, value in known if kind != "sd"),
        undetermined=tuple(sorted((tuple(p) for p in undetermined), key=str)),
    )


def streams(draws: Iterable[int], seed: int) -> Iterator[np.random.Generator]:
    """Give for each draw, by number, a generator at the beginning of its own stream."""
    stream = np.random.Philox(key=derive_seed(seed, "parametric bootstrap"))
    generator = np.random.Generator(stream)
    state: Any = stream.state
    for draw in draws:
        state["state"]["counter"][:] = (0, draw, 0, 0)
        stream.state = state
        yield generator


def responses_of_draws(
    objective: ProfiledObjective, truth: Truth, draws: Sequence[int], seed: int
) -> Floats:
    """Give the responses (m, n) of some draws, by number from 0; units of `Design.y`."""
    system = objective.system
    sizes = [(len(term.design.levels), term.size) for term in system.terms]
    numbers = np.empty((len(draws), system.n + sum(q * k for q, k in sizes)))
    for row, generator in zip(numbers, streams(draws, seed), strict=True):
        generator.standard_normal(out=row)
    responses = np.ascontiguousarray(numbers[:, : system.n])
    effects, first = [], system.n
    for q, k in sizes:
        effects.append(numbers[:, first : first + q * k].reshape(-1, q, k))
        first += q * k
    drawn_responses(system, truth, responses, effects)
    return responses


def bootstrap_part(
    objective: ProfiledObjective, truth: Truth, draws: Sequence[int], origin: Origin
) -> Bootstrap:
    """Draw responses by number and fit the model to each.

    ``draws``: numbers from 0, ascending. Parts are put together by `Bootstrap.joined`. Raises
    DataError if the fixed effects explain a response exactly.
    """
    step = max(1, _AT_ONCE // objective.system.n)
    numbers = list(draws)
    parts = []
    for at in range(0, max(len(numbers), 1), step):
        own = numbers[at : at + step]
        responses = responses_of_draws(objective, truth, own, origin.seed)
        parts.append(
            described(objective, refit_many(objective, truth.theta, responses), own, origin)
        )
    return Bootstrap.joined(parts)


def described(
    objective: ProfiledObjective, refits: Refits, draws: Sequence[int], origin: Origin
) -> Bootstrap:
    """Add what theta and sigma of the refits of some draws mean: (m, any) each.

    Missing is what the data do not determine: a refit holds one value of many.
    """
    sds: list[Floats] = []
    correlations: list[Floats] = []
    for term in objective.system.terms:
        factors = term.factor(refits.theta[:, term.theta])
        for kind, first, second, values in sds_and_correlations(term, factors, refits.sigma):
            name = (kind, term.group, first, second)
            if name in origin.undetermined:
                values = np.full(len(values), np.nan)
            (sds if kind == "sd" else correlations).append(values)
    m = len(refits.sigma)
    sigma, theta = refits.sigma, refits.theta
    if objective.system.design.sigma is None and ("sigma", None, None, None) in origin.undetermined:
        sigma = np.full(m, np.nan)
    names = [(t.group, name) for t in objective.system.terms for name in t.theta_names()]
    open_ = [("theta", group, name, None) in origin.undetermined for group, name in names]
    if any(open_):
        theta = np.where(open_, np.nan, theta)
    return Bootstrap(
        **{**vars(refits), "sigma": sigma, "theta": theta},
        origin=origin,
        draw=np.array(draws, dtype=np.int64),
        sd=np.array(sds).reshape(-1, m).T,
        correlation=np.array(correlations).reshape(-1, m).T,
        singular=is_singular(objective, refits),
    )


def is_singular(objective: ProfiledObjective, refits: Refits) -> NDArray[np.bool_]:
    """Whether a covariance matrix of each refit is singular; False where the refit failed."""
    fine: NDArray[np.bool_] = np.asarray(np.isfinite(refits.theta).all(axis=1))
    out: NDArray[np.bool_] = np.zeros(len(refits.theta), dtype=bool)
    if objective.coordinates is not None:
        for row in np.flatnonzero(fine).tolist():
            out[row] = objective.rank_deficient(refits.theta[row], SINGULAR)
        return out
    out[fine] = below(objective, to_points(objective, refits.theta[fine]), SINGULAR)
    return out
