"""What must hold for every data set: the engine against a textbook evaluation, and invariances.

The dense evaluation (`reference.dense`) shares no code with the library. Designs and parameters are
drawn by hypothesis; each test states one fact.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference.cases import RECIPES
from reference.dense import (
    SPECS,
    Spec,
    evaluate,
    group_levels,
    labels,
    make_frame,
    n_theta,
)

import mixedscope as ms
from mixedscope.design.design import build_design
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem

Floats = NDArray[np.float64]
LAYOUTS = ("crossed", "partial", "nested", "unbalanced")
FULL = "y ~ 1 + x + (1 + x | g) + (1 | h)"

quick = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,  # the same designs in every run
    suppress_health_check=[HealthCheck.too_slow],
)
seeds = st.integers(0, 10_000)
layouts = st.sampled_from(LAYOUTS)


def objective_of(
    formula: str, data: pd.DataFrame, *, reml: bool = False, weights: Floats | None = None
) -> ProfiledObjective:
    design = build_design(formula, data, weights=weights)
    return SearchableObjective(ProfiledSystem(design), reml=reml)


def value(
    formula: str,
    data: pd.DataFrame,
    theta: Floats,
    *,
    reml: bool = False,
    weights: Floats | None = None,
) -> float:
    return objective_of(formula, data, reml=reml, weights=weights).evaluate(theta).objective


def draw_theta(seed: int, size: int, zeros: float = 0.25) -> Floats:
    """Random theta of either sign, some components exactly zero."""
    rng = np.random.default_rng(seed + 1)
    theta = rng.normal(scale=1.2, size=size)
    theta[rng.random(size) < zeros] = 0.0
    return theta


def draw_weights(seed: int, n: int, weighted: bool) -> Floats | None:
    return np.random.default_rng(seed + 2).uniform(0.2, 3.0, n) if weighted else None


def close(a: object, b: object, tolerance: float = 1e-8) -> bool:
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance))


# --- against the textbook ------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.formula)
@given(seed=seeds, layout=layouts, reml=st.booleans(), weighted=st.booleans())
@quick
def test_evaluation_is_that_of_the_dense_textbook_formula(
    spec: Spec, seed: int, layout: str, reml: bool, weighted: bool
) -> None:
    frame = make_frame(seed, n=60, layout=layout)
    weights = draw_weights(seed, len(frame), weighted)
    theta = draw_theta(seed, n_theta(spec))
    expected = evaluate(spec, frame, theta, reml=reml, weights=weights)
    found = objective_of(spec.formula, frame, reml=reml, weights=weights).evaluate(theta)
    assert close(found.objective, expected.objective)
    assert close(found.beta, expected.beta, 1e-7)
    assert close(found.sigma, expected.sigma)
    assert close(found.log_det, expected.log_det)
    assert close(found.residual_ss, expected.residual_ss, 1e-7)
    assert close(found.penalty, expected.penalty, 1e-7)


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.formula)
@given(seed=seeds, layout=layouts, reml=st.booleans(), weighted=st.booleans())
@settings(quick, max_examples=6)
def test_modes_and_their_covariances_are_those_of_the_dense_textbook_formula(
    spec: Spec, seed: int, layout: str, reml: bool, weighted: bool
) -> None:
    frame = make_frame(seed, n=60, layout=layout)
    weights = draw_weights(seed, len(frame), weighted)
    theta = draw_theta(seed, n_theta(spec))
    expected = evaluate(spec, frame, theta, reml=reml, weights=weights)
    objective = objective_of(spec.formula, frame, reml=reml, weights=weights)
    system = objective.system
    evaluation = objective.evaluate(theta)
    modes = system.modes()
    errors = np.sqrt(np.diag(system.beta_covariance(evaluation.sigma)))
    covariances = system.conditional_covariances(evaluation.sigma)
    assert close(errors, expected.std_error, 1e-7)
    for i, (term, dense) in enumerate(zip(system.terms, spec.random, strict=True)):
        levels = group_levels(frame, dense.group)
        order = [term.design.levels.index(level) for level in levels]
        assert close(modes[i][order], expected.modes[i], 1e-7)
        assert close(covariances[i][order], expected.covariances[i], 1e-7)


def central_differences(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Fourth-order central differences."""
    out = np.empty(len(theta))
    for i in range(len(theta)):
        h = 2e-4 * max(1.0, abs(theta[i]))
        f = []
        for step in (-2, -1, 1, 2):
            moved = theta.copy()
            moved[i] += step * h
            f.append(objective.evaluate(moved).objective)
        out[i] = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
    return out


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.formula)
@given(seed=seeds, layout=layouts, reml=st.booleans(), weighted=st.booleans())
@settings(quick, max_examples=8)
def test_gradient_is_that_of_central_differences(
    spec: Spec, seed: int, layout: str, reml: bool, weighted: bool
) -> None:
    frame = make_frame(seed, n=60, layout=layout)
    weights = draw_weights(seed, len(frame), weighted)
    theta = draw_theta(seed, n_theta(spec))
    objective = objective_of(spec.formula, frame, reml=reml, weights=weights)
    evaluation, gradient = objective.evaluate_gradient(theta)
    assert evaluation.objective == pytest.approx(objective.evaluate(theta).objective, abs=1e-10)
    expected = central_differences(objective, theta)
    assert np.allclose(gradient, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.formula)
