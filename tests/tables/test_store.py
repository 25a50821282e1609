"""Stored tables come back as they went in, and nothing doubtful is read or left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sample_tables import fit_tables

from mixedscope.core.errors import StoreError
from mixedscope.tables.files import read_json, write_json
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.tables.store import FIT_TABLES, FitTables, read_fit, write_fit
from mixedscope.tables.table_files import read_table, write_table


@pytest.fixture(scope="module")
def tables() -> FitTables:
    return fit_tables(n_levels=5, max_evaluations=40, unidentified=2)


def test_a_fit_comes_back_as_it_went_in(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables)
    back = read_fit(tmp_path)
    assert back.info == json.loads(json.dumps(tables.info))
    for name in FIT_TABLES:
        pd.testing.assert_frame_equal(
            getattr(back, name),
            getattr(tables, name),
            check_dtype=False,
            check_exact=True,
        )


def test_every_table_names_its_schema_formula_and_input(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables)
    for name in FIT_TABLES:
        meta = pq.read_schema(tmp_path / f"{name}.parquet").metadata
        assert meta[b"mixedscope.schema"] == f"{name}/{SCHEMAS[name].version}".encode()
        assert meta[b"mixedscope.formula"].decode() == tables.info["formula"]
        assert meta[b"mixedscope.sha256"] == b"0" * 64
    assert read_fit(tmp_path).trace.attrs["theta_names"] == tables.info["theta_names"]
    assert read_fit(tmp_path).trace.attrs["beta_names"] == tables.info["fixed_names"]


def test_stored_columns_have_the_promised_types_and_order(
    tables: FitTables, tmp_path: Path
) -> None:
    write_fit(tmp_path, tables)
    stored = pq.read_schema(tmp_path / "trace.parquet")
    assert stored.names == list(SCHEMAS["trace"].columns or {})
    assert str(stored.field("evaluation").type) == "int32"
    assert str(stored.field("objective").type) == "double"
    assert str(stored.field("theta").type.value_type) == "double"


def test_what_failed_is_null_in_the_file(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables, only=["trace"])
    stored = pq.read_table(tmp_path / "trace.parquet").to_pylist()
    failed = [row for row in stored if row["status"] == "failed"]
    assert failed
    assert all(row["objective"] is None and row["beta"] is None for row in failed)


def test_the_same_tables_give_the_same_bytes_in_another_process(
    tables: FitTables, tmp_path: Path
) -> None:
    write_fit(tmp_path / "here", tables)
    code = (
        "import sys; sys.path.insert(0, 'tests');"
        "from mixedscope.tables.store import read_fit, write_fit;"
        f"write_fit({str(tmp_path / 'there')!r}, read_fit({str(tmp_path / 'here')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for file in sorted((tmp_path / "here").iterdir()):
        assert file.read_bytes() == (tmp_path / "there" / file.name).read_bytes(), file.name


def test_only_the_parts_asked_for_are_written(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables, only=["fit", "modes"])
    assert {p.name for p in tmp_path.iterdir()} == {"fit.json", "modes.parquet"}
    back = read_fit(tmp_path)
    assert back.trace is None
    with pytest.raises(StoreError, match=r"no table 'trace'.*trace\.parquet"):
        back.require("trace")


def test_asking_for_an_unknown_part_suggests_the_nearest(tables: FitTables, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Did you mean 'trace'"):
        write_fit(tmp_path, tables, only=["trcae"])


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_damaged_table_is_named(tables: FitTables, tmp_path: Path, damage: str) -> None:
    write_fit(tmp_path, tables)
    path = tmp_path / "trace.parquet"
    payload = path.read_bytes()
    path.write_bytes(
        {
            "cut": payload[: len(payload) // 2],
            "flip": payload[:60] + b"\xff" * 400 + payload[460:],
            "text": b"not a table",
            "empty": b"",
        }[damage]
    )
    with pytest.raises(StoreError, match=r"trace\.parquet.*damaged"):
        read_fit(tmp_path)


def test_a_damaged_fit_json_is_named(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables)
    (tmp_path / "fit.json").write_text('{"schema": "fit/1", ')
    with pytest.raises(StoreError, match=r"fit\.json.*damaged"):
        read_fit(tmp_path)


def test_a_directory_without_a_fit_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no fit\.json"):
        read_fit(tmp_path)


def test_a_table_of_another_fit_is_refused(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables)
    assert tables.modes is not None
    write_table(tmp_path / "modes.parquet", tables.modes, "modes", formula="other", sha256="0" * 64)
    with pytest.raises(StoreError, match=r"modes\.parquet belongs to another fit.*'other'"):
        read_fit(tmp_path)


def test_a_table_of_another_kind_is_refused(tables: FitTables, tmp_path: Path) -> None:
    write_fit(tmp_path, tables)
    with pytest.raises(StoreError, match=r"not a table of kind 'modes/1'.*'timing/2'"):
        read_table(_copy(tmp_path / "timing.parquet", tmp_path / "x.parquet"), "modes")


def test_a_parquet_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"evaluation": [1], "seconds": [0.1]}).to_parquet(path)
    with pytest.raises(StoreError, match=r"mixedscope\.schema is None"):
        read_table(path, "timing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename(columns={"mode": "modus"}), "no column 'modus'.*'mode'"),
        (lambda f: f.drop(columns="n_obs"), "lacks column 'n_obs'"),
        (lambda f: f.assign(mode="far"), "column 'mode' cannot be stored as double"),
        (lambda f: f.assign(n_obs=1.5), "column 'n_obs' cannot be stored as int64"),
        (lambda f: f.assign(level=None), "column 'level' has nulls"),
        (lambda f: pd.concat([f, f[["mode"]]], axis=1), "same name"),
    ],
)
def test_a_table_that_does_not_fit_its_schema_leaves_no_file(
    tables: FitTables, tmp_path: Path, change: object, message: str
) -> None:
    assert tables.modes is not None
    assert callable(change)
    with pytest.raises(StoreError, match=message):
        write_table(tmp_path / "m.parquet", change(tables.modes), "modes", formula="f", sha256="s")
    assert list(tmp_path.iterdir()) == []


def test_a_word_outside_the_vocabulary_is_refused(tables: FitTables, tmp_path: Path) -> None:
    assert tables.trace is not None
    with pytest.raises(StoreError, match=r"'phase' holds 'panic'.*convergence"):
        write_table(
            tmp_path / "t.parquet",
            tables.trace.assign(phase="panic"),
            "trace",
            formula="f",
            sha256="s",
        )


def test_one_bad_table_stops_the_fit_before_the_first_file(
    tables: FitTables, tmp_path: Path
) -> None:
    assert tables.timing is not None
    bad = FitTables(tables.info, trace=tables.trace, timing=tables.timing.assign(seconds=np.nan))
    with pytest.raises(StoreError, match=r"timing\.parquet.*nulls"):
        write_fit(tmp_path / "fit", bad)
    assert not (tmp_path / "fit").exists()


def test_an_unwritable_place_is_one_clear_error(tables: FitTables, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/fit/.* cannot be written"):
        write_fit(tmp_path / "file" / "fit", tables)
    with pytest.raises(StoreError, match="cannot be written"):
        write_json("/proc/nowhere/x.json", {})


def test_a_failed_write_leaves_the_old_file(
    tables: FitTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fit(tmp_path, tables)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match="No space left"):
        write_fit(tmp_path, tables)
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_levels_of_any_type_are_stored_as_text(tables: FitTables, tmp_path: Path) -> None:
    assert tables.modes is not None
    frame = tables.modes.assign(level=pd.Categorical(tables.modes["level"]), group="<b>|é")
    write_table(tmp_path / "m.parquet", frame, "modes", formula="f", sha256="s")
    back = read_table(tmp_path / "m.parquet", "modes")
    assert back["level"].tolist() == tables.modes["level"].tolist()
    assert set(back["group"]) == {"<b>|é"}
    codes = np.arange(len(frame))
    write_table(tmp_path / "n.parquet", frame.assign(level=codes), "modes", formula="", sha256="")
    assert read_table(tmp_path / "n.parquet", "modes")["level"].tolist() == [str(c) for c in codes]


def test_json_knows_no_nan(tmp_path: Path) -> None:
    value = {"a": np.float64("nan"), "b": np.array([1, 2]), "c": (np.int32(3), np.bool_(True))}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == {"a": None, "b": [1, 2], "c": [3, True]}


def test_a_data_table_keeps_the_columns_of_its_user(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a.b": [1.5, 2.5], "f": pd.Categorical(["x", "y"])})
    write_table(tmp_path / "d.parquet", frame, "data", formula="", sha256="s")
    back = read_table(tmp_path / "d.parquet", "data")
    assert list(back.columns) == ["a.b", "f"]
    assert list(back["f"].cat.categories) == ["x", "y"]


def _copy(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def test_new_fit_takes_the_studies_of_the_old_one_away(tmp_path: Path) -> None:
    tables = fit_tables()
    studied = replace(tables, studies={"parameters": parameters_of(tables)})
    write_fit(tmp_path, studied)
    assert (tmp_path / "parameters.parquet").exists()
    write_fit(tmp_path, tables, only=["modes"])
    assert (tmp_path / "parameters.parquet").exists()
    other = replace(tables, info={**tables.info, "formula": "y ~ 1 + (1 | g)"})
    write_fit(tmp_path, other, only=["fit", "trace", "estimates", "timing", "modes"])
    assert not (tmp_path / "parameters.parquet").exists()


def parameters_of(tables: FitTables) -> pd.DataFrame:
    """A small table of a study."""
    row = {
        "evaluation": 1, "kind": "sigma", "group": None, "term": None, "term2": None, "value": 1.0
    }  # fmt: skip
    return pd.DataFrame([row])[list(SCHEMAS["parameters"].columns or {})]
