"""What the data do not determine counts nowhere and has a value nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedscope as ms
from mixedscope.charts.drawing import draw
from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.stored import open_fit


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g, t = np.repeat(np.arange(9), 5), np.tile(np.arange(5), 9)
    x = rng.normal(size=45)
    y = 2.0 + x + rng.normal(size=9)[g] + 0.7 * rng.normal(size=9)[g] * x + rng.normal(size=45)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "x2": 3.0 * x,
            "z": 0.0,
            "one": 1.0,
            "g": pd.Categorical([f"g{i}" for i in g]),
            "name": pd.Categorical([f"n{i}" for i in g]),
            "t": pd.Categorical([f"t{i}" for i in t]),
            "h": pd.Categorical([f"h{i % 3}" for i in t]),
        }
    )


def fitted(formula: str, data: pd.DataFrame, **settings: Any) -> ms.Fit:
    return ms.LinearMixedModel(formula, data).fit(**settings)


#: Models, and models of the same distributions in which everything is determined.
SAME = {
    "y ~ x + (1 | g) + (1 | name)": "y ~ x + (1 | g)",
    "y ~ x + (1 | g) + (0 + z | g)": "y ~ x + (1 | g)",
    "y ~ x + (1 + one | g)": "y ~ x + (1 | g)",
    "y ~ x + (1 + one || g)": "y ~ x + (1 | g)",
    "y ~ x + (1 + x | g) + (1 + x | name)": "y ~ x + (1 + x | g)",
    "y ~ x + (1 + x | g) + (1 | name)": "y ~ x + (1 + x | g)",
    "y ~ x + (1 + x + x2 | g)": "y ~ x + (1 + x | g)",
}


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("formula", SAME)
def test_criteria_are_those_of_the_model_without_what_is_not_determined(
    formula: str, reml: bool, data: pd.DataFrame
) -> None:
    found, plain = fitted(formula, data, reml=reml), fitted(SAME[formula], data, reml=reml)
    assert found.dof == plain.dof
    for criterion in ("objective", "aic", "aicc", "bic"):
        assert getattr(found, criterion) == pytest.approx(getattr(plain, criterion), abs=1e-6)
    assert f"Degrees of freedom: {plain.dof} of " in str(found)
    assert "Degrees of freedom" not in str(plain)


def rank_by_dense_algebra(objective: ProfiledObjective) -> int:
    """Rank of the derivatives of the covariance of the data by sigma squared and theta."""
    system = objective.system
    q = system.basis.q if objective.reml else np.zeros((system.n, 0))
    project = np.eye(system.n) - q @ q.T
    rng = np.random.default_rng(3)
    theta = np.where(objective.lower == 0.0, 0.5, 0.0) + rng.uniform(0.2, 0.9, len(objective.scale))
    columns = []

    def covariance(at: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.eye(system.n)
        for term in system.terms:
            rows = term.design.Z @ term.factor(at[term.theta])
            same = term.design.codes[:, None] == term.design.codes
            total += (rows @ rows.T) * same
        return np.asarray(project @ total @ project)

    columns.append(covariance(theta).ravel())
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-4
        columns.append((covariance(theta + step) - covariance(theta - step)).ravel() / 2e-4)
    table = np.array(columns)
    sizes = np.linalg.norm(table, axis=1)
    table = table[sizes > 1e-6] / sizes[sizes > 1e-6, None]
    # Central differences of covariances, which are squares of theta, are exact to rounding; those
    # of angles err by the square of the step.
    return int((np.linalg.svd(table, compute_uv=False) > 1e-5).sum())


DESIGNS = [
    *SAME,
    "y ~ x + (1 + x | g)",
    "y ~ g + x + (1 | g)",
    "y ~ t + (1 | h) + (1 | t)",
    "y ~ x + zerocorr(0 + t | g)",
    "y ~ x + (1 | g) + zerocorr(0 + t | g)",
    "y ~ x + homdiag(0 + h | g)",
    "y ~ x + cs(0 + h | g)",
    "y ~ x + homcs(0 + h | g)",
    "y ~ x + ar1(0 + h | g)",
    "y ~ x + hetar1(0 + h | g)",
    "y ~ x + rr(0 + h | g, 1)",
    "y ~ x + (1 | g) + cs(0 + h | name)",
    "y ~ x + homcs(0 + h | g) + homcs(0 + h | name)",
    "y ~ x + cs(1 + one | g)",
    "y ~ x + (1 + x + z | g) + (1 | name) + (1 | h)",
]


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("formula", DESIGNS)
def test_degrees_of_freedom_are_the_rank_of_what_the_model_can_say(
    formula: str, reml: bool, data: pd.DataFrame
) -> None:
    objective = ms.LinearMixedModel(formula, data).profiled(reml=reml)
    expected = len(objective.beta_names) + rank_by_dense_algebra(objective)
    assert objective.n_identified == expected


def test_degrees_of_freedom_do_not_depend_on_where_a_fit_ends(data: pd.DataFrame) -> None:
    # With both variances at zero the fit itself says nothing of what is determined.
    noise = data.assign(y=np.random.default_rng(0).normal(size=45))
    noise["y"] -= noise.groupby("g", observed=True)["y"].transform("mean")
    fit = fitted("y ~ x + (1 | g) + (1 | name)", noise)
    assert fit.theta.tolist() == [0.0, 0.0]
    assert fit.dof == 4


@pytest.mark.parametrize(
    ("formula", "missing", "kept"),
    [
        ("y ~ x + (1 | g) + (1 | name)", ["g.(Intercept)", "name.(Intercept)"], []),
        ("y ~ x + (1 | g) + (0 + z | g)", ["g.z"], ["g.(Intercept)"]),
        (
            "y ~ x + (1 + x + x2 | g)",
            ["g.x.(Intercept)", "g.x2.(Intercept)", "g.x", "g.x2.x", "g.x2"],
            ["g.(Intercept)"],
        ),
        # Without sigma nothing is known of any ratio to it.
        (
            "y ~ x + (1 | h) + zerocorr(0 + t | g)",
            ["h.(Intercept)", *(f"g.tt{i}" for i in range(5))],
            [],
        ),
    ],
)
def test_theta_that_are_not_determined_are_missing(
    formula: str, missing: list[str], kept: list[str], data: pd.DataFrame, tmp_path: Path
) -> None:
    fit = fitted(formula, data)
    theta = fit.estimates.query("kind == 'theta'").set_index("term")["estimate"]
    assert sorted(theta.index[theta.isna()]) == sorted(missing)
    assert theta.index[theta.notna()].tolist() == kept
    # A stored fit goes on from where it ended all the same.
    fit.save(tmp_path)
    again = ms.load_fit(tmp_path)
    np.testing.assert_array_equal(again.theta, fit.theta)
    assert again.evaluate().objective == fit.objective
    stored, own = (f.variance_components()["estimate"] for f in (again, fit))
    np.testing.assert_array_equal(stored, own)


def test_a_shared_residual_has_no_standard_deviations(data: pd.DataFrame) -> None:
    fit = fitted("y ~ x + zerocorr(0 + t | g)", data)
    assert fit.certificate["residual"] == "shared"
    assert fit.variance_components()["estimate"].isna().all()
    assert "only sums of the residual variance with variances of 'g'" in fit.certificate["words"]
    assert fit.dof == 2 + 5
    # Its trace shows where theta was: there is nothing else to show.
    tables = fit.study("parameters")
    assert tables.require("parameters")["value"].isna().all()
    assert "components of θ" in draw("trace", [tables], {}).caption
    told = draw("trace", [tables], {"trace": {"parameters": "sd"}})
    assert "the data determine none of the standard deviations" in told.caption


def test_the_way_of_what_is_not_determined_is_not_drawn(data: pd.DataFrame) -> None:
    fit = fitted("y ~ x + (1 | g) + (0 + z | g)", data)
    tables = fit.study("parameters")
    way = tables.require("parameters").set_index(["kind", "term"])["value"]
    assert way.loc[("sd", "z")].isna().all()
    assert way.loc[("sd", "(Intercept)")].notna().all()
    caption = draw("trace", [tables], {}).caption
    assert "Not drawn is what the data do not determine: g: z." in caption


def test_a_ladder_of_the_same_distributions_tests_nothing(data: pd.DataFrame) -> None:
    ladder = ms.ladder(fitted("y ~ x + (1 + one | g)", data), bootstrap=5, seed=3)
    tests, structures = ladder.tests, ladder.structures
    assert (tests["parameters"] == 0).all()
    assert (tests[["p_value", "p_naive"]] == 1.0).all(axis=None)
    assert tests["words"].str.contains("there is nothing to test").all()
    assert structures["dof"].nunique() == 1
    assert np.ptp(structures["aic"]) < 1e-6
    assert structures["effective_dimensions"].isna().tolist() == [True, True, False]
    own = ladder.components.set_index("structure")
    assert own.loc[["full", "zerocorr"], ["sd", "share", "loadings"]].isna().all(axis=None)
    assert not own["collapsed"].any()
    assert "grey ones what the data do not determine" in ladder.figure().caption
    assert "nothing for no parameters" in " ".join(ladder.reading)


def test_parameters_of_tests_are_those_that_the_data_determine(data: pd.DataFrame) -> None:
    # x and 3 x: full has two more than zero correlations by name, and one by what it can say.
    full, zero, intercept = (
        ms.LinearMixedModel("y ~ x + (1 + x + x2 | g)", data, structure=s).fit()
        for s in ("full", "zerocorr", "intercept")
    )
    tests = ms.ladder([full, zero, intercept]).tests.set_index(["poorer", "richer"])["parameters"]
    assert tests.loc[("zerocorr", "full")] == 1
    assert tests.loc[("intercept", "zerocorr")] == 1
    assert tests.loc[("intercept", "full")] == 2
    # A column of zeros is no half-line of the cone.
    flat = ms.ladder(fitted("y ~ x + (1 + x + z || g)", data), structures=["full", "intercept"])
    plain = ms.ladder(fitted("y ~ x + (1 + x || g)", data), structures=["full", "intercept"])
    columns = ["parameters", "statistic", "p_value", "dofs", "weights"]
    a, b = (ladder.tests[columns].iloc[0].tolist() for ladder in (flat, plain))
    assert a[0] == b[0] == 1
    for one, other in zip(a[1:], b[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_fits_that_leave_something_open_are_drawn_from_and_refitted(data: pd.DataFrame) -> None:
    # What is simulated and refitted depends on what is determined alone.
    seed = 5
    found, plain = (
        fitted(formula, data).parametric_bootstrap(20, seed=seed)
        for formula in ("y ~ x + (1 | g) + (0 + z | g)", "y ~ x + (1 | g)")
    )
    assert found.converged.all()
    assert plain.converged.all()
    response = fitted("y ~ x + (1 | g)", data).simulate(1, seed=9)[0]
    refits = [fitted(f, data).refit(response) for f in ("y ~ x + (1 + one | g)", "y ~ x + (1 | g)")]
    assert refits[0].objective == pytest.approx(refits[1].objective, abs=1e-6)
    batch = fitted("y ~ x + (1 | g) + (1 | name)", data).refit_many(response[None])
    assert batch.objective[0] == pytest.approx(refits[1].objective, abs=1e-6)
    told = ms.efficiency(fitted("y ~ x + (1 | g) + (1 | name)", data), draws=20).summary
    assert np.isfinite(told["mse"]).all()


def test_a_named_trace_of_nothing_is_refused(data: pd.DataFrame) -> None:
    fit = fitted("y ~ x + zerocorr(0 + t | g)", data)
    with pytest.raises(UnsuitedError, match="determine none"):
        ms.charts.trace(fit, parameters="sd")


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g) + (1 | name)", "y ~ x + (1 + one | g)"])
def test_steps_of_the_workflow_open_what_has_no_estimates(
    formula: str, data: pd.DataFrame, tmp_path: Path
) -> None:
    fit = fitted(formula, data)
    fit.save(tmp_path)
    thetas = fit.estimates.loc[fit.estimates["kind"] == "theta", "estimate"]
    assert thetas.isna().any()
    opened = open_fit(tmp_path)
    assert np.array_equal(opened.theta, fit.theta)
    assert np.array_equal(ms.load_fit(tmp_path).theta, fit.theta)


@pytest.mark.parametrize("method", ["fixed", "newton", "exact"])
def test_influence_has_no_value_for_what_is_not_determined_and_says_why(
    method: str, data: pd.DataFrame
) -> None:
    # Of the residual and an effect of each row only the sum is known; the variance of g is.
    frame = data.assign(row=np.arange(len(data)))
    formula = "y ~ x + (1 | g) + (1 | row)"
    fit = ms.LinearMixedModel(formula, frame, unidentified="allow").fit()
    found = fit.influence(method=method)
    assert found.table["sigma"].isna().all()
    assert found.table["note"].str.contains("only the sum of the variances").all()
    plain = fitted("y ~ x + (1 | g)", data).influence(method=method)
    own = found.parameters
    missing = (own["kind"] == "sigma") | (
        (own["group"] == "row") & own["kind"].isin(["sd", "theta"])
    )
    assert own.loc[missing, ["estimate", "change"]].isna().all(axis=None)
    sd = "kind == 'sd' and group == 'g'"
    # A Newton step is one of theta, which the two models have in different units.
    loose = 10.0 if method == "newton" else 1.0
    np.testing.assert_allclose(
        own.query(sd)["estimate"], plain.parameters.query(sd)["estimate"], rtol=2e-3 * loose
    )
    np.testing.assert_allclose(found.dfbeta, plain.dfbeta, atol=1e-4 * loose)


def test_draws_of_a_bootstrap_have_no_value_for_what_is_not_determined(data: pd.DataFrame) -> None:
    frame = data.assign(row=np.arange(len(data)))
    formula = "y ~ x + (1 | g) + (1 | row)"
    fit = ms.LinearMixedModel(formula, frame, unidentified="allow").fit()
    bootstrap = fit.parametric_bootstrap(50, seed=3)
    table = bootstrap.table
    for name in ("sigma", "sd row (Intercept)", "theta row.(Intercept)"):
        assert table[name].isna().all()
    assert table[["sd g (Intercept)", "beta x"]].notna().all(axis=None)
    ends = bootstrap.confint().set_index(["kind", "group", "term"])[["lower", "upper"]]
    assert ends.loc[("sigma", None, None)].isna().all()
    assert ends.loc[("sd", "g", "(Intercept)")].notna().all()
    # A sigma that is known is no estimate, and has its value.
    known = ms.LinearMixedModel("y ~ x + (1 | g)", data, sigma=1.0).fit()
    assert (known.parametric_bootstrap(3, seed=3).table["sigma"] == 1.0).all()
