"""What a family of responses is: its log-likelihood as a function of the linear predictor.

All that is asked of a family are sums and rows of the log-likelihood of a response with its weights
(a row of weight 2 counts as two rows, in every family), and their derivatives by the linear
predictor: of the observed information, which the Laplace approximation is made of, and of the
expected one, which lme4 and MixedModels.jl put in its place.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError, UnsuitedError, suggest
from mixedscope.families.links import LINKS, Link, MeanLink, ProbabilityLink

__all__ = ["Family", "MeanFamily", "Response", "Rows", "Slopes"]

Floats = NDArray[np.float64]

# Powers of 2 that linear predictors are left as they are up to.
_USUAL = 6


@dataclass(frozen=True)
class Response:
    """What was observed.

    Attributes
    ----------
    y : (n,) array
        Of binomial families the share of successes.
    weights : (n,) array or None
        How many rows each row counts as; one each where there are none.
    trials : (n,) array or None
        Of binomial families, where it is not one each.
    """

    y: Floats
    weights: Floats | None = None
    trials: Floats | None = None

    @property
    def counts(self) -> Floats | None:
        """By what the log-likelihood of a row is multiplied, None for one each."""
        if self.trials is None:
            return self.weights
        return self.trials if self.weights is None else self.trials * self.weights


class Rows(NamedTuple):
    """The log-likelihood at a linear predictor.

    Attributes
    ----------
    values : (n,) array
        Of each row, without the constant of :meth:`Family.constant`.
    score : (n,) array
        Derivative of each row.
    weight : (n,) array
        Negative second derivative: the observed information.
    """

    values: Floats
    score: Floats
    weight: Floats

    @property
    def log_likelihood(self) -> float:
        """Sum over rows."""
        return float(self.values.sum())


class Slopes(NamedTuple):
    """Further derivatives at a linear predictor.

    Attributes
    ----------
    weight : (n,) array
        Derivative of the observed information.
    expected : (n,) array
        Expected information.
    expected_slope : (n,) array
        Its derivative.
    dispersion : tuple of four (n,) arrays, or None
        Derivatives by the logarithm of the dispersion parameter: of the log-likelihood, all
        constants included, of the score, of the observed and of the expected information.
    """

    weight: Floats
    expected: Floats
    expected_slope: Floats
    dispersion: tuple[Floats, Floats, Floats, Floats] | None = None


class Family(ABC):
    """A family with a link.

    Parameters
    ----------
    link : str, optional
        Name of the link; by default the first of :attr:`links`.

    Attributes
    ----------
    name : str
        As in glmmTMB: ``nbinom2``.
    dispersion : str or None
        What its parameter besides the mean is called, if it has one: ``size``, ``shape``.
    limit : int
        Towards which end of that parameter, 1 or -1, the family becomes another one; 0 if towards
        none.
    limit_name : str
        Which family that is.
    of_counts : bool
        Whether responses are counts that have no upper end.
    is_by_moments : bool
        Whether searches begin at a dispersion that the data give.
    """

    name: ClassVar[str]
    links: ClassVar[tuple[str, ...]]
    dispersion: ClassVar[str | None] = None
    limit: ClassVar[int] = 0
    limit_name: ClassVar[str] = ""
    of_counts: ClassVar[bool] = False
    is_by_moments: ClassVar[bool] = False
    _kind: ClassVar[str]

    def __init__(self, link: str | None = None) -> None:
        name = self.links[0] if link is None else link
        if name not in self.links:
            raise ModelError(
                f"The family {self.name!r} has the links {', '.join(self.links)}, not {name!r}."
                f"{suggest(name, self.links)}"
            )
        self.link: Link = next(one for one in LINKS[self._kind] if one.name == name)

    def __repr__(self) -> str:
        return f"{self.name}({self.link.name})"

    @property
    def is_canonical(self) -> bool:
        """Whether observed and expected information are the same for every response."""
        return False

    @abstractmethod
    def check(self, response: Response, name: str) -> None:
        """Refuse a response of another family; raises DataError that names a row.

        ``name``: what the response is called.
        """

    def endless_sides(self, y: Floats) -> Floats:
        """Where the likelihood of each response rises for ever with its linear predictor.

        Upwards (1), downwards (-1), or nowhere (0), as where it has a maximum or ends somewhere.
        """
        return np.zeros(len(y))

    def unit(self, response: Response) -> float:
        """What linear predictors are measured in, a power of 2, where they are as large as means.

        1 where they are neither large nor small, and under links that have no unit.
        """
        if not self.link.has_unit:
            return 1.0
        size = float(self.link.predictor(self.initial_mean(response).mean(keepdims=True))[0])
        power = round(math.log2(size)) if 0.0 < size < math.inf else 0
        return 2.0**power if abs(power) > _USUAL else 1.0

    @abstractmethod
    def initial_mean(self, response: Response) -> Floats:
        """A mean (n,) near each response, inside of what means can be."""

    @abstractmethod
    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Draw a response (n,) of these means, of as many trials as `response` has."""

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """Variance function of a mean as families of R have it, what scales it left out.

        Raises UnsuitedError if the family has none here.
        """
        raise UnsuitedError(f"There are no Pearson residuals of the family {self.name!r} here.")

    def deviances(self, y: Floats, mean: Floats, dispersion: float) -> Floats:
        """Twice what rows of weight 1 lose against a mean of their own, as families of R have it.

        Raises UnsuitedError if the family has none here.
        """
        raise UnsuitedError(
            f"There are no deviance residuals of the family {self.name!r}: ask for another kind."
        )

    def initial_dispersion(self) -> float:
        """A parameter to start from; 1 for families that have none."""
        return 1.0

    def dispersion_by_moments(self, response: Response, mean: Floats) -> float:
        """One to search from, where `is_by_moments`, of means (n,) near the responses."""
        return self.initial_dispersion()

    def constant(self, response: Response, dispersion: float) -> float:
        """What :attr:`Rows.log_likelihood` leaves out because no linear predictor changes it."""
        own = self.row_constants(response, dispersion)
        return float(own.sum() if response.weights is None else response.weights @ own)

    @abstractmethod
    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """The same of each row (n,), prior weights apart."""

    @abstractmethod
    def rows(self, response: Response, eta: Floats, dispersion: float) -> Rows:
        """Log-likelihood, score and observed information at a linear predictor (n,)."""

    @abstractmethod
    def slopes(self, response: Response, eta: Floats, dispersion: float) -> Slopes:
        """Further derivatives at a linear predictor (n,)."""


