"""What a covariance structure is: the map between theta and the relative covariance factor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.covariance.polar import PolarAxis

__all__ = ["CovarianceStructure", "Floats", "Look", "Measure", "Settings", "row_sds"]

Floats = NDArray[np.float64]
Settings = Mapping[str, float]


@dataclass(frozen=True)
class Measure:
    """One thing that people read in place of theta.

    Attributes
    ----------
    kind : {"sd", "correlation", "loading"}
        Standard deviations and loadings are relative to sigma.
    name : str
        The column it belongs to, several with `` ~ `` between, and so on.
    lower, upper : float
        Its range, whatever the other measures are.
    unit : float
        A step that means about the same for all: a random effect as variable as the residuals.
    """

    kind: Literal["sd", "correlation", "loading"]
    name: str
    lower: float
    upper: float
    unit: float


@dataclass(frozen=True)
class Look:
    """What a structure is called in words, and how charts draw it.

    Attributes
    ----------
    label : str
        ``compound symmetry``.
    colour : str
        ``#7A1F5C``: unlike those of other structures for readers who see no red or no green.
    shape : str
        Of points, by name or as a path of Vega-Lite, for pictures in grey; an area, no stroke.
    """

    label: str
    colour: str
    shape: str


class CovarianceStructure(ABC):
    """Map between the free parameters of one term and its relative covariance factor.

    Theta is chosen so that the covariance is a smooth function of it on the whole of R^n_theta,
    and so that an end of the parameter space (a standard deviation of zero, a correlation as far
    as it goes) is a point about which the covariance is symmetric. Optimisers then need no bounds,
    and curvature alone tells whether such a point is a minimum.

    Parameters
    ----------
    size : int
        Number of columns k of the term.
    settings : mapping of str to float, optional
        Settings of the structure, where it has any.

    Attributes
    ----------
    name : str
        The name users write in formulas and configurations.
    label, colour, shape : str
        See `Look`.
    entries : tuple of (n_theta,) arrays of int, or None
        Rows and columns where theta stands in the factor, if that is all the structure does.
    settings_names : tuple of str
        What may be set, in the order in which it may be written without a name.
    intercept_only : bool
        Whether the structure replaces the columns of its term by a single intercept.
    correlates : bool
        Whether random effects of the term may be correlated.
    least_columns : int
        Fewest columns that a term needs for the structure to make sense.
    ordered : bool
        Whether the columns must be the indicators of one factor, whose levels have an order.
    hides_directions : bool
        Whether the objective may fall, beside a theta at an edge, faster than curvature shows; see
        :meth:`beyond`.
    special_cases : frozenset of str
        Names of the structures that are this one with some parameters fixed or equal, columns
        being the same; see :meth:`includes` and :mod:`mixedscope.inference.ladder.nesting`.
    """

    entries: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None
    name: ClassVar[str]
    label: ClassVar[str]
    colour: ClassVar[str]
    shape: ClassVar[str]
    settings_names: ClassVar[tuple[str, ...]] = ()
    intercept_only: ClassVar[bool] = False
    correlates: ClassVar[bool] = True
    least_columns: ClassVar[int] = 1
    ordered: ClassVar[bool] = False
    hides_directions: ClassVar[bool] = False
    special_cases: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        unknown = sorted(set(settings or ()) - set(self.settings_names))
        if unknown:
            takes = f"the setting {', '.join(self.settings_names)}" if self.settings_names else ""
            raise ModelError(
                f"Covariance structure {self.name!r} takes {takes or 'no settings'}, got "
                f"{', '.join(repr(key) if key else 'a number' for key in unknown)}."
            )
        if size < self.least_columns:
            raise ModelError(
                f"Covariance structure {self.name!r} needs a term of at least "
                f"{self.least_columns} columns, not {size}."
            )
        self.size = size

    @classmethod
    def look(cls, settings: Settings) -> Look:
        """How the structure is called and drawn, with these settings or with none."""
        return Look(cls.label, cls.colour, cls.shape)

    @classmethod
    def short_name(cls, settings: Settings) -> str:
        """Name the structure of a term with these settings as users name that of a whole model."""
        return cls.name

    @classmethod
    def includes(cls, other: type[CovarianceStructure]) -> bool:
        """Whether another structure is this one with some parameters fixed or equal."""
        return other.name in cls.special_cases

    @property
    def separates(self) -> bool:
        """Whether every column has a variance of its own and is correlated with no other."""
        return not self.correlates and self.n_theta == self.size

    def holds(self, pieces: Sequence[CovarianceStructure]) -> bool:
        """Whether terms of some of the columns, uncorrelated with each other, are a special case.

        Columns left out have no variance. Correlations within a piece may be too low for all
        columns, as those of compound symmetry: only uncorrelated ones are safe.
        """
        return self.has_own_variances and not any(p.correlates and p.size > 1 for p in pieces)

    @property
    def has_own_variances(self) -> bool:
        """Whether it can be diagonal with any variances."""
        return self.separates or "zerocorr" in self.special_cases

    @property
    def rank(self) -> int:
        """Rank of the covariance where no parameter is at an end of its range."""
        return self.size

    @property
    @abstractmethod
    def n_theta(self) -> int:
        """Number of free parameters."""

    @property
    @abstractmethod
    def lower(self) -> Floats:
        """Canonical lower bounds, shape (n_theta,): 0 where the sign is a convention."""

    @cached_property
    def edges(self) -> Floats:
        """Sizes of theta at which the covariance is singular, shape (n_theta,); NaN where none.

        The covariance is symmetric about theta = ± edge.
        """
        return np.where(self.lower == 0.0, 0.0, np.nan)

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        """Which parameters are entries of one column of the factor, shape (n_theta,).

        Numbers from 0 on, which they share if the column is zero where all of them are; -1 for
        parameters of no column, such as angles of correlations.
        """
        if self.entries is not None:
            return self.entries[1]
        return np.where(self.lower == 0.0, np.arange(self.n_theta), -1)

    @abstractmethod
    def start(self) -> Floats:
        """Theta of the identity, or of what comes close to it, shape (n_theta,)."""

    @cached_property
    def identity(self) -> Floats:
        """What :meth:`start` gives, kept; not to be written to."""
        return self.start()

    @cached_property
    def free_pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns (row >= column) of the covariance that are not zero throughout."""
        if not self.correlates:
            return np.arange(self.size), np.arange(self.size)
        cols, rows = np.triu_indices(self.size)
        return rows, cols

    @abstractmethod
    def scale(self, column_scale: Floats) -> Floats:
        """Factors that bring theta to columns of unit root mean square, shape (n_theta,).

        ``column_scale`` (k,): root mean square of each column of the term. A structure with one
        standard deviation for all columns can only follow their common scale.
        """

    @abstractmethod
    def factor(self, theta: Floats) -> Floats:
        """Relative covariance factors, lower triangular, (..., k, k) for theta (..., n_theta)."""

    @abstractmethod
    def derivatives(self, theta: Floats) -> list[Floats]:
        """Derivative of the factor by every entry of theta, lower triangular.

        (..., k, k) for theta (..., n_theta), or (k, k) where it is the same for all.
        """

    def pullback(self, theta: Floats, gradient: Floats) -> Floats:
        """Turn derivatives by the factor, (..., k, k), into those by theta, (..., n_theta).

        Only the lower triangle of `gradient` is looked at.
        """
        lower = np.tril(gradient)
        each = [np.einsum("...ij,...ij->...", lower, d) for d in self.derivatives(theta)]
        return np.stack(each, axis=-1)

    @abstractmethod
    def nearest(self, covariance: Floats) -> Floats:
        """Theta whose covariance is, or comes close to, a positive definite one (k, k).

        Serves as a start: correlations stay short of their ends, where a slope cannot be seen.
        """

    @abstractmethod
    def canonical(self, theta: Floats) -> Floats:
        """Return the theta of the same covariance within its canonical range."""

    def beyond(self, theta: Floats, scale: Floats) -> list[Floats]:
        """Points from which to look past theta, where its own curvature does not tell everything.

        ``scale`` (n_theta,) is what :meth:`scale` gives for the columns: 1 / scale is a step of
        common size. Empty unless theta is at an edge beside which the covariance could grow in
        directions that no second derivative at theta shows.
        """
        return []

    def elsewhere(self, theta: Floats, scale: Floats) -> list[Floats]:
        """Points (..., n_theta) beside which other minima were seen, from minima (..., n_theta).

        Worth a search where the objective is not much higher there. ``scale`` as for
        :meth:`beyond`. Empty for structures of which one was never seen.
        """
        return []

    @abstractmethod
    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of theta from the names of the columns, as in lme4 (without the group)."""

    # -- what people read in place of theta ---------------------------------------------------

    @abstractmethod
    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        """Say what can be chosen freely, one by one, in place of theta; m of them.

        ``names``: names of the k columns. ``column_scale`` (k,): their root mean squares.
        """

    @abstractmethod
    def measured(self, theta: Floats) -> Floats:
        """Values (m,) of the measures; NaN for a correlation that standard deviations of 0 hide."""

    @abstractmethod
    def from_measures(self, values: Floats, around: Floats) -> Floats:
        """Give theta (n_theta,) with these measures (m,).

        ``values`` (m,): NaN for a correlation that is not defined. ``around`` (n_theta,): theta
        that settles what the measures leave open.
        """

    @abstractmethod
    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        """Jacobian (n_theta, m) of :meth:`from_measures` by the values, inside their ranges."""

    # -- smooth coordinates, see `mixedscope.covariance.polar` ---------------------------------

    @property
    @abstractmethod
    def polar_axes(self) -> tuple[PolarAxis, ...]:
        """What the coordinates (n_theta,) are: standard deviations first, then angles."""

    @abstractmethod
    def to_polar(self, theta: Floats) -> Floats:
        """Coordinates (n_theta,) of a canonical theta."""

    @abstractmethod
    def from_polar(self, coordinates: Floats) -> tuple[Floats, Floats]:
        """Theta (n_theta,) of any coordinates, and its derivatives (n_theta, n_theta) by them."""

    def enlarged(self, theta: Floats, times: float) -> Floats:
        """Theta (n_theta,) of random effects so many times as large, correlated as before."""
        plain = ("",) * self.size, np.ones(self.size)
        sizes = [measure.kind != "correlation" for measure in self.measures(*plain)]
        values = self.measured(theta)
        return self.from_measures(np.where(sizes, values * times, values), theta)


def row_sds(factor: Floats) -> Floats:
    """Relative standard deviations (k,) from a relative covariance factor (k, k)."""
    return np.asarray(np.linalg.norm(factor, axis=1), dtype=float)
