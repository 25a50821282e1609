"""A fit as its studies see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.references import JointLimit, known_limit
from mixedscope.inference.estimates.stored import StoredFit

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
    unidentified : sequence of mapping
        What the certificate says that the data do not determine.
    data : pandas.DataFrame
        All rows given.
    """

    objective: ProfiledObjective
    theta: NDArray[np.float64]
    trace: pd.DataFrame
    joint_limit: Callable[[], JointLimit]
    truth: Mapping[str, Any] | None
    unidentified: Sequence[Mapping[str, Any]] = ()
    data: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows used, numbered from 0."""
        return self.data.iloc[self.objective.system.design.rows].reset_index(drop=True)

    @classmethod
    def of(cls, stored: StoredFit) -> StudiedFit:
        """Make what studies see of a stored fit, read with its ``trace``."""
        return cls(
            objective=stored.objective,
            theta=stored.theta,
            trace=stored.tables.require("trace"),
            joint_limit=cache(lambda: known_limit(stored.objective.system)),
            truth=(stored.source.get("description") or {}).get("simulate"),
            unidentified=stored.info["certificate"].get("unidentified", ()),
            data=stored.frame,
        )
