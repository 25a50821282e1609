"""Likelihood-ratio tests between fits as users call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mixedscope.api.fit import Fit
from mixedscope.core.arguments import door, each_fit
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.core.result_table import ResultTable
from mixedscope.covariance.structure_names import structure_name
from mixedscope.inference.estimates.common_probes import Known, known_alike
from mixedscope.inference.hypotheses.likelihood_ratios import (
    ComparedFit,
    against_none,
    likelihood_ratio_table,
)

if TYPE_CHECKING:
    from mixedscope.api.generalized.fit import GeneralizedFit
    from mixedscope.inference.hypotheses.generalized_ratios import ComparedGeneralized

__all__ = ["lrtest"]

_WANTED = "lrtest compares fits, ms.lrtest(fit0, fit1)"


@door()
def lrtest(*fits: Any, refit: bool = False, draws: int = 100_000, seed: int = 0) -> pd.DataFrame:
    """Compare nested fits by likelihood ratio: fixed effects, covariance structures, or both.

    Parameters
    ----------
    *fits : Fit
        Fits to the same rows, weights and response, in any order: each is compared with the one
        that has the next fewer parameters, which has to be a special case of it. A single fit is
        compared with the same model without random effects.
    refit : bool
        Whether REML fits are fitted by maximum likelihood first: REML criteria of models with
        different fixed effects cannot be compared.
    draws : int
        Of a single variance, tested against a model without random effects, the distribution is
        simulated so many times.
    seed : int
        Of simulated distributions.

    Returns
    -------
    pandas.DataFrame
        A row for each fit: ``formula``, ``dof`` (parameters), ``objective``, then of the comparison
        with the row above ``statistic``, ``df`` (parameters more), ``p_value``, and the
        ``distribution`` that the statistic is referred to: chi-squared, a mixture of several where
        a variance is tested against zero (Stram & Lee 1994; Self & Liang 1987), or ``exact``
        (Crainiceanu & Ruppert 2004, as RLRsim computes it). Where the smaller fit is singular
        itself the p value has bounds, ``p_low`` and ``p_high``. ``structure``
        (where the formula gives it, that of its terms), ``criterion``, ``aic``, ``p_error`` (of
        simulated p values), ``remark``. Of fits with ``solver="iterative"``, which are all brought
        to the same random probes, ``statistic_se`` is the standard error that these leave of the
        statistic.

    Raises
    ------
    ModelError
        If fits are not of the same data, family or criterion, not nested, or REML fits have
        different fixed effects.

    Examples
    --------
    >>> ms.lrtest(fit0, fit1)[["formula", "statistic", "p_value"]]  # doctest: +SKIP
    """
    if not fits:
        raise ModelError(f"{_WANTED}; none is given.")
    given = [fit for item in fits for fit in each_fit(item, _WANTED)]
    generalized = [fit for fit in given if fit.info.get("family") is not None]
    if generalized:
        if len(generalized) < len(given):
            raise ModelError(
                "A linear fit and one of a generalised model have likelihoods of different "
                "responses, which cannot be compared: give fits of one kind."
            )
        # Linear models load no families.
        from mixedscope.inference.hypotheses.generalized_ratios import (
            generalized_against_none,
            generalized_ratio_table,
        )

        known = _known(generalized)
        made = [_generalized(fit, own) for fit, own in zip(generalized, known, strict=True)]
        if len(made) == 1:
            return ResultTable(generalized_against_none(made[0], seed=seed))
        return ResultTable(generalized_ratio_table(made, seed=seed))
    if refit:
        given = [fit.model.fit(reml=False, name=fit.name) if fit.reml else fit for fit in given]
    known = _known(given)
    compared = [_compared(fit, own) for fit, own in zip(given, known, strict=True)]
    if len(compared) == 1:
        return ResultTable(against_none(compared[0], draws=draws, seed=seed))
    return ResultTable(likelihood_ratio_table(compared, seed=seed))


def _known(fits: Sequence[Fit] | Sequence[GeneralizedFit]) -> list[Known | None]:
    """How well likelihoods are known that random probes estimated, all by the same probes.

    Raises ModelError if some were, and others were not or by probes of other random effects.
    """
    if not _are_estimated(fits):
        return [None] * len(fits)
    return list(known_alike([_searched(fit) for fit in fits]))


def _searched(fit: Fit | GeneralizedFit) -> tuple[Any, Any, float, Mapping[str, Any]]:
    """The objective that a fit minimised, where, its value there and the certificate."""
    if isinstance(fit, Fit):
        return fit.model.profiled(reml=fit.reml), fit.theta, fit.objective, fit.certificate
    return fit.model.laplace, fit.parameters.to_numpy(), fit.objective, fit.certificate


def _are_estimated(fits: Sequence[Fit] | Sequence[GeneralizedFit]) -> bool:
    """Whether likelihoods were estimated by random probes, all by those of the same columns.

    Raises ModelError if some were, and others were not or by probes of other random effects.
    """
    groups = [getattr(fit.model.system, "probed_columns", None) for fit in fits]
    if not any(groups):
        return False
    if len(fits) == 1:
        raise UnsuitedError(
            "A model without random effects has no likelihood that solver='iterative' could "
            "estimate: compare it with a fit by solver='exact' or solver='sparse'."
        )
    if not all(groups):
        raise ModelError(
            "Some of these fits were made with solver='iterative', which estimates likelihoods by "
            "random probes, and others were not: the error of the estimate would be taken for a "
            "difference. Give fits that were all made with solver='iterative', or all with "
            "solver='exact' or solver='sparse'."
        )
    if len(set(groups)) > 1:
        names = " and to ".join(_probed(own) for own in dict.fromkeys(groups) if own)
        raise ModelError(
            "Likelihoods that solver='iterative' estimated are compared by the same random probes, "
            f"of which the error cancels; those of these fits belong to {names}. Give fits that "
            "have the same second largest grouping factor (and the same large ones after it) with "
            "the same columns, or fit with solver='exact' or solver='sparse'."
        )
    return True


def _probed(columns: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """Name the random effects that probes belong to."""
    return ", ".join(f"{' + '.join(names)} of {group!r}" for group, names in columns)


def _generalized(fit: GeneralizedFit, known: Known | None) -> ComparedGeneralized:
    from mixedscope.inference.hypotheses.generalized_ratios import ComparedGeneralized

    return ComparedGeneralized(
        formula=fit.formula,
        structure=structure_name(fit.info),
        objective=fit.model.laplace,
        point=fit.parameters.to_numpy(),
        value=fit.objective if known is None else known.value,
        random=fit.info["random"],
        known=known,
    )


def _compared(fit: Fit, known: Known | None) -> ComparedFit:
    info = fit.info
    return ComparedFit(
        formula=fit.formula,
        structure=structure_name(info),
        objective=fit.model.profiled(reml=fit.reml),
        theta=fit.theta,
        value=fit.objective if known is None else known.value,
        random=info["random"],
        known=known,
    )
