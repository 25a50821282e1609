"""Theta as what it means: standard deviations and correlations; which of them mean nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.group_effects import GroupEffects

__all__ = ["sds_and_correlations", "undetermined"]

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


def undetermined(
    unidentified: Sequence[Mapping[str, Any]],
) -> set[tuple[str, str | None, str | None, str | None]]:
    """Kind, group, term and second term of each parameter that the certificate lists."""
    return {
        (p["kind"], p["group"], p["term"], p["term2"])
        for entry in unidentified
        for p in entry["parameters"]
    }
