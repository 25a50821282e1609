"""What cross-validation of generalised models says is recomputed from scores of every level."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from family_cases import answers, visits

import mixedscope as ms
from mixedscope.charts.kinds.crossvalidation.chart import crossvalidation_chart
from mixedscope.charts.kinds.crossvalidation.words import (
    crossvalidation_reading,
    crossvalidation_title,
)
from mixedscope.inference.accuracy.crossvalidation_summary import crossvalidation_summary

claims = Claims()

NAMES = {"full covariance": "full", "zero correlations": "zerocorr", "intercepts only": "intercept"}
LOG, BRIER = "log score", "Brier score"
ROOT, AREA = "root mean squared error", "area under the curve"
SIGNED = rf"({NUMBER}) \u00b1 ({NUMBER})"


class Held:
    """What was held out, by level: sums of scores, and differences from the first structure."""

    def __init__(self, tables: dict[str, pd.DataFrame]) -> None:
        self.groups, self.fits = tables["crossvalidation_groups"], tables["crossvalidation_fits"]
        self.summary = tables["crossvalidation"]
        self.structures = [s for s in self.groups["structure"].unique() if s in NAMES.values()]
        self.none = [s for s in self.groups["structure"].unique() if s not in self.structures]
        assert set(self.none) <= {"none"}
        self.is_binomial = bool(self.summary["brier"].notna().any())

    def schemes(self) -> list[str]:
        return list(self.groups["scheme"].unique())

    def sums(self, structure: str, scheme: str) -> pd.DataFrame:
        own = self.groups[
            (self.groups["scheme"] == scheme) & (self.groups["structure"] == structure)
        ]
        columns = ["n", "outcomes", "squared_error", "log_density"]
        return own.groupby("level", sort=False)[columns].sum()

    def gain(self, structure: str, other: str, scheme: str) -> tuple[float, float]:
        """Log score of a structure less that of another, with its standard error over levels."""
        a, b = (self.sums(s, scheme)["log_density"] for s in (structure, other))
        way = a - b
        return float(way.sum()), float(np.sqrt(len(way)) * way.std(ddof=1))

    def error(self, structure: str, scheme: str) -> tuple[float, float]:
        """Brier score, or root mean squared error, less that of the first, by the delta method."""
        own, first = (self.sums(s, scheme) for s in (structure, self.structures[0]))
        n = own["outcomes"].sum()
        means = [t["squared_error"].sum() / n for t in (own, first)]
        pulls = [
            (t["squared_error"] - mean * t["outcomes"]) / n
            for t, mean in zip((own, first), means, strict=True)
        ]
        if not self.is_binomial:
            pulls = [p / (2 * np.sqrt(m)) for p, m in zip(pulls, means, strict=True)]
            means = [float(np.sqrt(m)) for m in means]
        pull, q = pulls[0] - pulls[1], len(own)
        return means[0] - means[1], float(np.sqrt(q / (q - 1) * (pull**2).sum()))

    def area(self, structure: str, scheme: str) -> tuple[float, float]:
        """Of the area the difference and error that are stored: held to pairs in another file."""
        row = self.summary.query("structure == @structure and scheme == @scheme").iloc[0]
        return float(row["auc_difference"]), float(row["auc_difference_se"])

    def apart(self) -> set[tuple[str, str, str]]:
        """What differs by more than two standard errors."""
        found = set()
        for structure in self.structures[1:]:
            for scheme in self.schemes():
                told = {LOG: self.gain(structure, self.structures[0], scheme)}
                told[BRIER if self.is_binomial else ROOT] = self.error(structure, scheme)
                if self.is_binomial:
                    told[AREA] = self.area(structure, scheme)
                for score, (value, error) in told.items():
                    if abs(value) > 2 * error and abs(value) > 1e-9:
                        size = "larger" if value > 0 else "smaller"
                        found.add((structure, f"a {size} {score}", scheme))
        return found


@claims(r"Random effects (?P<words>(?:raise|lower|make) .+)$")
def what_they_add(m: re.Match[str], case: Held) -> None:
    (first,) = case.structures
    (none,) = case.none
    told: set[str] = set()
    for verb, parts in re.findall(r"(raise|lower) the log score by (.+?) levels of g", m["words"]):
        for size, half, scheme in re.findall(rf"{SIGNED} for (new|known)", parts):
            value, error = case.gain(first, none, scheme)
            assert abs(value) > 2 * error
            assert (value > 0) == (verb == "raise")
            assert agrees(size, abs(value))
            assert agrees(half, 2 * error)
            told.add(scheme)
    same = re.search(r"make no clear difference for (new and known|new|known) ", m["words"])
    for scheme in same[1].split(" and ") if same else []:
        value, error = case.gain(first, none, scheme)
        assert abs(value) <= 2 * error
        told.add(scheme)
    assert told == set(case.schemes())


@claims(r"Held-out data do not tell structures apart: (?P<names>.+)$")
def not_apart(m: re.Match[str], case: Held) -> None:
    assert case.apart() == set()
    assert [NAMES[n] for n in re.split(", | and ", m["names"])] == case.structures


@claims(r"Against full covariance, (?P<parts>.+)$")
def apart(m: re.Match[str], case: Held) -> None:
    found = set()
    for part in m["parts"].split("; "):
        name, words = part.split(" has ")
        for what, where in re.findall(
            rf"(a (?:larger|smaller) (?:{LOG}|{BRIER}|{ROOT}|{AREA})) "
            r"for (new and known|new|known) levels of g", words,
        ):  # fmt: skip
            found |= {(NAMES[name], what, scheme) for scheme in where.split(" and ")}
    assert found == case.apart()


@claims(r"Log score of predictions with full covariance: (?P<parts>.+)$")
def of_one(m: re.Match[str], case: Held) -> None:
    told = re.findall(rf"(new|known) levels of g ({NUMBER})", m["parts"])
    assert {scheme for scheme, _ in told} == set(case.schemes())
    for scheme, written in told:
        assert agrees(written, case.sums(case.structures[0], scheme)["log_density"].sum())


@claims(
    r"(?P<scheme>New|Known) levels of g: (?P<what>whole levels|some observations of every level) "
    rf"held out in (?P<folds>\d+) folds, (?P<n>{NUMBER}) observations of (?P<q>{NUMBER}) levels\."
)
def held_out(m: re.Match[str], case: Held) -> None:
    scheme = m["scheme"].lower()
    own = case.sums(case.structures[0], scheme)
    assert (m["what"] == "whole levels") == (scheme == "new")
    assert (read(m["n"]), read(m["q"])) == (own["n"].sum(), len(own))
    assert int(m["folds"]) == case.fits.query("scheme == @scheme")["fold"].nunique()


@claims(
    r"Each observation is predicted by itself, averaged over the normal distribution that its "
    r"linear predictor has given the rest; the log score sums logarithms of what was observed\."
)
def how(_: re.Match[str], case: Held) -> None:
    # Sums of logarithms of probabilities are below zero, and of no level more than its rows allow.
    for scheme in case.schemes():
        for structure in (*case.structures, *case.none):
            assert (case.sums(structure, scheme)["log_density"] < 0).all()


@claims(
    rf"Better are a smaller (?P<small>{BRIER}|{ROOT}) and a larger "
    rf"(?P<large>{LOG}(?: and {AREA})?)\."
)
def which_way(m: re.Match[str], case: Held) -> None:
    assert (m["small"] == BRIER) == case.is_binomial
    assert (AREA in m["large"]) == case.is_binomial


@claims(r"After \u00b1 stand two standard errors over levels\.")
def standard_errors(_: re.Match[str], case: Held) -> None:
    assert case.sums(case.structures[0], case.schemes()[0]).index.is_unique


@claims(r"Of (?P<n>[\d,]+) fits all converged\.")
def ends(m: re.Match[str], case: Held) -> None:
    assert read(m["n"]) == len(case.fits)
    assert set(case.fits["status"]) == {"converged"}


@claims(r"Left out, for this formula gives the model of (?P<twin>\w+) again: (?P<names>[\w, ]+)\.")
def left_out(m: re.Match[str], case: Held) -> None:
    compared = set(case.fits["structure"])
    assert m["twin"] in compared
    assert not compared & set(m["names"].split(", "))


def validated(formula: str, data: pd.DataFrame, family: str, **settings: Any) -> Held:
    """What was held out, once every word on it has been read."""
    model = ms.GeneralizedLinearMixedModel(formula, data, family)
    found = ms.cross_validate(model, folds=6, **settings)
    case = Held(found.tables)
    for text in (found.title, *re.split(r" (?=Left out, )", found.reading)):
        claims.read(text, case)
    drawn, title, _ = crossvalidation_chart(*found.tables.values())
    assert title == found.title
    assert drawn is not None
    return case


def test_choices_of_persons_to_items() -> None:
    case = validated("y ~ x + w + (1 | g) + (1 | h)", answers(), "binomial")
    assert case.is_binomial


def test_counts() -> None:
    case = validated("y ~ x + w + (1 | g)", visits(), "poisson")
    assert not case.is_binomial


def test_structures_that_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(24), 12)
    data = pd.DataFrame({"g": [f"g{i:02d}" for i in g], "x": rng.normal(size=288)})
    slopes = 1.2 * rng.normal(size=24)[g] * data["x"]
    data["y"] = rng.poisson(np.exp(0.5 + 0.4 * rng.normal(size=24)[g] + slopes))
    case = validated("y ~ x + (1 + x | g)", data, "poisson", structures=["full", "intercept"])
    assert ("intercept", f"a smaller {LOG}", "known") in case.apart()


def test_structures_that_are_not_told_apart_and_one_without_a_model_to_compare() -> None:
    model = ms.GeneralizedLinearMixedModel("y ~ x + w + (1 | g)", visits(12, 5), "poisson")
    tables = ms.cross_validate(model, folds=4).tables
    groups, fits = (tables[f"crossvalidation_{name}"] for name in ("groups", "fits"))
    own = groups[groups["structure"] == "full"]
    for kept in (own, pd.concat([own, own.assign(structure="zerocorr")])):
        made = {
            "crossvalidation": crossvalidation_summary(kept),
            "crossvalidation_groups": kept,
            "crossvalidation_fits": fits,
        }
        case = Held(made)
        for told in (crossvalidation_title, crossvalidation_reading):
            claims.read(told(*made.values()), case)


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
