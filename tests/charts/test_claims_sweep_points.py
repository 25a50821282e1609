"""What areas, heat maps and points of sweeps say, and who is left out, comes from the runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read
from sweep_cases import KEYS, UNITS
from sweep_cases import sweep_runs as runs

from mixedscope.charts.kinds.sweep.words import sweep_caption, sweep_title
from mixedscope.optimize.backends import BACKENDS
from mixedscope.summaries.runs import summarise

claims = Claims()

PHASES = {
    "exploration": "exploration",
    "rapid convergence": "convergence",
    "fine tuning and verification": "fine_tuning",
}


class Case:
    """Runs, and the chart that is made of them."""

    def __init__(self, table: pd.DataFrame, **chart: Any) -> None:
        defaults: dict[str, Any] = {"kind": "line", "x": UNITS, "colour": None, "facet": None}
        self.chart = {**defaults, "rows": None, "where": {}, "scale": None, **chart}
        self.all = table
        for key, wanted in self.chart["where"].items():
            table = table[table[key].isin(wanted if isinstance(wanted, list) else [wanted])]
        self.considered = table
        self.table = table[table["error"].isna()]

    @property
    def roles(self) -> list[str]:
        """Keys with a role in the chart; those of a part of a run are no columns."""
        keys = [self.chart[r] for r in ("facet", "colour", "rows", "x")]
        return [k for k in keys if k in KEYS]

    @property
    def varying(self) -> list[str]:
        """Keys of no role in which runs differ."""
        return [k for k in KEYS if k not in self.roles and self.table[k].nunique() > 1]

    @property
    def path(self) -> str | None:
        """The key along a line of points."""
        free = [k for k in self.varying if k != "replicate"]
        return free[0] if self.chart["kind"] == "points" and len(free) == 1 else None

    def points(self, *columns: str) -> pd.DataFrame:
        """Medians of columns over the runs of every mark."""
        told = [k for k in self.varying if k != "replicate"]
        by = [*self.roles, *(told if self.chart["kind"] == "points" else [])]
        grouped = self.table.groupby(by, sort=False)
        return grouped[list(columns)].median().assign(count=grouped.size()).reset_index()

    def series(self) -> list[tuple[float, float]]:
        """Values of the measure at the first and the last x of every series."""
        column, x = self.chart["y"], self.chart["x"]
        table = self.table.assign(part=0)
        if column == "kept":
            table = self.table.assign(part=[[0, 1]] * len(self.table)).explode(["kept", "part"])
        told = [k for k in self.varying if k != "replicate"] if self.path else []
        by = [k for k in (*self.roles, *told) if k != x]
        points = table.astype({column: float}).groupby(["part", *by, x])[column].median()
        points = points.sort_index(level=x, ascending=x != "tolerance", sort_remaining=False)
        ends = points.groupby(["part", *by], sort=False).agg(["first", "last"])
        return list(zip(ends["first"], ends["last"], strict=True))

    def read(self) -> list[str]:
        timing = pd.DataFrame({"run": self.all["run"], "seconds": 1.0})
        summary = summarise(self.all, timing, self.chart)
        texts = [sweep_title(summary), sweep_caption(summary)]
        for text in texts:
            claims.read(text, self)
        return texts


def say(value: float) -> str:
    """A tolerance as it is written."""
    mantissa, power = f"{value:.1e}".split("e")
    return f"{value:g}" if value >= 1e-2 else f"{float(mantissa):g}e\u2212{-int(power)}"


def is_said(words: str, value: float) -> bool:
    """Whether words are a value, or the floor that it lies below."""
    if words.startswith("\u2264"):
        return value <= 1e-10
    number, _, percent = words.partition("\u00a0")
    return agrees(number, value, scale=0.01 if percent else 1.0)


def percentages(words: str) -> list[float]:
    return [read(v) for v in re.findall(rf"({NUMBER})\u00a0%", words)]


# -- areas -----------------------------------------------------------------------------------------


def shares(case: Case, x: Any) -> list[float]:
    """Mean shares of the last phase at one x, one per panel, in per cent."""
    own = case.table[case.table[case.chart["x"]] == x]
    part = own["fine_tuning"] / own[list(PHASES.values())].sum(axis=1)
    by = own[case.chart["facet"]] if case.chart["facet"] else pd.Series(0, index=own.index)
    return (100.0 * part.groupby(by, sort=False).mean()).tolist()


def has(words: str, values: list[float]) -> bool:
    told = percentages(words)
    ends = [min(values), max(values)]
    return all(abs(a - b) <= 0.5001 for a, b in zip((told[0], told[-1]), ends, strict=True))


PART = rf"(?:{NUMBER}\u00a0% to )?{NUMBER}\u00a0%"


@claims(
    rf"Fine tuning and verification: (?P<part>{PART}) of the evaluations, whatever the "
    r"(?P<key>number of levels of subject|tolerance|optimiser)$"
)
def whatever(m: re.Match[str], case: Case) -> None:
    values = case.table[case.chart["x"]].unique()
    assert len(values) > 1
    assert all(has(m["part"], shares(case, x)) for x in values)


@claims(
    rf"Fine tuning and verification: (?P<first>{PART}) of the evaluations at (?P<a>[^,]+)"
    rf"(?:, (?P<last>{PART}) at (?P<b>[^,]+))?$"
)
def at_both_ends(m: re.Match[str], case: Case) -> None:
    values = sorted(case.table[case.chart["x"]].unique())
    values = values[::-1] if case.chart["x"] == "tolerance" else values
    assert (m["last"] is None) == (len(values) == 1)
    for part, name, x in ((m["first"], m["a"], values[0]), (m["last"], m["b"], values[-1])):
        if part:
            assert has(part, shares(case, x))
            assert name in (f"{x} levels of subject", f"tolerance {say(float(x))}")


@claims(r"Mean share of each phase in the evaluations of a run, polishing included\.")
def areas(m: re.Match[str], case: Case) -> None:
    assert (case.chart["kind"], case.chart["y"]) == ("area", "phase_share")


# -- points ----------------------------------------------------------------------------------------


def check_colours(words: str, values: pd.DataFrame, column: str, case: Case) -> None:
    """Ranges of the colours named, how many are not, and which never came near."""
    colour, facet = case.chart["colour"], case.chart["facet"]
    named, _, never = words.partition("; never with ")
    named, *more = re.split(r" and (\d+) others?$", named)
    drawn = case.points("search_gap")
    known = list(drawn[colour].unique()) if colour else [None]
    told = []
    for part in named.split(", "):
        found = re.fullmatch(
            rf"(?:(\S+) )?({NUMBER})(?: to ({NUMBER}))?(?: \(in (\d+) of (\d+) panels\))?", part
        )
        assert found, part
        name, low, high, seen, of = found.groups()
        own = values if name is None else values[values[colour] == name]
        assert agrees(low, own[column].min())
        assert agrees(high or low, own[column].max())
        places = drawn if name is None else drawn[drawn[colour] == name]
        counts = [t[facet].nunique() if facet else 1 for t in (own, places)]
        assert ([int(seen), int(of)] == counts) if seen else counts[0] == counts[1]
        told.append(name)
    assert len(set(told)) == len(told)
    if colour:
        missed = [c for c in known if c not in set(values[colour])]
        assert never == ("" if not missed else " and ".join(missed))
        left = set(values[colour]) - set(told)
        assert len(left) == (int(more[0]) if more else 0)
        assert len(told) == 4 or not left


@claims(r"Evaluations of the search to a gap of the search of at most 0\.001: (?P<parts>.+)$")
def cost_of_coming_near(m: re.Match[str], case: Case) -> None:
    points = case.points("search_evaluations", "search_gap")
    near = points[points["search_gap"] <= 1e-3]
    by = [case.chart[r] for r in ("facet", "colour") if case.chart[r]]
    first = near.groupby(by, sort=False)["search_evaluations"].min().reset_index() if by else near
    first = first if by else near.nsmallest(1, "search_evaluations")
    check_colours(m["parts"], first, "search_evaluations", case)


@claims(r"Gap of the search: (?P<parts>.+)$")
def where_points_lie(m: re.Match[str], case: Case) -> None:
    points = case.points("search_gap")
    assert (points["search_gap"] > 1e-3).all()
    check_colours(m["parts"], points, "search_gap", case)


@claims(
    r"(?:(?P<one>A point is one run)|Points: medians over runs; thin lines through them: quartiles)"
    r"(?:; the points of a line differ in (?P<path>tolerance|optimiser))?\."
)
def marks(m: re.Match[str], case: Case) -> None:
    assert bool(m["one"]) == (case.points("search_gap")["count"] == 1).all()
    words = {"tolerance": "tolerance", "optimizer": "optimiser", None: None}
    assert m["path"] == words[case.path]


@claims(
    r"A tolerance is what each optimiser calls its own: the last trust radius or step in "
    r"standardised units where it uses no gradients, the predicted decrease of the objective for "
    r"bfgs \(and auto\), a relative decrease for scipy-lbfgsb\."
)
def tolerances(m: re.Match[str], case: Case) -> None:
    assert "tolerance" in [*case.roles, case.path]
    for name, backend in BACKENDS.items():
        words = backend.settings[backend.tolerance].meaning
        if name == "bfgs":
            assert words.startswith("predicted decrease of the objective")
        elif name == "scipy-lbfgsb":
            assert words.startswith("relative decrease of the objective")
        else:
            assert re.search("trust-region radius|^step", words)
            assert "standardised units" in words


# -- lines and heat maps ---------------------------------------------------------------------------


@claims(
    rf"(?P<what>Gap of the search|Share of singular fits|Evaluations of the search) ranges? from "
    rf"(?P<a>{NUMBER}|\u2264\u2009\S+)(?:\u00a0%)? \((?P<low>.+?)\) to (?P<b>{NUMBER})(?:\u00a0%)? "
    r"\((?P<high>.+?)\)$"
)
def extremes(m: re.Match[str], case: Case) -> None:
    column = case.chart["y"]
    if column == "singular":
        by = case.table.groupby(case.roles, sort=False)["singular"].mean().reset_index()
        by["singular"] *= 100.0
    else:
        by = case.points(column)
    for end, written, best in (("low", "a", "min"), ("high", "b", "max")):
        value = getattr(by[column], best)()
        floor = m[written].startswith("\u2264")
        assert value <= 1e-10 if floor else agrees(m[written], value)
        named = set(m[end].split(", "))
        keys = [k for k in (*case.roles, case.path) if k]
        shown = [
            {f"tolerance {say(v)}" if k == "tolerance" else f"{v} levels of subject"
             if k == UNITS else str(v) for k, v in row.items()}
            for row in by.loc[by[column] == value, keys].to_dict("records")
        ]  # fmt: skip
        assert named in shown


@claims(r"(?P<what>Gap of the search|Evaluations of the search) (?:is|are) (\S+) everywhere$")
def everywhere(m: re.Match[str], case: Case) -> None:
    assert all(agrees(m[2], v) for v in case.points(case.chart["y"])[case.chart["y"]])


@claims(r"Numbers and colours: (?P<what>share of singular fits|.+?, of one run|.+?, the median "
        r"over runs)\.")  # fmt: skip
def cells(m: re.Match[str], case: Case) -> None:
    assert case.chart["kind"] == "heat"
    assert ("singular" in m["what"]) == (case.chart["y"] == "singular")
    alone = bool((case.points("search_gap")["count"] == 1).all())
    assert m["what"].endswith("of one run") == (alone and case.chart["y"] != "singular")


@claims(r"Points: medians of [^;]+; (?:bands|bars): quartiles\.")
def medians(m: re.Match[str], case: Case) -> None:
    assert case.chart["kind"] == "line"


@claims(
    r"(?P<what>Gap of the search|Evaluations of the search|Share kept of a level's own deviation) "
    r"(?P<parts>(?:rises?|falls?|hardly changes?).+\)) from .+$"
)
def change(m: re.Match[str], case: Case) -> None:
    # Which series are told is recomputed in `test_claims_sweep`; here, that their numbers are.
    told = re.findall(r"\(([^()]+?)(?: \u2192 ([^()]+))?\)(?=,| and|$)", m["parts"])
    assert told
    known = case.series()
    for first, last in told:
        assert any(is_said(first, a) and is_said(last or first, b) for a, b in known)


@claims(
    r"From (?P<from>.+?) to (?P<to>[^,:]+?)(?:, over all (?P<n>\d+) series)?: (?P<parts>.+?)\."
    r"(?= [A-Z\d]|$)"
)
def each(m: re.Match[str], case: Case) -> None:
    known = case.series()
    assert bool(m["n"]) == (len(known) > 12)
    if not m["n"]:
        told = [part.rpartition(": ")[2].split(" \u2192 ") for part in m["parts"].split("; ")]
        assert len(told) == len(known)
        for words in told:
            assert any(is_said(words[0], a) and is_said(words[1], b) for a, b in known)
        return
    assert int(m["n"]) == len(known)
    for words, own in zip(m["parts"].split(" \u2192 "), zip(*known, strict=True), strict=True):
        low, _, high = words.partition(" to ")
        assert is_said(low, min(own))
        assert is_said(high or low, max(own))


# -- what every caption says ---------------------------------------------------------------------


@claims(
    rf"(?P<n>{NUMBER}) runs(?: \((?P<which>[^)]+)\))?, (?P<low>\d+)(?: to (?P<high>\d+))? runs? "
    r"behind each point(?:, which differ in (?P<what>.+?))?\."
)
def behind(m: re.Match[str], case: Case) -> None:
    assert read(m["n"]) == len(case.considered)
    words = {"model": "model", "optimizer": "optimiser", "tolerance": "tolerance"}
    if m["which"] or case.chart["where"]:
        told = [
            f"{words[k]} {' and '.join(map(str, v if isinstance(v, list) else [v]))}"
            for k, v in case.chart["where"].items()
        ]
        assert m["which"] == " and ".join(told)
    by = case.roles + ([k for k in case.varying if k != "replicate"]
                       if case.chart["kind"] == "points" else [])  # fmt: skip
    counts = case.table.groupby(by, sort=False).size() if by else pd.Series([len(case.table)])
    assert (int(m["low"]), int(m["high"] or m["low"])) == (counts.min(), counts.max())
    pooled = {"replicate": "replicate", UNITS: "number of levels of subject", **words}
    wanted = {pooled[k] for k in case.varying if k not in by}
    told = set(re.split(", | and ", m["what"])) if m["what"] else set()
    assert told == (wanted if counts.max() > 1 else set())


@claims(r"Values up to 1e\u221210 are rounding(?P<there> and drawn there)?\.")
def floor(m: re.Match[str], case: Case) -> None:
    assert case.points("search_gap")["search_gap"].min() <= 1e-10
    assert bool(m["there"]) == (case.chart["scale"] != "linear")


@claims(
    r"What a level keeps: one minus the mean conditional variance of its effects over their fitted "
    r"variance; all is 100\u00a0%, complete pooling 0\."
)
def what_is_kept(m: re.Match[str], case: Case) -> None:
    assert case.chart["y"] == "kept"  # that this is what it is: `test_sweep_runs`


@claims(r"(?P<n>[\d,]+) runs? failed and (?:are|is) left out\.")
def failures(m: re.Match[str], case: Case) -> None:
    assert read(m["n"]) == case.considered["error"].notna().sum() > 0


@claims(r"(?P<n>[\d,]+) runs? (?:have|has) no such value and (?:are|is) left out\.")
def nothing_known(m: re.Match[str], case: Case) -> None:
    assert read(m["n"]) == case.table[case.chart["y"]].isna().sum() > 0


# -- cases -----------------------------------------------------------------------------------------

AREA = {"kind": "area", "y": "phase_share", "colour": "phase"}
POINTS = {"kind": "points", "x": "search_evaluations", "y": "search_gap", "colour": "optimizer"}


def test_areas_that_grow_and_areas_that_do_not() -> None:
    title, _ = Case(runs(units=(10, 40)), **AREA).read()
    assert "10 levels" in title
    title, _ = Case(runs(units=(10, 40)), **AREA, facet="optimizer").read()
    assert " to " in title
    title, _ = Case(runs(units=(10, 40)), **{**AREA, "x": "tolerance"}).read()
    assert "whatever the tolerance" in title


def test_areas_that_are_the_same_at_both_ends_alone_are_not_said_to_be_so_between() -> None:
    table = runs(units=(10, 20, 40))
    table["fine_tuning"] = table[UNITS].map({10: 7, 20: 60, 40: 7})
    title, _ = Case(table, **AREA).read()
    assert "whatever" not in title


def test_areas_over_one_value() -> None:
    title, _ = Case(runs(), **AREA).read()
    assert "whatever" not in title


def test_points_that_come_near_and_points_that_do_not() -> None:
    title, _ = Case(runs(models=("one",)), **POINTS).read()
    assert "never" not in title
    title, _ = Case(runs(tolerances=(1e-2, 1e-4)), **POINTS, facet="model").read()
    assert "(in 1 of 2 panels)" in title
    table = runs(models=("one",))
    table.loc[table["optimizer"] == "slow", "search_gap"] = 1.0
    title, _ = Case(table, **POINTS).read()
    assert title.endswith("; never with slow")
    title, _ = Case(runs(gap=1e6), **POINTS).read()
    assert title.startswith("Gap of the search: ")


def test_points_of_many_colours_or_none() -> None:
    many = tuple(f"o{i}" for i in range(7))
    title, _ = Case(runs(models=("one",), optimizers=many), **POINTS).read()
    assert title.endswith(" and 3 others")
    Case(runs(models=("one",)), **{**POINTS, "colour": None, "facet": "optimizer"}).read()
    Case(runs(models=("one",), optimizers=("auto",)), **{**POINTS, "colour": None}).read()
    Case(
        runs(models=("one",), replicates=1), **POINTS, where={"optimizer": ["auto", "slow"]}
    ).read()


def test_points_against_a_key_are_told_apart_by_what_else_differs() -> None:
    table = runs(models=("one",), units=(10, 40))
    chart = {"kind": "points", "x": UNITS, "y": "search_evaluations", "colour": "optimizer"}
    _, caption = Case(table, **chart).read()
    assert "From 10 to 40 levels of subject: auto, tolerance" in caption
    # Two more keys: no point is one of a line, so that nothing is said to rise.
    title, caption = Case(runs(units=(10, 40)), **chart).read()
    assert "ranges from" in title or "range from" in title
    assert " \u2192 " not in caption


def test_more_series_than_can_be_told_are_summed_up() -> None:
    many = tuple(f"o{i}" for i in range(7))
    chart = {"x": "tolerance", "y": "search_evaluations", "colour": "optimizer", "facet": "model"}
    _, caption = Case(runs(optimizers=many), **chart).read()
    assert "over all 14 series" in caption


def test_heat_maps_say_what_their_cells_are() -> None:
    heat = {"kind": "heat", "x": "optimizer", "rows": "tolerance"}
    Case(runs(models=("one",)), **heat, y="search_gap").read()
    Case(runs(models=("one",), replicates=1), **heat, y="search_gap").read()
    _, caption = Case(runs(models=("one",)), **heat, y="singular").read()
    assert "median" not in caption
    table = runs(models=("one",)).assign(search_evaluations=7.0)
    title, _ = Case(table, **heat, y="search_evaluations").read()
    assert title.endswith("everywhere")


@pytest.mark.parametrize("scale", [None, "linear"])
def test_gaps_that_are_rounding_are_drawn_at_the_floor_of_a_log_scale_alone(
    scale: str | None,
) -> None:
    table = runs(models=("one",), tolerances=(1e-2, 1e-12))
    _, caption = Case(table, x="tolerance", y="search_gap", scale=scale).read()
    assert ("drawn there" in caption) == (scale is None)


@pytest.mark.parametrize("count", [1, 5])
def test_runs_that_failed_and_runs_without_a_value_are_counted(count: int) -> None:
    table = runs()
    table.loc[table.index[:count], "error"] = "no fit"
    table.loc[table.index[-count:], "search_gap"] = np.nan
    case = Case(table, x="tolerance", y="search_gap", colour="optimizer")
    _, caption = case.read()
    assert {"failures", "nothing_known"} <= set(claims.read(caption, case))


def test_what_levels_keep_is_what_the_words_say() -> None:
    Case(runs(), x="tolerance", y="kept", colour="term").read()


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert claims.unseen() == set()
