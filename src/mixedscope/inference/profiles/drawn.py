"""What pictures of profiles show: curves between their points, intervals, densities, traces.

All of it follows from stored points. Between two of them zeta is the cubic that has their values
and their slopes (Hermite's), in the coordinate in which it is nearly straight: the logarithm of
sigma, the angle whose sine is a correlation. The points themselves are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Final, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.profiles.parameters import KEY, Key, label_of

__all__ = [
    "COVERAGES",
    "PAIRED",
    "PICTURED",
    "Followed",
    "contour_tables",
    "followed",
    "profile_tables",
    "single_level",
]

Floats = NDArray[np.float64]

COVERAGES: Final = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Coverages of the intervals that a profile shows; those whose ends are points of it."""

PICTURED: Final = ("profile_parameters", "profile_coverage", "profile_curves")
"""Tables of pictures of profiles."""

PAIRED: Final = ("profile_contours", "profile_traces")
"""Tables of pictures of pairs."""

#: How near a point is to the zeta of an interval.
_EXACT: Final = 1e-6
#: Rise of zeta between neighbours of a curve, at most, and of values beyond which points differ.
_FINE: Final = 0.04
#: Sigma over its estimate, and the slope of zeta by its logarithm, below which sigma vanishes.
_VANISHED: Final = 0.01
_LEVEL: Final = 2e-5
_NORMAL: Final = NormalDist()
#: Kinds of parameters whose coordinate is their logarithm.
_LOGARITHMS: Final = ("sigma", "dispersion")


