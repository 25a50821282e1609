"""LAPACK and BLAS called in place, through the pointers that scipy publishes.

scipy's ordinary wrappers copy whatever is not a whole Fortran array; the factorisation here works
on the leading block of a larger array (leading dimension > size), so it is called directly.
All matrices are C-ordered and symmetric; the triangle named here is the lower one in C order,
which Fortran sees as the upper one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError

__all__ = [
    "cholesky_lower",
    "factorise_panel",
    "inverse_from_cholesky",
    "invert_panel",
    "limited_for",
    "multiply_symmetric",
    "on_engine_threads",
    "on_one_thread",
    "set_threads",
    "solve_lower",
    "subtract_outer",
]

Floats = NDArray[np.float64]
_CHAR, _INT, _REAL = ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_double)

_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "dpotrf": (_CHAR, _INT, _REAL, _INT, _INT),
    "dsyrk": (_CHAR, _CHAR, _INT, _INT, _REAL, _REAL, _INT, _REAL, _REAL, _INT),
    "dtrmm": (*[_CHAR] * 4, _INT, _INT, _REAL, _REAL, _INT, _REAL, _INT),
    "dtrsm": (*[_CHAR] * 4, _INT, _INT, _REAL, _REAL, _INT, _REAL, _INT),
    "dtrtri": (_CHAR, _CHAR, _INT, _REAL, _INT, _INT),
    "dpotri": (_CHAR, _INT, _REAL, _INT, _INT),
    "dlauum": (_CHAR, _INT, _REAL, _INT, _INT),
    "dsymm": (_CHAR, _CHAR, _INT, _INT, _REAL, _REAL, _INT, _REAL, _INT, _REAL, _REAL, _INT),
}


@cache
def _routine(name: str) -> Any:
    """A routine by name; scipy, slow to import and no need of small models, is loaded here."""
    from scipy.linalg import cython_blas, cython_lapack

    _hold_new_libraries()
    module = cython_lapack if name in cython_lapack.__pyx_capi__ else cython_blas
    capsule = module.__pyx_capi__[name]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    pointer = get_pointer(capsule, get_name(capsule))
    return ctypes.CFUNCTYPE(None, *_ARGUMENTS[name])(pointer)


@door()
def set_threads(threads: int) -> None:
    """Let linear algebra in the engine use so many threads; 1 unless said otherwise.

    The environment variable ``MIXEDSCOPE_THREADS`` sets the number a process starts with.

    One is the default because several fits at once, each with as many threads as there are cores,
    are many times slower than each with one. Only models with thousands of levels in crossed
    factors gain from more.

    ``threads``: at least 1. Raises ModelError if it is less.
    """
    global _threads
    if int(threads) != threads or threads < 1:
        raise ModelError(f"threads must be a whole number from 1, not {threads}.")
    _threads = int(threads)


def _initial_threads() -> int:
    text = os.environ.get("MIXEDSCOPE_THREADS", "1")
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(
            f"The environment variable MIXEDSCOPE_THREADS must be a whole number from 1, "
            f"not {text!r}."
        )
    return int(text)


_threads = _initial_threads()


@cache
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


# Libraries held to the engine's threads at present, and the user's setting of each; None outside.
_held: list[tuple[Any, int]] | None = None

# Threads that those libraries are held to.
_held_to = 1

# Below so many rows, and numbers in a matrix, numpy's products are too small for the libraries to
# share out: OpenBLAS does so from 9,216 numbers on.
_SHARED_ROWS = 2000
_SHARED_NUMBERS = 9000


def limited_for(
    rows: int, columns: int = 1, *, most: int | None = None
) -> AbstractContextManager[None]:
    """Hold numpy's products too to the engine's threads, for work on a model of so many rows.

    ``columns``: fixed effects. ``most``: threads at most; with one of them sums are the same
    whatever the engine may use.
    """
    is_small = rows < _SHARED_ROWS and rows * columns < _SHARED_NUMBERS
    return nullcontext() if is_small else _limited(most)


class _Limiting(Protocol):
    """What knows how many threads its work may have."""

    def limited_threads(self) -> AbstractContextManager[None]: ...


_S = TypeVar("_S", bound=_Limiting)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_engine_threads(
    method: Callable[Concatenate[_S, _P], _R],
) -> Callable[Concatenate[_S, _P], _R]:
    """Hold numpy's products to the engine's threads within a method, whoever calls it.

    A fit holds them throughout, by `limited_threads`; refits, derivatives at the optimum and
    whatever else asks for values later would not.
    """

    @wraps(method)
    def held(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with self.limited_threads():
            return method(self, *args, **kwargs)

    return held


@contextmanager
def _limited(most: int | None = None) -> Iterator[None]:
    """Hold the BLAS libraries to the engine's threads, and give the user's setting back."""
    global _held, _held_to
    if _held is not None:
        yield
        return
    _held = []
    _held_to = _threads if most is None else min(most, _threads)
    try:
        _hold(_libraries())
        yield
    finally:
        for library, number in _held:
            library.set_num_threads(number)
        _held = None


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Hold the BLAS libraries to one thread, so that results are the same bits with any number.

    For matrices of up to hundreds of rows, from which further threads gain little.
    """
    with _limited():
        _routine("dpotrf")  # so that scipy's library is among those held
        assert _held is not None
        try:
            for library, _ in _held:
                library.set_num_threads(1)
            yield
        finally:
            for library, _ in _held:
                library.set_num_threads(_held_to)


def _hold(libraries: list[Any]) -> None:
    """Hold libraries too, until the present work is done."""
    assert _held is not None
    for library in libraries:
        _held.append((library, library.get_num_threads()))
        library.set_num_threads(_held_to)


