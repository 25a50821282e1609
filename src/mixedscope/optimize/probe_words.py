"""What a certificate says of an optimum that random probes carried from the exact one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["APART", "TOO_MUCH", "probe_words"]

TOO_MUCH: Final = 0.02
"""Probe error of theta, in its standard errors, above which there are to be more probes."""

APART: Final = 4.0
"""How far fresh probes may be from the others, in standard errors of the difference."""


def probe_words(told: Mapping[str, Any], criterion: str) -> str:
    """Say how far an optimum is known that was found by probes.

    ``told``: the ``probe_error`` of a certificate.
    """
    theta, fresh = told["theta"], told["fresh"]
    off = _rounded(told["objective"])
    words = (
        "The fit ended at an optimum to within probe error: theta is within "
        f"{_rounded(theta)} of its standard errors of the exact one, and the {criterion} is known "
        f"to \u00b1{off} (one standard error each, of {told['probes']} random probes); "
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
    if theta > TOO_MUCH:
        words += " More probes did not help enough: fit with solver='sparse' or 'exact'."
    return words


def _rounded(value: float) -> str:
    """Two digits, rounded up: an error is no smaller than told."""
    if not value > 0.0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / unit * (1.0 - 1e-9)) * unit:.2g}"
