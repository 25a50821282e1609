"""Which keys a sweep can vary, and which values each takes."""

from __future__ import annotations

import math
from typing import Any, Final

from mixedscope.core.errors import ConfigError, MixedscopeError, suggest
from mixedscope.core.vocabulary import CRITERIA
from mixedscope.covariance.registry import named_structure, plain_name
from mixedscope.data.simulation_spec import SIMULATE_KEYS
from mixedscope.formula.expressions import parse_expression
from mixedscope.inference.intervals.registry import GENERALIZED_METHODS, METHODS
from mixedscope.optimize.starts import START_NAMES
from mixedscope.summaries.keys import KEYS, SIMULATE

__all__ = [
    "DF",
    "INTERVALS_OF_FAMILIES",
    "INTERVAL_MODULES",
    "RATIO",
    "TESTS_OF_FAMILIES",
    "TYPES",
    "check_key",
    "check_value",
]

#: Hypotheses about terms and degrees of freedom, which planning knows without loading what computes
#: (`tests/workflow/test_inference_keys.py` holds them to it).
TYPES: Final = ("I", "II", "III")
DF: Final = ("satterthwaite", "kenward-roger", "residual", "none")
#: In the place of degrees of freedom: tests of models with a family by likelihood ratio.
RATIO: Final = "likelihood-ratio"
#: Methods of intervals. Bootstraps would draw and refit in every run.
_INTERVALS: Final = tuple(name for name in METHODS if name != "bootstrap")
#: Those of them that runs of families have, and their tests.
INTERVALS_OF_FAMILIES: Final = tuple(n for n in GENERALIZED_METHODS if n != "bootstrap")
TESTS_OF_FAMILIES: Final = ("none", RATIO)
#: Modules of these methods, which runs find by name.
INTERVAL_MODULES: Final = tuple(
    dict.fromkeys(
        methods[name].module
        for methods in (METHODS, GENERALIZED_METHODS)
        for name in methods
        if name != "bootstrap"
    )
)

_STARTS = tuple(name for name in START_NAMES if name != "random")
_TEXTS = ("model", "structure", "optimizer", "subset", "of")


def check_key(key: str) -> str:
    """Give the key back, or say what is wrong with it.

    Raises ConfigError if no sweep has such a key; the message suggests one.
    """
    if key in KEYS:
        return key
    if key.startswith(SIMULATE):
        path = key.removeprefix(SIMULATE).split(".")
        known = [k for k in SIMULATE_KEYS if k != "seed"]
        if path[0] == "seed":
            raise ConfigError(
                f"{key!r}: data are drawn anew with the key 'replicate' or 'seed' of a sweep"
            )
        if path[0] not in known or "" in path:
            raise ConfigError(
                f"{key!r} is no parameter of a simulated data set."
                f"{suggest(path[0], known)} Known: {', '.join(SIMULATE + k for k in known)}"
            )
        return key
    known = [*KEYS, "simulate.<parameter>"]
    raise ConfigError(f"unknown key {key!r}.{suggest(key, known)} Known: {', '.join(known)}")


def check_value(key: str, value: Any) -> Any:
    """Give a value of a key as runs need it, or say what is wrong with it.

    Raises ConfigError if the key cannot have this value.
    """
    check_key(key)
    if key.startswith(SIMULATE):
        return value
    if key in _TEXTS:
        if not isinstance(value, str):
            raise ConfigError(f"{key} must be text, not {value!r}")
        try:
            if key == "subset":
                parse_expression(value)
            if key == "structure":
                named_structure(value)
                return plain_name(value)
        except MixedscopeError as error:
            raise ConfigError(f"{key}: {error}") from None
        return value
    if key == "criterion":
        wanted = value.upper() if isinstance(value, str) else value  # as models have it
        if wanted not in CRITERIA:
            raise ConfigError(f"criterion must be {' or '.join(CRITERIA)}, not {value!r}")
        return wanted
    if key in ("intervals", "tests"):
        return _method(key, value)
    if key == "start":
        if value in _STARTS or (_is_whole(value) and value >= 1):
            return value
        near = suggest(value, _STARTS) if isinstance(value, str) else ""
        raise ConfigError(
            f"start must be {', '.join(_STARTS)}, or the number of a random start from 1, "
            f"not {value!r}.{near}"
        )
    if key == "level":
        if not _is_number(value) or not 0 < value < 1:
            raise ConfigError(f"level must be a number between 0 and 1, not {value!r}")
        return float(value)
    if key in ("tolerance", "share"):
        what = "above 0" if key == "tolerance" else "above 0 and at most 1"
        if not _is_number(value) or not 0 < value <= (math.inf if key == "tolerance" else 1):
            hint = " (YAML reads 1e-6 as text: write 1.0e-6)" if isinstance(value, str) else ""
            raise ConfigError(f"{key} must be a number {what}, not {value!r}{hint}")
        return float(value)
    least = 0 if key == "seed" else 1
    if not _is_whole(value) or value < least:
        raise ConfigError(f"{key} must be a whole number from {least}, not {value!r}")
    return int(value)


def _method(key: str, value: Any) -> str:
    """Check a method of intervals, or the degrees of freedom of tests."""
    if key == "intervals" and value == "bootstrap":
        raise ConfigError(
            "intervals: a sweep has none by bootstrap, which would draw and refit in every run. "
            f"Known: {', '.join(_INTERVALS)}"
        )
    known = _INTERVALS if key == "intervals" else (*DF, RATIO)
    if value not in known:
        near = suggest(value, known) if isinstance(value, str) else ""
        what = "method of intervals" if key == "intervals" else "degrees of freedom"
        raise ConfigError(
            f"{key}: there {'is' if key == 'intervals' else 'are'} no {what} {value!r}.{near} "
            f"Known: {', '.join(known)}"
        )
    return str(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
