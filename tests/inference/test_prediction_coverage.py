"""Intervals of predictions cover what they are said to cover as often as they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.design.other_rows import complement, other_rows
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.predictions.predictions import chosen_terms, predictions

pytestmark = pytest.mark.exhaustive

SETS = 2000
LEVEL = 0.9


def test_intervals_cover_as_often_as_they_say() -> None:
    """Data drawn again and again, theta known: slopes within groups crossed with items, weights."""
    rng = np.random.default_rng(11)
    q, k, n = 30, 12, 240
    data = pd.DataFrame({"g": np.repeat(np.arange(q), 8), "h": rng.integers(0, k, n)})
    data = data.assign(x=rng.normal(size=n), w=rng.gamma(4.0, size=n), y=rng.normal(size=n))
    model = ms.LinearMixedModel("y ~ x + (1 + x | g) + (1 | h)", data, weights="w")
    theta, sigma, beta = np.array([1.2, -0.3, 0.6, 0.8]), 1.5, np.array([2.0, -1.0])
    factor = np.array([[1.2, 0.0], [-0.3, 0.6]])
    # A known pair, a new group, a new item, both new.
    new = pd.DataFrame({"x": [1.5, -1.0, 0.5, 2.0], "g": [3, 99, 4, 98], "h": [2, 5, 77, 78]})
    new = new.assign(w=[1.0, 2.0, 0.5, 4.0])
    m = len(new)
    x = np.column_stack([np.ones(m), new.x])
    choices = {"own": "own", "population": "population", "part": ["(1 | g)", "h"]}
    asked = {}
    for name, levels in choices.items():
        own = chosen_terms(model.design, levels)
        drawn = complement(model.design, own)
        asked[name] = other_rows(model.design, new, own=own, drawn=drawn, weights="w")
    hits = {(name, kind): np.zeros(m) for name in choices for kind in ("confidence", "prediction")}
    for _ in range(SETS):
        b, c = rng.normal(size=(q, 2)) @ factor.T * sigma, rng.normal(size=k) * 0.8 * sigma
        y = beta[0] + data.x * beta[1] + b[data.g, 0] + b[data.g, 1] * data.x + c[data.h]
        y = (y + rng.normal(size=n) * sigma / np.sqrt(data.w)).to_numpy()
        objective = SearchableObjective(model.system.with_response(y), reml=True)
        fresh_b = rng.normal(size=(m, 2)) @ factor.T * sigma
        fresh_c = rng.normal(size=m) * 0.8 * sigma
        own_b = np.where((new.g < q).to_numpy()[:, None], b[np.minimum(new.g, q - 1)], fresh_b)
        own_c = np.where(new.h < k, c[np.minimum(new.h, k - 1)], fresh_c)
        mean = x @ beta
        other_b, other_c = (
            rng.normal(size=(m, 2)) @ factor.T * sigma,
            rng.normal(size=m) * 0.8 * sigma,
        )
        noise = rng.normal(size=m) * sigma / np.sqrt(new.w)
        targets = {
            "own": (mean + own_b[:, 0] + own_b[:, 1] * new.x + own_c, 0.0),
            "population": (mean, other_b[:, 0] + other_b[:, 1] * new.x + other_c),
            "part": (mean + own_b[:, 0] + own_c, other_b[:, 1] * new.x),
        }
        for name, rows in asked.items():
            target, drawn_anew = targets[name]
            for kind in ("confidence", "prediction"):
                found = predictions(
                    objective, theta, rows, new_levels="population", interval=kind, level=LEVEL
                )
                wanted = target if kind == "confidence" else target + drawn_anew + noise
                assert found.lower is not None
                assert found.upper is not None
                hits[name, kind] += (found.lower <= wanted) & (wanted <= found.upper)
    for count in hits.values():
        # Four standard errors of a share of so many sets; sigma has 237 degrees of freedom.
        np.testing.assert_allclose(count / SETS, LEVEL, atol=4 * np.sqrt(LEVEL * 0.1 / SETS) + 1e-3)
