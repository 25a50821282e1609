"""A parametric bootstrap of a fit: what it is drawn from, and what is kept of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.fit_numbers import FitNumbers
from mixedscope.core.arguments import number_array
from mixedscope.inference.bootstrap.draws import (
    bootstrap_part,
    described,
    origin_of,
    responses_of_draws,
)
from mixedscope.inference.bootstrap.result import Bootstrap, Origin
from mixedscope.inference.bootstrap.run import (
    bootstrap_file,
    read_bootstrap,
    run_bootstrap,
    write_bootstrap,
)
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.estimates.refit import Refits
from mixedscope.inference.estimates.simulated import Truth, truth_at

__all__ = ["bootstrap", "truth_of"]

Floats = NDArray[np.float64]


def truth_of(
    fit: FitNumbers[Any], beta: ArrayLike | None, sigma: float | None, theta: ArrayLike | None
) -> Truth:
    """Parameters that are given, and those of the fit for the others."""
    return truth_at(
        fit._profiled,
        fit.theta if theta is None else number_array("theta", theta, "numbers"),
        beta=fit.beta if beta is None else number_array("beta", beta, "numbers"),
        sigma=fit.sigma if sigma is None else sigma,
    )


def bootstrap(
    fit: FitNumbers[Any],
    count: int,
    truth: Truth,
    *,
    seed: int,
    is_own: bool,
    refit: Callable[[Floats, int], Refits] | None,
    progress: bool,
    file: str | os.PathLike[str] | None,
) -> Bootstrap:
    """Make the draws of :meth:`mixedscope.Fit.parametric_bootstrap`.

    ``is_own``: whether the truth are the estimates. ``refit``: fits responses (m, n), of which the
    first is the draw of that number, where this is not to be done the quick way.
    """
    objective = fit._profiled
    sha256 = str(fit.info["dataset"]["sha256"])
    keys = undetermined(fit.certificate.get("unidentified", ()))
    origin = origin_of(objective, truth, seed=seed, data=sha256, undetermined=list(keys))
    studies = fit._tables.studies
    known, save, saved = None, None, 0
    if is_own and refit is None and "bootstrap" in studies:
        known = Bootstrap.of_stored(studies["bootstrap"])
        known = None if known.origin.difference(origin) else known
    if file is not None:
        path = bootstrap_file(file)
        if path.exists():
            stored = read_bootstrap(path, origin)
            saved = len(stored)
            if known is None or len(stored) > len(known):
                known = stored
        save = partial(write_bootstrap, path, formula=fit.formula, sha256=sha256)
    make = partial(_part, objective, truth, origin, refit)
    drawn = run_bootstrap(make, count, known=known, progress=progress, save=save, saved=saved)
    if is_own and refit is None and (known is None or len(drawn) > len(known)):
        studies["bootstrap"] = drawn.stored()
    return drawn


def _part(
    objective: Any,
    truth: Truth,
    origin: Origin,
    refit: Callable[[Floats, int], Refits] | None,
    draws: Sequence[int],
) -> Bootstrap:
    if refit is None:
        return bootstrap_part(objective, truth, draws, origin)
    responses = responses_of_draws(objective, truth, draws, origin.seed)
    return described(objective, refit(responses, draws[0]), draws, origin)
