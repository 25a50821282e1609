"""The reader of captions reads numbers as they are meant, and lets no sentence pass unread."""

from __future__ import annotations

import re

import pytest
from caption_claims import Claims, agrees, read


@pytest.mark.parametrize(
    ("written", "value"),
    [("\u22121,234", -1234.0), ("+0.5", 0.5), ("3e\u22125", 3e-5), ("26.6", 26.6)],
)
def test_numbers_are_read(written: str, value: float) -> None:
    assert read(written) == value


@pytest.mark.parametrize(
    ("written", "value", "right"),
    [
        ("8.2", 8.2499, True),
        ("8.2", 8.2501, False),
        ("1,234", 1234.4, True),
        ("100", 104.0, False),
        ("0", 0.0, True),
        ("0", 0.6, False),
        ("3e\u22125", 3.4e-5, True),
        ("3e\u22125", 3.6e-5, False),
    ],
)
def test_a_number_agrees_with_what_rounds_to_it(written: str, value: float, right: bool) -> None:
    assert agrees(written, value) is right


def test_a_false_claim_and_an_unknown_one_fail() -> None:
    claims = Claims()

    @claims(r"There are (\d+) levels\.")
    def count(match: re.Match[str], levels: int) -> None:
        assert int(match[1]) == levels

    @claims(r"None moves\.")
    def still(match: re.Match[str], levels: int) -> None:
        raise AssertionError("not here")

    assert claims.read("There are 3 levels. There are 3 levels.", 3) == ["count", "count"]
    assert claims.unseen() == {"still"}
    with pytest.raises(AssertionError):
        claims.read("There are 4 levels.", 3)
    with pytest.raises(AssertionError, match="no test knows"):
        claims.read("There are 3 levels. All are well.", 3)
