"""Theta as what it means: standard deviations and correlations; which of them mean nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.group_effects import GroupEffects

__all__ = [
    "column_squares",
    "sd_and_correlation_slopes",
    "sds_and_correlations",
    "undetermined",
]

Floats = NDArray[np.float64]


def sds_and_correlations(
    term: GroupEffects, factors: Floats, sigma: Floats
) -> Iterator[tuple[str, str, str | None, Floats]]:
    """Give standard deviations, then correlations, of m relative covariance factors (m, k, k).

    Each is a kind, ``sd`` of one term or ``correlation`` of two, the earlier first, and m values:
    NaN where a standard deviation is zero.
    """
    # Lengths of rows by themselves: entries may differ by many orders of magnitude.
    lengths = np.linalg.norm(factors, axis=2)
    for j, name in enumerate(term.names):
        yield "sd", name, None, lengths[:, j] * sigma
    for first, second in term.correlated:
        inner = np.einsum("mi,mi->m", factors[:, first], factors[:, second])
        product = lengths[:, first] * lengths[:, second]
        values = np.divide(inner, product, out=np.full(len(inner), np.nan), where=product > 0.0)
        yield "correlation", term.names[first], term.names[second], np.clip(values, -1.0, 1.0)


def sd_and_correlation_slopes(term: GroupEffects, theta: Floats) -> Floats:
    """Derivatives (m, n_theta) of what `sds_and_correlations` gives, by the theta of a term.

    Of relative standard deviations; NaN where one is zero.
    """
    factor = term.factor(theta)
    # Of the factor in the units of the data, a column for every entry of theta.
    slopes = np.array([term.data_modes(d.T).T for d in term.standard_derivatives(theta)])
    lengths = np.linalg.norm(factor, axis=1)
    with np.errstate(all="ignore"):
        of_sds = np.einsum("ai,tai->at", factor, slopes) / lengths[:, None]
        rows = list(of_sds)
        for a, b in term.correlated:
            product = lengths[a] * lengths[b]
            inner = slopes[:, a] @ factor[b] + slopes[:, b] @ factor[a]
            shares = of_sds[a] / lengths[a] + of_sds[b] / lengths[b]
            rows.append(inner / product - (factor[a] @ factor[b]) / product * shares)
    return np.array(rows)


def column_squares(term: GroupEffects, columns: Floats, weight: Floats | None = None) -> Floats:
    """Sums of squares (q, k) by level of a factor's columns at unit root mean square.

    ``columns`` (n, k): the engine's. ``weight`` (n,): what rows count as; of linear models it is in
    the columns.
    """
    squares = (term.data_columns(columns) / term.column_scale) ** 2
    if weight is not None:
        squares = squares * weight[:, None]
    codes, levels = term.design.codes, len(term.design.levels)
    sums = [np.bincount(codes, column, levels) for column in squares.T]
    return np.column_stack(sums).astype(np.float64)


def undetermined(
    unidentified: Sequence[Mapping[str, Any]],
) -> set[tuple[str, str | None, str | None, str | None]]:
    """Kind, group, term and second term of each parameter that the certificate lists."""
    return {
        (p["kind"], p["group"], p["term"], p["term2"])
        for entry in unidentified
        for p in entry["parameters"]
    }
