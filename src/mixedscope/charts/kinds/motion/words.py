"""Titles and captions of animations, worded from the numbers shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixedscope.charts.common.link_scale import scale_words
from mixedscope.charts.common.numerals import counted, number
from mixedscope.charts.common.probe_band import probe_sentence
from mixedscope.charts.common.structure_names import LISTED, structure_label
from mixedscope.charts.kinds.motion.frames import Actor, Course, Scene
from mixedscope.charts.kinds.shrinkage.levels import share
from mixedscope.charts.kinds.shrinkage.words import BY_RANK, joined, reference_words
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.tables.kinds.modes import IN_PLACE
from mixedscope.tables.store import FitTables

__all__ = [
    "component_names",
    "motion_caption",
    "motion_title",
    "theta_caption",
    "theta_title",
]


def motion_title(scene: Scene) -> str:
    """Say when shrinkage had set in, and what the rest of the run changed."""
    settled = [(a.settled, a.course.size, a.pull.label) for a in scene.actors]
    first, total, _ = settled[0]
    if all(size == 1 for _, size, _ in settled):
        return f"{scene.group}: one evaluation, nothing moves"
    # Where frames that are not stored lie between it may have been earlier.
    when = "by" if any(a.settled_between for a in scene.actors) else "after"
    if len(settled) == 1:
        left = (total - first) / total
        after = f"The modes of {scene.group} are in place {when} {first} of {counted(total)}"
        if left < 0.05:
            return f"{after}: they move to the end"
        return f"{after}; the other {share(left)} of the run change nothing that can be seen"
    if len(settled) > LISTED:
        low, high = (end(first / total for first, total, _ in settled) for end in (min, max))
        return (
            f"The modes of {scene.group} are in place {when} {share(low)} to {share(high)} of the "
            "evaluations"
        )
    parts = [f"{first} of {counted(total)} ({label})" for first, total, label in settled[:1]]
    parts += [f"{first} of {total} ({label})" for first, total, label in settled[1:]]
    return f"The modes of {scene.group} are in place {when} {joined(parts)}"


def motion_caption(scene: Scene, *, parts: int | None = None) -> str:
    """Describe the marks, the rule of the frames and each run.

    ``parts``: into how many parts the path of the modes was cut to choose the frames of the best so
    far.
    """
    first = scene.actors[0]
    shown = len(first.pull.levels)
    text = [
        f"Shrinkage of {scene.group} while the optimiser moves. Open points, fixed: "
        f"{reference_words(first.pull)}. Filled points: conditional modes, with the trail of "
        "where they were; the line between is the pull of the model at that moment."
    ]
    if scene.ellipses:
        what = joined([share(c) for c in scene.ellipses])
        mark = "Ellipses hold" if len(scene.terms) > 1 else "Bars at the foot hold"
        text.append(f"{mark} {what} of the distribution of the random effects at that evaluation.")
    text += _without_end(scene)
    if shown < scene.n_levels:
        text.append(
            f"Shown are {shown:,} of {scene.n_levels:,} levels, evenly spaced in rank of the "
            f"reference of {scene.terms[0]}."
        )
    text.append(_rule(scene, parts))
    if len(scene.actors) > 1:
        text.append(
            "Side by side, all runs start together and each stands still after its last evaluation."
        )
    if any(0 < sum(actor.pull.varies) < len(scene.terms) for actor in scene.actors):
        text.append(BY_RANK)
    text.append("Half of the time that it plays goes to frames evenly, half to evaluations evenly.")
    text.append(
        "In place means: from then on no mode is farther from its end than "
        f"{share(IN_PLACE)} of a standard deviation of the references."
    )
    text += [_run(actor, scene) for actor in scene.actors]
    text += _unsure([actor.course for actor in scene.actors], [a.pull.label for a in scene.actors])
    return " ".join(text)


def _unsure(courses: Sequence[Course], labels: Sequence[str]) -> list[str]:
    """Say what the error of random probes is, where an objective was estimated by some."""
    errors = [course.error for course in courses]
    told = probe_sentence(list(zip(labels, errors, strict=True)), courses[0].floor)
    return [told] if told else []


def _without_end(scene: Scene) -> list[str]:
    """Say on which scale a generalised model is, and which levels have no estimate of their own."""
    pulls = [actor.pull for actor in scene.actors]
    if not pulls[0].is_generalized:
        return []
    text = [f"Scale: {scale_words(pulls[0].info)}."]
    counts = [f"{int(p.infinite.sum()):,} of {len(p.levels):,}" for p in pulls]
    if any(p.infinite.any() for p in pulls):
        drawn = "; their open point is at the edge" * (pulls[0].compared == "within_group")
        text.append(
            f"Open arrowhead: levels shown whose own estimate is infinite, {joined(counts)}{drawn}."
        )
    return text


def _rule(scene: Scene, parts: int | None) -> str:
    size = f"a {_ordinal(parts)} part" if parts else "a fixed part"
    counts = joined(
        [f"{len(a.tracks['best'].evaluations)} of {counted(a.course.size)}" for a in scene.actors]
    )
    text = (
        "Frames are those evaluations, better than all before, at which the modes had moved by "
        f"{size} of their whole path (root mean square, in units of their spread at the end), the "
        "first and the last, and those between which the modes of a factor come to be in place: "
        f"{counts}."
    )
    if all("every" in a.tracks for a in scene.actors):
        if any(a.thinned for a in scene.actors):
            counts = joined([f"{len(a.tracks['every'].evaluations)}" for a in scene.actors])
            text += (
                " Trials that were no better can be shown too, chosen by the same rule among all "
                f"evaluations: {counts} frames."
            )
        else:
            text += " Every evaluation can be shown too, better or not."
    return text


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _run(actor: Actor, scene: Scene) -> str:
    """Tell in a sentence how a fit went through its phases and how it ended."""
    label = actor.pull.label[:1].upper() + actor.pull.label[1:]
    course = actor.course
    counts = np.bincount(course.phase, minlength=len(PHASE_NAMES))
    phases = [
        f"{name} {n:,}" for name, n in zip(PHASE_NAMES.values(), counts.tolist(), strict=True) if n
    ]
    words = f"{label}: {counted(course.size)} ({', '.join(phases)})"
    if found := actor.pull.singular(scene.group):
        words += f"; singular, {found['collapsed'] or 'rank ' + str(found['rank'])}"
    return words + "."


# -- theta ---------------------------------------------------------------------------------------


def component_names(fit: FitTables) -> list[str]:
    """Name the components of θ by their terms alone: their colour tells the factor."""
    estimates = fit.require("estimates")
    owners = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
    names = fit.info["theta_names"]
    return [
        name[len(group) + 1 :] if name.startswith(group) and len(name) > len(group) + 1 else name
        for name, group in zip(names, owners, strict=True)
    ]


def theta_title(tables: Sequence[FitTables], courses: Sequence[Course]) -> str:
    """Say how much the optimiser moved θ after it knew where to go.

    A second look for other minima and escapes try far points on purpose: that is no fine tuning.
    """
    parts, reached = [], []
    for fit, course in zip(tables, courses, strict=True):
        near = fit.require("trace")["stage"].isin(["search", "polish"]).to_numpy()
        fine = np.flatnonzero((course.phase == len(PHASE_NAMES) - 1) & near)
        if not fine.size or fine[0] == 0:
            continue
        tried = course.theta[fine]
        reach = float(np.abs(tried - course.theta[course.best_at(course.size) - 1]).max())
        name = structure_label(fit.info)
        reached.append(reach)
        parts.append(number(reach, 2) + (f" ({name})" if len(tables) > 1 else ""))
    if not parts:
        return "The optimiser finds θ without a phase of fine tuning"
    if len(parts) > LISTED:
        return (
            "While it fine-tunes, the optimiser moves θ by at most "
            f"{number(min(reached), 2)} to {number(max(reached), 2)}, depending on the structure"
        )
    return f"While it fine-tunes, the optimiser moves θ by at most {joined(parts)}"


def theta_caption(
    tables: Sequence[FitTables], courses: Sequence[Course], outside: Sequence[int]
) -> str:
    """Describe the marks and each run; ``outside``: per fit, trials outside the axis."""
    text = [
        "Components of θ, the relative covariance parameters, while the optimiser moves, coloured "
        "by grouping factor. Still: the trials of each phase and their range, phases from left to "
        "right, without those that look for a lower minimum elsewhere; point: the optimum. In "
        "motion, the point is the evaluation shown and bars are those before it, fading: either "
        "the best so far, whenever a better one is found, or every trial."
    ]
    for fit, course in zip(tables, courses, strict=True):
        name, count = structure_label(fit.info), course.theta.shape[1]
        text.append(
            f"{name[:1].upper()}{name[1:]}: {counted(course.size)} by "
            f"{fit.info['optimizer']['name']}, {count} component{'' if count == 1 else 's'}."
        )
    if sum(outside):
        gone = sum(outside)
        text.append(f"{gone:,} trial{' leaves' if gone == 1 else 's leave'} the axis of θ.")
    text += _unsure(courses, [structure_label(fit.info) for fit in tables])
    return " ".join(text)
