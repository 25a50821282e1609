"""A fitted generalised mixed model: its numbers and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.api.aliases import FamiliarNames
from mixedscope.api.generalized.inference import GeneralizedInference
from mixedscope.api.generalized.influence import GeneralizedDeletions
from mixedscope.api.generalized.model import GeneralizedModel
from mixedscope.api.generalized.residuals import GeneralizedResiduals
from mixedscope.api.kept_fit import KeptFit
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.core.result_table import ResultTable
from mixedscope.core.seeds import derive_seed
from mixedscope.design.frame import in_order_of
from mixedscope.design.other_rows import other_rows, same_rows
from mixedscope.design.spec import ModelSpec
from mixedscope.inference.estimates.estimates import normal_statistics
from mixedscope.inference.estimates.generalized_estimation import GeneralizedEstimation
from mixedscope.inference.generalized import Approximation, approximation, simulated
from mixedscope.inference.predictions import predictions as core
from mixedscope.optimize.driver import OptimizationResult
from mixedscope.tables.store import FitTables

__all__ = ["GeneralizedFit"]

Floats = NDArray[np.float64]

#: Links whose coefficients are logarithms of ratios.
_RATIOS = ("logit", "log", "cloglog")

#: Scales of fitted values.
_SCALES = ("response", "link")


class GeneralizedFit(
    GeneralizedInference,
    GeneralizedDeletions,
    GeneralizedResiduals,
    FamiliarNames[GeneralizedModel],
    KeptFit[GeneralizedModel],
):
    """A fitted generalised linear mixed model.

    Made by :meth:`mixedscope.GeneralizedLinearMixedModel.fit`, :func:`mixedscope.glmer` or
    :func:`mixedscope.load_fit`.
    """

    @door()
    def __init__(
        self,
        tables: FitTables,
        model: GeneralizedModel | None,
        *,
        result: OptimizationResult | None = None,
        name: str | None = None,
        rebuild: Callable[[], GeneralizedModel] | None = None,
        origin: Path | None = None,
    ) -> None:
        self._set(tables, model, result, name, rebuild, origin)

    @cached_property
    def _estimation(self) -> GeneralizedEstimation:
        return self._estimation_of(self.model)

    def _estimation_of(self, model: GeneralizedModel) -> GeneralizedEstimation:
        return GeneralizedEstimation(model.laplace)

    @property
    def _spec_of_model(self) -> ModelSpec:
        return self.model.specification()

    # -- numbers ----------------------------------------------------------------------------------

    @property
    def parameters(self) -> pd.Series:
        """Theta, fixed effects and the logarithm of the dispersion, by name."""
        return pd.Series(self._whole, index=self._names, name="estimate")

    @property
    def _names(self) -> list[str]:
        """Names of the parameters, whether all were searched or fixed effects found with modes."""
        laplace = self.model.laplace
        if laplace.points:
            return list(laplace.theta_names)
        k = laplace.n_theta
        return [*laplace.theta_names[:k], *laplace.beta_names, *laplace.theta_names[k:]]

    @property
    def _whole(self) -> Floats:
        """Values of the parameters."""
        point = self._point
        if self.model.laplace.points:
            return point
        k = self.model.laplace.n_theta
        return np.concatenate([point[:k], self.beta, point[k:]])

    @property
    def theta(self) -> Floats:
        """Covariance parameters (k,), in the order of the formula."""
        if self._result is not None:
            return np.array(self._result.theta[: self.model.laplace.n_theta])
        return self._stored("theta")

    @property
    def beta(self) -> Floats:
        """Fixed effects (r,), in the order of ``info["fixed_names"]``."""
        if self._result is None:
            return self._stored("beta")
        laplace = self.model.laplace
        if not laplace.points:  # those found with the modes do not depend on what was found before
            laplace.reset()
        return np.array(laplace.split(self._point)[1])

    @property
    def dispersion(self) -> float | None:
        """Size, shape or dispersion of the family, None where it has none."""
        made = self.info["dispersion"]
        return None if made is None else float(made["value"])

    @cached_property
    def approximation(self) -> Approximation:
        """How far the Laplace approximation may be off, by its second-order term.

        ``correction`` is what that term would add to -2 log-likelihood; ``shift`` how many standard
        errors one Newton step towards quadrature moves the estimate that it moves most,
        ``parameter``, where there is a quadrature. Where one level's share of the correction,
        ``largest``, exceeds 0.1, or the shift one half, estimates are doubtful (few observations of
        two outcomes, large variances), and :meth:`summary` says so.
        """
        if self.model.quadrature > 1:
            raise UnsuitedError(
                "The model was fitted by quadrature: fit it with other numbers of points to see "
                "how good that is."
            )
        covariance = self._estimation.covariance(self._point)
        return approximation(self.model.laplace, self._point, covariance)

    # -- tables -----------------------------------------------------------------------------------

    @cached_property
    def vcov(self) -> pd.DataFrame:
        """Covariance of all parameters: twice the inverse of the Hessian of the objective.

        That of the whole, theta among them, as glmmTMB has it; MixedModels.jl holds theta fixed,
        as is done here with ``quadrature=0``. Rows of parameters along which the objective is flat
        are missing.
        """
        matrix = self._estimation.covariance(self._point)
        return pd.DataFrame(matrix, index=self._names, columns=self._names)

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
        link = self.info["link"]
        if exponentiate and link not in _RATIOS:
            raise ModelError(
                f"Coefficients of the link {link!r} are no logarithms of ratios: those of "
                f"{', '.join(_RATIOS)} are."
            )
        own = self.estimates[self.estimates["kind"] == "beta"]
        beta, errors = (own[name].to_numpy(dtype=float) for name in ("estimate", "std_error"))
        table: dict[str, Any] = {"term": list(own["term"]), "estimate": beta, "std_error": errors}
        table |= normal_statistics(beta, errors, level)
        if exponentiate:
            table["std_error"] = np.exp(beta) * errors
            for column in ("estimate", "lower", "upper"):
                table[column] = np.exp(table[column])
        return ResultTable(table)

    def conditional_modes(self) -> pd.DataFrame:
        """Conditional modes, with standard deviations and what each level says by itself.

        Returns
        -------
        pandas.DataFrame
            ``group``, ``level``, ``term``; ``mode``, ``std_dev`` (given the parameters),
            ``joint_limit`` (missing: there is none), ``within_group`` (maximum likelihood of the
            level's own rows, all else as in the fit; missing where there is none), ``n_obs``,
            ``linearised`` (one step without penalty from the mode, ``b + inv(Z'WZ) Z'd``; missing
            where the rows of the level do not tell it), ``own_estimate`` (``finite``, ``infinite``,
            ``not identified`` or ``not found``: what ``within_group`` is, or why it is missing) and
            ``direction`` (where an infinite one goes, its longest entry 1 or -1).
        """
        return super().conditional_modes()

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
        found = model.laplace.modes_at(self._point)
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
        # Not the plain seed, which may be that of a column of the data.
        own = derive_seed(seed, "simulated responses")
        return simulated(self.model.laplace, self._point, count, own, conditional=conditional)
