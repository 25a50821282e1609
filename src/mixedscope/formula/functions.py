"""Functions and operators of expressions: what each does to numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ARITHMETIC",
    "COMPARE",
    "EXPRESSION_FUNCTIONS",
    "LEARNING",
    "NAMED_ARGUMENT",
    "NUMERIC",
]

Array = NDArray[Any]


def _log(x: Array, base: Array | None = None) -> Array:
    return np.asarray(np.log(x) if base is None else np.log(x) / np.log(base))


def _mean_and_sd(x: Array) -> tuple[float, float]:
    return float(np.nanmean(x)), float(np.nanstd(x, ddof=1))


def _standardize(x: Array, learned: tuple[float, float]) -> Array:
    mean, sd = learned
    return np.asarray((x - mean) / sd)


# name: (function of float arrays, largest number of arguments)
NUMERIC: dict[str, tuple[Callable[..., Any], int]] = {
    "log": (_log, 2),
    "log2": (np.log2, 1),
    "log10": (np.log10, 1),
    "exp": (np.exp, 1),
    "sqrt": (np.sqrt, 1),
    "abs": (np.abs, 1),
    "abs2": (np.square, 1),
    "round": (lambda x, digits=0.0: np.round(x, int(digits)), 2),
    "floor": (np.floor, 1),
    "ceil": (np.ceil, 1),
    "sign": (np.sign, 1),
}
# name: (what is learned of a whole column, what becomes of a column with it)
LEARNING: dict[str, tuple[Callable[[Array], Any], Callable[[Array, Any], Any]]] = {
    "center": (np.nanmean, np.subtract),
    "scale": (_mean_and_sd, _standardize),
    "standardize": (_mean_and_sd, _standardize),
    "mean": (np.nanmean, lambda x, learned: learned),
    "median": (np.nanmedian, lambda x, learned: learned),
    "sd": (lambda x: np.nanstd(x, ddof=1), lambda x, learned: learned),
    "min": (np.nanmin, lambda x, learned: learned),
    "max": (np.nanmax, lambda x, learned: learned),
}
#: What the second argument is called where it can be named, as in R.
NAMED_ARGUMENT = {"log": "base", "center": "at", "round": "digits"}
EXPRESSION_FUNCTIONS = (*NUMERIC, *LEARNING, "is_missing", "if_else", "text", "number", "days")

ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.mod,
    "^": np.power,
}
COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
