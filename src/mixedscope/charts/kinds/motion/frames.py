"""From stored tables to what moves: the frames behind player, film and still.

An *actor* is one fit: its trace, the covariances at every evaluation, and one or two *tracks* of
conditional modes, each a sequence of frames.  Actors of one *scene* share their axes.  Nothing
here knows of drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.gaps import smallest_gap
from mixedscope.charts.common.open_ends import with_room
from mixedscope.charts.common.probe_band import EXACT, ProbeError, probe_error
from mixedscope.charts.common.ranks import by_rank, still_term
from mixedscope.charts.kinds.shrinkage.ellipse import radius
from mixedscope.charts.kinds.shrinkage.levels import Pull, frame_of, pulls, sample_ranks
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.errors import ModelError
from mixedscope.core.running_best import improved_rows
from mixedscope.tables.kinds.modes import IN_PLACE
from mixedscope.tables.store import FitTables

__all__ = [
    "MOST_LEVELS",
    "Actor",
    "Course",
    "Ranks",
    "Scene",
    "Track",
    "course_of",
    "ranks_of",
    "scene_of",
    "stops",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: At most so many levels move.
MOST_LEVELS: Final = 300

#: At most so many values of modes are put into one animation, and no fewer levels than these.
_MOST_VALUES: Final = 300_000
_FEWEST_LEVELS: Final = 40


@dataclass(frozen=True)
class Course:
    """The trace of one fit, an entry per evaluation.

    Attributes
    ----------
    gap, best : (N,) array
        Objective, and best so far, above the minimum; at least the floor; NaN where it failed.
    objective, sigma : (N,) array
        Of a generalised model there is no sigma, NaN.
    phase : (N,) array of int
        Position among `PHASE_NAMES`.
    theta : (N, p) array
    floor, top : float
        Ends of the axis of gaps, the same for all fits of a scene.
    error : ProbeError
        What random probes leave open of the objective.
    """

    gap: Floats
    best: Floats
    objective: Floats
    sigma: Floats
    phase: Integers
    theta: Floats
    floor: float
    top: float
    error: ProbeError = EXACT

    @property
    def unsure(self) -> bool:
        """Whether gaps on the axis may be smaller than their error."""
        return self.error.above > self.floor

    @property
    def size(self) -> int:
        """Number of evaluations."""
        return len(self.gap)

    def best_at(self, evaluation: int) -> int:
        """Evaluation (from 1) that was the best so far; the first where all had failed."""
        known = self.objective[:evaluation]
        return int(np.nanargmin(known)) + 1 if np.isfinite(known).any() else 1


@dataclass(frozen=True)
class Track:
    """Conditional modes at chosen evaluations.

    Attributes
    ----------
    evaluations : (m,) array of int
        Ascending, from 1.
    modes : (m, q, k) array
        Of the levels and terms of the actor.
    """

    evaluations: Integers
    modes: Floats

    def at(self, evaluation: int) -> int:
        """Frame shown at an evaluation: the last that had been reached."""
        return max(int(np.searchsorted(self.evaluations, evaluation, side="right")) - 1, 0)


@dataclass(frozen=True)
class Actor:
    """One fit in motion.

    Attributes
    ----------
    pull : Pull
        Reference and final mode of the levels that move.
    course : Course
    sds : (N, k) array
        Standard deviations of the random effects at every evaluation.
    correlations : (N, k, k) array
        0 where the structure has none, NaN where undefined.
    correlated : tuple of (int, int)
        Pairs of terms with a correlation to be told, the earlier first.
    tracks : mapping of str to Track
        ``best``, the best so far, and ``every`` where the modes at every evaluation are stored.
    settled : int
        Evaluation from which on no mode of any level is farther from its end than `IN_PLACE`
        standard deviations of the references, as far as the frames tell.
    settled_between : bool
        Whether there were evaluations, better than all before, between that frame and the one
        before it: the modes may have been in place at one of them.
    thinned : bool
        Whether ``every`` holds fewer evaluations than succeeded.
    """

    pull: Pull
    course: Course
    sds: Floats
    correlations: Floats
    correlated: tuple[tuple[int, int], ...]
    tracks: Mapping[str, Track]
    settled: int
    settled_between: bool
    thinned: bool


@dataclass(frozen=True)
class Scene:
    """Fits of one model in motion on the same axes.

    Attributes
    ----------
    group : str
    terms : tuple of str
    reference : str
    axes : sequence of (low, high)
        Per term.
    ellipses : tuple of float
        Coverages.
    actors : tuple of Actor
    order : (q,) array of int
        Levels by the reference of the first term of the first fit: rows of dumbbells.
    n_levels : int
        Of the grouping factor, before sampling.
    """

    group: str
    terms: tuple[str, ...]
    reference: str
    axes: tuple[tuple[float, float], ...]
    ellipses: tuple[float, ...]
    actors: tuple[Actor, ...]
    order: Integers
    n_levels: int


@dataclass(frozen=True)
class Ranks:
    """Levels by rank, in a panel of two terms of which one alone varies.

    Attributes
    ----------
    term : int
        The other, along whose axis levels stand by rank.
    at : (q,) array
        Where on that axis.
    foot : float
        Where on that axis the distribution is.
    """

    term: int
    at: Floats
    foot: float

    def placed(self, values: Floats) -> Floats:
        """Values (..., q, k) of levels and terms, those of the term by rank where there are any."""
        out = values.copy()
        own = values[..., self.term]
        out[..., self.term] = np.where(np.isnan(own), np.nan, self.at)
        return out


def ranks_of(scene: Scene, actor: Actor, x: int, y: int) -> Ranks | None:
    """How levels stand in the panel of two terms; None where they stand at their values."""
    still = still_term(actor.pull, x, y)
    if still is None:
        return None
    other, every = (x if still == y else y), np.arange(len(actor.pull.levels))
    made = by_rank(actor.pull, still, other, scene.axes[still], every)
    return Ranks(still, made.mode[:, still], float(made.population[still]))


def course_of(tables: Sequence[FitTables]) -> list[Course]:
    """Read the traces of fits that are shown together.

    Raises ModelError if no evaluation of a fit succeeded. Raises StoreError if a table is missing.
    """
    floor = smallest_gap(fit.info["objective"] for fit in tables)
    courses = []
    phases = {name: i for i, name in enumerate(PHASE_NAMES)}
    for fit in tables:
        trace = fit.require("trace")
        objective = trace["objective"].to_numpy(dtype=float)
        if not np.isfinite(objective).any():
            raise ModelError(f"No evaluation of the fit of {fit.info['formula']!r} succeeded.")
        minimum = np.nanmin(objective)
        best = trace["best"].to_numpy(dtype=float)
        gap = objective - minimum
        courses.append(
            Course(
                gap=np.where(np.isfinite(gap), np.maximum(gap, floor), np.nan),
                best=np.where(np.isfinite(best), np.maximum(best - minimum, floor), np.nan),
                objective=objective,
                sigma=trace["sigma"].to_numpy(dtype=float),
                phase=np.array([phases[name] for name in trace["phase"]], dtype=np.int64),
                theta=np.array(trace["theta"].tolist(), dtype=float),
                floor=floor,
                top=floor,
                error=probe_error(fit.info),
            )
        )
    highest = max(float(np.nanmax(course.gap)) for course in courses)
    top = max(10.0 ** float(np.ceil(np.log10(highest) - 1e-9)), 10 * floor)
    return [replace(course, top=top) for course in courses]


def scene_of(
    tables: Sequence[FitTables],
    group: str,
    terms: Sequence[str],
    *,
    reference: str = "auto",
    ellipses: Sequence[float] = (0.5, 0.95),
) -> Scene:
    """Read the motion of the conditional modes of one grouping factor.

    ``tables``: with ``trace``, ``modes``, ``modes_trace``, ``estimates`` and ``parameters``; with
    ``modes_every`` where every evaluation is to be seen. ``reference`` is one of "auto",
    "joint_limit", "within_group". ``ellipses``: coverages of the contours of the fitted
    distribution. Raises ModelError if a name is unknown, or no evaluation of a fit succeeded.
    Raises StoreError if a table is missing.
    """
    whole = pulls(tables, group, terms, reference=reference)
    reach = radius(max(ellipses)) if ellipses else 0.0
    chosen = _chosen(tables, whole, group)
    courses = course_of(tables)
    actors = []
    for fit, pull, course, rows in zip(tables, whole, courses, chosen, strict=True):
        all_levels = track_of(fit.require("modes_trace"), pull, group)
        tracks = {"best": Track(all_levels.evaluations, all_levels.modes[:, rows])}
        every = fit.get("modes_every")
        thinned = False
        if every is not None:
            found = track_of(every, pull, group)
            tracks["every"] = Track(found.evaluations, found.modes[:, rows])
            thinned = len(found.evaluations) < int(np.isfinite(course.objective).sum())
        settled, between = _settled(all_levels, pull, course)
        sds, correlations, correlated = covariances_of(fit, group, pull.terms, course.size)
        actors.append(
            Actor(
                pull=_rows(pull, rows),
                course=course,
                sds=sds,
                correlations=correlations,
                correlated=correlated,
                tracks=tracks,
                settled=settled,
                settled_between=between,
                thinned=thinned,
            )
        )
    axes = tuple(
        with_room(
            frame_of(
                np.concatenate([p.reference[:, j] for p in whole]),
                np.concatenate([a.tracks["best"].modes[:, :, j].ravel() for a in actors]),
                [s * reach * p.sds[j] for p in whole for s in (-1.0, 1.0)] + [0.0],
            ),
            whole,
            j,
        )
        for j in range(len(terms))
    )
    first = actors[0].pull
    return Scene(
        group=group,
        terms=tuple(terms),
        reference=whole[0].compared,
        axes=axes,
        ellipses=tuple(ellipses),
        actors=tuple(actors),
        order=_ranked(first.reference[:, 0], first.mode[:, 0]),
        n_levels=len(whole[0].levels),
    )


def stops(
    tracks: Sequence[Track], courses: Sequence[Course], *, align: str = "evaluation"
) -> Floats:
    """Clock readings at which an animation can stand still.

    These are the evaluations of all frames, the first of every phase and the last of the run.

    ``tracks``: one per fit. ``courses``: of the same fits. ``align``: whether the clock counts
    evaluations, of which fits have unequal numbers, or runs from 0 to 1 for every fit (one of
    "evaluation", "share"). Gives (m,), ascending.
    """
    found: set[float] = set()
    for track, course in zip(tracks, courses, strict=True):
        first = np.flatnonzero(np.diff(course.phase)) + 2
        at = {*track.evaluations.tolist(), *first.tolist(), 1, course.size}
        if align == "share":
            found |= {round((e - 1) / max(course.size - 1, 1), 9) for e in at}
        else:
            found |= {float(e) for e in at}
    return np.array(sorted(found))


# -- details -------------------------------------------------------------------------------------


def _chosen(tables: Sequence[FitTables], whole: Sequence[Pull], group: str) -> list[Integers]:
    """Levels that move: evenly spaced in rank of the first term's reference in the first fit."""
    frames = 0
    for fit in tables:
        for name in ("modes_trace", "modes_every"):
            table = fit.get(name)
            frames += 0 if table is None else table["evaluation"].nunique()
    room = _MOST_VALUES // max(len(whole[0].terms) * frames, 1)
    most = min(MOST_LEVELS, max(room, _FEWEST_LEVELS))
    first = whole[0]
    order = _ranked(first.reference[:, 0], first.mode[:, 0])
    names = {first.levels[i] for i in order[sample_ranks(len(order), most)].tolist()}
    return [
        np.array([i for i, level in enumerate(p.levels) if level in names], dtype=np.int64)
        for p in whole
    ]


