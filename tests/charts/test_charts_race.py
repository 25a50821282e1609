"""The chart of a race: what is drawn, and that its words are its numbers."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pandas as pd
import pytest

from mixedscope.charts.common.render import to_spec
from mixedscope.charts.drawing import finish
from mixedscope.charts.kinds.race.chart import race_chart
from mixedscope.core.errors import ModelError

RUNS = {
    # entrant, start: objectives of the search, of the polish, verdicts before and after
    ("fast", 0): ([12.0, 10.5, 10.0], [], "optimum", "optimum"),
    ("fast", 1): ([30.0, 11.0, 10.0], [], "optimum", "optimum"),
    ("loose", 0): ([12.0, 11.0, 10.00001], [10.0], "not converged", "optimum"),
    ("loose", 1): ([30.0, 20.0, 14.0], [13.0], "saddle", "saddle"),
}


def tables(leave: tuple[tuple[str, int], ...] = ()) -> tuple[pd.DataFrame, ...]:
    race, ends, timing = [], [], []
    for (entrant, start), (search, polish, before, after) in RUNS.items():
        if (entrant, start) in leave:
            continue
        named = {"entrant": entrant, "optimizer": entrant, "start": start}
        best = float("inf")
        for i, value in enumerate([*search, *polish], start=1):
            best = min(best, value)
            stage = "search" if i <= len(search) else "polish"
            row = {"settings": None, "evaluation": i, "stage": stage, "objective": value}
            race.append(named | row | {"best": best, "gap": best - 10.0})
            timing.append({"entrant": entrant, "start": start, "evaluation": i, "seconds": 0.01})
        for point, count, verdict in (
            ("search", len(search), before),
            ("end", len(search) + len(polish), after),
        ):
            value = min([*search, *polish][:count])
            ends.append(
                named
                | {
                    "settings": "rhoend 0.1" if entrant == "loose" else None,
                    "point": point,
                    "evaluations": count,
                    "objective": value,
                    "gap": value - 10.0,
                    "verdict": verdict,
                    "newton_decrement": 0.0,
                    "distance": 0.0,
                    "same_optimum": value < 10.001,
                    "message": "",
                }
            )
    return pd.DataFrame(race), pd.DataFrame(ends), pd.DataFrame(timing)


@cache
def drawn(**settings: Any) -> tuple[dict[str, Any], str, str]:
    chart, title, caption = race_chart(*tables(), **settings)
    return chart.to_dict(), title, caption


def panel(spec: dict[str, Any], number: int) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    found = spec["vconcat"][0]["concat"][number]["layer"]
    return [(layer, pd.DataFrame(spec["datasets"][layer["data"]["name"]])) for layer in found]


def test_title_counts_runs_that_arrived() -> None:
    title = drawn()[1]
    assert title == (
        "fast needed the fewest evaluations to come within 1e\u22126 of the best (3), loose did "
        "not from every start; 3 of 4 runs ended at the same optimum, 1 uncertified"
    )


def test_title_says_when_all_arrived() -> None:
    left = tables(leave=(("loose", 0), ("loose", 1)))
    assert race_chart(*left)[1] == "All 2 runs ended at the same optimum"


def test_every_entrant_has_a_panel_with_all_runs_behind_its_own() -> None:
    spec = drawn()[0]
    titles = [p["title"]["text"] for p in spec["vconcat"][0]["concat"]]
    assert titles == ["fast", "loose"]
    for number, name in enumerate(titles):
        behind, own = panel(spec, number)[0][1], panel(spec, number)[1][1]
        assert set(behind["run"]) == {"fast 0", "fast 1", "loose 0", "loose 1"}
        assert all(run.startswith(name) for run in own["run"])


def test_searches_that_ended_off_an_optimum_are_red() -> None:
    marks = [layer["mark"] for layer, _ in panel(drawn()[0], 1) if layer["mark"]["type"] == "point"]
    assert "#CC3311" in {mark.get("stroke") for mark in marks}
    marks = [layer["mark"] for layer, _ in panel(drawn()[0], 0) if layer["mark"]["type"] == "point"]
    assert "#CC3311" not in {mark.get("stroke") for mark in marks}


def test_gap_of_zero_is_drawn_at_the_floor() -> None:
    behind = panel(drawn()[0], 0)[0][1]
    assert behind["gap"].min() == 1e-9


def test_race_along_seconds_adds_them_up() -> None:
    behind = panel(drawn(x="seconds")[0], 0)[0][1]
    assert behind["x"].max() == pytest.approx(0.04)
    assert "against seconds" in drawn(x="seconds")[2]


def test_seconds_of_a_run_are_all_of_its_seconds() -> None:
    spec = drawn()[0]
    second = spec["vconcat"][1]["hconcat"][1]["layer"][1]
    total = pd.DataFrame(spec["datasets"][second["data"]["name"]])
    assert total.set_index(["entrant", "start"])["seconds"].to_dict() == pytest.approx(
        {("fast", 0): 0.03, ("fast", 1): 0.03, ("loose", 0): 0.04, ("loose", 1): 0.04}
    )


def test_without_timing_a_race_shows_no_seconds() -> None:
    race, ends, _ = tables()
    text = json.dumps(race_chart(race, ends)[0].to_dict())
    assert "of a whole run" not in text
    with pytest.raises(ModelError, match="race_timing"):
        race_chart(race, ends, x="seconds")


def words_of(spec: dict[str, Any]) -> set[str]:
    """Every text of a key."""
    tables = spec["datasets"].values()
    return {str(row["text"]) for rows in tables for row in rows if "text" in row}


def test_every_mark_of_a_race_has_a_key() -> None:
    always = {"from the usual start", "search ended at an optimum", "1e\u22126 above the best"}
    assert words_of(drawn()[0]) == always | {
        "from random starts",
        "other entrants",
        "after the search",
        "search ended uncertified",
    }
    left = tables(leave=(("loose", 0), ("loose", 1), ("fast", 1)))
    assert words_of(race_chart(*left)[0].to_dict()) == always


def test_without_seconds_a_race_shows_how_many_evaluations_came_close() -> None:
    race, ends, _ = tables()
    spec = race_chart(race, ends)[0].to_dict()
    second = spec["vconcat"][1]["hconcat"][1]["layer"][1]
    rows = pd.DataFrame(spec["datasets"][second["data"]["name"]])
    # Of the last run no evaluation came within 1e-6 of the best.
    assert rows.set_index(["entrant", "start"])["evaluations"].to_dict() == {
        ("fast", 0): 3,
        ("fast", 1): 3,
        ("loose", 0): 4,
    }


def test_caption_tells_gaps_before_and_after_and_verdicts() -> None:
    caption = drawn()[2]
    assert (
        "loose (rhoend 0.1): searches of 3 evaluations ended at most 4 above, 3 at the end"
        in caption
    )
    assert "1 elsewhere than the best; verdicts: 1 optimum and 1 saddle." in caption


@pytest.mark.parametrize("theme", ["light", pytest.param("print", marks=pytest.mark.exhaustive)])
def test_chart_of_each_theme_is_a_valid_specification(theme: str) -> None:
    chart, title, caption = race_chart(*tables(), theme=theme)
    assert to_spec(finish(chart, title, caption, theme=theme))


def test_unknown_axis_is_named() -> None:
    with pytest.raises(ModelError, match="Did you mean 'seconds'"):
        drawn(x="second")
