"""What is told of a generalised fit: the next term of Laplace, separation, covariances.

Values of adaptive quadrature: ``reference/glmm.json``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from reference.glmm_cases import GLMM, frame_of, model_arguments

import mixedscope as ms
from mixedscope.inference.generalized import approximation


def fitted(name: str) -> ms.GeneralizedFit:
    return ms.GeneralizedLinearMixedModel(data=frame_of(name), **model_arguments(name)).fit()


def dense_correction(fit: ms.GeneralizedFit) -> float:
    """The second-order term by dense algebra, all pairs of rows."""
    objective = fit.model.laplace
    system, point = objective.system, fit.parameters.to_numpy()
    objective.reset()
    modes = objective.modes_at(point)
    theta, _, dispersion = objective.split(point)
    columns = []
    for factor, own in zip(system.factors, system.standard_factors(theta), strict=True):
        for level in range(factor.n_levels):
            columns.append(np.where((factor.codes == level)[:, None], factor.z, 0.0) @ own)
    zl = np.hstack(columns)
    h = np.eye(zl.shape[1]) + zl.T @ (modes.rows.weight[:, None] * zl)
    c = zl @ np.linalg.solve(h, zl.T)

    def slope(step: float) -> np.ndarray:
        return system.family.slopes(system.response, modes.eta + step, dispersion).weight

    third, fourth = slope(0.0), (slope(1e-4) - slope(-1e-4)) / 2e-4
    own = np.diag(c)
    total = -0.125 * fourth @ own**2 + 0.125 * (third * own) @ c @ (third * own)
    return -2.0 * float(total + third @ c**3 @ third / 12.0)


@pytest.mark.parametrize(
    ("name", "quadrature", "error"),
    [
        ("cbpp-agq1", "cbpp-agq25", 0.05),
        ("contraception-agq1", "contraception-agq7", 0.05),
        ("epil-agq1", "epil-agq11", 0.05),
    ],
)
def test_the_next_term_is_about_what_quadrature_adds(
    name: str, quadrature: str, error: float
) -> None:
    fit = fitted(name)
    gained = GLMM[quadrature]["neg2loglik"] - fit.objective
    assert fit.approximation.correction == pytest.approx(gained, rel=error)
    assert not fit.approximation.is_doubtful
    assert "doubtful" not in str(fit)


@pytest.mark.parametrize(
    ("name", "error"),
    [("cbpp-agq1", 1e-6), ("contraception-slope", 1e-6), ("epil-olre", 0.2)],
)
def test_the_next_term_is_that_of_dense_algebra(name: str, error: float) -> None:
    fit = fitted(name)
    # With several factors a part of it comes from draws.
    assert fit.approximation.correction == pytest.approx(dense_correction(fit), rel=error)


@pytest.mark.parametrize(
    ("name", "points", "error"),
    [("cbpp-agq1", 25, 0.1), ("bacteria-agq1", 25, 0.2), ("epil-olre", 7, 0.1)],
)
def test_a_newton_step_tells_where_quadrature_goes(name: str, points: int, error: float) -> None:
    fit = fitted(name)
    near, errors = fit.approximation, np.sqrt(np.diag(fit.vcov))
    assert near.shift is not None
    assert near.parameter is not None
    rule = ms.GeneralizedLinearMixedModel(
        data=frame_of(name), quadrature=points, **model_arguments(name)
    )
    moved = (rule.fit(start=fit.parameters).parameters - fit.parameters) / errors
    assert np.abs(moved).max() == pytest.approx(abs(near.shift), rel=error)
    assert moved[near.parameter] == pytest.approx(near.shift, rel=error)
    assert not near.is_doubtful
    assert f"moves {near.parameter} by +{near.shift:.2g} standard errors" in str(fit)


def test_the_alarm_rings_where_every_level_is_off_a_little() -> None:
    # Standard deviations of 1.13 and 0.72, where quadrature says 2.32 and 1.02.
    fit = fitted("guimmun")
    assert fit.approximation.largest < 0.1
    assert fit.approximation.is_doubtful
    assert fit.approximation.parameter == "mom.(Intercept)"
    assert fit.approximation.shift is not None
    assert fit.approximation.shift > 3.0
    assert "the approximation is doubtful" in str(fit)


def test_of_crossed_factors_no_step_towards_quadrature_is_known() -> None:
    frame = separated().assign(h=lambda d: d.index % 7)
    fit = ms.glmer("y ~ z + (1 | g) + (1 | h)", frame)
    assert fit.approximation.shift is None
    assert "quadrature" not in str(fit)


@pytest.mark.exhaustive
def test_the_alarm_rings_for_few_answers_of_large_variance() -> None:
    fit = fitted("ohio-agq1")
    assert fit.approximation.is_doubtful
    assert "the approximation is doubtful" in str(fit)
    # Quadrature moves the objective by more than five here.
    assert abs(GLMM["ohio-agq25"]["neg2loglik"] - fit.objective) > 5.0


def separated() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": np.repeat(np.arange(20), 12).astype(str)})
    frame["x"] = rng.choice(["a", "b", "c"], len(frame))
    frame["z"] = rng.normal(size=len(frame))
    frame["y"] = rng.integers(0, 2, len(frame))
    frame["count"] = rng.poisson(2.0, len(frame))
    frame.loc[frame["x"] == "c", ["y", "count"]] = 1, 0
    return frame


@pytest.mark.parametrize(("response", "family"), [("y", "binomial"), ("count", "poisson")])
def test_a_category_of_one_outcome_has_no_finite_estimate(response: str, family: str) -> None:
    fit = ms.glmer(f"{response} ~ x + z + (1 | g)", separated(), family)
    assert fit.certificate["verdict"] == "at infinity"
    assert fit.certificate["at_infinity"] == ["xc"]
    assert not fit.converged
    assert "rises for ever as xc goes to infinity, for it alone tells some responses" in str(fit)
    # The rest is what the other rows say by themselves.
    frame = separated()
    rest = ms.glmer(f"{response} ~ x + z + (1 | g)", frame[frame["x"] != "c"], family)
    assert fit.objective == pytest.approx(rest.objective, abs=1e-4)


@pytest.mark.parametrize(("family", "name"), [("nbinom2", "size"), ("nbinom1", "dispersion")])
def test_counts_that_vary_little_leave_a_negative_binomial_without_end(
    family: str, name: str
) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"g": np.repeat(np.arange(20), 15).astype(str)})
    frame["y"] = rng.binomial(6, 0.5, len(frame))  # half as variable as Poisson counts
    fit = ms.glmer("y ~ 1 + (1 | g)", frame, family)
    assert fit.certificate["verdict"] == "at infinity"
    assert fit.certificate["at_infinity"] == [f"log({name})"]
    assert not fit.converged
    assert f"does not fall as log({name}) goes on and on" in str(fit)
    assert f"where the family {family!r} is the Poisson" in str(fit)
    poisson = ms.glmer("y ~ 1 + (1 | g)", frame, "poisson")
    assert fit.objective == pytest.approx(poisson.objective, abs=1e-5)
    frame["y"] = rng.negative_binomial(2, 0.4, len(frame))
    assert "at_infinity" not in ms.glmer("y ~ 1 + (1 | g)", frame, family).certificate


@pytest.mark.parametrize("points", [1, 9])
def test_levels_of_one_outcome_only_leave_a_standard_deviation_without_end(points: int) -> None:
    frame = pd.DataFrame({"g": np.repeat(np.arange(20), 6)})
    frame["y"] = frame["g"] % 2
    fit = ms.glmer("y ~ 1 + (1 | g)", frame, nAGQ=points)
    assert fit.certificate["verdict"] == "at infinity"
    assert fit.certificate["at_infinity"] == ["g.(Intercept)"]
    assert "never falls as the standard deviation of g.(Intercept) grows" in str(fit)
    frame.loc[0, "y"] = 1
    assert "at_infinity" not in ms.glmer("y ~ 1 + (1 | g)", frame, nAGQ=points).certificate


@pytest.mark.parametrize("points", [1, 9])
@pytest.mark.parametrize("link", ["probit", "cloglog"])
@pytest.mark.parametrize("outcome", [0, 1])
def test_links_whose_certainty_is_near_tell_separation_too(
    link: str, points: int, outcome: int
) -> None:
    frame = separated()
    frame.loc[frame["x"] == "c", "y"] = outcome
    fit = ms.glmer("y ~ x + z + (1 | g)", frame, link=link, nAGQ=points)
    assert fit.certificate["verdict"] == "at infinity"
    assert fit.certificate["at_infinity"] == ["xc"]


@pytest.mark.parametrize("kind", ["trials", "weights"])
def test_rows_of_several_outcomes_of_one_kind_are_levels_of_one_kind(kind: str) -> None:
    frame = pd.DataFrame({"g": np.arange(12), "n": np.tile([3, 4, 6], 4)})
    frame["y"] = np.where(frame["g"] % 2 == 0, frame["n"], 0)
    if kind == "trials":
        fit = ms.glmer("cbind(y, n - y) ~ 1 + (1 | g)", frame)
    else:
        fit = ms.glmer("z ~ 1 + (1 | g)", frame.assign(z=frame["g"] % 2), weights="n")
    assert fit.certificate["verdict"] == "at infinity"
    assert fit.certificate["at_infinity"] == ["g.(Intercept)"]


def test_categories_of_both_outcomes_are_no_separation() -> None:
    frame = separated()
    first = frame.index[frame["x"] == "c"][0]
    frame.loc[first, "y"] = 0
    fit = ms.glmer("y ~ x + z + (1 | g)", frame)
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    assert "at_infinity" not in fit.certificate


def test_numbers_do_not_depend_on_what_was_asked_before() -> None:
    fit = fitted("cbpp-agq1")
    one = fit.conditional_modes(), fit.fitted(), approximation(fit.model.laplace, fit.parameters)
    _ = fit.vcov
    fit.model.objective(fit.parameters * 1.3)
    other = fit.conditional_modes(), fit.fitted(), approximation(fit.model.laplace, fit.parameters)
    pd.testing.assert_frame_equal(one[0], other[0], check_exact=True)
    pd.testing.assert_series_equal(one[1], other[1], check_exact=True)
    assert one[2] == other[2]
