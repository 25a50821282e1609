"""Gaps that say nothing, where an objective was estimated by random probes: a band at the foot.

All evaluations of a fit have the same probes. What these get wrong of the objective they get wrong
everywhere, nearly, so that a gap is known far better than an objective: near the optimum its error
falls with the distance, as the root of the gap, and below one height, which the certificate tells,
it is larger than the gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import altair as alt
import pandas as pd

from mixedscope.charts.common.keys import Keyed
from mixedscope.charts.common.numerals import told_gap
from mixedscope.charts.common.theme import ink
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = [
    "EXACT",
    "PROBE_KEY",
    "VEIL",
    "ProbeError",
    "known_above",
    "probe_band",
    "probe_error",
    "probe_key",
    "probe_sentence",
    "probe_sentence_of_points",
]

#: What the band is called in keys.
PROBE_KEY: Final = "within the error of random probes"

VEIL: Final = 0.12
"""Opacity of the band, whose colour is that of soft ink: marks stand out from it still."""

_EDGE: Final[dict[str, Any]] = {"strokeWidth": 0.9, "strokeDash": [5, 2]}


class ProbeError(NamedTuple):
    """What random probes leave open of the objective of a fit.

    Attributes
    ----------
    above : float
        Gap from which on gaps mean something.
    objective : float
        Standard error of the objective.
    probes : int
        How many there are.
    """

    above: float
    objective: float
    probes: int


EXACT: Final = ProbeError(0.0, 0.0, 0)
"""Of an objective that no probes estimate."""


def probe_error(info: Mapping[str, Any]) -> ProbeError:
    """What is left open of a fit; ``info``: what ``fit.json`` holds."""
    told = (info.get("certificate") or {}).get("probe_error")
    if not told:
        return EXACT
    # Fits stored before differences were told have none.
    return ProbeError(float(told.get("difference") or 0.0), told["objective"], told["probes"])


def known_above(info: Mapping[str, Any]) -> float:
    """Give the gap from which on gaps of a fit mean something; 0 where its objective is exact."""
    return probe_error(info).above


def probe_band(above: float, low: float, field: str, place: Any, theme: str) -> list[Any]:
    """Draw the band of a panel, behind its marks, over its whole width or height.

    ``above``: of `known_above`. ``low``: foot of the axis. ``place``: the axis of gaps,
    ``alt.X`` or ``alt.Y``, of the ``field``. Gives no layer where the band would lie below it.
    """
    if not above > low:
        return []
    colour, edge = ink(theme)["soft"], float(f"{above:.7g}")
    channel, end = ("x", alt.X2) if isinstance(place, alt.X) else ("y", alt.Y2)
    rows = alt.Chart(pd.DataFrame({field: [low], "edge": [edge]}))
    veil = rows.mark_rect(fill=colour, opacity=VEIL, aria=False, clip=True)
    line = alt.Chart(pd.DataFrame({field: [edge]})).mark_rule(
        stroke=colour, aria=False, clip=True, **_EDGE
    )
    return [
        veil.encode(**{channel: place, f"{channel}2": end("edge")}),
        line.encode(**{channel: place}),
    ]


def probe_key(theme: str) -> Keyed:
    """The band in a key."""
    return Keyed("band", PROBE_KEY, {"fill": ink(theme)["soft"], "opacity": 2 * VEIL})


def probe_sentence(fits: Sequence[tuple[str, ProbeError]], floor: float) -> str:
    """Say what the band is, in a caption; nothing where all objectives are exact.

    ``fits``: what each is called, and what is left open of it. ``floor``: smallest gap drawn.
    """
    known = [(label, error) for label, error in fits if error.above > 0.0]
    if not known:
        return ""
    told = [
        (told_gap(e.above), f"{e.probes} random probes", f"\u00b1{told_gap(e.objective)}")
        for _, e in known
    ]
    several = len(set(told)) > 1

    def listed(part: int) -> str:
        words = [f"{t[part]} ({label})" for t, (label, _) in zip(told, known, strict=True)]
        return joined(words) if several else told[0][part]

    own = "which may be smaller than their own standard error"
    gaps = f"Shaded: gaps below {listed(0)}, {own}."
    if not any(error.above > floor for _, error in known):
        gaps = f"Gaps below {listed(0)}, {own}, lie below the axis."
    return f"{gaps} {_common(listed(1), listed(2), 'evaluation')}"


def probe_sentence_of_points(error: ProbeError) -> str:
    """Say how well an objective is known that was estimated at points of no search."""
    if not error.probes:
        return ""
    return _common(f"{error.probes} random probes", f"\u00b1{told_gap(error.objective)}", "point")


def _common(probes: str, known: str, place: str) -> str:
    return (
        f"The objective is estimated by {probes} and known to {known}; as the probes are the same "
        f"at every {place}, nearly all of that error is common to all of them and in no gap."
    )
