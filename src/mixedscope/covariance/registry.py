"""Covariance structures: how theta makes the relative covariance factor of one random-effects term.

A term with k columns has covariance ``sigma**2 * lam @ lam.T`` for every level of its grouping
factor; ``lam`` (k, k), lower triangular, is the relative covariance factor and theta are its free
parameters (Bates, Maechler, Bolker & Walker 2015, J. Stat. Softw. 67(1), eq. 4).

A new structure is one class in this room, entered in :data:`STRUCTURES`: all that formulas,
configurations, ladders and charts know of it they ask of its class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from mixedscope.core.errors import ModelError, suggest
from mixedscope.covariance.base import CovarianceStructure, Look, Settings
from mixedscope.covariance.correlated import Ar1, CompoundSymmetry, HetAr1, HomCompoundSymmetry
from mixedscope.covariance.patterns import Full, HomDiag, Intercept, ReducedRank, ZeroCorr
from mixedscope.formula.tree import UNNAMED

__all__ = [
    "STRUCTURES",
    "USUAL",
    "CovarianceStructure",
    "Full",
    "Intercept",
    "ReducedRank",
    "ZeroCorr",
    "look_of",
    "make_structure",
    "named_structure",
    "plain_name",
]

STRUCTURES: dict[str, type[CovarianceStructure]] = {
    structure.name: structure
    for structure in (
        Full,
        ZeroCorr,
        Intercept,
        HomDiag,
        CompoundSymmetry,
        HomCompoundSymmetry,
        Ar1,
        HetAr1,
        ReducedRank,
    )
}
"""Covariance structures by the name users write."""

USUAL = ("full", "zerocorr", "intercept")
"""Structures that are set side by side where none are named; every term can take them."""

#: Names of the same structures in glmmTMB and lme4, and what lme4's ``hom = TRUE`` (1) and
#: ``hom = FALSE`` (0) make of a structure.
_SYNONYMS = {"us": "full", "diag": "zerocorr"}
_HOMOGENEOUS = {
    ("diag", 1): "homdiag",
    ("diag", 0): "zerocorr",
    ("cs", 1): "homcs",
    ("cs", 0): "cs",
    ("ar1", 1): "ar1",
    ("ar1", 0): "hetar1",
}

_NUMBERED = re.compile(r"([a-z]+?)([0-9]+)\Z")
_CALLED = re.compile(r"\s*([a-z]+)\(\s*(?:d\s*=\s*)?([0-9]+)\s*\)\s*\Z")


def plain_name(name: str) -> str:
    """Give the name of a structure as files have it: ``rr2`` of ``rr(2)`` and ``rr(d = 2)``."""
    match = _CALLED.fullmatch(name) if isinstance(name, str) else None
    short = f"{match[1]}{match[2]}" if match else name
    return short if match and _numbered(short) else name


def named_structure(name: str, settings: Settings | None = None) -> tuple[str, dict[str, float]]:
    """Find the structure that users mean, with its settings: a name of :data:`STRUCTURES`.

    It may also be asked for as ``rr1``, ``rr2``, … or ``rr(1)`` for reduced rank with its d, or by
    a name that glmmTMB and lme4 have for it (``us``, ``diag``); settings are as written in a
    formula, lme4's ``hom`` among them. Raises ModelError if no structure has that name.
    """
    if not isinstance(name, str):
        raise ModelError(
            f"A covariance structure is named by a text such as 'full', not {name!r}. "
            f"Known are: {', '.join(STRUCTURES)}."
        )
    name = plain_name(name)
    given = dict(settings or {})
    if UNNAMED in given and name in STRUCTURES and STRUCTURES[name].settings_names:
        given = {STRUCTURES[name].settings_names[0]: given[UNNAMED]}
    if not given and (numbered := _numbered(name)):
        return numbered
    hom = given.get("hom")
    if hom is not None and (name, hom) in _HOMOGENEOUS:
        del given["hom"]
        return _HOMOGENEOUS[name, int(hom)], given
    name = _SYNONYMS.get(name, name)
    if name not in STRUCTURES:
        known = ", ".join(STRUCTURES)
        raise ModelError(
            f"Unknown covariance structure {name!r}.{suggest(name, STRUCTURES)} Known are: {known}."
        )
    return name, given


def _numbered(name: str) -> tuple[str, dict[str, float]] | None:
    """Take a name such as ``rr2`` for a structure with its first setting."""
    match = None if name in STRUCTURES else _NUMBERED.fullmatch(name)
    family = match and STRUCTURES.get(match[1])
    if not match or not family or not family.settings_names:
        return None
    return match[1], {family.settings_names[0]: float(match[2])}


def look_of(name: str) -> Look | None:
    """How a structure, or ``rr1`` and so on, is called and drawn; None if that names none."""
    known, settings = _numbered(name) or (name, {})
    return STRUCTURES[known].look(settings) if known in STRUCTURES else None


def make_structure(
    name: str, size: int, settings: Mapping[str, float] | None = None
) -> CovarianceStructure:
    """Give the covariance structure called `name` for a term of `size` columns.

    Structures do not change, so that equal ones are the same object.

    Raises ModelError if no structure has that name, or it cannot have that size or those settings.
    """
    return _structure(name, size, tuple((settings or {}).items()))


@lru_cache(maxsize=256)
def _structure(
    name: str, size: int, settings: tuple[tuple[str, float], ...]
) -> CovarianceStructure:
    name, given = named_structure(name, dict(settings))
    return STRUCTURES[name](size, given)
