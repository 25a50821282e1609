"""Large text files, read by Arrow: the same table and the same words as read the careful way."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mixedscope.core.errors import DataError, DataWarning
from mixedscope.data import large_text, text_values
from mixedscope.data.digest import frame_digest
from mixedscope.data.prepare import load_dataset

#: A header and rows of numbers of all kinds, text and truth, by columns u, g, y, x, t.
HEADER = "u,g,y,x,t"
ROW = "{u},g{g},{y},{x},{t}"


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any, bool]]:
    """Read a text both ways: what either gives, and whether Arrow had the last word."""

    def read(text: str, name: str = "d.csv", **said: Any) -> tuple[Any, Any, bool]:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        found = []
        gone = []
        monkeypatch.setattr(large_text, "_HEAD", max(len(text) // 3, 60))
        monkeypatch.setattr(large_text, "_BLOCK", 1 << 10)
        whole = large_text.read_large

        def spied(*given: Any, **more: Any) -> Any:
            gone.append(whole(*given, **more))
            # Taken apart when it becomes a frame.
            return gone[-1]

        monkeypatch.setattr(large_text, "read_large", spied)
        for size in (text_values._LARGE, 0):
            monkeypatch.setattr(text_values, "_LARGE", size)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    frame: Any = load_dataset(path, **said)
                except DataError as error:
                    frame = str(error)
            assert all(warning.category is DataWarning for warning in caught)
            found.append((frame, [str(warning.message) for warning in caught]))
        monkeypatch.undo()
        return found[0], found[1], bool(gone) and gone[-1] is not None

    return read


def _same(one: tuple[Any, list[str]], other: tuple[Any, list[str]]) -> None:
    assert one[1] == other[1]
    if isinstance(one[0], str):
        assert one[0] == other[0]
        return
    pd.testing.assert_frame_equal(one[0], other[0], check_exact=True)
    assert frame_digest(one[0]) == frame_digest(other[0])


def _rows(count: int, seed: int = 3, **fixed: Callable[[int], Any]) -> str:
    """A table of so many rows, some of whose columns are written by functions of the row."""
    draw = random.Random(seed)
    lines = [HEADER]
    for i in range(count):
        cells = {
            "u": draw.randrange(1, 999), "g": draw.randrange(5), "y": draw.gauss(0.0, 3.0),
            "x": round(draw.random(), 2), "t": draw.choice(["True", "False"]),
        }  # fmt: skip
        cells |= {name: write(i) for name, write in fixed.items()}
        lines.append(ROW.format(**cells))
    return "\n".join(lines) + "\n"


#: What Arrow reads as it is, its last rows unlike the first.
PLAIN = {
    "plain": _rows(200),
    "missing cells": _rows(200, y=lambda i: "" if i > 150 else i / 7, g=lambda i: i % 3),
    "missing words": _rows(200, x=lambda i: "NA" if i % 9 == 4 else i / 8),
    "missing whole numbers": _rows(200, u=lambda i: "NA" if i == 199 else i),
    "whole numbers, then fractions": _rows(200, u=lambda i: i if i < 180 else i + 0.5),
    "numbers, then a word": _rows(200, x=lambda i: 1.50 if i < 180 else "low"),
    "truth, then a word": _rows(200, t=lambda i: "True" if i < 180 else "maybe"),
    "quotes": _rows(200, t=lambda i: f'"{"ab"[i % 2]}"').replace(HEADER, '"u","g",y,x,t'),
    "text with a separator": _rows(200, t=lambda i: '"a, b"' if i % 2 else "c"),
    "text over lines": _rows(200, t=lambda i: '"a\nb"' if i % 2 else "c"),
    "dates": _rows(200, t=lambda i: f"2001-{1 + i % 12:02d}-0{1 + i % 9}"),
    "times": _rows(200, t=lambda i: f"10:0{i % 9}"),
    "letters": _rows(200, t=lambda i: "Ärger" if i % 2 else "平"),
    "lines of Windows": _rows(200).replace("\n", "\r\n"),
    "blank lines": _rows(200).replace("\n1", "\n\n1"),
    "no last line feed": _rows(200).rstrip("\n"),
    "digits that only 17 of them tell apart": _rows(200, y=lambda i: repr(0.1 + i * 2.0**-50)),
    "exponents": _rows(200, y=lambda i: f"{i + 1}e-{i % 30}", x=lambda i: f"{i}E+03"),
    "words beside a category": _rows(200, t=lambda i: ["None", "some", "many"][i % 3]),
    "long whole numbers": _rows(200, u=lambda i: 2**60 + i),
    "perhaps missing": _rows(200, y=lambda i: -999 if i == 199 else i),
}

#: What has to be read the careful way.
ODD = {
    "words for missing numbers": _rows(200, y=lambda i: "n/a" if i > 180 else i / 7),
    "nan": _rows(200, y=lambda i: "nan" if i > 180 else i / 7),
    "infinities": _rows(200, y=lambda i: "-inf" if i > 180 else i / 7),
    "leading zeros": _rows(200, u=lambda i: "007" if i == 190 else "7" if i == 191 else i + 100),
    "numbers to base 16": _rows(200, u=lambda i: "0x1F" if i == 190 else i),
    "negative numbers to base 16": _rows(200, u=lambda i: "-0X10" if i == 190 else i),
    "zeros before a point": _rows(200, u=lambda i: "00.5" if i == 190 else i),
    "signs": _rows(200, y=lambda i: f"+{i}"),
    "signs late": _rows(200, y=lambda i: f"+{i}" if i > 180 else i),
    "long whole numbers, some missing": _rows(200, u=lambda i: "" if i == 9 else 2**60 + i),
    "too long whole numbers": _rows(200, u=lambda i: 2**63 + i if i > 180 else i),
    "truth, some missing": _rows(200, t=lambda i: "" if i > 180 else "True"),
    "truth late": _rows(200, x=lambda i: "" if i < 180 else "True"),
    "numbers late": _rows(200, x=lambda i: "" if i < 180 else "+7"),
    "odd quotes": _rows(200, t=lambda i: 'a"b' if i == 190 else "c"),
    "short rows": _rows(200) + "1,g2\n",
    "long rows": _rows(200) + "1,g2,3,4,True,9\n",
    "open quotes": _rows(200) + '1,g2,3,4,"True\n',
    "comma and thousands": _rows(200, t=lambda i: f'"{i},{100 + i}"'),
    "blanks beside a column of its own": "y\n" + "".join(f"{i}\n" for i in range(200)) + " \t\n7\n",
    "a long row below comments": "# of one\n# of two\n" + _rows(200) + "1,g2,3,4,True,9\n",
}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_arrow_reads_what_is_read_with_care(text: str, both: Callable[..., Any]) -> None:
    careful, large, is_arrow = both(text)
    _same(careful, large)
    assert is_arrow


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_what_is_out_of_the_ordinary_is_read_with_care(text: str, both: Callable[..., Any]) -> None:
    careful, large, _ = both(text)
    _same(careful, large)


@pytest.mark.parametrize("kind", ["words for missing numbers", "nan", "leading zeros", "signs"])
def test_arrow_hands_back_what_it_reads_otherwise(kind: str, both: Callable[..., Any]) -> None:
    assert not both(ODD[kind])[2]


@pytest.mark.parametrize(
    "said",
    [
        {"missing": ["-999", "x"]}, {"separator": "tab"}, {"separator": ";", "decimal": ","},
        {"thousands": "."}, {"encoding": "latin-1"},
    ],
)  # fmt: skip
def test_what_is_said_of_a_file_holds_for_large_ones(
    said: dict[str, Any], both: Callable[..., Any]
) -> None:
    text = _rows(200, y=lambda i: -999 if i % 7 == 3 else i / 4)
    sign = {"tab": "\t"}.get(said.get("separator", ","), said.get("separator", ","))
    text = text.replace(",", sign)
    if said.get("decimal"):
        text = text.replace(".", ",")
    careful, large, is_arrow = both(text, **said)
    _same(careful, large)
    assert is_arrow == ("decimal" not in said and "thousands" not in said)


@pytest.mark.parametrize("written", ["-999.0", " -999", "-9.99e2"])
def test_codes_of_what_is_missing_may_be_written_in_other_ways(
    written: str, both: Callable[..., Any]
) -> None:
    text = _rows(200, y=lambda i: written if i > 180 else i / 4)
    careful, large, _ = both(text, missing=["NA", "-999"])
    _same(careful, large)
    assert large[0]["y"].isna().sum() == 19


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(200))
def test_cells_of_any_kind_are_read_alike(seed: int, both: Callable[..., Any]) -> None:
    draw = random.Random(seed)
    cells = [
        "1", "-2", "+3", "07", "0", "-0", "1.5", "1.", ".5", "1e3", "1E-400", "NA", "", " ", "nan",
        "n/a", "inf", "True", "false", "TRUE", "a", "b c", '"q"', '"a,b"', "9007199254740993",
        "18446744073709551615", "2001-01-02", "0x10", "1_000", "#NA", "Infinity", " 4", "5 ",
    ]  # fmt: skip
    kinds = [draw.sample(cells, draw.randrange(1, 5)) for _ in range(3)]
    lines = ["a,b,c"]
    for i in range(120):
        lines.append(",".join(draw.choice(kind[: 1 + i // 30]) for kind in kinds))
    careful, large, _ = both("\n".join(lines) + "\n")
    _same(careful, large)
