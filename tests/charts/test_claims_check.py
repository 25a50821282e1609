"""What sheets of residuals and of checks say is recomputed from the fit and its data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from scipy.stats import beta, norm

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.check.chart import check_chart
from mixedscope.charts.kinds.check.words import standing_out
from mixedscope.charts.kinds.residuals.chart import residuals_chart
from mixedscope.charts.kinds.residuals.words import numbers_of
from mixedscope.tables.store import FitTables

claims = Claims()
SHARE = r"[\d.]+\u00a0%"
ROOT = norm.ppf(0.75) ** 0.5


class Sheet:
    """A fit with its studies, and what is recomputed of its residuals."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frame = FRAMES[name]()
        formula = {"curved": "y ~ x + w + (1 + x | g)", "many": "y ~ x + (1 | g)"}.get(name)
        self.fit = ms.LinearMixedModel(formula or "y ~ 1 + x + (1 | g) + (1 | h)", self.frame).fit()
        self.tables: FitTables = self.fit.study("residuals", "check")
        self.residual = self.fit.residuals("standardised").to_numpy()
        self.cooks = self.fit.cooks_distance(method="leverage")

    def outside(self, values: np.ndarray) -> np.ndarray:
        """How far values outside of their limits are from normal quantiles."""
        n = len(values)
        i = np.arange(1, n + 1)
        low, high = (norm.ppf(beta.ppf(p, i, n + 1 - i)) for p in (0.025, 0.975))
        own = np.sort(values)
        gone = (own < low) | (own > high)
        return np.abs(own - norm.ppf((i - 0.5) / n))[gone]

    def missed(self, of: str) -> pd.Series:
        expected = 0.0 if of == "residual" else ROOT
        bins = self.tables.require("residuals_bins").query("of == @of")
        off = (bins["lower"] > expected) | (bins["upper"] < expected)
        return (bins["median"] - expected).abs()[off]

    def bins(self) -> int:
        return int((self.tables.require("residuals_bins")["of"] == "root").sum())

    def modes(self, group: str, term: str) -> np.ndarray:
        own = self.tables.require("check_effects")
        return own[(own["group"] == group) & (own["term"] == term)]["value"].to_numpy()

    def standing(self) -> list[str]:
        tables = (self.tables.require(f"check_{name}") for name in ("collinearity", "terms"))
        return standing_out(
            numbers_of(self.tables.require("residuals_numbers")),
            numbers_of(self.tables.require("check_numbers")),
            *tables,
        )


def curved() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(15), 12)
    out = pd.DataFrame({"g": [f"g{i:02d}" for i in g], "x": rng.normal(size=180)})
    out["w"] = out["x"] + 0.3 * rng.normal(size=180)
    b = rng.normal(size=(15, 2)) * (2.0, 0.5)
    out["y"] = b[g, 0] + (1 + b[g, 1]) * out["x"] + out["x"] ** 2 + rng.normal(size=180)
    out.loc[5, "y"] += 12.0
    return out


def many() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(120), 20)
    out = pd.DataFrame({"g": [f"g{i:03d}" for i in g], "x": rng.normal(size=2400)})
    out["y"] = rng.normal(size=120)[g] + out["x"] + rng.normal(size=2400)
    return out


