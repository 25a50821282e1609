"""How kernels run: by Python where that is sooner done, else compiled. Decorators for them.

A kernel is interpreted, the very same lines of it, while the arrays that it is handed are small
(:mod:`mixedscope.engine.compile.interpreter`). Both ways give the same bits: no sum is reordered,
and of the functions that libraries compute each in their own way there is but one, of one library
(:mod:`mixedscope.engine.compile.logarithm`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from types import FunctionType
from typing import Any, Literal, TypeVar, cast

from mixedscope.engine.compile.compile_clock import compiling
from mixedscope.engine.compile.interpreter import entries, interpret, is_for_python, state

__all__ = [
    "PART",
    "Kernel",
    "Twofold",
    "chosen",
    "compiled_kernel",
    "inlined",
    "kernel",
    "part",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Twofold:
    """What kernels name that is one thing to the compiler and another to Python.

    Attributes
    ----------
    compiled : object
        What the compiler is to find under the name; made when first asked for.
    interpreted : callable
        What Python is to call.
    """

    compiled: Any
    interpreted: Any


class Kernel(Twofold):
    """A function of arrays that runs by Python, or compiled when first called so.

    Parameters
    ----------
    function : callable
    options : dict
        Of the compiler.
    is_interpreted : bool
        Whether Python may run it at all.
    """

    def __init__(
        self, function: Callable[..., Any], options: dict[str, Any], *, is_interpreted: bool
    ) -> None:
        self.py_func = function
        self._options = options
        self._is_interpreted = is_interpreted
        self.__name__ = function.__name__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: Any) -> Any:
        """Run the one way or the other, by the size of the arrays among the arguments."""
        if state.is_done or not self._is_interpreted or not is_for_python(entries(arguments)):
            return self.compiled(*arguments)
        return interpret(self.interpreted, *arguments)

    def chosen(self, work: int) -> tuple[Callable[..., Any], bool]:
        """Give what to call for so much work, see :func:`chosen`."""
        if state.is_done or not self._is_interpreted or not is_for_python(work):
            return self.compiled, True
        return partial(interpret, self.interpreted), False

    @cached_property
    def compiled(self) -> Any:
        """What the compiler makes of it; it compiles when first called with arrays of each type."""
        return self.compile_as(self._options)

    @cached_property
    def interpreted(self) -> Callable[..., Any]:
        """The function as Python runs it."""
        return _naming(self.py_func, "interpreted")

    def compile_as(self, options: dict[str, Any]) -> Any:
        """Give it to the compiler, which has other options than those of its own."""
        with compiling():
            from mixedscope.engine.compile.compiler import dispatcher_of

            return dispatcher_of(_naming(self.py_func, "compiled"), options)


def _naming(
    function: Callable[..., Any], which: Literal["compiled", "interpreted"]
) -> Callable[..., Any]:
    """Give a function in which the twofold things that it names are one of the two."""
    assert isinstance(function, FunctionType)
    named = {
        name: getattr(value, which) if isinstance(value, Twofold) else value
        for name, value in function.__globals__.items()
        if name in function.__code__.co_names
    }
    out = FunctionType(
        function.__code__,
        {"__builtins__": __builtins__, "__name__": function.__module__, **named},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    out.__module__, out.__qualname__ = function.__module__, function.__qualname__
    return out


def chosen(function: _Function, work: int) -> tuple[_Function, bool]:
    """Give what to call in place of a kernel for so much work, and whether that is compiled.

    ``work``: entries of the arrays times passes over them.
    """
    return cast(Kernel, function).chosen(work)  # type: ignore[return-value]


#: What a part of kernels is compiled with, and what all that Python calls.
PART = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_KERNEL = {"no_cfunc_wrapper": True}


def kernel(function: _Function) -> _Function:
    """Interpret on small data, compile when first called with others, and keep that on disk.

    Divisions by zero give infinities or NaN, as in numpy: kernels test what they divide by, and a
    branch for an exception at every division would double the code to compile.

    What costs seconds of compilation is kept out of kernels: assigning one array to a part of
    another, whose error message pulls in text formatting; sorting; and integers written out
    (``0``) handed to other kernels, for which these are compiled once more.

    What Python and compiled code would round differently is kept out too: powers (``x * x``, not
    ``x**2``), numpy's products and sums, and its functions but ``sqrt``; for a logarithm there is
    :data:`mixedscope.engine.compile.logarithm.log`.
    """
    return cast(_Function, Kernel(function, _KERNEL, is_interpreted=True))


def compiled_kernel(function: _Function) -> _Function:
    """Compile always: for what is called for much work only, or would round differently."""
    return cast(_Function, Kernel(function, _KERNEL, is_interpreted=False))


def part(function: _Function) -> _Function:
    """Compile a function that only kernels call: without what a call from Python needs."""
    return cast(_Function, Kernel(function, PART, is_interpreted=True))


def inlined(function: _Function) -> _Function:
    """Copy a function into the kernels that call it, where it has but one or two callers.

    The code of a called function is optimised once more with each of its callers, at every level of
    calls: fewer levels take less time to compile.
    """
    return cast(_Function, Kernel(function, {"inline": "always"}, is_interpreted=True))
