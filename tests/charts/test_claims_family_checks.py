"""What sheets of residuals and of checks of generalised models say is recomputed from draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import test_claims_check as linear
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from family_cases import answers, plain, visits
from scipy.stats import binom, norm

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.check.chart import check_chart
from mixedscope.charts.kinds.residuals.chart import residuals_chart
from mixedscope.inference.generalized import simulated
from mixedscope.tables.store import FitTables

claims = Claims()
#: Sentences that are those of linear models too, each with what makes it true.
ALIKE = {"residuals_title", "normality", "linearity", "levels", "inflation", "alone"}
claims.checks += [(p, check) for p, check in linear.claims.checks if check.__name__ in ALIKE]

DRAWS, SEED = 80, 5
SHARE = linear.SHARE
ROOT = linear.ROOT

CASES = {
    "answers": (answers, "y ~ x + w + (1 | g) + (1 | h)", "binomial"),
    "visits": (visits, "y ~ x + w + (1 | g)", "poisson"),
    "dispersed": (visits, "y ~ x + w + (1 | g)", "nbinom2"),
    "curved": (plain, "y ~ x + (1 | g)", "poisson"),
}


class Sheet:
    """A fit with its studies, and what is recomputed of its residuals and of its draws."""

    def __init__(self, name: str) -> None:
        made, formula, family = CASES[name]
        self.frame = made()
        self.fit = ms.glmer(formula, self.frame, family)
        self.fit.study("check", draws=DRAWS, seed=SEED)
        self.tables: FitTables = self.fit.study("residuals")
        points = self.tables.require("residuals_points").sort_values("row")
        assert len(points) == len(self.frame)
        self.residual = points["residual"].to_numpy()
        self.y = self.fit.model.design.y
        self.laplace = self.fit.model.laplace

    def drawn(self, count: int, seed: int) -> np.ndarray:
        """Responses drawn from the fit, random effects anew."""
        point = self.fit.parameters.to_numpy()
        return simulated(self.laplace, point, count, seed, conditional=False)

    def outside(self, values: np.ndarray) -> np.ndarray:
        """How far values outside of their limits are from normal quantiles."""
        return linear.Sheet.outside(self, values)  # type: ignore[arg-type]

    def missed(self, of: str) -> pd.Series:
        return linear.Sheet.missed(self, of)  # type: ignore[arg-type]

    def bins(self) -> int:
        return linear.Sheet.bins(self)  # type: ignore[arg-type]

    def numbers(self) -> dict[str, float]:
        table = self.tables.require("check_numbers")
        return dict(zip(table["name"], table["value"], strict=True))

    def bands(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What is told of the response and its weights, with the limits of 95 % of the draws."""
        draws = self.drawn(DRAWS, SEED)
        if self.fit.info["family"] == "binomial":
            # Few combinations of predictors: a bin for each.
            codes = self.frame.groupby(["x", "w"]).ngroup().to_numpy()
            rows = np.bincount(codes).astype(float)
            told = [np.bincount(codes, row) / rows for row in (self.y, *draws)]
            weights = rows
        else:
            most = int(self.y.max())
            told = [
                np.bincount(row[row <= most].astype(int), minlength=most + 1)[int(self.y.min()) :]
                for row in (self.y, *draws)
            ]
            weights = told[0]
        low, high = np.quantile(np.array(told[1:]), [0.025, 0.975], axis=0)
        return np.asarray(told[0]), np.asarray(weights, dtype=float), low, high

    def mass_outside(self) -> float:
        seen, weights, low, high = self.bands()
        return float(weights[(seen < low) | (seen > high)].sum() / weights.sum())

    def zeros(self) -> tuple[int, np.ndarray]:
        return int((self.y == 0).sum()), (self.drawn(DRAWS, SEED) == 0).sum(axis=1)

    def standing(self) -> dict[str, bool]:
        """Which checks stand out, by the rules of the caption."""
        told = self.numbers()
        root = self.tables.require("residuals_bins").query("of == 'root'")["median"]
        missed, rough = self.missed("residual"), self.missed("root")
        likely = binom.ppf(0.95, self.bins(), 0.05)
        least = 0.05
        if told["shown"] == 2:  # more than one bin of shares
            least = max(least, 1.5 / len(self.bands()[0]))
        found = {
            "simulated data": self.mass_outside() > least,
            "linearity": len(missed) > likely and missed.max() > 0.3,
            "spread": len(rough) > likely and root.max() ** 2 > 2 * root.min() ** 2,
        }
        if "dispersion_p" in told:
            found["dispersion"] = told["dispersion_p"] < 0.05
        if "zeros_p" in told:
            found["zeros"] = two_sided(*self.zeros()) < 0.05
        vif = self.tables.require("check_collinearity")["vif"]
        terms = self.tables.require("check_terms")
        return found | {
            "collinearity": bool((vif >= 5).any()),
            "residuals": self.outside(self.residual).max(initial=0.0) > 0.5,
            "random effects": bool((terms["outside"] > terms["likely"]).any()),
        }


