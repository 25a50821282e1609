"""Titles and captions of shrinkage charts, worded from the numbers drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.link_scale import scale_words
from mixedscope.charts.kinds.shrinkage.levels import Pull, movement, number, share

__all__ = [
    "BY_RANK",
    "NO_LIMIT",
    "infinite_key",
    "joined",
    "limit_key",
    "pull_caption",
    "pull_key",
    "pull_title",
    "reference_key",
    "reference_words",
    "spreads",
]


NO_LIMIT = (
    "The joint least-squares limit could not be computed, as columns of random effects are nearly "
    "collinear."
)
"""Why modes are compared with the levels' own rows, where that is the reason."""

BY_RANK = (
    "Where one of two terms alone varies, levels stand by rank of their reference in it, the "
    "distribution at the foot."
)
"""What panels of two terms show of a fit in which one of them does not vary."""

#: SD of modes over that of references above which something other than shrinkage must be going on.
_SHARED = 1.02

#: An SD, of modes or references, that is so small a part of the other is none.
_NOTHING = 1e-6

#: A shift of the population below this share of the SDs between levels is not told.
_UNSEEN = 1e-2

#: Shares of a deviation that differ by less are the same.
_CONSTANT = 1e-6


def reference_words(pull: Pull) -> str:
    """Say what the reference is, for a sentence about a level."""
    if pull.compared == "theta":
        return f"its conditional mode at {pull.at}" + (f" ({pull.meaning})" if pull.meaning else "")
    if pull.compared == "linearised":
        return "the reference, its linearised own estimate (one step without penalty from the mode)"
    if pull.compared == "within_group" and pull.is_generalized:
        return (
            "the reference, its own maximum likelihood estimate (this group's rows alone, all else "
            "as fitted)"
        )
    if pull.compared == "within_group":
        return "the reference, its own least-squares estimate (this group's rows alone)"
    if pull.confounded:
        return (
            "the reference, its part in the joint least-squares solution of smallest norm, no "
            f"estimate, as least squares cannot tell {joined(pull.confounded)} apart"
        )
    return "the reference, its estimate without shrinkage (joint least-squares limit)"


def reference_key(pull: Pull) -> str:
    """Name the reference in a key."""
    if pull.compared == "theta":
        return f"mode at {pull.at}"
    if pull.compared == "linearised":
        return "reference (linearised own estimate)"
    if pull.compared == "within_group" and pull.is_generalized:
        return "reference (own maximum likelihood)"
    if pull.compared == "within_group":
        return "reference (own least squares)"
    if pull.confounded:
        return "reference (joint limit, smallest norm)"
    return "reference (joint limit)"


def infinite_key() -> str:
    """Name the arrowhead of levels whose own estimate is infinite in a key."""
    return "own estimate infinite"


def pull_key(pull: Pull) -> str:
    """Name the line from reference to mode in a key."""
    return "way to the fit" if pull.compared == "theta" else "pull"


def limit_key(pull: Pull) -> str:
    """Name the population of the reference in a key."""
    return f"population {f'at {pull.at}' if pull.compared == 'theta' else 'of the limit'}"


def spreads(pull: Pull) -> list[tuple[str, float, float]]:
    """SD over levels of reference and of mode, for every term that varies and can be compared.

    Levels that have a reference count, and are two at least; an SD that is rounding is 0.
    """
    out = []
    for j, term in enumerate(pull.terms):
        known = np.isfinite(pull.reference[:, j])
        if not pull.varies[j] or known.sum() < 2:
            continue
        before = float(np.std(pull.reference[known, j], ddof=1))
        after = float(np.std(pull.mode[known, j], ddof=1))
        # An SD that is so small a part of the other is rounding.
        least = _NOTHING * max(before, after)
        out.append((term, before if before > least else 0.0, after if after > least else 0.0))
    return out


def pull_title(pull: Pull, group: str) -> str:
    """Say how far apart levels are before and after shrinkage, in the first fit drawn."""
    told = spreads(pull)
    subject = f"Shrinkage of {group}"
    if pull.compared == "theta":
        subject = f"{group} from {pull.at} to the fit"
    if not any(pull.varies) or (told and not any(after for _, _, after in told)):
        return f"{subject}: the fit leaves no variation between its levels"
    if not told:
        return f"Conditional modes of {group}: no level's own rows suffice for an estimate"
    where = f"; level {pull.levels[int(np.argmax(movement(pull)))]} moves most"
    if pull.compared == "within_group" and (count := int(pull.infinite.sum())):
        # Those move most, if anything does.
        where = f"; of {count:,} of {len(pull.levels):,} levels the own estimate is infinite"
    if len(pull.terms) == 1:
        return f"{subject}: SD between levels {_change(*told[0][1:])}{where}"
    parts = [f"{_change(before, after)} in {term}" for term, before, after in told]
    return f"{subject}: SD between levels {joined(parts)}{where}"


