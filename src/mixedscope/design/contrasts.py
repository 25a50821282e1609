"""Contrast coding of categorical variables, with R's names.

A coding turns a variable with L levels into at most L − 1 columns. Names are those of R: the
variable followed by the level (treatment), by 1, 2, … (sum, Helmert), by ``b-a`` (sequential
difference, as ``MASS::contr.sdif``), or by names of one's own (hypotheses).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest, yaml_hint
from mixedscope.design.polynomials import orthogonal_polynomials
from mixedscope.formula.expressions import label_of

__all__ = [
    "CODINGS",
    "Coding",
    "ContrastSpec",
    "check_codings",
    "contrast_matrix",
    "full_dummies",
    "read_contrast",
]

ContrastSpec = str | Mapping[str, Any] | Sequence[Any]
CODINGS = (
    "treatment",
    "sum",
    "effects",
    "helmert",
    "sequential-difference",
    "polynomial",
    "hypothesis",
    "matrix",
)
#: R's names of codings.
_R_NAMES = {
    "contr.treatment": "treatment",
    "contr.SAS": "treatment",
    "contr.sum": "sum",
    "contr.helmert": "helmert",
    "contr.sdif": "sequential-difference",
    "contr.poly": "polynomial",
}
_SETTINGS = {
    "treatment": ("base",),
    "sum": ("base",),
    "helmert": (),
    "sequential-difference": (),
    "polynomial": ("scores",),
    "hypothesis": ("matrix", "names", "levels"),
    "matrix": ("rows", "names", "levels"),
}


@dataclass(frozen=True)
class Coding:
    """Columns that stand for a categorical variable.

    Attributes
    ----------
    name : str
        Name of the coding.
    matrix : (L, k) array
        Row per level.
    suffixes : tuple of str
        Appended to the variable's name to name the k columns.
    levels : tuple of str
        The L levels in order.
    """

    name: str
    matrix: NDArray[np.float64]
    suffixes: tuple[str, ...]
    levels: tuple[str, ...]


def full_dummies(levels: Sequence[str]) -> Coding:
    """One indicator column per level: what R uses where the margin is absent."""
    return Coding("full", np.eye(len(levels)), tuple(levels), tuple(levels))


def check_codings(contrasts: object) -> None:
    """Refuse contrasts that do not name the coding of each variable."""
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise ModelError(
            "contrasts must name the coding of each variable, as "
            f'contrasts={{"condition": "sum"}}, not {contrasts!r}.'
        )


def contrast_matrix(variable: str, levels: Sequence[str], spec: ContrastSpec | None) -> Coding:
    """Build the contrast matrix of one variable.

    Parameters
    ----------
    variable : str
        For error messages.
    levels : sequence of str
        Levels that occur, in order; two or more.
    spec : str or mapping or None
        ``"treatment"`` (default), ``"sum"`` (or ``"effects"``), ``"helmert"``,
        ``"sequential-difference"``, ``"polynomial"``, or a mapping from one of these, or from
        ``"hypothesis"`` or ``"matrix"``, to settings: ``{"treatment": {"base": "b"}}`` chooses the
        base level, ``{"sum": {"base": "b"}}`` the level that gets −1 (R: the last),
        ``{"polynomial": {"scores": [1, 2, 4]}}`` where the levels lie (R: at equal steps),
        ``{"hypothesis": {"matrix": [[-1, 1, 0], [0, -1, 1]], "names": ["b-a", "c-b"], "levels":
        ["a", "b", "c"]}}`` states hypotheses about level means, one row each, and ``{"matrix":
        {"rows": [[1, 0], [0, 1], [-1, -1]], "names": ["a", "b"]}}``, or the rows alone, the
        contrast matrix itself, a row per level; ``names`` and ``levels`` (a check of the order)
        are optional.

    Returns
    -------
    Coding

    Raises
    ------
    ModelError
        If the coding is unknown or does not suit the levels.

    Notes
    -----
    A hypothesis matrix H is turned into contrasts by its generalised inverse, C = H⁺, so that the
    coefficients are the hypotheses (Schad, Vasishth, Hohenstein & Kliegl 2020, J. Mem. Lang. 110).
    Its rows must sum to zero: only then does the intercept not enter.
    """
    name, settings = read_contrast(variable, spec)
    L = len(levels)
    if L < 2:
        raise ModelError(
            f"The categorical variable {variable!r} has only one level ({', '.join(levels)}) in "
            "the rows used: remove it from the formula."
        )
    if name == "hypothesis":
        matrix, suffixes = _hypothesis(variable, levels, settings)
    elif name == "matrix":
        matrix, suffixes = _own_matrix(variable, levels, settings)
    elif name == "polynomial":
        matrix, suffixes = _polynomials(variable, levels, settings)
    elif name == "helmert":
        # contr.helmert: column j compares level j + 1 with the mean of those before it.
        matrix = np.triu(-np.ones((L, L - 1)))
        matrix[np.arange(1, L), np.arange(L - 1)] = np.arange(1, L)
        suffixes = _numbers(L - 1)
    elif name == "sequential-difference":
        # MASS::contr.sdif, the generalised inverse of successive differences.
        column = np.arange(1, L)
        matrix = np.where(np.arange(1, L + 1)[:, None] > column, column, column - L) / L
        suffixes = tuple(f"{b}-{a}" for a, b in pairwise(levels))
    else:
        base = settings.get("base")
        index = _level(variable, levels, base, 0 if name == "treatment" else L - 1)
        matrix = np.eye(L)[:, [j for j in range(L) if j != index]]
        if name == "sum":
            matrix[index] = -1.0
            suffixes = _numbers(L - 1)
        else:
            suffixes = tuple(level for i, level in enumerate(levels) if i != index)
    return Coding(name, np.ascontiguousarray(matrix, dtype=np.float64), suffixes, tuple(levels))


def _numbers(k: int) -> tuple[str, ...]:
    return tuple(str(i + 1) for i in range(k))


def read_contrast(variable: str, spec: ContrastSpec | None) -> tuple[str, Mapping[str, Any]]:
    """Check how the contrasts of one variable are specified, without knowing its levels.

    ``name``: name of the coding. Raises ModelError if there is no such coding or it has no such
    setting.
    """
    settings: Any = {}
    if spec is None:
        name: Any = "treatment"
    elif isinstance(spec, str):
        name = spec
    elif isinstance(spec, Mapping) and len(spec) == 1:
        name, settings = next(iter(spec.items()))
        settings = {} if settings is None else settings
    elif isinstance(spec, Sequence | np.ndarray):  # the contrast matrix itself
        name, settings = "matrix", spec
    else:
        raise ModelError(
            f"Contrasts of {variable!r} must be a name, or one name with settings such as "
            f"{{'treatment': {{'base': 'b'}}}}, not {spec!r}."
        )
    if name not in CODINGS:
        near = suggest(_R_NAMES.get(str(name), str(name)), CODINGS)
        raise ModelError(
            f"Unknown contrast {name!r} for {variable!r}.{near} Known: {', '.join(CODINGS)}."
        )
    name = "sum" if name == "effects" else name
    if name == "matrix" and not isinstance(settings, Mapping):
        settings = {"rows": settings}
    if not isinstance(settings, Mapping):
        raise ModelError(f"Settings of the {name} contrast of {variable!r} must be a mapping.")
    for key in settings:
        if key not in _SETTINGS[name]:
            allowed = ", ".join(_SETTINGS[name]) or "none"
            raise ModelError(
                f"Unknown setting {key!r} of the {name} contrast of {variable!r}."
                f"{suggest(str(key), _SETTINGS[name])} Known: {allowed}."
            )
    if name == "hypothesis" and "matrix" not in settings:
        raise ModelError(f"The hypothesis contrast of {variable!r} needs the setting 'matrix'.")
    if name == "matrix" and "rows" not in settings:
        raise ModelError(
            f"The contrast matrix of {variable!r} is missing: {{'matrix': [[1, 0], [0, 1], ...]}}, "
            "a row per level."
        )
    return str(name), settings


def _level(variable: str, levels: Sequence[str], wanted: Any, default: int) -> int:
    if wanted is None:
        return default
    label = label_of(wanted)
    if label not in levels:
        raise ModelError(
            f"The base {label!r} is no level of {variable!r}.{suggest(label, levels)} "
            f"Levels: {', '.join(levels[:20])}.{yaml_hint(wanted, 'text')}"
        )
    return list(levels).index(label)


def _row(value: Any, what: str) -> list[Any] | None:
    """A list of names, of which one alone is one; None where there is none."""
    if value is None or isinstance(value, str):
        return None if value is None else [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise ModelError(f"{what} must be a list, not {value!r}.")
    return list(value)


def _hypothesis(
    variable: str, levels: Sequence[str], settings: Mapping[str, Any]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    L, where = len(levels), f"The hypothesis matrix of {variable!r}"
    H = _numbers_in(settings["matrix"], where)
    _check_order(levels, settings, where)
    if H.ndim != 2 or H.shape[1] != L or not 1 <= H.shape[0] <= L - 1:
        raise ModelError(
            f"{where} must have {L} columns (levels {', '.join(levels[:20])}) and 1 to {L - 1} "
            f"rows, not the shape {' × '.join(map(str, H.shape))}."
        )
    size = np.abs(H).max(axis=1)
    for i in np.flatnonzero(np.abs(H.sum(axis=1)) > 1e-8 * size):
        raise ModelError(f"{where}: row {i + 1} sums to {H[i].sum():g}; a contrast sums to 0.")
    if np.linalg.matrix_rank(H) < H.shape[0]:
        raise ModelError(f"{where}: its rows are linearly dependent; remove the redundant ones.")
    suffixes = _names(settings, H.shape[0], where, "row")
    return np.asarray(np.linalg.pinv(H), dtype=np.float64), suffixes


def _own_matrix(
    variable: str, levels: Sequence[str], settings: Mapping[str, Any]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    L, where = len(levels), f"The contrast matrix of {variable!r}"
    C = _numbers_in(settings["rows"], where)
    _check_order(levels, settings, where)
    if C.ndim != 2 or C.shape[0] != L or not 1 <= C.shape[1] <= L - 1:
        raise ModelError(
            f"{where} must have {L} rows (levels {', '.join(levels[:20])}) and 1 to {L - 1} "
            f"columns, not the shape {' × '.join(map(str, C.shape))}."
        )
    if np.linalg.matrix_rank(np.column_stack([np.ones(L), C])) < C.shape[1] + 1:
        raise ModelError(
            f"{where}: its columns and a constant one are linearly dependent; remove the redundant "
            "ones."
        )
    return C, _names(settings, C.shape[1], where, "column")


def _polynomials(
    variable: str, levels: Sequence[str], settings: Mapping[str, Any]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """contr.poly: orthonormal polynomials in the scores of the levels, 1, 2, … by default."""
    L, where = len(levels), f"The scores of {variable!r}"
    given = settings.get("scores")
    scores = np.arange(1.0, L + 1.0) if given is None else _numbers_in(given, where)
    if scores.shape != (L,) or len(np.unique(scores)) < L:
        raise ModelError(
            f"{where} must be {L} different numbers, one per level: {', '.join(levels[:20])}."
        )
    matrix = orthogonal_polynomials(scores, L - 1).columns(scores)
    return matrix, (".L", ".Q", ".C", *(f"^{k}" for k in range(4, L)))[: L - 1]


def _numbers_in(value: Any, where: str) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError(f"{where} must be rows of numbers, all of one length.") from None
    if not np.isfinite(numbers).all():
        raise ModelError(f"{where} holds a value that is not finite.")
    return numbers


def _check_order(levels: Sequence[str], settings: Mapping[str, Any], where: str) -> None:
    """Refuse a matrix that was written for other levels, or for another order of them."""
    order = _row(settings.get("levels"), f"{where}: levels")
    if order is not None and [label_of(level) for level in order] != list(levels):
        truth = next((level for level in order if isinstance(level, bool)), None)
        raise ModelError(
            f"{where} is for the levels {', '.join(map(label_of, order))}, but the data have "
            f"{', '.join(levels)} in this order.{yaml_hint(truth, 'text')}"
        )


def _names(settings: Mapping[str, Any], count: int, where: str, what: str) -> tuple[str, ...]:
    """Names of the columns that are made, 1, 2, … by default."""
    names = _row(settings.get("names"), f"{where}: names")
    if names is None:
        return _numbers(count)
    suffixes = tuple(map(str, names))
    if len(suffixes) != count or len(set(suffixes)) != len(suffixes):
        raise ModelError(f"{where} needs {count} different names, one for each {what}.")
    return suffixes