@dataclass(frozen=True)
class Followed:
    """The profile of one parameter as it was followed.

    Attributes
    ----------
    key : (kind, group, term, term2)
    value, zeta, slope : (m,) arrays
        Ascending in the value; a slope is NaN at an end of the range of a correlation.
    rows : (m,) array of int
        Their rows in the table.
    """

    key: Key
    value: Floats
    zeta: Floats
    slope: Floats
    rows: NDArray[np.intp]

    @property
    def estimate(self) -> float:
        """Where zeta is zero."""
        return float(self.value[self._middle])

    @property
    def _middle(self) -> int:
        return int(np.argmin(np.abs(self.zeta)))

    @property
    def wald(self) -> float:
        """Slope of zeta at the estimate: one over the standard error; NaN if there is none."""
        slope = float(self.slope[self._middle])
        return slope if slope > 0.0 and not self._is_end(self._middle) else math.nan

    def _is_end(self, at: int) -> bool:
        """Whether a point is at an end of the range of the parameter."""
        if self.key[0] == "sd":
            return bool(self.value[at] <= 0.0)
        if self.key[0] == "sigma":
            # Where zeta has its limit as sigma vanishes: its slope by the logarithm is none.
            value, slope = self.value[at], self.slope[at]
            return bool(value < _VANISHED * self.estimate and abs(slope * value) < _LEVEL)
        if self.key[0] == "correlation":
            return bool(abs(self.value[at]) >= 1.0 - 1e-9 or math.isnan(self.slope[at]))
        return False

    def end(self, side: int) -> tuple[float, float, bool]:
        """Value and zeta of the last point of a side, and whether the range ends there."""
        at = 0 if side < 0 else len(self.value) - 1
        is_end = self._is_end(at)
        value = 0.0 if is_end and self.key[0] == "sigma" else float(self.value[at])
        return value, float(self.zeta[at]), is_end

    @property
    def _limits(self) -> tuple[float, float]:
        """Ends of the range of a correlation."""
        ends = [self.end(side) for side in (-1, 1)]
        low, high = (value if is_end else math.nan for value, _, is_end in ends)
        return (low if low > -1.0 else -1.0), (high if high < 1.0 else 1.0)

    def coordinate(self, value: Floats) -> Floats:
        """The coordinate in which zeta is nearly straight."""
        if self.key[0] in _LOGARITHMS:
            return np.log(value)
        if self.key[0] == "correlation":
            low, high = self._limits
            return np.arcsin(np.clip((2.0 * value - low - high) / (high - low), -1.0, 1.0))
        return value

    def of_coordinate(self, coordinate: Floats) -> tuple[Floats, Floats]:
        """The parameter at values of its coordinate, and its derivative by it."""
        if self.key[0] in _LOGARITHMS:
            return np.exp(coordinate), np.exp(coordinate)
        if self.key[0] == "correlation":
            low, high = self._limits
            half = 0.5 * (high - low)
            return 0.5 * (low + high) + half * np.sin(coordinate), half * np.cos(coordinate)
        return coordinate, np.ones_like(coordinate)

    def interval(self, level: float) -> tuple[float, float, str | None] | None:
        """Ends of an interval, and what is to be said; None if they are not points of the curve."""
        cutoff = _NORMAL.inv_cdf(0.5 + level / 2.0)
        found, remarks = [], []
        for side in (-1, 1):
            out = np.flatnonzero(self.zeta * side >= cutoff - _EXACT)
            at = out[-1 if side < 0 else 0] if len(out) else None
            if at is not None:
                if abs(abs(self.zeta[at]) - cutoff) > _EXACT:
                    return None
                found.append(float(self.value[at]))
                beyond = self.value < self.value[at] if side < 0 else self.value > self.value[at]
                if (np.abs(self.zeta[beyond]) < cutoff - 1e3 * _EXACT).any():
                    remarks.append("values further out are inside too")
                continue
            value, _, is_end = self.end(side)
            if not is_end:
                return None
            found.append(value)
            is_zero = self.key[0] in ("sd", "sigma")
            remarks.append("0 is inside" if is_zero else "at the end of the range")
        return found[0], found[1], "; ".join(dict.fromkeys(remarks)) or None

    def at(self, coordinate: Floats) -> tuple[Floats, Floats]:
        """Zeta at values of the coordinate, NaN beyond what was followed, and its derivative."""
        knots, zeta, slopes = self._knots
        inside = (coordinate >= knots[0] - 1e-12) & (coordinate <= knots[-1] + 1e-12)
        at = np.clip(np.searchsorted(knots, coordinate, side="right") - 1, 0, len(knots) - 2)
        width = knots[at + 1] - knots[at]
        t = (coordinate - knots[at]) / width
        first, last = slopes[at, 0] * width, slopes[at, 1] * width
        rise = zeta[at + 1] - zeta[at]
        value = zeta[at] + t * (first + t * (3.0 * rise - 2.0 * first - last))
        value += t**3 * (first + last - 2.0 * rise)
        slope = first + 2.0 * t * (3.0 * rise - 2.0 * first - last)
        slope = (slope + 3.0 * t**2 * (first + last - 2.0 * rise)) / width
        return np.where(inside, value, np.nan), np.where(inside, slope, np.nan)

    @property
    def _knots(self) -> tuple[Floats, Floats, Floats]:
        """Coordinates (k,) and zeta of points that differ, and slopes (k - 1, 2) between them."""
        places = self.coordinate(self.value)
        own = [0]
        for i in range(1, len(places)):
            if places[i] - places[own[-1]] > 1e-9 * max(1.0, abs(places[i])):
                own.append(i)
        knots, zeta = places[own], self.zeta[own]
        slope = self.slope[own] * self.of_coordinate(knots)[1]
        rises = np.diff(zeta) / np.diff(knots)
        ends = np.column_stack([slope[:-1], slope[1:]])
        for i, rise in enumerate(rises):
            first, last = ends[i]
            # Without a slope at one side it is that of the parabola through the rest.
            if math.isnan(first):
                first = 2.0 * rise - last if math.isfinite(last) else rise
            if math.isnan(last):
                last = 2.0 * rise - first
            # A cubic of steeper ends turns between points that ascend (Fritsch & Carlson 1980).
            if rise > 0.0 and first >= 0.0 and last >= 0.0:
                first, last = min(first, 3.0 * rise), min(last, 3.0 * rise)
            ends[i] = first, last
        return knots, zeta, ends

    def curve(self) -> pd.DataFrame:
        """Points close enough to be joined by straight lines, those followed among them."""
        if len(self._knots[0]) < 2:
            return pd.DataFrame(
                {
                    "value": self.value, "zeta": self.zeta, "density": np.nan, "is_point": True,
                }
            )  # fmt: skip
        knots = self.coordinate(self.value)
        places = [knots[:1]]
        exact = [np.array([True])]
        for (a, b), (za, zb) in zip(pairwise(knots), pairwise(self.zeta), strict=True):
            parts = max(1, math.ceil(abs(zb - za) / _FINE), 8 if b > a and za == zb else 1)
            places.append(a + (b - a) * np.arange(1, parts + 1) / parts)
            exact.append(np.arange(1, parts + 1) == parts)
        coordinate, is_point = np.concatenate(places), np.concatenate(exact)
        zeta, slope = self.at(coordinate)
        value, rate = self.of_coordinate(coordinate)
        value[is_point], zeta[is_point] = self.value, self.zeta
        with np.errstate(divide="ignore", invalid="ignore"):
            density = np.exp(-0.5 * zeta**2) / math.sqrt(2.0 * math.pi) * slope / rate
        # Where zeta falls, or at an end that a density may approach without a bound, there is none.
        fine = (slope >= -1e-9) & (rate > 1e-9)
        density = np.where(fine, np.maximum(density, 0.0), np.nan)
        return pd.DataFrame(
            {"value": value, "zeta": zeta, "density": density, "is_point": is_point}
        )


def followed(table: pd.DataFrame) -> list[Followed]:
    """The profiles of a table of points, by parameter in its order."""
    groups: dict[Key, list[int]] = {}
    for row, (kind, *rest) in enumerate(table[list(KEY)].itertuples(index=False, name=None)):
        group, term, term2 = (part if isinstance(part, str) else None for part in rest)
        groups.setdefault((str(kind), group, term, term2), []).append(row)
    numbers = {name: table[name].to_numpy(dtype=float) for name in ("value", "zeta", "slope")}
    out = []
    for key, rows in groups.items():
        own = np.array(rows, dtype=np.intp)
        own = own[np.argsort(numbers["value"][own], kind="stable")]
        value, zeta, slope = (column[own] for column in numbers.values())
        out.append(Followed(key, value, zeta, slope, own))
    return out


