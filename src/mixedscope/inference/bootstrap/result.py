"""Draws of a parametric bootstrap: estimates, draw by draw, and what they were drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache, cached_property, partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.bootstrap.densities import densities_of
from mixedscope.inference.bootstrap.drawn import Drawn, Key
from mixedscope.inference.bootstrap.ends import check_interval, interval_ends
from mixedscope.inference.bootstrap.regions import REGION_LEVELS, regions_of
from mixedscope.inference.estimates.refit import Refits
from mixedscope.inference.intervals.columns import COLUMNS, HIDDEN, KNOWN, UNDETERMINED
from mixedscope.tables.late import LateTables

__all__ = ["Bootstrap", "Origin"]

Floats = NDArray[np.float64]

#: Columns of the stored table that are lists.
_LISTS = ("beta", "std_error", "theta", "sd", "correlation")
#: And those that are not.
_NUMBERS = ("draw", "objective", "sigma", "singular", "evaluations", "converged")
#: What its intervals add to the columns of all methods.
_ADDED = ("mean", "interval", "draws", "drawn_from", "remark")


@dataclass(frozen=True)
class Origin:
    """What draws are of: two of the same origin and number are the same.

    Attributes
    ----------
    seed : int
    criterion : str
    data : str
        Digest of the data whose model is fitted; empty if it is not known.
    beta_names, theta_names : tuple of str
    sd_names : tuple of (group, term)
    correlation_names : tuple of (group, term, term2)
    beta, theta : tuple of float
        Parameters that responses are drawn from.
    sigma : float
    sd, correlation : tuple of float
        What sigma and theta are.
    undetermined : tuple of (kind, group, term, term2)
        Parameters that the data do not determine.
    scale : str
        What the entry ``sigma`` is of generalised models: the dispersion of this name; nothing,
        where the family has none.
    """

    seed: int
    criterion: str
    data: str
    beta_names: tuple[str, ...]
    theta_names: tuple[str, ...]
    sd_names: tuple[tuple[str, str], ...]
    correlation_names: tuple[tuple[str, str, str], ...]
    beta: tuple[float, ...]
    sigma: float
    theta: tuple[float, ...]
    sd: tuple[float, ...]
    correlation: tuple[float, ...]
    undetermined: tuple[tuple[str | None, ...], ...] = ()
    scale: str = "sigma"

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Origin:
        """Read what is stored with a table; of numbers null is NaN."""
        known = {"scale": "sigma", **stored}
        return cls(**{own.name: _frozen(known[own.name]) for own in fields(cls)})

    @property
    def scale_key(self) -> Key | None:
        """Kind, group, term and second term of the entry ``sigma``; None if it is of nothing."""
        if self.scale == "sigma":
            return "sigma", None, None, None
        return ("dispersion", None, self.scale, None) if self.scale else None

    def difference(self, other: Origin) -> str | None:
        """Name the first thing in which two origins differ; None if there is none."""
        for own in fields(self):
            if repr(getattr(self, own.name)) != repr(getattr(other, own.name)):
                return own.name
        return None


def _frozen(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(_frozen(v) for v in value)
    return value


@dataclass(frozen=True)
class Bootstrap(Refits):
    """Estimates of a model for responses drawn from it, a row for each draw.

    Made by :meth:`mixedscope.Fit.parametric_bootstrap`.

    Attributes
    ----------
    theta_names, beta_names, objective, theta, beta, std_error, sigma, evaluations, converged
        As of :class:`mixedscope.inference.estimates.refit.Refits`; sigma and theta are NaN where
        the data do not determine them.
    origin : Origin
        What the draws are of: seed, parameters they were drawn from, names.
    draw : (m,) array of int
        Numbers of the draws, from 0.
    sd : (m, s) array
        Standard deviations of random effects, units of the response over those of the term.
    correlation : (m, c) array
        NaN where a standard deviation is zero.
    singular : (m,) array of bool
        Whether a covariance matrix of random effects is singular, as `Fit.singular`.
    info : mapping
        What ``fit.json`` holds of the fit.
    estimates : tuple of float or None
        What the fit that was drawn from estimates, in the order of the intervals; None of draws
        that were read without their fit.
    """

    origin: Origin
    draw: NDArray[np.int64]
    sd: Floats
    correlation: Floats
    singular: NDArray[np.bool_]
    info: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    estimates: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.draw)

    def __repr__(self) -> str:
        left_out = int((~self.used).sum())
        more = f", {left_out} not converged" if left_out else ""
        text = f"<Bootstrap of {len(self)} draws, {int(self.singular.sum())} singular{more}"
        missing = [" ".join(filter(None, key)) for key in self._unknown()]
        return f"{text}; {UNDETERMINED}: {', '.join(missing)}>" if missing else f"{text}>"

    @property
    def used(self) -> NDArray[np.bool_]:
        """Draws (m,) whose refit converged: those that count in intervals."""
        return self.converged & np.isfinite(self.objective)

    @property
    def table(self) -> pd.DataFrame:
        """One row per draw, one column per quantity.

        ``draw``, ``objective``, ``sigma`` (of a generalised model ``dispersion`` and its name,
        where there is one); then ``beta``, ``std_error``, ``sd``, ``correlation``
        and ``theta``, each followed by what it is of; ``singular``, ``evaluations`` and
        ``converged``. Numbers are in the units of the data.
        """
        columns: dict[str, Any] = {"draw": self.draw, "objective": self.objective}
        key = self.origin.scale_key
        if key is not None:
            columns[" ".join(filter(None, key))] = self.sigma
        names = {
            "beta": self.beta_names,
            "std_error": self.beta_names,
            "sd": tuple(" ".join(n) for n in self.origin.sd_names),
            "correlation": tuple(" ".join(n) for n in self.origin.correlation_names),
            "theta": self.theta_names,
        }
        for kind, own in names.items():
            values = getattr(self, kind)
            columns |= {f"{kind} {name}": values[:, j] for j, name in enumerate(own)}
        last = ("singular", "evaluations", "converged")
        return pd.DataFrame(columns | {name: getattr(self, name) for name in last})

    @cached_property
    def tables(self) -> LateTables:
        """The stored table ``bootstrap`` and what pictures show of it, by name."""
        tables = LateTables()
        tables.later("bootstrap", self.stored)
        for name, make in self.pictured().items():
            tables.later(name, make)
        return tables

    def pictured(
        self, level: float = 0.95, interval: str = "percentile"
    ) -> dict[str, Callable[[], pd.DataFrame]]:
        """Give what makes the tables that pictures of draws are made from, by name.

        ``level``, ``interval``: of the intervals, see :meth:`confint`; missing where there are too
        few draws for the level.
        """

        @cache
        def densities() -> dict[str, pd.DataFrame]:
            try:
                ends = self.confint(level, interval)
            except ModelError:
                check_interval(interval)
                ends = pd.DataFrame(columns=[*COLUMNS])
            used = self.used
            singular = int((self.singular & used).sum())
            return densities_of(
                self._drawn, ends, level=level, interval=interval, used=int(used.sum()),
                singular=singular,
            )  # fmt: skip

        regions = cache(self.regions)
        made: dict[str, Callable[[], pd.DataFrame]] = {}
        for make, names in ((densities, _DENSITIES), (regions, _REGIONS)):
            made |= {name: partial(_made, make, name) for name in names}
        return made

    @door()
    def regions(
        self,
        parameters: Sequence[str] | None = None,
        *,
        levels: Sequence[float] = REGION_LEVELS,
    ) -> dict[str, pd.DataFrame]:
        """Regions of pairs of parameters that hold shares of the draws.

        Parameters
        ----------
        parameters : sequence of str, optional
            All pairs of these: kinds (``beta``, ``sigma``, ``sd``, ``correlation``), names of fixed
            effects, or names such as ``sd Days | Subject``. By default the 20 pairs of all that
            depend on each other most, by Spearman's correlation.
        levels : sequence of float
            Shares of the draws inside the ranges that regions hold.

        Returns
        -------
        dict of str to pandas.DataFrame
            ``bootstrap_pairs``: a row for each pair, with its rank correlation and how many draws
            are at ends of ranges; ``bootstrap_regions``: lines about the regions, a row for each
            vertex (``docs/formats.md``).

        Raises
        ------
        ModelError
            If there is no such parameter, or only one is named, or a level is no number between 0
            and 1.
        """
        for level in levels:
            if not 0.0 < level < 1.0:
                raise ModelError(f"levels: a share is a number between 0 and 1, not {level!r}.")
        return regions_of(self._drawn, parameters, levels)

    @cached_property
    def _drawn(self) -> list[Drawn]:
        """The draws that count, of every parameter that the data determine."""
        return [
            Drawn(key, estimate, np.where(self.used, values, np.nan))
            for key, estimate, values in self._parameters()
            if key not in self.origin.undetermined
        ]

    @door()
    def confint(self, level: float = 0.95, interval: str = "percentile") -> pd.DataFrame:
        """Intervals of the parameters from the draws.

        Parameters
        ----------
        level : float
            Coverage, between 0 and 1.
        interval : {"percentile", "shortest", "basic", "normal"}
            ``percentile``: between quantiles of the draws, equally many beyond either end;
            ``shortest``: the shortest that holds so many draws (MixedModels.jl's); ``basic``:
            quantiles of the draws mirrored at the value drawn from; ``normal``: that value less the
            mean error of the draws, and so many of their standard deviations to each side. The last
            two may reach beyond what a parameter can be.

        Returns
        -------
        pandas.DataFrame
            ``kind`` (``beta``, ``sigma`` or ``dispersion``, ``sd``, ``correlation``), ``group``,
            ``term``, ``term2``, ``estimate`` (of the fit; missing of draws that were read without
            it), ``lower``, ``upper``, ``method`` (``bootstrap``), ``mean`` (of the draws: less what
            they were drawn from it is the bias), ``interval``, ``draws``: how many count,
            ``drawn_from``: the parameter that responses were drawn from, the estimate unless
            another was given, and ``remark``. Draws that did not converge do not count, nor those
            of a correlation where a standard deviation is zero. Ends are missing where the data do
            not determine the parameter or there is none to draw from, as ``remark`` says.

        Raises
        ------
        ModelError
            If there is no such interval, or there are too few draws for the level.

        Notes
        -----
        Quantiles are those of order statistics ``(m + 1) p``, between two of them interpolated on
        the scale of normal quantiles (Davison & Hinkley 1997, Bootstrap Methods and their
        Application, eq. 5.8), as in R's ``boot.ci``; of the 95 % percentile interval that takes 39
        draws. Formulas of basic and normal intervals: there, eq. 5.6 and 5.5.
        """
        check_interval(interval)
        rows = []
        for place, (key, truth, values) in enumerate(self._parameters()):
            count, ends, remark = 0, (np.nan, np.nan), self._remark(key, truth)
            mean = np.nan
            if remark is None:
                known = values[self.used & np.isfinite(values)]
                count, mean = len(known), float(known.mean()) if len(known) else np.nan
                ends = interval_ends(known, truth, level, interval, " ".join(filter(None, key)))
            estimate = np.nan if self.estimates is None else self.estimates[place]
            rows.append((*key, estimate, *ends, "bootstrap", mean, interval, count, truth, remark))
        frame = pd.DataFrame(rows, columns=[*COLUMNS, *_ADDED])
        texts = ("group", "term", "term2", "remark")
        return ResultTable(
            frame.assign(
                **{n: frame[n].astype(object).where(frame[n].notna(), None) for n in texts}
            )
        )

    def _unknown(self) -> list[Key]:
        """Give the parameters that the data do not determine."""
        own = self._parameters()
        return [key for key, truth, _ in own if self._remark(key, truth) == UNDETERMINED]

    def _remark(self, key: Key, truth: float) -> str | None:
        """Say why a parameter that was drawn from has no interval; None if it has one."""
        if not np.isfinite(truth):
            return HIDDEN
        if key in self.origin.undetermined:
            # Of refits with a known sigma it is what each has.
            is_known = key[0] == "sigma" and bool(np.isfinite(self.sigma).any())
            return KNOWN if is_known else UNDETERMINED
        return None

    def from_estimates(self) -> Bootstrap:
        """Give the same draws, whose parameters drawn from are known to be the estimates."""
        values = (
            np.nan if self._remark(key, truth) == UNDETERMINED else truth
            for key, truth, _ in self._parameters()
        )
        return replace(self, estimates=tuple(values))

    def with_estimates(self, estimates: pd.DataFrame) -> Bootstrap:
        """Give the same draws with what the fit that they are of estimates (tidy parameters)."""
        names = ["kind", "group", "term", "term2"]
        keys = estimates[names].astype(object).where(estimates[names].notna(), None)
        rows = zip(keys.itertuples(index=False, name=None), estimates["estimate"], strict=True)
        known = dict(rows)
        values = (float(known.get(key, np.nan)) for key, *_ in self._parameters())
        return replace(self, estimates=tuple(values))

    def _parameters(self) -> Iterator[tuple[Key, float, Floats]]:
        """Kind, group, term and second term of each parameter, its true value, its draws (m,)."""
        origin = self.origin
        for j, name in enumerate(origin.beta_names):
            yield ("beta", None, name, None), origin.beta[j], self.beta[:, j]
        if origin.scale_key is not None:
            yield origin.scale_key, origin.sigma, self.sigma
        for group in dict.fromkeys(name[0] for name in origin.sd_names):
            for j, (own, term) in enumerate(origin.sd_names):
                if own == group:
                    yield ("sd", group, term, None), origin.sd[j], self.sd[:, j]
            for j, (own, first, second) in enumerate(origin.correlation_names):
                if own == group:
                    key = ("correlation", group, first, second)
                    yield key, origin.correlation[j], self.correlation[:, j]

    # -- parts and storing -------------------------------------------------------------------------

    def part(self, rows: slice) -> Bootstrap:
        """Give some of the draws, which share their numbers with these."""
        names = (*_LISTS, *_NUMBERS)
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    @classmethod
    def joined(cls, parts: Sequence[Bootstrap]) -> Bootstrap:
        """Put parts together, in the order of their numbers.

        Raises ModelError if they are not of one origin, or a draw is in two of them.
        """
        if not parts:
            raise ModelError("There are no parts of a bootstrap to put together.")
        if len(parts) == 1:
            return parts[0]
        for part in parts[1:]:
            other = parts[0].origin.difference(part.origin)
            if other is not None:
                raise ModelError(
                    f"Parts of two bootstraps cannot be put together: {other} is "
                    f"{getattr(parts[0].origin, other)!r} in one and "
                    f"{getattr(part.origin, other)!r} in another."
                )
        draw = np.concatenate([part.draw for part in parts])
        order = np.argsort(draw, kind="stable")
        twice = draw[order][1:][np.diff(draw[order]) == 0]
        if len(twice):
            raise ModelError(f"Draw {int(twice[0])} is in two parts of the bootstrap.")
        names = (*_LISTS, *_NUMBERS)
        columns: dict[str, Any] = {
            n: np.concatenate([getattr(p, n) for p in parts])[order] for n in names
        }
        return replace(parts[0], **columns)

    def stored(self) -> pd.DataFrame:
        """Give the stored table ``bootstrap``; its ``attrs`` hold the origin."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        columns |= {name: list(getattr(self, name)) for name in _LISTS}
        frame = pd.DataFrame(columns)
        frame.attrs["origin"] = asdict(self.origin)
        return frame

    @staticmethod
    def origin_of_stored(frame: pd.DataFrame) -> Origin:
        """Read what the draws of a stored table are of."""
        return Origin.of(_without_nulls(frame.attrs["origin"]))

    @classmethod
    def of_stored(cls, frame: pd.DataFrame) -> Bootstrap:
        """Read draws out of the stored table ``bootstrap``."""
        origin = cls.origin_of_stored(frame)
        frame = frame.copy(deep=False)
        frame.attrs = {}  # which pandas copies with every column
        widths = {
            "beta": len(origin.beta_names),
            "std_error": len(origin.beta_names),
            "theta": len(origin.theta_names),
            "sd": len(origin.sd_names),
            "correlation": len(origin.correlation_names),
        }
        lists: dict[str, Any] = {
            name: np.array(frame[name].tolist(), dtype=float).reshape(len(frame), width)
            for name, width in widths.items()
        }
        whole = ("draw", "evaluations")
        numbers: dict[str, Any] = {name: frame[name].to_numpy() for name in _NUMBERS}
        numbers |= {name: numbers[name].astype(np.int64) for name in whole}
        return cls(
            theta_names=origin.theta_names, beta_names=origin.beta_names, origin=origin,
            **lists, **numbers,
        )  # fmt: skip


#: Tables of pictures, made together.
_DENSITIES: Final = ("bootstrap_parameters", "bootstrap_densities")
_REGIONS: Final = ("bootstrap_pairs", "bootstrap_regions")


def _made(make: Callable[[], Mapping[str, pd.DataFrame]], name: str) -> pd.DataFrame:
    """One of several tables that are made together."""
    return make()[name]


def _without_nulls(stored: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a true value that is null is one."""
    out = dict(stored)
    for name in ("sd", "correlation"):
        out[name] = [float("nan") if value is None else value for value in out[name]]
    if out["sigma"] is None:
        out["sigma"] = float("nan")
    return out
