"""Families by name."""

from __future__ import annotations

from typing import Final

from mixedscope.core.errors import ModelError, suggest
from mixedscope.families.beta import Beta
from mixedscope.families.binomial import Binomial
from mixedscope.families.counts import NegativeBinomial1, NegativeBinomial2, Poisson
from mixedscope.families.family import Family
from mixedscope.families.gamma import Gamma

__all__ = ["FAMILIES", "make_family"]

#: One line a family.
FAMILIES: Final[dict[str, type[Family]]] = {
    one.name: one for one in (Binomial, Poisson, NegativeBinomial2, NegativeBinomial1, Gamma, Beta)
}

#: What users of R, MixedModels.jl and statsmodels call them.
_ALIASES: Final = {
    "bernoulli": "binomial",
    "beta_family": "beta",
    "negative.binomial": "nbinom2",
    "negbinomial": "nbinom2",
    "negativebinomial": "nbinom2",
}

#: What the response of a linear model is called elsewhere.
_NORMAL: Final = ("gaussian", "normal")


def make_family(name: str, link: str | None = None) -> Family:
    """Make a family with its link, by default the first that it has.

    Raises ModelError if there is no such family, or it has no such link.
    """
    plain = _ALIASES.get(name.lower(), name.lower())
    if plain in _NORMAL:
        raise ModelError(
            f"The family {name!r} is that of linear models: leave family out (ms.lmer)."
        )
    if plain not in FAMILIES:
        known = [*FAMILIES, *_ALIASES]
        raise ModelError(
            f"There is no family {name!r}; there are {', '.join(FAMILIES)}.{suggest(name, known)}"
        )
    return FAMILIES[plain](link)