class MeanFamily(Family):
    """A family whose log-likelihood is a function of the logarithm of its mean."""

    _kind = "mean"
    link: MeanLink

    @abstractmethod
    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        """Log-likelihood of each row and its first two derivatives by the logarithm of the mean."""

    @abstractmethod
    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        """Third derivative by the logarithm of the mean; expected information, its derivative."""

    def _by_dispersion(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats, Floats] | None:
        """By the logarithm of the dispersion: log-likelihood, both derivatives, information."""
        return None

    def rows(self, response: Response, eta: Floats, dispersion: float) -> Rows:
        """Log-likelihood, score and observed information at a linear predictor (n,)."""
        value, one, two, _ = self.link.log_mean(eta)
        likelihood, first, second = self._of_log_mean(response.y, value, dispersion)
        if self.link.name == "sqrt":
            # On the other side of zero there is another maximum, of the same means.
            likelihood = np.where((eta > 0.0) | (response.y == 0.0), likelihood, np.nan)
        score, weight = first * one, -second * (one * one)
        if np.ndim(two):
            weight = weight - first * two
        counts = response.counts
        if counts is None:
            return Rows(likelihood, score, weight)
        return Rows(counts * likelihood, counts * score, counts * weight)

    def slopes(self, response: Response, eta: Floats, dispersion: float) -> Slopes:
        """Further derivatives at a linear predictor (n,)."""
        y = response.y
        value, one, two, three = self.link.log_mean(eta)
        _, first, second = self._of_log_mean(y, value, dispersion)
        third, expected, slope = self._further(y, value, dispersion)
        counts = response.counts
        times = np.ones(len(y)) if counts is None else counts
        made = self._by_dispersion(y, value, dispersion)
        by_dispersion = None
        if made is not None:
            likelihood, own_first, own_second, own_expected = made
            by_dispersion = (
                times * likelihood,
                times * own_first * one,
                -times * (own_second * (one * one) + own_first * two),
                times * own_expected * (one * one),
            )
        return Slopes(
            -times * (third * one**3 + 3.0 * second * one * two + first * three),
            times * expected * (one * one),
            times * (slope * one**3 + 2.0 * expected * one * two),
            by_dispersion,
        )


def refuse(response: Response, name: str, bad: NDArray[np.bool_], wanted: str) -> None:
    """Raise the error on the first bad row, if there is one."""
    first = int(bad.argmax())
    if bad[first]:
        count = int(bad.sum())
        more = f", {count} in all" if count > 1 else ""
        raise DataError(
            f"The response {name!r} must be {wanted}; in row {first + 1} of those used it is "
            f"{response.y[first]:g}{more}."
        )


class ProbabilityFamily(Family):
    """A family whose mean is a probability."""

    _kind = "probability"
    link: ProbabilityLink
