"""What charts of coverage and rejection say is recomputed from intervals and p values."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy import stats

from mixedscope.charts.kinds.sweep.chart import sweep_chart
from mixedscope.charts.kinds.sweep.words import sweep_caption, sweep_title
from mixedscope.summaries.runs import summarise

UNITS = "simulate.units.subject"
EFFECT = "simulate.beta.x"

claims = Claims()


def runs(
    *, widths: tuple[float, ...] = (1.96, 1.96), effects: tuple[float, ...] = (0.0, 30.0),
    replicates: int = 200, missing: int = 0, seed: int = 4,
) -> pd.DataFrame:  # fmt: skip
    """Normal estimates with known errors, by structures whose intervals are as wide as given."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for structure, width in zip(("full", "intercept"), widths, strict=True):
        for effect in effects:
            for size in (10, 40):
                for replicate in range(replicates):
                    error = 40.0 / np.sqrt(size)
                    estimate = effect + error * rng.normal()
                    row = {
                        "run": str(len(rows)), "structure": structure, UNITS: size,
                        EFFECT: effect, "replicate": replicate, "level": 0.95,
                        "interval_names": json.dumps(["x"]), "test_names": json.dumps(["x"]),
                        "lower": [estimate - width * error], "upper": [estimate + width * error],
                        "interval_truths": [effect], "null_true": [float(effect == 0.0)],
                        "p_value": [2 * stats.norm.sf(abs(estimate) / error * 1.96 / width)],
                        "interval_remarks": None, "test_remarks": None, "error": None,
                    }  # fmt: skip
                    if replicate < missing:
                        row |= {"lower": [np.nan], "interval_remarks": "x: no number"}
                    rows.append(row)
    frame = pd.DataFrame(rows)
    frame.attrs["swept"] = ["structure", UNITS, EFFECT, "replicate"]
    return frame


class Case:
    """Runs and chart, and hits or rejections at each point."""

    def __init__(self, table: pd.DataFrame, y: str, **chart: Any) -> None:
        part = "parameter" if y == "coverage" else "effect"
        self.chart = {"kind": "line", "x": UNITS, "y": y, "colour": "structure", "rows": None,
                      "facet": EFFECT, "where": {part: "x"}, "scale": None, "x_scale": None,
                      **chart}  # fmt: skip
        self.table = table
        if y == "coverage":
            low, high, truth = (table[c].str[0] for c in ("lower", "upper", "interval_truths"))
            outcome = ((low <= truth) & (truth <= high)).astype(float).where(low.notna())
        else:
            outcome = (table["p_value"].str[0] < 0.05).astype(float)
        self.missing = int(outcome.isna().sum())
        roles = [self.chart[r] for r in ("facet", "colour", "x") if self.chart[r]]
        long = table.assign(outcome=outcome)[outcome.notna()]
        self.points = {key: rows["outcome"] for key, rows in long.groupby(roles, sort=False)}
        self.null = {key: rows["null_true"].str[0] for key, rows in long.groupby(roles)}
        self.nominal = 0.95 if y == "coverage" else 0.05
        self.pools = self.chart["facet"] != EFFECT and table[EFFECT].nunique() > 1

    def summary(self) -> Any:
        timing = pd.DataFrame({"run": self.table["run"], "seconds": 1.0})
        return summarise(self.table, timing, self.chart)

    def off(self) -> dict[Any, float]:
        """Points that are off what they are to be, and shares there."""
        tried = {key: values for key, values in self.points.items()
                 if self.chart["y"] == "coverage" or (self.null[key] == 1).all()}  # fmt: skip
        self.tried = len(tried)
        return {
            key: float(values.mean())
            for key, values in tried.items()
            if stats.binomtest(int(values.sum()), len(values), self.nominal).pvalue
            < 0.05 / len(tried)
        }

    def named(self, key: tuple[Any, ...]) -> str:
        told = {EFFECT: "true beta of x {}", UNITS: "{} levels of subject"}
        roles = [self.chart[r] for r in ("facet", "colour", "x") if self.chart[r]]
        return ", ".join(
            told.get(role, "{}").format(f"{value:g}" if role == EFFECT else value)
            for role, value in zip(roles, key, strict=True)
        )


