"""Numbers as readers see them: few digits, true minus signs, shares that add up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from mixedscope.core import wording

__all__ = [
    "counted",
    "deviation",
    "fixed",
    "in_full",
    "number",
    "percent",
    "power",
    "power_of_ten",
    "share",
    "share_in_tenths",
    "shares",
    "signed",
    "told_gap",
    "told_level",
]

#: Powers of ten that are written out.
_PLAIN: Final = range(-3, 5)


def number(value: float, digits: int = 3) -> str:
    """Write a number for readers: a few significant digits and a true minus sign.

    Whole numbers of more digits are written out, with thousands set off.

    Examples
    --------
    >>> number(1234.56), number(0.012345), number(120.0, 2), number(-1e-5)
    ('1,235', '0.0123', '120', '−1e−5')
    """
    if not np.isfinite(value):
        return "\u2013"
    large = 10.0**digits <= abs(value) < 1e12
    return signed(f"{value:,.0f}" if large else f"{value:.{digits}g}")


def fixed(value: float, decimals: int = 0) -> str:
    """Write a number with so many decimals, thousands set off.

    Examples
    --------
    >>> fixed(1234.5), fixed(-0.456, 2)
    ('1,234', '−0.46')
    """
    return signed(f"{value:,.{decimals}f}") if np.isfinite(value) else "\u2013"


def in_full(value: float) -> str:
    """Write a number that somebody chose: all its digits, without those that rounding adds.

    Examples
    --------
    >>> in_full(0.5), in_full(100 * 0.975), in_full(39.99), in_full(100 * 0.07)
    ('0.5', '97.5', '39.99', '7')
    """
    return signed(f"{value:,.12g}") if np.isfinite(value) else "\u2013"


def power(value: float, digits: int = 2) -> str:
    """Write a number in powers of ten, with so many digits at most.

    Examples
    --------
    >>> power(9.81e-4), power(1e-6), power(2.3e7, 1)
    ('9.8e−4', '1e−6', '2e7')
    """
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return signed(f"{float(mantissa):g}e{int(exponent)}")


def told_gap(value: float, digits: int = 2) -> str:
    """Write a difference of objectives: below 0.001 in powers of ten, with so many digits.

    Examples
    --------
    >>> told_gap(0.0), told_gap(9.81e-4), told_gap(0.01234), told_gap(1234.5)
    ('0', '9.8e−4', '0.0123', '1,234')
    """
    return power(value, digits) if 0 < abs(value) < 1e-3 else number(value)


def power_of_ten(exponent: int) -> str:
    """Write a power of ten, written out where it is short.

    Examples
    --------
    >>> power_of_ten(3), power_of_ten(-2), power_of_ten(-5)
    ('1,000', '0.01', '1e−5')
    """
    if exponent in _PLAIN:
        return f"{10.0**exponent:,.{max(0, -exponent)}f}"
    return signed(f"1e{exponent}")


def percent(value: float, decimals: int = 0) -> str:
    """Write a ratio as a percentage with so many decimals; see `share` for one that may be small.

    Examples
    --------
    >>> percent(0.354).replace(" ", ""), percent(-0.0312, 1).replace(" ", "")
    ('35%', '−3.1%')
    """
    return f"{fixed(100 * value, decimals)}\u00a0%"


def signed(text: str) -> str:
    """Give a written number true minus signs, and its power of ten no zeros in front."""
    return re.sub(r"e([+-]?)0*(?=\d)", r"e\1", text).replace("e+", "e").replace("-", "\u2212")


def deviation(sd: float, sigma: float) -> str:
    """Write a standard deviation of random effects; a collapsed one is rounding, and said to be.

    Examples
    --------
    >>> deviation(3.1e-11, 2.5), deviation(0.0, 2.5), deviation(0.31, 2.5)
    ('< 1e−6 σ', '0', '0.31')
    """
    return "< 1e\u22126 \u03c3" if 0 < sd < 1e-6 * sigma else number(sd)


def share(value: float) -> str:
    """Write a ratio as a percentage: whole, but never 0 or 100 for what is neither.

    Examples
    --------
    >>> [share(v).replace(" ", "") for v in (0.354, 0.0035, 0.0, 0.999, 1.0)]
    ['35%', '0.35%', '0%', '99.9%', '100%']
    """
    if not np.isfinite(value):
        return "\u2013"
    text = f"{100 * value:.0f}"
    left = abs(1.0 - value)
    if text in ("0", "-0") and abs(value) > 1e-6:
        text = f"{100 * value:.2g}"
    elif left > 1e-6 and text == "100":
        text = f"{100 * value:.{1 - int(np.floor(np.log10(100 * left)))}f}".rstrip("0")
    return signed(f"{text}\u00a0%")


def told_level(*levels: float) -> str:
    """Write the level of intervals or regions, or those of several, as percentages in full.

    Examples
    --------
    >>> told_level(0.975).replace("\u00a0", ""), told_level(0.5, 0.9).replace("\u00a0", "")
    ('97.5%', '50 and 90%')
    """
    *others, last = (in_full(100 * level) for level in levels)
    return f"{', '.join(others)} and {last}\u00a0%" if others else f"{last}\u00a0%"


def share_in_tenths(value: float) -> str:
    """Write a share to a tenth of a percent, as shares are told that are to be a certain one."""
    text = f"{100 * value:.1f}".removesuffix(".0")
    if text in ("0", "100") and value not in (0.0, 1.0):
        return share(value)
    return f"{text}\u00a0%"


def shares(values: Sequence[float]) -> list[str]:
    """Write parts of a whole as percentages that add up to 100, none a 0 that is not.

    Examples
    --------
    >>> [v.replace(" ", "") for v in shares([0.184, 0.073, 0.743])]
    ['18.4%', '7.3%', '74.3%']
    """
    parts = 100.0 * np.asarray(values, dtype=float)
    parts[parts < 1e-4] = 0.0
    for decimals in range(3):
        unit = 10.0**-decimals
        written = np.round(parts / unit)
        if decimals and abs(written.sum() * unit - 100.0) > 1e-6:
            # The last digit of those that lost most by rounding down makes up for the rest.
            written = np.floor(parts / unit)
            short = max(round(100.0 / unit - written.sum()), 0)
            written[np.argsort(written - parts / unit, kind="stable")[:short]] += 1
        lost = (written == 0) & (parts > 0)
        if abs(written.sum() * unit - 100.0) < 1e-6 and not lost.any():
            break
    few = f"<\u2009{unit:g}"
    figures = [
        f"{v * unit:.{decimals}f}" if v else few if none else "0"
        for v, none in zip(written, lost, strict=True)
    ]
    return [f"{text}\u00a0%" for text in figures]


def counted(total: int) -> str:
    """Say how many evaluations."""
    return wording.counted(total, "evaluation")
