"""Which models are special cases of which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.covariance.registry import STRUCTURES, make_structure
from mixedscope.inference.ladder.nesting import is_nested

RNG = np.random.default_rng(4)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=240),
        "x": RNG.normal(size=240),
        "z": RNG.normal(size=240),
        "f": np.tile(["a", "b", "c"], 80),
        "g": np.repeat([f"g{i:02d}" for i in range(20)], 12),
        "h": np.tile(np.repeat([f"h{i}" for i in range(4)], 3), 20),
    }
)


def random(formula: str, structure: str = "full") -> list[dict[str, Any]]:
    """The entry of fit.json, without a fit."""
    system = ms.LinearMixedModel(f"y ~ 1 + {formula}", DATA, structure=structure).system
    return [
        {
            "group": term.group,
            "names": list(term.names),
            "parts": [
                {
                    "columns": list(part.columns),
                    "structure": part.structure,
                    "settings": dict(part.settings),
                    "factor": part.factor,
                }
                for part in term.design.parts
            ],
        }
        for term in system.terms
    ]


NESTED = [
    ("(1 | g)", "(1 + x | g)"),
    ("(1 + x || g)", "(1 + x | g)"),
    ("(1 | g)", "(1 + x || g)"),
    ("(1 | g)", "(1 | g) + (1 | h)"),
    ("homdiag(0 + f | g)", "zerocorr(0 + f | g)"),
    ("homdiag(0 + f | g)", "homcs(0 + f | g)"),
    ("homcs(0 + f | g)", "cs(0 + f | g)"),
    ("zerocorr(0 + f | g)", "cs(0 + f | g)"),
    ("cs(0 + f | g)", "(0 + f | g)"),
    ("ar1(0 + f | g)", "hetar1(0 + f | g)"),
    ("homdiag(0 + f | g)", "ar1(0 + f | g)"),
    ("hetar1(0 + f | g)", "(0 + f | g)"),
    ("rr(0 + f | g, 1)", "rr(0 + f | g, 2)"),
    ("rr(0 + f | g, 2)", "(0 + f | g)"),
    ("(1 | g)", "homcs(0 + f | g)"),
    ("(1 | g)", "ar1(0 + f | g)"),
    ("(1 | g)", "rr(0 + f | g, 1)"),
    ("(1 | g)", "(0 + f | g)"),
    ("(1 | g)", "cs(1 + x | g)"),
    ("(1 + x || g)", "cs(1 + x + z | g)"),
    ("(1 + x | g)", "cs(1 + x | g)"),
    ("(1 + x | g)", "(1 + x | g) + (0 + z | g)"),
    ("(1 + x + z || g)", "(1 + x | g) + (0 + z | g)"),
    ("(1 | g)", "rr(1 + x | g, 1)"),
]

APART = [
    ("(1 | g)", "zerocorr(0 + f | g)"),
    ("(1 | g)", "homdiag(0 + f | g)"),
    ("(1 | g)", "homdiag(1 + x | g)"),
    ("(1 | g)", "homcs(1 + x | g)"),
    ("(1 | h)", "(1 | g)"),
    ("cs(0 + f | g)", "hetar1(0 + f | g)"),
    ("ar1(0 + f | g)", "cs(0 + f | g)"),
    ("ar1(0 + f | g)", "homcs(0 + f | g)"),
    ("homcs(0 + f | g)", "zerocorr(0 + f | g)"),
    ("(0 + f | g)", "cs(0 + f | g)"),
    ("zerocorr(0 + f | g)", "rr(0 + f | g, 2)"),
    ("(1 + x | g)", "(1 + x || g)"),
    ("(1 + x | g)", "cs(1 + x + z | g)"),
    ("rr(0 + f | g, 1)", "cs(0 + f | g)"),
]


@pytest.mark.parametrize(("inner", "outer"), NESTED)
def test_a_special_case_is_nested(inner: str, outer: str) -> None:
    assert is_nested(random(inner), random(outer))


@pytest.mark.parametrize(("inner", "outer"), APART)
def test_what_is_no_special_case_is_not_nested(inner: str, outer: str) -> None:
    assert not is_nested(random(inner), random(outer))


@pytest.mark.parametrize("term", sorted({term for pair in NESTED + APART for term in pair}))
def test_every_model_is_nested_in_itself(term: str) -> None:
    assert is_nested(random(term), random(term))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (outer.name, inner.name)
        for outer in STRUCTURES.values()
        for inner in STRUCTURES.values()
        if outer.includes(inner) and inner.name != "intercept"
    ],
)
def test_special_cases_lie_within_the_structure(outer: str, inner: str) -> None:
    # The covariance of the special case is approached by the other's as closely as one likes:
    # least squares on its entries, from several starts.
    from scipy.optimize import least_squares

    size, rng = 4, np.random.default_rng(11)
    small = make_structure(inner, size, {"d": 1} if inner == "rr" else None)
    large = make_structure(outer, size, {"d": 2} if outer == "rr" else None)
    lam = small.factor(rng.uniform(0.4, 1.2, small.n_theta))
    target = lam @ lam.T

    def gap(theta: np.ndarray) -> np.ndarray:
        root = large.factor(theta)
        return (root @ root.T - target).ravel()

    starts = [large.start(), *(rng.normal(size=large.n_theta) for _ in range(8))]
    best = min(least_squares(gap, start, xtol=1e-15, ftol=1e-15).cost for start in starts)
    assert best < 1e-12
