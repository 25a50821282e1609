"""What became of every draw: a fit, its certificate, and a test of every contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, nearest, suggest
from mixedscope.inference.power.limits import GENERALIZED_TESTS

__all__ = ["TESTS", "Outcomes", "named_test", "reml_of"]

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

#: Tests of a coefficient or contrast, and the criterion that fits have for each where nothing else
#: is asked for: None is that of the fit.
TESTS: Final[dict[str, bool | None]] = {
    "satterthwaite": True,
    "kenward-roger": True,
    "wald": None,
    "lrt": False,
    "profile": False,
}

_SYNONYMS: Final = {
    "kenward_roger": "kenward-roger", "kr": "kenward-roger", "satterth": "satterthwaite",
    "z": "wald", "normal": "wald", "none": "wald", "lr": "lrt", "likelihood-ratio": "lrt",
}  # fmt: skip

#: What there is of each draw and contrast, and of each draw.
_NUMBERS: Final = ("estimate", "std_error", "df", "p_value", "lower", "upper")
_STATES: Final = ("certified", "failed", "singular")

_UNCERTIFIED: Final = "the fit has no certificate of an optimum"
_FAILED: Final = "the objective could not be evaluated"
_UNKNOWN: Final = (
    "the standard error of the contrast, or its degrees of freedom, cannot be computed"
)


def named_test(name: str | None, *, generalized: bool = False) -> str:
    """Name the test that users mean, or the usual one; raises ModelError if there is none."""
    known = GENERALIZED_TESTS if generalized else tuple(TESTS)
    if name is None:
        return known[0]
    folded = _SYNONYMS.get(name.lower(), name.lower())
    if folded in known:
        return folded
    joined = {one.replace("-", ""): one for one in TESTS}
    meant = joined.get(nearest(folded.replace("-", "").replace("_", ""), joined), "")
    if meant and meant not in known:
        raise ModelError(
            f"The test {meant!r} is of linear models; tests of a family are for large samples, "
            f"with no degrees of freedom. Ask for one of {', '.join(known)}."
        )
    raise ModelError(
        f"There is no test {name!r} for power.{suggest(folded, known)} Known are: "
        f"{', '.join(known)}."
    )


def reml_of(test: str, reml: bool | None, own: bool) -> bool:
    """Say whether fits are by REML, where that is asked for or where it is not.

    ``own``: the criterion of what is planned from. Raises ModelError if the test has another.
    """
    likelihood = TESTS[test] is False
    if likelihood and reml:
        raise ModelError(
            f"The test {test!r} compares fits by maximum likelihood: leave reml out, or ask for "
            "'satterthwaite' or 'kenward-roger'."
        )
    if test == "kenward-roger" and reml is False:
        raise ModelError(
            "The test 'kenward-roger' is of REML fits: leave reml out, or ask for 'satterthwaite'."
        )
    if reml is not None:
        return reml
    usual = TESTS[test]
    return own if usual is None else usual


@dataclass
class Outcomes:
    """Tests of c contrasts in m draws; NaN where there is no number.

    Attributes
    ----------
    estimate, std_error, df, p_value, lower, upper : (m, c) array
    certified : (m,) array of bool
        Whether a fit was made whose certificate says that it is at an optimum.
    failed : (m,) array of bool
        Whether no fit could be made.
    singular : (m,) array of bool
        Of fits that were made.
    remarks : list of str
        Why a draw has no test; empty if it has.
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    p_value: Floats
    lower: Floats
    upper: Floats
    certified: Chosen
    failed: Chosen
    singular: Chosen
    remarks: list[str]

    @classmethod
    def room(cls, m: int, c: int) -> Self:
        """Room for m draws of which nothing is known."""
        parts: list[Any] = [np.full((m, c), np.nan) for _ in _NUMBERS]
        parts += [np.zeros(m, dtype=bool) for _ in _STATES]
        parts.append([""] * m)
        return cls(*parts)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put draws one after another."""
        arrays: list[Any] = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in cls.__dataclass_fields__
            if name != "remarks"
        ]
        arrays.append([text for part in parts for text in part.remarks])
        return cls(*arrays)

    def __len__(self) -> int:
        return len(self.certified)

    def frame(
        self, sizes: Sequence[int], labels: Sequence[str], draws: Sequence[int]
    ) -> pd.DataFrame:
        """The table ``power_draws``: a row for each draw, by number, and contrast, by label."""
        m, c = self.estimate.shape
        own = {name: getattr(self, name).ravel() for name in _NUMBERS}
        each = {name: np.repeat(getattr(self, name), c) for name in _STATES}
        remarks = [text or None for text in self.remarks for _ in range(c)]
        first, second = [*sizes, None, None][:2]
        return pd.DataFrame(
            {
                "size": pd.Series([first] * (m * c), dtype=object),
                "size2": pd.Series([second] * (m * c), dtype=object),
                "draw": np.repeat(np.asarray(draws, dtype=np.int64), c),
                "effect": pd.Series(list(labels) * m, dtype=object),
                **own,
                **each,
                "remark": pd.Series(remarks, dtype=object),
            }
        )

    @classmethod
    def of_frame(cls, table: pd.DataFrame, contrasts: int) -> Self:
        """Read what `frame` gave."""
        parts: list[Any] = [
            table[name].to_numpy(dtype=float, na_value=np.nan).reshape(-1, contrasts)
            for name in _NUMBERS
        ]
        parts += [table[name].to_numpy(dtype=bool)[::contrasts] for name in _STATES]
        remarks = [text if isinstance(text, str) else "" for text in table["remark"][::contrasts]]
        parts.append(remarks)
        return cls(*parts)

    def say(self, draw: int, error: Exception) -> None:
        """Keep why a draw has no test."""
        self.remarks[draw] = str(error).split(": ask for")[0]

    def finish(self, values: Floats, level: float) -> None:
        """Fill in t tests against values (c,), z where df is infinite, and their intervals."""
        from scipy.stats import t

        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = (self.estimate - values) / self.std_error
            widths = t.ppf(0.5 + level / 2.0, self.df) * self.std_error
        self.p_value[:] = 2.0 * t.sf(np.abs(statistic), self.df)
        self.lower[:], self.upper[:] = self.estimate - widths, self.estimate + widths
        for i in np.flatnonzero(np.isnan(self.p_value).any(axis=1)).tolist():
            self.remarks[i] = self.remarks[i] or _UNKNOWN

    def without(self, lost: Chosen) -> Self:
        """Take the tests of draws (m,) away: what is not at an optimum has none."""
        for name in _NUMBERS:
            getattr(self, name)[lost] = np.nan
        for i in np.flatnonzero(lost).tolist():
            self.remarks[i] = _FAILED if self.failed[i] else _UNCERTIFIED
        return self
