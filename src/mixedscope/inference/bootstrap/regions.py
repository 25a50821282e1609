"""Which parameters go together in a bootstrap: regions of pairs that hold shares of the draws.

The region that holds a share of the draws and is smallest is where their density is highest
(Hyndman 1996, Am. Stat. 50, 120-126). The density is a normal kernel's with the covariance of the
draws times ``n^(-1/3)`` (Scott 1992, Multivariate Density Estimation, section 6.3); it is reflected
at the ends of ranges, beyond which nothing can be. Its level is the quantile of the densities at
the draws themselves, so that the region holds just so many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.inference.bootstrap.densities import FEWEST
from mixedscope.inference.bootstrap.drawn import Drawn, Key
from mixedscope.inference.profiles.parameters import KEY, label_of
from mixedscope.inference.studies.contours import simplified

__all__ = ["MOST_PAIRS", "REGION_LEVELS", "PlaneDensity", "chosen_parameters", "regions_of"]

Floats = NDArray[np.float64]

REGION_LEVELS: Final = (0.5, 0.8, 0.95)
"""Shares of the draws that regions hold."""

MOST_PAIRS: Final = 20
"""Pairs that have regions where none are named: those that depend on each other most."""

#: Cells of the grid along an axis at least and at most, cells that the narrowest width of the
#: kernel is to have, and its standard deviations beyond the outermost draw.
_CELLS: Final = 160
_MOST_CELLS: Final = 512
_PER_WIDTH: Final = 2.5
_BEYOND: Final = 4.0


@dataclass(frozen=True)
class PlaneDensity:
    """A normal kernel density of points, reflected at the ends of ranges.

    Attributes
    ----------
    x, y : (n,), (m,) arrays
        Points of the grid, ascending.
    density : (m, n) array
    at_draws : (k,) array
        At the points themselves.
    """

    x: Floats
    y: Floats
    density: Floats
    at_draws: Floats

    @classmethod
    def of(cls, x: Drawn, y: Drawn, rows: NDArray[np.bool_]) -> PlaneDensity:
        """The density of the draws in some rows, which are inside both ranges."""
        points = np.array([x.values[rows], y.values[rows]])
        count = points.shape[1]
        kernel = np.asarray(np.cov(points)) * count ** (-1.0 / 3.0)
        # The narrowest width of the kernel along an axis is that given the other coordinate.
        along = math.sqrt(np.linalg.det(kernel) / (kernel[0, 0] * kernel[1, 1]))
        axes = [
            _Axis.of(own, parameter, math.sqrt(kernel[i, i]), along)
            for i, (own, parameter) in enumerate(zip(points, (x, y), strict=True))
        ]
        counts = _spread(axes, points)
        # The kernel is applied where it is a product: among the frequencies.
        frequencies = [2.0 * math.pi * np.fft.fftfreq(a.size, a.step) for a in axes]
        wx, wy = frequencies[0], 2.0 * math.pi * np.fft.rfftfreq(axes[1].size, axes[1].step)
        bent = (
            kernel[0, 0] * wx[:, None] ** 2
            + 2.0 * kernel[0, 1] * wx[:, None] * wy
            + kernel[1, 1] * wy**2
        )
        smooth = np.fft.irfft2(np.fft.rfft2(counts) * np.exp(-0.5 * bent), s=counts.shape)
        smooth = np.maximum(smooth, 0.0) / (count * axes[0].step * axes[1].step)
        folded = axes[1].folded(axes[0].folded(smooth, 0), 1).T
        xs, ys = axes[0].inner, axes[1].inner
        return cls(xs, ys, folded, _bilinear(xs, ys, folded, points))

    def level(self, share: float) -> float:
        """The density above which this share of the points is."""
        ascending = np.sort(self.at_draws)
        return float(ascending[len(ascending) - math.ceil(share * len(ascending) - 1e-9)])


@dataclass(frozen=True)
class _Axis:
    """An axis of the grid, which goes on beyond ends for what is to be reflected there."""

    start: float
    step: float
    size: int
    low: int
    high: int

    @classmethod
    def of(cls, values: Floats, parameter: Drawn, width: float, narrow: float) -> _Axis:
        """Cover values (k,) and the reach of a kernel of this width, narrower by a share."""
        reach = _BEYOND * width
        first, last = float(values.min()) - reach, float(values.max()) + reach
        low, high = max(first, parameter.low), min(last, parameter.high)
        wanted = _PER_WIDTH * (high - low) / (narrow * width)
        cells = math.ceil(min(max(wanted, _CELLS), _MOST_CELLS))
        step = (high - low) / cells
        before = math.ceil((low - first) / step) + 1 if low > first else 0
        after = math.ceil((last - high) / step) + 1 if high < last else 0
        size = before + cells + 1 + after
        return cls(low - before * step, step, size, before, before + cells)

    @property
    def inner(self) -> Floats:
        """Points between the ends."""
        return np.asarray(self.start + self.step * np.arange(self.low, self.high + 1), dtype=float)

    def folded(self, density: Floats, axis: int) -> Floats:
        """Add what is beyond an end to its mirror image inside."""
        whole = np.moveaxis(density, axis, 0)
        inner = whole[self.low : self.high + 1].copy()
        if self.low:
            beyond = whole[: self.low][::-1]
            inner[1 : 1 + len(beyond)] += beyond[: len(inner) - 1]
            inner[0] += whole[self.low]
        if self.high + 1 < self.size:
            beyond = whole[self.high + 1 :][: len(inner) - 1]
            inner[-1 - len(beyond) : -1] += beyond[::-1]
            inner[-1] += whole[self.high]
        return np.asarray(np.moveaxis(inner, 0, axis), dtype=float)


def _places(axis: _Axis, values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The cell of each value, and how far it is into the cell."""
    at = (values - axis.start) / axis.step
    cell = np.clip(np.floor(at).astype(np.intp), 0, axis.size - 2)
    return cell, at - cell


