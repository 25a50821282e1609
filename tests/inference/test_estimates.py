"""Every number a user reads off a fit, against lme4 (``reference/lme4.json``) and dense algebra."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.cases import LME4, RECIPES
from reference.dense import Floats, joint_limit

import mixedscope as ms


@cache
def model(case_id: str) -> ms.LinearMixedModel:
    case = LME4[case_id]
    return ms.LinearMixedModel(
        case["formula"],
        RECIPES[case["recipe"]](),
        contrasts=case.get("contrasts"),
        weights=case.get("weights"),
    )


@cache
def fitted(case_id: str) -> ms.Fit:
    return model(case_id).fit(reml=LME4[case_id]["reml"])


def theta_of(case: dict[str, Any]) -> Floats:
    return np.array(
        [value for random in case["random"] for part in random["parts"] for value in part["theta"]]
    )


def near(found: Any, expected: Any, tolerance: float) -> bool:
    """Within a relative tolerance; what is near zero is measured by the largest of its kind."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    largest = np.abs(expected).max(initial=0.0)
    return bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance * max(largest, 1e-3)))


each_case = pytest.mark.parametrize("case_id", LME4)


# --- the engine at lme4's theta: no optimiser involved --------------------------------------


@each_case
def test_the_model_uses_the_rows_and_levels_that_lme4_uses(case_id: str) -> None:
    case, built = LME4[case_id], model(case_id)
    assert len(built.design.y) == case["data"]["used"]
    assert built.design.y.sum() == pytest.approx(case["data"]["response_sum"], rel=1e-9)
    groups = [(r.group, len(r.levels)) for r in built.design.random]
    assert groups == [(r["group"], r["levels"]) for r in case["random"]]


@each_case
def test_random_effects_terms_have_the_names_of_lme4(case_id: str) -> None:
    for own, expected in zip(model(case_id).design.random, LME4[case_id]["random"], strict=True):
        assert list(own.names) == [t for part in expected["parts"] for t in part["terms"]]


@each_case
def test_fixed_effects_have_the_names_of_lme4_and_drop_the_same_columns(case_id: str) -> None:
    fixed, built = LME4[case_id]["fixed"], model(case_id)
    assert list(built.fixed_names) == fixed["names"]
    assert list(built.dropped_coefficients) == fixed["dropped"]


@each_case
def test_the_objective_at_the_theta_of_lme4_is_that_of_lme4(case_id: str) -> None:
    case = LME4[case_id]
    found = model(case_id).objective(theta_of(case), reml=case["reml"])
    assert found == pytest.approx(case["objective"], abs=2e-12 * 10**6, rel=1e-11)


@each_case
def test_the_gradient_vanishes_at_the_optimum_of_lme4(case_id: str) -> None:
    case = LME4[case_id]
    theta = theta_of(case)
    objective, gradient = model(case_id).objective_gradient(theta, reml=case["reml"])
    scaled = gradient / model(case_id).profiled().scale  # for columns of unit root mean square
    assert np.abs(scaled).max() < 1e-5 * max(1.0, abs(objective) / 1000)


# --- the fit ---------------------------------------------------------------------------------


@each_case
def test_the_fit_reaches_the_objective_of_lme4(case_id: str) -> None:
    expected = LME4[case_id]["objective"]
    allowed = 1e-5 if abs(expected) > 20_000 else 1e-6
    assert abs(fitted(case_id).objective - expected) <= allowed


@each_case
def test_theta_and_sigma(case_id: str) -> None:
    case, fit = LME4[case_id], fitted(case_id)
    assert near(fit.theta, theta_of(case), 1e-4)
    assert fit.sigma == pytest.approx(case["sigma"], rel=1e-5)


@each_case
def test_fixed_effects_with_standard_errors_and_statistics(case_id: str) -> None:
    fixed, table = LME4[case_id]["fixed"], fitted(case_id).fixed_effects()
    assert table["term"].tolist() == fixed["names"]
    assert near(fitted(case_id).beta, fixed["beta"], 1e-5)
    assert near(table["estimate"], fixed["beta"], 1e-5)
    assert near(table["std_error"], fixed["std_error"], 1e-5)
    assert near(table["statistic"], fixed["statistic"], 1e-5)


