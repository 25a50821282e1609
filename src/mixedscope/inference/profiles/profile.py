"""Profiles of a fit as users have them: a table, intervals, contours of pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache, cached_property, partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import ModelError
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.intervals.columns import COLUMNS
from mixedscope.inference.profiles.curve import Curve
from mixedscope.inference.profiles.drawn import COVERAGES, PICTURED, profile_tables
from mixedscope.inference.profiles.intervals import profile_intervals_of
from mixedscope.inference.profiles.pairs import pair_table
from mixedscope.inference.profiles.parameters import KEY, Parameter
from mixedscope.inference.profiles.profiler import Profiler, quantile_of
from mixedscope.tables.kinds.profile import PROFILE, PROFILE_PAIRS
from mixedscope.tables.late import LateTables

__all__ = [
    "FOLLOWED",
    "LEVELS",
    "PAIR_LEVELS",
    "Profile",
    "from_stored",
    "make_pairs",
    "make_profile",
    "to_stored",
]

Floats = NDArray[np.float64]

LEVELS: Final = COVERAGES
"""Coverages whose ends are points of the tables of profiles."""

FOLLOWED: Final = (0.95,)
"""Coverages to whose ends a profile is followed at once; the ends of others are found from there,
when they are asked for."""

PAIR_LEVELS: Final = (0.5, 0.8, 0.95)
"""Coverages of the contours of pairs."""


class Profile:
    """Profiles of the parameters of a fit; made by `mixedscope.Fit.profile`.

    Attributes
    ----------
    table : DataFrame
        A row for each point: ``kind``, ``group``, ``term``, ``term2`` (as in the estimates of the
        fit), ``value``, ``zeta``, ``slope`` (derivative of zeta by the value; missing where a
        correlation is at an end of its range), then every parameter of the model where the others
        are optimised, one column each, named ``beta Days``, ``sigma``, ``sd Days | Subject``,
        ``correlation (Intercept) ~ Days | Subject``.
    """

    def __init__(
        self,
        table: Callable[[], pd.DataFrame],
        profiler: Callable[[], Profiler],
        estimates: pd.DataFrame,
        keys: Set[tuple[object, ...]] | None = None,
        info: Callable[[], Mapping[str, Any]] = dict,
        levels: tuple[float, ...] = FOLLOWED,
    ) -> None:
        self._tabulate = table
        self._levels = levels
        self._describe = info
        self._make = profiler
        self._made: Profiler | None = None
        self._estimates = estimates
        self._known_keys = keys

    def __getstate__(self) -> dict[str, Any]:
        """Make the table, and what finds more: what makes them stays in this process."""
        _ = self.table, self.info
        return {
            **self.__dict__,
            "_describe": dict,
            "_made": self._profiler,
            "_make": None,
            "_tabulate": None,
        }

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """What ``fit.json`` holds of the fit."""
        return self._describe()

    @cached_property
    def table(self) -> pd.DataFrame:
        """The points of all profiles, a row each."""
        return self._tabulate()

    @cached_property
    def tables(self) -> LateTables:
        """The estimates, the stored table ``profile`` and what pictures show of it, by name."""
        tables = LateTables({"estimates": self._estimates})
        tables.later("profile", lambda: to_stored(self.table))
        for name, make in self.pictured().items():
            tables.later(name, make)
        return tables

    def pictured(self) -> dict[str, Callable[[], pd.DataFrame]]:
        """Give what makes the tables that pictures of profiles are made from, by name."""
        made = cache(lambda: profile_tables(self.table))
        return {name: partial(_one_of, made, name) for name in PICTURED}

    @cached_property
    def _keys(self) -> Set[tuple[object, ...]]:
        """What names the parameters profiled."""
        if self._known_keys is not None:
            return self._known_keys
        return {tuple(_none(v) for v in row) for row in self.table[list(KEY)].to_numpy()}

    @property
    def _profiler(self) -> Profiler:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _curve(self, parameter: Parameter) -> Curve:
        """One of the profiles, as far as all were followed at once."""
        return self._profiler.curve(parameter, self._levels)

    @door()
    def confint(self, level: float = 0.95) -> pd.DataFrame:
        """Profile intervals: where the size of zeta is at most the quantile of the normal law.

        Parameters
        ----------
        level : float
            Coverage, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            As `mixedscope.Fit.confint` gives, for the parameters profiled. Ends are roots of zeta
            to 1e-7, found by refits, where they were not found before. ``remark`` says where a
            limit is an end of the range rather than such a root (``0 is inside``, ``at the end of
            the range``).

        Raises
        ------
        ModelError
            If the level is no number between 0 and 1.
        """
        table = profile_intervals_of(
            self._profiler, level, self._estimates, self._keys, self._levels
        )
        table = table.assign(method="profile")
        return ResultTable(table[[*COLUMNS, "remark"]])

    @door()
    def zeta(self, parameter: str, values: ArrayLike) -> Floats:
        """Zeta (m,) of a parameter at values (m,), by refits.

        A value further out than the profile was followed is gone to step by step, and at each it is
        looked from several places whether the other parameters have a lower minimum.

        Parameters
        ----------
        parameter : str
            Its name, as of the columns of `table`.
        values : (m,) array_like
            In its range, units of the parameter.

        Raises
        ------
        ModelError
            If there is no such parameter, it names several, or a value is outside its range.
        """
        chosen = self._profiler.parameters([parameter])
        if len(chosen) != 1:
            raise ModelError(
                f"{parameter!r} names {len(chosen)} parameters: "
                f"{', '.join(p.label for p in chosen)}"
            )
        curve = self._curve(chosen[0])
        own = curve.parameter
        places = np.atleast_1d(number_array("values", values, "numbers"))
        low, high = own.limits
        for value in places.tolist():
            if (
                not low <= value <= high
                or not np.isfinite(value)
                or (own.is_logarithm and value == 0.0)
            ):
                raise ModelError(
                    f"values: {own.label!r} has no profile at {value:g}; its range is {low:g} to "
                    f"{high:g}."
                )
        return np.array([curve.at(own.coordinate(value)).zeta for value in places.tolist()])

    def __repr__(self) -> str:
        """Say what is profiled."""
        count = self.table.groupby(list(KEY), dropna=False, sort=False).ngroups
        return (
            f"<Profile: {count} parameters, {len(self.table)} points, |zeta| up to "
            f"{self.table['zeta'].abs().max():.3g}>"
        )


def _one_of(make: Callable[[], Mapping[str, pd.DataFrame]], name: str) -> pd.DataFrame:
    """One of several tables that are made together."""
    return make()[name]


def make_profile(
    profiler: Profiler,
    estimates: pd.DataFrame,
    parameters: Sequence[object] | None,
    levels: Sequence[float] | None = None,
    more: Sequence[float] = LEVELS,
    info: Callable[[], Mapping[str, Any]] = dict,
) -> Profile:
    """Follow the profiles of parameters, all by default, to the ends of intervals of these levels.

    By default to those of `FOLLOWED`, and where the table is asked for to those of `more` too.
    Raises ModelError if a parameter or level is none, UnsuitedError for fixed effects under REML.
    """
    for level in more if levels is None else levels:
        quantile_of(level)
    own = FOLLOWED if levels is None else tuple(sorted(set(levels)))
    others = sorted(set(more) - set(own)) if levels is None else []
    if not own:
        raise ModelError("levels must name one coverage at least, such as 0.95.")
    chosen = profiler.parameters(parameters)
    if not chosen:
        raise ModelError(
            "There is nothing to profile: name parameters by kind, such as 'sd', or one by one."
        )
    for parameter in chosen:
        profiler.curve(parameter, own)

    def table() -> pd.DataFrame:
        return profiler.table(profiler.points(chosen, own, others))

    keys = {parameter.key for parameter in chosen}
    return Profile(table, lambda: profiler, estimates, keys, info, own)


def make_pairs(
    profiler: Profiler,
    parameters: Sequence[object] | None,
    levels: Sequence[float],
    vertices: int,
) -> pd.DataFrame:
    """Contours of all pairs of parameters, see `mixedscope.Fit.profile_pairs`."""
    for level in levels:
        quantile_of(level)
    if not levels:
        raise ModelError("levels must name one coverage at least, such as 0.95.")
    if vertices < 4:
        raise ModelError(f"vertices must be 4 at least, not {vertices}.")
    chosen = profiler.parameters(parameters)
    if len(chosen) < 2:
        raise ModelError(
            "A pair is of two parameters: name two at least, not "
            f"{', '.join(repr(p.label) for p in chosen)}."
        )
    return pair_table(profiler, chosen, levels, vertices)


def to_stored(table: pd.DataFrame) -> pd.DataFrame:
    """Bring a table of profiles, or of contours of pairs, to the columns of the stored one."""
    kind = PROFILE if "zeta" in table.columns else PROFILE_PAIRS
    head = [c for c in kind.columns or () if c != "estimates"]
    labels = [c for c in table.columns if c not in head]
    values = np.column_stack([table[c].to_numpy(dtype=float) for c in labels])
    stored = pd.DataFrame(
        {**{c: table[c] for c in head}, "estimates": pd.Series(list(values), dtype=object)}
    )
    stored.attrs["parameters"] = labels
    return stored


def from_stored(stored: pd.DataFrame) -> pd.DataFrame:
    """Bring a stored table to that of a profile."""
    labels = list(stored.attrs["parameters"])
    values = np.array(stored["estimates"].tolist(), dtype=float).reshape(len(stored), len(labels))
    head = _with_none(stored.drop(columns="estimates"))
    head.attrs = {}
    return pd.concat([head, pd.DataFrame(values, columns=labels)], axis=1)


def _with_none(table: pd.DataFrame) -> pd.DataFrame:
    """The same with None for missing texts, as tables of estimates have it."""
    texts = [name for name in table.columns if name in KEY]
    return table.assign(**{c: table[c].astype(object).where(table[c].notna(), None) for c in texts})


def _none(value: object) -> object:
    return None if pd.isna(value) else value  # type: ignore[call-overload]