def _hold_new_libraries() -> None:
    """Take notice of libraries loaded since `_libraries` looked: scipy has one of its own."""
    known = {library.filepath for library in _libraries()}
    _libraries.cache_clear()
    if _held is not None:
        _hold([library for library in _libraries() if library.filepath not in known])


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


def _real(value: float) -> Any:
    return ctypes.byref(ctypes.c_double(value))


def _data(matrix: Floats) -> Any:
    return ctypes.cast(matrix.ctypes.data, _REAL)


def cholesky_lower(matrix: Floats) -> bool:
    """Overwrite the lower triangle of a symmetric matrix by its Cholesky factor.

    Gives whether the matrix was positive definite.
    """
    info = ctypes.c_int(0)
    size = len(matrix)
    dpotrf = _routine("dpotrf")
    with _limited():
        dpotrf(b"U", _int(size), _data(matrix), _int(size), ctypes.byref(info))
    return info.value == 0


def inverse_from_cholesky(matrix: Floats, size: int) -> None:
    """Overwrite the factor in the leading `size` rows by the lower triangle of the inverse."""
    info = ctypes.c_int(0)
    dlauum = _routine("dlauum")
    with _limited():
        if not _invert_triangle(matrix, 0, size):
            raise FloatingPointError("The Cholesky factor is singular.")
        dlauum(b"U", _int(size), _data(matrix), _int(len(matrix)), ctypes.byref(info))


# Rows up to which LAPACK's inverse of a triangle takes no longer than one by halves (measured).
_HALVED = 200


def _invert_triangle(matrix: Floats, first: int, size: int) -> bool:
    """Invert a lower triangle on the diagonal by halves; tell whether it has an inverse.

    Multiplications of large blocks take a quarter less time than LAPACK's by narrow columns.
    """
    stride = _int(len(matrix))
    if size <= _HALVED:
        info = ctypes.c_int(0)
        own = _data(matrix[first:, first:])
        _routine("dtrtri")(b"U", b"N", _int(size), own, stride, ctypes.byref(info))
        return info.value == 0
    half = size // 16 * 8
    middle = first + half
    if not _invert_triangle(matrix, first, half):
        return False
    if not _invert_triangle(matrix, middle, size - half):
        return False
    dtrmm = _routine("dtrmm")
    below = _data(matrix[middle:, first:])
    for side, sign, start in ((b"L", -1.0, first), (b"R", 1.0, middle)):
        dtrmm(
            side, b"U", b"N", b"N", _int(half), _int(size - half), _real(sign),
            _data(matrix[start:, start:]), stride, below, stride,
        )  # fmt: skip
    return True


def solve_lower(matrix: Floats, right: Floats) -> None:
    """Overwrite the rows of `right` (m, N) by ``inv(L) row``, L being a lower triangle (N, N)."""
    rows, size = right.shape
    dtrsm = _routine("dtrsm")
    with _limited():
        dtrsm(
            b"L", b"U", b"T", b"N", _int(size), _int(rows), _real(1.0), _data(matrix), _int(size),
            _data(right), _int(size),
        )  # fmt: skip


def factorise_panel(panel: Floats) -> bool:
    """Overwrite some columns of a symmetric matrix by those of its Cholesky factor.

    ``panel`` (k, m): a column a row, from the first of them on; what is below its diagonal is left
    alone. Gives whether the leading square was positive definite.
    """
    info = ctypes.c_int(0)
    k, m = panel.shape
    dpotrf = _routine("dpotrf")
    with _limited():
        dpotrf(b"L", _int(k), _data(panel), _int(m), ctypes.byref(info))
        if info.value != 0:
            return False
        if m > k:
            _routine("dtrsm")(
                b"R", b"L", b"T", b"N", _int(m - k), _int(k), _real(1.0), _data(panel), _int(m),
                _data(panel[:, k:]), _int(m),
            )  # fmt: skip
    return True


def invert_panel(panel: Floats) -> None:
    """Overwrite some columns (k, m) of a Cholesky factor, its rows, as it takes to invert it.

    With L the leading triangle and B what is below it: the upper triangle of the leading square by
    that of ``inv(L L')``, what is beside it by ``(B inv(L))'``.
    """
    info = ctypes.c_int(0)
    k, m = panel.shape
    dtrsm = _routine("dtrsm")
    with _limited():
        if m > k:
            dtrsm(
                b"R", b"L", b"N", b"N", _int(m - k), _int(k), _real(1.0), _data(panel), _int(m),
                _data(panel[:, k:]), _int(m),
            )  # fmt: skip
        _routine("dpotri")(b"L", _int(k), _data(panel), _int(m), ctypes.byref(info))
    if info.value != 0:
        raise FloatingPointError("The Cholesky factor is singular.")


def subtract_outer(matrix: Floats, factor: Floats) -> None:
    """Subtract ``factor.T @ factor`` from the *upper* triangle of `matrix`.

    ``matrix`` (N, N): changed in place. ``factor`` (m, N): one row per eliminated random effect.
    """
    rows, size = factor.shape
    dsyrk = _routine("dsyrk")
    with _limited():
        dsyrk(
            b"L", b"N", _int(size), _int(rows), _real(-1.0), _data(factor), _int(size), _real(1.0),
            _data(matrix), _int(size),
        )  # fmt: skip


def multiply_symmetric(matrix: Floats, right: Floats, out: Floats) -> None:
    """Compute ``out = right @ matrix`` from the *upper* triangle of a symmetric matrix.

    ``matrix`` is (N, N). ``right``, ``out`` are (m, N).
    """
    rows, size = right.shape
    dsymm = _routine("dsymm")
    with _limited():
        dsymm(
            b"L", b"L", _int(size), _int(rows), _real(1.0), _data(matrix), _int(size), _data(right),
            _int(size), _real(0.0), _data(out), _int(size),
        )  # fmt: skip
