"""Searches of generalised models agree, from whatever start, by whatever optimiser."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms

RANDOM = (
    "(1 | g)", "(1 + x | g)", "(1 | g) + (1 | h)", "(1 + x | g) + (1 | h)", "(1 + x || g)",
    "(1 | g/k)", "(1 + x | g) + (1 + z | h)", "cs(0 + f | g)",
)  # fmt: skip
KINDS = (
    ("y", "binomial", "logit"),
    ("y", "binomial", "probit"),
    ("s / t", "binomial", "logit"),
    ("s / t", "binomial", "cloglog"),
    ("c", "poisson", "log"),
    ("c", "nbinom2", "log"),
    ("a", "gamma", "log"),
    ("c", "nbinom1", "log"),
)
SEARCHES = (
    ("auto", None),
    ("auto", "identity"),
    ("auto", "random"),
    ("pybobyqa", None),
    ("scipy-lbfgsb", None),
)


@cache
def model(seed: int) -> ms.GeneralizedLinearMixedModel:
    """A random model of 60 to 400 rows; kinds by turns, random effects by eights."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 400))
    frame = pd.DataFrame(
        {
            "g": rng.integers(0, rng.integers(5, 30), n).astype(str),
            "h": rng.integers(0, rng.integers(3, 10), n).astype(str),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) + rng.choice([0, 3]),
            "f": rng.choice(list("abc"), n),
        }
    )
    frame["k"] = frame["g"] + rng.integers(0, 3, n).astype(str)
    g, h = (pd.factorize(frame[name])[0] for name in "gh")
    eta = rng.normal() + 0.5 * frame["x"]
    eta += rng.choice([0, 0.3, 1, 2]) * rng.normal(size=g.max() + 1)[g]
    eta += rng.choice([0, 0.5]) * rng.normal(size=h.max() + 1)[h]
    eta = np.clip(eta, -6.0, 4.0)
    share = 1.0 / (1.0 + np.exp(-eta))
    frame["y"] = (rng.random(n) < share).astype(int)
    frame["t"] = rng.integers(1, 8, n)
    frame["s"] = rng.binomial(frame["t"], share)
    frame["c"] = rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, n))
    frame["a"] = rng.gamma(2.0, np.exp(eta) / 2.0)
    response, family, link = KINDS[seed % len(KINDS)]
    random = RANDOM[seed // 8 % len(RANDOM)]
    return ms.GeneralizedLinearMixedModel(f"{response} ~ x + {random}", frame, family, link)


@pytest.mark.parametrize("seed", [27, 51])
def test_searches_within_bounds_are_led_to_the_lowest_minimum(seed: int) -> None:
    # Of 27 they end at another minimum, 4.0 higher, which those from moments do not meet; of 51
    # they come by points from whose modes none of others could be found.
    best = model(seed).fit()
    fit = model(seed).fit("scipy-lbfgsb")
    assert fit.objective == pytest.approx(best.objective, abs=1e-6)
    assert fit.certificate["verdict"] == best.certificate["verdict"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(100))
def test_all_searches_end_at_one_objective(seed: int) -> None:
    found = [model(seed).fit(name, start=start, seed=3).objective for name, start in SEARCHES]
    np.testing.assert_allclose(found, min(found), rtol=0.0, atol=1e-6)
