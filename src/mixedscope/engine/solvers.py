"""Ways to solve the system of a linear model, by name, and which of them a model gets.

A further one is one more name in :data:`mixedscope.core.vocabulary.SOLVERS` and one more line in
:data:`_MADE`; what solves systems has the methods of
:class:`mixedscope.engine.blocked.BlockedSystem` that :mod:`mixedscope.engine.system` calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
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
_Made = Callable[
    [tuple[GroupColumns, ...], FixedBasis, Floats, Pattern, Scatter], tuple[Products, str]
]

# Random effects in the rest from which on it is asked how many entries a sparse factor has: a dense
# one of fewer rows takes hundredths of a second.
_LEAST: Final = 1000
# Share of the graph's pairs from which on no order is sought: the factor would have more; and where
# there is no room for a dense one.
_FULL: Final = 0.1
_FULL_WITHOUT_ROOM: Final = 0.6
# Share of a dense factor's multiplications below which the sparse one is chosen, each of which
# takes so many times as long as one inside LAPACK (measured).
_SPARSE: Final = 0.25
_SLOWER: Final = 4.0
# Entries up to which a sparse factor is made where it is asked for.
_MOST_ENTRIES: Final = 2e8


def products_of(
    solver: str, factors: tuple[GroupColumns, ...], basis: FixedBasis, response: Floats
) -> tuple[Products, str]:
    """Form the cross-products of a model, for the solver asked for; and why it is that one.

    ``solver``: one of :data:`mixedscope.core.vocabulary.SOLVERS`. Arguments are those of
    :func:`mixedscope.engine.products.cross_products`. Raises ModelError if there is no room.
    """
    pattern, scatter = pattern_of(factors)
    return _MADE[solver](factors, basis, response, pattern, scatter)


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


def _exact(
    factors: tuple[GroupColumns, ...],
    basis: FixedBasis,
    response: Floats,
    pattern: Pattern,
    scatter: Scatter,
) -> tuple[Products, str]:
    return cross_products(factors, basis, response, pattern, scatter), ""


def _sparse(
    factors: tuple[GroupColumns, ...],
    basis: FixedBasis,
    response: Floats,
    pattern: Pattern,
    scatter: Scatter,
) -> tuple[Products, str]:
    likely = share_of_graph(pattern) * float(pattern.n_rest) ** 2 if pattern.n_rest else 0.0
    if likely > _MOST_ENTRIES:
        raise ModelError(
            "solver='sparse' does not fit: levels of the crossed grouping factors meet so often "
            f"that the factor would have about {likely:.1g} entries. Leave solver out."
        )
    return _sparse_products(factors, basis, response, pattern, elimination_of(pattern)), ""


def _auto(
    factors: tuple[GroupColumns, ...],
    basis: FixedBasis,
    response: Floats,
    pattern: Pattern,
    scatter: Scatter,
) -> tuple[Products, str]:
    if pattern.n_rest < _LEAST:
        return cross_products(factors, basis, response, pattern, scatter), ""
    has_room = is_there_room(bytes_needed(pattern, basis.q.shape[1] + 1))
    share = share_of_graph(pattern)
    why = f"a sparse factor would have at least {_percent(share)} of its entries"
    if share < (_FULL if has_room else _FULL_WITHOUT_ROOM):
        elimination = elimination_of(pattern)
        work = _SLOWER * elimination.operations + float(elimination.dense) ** 3
        work /= float(pattern.n_rest) ** 3
        had = f"{_percent(elimination.share)} of the entries"
        if work < _SPARSE or not has_room:
            why = f"{had} of a dense factor"
            made = _sparse_products(factors, basis, response, pattern, elimination)
            return made, why if has_room else f"{why}, for which there is no memory"
        why = f"a sparse factor would have {had}"
    return cross_products(factors, basis, response, pattern, scatter), why


def _sparse_products(
    factors: tuple[GroupColumns, ...],
    basis: FixedBasis,
    response: Floats,
    pattern: Pattern,
    elimination: Elimination,
) -> SparseProducts:
    """Form them, if there is room for the factor too."""
    check_sparse_room(elimination, basis.q.shape[1] + 1, [f.group for f in factors])
    found = sparse_pattern(pattern, elimination)
    return SparseProducts.of(found, factors, basis, response)


def _percent(share: float) -> str:
    return f"{100.0 * share:.2g} %"


def _iterative(
    factors: tuple[GroupColumns, ...],
    basis: FixedBasis,
    response: Floats,
    pattern: Pattern,
    scatter: Scatter,
) -> tuple[Products, str]:
    """Refused: what asks for products, to factorise, is no part of the iterative engine.

    Its models are made by :func:`mixedscope.engine.making.linear_system`.
    """
    raise ModelError(
        "This is computed from a factorisation, which solver='iterative' does without: fit the "
        "model with solver='exact' or solver='sparse' for it."
    )


_MADE: Final[dict[str, _Made]] = {
    "auto": _auto,
    "exact": _exact,
    "sparse": _sparse,
    "iterative": _iterative,
}