@each_case
def test_standard_deviations_and_correlations_of_random_effects(case_id: str) -> None:
    table = fitted(case_id).variance_components()
    for random in LME4[case_id]["random"]:
        own = table[table["group"] == random["group"]]
        sd = own[own["kind"] == "sd"].set_index("term")["estimate"]
        for part in random["parts"]:
            assert near(sd[part["terms"]], part["sd"], 1e-4)
            found, names = [], part["terms"]
            for j in range(len(names)):
                for i in range(j + 1, len(names)):
                    pair = own[(own["kind"] == "correlation")]
                    hit = pair[
                        ((pair["term"] == names[i]) & (pair["term2"] == names[j]))
                        | ((pair["term"] == names[j]) & (pair["term2"] == names[i]))
                    ]
                    assert len(hit) == 1, f"no correlation of {names[i]} and {names[j]}"
                    found.append(hit["estimate"].iloc[0])
            assert near(found, part["correlation"], 2e-4)
    sigma = table[table["kind"] == "sigma"]["estimate"]
    assert sigma.tolist() == pytest.approx([fitted(case_id).sigma], rel=1e-12)


@each_case
def test_only_terms_with_correlations_list_them(case_id: str) -> None:
    table = fitted(case_id).variance_components()
    expected = sum(len(part["correlation"]) for r in LME4[case_id]["random"] for part in r["parts"])
    assert (table["kind"] == "correlation").sum() == expected


@each_case
def test_information_criteria_and_degrees_of_freedom(case_id: str) -> None:
    case, fit = LME4[case_id], fitted(case_id)
    assert fit.dof == case["dof"]
    for name in ("loglik", "aic", "aicc", "bic"):
        assert getattr(fit, name) == pytest.approx(case[name], abs=2e-5), name


@each_case
def test_conditional_modes_and_their_standard_deviations(case_id: str) -> None:
    table = fitted(case_id).conditional_modes()
    for group, terms in LME4[case_id]["modes"].items():
        for term, expected in terms.items():
            own = table[(table["group"] == group) & (table["term"] == term)].set_index("level")
            levels = list(expected["mode"])
            spread = np.sqrt(expected["mode_sum_of_squares"] / len(own))
            modes = own.loc[levels, "mode"].to_numpy()
            # 1e-4 of the spread of the term's modes: a mode may happen to be near zero.
            assert np.abs(modes - list(expected["mode"].values())).max() <= 1e-4 * max(spread, 1e-9)
            assert near(own.loc[levels, "std_dev"], list(expected["std_dev"].values()), 1e-4)
            for column in ("mode", "std_dev"):
                total = (own[column] ** 2).sum()
                assert total == pytest.approx(
                    expected[f"{column}_sum_of_squares"], rel=3e-4, abs=1e-12
                )


@each_case
def test_fitted_values_and_residuals(case_id: str) -> None:
    case, fit = LME4[case_id], fitted(case_id)
    for name in ("fitted", "residuals"):
        values = getattr(fit, name)()
        scale = fit.sigma if name == "residuals" else np.abs(values).max()
        assert np.abs(values[:5] - case[name]["head"]).max() <= 1e-4 * scale
        assert (values**2).sum() == pytest.approx(case[name]["sum_of_squares"], rel=1e-4)


@each_case
def test_shares_of_the_principal_axes_are_those_of_repca(case_id: str) -> None:
    shares = {term["group"]: term["shares"] for term in fitted(case_id).info["singular"]}
    for random in LME4[case_id]["random"]:
        assert np.allclose(shares[random["group"]], random["pca_shares"], atol=1e-4)


@pytest.mark.parametrize(
    ("case_id", "group", "rank"),
    [
        ("dyestuff2-ml", "Batch", 0),
        ("dyestuff2-reml", "Batch", 0),
        ("oats-singular-ml", "Block", 1),
        ("sleepstudy-full-ml", "Subject", 2),
        ("machines-full-ml", "Worker", 3),
    ],
)
def test_singular_terms_are_named_with_their_rank(case_id: str, group: str, rank: int) -> None:
    fit = fitted(case_id)
    entry = next(term for term in fit.info["singular"] if term["group"] == group)
    assert entry["rank"] == rank
    assert entry["singular"] == (rank < entry["size"]) == fit.singular
    assert bool(entry["collapsed"]) == entry["singular"]


# --- references of shrinkage -----------------------------------------------------------------


