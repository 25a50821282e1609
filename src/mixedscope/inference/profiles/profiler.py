"""The profiles of a fit: which parameters have one, their curves, and what holds along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.design.design import Design
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.estimates.parameters import sds_and_correlations
from mixedscope.inference.profiles.curve import Curve, together
from mixedscope.inference.profiles.marks import Mark
from mixedscope.inference.profiles.parameters import (
    KEY,
    Key,
    Parameter,
    Permuted,
    choose,
    label_of,
    parameters_of,
    values_of,
)
from mixedscope.inference.profiles.restriction import Base, Knot, Restriction

__all__ = ["NO_FIXED_EFFECTS", "Profiler", "quantile_of"]

Floats = NDArray[np.float64]

NO_FIXED_EFFECTS = (
    "the REML criterion is no function of the fixed effects: fit with reml=False to profile them"
)


def quantile_of(level: object) -> float:
    """|zeta| at the ends of an interval of this coverage.

    Raises ModelError if the level is no number between 0 and 1.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0.0 < level < 1.0:
        raise ModelError(f"level must be a number between 0 and 1, not {level!r}.")
    return NormalDist().inv_cdf(0.5 + level / 2.0)


class Profiler:
    """Follows the profiles of one fit, and keeps what it has found.

    Parameters
    ----------
    objective : SearchableObjective
        Of the criterion of the fit.
    theta : (k,) array
        Where the fit ended.
    estimates : DataFrame
        Its tidy parameters.

    Raises
    ------
    UnsuitedError
        If the fit has no optimum in sight: sigma vanishes, or a lower deviance is found.
    """

    def __init__(
        self, objective: SearchableObjective, theta: Floats, estimates: pd.DataFrame
    ) -> None:
        self.objective = objective
        self.theta = np.asarray(theta, dtype=float)
        self._estimates = estimates
        values = values_of(estimates)
        known = self._begin(values)
        self.fixed = [p for p in known if p.kind == "beta"]
        self.known = [p for p in known if p.kind != "beta" or not self._is_restricted]
        self.keys = list(values)
        self._bases: dict[tuple[object, ...], tuple[Base, object]] = {}
        self._restrictions: dict[str, Restriction] = {}
        # What is asked for must not depend on what was asked before: a curve for each request.
        self._curves: dict[tuple[str, tuple[float, ...]], Curve] = {}
        self._further: dict[tuple[str, tuple[float, ...], float], Curve] = {}

    def _begin(self, values: Mapping[Key, float]) -> list[Parameter]:
        """Look whether there is an optimum to start from, and which parameters have a profile."""
        objective = self.objective
        evaluation = objective.evaluate(self.theta)
        self._sigma = evaluation.sigma
        if objective.residual_state(self.theta, evaluation.objective) == "vanishing":
            raise UnsuitedError(
                "the objective does not rise while sigma vanishes: there is no optimum from which "
                "a profile could start"
            )
        knows_sigma = objective.system.design.sigma is not None
        return parameters_of(objective.system.terms, values, knows_sigma=knows_sigma)

    def _endless(self, parameter: Parameter) -> int:
        """On which side, -1 or 1, an estimate is at infinity; 0 where it is finite."""
        return 0

    @property
    def _is_restricted(self) -> bool:
        """Whether the criterion is REML, of which fixed effects have no profile."""
        return self.objective.reml

    def _base(self, objective: Any, theta: Floats, parameters: Sequence[Parameter]) -> Base:
        """The optimum, at theta (k,), in coordinates of which these parameters are some."""
        return Base.of(objective, theta, self._sigma)

    def _permuted(self, orders: dict[tuple[int, int], tuple[int, ...]]) -> Permuted:
        """The model with the columns of some parts of its terms in another order."""
        reml = self.objective.reml

        def make(design: Design) -> SearchableObjective:
            return SearchableObjective(ProfiledSystem(design), reml=reml)

        return Permuted(self.objective, orders, make)

    def _turned(self, parameters: Sequence[Parameter]) -> tuple[object, ...]:
        """Of what parameters a base has coordinates of its own, beside orders of columns."""
        return ()

    def __reduce__(self) -> tuple[type[Profiler], tuple[Any, ...]]:
        """Let a copy follow the profiles anew: what was found is bound to arrays of this one."""
        return type(self), (self.objective, self.theta, self._estimates)

    def parameters(self, wanted: Sequence[object] | None) -> list[Parameter]:
        """Those asked for, all by default.

        Raises ModelError if one is unknown, UnsuitedError for fixed effects under REML.
        """
        if wanted is None:
            return self.known
        if self._is_restricted:
            words = [w for p in self.fixed for w in (p.kind, p.label, p.key, p.key[2])]
            if any(one in words for one in wanted):
                raise UnsuitedError(NO_FIXED_EFFECTS)
        return choose(self.known, wanted)

    def base(self, parameters: Sequence[Parameter]) -> Base:
        """The optimum in coordinates of which all these are, for parameters that have some.

        Raises UnsuitedError if there are none: two correlations of four different columns.
        """
        orders: dict[tuple[int, int], tuple[int, ...]] = {}
        firsts: dict[tuple[int, int], set[int]] = {}
        for p in parameters:
            if p.kind != "correlation" or p.axis is None or len(p.axis.pairs) != 1:
                continue
            order = p.order or tuple(range(len(self._columns(p))))
            pair = {order[0], order[p.axis.pairs[0][1]]}
            at = p.term, p.part
            firsts[at] = firsts[at] & pair if at in firsts else pair
            if not firsts[at]:
                raise UnsuitedError(
                    "two correlations that share no column cannot be held at once: "
                    + " and ".join(repr(p.label) for p in parameters)
                )
        for (term, part), common in firsts.items():
            size = len(self.objective.system.terms[term].design.parts[part].columns)
            first = min(common)
            if first:
                rest = [c for c in range(size) if c != first]
                orders[term, part] = (first, *rest)
        key = (
            tuple((*at, order) for at, order in sorted(orders.items())),
            *self._turned(parameters),
        )
        if key not in self._bases:
            if orders:
                permuted = self._permuted(orders)
                base = self._base(permuted.objective, permuted.theta(self.theta), parameters)
                self._bases[key] = base, permuted
            else:
                self._bases[key] = self._base(self.objective, self.theta, parameters), None
        return self._bases[key][0]

    def _columns(self, parameter: Parameter) -> tuple[int, ...]:
        return self.objective.system.terms[parameter.term].design.parts[parameter.part].columns

    def restriction(self, parameters: Sequence[Parameter]) -> Restriction:
        """The least deviance as a function of these parameters."""
        base = self.base(parameters)
        return Restriction(base, tuple(self._placed(p, base) for p in parameters))

    def _placed(self, parameter: Parameter, base: Base) -> Parameter:
        """The parameter as a coordinate of a base, whose columns may stand in another order."""
        permuted = next(p for b, p in self._bases.values() if b is base)
        if parameter.kind not in ("sd", "correlation") or not isinstance(permuted, Permuted):
            return parameter
        own = permuted.objective.system.terms[parameter.term]
        part = own.design.parts[parameter.part]
        names = [own.names[c] for c in part.columns]
        structure = own.structures[parameter.part]
        _, _, first, second = parameter.key
        for place, axis in enumerate(structure.polar_axes):
            is_sd = parameter.kind == "sd" and any(names[c] == first for c in axis.columns)
            pairs = [{names[a], names[b]} for a, b, power in axis.pairs if power == 1]
            if is_sd or (parameter.kind == "correlation" and {first, second} in pairs):
                return Parameter(
                    parameter.key, parameter.estimate, parameter.order, parameter.term,
                    parameter.part, place, axis, parameter.ties,
                )  # fmt: skip
        raise AssertionError(f"{parameter.label} is no coordinate")

    def curve(self, parameter: Parameter, levels: tuple[float, ...]) -> Curve:
        """The profile of one parameter, followed to the ends of intervals of these coverages."""
        name = parameter.label
        if name not in self._restrictions:
            self._restrictions[name] = self.restriction([parameter])
        if (name, levels) not in self._curves:
            curve = self._curves[name, levels] = Curve(self._restrictions[name])
            curve.reach([quantile_of(level) for level in levels])
        return self._curves[name, levels]

    def further(self, parameter: Parameter, levels: tuple[float, ...], level: float) -> Curve:
        """The same, and from there to the ends of one more interval."""
        if level in levels:
            return self.curve(parameter, levels)
        key = parameter.label, levels, level
        if key not in self._further:
            curve = self.curve(parameter, levels)
            self._further[key] = curve.further([quantile_of(level)])
        return self._further[key]

    # -- what holds along a curve -----------------------------------------------------------------

    @property
    def labels(self) -> list[str]:
        """Names in words of all parameters, in the order of the table of estimates."""
        return [label_of(key) for key in self.keys]

    def conditional(self, restriction: Restriction, knots: Sequence[Knot]) -> Floats:
        """All parameters (points, parameters) where some are held, in the order of `labels`."""
        base = restriction.base
        permuted = next(p for b, p in self._bases.values() if b is base)
        found: dict[Key, Floats] = {}
        places = [k.point.theta for k in knots]
        sigma = np.exp([k.point.x[0] for k in knots])
        betas = np.array([k.fixed_effects() for k in knots])
        for j, name in enumerate(self.objective.beta_names):
            found["beta", None, name, None] = betas[:, j]
        found |= self._further_values(knots)
        terms = zip(self.objective.system.terms, base.objective.system.terms, strict=True)
        for i, (term, own) in enumerate(terms):
            factors = np.array([own.factor(theta[own.theta]) for theta in places])
            if isinstance(permuted, Permuted):
                rows = np.empty_like(factors)
                rows[:, permuted.columns[i]] = factors
                factors = rows
            for kind, first, second, values in sds_and_correlations(term, factors, sigma):
                found[kind, term.group, first, second] = values
        return np.column_stack([found[key] for key in self.keys])

    def _further_values(self, knots: Sequence[Knot]) -> dict[Key, Floats]:
        """Parameters (points,) that are neither fixed effects nor of a covariance."""
        return {("sigma", None, None, None): np.exp([k.point.x[0] for k in knots])}

    def points(
        self, parameters: Sequence[Parameter], levels: tuple[float, ...], more: Sequence[float]
    ) -> list[tuple[Curve, list[Mark]]]:
        """The points of profiles that were followed to some levels, and to more of them."""
        out = []
        for parameter in parameters:
            curves = [self.further(parameter, levels, level) for level in more]
            own = self.curve(parameter, levels)
            out.append((own, together([own, *curves])))
        return out

    def table(self, points: Sequence[tuple[Curve, Sequence[Mark]]]) -> pd.DataFrame:
        """The points of profiles: value, zeta, slope, then all parameters."""
        marks = [(c.parameter, m) for c, own in points for m in own]
        texts = {
            name: pd.Series([p.key[i] for p, _ in marks], dtype=object)
            for i, name in enumerate(KEY)
        }
        numbers = {
            "value": [p.value(m.place) for p, m in marks],
            "zeta": [m.zeta for _, m in marks],
            "slope": [_slope(p, m) for p, m in marks],
        }
        values = [self.conditional(c.restriction, [m.knot for m in own]) for c, own in points]
        every = dict(zip(self.labels, np.concatenate(values).T, strict=True))
        return pd.DataFrame({**texts, **numbers, **every})

    def ends(
        self, parameter: Parameter, level: float, levels: tuple[float, ...]
    ) -> tuple[float, float, str | None]:
        """Lower and upper end of an interval, and what is to be said of them.

        Of a profile followed to `levels`.
        """
        zeta = quantile_of(level)
        curve = self.further(parameter, levels, level)
        own = curve.parameter
        found, remarks = [], []
        for side in (-1, 1):
            mark = curve.end(side * zeta)
            if mark is not None:
                found.append(own.value(mark.place))
                if curve.returns(mark):
                    remarks.append("values further out are inside too")
                continue
            last = curve.marks[0 if side < 0 else -1]
            if side in curve.levelled:
                found.append(own.limits[0 if side < 0 else 1])
                rise = last.zeta**2
                how = f"rises by no more than {rise:.2g}" if rise > 1e-6 else "does not rise"
                remarks.append(
                    f"no {'lower' if side < 0 else 'upper'} end: the deviance {how}, however far "
                    "out"
                )
                continue
            if side == self._endless(own):
                found.append(own.limits[0 if side < 0 else 1])
                end = "lower" if side < 0 else "upper"
                remarks.append(f"no {end} end: the estimate is at infinity")
                continue
            if curve.ended[side] and side not in curve.failed and abs(last.zeta) < zeta:
                found.append(own.limits[0 if side < 0 else 1])
                is_zero = own.kind in ("sd", "sigma")
                remarks.append("0 is inside" if is_zero else "at the end of the range")
                continue
            found.append(np.nan)
            remarks.append(f"the {'lower' if side < 0 else 'upper'} end was not reached")
        return found[0], found[1], "; ".join(dict.fromkeys(remarks)) or None


def _slope(parameter: Parameter, mark: Mark) -> float:
    """Derivative of zeta by the parameter; missing at an end of the range of its coordinate."""
    rate = parameter.rate(mark.place)
    return mark.slope / rate if abs(rate) > 1e-12 else np.nan
