"""The ladder of structures in a notebook: fit all rungs, compare, test, read, draw."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixedscope.api.distinct import distinct_models, is_generalized, refuse_twice, told_same
from mixedscope.api.fit import Fit
from mixedscope.api.linear import LinearMixedModel
from mixedscope.core.arguments import door, each_fit
from mixedscope.core.errors import DataWarning, ModelError
from mixedscope.core.vocabulary import CRITERION_NAMES
from mixedscope.inference.ladder.compare import check_comparable
from mixedscope.inference.ladder.ladder import Rung, bootstrap_of, ladder_tables

if TYPE_CHECKING:
    from mixedscope.api.generalized.fit import GeneralizedFit
    from mixedscope.api.generalized.glmer import GeneralizedLinearMixedModel
    from mixedscope.charts.common.render import Figure

    AnyFit = Fit | GeneralizedFit

__all__ = ["Ladder", "ladder"]

_WANTED: Final = "A ladder is made of a formula and its data, a model, a fit or a list of fits"

#: Arguments of linear models alone, with what they are where nothing is said.
_OF_LINEAR: Final = {"sigma": None, "unidentified": "refuse", "solver": "auto"}

#: Draws of the bootstrap that are in memory at once.
_BATCH: Final = 250

#: Columns of the printed table, with their headings and formats.
_PRINTED: Final = {
    "structure": ("structure", "{}"),
    "n_theta": ("θ", "{}"),
    "above_objective": ("{} +", "{:.2f}"),
    "above_aic": ("AIC +", "{:.1f}"),
    "above_bic": ("BIC +", "{:.1f}"),
    "edf": ("effective df", "{:.1f}"),
    "ranks": ("dimensions", "{}"),
    "evaluations": ("evaluations", "{}"),
    "verdict": ("verdict", "{}"),
}


@dataclass(frozen=True)
class Ladder:
    """Fits of one model with several covariance structures, set side by side.

    Made by :func:`mixedscope.ladder`.

    Attributes
    ----------
    fits : dict of str to Fit or GeneralizedFit
        By structure, the richest first.
    tables : dict of str to pandas.DataFrame
        ``structures``, ``tests``, ``components`` and ``structures_timing``, as the workflow
        stores them.
    """

    fits: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def structures(self) -> pd.DataFrame:
        """One row for each structure: parameters, deviance, criteria, dimensions, verdict."""
        return self.tables["structures"]

    @property
    def tests(self) -> pd.DataFrame:
        """Likelihood-ratio tests between nested structures."""
        return self.tables["tests"]

    @property
    def components(self) -> pd.DataFrame:
        """Principal axes of the random effects under each structure."""
        return self.tables["components"]

    @property
    def reading(self) -> list[str]:
        """What the ladder shows, in plain words."""
        from mixedscope.charts.kinds.ladder.words import ladder_reading

        return ladder_reading(self.structures, self.tests, self.components)

    @door()
    def figure(self, *, theme: str = "light") -> Figure:
        """Draw the ladder, with title and caption."""
        from mixedscope.charts.drawing import figure
        from mixedscope.charts.kinds.ladder.chart import ladder_chart

        drawn = ladder_chart(self.structures, self.tests, self.components, theme=theme)
        return figure(*drawn, theme=theme)

    @door()
    def chart(self, *, theme: str = "light") -> Any:
        """Draw the ladder.

        Parameters
        ----------
        theme : {"light", "print"}

        Returns
        -------
        altair chart
        """
        from mixedscope.charts.common.notebook import for_notebooks

        return for_notebooks(self.figure(theme=theme).chart)

    def _printed(self) -> pd.DataFrame:
        what = CRITERION_NAMES[self.structures["criterion"].iloc[0]]
        return pd.DataFrame(
            {
                heading.format(what): [
                    "–" if pd.isna(value) else form.format(value)
                    for value in self.structures[column]
                ]
                for column, (heading, form) in _PRINTED.items()
            }
        )

    def __str__(self) -> str:
        formula = next(iter(self.fits.values())).formula
        return "\n".join([formula, self._printed().to_string(index=False), *self.reading])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        formula = next(iter(self.fits.values())).formula
        words = "".join(f"<li>{html.escape(part)}</li>" for part in self.reading)
        table = self._printed().to_html(index=False, border=0)
        return f"<p><code>{html.escape(formula)}</code></p>{table}<ul>{words}</ul>"


@door()
def ladder(
    model: str | LinearMixedModel | GeneralizedLinearMixedModel | AnyFit | Sequence[AnyFit],
    data: Any = None,
    *,
    family: str | None = None,
    link: str | None = None,
    structures: Sequence[str] | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    optimizer: str = "auto",
    reml: bool = False,
    contrasts: Mapping[str, Any] | None = None,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    subset: str | ArrayLike | None = None,
    sigma: float | None = None,
    unidentified: str = "refuse",
    solver: str = "auto",
) -> Ladder:
    """Fit a model with several covariance structures and set the fits side by side.

    Parameters
    ----------
    model : str, LinearMixedModel, GeneralizedLinearMixedModel, fit, or sequence of fits
        A formula; a model or a fit, which has its formula, data, contrasts, weights and the like;
        or fits of one model that are there already.
    data : pandas, polars or pyarrow table, or mapping of columns
        With a formula only.
    family, link : str, optional
        As for :class:`mixedscope.GeneralizedLinearMixedModel`; of a formula only. Effective degrees
        of freedom, and what tests compare statistics with, are then those of the working linear
        model at the modes.
    structures : sequence of str, optional
        By default ``full``, ``zerocorr`` and ``intercept``; what makes no other model is left out,
        with a warning where it is named here.
    bootstrap : int
        Responses simulated from the poorer model of every test, on which both are refitted.
    seed : int
        Of the bootstrap and of simulated weights.
    optimizer, reml
        As for ``fit`` of :class:`mixedscope.LinearMixedModel`; of a formula or a model.
    contrasts, weights, offset, subset, sigma, unidentified, solver
        As for :class:`mixedscope.LinearMixedModel`; of a formula only.

    Returns
    -------
    Ladder

    Raises
    ------
    ModelError
        If there is nothing to compare, fits are not comparable, or data are missing.

    Examples
    --------
    >>> ladder = ms.ladder("Reaction ~ 1 + Days + (1 + Days | Subject)", data)  # doctest: +SKIP
    """
    if bootstrap < 0:
        raise ModelError(f"The number of draws cannot be negative; got {bootstrap}.")
    if hasattr(data, "study"):
        raise ModelError("Several fits are given as a list: ms.ladder([first, second]).")
    if isinstance(data, str):
        raise ModelError("The formula comes first, then the data: ms.ladder(formula, data).")
    # Models, fits and lists of them, of linear models or of families, by what they have.
    source: Any = model
    is_model = hasattr(source, "with_structure")
    if not isinstance(model, str) and not is_model and not hasattr(source, "study"):
        source = model = each_fit(model, _WANTED)
    if not isinstance(model, str):
        given = {
            "Data go": data,
            "A family goes": family,
            "A link goes": link,
            "Contrasts go": contrasts,
            "Weights go": weights,
            "An offset goes": offset,
            "A subset goes": subset,
            "A known sigma goes": sigma,
            "unidentified goes": None if unidentified == "refuse" else unidentified,
            "solver goes": None if solver == "auto" else solver,
        }
        _refuse_given(model, given, structures, optimizer, reml)
    if isinstance(model, str):
        if data is None:
            raise ModelError("A ladder of a formula needs data.")
        both = {"contrasts": contrasts, "weights": weights, "offset": offset, "subset": subset}
        linear = {"sigma": sigma, "unidentified": unidentified, "solver": solver}
        fits = _fits(_model(model, data, family, link, both, linear), structures, optimizer, reml)
    elif is_model:
        fits = _fits(source, structures, optimizer, reml)
    elif isinstance(model, Fit):
        fits = _fits(model.model, structures, optimizer, model.reml)
    elif hasattr(source, "study"):
        fits = _fits(source.model, structures, optimizer, False)
    else:
        fits = list(source)
    check_comparable([fit.info for fit in fits])
    refuse_twice("The list of fits", (str(fit.info["structure"]) for fit in fits))
    rungs = [
        Rung(
            info=fit.info,
            optimizer=str(fit.info["optimizer"]["name"]),
            **_searched(fit),
            seconds=float(fit.timing["seconds"].sum()),
        )
        for fit in fits
    ]
    drawn = None
    if bootstrap:
        parts = [
            bootstrap_of(rungs, range(i, min(i + _BATCH, bootstrap)), seed=seed)
            for i in range(0, bootstrap, _BATCH)
        ]
        drawn = pd.concat(parts, ignore_index=True)
    tables = ladder_tables(rungs, bootstrap=drawn, seed=seed)
    return Ladder({str(fit.info["structure"]): fit for fit in fits}, tables)


def _model(
    formula: str,
    data: Any,
    family: str | None,
    link: str | None,
    both: Mapping[str, Any],
    linear: Mapping[str, Any],
) -> Any:
    """A model of a formula: linear, or of a family."""
    if family is None:
        if link is not None:
            raise ModelError("A link belongs to a family: name one, as in family='binomial'.")
        return LinearMixedModel(formula, data, **both, **linear)
    if any(linear[name] != default for name, default in _OF_LINEAR.items()):
        raise ModelError(
            f"{', '.join(_OF_LINEAR)} are of linear models, and this one has the family "
            f"{family!r}: leave them out."
        )
    from mixedscope.api.generalized.glmer import GeneralizedLinearMixedModel

    return GeneralizedLinearMixedModel(formula, data, family, link, **both)


def _searched(fit: Any) -> dict[str, Any]:
    """The objective of a fit, and all that was searched."""
    if is_generalized(fit):
        return {"objective": fit.model.laplace, "theta": fit.parameters.to_numpy(dtype=float)}
    return {"objective": fit.model.profiled(reml=fit.reml), "theta": fit.theta}


def _refuse_given(
    model: Any,
    given: Mapping[str, Any],
    structures: Sequence[str] | None,
    optimizer: str,
    reml: bool,
) -> None:
    """Refuse what a model or fits have already, and would leave unheard."""
    for what, value in given.items():
        if value is not None:
            raise ModelError(f"{what} with a formula only: a model or a fit has its own.")
    if hasattr(model, "with_structure"):
        return
    if reml and not (isinstance(model, Fit) and model.reml):
        raise ModelError(
            "reml goes with a formula or a model: a fit has its criterion. "
            "Give the model: ms.ladder(fit.model, reml=True)."
        )
    if not hasattr(model, "study") and (structures is not None or optimizer != "auto"):
        raise ModelError(
            "Structures and optimizers go with a formula, a model or a single fit: fits that are "
            "there already have theirs."
        )


def _fits(model: Any, structures: Sequence[str] | None, optimizer: str, reml: bool) -> list[Any]:
    """Fit every structure that makes another model."""
    models, same = distinct_models(model, structures, own=False)
    if structures is not None and same:
        warnings.warn(told_same(same), DataWarning, stacklevel=4)
    criterion: dict[str, Any] = {"reml": reml}
    if is_generalized(model):
        if reml:
            raise ModelError("reml is of linear models, and this one has a family: leave it out.")
        criterion = {}
    fits = [own.fit(optimizer, **criterion) for own in models.values()]
    return sorted(fits, key=lambda fit: -np.size(fit.theta))
