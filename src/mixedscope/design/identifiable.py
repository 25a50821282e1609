"""Random effects that do no more than residuals do: refused before anything is fitted.

A term adds ``Z_l D Z_l'`` to the covariance of the observations of each level l, D being a change
of the covariance of its random effects. Where that is a multiple of the covariance of the
residuals, for all l and every D that its structure can make, none of its variances can be told from
the residual variance. Terms of which some can are fitted, and the certificate says what is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError

if TYPE_CHECKING:
    from mixedscope.covariance.base import CovarianceStructure

__all__ = ["ALLOW", "REFUSE", "check_levels", "refuse_residual"]

Floats = NDArray[np.float64]

#: What is done with such terms.
REFUSE: Final = "refuse"
ALLOW: Final = "allow"

#: Departure from a multiple of the residuals' covariance, relative and squared, that is rounding.
_NONE: Final = 1e-12


def check_levels(group: str, levels: Sequence[str]) -> None:
    """Refuse a grouping factor of one level."""
    if len(levels) < 2:
        raise ModelError(
            f"The grouping factor {group!r} has only one level ({levels[0]}) in the "
            "rows used: a variance between groups needs at least two."
        )


def refuse_residual(
    group: str,
    names: Sequence[str],
    structure: CovarianceStructure,
    z: Floats,
    codes: NDArray[np.int64],
    q: int,
) -> None:
    """Refuse a term of which no variance can be told from that of the residuals.

    ``names``: of its k columns ``z`` (n, k), times the square roots of weights; ``codes``: levels
    of the rows, 0 … q − 1. Raises ModelError.
    """
    n, k = z.shape
    # So few effects cannot be as free as residuals.
    if k * q < n or not _is_residual(structure, z, codes, q):
        return
    what = (
        f"The grouping factor {group!r} has as many levels ({q}) as observations ({n})"
        if q >= n
        else f"The term ({' + '.join(names)} | {group}) has {k * q} random effects for {n} "
        "observations"
    )
    raise ModelError(
        f"{what}: its variance cannot be told from the residual variance. Leave the term out, or "
        "give weights, if residual variances are known to differ, and sigma, if they are known; "
        f"unidentified={ALLOW!r} fits the model all the same."
    )


def _is_residual(
    structure: CovarianceStructure, z: Floats, codes: NDArray[np.int64], q: int
) -> bool:
    """Whether all that a term (columns (n, k)) can add is a multiple of the unit matrix."""
    n, k = z.shape
    products = np.empty((q, k, k))
    for i in range(k):
        for j in range(i + 1):
            sums = np.bincount(codes, weights=z[:, i] * z[:, j], minlength=q)
            products[:, i, j] = products[:, j, i] = sums
    for change in _changes(structure):
        moved = products @ change
        # Equality of Cauchy and Schwarz: the trace of M^2 is at least the squared trace over n.
        square = float(np.einsum("qij,qji->", moved, moved))
        trace = float(np.einsum("qii->", moved))
        if square - trace**2 / n > _NONE * square:
            return False
    return True


def _changes(structure: CovarianceStructure) -> list[Floats]:
    """Changes of the covariance (k, k) by each parameter, at parameters in general position."""
    places = np.arange(structure.n_theta)
    theta = structure.identity + 0.1 + 0.3 * np.abs(np.sin(1.0 + places))
    factor = structure.factor(theta)
    halves = [derivative @ factor.T for derivative in structure.derivatives(theta)]
    return [half + half.T for half in halves]
