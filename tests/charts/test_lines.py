"""Titles in lines."""

from __future__ import annotations

import pytest

from mixedscope.charts.common.lines import broken


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        (
            "Full covariance buys 2.64 for one (p = 0.10)",
            41,
            ["Full covariance buys 2.64 for one", "(p = 0.10)"],
        ),
        (
            "SD between levels 23.2 → 16.9 in all of them",
            26,
            ["SD between levels", "23.2 → 16.9 in all of them"],
        ),
        ("SD of (Intercept) | g", 19, ["SD of", "(Intercept) | g"]),
        ("the fit spends 15.9 of 17.8 on g", 31, ["the fit spends 15.9 of", "17.8 on g"]),
        ("a_name_without_end | and_another", 18, ["a_name_without_end", "| and_another"]),
        ("averyveryverylongword", 8, ["averyver", "yverylon", "gword"]),
        ("one line", 20, ["one line"]),
        ("", 20, []),
    ],
)
def test_lines_end_where_they_read_well(text: str, columns: int, lines: list[str]) -> None:
    assert broken(text, columns) == lines


def test_no_line_is_longer_than_asked_for_and_no_word_is_lost() -> None:
    text = "The best point lies on a bound, θ g.x = 0; the search began 4.74 above it, in the end"
    for columns in range(6, 90):
        lines = broken(text, columns)
        assert max(map(len, lines)) <= columns
        assert " ".join(lines).split() == text.split()