def _change(before: float, after: float) -> str:
    return f"{number(before)} \u2192 {number(after)}"


def pull_caption(
    fits: Sequence[Pull],
    group: str,
    *,
    scale: str,
    kinds: Sequence[str],
    sampling: str = "",
    out_of_frame: Sequence[int] = (),
    ellipses: Sequence[float] = (),
    lines: bool = False,
    hover: float | None = None,
) -> str:
    """Say what the marks are, and what they show, fit by fit.

    ``kinds``: which marks of populations are drawn. ``sampling``: the rule by which levels were
    chosen, if not all are drawn. ``out_of_frame``: per fit, the levels outside the axes.
    ``ellipses``: coverages drawn. ``lines``: whether populations are lines, not points.
    ``hover``: coverage of the regions that a pointer shows in pages.
    """
    first = fits[0]
    text = [
        f"For each of the {len(first.levels):,} levels of {group}: open point, "
        f"{reference_words(first)}; filled point, its conditional mode; the line between is "
        + ("how it moves." if first.compared == "theta" else "the pull of the model.")
    ]
    if first.is_generalized:
        text += _on_link(fits)
    elif first.compared == "within_group":
        text += _own_rows(fits)
    if ellipses:
        shown = joined([share(c) for c in ellipses])
        text.append(f"Ellipses hold {shown} of the fitted distribution of the random effects.")
    if any(len(set(p.varies)) > 1 for p in fits):
        text.append(BY_RANK)
    if scale == "coef":
        text.append("Values are coefficients: population plus deviation.")
    if "limit" in kinds:
        where = f"at {first.at}" if first.compared == "theta" else "of the joint limit"
        marks = ("Dashed", "Dotted") if lines else ("Cross", "Diamond, joined to it")
        text.append(
            f"{marks[0]}: fitted population. {marks[1]}: population {where}"
            + ("; open points are deviations from it." if scale == "b" else ".")
        )
    several = len({pull.at for pull in fits}) > 1
    for pull in fits:
        text.append(_one_fit(pull, group, shift="limit" in kinds, at=several))
    shrunken = first.compared != "theta"
    if shrunken and any(b > _SHARED * a for p in fits for _, a, b in spreads(p)):
        text.append(
            "Where modes vary more than references it is no shrinkage: the fit gives this term "
            "some of what the reference gives to other terms or factors."
        )
    if sampling:
        text.append(sampling)
    if any(pull.missing.any() for pull in fits):
        counts = joined([f"{int(p.missing.sum())} ({p.label})" for p in fits])
        text.append(f"Levels without a reference, drawn as a mode alone: {counts}.")
    if any(out_of_frame):
        gone = joined([f"{n} ({p.label})" for n, p in zip(out_of_frame, fits, strict=True) if n])
        text.append(
            "The axes are cut where few levels would squash all others; "
            f"levels partly outside: {gone}."
        )
    if hover is not None:
        text.append(
            f"In the page, a pointer over a mode shows the region that holds {share(hover)} of the "
            "level's random effects, given its data."
        )
    return " ".join(text)


def _on_link(fits: Sequence[Pull]) -> list[str]:
    """Say on which scale values are, and of how many levels the own estimate has no end."""
    text = [f"Scale: {scale_words(fits[0].info)}."]
    counts = [
        f"{int(pull.infinite.sum()):,} of {len(pull.levels):,}"
        + (f" ({pull.label})" if len(fits) > 1 else "")
        for pull in fits
    ]
    if any(pull.infinite.any() for pull in fits):
        text.append(
            f"Open arrowhead: levels whose own estimate is infinite, {joined(counts)}"
            + "; their ring is at the edge." * (fits[0].compared == "within_group")
            + "." * (fits[0].compared != "within_group")
        )
    if any(pull.not_found for pull in fits):
        told = joined([f"{pull.not_found:,}" for pull in fits])
        text.append(f"Levels whose own estimate was not found: {told}.")
    return text


