"""What the page of linked displays holds: stored tables, brought into the form its script reads.

Values of a term are whole numbers of a unit that is a power of ten, some hundred thousandth of its
axis: what a picture or a sentence shows of them is right to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.labels import term_title, variable_title
from mixedscope.charts.common.link_scale import is_generalized
from mixedscope.charts.common.open_ends import APART, CORNERS, INSET, with_room
from mixedscope.charts.common.probe_band import PROBE_KEY, VEIL
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.explorer.options import ExplorerOptions
from mixedscope.charts.kinds.landscape.key import band_colours
from mixedscope.charts.kinds.landscape.words import parameter_words
from mixedscope.charts.kinds.motion.backdrop import mix
from mixedscope.charts.kinds.motion.frames import (
    Course,
    Track,
    course_of,
    covariances_of,
    track_of,
)
from mixedscope.charts.kinds.shrinkage.chart import choose_levels, shared_frame
from mixedscope.charts.kinds.shrinkage.ellipse import radius, widest
from mixedscope.charts.kinds.shrinkage.levels import Pull, drawn_terms, pulls, term_names
from mixedscope.charts.kinds.shrinkage.words import infinite_key, reference_key
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.running_best import improved_rows
from mixedscope.core.vocabulary import CRITERION_SYMBOLS
from mixedscope.covariance.structure_names import structure_name
from mixedscope.tables.store import FitTables

__all__ = ["MOST_DRAWN", "Factor", "Moments", "factors_of", "page_data"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: At most so many levels are drawn; one that is chosen is drawn besides.
MOST_DRAWN: Final = 400

#: At most so many values of modes along the optimisation are put into a page, and no fewer moments
#: of any fit than these.
_MOST_VALUES: Final = 300_000
_FEWEST_MOMENTS: Final = 6

#: Values of a term are told in units so fine that its axis has at least so many.
_STEPS: Final = 100_000


@dataclass(frozen=True)
class Moments:
    """Conditional modes and covariances at evaluations that were better than all before.

    Attributes
    ----------
    evaluations : (m,) array of int
        Ascending, from 1.
    modes : (m, q, k) array
    sds, correlations : (m, k) and (m, k, k) arrays
    """

    evaluations: Integers
    modes: Floats
    sds: Floats
    correlations: Floats


@dataclass(frozen=True)
class Factor:
    """One grouping factor in all fits.

    Attributes
    ----------
    name : str
    terms : tuple of str
    levels : tuple of str
    n_obs : (q,) array of int
    pulls : tuple of Pull
        One per fit, with the levels in this order.
    drawn : (d,) array of int
        Positions of the levels that are drawn.
    rule : str
        How these were chosen; empty where all are.
    axes : tuple of (low, high)
        Per term.
    decimals : tuple of int
        Per term: of its values.
    moments : tuple of Moments
        One per fit.
    stored : int
        Moments of the fit that has most, before they were thinned.
    """

    name: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    n_obs: Integers
    pulls: tuple[Pull, ...]
    drawn: Integers
    rule: str
    axes: tuple[tuple[float, float], ...]
    decimals: tuple[int, ...]
    moments: tuple[Moments, ...]
    stored: int


def factors_of(tables: Sequence[FitTables], options: ExplorerOptions) -> list[Factor]:
    """Read every grouping factor of some fits of one model.

    Raises ModelError if a fit has not the grouping factors of the first, and StoreError if a table
    is missing.
    """
    names = list(dict.fromkeys(str(entry["group"]) for entry in tables[0].info["random"]))
    whole = [_factor(tables, name, options) for name in names]
    total = sum(m.modes.size for factor in whole for m in factor.moments)
    share = min(1.0, _MOST_VALUES / max(total, 1))
    return [
        replace(factor, moments=tuple(_thinned(m, share) for m in factor.moments))
        for factor in whole
    ]


def page_data(
    tables: Sequence[FitTables],
    factors: Sequence[Factor],
    findings: Sequence[dict[str, Any]],
    options: ExplorerOptions,
    *,
    theme: str,
) -> dict[str, Any]:
    """Everything the page shows, ready for JSON.

    ``findings``: of `mixedscope.charts.kinds.explorer.words.findings`.
    """
    courses = course_of(tables)
    info = tables[0].info
    return {
        "formula": str(info["formula"]),
        "criterion": CRITERION_SYMBOLS[info["criterion"]],
        "colours": COLOURS | ink(theme),
        "groupColours": {
            factor.name: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, factor in enumerate(factors)
        },
        "phases": [[words, COLOURS[name]] for name, words in PHASE_NAMES.items()],
        "gap": [courses[0].floor, courses[0].top],
        **(
            {"veil": [mix(ink(theme)["soft"], 2 * VEIL, ink(theme)["paper"]), PROBE_KEY]}
            if any(course.unsure for course in courses)
            else {}
        ),
        **(
            {"head": {"apart": APART, "inset": INSET, "corners": CORNERS, "words": infinite_key()}}
            if any(pull.infinite.any() for factor in factors for pull in factor.pulls)
            else {}
        ),
        "radii": [radius(coverage) for coverage in options.ellipses],
        "coverages": list(options.ellipses),
        "region": {
            "coverage": widest(options.ellipses),
            "radius": radius(widest(options.ellipses)),
        },
        "factors": [_factor_data(factor) for factor in factors],
        "fits": [
            _fit_data(fit, course, factors, i)
            | {
                "landscape": _landscape_data(fit, theme) if options.landscape else None,
                "noLandscape": _no_landscape(fit, options),
            }
            for i, (fit, course) in enumerate(zip(tables, courses, strict=True))
        ],
        "findings": list(findings),
    }


# -- grouping factors ------------------------------------------------------------------------------


def _factor(tables: Sequence[FitTables], name: str, options: ExplorerOptions) -> Factor:
    terms = drawn_terms(tables, name, term_names(tables, name))
    found = pulls(tables, name, terms, reference=options.reference)
    levels = tuple(dict.fromkeys(level for pull in found for level in pull.levels))
    own = [_in_order(pull, levels) for pull in found]
    chosen, rule = choose_levels(own, MOST_DRAWN)
    axes = tuple(
        with_room(shared_frame(own, j, options.ellipses), own, j) for j in range(len(terms))
    )
    moments = tuple(_moments(fit, pull, name) for fit, pull in zip(tables, own, strict=True))
    return Factor(
        name=name,
        terms=terms,
        levels=levels,
        n_obs=own[0].n_obs,
        pulls=tuple(own),
        drawn=chosen[0],
        rule=rule,
        axes=axes,
        decimals=tuple(_decimals(high - low) for low, high in axes),
        moments=moments,
        stored=max(len(m.evaluations) for m in moments),
    )


def _decimals(width: float) -> int:
    return max(0, math.ceil(math.log10(_STEPS / width)))


def _in_order(pull: Pull, levels: tuple[str, ...]) -> Pull:
    """The same with levels in another order; what the fit has no level of is missing."""
    if pull.levels == levels:
        return pull
    at = pd.Index(pull.levels).get_indexer(pd.Index(levels))

    def taken(values: NDArray[Any], missing: float) -> Any:
        return np.where((at >= 0).reshape(-1, *[1] * (values.ndim - 1)), values[at], missing)

    return replace(
        pull,
        levels=levels,
        n_obs=taken(pull.n_obs, 0).astype(np.int64),
        **{
            name: taken(getattr(pull, name), np.nan)
            for name in ("reference", "mode", "std_dev", "factor")
        },
        dependence=None if pull.dependence is None else taken(pull.dependence, np.nan),
        ways=None if pull.ways is None else taken(pull.ways, 0.0),
    )


def _moments(fit: FitTables, pull: Pull, group: str) -> Moments:
    """What is stored of the best so far: its keyframes, and all where every evaluation is."""
    own = [str(n) for e in fit.info["random"] if e["group"] == group for n in e["names"]]
    own = list(dict.fromkeys(own))
    # A term that varies and is not the fit's own is read from its intercept: see `drawn_terms`.
    source = [
        own.index(term) if term in own else own.index("(Intercept)") if varies else -1
        for term, varies in zip(pull.terms, pull.varies, strict=True)
    ]
    at_terms = replace(pull, terms=tuple(own))
    tracks = [track_of(fit.require("modes_trace"), at_terms, group)]
    objective = fit.require("trace")["objective"].to_numpy(dtype=float)
    every = fit.get("modes_every")
    if every is not None and "skipped" not in every.attrs:
        better = improved_rows(objective) + 1
        found = track_of(every, at_terms, group)
        kept = np.isin(found.evaluations, better)
        tracks.append(Track(found.evaluations[kept], found.modes[kept]))
    evaluations, first = np.unique(
        np.concatenate([track.evaluations for track in tracks]), return_index=True
    )
    modes = np.concatenate([track.modes for track in tracks])[first]
    sds, correlations, _ = covariances_of(fit, group, own, len(objective))
    at = evaluations - 1
    lacking = np.array(source) < 0
    modes, sds = modes[:, :, source], sds[at][:, source]
    correlations = correlations[at][:, source][:, :, source]
    modes[:, :, lacking] = 0.0
    sds[:, lacking] = 0.0
    correlations[:, lacking] = correlations[:, :, lacking] = 0.0
    # The last is the fit: where its modes were computed once more, they are those of the table.
    modes[-1] = pull.mode
    return Moments(evaluations, modes, sds, correlations)


def _thinned(moments: Moments, share: float) -> Moments:
    """Evenly spaced moments, the first and the last among them."""
    m = len(moments.evaluations)
    most = max(_FEWEST_MOMENTS, int(share * m))
    if m <= most:
        return moments
    kept = np.unique(np.linspace(0, m - 1, most).round().astype(np.int64))
    return Moments(
        moments.evaluations[kept],
        moments.modes[kept],
        moments.sds[kept],
        moments.correlations[kept],
    )


def _factor_data(factor: Factor) -> dict[str, Any]:
    first = factor.pulls[0]
    return {
        "name": factor.name,
        "terms": list(factor.terms),
        "titles": [term_title(term, first.info) for term in factor.terms],
        "levels": list(factor.levels),
        "n": factor.n_obs.tolist(),
        "drawn": factor.drawn.tolist(),
        "rule": factor.rule,
        "axes": [list(axis) for axis in factor.axes],
        "decimals": list(factor.decimals),
        "reference": reference_key(first),
        "stored": factor.stored,
    }


def _units(values: Floats, decimals: Sequence[int]) -> list[Any]:
    """Values (..., k) as whole numbers of their units in one list; null for what is missing."""
    scaled = values * 10.0 ** np.array(decimals)
    return [round(v) if math.isfinite(v) else None for v in scaled.ravel().tolist()]


def _short(values: Floats | Sequence[float], digits: int = 6) -> list[float | None]:
    return [
        float(f"{v:.{digits}g}") if math.isfinite(v) else None
        for v in np.asarray(values, dtype=float).ravel().tolist()
    ]


# -- fits ------------------------------------------------------------------------------------------


def _fit_data(fit: FitTables, course: Course, factors: Sequence[Factor], i: int) -> dict[str, Any]:
    info = fit.info
    found: dict[str, Any] = {
        "label": factors[0].pulls[i].label,
        "structure": structure_name(info),
        "optimizer": str(info["optimizer"]["name"]),
        "dof": int(info["dof"]),
        "objectiveAtEnd": float(info["objective"]),
        "aic": float(info["aic"]),
        "collapsed": [
            f"{entry['group']}: rank {entry['rank']} of {entry['size']}"
            for entry in info.get("singular") or ()
            if entry["singular"]
        ],
        "objective": [v if math.isfinite(v) else None for v in course.objective.tolist()],
        "gap": _short(course.gap),
        "best": _short(course.best),
        "sigma": _short(course.sigma),
        "phase": course.phase.tolist(),
        **({"unsure": course.error.above} if course.unsure else {}),
        "ledger": _ledger_data(fit),
        "stopping": _stopping_data(fit),
        "factors": [
            _in_fit(factor, i) | {"panels": _panels_data(fit, factor)} for factor in factors
        ],
    }
    return found


def _in_fit(factor: Factor, i: int) -> dict[str, Any]:
    pull, moments = factor.pulls[i], factor.moments[i]
    whole = np.array(
        [[np.nan if v is None else v for v in _units(m, factor.decimals)] for m in moments.modes]
    )
    steps = [_units(whole[-1], [0])]
    # From the end backwards what changes: where modes are in place that is nothing.
    steps += [_units(a - b, [0]) for a, b in zip(whole[-2::-1], whole[:0:-1], strict=True)]
    return {
        "varies": list(pull.varies),
        "reference": _units(pull.reference, factor.decimals),
        "sd": _units(pull.std_dev, factor.decimals),
        "dependence": _dependence(pull),
        # Where to levels go whose own estimate is infinite.
        **({"ways": _short(pull.ways)} if pull.ways is not None and pull.ways.any() else {}),
        "at": moments.evaluations.tolist(),
        "steps": steps,
        "sds": [_short(row) for row in moments.sds],
        "correlations": [_short(row) for row in moments.correlations],
    }


def _dependence(pull: Pull) -> list[list[float | None]] | None:
    """Conditional correlations of every two terms, those of the later term's row at first."""
    if pull.dependence is None:
        return None
    k = len(pull.terms)
    return [_short(pull.dependence[:, i, j], 4) for i in range(k) for j in range(i)]