def test_at_zero_theta_the_model_is_least_squares_with_zero_gradient(
    spec: Spec, reml: bool
) -> None:
    frame = make_frame(5, n=60)
    theta = np.zeros(n_theta(spec))
    objective = objective_of(spec.formula, frame, reml=reml)
    evaluation, gradient = objective.evaluate_gradient(theta)
    expected = evaluate(spec, frame, theta, reml=reml)
    assert close(evaluation.objective, expected.objective)
    assert close(evaluation.beta, expected.beta)
    assert evaluation.log_det == pytest.approx(0.0, abs=1e-12)
    assert np.abs(gradient).max() < 1e-9


@given(seed=seeds, layout=layouts)
@quick
def test_huge_theta_leaves_a_finite_objective(seed: int, layout: str) -> None:
    frame = make_frame(seed, layout=layout)
    objective = objective_of(FULL, frame)
    theta = 1e6 * np.abs(draw_theta(seed, 4, zeros=0.0))
    evaluation, gradient = objective.evaluate_gradient(theta)
    assert np.isfinite(evaluation.objective)
    assert np.isfinite(gradient).all()


# --- response and covariates in other units ------------------------------------------------


@given(seed=seeds, shift=st.floats(-1e4, 1e4), factor=st.floats(0.01, 100), reml=st.booleans())
@quick
def test_scaling_and_shifting_the_response_moves_the_objective_by_a_constant(
    seed: int, shift: float, factor: float, reml: bool
) -> None:
    frame = make_frame(seed, layout="partial")
    theta = draw_theta(seed, 4)
    other = frame.assign(y=shift + factor * frame["y"])
    before = objective_of(FULL, frame, reml=reml).evaluate(theta)
    after = objective_of(FULL, other, reml=reml).evaluate(theta)
    df = len(frame) - (2 if reml else 0)
    assert close(after.objective, before.objective + 2 * df * np.log(factor), 1e-7)
    assert close(after.sigma, factor * before.sigma, 1e-7)
    assert close(after.beta, factor * before.beta + [shift, 0.0], 1e-7)


@pytest.mark.parametrize("reml", [False, True])
def test_a_response_shifted_by_a_hundred_million_keeps_the_objective(reml: bool) -> None:
    frame = RECIPES["sleepstudy"]()
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    theta = np.array([0.93, 0.02, 0.22])
    # Rounded so that adding 1e8 is exact: the test is about the engine, not about the sum.
    frame["Reaction"] = np.round(frame["Reaction"] * 1024) / 1024
    shifted = frame.assign(Reaction=frame["Reaction"] + 2.0**27)
    before = value(formula, frame, theta, reml=reml)
    assert value(formula, shifted, theta, reml=reml) == pytest.approx(before, abs=1e-7)