def two_sided(own: float, drawn: np.ndarray) -> float:
    """How rare a number is among those drawn, on its smaller side, twice."""
    smaller = min(int((drawn <= own).sum()), int((drawn >= own).sum()))
    return min(1.0, 2.0 * (1 + smaller) / (1 + len(drawn)))


@claims(
    rf"Typical size differs (?P<times>{NUMBER})-fold between bins, off in (?P<missed>\d+) of "
    r"(?P<bins>\d+)\."
)
def spread(found: Any, sheet: Sheet) -> None:
    root = sheet.tables.require("residuals_bins").query("of == 'root'")["median"]
    assert agrees(found["times"], (root.max() / root.min()) ** 2)
    assert int(found["missed"]) == len(sheet.missed("root"))
    assert int(found["bins"]) == sheet.bins()


@claims(
    r"Simulated residuals: the rank of each response among (?P<draws>\d+) drawn from the fit, "
    r"random effects anew, ties broken at random \(seed (?P<seed>\d+)\), as a normal quantile\. "
    r"Envelope: pointwise, 95\u00a0% of each order statistic of independent normal values; "
    r"residuals of one level depend on each other\. Medians, with 95\u00a0% sign intervals, are of "
    r"bins of population means\. Below, levels by median\."
)
def what_is_drawn(found: Any, sheet: Sheet) -> None:
    draws = sheet.drawn(int(found["draws"]), int(found["seed"]))
    below, upto = (draws < sheet.y).sum(axis=0), (draws <= sheet.y).sum(axis=0)
    own = norm.cdf(sheet.residual) * (len(draws) + 1.0)
    assert np.all((own >= below - 1e-9) & (own <= upto + 1.0 + 1e-9))
    bins = sheet.tables.require("residuals_bins").query("of == 'residual'")
    assert (bins["lower"] <= bins["median"]).all()
    assert (bins["median"] <= bins["upper"]).all()


@claims(
    r"Data are simulated from the fit, random effects anew\. A check stands out where over "
    r"5\u00a0% of the observed mass lie outside the band, and more than one bin of shares; "
    r"dispersion \(Pearson's statistic at the modes\) or zeros have p below 0\.05; medians are off "
    r"in more bins than chance makes likely and one by over 0\.3, sizes likewise and over 2-fold; "
    r"variance inflation reaches 5; a residual outside its envelope is off by over 0\.5; more "
    r"modes lie outside than in 95\u00a0% of simulated data\."
)
def rules(_: Any, sheet: Sheet) -> None:
    assert sheet.standing().keys() <= {
        "simulated data", "dispersion", "zeros", "linearity", "spread", "collinearity",
        "residuals", "random effects",
    }  # fmt: skip


@claims(r"(?P<count>\d|None) of (?P<all>\d) checks stands? out(?:: (?P<names>.+))?$")
def check_title(found: Any, sheet: Sheet) -> None:
    checks = sheet.standing()
    names = [name for name, out in checks.items() if out]
    assert int(found["all"]) == len(checks)
    assert (found["names"] or "").split(", ") == (names or [""])
    assert found["count"] == (str(len(names)) if names else "None")


@claims(
    rf"Shares of successes in bins of population means: (?P<mass>{SHARE}) of the outcomes are in "
    rf"bins outside the 95\u00a0% band of (?P<draws>{NUMBER}) simulated data sets\."
)
def shares(found: Any, sheet: Sheet) -> None:
    assert set(sheet.y) == {0.0, 1.0}
    assert int(found["draws"]) == DRAWS
    assert agrees(found["mass"].removesuffix("\u00a0%"), sheet.mass_outside(), scale=0.01)


