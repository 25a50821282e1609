"""Phases over all fits of a run: where evaluations and seconds went, and whether size matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door, named, way_out
from mixedscope.core.errors import ModelError
from mixedscope.core.vocabulary import PHASES
from mixedscope.tables.store import FitTables

__all__ = ["SIZES", "phase_table", "phase_tables", "phase_timing_table", "phase_trend"]

#: Measures of the size of a fit: covariance parameters, observations, random effects.
SIZES: Final = ("n_theta", "n", "q")

_FIT: Final = ["model", "structure", "optimizer"]


@door()
def phase_tables(
    fits: Any, *others: Any, optimizers: Sequence[str] | None = None
) -> dict[str, pd.DataFrame]:
    """Tell where the evaluations and the seconds of several fits went.

    Parameters
    ----------
    fits, *others : Fit, FitTables, or sequence of these
    optimizers : sequence of str, optional
        What to call the optimiser of each fit; by default as it was asked for.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``phases``, ``phases_trend`` and, of the seconds, ``phases_timing`` and
        ``phases_timing_trend``; `mixedscope.charts.kinds.phases.chart` draws them.

    Raises
    ------
    ModelError
        If there are no fits, or something that is no fit.
    StoreError
        If a fit has no trace or no timing.
    """
    tables = [_tables_of(fit) for part in (fits, *others) for fit in _each(part)]
    counts = phase_table(tables, optimizers=optimizers)
    seconds = phase_timing_table(tables, optimizers=optimizers)
    return {
        "phases": counts,
        "phases_trend": phase_trend(counts),
        "phases_timing": seconds,
        "phases_timing_trend": phase_trend(counts, seconds),
    }


def _each(part: Any) -> list[Any]:
    """Fits one by one: those of a sequence, or the one that is given."""
    several = isinstance(part, Iterable) and not isinstance(part, str | Mapping)
    return list(part) if several else [part]


def _tables_of(fit: Any) -> FitTables:
    tables = fit if isinstance(fit, FitTables) else getattr(fit, "tables", None)
    if isinstance(tables, FitTables):
        return tables
    raise ModelError(
        f"Phases are counted of fits or their tables, not of {named(fit)}.{way_out(fit)}"
    )


def phase_table(
    fits: Sequence[FitTables], *, optimizers: Sequence[str] | None = None
) -> pd.DataFrame:
    """The stored table ``phases``: evaluations of every phase of every fit, in order.

    ``optimizers`` is what to call the optimiser of each fit; by default as it was asked for. A
    phase that did not happen has no evaluations. The optimiser's own search is told apart from
    escaping saddles and polishing, which follow it and belong to fine-tuning mostly. Raises
    ModelError if there are no fits, and StoreError if one has no trace.
    """
    rows: list[dict[str, Any]] = []
    for fit, names in _named(fits, optimizers):
        trace = fit.require("trace")
        phase, search = _marks(trace)
        best = trace["best"].to_numpy(dtype=float)
        gap = np.concatenate([[np.nan], best - np.nanmin(best)])
        for name in PHASES:
            inside = np.flatnonzero(phase == name)
            own = int((search & (phase == name)).sum())
            rows.append(
                {
                    **names,
                    "n": fit.info["dimensions"]["n"],
                    "n_theta": fit.info["dimensions"]["n_theta"],
                    "q": fit.info["dimensions"]["q"],
                    "phase": name,
                    "evaluations": inside.size,
                    "share": inside.size / len(trace),
                    "search_evaluations": own,
                    "search_share": own / search.sum() if search.any() else np.nan,
                    "polish_evaluations": inside.size - own,
                    "gap_before": gap[inside[0]] if inside.size else np.nan,
                    "gap_after": gap[inside[-1] + 1] if inside.size else np.nan,
                    "certificate_gradients": fit.info["optimizer"].get("certificate_evaluations"),
                }
            )
    return pd.DataFrame(rows).astype({"certificate_gradients": "Int32"})


def phase_timing_table(
    fits: Sequence[FitTables], *, optimizers: Sequence[str] | None = None
) -> pd.DataFrame:
    """The stored table ``phases_timing``: seconds of every phase, rows as in `phase_table`.

    Raises ModelError if there are no fits, and StoreError if one has no trace or no timing.
    """
    rows: list[dict[str, Any]] = []
    for fit, names in _named(fits, optimizers):
        phase, search = _marks(fit.require("trace"))
        seconds = fit.require("timing")["seconds"].to_numpy(dtype=float)
        total, searched = float(seconds.sum()), float(seconds[search].sum())
        for name in PHASES:
            inside = phase == name
            spent, own = float(seconds[inside].sum()), float(seconds[inside & search].sum())
            rows.append(
                {
                    **names,
                    "phase": name,
                    "seconds": spent,
                    "share": spent / total if total > 0 else np.nan,
                    "search_seconds": own,
                    "search_share": own / searched if searched > 0 else np.nan,
                    "polish_seconds": spent - own,
                }
            )
    return pd.DataFrame(rows)


def phase_trend(phases: pd.DataFrame, timing: pd.DataFrame | None = None) -> pd.DataFrame:
    """The stored table ``phases_trend``: whether phases take other shares of larger models.

    One row per optimiser, phase and measure of size. Shares are of seconds where the ``timing`` of
    `phase_timing_table` is given, from the same fits, and of evaluations otherwise.
    ``rank_correlation`` is Spearman's with mean ranks for ties, NaN for fewer than three fits or
    where either is constant; ``dominates`` counts the fits in which the phase has more than half.
    Raises ModelError if the tables are not of the same fits.
    """
    table = phases
    if timing is not None:
        keys = [*_FIT, "phase"]
        if not phases[keys].reset_index(drop=True).equals(timing[keys].reset_index(drop=True)):
            raise ModelError("The phases and their seconds are not of the same fits.")
        table = phases.assign(share=timing["share"].to_numpy())
    rows: list[dict[str, Any]] = []
    for optimizer in dict.fromkeys(table["optimizer"]):
        for phase in PHASES:
            chosen = table[(table["optimizer"] == optimizer) & (table["phase"] == phase)]
            share = chosen["share"].to_numpy(dtype=float)
            names = (chosen["model"] + ", " + chosen["structure"]).tolist()
            for size in SIZES:
                values = chosen[size].to_numpy(dtype=float)
                low, high = int(np.argmin(values)), int(np.argmax(values))
                rows.append(
                    {
                        "optimizer": optimizer,
                        "phase": phase,
                        "size": size,
                        "fits": len(chosen),
                        "rank_correlation": _rank_correlation(values, share),
                        "mean_share": float(share.mean()),
                        "dominates": int((share > 0.5).sum()),
                        "smallest": names[low],
                        "smallest_size": values[low],
                        "smallest_share": share[low],
                        "largest": names[high],
                        "largest_size": values[high],
                        "largest_share": share[high],
                    }
                )
    return pd.DataFrame(rows)


def _named(
    fits: Sequence[FitTables], optimizers: Sequence[str] | None
) -> list[tuple[FitTables, dict[str, str]]]:
    """Pair every fit with its model, structure and optimiser by name; raise if counts differ."""
    if not fits:
        raise ModelError("There are no fits whose phases could be counted: give at least one.")
    if optimizers is not None and len(optimizers) != len(fits):
        raise ModelError(
            f"optimizers names the optimiser of every fit: {len(fits)}, not {len(optimizers)}."
        )
    found = []
    for i, fit in enumerate(fits):
        optimizer = fit.info["optimizer"]
        asked = optimizer.get("requested", optimizer["name"])
        names = {
            "model": str(fit.info["model"]),
            "structure": str(fit.info["structure"]),
            "optimizer": str(asked if optimizers is None else optimizers[i]),
        }
        found.append((fit, names))
    return found


def _marks(trace: pd.DataFrame) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Phase of every evaluation, and whether it belongs to the optimiser's own search."""
    return trace["phase"].to_numpy(dtype=object), (trace["stage"] == "search").to_numpy()


def _rank_correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if len(x) < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return float("nan")
    first, second = (pd.Series(values).rank().to_numpy() for values in (x, y))
    return float(np.corrcoef(first, second)[0, 1])
