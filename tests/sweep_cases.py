"""Runs of an invented sweep, for tests of what its charts say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["KEYS", "UNITS", "sweep_runs"]

UNITS = "simulate.units.subject"
KEYS = ("model", "optimizer", "tolerance", "replicate", UNITS)
TERMS = ("(Intercept) | g", "x | g")


def sweep_runs(
    *,
    models: tuple[str, ...] = ("one", "two"),
    optimizers: tuple[str, ...] = ("auto", "bobyqa", "slow"),
    tolerances: tuple[float, ...] = (1e-2, 1e-4, 1e-6),
    units: tuple[int, ...] = (10,),
    replicates: int = 3,
    fine: float = 1.0,
    gap: float = 1.0,
) -> pd.DataFrame:
    """Runs that come the closer the tighter their tolerance, some optimisers faster than others."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for at, model in enumerate(models):
        for place, optimizer in enumerate(optimizers):
            for step, tolerance in enumerate(tolerances, start=1):
                for size in units:
                    for replicate in range(replicates):
                        count = 5 * step * (place + 1) + 10 * at + replicate
                        near = (
                            gap * tolerance * (1 + rng.random()) * (50.0 if at and place else 1.0)
                        )
                        rows.append(
                            {
                                "run": len(rows),
                                "model": model,
                                "optimizer": optimizer,
                                "tolerance": tolerance,
                                UNITS: size,
                                "replicate": replicate,
                                "search_gap": near,
                                "search_evaluations": count,
                                "exploration": 4 + replicate,
                                "convergence": 3,
                                "fine_tuning": round(fine * size * (1 + 0.5 * place)),
                                "singular": bool(rng.random() < 0.4),
                                "kept": [0.5, 0.1 * step],
                                "terms": json.dumps(TERMS),
                                "error": None,
                            }
                        )
    frame = pd.DataFrame(rows).astype({"run": str, "error": object})
    frame.attrs["swept"] = [key for key in KEYS if frame[key].nunique() > 1]
    return frame
