"""Numbers such as -999 among others are said wherever data come in."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.cli.main import main
from mixedscope.core.errors import DataWarning

FORMULA = "rt ~ 1 + x + (1 | subject)"


def trials() -> pd.DataFrame:
    """Times with a code in two rows, a predictor with one in a row, and a column of no use."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "subject": np.repeat([*range(1, 12), 99], 10),
            "x": rng.integers(1, 8, 120).astype(float),
            "rt": rng.normal(600, 60, 120).round(1),
            "age": np.where(np.arange(120) % 12 == 0, -99, 30),
        }
    )
    frame.loc[[3, 50], "rt"] = -999
    frame.loc[7, "x"] = -9
    frame.loc[9, "age"] = 31
    return frame


def told(door: Any, *arguments: Any, **named: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        door(*arguments, **named)
    return [str(w.message) for w in caught if issubclass(w.category, DataWarning)]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_every_kind_of_file_says_the_same_of_every_column(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"trials.{suffix}"
    frame = trials()
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        getattr(frame, f"to_{suffix}")(path)
    notes = told(ms.load_dataset, path)
    assert [note.partition(":")[0] for note in notes] == [
        "Column 'subject' holds 99 in 10 rows, and 1 to 11 in the others",
        "Column 'x' holds -9 in 1 row, and 1 to 7 in the others",
        f"Column 'rt' holds -999 in 2 rows, and {_least():g} to {_most():g} in the others",
        "Column 'age' holds -99 in 10 rows, and 30 to 31 in the others",
    ]
    advice = "set missing: [NA, -999]." if suffix == "csv" else "drop: rt == -999."
    assert notes[2].endswith(advice)


def _least() -> float:
    return float(trials()["rt"][lambda rt: rt > 0].min())


def _most() -> float:
    return float(trials()["rt"].max())


@pytest.mark.parametrize("kind", ["pandas", "nullable", "mapping", "pyarrow", "polars"])
def test_of_a_table_that_columns_are_told_that_the_model_reads_as_numbers(kind: str) -> None:
    frame: Any = trials()
    if kind == "nullable":
        frame = frame.convert_dtypes()
    elif kind == "mapping":
        frame = {name: frame[name].to_numpy() for name in frame}
    elif kind == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    elif kind == "polars":
        frame = pytest.importorskip("polars").DataFrame({n: frame[n].to_numpy() for n in frame})
    notes = told(ms.LinearMixedModel, FORMULA, frame)
    assert [note.partition(" in ")[0] for note in notes] == [
        "Column 'rt' holds -999", "Column 'x' holds -9",
    ]  # fmt: skip
    assert "data['rt'].replace(-999, float('nan'))" in notes[0]


def test_the_advice_ends_the_note() -> None:
    frame = trials()
    assert not told(ms.LinearMixedModel, FORMULA, frame, subset="rt != -999 and x != -9")
    frame["rt"] = frame["rt"].replace(-999, float("nan"))
    frame["x"] = frame["x"].replace(-9, float("nan"))
    assert not told(ms.LinearMixedModel, FORMULA, frame)


def test_what_a_function_is_taken_of_and_counts_are_looked_at_as_well() -> None:
    frame = trials()
    frame["hits"], frame["misses"] = np.arange(120) % 5, 3
    frame.loc[5, "hits"] = 999
    formula = "cbind(hits, misses) ~ 1 + center(x) + (1 | subject)"
    notes = told(ms.GeneralizedLinearMixedModel, formula, frame)
    assert [note.partition(" in ")[0] for note in notes] == [
        "Column 'hits' holds 999", "Column 'x' holds -9",
    ]  # fmt: skip


def test_the_fit_keeps_the_note_and_says_it_where_it_is_printed() -> None:
    with pytest.warns(DataWarning, match="'rt' holds -999"):
        fit = ms.lmer(FORMULA, trials(), subset="x > 0")
    assert "Column 'rt' holds -999 in 2 rows" in str(fit)


def test_a_quick_look_says_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trials.parquet"
    trials().to_parquet(path)
    assert main(["fit", str(path), FORMULA]) == 0
    said = capsys.readouterr().err
    assert said.count("'rt' holds -999") == 1
    assert said.count("'age' holds -99") == 1
