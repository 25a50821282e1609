"""What a chart of a sweep shows, as a table: medians and quartiles over the runs of each point."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.summaries.keys import SIMULATE
from mixedscope.summaries.measures import MEASURES, PARTS, Measure
from mixedscope.summaries.phase_columns import PHASE_COLUMNS
from mixedscope.summaries.truths import size_of, with_outcomes

__all__ = ["Summary", "summarise"]

Floats = NDArray[np.float64]

#: Standard errors on either side of a 95 % interval, and between the quartiles of a normal.
_NORMAL = 1.96
_QUARTILES = 1.349

#: Roles of keys in a chart, besides x.
_ROLES = ("rows", "colour", "facet")


@dataclass(frozen=True)
class Summary:
    """The points of one chart.

    Attributes
    ----------
    chart : mapping
        Settings of the chart, see `mixedscope.sweeps.config.SweepChartConfig`.
    frame : pandas.DataFrame
        A row per point: ``x``, and ``rows``, ``colour``, ``facet`` where the chart has them;
        ``low``, ``middle``, ``high``: quartiles and median of the measure (share of runs and its
        95 % interval for what is true or false; for areas the mean); ``x_low``, ``x_high`` where
        x is a measure; ``path``, the value of the key that tells the points of one line apart;
        ``count``, runs; ``middle_se``, a standard error of the middle over runs that differ by
        chance. Of estimates minus truth also ``mean`` and ``rmse``, the root mean square, with
        ``mean_se`` and ``rmse_se``. Of one run no standard error is known. Of shares that are to
        be a certain one, ``nominal``, and ``nominal_p``, the p value of an exact binomial test of
        it; of rejections ``null``, the share of runs in which the hypothesis is true (NaN where
        the truth is not known of all).
    orders : dict of str to list
        Values of every role in the order in which they are shown.
    pooled : tuple of str
        Keys in which the runs of a point differ.
    path : str or None
        The key along the lines of a chart of points.
    runs, failed, without : int
        Runs considered; those that failed; those that lack a value shown, or one of x.
    reason : str or None
        Why the first of those that failed did.
    lacking : str or None
        Why most of those that lack a value do, as far as that is known.
    """

    chart: Mapping[str, Any]
    frame: pd.DataFrame
    orders: dict[str, list[Any]]
    pooled: tuple[str, ...]
    path: str | None
    runs: int
    failed: int
    without: int
    reason: str | None = None
    lacking: str | None = None

    @property
    def by_chance(self) -> bool:
        """Whether the runs of a point differ by chance alone."""
        return bool(self.pooled) and set(self.pooled) <= {"replicate", "seed"}

    @property
    def is_sample(self) -> bool:
        """Whether the runs of a point have data of their own, of several simulations perhaps.

        Their number of hits is binomial then, or varies less.
        """
        free = set(self.pooled) - {"replicate", "seed"}
        return len(free) < len(self.pooled) and all(key.startswith(SIMULATE) for key in free)

    @property
    def independent(self) -> bool:
        """Whether points along x have random numbers of their own: other parameters, other data."""
        own = self.is_sample if MEASURES[self.chart["y"]].proportion else self.by_chance
        return own and str(self.chart["x"]).startswith(SIMULATE)


def summarise(runs: pd.DataFrame, timing: pd.DataFrame, chart: Mapping[str, Any]) -> Summary:
    """Summarise the runs of a sweep for one chart with these settings.

    ``runs`` has a column for every key (`mixedscope.sweeps.table.with_keys`); ``timing`` is the
    stored table ``runs_timing``.
    """
    measure = MEASURES[chart["y"]]
    if measure.key is not None:
        runs = with_outcomes(runs)
    table = runs.merge(timing, on="run", validate="one_to_one")
    parts: list[Any] | None = None
    for key, wanted in (chart.get("where") or {}).items():
        values_wanted = wanted if isinstance(wanted, list) else [wanted]
        if key in PARTS:
            parts = values_wanted
            continue
        if key == "start":
            values_wanted = [str(value) for value in values_wanted]
        table = table[table[key].isin(values_wanted)]
    considered = len(table)
    failed = table["error"].notna()
    reasons = table["error"][failed]
    table = table[~failed]
    values = _values(table, measure)
    if parts is not None:
        values = _only(values, parts, measure)
    # An interval without an end has no width that a picture could show.
    values["value"] = values["value"].where(np.isfinite(values["value"].astype(float)))
    lacks = values["value"].isna()
    complete = set(values["run"]) - set(values.loc[lacks, "run"])
    values = values[~lacks].reset_index(drop=True)
    by_measure = chart["x"] in MEASURES
    roles = {role: chart.get(role) for role in _ROLES if chart.get(role) is not None}
    frame = values[["value", "run", *(c for c in ("nominal", "null") if c in values)]].copy()
    sources = {**roles} if by_measure else {"x": chart["x"], **roles}
    rows = table.set_index("run").loc[values["run"]]
    for role, key in sources.items():
        column = values["part"] if key in PARTS else rows[key]
        frame[role] = pd.Series(list(column), dtype=object)
    swept = [key for key in runs.attrs.get("swept", []) if key in runs.columns]
    free = [key for key in swept if key not in sources.values()]
    path = None
    if chart["kind"] == "points":
        told = [
            key
            for key in free
            if key not in ("replicate", "seed") and table[key].map(_hashable).nunique() > 1
        ]
        path = told[0] if len(told) == 1 else None
        for key in told:
            frame[f"key {key}"] = pd.Series(list(rows[key]), dtype=object)
    if by_measure:
        frame["x"] = list(rows[MEASURES[chart["x"]].column].astype(float))
    present = frame["x"].notna()
    for role in roles:
        present &= frame[role].notna()
    frame = frame[present]
    orders = {role: _order(frame[role]) for role in sources}
    by = [*sources, *[c for c in frame.columns if c.startswith("key ")]]
    points = _points(frame, by, measure, chart["kind"], by_measure=by_measure)
    if path is not None:
        points["path"] = points[f"key {path}"]
        orders["path"] = _order(frame[f"key {path}"])
    complete &= set(frame["run"])
    lacking = [run not in complete for run in table["run"]]
    used = {column.removeprefix("key ") for column in by} | set(sources.values())
    return Summary(
        chart=dict(chart),
        frame=points[[c for c in points.columns if not c.startswith("key ")]],
        orders=orders,
        pooled=tuple(
            key for key in swept if key not in used and table[key].map(_hashable).nunique() > 1
        ),
        path=path,
        runs=considered,
        failed=int(failed.sum()),
        reason=str(reasons.iloc[0]) if len(reasons) else None,
        without=sum(lacking),
        lacking=_why(table[lacking], measure),
    )


def _only(values: pd.DataFrame, wanted: list[Any], measure: Measure) -> pd.DataFrame:
    """Keep the values of these terms, coefficients, parameters or effects.

    Raises ModelError if no run has one of them.
    """
    known = list(dict.fromkeys(values["part"]))
    for name in wanted:
        if known and name not in known:
            raise ModelError(
                f"where.{measure.part}: no run of the sweep has {name!r}."
                f"{suggest(str(name), map(str, known))} Known: {', '.join(map(str, known))}."
            )
    return values[values["part"].isin(wanted)].reset_index(drop=True)


def _why(lacking: pd.DataFrame, measure: Measure) -> str | None:
    """Reason that most runs without a value give; None if they give none."""
    if measure.why is None or lacking.empty:
        return None
    told = Counter(text for text in lacking[measure.why] if isinstance(text, str))
    if told:
        return max(told, key=lambda text: told[text])
    return "the truth is not known" if measure.nominal == "level" else None


def _values(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Values of a measure, a row per run and part: ``run``, ``part``, ``value``.

    NaN where a run has none. Of measures with a nominal share also ``nominal``, and of rejections
    ``null``, whether the hypothesis is true.
    """
    out: list[tuple[str, Any, float]] = []
    if measure.part == "phase":
        counts = table[list(PHASE_COLUMNS.values())].to_numpy(dtype=float)
        if measure.column == "phase_share":
            counts = counts / counts.sum(axis=1, keepdims=True)
        for run, row in zip(table["run"], counts, strict=True):
            out += [(run, phase, v) for phase, v in zip(PHASE_COLUMNS, row, strict=True)]
    elif measure.part is not None:
        names = table[str(PARTS[measure.part])]
        for run, told, row in zip(table["run"], names, table[measure.column], strict=True):
            if isinstance(row, list | np.ndarray):
                out += [(run, name, v) for name, v in zip(json.loads(told), row, strict=True)]
    else:
        out = [
            (run, None, math.nan if pd.isna(value) else float(value))
            for run, value in zip(table["run"], table[measure.column], strict=True)
        ]
    frame = pd.DataFrame(out, columns=["run", "part", "value"])
    if measure.nominal is not None:
        levels = dict(zip(table["run"], table["level"], strict=True))
        known = [float(levels[run]) for run in frame["run"]]
        is_level = measure.nominal == "level"
        frame["nominal"] = known if is_level else [size_of(level) for level in known]
    if measure.nominal == "size":
        frame["null"] = [
            value
            for row in table["null_true"]
            if isinstance(row, list | np.ndarray)
            for value in row
        ]
    return frame


