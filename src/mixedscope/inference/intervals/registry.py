"""Methods of confidence intervals, by name.

Adding one takes a function ``(objective, theta, level, estimates, *, settings) -> DataFrame`` and
one line of `METHODS`. Its keyword-only parameters are the settings that users may give.

The registry is plain data: modules are named and loaded when a method is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.inference.intervals.columns import COLUMNS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mixedscope.engine.generalized.laplace import LaplaceObjective
    from mixedscope.engine.search.searchable import SearchableObjective

__all__ = ["GENERALIZED_METHODS", "METHODS", "IntervalMethod", "intervals"]


@dataclass(frozen=True)
class IntervalMethod:
    """One entry of the registry.

    Attributes
    ----------
    module : str
        Where its function is.
    function : str
        ``(objective, theta, level, estimates, *, settings)`` gives a row for each parameter with
        all of `mixedscope.inference.intervals.columns.COLUMNS` but the last, and columns of its
        own. ``estimates`` are the tidy parameters of the fit: what the data do not determine is
        missing there, and has no interval.
    """

    module: str
    function: str

    @property
    def run(self) -> Callable[..., pd.DataFrame]:
        """Its function, loaded when it is asked for."""
        run: Callable[..., pd.DataFrame] = getattr(import_module(self.module), self.function)
        return run


_INTERVALS: Final = "mixedscope.inference.intervals"
_TESTS: Final = "mixedscope.inference.hypotheses.tables"

METHODS: Final[dict[str, IntervalMethod]] = {
    "wald": IntervalMethod(f"{_INTERVALS}.wald", "wald_intervals"),
    "satterthwaite": IntervalMethod(_TESTS, "satterthwaite_intervals"),
    "kenward-roger": IntervalMethod(_TESTS, "kenward_roger_intervals"),
    "profile": IntervalMethod("mixedscope.inference.profiles.intervals", "profile_intervals"),
    "bootstrap": IntervalMethod("mixedscope.inference.bootstrap.intervals", "bootstrap_intervals"),
}

#: Those of generalised models.
GENERALIZED_METHODS: Final[dict[str, IntervalMethod]] = {
    "wald": METHODS["wald"],
    "profile": IntervalMethod(
        "mixedscope.inference.profiles.generalized", "generalized_profile_intervals"
    ),
    "bootstrap": IntervalMethod(
        "mixedscope.inference.bootstrap.generalized", "generalized_bootstrap_intervals"
    ),
}


def intervals(
    objective: SearchableObjective | LaplaceObjective,
    theta: NDArray[np.float64],
    level: float,
    estimates: pd.DataFrame,
    *,
    method: str,
    settings: Mapping[str, Any],
    methods: Mapping[str, IntervalMethod] = METHODS,
) -> pd.DataFrame:
    """Give the intervals of a fit by one method of some: `COLUMNS`, then what the method adds.

    Raises ModelError if there is no such method, or it has no such setting.
    """
    run = _checked(method, settings, methods).run
    table = run(objective, theta, level, estimates, **settings).assign(method=method)
    return table[[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)]]


def _checked(
    name: str, settings: Mapping[str, Any], methods: Mapping[str, IntervalMethod]
) -> IntervalMethod:
    """Find a method and check the names of its settings."""
    if name in METHODS and name not in methods:
        raise UnsuitedError(
            f"Degrees of freedom by {name!r} are those of variances that a normal response "
            f"estimates; a generalised model has intervals by {', '.join(methods)}."
        )
    if name not in methods:
        raise ModelError(
            f"There is no method {name!r} for confidence intervals.{suggest(name, methods)} "
            f"Known are: {', '.join(methods)}."
        )
    method = methods[name]
    if not settings:
        return method
    known = [
        p.name
        for p in inspect.signature(method.run).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for key in settings:
        if key not in known:
            raise ModelError(
                f"Intervals by method {name!r} have no setting {key!r}.{suggest(key, known)} "
                f"Known are: {', '.join(known) or 'none'}."
            )
    return method
