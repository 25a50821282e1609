"""A fit as its studies see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.references import JointLimit

__all__ = ["StudiedFit"]


@dataclass(frozen=True)
class StudiedFit:
    """What a study may know of a fit.

    Attributes
    ----------
    objective : ProfiledObjective
        What was minimised; also gives modes and covariances at any theta.
    theta : (k,) array
        The estimates.
    trace : pandas.DataFrame
        Every evaluation, as stored in ``trace.parquet``.
    joint_limit : callable
        Gives the limit of the conditional modes as the penalty vanishes.
    truth : mapping or None
        How the data were simulated (``simulate`` of the data set), where they were.
    data : pandas.DataFrame
        The prepared data the model was given.
    unidentified : sequence of mapping
        What the certificate says that the data do not determine.
    """

    objective: ProfiledObjective
    theta: NDArray[np.float64]
    trace: pd.DataFrame
    joint_limit: Callable[[], JointLimit]
    truth: Mapping[str, Any] | None
    data: pd.DataFrame
    unidentified: Sequence[Mapping[str, Any]] = ()
