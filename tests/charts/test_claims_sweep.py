"""What charts of sweeps say is recomputed from the runs."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy import stats

from mixedscope.charts.kinds.sweep.words import sweep_caption, sweep_title
from mixedscope.summaries.runs import summarise

UNITS = "simulate.units.subject"
NAMES = ("(Intercept)", "x")

claims = Claims()


def runs(
    bias: float = 0.0, *, sizes: tuple[int, ...] = (20, 40, 80), replicates: int = 60, seed: int = 1
) -> pd.DataFrame:
    """Errors of two fixed effects that shrink as one over the root of the sample size."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for structure in ("full", "intercept"):
        for size in sizes:
            for replicate in range(replicates):
                scale = np.array([24.0, 8.0]) / np.sqrt(size / 20)
                rows.append(
                    {
                        "run": f"{structure}{size}-{replicate}",
                        "structure": structure,
                        UNITS: size,
                        "replicate": replicate,
                        "beta_deviation": (rng.normal(size=2) * scale + bias).tolist(),
                        "beta_names": json.dumps(NAMES),
                        "sigma": 10 + rng.normal(),
                        "evaluations": 20 + size // 10,
                        "singular": bool(rng.random() < 8 / size),
                        "error": None,
                    }
                )
    frame = pd.DataFrame(rows)
    frame.attrs["swept"] = ["structure", UNITS, "replicate"]
    return frame


class Case:
    """Runs and chart, and the values behind each series at each x."""

    def __init__(self, table: pd.DataFrame, **chart: Any) -> None:
        defaults: dict[str, Any] = {"kind": "line", "x": UNITS, "colour": None, "facet": None}
        self.chart = {**defaults, "rows": None, "where": {}, **chart}
        self.table = table
        long = table.assign(value=table[self.chart["y"]])
        if self.chart["y"] == "beta_deviation":
            long = long.assign(coefficient=[list(NAMES)] * len(long))
            long = long.explode(["value", "coefficient"])
        self.by = [self.chart[r] for r in ("facet", "colour") if self.chart[r]]
        keys = [*self.by, self.chart["x"]]
        self.points = {
            key if isinstance(key, tuple) else (key,): rows["value"].to_numpy(dtype=float)
            for key, rows in long.groupby(keys, sort=False)
        }
        self.signed = self.chart["y"] == "beta_deviation"
        self.pooled = {"structure", UNITS, "replicate"} - {*keys}
        self.pooled = {key for key in self.pooled if table[key].nunique() > 1}
        self.has_errors = self.signed and self.pooled == {"replicate"}

    def size(self, values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(values**2)) if self.signed else np.median(values))

    def ends(self, name: str | None) -> tuple[np.ndarray, np.ndarray]:
        """Values of a series, named in words, at the first and the last x."""
        wanted = tuple(name.split(", ")) if name else ()
        xs = sorted({key[-1] for key in self.points})
        return self.points[(*wanted, xs[0])], self.points[(*wanted, xs[-1])]

    def texts(self) -> list[str]:
        timing = pd.DataFrame({"run": self.table["run"], "seconds": 1.0})
        summary = summarise(self.table, timing, self.chart)
        return [sweep_title(summary), sweep_caption(summary)]

    def biased(self) -> int:
        """Points with a mean beyond chance, at 5 % for all together."""
        p = [stats.ttest_1samp(values, 0.0).pvalue for values in self.points.values()]
        return int((np.array(p) < 0.05 / len(p)).sum())