def profile_tables(
    table: pd.DataFrame, coverages: Sequence[float] = COVERAGES
) -> dict[str, pd.DataFrame]:
    """Give the tables ``profile_parameters``, ``profile_coverage`` and ``profile_curves``.

    ``table``: points of profiles. Mass of the density ``phi(zeta) zeta'`` that is missing where
    zeta is finite at an end of the range is at the end. Of ``coverages`` intervals are given whose
    ends are points, or where the range ends.
    """
    rows, ends, curves = [], [], []
    for own in followed(table):
        head = dict(zip(KEY, own.key, strict=True))
        (low, low_zeta, low_end), (high, high_zeta, high_end) = own.end(-1), own.end(1)
        rows.append(
            {
                **head,
                "estimate": own.estimate,
                "wald_slope": own.wald,
                "reach_low": low,
                "zeta_low": low_zeta,
                "at_low": _NORMAL.cdf(low_zeta) if low_end else math.nan,
                "reach_high": high,
                "zeta_high": high_zeta,
                "at_high": 1.0 - _NORMAL.cdf(high_zeta) if high_end else math.nan,
            }
        )
        for level in coverages:
            found = own.interval(level)
            if found is not None:
                names = ("lower", "upper", "remark")
                ends.append({**head, "level": level, **dict(zip(names, found, strict=True))})
        curve = own.curve()
        curves.append(curve.assign(**head)[[*KEY, *curve.columns]])
    coverage = pd.DataFrame(ends, columns=[*KEY, "level", "lower", "upper", "remark"])
    return {
        "profile_parameters": pd.DataFrame(rows),
        "profile_coverage": coverage,
        "profile_curves": pd.concat(curves, ignore_index=True),
    }


def contour_tables(profile: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give the tables ``profile_contours`` and ``profile_traces``.

    ``profile``: points of profiles, and ``pairs``: contours of pairs, with a column for each
    parameter. On the scale of zeta a value is the zeta of its own profile; missing beyond what was
    followed. A trace is where the other parameter is optimised along a profile.
    """
    known = {own.key: own for own in followed(profile)}
    names = [f"{axis}_{name}" for axis in "xy" for name in KEY]
    contours, traces = [], []
    for parts, own in pairs.groupby(names, dropna=False, sort=False):
        cleaned = [v if isinstance(v, str) else None for v in cast(Sequence[object], parts)]
        keys: list[Key] = [
            (str(kind), group, term, term2)
            for kind, group, term, term2 in (cleaned[:4], cleaned[4:])
        ]
        head = dict(zip(names, cleaned, strict=True))
        frame = own[["level", "vertex", "x", "y", "at_end"]].reset_index(drop=True)
        for axis, key in zip("xy", keys, strict=True):
            frame[f"{axis}_zeta"] = _zeta(known.get(key), frame[axis].to_numpy(dtype=float))
        contours.append(frame.assign(**head)[[*names, *frame.columns]])
        traces += list(_traces(profile, known, keys, head, names))
    columns = [*names, "along", "point", "x", "y", "x_zeta", "y_zeta"]
    return {
        "profile_contours": pd.concat(contours, ignore_index=True),
        "profile_traces": pd.concat(traces, ignore_index=True)
        if traces
        else pd.DataFrame(columns=columns),
    }


def single_level(joint: float) -> float:
    """Coverage of the interval that is as wide as the joint region of two parameters.

    Just beyond it, so that no vertex of the region is beyond the profile.
    """
    return 2.0 * _NORMAL.cdf(math.sqrt(-2.0 * math.log1p(-joint)) + 1e-3) - 1.0


def _zeta(own: Followed | None, values: Floats) -> Floats:
    """Zeta of values (m,) of a parameter; NaN if it was not profiled so far, or not at all."""
    if own is None or len(own.value) < 2:
        return np.full(len(values), np.nan)
    return own.at(own.coordinate(values))[0]


def _traces(
    profile: pd.DataFrame,
    known: dict[Key, Followed],
    keys: Sequence[Key],
    head: dict[str, str | None],
    names: Sequence[str],
) -> Iterator[pd.DataFrame]:
    """Both traces of a pair, each along the profile of one of its parameters."""
    for moved, other, axis in ((0, 1, "x"), (1, 0, "y")):
        own, label = known.get(keys[moved]), label_of(keys[other])
        if own is None or label not in profile.columns:
            continue
        values = profile[label].to_numpy(dtype=float)[own.rows]
        sides = {
            moved: (own.value, own.zeta),
            other: (values, _zeta(known.get(keys[other]), values)),
        }
        frame = pd.DataFrame(
            {
                "along": axis,
                "point": np.arange(len(values), dtype=np.int32),
                "x": sides[0][0],
                "y": sides[1][0],
                "x_zeta": sides[0][1],
                "y_zeta": sides[1][1],
            }
        )
        yield frame.assign(**head)[[*names, *frame.columns]]
