"""Names that users of statsmodels, lme4 and MixedModels.jl try, and what to use in their place.

Names that mean the same here are attributes of `mixedscope.api.aliases`; what other programs call
by a name that is reached another way is a row of a plain table, which an AttributeError says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NoReturn

from mixedscope.core.errors import suggest

__all__ = [
    "FIT_WORDS",
    "MODEL_WORDS",
    "MODULE_WORDS",
    "generalized_words",
    "module_words",
    "named_in",
    "no_attribute",
]

_COEFFICIENTS: Final = (
    "statsmodels counts variance parameters among these: use fit.fixed_effects() and "
    "fit.variance_components()"
)
_INTERVALS: Final = "use fit.confint(level=0.95)"
_MATRICES: Final = (
    "use fit.theta, fit.beta and fit.sigma; matrices are in fit.model.design: y, X and, for each "
    "grouping factor, random[i].Z"
)
_COMPONENTS: Final = "use fit.varcorr(), or fit.variance_components()"
_MODES: Final = "use fit.ranef(), a table for each grouping factor, or fit.conditional_modes()"

#: What a fit has not by this name, and what to use.
FIT_WORDS: Final[dict[str, str]] = {
    # statsmodels
    "params": _COEFFICIENTS,
    "bse": _COEFFICIENTS,
    "tvalues": _COEFFICIENTS,
    "pvalues": _COEFFICIENTS,
    "zvalues": _COEFFICIENTS,
    "conf_int": _INTERVALS,
    "cov_params": "use fit.vcov",
    "cov_re": _COMPONENTS,
    "re_params": _COMPONENTS,
    "vcomp": _COMPONENTS,
    "random_effects": _MODES,
    "random_effects_cov": "use fit.conditional_covariances()",
    "df_resid": "use fit.nobs - len(fit.beta); fit.dof counts all parameters",
    "df_modelwc": "use fit.dof",
    "hist": "use fit.trace",
    "wald_test": 'use fit.test("(Intercept) = 0"), hypotheses about coefficients by name',
    "f_test": 'use fit.test("(Intercept) = 0"), hypotheses about coefficients by name',
    "contest": 'use fit.test("(Intercept) = 0"), hypotheses about coefficients by name',
    "emmeans": 'use fit.means("x"), by the name of a variable',
    "lsmeans": 'use fit.means("x"), by the name of a variable',
    "t_test": 'use fit.test("(Intercept) = 0", joint=False), or fit.fixed_effects()',
    # lme4, lmerTest, nlme and MixedModels.jl
    "logLik": "use fit.loglik",
    "loglikelihood": "use fit.loglik",
    "deviance": "use fit.objective, -2 log-likelihood of an ML fit",
    "REMLcrit": "use fit.objective, the REML criterion of a REML fit",
    "AIC": "use fit.aic",
    "AICc": "use fit.aicc",
    "BIC": "use fit.bic",
    "isSingular": "use fit.singular",
    "issingular": "use fit.singular",
    "isREML": "use fit.reml",
    "getME": _MATRICES,
    "VarCorr": "use fit.varcorr()",
    "coeftable": "use fit.fixed_effects()",
    "coefnames": "use fit.fixed_effects()",
    "coefficients": "use fit.fixed_effects()",
    "stderror": "use fit.fixed_effects(), column std_error",
    "condVar": "use fit.conditional_covariances()",
    "df_residual": "use fit.nobs - fit.dof",
    "dof_residual": "use fit.nobs - fit.dof",
    "hatvalues": "use fit.leverage()",
    "get_influence": "use fit.influence()",
    "dfbeta": "use fit.influence().dfbeta",
    "dfbetas": "use fit.influence().dfbetas",
    "r2_nakagawa": "use fit.r2()",
    "vcovCR": "use fit.sandwich()",
    "influence_plot": "use fit.influence()",
    "rePCA": "use fit.repca()",
    "optsum": "use fit.certificate and fit.trace",
    "optinfo": "use fit.certificate and fit.trace",
    "bootMer": "use fit.parametric_bootstrap(1000, seed=1)",
    "parametricbootstrap": "use fit.parametric_bootstrap(1000, seed=1)",
    "ngrps": "use fit.info['dimensions']['groups']",
    "nlevs": "use fit.info['dimensions']['groups']",
    "data": "use fit.model.data",
    "plot": "use ms.charts, as ms.charts.shrinkage(fit)",
}

_SCALE: Final = "use fit.dispersion, of families that have one; there is no residual sigma"

#: The same of generalised models, where fits of linear ones have other things.
_GENERALIZED_WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("VarCorr", "varcorr", "cov_re", "vcomp"), "use fit.variance_components()"),
    **dict.fromkeys(("sigma", "scale"), _SCALE),
    "coef": "use fit.fixef() and fit.ranef(), whose sums they are",
    "reml": "use fit.spec.criterion, which is ML: generalised models have no REML",
    "isREML": "use fit.spec.criterion, which is ML: generalised models have no REML",
}

#: What a model has not by this name, and what to use.
MODEL_WORDS: Final[dict[str, str]] = {
    "from_formula": "use ms.LinearMixedModel(formula, data)",
    "fit_regularized": "use model.fit()",
    "endog": "use model.design.y",
    "exog": "use model.design.X, whose columns are model.design.x_names",
    "exog_re": "use the Z of model.design.random",
    "groups": "use the codes and levels of model.design.random",
    "nobs": "use len(model.design.y)",
    "loglike": "use model.objective(theta), -2 log-likelihood",
    "score": "use model.objective_gradient(theta), of -2 log-likelihood",
    "hessian": "use model.objective_gradient(theta), whose differences give it",
    "exog_names": "use model.fixed_names",
    "endog_names": "use model.design.response",
}

_ONE_CALL: Final = "use ms.lmer(formula, data), or ms.LinearMixedModel(formula, data).fit()"
_GENERALIZED: Final = 'use ms.glmer(formula, data, "poisson"), or ms.lmer(formula, data)'

#: What neither the module nor a fit has by this name, and what to use.
MODULE_WORDS: Final[dict[str, str]] = {
    "mixedlm": _ONE_CALL,
    "MixedLM": _ONE_CALL,
    "LMM": _ONE_CALL,
    "MixedModel": _ONE_CALL,
    "lme": _ONE_CALL,
    "lme4": _ONE_CALL,
    "glmmTMB": _GENERALIZED,
    "fit": _ONE_CALL,
    "GLMM": _GENERALIZED,
    "BinomialBayesMixedGLM": _GENERALIZED,
    "powerSim": "use ms.power(fit, effects={...})",
    "powerCurve": "use ms.power(fit, along={'Subject': [10, 20, 40]})",
    "extend": "use ms.power(fit, along={'Subject': [10, 20, 40]})",
    "allFit": "use model.race(['auto', 'pybobyqa', 'nlopt-bobyqa'])",
    "load_data": "use ms.load_dataset",
    "save": "use fit.save(directory)",
    "load": "use ms.load_fit(directory)",
}


def module_words(fit: type) -> dict[str, str]:
    """What the module has not by these names, but fits, of this class, have, and all other words.

    In R, and in Julia, what is asked of a fit is a function: ``vcov(fit)``.
    """
    own = {
        name: f"it is a method of a fit: fit.{name}(...)"
        if callable(getattr(fit, name))
        else f"it belongs to a fit: fit.{name}"
        for name in dir(fit)
        if not name.startswith("_")
    }
    return {**FIT_WORDS, **own, **MODULE_WORDS}


def generalized_words(known: Collection[str]) -> dict[str, str]:
    """What a fit of a generalised model has not by these names, and what of `known` to use."""
    words = {**_GENERALIZED_WORDS, **{k: v for k, v in FIT_WORDS.items() if _holds(v, known)}}
    return {name: hint for name, hint in words.items() if _holds(hint, known)}


def _holds(hint: str, known: Collection[str]) -> bool:
    """Whether there is all that a hint tells to use."""
    return named_in(hint) <= set(known)


def named_in(hint: str) -> set[str]:
    """Attributes of a fit that a hint tells to use.

    Examples
    --------
    >>> sorted(named_in("use fit.nobs - len(fit.beta); fit.dof counts all parameters"))
    ['beta', 'dof', 'nobs']
    """
    return set(re.findall(r"\bfit\.(\w+)", hint))


def no_attribute(what: str, name: str, words: Mapping[str, str], known: Iterable[str]) -> NoReturn:
    """Raise the AttributeError of a name that is not there, with what to use in its place.

    ``what`` names that which lacks it; ``known`` are names that it has.
    """
    if name.startswith("_"):  # what copies and displays look for
        raise AttributeError(f"{what} has no attribute {name!r}")
    public = (other for other in known if not other.startswith("_"))
    hint = f": {words[name]}." if name in words else f".{suggest(name, public)}"
    raise AttributeError(f"{what} has no attribute {name!r}{hint}")