PERCENT = rf"{NUMBER}\u00a0%"
VERB = r"rises|falls|hardly changes|changes by no more than chance"


@claims(
    r"(?P<what>Coverage|Rate of rejection|Power|Type I error) "
    rf"(?P<parts>(?:{VERB}).+?\)) from 10 to 40 levels of subject"
)
def change(m: re.Match[str], case: Case) -> None:
    if case.chart["y"] == "coverage":
        assert m["what"] == "Coverage"
    else:
        kinds = {float(v) for values in case.null.values() for v in values}
        expected = {(0.0,): "Power", (1.0,): "Type I error"}
        assert m["what"] == expected.get(tuple(sorted(kinds)), "Rate of rejection")
    series = {case.named((*key[:-1], 0)).rpartition(", ")[0]: key[:-1] for key in case.points}
    found = list(re.finditer(rf"for (.+?) \(({PERCENT})(?: → ({PERCENT}))?\)", m["parts"]))
    assert found
    for part in found:
        key = series[part[1]]
        for size, text in ((10, part[2]), (40, part[3] or part[2])):
            assert agrees(text[:-2], float(case.points[(*key, size)].mean()), scale=0.01)


@claims(r"; (?P<what>type I error )?nowhere off (?P<level>[\d.]+)\u00a0% by more than chance$")
def nowhere(m: re.Match[str], case: Case) -> None:
    assert not case.off()
    about(m, case)


@claims(
    r"; (?P<what>type I error )?off (?P<level>[\d.]+)\u00a0% by more than chance in (?P<k>\d+) of "
    rf"(?P<n>\d+) points, farthest at (?P<where>.+) \((?P<value>{NUMBER})\u00a0%\)$"
)
def off(m: re.Match[str], case: Case) -> None:
    found = case.off()
    assert (int(m["k"]), int(m["n"])) == (len(found), case.tried)
    largest = max(abs(share - case.nominal) for share in found.values())
    best = {case.named(k): s for k, s in found.items() if abs(s - case.nominal) == largest}
    assert m["where"] in best
    assert agrees(m["value"], best[m["where"]], scale=0.01)
    about(m, case)


def about(m: re.Match[str], case: Case) -> None:
    assert agrees(m["level"], case.nominal, scale=0.01)
    alone = all((values == 1).all() for values in case.null.values())
    assert bool(m["what"]) == (case.chart["y"] == "rejection" and not alone)


@claims(
    r"Share of runs: (?:coverage|rate of rejection); bands or bars: 95\u00a0% intervals "
    r"\(Wilson\)\."
)
def marks(m: re.Match[str], case: Case) -> None:
    frame = case.summary().frame
    for point in frame.itertuples():
        key = tuple(getattr(point, r) for r in ("facet", "colour", "x") if case.chart[r])
        values = case.points[key]
        interval = stats.binomtest(int(values.sum()), len(values)).proportion_ci(method="wilson")
        assert (point.low, point.high) == pytest.approx(tuple(interval), abs=1e-4)


@claims(
    r"(?P<n>[\d,]+) runs \((?:parameter|effect) x\), (?P<each>\d+)(?: to (?P<most>\d+))? runs "
    r"behind each point, which differ in (?P<what>.+?)\."
)
def behind(m: re.Match[str], case: Case) -> None:
    assert read(m["n"]) == len(case.table)
    counts = {len(values) for values in case.points.values()}
    assert {int(m["each"]), int(m["most"] or m["each"])} == {min(counts), max(counts)}
    assert ("true beta" in m["what"]) == case.pools


@claims(r"From 10 to 40 levels of subject: (?P<parts>.+?)\.(?= [A-Z\d]|$)")
def each(m: re.Match[str], case: Case) -> None:
    parts = m["parts"].split("; ")
    assert len(parts) == len({key[:-1] for key in case.points})
    for part in parts:
        name, a, b = re.fullmatch(rf"(.+): ({PERCENT}) → ({PERCENT})", part).groups()  # type: ignore[union-attr]
        for size, text in ((10, a), (40, b)):
            (key,) = (
                k for k in case.points if case.named(k) == f"{name}, {size} levels of subject"
            )
            assert agrees(text[:-2], float(case.points[key].mean()), scale=0.01)


