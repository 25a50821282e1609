"""A fit as its studies see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.estimates.linear_estimation import LinearEstimation
from mixedscope.inference.estimates.references import JointLimit
from mixedscope.inference.estimates.stored import StoredFit

__all__ = ["StudiedFit"]


@dataclass(frozen=True)
class StudiedFit:
    """What a study may know of a fit.

    Attributes
    ----------
    estimation : Estimation
        What follows from the objective, by the same names for every kind of model.
    theta : (k,) array
        The estimates: all that was searched.
    trace : pandas.DataFrame
        Every evaluation, as stored in ``trace.parquet``.
    truth : mapping or None
        How the data were simulated (``simulate`` of the data set), where they were.
    unidentified : sequence of mapping
        What the certificate says that the data do not determine.
    data : pandas.DataFrame
        All rows given.
    """

    estimation: Estimation
    theta: NDArray[np.float64]
    trace: pd.DataFrame
    truth: Mapping[str, Any] | None
    unidentified: Sequence[Mapping[str, Any]] = ()
    data: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def objective(self) -> Any:
        """What was minimised: a `SearchableObjective`, or a `LaplaceObjective`."""
        return self.estimation.objective

    def joint_limit(self) -> JointLimit:
        """Give the limit of the conditional modes as the penalty vanishes, of a linear model."""
        if not isinstance(self.estimation, LinearEstimation):
            raise UnsuitedError("There is no joint limit of the modes of generalised models")
        return self.estimation.joint_limit()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows used, numbered from 0."""
        return self.data.iloc[self.objective.system.design.rows].reset_index(drop=True)

    @classmethod
    def of(cls, stored: StoredFit) -> StudiedFit:
        """Make what studies see of a stored fit, read with its ``trace``."""
        return cls(
            estimation=estimation_of(stored.objective),
            theta=stored.theta,
            trace=stored.tables.require("trace"),
            truth=(stored.source.get("description") or {}).get("simulate"),
            unidentified=stored.info["certificate"].get("unidentified", ()),
            data=stored.frame,
        )
