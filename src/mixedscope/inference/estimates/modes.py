"""Conditional modes as tables: at the optimum, and at the keyframes of an optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.running_best import improved_rows
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.references import JointLimit, within_group
from mixedscope.tables.kinds.modes import IN_PLACE

__all__ = ["keyframes", "level_frame", "modes_alone", "modes_table"]

Floats = NDArray[np.float64]

#: Columns of the table ``modes`` that shrinkage may be measured from.
_REFERENCES: Final = ("joint_limit", "within_group", "linearised")


def modes_table(objective: ProfiledObjective, theta: Floats, joint: JointLimit) -> pd.DataFrame:
    """Conditional modes with their standard deviations and references, a row per level and term.

    Gives columns of the stored table ``modes``: ``mode``, ``std_dev`` (conditional, given the fixed
    effects, as lme4's ``condVar``), ``joint_limit``, ``within_group`` (NaN where the group cannot
    identify it), ``n_obs``.
    """
    table = modes_alone(objective, theta)
    own = within_group(objective.system, objective.evaluate(theta).beta)
    n_obs = table.pop("n_obs")
    table["joint_limit"] = np.concatenate([values.ravel() for values in joint.modes])
    table["within_group"] = np.concatenate([values.ravel() for values in own])
    return table.assign(n_obs=n_obs)


def modes_alone(objective: ProfiledObjective, theta: Floats) -> pd.DataFrame:
    """Give the table ``modes`` without the references, which take longer."""
    evaluation = objective.evaluate(theta)
    system = objective.system
    modes = system.modes()
    sds = system.conditional_sds(evaluation.sigma)
    frames = []
    for position, term in enumerate(system.terms):
        n_obs = np.bincount(term.design.codes, minlength=len(term.design.levels))
        frame = level_frame(term.group, term.design.levels, term.names)
        frame["mode"] = modes[position].ravel()
        frame["std_dev"] = sds[position].ravel()
        frame["n_obs"] = np.repeat(n_obs, term.size).astype(np.int64)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def keyframes(
    estimation: Estimation,
    trace: pd.DataFrame,
    *,
    most: int = 60,
    which: Literal["best", "all"] = "best",
    modes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Conditional modes along an optimisation, at evaluations chosen by how far they moved.

    Candidates are the evaluations that improved on all before them, or all that succeeded. The
    path of the modes through them is measured in root mean square per term, relative to the spread
    of that term's modes at the end; a candidate becomes a keyframe when the path since the last
    keyframe has reached 1/`most` of the whole. The first and the last candidate always are
    keyframes.

    ``trace``: columns ``evaluation``, ``status``, ``objective``, ``theta``. ``most``: number of
    parts the path is cut into. ``which``: the candidates. Of all evaluations each is a keyframe if
    there are no more than `most` (one of "best", "all"). ``modes``: the table ``modes``. Keyframes
    too are, for every grouping factor and each kind of references, the last candidate at which a
    mode is farther than `IN_PLACE` standard deviations of the references from its end, and the one
    after it. Gives columns of the stored table ``modes_trace``.
    """
    if which == "best":
        candidates = trace.iloc[improved_rows(trace["objective"].to_numpy())]
    else:
        candidates = trace[trace["status"] == "ok"]
    evaluations = candidates["evaluation"].to_numpy()
    estimation.begin()
    frames = [estimation.modes_at(point) for point in estimation.points(candidates)]
    if which == "all" and len(frames) <= most:
        chosen = list(range(len(frames)))
    else:
        chosen = _choose(frames, most)
    if modes is not None:
        chosen = sorted({*chosen, *_coming_to_rest(estimation, frames, modes)})
    terms = estimation.objective.system.terms
    tables = []
    for at in chosen:
        for term, values in zip(terms, frames[at], strict=True):
            frame = level_frame(term.group, term.design.levels, term.names)
            frame.insert(0, "evaluation", np.int32(evaluations[at]))
            frame["mode"] = values.ravel()
            tables.append(frame)
    return pd.concat(tables, ignore_index=True)


def _coming_to_rest(
    estimation: Estimation, frames: Sequence[Sequence[Floats]], modes: pd.DataFrame
) -> set[int]:
    """Frames between which all modes of a factor come to be in place for good."""
    found: set[int] = set()
    kinds = [kind for kind in _REFERENCES if kind in modes and modes[kind].notna().any()]
    for position, term in enumerate(estimation.objective.system.terms):
        own = modes[modes["group"] == term.group]
        for kind in kinds:
            references = own[kind].to_numpy(dtype=float).reshape(-1, term.size)
            known = np.isfinite(references).any(axis=0)
            spread = np.zeros(term.size)
            spread[known] = np.nanstd(references[:, known], axis=0)
            unit = np.where(spread > 0, spread, np.inf)
            for at in range(len(frames) - 2, -1, -1):
                away = np.abs(frames[at][position] - frames[-1][position]) / unit
                if away.max() > IN_PLACE:
                    found |= {at, at + 1}
                    break
    return found


def _choose(frames: Sequence[Sequence[Floats]], most: int) -> list[int]:
    last = len(frames) - 1
    spread = [np.sqrt(np.mean(b**2, axis=0)) for b in frames[-1]]
    largest = max(float(s.max()) for s in spread)
    # A term without variance at the end is measured in units of the most variable one.
    spread = [np.where(s > 1e-8 * largest, s, largest or 1.0) for s in spread]
    steps = [
        max(
            float((np.sqrt(np.mean((b - a) ** 2, axis=0)) / s).max())
            for a, b, s in zip(frames[i - 1], frames[i], spread, strict=True)
        )
        for i in range(1, len(frames))
    ]
    total = sum(steps)
    chosen, gone = [0], 0.0
    for i, step in enumerate(steps, start=1):
        gone += step
        if i == last or gone >= total / most:
            chosen.append(i)
            gone = 0.0
    return chosen


def level_frame(group: str, levels: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """The columns ``group``, ``level`` and ``term`` of a table with a row per level and term."""
    return pd.DataFrame(
        {
            "group": group,
            "level": np.repeat(np.asarray(levels, dtype=object), len(names)),
            "term": np.tile(np.asarray(names, dtype=object), len(levels)),
        }
    )
