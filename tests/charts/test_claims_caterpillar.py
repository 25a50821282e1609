"""What caterpillar plots, plain and against quantiles, say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy.stats import norm
from test_claims_shrinkage import LABELS

import mixedscope as ms
from mixedscope.charts.kinds.caterpillar.chart import caterpillar_chart
from mixedscope.charts.kinds.qqcaterpillar.chart import qqcaterpillar_chart
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.tables.store import FitTables

PERCENT = r"(?P<level>[\d.]+)\u00a0%"
EACH = rf"({NUMBER}) in (.+?)(?=, {NUMBER}| and {NUMBER}|$)"


class Case:
    """Fits drawn together, and what follows from their tables alone."""

    def __init__(self, fits: Sequence[FitTables], group: str, **options: Any) -> None:
        self.fits, self.group, self.options = fits, group, options
        self.level = options.get("level", 0.95)

    def of(self, label: str | None) -> FitTables:
        if label is None:
            return self.fits[0]
        structure = LABELS[label.lower()]
        return next(fit for fit in self.fits if fit.info["structure"] == structure)

    def modes(self, fit: FitTables) -> pd.DataFrame:
        return fit.modes[fit.modes["group"] == self.group]

    def clear(self, fit: FitTables) -> dict[str, int]:
        """Intervals that exclude zero, term by term."""
        rows = self.modes(fit).assign(sd=lambda t: t["std_dev"])
        if self.options.get("error") == "marginal":
            own = fit.require("mode_errors").rename(columns={"error_sd": "sd"})
            keys = ["group", "level", "term"]
            rows = rows.drop(columns="sd").merge(own[[*keys, "sd"]], on=keys)
        z = norm.ppf(0.5 + self.level / 2)
        out = rows["mode"].abs() > z * rows["sd"]
        varies = rows.groupby("term", sort=False)["sd"].transform("max") > 0
        return out[varies].groupby(rows["term"][varies], sort=False).sum().to_dict()

    def sds(self, fit: FitTables) -> dict[str, float]:
        rows = fit.estimates.query("kind == 'sd' and estimate > 0")
        return rows[rows["group"] == self.group].set_index("term")["estimate"].to_dict()

    def counts(self, fit: FitTables) -> pd.DataFrame:
        rows = fit.require("mode_normality")
        return rows[rows["group"] == self.group].set_index("term")

    def outside(self, fit: FitTables) -> dict[str, int]:
        rows = fit.require("mode_quantiles")
        rows = rows[rows["group"] == self.group]
        out = (rows["mode"] < rows["lower"]) | (rows["mode"] > rows["upper"])
        return out.groupby(rows["term"], sort=False).sum().to_dict()


def told(text: str) -> dict[str, str]:
    return {term: value for value, term in re.findall(EACH, text)}


def same(text: str, values: dict[str, Any]) -> None:
    found = told(text)
    assert set(found) == set(values)
    assert all(agrees(found[term], value) for term, value in values.items())


plain = Claims()


@plain(rf"Levels of (?P<g>.+?): of (?P<q>{NUMBER}) intervals at {PERCENT}, (?P<counts>.+) exclude "
       r"(?P<what>0|the population)$")  # fmt: skip
def title(m: re.Match[str], case: Case) -> None:
    assert m["g"] == case.group
    assert read(m["q"]) == case.modes(case.fits[0])["level"].nunique()
    assert agrees(m["level"], 100 * case.level)
    same(m["counts"], case.clear(case.fits[0]))
    assert (m["what"] == "0") == (case.options.get("scale", "b") == "b")


@plain(r"Levels of .+: the fit leaves no variation between them$")
def title_of_nothing(m: re.Match[str], case: Case) -> None:
    assert not case.clear(case.fits[0])


@plain(rf"Bars: conditional mode ± (?P<z>{NUMBER}) times (?P<sd>.+?); open: (?P<ref>.+?)\.")
def marks(m: re.Match[str], case: Case) -> None:
    assert agrees(m["z"], norm.ppf(0.5 + case.level / 2))
    assert ("estimated too" in m["sd"]) == (case.options.get("error") == "marginal")
    assert m["ref"] == "reference (joint limit)"


@plain(rf"Band: the middle {PERCENT} of the fitted distribution, SD (?P<sds>.+?)"
       r"(?: \((?P<label>[a-z ]+)\))?\.(?= |$)")  # fmt: skip
def band(m: re.Match[str], case: Case) -> None:
    assert agrees(m["level"], 100 * case.level)
    assert (m["label"] is not None) == (len(case.fits) > 1)
    same(m["sds"], case.sds(case.of(m["label"])))


@plain(r"(?P<label>Zero correlations|Intercepts only): (?P<counts>.+?) exclude it\.")
def other_fit(m: re.Match[str], case: Case) -> None:
    same(m["counts"], case.clear(case.of(m["label"])))


@plain(r"Each interval is about one level by itself, not about all at once or differences\.")
def not_simultaneous(m: re.Match[str], case: Case) -> None:
    pass


@plain(rf"Each level has (?P<n>{NUMBER}) observations\.")
def balanced(m: re.Match[str], case: Case) -> None:
    assert set(case.modes(case.fits[0])["n_obs"]) == {int(read(m["n"]))}


@plain(rf"Levels have (?P<low>{NUMBER}) to (?P<high>{NUMBER}) observations\.")
def unbalanced(m: re.Match[str], case: Case) -> None:
    sizes = case.modes(case.fits[0])["n_obs"]
    assert (read(m["low"]), read(m["high"])) == (sizes.min(), sizes.max())


@plain(rf"Drawn are (?P<k>{NUMBER}) of (?P<q>{NUMBER}) levels, evenly in rank\.")
def many(m: re.Match[str], case: Case) -> None:
    assert read(m["q"]) == case.modes(case.fits[0])["level"].nunique() > 400 >= read(m["k"])


@plain(r"Levels at either end are named\.")
def ends_named(m: re.Match[str], case: Case) -> None:
    assert case.modes(case.fits[0])["level"].nunique() > 60


quantiles = Claims()


def agrees_in_number(m: re.Match[str]) -> None:
    """One mode leaves, others leave."""
    assert (m["verb"] == "leaves") == (re.match(r"1 in (?!.*\b\d+ in )", m["counts"]) is not None)


@quantiles(rf"Ordered modes of (?P<g>.+?): of (?P<q>{NUMBER}), (?P<counts>.+) "
           r"(?P<verb>leaves?) the envelope, "
           rf"where (?P<low>{NUMBER})(?: to (?P<high>{NUMBER}))?(?: each)? are to be "
           r"expected$")  # fmt: skip
def qq_title(m: re.Match[str], case: Case) -> None:
    fit = case.fits[0]
    assert read(m["q"]) == case.modes(fit)["level"].nunique()
    same(m["counts"], case.outside(fit))
    agrees_in_number(m)
    expected = case.counts(fit)["expected"]
    assert agrees(m["low"], expected.min())
    assert agrees(m["high"] or m["low"], expected.max())


@quantiles(rf"Conditional modes of .+ in order, with intervals at {PERCENT}, against normal "
           r"quantiles\.")  # fmt: skip
def qq_marks(m: re.Match[str], case: Case) -> None:
    assert agrees(m["level"], 100 * case.level)


@quantiles(r"Line: the SD of modes that the fit implies, (?P<sds>.+?)\.(?= [A-Z])")
def qq_line(m: re.Match[str], case: Case) -> None:
    fit = case.fits[0]
    errors = fit.require("mode_errors")
    errors = errors[errors["group"] == case.group]
    parts = re.findall(rf"({NUMBER}) in (.+?) \(effects ({NUMBER})\)", m["sds"])
    assert {term for _, term, _ in parts} == set(case.counts(fit).index)
    for mine, term, effects in parts:
        own = errors[errors["term"] == term]
        assert agrees(mine, np.sqrt((own["mode_sd"] ** 2).mean()))
        assert agrees(effects, case.sds(fit)[term])


@quantiles(rf"Envelope: the middle {PERCENT} of each in (?P<draws>{NUMBER}) draws from the fit, "
           r"levels (?P<how>together|each by itself), scaled to the root mean square of the "
           r"modes\.")  # fmt: skip
def qq_envelope(m: re.Match[str], case: Case) -> None:
    counts = case.counts(case.fits[0])
    assert set(counts["draws"]) == {int(read(m["draws"]))}
    assert set(counts["joint"]) == {m["how"] == "together"}


@quantiles(rf"In {PERCENT} of draws at most (?P<counts>.+?) (?P<verb>leaves?) it\.")
def qq_limits(m: re.Match[str], case: Case) -> None:
    same(m["counts"], case.counts(case.fits[0])["most"].to_dict())
    agrees_in_number(m)


@quantiles(r"(?P<label>Zero correlations|Intercepts only): (?P<counts>.+?) (?P<verb>leaves?) it\.")
def qq_other(m: re.Match[str], case: Case) -> None:
    same(m["counts"], case.outside(case.of(m["label"])))
    agrees_in_number(m)


@quantiles(rf"Drawn are (?P<k>{NUMBER}) of (?P<q>{NUMBER}) levels: the ends, those outside, and "
           r"others evenly in rank\.")  # fmt: skip
def qq_many(m: re.Match[str], case: Case) -> None:
    assert read(m["q"]) == case.modes(case.fits[0])["level"].nunique() > 400


def frame(levels: int = 9, seed: int = 2, *, balanced: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sizes = np.full(levels, 6) if balanced else rng.integers(2, 7, levels)
    g = np.repeat(np.arange(levels), sizes)
    x = rng.normal(size=len(g))
    u = rng.normal(size=(levels, 2))
    y = 3 + u[g, 0] + (1 + 0.5 * u[g, 1]) * x + 0.8 * rng.normal(size=len(g))
    return pd.DataFrame({"g": [f"level <{i}>" for i in g], "x": x, "y": y})


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    made = [
        ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", frame(), structure=structure).fit()
        for structure in ("full", "zerocorr", "intercept")
    ]
    return [fit.study("mode_distribution") for fit in made]


@pytest.fixture(scope="module")
def large() -> FitTables:
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", frame(450, balanced=False)).fit()
    return fit.study("mode_distribution")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"level": 0.8, "order": "x"},
        {"error": "marginal", "order": "n"},
        {"scale": "coef", "order": "reference"},
    ],
)
def test_claims_of_caterpillars(fits: list[FitTables], options: dict[str, Any]) -> None:
    for some in (fits[:1], fits):
        chart, head, caption = caterpillar_chart(some, "g", **options)
        if options.get("scale") != "coef":
            plain.read(head, Case(some, "g", **options))
        plain.read(caption.partition(" Zero")[0], Case(some, "g", **options))
        if options.get("scale") != "coef":
            plain.read(caption, Case(some, "g", **options))
        assert len(caption.split()) <= 100
        chart.to_dict()


def test_claims_of_quantile_plots(fits: list[FitTables]) -> None:
    for some in (fits[:1], fits):
        chart, head, caption = qqcaterpillar_chart(some, "g", level=0.9)
        quantiles.read(head, Case(some, "g", level=0.9))
        quantiles.read(caption, Case(some, "g", level=0.9))
        chart.to_dict()


def test_claims_of_many_levels(large: FitTables) -> None:
    for claims, draw in ((plain, caterpillar_chart), (quantiles, qqcaterpillar_chart)):
        _, head, caption = draw([large], "g")
        claims.read(head, Case([large], "g"))
        claims.read(caption, Case([large], "g"))


def test_rows_are_ordered_and_bars_have_the_length_of_the_level(fits: list[FitTables]) -> None:
    chart, _, _ = caterpillar_chart(fits[:1], "g", level=0.9, order="x")
    spec = chart.to_dict()
    rows = pd.concat([pd.DataFrame(t) for t in spec["datasets"].values() if t and "lo" in t[0]])
    modes = fits[0].modes.query("term == 'x'").set_index("level")
    own = rows[np.isclose(rows["m"], modes["mode"].reindex(rows["level"]).to_numpy(), rtol=1e-5)]
    own = own.drop_duplicates("level").set_index("level")
    assert len(own) == 9
    order = modes["mode"].sort_values(ascending=False).index
    assert own.sort_values("rank").index.tolist() == order.tolist()
    half = norm.ppf(0.95) * modes["std_dev"]
    np.testing.assert_allclose(own["hi"] - own["m"], half[own.index], rtol=1e-4)
    apart = modes["mode"].abs() > half
    assert own["clear"].to_dict() == apart.to_dict()


def test_what_cannot_be_drawn_is_said(fits: list[FitTables]) -> None:
    with pytest.raises(ModelError, match="Did you mean 'reference'"):
        caterpillar_chart(fits, "g", order="refrence")
    with pytest.raises(ModelError, match="scale='b'"):
        caterpillar_chart(fits, "g", error="marginal", scale="coef")
    with pytest.raises(ModelError, match="'z'"):
        qqcaterpillar_chart(fits, "g", terms=["z"])


def test_variation_that_is_not_determined_is_not_said_to_be_none() -> None:
    rows = frame().assign(o=[str(i) for i in range(54)])
    model = ms.LinearMixedModel("y ~ 1 + x + (1 | o) + (1 | g)", rows, unidentified="allow")
    fit = model.fit()
    for draw in (ms.charts.caterpillar, ms.charts.qqcaterpillar):
        with pytest.raises(UnsuitedError, match="do not determine"):
            draw(fit, "o")
        title = draw(fit, "g").to_dict()["title"]["text"]
        assert "no variation" not in str(title)


def test_every_claim_is_made(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert plain.unseen() <= {"title_of_nothing"}
    assert quantiles.unseen() == set()
