"""Kernels that other kernels call by address, so that only those compile that data ask for.

A call of one compiled function by another brings the code of the one into the other: it is
optimised once more with each of its callers, whether the data at hand ever lead there or not. A
:class:`Step` is a place in a kernel where one of several functions of the same types is called, by
the address that stands in an array. Which one is decided by who fills the array in: what is not
named there is neither compiled nor loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part

__all__ = ["Step"]


class Step:
    """A place in kernels where one of several functions is called.

    Parameters
    ----------
    place : int
        Where in an array of addresses that of the function stands.
    result : str
    *arguments : str
        Types of what is called, as numba writes them; checked when a kernel that calls compiles.

    Attributes
    ----------
    call : callable
        For kernels: takes the addresses (steps,), then the arguments. An address of 0 is an error.
    """

    def __init__(self, place: int, result: str, *arguments: str) -> None:
        self._place = place
        signature = f"{result}({', '.join(arguments)})"
        self._arguments, self._result = normalize_signature(signature)
        self.call = _caller(place, self._arguments, self._result)
        self._addresses: dict[Any, int] = {}

    def put(self, addresses: NDArray[np.int64], function: Callable[..., Any]) -> None:
        """Let kernels that are handed these addresses (steps,) call the function here.

        It is compiled, or loaded, when first put anywhere. Addresses hold within one process.

        ``function``: a kernel or a part of one, of which what Python code would need to call it is
        left out.
        """
        found = self._addresses.get(function)
        if found is None:
            found = self._addresses[function] = self._link(function)
        addresses[self._place] = found

    def _link(self, function: Any) -> int:
        linked: Any = part(function.py_func)
        linked.compile(self._result(*self._arguments))
        code = linked.overloads[self._arguments]
        # Whoever has an address keeps the code: neither is ever given up.
        self._addresses[linked] = address = int(
            code.library.get_pointer_to_function(code.fndesc.llvm_func_name)
        )
        return address


def _caller(place: int, arguments: tuple[Any, ...], result: Any) -> Any:
    """Give a function for compiled code that calls what stands at a place of some addresses."""
    row = types.Array(types.int64, 1, "C")

    def call(typing_context: Any, addresses: Any, *given: Any) -> Any:
        for own, declared in zip((addresses, *given), (row, *arguments), strict=True):
            if typing_context.can_convert(own, declared) is None:
                raise TypingError(f"A step takes {declared}, not {own}.")

        def code(context: Any, builder: Any, _: Any, values: Any) -> Any:
            convention = context.call_conv
            array = make_array(row)(context, builder, values[0])
            at = context.get_constant(types.intp, place)
            address = builder.load(builder.gep(array.data, [at]))
            with cgutils.if_unlikely(builder, cgutils.is_null(builder, address)):
                convention.return_user_exc(builder, RuntimeError, ("A kernel was not linked.",))
            function = convention.get_function_type(result, arguments).as_pointer()
            status, out = convention.call_function(
                builder, builder.inttoptr(address, function), result, arguments, values[1:]
            )
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return out

        return result(row, *arguments), code

    # Numba asks how many arguments there are, and brings them to the types that are declared.
    names = ["typing_context", "addresses", *(f"argument_{i}" for i in range(len(arguments)))]
    kind = Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature([Parameter(name, kind) for name in names])
    call.__signature__ = signature  # type: ignore[attr-defined]
    return intrinsic(call)
