"""On which scale the coefficients of fits are: units of the response, or the link of a family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["check_one_scale", "is_generalized", "of_scale", "ratio_words", "scale_words"]

_PROBABILITIES: Final = {
    "logit": "log odds",
    "probit": "probit",
    "cloglog": "complementary log-log",
    "log": "log of the probability",
}
#: Of shares, whose mean is no probability of an outcome.
_SHARES: Final = {
    "logit": "log odds of the mean",
    "probit": "probit of the mean",
    "cloglog": "complementary log-log of the mean",
}
_MEANS: Final = {
    "log": "log of the mean",
    "identity": "mean",
    "sqrt": "square root of the mean",
    "inverse": "inverse of the mean",
}

#: What exponentials of coefficients are ratios of.
_RATIOS: Final = {
    "log odds": "odds ratio",
    "complementary log-log": "hazard ratio",
    "log of the probability": "risk ratio",
    "log of the mean": "ratio of means",
    "log odds of the mean": "ratio of odds of the mean",
    "complementary log-log of the mean": "ratio of \u2212log(1 \u2212 mean)",
}
#: Families of counts, whose means are rates.
_COUNTS: Final = ("poisson", "nbinom1", "nbinom2")


def is_generalized(info: Mapping[str, Any]) -> bool:
    """Whether a fit is one of a generalised model, by what ``fit.json`` holds."""
    return bool(info.get("family"))


def scale_words(info: Mapping[str, Any]) -> str:
    """Name the scale of the linear predictor of a generalised fit; empty for a linear one.

    Examples
    --------
    >>> scale_words({"family": "binomial", "link": "logit"})
    'log odds'
    """
    if not is_generalized(info):
        return ""
    link = str(info.get("link"))
    known = {"binomial": _PROBABILITIES, "beta": _SHARES}.get(str(info["family"]), _MEANS)
    return known.get(link, f"link {link}")


def of_scale(info: Mapping[str, Any]) -> str:
    """The same in brackets, behind the name of a term; empty for a linear model."""
    words = scale_words(info)
    return f" ({words})" if words else ""


def ratio_words(info: Mapping[str, Any]) -> str:
    """Name what the exponential of a coefficient is; empty where it is no ratio.

    Examples
    --------
    >>> ratio_words({"family": "poisson", "link": "log"})
    'rate ratio'
    """
    words = _RATIOS.get(scale_words(info), "")
    return "rate ratio" if words and info.get("family") in _COUNTS else words


def check_one_scale(tables: Sequence[FitTables]) -> None:
    """Raise ModelError where fits that are drawn together are not on one scale."""
    found = {scale_words(fit.info): fit.info for fit in tables}
    if len(found) < 2:
        return
    told = [
        f"{words} ({info['family']} family, link {info['link']})" if words
        else "units of the response (a linear model)"
        for words, info in found.items()
    ]  # fmt: skip
    raise ModelError(
        f"These fits are on different scales, {' and '.join(told)}: draw those of one scale "
        "together."
    )