def standard_error(case: Case, values: np.ndarray) -> float:
    """By resampling, independently of the formulas."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(values, size=(400, len(values)))
    if case.signed:
        return float(np.sqrt((drawn**2).mean(axis=1)).std())
    return float(np.median(drawn, axis=1).std())


VERB = r"rises?|falls?|hardly changes?|changes? by no more than chance"
CHANGE = (
    rf"(?:for (?P<name>.+?) )?\((?P<a>{NUMBER})(?:\u00a0%)?"
    rf"(?: \u2192 (?P<b>{NUMBER})(?:\u00a0%)?)?\)"
)


@claims(
    r"(?P<what>Root mean square error of the fixed effect|Absolute error of the fixed effect|"
    r"Residual standard deviation|Evaluations|Share of singular fits) "
    rf"(?P<parts>(?:{VERB}).+\)) from (?P<from>\d+) to (?P<to>\d+) levels of subject"
    r"(?P<bias>; .+)?$"
)
def change(m: re.Match[str], case: Case) -> None:
    xs = sorted({key[-1] for key in case.points})
    assert (int(m["from"]), int(m["to"])) == (xs[0], xs[-1])
    alone = all(len(values) == 1 for values in case.points.values())
    assert ("Root" in m["what"]) == (case.signed and not alone)
    assert ("Absolute" in m["what"]) == (case.signed and alone)
    verb, how = "", ""
    sizes = {}
    for part in re.finditer(rf"(?:({VERB})( most| least)? ?)?{CHANGE}", m["parts"]):
        verb, how = (part[1], part[2] or "") if part[1] else (verb, how)
        first, last = case.ends(part["name"])
        a, b = case.size(first), case.size(last)
        scale = 0.01 if case.chart["y"] == "singular" else 1.0
        if case.chart["y"] == "singular":
            a, b = float(first.mean()), float(last.mean())
        assert agrees(part["a"], a, scale=scale)
        assert agrees(part["b"] or part["a"], b, scale=scale)
        change = b - a
        sizes[part["name"]] = (change, how)
        if verb.startswith("hardly"):
            assert abs(change) <= 0.031 * max(abs(a), abs(b)) or part["b"] is None
        elif "chance" in verb:
            se = np.hypot(standard_error(case, first), standard_error(case, last))
            # The standard errors of a median from quartiles are rough.
            assert abs(change) < 1.96 * se * 1.5
        else:
            assert (change > 0) == verb.startswith("rise")
    series = {key[:-1] for key in case.points}
    if len(series) > 3:
        changes = [np.diff([case.size(v) for v in case.ends(", ".join(s))])[0] for s in series]
        for value, how in sizes.values():
            if how == " most":
                same = [abs(c) for c in changes if c * value > 0]
                assert abs(value) == pytest.approx(max(same))
            elif how == " least":
                assert abs(value) == pytest.approx(min(abs(c) for c in changes))
    else:
        assert len(sizes) == len(series)
    told_bias(m["bias"] or "", case)


def told_bias(text: str, case: Case) -> None:
    """Whether bias is detectable, and where most clearly."""
    if not text:
        assert not case.has_errors
        return
    assert case.has_errors
    found = case.biased()
    if text == "; no bias detectable":
        assert found == 0
        return
    m = re.fullmatch(
        rf"; bias detectable in (\d+) of (\d+) points, clearest at (.+) "
        rf"\(mean error ({NUMBER}) \u00b1 ({NUMBER})\)",
        text,
    )
    assert m is not None
    assert (int(m[1]), int(m[2])) == (found, len(case.points))
    key = max(case.points, key=lambda k: abs(stats.ttest_1samp(case.points[k], 0.0).statistic))
    names = [f"{k} levels of subject" if isinstance(k, int) else str(k) for k in key]
    assert m[3] == ", ".join(names)
    values = case.points[key]
    assert agrees(m[4], values.mean())
    assert agrees(m[5], 1.96 * stats.sem(values))


@claims(
    r"(?P<what>Root mean square error of the fixed effect|Median error of the fixed effect|"
    rf"Residual standard deviation) ranges from (?P<a>{NUMBER}) \((?P<low>.+?)\) to "
    rf"(?P<b>{NUMBER}) \((?P<high>.+?)\)(?P<bias>; .+)?$"
)
def extremes(m: re.Match[str], case: Case) -> None:
    sizes = {key: case.size(values) for key, values in case.points.items()}
    if m["what"].startswith("Median"):
        sizes = {key: float(np.median(values)) for key, values in case.points.items()}
    for name, written, best in (
        ("low", "a", min(sizes.values())),
        ("high", "b", max(sizes.values())),
    ):
        assert agrees(m[written], best)
        where = {str(k) if not isinstance(k, int) else f"{k} levels of subject"
                 for key in sizes if sizes[key] == best for k in key}  # fmt: skip
        assert set(m[name].split(", ")) == where
    told_bias(m["bias"] or "", case)


@claims(
    r"Points: medians of (?:error of the fixed effect|residual standard deviation|evaluations); "
)
def points_are_medians(m: re.Match[str], case: Case) -> None:
    assert min(map(len, case.points.values())) > 1


@claims(r"(?:bands|bars): quartiles\.")
def quartiles(m: re.Match[str], case: Case) -> None:
    assert (m[0][:5] == "bands") == isinstance(case.table[case.chart["x"]].iloc[0], np.integer)


@claims(r"A point is one run: fixed effect, estimate minus truth\.")
def one_run(m: re.Match[str], case: Case) -> None:
    assert {len(values) for values in case.points.values()} == {1}


@claims(r"Share of runs: share of singular fits; bands or bars: 95\u00a0% intervals \(Wilson\)\.")
def proportion(m: re.Match[str], case: Case) -> None:
    assert set(case.table[case.chart["y"]]) <= {True, False}


@claims(r"Numbers and colours: fixed effect, estimate minus truth, the median over runs\.")
def cells(m: re.Match[str], case: Case) -> None:
    assert case.chart["kind"] == "heat"


@claims(
    r"(?P<n>[\d,]+) runs, (?P<each>\d+) runs? behind each point(?:, which differ in "
    r"(?P<what>.+?))?\."
)
def behind(m: re.Match[str], case: Case) -> None:
    assert read(m["n"]) == len(case.table)
    assert {len(values) for values in case.points.values()} == {int(m["each"])}
    words = {
        "structure": "covariance structure",
        "replicate": "replicate",
        UNITS: "number of levels of subject",
    }
    told = set(re.split(r", | and ", m["what"])) if m["what"] else set()
    assert told == {words[key] for key in case.pooled}


@claims(
    r"(?:(?P<what>Root mean square|Absolute) error of the fixed effect, f|F)rom \d+ to \d+ "
    r"levels of "
    r"subject: (?P<parts>.+?)\.(?= After| \d| [A-Z]|$)"
)
def each(m: re.Match[str], case: Case) -> None:
    parts = m["parts"].split("; ")
    assert len(parts) == len({key[:-1] for key in case.points})
    scale = 0.01 if case.chart["y"] == "singular" else 1.0
    for part in parts:
        found = re.fullmatch(
            rf"(?:(.+): )?({NUMBER})(?:\u00a0%)?(?: \u00b1 ({NUMBER}))? \u2192 "
            rf"({NUMBER})(?:\u00a0%)?(?: \u00b1 ({NUMBER}))?",
            part,
        )
        assert found is not None, part
        for values, written, error in zip(
            case.ends(found[1]), (found[2], found[4]), (found[3], found[5]), strict=True
        ):
            size = float(values.mean()) if scale != 1.0 else case.size(values)
            assert agrees(written, size, scale=scale)
            assert (error is not None) == case.has_errors
            if error:
                assert read(error) == pytest.approx(1.96 * standard_error(case, values), rel=0.3)


@claims(
    r"After \u00b1 stand 95\u00a0% Monte Carlo errors\. Bias is detectable where a mean error is "
    r"larger than chance allows, at 5\u00a0% for all points together\."
)
def errors(m: re.Match[str], case: Case) -> None:
    assert case.has_errors


def said(case: Case) -> list[str]:
    texts = case.texts()
    for text in texts:
        claims.read(text, case)
    return texts


def test_errors_of_either_sign_are_told_by_their_size() -> None:
    title, _ = said(Case(runs(), y="beta_deviation", colour="coefficient", facet="structure"))
    assert "rise" not in title
    assert title.endswith("; no bias detectable")
    # Structures are no replicates: what they differ by is no Monte Carlo error.
    said(Case(runs(), y="beta_deviation", colour="coefficient"))
    said(Case(runs(sizes=(20,)), y="beta_deviation", x="structure", facet="coefficient"))


def test_bias_that_is_there_is_found() -> None:
    chart = {"y": "beta_deviation", "colour": "coefficient", "facet": "structure"}
    title, _ = said(Case(runs(bias=9.0), **chart))
    assert "bias detectable in" in title


def test_single_runs_have_no_monte_carlo_error() -> None:
    chart = {"y": "beta_deviation", "colour": "coefficient", "facet": "structure"}
    said(Case(runs(replicates=1), **chart))


def test_what_does_not_depend_on_the_sample_size_is_seldom_said_to_change() -> None:
    cases = [
        Case(runs(seed=seed, replicates=12, sizes=(20, 80)), y="sigma", colour="structure")
        for seed in range(10)
    ]
    titles = [said(case)[0] for case in cases]
    # One in twenty of 20 series, were the standard errors exact: with these numbers, at most five.
    assert sum(len(re.findall("rises|falls", title)) for title in titles) <= 5


def test_other_measures() -> None:
    said(Case(runs(), y="evaluations", colour="structure"))
    said(Case(runs(), y="singular", colour="structure"))
    said(Case(runs(), y="sigma", x="structure"))
    chart = {"kind": "heat", "x": "structure", "rows": "coefficient", "colour": "coefficient"}
    said(Case(runs(sizes=(20,)), y="beta_deviation", **chart))


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
