"""Functions of a formula that make several columns of one: what they learn, and their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError
from mixedscope.design.polynomials import Polynomials, Powers, orthogonal_polynomials
from mixedscope.design.settings import Settings
from mixedscope.design.splines import learn_bsplines, learn_natural, read_bs, read_ns
from mixedscope.formula.tree import Call, Node

__all__ = ["BASES", "Basis"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Basis:
    """A function of a formula that makes columns ``f(x)1``, ``f(x)2``, … of one column.

    Attributes
    ----------
    read : callable
        ``read(text, node)`` gives the column's node and the settings of a call in the formula
        `text`, or raises FormulaError.
    learn : callable
        ``learn(x, settings, call)`` gives what `columns` needs of the rows a model is made from, or
        raises DataError, which names the `call` as written.
    columns : callable
        ``columns(x, learned)`` gives the columns (m, k) for values (m,) of any rows.
    """

    read: Callable[[str, Call], tuple[Node, Any]]
    learn: Callable[[Floats, Any, str], Any]
    columns: Callable[[Floats, Any], Floats]


def _read_poly(text: str, node: Call) -> tuple[Node, tuple[int, bool]]:
    settings = Settings(text, node, ("degree", "raw"))
    degree = settings.whole("degree", 1, 25, 1)
    assert degree is not None
    return node.arguments[0], (degree, settings.truth("raw"))


def _learn_poly(x: Floats, settings: tuple[int, bool], call: str) -> Polynomials | Powers:
    degree, raw = settings
    distinct = len(np.unique(x))
    if degree >= distinct:
        raise DataError(
            f"{call}: the degree must be less than the number of different values, {distinct}."
        )
    return Powers(degree) if raw else orthogonal_polynomials(x, degree)


#: By name of the function.
BASES: Final[dict[str, Basis]] = {
    "poly": Basis(_read_poly, _learn_poly, lambda x, learned: learned.columns(x)),
    "bs": Basis(read_bs, learn_bsplines, lambda x, learned: learned.columns(x)),
    "ns": Basis(read_ns, learn_natural, lambda x, learned: learned.columns(x)),
}
