"""What a covariance structure costs in accuracy: efficiency of shrinkage, and cross-validation."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedscope.api.distinct import (
    distinct_models,
    is_generalized,
    refuse_generalized,
    refuse_twice,
    told_same,
)
from mixedscope.core.arguments import door, each_fit, named, way_out
from mixedscope.core.errors import ModelError
from mixedscope.inference.accuracy.crossvalidation import (
    LinearScores,
    Scores,
    crossvalidation_tables,
)
from mixedscope.inference.accuracy.efficiency import efficiency_tables
from mixedscope.inference.accuracy.family_scores import FamilyScores
from mixedscope.inference.accuracy.folds import SCHEMES, check_scheme
from mixedscope.inference.accuracy.simulated_errors import Candidate

if TYPE_CHECKING:
    from mixedscope.api.fit import Fit
    from mixedscope.api.generalized.glmer import GeneralizedLinearMixedModel
    from mixedscope.api.linear import LinearMixedModel

__all__ = ["Assessment", "cross_validate", "efficiency"]


@dataclass(frozen=True)
class Assessment:
    """What was found, as tables and in words.

    Attributes
    ----------
    tables : dict of str to pandas.DataFrame
        As described in ``docs/formats.md``; `mixedscope.charts.kinds.efficiency.chart` or
        `mixedscope.charts.kinds.crossvalidation.chart` draws them.
    title, reading : str
        The result in a line, and what was shown with its error, and nothing more.
    """

    tables: dict[str, pd.DataFrame]
    title: str
    reading: str

    @property
    def summary(self) -> pd.DataFrame:
        """The table of structures."""
        return next(iter(self.tables.values()))

    def __str__(self) -> str:
        return f"{self.title}.\n\n{self.reading}\n\n{self.summary.to_string(index=False)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self.summary.to_html(index=False, float_format=lambda v: f"{v:.4g}", na_rep="–")
        return (
            f"<h3>{html.escape(self.title)}</h3>\n<p>{html.escape(self.reading)}</p>\n"
            f'<div style="overflow-x: auto">{table}</div>'
        )


@door()
def efficiency(
    source: Fit | Sequence[Fit],
    *,
    structures: Sequence[str] | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Assessment:
    """Measure by simulation how efficiently every covariance structure shrinks.

    New random effects and residuals are drawn from a fit, every structure is refitted to every
    response, and its conditional modes, fixed effects and fitted values are compared with the
    truth, which is known then; so are estimates without shrinkage, and those of an oracle that
    knows the true covariances.

    Parameters
    ----------
    source : Fit, or sequence of Fit
        The fit to draw from; of several fits of one model, the first.
    structures : sequence of str, optional
        Covariance structures to compare with a single fit; by default ``zerocorr`` and
        ``intercept``. What makes no other model is left out, and the reading says so.
    draws : int
    seed : int

    Returns
    -------
    Assessment

    Raises
    ------
    ModelError
        If the fits are not of one model, or a structure does not apply.

    Examples
    --------
    >>> found = ms.efficiency(fit, draws=500)  # doctest: +SKIP
    >>> ms.charts.efficiency(found)  # doctest: +SKIP
    """
    from mixedscope.charts.kinds.efficiency.words import efficiency_reading, efficiency_title

    fits, same = _fits(source, structures)
    candidates = [
        Candidate(str(f.info["structure"]), f.model.profiled(reml=f.reml), f.theta) for f in fits
    ]
    tables = efficiency_tables(candidates, draws=draws, seed=seed)
    tables = {"efficiency": tables["efficiency"], **tables}
    shown = (tables["efficiency"], tables["efficiency_refits"])
    return Assessment(tables, efficiency_title(*shown), _with(efficiency_reading(*shown), same))


@door()
def cross_validate(
    model: LinearMixedModel | GeneralizedLinearMixedModel,
    *,
    structures: Sequence[str] | None = None,
    by: str | None = None,
    schemes: Sequence[str] = SCHEMES,
    folds: int | None = None,
    reml: bool = False,
    seed: int = 0,
) -> Assessment:
    """Predict parts of the data from the rest, by every covariance structure.

    Of models with a family observations are predicted one by one: the prediction is the mean, and
    the log score the log density of what was observed, averaged over the normal distribution that
    the linear predictor has given the rest of the data, parameters being taken as known. Binomial
    families have Brier scores and areas under curves too, and all are compared with the model
    without random effects.

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
    structures : sequence of str, optional
        By default that of the model, ``zerocorr`` and ``intercept``. What makes no other model is
        left out, and the reading says so.
    by : str, optional
        Grouping factor whose levels are held out; by default the first of the formula.
    schemes : sequence of {"new", "known"}
        ``new``: whole levels are held out, and predicted as levels never seen. ``known``: some of
        the observations of every level are, and the level's others tell what it is like.
    folds : int, optional
        By default each level is a fold of its own up to 20 levels, else 10 folds; 10 folds of the
        observations of every level.
    reml : bool
        Of linear models.
    seed : int
        From which rows are dealt to folds.

    Returns
    -------
    Assessment

    Raises
    ------
    ModelError
        If there is no such factor or structure, or too few folds.
    UnsuitedError
        If too few levels could be predicted, or the link has no mean somewhere.

    Examples
    --------
    >>> found = ms.cross_validate(model, by="Subject")  # doctest: +SKIP
    >>> ms.charts.crossvalidation(found)  # doctest: +SKIP
    """
    from mixedscope.charts.kinds.crossvalidation.words import (
        crossvalidation_reading,
        crossvalidation_title,
    )

    if hasattr(model, "study") or not hasattr(model, "design"):
        raise ModelError(f"Cross-validation takes a model, not {named(model)}.{way_out(model)}")
    if not schemes:
        raise ModelError(f"Nothing is held out: schemes is empty. Known are: {', '.join(SCHEMES)}.")
    models, same = distinct_models(model, structures, own=True)
    tables = crossvalidation_tables(
        {name: m.design for name, m in models.items()},
        model.data,
        by=by,
        schemes=[check_scheme(scheme) for scheme in schemes],
        folds=folds,
        seed=seed,
        scores=_scores(models, reml),
    )
    shown = tuple(tables.values())
    reading = _with(crossvalidation_reading(*shown), same)
    return Assessment(tables, crossvalidation_title(*shown), reading)


def _scores(models: Mapping[str, Any], reml: bool) -> Scores:
    """What fits and predicts: of linear models, or of those with a family."""
    specs = {name: model.specification() for name, model in models.items() if is_generalized(model)}
    if not specs:
        return LinearScores(reml)
    if reml:
        raise ModelError("reml is of linear models, and this one has a family: leave it out.")
    return FamilyScores(specs)


def _fits(
    source: Fit | Sequence[Fit], structures: Sequence[str] | None
) -> tuple[list[Fit], dict[str, str]]:
    """The fits to compare, and the structures left out."""
    fits = each_fit(source, "Efficiency is measured from a fit, or from a list of fits")
    if not fits:
        raise ModelError("There are no fits whose efficiency could be measured: give at least one.")
    refuse_generalized(
        fits,
        "Efficiency compares with estimates without shrinkage, which are infinite for levels whose "
        "responses are all alike: it is measured of linear models",
    )
    if not hasattr(source, "study"):
        if structures is not None:
            raise ModelError("Give one fit and structures, or several fits, not both.")
        refuse_twice("The list of fits", (str(fit.info["structure"]) for fit in fits))
        return fits, {}
    (fit,) = fits
    models, same = distinct_models(fit.model, structures, own=True)
    others = [model for model in models.values() if model is not fit.model]
    return [fit, *(model.fit(reml=fit.reml) for model in others)], same


def _with(reading: str, same: dict[str, str]) -> str:
    """A reading, and what is said of structures that were left out."""
    return " ".join(filter(None, (reading, told_same(same))))
