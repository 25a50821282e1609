"""Refits of generalised models in compiled code are fits of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.inference.bootstrap.generalized import (
    GeneralizedRefitter,
    generalized_origin,
    generalized_responses,
)
from mixedscope.optimize.driver import minimize

#: Response, family, random effects, points of quadrature.
CASES = [
    ("yes", "binomial", "(1 | g)", 1),
    ("cbind(successes, trials - successes)", "binomial", "(1 + x | g)", 1),
    ("count", "poisson", "(1 | g)", 1),
    ("count", "poisson", "(1 + x || g)", 1),
    ("count", "nbinom2", "(1 | g)", 1),
    ("yes", "binomial", "(1 | g)", 6),
    ("count", "nbinom2", "(1 | g)", 3),
]


def simulated(seed: int, sd: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    q, rows = 20, 12
    g = np.repeat(np.arange(q), rows)
    n = len(g)
    frame = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=n)})
    eta = 0.3 + 0.5 * frame["x"] + sd * rng.normal(size=q)[g]
    eta += 0.5 * sd * rng.normal(size=q)[g] * frame["x"]
    mean = 1.0 / (1.0 + np.exp(-eta))
    frame["yes"] = rng.binomial(1, mean).astype(float)
    frame["trials"] = rng.integers(1, 9, n)
    frame["successes"] = rng.binomial(frame["trials"], mean)
    frame["count"] = rng.negative_binomial(3.0, 3.0 / (3.0 + np.exp(eta))).astype(float)
    return frame


def draws_of(
    response: str, family: str, random: str, points: int, seed: int, sd: float, count: int
) -> Any:
    """The model, responses drawn from its fit, and what refits gave."""
    data = simulated(seed, sd)
    fit = ms.glmer(f"{response} ~ x + {random}", data, family, quadrature=points)
    laplace, point = fit.model.laplace, fit.parameters.to_numpy()
    responses = generalized_responses(laplace, point, range(count), 1)
    origin = generalized_origin(laplace, point, seed=1)
    refitter = GeneralizedRefitter(laplace, point)
    return laplace, responses, refitter.part(range(count), origin), refitter, origin


@pytest.mark.parametrize(
    ("seed", "sd", "count"),
    [
        (1, 0.7, 3),
        (2, 0.1, 3),
        *(
            pytest.param(s, (0.7, 0.1, 0.0)[s % 3], 15, marks=pytest.mark.exhaustive)
            for s in range(3, 12)
        ),
    ],
)
@pytest.mark.parametrize("case", CASES)
def test_refits_are_fits_of_their_own(
    case: tuple[str, str, str, int], seed: int, sd: float, count: int
) -> None:
    laplace, responses, made, *_ = draws_of(*case, seed, sd, count)
    system = laplace.system
    for i, y in enumerate(responses):
        own = laplace.like(system.of_response(replace(system.response, y=y)))
        alone = minimize(own)
        verdict = alone.certificate["verdict"]
        if verdict == "at infinity":  # there is nothing to be found
            continue
        # Neither may be above the other: `minimize` is certified.
        assert made.objective[i] == pytest.approx(alone.evaluation.objective, abs=1e-6)


def test_refits_do_not_depend_on_how_many_there_are_at_once() -> None:
    _, responses, made, refitter, origin = draws_of(*CASES[1], 4, 0.1, 12)
    for first, last in ((0, 1), (1, 5), (5, 12)):
        part = refitter.described(responses[first:last], range(first, last), origin)
        pd.testing.assert_frame_equal(
            part.table.reset_index(drop=True),
            made.table.iloc[first:last].reset_index(drop=True),
            check_exact=True,
        )
