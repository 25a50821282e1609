"""A fit as its tables: read off the result of an optimisation, or out of what is stored.

What fits of all kinds of models have alike: numbers and tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.api.model_data import ModelData
from mixedscope.core.arguments import door, named
from mixedscope.core.errors import ModelError
from mixedscope.core.result_table import ResultTable, whole
from mixedscope.data.digest import frame_digest
from mixedscope.data.storable import storable
from mixedscope.design.spec import ModelSpec
from mixedscope.inference.bootstrap.result import Bootstrap
from mixedscope.inference.estimates.agreement import (
    check_agreement,
    check_consistent,
    check_modes,
)
from mixedscope.inference.estimates.description import fit_info
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.modes import keyframes
from mixedscope.inference.estimates.stored import data_file
from mixedscope.inference.estimates.stored_point import stored_point
from mixedscope.optimize.driver import OptimizationResult
from mixedscope.tables.kinds.estimates import ESTIMATES
from mixedscope.tables.kinds.trace import TRACE
from mixedscope.tables.store import FitTables
from mixedscope.tables.table_files import conformed

__all__ = ["KEYFRAMES", "TabledFit"]

Floats = NDArray[np.float64]

KEYFRAMES = 60
"""Parts into which the path of the conditional modes is cut for ``modes_trace``."""


M = TypeVar("M", bound=ModelData)


class TabledFit(Generic[M]):
    """What fits of all kinds have alike."""

    # A new fit has a result and computes its tables when they are asked for; a loaded one has the
    # tables and rebuilds its model when that is asked for.
    _tables: FitTables
    _model: M | None
    _result: OptimizationResult | None
    _name: str | None
    _rebuild: Callable[[], M] | None
    # Where a loaded fit was read; which parts of it have not been held to its data yet.
    _origin: Path | None
    _unheld: set[str]

    def _set(
        self,
        tables: FitTables,
        model: M | None,
        result: OptimizationResult | None,
        name: str | None,
        rebuild: Callable[[], M] | None,
        origin: Path | None,
    ) -> None:
        """Take what the fit is made of."""
        if not isinstance(tables, FitTables):
            raise ModelError(
                "A fit is made by model.fit() or read by ms.load_fit(directory), "
                f"not from {named(tables)}."
            )
        self._tables = tables
        self._model = model
        self._result = result
        self._name = name
        self._rebuild = rebuild
        self._origin = origin
        parts = ("fit", "modes") if tables.modes is not None else ("fit",)
        self._unheld = set() if origin is None else set(parts)

    # -- what kinds of fits have each their own ---------------------------------------------------

    @property
    def _estimation(self) -> Estimation:
        """What answers for the objective of the fit."""
        raise NotImplementedError

    def _estimation_of(self, model: M) -> Estimation:
        """What answers for the objective of its model, which may not be held to the files yet."""
        raise NotImplementedError

    @property
    def _spec_of_model(self) -> ModelSpec:
        """What the model of a new fit is without its data."""
        raise NotImplementedError

    # -- numbers ----------------------------------------------------------------------------------

    @property
    def info(self) -> dict[str, Any]:
        """What was fitted, how, and what came out: the content of ``fit.json``."""
        if not self._tables.info:
            self._tables.info = self._describe()
        self._hold()
        return self._tables.info

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.info["model"])

    @property
    def formula(self) -> str:
        """Formula as written."""
        return str(self.info["formula"])

    @property
    def spec(self) -> ModelSpec:
        """What the model is without its data, criterion included."""
        if self._result is not None:
            return self._spec_of_model
        return ModelSpec.of(self.info)

    @property
    def objective(self) -> float:
        """-2 log-likelihood, or the REML criterion, at the estimates."""
        if self._result is not None:
            return float(self._result.evaluation.objective)
        return float(self.info["objective"])

    @property
    def loglik(self) -> float:
        """Log-likelihood (restricted under REML)."""
        return float(self.info["loglik"])

    @property
    def dof(self) -> int:
        """Number of parameters that the data determine, of fixed effects, theta and sigma."""
        return int(self.info["dof"])

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return float(self.info["aic"])

    @property
    def aicc(self) -> float:
        """AIC corrected for small samples (NaN if undefined)."""
        value = self.info["aicc"]
        return float("nan") if value is None else float(value)

    @property
    def bic(self) -> float:
        """Schwarz's information criterion."""
        return float(self.info["bic"])

    @property
    def _point(self) -> Floats:
        """All that was searched (k,), where the fit ended."""
        if self._result is not None:
            return np.array(self._result.theta, dtype=float)
        return stored_point(self.info, self.estimates)

    @property
    def beta(self) -> Floats:
        """Fixed effects (r,), in the order of ``info["fixed_names"]``."""
        if self._result is not None:
            return np.array(self._result.evaluation.beta, dtype=float)
        return self._stored("beta")

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the objective, all stages together."""
        return len(self.trace)

    @property
    def certificate(self) -> dict[str, Any]:
        """Convergence verdict: is this a minimum, and if not, what was tried."""
        if self._result is not None:
            return dict(self._result.certificate)
        return dict(self.info["certificate"])

    @property
    def singular(self) -> bool:
        """Whether any covariance matrix of random effects is singular."""
        return any(term["singular"] for term in self.info["singular"])

    def _stored(self, kind: str) -> Floats:
        frame = self.estimates
        return frame.loc[frame["kind"] == kind, "estimate"].to_numpy(dtype=float)

    # -- tables -----------------------------------------------------------------------------------

    @property
    def draws(self) -> Bootstrap | None:
        """Draws from the estimates, made last or stored with the fit; None where there are none."""
        stored = self._tables.studies.get("bootstrap")
        if stored is None or "skipped" in stored.attrs:
            return None
        return replace(Bootstrap.of_stored(stored), info=self.info)

    @property
    def trace(self) -> pd.DataFrame:
        """One row per evaluation of the objective, as stored in ``trace.parquet``."""
        self._hold()
        if self._tables.trace is None and self._result is not None:
            self._tables.trace = conformed(self._estimation.trace(self._result), TRACE)
        return self._tables.require("trace")

    @property
    def timing(self) -> pd.DataFrame:
        """Seconds that every evaluation took, as stored in ``timing.parquet``."""
        if self._tables.timing is None and self._result is not None:
            self._tables.timing = self._result.trace.timing_frame()
        return self._tables.require("timing")

    @property
    def estimates(self) -> pd.DataFrame:
        """Tidy parameters, as stored in ``estimates.parquet``.

        Intervals, statistics and p values are those of the normal distribution.
        """
        self._hold()
        if self._tables.estimates is None and self._result is not None:
            found = self._estimation.estimates(
                self._point, unidentified=self.certificate["unidentified"]
            )
            self._tables.estimates = conformed(found, ESTIMATES)
        frame = self._tables.require("estimates")
        if not isinstance(frame, ResultTable):
            frame = self._tables.estimates = whole(frame)
        return frame

    def variance_components(self) -> pd.DataFrame:
        """Standard deviations and correlations of the random effects, and sigma, if there is one.

        Of generalised models they are on the scale of the linear predictor.
        """
        frame = self.estimates
        chosen = frame["kind"].isin(["sd", "correlation", "sigma"])
        columns = ["kind", "group", "term", "term2", "estimate"]
        return ResultTable(frame.loc[chosen, columns].reset_index(drop=True))

    def conditional_modes(self) -> pd.DataFrame:
        """Conditional modes with standard deviations and references, a row per level and term."""
        self._hold("modes")
        if self._tables.modes is None:
            self._tables.modes = self._estimation.modes(self._point)
        return self._tables.modes

    @door()
    def modes_trace(self, keyframe_parts: int = KEYFRAMES) -> pd.DataFrame:
        """Conditional modes at the keyframes of the optimisation."""
        modes = self.conditional_modes()
        return keyframes(self._estimation, self.trace, most=keyframe_parts, modes=modes)

    # -- the model --------------------------------------------------------------------------------

    @property
    def model(self) -> M:
        """The model; that of a loaded fit is rebuilt from its stored data when first needed."""
        self._hold()
        return self._built()

    def _built(self) -> M:
        if self._model is None:
            assert self._rebuild is not None
            self._model = self._rebuild()
        return self._model

    def _hold(self, part: str = "fit") -> None:
        """Refuse a loaded fit, or its ``modes``, that its data do not give, when first used.

        Raises StoreError then and whenever it is used again. Without the data, files are compared
        with each other alone.
        """
        if part not in self._unheld:
            return
        assert self._origin is not None
        if part != "fit":
            self._hold()
        tables, origin = self._tables, self._origin
        check = check_modes if part == "modes" else check_agreement
        if part == "fit":
            check_consistent(tables, origin)
        if data_file(tables.info, origin).exists() and tables.estimates is not None:
            check(tables, self._estimation_of(self._built()), origin)
        self._unheld.discard(part)

    def _describe(self) -> dict[str, Any]:
        assert self._result is not None
        model = self.model
        return fit_info(
            self._estimation,
            self._result,
            self.spec,
            name=self._name,
            source=model.source,
            sha256=model.source.get("sha256") or frame_digest(storable(model.data)),
        )
