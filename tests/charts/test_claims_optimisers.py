"""What traces say is recomputed from the stored tables."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from optimiser_cases import (
    PHASES,
    PROBES,
    SECONDS,
    SHOWN,
    Fits,
    check_probes,
    estimated,
    fitted,
    of,
    of_one_evaluation,
    says,
)

from mixedscope.charts.common.gaps import smallest_gap
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.trace.chart import trace_chart
from mixedscope.tables.store import FitTables

claims = Claims()


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
    r"below (?P<floor>\d+e\u2212\d+) are drawn there\), the line being the best so far; "
    r"below, (?P<below>.+?)(?: at the \u03b8 that was tried)?\."
)
def what_is_drawn(m: re.Match[str], fits: Fits, x: str) -> None:
    same = len({str(f.info["structure"]) for f in fits}) < len(fits)
    assert ("same structure" in m["which"]) == same
    largest = max(abs(float(f.info["objective"])) for f in fits)
    assert read(m["floor"]) >= max(1e-9, 16 * np.spacing(largest))
    full = any(f.info["structure"] == "full" for f in fits)
    assert ("correlations of the random effects" in m["below"]) == full


@claims(
    r"(?P<label>(?:Full covariance|Zero correlations|Intercepts "
    r"only)[^,]*), (?P<count>[\d,]+) evaluations?"
    rf"(?: in {SECONDS})?(?: by (?P<by>\S+))?: (?P<parts>.+?)\. Verdict: (?P<verdict>[a-z ]+)\."
)
def a_fit(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    trace = fit.require("trace")
    seconds = fit.require("timing")["seconds"].to_numpy()
    assert read(m["count"]) == len(trace)
    assert m["verdict"] == (fit.info.get("certificate") or {}).get("verdict", "not examined")
    assert m["by"] in (None, fit.info["optimizer"]["name"])
    assert (m[3] is None) == (x == "evaluation")
    if x == "seconds":
        assert says(m[3], m[4], seconds.sum())
    told, _, stages = m["parts"].partition("; stages: ")
    lost = re.search(r"; ([\d,]+) failed$", told)
    assert (read(lost[1]) if lost else 0) == (trace["status"] != "ok").sum()
    told = told[: lost.start()] if lost else told
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
        left = trace["best"].iloc[rows[-1]] - lowest
        gap = re.search(r"gap then (\S+)$", inside)
        assert (gap is None) == bool(np.isnan(left))
        if gap:
            assert read(gap[1]) == pytest.approx(left, rel=0.06, abs=1e-12)
    if stages:
        assert stages == ", ".join(f"{k} {v:,}" for k, v in fit.info["optimizer"]["stages"].items())


@claims(
    rf"Fine tuning and verification took (?P<low>{NUMBER}) to (?P<high>{NUMBER})\u00a0% of the "
    r"(?P<what>evaluations|seconds) of each$"
)
def where_many_went(m: re.Match[str], fits: Fits, x: str) -> None:
    assert len(fits) > 4
    assert (m["what"] == "seconds") == (x == "seconds")
    parts = []
    for fit in fits:
        last = (fit.require("trace")["phase"] == "fine-tuning").to_numpy()
        clock = fit.require("timing")["seconds"].to_numpy()
        parts.append(clock[last].sum() / clock.sum() if x == "seconds" else last.mean())
    assert agrees(m["low"], min(parts), scale=0.01)
    assert agrees(m["high"], max(parts), scale=0.01)


@claims(rf"One evaluation(?: of {SECONDS}|: the search ended where it started)$")
def one_evaluation(m: re.Match[str], fits: Fits, x: str) -> None:
    (fit,) = fits
    assert len(fit.require("trace")) == 1
    assert (m[1] is None) == (x == "evaluation")
    if m[1]:
        assert says(m[1], m[2], fit.require("timing")["seconds"].sum())


@claims(
    r"Of the (?P<of>[\d,]+) evaluations of (?P<label>\S+ \S+(?: by \S+)?) "
    r"(?:the line goes through (?P<best>[\d,]+))?(?:(?P<n>[\d,]+) are drawn)?(?: and )?"
    r"(?:lines below go through (?P<lines>[\d,]+)(?P<least> at least)?)?: at even distances, and "
    r"the ends of phases and stages(?P<failed>, and some that failed)?\."
)
def thinned(m: re.Match[str], fits: Fits, x: str) -> None:
    fit = of(m["label"], fits)
    trace = fit.require("trace")
    assert read(m["of"]) == len(trace)
    assert bool(m["failed"]) == bool((trace["status"] != "ok").any())
    if m["n"]:
        assert read(m["n"]) < len(trace)
        marks = [{row["evaluation"] for row in rows if "objective" in row} for rows in DRAWN]
        assert read(m["n"]) in [len(own) for own in marks]
    if m["best"]:
        points = [row for rows in DRAWN for row in rows if "best" in row]
        assert x == "evaluation"
        own = {row["x"] for row in points if row["fit"] == m["label"]}
        assert read(m["best"]) == len(own) < len(trace)
        assert {1, len(trace)} <= own
    if m["lines"]:
        lines = {rows[0]["component"]: len(rows) for rows in by_component()}
        assert min(lines.values()) == read(m["lines"])


@claims(r"Standard deviations below (?P<least>\S+) are drawn at the foot of their axis\.")
def raised(m: re.Match[str], fits: Fits, x: str) -> None:
    tables = [fit.require("parameters") for fit in fits]
    values = pd.concat([t.loc[t["kind"].isin(["sd", "sigma"]), "value"] for t in tables])
    assert (values < read(m["least"])).any()


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


@claims(PROBES)
def probes(m: re.Match[str], fits: Fits, x: str) -> None:
    errors = [fit.info["certificate"]["probe_error"] for fit in fits]
    check_probes(m, errors, smallest_gap(fit.info["objective"] for fit in fits))


#: Rows of the data of the chart of the last caption read.
DRAWN: list[list[dict[str, Any]]] = []


def by_component() -> list[list[dict[str, Any]]]:
    """Rows of each line of a parameter."""
    found = [pd.DataFrame(rows) for rows in DRAWN if "component" in rows[0]]
    return [
        own.to_dict("records")
        for frame in found
        for _, own in frame.groupby("component", sort=False)
    ]


def traced(fits: Fits, x: str = "evaluation", **settings: Any) -> str:
    """Read what a trace says, with its picture at hand."""
    chart, title, caption = trace_chart(fits, x=x, **settings)
    wanted = "at even distances" in caption
    DRAWN[:] = [v for v in to_spec(chart).get("datasets", {}).values() if v] if wanted else []
    claims.read(title, fits, x)
    claims.read(caption, fits, x)
    return f"{title} {caption}"


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
@pytest.mark.parametrize("shown", SHOWN)
def test_traces_say_what_their_tables_hold(shown: str, x: str) -> None:
    fits = [fitted(*key) for key in SHOWN[shown]]
    for settings in ({}, {"overlay": True}) if len(fits) > 1 else ({},):
        traced(fits, x, **settings)


@pytest.mark.parametrize("overlay", [False, True])
def test_gaps_within_the_error_of_probes_are_shaded(overlay: bool) -> None:
    fits = [estimated("pybobyqa"), estimated("auto")]
    assert "Shaded: gaps below" in traced(fits, overlay=overlay)
    above = max(fit.info["certificate"]["probe_error"]["difference"] for fit in fits)
    spec = str(to_spec(trace_chart(fits, overlay=overlay)[0]))
    assert "within the error of random probes" in spec
    assert f"'edge': {above:.7g}" in spec
    spec = str(to_spec(trace_chart([fitted()])[0]))
    assert "probes" not in spec
    assert "'edge'" not in spec


def test_bands_below_the_axis_are_not_drawn_and_said_to_be_there() -> None:
    fit = estimated("auto")
    told = {**fit.info["certificate"]["probe_error"], "difference": 1e-12}
    certificate = {**fit.info["certificate"], "probe_error": told}
    fit = replace(fit, info={**fit.info, "certificate": certificate})
    assert "lie below the axis" in traced([fit])
    assert "'edge'" not in str(to_spec(trace_chart([fit])[0]))


def changed(fit: FitTables, **columns: Any) -> FitTables:
    """A fit with other columns of its trace."""
    return replace(fit, trace=fit.require("trace").assign(**columns))


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
def test_fits_of_one_evaluation(x: str) -> None:
    assert "One evaluation" in traced([of_one_evaluation()], x)


def test_evaluations_that_failed_and_fits_that_were_not_examined() -> None:
    fit = fitted()
    trace = fit.require("trace")
    lost = trace.index.isin([0, 4, 5])
    gone = trace["objective"].mask(lost)
    fit = changed(fit, status=trace["status"].mask(lost, "failed"), objective=gone,
                  best=gone.cummin().ffill())  # fmt: skip
    text = traced([replace(fit, info={**fit.info, "certificate": None})])
    assert "not examined" in text
    assert "failed" in text


def test_phases_in_which_nothing_succeeded_have_no_gap() -> None:
    fit = fitted()
    trace = fit.require("trace")
    lost = (trace["phase"] == "exploration").to_numpy()
    gone = trace["objective"].mask(lost)
    text = traced([changed(fit, status=trace["status"].mask(lost, "failed"), objective=gone,
                           best=gone.cummin().ffill())])  # fmt: skip
    assert "(log scale" in text


@pytest.mark.parametrize(("points", "values"), [(10, 6000), (2000, 60), (10, 30)])
def test_traces_that_are_thinned(points: int, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("mixedscope.charts.kinds.trace.chart")
    monkeypatch.setattr(module, "POINT_LIMIT", points)
    monkeypatch.setattr(module, "THETA_LIMIT", values)
    assert "at even distances" in traced([fitted()])


@pytest.mark.parametrize("points", [10, 20])
def test_lines_in_one_panel_that_are_thinned(points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("mixedscope.charts.kinds.trace.chart")
    fits = [fitted(*key) for key in next(keys for keys in SHOWN.values() if len(keys) > 1)]
    assert "the line goes through" not in traced(fits, overlay=True)
    monkeypatch.setattr(module, "POINT_LIMIT", points)
    assert "the line goes through" in traced(fits, overlay=True)


def test_standard_deviations_of_very_different_size() -> None:
    fit = fitted()
    table = fit.require("parameters").copy()
    small = (table["kind"] == "sd") & (table["term"] == "Days")
    table.loc[small, "value"] *= 1e-2
    table.loc[small & (table["evaluation"] == 3), "value"] = 1e-8
    fit = replace(fit, studies={**fit.studies, "parameters": table})
    assert "at the foot" in traced([fit])


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
