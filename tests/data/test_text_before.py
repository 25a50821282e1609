"""Text files with comments, other minus signs and two decimal marks: read rightly, or told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixedscope.core.errors import DataError
from mixedscope.data.sources import read_file
from mixedscope.data.text_files import TextFormat

TABLE = "g,x,y\na,1,2.5\nb,2,3.5\n"


def read(folder: Path, text: str, **given: Any) -> tuple[dict[str, list[Any]], list[str]]:
    path = folder / "t.csv"
    path.write_text(text, "utf-8")
    found = read_file(path, TextFormat(**given) if given else None)
    return {str(name): found.frame[name].tolist() for name in found.frame}, found.notes


@pytest.mark.parametrize(
    ("before", "count"),
    [
        ("# exported from the lab\n", "1 line"),
        ('"# exported from the lab"\n', "1 line"),
        ("\ufeff# exported from the lab\r\n", "1 line"),
        ("# by me, and you, and all\n", "1 line"),  # as many cells as the table has
        ("# by me, and you, and all\n# g,x,y are what\n#\n", "3 lines"),
    ],
)
def test_comments_before_the_header_are_left_out_and_told(
    tmp_path: Path, before: str, count: str
) -> None:
    columns, notes = read(tmp_path, before + TABLE)
    assert columns == read(tmp_path, TABLE)[0]
    assert [note.startswith(f"{count} of comment") for note in notes] == [True]


@pytest.mark.parametrize("name", ["#g", "# g", '"#g"'])
def test_a_header_may_begin_with_the_sign_of_comments(tmp_path: Path, name: str) -> None:
    columns, notes = read(tmp_path, TABLE.replace("g", name, 1))
    assert list(columns) == [name.strip('"'), "x", "y"]
    assert notes == []
    columns, _ = read(tmp_path, "# what it is\n" + TABLE.replace("g", name, 1))
    assert list(columns) == [name.strip('"'), "x", "y"]


@pytest.mark.parametrize("name", ["#subject", "# subject"])
@pytest.mark.parametrize("before", ["", "# what it is, and who made it\n"])
def test_a_header_with_the_sign_above_words_alone_is_one(
    tmp_path: Path, name: str, before: str
) -> None:
    columns, notes = read(tmp_path, f"{before}{name},cond\ns1,a\ns2,b\ns3,a\n")
    assert columns == {name: ["s1", "s2", "s3"], "cond": ["a", "b", "a"]}
    assert len(notes) == bool(before)


@pytest.mark.parametrize(
    "rows",
    [
        "s1,a\ns2,b\ns3,a\n",
        "s1,a\ns2,b\nsubject,cond\ns3,a\n",  # two tables put together
        "cond,subject\na,s\n",
    ],
)
def test_a_comment_of_as_many_cells_above_a_header_of_words_is_none(
    tmp_path: Path, rows: str
) -> None:
    columns, notes = read(tmp_path, f"# by me, and you\nsubject,cond\n{rows}")
    assert list(columns) == ["subject", "cond"]
    assert notes[0].startswith("1 line of comment")


@pytest.mark.parametrize(
    "title", ["Results of study 3\n", "Results of study 3,,\n,,\n", "% made\n"]
)
def test_a_title_above_the_table_is_refused(tmp_path: Path, title: str) -> None:
    with pytest.raises(DataError, match="names one of 3 columns. If it is a title, remove it"):
        read(tmp_path, title + TABLE)


def test_lines_of_messages_are_those_of_the_file(tmp_path: Path) -> None:
    rows = "a,1,2.5\n" * 200
    with pytest.raises(DataError, match="line 205: 4 cells, but 3 columns"):
        read(tmp_path, "# one\n# two\ng,x,y\n" + rows + "a,1,2.5\nb,2,3.5,4\n")


@pytest.mark.parametrize("sign", "\u2212\u2013\ufe63\uff0d")
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_minus_signs_of_all_kinds_are_read(tmp_path: Path, sign: str, separator: str) -> None:
    text = f'g,x,y\na,{sign}1,"{sign}2.5"\nb,{sign}.5,3e1\n{sign}x,1 {sign} 2,4\n'
    columns, notes = read(tmp_path, text.replace(",", separator))
    assert columns == {
        "g": ["a", "b", f"{sign}x"], "x": ["-1", "-.5", f"1 {sign} 2"], "y": [-2.5, 30.0, 4.0],
    }  # fmt: skip
    assert (
        f"{sign!r} (U+{ord(sign):04X}) before a number is read as a minus sign, in 3 cells."
        in notes
    )


def test_minus_signs_go_with_decimal_commas(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, "g;x\na;\u22121,5\nb;2,5\nc;\u22123,5\n")
    assert columns["x"] == [-1.5, 2.5, -3.5]
    columns, _ = read(tmp_path, "g x\na \u22121.5\nb 2.5\n", separator=r"\s+")
    assert columns["x"] == [-1.5, 2.5]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('g,y\na,"2,5"\nb,3.5\nc,4.5\n', "and others a decimal point ('3.5' in row 2)"),
        ("g;y\na;2,5\nb;3,5\nc;4.5\n", "comma ('2,5' in row 1) and others"),
        ("g;y\na;2,5\nb;3,5\nc;4,5\nd;1.25\n", "point ('1.25' in row 4)"),
        ("g;x;y\na;1,5;2.5\nb;2,5;3.5\n", "comma ('1,5') and those of column 'y' a decimal point"),
    ],
)  # fmt: skip
def test_two_decimal_marks_are_told(tmp_path: Path, text: str, told: str) -> None:
    _, notes = read(tmp_path, text)
    assert any(told in note and note.endswith("write all with one mark.") for note in notes)


def test_thousands_and_a_decimal_point_are_one_way_to_write_numbers(tmp_path: Path) -> None:
    _, notes = read(tmp_path, 'g,y\na,"1,234.5"\nb,"2,345"\nc,4.5\n')
    assert notes == [
        "Column 'y' is text, because it holds values such as '1,234.5': set thousands: ','."
    ]
