"""What charts of influence say is recomputed by leaving units out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from test_claims_check import headings

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.influence.chart import influence_chart
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.tables.store import FitTables

claims = Claims()


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(9), 8)
    out = pd.DataFrame({"g": [f"g{i}" for i in g], "x": rng.normal(size=72)})
    out["y"] = 2 * rng.normal(size=9)[g] + out["x"] + rng.normal(size=72)
    out.loc[out["g"] == "g3", "y"] += 3 * out["x"]
    out.loc[20, "y"] += 8
    return out


class Shown:
    """A fit, and refits without each unit."""

    def __init__(self, method: str) -> None:
        self.frame, self.method = frame(), method
        self.model = ms.LinearMixedModel("y ~ x + (1 | g)", self.frame)
        self.fit = self.model.fit()
        self.found = [self.fit.influence(by, method=method) for by in ("g", None)]
        self.tables = [self.tabled(one) for one in self.found]

    @staticmethod
    def tabled(found: Any) -> FitTables:
        return FitTables({}, studies=dict(found.tables))

    def without(self, by: str) -> dict[str, ms.Fit]:
        own = self.frame["g"] if by == "g" else self.frame.index.astype(str)
        return {
            unit: ms.LinearMixedModel("y ~ x + (1 | g)", self.frame[own != unit]).fit()
            for unit in dict.fromkeys(own)
        }


@pytest.fixture(scope="module")
def exact() -> Shown:
    return Shown("exact")


@pytest.fixture(scope="module")
def refits(exact: Shown) -> dict[str, ms.Fit]:
    return exact.without("g")


@claims(
    rf"Fixed effects move most without g (?P<level>\S+) \(Cook's distance\u00a0(?P<far>{NUMBER})\)"
    rf" and row (?P<row>\S+) \(Cook's distance\u00a0(?P<farther>{NUMBER})\)"
)
def most(found: Any, shown: Shown, refits: Any) -> None:
    covariance = np.linalg.inv(shown.fit.vcov.to_numpy())
    moved = {u: shown.fit.beta - fit.beta for u, fit in refits.items()}
    distances = pd.Series({u: d @ covariance @ d / 2 for u, d in moved.items()})
    assert found["level"] == distances.idxmax()
    assert (
        agrees(found["far"], distances.max())
        or abs(read(found["far"]) / distances.max() - 1) < 0.01
    )
    rows = shown.found[1].cooks_distance
    assert found["row"] == str(rows.idxmax())
    assert agrees(found["farther"], rows.max())


@claims(
    r"Estimates without each unit in turn \((?P<how>fits without the unit|covariance parameters as "
    r"they are)\)\. Cook's distance: of all fixed effects together, by their covariance\. "
    r"Coefficients: with all less without, over the standard error without; beyond ±2/√units a "
    r"change counts as large\. Standard deviations: with all less without, over with all\. "
    r"Positive: the unit makes it larger\."
)
def meaning(found: Any, shown: Shown, refits: Any) -> None:
    assert (shown.method == "exact") == (found["how"] == "fits without the unit")
    del refits


@claims(r"The largest of (?P<count>\d+) (?P<what>levels of g|rows)\.")
def units(found: Any, shown: Shown, refits: Any) -> None:
    del refits
    wanted = 9 if found["what"] == "levels of g" else 72
    assert int(found["count"]) == wanted
    assert shown.fit


@claims(
    rf"Most: (?P<term>\(Intercept\)|x) by (?P<by>{NUMBER}) without (?P<unit>\w+); "
    rf"(?P<large>\d+) of (?P<all>\d+) beyond ±(?P<limit>{NUMBER})\."
)
def coefficients(found: Any, shown: Shown, refits: Any) -> None:
    own = shown.found[0] if found["unit"].startswith("g") else shown.found[1]
    table = own.dfbetas
    assert int(found["all"]) == table.size
    limit = 2 / math.sqrt(len(table))
    assert agrees(found["limit"], limit)
    assert int(found["large"]) == (table.abs() > limit).sum().sum()
    value = table.set_axis([str(u) for u in table.index]).loc[found["unit"], found["term"]]
    assert agrees(found["by"], value)
    assert abs(value) == table.abs().max().max()
    if found["unit"] in refits and shown.method == "exact":
        other = refits[found["unit"]]
        j = list(table.columns).index(found["term"])
        error = math.sqrt(other.vcov.to_numpy()[j, j])
        assert value == pytest.approx((shown.fit.beta[j] - other.beta[j]) / error, abs=1e-3)


@claims(
    rf"Most: (?P<name>σ|\(Intercept\) \| g) is (?P<value>{NUMBER}) without (?P<unit>\w+), "
    rf"(?P<share>[\d.]+)\u00a0% (?P<way>less|more) than with all\."
)
def sds(found: Any, shown: Shown, refits: Any) -> None:
    del refits
    own = shown.found[0] if found["unit"].startswith("g") else shown.found[1]
    rows = own.parameters
    rows = rows[rows["kind"] == ("sigma" if found["name"] == "σ" else "sd")].set_index("unit")
    assert agrees(found["value"], rows.loc[found["unit"], "estimate"])
    share = rows["change"] / (rows["estimate"] + rows["change"])
    assert agrees(found["share"], abs(share[found["unit"]]), scale=0.01)
    assert (found["way"] == "less") == (share[found["unit"]] > 0)
    assert share.abs().max() == abs(share[found["unit"]])


@pytest.mark.parametrize("method", ["exact", "fixed"])
def test_titles_captions_and_sentences_hold(method: str, exact: Shown, refits: Any) -> None:
    shown = exact if method == "exact" else Shown(method)
    drawn, title, caption = influence_chart(shown.tables)
    if method == "exact":
        claims.read(title, shown, refits)
    claims.read(caption, shown, refits)
    assert len(caption.split()) <= 80
    sentences = [s for s in headings(to_spec(drawn)) if s]
    assert len(sentences) == 6
    for sentence in sentences:
        claims.read(sentence, shown, refits)


def test_every_sentence_has_been_seen(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert claims.unseen() == set()


def test_influence_is_drawn_of_the_object_or_its_tables(exact: Shown) -> None:
    chart = ms.charts.influence(exact.found[0], names=3).to_dict()
    again = ms.charts.influence(exact.found[0].tables, names=3).to_dict()
    assert chart == again
    (axis,) = {
        tuple(layer["encoding"]["y"]["scale"]["domain"])
        for layer in chart["vconcat"][0]["hconcat"][0]["layer"]
    }
    worst = exact.found[0].cooks_distance.nlargest(3).index.tolist()
    assert list(axis) == [*worst, "6 others"]
    with pytest.raises(ModelError, match=r"fit\.influence\(\)"):
        ms.charts.influence(exact.fit)


def test_without_fixed_effects_nothing_is_drawn() -> None:
    fit = ms.LinearMixedModel("y ~ 0 + (1 | g)", frame()).fit()
    with pytest.raises(UnsuitedError, match="no fixed effect"):
        ms.charts.influence(fit.influence("g"))


def test_units_that_leave_a_coefficient_inestimable_are_counted() -> None:
    rows = frame().assign(only=lambda t: (t["g"] == "g1") * 1.0)
    fit = ms.LinearMixedModel("y ~ x + only + (1 | g)", rows).fit()
    _, _, caption = influence_chart([Shown.tabled(fit.influence("g"))])
    assert caption.endswith("Without 1 of 9 levels of g some coefficient is inestimable.")