def _ranked(reference: Floats, mode: Floats) -> Integers:
    """Positions of levels by reference; by mode where there is none."""
    key = np.where(np.isfinite(reference), reference, mode)
    return np.argsort(key, kind="stable").astype(np.int64)


def _rows(pull: Pull, rows: Integers) -> Pull:
    return replace(
        pull,
        levels=tuple(pull.levels[i] for i in rows.tolist()),
        **{
            name: getattr(pull, name)[rows]
            for name in ("n_obs", "reference", "mode", "std_dev", "factor")
        },
        dependence=None,
        ways=None if pull.ways is None else pull.ways[rows],
    )


def track_of(table: pd.DataFrame, pull: Pull, group: str) -> Track:
    """Arrange a table of modes by evaluation, level and term; a term the fit lacks stays at 0."""
    own = table[table["group"] == group]
    evaluations, frame = np.unique(own["evaluation"].to_numpy(), return_inverse=True)
    level = pd.Index(pull.levels).get_indexer(pd.Index(own["level"]))
    term = pd.Index(pull.terms).get_indexer(pd.Index(own["term"]))
    keep = (term >= 0) & (level >= 0)
    modes = np.zeros((len(evaluations), len(pull.levels), len(pull.terms)))
    modes[frame[keep], level[keep], term[keep]] = own["mode"].to_numpy(dtype=float)[keep]
    return Track(evaluations.astype(np.int64), modes)


