"""Runs of sweeps with parameters that the data do not determine: missing, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sweep_plans import runs, told

from mixedscope.summaries.runs import summarise
from mixedscope.sweeps.run import execute
from mixedscope.sweeps.table import gather, gather_timing, with_keys
from mixedscope.tables.table_files import read_table, write_table

#: Every k is alone in its g, so that only the sum of their variances is determined.
EXPERIMENT: dict[str, Any] = {
    "formula": "y ~ 1 + (1 | g) + (1 | k)",
    "units": {"g": 12, "k": {"n": 1, "within": "g"}},
    "replicates": 5,
    "beta": [1],
    "sigma": 1,
    "random": {"g": {"sd": 2}, "k": {"sd": 1}},
}
MODELS = {
    "once": {"dataset": "made", "formula": "y ~ 1 + (1 | g)"},
    "twice": {"dataset": "made", "formula": "y ~ 1 + (1 | g) + (1 | k)"},
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs of a model that is determined and of one that is not, stored and read."""
    found = runs(
        {"fixed": {"simulate.sigma": 1.5}, "grid": {"model": list(MODELS)}},
        datasets={"made": {"simulate": EXPERIMENT}},
        models=MODELS,
    )
    results, timing = execute([r.spec for r in found], [r.id for r in found])
    path = tmp_path_factory.mktemp("sweep") / "runs.parquet"
    write_table(path, gather(told(found), [results]), "runs", formula="", sha256="")
    table = with_keys(read_table(path, "runs"))
    table.attrs["swept"] = ["model"]
    return table, gather_timing(told(found), [timing])


def test_what_the_data_leave_open_is_missing_with_the_reason(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    once, twice = (row for _, row in tables[0].iterrows())
    assert twice["objective"] == pytest.approx(once["objective"], abs=1e-8)
    assert twice["sigma"] == pytest.approx(once["sigma"], rel=1e-5)
    assert np.isfinite(np.asarray(once["sd"], dtype=float)).all()
    assert pd.isna(once["undetermined"])
    for column in ("sd", "kept", "sd_deviation"):
        assert np.isnan(np.asarray(twice[column], dtype=float)).all(), column
    assert pd.isna(twice["rank"])
    assert "g" in twice["undetermined"]
    assert "k" in twice["undetermined"]


@pytest.mark.parametrize(("measure", "shown"), [("rank", 1), ("sd", 1), ("sigma", 2)])
def test_charts_leave_out_what_is_missing_and_count_it(
    tables: tuple[pd.DataFrame, pd.DataFrame], measure: str, shown: int
) -> None:
    chart = {"kind": "lines", "x": "model", "y": measure}
    summary = summarise(*tables, chart)
    assert summary.frame["count"].sum() == shown
    assert summary.without == 2 - shown
