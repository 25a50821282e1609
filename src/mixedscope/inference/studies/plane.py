"""The objective over a plane, or a line, of parameters: a grid, and what symmetry does in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.inference.studies.profiled import Profile
from mixedscope.inference.studies.surface import Surface
from mixedscope.optimize.certificate import rounding

__all__ = ["Plane", "Special"]

Floats = NDArray[np.float64]

#: Kind, x, y (NaN on a line) and gap of a point that is marked.
Special = tuple[str, float, float, float]

#: Relative error up to which values at mirrored points are equal, also after a profile.
_MIRRORED: Final = 1e-4

#: A place nearer to zero than this share of a panel is zero.
_ZERO: Final = 1e-3


class Plane:
    """The gap over one or two coordinates of a surface.

    Parameters
    ----------
    surface : Surface
    axes : one or two int
        Positions of the coordinates.
    ticks : one or two arrays
        Ascending.
    profiled : bool
        Optimise the other coordinates at every point.

    Attributes
    ----------
    gap, sigma : (len(ticks[1]), len(ticks[0])) or (len(ticks[0]),) arrays
    """

    def __init__(
        self,
        surface: Surface,
        axes: tuple[int, ...],
        ticks: tuple[Floats, ...],
        *,
        profiled: bool = False,
    ) -> None:
        self.axes = axes
        self.ticks = ticks
        self.is_generalized = surface.estimation.is_generalized
        self._surface = surface
        self._tiny = 10.0 * rounding(surface.base)
        mesh = np.meshgrid(*ticks)
        places = np.column_stack([m.ravel() for m in mesh])
        self._profile = None
        if profiled and len(axes) < len(surface.centre):
            self._profile = Profile(surface, axes, tuple(float(np.ptp(t)) for t in ticks))
            found = self._profile.grid(places)
        else:
            found = np.array([self._at(place) for place in places])
        self.gap, self.sigma = (found[:, c].reshape(mesh[0].shape) for c in (0, 1))

    def _at(self, place: Floats) -> tuple[float, float]:
        if self._profile is not None:
            return self._profile.value(place)
        values = self._surface.centre.copy()
        values[list(self.axes)] = place
        return self._surface.value(values)

    def _gap(self, *place: float) -> float:
        return self._at(np.array(place))[0]

    def crossings(self, level: float) -> tuple[Floats, Floats]:
        """Find where a curve passes a level, to rounding.

        ``values``, ``sigmas`` (m,): coordinates between whose neighbours on the grid the gap passes
        the level, ascending, and sigma there.
        """
        from scipy.optimize import bisect

        (ticks,) = self.ticks

        def height(value: float) -> float:
            gap = self._gap(value)
            return gap - level if np.isfinite(gap) else np.inf

        above = self.gap >= level
        known = np.isfinite(self.gap)
        passed = (above[:-1] != above[1:]) & known[:-1] & known[1:]
        found = [
            float(bisect(height, ticks[i], ticks[i + 1], xtol=1e-12 * float(np.ptp(ticks))))
            for i in np.flatnonzero(passed)
        ]
        sigmas = [self._at(np.array([value]))[1] for value in found]
        return np.array(found, dtype=float), np.array(sigmas, dtype=float)

    def symmetric(self) -> list[Special]:
        """Points where the slope vanishes by symmetry, though there is no minimum, and their kinds.

        On the line where a diagonal of theta is 0 the slope across it is 0 if the objective is the
        same on either side; the lowest point of such a line is a saddle unless the objective rises
        on both sides. In a plane that is its own mirror image in the point 0 that point is one.
        Symmetry is found by evaluating, so that it holds for every structure. Kinds are ``saddle``
        and ``hilltop`` (downhill in every direction).
        """
        lower = [self._surface.space.axes[p].lower for p in self.axes]
        crossed = [t[0] < 0.0 < t[-1] for t in self.ticks]
        if len(self.axes) == 1:
            return self._on_curve() if crossed[0] and lower[0] == 0.0 else []
        found = [
            point
            for side in (0, 1)
            if lower[side] == 0.0
            and crossed[side]
            and (point := self._on_line(side, lower[1 - side])) is not None
        ]
        if all(crossed) and 0.0 in lower and not any(p[1] == p[2] == 0.0 for p in found):
            found += self._at_origin()
        return found

    def _equal(self, a: float, b: float) -> bool:
        return abs(a - b) <= _MIRRORED * max(1.0, abs(a))

    def _falls(self, here: float, there: float) -> bool:
        """Whether the objective is lower there than here, beyond rounding."""
        return there < here - self._tiny

    def _on_curve(self) -> list[Special]:
        x = self.ticks[0]
        step = min(-x[0], x[-1]) / 4.0
        here, right, left = (self._gap(v) for v in (0.0, step, -step))
        if self._equal(left, right) and self._falls(here, right):
            return [("hilltop", 0.0, np.nan, here)]
        return []

    def _on_line(self, side: int, lower: float) -> Special | None:
        """The lowest point where one coordinate is 0, if it is a saddle by symmetry."""
        from scipy.interpolate import CubicSpline

        across, along = self.ticks[side], self.ticks[1 - side]
        at_zero = int(np.abs(across).argmin())
        line = self.gap[:, at_zero] if side == 0 else self.gap[at_zero]
        if across[at_zero] != 0.0 or not np.isfinite(line).all():
            return None
        fine = np.linspace(along[0], along[-1], 2001)
        if lower == 0.0:  # beyond its bound a lowest point is a mirror image
            fine = fine[fine >= 0.0]
        lowest = int(CubicSpline(along, np.arcsinh(line))(fine).argmin())
        v = float(fine[lowest])
        if lowest == len(fine) - 1 or (lowest == 0 and lower != 0.0):
            return None

        def gap(step: float, at: float | None = None) -> float:
            at = v if at is None else at
            return self._gap(step, at) if side == 0 else self._gap(at, step)

        if abs(v) < _ZERO * float(np.ptp(along)):
            v = 0.0
        else:
            width = float(np.diff(along)[max(0, int(np.searchsorted(along, v)) - 1)]) / 2.0
            v = self._lower(lambda at: gap(0.0, at), v, width)
        step = min(-across[0], across[-1]) / 4.0
        here, ahead, behind = gap(0.0), gap(step), gap(-step)
        if not self._equal(ahead, behind):
            return None
        if not (self._falls(here, ahead) or self._falls(here, gap(step / 8.0))):
            return None
        return ("saddle", 0.0, v, here) if side == 0 else ("saddle", v, 0.0, here)

    def _lower(self, value: Callable[[float], float], v: float, width: float) -> float:
        """Refine the lowest place of a line by parabolas through three points."""
        here = value(v)
        for _ in range(2):
            below, above = value(v - width), value(v + width)
            curvature = below - 2.0 * here + above
            if not curvature > self._tiny:
                break
            step = float(np.clip((below - above) / (2.0 * curvature), -1.0, 1.0)) * width
            there = value(v + step)
            if there < here:
                v, here = v + step, there
            width /= 5.0
        return v

    def _at_origin(self) -> list[Special]:
        """The origin as a saddle or hilltop, where the gap of this plane is the same at x and -x.

        There the slope is zero by symmetry, and a search for zeros of it would miss the kind.
        """
        a, b = (min(-t[0], t[-1]) / 8.0 for t in self.ticks)
        if not self._equal(self._gap(a, b), self._gap(-a, -b)):
            return []
        here = self._gap(0.0, 0.0)
        right, up = self._gap(a, 0.0) - here, self._gap(0.0, b) - here
        mixed = (self._gap(a, b) - self._gap(a, -b)) / 2.0
        values = np.linalg.eigvalsh(np.array([[2.0 * right, mixed], [mixed, 2.0 * up]]))
        if not values[0] < -self._tiny:
            return []
        return [("hilltop" if values[1] < -self._tiny else "saddle", 0.0, 0.0, here)]