def covariances_of(
    fit: FitTables, group: str, terms: Sequence[str], size: int
) -> tuple[Floats, Floats, tuple[tuple[int, int], ...]]:
    table = fit.require("parameters")
    own = table[table["group"] == group]
    at = {name: i for i, name in enumerate(terms)}
    sds = np.zeros((size, len(terms)))
    correlations = np.tile(np.eye(len(terms)), (size, 1, 1))
    pairs = []
    for (kind, a, b), rows in own.groupby(["kind", "term", "term2"], sort=False, dropna=False):
        i = at.get(str(a))
        values = rows["value"].to_numpy(dtype=float)
        if i is None:
            continue
        if kind == "sd":
            sds[:, i] = values
        elif kind == "correlation" and (j := at.get(str(b))) is not None:
            correlations[:, i, j] = correlations[:, j, i] = values
            pairs.append((min(i, j), max(i, j)))
    return sds, correlations, tuple(sorted(pairs))


def _settled(track: Track, pull: Pull, course: Course) -> tuple[int, bool]:
    """First evaluation of a frame from which on nothing moves that a picture could show.

    With it whether there were better evaluations between that frame and the one before.
    """
    known = np.isfinite(pull.reference).any(axis=0)
    spread = np.zeros(pull.reference.shape[1])
    spread[known] = np.nanstd(pull.reference[:, known], axis=0)
    unit = np.where(spread > 0, spread, np.inf)
    away = (np.abs(track.modes - track.modes[-1]) / unit).max(axis=(1, 2))
    moving = np.flatnonzero(away > IN_PLACE)
    if not moving.size:
        return int(track.evaluations[0]), False
    before, settled = track.evaluations[[moving[-1], moving[-1] + 1]].tolist()
    improved = improved_rows(course.objective) + 1
    return settled, bool(((improved > before) & (improved < settled)).any())