def _panels_data(fit: FitTables, factor: Factor) -> dict[str, Any]:
    """Rows and lines of the levels of a factor that are stored; else why there are none."""
    panels = fit.get("panels")
    if panels is None:
        return {"missing": "The rows of groups are not stored."}
    if "skipped" in panels.attrs:
        return {"missing": f"No rows: {panels.attrs['skipped']['reason']}"}
    axes, own, lines, points = (
        table[table["group"] == factor.name]
        for table in (
            fit.require("panels_axes"),
            panels,
            fit.require("panels_lines"),
            fit.require("panels_points"),
        )
    )
    axis = axes.iloc[0]
    categories: list[str] = []
    if axis["kind"] == "categorical":
        categories = list(dict.fromkeys(lines["category"].tolist()))
        places = {name: float(i) for i, name in enumerate(categories)}
        lines = lines.assign(x=lines["category"].map(places))
        points = points.assign(x=points["category"].map(places))
    partial = axis["held"] is not None or axis["others"] is not None or bool(axis["offset"])
    at = {level: i for i, level in enumerate(factor.levels)}
    rows, drawn = (dict(list(table.groupby("level", sort=False))) for table in (points, lines))
    return {
        "variable": "row" if axis["kind"] == "order" else variable_title(str(axis["variable"])),
        "response": variable_title(str(fit.info["response"])),
        "partial": partial,
        "categories": categories,
        "levels": [at[level] for level in own["level"]],
        "points": [_columns(rows[level], ("x", "y")) for level in own["level"]],
        "lines": [
            _columns(drawn[level], ("x", "own", "mixed", "population")) for level in own["level"]
        ],
    }


