"""A fitted generalised mixed model: its numbers and tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.generalized import summary
from mixedscope.api.generalized.model import GeneralizedModel
from mixedscope.api.printing import html as printing_html
from mixedscope.api.printing import text as printing_text
from mixedscope.api.printing.document import Block
from mixedscope.api.printing.formats import Printed, printed
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.core.result_table import ResultTable
from mixedscope.core.vocabulary import OPTIMA
from mixedscope.design.frame import in_order_of
from mixedscope.design.other_rows import other_rows, same_rows
from mixedscope.inference.estimates.estimates import criteria_of, normal_statistics
from mixedscope.inference.generalized import (
    Approximation,
    approximation,
    is_quick,
    modes_table,
    parameter_covariance,
    simulated,
    variance_table,
)
from mixedscope.inference.predictions import predictions as core
from mixedscope.optimize.driver import OptimizationResult

__all__ = ["GeneralizedFit"]

Floats = NDArray[np.float64]

#: Links whose coefficients are logarithms of ratios.
_RATIOS = ("logit", "log", "cloglog")

#: Scales of fitted values.
_SCALES = ("response", "link")


class GeneralizedFit:
    """A fitted generalised linear mixed model.

    Made by :meth:`mixedscope.GeneralizedLinearMixedModel.fit` or :func:`mixedscope.glmer`.

    Attributes
    ----------
    model : GeneralizedModel
    name : str
    """

    @door()
    def __init__(
        self,
        model: GeneralizedModel,
        result: OptimizationResult,
        name: str,
    ) -> None:
        if not (isinstance(model, GeneralizedModel) and isinstance(result, OptimizationResult)):
            raise ModelError("A fit of a generalised model is made by model.fit() or ms.glmer().")
        self.model = model
        self.name = name
        self._result = result

    # -- numbers ----------------------------------------------------------------------------------

    @property
    def formula(self) -> str:
        """Formula as written."""
        return self.model.formula

    @property
    def objective(self) -> float:
        """-2 log-likelihood by Laplace's approximation or quadrature, all constants included."""
        return float(self._result.evaluation.objective)

    @property
    def parameters(self) -> pd.Series:
        """All that was searched, by name: theta, fixed effects, logarithm of the dispersion."""
        names = list(self.model.laplace.theta_names)
        return pd.Series(self._result.theta, index=names, name="estimate")

    @property
    def theta(self) -> Floats:
        """Covariance parameters (k,), in the order of the formula."""
        return np.array(self._result.theta[: self.model.laplace.n_theta])

    @property
    def beta(self) -> Floats:
        """Fixed effects (r,)."""
        return self.model.laplace.split(self._result.theta)[1].copy()

    @property
    def dispersion(self) -> float | None:
        """Size, shape or dispersion of the family, None where it has none."""
        if self.model.family.dispersion is None:
            return None
        return self.model.laplace.split(self._result.theta)[2]

    @property
    def loglik(self) -> float:
        """Log-likelihood."""
        return -0.5 * self.objective

    @property
    def dof(self) -> int:
        """Number of parameters."""
        return len(self.model.laplace.theta_names)

    @property
    def nobs(self) -> int:
        """Number of observations used."""
        return len(self.model.design.y)

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return criteria_of(self.objective, self.dof, self.nobs)["aic"]

    @property
    def aicc(self) -> float:
        """AIC corrected for small samples (NaN if undefined)."""
        return criteria_of(self.objective, self.dof, self.nobs)["aicc"]

    @property
    def bic(self) -> float:
        """Schwarz's information criterion."""
        return criteria_of(self.objective, self.dof, self.nobs)["bic"]

    @property
    def certificate(self) -> dict[str, Any]:
        """Convergence verdict: is this a minimum, and if not, what was tried."""
        return dict(self._result.certificate)

    @cached_property
    def approximation(self) -> Approximation:
        """How far the Laplace approximation may be off, by its second-order term.

        ``correction`` is what that term would add to -2 log-likelihood; where one level's share,
        ``largest``, exceeds 0.1 the variances are doubtful (few observations of two outcomes, large
        variances), and :meth:`summary` says so.
        """
        if self.model.quadrature > 1:
            raise UnsuitedError(
                "The model was fitted by quadrature: fit it with other numbers of points to see "
                "how good that is."
            )
        return approximation(self.model.laplace, self._result.theta)

    @property
    def converged(self) -> bool:
        """Whether the certificate found a minimum, at a boundary or not."""
        return self.certificate["verdict"] in OPTIMA

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the objective, all stages together."""
        return len(self._result.trace)

    # -- tables -----------------------------------------------------------------------------------

    @property
    def trace(self) -> pd.DataFrame:
        """One row per evaluation of the objective, its parts and Newton steps among the columns."""
        return self._result.trace.frame()

    @property
    def timing(self) -> pd.DataFrame:
        """Seconds that every evaluation took."""
        return self._result.trace.timing_frame()

    @cached_property
    def vcov(self) -> pd.DataFrame:
        """Covariance of all parameters: twice the inverse of the Hessian of the objective.

        That of the whole, theta among them, as glmmTMB has it; MixedModels.jl holds theta fixed.
        Rows of parameters along which the objective is flat are missing.
        """
        names = list(self.model.laplace.theta_names)
        matrix = parameter_covariance(self.model.laplace, self._result.theta)
        return pd.DataFrame(matrix, index=names, columns=names)

    @door()
    def fixed_effects(self, level: float = 0.95, *, exponentiate: bool = False) -> pd.DataFrame:
        """Fixed effects with standard errors, Wald intervals, z statistics and p values.

        Parameters
        ----------
        level : float
            Coverage of the intervals.
        exponentiate : bool
            Estimates and intervals as ratios: of odds (logit), of means (log) or of hazards
            (cloglog). Standard errors are then those of the ratios, by the delta method; statistics
            and p values stay what they are.

        Raises
        ------
        ModelError
            If the level is none, or the link has no ratios.
        """
        if not 0.0 < level < 1.0:
            raise ModelError(f"level must lie between 0 and 1, not {level:g}.")
        link = self.model.family.link.name
        if exponentiate and link not in _RATIOS:
            raise ModelError(
                f"Coefficients of the link {link!r} are no logarithms of ratios: those of "
                f"{', '.join(_RATIOS)} are."
            )
        names = list(self.model.fixed_names)
        errors = np.sqrt(np.diag(self.vcov.loc[names, names].to_numpy()))
        table: dict[str, Any] = {"term": names, "estimate": self.beta, "std_error": errors}
        table |= normal_statistics(self.beta, errors, level)
        if exponentiate:
            table["std_error"] = np.exp(self.beta) * errors
            for column in ("estimate", "lower", "upper"):
                table[column] = np.exp(table[column])
        return ResultTable(table)

    def variance_components(self) -> pd.DataFrame:
        """Standard deviations and correlations of the random effects, on the link's scale."""
        return ResultTable(variance_table(self.model.laplace, self.theta))

    def conditional_modes(self) -> pd.DataFrame:
        """Conditional modes, with standard deviations and what each level says by itself.

        Returns
        -------
        pandas.DataFrame
            ``group``, ``level``, ``term``, ``mode``, ``std_error`` (given the parameters), and
            ``reference``: one step without penalty from the mode, ``b + inv(Z'WZ) Z'd``, the
            level's own estimate, linearised at the mode; missing where its rows do not tell.
        """
        return ResultTable(modes_table(self.model.laplace, self._result.theta))

    def ranef(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, as lme4's ``ranef``: by grouping factor, levels by terms."""
        modes = self.conditional_modes()
        tables = {}
        for group, own in modes.groupby("group", sort=False):
            table = own.pivot(index="level", columns="term", values="mode")
            order = list(dict.fromkeys(own["level"])), list(dict.fromkeys(own["term"]))
            tables[str(group)] = table.loc[order[0], order[1]].rename_axis(columns=None)
        return tables

    @door()
    def fitted(self, scale: str = "response") -> pd.Series:
        """Fitted values of the rows used, random effects included.

        Parameters
        ----------
        scale : {"response", "link"}
            Means, or linear predictors.
        """
        core.check_choice("scale", scale, _SCALES)
        self.model.laplace.reset()
        eta = self.model.laplace.modes_at(self._result.theta).eta
        values = eta if scale == "link" else self.model.family.link.mean(eta)
        return pd.Series(values, index=self.model.labels(), name="fitted")

    @door()
    def predict(
        self,
        newdata: Any = None,
        levels: str | Sequence[str] = core.OWN,
        new_levels: str = "error",
        scale: str = "response",
        *,
        offset: str | ArrayLike | None = None,
    ) -> pd.Series:
        """Predict rows of data.

        Parameters
        ----------
        newdata : pandas, polars or pyarrow table, or mapping of columns, optional
        levels : str or sequence of str
        new_levels : {"error", "population", "missing"}
            As for :meth:`mixedscope.Fit.predict`.
        scale : {"response", "link"}
            Means, or linear predictors. With ``levels="population"`` the mean is that of a level
            whose random effects are 0, which is not the mean over all levels.
        offset : str or (m,) array, optional
            Of the new rows, in place of what the model was given as its ``offset=``.

        Returns
        -------
        pandas.Series
            On the index of newdata, or of the data of the model; missing where a value that is
            needed is missing, and where the data do not determine the prediction.

        Raises
        ------
        ModelError, DataError
            As :meth:`mixedscope.Fit.predict`.
        """
        model = self.model
        new = core.check_choice("new_levels", new_levels, core.NEW_LEVELS)
        core.check_choice("scale", scale, _SCALES)
        own = core.chosen_terms(model.design, levels)
        if newdata is None:
            if offset is not None:
                raise ModelError("offset goes with newdata: those of the model are known.")
            rows, labels = same_rows(model.design, own=own), model.all_labels
        else:
            if isinstance(newdata, pd.DataFrame):
                offset = in_order_of(offset, newdata.index)
            rows = other_rows(model.design, newdata, own=own, offset=offset)
            given = newdata.index if isinstance(newdata, pd.DataFrame) else None
            labels = pd.RangeIndex(rows.n) if given is None else given
        model.laplace.reset()
        found = model.laplace.modes_at(self._result.theta)
        modes = [t.data_modes(b) for t, b in zip(model.system.terms, found.b, strict=True)]
        eta = core.predictors(rows, model.design, model.system.kept, self.beta, modes, new)
        eta[~core.is_estimable(model.system, rows.X)] = np.nan
        values = core.on_all_rows(eta, rows)
        if newdata is None:  # the rows used, of all that were given
            given_all = np.full(len(labels), np.nan)
            given_all[model.design.rows] = values
            values = given_all
        if scale == "response":
            values = model.family.link.mean(values)
        return pd.Series(values, index=labels, name="fit")

    @door()
    def simulate(self, count: int = 1, *, seed: int = 0, conditional: bool = False) -> Floats:
        """Draw responses of the rows used from the fitted model.

        Parameters
        ----------
        count : int
        seed : int
        conditional : bool
            At the conditional modes; by default random effects are drawn anew.

        Returns
        -------
        (count, n) array
            Of trials, shares of successes. A row of weight two is drawn as one row.
        """
        return simulated(
            self.model.laplace, self._result.theta, count, seed, conditional=conditional
        )

    # -- display ----------------------------------------------------------------------------------

    @door()
    def summary(
        self, format: str | None = None, *, file: str | os.PathLike[str] | None = None
    ) -> Printed:
        """Print the fit in one of several formats, to a file too; see `mixedscope.Fit.summary`."""
        return printed(self._document(), format, file)

    def _document(self) -> list[Block]:
        criteria = {"logLik": self.loglik, "-2 logLik": self.objective}
        criteria |= {"AIC": self.aic, "AICc": self.aicc, "BIC": self.bic}
        is_checked = self.model.quadrature == 1 and is_quick(self.model.laplace)
        return summary.document(
            self.model, criteria, self.variance_components(), self.fixed_effects(),
            self.dispersion, self.certificate, self.n_evaluations,
            self.approximation if is_checked else None,
        )  # fmt: skip

    def __str__(self) -> str:
        return printing_text.write(self._document())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return printing_html.write(self._document())
