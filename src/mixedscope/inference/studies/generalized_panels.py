"""Data of every group beside the means of its own, of the mixed model and of the population.

On the scale of the response: successes are shown as shares of the rows, or of the trials, of a
value or a bin of the variable; other responses row by row. Where the model has more than the
variable that is drawn along (other covariates, other factors, an offset) lines are means of the
predictions of the same rows, so that what lies beside each other differs in the line alone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.formula.expressions import label_of
from mixedscope.inference.estimates.own_likelihood import own_estimates
from mixedscope.inference.studies.panel_parts import Drawn, Parts
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["GeneralizedParts"]

Floats = NDArray[np.float64]

#: Values of a number up to which each is a place of its own; bins of more.
_VALUES: Final = 10
_BINS: Final = 6


class GeneralizedParts(Parts):
    """What the fit makes of its rows, and what each group says by itself.

    The estimates of a group by itself are maximum likelihood of its own rows, given fixed effects
    and the modes of the other factors; where they are infinite its line is where that leads, at a
    probability of 0 or 1, say.
    """

    def __init__(self, fit: StudiedFit) -> None:
        objective = fit.objective
        assert isinstance(objective, LaplaceObjective)
        system = objective.system
        self.design = system.design
        self.kept = system.kept
        self.link = system.family.link
        self.response = system.response
        self.is_share = system.family.name == "binomial"
        point = np.asarray(fit.theta, dtype=float)
        objective.reset()
        found = objective.modes_at(point)
        self.beta = objective.split(point)[1]
        self.eta = found.eta.copy()
        self.modes = [t.data_modes(b) for t, b in zip(system.terms, found.b, strict=True)]
        estimates = own_estimates(objective, point)
        self.own, self.ways, self.directions, self.pulls = [], [], [], []
        for position, random in enumerate(self.design.random):
            one = estimates[position]
            self.own.append(one.base)
            self.directions.append(one.direction)
            self.ways.append(one.way)
            gap = self.mean(self.own_line(position)) - self.mean(self.eta)
            squares = np.bincount(random.codes, gap**2, len(random.levels))
            self.pulls.append(np.sqrt(squares / np.bincount(random.codes)))
        self.residual = self.design.y - self.mean(self.eta)

    @property
    def drawn(self) -> type[Drawn]:
        """Shares and means in place of rows and straight lines."""
        return GeneralizedDrawn

    def own_part(self, position: int, z: Floats, codes: NDArray[np.intp]) -> Floats:
        """What a level by itself adds to the predictor; infinite where its estimate leads there."""
        # What a level does not tell matters where it is asked for.
        finite = np.where(z != 0.0, z * self.own[position][codes], 0.0).sum(axis=1)
        along = np.einsum("ij,ij->i", z, self.ways[position][codes])
        size = np.sqrt(np.einsum("ij,ij->i", z**2, self.ways[position][codes] ** 2))
        is_open = np.abs(along) > 1e-6 * np.where(size > 0.0, size, 1.0)
        return np.where(is_open & np.isfinite(finite), np.copysign(np.inf, along), finite)

    def told_own(self, position: int) -> Floats:
        """What each level says by itself (q, k), infinite where it is."""
        way = self.directions[position]
        finite = np.where(self.ways[position] == 0.0, self.own[position], np.nan)
        return np.where(way != 0.0, np.copysign(np.inf, way), finite)

    def own_line(self, position: int) -> Floats:
        """Predictors (n,) of the rows with what each level of a factor says by itself."""
        random = self.design.random[position]
        of_modes = np.einsum("ij,ij->i", random.Z, self.modes[position][random.codes])
        return self.eta - of_modes + self.own_part(position, random.Z, random.codes)

    def population_line(self, position: int) -> Floats:
        """Predictors (n,) of the rows without the effects of a factor."""
        random = self.design.random[position]
        return self.eta - np.einsum("ij,ij->i", random.Z, self.modes[position][random.codes])

    def mean(self, line: Floats) -> Floats:
        """The mean of a linear predictor."""
        with np.errstate(all="ignore"):
            return np.asarray(self.link.mean(line))


class GeneralizedDrawn(Drawn):
    """The lines and points of some levels of one factor, on the scale of the response."""

    _parts: GeneralizedParts

    @property
    def _is_averaged(self) -> bool:
        design = self._parts.design
        return bool(self._held.fixed) or len(design.random) > 1 or design.offset is not None

    def axis(self) -> dict[str, Any]:
        """What runs to the right, and how rows are put together."""
        found = super().axis()
        if self._is_averaged:
            found |= {"held": None, "others": None, "offset": False}
        return {**found, "averaged": self._is_averaged, "counted": self._parts.is_share}

    def lines(self) -> pd.DataFrame:
        """Curves through the link, or means of the predictions of the rows of a place."""
        if not self._is_averaged:
            return super().lines()
        parts, rows = self._parts, self._rows()
        table = pd.DataFrame(
            {
                **self._at(rows),
                "own": parts.mean(parts.own_line(self._position))[rows],
                "mixed": parts.mean(parts.eta)[rows],
                "population": parts.mean(parts.population_line(self._position))[rows],
                "weight": self._counts()[rows],
            }
        )
        names = ["own", "mixed", "population"]
        return self._put_together(table, names)

    def points(self) -> pd.DataFrame:
        """Shares of successes of every place, or the responses of the rows."""
        parts = self._parts
        rows = self._rows() if parts.is_share else self._some_rows()
        table = pd.DataFrame(
            {
                **self._at(rows),
                "y": parts.design.y[rows],
                "row": parts.design.rows[rows],
                "weight": self._counts()[rows],
            }
        )
        if parts.is_share:
            return self._put_together(table, ["y"])
        # Each where it is, and not in the middle of its place.
        if self._is_number:
            table["x"] = self._frame[self._x].to_numpy(dtype=float)[rows]
        table.insert(0, "group", self._random.group)
        return table.drop(columns="place").rename(columns={"weight": "n"})

    def _rows(self) -> NDArray[np.intp]:
        """Rows of the levels that are tabulated."""
        place = np.zeros(len(self._random.levels), dtype=bool)
        place[self._codes] = True
        return np.flatnonzero(place[self._random.codes])

    def _some_rows(self) -> NDArray[np.intp]:
        """The same, of levels of many rows some, evenly spaced."""
        return self._thinned(self._rows())

    def _counts(self) -> Floats:
        """What each row counts as: its trials, or its weight."""
        counts = self._parts.response.counts
        return np.ones(len(self._parts.design.y)) if counts is None else counts

    def _at(self, rows: NDArray[np.intp]) -> dict[str, Any]:
        """Level, place along the variable, and value there, of some rows."""
        codes = self._random.codes[rows]
        level = np.asarray(self._random.levels, dtype=object)[codes]
        if self._x is None:
            number = pd.Series(codes).groupby(codes).cumcount().to_numpy() + 1
            return {"level": level, "place": number, "x": number.astype(float), "category": None}
        column = self._frame[self._x]
        if not self._is_number:
            names = np.array([label_of(v) for v in column.to_numpy()[rows]], dtype=object)
            return {"level": level, "place": names, "x": np.nan, "category": names}
        values = column.to_numpy(dtype=float)
        known = np.unique(values)
        if len(known) <= _VALUES:
            place = np.searchsorted(known, values)
        else:
            ends = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
            place = np.searchsorted(ends, values, side="right")
        return {"level": level, "place": place[rows], "x": values[rows], "category": None}

    def _put_together(self, table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        """Means over the rows of every level and place, each counting as it does."""
        means = ["x", *names]
        weighted = table.assign(**{name: table[name] * table["weight"] for name in means})
        kept = {"category": "first", "weight": "sum", **dict.fromkeys(means, "sum")}
        if "row" in table:
            kept["row"] = "min"
        lost = table.isna()[means].assign(level=table["level"], place=table["place"])
        keys = ["level", "place"]
        order = self._order(table)
        found = weighted.groupby(keys, sort=False, dropna=False).agg(kept)
        missing = lost.groupby(keys, sort=False)[means].any()
        for name in means:
            found[name] = (found[name] / found["weight"]).where(~missing[name])
        found = found.reset_index()
        found = found.assign(at=found["place"].map(order), of=found["level"].map(self._places_of))
        found = found.sort_values(["of", "at"], kind="stable").reset_index(drop=True)
        found.insert(0, "group", self._random.group)
        return found.drop(columns=["place", "at", "of"]).rename(columns={"weight": "n"})

    @property
    def _places_of(self) -> dict[str, int]:
        return {level: i for i, level in enumerate(self._levels)}

    def _order(self, table: pd.DataFrame) -> dict[Any, int]:
        """Places in the order in which they are drawn: of numbers ascending, else of the levels."""
        known = table["place"].drop_duplicates().tolist()
        if self._x is None or self._is_number:
            return {place: i for i, place in enumerate(sorted(known))}
        return {label_of(value): i for i, value in enumerate(self._places().tolist())}