@given(seed=seeds, factor=st.floats(1e-4, 1e4), reml=st.booleans())
@quick
def test_scaling_a_covariate_rescales_its_theta_and_its_coefficient(
    seed: int, factor: float, reml: bool
) -> None:
    frame = make_frame(seed, layout="partial")
    theta = draw_theta(seed, 4)
    other = frame.assign(x=factor * frame["x"])
    # Lambda' = diag(1, 1/c) Lambda for the columns (1, c x)
    rescaled = theta * np.array([1.0, 1 / factor, 1 / factor, 1.0])
    before = objective_of(FULL, frame, reml=reml).evaluate(theta)
    after = objective_of(FULL, other, reml=reml).evaluate(rescaled)
    jacobian = 2 * np.log(factor) if reml else 0.0  # log |X' V^-1 X|
    assert close(after.objective, before.objective + jacobian, 1e-7)
    assert close(after.beta * [1.0, factor], before.beta, 1e-7)


@given(seed=seeds, shift=st.floats(-50, 50), reml=st.booleans())
@quick
def test_shifting_a_covariate_turns_a_full_relative_covariance(
    seed: int, shift: float, reml: bool
) -> None:
    frame = make_frame(seed, layout="partial")
    theta = draw_theta(seed, 4, zeros=0.0)
    other = frame.assign(x=frame["x"] + shift)
    block = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    turned = np.array([[1.0, -shift], [0.0, 1.0]]) @ block  # b0' = b0 - shift b1
    lower = np.linalg.cholesky(turned @ turned.T)
    moved = np.array([lower[0, 0], lower[1, 0], lower[1, 1], theta[3]])
    before = value(FULL, frame, theta, reml=reml)
    assert close(value(FULL, other, moved, reml=reml), before, 1e-6)


@pytest.mark.parametrize("reml", [False, True])
def test_the_fit_does_not_depend_on_the_units_of_response_and_covariate(reml: bool) -> None:
    frame = RECIPES["sleepstudy"]()
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    fit = ms.LinearMixedModel(formula, frame).fit(reml=reml, progress=False)
    seconds = frame.assign(Reaction=frame["Reaction"] / 1000 - 7, Days=frame["Days"] * 24 + 1000)
    other = ms.LinearMixedModel(formula, seconds).fit(reml=reml, progress=False)
    df = len(frame) - (2 if reml else 0)
    constant = 2 * df * np.log(1 / 1000) + (2 * np.log(24) if reml else 0)
    assert other.objective == pytest.approx(fit.objective + constant, abs=1e-6)
    assert other.sigma * 1000 == pytest.approx(fit.sigma, rel=1e-5)
    assert other.beta[1] * 24 * 1000 == pytest.approx(fit.beta[1], rel=1e-6)


# --- rows and names ------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.formula)
@given(seed=seeds, layout=layouts)
@settings(quick, max_examples=4)
def test_the_order_of_rows_does_not_matter(spec: Spec, seed: int, layout: str) -> None:
    frame = make_frame(seed, layout=layout, n=60)
    theta = draw_theta(seed, n_theta(spec))
    weights = draw_weights(seed, len(frame), True)
    assert weights is not None
    order = np.random.default_rng(seed).permutation(len(frame))
    before, gradient = objective_of(spec.formula, frame, weights=weights).evaluate_gradient(theta)
    after, turned = objective_of(
        spec.formula, frame.iloc[order], weights=weights[order]
    ).evaluate_gradient(theta)
    assert close(after.objective, before.objective)
    assert close(after.beta, before.beta)
    assert close(gradient, turned, 1e-7)


@given(seed=seeds, layout=layouts)
@quick
def test_renaming_levels_renames_the_modes_and_changes_nothing_else(seed: int, layout: str) -> None:
    frame = make_frame(seed, layout=layout)
    theta = draw_theta(seed, 4)
    old = sorted(set(frame["g"]))
    new = dict(zip(old, np.random.default_rng(seed).permutation(old), strict=True))
    other = frame.assign(g=frame["g"].map(new))
    results = []
    for data in (frame, other):
        objective = objective_of(FULL, data)
        evaluation = objective.evaluate(theta)
        design = objective.system.terms[0].design
        modes = dict(zip(design.levels, objective.system.modes()[0], strict=True))
        results.append((evaluation.objective, modes))
    assert close(results[0][0], results[1][0])
    for level in old:
        assert close(results[0][1][level], results[1][1][new[level]], 1e-7)


