"""Fits whose estimates lie where the conditional modes cannot be found: said, and no crash."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError


@pytest.fixture(scope="module")
def unbounded() -> ms.GeneralizedFit:
    """A gamma model with a level per row that counts twice: its likelihood has no maximum.

    Both responses of a level are equal, so that the density grows with the shape without end.
    """
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(10), 6)
    y = np.exp(rng.normal(size=60) + rng.normal(size=10)[g])
    data = pd.DataFrame({"y": y, "g": g, "row": np.arange(60), "w": 2.0})
    return ms.glmer("y ~ 1 + (1 | row) + (1 | g)", data, "gamma", weights="w")


def test_a_fit_out_of_reach_is_printed_without_standard_errors(unbounded):
    assert unbounded.certificate["verdict"] == "not converged"
    assert "not converged" in str(unbounded)
    assert unbounded.dispersion > 1e6
    table = unbounded.fixed_effects()
    assert np.isfinite(table["estimate"]).all()
    assert table["std_error"].isna().all()


def test_what_needs_modes_that_are_not_found_is_refused_in_words(unbounded):
    def drawn():
        unbounded.parametric_bootstrap(3, seed=1)

    for ask in (unbounded.predict, unbounded.conditional_modes, unbounded.residuals, drawn):
        with pytest.raises(ModelError, match="conditional modes cannot be found"):
            ask()