@pytest.mark.parametrize(
    "case_id", [case_id for case_id, case in LME4.items() if "within_group" in case]
)
def test_within_group_estimates_are_those_of_lmlist(case_id: str) -> None:
    expected, table = LME4[case_id]["within_group"], fitted(case_id).conditional_modes()
    for term, values in expected.items():
        own = table[table["term"] == term].set_index("level")["within_group"]
        assert len(own) == len(values)
        scale = np.nanmax(np.abs(np.array(list(values.values()), dtype=float)))
        for level, value in values.items():
            if value is None:
                assert np.isnan(own[level]), f"{level} cannot identify {term}"
            elif level == "308" and case_id == "sleepstudy-thin-ml":
                continue  # one observation: see the next test
            else:
                assert own[level] == pytest.approx(value, abs=1e-5 * scale)


def test_a_group_of_one_observation_identifies_no_slope() -> None:
    table = fitted("sleepstudy-thin-ml").conditional_modes()
    own = table[table["level"] == "308"].set_index("term")
    assert own["n_obs"].tolist() == [1, 1]
    assert np.isnan(own.loc["Days", "within_group"])
    assert np.isfinite(own["joint_limit"]).all()


def dense_matrices(built: ms.LinearMixedModel) -> tuple[Floats, Floats]:
    design = built.design
    blocks = []
    for random in design.random:
        indicator = (random.codes[:, None] == np.arange(len(random.levels))).astype(float)
        blocks.append((indicator[:, :, None] * random.Z[:, None, :]).reshape(len(random.codes), -1))
    return design.X, np.hstack(blocks)


@pytest.mark.parametrize(
    "case_id",
    [
        "sleepstudy-full-ml",
        "sleepstudy-zerocorr-ml",
        "sleepstudy-intercept-ml",
        "sleepstudy-thin-ml",
        "sleepstudy-weighted-ml",
        "sleepstudy-slopes-only-ml",
        "sleepstudy-amalgamated-ml",
        "sleepstudy-deficient-ml",
        "machines-full-ml",
        "machines-cells-ml",
        "machines-zerocorr-cells-ml",
        "machines-nested-ml",
        "machines-helmert-reml",
        "machines-thin-reml",
        "penicillin-ml",
        "pastes-ml",
        "pastes-nested-reml",
        "oxide-ml",
        "dyestuff2-ml",
        "cbpp-rate-ml",
        "cake-reml",
        "oats-singular-ml",
        "oats-empty-cell-reml",
        "orthodont-reml",
    ],
)
def test_joint_limit_is_the_least_squares_solution_of_least_norm(case_id: str) -> None:
    built, fit = model(case_id), fitted(case_id)
    x, z = dense_matrices(built)
    b, beta = joint_limit(x, z, built.design.y, built.design.weights)
    table = fit.conditional_modes()
    found = table["joint_limit"].to_numpy()
    # Columns differ in units: each is compared by what it adds to the response.
    reach = np.abs(z).max(axis=0)
    assert np.abs((found - b) * reach).max() <= 1e-6 * np.abs(b * reach).max()
    named = fit.tables.info["references"]["joint_limit"]["beta"]
    if len(beta) == len(named):
        assert near(list(named.values()), beta, 1e-6)


def test_modes_table_lists_every_level_and_term_once_with_its_observations() -> None:
    table = fitted("machines-thin-reml").conditional_modes()
    assert not table.duplicated(["group", "level", "term"]).any()
    for group, own in table.groupby("group"):
        per_term = own.groupby("term")["n_obs"].sum()
        assert (per_term == 46).all(), group
    assert table["within_group"].notna().all()


# --- tables and round trips --------------------------------------------------------------------


def test_conditional_covariances_have_the_standard_deviations_on_their_diagonals() -> None:
    fit = fitted("egsingle-ml")
    table = fit.conditional_modes()
    for group, covariance in fit.conditional_covariances().items():
        own = table.loc[table["group"] == group, "std_dev"].to_numpy()
        matrices = covariance.to_numpy().reshape(
            -1, len(covariance.columns), len(covariance.columns)
        )
        diagonal = np.sqrt(np.einsum("qii->qi", matrices)).ravel()
        assert np.allclose(diagonal, own, rtol=1e-10)
        level = table.loc[table["group"] == group, "level"].iloc[-1]
        last = covariance.loc[level]
        assert list(last.index) == list(last.columns) == list(table["term"].unique())
        assert np.array_equal(last, matrices[-1])