@claims(
    rf"(?P<mass>{SHARE}) of the observed mass lies outside the 95\u00a0% band of "
    rf"(?P<draws>{NUMBER}) simulated data sets\."
)
def values(found: Any, sheet: Sheet) -> None:
    assert int(found["draws"]) == DRAWS
    assert agrees(found["mass"].removesuffix("\u00a0%"), sheet.mass_outside(), scale=0.01)


@claims(r"Single outcomes tell nothing of their dispersion\.")
def single(_: Any, sheet: Sheet) -> None:
    assert sheet.fit.info["family"] == "binomial"
    assert not {"dispersion", "zeros"} & sheet.standing().keys()


@claims(
    rf"Dispersion (?P<times>{NUMBER}) times that of simulated data \(95\u00a0%: (?P<low>{NUMBER}) "
    rf"to (?P<high>{NUMBER}); p\u00a0(?P<sign>[<=])\u00a0(?P<p>{NUMBER})\)\."
)
def dispersion(found: Any, sheet: Sheet) -> None:
    told = sheet.numbers()
    pearson = sheet.fit.residuals("pearson").to_numpy()
    own = (pearson**2).sum() / (len(pearson) - len(sheet.fit.parameters))
    assert agrees(found["times"], own / told["dispersion_mean"])
    assert agrees(found["low"], told["dispersion_lower"] / told["dispersion_mean"])
    assert agrees(found["high"], told["dispersion_upper"] / told["dispersion_mean"])
    assert read(found["low"]) < 1.0 < read(found["high"])
    p = told["dispersion_p"]
    assert p < read(found["p"]) if found["sign"] == "<" else agrees(found["p"], p)
    assert (p < 0.045) <= (not told["dispersion_lower"] <= own <= told["dispersion_upper"])


@claims(
    rf"(?P<own>{NUMBER}) zeros, (?P<mean>{NUMBER}) simulated \((?P<low>{NUMBER}) to "
    rf"(?P<high>{NUMBER}); p\u00a0(?P<sign>[<=])\u00a0(?P<p>{NUMBER})\)\."
)
def zeros(found: Any, sheet: Sheet) -> None:
    own, drawn = sheet.zeros()
    assert read(found["own"]) == own
    assert agrees(found["mean"], drawn.mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert agrees(found["low"], low)
    assert agrees(found["high"], high)
    p = two_sided(own, drawn)
    assert p < read(found["p"]) if found["sign"] == "<" else agrees(found["p"], p)


@claims(
    rf"(?P<outside>\d+) of (?P<levels>\d+) outside the envelope"
    rf"(?:, by (?P<gap>{NUMBER}) at most)?\."
)
def modes(found: Any, sheet: Sheet) -> None:
    told = []
    for _, own in sheet.tables.require("check_effects").groupby(["group", "term"]):
        beyond = np.maximum(own["lower"] - own["value"], own["value"] - own["upper"])
        told.append((int((beyond > 0).sum()), len(own), beyond.max()))
    assert any(
        (int(found["outside"]), int(found["levels"])) == (outside, levels)
        and (found["gap"] is None) == (outside == 0)
        and (found["gap"] is None or agrees(found["gap"], gap))
        for outside, levels, gap in told
    )


@pytest.fixture(scope="module")
def sheets() -> dict[str, Sheet]:
    return {name: Sheet(name) for name in CASES}


@pytest.mark.parametrize("chart", [residuals_chart, check_chart])
@pytest.mark.parametrize("name", CASES)
def test_titles_captions_and_sentences_hold(name: str, chart: Any, sheets: Any) -> None:
    sheet = sheets[name]
    drawn, title, caption = chart([sheet.tables])
    claims.read(title, sheet)
    claims.read(caption, sheet)
    sentences = linear.headings(to_spec(drawn))
    assert len(sentences) >= 4
    for sentence in sentences:
        if sentence not in ("Collinearity",):
            claims.read(sentence, sheet)


def test_what_is_amiss_stands_out_and_what_is_not_does_not(sheets: dict[str, Sheet]) -> None:
    assert not any(sheets["answers"].standing().values())
    assert sheets["visits"].standing()["dispersion"]
    assert not sheets["dispersed"].standing()["dispersion"]
    assert sheets["curved"].standing()["linearity"]


def test_every_sentence_has_been_seen(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert claims.unseen() <= {"alone"}
