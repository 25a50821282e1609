"""The lines and points of groups: what the fit makes of its rows, and where lines are drawn.

A row of a group at other values than its own is where its lines are drawn: covariates that no group
has several values of stay the group's own, others are held at one value for all. A point is the
group's mixed line at the row's covariate plus the row's residual: the response itself, where
nothing else is in the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.design.design import Design, RandomDesign
from mixedscope.design.frame import factorize, is_numeric
from mixedscope.design.other_rows import WantedTerms, other_rows
from mixedscope.formula.expressions import label_of
from mixedscope.formula.parse import Term
from mixedscope.formula.tree import names_in, unparse
from mixedscope.inference.estimates.references import own_least_squares
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["Drawn", "Parts"]

Floats = NDArray[np.float64]

#: Places of a curved line, and rows of a level that are kept.
_PLACES: Final = 41
_ROWS: Final = 120


class Parts:
    """What the fit makes of its rows, and least squares of each group's own.

    The own least squares of a factor are those of what fixed effects and the other factors leave.

    Attributes
    ----------
    design : Design
    beta : (r,) array
    kept : (r,) array of int
        Columns of X that these belong to.
    modes, own : list of (q, k) arrays
        Conditional modes, and what each level says by itself, per grouping factor.
    pulls : list of (q,) arrays
        Root mean square gap between the lines of both over the rows of a level.
    residual : (n,) array
    """

    @property
    def drawn(self) -> type[Drawn]:
        """What draws lines and points of it."""
        return Drawn

    def own_part(self, position: int, z: Floats, codes: NDArray[np.intp]) -> Floats:
        """What a level by itself adds to the line at columns z (m, k)."""
        return np.asarray(np.einsum("ij,ij->i", z, self.own[position][codes]))

    def told_own(self, position: int) -> Floats:
        """What each level says by itself (q, k)."""
        return np.asarray(self.own[position])

    def mean(self, line: Floats) -> Floats:
        """The line in units of the response."""
        return line

    def __init__(self, fit: StudiedFit) -> None:
        system = fit.objective.system
        self.design = system.design
        self.beta = fit.objective.evaluate(fit.theta).beta
        self.kept = system.kept
        self.modes = system.modes()
        effects = [
            np.einsum("ij,ij->i", r.Z, b[r.codes])
            for r, b in zip(self.design.random, self.modes, strict=True)
        ]
        left = self.design.y - system.fixed_columns @ self.beta
        self.residual = left - sum(effects)
        self.own, self.pulls = [], []
        for position, random in enumerate(self.design.random):
            own = own_least_squares(system, position, self.residual + effects[position])
            gap = np.einsum("ij,ij->i", random.Z, (own - self.modes[position])[random.codes])
            squares = np.bincount(random.codes, gap**2, len(random.levels))
            self.own.append(own)
            self.pulls.append(np.sqrt(squares / np.bincount(random.codes)))


@dataclass(frozen=True)
class _Held:
    """Values of variables beside the one that is drawn along.

    Attributes
    ----------
    fixed : dict
        The value of each that varies within levels.
    own : tuple of str
        Those that do not: they stay the level's own.
    """

    fixed: dict[str, Any]
    own: tuple[str, ...]

    def told(self) -> str | None:
        """The values in words."""
        parts = [
            f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {label_of(value)}"
            for name, value in self.fixed.items()
        ]
        return ", ".join(parts) or None


class Drawn:
    """The lines and points of some levels of one factor."""

    def __init__(
        self,
        parts: Parts,
        frame: pd.DataFrame,
        position: int,
        x: str | Sequence[str] | None,
        levels: Sequence[str],
    ) -> None:
        self._parts, self._frame, self._position = parts, frame, position
        self._random = parts.design.random[position]
        self._levels = levels
        self._codes = np.array([self._random.levels.index(level) for level in levels], dtype=int)
        self._variables = _variables(parts.design, position)
        self._x, self._is_number = _along(parts.design, position, frame, self._variables, x)
        self._held = _held(frame, self._random, [n for n in self._variables if n != self._x])

    def axis(self) -> dict[str, Any]:
        """What runs to the right, and what is held at which value."""
        design, random = self._parts.design, self._random
        pull = self._parts.pulls[self._position]
        kind = "order" if self._x is None else "numeric" if self._is_number else "categorical"
        others = [r.group for r in design.random if r is not random]
        return {
            "group": random.group,
            "variable": self._x,
            "kind": kind,
            "varies": self._x is not None
            and self._x in {n for t in _random_terms(design, self._position) for n in _names(t)}
            and len(random.names) > 1,
            "held": self._held.told(),
            "own_values": ", ".join(self._held.own) or None,
            "others": ", ".join(others) or None,
            "offset": design.offset is not None,
            "levels": len(random.levels),
            "told": int(np.isfinite(pull).sum()),
            "median_pull": float(np.nanmedian(pull)) if np.isfinite(pull).any() else np.nan,
        }

    def lines(self) -> pd.DataFrame:
        """The three lines of every level: two places each if they are straight."""
        shared = self._places()
        first = pd.Series(self._random.codes).drop_duplicates().sort_values()
        rows = first.index.to_numpy()[self._codes]  # a row of each level, for what is its own
        at = np.repeat(rows, len(shared))
        level = np.repeat(self._codes, len(shared))
        values = np.tile(np.arange(len(shared)), len(rows))
        mixed, population, own = self._predict(at, level, shared[values])
        table = pd.DataFrame(
            {
                "group": self._random.group,
                "level": np.repeat(np.asarray(self._levels, dtype=object), len(shared)),
                **self._coordinate(shared[values]),
                "own": own,
                "mixed": mixed,
                "population": population,
            }
        )
        if self._x is None or not self._is_number:
            return table
        straight = all(
            _is_straight(line.reshape(-1, len(shared))) for line in (mixed, population, own)
        )
        ends = np.isin(values, (0, len(shared) - 1))
        return table[ends].reset_index(drop=True) if straight else table

    def points(self) -> pd.DataFrame:
        """Observations of every level, each as its mixed line plus its residual."""
        parts, random = self._parts, self._random
        place = np.full(len(random.levels), -1)
        place[self._codes] = np.arange(len(self._codes))
        rows = np.flatnonzero(place[random.codes] >= 0)
        rows = self._thinned(rows)
        number = pd.Series(random.codes[rows]).groupby(random.codes[rows]).cumcount().to_numpy()
        given = number + 1.0 if self._x is None else self._frame[self._x].to_numpy()[rows]
        is_plain = not self._held.fixed and len(parts.design.random) == 1
        if is_plain:
            y = parts.design.y[rows]
        else:
            y = self._predict(rows, random.codes[rows], given)[0] + parts.residual[rows]
        return pd.DataFrame(
            {
                "group": random.group,
                "level": np.asarray(random.levels, dtype=object)[random.codes[rows]],
                "row": parts.design.rows[rows],
                **self._coordinate(given),
                "y": y,
            }
        )

    def _thinned(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Of levels of many rows some, evenly spaced in the order of the data."""
        codes = self._random.codes
        number = pd.Series(codes[rows]).groupby(codes[rows]).cumcount().to_numpy()
        size = np.bincount(codes, minlength=len(self._random.levels))[codes[rows]]
        kept = np.minimum(size, _ROWS)
        return np.asarray(rows[(number + 1) * kept // size > number * kept // size])

    def _places(self) -> NDArray[Any]:
        """Values of the variable at which lines are worked out."""
        if self._x is None:
            longest = int(np.bincount(self._random.codes)[self._codes].max())
            return np.array([1.0, float(max(min(longest, _ROWS), 2))])
        column = self._frame[self._x]
        if self._is_number:
            values = column.to_numpy(dtype=float)
            return np.linspace(values.min(), values.max(), _PLACES)
        return _values_of(column)

    def _coordinate(self, values: NDArray[Any]) -> dict[str, Any]:
        if self._x is None or self._is_number:
            none = pd.Series([None] * len(values), dtype=object)
            return {"x": np.asarray(values, dtype=float), "category": none}
        return {"x": np.nan, "category": np.array([label_of(v) for v in values], dtype=object)}

    def _predict(
        self, rows: NDArray[np.intp], codes: NDArray[np.intp], values: NDArray[Any]
    ) -> tuple[Floats, Floats, Floats]:
        """Mixed, population and own lines: of levels, where the variable has some values.

        ``rows``: rows of the data that what is a level's own is taken from.
        """
        parts, frame = self._parts, self._frame
        used = dict.fromkeys((*self._variables, *_offset_variables(parts.design)))
        table = {name: frame[name].iloc[rows].reset_index(drop=True) for name in used}
        given = {**self._held.fixed, **({} if self._x is None else {self._x: values})}
        for name, value in given.items():
            table[name] = _as_in(frame[name], value, len(rows))
        wanted = WantedTerms(self._position, tuple(range(len(self._random.names))))
        offset = np.zeros(len(rows)) if parts.design.offset is not None else None
        data = pd.DataFrame(table, index=pd.RangeIndex(len(rows)))
        if not used:
            data["."] = 0.0
        made = other_rows(parts.design, data, drawn=[wanted], offset=offset, what="panels")
        z = made.drawn[0].Z
        population = made.X[:, parts.kept] @ parts.beta
        of_modes = np.einsum("ij,ij->i", z, parts.modes[self._position][codes])
        of_own = parts.own_part(self._position, z, codes)
        mixed, own = population + of_modes, population + of_own
        return parts.mean(mixed), parts.mean(population), parts.mean(own)


def _is_straight(lines: Floats) -> bool:
    """Whether lines (m, places) at evenly spaced places are straight but for rounding."""
    share = np.linspace(0.0, 1.0, lines.shape[1])
    chord = lines[:, :1] + share * (lines[:, -1:] - lines[:, :1])
    size = np.nanmax(np.abs(lines), initial=0.0)
    return bool(np.nanmax(np.abs(lines - chord), initial=0.0) <= 1e-9 * max(size, 1e-300))


# -- variables -------------------------------------------------------------------------------------


def _names(term: Term) -> list[str]:
    return [used.name for node in term.factors for used in names_in(node)]


def _random_terms(design: Design, position: int) -> Iterator[Term]:
    """Terms as written of one factor; none where the structure leaves an intercept alone."""
    training = design.training
    assert training is not None
    group = frozenset(design.random[position].group.split(":"))
    if training.structure == "intercept":
        return
    for random in training.formula.random:
        if random.group == design.random[position].group or frozenset(random.factors) == group:
            yield from random.terms


def _variables(design: Design, position: int) -> list[str]:
    """Columns of the data in the fixed effects and in the effects of one factor."""
    assert design.training is not None
    terms = [*_random_terms(design, position), *design.training.formula.fixed.terms]
    return list(dict.fromkeys(name for term in terms for name in _names(term)))


def _offset_variables(design: Design) -> list[str]:
    assert design.training is not None
    return [u.name for node in design.training.formula.offsets for u in names_in(node)]


def _is_number(design: Design, frame: pd.DataFrame, name: str) -> bool:
    """Whether a column enters the model as a number anywhere."""
    assert design.training is not None
    formula = design.training.formula
    terms = [*formula.fixed.terms, *(t for r in formula.random for t in r.terms)]
    nodes = [n for t in terms for n in t.factors if any(u.name == name for u in names_in(n))]
    kinds = [design.variables.get(unparse(node), {}).get("kind") for node in nodes]
    return is_numeric(frame[name]) and any(kind != "categorical" for kind in kinds)


def _along(
    design: Design,
    position: int,
    frame: pd.DataFrame,
    variables: Sequence[str],
    x: str | Sequence[str] | None,
) -> tuple[str | None, bool]:
    """The variable that runs to the right, and whether it is a number."""
    if isinstance(x, str) and x not in variables:
        group = design.random[position].group
        raise ModelError(
            f"x: no effect of the model has {x!r} beside {group!r}.{suggest(x, variables)} "
            f"Known are: {', '.join(variables) or 'none'}."
        )
    asked = [x] if isinstance(x, str) else [name for name in x or () if name in variables]
    slopes = [name for term in _random_terms(design, position) for name in _names(term)]
    numbers = {name: _is_number(design, frame, name) for name in variables}
    codes = design.random[position].codes
    moving = [name for name in variables if not _is_constant(frame[name], codes)]
    ranked = [
        *asked,
        *(name for name in slopes if name in moving and numbers[name]),
        *(name for name in moving if numbers[name]),
        *moving,
    ]
    return (ranked[0], numbers[ranked[0]]) if ranked else (None, False)


def _held(frame: pd.DataFrame, random: RandomDesign, names: Sequence[str]) -> _Held:
    """Values of the other variables: the level's own where it has one, else mean or commonest."""
    fixed: dict[str, Any] = {}
    own = []
    for name in names:
        column = frame[name]
        if _is_constant(column, random.codes):
            own.append(name)
        elif is_numeric(column) and not pd.api.types.is_bool_dtype(column.dtype):
            fixed[name] = float(column.to_numpy(dtype=float).mean())
        else:
            fixed[name] = column.value_counts(sort=True).index[0]
    return _Held(fixed, tuple(own))


def _is_constant(column: pd.Series, codes: NDArray[np.int64]) -> bool:
    """Whether a column has one value within every level."""
    values = column.to_numpy(dtype=float) if is_numeric(column) else factorize(column).codes
    grouped = pd.Series(values).groupby(codes)
    return bool((grouped.min() == grouped.max()).all())


def _values_of(column: pd.Series) -> NDArray[Any]:
    """Values of a categorical variable that occur, in the order of its levels."""
    found = factorize(column)
    by_label = {label_of(value): value for value in column.unique().tolist()}
    out = np.empty(len(found.levels), dtype=object)
    out[:] = [by_label[level] for level in found.levels]
    return out


def _as_in(column: pd.Series, value: Any, count: int) -> pd.Series:
    """A value, or some, as a column of the same type."""
    values = np.empty(count, dtype=object)
    values[:] = value
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical(values.tolist(), dtype=column.dtype))
    if is_numeric(column) and not pd.api.types.is_bool_dtype(column.dtype):
        return pd.Series(values.astype(float))
    return pd.Series(values.tolist(), dtype=column.dtype)