def _order(values: pd.Series) -> list[Any]:
    """Numbers ascending, anything else as it comes."""
    found = list(dict.fromkeys(_hashable(v) for v in values))
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found)
    return sorted(found) if numbers else found


def _hashable(value: Any) -> Any:
    return value if not isinstance(value, (list, dict)) else json.dumps(value, ensure_ascii=False)


def _points(
    frame: pd.DataFrame, by: Sequence[str], measure: Measure, kind: str, *, by_measure: bool
) -> pd.DataFrame:
    """Summarise the runs of every point."""
    keyed = frame.assign(**{column: frame[column].map(_hashable) for column in by})
    groups = keyed.groupby(list(by), sort=False) if by else [((), keyed)]
    out = []
    for key, rows in groups:
        point = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        values = rows["value"].to_numpy(dtype=float)
        low, middle, high = _quartiles(values)
        if measure.proportion:
            low, middle, high = _wilson(values)
        elif kind == "area":
            middle = float(values.mean())
        point |= {"low": low, "middle": middle, "high": high, "count": len(values)}
        point["middle_se"] = _middle_se(values, low, high, proportion=measure.proportion)
        if measure.signed:
            point |= _errors(values)
        if measure.nominal is not None:
            point |= _against_nominal(rows)
        if by_measure:
            point["x_low"], point["x"], point["x_high"] = _quartiles(
                rows["x"].to_numpy(dtype=float)
            )
        out.append(point)
    return pd.DataFrame(out)


