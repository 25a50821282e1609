"""Copies of fits, and of what they gave, say what the originals say, whatever was asked before."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms

# The last has coordinates that no compiled search moves in.
FORMULAS = ["y ~ x + a + (1 + x | g) + (1 | h)", "y ~ x + a + cs(0 + a | g)"]


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 120
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 12,
                         "h": np.arange(n) // 12 % 5, "a": rng.choice(list("pqr"), n),
                         "w": rng.uniform(0.5, 2.0, n)})  # fmt: skip
    shift, slope = rng.normal(size=(2, 12))[:, data["g"]]
    y = shift + slope * data["x"] + rng.normal(size=5)[data["h"]] + rng.normal(size=n)
    return data.assign(y=y)


def _pickled(what: Any) -> Any:
    return pickle.loads(pickle.dumps(what))


@pytest.mark.parametrize("copied", [deepcopy, _pickled])
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_fit_of_which_everything_was_asked_is_copied(formula: str, copied: Any) -> None:
    fit = ms.lmer(formula, _data(), weights="w")
    answers = {
        "profile": fit.profile(["sigma", "x"]),
        "pairs": fit.profile_pairs(["sigma", "x"], levels=[0.5], vertices=4),
        "influence": fit.influence("g"),
        "bootstrap": fit.parametric_bootstrap(4, seed=1),
        "refits": fit.refit_many(fit.simulate(2)),
        "means": fit.means("a"),
        "effects": fit.fixed_effects(df="satterthwaite"),
        "residuals": fit.residuals("standardised"),
        "summary": fit.summary(),
    }
    again, others = copied(fit), copied(answers)
    for name in ("profile", "influence", "bootstrap", "means"):
        pd.testing.assert_frame_equal(others[name].table, answers[name].table)
    found = again.profile(["sigma", "x"]).confint()
    pd.testing.assert_frame_equal(found, answers["profile"].confint(), rtol=1e-6)
    found = others["profile"].confint()
    pd.testing.assert_frame_equal(found, answers["profile"].confint(), rtol=1e-6)
    assert str(others["summary"]) == str(answers["summary"])
    rng = np.random.default_rng(2)
    responses = fit.simulate(2, seed=3)
    for _ in range(3):
        theta = rng.uniform(0.2, 0.8, size=len(fit.theta))
        # Turn by turn: what copy and original shared would show.
        assert again.evaluate(theta).objective == fit.evaluate(theta).objective
        ours, theirs = fit.evaluate(0.5 * theta), again.evaluate(0.5 * theta)
        np.testing.assert_array_equal(theirs.beta, ours.beta)
    theirs, ours = again.refit_many(responses), fit.refit_many(responses)
    np.testing.assert_array_equal(theirs.theta, ours.theta)
    pd.testing.assert_frame_equal(again.influence("g").table, answers["influence"].table)


@pytest.mark.parametrize("copied", [deepcopy, _pickled])
def test_a_loaded_fit_is_copied_before_and_after_its_model_is_built(
    copied: Any, tmp_path: Path
) -> None:
    fit = ms.lmer("y ~ x + (1 | g)", _data(), weights="w")
    known = fit.profile(["sigma"]).confint()
    fit.save(tmp_path / "fit")
    loaded = ms.load_fit(tmp_path / "fit")
    for again in (copied(loaded), copied(copied(loaded).profile(["sigma"]))):
        found = again.profile(["sigma"]) if isinstance(again, ms.Fit) else again
        pd.testing.assert_frame_equal(found.confint(), known, rtol=1e-6)
    assert loaded.evaluate().objective == pytest.approx(fit.objective, rel=1e-12)
    np.testing.assert_array_equal(copied(loaded).fitted(), loaded.fitted())
