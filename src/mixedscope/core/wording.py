"""Numbers of things, and sentences within others, in words."""

from __future__ import annotations

import re

__all__ = ["as_remark", "counted", "duration", "gigabytes", "mid_sentence"]


def counted(number: int, noun: str) -> str:
    """Say how many there are of what a noun with a regular plural names.

    Examples
    --------
    >>> counted(1, "evaluation"), counted(1200, "level")
    ('1 evaluation', '1,200 levels')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Say how long something takes, to two digits.

    Examples
    --------
    >>> duration(1.34), duration(88), duration(700), duration(9000)
    ('1.3 s', '88 s', '12 min', '2.5 h')
    """
    if seconds < 99.5:
        return f"{seconds:.2g} s"
    if seconds < 5970:
        return f"{seconds / 60:.2g} min"
    return f"{seconds / 3600:.2g} h" if seconds < 356_400 else f"{seconds / 3600:,.0f} h"


def gigabytes(size: float) -> str:
    """Say how much memory bytes are.

    Examples
    --------
    >>> gigabytes(3.7e9), gigabytes(2.4e7), gigabytes(2.8e10)
    ('3.7 GB', '0.024 GB', '28 GB')
    """
    return f"{size / 1e9:.2g} GB" if size < 9.95e10 else f"{size / 1e9:,.0f} GB"


def mid_sentence(sentence: str) -> str:
    """Give a sentence as it stands behind a colon: begun in lower case unless by an abbreviation.

    Examples
    --------
    >>> mid_sentence("The data determine none."), mid_sentence("REML fits have none.")
    ('the data determine none.', 'REML fits have none.')
    """
    begins_as_word = sentence[1:2].islower() or sentence[1:2] == " "
    return sentence[:1].lower() + sentence[1:] if begins_as_word else sentence


def as_remark(sentences: str) -> str:
    """Give sentences as a cell of a table has them: clauses, in lower case and without full stops.

    Examples
    --------
    >>> as_remark("Tested: 1 variance. In large samples it is small.")
    'tested: 1 variance; in large samples it is small'
    """
    parts = re.split(r"\.\s+(?=[A-Z])", sentences.strip().removesuffix("."))
    return "; ".join(map(mid_sentence, parts))