def _spread(axes: Sequence[_Axis], points: Floats) -> Floats:
    """Counts on the grid, each point shared by the corners of its cell."""
    (i, a), (j, b) = (_places(axis, own) for axis, own in zip(axes, points, strict=True))
    size = axes[0].size, axes[1].size
    counts = np.zeros(size[0] * size[1])
    for di, wi in ((0, 1.0 - a), (1, a)):
        for dj, wj in ((0, 1.0 - b), (1, b)):
            counts += np.bincount((i + di) * size[1] + j + dj, wi * wj, len(counts))
    return counts.reshape(size)


def _bilinear(x: Floats, y: Floats, density: Floats, points: Floats) -> Floats:
    """Density at points (2, k) by interpolation between those of the grid."""
    parts = []
    for grid, own in ((x, points[0]), (y, points[1])):
        at = (own - grid[0]) / (grid[1] - grid[0])
        cell = np.clip(np.floor(at).astype(np.intp), 0, len(grid) - 2)
        parts.append((cell, at - cell))
    (i, a), (j, b) = parts
    below = density[j, i] * (1.0 - a) + density[j, i + 1] * a
    above = density[j + 1, i] * (1.0 - a) + density[j + 1, i + 1] * a
    return np.asarray(below * (1.0 - b) + above * b)


# -- tables ---------------------------------------------------------------------------------------


def chosen_parameters(known: Sequence[Drawn], wanted: Sequence[str]) -> list[Drawn]:
    """Those of some kinds or names: ``sd``, ``sigma``, ``beta Days`` or ``Days``, in their order.

    Raises ModelError if there is no such parameter.
    """
    chosen: list[Drawn] = []
    for name in wanted:
        found = [p for p in known if name in (p.key[0], label_of(p.key))]
        found = found or [p for p in known if p.key[0] == "beta" and p.key[2] == name]
        if not found:
            names = [*dict.fromkeys(p.key[0] for p in known), *(label_of(p.key) for p in known)]
            near = [*names, *(str(p.key[2]) for p in known if p.key[0] == "beta")]
            raise ModelError(
                f"There is no parameter {name!r} among the draws.{suggest(name, near)} "
                f"Known are: {', '.join(repr(n) for n in names)}."
            )
        chosen += [p for p in found if p not in chosen]
    return chosen


