"""Theta along an optimisation as what it means: standard deviations, correlations and sigma."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.parameters import sds_and_correlations, undetermined
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["parameter_study", "parameters_along"]

Floats = NDArray[np.float64]


def parameter_study(fit: StudiedFit) -> dict[str, pd.DataFrame]:
    """Give ``parameters``, see `parameters_along`, at every evaluation of a fit."""
    missing = undetermined(fit.unidentified)
    return {"parameters": parameters_along(fit.estimation, fit.trace, missing)}


def parameters_along(
    estimation: Estimation,
    trace: pd.DataFrame,
    missing: Collection[tuple[str, str | None, str | None, str | None]] = (),
) -> pd.DataFrame:
    """Give standard deviations, correlations and sigma at every evaluation of a trace.

    The covariance of the random effects of a grouping factor is ``sigma**2 Lambda Lambda'``, with
    the sigma that the objective finds best for the theta of the evaluation.  It does not depend
    on the signs of the columns of Lambda, in which an optimiser is free.

    Of generalised models it is ``Lambda Lambda'``, on the scale of the linear predictor, and in
    place of sigma there is the dispersion of families that have one.

    ``trace``: columns ``evaluation``, ``theta``, ``sigma``. ``missing``: kind, group, term and
    second term of parameters that the data do not determine: where an optimiser had them says
    nothing. Gives columns of the stored table ``parameters``, one parameter after another: ``sd``
    and ``correlation`` per grouping factor in the order of the formula, then ``sigma``.  NaN are
    standard deviations and sigma of a failed evaluation, correlations with a standard deviation of
    zero, and what is missing.
    """
    numbers = trace["evaluation"].to_numpy(dtype=np.int32)
    thetas = np.array(trace["theta"].tolist(), dtype=float).reshape(len(trace), -1)
    sigma = estimation.scales(trace)
    rows: list[tuple[str, str | None, str | None, str | None, Floats]] = []
    for term in estimation.objective.system.terms:
        factors = np.array([term.factor(theta[term.theta]) for theta in thetas])
        rows += [
            (kind, term.group, first, second, values)
            for kind, first, second, values in sds_and_correlations(term, factors, sigma)
        ]
    if not estimation.is_generalized:
        rows.append(("sigma", None, None, None, sigma))
    elif (name := estimation.objective.system.family.dispersion) is not None:
        rows.append(("dispersion", None, name, None, trace["dispersion"].to_numpy(dtype=float)))
    count = len(numbers)
    texts = {
        column: pd.Series(np.repeat(np.array([row[i] for row in rows], dtype=object), count))
        for i, column in enumerate(("kind", "group", "term", "term2"))
    }
    return pd.DataFrame(
        {
            "evaluation": np.tile(numbers, len(rows)),
            **texts,
            "value": np.concatenate(
                [np.full(count, np.nan) if row[:4] in missing else row[4] for row in rows]
            ),
        }
    )