def test_codes_and_labels_of_a_grouping_factor_give_the_same_fit() -> None:
    frame = RECIPES["sleepstudy"]()
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    as_numbers = frame.assign(Subject=frame["Subject"].astype(str).astype(int))
    theta = np.array([0.9, 0.1, 0.2])
    assert value(formula, as_numbers, theta) == pytest.approx(
        value(formula, frame, theta), abs=1e-9
    )


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "dict"])
def test_every_kind_of_table_gives_the_same_objective(kind: str) -> None:
    frame = make_frame(3)
    theta = draw_theta(3, 4)
    plain = frame.assign(f=frame["f"].astype(str))
    if kind == "polars":
        polars = pytest.importorskip("polars")
        data = polars.DataFrame({c: plain[c].tolist() for c in plain})
    elif kind == "pyarrow":
        import pyarrow

        data = pyarrow.table({c: plain[c].tolist() for c in plain})
    else:
        data = {c: plain[c].tolist() for c in plain}
    assert close(value(FULL, data, theta), value(FULL, frame, theta), 1e-12)


# --- one model, several formulas -----------------------------------------------------------

SAME = [
    ("y ~ 1 + x + (1 + x | g)", "y ~ x + (x | g)"),
    ("y ~ 0 + x + (1 | g)", "y ~ x - 1 + (1 | g)"),
    ("y ~ 1 + x + (1 + x || g)", "y ~ 1 + x + zerocorr(1 + x | g)"),
    ("y ~ 1 + x + (1 + x || g)", "y ~ 1 + x + (1 | g) + (0 + x | g)"),
    ("y ~ 1 + x + (1 | g) + (1 | h) + (0 + x | g)", "y ~ 1 + x + (1 + x || g) + (1 | h)"),
    ("y ~ 1 + x * f + (1 | g)", "y ~ 1 + x + f + x:f + (1 | g)"),
    ("y ~ 1 + x * f + (1 | g)", "y ~ 1 + x + f + x & f + (1 | g)"),
    ("y ~ 1 + x * f + (1 | g)", "y ~ (x + f)^2 + (1 | g)"),
    ("y ~ 1 + x + (1 | g/h)", "y ~ 1 + x + (1 | g) + (1 | g:h)"),
    ("y ~ 1 + x + (1 | g:h)", "y ~ 1 + x + (1 | g & h)"),
    ("y ~ 1 + (1 + f || g)", "y ~ 1 + zerocorr(1 + f | g)"),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=[f"{a} = {b}" for a, b in SAME])
@pytest.mark.parametrize("reml", [False, True])
def test_equivalent_formulas_are_the_same_model(one: str, other: str, reml: bool) -> None:
    frame = make_frame(11, layout="partial", n=60)
    first, second = (objective_of(f, frame, reml=reml) for f in (one, other))
    assert len(first.start) == len(second.start)
    theta = draw_theta(4, len(first.start))
    a, b = first.evaluate(theta), second.evaluate(theta)
    assert close(a.objective, b.objective, 1e-10)
    assert close(a.beta, b.beta, 1e-9)


@given(seed=seeds, layout=layouts, reml=st.booleans())
@quick
def test_the_order_of_terms_permutes_theta_and_nothing_else(
    seed: int, layout: str, reml: bool
) -> None:
    frame = make_frame(seed, layout=layout, n=60)
    theta = draw_theta(seed, 5)
    one = "y ~ 1 + x + (1 + x | g) + (1 | h) + (1 | k)"
    other = "y ~ 1 + x + (1 | k) + (1 | h) + (1 + x | g)"
    before = value(one, frame, theta, reml=reml)
    after = value(other, frame, theta[[4, 3, 0, 1, 2]], reml=reml)
    assert close(after, before, 1e-9)


@given(seed=seeds)
@quick
def test_nested_is_crossed_with_unique_labels(seed: int) -> None:
    frame = make_frame(seed, layout="crossed", n=60)
    frame["gh"] = labels(frame, "g:h")
    theta = draw_theta(seed, 6)
    nested, g_nested = objective_of("y ~ 1 + x + (1 + x | g/h)", frame).evaluate_gradient(theta)
    crossed, g_crossed = objective_of(
        "y ~ 1 + x + (1 + x | g) + (1 + x | gh)", frame
    ).evaluate_gradient(theta)
    assert close(nested.objective, crossed.objective)
    assert close(g_nested, g_crossed, 1e-7)


