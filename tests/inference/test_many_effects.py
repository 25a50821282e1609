"""As many random effects as observations, or more: refused only where they are residuals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError

N = 60
RNG = np.random.default_rng(3)
T = np.array(list("abc"))[np.arange(N) % 3]
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N) * pd.Series(T).map({"a": 1.0, "b": 2.0, "c": 4.0}).to_numpy(),
        "t": T,
        "x": RNG.normal(size=N),
        "row": [f"r{i}" for i in range(N)],
        "sub": np.arange(N) // 3,
        "pair": np.arange(N) // 2,
        "one": np.arange(N) % 2,
        "h": np.arange(N) % 6,
        "same": 2.0,
        "w": RNG.uniform(0.5, 2.0, N),
    }
)

#: Samples of their own, by treatment: -2 log-likelihood where each has a mean and a variance.
SEPARATE = sum(len(v) * (np.log(2.0 * np.pi * np.var(v)) + 1.0) for _, v in DATA.groupby("t")["y"])


def fitted(formula: str, *, reml: bool = False, **arguments: Any) -> ms.Fit:
    return ms.LinearMixedModel(formula, DATA, **arguments).fit(reml=reml)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ t + zerocorr(0 + t | row)",
        "y ~ t + (0 + fulldummy(t) || row)",
        "y ~ t + zerocorr(0 + t | sub)",
        "y ~ t + (0 + t | row)",
    ],
)
def test_a_variance_per_treatment_is_fitted_and_shared(formula: str) -> None:
    fit = fitted(formula)
    assert fit.objective == pytest.approx(SEPARATE, abs=1e-8)
    assert fit.certificate["residual"] == "shared"
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    # Three means and three variances, whatever the number of parameters.
    assert fit.dof == 6
    assert fit.variance_components()["estimate"].isna().all()
    assert "so many random effects" in fit.certificate["words"]
    # What is determined does not depend on how the rest is shared.
    a = DATA.loc[DATA["t"] == "a", "y"]
    error = float(np.std(a) / np.sqrt(len(a)))
    assert fit.fixed_effects()["std_error"].iloc[0] == pytest.approx(error, rel=1e-4)


def test_under_reml_it_is_shared_too() -> None:
    fit = fitted("y ~ t + zerocorr(0 + t | row)", reml=True)
    assert fit.certificate["residual"] == "shared"
    assert fit.dof == 6


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ 1 + (1 | row)", "as many levels"),
        ("y ~ 1 + (1 | row) + (1 | h)", "as many levels"),
        ("y ~ 1 + (0 + same | row)", "as many levels"),
        ("y ~ t + homdiag(0 + t | row)", "as many levels"),
        ("y ~ t + homdiag(0 + t | sub)", "60 random effects for 60 observations"),
    ],
)
def test_what_does_no_more_than_residuals_is_refused_unless_allowed(
    formula: str, words: str
) -> None:
    for arguments in ({}, {"weights": "same"}):
        with pytest.raises(ModelError, match=f"{words}.* cannot be told from the residual"):
            fitted(formula, **arguments)
    fit = fitted(formula, unidentified="allow")
    assert fit.certificate["residual"] == "shared"
    sigma = fit.estimates.loc[fit.estimates["kind"] == "sigma", "estimate"]
    assert sigma.isna().all()
    # Independent observations, and those of h, are all that the model can be.
    plain = fitted("y ~ t + (1 | h)" if " t " in formula else "y ~ 1 + (1 | h)")
    assert plain.theta[0] == 0.0
    assert fit.objective == pytest.approx(plain.objective, abs=1e-6)
    assert fit.dof == len(fit.beta) + len(fit.theta)


@pytest.mark.parametrize("arguments", [{"weights": "w"}, {"sigma": 1.0}])
def test_weights_that_differ_or_a_known_sigma_tell_them_apart(arguments: dict[str, Any]) -> None:
    fit = fitted("y ~ 1 + (1 | row)", **arguments)
    assert fit.certificate["residual"] != "shared"
    assert fit.certificate["unidentified"] == []


# Distinct shapes of the covariance of a level: with x, all entries; of two rows, three entries.
@pytest.mark.parametrize(
    ("formula", "residual", "variances"),
    [
        ("y ~ x + (0 + x | row)", "identified", 2),
        ("y ~ x + (1 + x | pair)", "identified", 4),
        ("y ~ x + (1 + x || pair)", "identified", 3),
        ("y ~ x + (1 + x | row)", "shared", 3),
        ("y ~ x + (1 + one | pair)", "shared", 3),
        ("y ~ x + (1 + t | sub)", "shared", 6),
    ],
)
def test_what_many_effects_leave_determined(formula: str, residual: str, variances: int) -> None:
    fit = fitted(formula)
    assert fit.certificate["residual"] == residual
    assert fit.dof == 2 + variances


def test_a_model_that_was_allowed_is_stored_and_comes_back(tmp_path: Path) -> None:
    fit = fitted("y ~ 1 + (1 | row)", unidentified="allow")
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert loaded.spec.unidentified == "allow"
    assert loaded.evaluate().objective == pytest.approx(fit.objective)


# One observation of every effect: structures of free variances, or of one variance and no more than
# one correlation, can give some of it to the residuals; others fix how correlations decay.
@pytest.mark.parametrize(
    ("structure", "shared"),
    [("full", True), ("zerocorr", True), ("homcs", True), ("cs", False), ("ar1", False)],
)
def test_structures_of_one_observation_of_every_effect(structure: str, shared: bool) -> None:
    fit = fitted("y ~ t + (0 + t | sub)", structure=structure)
    assert (fit.certificate["residual"] == "shared") is shared
    assert bool(fit.certificate["unidentified"]) is shared
