"""What the variance of the response is made of, and coefficients by level."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.fit_numbers import FitNumbers, M
from mixedscope.api.rows import columns_used, index_of_rows
from mixedscope.core.arguments import door, named
from mixedscope.core.errors import ModelError
from mixedscope.core.result_table import ResultTable
from mixedscope.design.frame import in_order_of
from mixedscope.design.other_rows import whole_terms
from mixedscope.inference.components.explained import Variances, intraclass, r_squared, variances_of
from mixedscope.inference.components.sandwich import outer_factor, sandwich
from mixedscope.inference.components.tables import (
    axes_table,
    level_coefficients,
    term_of,
    variances_table,
)
from mixedscope.inference.diagnostics.units import level_codes
from mixedscope.inference.predictions.predictions import refuse_undetermined

__all__ = ["FitComponents"]


class FitComponents(FitNumbers[M]):
    """Variances, their shares, and the fixed effects with their covariances."""

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix (r, r) of the fixed effects, named by their terms on both sides.

        ``sigma**2 inv(X' inv(V) X)`` at the estimates of theta and sigma, as lme4's ``vcov``.
        """
        evaluation = self._profiled.evaluate(self.theta)
        covariance = self._profiled.system.beta_covariance(evaluation.sigma)
        names = list(self._profiled.beta_names)
        return pd.DataFrame(covariance, index=names, columns=names)

    @door()
    def sandwich(self, cluster: str | ArrayLike | None = None, kind: str = "CR2") -> pd.DataFrame:
        """Cluster-robust covariance matrix of the fixed effects.

        Right for many clusters even where the random effects and their covariances are not those
        of the model; the square roots of its diagonal are robust standard errors.

        Parameters
        ----------
        cluster : str or (n,) array_like, optional
            What observations of different values of are independent: a grouping factor, a column of
            the data that the formula uses, or a value for every row of the data given (or for every
            row used): in their order, or a Series with their labels in any. It must contain the
            levels of all grouping factors whole. By default the grouping factor in which all others
            are nested.
        kind : {"CR2", "CR1", "CR0"}
            ``CR0``: as it is (Liang & Zeger 1986, Biometrika 73, 13-22), too small for few
            clusters. ``CR1``: times J / (J - 1) for J clusters. ``CR2``: residuals adjusted so that
            the matrix is unbiased if the model is right (Bell & McCaffrey 2002, Surv. Methodol. 28,
            169-181; Pustejovsky & Tipton 2018, J. Bus. Econ. Stat. 36, 672-683), with matrices of
            the size of the largest cluster. As clubSandwich's ``vcovCR``, whose working covariance
            is the fitted one too; weights count as inverse variances in it.

        Returns
        -------
        pandas.DataFrame
            (r, r), named by the fixed effects on both sides.

        Raises
        ------
        ModelError
            If there is no such cluster or kind, or all rows are of one cluster.
        UnsuitedError
            If levels of a grouping factor lie in several clusters, as those of crossed factors do;
            or the residual variance all but vanishes.
        """
        if cluster is None:
            codes, name = outer_factor(self._profiled), "the outermost grouping factor"
        elif isinstance(cluster, str):
            codes, _ = level_codes(self.model.design, columns_used(self.model), cluster)
            name = cluster
        else:
            codes, name = self._codes_of(cluster), "the values given"
        return sandwich(self._profiled, self.theta, codes, kind, name)

    def r2(self) -> pd.Series:
        """Marginal and conditional R² of Nakagawa, Schielzeth and Johnson.

        ``marginal = v_f / (v_f + v_r + v_e)`` and ``conditional = (v_f + v_r) / (...)``, where
        ``v_f`` is the sample variance of ``X beta``, ``v_r`` the variance of ``Z b`` on average
        over the observations, ``mean_i z_i' Sigma z_i`` summed over grouping factors (Johnson 2014,
        Methods Ecol. Evol. 5, 944-946), and ``v_e`` that of the residuals,
        ``mean_i sigma**2 / w_i`` with weights w. Random slopes count in full, correlated or not, as
        do factors without an intercept, such as ``(0 + f | g)``; where slopes are uncorrelated with
        the intercept the model itself, and with it R², depends on where their covariate has its
        zero.

        Returns
        -------
        pandas.Series
            ``marginal`` and ``conditional``; the latter is missing where the data do not determine
            sigma.
        """
        return r_squared(self._parts())

    def icc(self) -> pd.DataFrame:
        """Intraclass correlations: what share of the variance lies between levels.

        With the variances of :meth:`r2`, ``adjusted = v / (v_r + v_e)`` leaves that of the fixed
        effects out, ``unadjusted = v / (v_f + v_r + v_e)`` does not (Nakagawa, Johnson & Schielzeth
        2017, J. R. Soc. Interface 14, 20170213).

        Returns
        -------
        pandas.DataFrame
            ``variance``, ``adjusted``, ``unadjusted``: a row for each grouping factor, and one,
            ``all``, for their sum. Missing where the data do not determine a variance.
        """
        return ResultTable(intraclass(self._parts()))

    def varcorr(self) -> pd.DataFrame:
        """Variances and covariances of the random effects, with the residual variance.

        Returns
        -------
        pandas.DataFrame
            ``group``, ``term``, ``term2``, ``vcov``, ``sdcor``: as lme4's
            ``as.data.frame(VarCorr(fit))``, a row for each variance (``term2`` missing; ``sdcor``
            is its square root) and each covariance of two terms that the structure lets correlate
            (``sdcor`` is the correlation, missing where a standard deviation is zero). The last
            row, ``Residual``, is sigma.
        """
        found = variances_table(self._profiled, self.theta, self.certificate["unidentified"])
        return ResultTable(found)

    @door()
    def repca(self, *, standardised: bool = False) -> pd.DataFrame:
        """Principal components of the covariances of the random effects, with loadings.

        Parameters
        ----------
        standardised : bool
            Whether an effect counts by what it does to the response: times the root mean square of
            its column, so that units of covariates do not decide. By default as it is, which is
            lme4's ``rePCA``.

        Returns
        -------
        pandas.DataFrame
            A row for each grouping factor, component and term: ``group``, ``component`` (from 1,
            the largest first), ``sd`` (units of the response over those of the term), ``share`` of
            the variance, ``cumulative``, ``collapsed`` (no variance left though the structure
            allows some), ``term``, ``loading`` (squares sum to 1 per component; the largest is
            positive).
        """
        unidentified = self.certificate["unidentified"]
        found = axes_table(self._profiled, self.theta, unidentified, standardised=standardised)
        return ResultTable(found)

    @door()
    def coef(self, group: str | None = None, *, long: bool = False) -> pd.DataFrame:
        """Coefficients of every level of a grouping factor: fixed effects plus conditional modes.

        A random effect is added to the fixed effect of its name, which is the coefficient of the
        same column; columns with a random effect alone have that, and columns with a fixed effect
        alone have it for all levels. Effects of other grouping factors are not in it, as in lme4.

        Parameters
        ----------
        group : str, optional
            Needed if there are several, unless the result is long.
        long : bool
            A row for each level and term instead of one for each level.

        Returns
        -------
        pandas.DataFrame
            Wide: coefficients (q, columns), levels on the index. Long: ``group``, ``level``,
            ``term``, ``fixed``, ``mode``, ``coefficient``, the sum of both.

        Raises
        ------
        ModelError
            If there is no such grouping factor, or several and none is named.
        UnsuitedError
            If the data do not tell its random effects from others or from the residuals.
        """
        if not long or group is not None:
            group = term_of(self._profiled, group).group
        design = self.model.design
        refuse_undetermined(
            design,
            [w for w in whole_terms(design) if group in (None, design.random[w.position].group)],
            self.certificate.get("unidentified", ()),
            what="Coefficients",
            instead="fixed_effects() are determined.",
        )
        table = level_coefficients(self._profiled, self.theta, group)
        if long:
            return table
        terms, levels = table["term"].unique(), table["level"].unique()
        values = table["coefficient"].to_numpy().reshape(len(levels), len(terms))
        return pd.DataFrame(values, index=pd.Index(levels, name=group), columns=list(terms))

    def _parts(self) -> Variances:
        return variances_of(self._profiled, self.theta, self.certificate["unidentified"])

    def _codes_of(self, cluster: ArrayLike) -> NDArray[np.int64]:
        """Codes (n,) of the rows used for a value of each, or of each row given."""
        model = self.model
        cluster = in_order_of(cluster, index_of_rows(model, all_rows=True))
        cluster = in_order_of(cluster, index_of_rows(model))
        values = pd.Series(np.asarray(cluster, dtype=object)) if np.ndim(cluster) == 1 else None
        used, given = len(model.design.y), len(model.data)
        if values is None or len(values) not in (used, given):
            raise ModelError(
                "cluster must be a grouping factor, a column, or one value for each of the "
                f"{given} rows of the data, not {named(cluster)}."
            )
        if len(values) != used:
            values = values.iloc[model.design.rows]
        if values.isna().any():
            raise ModelError("cluster has missing values in rows that the model uses.")
        return np.asarray(pd.factorize(values)[0], dtype=np.int64)