@claims(
    r"Coverage: share of the intervals, of level 95\u00a0% \(dashed line\), that contain the value "
    r"the data were made with\."
)
def coverage(m: re.Match[str], case: Case) -> None:
    assert case.chart["y"] == "coverage"
    drawn(case)


@claims(r"A test rejects where its p value is below 5\u00a0% \(dashed line\)\.")
def rejection(m: re.Match[str], case: Case) -> None:
    assert case.chart["y"] == "rejection"
    drawn(case)


def drawn(case: Case) -> None:
    """The dashed line is there, where it is said to be, and has a key."""
    chart, _, _ = sweep_chart(case.summary())
    spec = chart.to_dict()
    rules = [
        layer for layer in spec.get("spec", spec)["layer"] if "strokeDash" in layer["encoding"]
    ]
    assert len(rules) == 1
    assert rules[0]["encoding"]["y"]["field"] == "nominal"
    assert set(chart.data["nominal"]) == {case.nominal}
    assert (
        f"{100 * case.nominal:g}\u00a0%" in rules[0]["encoding"]["strokeDash"]["scale"]["domain"][0]
    )


@claims(r"Of (?P<n>\d+) points the hypothesis is (?P<parts>.+?)\.(?= [A-Z\d]|$)")
def hypotheses(m: re.Match[str], case: Case) -> None:
    counts = [float(values.mean()) for values in case.null.values()]
    assert int(m["n"]) == len(counts)
    told = {text: int(k) for text, k in re.findall(r"(true|false|not known)[^,]*? at (\d+)", m[0])}
    expected = {"true": counts.count(1.0), "false": counts.count(0.0)}
    expected["not known"] = len(counts) - sum(expected.values())
    assert told == {key: count for key, count in expected.items() if count}


@claims(rf"Monte Carlo standard errors are at most (?P<se>{NUMBER})\u00a0%\.")
def monte_carlo(m: re.Match[str], case: Case) -> None:
    errors = [np.sqrt(v.mean() * (1 - v.mean()) / len(v)) for v in case.points.values()]
    assert agrees(m["se"], max(errors), scale=0.01)


@claims(
    r"(?P<n>\d+) runs have (?:no such value and are left out|not all of the values and are left "
    r"out where they have none) \(x: no number\)\."
)
def left_out(m: re.Match[str], case: Case) -> None:
    assert int(m["n"]) == case.missing


def said(case: Case) -> list[str]:
    summary = case.summary()
    texts = [sweep_title(summary), sweep_caption(summary)]
    for text in texts:
        claims.read(text, case)
    return texts


def test_intervals_that_are_wide_enough_are_nowhere_off() -> None:
    title, _ = said(Case(runs(), "coverage"))
    assert title.endswith("nowhere off 95\u00a0% by more than chance")


def test_intervals_that_are_too_short_are_found() -> None:
    title, _ = said(Case(runs(widths=(1.96, 1.2)), "coverage"))
    assert "off 95\u00a0% by more than chance in 4 of 8 points" in title


def test_rejections_are_power_or_errors_by_the_truth() -> None:
    title, _ = said(Case(runs(), "rejection"))
    assert title.startswith("Rate of rejection")
    assert "type I error nowhere off 5\u00a0%" in title
    title, _ = said(Case(runs(effects=(0.0,), widths=(1.96, 1.2)), "rejection", facet=None))
    assert title.startswith("Type I error")
    title, _ = said(Case(runs(effects=(30.0,)), "rejection", facet=None))
    assert title.startswith("Power rises")
    assert "off" not in title


def test_runs_without_an_interval_are_counted_with_the_reason() -> None:
    said(Case(runs(missing=3), "coverage"))


def test_of_several_parameters_shown_some_may_be_missing() -> None:
    table = runs(missing=3).assign(parameter="x")
    _, caption = said(Case(table, "coverage", colour="parameter", facet="structure"))
    assert "not all of the values" in caption


def test_points_may_pool_effects() -> None:
    title, caption = said(Case(runs(), "rejection", facet=None))
    assert "not known to be either" in caption
    assert "off" not in title
    # Coverage is to be the same whatever the effect.
    title, _ = said(Case(runs(widths=(1.96, 1.2)), "coverage", facet=None))
    assert "off 95\u00a0% by more than chance in 2 of 4 points" in title


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
