"""Principal axes of the random effects of a grouping factor.

So that units of covariates do not decide, an effect counts by what it does to the response: times
the root mean square of its column. Otherwise these are the axes of lme4's ``rePCA``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.group_effects import GroupEffects
from mixedscope.inference.estimates.estimates import SINGULAR

__all__ = ["PrincipalAxis", "axis_name", "principal_axes"]

Floats = NDArray[np.float64]

#: Loadings of less than this, of an axis of length 1, are not named.
_NAMED: Final = 0.3


class PrincipalAxis(NamedTuple):
    """One axis: `component` counts from 1, `loadings` are NaN where the data leave it open."""

    component: int
    sd: float
    share: float
    allowed: bool
    collapsed: bool
    loadings: Floats
    name: str


def principal_axes(
    term: GroupEffects, theta: Floats, sigma: float, *, told: bool = True, unit: bool = True
) -> list[PrincipalAxis]:
    """Give the axes of a factor, the largest first, from the theta of the factor.

    The largest loading of an axis is positive. Where axes are not `told`, as any along the flat
    directions fit the data alike, numbers are NaN. Without `unit` they are those of the effects as
    they are, lme4's own; as many have collapsed as of those by what they do to the response.
    """
    axes, lengths, _ = np.linalg.svd(term.unit_factor(theta))
    alive = lengths > SINGULAR
    lengths = lengths * term.unit
    if not unit:
        axes, lengths, _ = np.linalg.svd(term.factor(theta))
    total = float((lengths**2).sum())
    if not told:
        axes, lengths, total = np.full_like(axes, np.nan), np.full_like(lengths, np.nan), np.nan
    out = []
    for i, length in enumerate(lengths):
        axis = axes[:, i] * np.where(axes[np.argmax(np.abs(axes[:, i])), i] < 0.0, -1.0, 1.0) + 0.0
        out.append(
            PrincipalAxis(
                component=i + 1,
                sd=float(length * sigma),
                share=0.0 if total == 0.0 else float(length**2) / total,
                allowed=i < term.rank,
                collapsed=not alive[i] and told and i < term.rank,
                loadings=axis,
                name=axis_name(term.names, axis) if told else "",
            )
        )
    return out


def axis_name(names: Sequence[str], axis: Floats) -> str:
    """Name an axis by its large loadings: ``0.8 (Intercept) - 0.6 Days``."""
    order = [j for j in range(len(names)) if abs(axis[j]) >= _NAMED]
    parts: list[str] = []
    for j in order:
        size = "" if len(order) == 1 else f"{abs(axis[j]):.1f} "
        sign = "" if not parts and axis[j] > 0.0 else "−" if not parts else " + "
        if parts and axis[j] < 0.0:
            sign = " − "
        parts.append(f"{sign}{size}{names[j]}")
    return "".join(parts)
