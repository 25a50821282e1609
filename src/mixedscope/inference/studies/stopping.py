"""Speed against accuracy: what a fit would have been worth, had it been stopped earlier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.running_best import improved_rows
from mixedscope.inference.estimates.estimates import SINGULAR
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.optimize.certificate import tolerance_scale

__all__ = [
    "ACCURACIES",
    "CRITERIA",
    "GAPS",
    "MEASURES",
    "accuracy_table",
    "stopping_study",
    "stopping_table",
]

Floats = NDArray[np.float64]

#: Measures of `stopping_table` and of `accuracy_table`: columns of the one, rows of the other.
MEASURES: Final = ("gap", "beta", "std_error", "sigma", "modes")

#: What takes the place of sigma in generalised models, if anything does.
_SCALES: Final = ("sigma", "dispersion")

#: Accuracies asked for: of estimates in their own units, and of the objective in deviance units.
ACCURACIES: Final = (0.1, 0.01, 0.001)
GAPS: Final = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)

#: By what a search could have told that it was time to stop.
CRITERIA: Final = ("trust radius", "predicted decrease", "decrease")


@door()
def stopping_study(
    fit: StudiedFit, *, accuracies: Sequence[float] = ACCURACIES, gaps: Sequence[float] = GAPS
) -> dict[str, pd.DataFrame]:
    """Study what stopping at every evaluation of a fit would have cost.

    Parameters
    ----------
    fit : StudiedFit
    accuracies : sequence of float
        Largest changes of estimates: fixed effects in standard errors, standard errors and sigma
        relative to themselves, conditional modes in conditional standard deviations.
    gaps : sequence of float
        Largest gaps of the objective, deviance units.

    Returns
    -------
    dict
        ``stopping``, see `stopping_table`, and ``accuracy``, see `accuracy_table`.
    """
    stopping = stopping_table(fit.estimation, fit.theta, fit.trace)
    known = [name for name in _SCALES if name in stopping and stopping[name].notna().any()]
    measures = [name for name in MEASURES if name != "sigma" or name in known]
    measures += ["dispersion"] * ("dispersion" in known)
    wanted = {measure: tuple(gaps if measure == "gap" else accuracies) for measure in measures}
    table = accuracy_table(stopping, fit.trace, wanted, fit.estimation.points(fit.trace))
    return {"stopping": stopping, "accuracy": table}


def stopping_table(estimation: Estimation, theta: Floats, trace: pd.DataFrame) -> pd.DataFrame:
    """Measure how far the best point so far was from the final fit, at every evaluation.

    Parameters
    ----------
    estimation : Estimation
    theta : (k,) array
        The final fit: all that was searched.
    trace : pandas.DataFrame
        As stored.

    Returns
    -------
    pandas.DataFrame
        Columns of the stored table ``stopping``, one row per evaluation k, about the best of the
        evaluations 1 … k (``best_evaluation``): ``gap``, its objective minus the smallest of the
        trace; ``beta``, the largest difference of a fixed effect from that of the final fit, in
        standard errors of the final fit; ``std_error``, the largest relative difference of a
        standard error of a fixed effect; ``sigma``, the relative difference; ``modes``, the
        largest difference of a conditional mode, in its conditional standard deviation (of those
        levels of which the iterative engine computes one).  NaN before the first success.

        In balanced data the fixed effects do not depend on theta, their standard errors do: to
        look at the former alone would let every fit be stopped at once.

        A term that has no variance in the final fit (its standard deviation at most
        ``estimates.SINGULAR``) leaves its modes without a conditional standard deviation; theirs
        are measured in standard errors of the level's own estimate, sigma over the root of the
        level's sum of squares of the covariate (of its mean square, if that is larger).

        Of generalised models standard errors are those with covariances and dispersion as known, as
        of linear ones; ``sigma`` is missing, and there is a column ``dispersion``.
    """
    best = trace["best"].to_numpy(dtype=float)
    improved = improved_rows(trace["objective"].to_numpy())
    points = estimation.points(trace)
    estimation.begin()
    units = _mode_units(estimation, theta)
    final = estimation.told(theta)
    scale = _scale_of(estimation)
    measured = np.full((len(trace) + 1, 4), np.nan)  # the last row: nothing succeeded yet
    for row in improved:
        at = estimation.told(points[row])
        measured[row] = (
            np.abs((at.evaluation.beta - final.evaluation.beta) / final.std_errors).max(initial=0),
            np.abs(at.std_errors / final.std_errors - 1.0).max(initial=0.0),
            np.nan
            if scale is None
            else _relative(*(getattr(o.evaluation, scale) for o in (at, final))),
            max(
                # Units that were not computed are those of levels that are left out.
                float(np.nanmax(np.abs((now - then) / unit)))
                for now, then, unit in zip(at.modes, final.modes, units, strict=True)
            ),
        )
    place = np.full(len(trace), -1)
    place[improved] = improved
    place = np.maximum.accumulate(place)
    number = trace["evaluation"].to_numpy()
    source = pd.array(np.where(place < 0, 0, number[place]), dtype="Int32")
    source[place < 0] = pd.NA
    return pd.DataFrame(
        {
            "evaluation": number.astype(np.int32),
            "best_evaluation": source,
            "gap": best - np.nanmin(best),
            "beta": measured[place, 0],
            "std_error": measured[place, 1],
            "sigma": np.nan if estimation.is_generalized else measured[place, 2],
            "modes": measured[place, 3],
            **({"dispersion": measured[place, 2]} if estimation.is_generalized else {}),
        }
    )


def accuracy_table(
    stopping: pd.DataFrame,
    trace: pd.DataFrame,
    wanted: dict[str, tuple[float, ...]],
    points: Sequence[Floats] | None = None,
) -> pd.DataFrame:
    """Find the evaluation from which every accuracy is kept, and a tolerance that leads there.

    Parameters
    ----------
    stopping : pandas.DataFrame
        As made by `stopping_table`.
    trace : pandas.DataFrame
        As stored.
    wanted : dict
        Accuracies by measure.
    points : sequence of (k,) arrays, optional
        Where each row of the trace was evaluated, where that is more than its theta.

    Returns
    -------
    pandas.DataFrame
        Columns of the stored table ``accuracy``, one row per measure and accuracy:
        ``evaluation``, the first from which the measure is at most ``accuracy`` and stays there
        (null if it never does), and its ``stage``; ``after``, the evaluations made after it.

        ``criterion`` is what the search could have stopped by: ``trust radius``, for an optimiser
        that tells it (the setting ``rhoend`` of Py-BOBYQA); ``predicted decrease``, half the
        product of gradient and next step, over a ten-thousandth of an objective above 10,000, for
        one that follows gradients (``ftol`` of BFGS); ``decrease`` of the objective by an
        improvement, otherwise (``ftol_abs`` of NLopt's BOBYQA and NEWUOA).  ``tolerance`` is the
        largest value of it, among those that occurred, at which this search would have gone on to
        ``evaluation``, and ``stops_at`` where it could have stopped at the earliest.  Null where
        only polishing, or nothing looser than the search's own tolerance, led there.  (Libraries
        may make an evaluation or two more: Py-BOBYQA verifies its last step, SciPy's BFGS tries
        the next.)
    """
    total = len(stopping)
    numbers = stopping["evaluation"].tolist()
    stage = trace["stage"].to_numpy(dtype=object)
    criterion, values = _criterion(trace, trace["theta"] if points is None else points)
    rows: list[dict[str, Any]] = []
    for measure, accuracies in wanted.items():
        series = stopping[measure].to_numpy(dtype=float)
        for accuracy in accuracies:
            # NaN, before the first success, is beyond every accuracy.
            beyond = np.flatnonzero(~(series <= accuracy))
            at = 0 if beyond.size == 0 else int(beyond[-1]) + 1
            found = at < total
            stop = _first_record(values, at) if found and stage[at] == "search" else None
            rows.append(
                {
                    "measure": measure,
                    "accuracy": accuracy,
                    "evaluation": numbers[at] if found else pd.NA,
                    "stage": stage[at] if found else None,
                    "after": total - 1 - at if found else pd.NA,
                    "criterion": criterion,
                    "tolerance": np.nan if stop is None else values[stop],
                    "stops_at": pd.NA if stop is None else numbers[stop],
                }
            )
    frame = pd.DataFrame(rows)
    counts = ["evaluation", "after", "stops_at"]
    return frame.astype(dict.fromkeys(counts, "Int32"))


# -- units -----------------------------------------------------------------------------------------


def _scale_of(estimation: Estimation) -> str | None:
    """The part of an evaluation that scales the response: sigma, or the dispersion of a family."""
    if not estimation.is_generalized:
        return "sigma"
    has = estimation.objective.system.family.dispersion is not None
    return "dispersion" if has else None


def _relative(value: float, final: float) -> float:
    return abs(value - final) / final


def _mode_units(estimation: Estimation, theta: Floats) -> list[Floats]:
    """Conditional standard deviations (q, k) per grouping factor, with a stand-in for zeros."""
    units = []
    for term, own, sds in zip(
        estimation.objective.system.terms,
        estimation.own_errors(theta),
        estimation.mode_sds(theta),
        strict=True,
    ):
        gone = np.linalg.norm(term.unit_factor(theta[term.theta]), axis=1) <= SINGULAR
        units.append(np.where(gone, own, sds))
    return units


# -- criteria --------------------------------------------------------------------------------------


def _criterion(trace: pd.DataFrame, points: Iterable[Any]) -> tuple[str, Floats]:
    """Give what the search could have stopped by, and its value where it was looked at (else NaN).

    A trust radius is looked at when it is about to be reduced, at the last evaluation under it.
    """
    values = np.full(len(trace), np.nan)
    search = (trace["stage"] == "search").to_numpy()
    rho = trace["rho"].to_numpy(dtype=float)
    if np.isfinite(rho[search]).any():
        last = search & np.append((rho[1:] != rho[:-1]) | ~search[1:], True)
        # A search has to reduce its first radius once before it may stop.
        last &= rho < rho[search][0]
        values[last] = rho[last]
        return CRITERIA[0], values
    improved = improved_rows(trace["objective"].to_numpy())
    improved = improved[search[improved]]
    gradient = trace["gradient"]
    objective = trace["objective"].to_numpy(dtype=float)
    thetas = np.array(list(points), dtype=float).reshape(len(trace), -1)
    if improved.size and gradient.iat[int(improved[0])] is not None:
        for base, end in zip(improved, [*(improved[1:] + 1), len(trace)], strict=True):
            slope = gradient.iat[base]
            if slope is None:
                continue
            # Which trials begin a line search is not told: none is overlooked if all count.
            trials = np.arange(base + 1, end)
            trials = trials[search[trials]]
            steps = thetas[trials] - thetas[base]
            promises = -0.5 * steps @ np.asarray(slope, dtype=float)
            scale = tolerance_scale(float(objective[base]))
            values[trials - 1] = np.where(promises > 0.0, promises / scale, np.nan)
        return CRITERIA[1], values
    best = trace["best"].to_numpy(dtype=float)
    later = improved[1:]
    values[later] = best[later - 1] - best[later]
    return CRITERIA[2], values


def _first_record(values: Floats, at: int) -> int | None:
    """First row from `at` on with a value below every one before `at`; None if there is none.

    A search that stops as soon as the value is at most this one goes on until there.
    """
    earlier = values[:at]
    bound = float(np.nanmin(earlier)) if np.isfinite(earlier).any() else np.inf
    below = np.flatnonzero(values[at:] < bound)
    return int(below[0]) + at if below.size else None
