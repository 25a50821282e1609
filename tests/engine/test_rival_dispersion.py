"""Effects of single rows and a dispersion say the same twice: the lower minimum is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import mixedscope as ms

# Of the first three, searches without a look at the rival end above fits without effects of rows.
# Of the fourth a search with other rounding ends where there are no modes, and must be left too.
SEEDS = [(600, 0), (600, 1), (200, 1), (600, 2), (200, 0), (200, 3)]


def _shares(n: int, seed: int) -> pd.DataFrame:
    """Beta responses of fifteen groups; nothing varies by row but the response."""
    rng = np.random.default_rng(seed)
    group, x = rng.integers(0, 15, n), rng.normal(size=n)
    mean = norm.cdf(0.3 + 0.3 * x + 0.1 * rng.normal(size=15)[group])
    y = np.clip(rng.beta(mean * 4.0, (1.0 - mean) * 4.0), 1e-6, 1.0 - 1e-6)
    return pd.DataFrame({"y": y, "x": x, "b": group.astype(str), "row": np.arange(n).astype(str)})


@pytest.mark.parametrize(("n", "seed"), SEEDS)
def test_effects_of_rows_beside_a_dispersion_never_fit_worse_than_without(n, seed):
    data = _shares(n, seed)
    without = ms.GeneralizedLinearMixedModel("y ~ x + (1 | b)", data, "beta", link="probit").fit()
    with_rows = ms.GeneralizedLinearMixedModel(
        "y ~ x + (1 | row) + (1 | b)", data, "beta", link="probit"
    ).fit()
    assert with_rows.objective <= without.objective + 1e-6


def test_what_effects_of_rows_are_measured_in_is_all_one():
    data = _shares(200, 1).assign(k=1000.0)
    fits = [
        ms.GeneralizedLinearMixedModel(f"y ~ x + {rows}(1 | b)", data, "beta", link="probit").fit()
        for rows in ("", "(0 + k | row) + ")
    ]
    assert fits[1].objective <= fits[0].objective + 1e-6


@pytest.mark.parametrize("family", ["gamma", "nbinom2", "nbinom1"])
def test_other_families_with_a_dispersion_neither(family):
    rng = np.random.default_rng(1)
    group, x = rng.integers(0, 15, 300), rng.normal(size=300)
    mean = np.exp(0.8 + 0.3 * x + 0.3 * rng.normal(size=15)[group])
    y = rng.gamma(2.0, mean / 2.0) if family == "gamma" else rng.poisson(rng.gamma(2.0, mean / 2.0))
    data = pd.DataFrame({"y": y, "x": x, "b": group.astype(str), "row": np.arange(300).astype(str)})
    found = {
        groups: ms.GeneralizedLinearMixedModel(f"y ~ x + {groups}", data, family).fit().objective
        for groups in ("(1 | b)", "(1 | row) + (1 | b)")
    }
    assert found["(1 | row) + (1 | b)"] <= found["(1 | b)"] + 1e-6
