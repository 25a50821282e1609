"""Kernels that other kernels call by address, so that only those compile that data ask for.

A call of one compiled function by another brings the code of the one into the other: it is
optimised once more with each of its callers, whether the data at hand ever lead there or not. A
:class:`Step` is a place in a kernel where one of several functions of the same types is called, by
the number that stands in an array. Which one is decided by who fills the array in: what is not
named there is neither compiled nor loaded. Numbers below 0 are for Python; compiled code takes
addresses, which :meth:`Step.link` puts in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import PART, Kernel, Twofold

__all__ = ["Step"]

# Functions by their numbers: the first is -1, the next -2.
_numbered: list[Kernel] = []
_NOT_LINKED = "A kernel was not linked."


class Step:
    """A place in kernels where one of several functions is called.

    Parameters
    ----------
    place : int
        Where in an array of numbers that of the function stands.
    result : str
    *arguments : str
        Types of what is called, as numba writes them; checked when a kernel that calls compiles.

    Attributes
    ----------
    call : callable
        For kernels: takes the numbers (steps,), then the arguments. A number of 0 is an error, and
        so is one for Python in compiled code, or an address in Python.
    """

    def __init__(self, place: int, result: str, *arguments: str) -> None:
        self._place = place
        self._types = f"{result}({', '.join(arguments)})"
        self.call: Any = _Call(place, self._types, len(arguments))
        self._addresses: dict[Kernel, int] = {}

    def put(self, numbers: NDArray[np.int64], function: Callable[..., Any]) -> None:
        """Let Python call a function, a kernel or a part of one, here for who has these numbers."""
        assert isinstance(function, Kernel)
        if function not in _numbered:
            _numbered.append(function)
        numbers[self._place] = -1 - _numbered.index(function)

    def link(self, numbers: NDArray[np.int64]) -> None:
        """Let compiled code call here what Python calls: compiled, or loaded, when first linked.

        What Python code would need to call it is left out.
        """
        number = int(numbers[self._place])
        if number < 0:
            function = _numbered[-1 - number]
            if function not in self._addresses:
                self._addresses[function] = self._link(function)
            numbers[self._place] = self._addresses[function]

    def _link(self, function: Kernel) -> int:
        linked = function.compile_as(PART)
        arguments, result = _signature(self._types)
        linked.compile(result(*arguments))
        code = linked.overloads[arguments]
        # Whoever has an address keeps the code: neither is ever given up.
        _kept.append(linked)
        return int(code.library.get_pointer_to_function(code.fndesc.llvm_func_name))


_kept: list[Any] = []


def _signature(types: str) -> tuple[tuple[Any, ...], Any]:
    """Types of arguments and result."""
    from numba.core.sigutils import normalize_signature

    arguments, result = normalize_signature(types)
    return arguments, result


class _Call(Twofold):
    """The call of what stands at a place of some numbers."""

    def __init__(self, place: int, types: str, n_arguments: int) -> None:
        self._place, self._types, self._n_arguments = place, types, n_arguments

    @cached_property
    def compiled(self) -> Any:
        """A function for compiled code."""
        return _caller(self._place, self._types, self._n_arguments)

    def interpreted(self, numbers: NDArray[np.int64], *arguments: Any) -> Any:
        """Call a function as Python runs it."""
        number = int(numbers[self._place])
        if number >= 0:
            raise RuntimeError(_NOT_LINKED)
        return _numbered[-1 - number].interpreted(*arguments)


def _caller(place: int, declared_types: str, n_arguments: int) -> Any:
    """Give a function for compiled code that calls what stands at a place of some addresses."""
    from numba import types
    from numba.core import cgutils
    from numba.core.errors import TypingError
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array

    arguments, result = _signature(declared_types)
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
            is_none = builder.icmp_signed("<=", address, address.type(0))
            with cgutils.if_unlikely(builder, is_none):
                convention.return_user_exc(builder, RuntimeError, (_NOT_LINKED,))
            function = convention.get_function_type(result, arguments).as_pointer()
            status, out = convention.call_function(
                builder, builder.inttoptr(address, function), result, arguments, values[1:]
            )
            with cgutils.if_unlikely(builder, status.is_error):
                convention.return_status_propagate(builder, status)
            return out

        return result(row, *arguments), code

    # Numba asks how many arguments there are, and brings them to the types that are declared.
    names = ["typing_context", "addresses", *(f"argument_{i}" for i in range(n_arguments))]
    kind = Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature([Parameter(name, kind) for name in names])
    call.__signature__ = signature  # type: ignore[attr-defined]
    return intrinsic(call)
