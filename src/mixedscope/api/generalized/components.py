"""What the variance on the link's scale of a generalised model is made of."""

from __future__ import annotations

import pandas as pd

from mixedscope.api.generalized.numbers import GeneralizedNumbers
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable
from mixedscope.inference.components.explained import intraclass, r_squared
from mixedscope.inference.components.generalized import generalized_variances

__all__ = ["GeneralizedComponents"]


class GeneralizedComponents(GeneralizedNumbers):
    """Variances of a fit of a generalised model, and their shares."""

    @door()
    def r2(self, approximation: str | None = None) -> pd.Series:
        """Marginal and conditional R² of Nakagawa, Johnson and Schielzeth (2017).

        ``marginal = v_f / (v_f + v_r + v_e)`` and ``conditional = (v_f + v_r) / (...)`` on the
        scale of the linear predictor, with ``v_f`` and ``v_r`` as of :meth:`mixedscope.Fit.r2`, and
        ``v_e`` the variance of a response given its mean, brought there.

        Parameters
        ----------
        approximation : {"theoretical", "delta", "lognormal", "trigamma"}, optional
            To ``v_e``. Of binomial families ``theoretical`` (by default; pi²/3 for logit, 1 for
            probit, pi²/6 for cloglog) or, for logit, ``delta``; of logarithmic links ``lognormal``
            (by default), ``delta`` or ``trigamma``, at the mean of all levels of the model with the
            same random effects and no other fixed effect than the intercept.

        Returns
        -------
        pandas.Series
            ``marginal`` and ``conditional``.

        Raises
        ------
        ModelError
            If there is no such approximation.
        UnsuitedError
            If it is not for this family and link, or none is.
        """
        return r_squared(generalized_variances(self.model.laplace, self._point, approximation))

    @door()
    def icc(self, approximation: str | None = None) -> pd.DataFrame:
        """Intraclass correlations on the scale of the linear predictor.

        Parameters
        ----------
        approximation : {"theoretical", "delta", "lognormal", "trigamma"}, optional
            As of :meth:`r2`.

        Returns
        -------
        pandas.DataFrame
            As of :meth:`mixedscope.Fit.icc`.

        Raises
        ------
        ModelError, UnsuitedError
            As :meth:`r2`.
        """
        found = generalized_variances(self.model.laplace, self._point, approximation)
        return ResultTable(intraclass(found))
