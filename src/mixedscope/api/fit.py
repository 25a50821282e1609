"""A fitted model as users meet it: read it off, draw it, save it, go on with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.aliases import FitAliases
from mixedscope.api.bootstrapping import ESTIMATES, FitBootstrap
from mixedscope.api.components import FitComponents
from mixedscope.api.diagnostics import FitDiagnostics
from mixedscope.api.frames import FitFrames
from mixedscope.api.hypotheses import FitHypotheses
from mixedscope.api.intervals import FitIntervals
from mixedscope.api.kept_fit import KeptFit
from mixedscope.api.model import Model
from mixedscope.api.predictions import FitPredictions
from mixedscope.core.arguments import door, number_array
from mixedscope.design.frame import in_order_of
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.estimates.refit import (
    Refits,
    check_responses,
    is_settled,
    refit_many,
)
from mixedscope.optimize.driver import OptimizationResult, minimize
from mixedscope.optimize.starts import named_start
from mixedscope.tables.store import FitTables

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
    KeptFit[FittableModel],
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
        self._reml = reml
        self._set(tables, model, result, name, rebuild, origin)

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
            converged=np.array([is_settled(fit.certificate) for fit in fits]),
        )
