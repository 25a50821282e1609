"""What a certificate says of an optimum that random probes carried from the exact one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["APART", "FAR", "HIDDEN", "TOO_MUCH", "probe_doubt", "probe_words"]

TOO_MUCH: Final = 0.02
"""Probe error of theta, in its standard errors, above which there are to be more probes."""

FAR: Final = 0.5
"""Probe error of theta, in its standard errors, above which theta is no estimate."""

HIDDEN: Final = 0.5
"""Deviance that a point elsewhere may be lower, for what probes leave open, and be of no account.
"""

APART: Final = 4.0
"""How far fresh probes may be from the others, in standard errors of the difference."""


def probe_doubt(
    told: Mapping[str, Any], criterion: str, decrement: float = 0.0, cause: str = ""
) -> str:
    """Say why probes leave it open whether a fit ended at an optimum; empty if they do not.

    ``told``: the ``probe_error`` of a certificate, whose ``theta`` has the root of ``decrement``,
    what the search left, in it. ``cause``: a sentence on what they err from.
    """
    of_probes = math.sqrt(max(told["theta"] ** 2 - decrement, 0.0))
    if of_probes > FAR:
        words = (
            f"Random probes leave theta open by {_rounded(of_probes)} of its standard errors: "
            "do not use these estimates."
        )
    elif told.get("hidden", 0.0) > HIDDEN:
        words = (
            f"Random probes leave open whether the {criterion} is lower elsewhere: there, by two "
            f"of their standard errors, it may be lower by {_rounded(told['hidden'])}."
        )
    else:
        return ""
    because = f" {cause}" if cause else ""
    return f"{words}{because} Fit with solver='sparse' or 'exact'."


def probe_words(told: Mapping[str, Any], criterion: str, *, is_optimum: bool = True) -> str:
    """Say how far an optimum is known that was found by probes.

    ``told``: the ``probe_error`` of a certificate. ``is_optimum``: whether it is one.
    """
    theta, fresh = told["theta"], told["fresh"]
    off = _rounded(told["objective"])
    errors = f"(one standard error each, of {told['probes']} random probes); "
    if is_optimum:
        words = (
            "The fit ended at an optimum to within probe error: theta is within "
            f"{_rounded(theta)} of its standard errors of the exact one, and the {criterion} is "
            f"known to \u00b1{off} {errors}"
        )
    else:
        words = (
            f"Where it ended the {criterion} is known to \u00b1{off}, and probes and search leave "
            f"theta open by {_rounded(theta)} of its standard errors {errors}"
        )
    if fresh <= APART:
        words += (
            f"as many fresh probes have a gradient that differs by no more than {fresh:.1f} "
            "standard errors."
        )
    else:
        words += (
            f"but as many fresh probes have a gradient that differs by {fresh:.1f} standard "
            "errors: the error is larger than stated."
        )
    if is_optimum and theta > TOO_MUCH:
        words += " More probes did not help enough: fit with solver='sparse' or 'exact'."
    return words


def _rounded(value: float) -> str:
    """Two digits, rounded up: an error is no smaller than told."""
    if not value > 0.0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / unit * (1.0 - 1e-9)) * unit:.2g}"
