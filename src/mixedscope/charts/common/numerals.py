"""Numbers as readers see them: few digits, true minus signs, shares that add up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["deviation", "number", "share", "shares"]


def number(value: float, digits: int = 3) -> str:
    """Write a number for readers: a few significant digits and a true minus sign.

    Whole numbers of more digits are written out, with thousands set off.

    Examples
    --------
    >>> number(1234.56), number(0.012345), number(120.0, 2)
    ('1,235', '0.0123', '120')
    """
    if not np.isfinite(value):
        return "\u2013"
    large = 10.0**digits <= abs(value) < 1e12
    return (f"{value:,.0f}" if large else f"{value:.{digits}g}").replace("-", "\u2212")


def deviation(sd: float, sigma: float) -> str:
    """Write a standard deviation of random effects; a collapsed one is rounding, and said to be.

    Examples
    --------
    >>> deviation(3.1e-11, 2.5), deviation(0.0, 2.5), deviation(0.31, 2.5)
    ('< 1e\u22126 \u03c3', '0', '0.31')
    """
    return "< 1e\u22126 \u03c3" if 0 < sd < 1e-6 * sigma else number(sd)


def share(value: float) -> str:
    """Write a ratio as a percentage: whole, but never 0 or 100 for what is neither.

    Examples
    --------
    >>> [share(v).replace("\u00a0", "") for v in (0.354, 0.0035, 0.0, 0.999, 1.0)]
    ['35%', '0.35%', '0%', '99.9%', '100%']
    """
    if not np.isfinite(value):
        return "\u2013"
    text = f"{100 * value:.0f}"
    left = abs(1.0 - value)
    if 1e-6 < abs(value) < 0.005:
        text = f"{100 * value:.2g}"
    elif left > 1e-6 and text == "100":
        text = f"{100 * value:.{1 - int(np.floor(np.log10(100 * left)))}f}".rstrip("0")
    return f"{text}\u00a0%".replace("-", "\u2212")


def shares(values: Sequence[float]) -> list[str]:
    """Write parts of a whole as percentages that add up to 100, none a 0 that is not.

    Examples
    --------
    >>> [v.replace("\u00a0", "") for v in shares([0.184, 0.073, 0.743])]
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
