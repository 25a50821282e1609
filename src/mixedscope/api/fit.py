"""A fitted model as users meet it: read it off, draw it, save it, go on with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api import summary
from mixedscope.core.arguments import door, named, number_array
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.data.digest import frame_digest
from mixedscope.data.storable import storable
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.evaluation import Evaluation
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.description import fit_info
from mixedscope.inference.estimates.estimates import estimates_table
from mixedscope.inference.estimates.modes import keyframes, modes_table
from mixedscope.inference.estimates.references import reference_info
from mixedscope.inference.estimates.refit import (
    SETTLED,
    Refits,
    check_responses,
    refit_many,
    simulate_responses,
)
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.optimize import OptimizationResult
from mixedscope.tables.kinds.data import DATA
from mixedscope.tables.store import FitTables, write_fit
from mixedscope.tables.table_files import write_table

if TYPE_CHECKING:
    from mixedscope.api.linear import LinearMixedModel

__all__ = ["Fit"]

Floats = NDArray[np.float64]

ESTIMATES = "estimates"
"""The start of a refit that continues from this fit."""

KEYFRAMES = 60
"""Parts into which the path of the conditional modes is cut for ``modes_trace``."""


class Fit:
    """A fitted model: numbers, tables and charts of one optimisation.

    Made by :meth:`mixedscope.LinearMixedModel.fit` or :func:`mixedscope.load_fit`.
    """

    @door()
    def __init__(
        self,
        tables: FitTables,
        model: LinearMixedModel | None,
        *,
        result: OptimizationResult | None = None,
        reml: bool = False,
        name: str | None = None,
        rebuild: Callable[[], LinearMixedModel] | None = None,
    ) -> None:
        if not isinstance(tables, FitTables):
            raise ModelError(
                "A fit is made by model.fit() or read by ms.load_fit(directory), "
                f"not from {named(tables)}."
            )
        # A new fit has a result and computes its tables when they are asked for; a loaded one has
        # the tables and rebuilds its model when that is asked for.
        self._tables = tables
        self._model = model
        self._result = result
        self._reml = reml
        self._name = name
        self._rebuild = rebuild

    # -- numbers ----------------------------------------------------------------------------------

    @property
    def info(self) -> dict[str, Any]:
        """What was fitted, how, and what came out: the content of ``fit.json``."""
        if not self._tables.info:
            self._tables.info = self._describe()
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
            return self.model.specification(reml=self._reml)
        return ModelSpec.of(self.info)

    @property
    def reml(self) -> bool:
        """Whether the criterion was REML."""
        return self._reml if self._result is not None else self.info["criterion"] == "REML"

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
    def sigma(self) -> float:
        """Residual standard deviation, units of the response."""
        if self._result is not None:
            return float(self._result.evaluation.sigma)
        return float(self.info["sigma"])

    @property
    def theta(self) -> Floats:
        """Relative covariance parameters (k,), in the order of the formula."""
        if self._result is not None:
            return np.array(self._result.theta, dtype=float)
        if "theta" in self.info:
            return np.array(self.info["theta"], dtype=float)
        return self._stored("theta")  # of fits stored before

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
    def trace(self) -> pd.DataFrame:
        """One row per evaluation of the objective, as stored in ``trace.parquet``."""
        if self._tables.trace is None and self._result is not None:
            self._tables.trace = self._result.trace.frame()
        return self._tables.require("trace")

    @property
    def timing(self) -> pd.DataFrame:
        """Seconds that every evaluation took, as stored in ``timing.parquet``."""
        if self._tables.timing is None and self._result is not None:
            self._tables.timing = self._result.trace.timing_frame()
        return self._tables.require("timing")

    @property
    def estimates(self) -> pd.DataFrame:
        """Tidy parameters, as stored in ``estimates.parquet``."""
        if self._tables.estimates is None and self._result is not None:
            self._tables.estimates = estimates_table(
                self._profiled, self.theta, unidentified=self.certificate["unidentified"]
            )
        return self._tables.require("estimates")

    def fixed_effects(self) -> pd.DataFrame:
        """Fixed effects with standard errors, z statistics, p values and Wald 95 % intervals."""
        frame = self.estimates
        columns = ["term", "estimate", "std_error", "lower", "upper", "statistic", "p_value"]
        return frame.loc[frame["kind"] == "beta", columns].reset_index(drop=True)

    def variance_components(self) -> pd.DataFrame:
        """Standard deviations and correlations of the random effects, and sigma."""
        frame = self.estimates
        chosen = frame["kind"].isin(["sd", "correlation", "sigma"])
        columns = ["kind", "group", "term", "term2", "estimate"]
        return frame.loc[chosen, columns].reset_index(drop=True)

    def conditional_modes(self) -> pd.DataFrame:
        """Conditional modes with standard deviations and references, a row per level and term."""
        if self._tables.modes is None:
            self._tables.modes = modes_table(self._profiled, self.theta, self.model.joint_limit)
        return self._tables.modes

    def conditional_covariances(self) -> dict[str, Floats]:
        """Conditional covariance matrices (q, k, k) of the modes, by grouping factor."""
        evaluation = self._profiled.evaluate(self.theta)
        covariances = self._profiled.system.conditional_covariances(evaluation.sigma)
        groups = [t.group for t in self._profiled.system.terms]
        return dict(zip(groups, covariances, strict=True))

    @door()
    def modes_trace(self, keyframe_parts: int = KEYFRAMES) -> pd.DataFrame:
        """Conditional modes at the keyframes of the optimisation."""
        modes = self.conditional_modes()
        return keyframes(self._profiled, self.trace, most=keyframe_parts, modes=modes)

    def fitted(self) -> Floats:
        """Fitted values ``X beta + Z b`` (n,), in the order of the rows used."""
        profiled = self._profiled
        system, design = profiled.system, self.model.design
        evaluation = profiled.evaluate(self.theta)
        total = np.asarray(design.X[:, system.basis.kept] @ evaluation.beta, dtype=float)
        for term, modes in zip(system.terms, system.modes(), strict=True):
            total += np.einsum("ij,ij->i", term.design.Z, modes[term.design.codes])
        return total

    def residuals(self) -> Floats:
        """Response minus fitted values (n,)."""
        return np.asarray(self.model.design.y - self.fitted(), dtype=float)

    def fixed_covariance(self) -> pd.DataFrame:
        """Covariance matrix of the fixed effects."""
        evaluation = self._profiled.evaluate(self.theta)
        covariance = self._profiled.system.beta_covariance(evaluation.sigma)
        names = list(self.info["fixed_names"])
        return pd.DataFrame(covariance, index=names, columns=names)

    @door()
    def refit(
        self, response: ArrayLike, *, start: ArrayLike | str = ESTIMATES, seed: int = 0
    ) -> Fit:
        """Fit the same model to another response.

        Parameters
        ----------
        response : (n,) array_like
            One value per row of data used.
        start : (k,) array_like or str
            ``estimates``: those of this fit, the quickest. Otherwise as for
            :meth:`mixedscope.LinearMixedModel.fit`: ``independent``, which owes nothing to this
            fit, ``moments``, ``identity``, ``random``, or theta.
        seed : int
            Of a random start.
        """
        model = self.model.with_response(response)
        chosen = self.theta if isinstance(start, str) and start == ESTIMATES else start
        return model.fit(start=chosen, reml=self.reml, name=self._name, seed=seed)

    @door()
    def refit_many(
        self, responses: ArrayLike, *, start: ArrayLike | str = ESTIMATES, seed: int = 0
    ) -> Refits:
        """Fit the same model to many responses (m, n).

        Parameters
        ----------
        responses : (m, n) array_like
        start, seed
            As for :meth:`refit`. Starts other than ``estimates`` make each a fit of its own, many
            times slower; of random starts each has its own.
        """
        given = number_array("responses", responses, "numbers, a row for each response")
        rows = check_responses(self._profiled, given)
        if isinstance(start, str) and start == ESTIMATES:
            return refit_many(self._profiled, self.theta, rows)
        fits = [self.refit(y, start=start, seed=seed + i) for i, y in enumerate(rows)]
        return Refits(
            theta_names=self._profiled.theta_names,
            beta_names=self._profiled.beta_names,
            objective=np.array([fit.objective for fit in fits]),
            theta=np.array([fit.theta for fit in fits]),
            beta=np.array([fit.beta for fit in fits]),
            sigma=np.array([fit.sigma for fit in fits]),
            evaluations=np.array([fit.n_evaluations for fit in fits]),
            converged=np.array([_is_settled(fit.certificate) for fit in fits]),
        )

    @door()
    def simulate(self, count: int = 1, *, seed: int = 0) -> Floats:
        """Draw `count` responses (count, n) from the fitted model, random effects anew each."""
        rng = np.random.default_rng(seed)
        return simulate_responses(self._profiled, self.theta, count, rng)

    @door()
    def parametric_bootstrap(
        self, count: int, *, seed: int = 0, start: ArrayLike | str = ESTIMATES
    ) -> Refits:
        """Refit the model to `count` responses drawn from it.

        The same seed gives the same estimates whatever the machine's number of cores; `start` is
        that of :meth:`refit_many`.
        """
        return self.refit_many(self.simulate(count, seed=seed), start=start, seed=seed)

    @door()
    def evaluate(self, theta: ArrayLike | None = None) -> Evaluation:
        """Evaluate the objective of the fit again, by default at its own theta."""
        return self.model.evaluate(self.theta if theta is None else theta, reml=self.reml)

    @property
    def tables(self) -> FitTables:
        """All stored tables of the fit; what is missing is computed."""
        self._complete()
        self.conditional_modes()
        if self._tables.modes_trace is None:
            self._tables.modes_trace = self.modes_trace()
        return self._tables

    @door()
    def study(self, *names: str, **settings: Any) -> FitTables:
        """Study how the fit was found and what it does; see `mixedscope.inference.studies`.

        Parameters
        ----------
        *names : str
            Studies, all by default: those that cannot be made of this fit are then left out, their
            tables saying why. What is there already is not made again.
        **settings
            Of the study, where one is named: it is then made anew.

        Returns
        -------
        FitTables
            All tables of the fit, those of the studies among them.

        Raises
        ------
        ModelError
            If there is no such study, or it has no such setting.
        UnsuitedError
            If a study that is named cannot be made of this fit.
        """
        from mixedscope.inference.studies.registry import STUDIES, check_settings, study_tables

        if settings and len(names) != 1:
            raise ModelError("Settings go with one study: name it, fit.study(name, setting=...).")
        for name in names or STUDIES:
            study = check_settings(name, settings)
            there = [self._tables.studies.get(table) for table in study.tables]
            if not settings and all(t is not None and "skipped" not in t.attrs for t in there):
                continue
            try:
                self._tables.studies |= study_tables(self._studied(), name, settings)
            except UnsuitedError as error:
                if names:
                    raise
                self.skip_study(name, str(error))
        return self.tables

    @door()
    def skip_study(self, name: str, reason: str) -> None:
        """Store, in place of the tables of a study, why they cannot be made of this fit."""
        from mixedscope.inference.studies.registry import check_settings
        from mixedscope.tables.table_files import skipped_table

        for table in check_settings(name, {}).tables:
            self._tables.studies[table] = skipped_table(table, name, reason)

    def _studied(self) -> StudiedFit:
        """Give the fit as its studies see it."""
        model = self.model
        return StudiedFit(
            objective=self._profiled,
            theta=self.theta,
            trace=self.trace,
            joint_limit=lambda: model.joint_limit,
            truth=(model.source.get("description") or {}).get("simulate"),
            unidentified=self.certificate.get("unidentified", ()),
        )

    def _complete(self) -> None:
        """Fill in the tables that follow from the result alone."""
        self._add_references()
        if self._result is not None:
            _ = self.trace, self.timing, self.estimates

    def _add_references(self) -> None:
        """Put what is known of the joint limit beside the rest; a quick fit does without it."""
        if "references" not in self.info:
            model = self.model
            self.info["references"] = reference_info(model.system, model.joint_limit)

    # -- the model --------------------------------------------------------------------------------

    @property
    def model(self) -> LinearMixedModel:
        """The model; that of a loaded fit is rebuilt from its stored data when first needed."""
        if self._model is None:
            assert self._rebuild is not None
            self._model = self._rebuild()
        return self._model

    @property
    def _profiled(self) -> ProfiledObjective:
        return self.model.profiled(reml=self.reml)

    # -- storing ----------------------------------------------------------------------------------

    @door()
    def save(
        self,
        directory: str | os.PathLike[str],
        *,
        only: Iterable[str] | None = None,
        keyframe_parts: int = KEYFRAMES,
        studies: bool = False,
    ) -> None:
        """Write the fit as the files of the contract.

        Parameters
        ----------
        directory : path
            Made if it does not exist. Unless the data came from a stored data set, which is then
            referred to, the columns of the model are written as ``data.parquet`` too.
        only : iterable of str, optional
            Some of ``fit``, ``trace``, ``estimates``, ``modes``, ``modes_trace``, ``timing``, and
            tables of studies; by default all of the fit, and of the studies those that were made.
        keyframe_parts : int
            See :func:`mixedscope.inference.estimates.modes.keyframes`.
        studies : bool
            Make and write all studies, see :meth:`study`.

        Raises
        ------
        StoreError
            If the directory cannot be written; nothing half-written is left.
        """
        target = Path(directory)
        wanted = None if only is None else set(only)
        if studies:
            self.study()
        if wanted is None or "modes" in wanted:
            self.conditional_modes()
        if wanted is None or "modes_trace" in wanted:
            self._tables.modes_trace = self.modes_trace(keyframe_parts)
        if wanted is None or wanted & {"fit", "trace", "estimates", "timing"}:
            self._complete()
        info = dict(self.info)
        if wanted is None or "fit" in wanted:
            info["dataset"] = {**info["dataset"], "file": self._store_data(target)}
        write_fit(target, replace(self._tables, info=info), only=only)

    def _store_data(self, target: Path) -> str:
        """Path of the data relative to the fit, written there if they have no file of their own."""
        model = self.model
        file = model.source.get("file")
        if file is not None:
            return Path(os.path.relpath(file, target)).as_posix()
        write_table(
            target / "data.parquet",
            storable(model.data),
            DATA,
            formula=self.formula,
            sha256=self.info["dataset"]["sha256"],
        )
        return "data.parquet"

    def _describe(self) -> dict[str, Any]:
        assert self._result is not None
        model = self.model
        return fit_info(
            self._profiled,
            self._result,
            self.spec,
            name=self._name,
            source=model.source,
            sha256=model.source.get("sha256") or frame_digest(storable(model.data)),
        )

    # -- display ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        return summary.text(self.info, self.estimates)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return summary.html(self.info, self.estimates)


def _is_settled(certificate: dict[str, Any]) -> bool:
    left = certificate["newton_decrement"]
    return left is not None and bool(left <= SETTLED)
