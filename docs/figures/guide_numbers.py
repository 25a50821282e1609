"""The numbers of docs/guide.md, from the tables of a finished run of the default configuration.

    python docs/figures/guide_numbers.py [results]

writes them to docs/figures/numbers.csv and into the guide, between ``<!--=name-->`` and
``<!--/-->``.  docs/figures/update does this and copies the figures.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from pathlib import Path
from statistics import NormalDist

import pandas as pd

import mixedscope as ms
from mixedscope.inference.generalized import DOUBTFUL

HERE = Path(__file__).parent
GUIDE = HERE.parent / "guide.md"
TABLE = HERE / "numbers.csv"

#: Upper quartile of the standard normal distribution: the median of its size.
_QUARTILE = NormalDist().inv_cdf(0.75)

MARK = re.compile(r"<!--=(?P<name>[\w.-]+)-->(?P<text>.*?)<!--/-->", re.DOTALL)


def fill(text: str, values: dict[str, str]) -> str:
    """Put values between their marks; a mark without a value, or the reverse, is an error."""
    names = {m["name"] for m in MARK.finditer(text)}
    if names != set(values):
        raise SystemExit(f"marks and numbers differ: {', '.join(sorted(names ^ set(values)))}")
    return MARK.sub(lambda m: f"<!--={m['name']}-->{values[m['name']]}<!--/-->", text)


class Run:
    """The stored tables of a run."""

    def __init__(self, results: Path) -> None:
        self.results = results

    def compare(self, model: str, table: str) -> pd.DataFrame:
        """One of the tables of a model."""
        return pd.read_parquet(self.results / "compare" / model / f"{table}.parquet")

    def fit(self, model: str, table: str, structure: str = "full") -> pd.DataFrame:
        """One of the tables of a fit by the optimiser of the story."""
        place = self.results / "fits" / model / structure / "pybobyqa"
        return pd.read_parquet(place / f"{table}.parquet")

    def info(self, model: str, structure: str = "full") -> dict:
        """What fit.json holds."""
        place = self.results / "fits" / model / structure / "pybobyqa" / "fit.json"
        return json.loads(place.read_text(encoding="utf-8"))

    def structures(self, model: str) -> pd.DataFrame:
        """The fits of a model by the optimiser of the story, by structure."""
        table = self.compare(model, "structures")
        return table[table["optimizer"] == "pybobyqa"].set_index("structure")

    def test(self, model: str, poorer: str, richer: str) -> pd.Series:
        """A likelihood-ratio test."""
        table = self.compare(model, "tests")
        chosen = (table["poorer"] == poorer) & (table["richer"] == richer)
        return table[chosen & (table["optimizer"] == "pybobyqa")].iloc[0]

    def fitted(self, model: str) -> pd.DataFrame:
        """How far the fitted values of each structure err from a known truth."""
        table = self.compare(model, "efficiency")
        return table[table["measure"] == "fitted"].set_index("structure")


def sleep(run: Run) -> dict[str, str]:
    """The model that fits its data."""
    estimates, scale = run.fit("sleep", "estimates"), run.fit("sleep", "shrinkage_scale")
    fits, accuracy = run.structures("sleep"), run.fit("sleep", "accuracy")
    at_fit = scale.loc[(scale["s"] - 1.0).abs().idxmin()]
    settled = int(accuracy.loc[accuracy["accuracy"] == 0.001, "evaluation"].max())
    evaluations = int(fits.loc["full", "evaluations"])
    saddles = run.fit("sleep", "landscape_points").query("kind == 'saddle'")["gap"]
    modes = run.fit("sleep", "modes")
    sd = modes.groupby("term")["joint_limit"].transform("std")
    way = (((modes["mode"] - modes["joint_limit"]) / sd) ** 2).groupby(modes["level"]).sum()
    moved = run.fit("sleep", "ledger").query("objective - objective.min() > 1e-3")["evaluation"]
    ends = run.compare("sleep", "race_ends")
    ends = ends[ends["point"] == "end"].set_index(["entrant", "start"])["evaluations"]
    search = run.compare("sleep", "race_ends").query("point == 'search'")
    loose = search[search["entrant"] == "nlopt-loose"]
    free = ends.loc[["pybobyqa", "nlopt-bobyqa", "nlopt-loose"]]
    density = run.compare("sleep", "crossvalidation").set_index(["scheme", "structure"])
    new, known = density.loc[("new", "zerocorr")], density.loc[("known", "intercept")]
    fitted = run.fitted("sleep")
    correlation = estimates.loc[estimates["kind"] == "correlation", "estimate"].iloc[0]
    return {
        "sleep.correlation": f"{correlation:.2f}",
        "sleep.mover": str(way.idxmax()),
        "sleep.cost-zerocorr": _two(run.test("sleep", "zerocorr", "full")["statistic"]),
        "sleep.p-zerocorr": _p(run.test("sleep", "zerocorr", "full")["p_value"]),
        "sleep.cost-intercept": _whole(run.test("sleep", "intercept", "zerocorr")["statistic"]),
        "sleep.edf": f"{sum(at_fit['edf_groups']):.1f}",
        "sleep.edf-end": _whole(sum(scale["edf_groups"].iloc[-1])),
        "sleep.saddles": _span(saddles, 0),
        "sleep.evaluations": str(evaluations),
        "sleep.settled": str(settled),
        "sleep.ledger-moved": str(int(moved.max()) + 1),
        "sleep.race-auto": str(int(ends.loc[("auto", 0)])),
        "sleep.race-auto-random": _span(ends.loc["auto"].drop(0), 0),
        "sleep.race-free": _span(free, 0),
        "sleep.race-loose": f"{loose['gap'].max():.1e}".replace("e-0", "e-").replace("-", "\u2212"),
        "sleep.efficiency-zerocorr": _loss(fitted.loc["zerocorr", "loss"]),
        "sleep.efficiency-intercept": f"{1 + fitted.loc['intercept', 'loss']:.1f}",
        "sleep.density": _plus_minus(new["density_difference"], new["density_difference_se"]),
        "sleep.known-intercept": _plus_minus(known["difference"], known["difference_se"]),
    }


def planning(run: Run) -> dict[str, str]:
    """How many drivers the next study takes."""
    table, sizes = run.compare("sleep", "power"), run.compare("sleep", "power_sizes")
    (days,) = sizes.query("effect == 'Days'").to_dict("records")
    rows = table.query("effect == 'Days'").sort_values("size")
    least, most = rows.iloc[0], rows.iloc[-1]
    return {
        "sleep.power-draws": f"{int(least['draws']):,}",
        "sleep.power-wanted": _percent(days["wanted"]),
        "sleep.power-size": str(int(days["size"])),
        "sleep.power-lower": str(int(days["size_lower"])),
        "sleep.power-upper": str(int(days["size_upper"])),
        "sleep.power-smallest": str(int(least["size"])),
        "sleep.power-largest": str(int(most["size"])),
        "sleep.power-least": _percent(least["power"]),
        "sleep.power-exaggeration": f"{least['type_m']:.1f}",
        "sleep.power-exaggeration-largest": _two(most["type_m"]),
        "sleep.power-singular": _percent(least["singular"] / least["draws"]),
    }


def schools(run: Run) -> dict[str, str]:
    """The model of pupils with few tests each."""
    panels = run.fit("schools", "panels").query("group == 'childid'")
    most = panels.sort_values("by_pull").iloc[0]
    axis = run.fit("schools", "panels_axes").set_index("group").loc["childid"]
    modes = run.fit("schools", "modes").query("group == 'childid' and within_group.notna()")
    spread = modes.groupby("term")[["within_group", "mode"]].std()
    kept = run.fit("schools", "lens_kept").query("group == 'childid'").groupby("role")["kept"]
    school = run.fit("schools", "modes").query("group == 'schoolid'")
    clear = school[school["mode"].abs() > NormalDist().inv_cdf(0.975) * school["std_dev"]]
    test = run.test("schools", "zerocorr", "full")
    table = run.fit("schools", "estimates").query("kind == 'correlation'").set_index("group")
    return {
        "schools.pull-most": _two(most["pull"]),
        "schools.pull-rows": str(int(most["n_obs"])),
        "schools.pull-median": _two(axis["median_pull"]),
        "schools.before-year": _two(spread.loc["year", "within_group"]),
        "schools.after-year": f"{spread.loc['year', 'mode']:.2f}",
        "schools.before-intercept": _two(spread.loc["(Intercept)", "within_group"]),
        "schools.after-intercept": _two(spread.loc["(Intercept)", "mode"]),
        "schools.least": _percents(kept.get_group("least")),
        "schools.most": _percents(kept.get_group("most")),
        "schools.clear-year": str(int((clear["term"] == "year").sum())),
        "schools.clear-intercept": str(int((clear["term"] == "(Intercept)").sum())),
        "schools.correlation": f"{table.loc['childid', 'estimate']:.2f}",
        "schools.correlation-school": f"{table.loc['schoolid', 'estimate']:.2f}",
        "schools.cost-zerocorr": _whole(test["statistic"]),
    }


def machines(run: Run) -> dict[str, str]:
    """The model of six workers."""
    test, fitted = run.test("machines", "zerocorr", "full"), run.fitted("machines")
    alone = fitted.loc["unshrunken", "mse"] / fitted.loc["full", "mse"] - 1
    return {
        "machines.p": _p(test["p_value"]),
        "machines.bootstrap": _p(test["bootstrap_p"]),
        "machines.efficiency-zerocorr": _loss(fitted.loc["zerocorr", "loss"]),
        "machines.efficiency-unshrunken": _loss(alone),
    }


def maximal(run: Run) -> dict[str, str]:
    """The model that asks too much."""
    fits, accuracy = run.structures("maximal"), run.fit("maximal", "accuracy")
    last = accuracy.loc[accuracy["accuracy"] == 0.001, "evaluation"].max()
    ranks = {e["group"]: f"{e['rank']} of {e['size']}" for e in run.info("maximal")["singular"]}
    lost = sum(e["size"] - e["rank"] for e in run.info("maximal")["singular"])
    table = run.fit("maximal", "estimates")
    table = table[(table["kind"] == "correlation") & (table["group"] == "subject")]
    correlations = run.test("maximal", "zerocorr", "full")
    slopes = run.test("maximal", "intercept", "zerocorr")
    fitted = run.fitted("maximal")
    out = {
        f"maximal.evaluations-{name}": str(int(fits.loc[name, "evaluations"]))
        for name in fits.index
    }
    errors = {}
    for structure in ("full", "zerocorr", "intercept"):
        own = run.fit("maximal", "shrinkage_error", structure)
        own = own[own["group"].isna()].set_index("s")["mse"]
        errors[structure] = own
        at = own.index[abs(own.index - 1.0).argmin()]
        out[f"maximal.error-{structure}"] = _whole(own[at])
    best = errors["full"]
    over = best[best.index[abs(best.index - 1.0).argmin()]] / best.min() - 1
    return out | {
        "maximal.settled": str(int(last)),
        "maximal.correlation": _two(table["estimate"].abs().max()),
        "maximal.rank-subject": ranks["subject"],
        "maximal.rank-item": ranks["item"],
        "maximal.empty": str(lost),
        "maximal.cost-correlations": f"{correlations['statistic']:.1f}",
        "maximal.p-low": _two(correlations["p_low"]),
        "maximal.p-high": _two(correlations["p_high"]),
        "maximal.cost-slopes": f"{slopes['statistic']:.1f}",
        "maximal.p-slopes": _p(slopes["p_value"]),
        "maximal.p-naive": _p(slopes["p_naive"]),
        "maximal.over": f"{100 * over:.1f}\u00a0%",
        "maximal.efficiency-zerocorr": _loss(fitted.loc["zerocorr", "loss"]),
        "maximal.efficiency-intercept": _loss(fitted.loc["intercept", "loss"]),
        "maximal.efficiency-unshrunken": f"{1 + fitted.loc['unshrunken', 'loss']:.1f}",
    }


def verbal(run: Run) -> dict[str, str]:
    """The model of yes and no."""
    info, estimates = run.info("verbal"), run.fit("verbal", "estimates")
    beta = estimates[estimates["kind"] == "beta"].set_index("term")["estimate"]
    sds = estimates[estimates["kind"] == "sd"].set_index("group")["estimate"]
    modes = run.fit("verbal", "modes").set_index("group")
    persons, items = (modes.loc[group].reset_index(drop=True) for group in ("id", "item"))
    moved = persons.loc[(persons["mode"] - persons["linearised"]).abs().idxmax()]
    above = items[items["mode"] > 0.0]["level"].str.lower()
    clear = items["mode"].abs() > NormalDist().inv_cdf(0.975) * items["std_dev"]
    data = pd.read_parquet(run.results / "data" / "verbagg.parquet")
    said = (data.loc[data["id"].astype(str) == moved["level"], "r2"] == info["success"]).sum()
    axis = run.fit("verbal", "panels_axes").set_index("group").loc["id"]
    pulls = run.fit("verbal", "panels").query("group == 'id'")["pull"]
    structures = run.compare("verbal", "structures").set_index("optimizer")
    near = info["approximation"]
    return {
        "verbal.odds-shout": _two(math.exp(beta["btypeshout"])),
        "verbal.odds-scold": _two(math.exp(beta["btypescold"])),
        "verbal.odds-self": _two(math.exp(beta["situself"])),
        "verbal.odds-anger": _two(math.exp(beta["Anger"])),
        "verbal.sd-id": _two(sds["id"]),
        "verbal.sd-item": _two(sds["item"]),
        # The median distance of two draws.
        "verbal.odds-persons": f"{math.exp(_QUARTILE * math.sqrt(2.0) * sds['id']):.1f}",
        "verbal.parameters": str(int(structures.loc["pybobyqa", "dof"])),
        "verbal.evaluations": str(int(structures.loc["pybobyqa", "evaluations"])),
        "verbal.evaluations-auto": str(int(structures.loc["auto", "evaluations"])),
        "verbal.correction": f"{near['correction']:.1f}".replace("-", "\u2212"),
        "verbal.largest": _two(near["largest"]),
        "verbal.doubtful": f"{DOUBTFUL:g}",
        "verbal.before": _two(persons["linearised"].std()),
        "verbal.after": _two(persons["mode"].std()),
        "verbal.infinite": str(int((persons["own_estimate"] == "infinite").sum())),
        "verbal.mover": str(moved["level"]),
        "verbal.mover-from": _two(moved["linearised"]),
        "verbal.mover-to": _two(moved["mode"]),
        "verbal.mover-yes": str(int(said)),
        "verbal.clear": str(int(clear.sum())),
        "verbal.want": str(int(above.str.contains("want").sum())),
        "verbal.do": str(int((~above.str.contains("want")).sum())),
        "verbal.pull-median": f"{axis['median_pull']:.3f}",
        "verbal.pull-most": f"{pulls.max():.3f}",
    } | _alone(data)


def _alone(data: pd.DataFrame) -> dict[str, str]:
    """What Laplace and quadrature make of persons without situations."""
    formula = "r2 ~ 1 + Anger + Gender + btype + situ + (1 | id)"
    laplace, exact = ms.glmer(formula, data), ms.glmer(formula, data, quadrature=25)
    one, two = (fit.estimates.query("kind == 'sd'").iloc[0] for fit in (laplace, exact))
    return {
        "verbal.alone-term": f"{laplace.approximation.correction:.1f}".replace("-", "\u2212"),
        "verbal.alone-exact": f"{exact.objective - laplace.objective:.1f}".replace("-", "\u2212"),
        "verbal.alone-laplace": f"{one['estimate']:.3f}",
        "verbal.alone-quadrature": f"{two['estimate']:.3f}",
        "verbal.alone-change": _two((two["estimate"] - one["estimate"]) / two["std_error"]),
    }


def phases(run: Run) -> dict[str, str]:
    """Phases over all fits by the optimiser of the story."""
    trend = pd.read_parquet(run.results / "compare" / "phases_trend.parquet")
    own = trend[(trend["optimizer"] == "pybobyqa") & (trend["phase"] == "fine-tuning")]
    own = own.set_index("size")
    by_theta, by_effects = own.loc["n_theta"], own.loc["q"]
    return {
        "phases.mean": _percent(by_theta["mean_share"]),
        "phases.smallest": _percent(by_theta["smallest_share"]),
        "phases.largest-theta": _percent(by_theta["largest_share"]),
        "phases.largest-q": _percent(by_effects["largest_share"]),
        "phases.largest-effects": f"{int(by_effects['largest_size']):,}",
        "phases.rank-theta": _two(by_theta["rank_correlation"]),
        "phases.rank-q": _two(by_effects["rank_correlation"]),
    }


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}\u00a0%"


def _percents(values: pd.Series) -> str:
    return f"{100 * values.min():.0f} to {100 * values.max():.0f}\u00a0%"


def _p(value: float) -> str:
    if not 0.0 <= value <= 1.0:
        raise SystemExit("a p-value of the guide is missing: was the whole configuration run?")
    return "< 0.001" if value < 0.001 else f"= {value:.3f}" if value < 0.02 else f"= {value:.2f}"


def _loss(value: float) -> str:
    return f"{100 * abs(value):.1f}\u00a0% {'more' if value > 0 else 'less'}"


def _span(values: pd.Series, digits: int) -> str:
    low, high = (f"{v:,.{digits}f}" for v in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def _plus_minus(value: float, error: float) -> str:
    return f"{value:+.1f} \u00b1 {2 * error:.1f}".replace("-", "\u2212")


def main(results: Path) -> None:
    """Write the table and the guide."""
    from large_models import numbers as large  # beside this script

    run = Run(results)
    values = (
        sleep(run)
        | planning(run)
        | machines(run)
        | maximal(run)
        | schools(run)
        | verbal(run)
        | phases(run)
        | large()
    )
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("name", "text"), *values.items()])
    GUIDE.write_text(fill(GUIDE.read_text(encoding="utf-8"), values), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
