"""Two crossed factors of thousands of levels: sizes, programs, and what is aimed at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from . import simulate

__all__ = ["CROSSED", "CROSSED_FORMULA", "CrossedCase"]

CROSSED_FORMULA = "rating ~ 1 + age + year + weekend + trend + (1 | user) + (1 | item)"


@dataclass(frozen=True)
class CrossedCase:
    """Ratings of items by users, a few of both with most of the ratings.

    Attributes
    ----------
    rows, users, items : int
    programs : tuple of str
        Beside the iterative engine, by the names that `competitors.OF_CROSSED` has.
    ratio : float or None
        How many times as long as the iterative engine's the fit by the exact one should take.
    seconds : float or None
        How long the fit may take.
    gigabytes : float or None
        What the process may need in all.
    growth : bool
        Whether the case shows growth with the rows: as many per user and per item in all of them.
    large : bool
        Whether it is run only if asked for.
    """

    rows: int
    users: int
    items: int
    programs: tuple[str, ...] = ()
    ratio: float | None = None
    seconds: float | None = None
    gigabytes: float | None = None
    growth: bool = False
    large: bool = False

    @property
    def name(self) -> str:
        """What it is called on the command line: ``1m-6040x3706``."""
        rows = f"{self.rows / 1e6:g}m" if self.rows >= 1_000_000 else f"{self.rows / 1e3:g}k"
        return f"{rows}-{self.users}x{self.items}"

    @property
    def title(self) -> str:
        """Its size in words."""
        return f"{self.rows / 1e6:g} M ratings, {self.users:,} × {self.items:,}"

    @property
    def formula(self) -> str:
        """The model, the same for all."""
        return CROSSED_FORMULA

    def load(self) -> pd.DataFrame:
        """Simulate the rows."""
        return simulate.platform(self.rows, self.users, self.items)


def _by_name(cases: Iterable[CrossedCase]) -> dict[str, CrossedCase]:
    return {case.name: case for case in cases}


_GPBOOST = ("gpboost iterative", "gpboost cholesky")

CROSSED: dict[str, CrossedCase] = _by_name(
    [
        CrossedCase(100_000, 3_000, 1_000, ("exact",)),
        CrossedCase(1_000_000, 6_040, 2_000, ("exact",)),
        CrossedCase(1_000_000, 6_040, 3_706, ("exact", *_GPBOOST), ratio=4.0),
        CrossedCase(1_000_000, 9_999, 6_000, ("exact",), ratio=20.0),
        CrossedCase(1_000_000, 20_000, 15_000, _GPBOOST[:1], seconds=5.0),
        CrossedCase(1_250_000, 10_000, 2_500, growth=True),
        CrossedCase(2_500_000, 20_000, 5_000, growth=True),
        CrossedCase(5_000_000, 40_000, 10_000, growth=True),
        CrossedCase(10_000_000, 80_000, 20_000, seconds=45.0, growth=True),
        CrossedCase(25_000_000, 160_000, 59_000, seconds=150.0, gigabytes=10.0, large=True),
    ]
)