@pytest.mark.parametrize(
    "case_id", ["sleepstudy-weighted-reml", "oats-singular-ml", "machines-sum-ml"]
)
def test_a_saved_fit_is_loaded_with_the_same_numbers(case_id: str, tmp_path: Any) -> None:
    fit = fitted(case_id)
    fit.save(tmp_path / "fit")
    loaded = ms.load_fit(tmp_path / "fit")
    assert loaded.objective == fit.objective
    assert np.array_equal(loaded.theta, fit.theta)
    assert np.array_equal(loaded.beta, fit.beta)
    for name in ("aic", "aicc", "bic", "loglik", "sigma", "dof", "n_evaluations"):
        assert getattr(loaded, name) == getattr(fit, name), name
    pd.testing.assert_frame_equal(
        loaded.conditional_modes(), fit.conditional_modes(), check_dtype=False
    )
    again = loaded.evaluate(loaded.theta)
    assert again.objective == pytest.approx(fit.objective, abs=1e-10)
    assert np.allclose(loaded.fitted(), fit.fitted(), rtol=1e-12)


def test_the_trace_evaluates_to_itself() -> None:
    fit = fitted("orthodont-reml")
    for row in fit.trace[fit.trace["status"] == "ok"].itertuples():
        again = fit.evaluate(np.asarray(row.theta))
        assert again.objective == pytest.approx(row.objective, abs=1e-9)
        assert again.sigma == pytest.approx(row.sigma, rel=1e-9)
        parts = (again.log_det, again.residual_ss, again.penalty)
        assert np.allclose(parts, (row.log_det, row.residual_ss, row.penalty), rtol=1e-7)


def test_the_objective_is_made_of_the_parts_in_the_trace() -> None:
    fit = fitted("sleepstudy-full-ml")
    trace = fit.trace[fit.trace["status"] == "ok"]
    n = 180
    r2 = trace["residual_ss"] + trace["penalty"]
    expected = trace["log_det"] + n * (1 + np.log(2 * np.pi * r2 / n))
    assert np.allclose(trace["objective"], expected, rtol=1e-12)


# --- contrasts ---------------------------------------------------------------------------------

MEANS = "score ~ 1 + Machine + (1 | Worker)"
CODINGS: dict[str, tuple[Any, list[list[float]]]] = {
    # coding: the contrast specification, and the coefficients as combinations of the cell means
    "treatment": ("treatment", [[1, 0, 0], [-1, 1, 0], [-1, 0, 1]]),
    "other base": ({"treatment": {"base": "C"}}, [[0, 0, 1], [1, 0, -1], [0, 1, -1]]),
    "sum": ("sum", [[1 / 3, 1 / 3, 1 / 3], [2 / 3, -1 / 3, -1 / 3], [-1 / 3, 2 / 3, -1 / 3]]),
    "helmert": ("helmert", [[1 / 3, 1 / 3, 1 / 3], [-1 / 2, 1 / 2, 0], [-1 / 6, -1 / 6, 1 / 3]]),
    "sequential": ("sequential-difference", [[1 / 3, 1 / 3, 1 / 3], [-1, 1, 0], [0, -1, 1]]),
    "hypothesis": (
        {"hypothesis": {"matrix": [[-1, 0.5, 0.5], [0, -1, 1]], "names": ["A-BC", "C-B"]}},
        [[1 / 3, 1 / 3, 1 / 3], [-1, 0.5, 0.5], [0, -1, 1]],
    ),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_every_coding_gives_its_combination_of_the_cell_means(coding: str) -> None:
    spec, combinations = CODINGS[coding]
    frame = RECIPES["machines_thin"]()
    cells = ms.LinearMixedModel("score ~ 0 + Machine + (1 | Worker)", frame).fit()
    fit = ms.LinearMixedModel(MEANS, frame, contrasts={"Machine": spec}).fit()
    assert fit.objective == pytest.approx(cells.objective, abs=1e-7)
    assert near(fit.beta, np.array(combinations) @ cells.beta, 1e-6)
    covariance = cells.vcov.to_numpy()
    expected = np.array(combinations) @ covariance @ np.array(combinations).T
    assert near(fit.vcov.to_numpy(), expected, 1e-5)


@pytest.mark.parametrize("with_zeros", [False, True])
def test_weights_from_an_array_survive_saving(with_zeros: bool, tmp_path: Any) -> None:
    frame = RECIPES["sleepstudy"]()
    weights = frame["w"].to_numpy()
    if with_zeros:
        weights = np.where(frame["row"] % 7 == 0, 0.0, weights)
    formula = LME4["sleepstudy-weighted-ml"]["formula"]
    fit = ms.LinearMixedModel(formula, frame, weights=weights).fit()
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert loaded.evaluate().objective == pytest.approx(fit.objective, abs=1e-10)
    assert np.allclose(loaded.residuals(), fit.residuals())
