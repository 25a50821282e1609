"""What public functions are given: checked in one place, before anything is computed.

`door` reads the annotations of a function: ``bool`` is true or false and not ``"no"``, ``int`` a
whole number, ``Sequence[str]`` texts, of which one alone is one and no row of letters. An argument
that the function does not have is refused with the one that was meant.
"""

from __future__ import annotations

import ast
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial, wraps
from itertools import chain, repeat
from numbers import Integral, Real
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import MixedscopeError, ModelError, suggest

__all__ = ["check_arguments", "door", "each_fit", "named", "number_array", "way_out"]

P = ParamSpec("P")
R = TypeVar("R")


class _Unwanted(Exception):
    """An argument of another kind than the one that it names."""


#: Gives an argument back as what it stands for, or raises an error that says what is wanted.
_Check = Callable[[Any], Any]

#: The least value of whole numbers that mean the same wherever they are asked for.
_LEAST: Final = {
    "seed": 0,
    "count": 1,
    "keyframe_parts": 1,
    "quadrature": 0,
    **{"values": 1, "draws": 1, "most": 2, "levels": 2, "parameters": 2},
}

#: Numbers that mean nothing unless they are finite and above 0.
_ABOVE_ZERO: Final = ("accuracies", "gaps")

#: What the two values of a switch mean, where that is not plain from its name.
_SWITCHES: Final = {"reml": "True (REML) or False (maximum likelihood)"}

#: Texts that stand for what is wanted, where there is no default.
_EXAMPLES: Final = {"formula": "y ~ 1 + x + (1 | group)"}

#: What is said of an argument that is of another kind.
_REMARKS: Final = {"formula": " The formula comes first, then the data."}

#: Arguments as other programs call them.
_ELSEWHERE: Final = {
    "method": "reml",
    "control": "settings",
    "verbose": "progress",
    "nsim": "count",
    "nboot": "draws",
    "count": "draws",
    "draws": "count",
    "covariance": "structure",
    "correlation": "structure",
}

#: What neither kind of model has under any name: of linear models (False), and generalised ones.
_NOWHERE: Final = {
    False: {
        "family": " Choices and counts are fitted by ms.glmer(formula, data, family).",
        "nagq": " Linear models need no quadrature: their likelihood is exact.",
    },
    True: {
        "reml": " Generalised models are fitted by maximum likelihood: there is no REML of them.",
        "ziformula": " There is no zero inflation here.",
        "dispformula": " There are no models of the dispersion here.",
    },
}

#: Longest text in which a value is named as it is written.
_SHOWN: Final = 60

#: Arguments of every door that was made, by the name that users write before the parenthesis.
_DOORS: Final[dict[str, tuple[str, ...]]] = {}

#: What checks arguments of a door, by name, without calling it.
_CHECKS: Final[dict[Callable[..., Any], Callable[[Mapping[str, Any]], object]]] = {}


