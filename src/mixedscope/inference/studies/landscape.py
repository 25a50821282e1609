"""The landscape that an optimiser moved in: the objective around its path, in planes and curves.

For pairs of parameters the gap (objective minus that of the fit) is computed on a grid that
covers the path of the best points and the likelihood region around the optimum; the parameters
that are not shown stay at the optimum, or are optimised anew at every point.  For a model of one
parameter it is a curve.

The size of the grid follows from a number of operations allowed and the structure of the model,
never from a clock: the same input gives the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.studies.contours import outlines, refine
from mixedscope.inference.studies.coordinates import MEASURED, Coordinate, Coordinates, coordinates
from mixedscope.inference.studies.plane import Plane
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.inference.studies.surface import Surface

__all__ = ["CURVE_LEVELS", "LEVELS", "OPERATIONS", "landscape_study"]

Floats = NDArray[np.float64]

#: Gaps of the contours of two parameters. 5.99 bounds a region of 95 % (chi-squared of two
#: degrees of freedom), 0.1 is a difference that no inference notices.
LEVELS: Final = (0.1, 1.0, 5.99, 20.0, 100.0, 1000.0, 10000.0)

#: The same for one parameter: 3.84 bounds an interval of 95 %.
CURVE_LEVELS: Final = (3.84,)

#: Floating-point operations for all grids of a study, about 15 s on one core; the smallest grids
#: are computed whatever they take.
OPERATIONS: Final = 2.5e11

#: Points per axis of a plane, and of a curve: at least and at most.
_PER_AXIS: Final = (15, 31)
_ON_CURVE: Final = (41, 241)

#: Evaluations that a point of a profile takes, gradients counted as three.
_PROFILE_EVALUATIONS: Final = 80.0

#: The region that every panel covers: gap up to here.
_REGION: Final = 10.0

#: A diagonal of theta is shown down to its bound, and this share beyond, unless the panel begins
#: above this share of its upper end.
_BEYOND: Final = 0.12
_ZOOM: Final = 0.5

#: Kinds of axes on which the objective is smooth beyond bounds, and the same on either side.
_AS_SEARCHED: Final = ("theta", "beta", "dispersion")

#: Points of a grid are about evenly spread within this part of the region around the optimum.
_EVEN: Final = 0.7

_POINT_COLUMNS: Final = ("panel", "kind", "evaluation", "stage", "x", "y", "gap", "improved")


@door()
def landscape_study(
    fit: StudiedFit,
    *,
    scale: Literal["theta", "sd"] = "theta",
    others: Literal["optimum", "profiled"] = "optimum",
    pairs: Sequence[Sequence[str]] | None = None,
    parameters: int = 4,
    window: Literal["path", "optimum"] = "path",
) -> dict[str, pd.DataFrame]:
    """Compute the objective around the path of an optimiser.

    Parameters
    ----------
    fit : StudiedFit
    scale : {"theta", "sd"}
        Relative covariance parameters, or standard deviations and correlations, see
        `mixedscope.inference.studies.coordinates.coordinates`.
    others : {"optimum", "profiled"}
        Parameters not shown are as at the optimum, or optimised at every point.
    pairs : sequence of pairs of str, optional
        Names of parameters: of theta, of fixed effects and ``log(...)`` of the dispersion in
        generalised models, or such as ``Subject.Days`` (a standard deviation, or a
        loading) and ``Subject.(Intercept) ~ Days`` (a correlation). By default all pairs of the
        `parameters` that vary most along the path of the best points, in steps that mean the same
        for all.
    parameters : int
    window : {"path", "optimum"}
        Ranges cover the path of the best points and the region around the optimum, or that alone.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``landscape``, ``landscape_panels``, ``landscape_outlines``, ``landscape_points``.

    Raises
    ------
    ModelError
        If a pair is not of two parameters of the model.
    UnsuitedError
        If parameters of this model cannot be profiled on the scale ``"sd"``.
    """
    space = coordinates(fit.objective, fit.theta, scale)
    if others == "profiled" and len(space.axes) < len(fit.theta):
        raise UnsuitedError(
            "The correlations of an unstructured covariance of three columns and more cannot be "
            "profiled on the scale 'sd'; choose the scale 'theta', or others: optimum"
        )
    surface = Surface(fit.estimation, fit.theta, space)
    path = _path(fit, space)
    chosen = _pairs(space, path, pairs, parameters)
    shown = list(dict.fromkeys(i for pair in chosen for i in pair))
    covered = path.best if window == "path" else path.best[:0]
    spans = _spans(surface, space, covered, shown, chosen)
    cost = fit.estimation.cost()
    if others == "profiled" and len(fit.theta) > len(chosen[0]):
        cost *= _PROFILE_EVALUATIONS
    allowed = OPERATIONS / cost / len(chosen)
    grids, points, panels = [], [path.table(chosen)], []
    outline_rows: list[tuple[Any, ...]] = []
    for number, axes in enumerate(chosen, start=1):
        own = [spans[i] for i in axes]
        ticks = tuple(span.ticks(_points(axes, allowed)) for span in own)
        plane = Plane(surface, axes, ticks, profiled=others == "profiled")
        panel = _Panel(number, plane, own, space)
        grids.append(panel.grid())
        outline_rows.extend(panel.outlines())
        points.append(panel.special(surface))
        panels.append(panel.row(scale, others, surface) | {"asked": bool(pairs)})
    table = pd.concat(points, ignore_index=True)
    frame = _common_ranges(pd.DataFrame(panels))
    return {
        "landscape": pd.concat(grids, ignore_index=True),
        "landscape_panels": frame,
        "landscape_outlines": pd.DataFrame(
            outline_rows, columns=["panel", "kind", "level", "part", "vertex", "x", "y"]
        ),
        "landscape_points": table.assign(inside=_inside(table, frame)),
    }


# -- where the optimiser was ----------------------------------------------------------------------


class _Path:
    """Every successful evaluation of a trace in the coordinates of the landscape."""

    def __init__(
        self, estimation: Estimation, trace: pd.DataFrame, base: float, space: Coordinates
    ) -> None:
        ok = trace[(trace["status"] == "ok").to_numpy()]
        self.space = space
        self.evaluation = ok["evaluation"].to_numpy()
        self.stage = ok["stage"].to_numpy(dtype=object)
        self.sigma = estimation.scales(ok)
        self.gap = ok["objective"].to_numpy(dtype=float) - base
        self.improved = (ok["objective"] == ok["best"]).to_numpy()
        self.values = np.array([space.of_theta(point) for point in estimation.points(ok)])

    @property
    def best(self) -> Floats:
        """The best points so far, (points, m)."""
        return self.values[self.improved]

    def table(self, chosen: Sequence[tuple[int, ...]]) -> pd.DataFrame:
        parts = []
        for number, axes in enumerate(chosen, start=1):
            at = [self.space.axes[i].shown(self.values[:, i], self.sigma) for i in axes]
            part = {
                "panel": number,
                "kind": "evaluation",
                "evaluation": self.evaluation,
                "stage": self.stage,
                "x": at[0],
                "y": at[1] if len(at) == 2 else np.nan,
                "gap": self.gap,
                "improved": self.improved,
            }
            parts.append(pd.DataFrame(part))
        return pd.concat(parts, ignore_index=True)


def _path(fit: StudiedFit, space: Coordinates) -> _Path:
    fit.estimation.begin()
    base = fit.objective.evaluate(fit.theta).objective
    return _Path(fit.estimation, fit.trace, base, space)


# -- what is shown --------------------------------------------------------------------------------


def _pairs(
    space: Coordinates, path: _Path, pairs: Sequence[Sequence[str]] | None, parameters: int
) -> list[tuple[int, ...]]:
    """Positions of the coordinates of every panel: pairs, or the only one there is."""
    if len(space.axes) == 1:
        return [(0,)]
    if pairs:
        return [(space.position(first), space.position(second)) for first, second in pairs]
    # Rounded, so that what is equal in theory keeps the order of the formula.
    units = np.array([axis.unit for axis in space.axes])
    moved = np.round(np.ptp(np.nan_to_num(path.best), axis=0) / units, 9)
    most = np.sort(np.argsort(-moved, kind="stable")[:parameters])
    return [(int(i), int(j)) for i, j in combinations(most, 2)]


@dataclass(frozen=True)
class _Span:
    """Range of one coordinate, and how close together the points of its grid are.

    Attributes
    ----------
    low, high : float
        Ends of the panels.
    centre, width : float
        The optimum, and the part of the region around it within which points are about evenly
        spread; from there on distances grow with the distance from the optimum.
    """

    low: float
    high: float
    centre: float
    width: float

    def even(self, values: Floats) -> Floats:
        """Places of values on a scale on which the points of the grid are evenly spread."""
        return np.arcsinh((values - self.centre) / self.width)

    def values(self, places: Floats) -> Floats:
        """Give the values at places of that scale."""
        return self.centre + self.width * np.sinh(places)

    def ticks(self, n: int) -> Floats:
        """Give the n points of the grid, the optimum and the bound 0 among them."""
        ends = self.even(np.array([self.low, self.high]))
        ticks = self.values(np.linspace(ends[0], ends[1], n))
        ticks[[0, -1]] = self.low, self.high
        for special in (self.centre, 0.0):
            at = int(np.abs(self.even(ticks) - self.even(np.array(special))).argmin())
            if 0 < at < n - 1:
                ticks[at] = special
        return ticks


def _spans(
    surface: Surface,
    space: Coordinates,
    covered: Floats,
    shown: Sequence[int],
    chosen: Sequence[tuple[int, ...]],
) -> dict[int, _Span]:
    """Range of every coordinate that is shown.

    It covers the points given, (points, m), and the region of gap up to 10, as far as slices
    through the optimum show it: their ends, drawn out by what the correlation of two parameters
    adds.
    """
    reach = {i: surface.reach(i, _REGION) for i in shown}
    stretch = dict.fromkeys(shown, 1.0)
    for i, j in (pair for pair in chosen if len(pair) == 2):
        factor = 1.0 / np.sqrt(1.0 - surface.correlation(i, j, reach) ** 2)
        stretch[i], stretch[j] = max(stretch[i], factor), max(stretch[j], factor)
    spans = {}
    for i in shown:
        axis, centre = space.axes[i], float(surface.centre[i])
        near = (
            max(centre - reach[i][0] * stretch[i], axis.lower),
            min(centre + reach[i][1] * stretch[i], axis.upper),
        )
        values = covered[:, i]
        values = values[np.isfinite(values)]
        low = min(near[0], float(values.min(initial=centre)))
        high = max(near[1], float(values.max(initial=centre)))
        room = 0.04 * (high - low)
        low, high = max(low - room, axis.lower), min(high + room, axis.upper)
        if axis.lower == 0.0 and low < _ZOOM * high:
            # Beyond the bound of theta lies the mirror image; standard deviations end there.
            low = -_BEYOND * high if axis.kind == "theta" else 0.0
        width = _EVEN * max(near[1] - centre, centre - near[0], 1e-9 * axis.unit)
        spans[i] = _Span(low, high, centre, width)
    return spans


def _points(axes: tuple[int, ...], allowed: float) -> int:
    """Points per axis of a grid, from the evaluations allowed for it."""
    least, most = _PER_AXIS if len(axes) == 2 else _ON_CURVE
    return int(np.clip(allowed ** (1.0 / len(axes)), least, most))


# -- one panel ------------------------------------------------------------------------------------


class _Panel:
    """The grid of one panel, and what is read off it."""

    def __init__(
        self, number: int, plane: Plane, spans: Sequence[_Span], space: Coordinates
    ) -> None:
        self.number = number
        self.plane = plane
        self.spans = spans
        self.positions = plane.axes
        self.axes = [space.axes[i] for i in plane.axes]
        self.ticks = plane.ticks
        self.gap = plane.gap
        self.sigma = plane.sigma

    @property
    def is_plane(self) -> bool:
        return len(self.axes) == 2

    def grid(self) -> pd.DataFrame:
        x, y = self._shown(self.ticks[0], self.ticks[-1], self.sigma)
        columns = {"x": x.ravel(), "y": y.ravel(), "gap": self.gap.ravel()}
        sigma = np.nan if self.plane.is_generalized else self.sigma.ravel()
        return pd.DataFrame({"panel": self.number, **columns, "sigma": sigma})

    def _shown(self, x: Floats, y: Floats, sigma: Floats) -> tuple[Floats, Floats]:
        """Where the points of a grid are on the axes."""
        if not self.is_plane:
            return self.axes[0].shown(x, sigma), np.full(len(x), np.nan)
        across, up = np.meshgrid(x, y)
        return self.axes[0].shown(across, sigma), self.axes[1].shown(up, sigma)

    def outlines(self) -> Iterator[tuple[Any, ...]]:
        if not self.is_plane:
            for level in CURVE_LEVELS:
                at = self.axes[0].shown(*self.plane.crossings(level))
                for count, x in enumerate(np.sort(at).tolist(), start=1):
                    yield self.number, "line", level, count, 1, x, np.nan
            return
        across, up = (span.even(t) for span, t in zip(self.spans, self.ticks, strict=True))
        x, y, interpolate = refine(across, up, self.gap)
        x, y = self.spans[0].values(x), self.spans[1].values(y)
        gap = np.sinh(interpolate(np.arcsinh(self.gap)))
        sigma = np.exp(interpolate(np.log(self.sigma)))
        part: dict[tuple[str, float], int] = {}
        for outline in outlines(*self._shown(x, y, sigma), gap, LEVELS):
            key = outline.kind, outline.level
            part[key] = part.get(key, 0) + 1
            for vertex, (px, py) in enumerate(outline.points, start=1):
                yield self.number, *key, part[key], vertex, px, py

    def special(self, surface: Surface) -> pd.DataFrame:
        """The optimum, and the points where the gradient vanishes by symmetry alone."""
        sigma = np.array(surface.sigma)
        at = [
            float(axis.shown(surface.centre[[i]], sigma)[0])
            for axis, i in zip(self.axes, self.positions, strict=True)
        ]
        rows: list[tuple[str, float, float, float]] = [
            ("optimum", at[0], at[1] if self.is_plane else np.nan, 0.0)
        ]
        if all(axis.kind in _AS_SEARCHED for axis in self.axes):
            rows += self.plane.symmetric()
        kind, x, y, gap = zip(*rows, strict=True)
        frame = pd.DataFrame({"kind": kind, "x": x, "y": y, "gap": gap})
        frame = frame.assign(panel=self.number, evaluation=None, stage=None, improved=False)
        return frame[list(_POINT_COLUMNS)].astype({"evaluation": "Int32", "stage": object})

    def _shown_range(self, letter: str, axis: Coordinate, span: _Span) -> tuple[float, float]:
        """Ends of an axis: what the grid covers all along the other axis."""
        if axis.kind not in MEASURED:
            return span.low, span.high
        edges = self.sigma[..., [0, -1]] if letter == "x" else self.sigma[[0, -1]].T
        edges = edges.reshape(-1, 2)
        return float(np.nanmax(edges[:, 0] * span.low)), float(np.nanmin(edges[:, 1] * span.high))

    def row(self, scale: str, others: str, surface: Surface) -> dict[str, Any]:
        """Say what the panel shows."""
        out: dict[str, Any] = {"panel": self.number, "scale": scale, "others": others}
        for letter, axis, span in zip("xy", self.axes, self.spans, strict=False):
            low, high = self._shown_range(letter, axis, span)
            out |= {
                f"{letter}_kind": axis.kind,
                f"{letter}_group": axis.group,
                f"{letter}_name": axis.name,
                f"{letter}_low": low,
                f"{letter}_high": high,
                f"{letter}_bound": axis.lower if np.isfinite(axis.lower) else np.nan,
                f"n_{letter}": len(self.ticks["xy".index(letter)]),
            }
        if not self.is_plane:
            out |= dict.fromkeys(("y_kind", "y_group", "y_name"))
            out |= dict.fromkeys(("y_low", "y_high", "y_bound"), np.nan) | {"n_y": 1}
        return out | {"theta": surface.theta.copy()}


def _common_ranges(panels: pd.DataFrame) -> pd.DataFrame:
    """Give a parameter the same range in all its panels: what all of them cover."""
    sides = [
        panels[[f"{s}_group", f"{s}_name", f"{s}_low", f"{s}_high"]].set_axis(
            ["group", "name", "low", "high"], axis=1
        )
        for s in "xy"
    ]
    # Fixed effects belong to no grouping factor.
    both = pd.concat(sides).dropna(subset=["name", "low", "high"]).fillna({"group": ""})
    common = both.groupby(["group", "name"], sort=False).agg(
        low=("low", "max"), high=("high", "min")
    )
    ranges = dict(zip(common.index, common.to_numpy(dtype=float), strict=True))
    out = panels.copy()
    for s in "xy":
        keys = list(zip(out[f"{s}_group"].fillna(""), out[f"{s}_name"], strict=True))
        out[f"{s}_low"] = [ranges[k][0] if k in ranges else np.nan for k in keys]
        out[f"{s}_high"] = [ranges[k][1] if k in ranges else np.nan for k in keys]
    return out


def _inside(points: pd.DataFrame, panels: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether points lie within the ranges of their panels."""
    own = panels.set_index("panel").loc[points["panel"]].reset_index(drop=True)
    within = points["x"].between(own["x_low"], own["x_high"])
    return (
        within & (own["y_name"].isna() | points["y"].between(own["y_low"], own["y_high"]))
    ).to_numpy()
