"""How the arrays of all tiers of a small model lie in flat ones, one after another.

A table tells where, a row per tier, and holds the addresses of its steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import Twofold

__all__ = [
    "BLOCKS",
    "COLUMNS",
    "HEAD",
    "HEADS",
    "LAM",
    "MODES",
    "NNZ",
    "PARENT",
    "PTR",
    "RELATIVE",
    "ROWS",
    "SPARSE",
    "H",
    "K",
    "Q",
    "cube",
    "square",
]  # fmt: skip

Floats = NDArray[np.float64]

# Columns of the table: numbers of levels, head rows, columns and sparse rows of a tier; then
# where its part of every flat array begins; then the addresses of the steps.
(
    Q, H, K, NNZ, BLOCKS, HEADS, SPARSE, ROWS, PTR, MODES, HEAD, PARENT, RELATIVE, LAM,
) = range(14)  # fmt: skip
COLUMNS = 14


def _part_of_flat(flat: Any, *shape: Any) -> Any:
    """Signature and code of a part of a flat array, from a place on, in a shape of its own.

    A slice and its new shape, both of which numba checks, are ten times as much code.
    """
    from numba import types
    from numba.core.imputils import impl_ret_borrowed
    from numba.np import arrayobj

    ndim = len(shape)
    out_type = types.Array(flat.dtype, ndim, "C")
    signature = out_type(flat, types.intp, *[types.intp] * ndim)

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source = arrayobj.make_array(flat)(context, builder, values[0])
        item = context.get_constant(
            types.intp, context.get_abi_sizeof(context.get_data_type(flat.dtype))
        )
        strides = [item]
        for length in reversed(values[3:]):
            strides.insert(0, builder.mul(strides[0], length))
        out = arrayobj.make_array(out_type)(context, builder)
        arrayobj.populate_array(
            out,
            data=builder.gep(source.data, [values[1]]),
            shape=list(values[2:]),
            strides=strides,
            itemsize=item,
            meminfo=source.meminfo,
            parent=source.parent,
        )
        return impl_ret_borrowed(context, builder, out_type, out._getvalue())

    return signature, code


def _cube(typing_context: Any, flat: Any, at: Any, q: Any, h: Any, k: Any) -> Any:
    """Part (q, h, k) of a flat array."""
    return _part_of_flat(flat, q, h, k)


def _square(typing_context: Any, flat: Any, at: Any, q: Any, k: Any) -> Any:
    """Part (q, k) of a flat array."""
    return _part_of_flat(flat, q, k)


class _View(Twofold):
    """A part of a flat array, from a place on, in a shape that is handed on after it."""

    def __init__(self, typed: Callable[..., Any]) -> None:
        self._typed = typed

    @cached_property
    def compiled(self) -> Any:
        """A function for compiled code."""
        from numba.extending import intrinsic

        return intrinsic(self._typed)

    @staticmethod
    def interpreted(flat: Floats, at: int, *shape: int) -> Floats:
        """Do the same by numpy."""
        length = 1
        for size in shape:
            length *= int(size)
        return flat[at : at + length].reshape(shape)


cube = cast(Callable[..., Floats], _View(_cube))
square = cast(Callable[..., Floats], _View(_square))