def test_a_chain_of_three_nested_factors_is_the_dense_textbook_model() -> None:
    from reference.dense import ONE, Term

    frame = make_frame(8, n=90)
    chain = Spec(
        "y ~ 1 + x + (1 | k/g/h)",
        (ONE, "x"),
        (Term("k", (ONE,)), Term("k:g", (ONE,)), Term("k:g:h", (ONE,))),
    )
    theta = np.array([0.7, 0.4, 1.3])
    for reml in (False, True):
        expected = evaluate(chain, frame, theta, reml=reml)
        assert close(value(chain.formula, frame, theta, reml=reml), expected.objective)


# --- weights -------------------------------------------------------------------------------


@given(seed=seeds, layout=layouts, reml=st.booleans())
@quick
def test_rows_of_weight_zero_count_as_dropped(seed: int, layout: str, reml: bool) -> None:
    frame = make_frame(seed, layout=layout, n=60)
    theta = draw_theta(seed, 4)
    weights = draw_weights(seed, len(frame), True)
    assert weights is not None
    weights[np.random.default_rng(seed).choice(len(frame), 15, replace=False)] = 0.0
    keep = weights > 0
    with_zeros = objective_of(FULL, frame, weights=weights, reml=reml)
    dropped = objective_of(FULL, frame[keep], weights=weights[keep], reml=reml)
    assert with_zeros.system.n == dropped.system.n == int(keep.sum())
    a, b = with_zeros.evaluate(theta), dropped.evaluate(theta)
    assert close(a.objective, b.objective, 1e-10)
    assert close(a.beta, b.beta, 1e-9)


@given(seed=seeds, reml=st.booleans())
@quick
def test_weights_of_one_are_no_weights(seed: int, reml: bool) -> None:
    frame = make_frame(seed)
    theta = draw_theta(seed, 4)
    ones = np.ones(len(frame))
    assert close(
        value(FULL, frame, theta, reml=reml, weights=ones),
        value(FULL, frame, theta, reml=reml),
        1e-11,
    )


@given(seed=seeds, factor=st.floats(0.01, 100), reml=st.booleans())
@quick
def test_a_common_factor_of_the_weights_goes_into_sigma_and_theta(
    seed: int, factor: float, reml: bool
) -> None:
    frame = make_frame(seed, layout="partial")
    theta = draw_theta(seed, 4)
    weights = draw_weights(seed, len(frame), True)
    assert weights is not None
    before = objective_of(FULL, frame, weights=weights, reml=reml).evaluate(theta)
    after = objective_of(FULL, frame, weights=factor * weights, reml=reml).evaluate(
        theta / np.sqrt(factor)
    )
    assert close(after.objective, before.objective, 1e-8)
    assert close(after.sigma, before.sigma * np.sqrt(factor), 1e-8)


def test_a_missing_weight_drops_its_row() -> None:
    frame = make_frame(2)
    weights = np.linspace(0.5, 2.0, len(frame))
    holes = frame.assign(w=weights)
    holes.loc[[3, 17], "w"] = np.nan
    theta = draw_theta(2, 4)
    model = ms.LinearMixedModel(FULL, holes, weights="w")
    keep = holes["w"].notna().to_numpy()
    expected = value(FULL, frame[keep], theta, weights=weights[keep])
    assert model.objective(theta) == pytest.approx(expected, abs=1e-9)


# --- signs ---------------------------------------------------------------------------------


@given(seed=seeds, layout=layouts)
@quick
def test_the_sign_of_a_column_of_the_relative_factor_does_not_matter(
    seed: int, layout: str
) -> None:
    frame = make_frame(seed, layout=layout)
    objective = objective_of(FULL, frame)
    theta = draw_theta(seed, 4, zeros=0.0)
    flipped = theta * np.array([-1.0, -1.0, 1.0, -1.0])
    assert close(objective.evaluate(flipped).objective, objective.evaluate(theta).objective)
    canonical = objective.canonical(flipped)
    assert (canonical[[0, 2, 3]] >= 0).all()
    assert close(canonical, objective.canonical(theta), 1e-15)
