"""What a study of power may ask for, known to those too who load nothing else of it."""

from __future__ import annotations

from typing import Final

__all__ = ["GENERALIZED_TESTS", "MOST_DRAWS"]

#: Draws of one size, at most: their Monte-Carlo error is a twentieth of a percent of power.
MOST_DRAWS: Final = 1_000_000

#: Tests of generalised models, the usual one first.
GENERALIZED_TESTS: Final = ("wald", "lrt", "profile")
