"""Where the optimiser of a run starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.objective import ProfiledObjective

__all__ = ["random_start", "start_of"]

Floats = NDArray[np.float64]


def start_of(objective: ProfiledObjective, start: Mapping[str, Any]) -> Floats | None:
    """Theta to start from, (k,), or None for the optimiser's own choice.

    Parameters
    ----------
    objective : ProfiledObjective
    start : mapping
        ``kind``: ``own``; ``moments``, estimated without an optimisation; ``identity``, random
        effects as variable as the residuals; or ``random``, with a ``seed``.
    """
    kind = start["kind"]
    if kind == "moments":
        return objective.moment_start()
    if kind == "identity":
        return np.array(objective.start, dtype=float)
    return random_start(objective, int(start["seed"])) if kind == "random" else None


def random_start(objective: ProfiledObjective, seed: int) -> Floats:
    """Draw a theta that covers what data may turn out to say, (k,).

    For columns of unit root mean square: standard deviations over sigma are log-normal about 1,
    two thirds of them between 0.37 and 2.7; entries that may have either sign are normal with
    standard deviation 0.5; those with ends on both sides (correlations) are uniform up to nine
    tenths of the way to either.
    """
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(len(objective.start))
    uniform = rng.uniform(-0.9, 0.9, len(objective.start))
    edges = np.nan_to_num(np.asarray(objective.edges, dtype=float))
    free = np.where(objective.lower == 0.0, np.exp(normal), 0.5 * normal) / objective.scale
    return np.asarray(np.where(edges > 0.0, uniform * edges, free))