def door(
    error: type[MixedscopeError] = ModelError,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a public function check its arguments by their annotations, and raise this error.

    Annotations that are not known here are left to the function.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        placed = [(p.name, _check_of(p)) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        stars = [(p.name, _check_of(p)) for p in parameters if p.kind is p.VAR_POSITIONAL]
        others = [(p.name, _check_of(p)) for p in parameters if p.kind is p.KEYWORD_ONLY]
        checks = dict([*placed, *others])
        checks.pop("self", None)
        is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
        called = _called(function)
        _DOORS[function.__qualname__.removesuffix(".__init__")] = tuple(checks)

        # An argument too many has no check: Python says so when the function is called.
        rest = [repeat(star) for star in stars] or [repeat(("", None))]

        def checked_one(name: str, check: _Check | None, value: Any) -> Any:
            if check is None:
                return value
            try:
                return check(value)
            except _Unwanted as wanted:
                told, *near = wanted.args
                hint = "".join([*near, _REMARKS.get(name, "")])
                raise error(f"{name} must be {told}, not {named(value)}.{hint}") from None

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not (is_open or checks.keys() >= kwargs.keys()):
                raise error(_unknown(called, kwargs, checks))
            given = tuple(
                checked_one(name, check, value)
                for (name, check), value in zip(chain(placed, *rest), args, strict=False)
            )
            by_name = {name: checked_one(name, checks.get(name), v) for name, v in kwargs.items()}
            try:
                return function(*given, **by_name)
            except TypeError:
                _refuse_misfits(signature, called, given, by_name, error)
                raise

        _CHECKS[checked] = lambda given: [
            checked_one(name, checks[name], value) for name, value in given.items()
        ]
        return checked

    return decorate


def check_arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check arguments of a door by name without calling it; raises what the door would raise."""
    _CHECKS[function](given)


def number_array(
    name: str,
    value: Any,
    wanted: str,
    error: type[MixedscopeError] = ModelError,
    *,
    missing: bool = False,
) -> NDArray[np.float64]:
    """Give numbers as an array of floats, or say what was wanted in their place.

    ``name`` is what they are called; where values may be ``missing`` they are NaN.
    """
    try:
        made = np.asarray(value)
        if missing and made.dtype.kind == "O" and made.ndim == 1:
            made = pd.Series(made).where(~pd.isna(made), np.nan).to_numpy(dtype=object)
        # Texts of digits and what is missing would become numbers.
        plain = made.dtype.kind in "iuf" or (made.dtype.kind == "b" and made.ndim > 0)
        # Of an array of objects each is looked at, decimals among them.
        objects = made.dtype.kind == "O" and made.ndim > 0
        if plain or (objects and all(isinstance(v, Real | Decimal) for v in made.flat)):
            return made.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise error(f"{name} must be {wanted}, not {named(value)}.")


def named(value: Any) -> str:
    """What a value is, for a message: as it is written, if it is short, or its kind."""
    if _is_plain(value):
        text = repr(value)
        if len(text) <= _SHOWN:
            return text
        if isinstance(value, str):
            return f"{value[: _SHOWN - 10]!r}…"
    if hasattr(value, "study"):
        return "a fit"
    if hasattr(value, "fit") and hasattr(value, "formula"):
        return "a model"
    if isinstance(value, np.generic):
        return repr(value.item())
    name = "array" if isinstance(value, np.ndarray) else type(value).__name__
    kind = f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
    if isinstance(value, list | tuple) and len(value):
        return f"{kind} that holds {named(value[0])}"
    return kind


def way_out(value: Any) -> str:
    """A sentence on what to do about a model where a fit is wanted, or the other way round."""
    return {
        "a model": " Fit the model first: model.fit().",
        "a fit": " Give its model, fit.model.",
    }.get(named(value), "")


def each_fit(source: Any, wanted: str) -> list[Any]:
    """Give a fit, or the fits of a list, one by one.

    Raises ModelError about anything else, a message that begins with what is ``wanted``.
    """
    items = (source,) if hasattr(source, "study") else _items(source)
    if items is None:
        raise ModelError(f"{wanted}, not {named(source)}.{way_out(source)}")
    for item in items:
        if not hasattr(item, "study"):
            raise ModelError(f"{wanted}; this one holds {named(item)}.{way_out(item)}")
    return list(items)


def _is_plain(value: Any) -> bool:
    """Whether what Python writes of a value is made of texts and numbers alone."""
    if isinstance(value, Mapping):
        return type(value) is dict and all(map(_is_plain, [*value, *value.values()]))
    if type(value) in (list, tuple, set, frozenset):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, complex, str, bytes)


# -- one function per annotation -------------------------------------------------------------------


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise _Unwanted(_SWITCHES.get(name, "True or False"))


def _whole(name: str, value: Any) -> int:
    least = _LEAST.get(name)
    whole = _is_number(value) and (isinstance(value, Integral) or float(value).is_integer())
    if whole and (least is None or value >= least):
        return int(value)
    raise _Unwanted("a whole number" if least is None else f"a whole number from {least}")


def _number(name: str, value: Any) -> float:
    is_number = _is_number(value) and not math.isnan(value)
    if name == "level" and not (is_number and 0.0 < value < 1.0):
        percent = f", as {value / 100:g}" if is_number and 1.0 < value < 100.0 else ""
        raise _Unwanted(f"a coverage between 0 and 1{percent}")
    if is_number:
        return float(value)
    raise _Unwanted("a number")


def _text(example: Any, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _Unwanted(f"text, as {example!r}" if isinstance(example, str) else "text")


def _texts(_: str, value: Any) -> tuple[str, ...]:
    """Texts one by one; a text alone is one of them."""
    items = (value,) if isinstance(value, str) else _items(value)
    if items is None or not all(isinstance(item, str) for item in items):
        raise _Unwanted("a list of texts")
    return items


def _texts_or_places(_: str, value: Any) -> tuple[str | int, ...]:
    """Texts and whole numbers one by one; one alone is one of them."""
    items = (value,) if isinstance(value, str) or _is_whole(value) else _items(value)
    if items is None or not all(isinstance(item, str) or _is_whole(item) for item in items):
        raise _Unwanted("a list of names or positions")
    return tuple(item if isinstance(item, str) else int(item) for item in items)


def _text_or_place(_: str, value: Any) -> str | int:
    if isinstance(value, str) or _is_whole(value):
        return value if isinstance(value, str) else int(value)
    raise _Unwanted("a name or a position")


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    """Numbers one by one; a number alone is one of them."""
    items = (value,) if isinstance(value, Real) else _items(value)
    if items is None or not all(_is_number(item) and not math.isnan(item) for item in items):
        raise _Unwanted("a list of numbers")
    if name in _ABOVE_ZERO and not (items and all(0 < item < math.inf for item in items)):
        raise _Unwanted("a list of numbers above 0")
    return tuple(float(item) for item in items)


def _named_numbers(name: str, value: Any) -> Any:
    """One number, several, or numbers by name."""
    if isinstance(value, pd.Series) and not isinstance(value.index, pd.RangeIndex):
        value = value.to_dict()
    if isinstance(value, Mapping):
        named_well = all(isinstance(key, str) for key in value)
        if named_well and all(_is_number(v) and math.isfinite(v) for v in value.values()):
            return {key: float(number) for key, number in value.items()}
    elif not isinstance(value, bool):
        try:
            found = (value,) if isinstance(value, Real) else _numbers("", value)
        except _Unwanted:
            found = ()
        if found and all(map(math.isfinite, found)):
            return float(found[0]) if isinstance(value, Real) else found
    raise _Unwanted("a finite number, a list of these, or these by name")


def _pairs(_: str, value: Any) -> tuple[tuple[str, ...], ...]:
    """Pairs of two different texts."""
    items = _items(value)
    pairs = [] if items is None else [_items(item) for item in items]
    if items is None or not all(
        pair is not None and len(set(map(str, pair))) == len(pair) == 2 for pair in pairs
    ):
        raise _Unwanted("a list of pairs of two different parameters")
    return tuple(_texts("", pair) for pair in pairs)


def _one_of(known: Sequence[str], value: Any) -> str:
    if isinstance(value, str) and value in known:
        return value
    near = suggest(value, known) if isinstance(value, str) else ""
    *others, last = map(repr, known)
    raise _Unwanted(f"{', '.join(others)} or {last}", near)


def _path(_: str, value: Any) -> Any:
    if isinstance(value, str | os.PathLike) and os.fspath(value):
        return value
    raise _Unwanted("a path")


_ANNOTATED: Final[dict[str, Callable[[str, Any], Any]]] = {
    "bool": _switch,
    "int": _whole,
    "float": _number,
    "Sequence[str]": _texts,
    "Iterable[str]": _texts,
    "Sequence[float]": _numbers,
    "Sequence[str | int]": _texts_or_places,
    "str | int": _text_or_place,
    "Sequence[Sequence[str]]": _pairs,
    "float | Sequence[float] | Mapping[str, float]": _named_numbers,
    "str | os.PathLike[str]": _path,
}


def _check_of(parameter: inspect.Parameter) -> _Check | None:
    """The check that an annotation asks for."""
    written = str(parameter.annotation)
    kind = written.removesuffix(" | None")
    check: _Check
    if kind == "str":
        check = partial(_text, _EXAMPLES.get(parameter.name, parameter.default))
    elif kind in _ANNOTATED:
        check = partial(_ANNOTATED[kind], parameter.name)
    elif kind.startswith("Literal["):
        known = ast.literal_eval(f"({kind.removeprefix('Literal[').removesuffix(']')},)")
        check = partial(_one_of, known)
    else:
        return None
    if kind == written:
        return check
    return lambda value: None if value is None else check(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _items(value: Any) -> tuple[Any, ...] | None:
    """What a list or any other row of things holds; None of what is none."""
    if isinstance(value, str | bytes | Mapping | pd.DataFrame) or not isinstance(value, Iterable):
        return None
    if isinstance(value, set | frozenset):  # whose order differs between processes
        return tuple(sorted(value, key=str))
    try:
        return tuple(value)
    except TypeError:  # an array without dimensions
        return None


def divided(
    called: str, options: Mapping[str, Any], *functions: Callable[..., Any]
) -> list[dict[str, Any]]:
    """Give each of the functions those options that it has by name.

    Raises ModelError about an option that none has; ``called`` is what users wrote.
    """
    kind = inspect.Parameter.VAR_KEYWORD
    known = [
        [p.name for p in inspect.signature(f).parameters.values() if p.kind is not kind]
        for f in functions
    ]
    every = dict.fromkeys(name for names in known for name in names if name != "self")
    if not every.keys() >= options.keys():
        raise ModelError(_unknown(called, options, every))
    return [{n: v for n, v in options.items() if n in names} for names in known]


# -- calls that do not fit -------------------------------------------------------------------------


def _called(function: Callable[..., Any]) -> str:
    """What users write before the parenthesis."""
    return function.__qualname__.removesuffix(".__init__").rpartition(".")[2]


def _unknown(
    called: str,
    given: Mapping[str, Any],
    known: Mapping[str, Any],
) -> str:
    """Words on arguments that a function does not have: the one that was meant, or where it is."""
    name = next(name for name in given if name not in known)
    is_generalized = called in ("glmer", _GENERALIZED)
    homes = _HOMES[is_generalized]
    folded = name.lower()
    other = _ELSEWHERE.get(folded, folded)
    if folded in known:
        hint = f" Did you mean {folded}={named(given[name])}?"
    elif folded == "method" and "df" in known:
        hint = " Did you mean 'df'? df='none' gives z and chi-squared."
    elif other in known:
        hint = f" Did you mean {other!r}?"
    elif home := next((door for door in homes if other in _DOORS.get(door, ())), None):
        hint = f" It belongs to {homes[home].format(other)}."
    elif called in _MAKERS and folded in _NOWHERE[is_generalized]:
        hint = _NOWHERE[is_generalized][folded]
    else:
        hint = suggest(name, known)
    return f"{called} has no argument {name!r}.{hint} Known are: {', '.join(known) or 'none'}."


#: The class of generalised models.
_GENERALIZED: Final = "GeneralizedLinearMixedModel"
#: What makes models.
_MAKERS: Final = ("lmer", "glmer", "LinearMixedModel", _GENERALIZED)

#: Doors whose arguments are looked for at others, and how they are given there: of linear models,
#: and of generalised ones.
_HOMES: Final = (
    {
        "LinearMixedModel": "the model: LinearMixedModel(formula, data, {}=...)",
        "FittableModel.fit": "the fit: model.fit({}=...)",
    },
    {
        _GENERALIZED: f"the model: {_GENERALIZED}(formula, data, {{}}=...)",
        f"{_GENERALIZED}.fit": "the fit: model.fit({}=...)",
    },
)


def _refuse_misfits(
    signature: inspect.Signature,
    called: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    error: type[MixedscopeError],
) -> None:
    """Raise an error if there are too few or too many arguments, or one is given twice."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as misfit:
        places = [
            p.name
            for p in signature.parameters.values()
            if p.kind is not p.KEYWORD_ONLY and p.name != "self"
        ]
        by_place = f"by place it takes {', '.join(places) or 'none'}"
        raise error(f"{called}: {misfit}; {by_place}, all others by name.") from None
