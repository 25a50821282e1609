"""Titles and captions of shrinkage charts, worded from the numbers drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.levels import REFERENCES, Pull, number, share

__all__ = ["joined", "median_factors", "pull_caption", "pull_title"]


#: Mode over reference above which something other than shrinkage must be going on.
_SHARED = 1.02


def median_factors(pull: Pull) -> NDArray[np.float64]:
    """Median over levels of mode over reference, per term; NaN where nothing can be said."""
    out = np.full(len(pull.terms), np.nan)
    for j in range(len(pull.terms)):
        values = pull.factor[:, j]
        values = values[np.isfinite(values)]
        if pull.varies[j] and values.size:
            out[j] = np.median(values)
    return out


def pull_title(pull: Pull, group: str) -> str:
    """Say how much of its own deviation a typical level keeps, in the first fit drawn."""
    factors = median_factors(pull)
    parts = [
        f"{share(f)} of its own {t}"
        for t, f in zip(pull.terms, factors, strict=True)
        if np.isfinite(f)
    ]
    if not parts:
        return f"Shrinkage of {group}: the fit leaves no variation between its levels"
    if np.nanmax(factors) > _SHARED:
        parts = [p.replace("its own ", "their reference in ", 1) for p in parts]
        return f"Conditional modes of {group} are typically {joined(parts)}"
    return f"A typical level of {group} keeps {joined(parts)}"


def pull_caption(
    fits: Sequence[Pull],
    group: str,
    *,
    reference: str,
    scale: str,
    kinds: Sequence[str],
    sampling: str = "",
    out_of_frame: Sequence[int] = (),
    ellipses: Sequence[float] = (),
) -> str:
    """Say what the marks are, and what they show, fit by fit.

    Parameters
    ----------
    fits : sequence of Pull
    group, reference, scale : str
    kinds : sequence of str
        Which marks of populations are drawn.
    sampling : str
        The rule by which levels were chosen, if not all are drawn.
    out_of_frame : sequence of int
        Per fit, the levels outside the axes.
    ellipses : sequence of float
        Coverages drawn.

    Returns
    -------
    str
    """
    first = fits[0]
    text = [
        f"For each of the {len(first.levels)} levels of {group}: open point, "
        f"{REFERENCES[reference]}; filled point, its conditional mode; the line between is the "
        "pull of the model."
    ]
    if ellipses:
        shown = joined([share(c) for c in ellipses])
        text.append(f"Ellipses hold {shown} of the fitted distribution of the random effects.")
    if scale == "coef":
        text.append("Values are coefficients: population plus deviation.")
    if "limit" in kinds:
        text.append(
            "Cross: fitted population. Diamond: population of the joint limit"
            + (
                "; open points are deviations from it."
                if scale == "b" and reference == "joint_limit"
                else "."
            )
        )
    for pull in fits:
        text.append(_one_fit(pull, group, kinds))
    if any(np.nanmax(median_factors(p), initial=0.0) > _SHARED for p in fits):
        text.append(
            "More than 100\u00a0% means that the fit gives this term some of what the reference "
            "gives to other terms or factors, which least squares alone may be unable to divide."
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
    return " ".join(text)


def _one_fit(pull: Pull, group: str, kinds: Sequence[str]) -> str:
    factors = median_factors(pull)
    kept = [
        f"{number(f, 2)} for {t}"
        for t, f in zip(pull.terms, factors, strict=True)
        if np.isfinite(f)
    ]
    label = pull.label[:1].upper() + pull.label[1:]
    parts = [f"{label}: median of mode over reference {joined(kept)}" if kept else label]
    structure = pull.info["structure"]
    if len(pull.terms) > 1 and structure == "zerocorr":
        parts.append("arrows follow each axis' own pull only, as no correlation is fitted")
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
        parts.append(f"{joined(still)} {verb} not vary, {whose} levels lie on the population line")
    return "; ".join(parts) + "."


def joined(parts: Sequence[str]) -> str:
    """Join words as in a sentence."""
    parts = list(parts)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
