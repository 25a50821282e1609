"""Efficiency of shrinkage: what a covariance structure costs in accuracy, by simulation.

The mean squared errors of `mixedscope.inference.accuracy.simulated_errors` with their Monte Carlo
errors. All structures see the same draws, so that their differences are known far better than the
errors themselves; ratios have the standard error of their linear approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.core.vocabulary import ORACLE, UNSHRUNKEN
from mixedscope.core.wording import counted
from mixedscope.inference.accuracy.draw_blocks import BLOCK, block_count
from mixedscope.inference.accuracy.simulated_errors import (
    Candidate,
    SimulatedErrors,
)
from mixedscope.inference.estimates.references import confounded

__all__ = [
    "FEWEST",
    "check_draws",
    "efficiency_summary",
    "efficiency_tables",
    "gather_draws",
]

Floats = NDArray[np.float64]

#: Fewer draws than this give no Monte Carlo error worth the name.
FEWEST: Final = 10


def efficiency_tables(
    candidates: Sequence[Candidate], *, draws: int = 200, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Draw from the first of several fits of a model, refit all, and sum up their errors.

    The first, as a rule the richest structure, is taken for the truth; every draw has a seed of its
    own, derived from ``seed`` and its number. Gives ``efficiency`` (the summary),
    ``efficiency_draws``, ``efficiency_refits`` and ``efficiency_timing``, as described in
    ``docs/formats.md``. Raises ModelError if there are too few draws, or the candidates are not of
    one model.
    """
    check_draws(draws)
    errors = SimulatedErrors(candidates, seed=seed)
    tables = gather_draws([errors.blocks(range(block_count(draws)))], draws)
    tables["efficiency"] = efficiency_summary(errors, tables["efficiency_draws"])
    return tables


def check_draws(draws: int) -> None:
    """Refuse a number of draws that gives no Monte Carlo error."""
    if draws < FEWEST:
        raise ModelError(f"Efficiency needs at least {FEWEST} draws, not draws={draws}.")


def gather_draws(parts: Sequence[dict[str, pd.DataFrame]], draws: int) -> dict[str, pd.DataFrame]:
    """Put blocks of `SimulatedErrors.blocks`, in any order, together in the order of their draws.

    Draws beyond the number are left out.
    """
    out = {}
    for name in ("efficiency_draws", "efficiency_refits"):
        whole = pd.concat([p[name] for p in parts], ignore_index=True)
        whole = whole[whole["draw"] < draws].sort_values("draw", kind="stable")
        out[name] = whole.reset_index(drop=True)
    seconds = pd.concat([p["efficiency_timing"] for p in parts], ignore_index=True)
    seconds = seconds[seconds["block"] * BLOCK < draws].sort_values("block", kind="stable")
    return out | {"efficiency_timing": seconds.reset_index(drop=True)}


def efficiency_summary(errors: SimulatedErrors, draws: pd.DataFrame) -> pd.DataFrame:
    """The table ``efficiency``: mean squared errors of every structure, and how they differ.

    A draw that some structure could not be refitted to is left out for all of them, so that all are
    compared on the same draws; estimates without shrinkage are left out where they do not exist.
    """
    names = errors.estimators
    shape = (-1, len(names), len(errors.names))
    whole, quiet, noise = (
        draws[column].to_numpy(dtype=float).reshape(shape)
        for column in ("squared_error", "bias2", "variance")
    )
    first, oracle, unshrunken = 0, names.index(ORACLE), names.index(UNSHRUNKEN)
    fitted = [i for i in range(len(names)) if i != unshrunken]
    used = np.isfinite(whole[:, fitted]).all(axis=(1, 2))
    whole, quiet, noise = whole[used], quiet[used], noise[used]
    if len(whole) < FEWEST:
        raise UnsuitedError(
            f"Only {len(whole)} of {counted(len(used), 'draw')} could be refitted by every "
            "structure; leave out the structures that fail (table efficiency_refits)."
        )
    exact, scales = errors.exact(), errors.scales()
    # Columns too nearly collinear have no least-squares limit: then nothing is told of it.
    has_limit = bool(np.isfinite(whole[:, unshrunken]).all())
    # Least squares that cannot tell factors apart estimate what is fitted, and none of its parts.
    lost = set(confounded(errors.candidates[0].objective.system))
    rows = []
    for i, structure in enumerate(names if has_limit else names[:unshrunken]):
        for j, (measure, group, term) in enumerate(errors.names):
            estimated = group not in lost or measure not in ("mode", "contribution")
            if structure == UNSHRUNKEN and not estimated:
                continue
            own, best, worst = whole[:, i, j], whole[:, oracle, j], whole[:, unshrunken, j]
            mse, mse_se = _mean(own)
            difference, difference_se = _mean(own - whole[:, first, j])
            excess, excess_se = _ratio(own - best, best)
            loss, loss_se = _ratio(own - whole[:, first, j], whole[:, first, j])
            # Of fixed effects and population little or nothing is gained by shrinking.
            gains = has_limit and estimated and measure not in ("fixed", "population")
            kept, kept_se = _ratio(worst - own, worst - best) if gains else (np.nan, np.nan)
            given = measure in ("mode", "contribution", "fitted")
            rows.append(
                {
                    "structure": structure,
                    "measure": measure,
                    "group": group,
                    "term": term,
                    "draws": len(whole),
                    "mse": mse,
                    "mse_se": mse_se,
                    "bias2": float(quiet[:, i, j].mean()) if given else np.nan,
                    "variance": float(noise[:, i, j].mean()) if given else np.nan,
                    "exact": exact[j] if structure == ORACLE else np.nan,
                    "scale": scales[j],
                    "difference": difference,
                    "difference_se": difference_se,
                    "loss": loss,
                    "loss_se": loss_se,
                    "excess": excess,
                    "excess_se": excess_se,
                    "gain": kept,
                    "gain_se": kept_se,
                }
            )
    return pd.DataFrame(rows)


def _mean(values: Floats) -> tuple[float, float]:
    """Mean over the draws and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _ratio(above: Floats, below: Floats) -> tuple[float, float]:
    """Ratio of two means and its standard error, by linear approximation; NaN by zero."""
    mean = float(below.mean())
    if not abs(mean) > 1e-12 * float(np.abs(below).max(initial=0.0)):
        return np.nan, np.nan
    ratio = float(above.mean()) / mean
    return ratio, _mean(above - ratio * below)[1] / abs(mean)
