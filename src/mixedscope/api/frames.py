"""A fit as three data frames: parameters, the whole, observations (broom.mixed's names)."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixedscope.api.diagnostics import FitDiagnostics
from mixedscope.api.intervals import FitIntervals
from mixedscope.api.model import Model
from mixedscope.core.arguments import door
from mixedscope.core.result_table import ResultTable

__all__ = ["FitFrames"]

M = TypeVar("M", bound=Model)


class FitFrames(FitIntervals[M], FitDiagnostics[M]):
    """A fit as data frames whose columns are named as those of R's broom.mixed."""

    @door()
    def tidy(
        self, *, conf_int: bool = False, level: float = 0.95, method: str = "wald"
    ) -> pd.DataFrame:
        """Parameters, a row for each, as broom.mixed's ``tidy`` names them.

        Parameters
        ----------
        conf_int : bool
            Whether to add intervals.
        level, method
            As for :meth:`confint`.

        Returns
        -------
        pandas.DataFrame
            ``effect`` (``fixed`` or ``ran_pars``), ``group``, ``term`` (``sd__Days``,
            ``cor__(Intercept).Days``, ``sd__Observation`` of the group ``Residual``), ``estimate``,
            ``std.error``, ``statistic``, ``p.value`` (of fixed effects, by the normal distribution)
            and, if asked for, ``conf.low`` and ``conf.high``.

        Raises
        ------
        ModelError
            If the level or the method is none.
        """
        rows = self.estimates[self.estimates["kind"] != "theta"].reset_index(drop=True)
        is_fixed = rows["kind"] == "beta"
        table = pd.DataFrame(
            {
                "effect": is_fixed.map({True: "fixed", False: "ran_pars"}),
                "group": rows["group"].where(rows["kind"] != "sigma", "Residual"),
                "term": [_term(*row) for row in rows[["kind", "term", "term2"]].to_numpy()],
                "estimate": rows["estimate"],
                "std.error": rows["std_error"],
                "statistic": rows["statistic"],
                "p.value": rows["p_value"],
            }
        )
        if conf_int:
            ends = self.confint(level, method)
            key = ["kind", "group", "term", "term2"]
            found = rows[key].merge(ends, on=key, how="left", validate="one_to_one")
            table["conf.low"], table["conf.high"] = found["lower"], found["upper"]
        # broom.mixed: fixed effects, then the factors' parameters, the residual one last.
        order = rows["kind"].map({"beta": 0, "sd": 1, "correlation": 1, "sigma": 2})
        return ResultTable(table.iloc[order.argsort(kind="stable")].reset_index(drop=True))

    def glance(self) -> pd.DataFrame:
        """The whole fit in one row, as broom.mixed's ``glance`` names it.

        Returns
        -------
        pandas.DataFrame
            ``nobs``, ``sigma``, ``logLik``, ``AIC``, ``BIC``, ``deviance`` (−2 log-likelihood) of
            an ML fit or ``REMLcrit`` of a REML fit, ``df.residual`` (observations less parameters).
        """
        return ResultTable(
            {
                "nobs": [int(self.info["dimensions"]["n"])],
                # Missing where the data do not tell it from what random effects do.
                "sigma": self.estimates.query("kind == 'sigma'")["estimate"].tolist(),
                "logLik": [self.loglik],
                "AIC": [self.aic],
                "BIC": [self.bic],
                "REMLcrit" if self.reml else "deviance": [self.objective],
                "df.residual": [int(self.info["dimensions"]["n"]) - self.dof],
            }
        )

    @door()
    def augment(self, *, all_rows: bool = False) -> pd.DataFrame:
        """The data of the model with what the fit says of each row, as broom.mixed's ``augment``.

        Parameters
        ----------
        all_rows : bool
            Whether rows that were left out are given too, with missing values.

        Returns
        -------
        pandas.DataFrame
            On the index of the data given: the columns of the model, then ``.fitted`` (random
            effects included), ``.resid`` (response minus fitted values), ``.hat`` (leverage),
            ``.std.resid`` (residuals over their standard deviations), ``.cooksd`` (Cook's distance
            from leverages, as lme4's ``cooks.distance``; see :meth:`cooks_distance`) and ``.fixed``
            (response minus marginal residual: ``X beta`` and the offset). Leverages, and what is
            made of them, are missing of fits with ``solver="iterative"``, which has none.
        """
        fitted = self.fitted(all_rows=all_rows)
        residuals = self.residuals(all_rows=all_rows)
        marginal = self.residuals("marginal", all_rows=all_rows)
        data = self.model.data
        at = slice(None) if all_rows else self.model.design.rows
        table = data.iloc[at].copy()
        table.index = fitted.index
        influence: dict[str, Any] = dict.fromkeys((".hat", ".std.resid", ".cooksd"), np.nan)
        if self.info.get("solver") != "iterative":
            influence = {
                ".hat": self.leverage(all_rows=all_rows),
                ".std.resid": self.residuals("standardised", all_rows=all_rows),
                ".cooksd": self.cooks_distance(method="leverage", all_rows=all_rows),
            }
        own = {".fitted": fitted, ".resid": residuals, **influence}
        return table.assign(**own, **{".fixed": fitted + residuals - marginal})


def _term(kind: str, term: str, term2: str) -> str:
    """The name that broom.mixed gives a parameter."""
    if kind == "beta":
        return term
    if kind == "sigma":
        return "sd__Observation"
    return f"sd__{term}" if kind == "sd" else f"cor__{term}.{term2}"
