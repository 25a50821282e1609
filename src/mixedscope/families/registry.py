"""Families by name."""

from __future__ import annotations

import re
from typing import Final

from mixedscope.core.errors import ModelError, nearest
from mixedscope.families.beta import Beta
from mixedscope.families.binomial import Binomial
from mixedscope.families.counts import NegativeBinomial1, NegativeBinomial2, Poisson
from mixedscope.families.family import Family
from mixedscope.families.gamma import Gamma

__all__ = ["FAMILIES", "is_normal", "make_family"]

#: One line a family.
FAMILIES: Final[dict[str, type[Family]]] = {
    one.name: one for one in (Binomial, Poisson, NegativeBinomial2, NegativeBinomial1, Gamma, Beta)
}

#: What users of R, MixedModels.jl and statsmodels call them, words written as one.
_ALIASES: Final = {
    "bernoulli": "binomial",
    "betafamily": "beta",
    "negativebinomial": "nbinom2",
    "negbinomial": "nbinom2",
    "negbin": "nbinom2",
}

#: What the response of a linear model is called elsewhere.
_NORMAL: Final = ("gaussian", "normal")


def _plain(name: str) -> str:
    return re.sub(r"[\s._-]", "", name.lower())


def is_normal(name: str) -> bool:
    """Whether this is what the response of a linear model is called: gaussian or normal."""
    return _plain(name) in _NORMAL


def make_family(name: str, link: str | None = None) -> Family:
    """Make a family with its link, by default the first that it has.

    Raises ModelError if there is no such family, or it has no such link.
    """
    plain = _plain(name)
    plain = _ALIASES.get(plain, plain)
    if plain not in FAMILIES:
        if is_normal(name):
            raise ModelError(
                f"The family {name!r} is that of linear models: leave family out (ms.lmer)."
            )
        # What is near to another name of a family is led to its name here.
        near = nearest(plain, [*FAMILIES, *_ALIASES])
        meant = f" Did you mean {_ALIASES.get(near, near)!r}?" if near else ""
        raise ModelError(f"There is no family {name!r}; there are {', '.join(FAMILIES)}.{meant}")
    return FAMILIES[plain](link)