def crossed() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    g, h = np.divmod(np.arange(96), 8)
    out = pd.DataFrame({"g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h]})
    out["x"] = rng.normal(size=96)
    out["y"] = rng.normal(size=12)[g] + out["x"] + rng.normal(size=96)
    # Nothing varies by h, less than chance would have it.
    out["y"] -= out.groupby("h")["y"].transform("mean")
    return out


FRAMES = {"curved": curved, "many": many, "crossed": crossed}


@claims(
    rf"(?P<share>{SHARE}) of the residuals lie outside their normal envelope; "
    rf"medians are off in (?P<first>\d+), sizes in (?P<second>\d+) of (?P<bins>\d+) bins"
)
def residuals_title(found: Any, sheet: Sheet) -> None:
    share = len(sheet.outside(sheet.residual)) / len(sheet.residual)
    assert agrees(found["share"].removesuffix("\u00a0%"), share, scale=0.01)
    assert int(found["first"]) == len(sheet.missed("residual"))
    assert int(found["second"]) == len(sheet.missed("root"))
    assert int(found["bins"]) == sheet.bins()


@claims(
    rf"(?P<outside>{NUMBER}) of (?P<told>{NUMBER}) \((?P<share>{SHARE})\) lie outside the "
    rf"envelope, 5\u00a0% of independent ones\. The middle half is like SD (?P<sd>{NUMBER}); "
    rf"largest "
    rf"(?P<most>{NUMBER}) \(row (?P<row>\S+)\)\."
)
def normality(found: Any, sheet: Sheet) -> None:
    assert read(found["outside"]) == len(sheet.outside(sheet.residual))
    assert read(found["told"]) == len(sheet.residual)
    quartiles = np.quantile(sheet.residual, [0.25, 0.75])
    assert agrees(found["sd"], np.ptp(quartiles) / np.ptp(norm.ppf([0.25, 0.75])))
    most = np.abs(sheet.residual).argmax()
    assert agrees(found["most"], sheet.residual[most])
    assert found["row"] == str(sheet.frame.index[most])


@claims(
    rf"The median is off zero in (?P<missed>\d+) of (?P<bins>\d+) bins \((?P<chance>{NUMBER}) by "
    rf"chance\)(?:, by (?P<worst>{NUMBER}) at most)?\."
)
def linearity(found: Any, sheet: Sheet) -> None:
    missed = sheet.missed("residual")
    assert (int(found["missed"]), int(found["bins"])) == (len(missed), sheet.bins())
    assert agrees(found["chance"], 0.05 * sheet.bins())
    assert (found["worst"] is None) == missed.empty
    assert found["worst"] is None or agrees(found["worst"], missed.max())


@claims(
    rf"Typical size differs (?P<times>{NUMBER})-fold between bins, off in (?P<missed>\d+) of "
    rf"(?P<bins>\d+)\. Breusch–Pagan p\u00a0(?P<sign>[<=])\u00a0(?P<p>{NUMBER})\."
)
def spread(found: Any, sheet: Sheet) -> None:
    root = sheet.tables.require("residuals_bins").query("of == 'root'")["median"]
    assert agrees(found["times"], (root.max() / root.min()) ** 2)
    assert int(found["missed"]) == len(sheet.missed("root"))
    p = numbers_of(sheet.tables.require("residuals_numbers"))["breusch_pagan_p"]
    assert p < read(found["p"]) if found["sign"] == "<" else agrees(found["p"], p)


@claims(
    rf"Cook's distance exceeds 1 in (?P<one>{NUMBER}) rows?, 0\.5 in (?P<half>{NUMBER}); largest "
    rf"(?P<most>{NUMBER}) \(row (?P<row>\S+)\)\. Of fixed effects alone: (?P<fixed>{NUMBER})\."
)
def influence(found: Any, sheet: Sheet) -> None:
    assert read(found["one"]) == (sheet.cooks > 1).sum()
    assert read(found["half"]) == (sheet.cooks > 0.5).sum()
    assert agrees(found["most"], sheet.cooks.max())
    assert found["row"] == str(sheet.cooks.idxmax())
    assert agrees(found["fixed"], sheet.fit.cooks_distance().max())


@claims(
    rf"(?P<group>\w+): medians from (?P<low>{NUMBER}) \((?P<first>\w+)\) to (?P<high>{NUMBER}) "
    rf"\((?P<last>\w+)\)"
)
def levels(found: Any, sheet: Sheet) -> None:
    own = pd.Series(sheet.residual).groupby(sheet.frame[found["group"]]).median()
    assert agrees(found["low"], own.min())
    assert agrees(found["high"], own.max())
    assert (found["first"], found["last"]) == (own.idxmin(), own.idxmax())


@claims(
    r"Standardised residuals: over σ√\(1 − leverage\)\. Envelope: pointwise, 95\u00a0% of each "
    r"order statistic of independent normal values\. Medians, with 95\u00a0% sign intervals, are "
    r"of bins of population values: shrunken modes correlate with residuals\. Cook's distances are "
    r"from leverages, as lme4's\. Below, levels by median\."
)
def what_is_drawn(_: Any, sheet: Sheet) -> None:
    left = 1.0 - sheet.fit.leverage()
    wanted = sheet.fit.residuals("pearson") / (sheet.fit.sigma * np.sqrt(left))
    np.testing.assert_allclose(sheet.residual, wanted)
    own = sheet.residual**2 * (1.0 - left) / left / len(sheet.fit.beta)
    np.testing.assert_allclose(sheet.cooks, own)


@claims(
    rf"Drawn are (?P<shown>{NUMBER}) of (?P<told>{NUMBER})(?: observations, extremes among them|: "
    r"the 50 largest by each measure, others evenly spaced in population values)\."
)
def sampled(found: Any, sheet: Sheet) -> None:
    points = sheet.tables.require("residuals_points")
    assert (read(found["shown"]), read(found["told"])) == (len(points), len(sheet.residual))
    assert set(sheet.cooks.nlargest(50).index) <= set(points["row"])


@claims(r"Levels drawn: (?P<some>\d+) of (?P<all>\d+) of g, evenly spaced in rank\.")
def levels_sampled(found: Any, sheet: Sheet) -> None:
    assert int(found["all"]) == sheet.frame["g"].nunique()
    assert int(found["some"]) == len(sheet.tables.require("residuals_groups"))


@claims(r"(?P<count>\d|None) of 7 checks stands? out(?:: (?P<names>.+))?$")
def check_title(found: Any, sheet: Sheet) -> None:
    names = sheet.standing()
    assert (found["names"] or "").split(", ") == (names or [""])
    assert found["count"] == (str(len(names)) if names else "None")


@claims(
    r"A check stands out where over 5\u00a0% of observed mass lie outside the band, medians are "
    r"off in more bins than chance makes likely and one by over 0\.3, sizes likewise and over "
    r"2-fold, Cook's distance of fixed effects exceeds 1, variance inflation reaches 5, or a value "
    r"outside its envelope is off by over 0\.5\. Residuals and modes are over their standard "
    r"deviations under the model; bands are pointwise\."
)
def rules(_: Any, sheet: Sheet) -> None:
    names = sheet.standing()
    missed = sheet.missed("residual")
    likely = {12: 2, 9: 2}[sheet.bins()]
    assert ("linearity" in names) == (len(missed) > likely and missed.max() > 0.3)
    root = sheet.tables.require("residuals_bins").query("of == 'root'")["median"]
    apart = root.max() ** 2 > 2 * root.min() ** 2
    assert ("spread" in names) == (len(sheet.missed("root")) > likely and apart)
    assert ("influence" in names) == (sheet.fit.cooks_distance().max() > 1)
    vif = sheet.tables.require("check_collinearity")["vif"]
    assert ("collinearity" in names) == (vif >= 5).any()
    assert ("residuals" in names) == (sheet.outside(sheet.residual).max(initial=0) > 0.5)
    terms = sheet.tables.require("check_terms")
    gaps = [sheet.outside(sheet.modes(g, t)).max(initial=0) for g, t in
            zip(terms["group"], terms["term"], strict=True)]  # fmt: skip
    assert ("random effects" in names) == (max(gaps) > 0.5)
    density = sheet.tables.require("check_density")
    out = (density["observed"] < density["lower"]) | (density["observed"] > density["upper"])
    mass = density["observed"][out].sum() / density["observed"].sum()
    assert ("simulated data" in names) == (mass > 0.05)


@claims(
    rf"(?P<mass>{SHARE}) of the observed mass lies outside the 95\u00a0% band of 200 simulated "
    r"data sets\."
)
def density(found: Any, sheet: Sheet) -> None:
    mass = numbers_of(sheet.tables.require("check_numbers"))["mass_outside"]
    assert agrees(found["mass"].removesuffix("\u00a0%"), mass, scale=0.01)


@claims(
    rf"Largest variance inflation: (?P<vif>{NUMBER}) \((?P<term>\w+)\), "
    r"(?P<size>low|moderate|high)\."
)
def inflation(found: Any, sheet: Sheet) -> None:
    covariance = sheet.fit.vcov.to_numpy()[1:, 1:]
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    vif = 1.0 / (1.0 - correlation**2)
    assert agrees(found["vif"], vif)
    assert found["term"] in ("x", "w")
    assert found["size"] == ("low" if vif < 5 else "moderate" if vif < 10 else "high")


@claims(r"Fewer than two terms: nothing to be collinear with\.")
def alone(_: Any, sheet: Sheet) -> None:
    assert len(sheet.fit.beta) == 2


@claims(
    rf"(?P<outside>\d+) of (?P<levels>\d+) outside the envelope"
    rf"(?:, by (?P<gap>{NUMBER}) at most)?\."
)
def modes(found: Any, sheet: Sheet) -> None:
    terms = sheet.tables.require("check_terms")
    gaps = [sheet.outside(sheet.modes(g, t)) for g, t in
            zip(terms["group"], terms["term"], strict=True)]  # fmt: skip
    own = [g for g in gaps if len(g) == int(found["outside"])]
    assert any(found["gap"] is None or agrees(found["gap"], g.max()) for g in own)


CASES = list(FRAMES)


@pytest.fixture(scope="module")
def sheets() -> dict[str, Sheet]:
    return {name: Sheet(name) for name in CASES}


def headings(node: Any) -> list[str]:
    """Sentences above the panels of a specification."""
    out = []
    if isinstance(node, dict):
        title = node.get("title")
        if isinstance(title, dict) and "subtitle" in title:
            lines = title["subtitle"]
            out.append(" ".join(lines if isinstance(lines, list) else [lines]).strip())
        elif isinstance(title, dict) and isinstance(title.get("text"), str):
            out.append(title["text"])
        for value in node.values():
            out += headings(value)
    elif isinstance(node, list):
        out += [text for value in node for text in headings(value)]
    return out


@pytest.mark.parametrize("chart", [residuals_chart, check_chart])
@pytest.mark.parametrize("name", CASES)
def test_titles_captions_and_sentences_hold(name: str, chart: Any, sheets: Any) -> None:
    sheet = sheets[name]
    drawn, title, caption = chart([sheet.tables])
    claims.read(title, sheet)
    claims.read(caption, sheet)
    assert len(caption.split()) <= 80
    sentences = headings(to_spec(drawn))
    assert len(sentences) >= 5
    for sentence in sentences:
        if sentence not in ("Collinearity",):
            claims.read(sentence, sheet)


def test_every_sentence_has_been_seen(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert claims.unseen() == set()
