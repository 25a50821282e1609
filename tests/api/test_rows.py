"""Fitted values and residuals stand beside the rows that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError, StoreError

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