def regions_of(
    known: Sequence[Drawn],
    wanted: Sequence[str] | None = None,
    levels: Sequence[float] = REGION_LEVELS,
) -> dict[str, pd.DataFrame]:
    """Give the tables ``bootstrap_pairs`` and ``bootstrap_regions`` of some draws.

    ``known``: the draws of every parameter. ``wanted``: all pairs of these, in their order; by
    default the 20 pairs of all parameters that depend on each other most, by Spearman's correlation
    of the draws. Draws at an end of a range are counted and in no region: regions hold shares of
    the others. Raises ModelError if there is no such parameter, or only one.
    """
    known = [p for p in known if p.known.any()]
    chosen = known if wanted is None else chosen_parameters(known, wanted)
    if wanted is not None and len(chosen) < 2:
        raise ModelError(
            "A pair is of two parameters: name two at least, not "
            f"{', '.join(repr(label_of(p.key)) for p in chosen)}."
        )
    chosen = [p for p in chosen if math.isfinite(p.estimate)]
    pairs = list(combinations(chosen, 2))
    dependence = [_rank_correlation(x.values, y.values) for x, y in pairs]
    if wanted is None:
        order = np.argsort(
            [-abs(r) if math.isfinite(r) else 0.0 for r in dependence], kind="stable"
        )
        kept = order[:MOST_PAIRS].tolist()
        pairs, dependence = [pairs[i] for i in kept], [dependence[i] for i in kept]
    rows, frames = [], []
    for (x, y), correlation in zip(pairs, dependence, strict=True):
        head = _head(x.key, y.key)
        both = x.known & y.known
        inside = x.inside & y.inside
        count = int(inside.sum())
        has_regions = count >= FEWEST and _is_spread(x.values[inside], y.values[inside])
        rows.append(
            {
                **head,
                "correlation": correlation,
                "draws": int(both.sum()),
                "inside": count,
                "x_estimate": x.estimate,
                "y_estimate": y.estimate,
                "at_x_low": int((both & x.at_low).sum()),
                "at_x_high": int((both & x.at_high).sum()),
                "at_y_low": int((both & y.at_low).sum()),
                "at_y_high": int((both & y.at_high).sum()),
            }
        )
        if has_regions:
            density = PlaneDensity.of(x, y, inside)
            frames += list(_outlines(head, density, levels))
    columns = [*_head(("", None, None, None), ("", None, None, None)), *_NUMBERS]
    regions = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return {
        "bootstrap_pairs": pd.DataFrame(rows, columns=[*columns[:8], *_COUNTS]),
        "bootstrap_regions": regions,
    }


_NUMBERS: Final = ("level", "line", "vertex", "x", "y")
_COUNTS: Final = (
    "correlation", "draws", "inside", "x_estimate", "y_estimate",
    "at_x_low", "at_x_high", "at_y_low", "at_y_high",
)  # fmt: skip


def _head(x: Key, y: Key) -> dict[str, str | None]:
    named = {f"x_{name}": part for name, part in zip(KEY, x, strict=True)}
    return named | {f"y_{name}": part for name, part in zip(KEY, y, strict=True)}


def _outlines(
    head: dict[str, str | None], density: PlaneDensity, levels: Sequence[float]
) -> Iterator[pd.DataFrame]:
    """Lines about the regions; a region that reaches an end of a range is open there."""
    import contourpy

    generator = contourpy.contour_generator(
        density.x, density.y, density.density, line_type="Separate"
    )
    # Chords cut off what a line bends around: so near that regions hold what they say.
    extent = 0.2 * np.array([np.ptp(density.x), np.ptp(density.y)])
    for level in sorted(levels):
        for number, line in enumerate(generator.lines(density.level(level))):
            points = simplified(np.asarray(line, dtype=float), extent)
            yield pd.DataFrame(
                {
                    **{name: [part] * len(points) for name, part in head.items()},
                    "level": level,
                    "line": np.int32(number),
                    "vertex": np.arange(len(points), dtype=np.int32),
                    "x": points[:, 0],
                    "y": points[:, 1],
                }
            )


def _is_spread(x: Floats, y: Floats) -> bool:
    """Whether points do not lie on one line, where they have no density."""
    both = np.asarray(np.cov(np.array([x, y])))
    scale = both[0, 0] * both[1, 1]
    return bool(scale > 0.0 and np.linalg.det(both) > 1e-9 * scale)


def _rank_correlation(x: Floats, y: Floats) -> float:
    """Spearman's, of draws that have both."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 3:
        return math.nan
    ranks = [pd.Series(v[both]).rank().to_numpy() for v in (x, y)]
    if min(float(r.std()) for r in ranks) == 0.0:
        return math.nan
    return float(np.asarray(np.corrcoef(np.array(ranks)))[0, 1])
