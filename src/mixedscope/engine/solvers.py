"""Ways to solve the system of a linear model, by name, and which of them a model gets.

A further one is one more name in :data:`mixedscope.core.vocabulary.SOLVERS` and one more line in
:data:`_MADE`; what solves systems has the methods of
:class:`mixedscope.engine.blocked.BlockedSystem` that :mod:`mixedscope.engine.system` calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.engine.basis import FixedBasis
from mixedscope.engine.blocked import BlockedSystem
from mixedscope.engine.memory import bytes_needed, check_sparse_room, is_there_room
from mixedscope.engine.pattern import Pattern, Scatter
from mixedscope.engine.products import (
    CrossProducts,
    GroupColumns,
    WorkingProducts,
    cross_products,
    pattern_of,
)
from mixedscope.engine.sparse.graph import (
    Elimination,
    elimination_of,
    share_of_graph,
    sparse_pattern,
)
from mixedscope.engine.sparse.products import SparseProducts, SparseWorkingProducts
from mixedscope.engine.sparse.system import SparseSystem

__all__ = [
    "Products",
    "System",
    "factorisation_of",
    "products_like",
    "products_of",
    "working_products",
]

Floats = NDArray[np.float64]
Products = CrossProducts | SparseProducts
System = BlockedSystem | SparseSystem

# Random effects in the rest from which on it is asked how many entries a sparse factor has: a dense
# one of fewer rows takes hundredths of a second.
_LEAST: Final = 1000
# Share of the graph's pairs from which on no order is sought: the factor would have more; and where
# there is no room for a dense one.
_FULL: Final = 0.1
_FULL_WITHOUT_ROOM: Final = 0.6
# Share of the time of a dense factor below which the sparse one is chosen.
_SPARSE: Final = 0.5
# Entries up to which a sparse factor is made where it is asked for.
_MOST_ENTRIES: Final = 2e8


class _Given(NamedTuple):
    """What cross-products are formed of."""

    factors: tuple[GroupColumns, ...]
    basis: FixedBasis
    response: Floats
    pattern: Pattern
    scatter: Scatter

    @property
    def n_tail(self) -> int:
        """Fixed-effects basis and response."""
        return self.basis.q.shape[1] + 1


def products_of(
    solver: str, factors: tuple[GroupColumns, ...], basis: FixedBasis, response: Floats
) -> tuple[Products, str]:
    """Form the cross-products of a model, for the solver asked for; and why it is that one.

    ``solver``: one of :data:`mixedscope.core.vocabulary.SOLVERS`. Arguments are those of
    :func:`mixedscope.engine.products.cross_products`. Raises ModelError if there is no room.
    """
    return _MADE[solver](_Given(factors, basis, response, *pattern_of(factors)))


def products_like(
    cross: Products, factors: tuple[GroupColumns, ...], basis: FixedBasis, response: Floats
) -> Products:
    """Form other cross-products of the same levels, for the same solver."""
    if isinstance(cross, SparseProducts):
        return SparseProducts.of(cross.pattern, factors, basis, response)
    return cross_products(factors, basis, response, cross.pattern)


def working_products(cross: Products, basis: FixedBasis) -> WorkingProducts | SparseWorkingProducts:
    """Give room for products of the same columns that are formed again and again."""
    if isinstance(cross, SparseProducts):
        return SparseWorkingProducts.working(cross, basis)
    return WorkingProducts.of(cross, basis)


def factorisation_of(cross: Products) -> System:
    """Give what factorises the system of these cross-products."""
    return SparseSystem(cross) if isinstance(cross, SparseProducts) else BlockedSystem(cross)


def _exact(given: _Given) -> tuple[Products, str]:
    return cross_products(*given), ""


def _sparse(given: _Given) -> tuple[Products, str]:
    n_rest = given.pattern.n_rest
    likely = share_of_graph(given.pattern) * float(n_rest) ** 2 if n_rest else 0.0
    if likely > _MOST_ENTRIES:
        raise ModelError(
            "solver='sparse' does not fit: levels of the crossed grouping factors meet so often "
            f"that the factor would have about {likely:.1g} entries. Leave solver out."
        )
    return _sparse_products(given, elimination_of(given.pattern)), ""


def _auto(given: _Given) -> tuple[Products, str]:
    pattern = given.pattern
    if pattern.n_rest < _LEAST:
        return cross_products(*given), ""
    has_room = is_there_room(bytes_needed(pattern, given.n_tail))
    share = share_of_graph(pattern)
    why = f"a sparse factor would have at least {_percent(share)} of its entries"
    if share < (_FULL if has_room else _FULL_WITHOUT_ROOM):
        elimination = elimination_of(pattern)
        work = 3.0 * elimination.work / float(pattern.n_rest) ** 3
        had = f"{_percent(elimination.share)} of the entries"
        if work < _SPARSE or not has_room:
            why = f"{had} of a dense factor"
            made = _sparse_products(given, elimination)
            return made, why if has_room else f"{why}, for which there is no memory"
        why = f"a sparse factor would have {had}"
    return cross_products(*given), why


def _sparse_products(given: _Given, elimination: Elimination) -> SparseProducts:
    """Form them, if there is room for the factor too."""
    check_sparse_room(elimination, given.n_tail, [f.group for f in given.factors])
    found = sparse_pattern(given.pattern, elimination)
    return SparseProducts.of(found, given.factors, given.basis, given.response)


def _percent(share: float) -> str:
    return f"{100.0 * share:.2g} %"


def _iterative(given: _Given) -> tuple[Products, str]:
    """Refused: what asks for products, to factorise, is no part of the iterative engine.

    Its models are made by :func:`mixedscope.engine.making.linear_system`.
    """
    raise UnsuitedError(
        "This is computed from a factorisation, which solver='iterative' does without: fit the "
        "model with solver='exact' or solver='sparse' for it."
    )


_MADE: Final[dict[str, Callable[[_Given], tuple[Products, str]]]] = {
    "auto": _auto,
    "exact": _exact,
    "sparse": _sparse,
    "iterative": _iterative,
}