def _columns(table: pd.DataFrame, names: Sequence[str]) -> list[list[float | None]]:
    return [_short(table[name].to_numpy(dtype=float)) for name in names]


def _ledger_data(fit: FitTables) -> dict[str, Any] | None:
    ledger = fit.get("ledger")
    if ledger is None or "skipped" in ledger.attrs:
        return None
    if is_generalized(fit.info):
        # Nothing shares the variance of an observation with the random effects of a link.
        parts_of = ("conditional_deviance", "penalty", "log_det", "newton_steps")
        return {
            "at": ledger["evaluation"].tolist(),
            "columns": {name: _short(ledger[name].to_numpy(dtype=float)) for name in parts_of},
            "shares": [],
        }
    terms = fit.require("ledger_terms")
    columns = ("part_residual", "part_penalty", "part_sigma", "log_det", "part_fixed", "edf")
    shares = terms[terms["term"].isna()]
    names = list(dict.fromkeys(shares["group"].dropna()))
    parts: list[Any] = []
    for name in [None, *names]:
        own = shares["group"].isna() if name is None else shares["group"] == name
        parts.append([name, _short(shares.loc[own, "share"].to_numpy(dtype=float))])
    return {
        "at": ledger["evaluation"].tolist(),
        "columns": {name: _short(ledger[name].to_numpy(dtype=float)) for name in columns},
        "shares": parts,
    }


