"""Theta as what it means: standard deviations and correlations; which of them mean nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.group_effects import GroupEffects

if TYPE_CHECKING:
    from mixedscope.engine.products import GroupColumns

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


def column_squares(
    terms: Sequence[GroupEffects], factors: Sequence[GroupColumns], weight: Floats | None = None
) -> list[Floats]:
    """Sums of squares (q, k) by level of the data's columns at unit root mean square.

    ``weight`` (n,): what rows count as; of linear models it is in the columns.
    """
    out = []
    for term, factor in zip(terms, factors, strict=True):
        columns = (term.data_columns(factor.z) / term.column_scale) ** 2
        if weight is not None:
            columns = columns * weight[:, None]
        sums = [np.bincount(factor.codes, column, factor.n_levels) for column in columns.T]
        out.append(np.column_stack(sums))
    return out


def undetermined(
    unidentified: Sequence[Mapping[str, Any]],
) -> set[tuple[str, str | None, str | None, str | None]]:
    """Kind, group, term and second term of each parameter that the certificate lists."""
    return {
        (p["kind"], p["group"], p["term"], p["term2"])
        for entry in unidentified
        for p in entry["parameters"]
    }
