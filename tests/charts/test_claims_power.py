"""What pictures of power say is recomputed from the p values of every draw."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file, read

import mixedscope as ms
from mixedscope.charts.kinds.power.chart import power_chart
from mixedscope.inference.power.result import Power

SPEC = {
    "formula": "y ~ x * z + (1 | subject)",
    "units": {"subject": 10},
    "conditions": {"x": {"values": [-0.5, 0.5]}, "z": {"values": [-0.5, 0.5]}},
    "beta": {"(Intercept)": 3.0, "x": 0.9, "z": 0.5, "x:z": 0.1},
    "sigma": 1.0,
    "random": {"subject": {"sd": 1.0}},
}

claims = Claims()
SHARE = rf"(?:under |over )?{NUMBER}\u00a0?%"
SIZES = rf"({NUMBER})(?: \(({NUMBER}) to (over )?({NUMBER})\))?"


@cache
def made(case: str) -> Power:
    if case == "one":
        return ms.power(SPEC, along={"subject": [4, 8, 16, 24]}, hypotheses="x", draws=200, seed=1)
    if case == "several":
        return ms.power(SPEC, along={"subject": [6, 14, 30]}, draws=120, seed=2)
    if case == "none":
        return ms.power(SPEC, along={"subject": [4, 6]}, hypotheses="x:z", draws=60, seed=3)
    if case == "weak":
        return ms.power(SPEC, along={"subject": [3, 4]}, hypotheses=["x:z", "z"], draws=60, seed=3)
    if case == "grid":
        return ms.power(SPEC, along={"subject": [4, 8], "replicates": [1, 2]}, hypotheses="x",
                        draws=60, seed=3)  # fmt: skip
    if case == "here":
        return ms.power(SPEC, draws=80, seed=3)
    if case == "single":
        return ms.power(SPEC, hypotheses="x", draws=80, seed=3)
    if case == "small":
        return ms.power(SPEC, along={"subject": [40, 60]}, hypotheses="x", draws=60, seed=3)
    if case == "null":
        return ms.power(SPEC, effects={"x": 0.0}, along={"subject": [4, 8]}, hypotheses="x",
                        draws=120, seed=1)  # fmt: skip
    whole = made("one")
    table = whole.table.copy()
    # As if every tenth draw had had no certificate.
    draws = whole.draws.assign(p_value=whole.draws["p_value"].where(whole.draws["draw"] % 10 > 0))
    for i, (size, own) in enumerate(draws.groupby("size")):
        assert table.loc[i, "size"] == size
        known = own["p_value"].dropna()
        hits = int((known < 0.05).sum())
        table.loc[i, ["tested", "rejected", "power"]] = [len(known), hits, hits / len(known)]
        table.loc[i, ["power_least", "power_most"]] = [hits / 200, (hits + 200 - len(known)) / 200]
    return Power(table, draws)


CASES = ("one", "several", "none", "grid", "here", "single", "small", "null", "lost", "weak")


class Drawn:
    """Power by size and effect, from every draw."""

    def __init__(self, found: Power) -> None:
        self.found = found
        self.draws = found.draws.assign(
            size=found.draws["size"].fillna(0), size2=found.draws["size2"].fillna(0)
        )
        known = self.draws[self.draws["p_value"].notna()]
        groups = known.groupby(["effect", "size", "size2"])["p_value"]
        self.power = groups.apply(lambda p: float((p < 0.05).mean()))

    def crossing(self, effect: str) -> tuple[float, float]:
        """Sizes between which power first gets to 80 %, as far as it rises."""
        own = self.power.loc[effect].groupby("size").max()
        best = np.maximum.accumulate(own.to_numpy())
        at = int(np.argmax(best >= 0.8))
        return float(own.index[max(at - 1, 0)]), float(own.index[at])


@claims(rf"(?P<effect>\S+) has a power of (?P<wanted>{NUMBER})\u00a0% from subject = {SIZES}")
def one_effect(match: re.Match[str], drawn: Drawn) -> None:
    low, high = drawn.crossing(match["effect"])
    size = read(match[3])
    assert match["wanted"] == "80"
    assert low < size <= high
    if match[4]:
        assert read(match[4]) <= size
        assert match[5] or size <= read(match[6])


@claims(
    rf"(?P<effect>\S+) has a power of 80\u00a0% from the smallest size on, subject = ({NUMBER})"
)
def from_the_smallest(match: re.Match[str], drawn: Drawn) -> None:
    own = drawn.power.loc[match["effect"]]
    assert read(match[2]) == own.index.get_level_values("size").min()
    assert own.iloc[0] >= 0.8


@claims(rf"No size up to subject = ({NUMBER}) has a power of 80\u00a0% for (?P<effect>\S+)")
def not_reached(match: re.Match[str], drawn: Drawn) -> None:
    own = drawn.power.loc[match["effect"]]
    assert read(match[1]) == own.index.get_level_values("size").max()
    assert own.max() < 0.8


@claims(
    rf"subject = {SIZES} gives a power of 80\u00a0% for (?P<effect>\S+), the slowest"
    rf"; (?P<lost>\d+) of (?P<all>\d+) effects (?:does|do) not reach it"
)
def slowest(match: re.Match[str], drawn: Drawn) -> None:
    effects = drawn.power.index.get_level_values("effect").unique()
    reached = [e for e in effects if drawn.power.loc[e].max() >= 0.8]
    assert [len(effects) - len(reached), len(effects)] == [int(match["lost"]), int(match["all"])]
    low, high = drawn.crossing(match["effect"])
    assert low < read(match[1]) <= high
    assert high == max(drawn.crossing(e)[1] for e in reached)


@claims(rf"Power goes from ({SHARE}) \(([^)]*)\) to ({SHARE}) \(([^)]*)\)")
def range_of_power(match: re.Match[str], drawn: Drawn) -> None:
    for told, value in ((match[1], drawn.power.min()), (match[3], drawn.power.max())):
        assert agrees(told.rstrip("%\u00a0"), value, scale=0.01)


@claims(rf"The power for (\S+) is ({SHARE})")
def single_power(match: re.Match[str], drawn: Drawn) -> None:
    assert agrees(match[2].rstrip("%\u00a0"), drawn.power.loc[match[1]].iloc[0], scale=0.01)


@claims(
    rf"Tests at 5\u00a0% reject ({SHARE})(?: to ({SHARE}))? of the draws in which there is nothing "
    r"to find"
)
def rejected_nothing(match: re.Match[str], drawn: Drawn) -> None:
    for told, value in ((match[1], drawn.power.min()), (match[2], drawn.power.max())):
        if told:
            assert agrees(told.rstrip("%\u00a0"), value, scale=0.01)


@claims(
    r"Share of significant results \(5\u00a0%, t tests with Satterthwaite's degrees of freedom, "
    rf"REML\) in ({NUMBER}) simulated studies of each size, with 95\u00a0% Wilson intervals\."
)
def what_was_done(match: re.Match[str], drawn: Drawn) -> None:
    counts = drawn.draws.groupby(["size", "size2"])["draw"].nunique()
    assert set(counts) == {read(match[1])}


@claims(rf"No size up to subject = ({NUMBER}) has a power of 80\u00a0% for any of (\d+) effects")
def none_reached(match: re.Match[str], drawn: Drawn) -> None:
    assert int(match[2]) == drawn.power.index.get_level_values("effect").nunique()
    assert drawn.power.max() < 0.8


@claims(r"Designs with a power of 80\u00a0% or more are framed\.")
def framed(match: re.Match[str], drawn: Drawn) -> None:
    assert drawn.draws["size2"].nunique() > 1


@claims(
    r"Sizes are read off between those simulated, in brackets those that the simulation does not "
    r"exclude\."
)
def read_off(match: re.Match[str], drawn: Drawn) -> None:
    assert len(drawn.found.tables["power_sizes"])


@claims(rf"({SHARE}) of the fits were singular\.")
def singular(match: re.Match[str], drawn: Drawn) -> None:
    each = drawn.draws.drop_duplicates(["size", "size2", "draw"])
    told, value = match[1], float(each["singular"].mean())
    if told.startswith("under"):
        assert 0.0 < value < 0.01
    else:
        assert agrees(told.rstrip("%\u00a0"), value, scale=0.01)


@claims(
    rf"Up to ({NUMBER}) studies of a size could not be tested: they are left out; whiskers show "
    r"power if all of them, or none, were significant\."
)
def left_out(match: re.Match[str], drawn: Drawn) -> None:
    lost = drawn.draws["p_value"].isna().groupby(drawn.draws["size"]).sum()
    assert read(match[1]) == lost.max()


@pytest.mark.parametrize("case", CASES)
def test_titles_and_captions_say_what_the_draws_do(case: str) -> None:
    found = made(case)
    _, title, caption = power_chart(*found.tables.values())
    drawn = Drawn(found)
    claims.read(title, drawn)
    claims.read(caption, drawn)
    assert len(caption.split()) <= 80


def test_every_kind_of_claim_was_met(request: pytest.FixtureRequest) -> None:
    need_whole_file(request)
    assert not claims.unseen()


@pytest.mark.parametrize("case", CASES)
def test_what_is_drawn_are_the_shares_of_the_draws(case: str) -> None:
    found = made(case)
    spec = power_chart(*found.tables.values())[0].to_dict()
    values: list[Any] = [row for own in spec["datasets"].values() for row in own if "told" in row]
    drawn = Drawn(found).power
    assert values
    for row in values:
        key = (row["effect"], row.get("size") or 0, row.get("size2") or 0)
        assert row["power"] == pytest.approx(drawn.loc[key], abs=1e-5)
    assert len(values) == len(found.table)


def test_labels_stand_for_effects_and_factors() -> None:
    chart = ms.charts.power(made("one"), labels={"x": "cue", "subject": "reader"})
    title = " ".join(chart.to_dict()["title"]["text"])
    assert "cue" in title
    assert "reader" in title


def test_a_table_of_something_else_is_refused_with_what_makes_it() -> None:
    with pytest.raises(ms.errors.ModelError, match=r"ms\.power"):
        ms.charts.power(pd.DataFrame({"x": [1.0]}))