def _stopping_data(fit: FitTables) -> dict[str, Any] | None:
    stopping = fit.get("stopping")
    if stopping is None or "skipped" in stopping.attrs:
        return None
    return {
        name: _short(stopping[name].to_numpy(dtype=float), 3)
        for name in ("beta", "std_error", "sigma", "modes")
    }


# -- the landscape ---------------------------------------------------------------------------------


def _no_landscape(fit: FitTables, options: ExplorerOptions) -> str:
    """Why there is no landscape, for a sentence."""
    panels = fit.get("landscape_panels")
    if not options.landscape or panels is None:
        return "No landscape of this fit is stored."
    if "skipped" in panels.attrs:
        return f"No landscape: {panels.attrs['skipped']['reason']}"
    if panels["y_name"].isna().any():
        return "The model has one parameter: its landscape is a curve, the chart “landscape”."
    return ""


def _landscape_data(fit: FitTables, theme: str) -> dict[str, Any] | None:
    """Planes of two parameters with outlines and the points of the path."""
    panels = fit.get("landscape_panels")
    if panels is None or "skipped" in panels.attrs or panels["y_name"].isna().any():
        return None
    outlines, points = fit.require("landscape_outlines"), fit.require("landscape_points")
    outlines = outlines.sort_values(["level", "part", "vertex"], ascending=[False, True, True])
    levels = sorted(outlines["level"].unique().tolist())
    found = []
    for _, panel in panels.sort_values("panel").iterrows():
        own = outlines[outlines["panel"] == panel["panel"]]
        visited = points[(points["panel"] == panel["panel"]) & (points["kind"] == "evaluation")]
        shapes: list[Any] = []
        for (kind, level, _), rows in own.groupby(["kind", "level", "part"], sort=False):
            at = _short(rows[["x", "y"]].to_numpy(dtype=float), 4)
            shapes.append([kind == "region", levels.index(level), at])
        # Fixed effects and dispersions, which generalised models search too, have no factor.
        names = [
            ", ".join(part for part in words if part)
            for words in (
                parameter_words(panel[f"{c}_kind"], panel[f"{c}_group"], panel[f"{c}_name"])
                for c in "xy"
            )
        ]
        found.append(
            {
                "names": names,
                "x": [float(panel["x_low"]), float(panel["x_high"])],
                "y": [float(panel["y_low"]), float(panel["y_high"])],
                "shapes": shapes,
                "points": [
                    visited["evaluation"].astype(int).tolist(),
                    _short(visited["x"].to_numpy(dtype=float), 5),
                    _short(visited["y"].to_numpy(dtype=float), 5),
                ],
            }
        )
    return {"levels": levels, "bands": band_colours(len(levels), theme), "panels": found}