def _quartiles(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def _middle_se(values: Floats, low: float, high: float, *, proportion: bool) -> float:
    """Standard error of a share, or of a median from its quartiles as of a normal distribution."""
    if len(values) < 2:
        return math.nan
    if proportion:
        return (high - low) / (2 * _NORMAL)
    return math.sqrt(math.pi / 2) * (high - low) / _QUARTILES / math.sqrt(len(values))


def _errors(values: Floats) -> dict[str, float]:
    """Mean and root mean square of estimates minus truth, with their standard errors."""
    n = len(values)
    squares = values**2
    rmse = math.sqrt(float(squares.mean()))
    spread = [float(np.std(v, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
              for v in (values, squares)]  # fmt: skip
    return {
        "mean": float(values.mean()),
        "mean_se": spread[0],
        "rmse": rmse,
        "rmse_se": spread[1] / (2 * rmse) if rmse > 0 else 0.0,
    }


def _against_nominal(rows: pd.DataFrame) -> dict[str, float]:
    """What the share of ones of a point is to be, and how unlikely one as far off is then.

    NaN where runs of the point differ in what it is to be.
    """
    from scipy.stats import binomtest

    levels = rows["nominal"].unique()
    nominal = float(levels[0]) if len(levels) == 1 else math.nan
    p = math.nan
    if not math.isnan(nominal):
        p = float(binomtest(int(rows["value"].sum()), len(rows), nominal).pvalue)
    out = {"nominal": nominal, "nominal_p": p}
    if "null" in rows:
        out["null"] = float(rows["null"].mean(skipna=False))
    return out


def _wilson(values: Floats) -> tuple[float, float, float]:
    """Share of ones with Wilson's (1927) 95 % interval."""
    n, share, z = len(values), float(values.mean()), _NORMAL
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return centre - half, share, centre + half
