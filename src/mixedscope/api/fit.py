"""A fitted model as users meet it: read it off, draw it, save it, go on with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api import summary
from mixedscope.api.aliases import FitAliases
from mixedscope.api.bootstrapping import ESTIMATES, FitBootstrap
from mixedscope.api.components import FitComponents
from mixedscope.api.diagnostics import FitDiagnostics
from mixedscope.api.fit_numbers import KEYFRAMES
from mixedscope.api.frames import FitFrames
from mixedscope.api.hypotheses import FitHypotheses
from mixedscope.api.intervals import FitIntervals
from mixedscope.api.model import Model
from mixedscope.api.predictions import FitPredictions
from mixedscope.api.printing.formats import Printed, printed
from mixedscope.core.arguments import door, named, number_array
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.data.storable import CATEGORIES, INDEX_NAME, category_types, storable, with_index
from mixedscope.design.frame import in_order_of
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.estimates.references import reference_info
from mixedscope.inference.estimates.refit import (
    SETTLED,
    Refits,
    check_responses,
    refit_many,
)
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.optimize.driver import OptimizationResult, minimize
from mixedscope.optimize.starts import named_start
from mixedscope.tables.kinds.data import DATA
from mixedscope.tables.store import FitTables, write_fit
from mixedscope.tables.table_files import write_table

if TYPE_CHECKING:
    from mixedscope.inference.searches.race import Entrant

__all__ = ["Fit", "FittableModel"]

Floats = NDArray[np.float64]


class FittableModel(Model):
    """A model that makes fits of itself."""

    @door()
    def race(
        self,
        entrants: Sequence[str | Entrant],
        *,
        reml: bool = False,
        starts: int = 3,
        seed: int = 0,
    ) -> dict[str, pd.DataFrame]:
        """Let optimisers race on the objective, each from its own start and from random ones.

        Parameters
        ----------
        entrants : sequence of str or Entrant
            Names of optimisers, or `mixedscope.inference.searches.race.Entrant` for other settings.
        reml : bool
        starts : int
            Number of random starts, the same for all.
        seed : int
            From which they are drawn.

        Returns
        -------
        dict of str to pandas.DataFrame
            ``race``, ``race_ends`` and ``race_timing``; `mixedscope.charts.kinds.race.chart` draws
            them.

        Raises
        ------
        ModelError
            If there are no entrants, two of one name, or a negative number of starts.
        OptimizerError
            If an optimiser or a setting is unknown.
        """
        from mixedscope.inference.searches import race as races

        objective = self.profiled(reml=reml)
        return races.race(objective, races.as_entrants(entrants), starts=starts, seed=seed)

    @door()
    def fit(
        self,
        optimizer: str = "auto",
        *,
        settings: Mapping[str, Any] | None = None,
        reml: bool = False,
        start: ArrayLike | str | None = None,
        max_evaluations: int | None = None,
        max_seconds: float | None = None,
        polish: bool = True,
        progress: bool = False,
        name: str | None = None,
        seed: int = 0,
    ) -> Fit:
        """Fit the model, recording every evaluation of the objective.

        Before a fit whose evaluation takes more than a second, the logger ``mixedscope`` says how
        long one takes, how many are expected and how much memory the model holds.

        Parameters
        ----------
        optimizer : str
            ``auto``, or one of :func:`mixedscope.optimize.backends.optimizer_names`.
        settings : mapping, optional
            Settings of the optimiser, by name.
        reml : bool
            REML instead of maximum likelihood (the default, as in MixedModels.jl).
        start : (k,) array_like or str, optional
            Theta to start from, or the name of a start: ``independent`` (the default: each
            optimiser's own), ``moments``, ``identity`` or ``random``; see
            :func:`mixedscope.optimize.starts.named_start`.
        max_evaluations : int, optional
        max_seconds : float, optional
        polish : bool
            Finish the job where the optimiser stopped short of an optimum.
        progress : bool
            Show a progress bar on fits that take more than two seconds.
        name : str, optional
            What to call the model in tables and charts.
        seed : int
            For optimisers that draw random numbers, and for a random start.

        Returns
        -------
        Fit

        Raises
        ------
        ModelError, OptimizerError
            If an argument is unknown or cannot be what it is.
        """
        objective = self.profiled(reml=reml)
        with objective.limited_threads():
            result = minimize(
                objective,
                optimizer=optimizer,
                settings=settings,
                start=self._start(objective, start, seed),
                max_evaluations=max_evaluations,
                max_seconds=max_seconds,
                polish=polish,
                progress=progress,
                announce=True,
                seed=seed,
            )
        return Fit(FitTables({}), self, result=result, reml=reml, name=name)

    def _start(
        self, objective: SearchableObjective, start: ArrayLike | str | None, seed: int
    ) -> Floats | None:
        if isinstance(start, str):
            return named_start(objective, start, seed=seed)
        return None if start is None else self._theta(start)


class Fit(
    FitFrames[FittableModel],
    FitHypotheses[FittableModel],
    FitIntervals[FittableModel],
    FitAliases[FittableModel],
    FitDiagnostics[FittableModel],
    FitComponents[FittableModel],
    FitPredictions[FittableModel],
    FitBootstrap[FittableModel],
):
    """A fitted model: numbers, tables and charts of one optimisation.

    Made by :meth:`mixedscope.LinearMixedModel.fit` or :func:`mixedscope.load_fit`.
    """

    @door()
    def __init__(
        self,
        tables: FitTables,
        model: FittableModel | None,
        *,
        result: OptimizationResult | None = None,
        reml: bool = False,
        name: str | None = None,
        rebuild: Callable[[], FittableModel] | None = None,
        origin: Path | None = None,
    ) -> None:
        if not isinstance(tables, FitTables):
            raise ModelError(
                "A fit is made by model.fit() or read by ms.load_fit(directory), "
                f"not from {named(tables)}."
            )
        self._tables = tables
        self._model = model
        self._result = result
        self._reml = reml
        self._name = name
        self._rebuild = rebuild
        self._origin = origin
        parts = ("fit", "modes") if tables.modes is not None else ("fit",)
        self._unheld = set() if origin is None else set(parts)

    @door()
    def refit(
        self, response: ArrayLike, *, start: ArrayLike | str = ESTIMATES, seed: int = 0
    ) -> Fit:
        """Fit the same model to another response.

        Parameters
        ----------
        response : (n,) array_like
            One value per row of data used; of a model of ``log(y)`` values of ``log(y)``.
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
            Columns of a frame that has the labels of the rows used are put in their order.
        start, seed
            As for :meth:`refit`. Starts other than ``estimates`` make each a fit of its own, many
            times slower; of random starts each has its own.
        """
        if isinstance(responses, pd.DataFrame):
            places = pd.Series(np.arange(responses.shape[1]), index=responses.columns)
            used = self.model.data.index[self.model.design.rows]
            responses = responses.iloc[:, in_order_of(places, used)]
        given = number_array("responses", responses, "numbers, a row for each response")
        rows = check_responses(self._profiled, given)
        if isinstance(start, str) and start == ESTIMATES:
            return refit_many(self._profiled, self.theta, self.model.design.adjusted(rows))
        fits = [self.refit(y, start=start, seed=seed + i) for i, y in enumerate(rows)]
        return Refits(
            theta_names=self._profiled.theta_names,
            beta_names=self._profiled.beta_names,
            objective=np.array([fit.objective for fit in fits]),
            theta=np.array([fit.theta for fit in fits]),
            beta=np.array([fit.beta for fit in fits]),
            std_error=np.array([fit.fixed_effects()["std_error"] for fit in fits]),
            sigma=np.array([fit.sigma for fit in fits]),
            evaluations=np.array([fit.n_evaluations for fit in fits]),
            converged=np.array([_is_settled(fit.certificate) for fit in fits]),
        )

    @property
    def tables(self) -> FitTables:
        """All stored tables of the fit; what is missing is computed.

        Those of a loaded fit are as they were stored: only what needs the model holds them to it.
        """
        self._complete()
        if self._tables.modes is None:
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
        from mixedscope.inference.studies.making import study_tables
        from mixedscope.inference.studies.registry import STUDIES, check_settings

        if settings and len(names) != 1:
            raise ModelError("Settings go with one study: name it, fit.study(name, setting=...).")
        for name in names or STUDIES:
            study = check_settings(name, settings)
            there = [self._tables.studies.get(table) for table in study.tables]
            if not settings and all(t is not None and "skipped" not in t.attrs for t in there):
                continue
            try:
                self._tables.studies.update(study_tables(self._studied(), name, settings))
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
            data=model.data,
        )

    def _complete(self) -> None:
        """Fill in the tables that follow from the result alone."""
        self._add_references()
        if self._result is not None:
            _ = self.trace, self.timing, self.estimates

    def _add_references(self) -> None:
        """Put what is known of the joint limit beside the rest; a quick fit does without it."""
        if "references" not in (self._tables.info or self.info):
            model = self.model
            self.info["references"] = reference_info(model.system, model.joint_limit)

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
            with_index(storable(model.data)),
            DATA,
            formula=self.formula,
            sha256=self.info["dataset"]["sha256"],
            extra={
                INDEX_NAME: label if isinstance(label := model.data.index.name, str) else None,
                CATEGORIES: category_types(model.data) or None,
            },
        )
        return "data.parquet"

    # -- display ----------------------------------------------------------------------------------

    @door()
    def summary(
        self, format: str | None = None, *, file: str | os.PathLike[str] | None = None
    ) -> Printed:
        """Print the fit in one of several formats, to a file too.

        Parameters
        ----------
        format : str, optional
            ``text``, ``markdown``, ``html``, ``latex``, ``typst`` or ``word``, as for
            :func:`mixedscope.table`. By default that of the file's ending, or text.
        file : path, optional
            Where to write it too.

        Returns
        -------
        Printed
            Text in the format (plain text where that is Word), as ``print(fit)`` shows it.

        Raises
        ------
        ModelError
            If there is no such format, or the file ends as that of another.
        """
        return printed(summary.document(self.info, self.estimates), format, file)

    def __str__(self) -> str:
        return summary.text(self.info, self.estimates)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return summary.html(self.info, self.estimates)


def _is_settled(certificate: dict[str, Any]) -> bool:
    left = certificate["newton_decrement"]
    return left is not None and bool(left <= SETTLED)
