"""Captions against tables: every sentence that a chart can write, and what makes it true.

A `Claims` holds one pattern per kind of sentence, each with a function that recomputes what it says
from the tables.  A text is read from its beginning to its end; words that no pattern knows fail, so
that a new sentence needs a new pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

__all__ = ["NUMBER", "Claims", "agrees", "need_whole_file", "read"]

#: A number as captions write it: thousands set off, a true minus sign, perhaps a power of ten.
NUMBER = r"[+\u2212]?\d[\d,]*(?:\.\d+)?(?:e[+\u2212]?\d+)?"

Check = Callable[..., None]


def read(written: str) -> float:
    """Read a number as captions write it.

    Examples
    --------
    >>> read("\u22121,234.5")
    -1234.5
    """
    return float(written.replace("\u2212", "-").replace(",", "").replace("\u00a0", ""))


def agrees(written: str, value: float, *, scale: float = 1.0) -> bool:
    """Whether a number in words is the value, rounded to the digits written (in units of `scale`).

    Examples
    --------
    >>> agrees("8.2", 8.2449), agrees("8.2", 8.26), agrees("35", 0.3541, scale=0.01)
    (True, False, True)
    """
    digits, _, exponent = written.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    power = int(exponent.replace("\u2212", "-") or 0) if exponent else 0
    unit = 10.0 ** (power - decimals)
    wanted = value / scale
    return abs(read(written) - wanted) <= 0.5 * unit * (1 + 1e-6) + 1e-12 * abs(wanted)


def need_whole_file(request: pytest.FixtureRequest) -> None:
    """Skip a test that sums up the others of its file where some of them are not run."""
    run = {getattr(item, "originalname", "") for item in request.session.items}
    if left := {name for name in vars(request.module) if name.startswith("test_")} - run:
        pytest.skip(f"sums up tests that are not run: {', '.join(sorted(left))}")


@dataclass
class Claims:
    """Patterns of sentences, each with what makes it true.

    Attributes
    ----------
    checks : list of (pattern, function)
        The function is called with the match and whatever the test knows of the tables; it asserts.
    seen : set of str
        Names of the functions whose pattern has been found in some text.
    """

    checks: list[tuple[re.Pattern[str], Check]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __call__(self, pattern: str) -> Callable[[Check], Check]:
        """Register a function for the sentences of a pattern (a regular expression)."""

        def keep(check: Check) -> Check:
            self.checks.append((re.compile(pattern), check))
            return check

        return keep

    def read(self, text: str, *known: Any) -> list[str]:
        """Check every sentence of a text, and name the patterns found.

        The longest match counts where several patterns fit.
        """
        at, found = 0, []
        while at < len(text):
            matches = [(p.match(text, at), check) for p, check in self.checks]
            ends = [(m.end(), i) for i, (m, _) in enumerate(matches) if m and m.end() > at]
            assert ends, f"no test knows the claim: {text[at : at + 200]!r} (in {text!r})"
            end, best = max(ends)
            match, check = matches[best]
            check(match, *known)
            found.append(check.__name__)
            at = end + (len(text[end:]) - len(text[end:].lstrip()))
        self.seen |= set(found)
        return found

    def unseen(self) -> set[str]:
        """Patterns that no text had."""
        return {check.__name__ for _, check in self.checks} - self.seen
