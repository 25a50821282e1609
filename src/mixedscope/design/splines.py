"""Splines of one column, as R's package ``splines`` makes them: ``bs`` and ``ns``.

B-splines by the recursion of de Boor (1978, A Practical Guide to Splines, ch. X), natural cubic
splines as those B-splines whose second derivatives vanish at both boundary knots. The knots come
from the rows a model is made from. Beyond the boundary knots B-splines go on as the polynomials of
their last pieces, natural splines as straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError
from mixedscope.design.settings import Settings
from mixedscope.formula.tree import Call, Node

__all__ = [
    "BSplines",
    "NaturalSplines",
    "SplineSettings",
    "learn_bsplines",
    "learn_natural",
    "read_bs",
    "read_ns",
]

Floats = NDArray[np.float64]

#: Most columns of a spline.
_MOST: Final = 100


@dataclass(frozen=True)
class SplineSettings:
    """What is said of a spline.

    Attributes
    ----------
    df : int or None
        Number of columns; with `knots` it follows from them.
    knots : tuple of float or None
        Inner knots; by default quantiles at equal steps.
    degree : int
    boundary : tuple of float or None
        Both boundary knots; by default the range of the column.
    intercept : bool
        Whether a constant is in the span of the columns.
    """

    df: int | None
    knots: tuple[float, ...] | None
    degree: int
    boundary: tuple[float, ...] | None
    intercept: bool


@dataclass(frozen=True)
class BSplines:
    """All knots (with the boundary knots repeated), the degree, and columns that are left out."""

    knots: Floats
    degree: int
    skipped: int

    def columns(self, x: Floats) -> Floats:
        """B-splines (m, k) of values (m,)."""
        return _bsplines(self.knots, self.degree, x)[:, self.skipped :]


@dataclass(frozen=True)
class NaturalSplines:
    """All knots of the cubic B-splines, and the combinations (b, k) of these that are natural."""

    knots: Floats
    combinations: Floats

    def columns(self, x: Floats) -> Floats:
        """Natural cubic splines (m, k) of values (m,)."""
        low, high = float(self.knots[0]), float(self.knots[-1])
        inside = np.minimum(np.maximum(x, low), high)
        basis = _bsplines(self.knots, 3, inside)
        slopes = _slopes(self.knots, np.array([low, high]))
        basis += (x - inside)[:, None] * np.where((x < low)[:, None], slopes[0], slopes[1])
        return np.ascontiguousarray(basis @ self.combinations)


def read_bs(text: str, node: Call) -> tuple[Node, SplineSettings]:
    """Read a call of ``bs``; raises FormulaError."""
    names = ("df", "knots", "degree", "intercept", "Boundary.knots")
    settings = Settings(text, node, names)
    degree = settings.whole("degree", 1, 10, 3)
    assert degree is not None
    return node.arguments[0], _said(settings, degree)


def read_ns(text: str, node: Call) -> tuple[Node, SplineSettings]:
    """Read a call of ``ns``; raises FormulaError."""
    settings = Settings(text, node, ("df", "knots", "intercept", "Boundary.knots"))
    return node.arguments[0], _said(settings, 3)


def _said(settings: Settings, degree: int) -> SplineSettings:
    node = settings.node
    knots, boundary = settings.numbers("knots"), settings.numbers("Boundary.knots")
    df = settings.whole("df", 1, _MOST)
    if df is not None and knots is not None:
        settings.fail(node, f"{node.function}() takes either df or knots, and not both.")
    if boundary is not None and (len(boundary) != 2 or boundary[0] >= boundary[1]):
        settings.fail(node, "Boundary.knots are two numbers, the lower first.")
    return SplineSettings(df, knots, degree, boundary, settings.truth("intercept"))


def learn_bsplines(x: Floats, said: SplineSettings, call: str) -> BSplines:
    """Place the knots of ``bs`` by the values (n,) of a column; raises DataError."""
    least = said.degree + said.intercept
    inner, boundary = _knots(x, said, least, call)
    ends = np.repeat(boundary, said.degree + 1)
    return BSplines(np.sort(np.concatenate([ends, inner])), said.degree, 1 - said.intercept)


def learn_natural(x: Floats, said: SplineSettings, call: str) -> NaturalSplines:
    """Place the knots of ``ns`` by the values (n,) of a column; raises DataError."""
    inner, boundary = _knots(x, said, 1 + said.intercept, call)
    knots = np.sort(np.concatenate([np.repeat(boundary, 4), inner]))
    skipped = 1 - said.intercept
    curved = _curvatures(knots, boundary)[:, skipped:]
    null = np.linalg.qr(curved.T, mode="complete")[0][:, 2:]
    return NaturalSplines(knots, np.concatenate([np.zeros((skipped, null.shape[1])), null]))


def _knots(x: Floats, said: SplineSettings, least: int, call: str) -> tuple[Floats, Floats]:
    """Inner knots and boundary knots; `least` columns there are without inner ones."""
    boundary = np.array([x.min(), x.max()] if said.boundary is None else said.boundary)
    if boundary[0] == boundary[1]:
        raise DataError(f"{call}: the column is constant, {boundary[0]:g}.")
    if said.knots is not None:
        inner = np.array(said.knots)
        outside = inner[(inner <= boundary[0]) | (inner >= boundary[1])]
        if len(outside):
            raise DataError(
                f"{call}: the knot {outside[0]:g} is not between the boundary knots, "
                f"{boundary[0]:g} and {boundary[1]:g}."
            )
        return np.sort(inner), boundary
    df = least if said.df is None else said.df
    if df < least:
        raise DataError(f"{call}: df must be {least} or more, not {df}.")
    between = x[(x >= boundary[0]) & (x <= boundary[1])]
    if not len(between):
        raise DataError(f"{call}: no value lies between the boundary knots.")
    inner = np.quantile(between, np.linspace(0.0, 1.0, df - least + 2)[1:-1])
    away = inner[(inner <= boundary[0]) | (inner >= boundary[1])]
    if len(away):
        raise DataError(
            f"{call}: a quantile of the column, {away[0]:g}, is one of its ends: so many values "
            "are equal that a knot has no place. Use a smaller df, or state the knots."
        )
    return inner, boundary


def _pieces(knots: Floats, degree: int, x: Floats) -> NDArray[np.intp]:
    """The knot before each value; beyond the ends that of the last piece there."""
    place = np.searchsorted(knots, x, side="right") - 1
    return np.minimum(np.maximum(place, degree), len(knots) - degree - 2)


def _bsplines(knots: Floats, degree: int, x: Floats) -> Floats:
    """All B-splines (m, b) of values (m,), of the pieces continued beyond the ends."""
    place = _pieces(knots, degree, x)
    local = np.zeros((degree + 1, len(x)))
    local[0] = 1.0
    for k in range(1, degree + 1):
        carried = np.zeros(len(x))
        for r in range(k):
            right, left = knots[place + r + 1], knots[place + 1 - k + r]
            share = local[r] / (right - left)
            local[r] = carried + (right - x) * share
            carried = (x - left) * share
        local[k] = carried
    out = np.zeros((len(x), len(knots) - degree - 1))
    rows = np.arange(len(x))
    for r in range(degree + 1):
        out[rows, place - degree + r] = local[r]
    return out


def _derived(knots: Floats, degree: int, lower: Floats) -> Floats:
    """Derivatives (m, b) of B-splines, from those (or derivatives) of one degree less (m, b + 1).

    `lower` are of the knots as they are: the first and the last of them are zero.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        spans = degree / (knots[degree:] - knots[:-degree])
    spans[~np.isfinite(spans)] = 0.0
    weighted = lower * spans
    return weighted[:, :-1] - weighted[:, 1:]


def _slopes(knots: Floats, at: Floats) -> Floats:
    """First derivatives (m, b) of cubic B-splines."""
    return _derived(knots, 3, _widened(knots, 2, at))


def _curvatures(knots: Floats, at: Floats) -> Floats:
    """Second derivatives (m, b) of cubic B-splines."""
    return _derived(knots, 3, _derived(knots, 2, _widened(knots, 1, at)))


def _widened(knots: Floats, degree: int, at: Floats) -> Floats:
    """B-splines (m, b) of a lower degree on knots with the ends of a cubic spline."""
    extra = 3 - degree
    inner = _bsplines(knots[extra : len(knots) - extra], degree, at)
    return np.pad(inner, ((0, 0), (extra, extra)))
