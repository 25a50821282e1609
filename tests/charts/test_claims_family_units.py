"""What influence and pooling say of generalised models is recomputed by refits and from modes."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file
from family_cases import answers, visits
from test_claims_check import headings

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.influence.chart import influence_chart
from mixedscope.charts.kinds.pooling.chart import pooling_chart
from mixedscope.tables.store import FitTables

influence = Claims()
path = Claims()

CASES = {
    "answers": (lambda: answers(10, 6), "y ~ x + w + (1 | g) + (1 | h)", "binomial"),
    "visits": (lambda: visits(12, 5), "y ~ x + w + (1 | g)", "poisson"),
    "dispersed": (lambda: visits(12, 5), "y ~ x + w + (1 | g)", "nbinom2"),
}


# -- influence ---------------------------------------------------------------------------------
class Shown:
    """A fit, and what it would be without every level and every row."""

    def __init__(self, name: str, method: str) -> None:
        made, self.formula, self.family = CASES[name]
        self.frame, self.method = made(), method
        self.fit = ms.glmer(self.formula, self.frame, self.family)
        self.found = {
            "g": self.fit.influence("g", method=method),
            "row": self.fit.influence(method=method),
        }
        self.tables = [FitTables({}, studies=dict(one.tables)) for one in self.found.values()]

    def without(self, level: str) -> ms.GeneralizedFit:
        """The fit to all other levels."""
        return ms.glmer(self.formula, self.frame[self.frame["g"] != level], self.family)

    def covariance(self) -> np.ndarray:
        """Covariance (p, p) of the fixed effects, theta and dispersion being known."""
        return self.fit.model.laplace.fixed_covariance(self.fit.parameters.to_numpy())

    def of(self, unit: str) -> Any:
        return self.found["g" if unit.startswith("g") else "row"]


@influence(
    rf"Fixed effects move most without g (?P<level>\S+) \(Cook's distance\u00a0(?P<far>{NUMBER})\)"
    rf" and row (?P<row>\S+) \(Cook's distance\u00a0(?P<farther>{NUMBER})\)$"
)
def most(m: re.Match[str], shown: Shown) -> None:
    for unit, written, kind in ((m["level"], m["far"], "g"), (m["row"], m["farther"], "row")):
        distances = shown.found[kind].cooks_distance
        assert unit == str(distances.idxmax())
        assert agrees(written, distances.max())
        change = shown.found[kind].dfbeta
        own = change.set_axis([str(u) for u in change.index]).loc[unit].to_numpy()
        distance = own @ np.linalg.solve(shown.covariance(), own) / len(own)
        assert distances.max() == pytest.approx(distance, rel=1e-6)
    if shown.method == "exact":
        moved = shown.fit.beta - shown.without(m["level"]).beta
        own = shown.found["g"].dfbeta.loc[m["level"]].to_numpy()
        np.testing.assert_allclose(own, moved, rtol=0, atol=2e-3)


@influence(
    r"Estimates without each unit in turn \((?P<how>fits without the unit|one Newton step of all "
    r"parameters)\)\. Cook's distance: of all fixed effects together, by their covariance\. "
    r"Coefficients: with all less without, over the standard error without; beyond ±2/√units a "
    r"change counts as large\. Standard deviations(?P<more> and size)?: with all less without, "
    r"over with all\. "
    r"Positive: the unit makes it larger\.$"
)
def meaning(m: re.Match[str], shown: Shown) -> None:
    assert (m["how"] == "fits without the unit") == (shown.method == "exact")
    assert (m["more"] is not None) == (shown.family == "nbinom2")


@influence(r"The largest of (?P<count>\d+) (?P<what>levels of g|rows)\.")
def units(m: re.Match[str], shown: Shown) -> None:
    wanted = shown.frame["g"].nunique() if m["what"] == "levels of g" else len(shown.frame)
    assert int(m["count"]) == wanted


@influence(
    rf"Most: (?P<term>\(Intercept\)|x|w) by (?P<by>{NUMBER}) without (?P<unit>\w+); "
    rf"(?P<large>[\d,]+) of (?P<all>[\d,]+) beyond ±(?P<limit>{NUMBER})\."
)
def coefficients(m: re.Match[str], shown: Shown) -> None:
    table = shown.of(m["unit"]).dfbetas
    limit = 2 / math.sqrt(len(table))
    assert agrees(m["limit"], limit)
    assert int(m["all"]) == int(table.notna().sum().sum())
    assert int(m["large"]) == int((table.abs() > limit).sum().sum())
    value = table.set_axis([str(u) for u in table.index]).loc[m["unit"], m["term"]]
    assert agrees(m["by"], value)
    assert abs(value) == table.abs().max().max()


@influence(
    rf"Most: (?P<name>\(Intercept\) \| [gh]|size) is (?P<value>{NUMBER}) without (?P<unit>\w+), "
    rf"(?P<share>[\d.,]+)\u00a0% (?P<way>less|more) than with all\."
)
def sds(m: re.Match[str], shown: Shown) -> None:
    rows = shown.of(m["unit"]).parameters
    rows = rows[rows["kind"].isin(["sd", "dispersion"])]
    share = rows["change"] / (rows["estimate"] + rows["change"])
    at = share.abs().idxmax()
    assert str(rows.loc[at, "unit"]) == m["unit"]
    group = rows.loc[at, "group"]
    named = rows.loc[at, "term"] if pd.isna(group) else f"{rows.loc[at, 'term']} | {group}"
    assert m["name"] == named
    assert agrees(m["value"], rows.loc[at, "estimate"])
    assert agrees(m["share"], abs(share[at]), scale=0.01)
    assert (m["way"] == "less") == (share[at] > 0)


@pytest.mark.parametrize(
    ("name", "method"), [("answers", "newton"), ("visits", "exact"), ("dispersed", "newton")]
)
def test_influence_says_what_is_so_without_the_units(name: str, method: str) -> None:
    shown = Shown(name, method)
    drawn, title, caption = influence_chart(shown.tables)
    for text in (title, caption, *(s for s in headings(to_spec(drawn)) if s)):
        influence.read(text, shown)


# -- pooling -----------------------------------------------------------------------------------
class Paths:
    """The stored path of a fit from complete pooling to ever less of it."""

    def __init__(self, fit: ms.GeneralizedFit) -> None:
        self.fit, self.tables = fit, fit.study("pooling", levels=8)
        self.groups = [str(e["group"]) for e in fit.info["random"]]
        self.scale = self.tables.require("shrinkage_scale")

    def endless(self) -> int:
        """Levels whose outcomes are all alike, of choices, or none, of counts."""
        y = pd.Series(self.fit.model.design.y)
        codes = self.fit.model.design.random[0].codes
        least, most = y.groupby(codes).min(), y.groupby(codes).max()
        if self.fit.info["family"] == "binomial":
            return int((least == most).sum())
        return int((most == 0).sum())

    def spent(self, group: str) -> tuple[float, float]:
        at = self.groups.index(group)
        row = self.scale.loc[(self.scale["s"] - 1.0).abs().idxmin(), "edf_groups"]
        return float(row[at]), float(self.scale["edf_groups"].iloc[-1][at])

    def added(self) -> float:
        """Share of the degrees of freedom at the end that the last half decade adds."""
        spent = self.scale["edf_groups"].map(sum)
        if not spent.iloc[-1] > 0.0:
            return 0.0
        near = (np.log(self.scale["s"][1:] * np.sqrt(10) / self.scale["s"].iloc[-1])).abs().idxmin()
        return float(1.0 - spent[near] / spent.iloc[-1])


@path(r"Between complete and no pooling, the fit spends (?P<parts>.+)$")
def standing(m: re.Match[str], case: Paths) -> None:
    told = re.findall(rf"({NUMBER}) of ({NUMBER}) (?:degrees of freedom )?on (\w+)", m["parts"])
    assert [group for *_, group in told] == case.groups
    for now, end, group in told:
        at, last = case.spent(group)
        assert agrees(now, at)
        assert agrees(end, last)
        assert 0.0 <= at <= last <= case.fit.info["dimensions"]["groups"][group]["levels"]
        is_singular = any(f["singular"] for f in case.fit.info["singular"] if f["group"] == group)
        assert is_singular or at > 0.0


@path(r"Nothing to scale: the fit leaves no variance between levels of (?P<groups>.+)$")
def nothing(m: re.Match[str], case: Paths) -> None:
    assert m["groups"].split(" and ") == case.groups
    assert (case.fit.variance_components()["estimate"] < 1e-6).all()


@path(
    r"Conditional modes of .+? when the covariance factors \u039b of all grouping factors are "
    r"multiplied by s: left complete pooling \(s = 0, all modes zero\), at the vertical line the "
    r"fit \(s = 1\), rightwards ever less pooling, fixed effects staying as they are"
    r"(?P<beyond>; open points beyond the end, maximum likelihood of each level's own rows"
    r"(?: \(of (?P<endless>\d+) levels infinite: their lines go on\))?)?\. A line is a level; to "
    r"the right run (?:the effective degrees of freedom \(df\) that this leaves to the factor|s, "
    r"on a log scale)\."
)
def described(m: re.Match[str], case: Paths) -> None:
    modes = case.tables.require("shrinkage_path")
    assert (modes.loc[modes["s"] == 0.0, "mode"] == 0.0).all()
    keys = ["group", "level", "term"]
    at = modes[modes["s"] == 1.0].set_index(keys)["mode"]
    own = case.fit.conditional_modes().set_index(keys)["mode"]
    np.testing.assert_allclose(at, own.loc[at.index], rtol=1e-6, atol=1e-9)
    assert (m["beyond"] is not None) == (len(case.groups) == 1)
    if m["beyond"] is not None:
        assert int(m["endless"] or 0) == case.endless()


@path(r"The path ends where half a decade of s adds no more than 1\u00a0% to them\.")
def ended(_: re.Match[str], case: Paths) -> None:
    assert case.added() <= 0.01


@path(
    rf"The path ends at s = (?P<s>{NUMBER}), where half a decade of s still adds "
    rf"(?P<share>{NUMBER})\u00a0% to them\."
)
def cut_off(m: re.Match[str], case: Paths) -> None:
    assert agrees(m["s"], case.scale["s"].iloc[-1])
    assert agrees(m["share"], case.added(), scale=0.01)
    assert case.added() > 0.01


@path(
    r"Drawn are (?P<some>\d+) of the (?P<all>\d+) levels of (?P<group>\w+), evenly spaced in rank "
    r"of their mode in the fit\."
)
def some_levels(m: re.Match[str], case: Paths) -> None:
    modes = case.tables.require("shrinkage_path")
    own = modes[modes["group"] == m["group"]]
    assert int(m["some"]) == own["level"].nunique()
    assert int(m["all"]) == case.fit.info["dimensions"]["groups"][m["group"]]["levels"]


@path(r"As the fit leaves no variance, scaling it does nothing: all modes stay 0\.")
def stays_nothing(_: re.Match[str], case: Paths) -> None:
    modes = case.tables.require("shrinkage_path")
    assert (modes.loc[np.isfinite(modes["s"]), "mode"].abs() < 1e-6).all()


@path(
    r"The fit is singular \((?P<what>.+?)\): scaling keeps a collapsed direction collapsed"
    r"(?P<open>, so that these lines do not reach the open points)?\."
)
def collapsed(m: re.Match[str], case: Paths) -> None:
    found = [f for f in case.fit.info["singular"] if f["singular"]]
    assert m["what"] == "; ".join(f"{f['group']}, {f['collapsed']}" for f in found)
    # Beside other factors no line has an open point to reach.
    assert (m["open"] is not None) == (len(case.groups) == 1)


def followed(formula: str, data: pd.DataFrame, family: str) -> Paths:
    case = Paths(ms.glmer(formula, data, family))
    for x in ("edf", "s"):
        drawn, *texts = pooling_chart([case.tables], x=x)
        assert drawn is not None
        for text in texts:
            path.read(text, case)
    return case


def test_paths_of_choices_whose_levels_may_be_infinite() -> None:
    case = followed("y ~ x + w + (1 | g)", answers(), "binomial")
    assert case.endless() >= 2
    followed("y ~ x + w + (1 | g) + (1 | h)", answers(), "binomial")


def test_paths_of_counts() -> None:
    case = followed("y ~ x + w + (1 | g)", visits(), "poisson")
    assert case.endless() == 2


def test_paths_without_variance_and_with_a_collapsed_factor() -> None:
    rng = np.random.default_rng(1)
    data = answers().assign(k=[f"k{i % 7}" for i in range(324)], c=rng.poisson(3.0, 324))
    # Of 7 levels, whose counts are alike: less varies between them than chance would have it.
    data["c"] = np.tile([1, 2, 3, 4], 81)
    followed("c ~ 1 + (1 | k)", data, "poisson")
    data["both"] = data["c"] + (data["g"] > "g08")
    case = followed("both ~ 1 + (1 | g) + (1 | k)", data, "poisson")
    assert any(f["singular"] for f in case.fit.info["singular"])
    followed("both ~ x + (1 + x | g)", data, "poisson")


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert influence.unseen() == set()
    # No path here ends before its degrees of freedom do.
    assert path.unseen() <= {"cut_off"}
