"""The optimisers, by name.  Libraries behind them are imported when one of them is used."""

from __future__ import annotations

from mixedscope.core.errors import OptimizerError, suggest
from mixedscope.optimize.backends.base import Backend, Outcome, Setting, SettingValue
from mixedscope.optimize.backends.nlopt import NLOPT_BACKENDS
from mixedscope.optimize.backends.pybobyqa import PyBobyqa
from mixedscope.optimize.backends.scipy import SCIPY_BACKENDS

__all__ = [
    "AUTO",
    "BACKENDS",
    "Backend",
    "Outcome",
    "Setting",
    "SettingValue",
    "get_backend",
    "optimizer_names",
]

#: Every optimiser.
BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (PyBobyqa(), *NLOPT_BACKENDS, *SCIPY_BACKENDS)
}

#: What ``"auto"`` stands for: with exact gradients BFGS needs the fewest evaluations on every
#: model tried, and it is not held up by the bounds, where gradients vanish by symmetry.
AUTO = "bfgs"


def optimizer_names() -> tuple[str, ...]:
    """Every name that `get_backend` knows, ``"auto"`` first."""
    return ("auto", *BACKENDS)


def get_backend(name: str) -> Backend:
    """Find an optimiser by name; raises OptimizerError if there is none of this name."""
    known = AUTO if name == "auto" else name
    if not isinstance(known, str) or known not in BACKENDS:
        names = optimizer_names()
        raise OptimizerError(
            f"unknown optimizer {name!r}; known are {', '.join(names)}.{suggest(str(name), names)}"
        )
    return BACKENDS[known]