def _own_rows(fits: Sequence[Pull]) -> list[str]:
    """Say what else is in the rows of a level, and why there is no better reference."""
    text = []
    confounded = max((p.confounded for p in fits), key=len)
    if confounded:
        text.append(
            f"Least squares cannot tell {joined(confounded)} apart, so that no estimate of all "
            "factors together without shrinkage exists."
        )
    elif not all(p.has_limit for p in fits):
        text.append(NO_LIMIT)
    if any(len(p.info["random"]) > 1 for p in fits):
        text.append(
            "A level's own rows hold the effects of other factors too: not all of the pull is "
            "shrinkage."
        )
    return text


def _one_fit(pull: Pull, group: str, *, shift: bool, at: bool) -> str:
    """Tell what one fit does; where asked for, how its population moves, and from which theta."""
    label = pull.label[:1].upper() + pull.label[1:]
    if at:
        label += f" (from {pull.at})"
    told = spreads(pull)
    if told:
        changes = joined([f"{_change(a, b)} for {term}" for term, a, b in told])
        parts = [f"{label}: SD over levels of references \u2192 modes {changes}"]
    else:
        parts = [label]
    moved = movement(pull)
    if told and moved.max() > 0 and not (pull.compared == "within_group" and pull.infinite.any()):
        parts.append(_mover(pull, int(np.argmax(moved))))
    if shift and (ways := _shifts(pull)):
        parts.append(f"the population moves by {joined(ways)}")
    kept = [
        f"{share(factor)} of {term}"
        for term, factor in zip(pull.terms, _constant(pull), strict=True)
        if np.isfinite(factor)
    ]
    if kept and pull.compared != "theta":
        parts.append(f"every level keeps the same share, {joined(kept)}")
    if found := pull.singular(group):
        words = found["collapsed"] or f"rank {found['rank']} of {found['size']}"
        parts.append(f"singular, {words}")
    elif held := pull.held(group):
        parts.append(
            f"the structure leaves {held['full_rank']} of {held['size']} dimensions, and every "
            "level is pulled onto them"
        )
    still = [t for t, varies in zip(pull.terms, pull.varies, strict=True) if not varies]
    if still:
        verb, whose = ("does", "its") if len(still) == 1 else ("do", "their")
        parts.append(f"{joined(still)} {verb} not vary, {whose} modes are those of the population")
    return "; ".join(parts) + "."


def _mover(pull: Pull, at: int) -> str:
    """Tell from where to where the level goes that moves most."""
    known = [j for j in range(len(pull.terms)) if np.isfinite(pull.reference[at, j])]
    ways = [
        f"{number(pull.reference[at, j])} \u2192 {number(_clear(pull, at, j))} in {pull.terms[j]}"
        for j in known
        if pull.varies[j]
    ]
    return f"level {pull.levels[at]} moves most, {joined(ways)}"


def _shifts(pull: Pull) -> list[str]:
    """By how much the population moves from that of the reference, in terms where that shows."""
    found = []
    for j, term in enumerate(pull.terms):
        by = float(pull.population[j] - pull.limit[j])
        apart = [
            float(np.std(v[np.isfinite(v)]))
            for v in (pull.reference[:, j], pull.mode[:, j])
            if np.isfinite(v).any()
        ]
        if abs(by) > _UNSEEN * max(apart, default=0.0):
            found.append(f"{'+' if by > 0 else ''}{number(by)} in {term}")
    return found


def _clear(pull: Pull, at: int, j: int) -> float:
    """Give a mode; 0 where it is rounding beside its reference."""
    mode = float(pull.mode[at, j])
    return mode if abs(mode) > _NOTHING * abs(float(pull.reference[at, j])) else 0.0


def _constant(pull: Pull) -> NDArray[np.float64]:
    """Share of its reference that every level keeps, per term; NaN where they differ."""
    out = np.full(len(pull.terms), np.nan)
    for j in range(len(pull.terms)):
        values = pull.factor[np.isfinite(pull.factor[:, j]), j]
        if pull.varies[j] and values.size > 1:
            middle = float(np.median(values))
            if middle > _CONSTANT and np.ptp(values) <= _CONSTANT * middle:
                out[j] = middle
    return out


def joined(parts: Sequence[str]) -> str:
    """Join words as in a sentence."""
    parts = list(parts)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
