"""What influence says, in words made from the stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mixedscope.charts.common.numerals import number, percent
from mixedscope.charts.kinds.influence.units import Units

__all__ = ["effects_sentence", "influence_caption", "influence_title", "sds_sentence", "units_name"]

_METHODS: Final = {
    "fixed": "covariance parameters as they are",
    "newton": "one Newton step of the covariance parameters",
    "exact": "fits without the unit",
}


_OF_FAMILIES: Final = {**_METHODS, "newton": "one Newton step of all parameters"}


def units_name(units: Units) -> str:
    """What the units of a block are, and how many."""
    count = len(units.table)
    return f"{count:,} rows" if units.by is None else f"{count:,} levels of {units.by}"


def influence_title(blocks: Sequence[Units]) -> str:
    """Say which unit of each kind moves the fixed effects most."""
    parts = []
    for units in blocks:
        most = units.table.iloc[0]
        if most["cooks_distance"] == most["cooks_distance"]:
            distance = number(float(most["cooks_distance"]), 2)
            parts.append(f"{units.noun} {most['unit']} (Cook's distance\u00a0{distance})")
    if not parts:
        return "Influence: no unit has a Cook's distance"
    return f"Fixed effects move most without {' and '.join(parts)}"


def effects_sentence(units: Units) -> str:
    """Say which coefficient changes most, without which unit, and how many changes are large."""
    own = units.effects[units.effects["scaled"].notna()]
    most = own.iloc[int(own["scaled"].abs().to_numpy().argmax())]
    large = int((own["scaled"].abs() > units.limit).sum())
    return (
        f"Most: {most['term']} by {number(float(most['scaled']), 2)} without {most['unit']}; "
        f"{large:,} of {len(own):,} beyond ±{number(units.limit, 2)}."
    )


def sds_sentence(units: Units) -> str:
    """Say which standard deviation changes most, without which unit."""
    own = units.sds[units.sds["share"].notna()]
    if own.empty:
        return "No standard deviation is above zero."
    most = own.iloc[int(own["share"].abs().to_numpy().argmax())]
    return (
        f"Most: {most['name']} is {number(float(most['estimate']))} without {most['unit']}, "
        f"{percent(abs(float(most['share'])), 1)} {'less' if most['share'] > 0 else 'more'} than "
        "with all."
    )


def influence_caption(blocks: Sequence[Units]) -> str:
    """Say what is measured, how it was found, and what is missing."""
    known = _OF_FAMILIES if blocks[0].has_family else _METHODS
    methods = dict.fromkeys(known.get(units.method, units.method) for units in blocks)
    text = [
        f"Estimates without each unit in turn ({'; '.join(methods)}). Cook's distance: of all "
        "fixed effects together, by their covariance. Coefficients: with all less without, over "
        "the standard error without; beyond ±2/√units a change counts as large. "
        f"{blocks[0].scales}: with all less without, over with all. "
        "Positive: the unit makes it larger."
    ]
    for units in blocks:
        missing = int(units.table["cooks_distance"].isna().sum())
        if missing:
            text.append(
                f"Without {missing:,} of {units_name(units)} some coefficient is inestimable."
            )
    return " ".join(text)
