"""What the modes of levels are compared with: which reference there is, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from mixedscope.charts.common.link_scale import is_generalized
from mixedscope.charts.common.numerals import number
from mixedscope.core.errors import ModelError, StoreError, UnsuitedError
from mixedscope.tables.store import FitTables

__all__ = [
    "REFERENCES",
    "asked_for",
    "check_reference",
    "confounded_in",
    "missing_limit",
    "reference_of",
    "theta_words",
]

#: What a conditional mode may be compared with: columns of the stored modes, or whichever of these
#: is right, or modes at a theta that was given.
REFERENCES: Final = ("auto", "joint_limit", "within_group", "linearised", "theta")

#: Components of a theta that are written out.
_WRITTEN: Final = 4


def reference_of(tables: Sequence[FitTables], group: str) -> str:
    """Choose what the conditional modes of a grouping factor are compared with.

    The joint limit is what the levels would be without shrinkage, all factors together; where
    least squares cannot tell the factor from another it is no estimate, or where it could not be
    computed, the rows of each level alone are left. Of generalised models, whose levels may have no
    estimate of their own, it is that estimate linearised at the mode.

    ``tables``: fits that are drawn together.
    """
    if is_generalized(tables[0].info):
        return "linearised"
    apart = all(group not in confounded_in(fit) for fit in tables)
    return "joint_limit" if apart and not missing_limit(tables) else "within_group"


def check_reference(tables: Sequence[FitTables], reference: str) -> None:
    """Refuse a reference that fits of their kind cannot have.

    Raises UnsuitedError for the joint limit of a generalised model, and ModelError for a linearised
    estimate of a linear one.
    """
    generalized = is_generalized(tables[0].info)
    if generalized and reference == "joint_limit":
        raise UnsuitedError(
            "A generalised model has no joint limit: as the penalty vanishes the modes of levels "
            "whose outcomes are all alike grow without end; choose reference='linearised' or "
            "'within_group'"
        )
    if not generalized and reference == "linearised":
        raise ModelError(
            "reference='linearised' is of generalised models; in a linear model the level's own "
            "estimate is least squares, reference='within_group'."
        )


def missing_limit(tables: Sequence[FitTables]) -> str:
    """Why the joint limit of one of some fits could not be computed; empty where all have it."""
    limits = [(fit.info.get("references") or {}).get("joint_limit", {}) for fit in tables]
    return next((str(limit["missing"]) for limit in limits if "missing" in limit), "")


def confounded_in(fit: FitTables) -> tuple[str, ...]:
    """Grouping factors that least squares cannot tell apart; all, if the fit never asked.

    Where there is no joint limit nothing is known of them, and nothing said.
    """
    limit = (fit.info.get("references") or {}).get("joint_limit", {})
    if "missing" in limit:
        return ()
    groups = [str(entry["group"]) for entry in fit.info["random"]]
    return tuple(limit.get("confounded", groups if len(groups) > 1 else ()))


def asked_for(fit: FitTables, name: str, group: str | None = None) -> pd.DataFrame:
    """A table of the study ``reference``, of one grouping factor.

    Raises StoreError if there is none, which says what makes it.
    """
    table = fit.get(name)
    if table is None:
        raise StoreError(
            f"The fit of {fit.info.get('formula', '?')!r} has no modes at a theta of your own: "
            "give that as the reference of a fit, reference=[...], or study it, "
            "fit.study('reference', theta=[...]); in a configuration it is "
            "charts.studies.reference.theta."
        )
    table = fit.require(name)  # which may say why it could not be made
    return table if group is None else table[table["group"] == group]


def theta_words(fit: FitTables) -> tuple[str, str]:
    """What the theta is at which modes are the reference, in symbols, and what that means.

    The meaning is empty where theta is no multiple of the identity.
    """
    table = asked_for(fit, "reference_estimates")
    for multiple in table.loc[table["kind"] == "multiple", "estimate"].tolist():
        if multiple == 0.0:
            return "\u039b = 0", "complete pooling"
        times = "" if multiple == 1.0 else f"{number(multiple)}\u00a0"
        meaning = f"random effects uncorrelated, of SD {times}\u03c3 each"
        return f"\u039b = {times}I", meaning
    values = table.loc[table["kind"] == "theta", "estimate"].tolist()
    if len(values) > _WRITTEN:
        return f"the \u03b8 given ({len(values)} numbers)", ""
    written = ", ".join(map(number, values))
    return (f"\u03b8 = {written}" if len(values) == 1 else f"\u03b8 = ({written})"), ""
