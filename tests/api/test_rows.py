"""Fitted values and residuals stand beside the rows that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, ModelError, StoreError

FORMULA = "y ~ 1 + x + (1 | g)"
LABELS: dict[str, Any] = {
    "numbers from 0 on": range(30),
    "numbers in another order": np.random.default_rng(0).permutation(30),
    "text": [f"r{i}" for i in range(30)],
    "dates": pd.date_range("2024-01-01", periods=30),
    "decimals": np.linspace(0.5, 8.0, 30),
}


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, x = np.arange(30) % 6, rng.normal(size=30)
    y = x + rng.normal(size=6)[g] + rng.normal(size=30)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g], "w": 1.0 + np.arange(30) % 3})


def plain() -> pd.Series:
    return ms.LinearMixedModel(FORMULA, frame()).fit().residuals()


@pytest.mark.parametrize("name", LABELS)
def test_residuals_have_the_labels_of_the_data_after_loading_too(name: str, tmp_path: Path) -> None:
    data = frame().set_axis(pd.Index(LABELS[name]))
    fit = ms.LinearMixedModel(FORMULA, data).fit()
    fit.save(tmp_path)
    for found in (fit, ms.load_fit(tmp_path)):
        assert found.residuals().index.equals(data.index)
        data["res"] = found.residuals()
        np.testing.assert_allclose(data["res"], plain(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.fitted() + data["res"], data["y"], rtol=0, atol=1e-12)


def test_labels_of_several_levels_are_kept(tmp_path: Path) -> None:
    data = frame().set_index(pd.MultiIndex.from_arrays([np.arange(30) // 3, np.arange(30) % 3]))
    fit = ms.LinearMixedModel(FORMULA, data).fit()
    assert fit.residuals().index.equals(data.index)
    fit.save(tmp_path)
    assert ms.load_fit(tmp_path).residuals().index[4] == "(1, 1)"


def test_labels_that_repeat_are_kept_where_no_row_is_left_out(tmp_path: Path) -> None:
    data = frame().set_axis(pd.Index(np.arange(30) // 2))
    fit = ms.LinearMixedModel(FORMULA, data).fit()
    fit.save(tmp_path)
    data["res"] = ms.load_fit(tmp_path).residuals()
    np.testing.assert_allclose(data["res"], plain(), rtol=0, atol=1e-9)


def test_rows_left_out_are_missing_on_request() -> None:
    data = frame().set_axis(pd.Index([f"r{i}" for i in range(30)]))
    data.loc["r4", "x"], data.loc["r7", "w"] = np.nan, 0.0
    fit = ms.LinearMixedModel(FORMULA, data, weights="w").fit()
    short, long = fit.residuals(), fit.residuals(all_rows=True)
    assert list(data.index.difference(short.index)) == ["r4", "r7"]
    assert long.index.equals(data.index)
    assert list(long.index[long.isna()]) == ["r4", "r7"]
    data["res"] = short
    pd.testing.assert_series_equal(data["res"], long, check_names=False)
    assert fit.fitted(all_rows=True).isna().sum() == 2


def test_a_refit_to_another_response_keeps_the_labels() -> None:
    data = frame().set_axis(pd.Index(np.arange(30)[::-1] * 2))
    data.iloc[3, 1] = np.nan
    fit = ms.LinearMixedModel(FORMULA, data).fit()
    other = fit.refit(fit.simulate(seed=1)[0])
    assert other.residuals().index.equals(fit.residuals().index)
    same = fit.model.with_structure("intercept").fit()
    assert same.residuals(all_rows=True).index.equals(data.index)


def test_tables_without_an_index_have_numbered_rows() -> None:
    import pyarrow as pa

    found = ms.LinearMixedModel(FORMULA, pa.Table.from_pandas(frame())).fit().residuals()
    assert found.index.equals(pd.RangeIndex(30))


def test_kinds_of_residuals_are_what_their_names_say() -> None:
    data = frame()
    fit = ms.LinearMixedModel(FORMULA, data, weights="w").fit()
    own, modes = fit.residuals(), fit.conditional_modes().set_index("level")["mode"]
    marginal = data["y"] - fit.beta[0] - fit.beta[1] * data["x"]
    np.testing.assert_allclose(fit.residuals("marginal"), marginal, atol=1e-12)
    np.testing.assert_allclose(own, marginal - modes[data["g"]].to_numpy(), atol=1e-12)
    np.testing.assert_allclose(fit.residuals("pearson"), own * np.sqrt(data["w"]), atol=1e-12)
    with pytest.raises(ModelError, match="Did you mean 'pearson'"):
        fit.residuals("person")


def test_a_column_named_as_the_labels_of_rows_is_refused(tmp_path: Path) -> None:
    data = frame().rename(columns={"x": ".index"})
    fit = ms.LinearMixedModel("y ~ 1 + `.index` + (1 | g)", data).fit()
    with pytest.raises(StoreError, match="rename it"):
        fit.save(tmp_path)


@pytest.mark.parametrize("key", ["weights", "offset", "subset"])
def test_a_series_with_the_labels_of_the_data_is_put_in_their_order(key: str) -> None:
    data = frame().set_axis(pd.Index(LABELS["text"]))
    values = data["x"] > -0.5 if key == "subset" else data["w"]
    of_column = ms.LinearMixedModel(FORMULA, data.assign(v=values), **{key: "v"}).objective([1.0])
    for given in (values, values[::-1], values.sample(frac=1.0, random_state=1), [*values]):
        assert ms.LinearMixedModel(FORMULA, data, **{key: given}).objective([1.0]) == of_column
    # Labels of its own say nothing of places.
    own = values.reset_index(drop=True)
    assert ms.LinearMixedModel(FORMULA, data, **{key: own}).objective([1.0]) == of_column


def test_responses_and_values_of_new_rows_go_by_their_labels_too() -> None:
    data = frame().set_axis(pd.Index(LABELS["text"]))
    data.loc["r4", "x"] = np.nan
    fit = ms.LinearMixedModel(FORMULA, data, offset=data["w"], weights=data["w"]).fit()
    used = data["y"].drop("r4")
    for response in (data["y"], used, used[::-1], used.to_numpy()):
        assert fit.refit(response).objective == pytest.approx(fit.objective, abs=1e-9)
    with pytest.raises(ModelError, match="29 finite values"):
        fit.refit(data["y"].to_numpy())
    # Rows of a frame are responses, its columns the rows of data.
    many = pd.DataFrame([used, 2.0 * used])
    for frames in (many, many.iloc[:, ::-1], many.to_numpy()):
        assert fit.refit_many(frames).objective[0] == pytest.approx(fit.objective, abs=1e-9)
    missing = used.to_numpy(copy=True)
    missing[2] = np.nan
    with pytest.raises(ModelError, match=r"row 3 of these \(counted from 1\) is nan"):
        fit.refit(missing)
    with pytest.raises(DataError, match="response 2 has nan for row 3"):
        fit.refit_many([used.to_numpy(), missing])
    new = data.drop(index="r4")
    by_place = {key: new["w"].to_numpy() for key in ("offset", "weights")}
    backwards = dict.fromkeys(("offset", "weights"), new["w"][::-1])
    known = fit.predict(new, interval="prediction", **by_place)
    pd.testing.assert_frame_equal(fit.predict(new, interval="prediction", **backwards), known)
    drawn = fit.simulate(2, newdata=new, **by_place)
    np.testing.assert_array_equal(fit.simulate(2, newdata=new, **backwards), drawn)
    names = pd.Series(fit.beta, fit.model.fixed_names)
    np.testing.assert_array_equal(fit.simulate(beta=names[::-1]), fit.simulate(beta=fit.beta))
    model = ms.LinearMixedModel("y ~ x + (1 + x | g)", data)
    theta = pd.Series([0.5, 0.2, 0.3], index=list(model.theta_names))
    assert model.objective(theta[::-1]) == model.objective(theta.to_numpy())
    one = model.fit()
    drawn = one.simulate(theta=theta.to_numpy())
    np.testing.assert_array_equal(one.simulate(theta=theta[::-1]), drawn)


def test_categories_of_numbers_are_numbers_again_in_a_loaded_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    cohort = np.tile([3, 1, 2], 20)
    data = pd.DataFrame(
        {
            "y": rng.normal(size=60),
            "cohort": pd.Categorical(cohort, categories=[3, 1, 2, 9], ordered=True),
            "dose": pd.Categorical(cohort / 4),
            "old": pd.Categorical(cohort > 2),
            "mixed": pd.Categorical(["a" if c > 2 else 1 for c in cohort]),
            "g": pd.Categorical(np.repeat(np.arange(10), 6) + 100),
        }
    )
    fit = ms.lmer("y ~ cohort + dose + old + mixed + (1 | g)", data)
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    for name, kind in {"cohort": "i", "dose": "f", "old": "b", "g": "i", "mixed": "O"}.items():
        back, own = loaded.model.data[name], data[name]
        assert back.dtype.categories.dtype.kind == kind, name
        assert back.dtype.ordered == own.dtype.ordered
        assert back.tolist() == ([*map(str, own)] if name == "mixed" else own.tolist())
    assert loaded.model.data["cohort"].cat.categories.tolist() == [3, 1, 2]
    pd.testing.assert_frame_equal(loaded.estimates, fit.estimates)
    loaded.save(tmp_path / "again")
    again = ms.load_fit(tmp_path / "again").model.data
    pd.testing.assert_frame_equal(again, loaded.model.data)
