"""The chart of phases: its bars are the table, its words are its numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd
import pytest

from mixedscope.charts.kinds.phases.chart import _names, _size, _ticks, phases_chart
from mixedscope.charts.kinds.phases.words import phases_title
from mixedscope.core.errors import ModelError
from mixedscope.summaries.phases import phase_trend

PHASES = ("exploration", "convergence", "fine-tuning")


@cache
def table() -> pd.DataFrame:
    """Five fits by each of two optimisers; fine tuning grows with size by one of them."""
    rows = []
    for o, optimizer in enumerate(("a", "b")):
        for i in range(5):
            last = 20 + 60 * i if o == 0 else 50
            for phase, count in zip(PHASES, (20, 30, last), strict=True):
                rows.append(
                    {
                        "model": f"m{i}",
                        "structure": "full",
                        "optimizer": optimizer,
                        "n": 100 * 10**i,
                        "n_theta": i + 1,
                        "q": 10 * 4**i,
                        "phase": phase,
                        "evaluations": count,
                        "share": count / (50 + last),
                        "search_evaluations": count - (2 if phase == "fine-tuning" else 0),
                        "search_share": count / (50 + last),
                        "polish_evaluations": 2 if phase == "fine-tuning" else 0,
                        "gap_before": 1.0,
                        "gap_after": 0.0,
                        "certificate_gradients": 7,
                    }
                )
    return pd.DataFrame(rows)


def timing() -> pd.DataFrame:
    frame = table()[["model", "structure", "optimizer", "phase", "share"]].copy()
    frame["seconds"] = 0.01 * table()["evaluations"]
    frame["search_seconds"] = 0.01 * table()["search_evaluations"]
    frame["search_share"] = frame["share"]
    frame["polish_seconds"] = 0.01 * table()["polish_evaluations"]
    return frame


def drawn(**settings: Any) -> tuple[dict[str, Any], str, str]:
    chart, title, caption = phases_chart(table(), phase_trend(table()), **settings)
    return chart.to_dict(), title, caption


def rows(spec: dict[str, Any], panel: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(spec["datasets"][panel["data"]["name"]])


def test_bars_are_shares_with_polishing_apart() -> None:
    spec = drawn()[0]
    bars = rows(spec, spec["vconcat"][0]["hconcat"][1])
    first = bars[bars["label"] == "m0, full"]
    assert first["share"].tolist() == pytest.approx([20 / 70, 30 / 70, 18 / 70, 2 / 70])
    assert first["right"].iloc[-1] == pytest.approx(1.0)
    assert first["right"].tolist()[:-1] == pytest.approx(first["left"].tolist()[1:])


def test_seconds_have_bars_of_their_own() -> None:
    chart, _, caption = phases_chart(
        table(), phase_trend(table()), timing(), phase_trend(table(), timing())
    )
    spec = chart.to_dict()
    panels = spec["vconcat"][0]["hconcat"]
    assert len(panels) == 3
    assert rows(spec, panels[2])["amount"].sum() == pytest.approx(
        0.01 * table().loc[table()["optimizer"] == "a", "evaluations"].sum()
    )
    assert "of the seconds of 4 of 5 fits" in caption


def test_fits_are_ordered_by_size() -> None:
    spec = drawn(order="n")[0]
    axis = spec["vconcat"][0]["hconcat"][1]["encoding"]["y"]
    assert axis["sort"] == [f"m{i}, full" for i in range(5)]
    with pytest.raises(ModelError, match="Did you mean 'n_theta'"):
        drawn(order="ntheta")


def test_title_and_caption_say_whether_the_last_phase_comes_to_dominate() -> None:
    _, title, caption = drawn()
    assert title.replace("\u00a0", " ") == (
        "Fine tuning comes to dominate in large models: by a, 29 % of 70 evaluations with the "
        "fewest covariance parameters (1), 84 % of 310 evaluations with the most (5)"
    )
    assert "By a, fine tuning and verification took more than half" in caption
    assert "1.00 with the number of covariance parameters" in caption
    assert "After the searches came 20 of 1,450 evaluations" in caption
    assert "another 70 gradients" in caption
    shrinking = table().assign(n_theta=-table()["n_theta"] + 10)
    assert "does not come to dominate" in phases_title(shrinking, phase_trend(shrinking))


def test_long_names_are_cut_where_they_tell_nothing_apart() -> None:
    long = {"model": "reaction ~ 1 + days + (1 + days | subject)"}
    fits = pd.DataFrame([{**long, "structure": s} for s in ("full", "zerocorr")])
    fits["label"] = fits["model"] + ", " + fits["structure"]
    short = list(_names(fits).values())
    assert [name.rpartition("\u2026, ")[2] for name in short] == ["full", "zerocorr"]
    assert max(map(len, short)) <= 25
    short_enough = fits.assign(model="m", label=["m, full", "m, zerocorr"])
    assert list(_names(short_enough).values()) == ["m, full", "m, zerocorr"]


def test_sizes_have_room_in_their_columns() -> None:
    sizes = [7, 99_999, 100_000, 218_999, 999_499, 999_500, 25_000_000, 123_456_789]
    written = [_size(size).replace("\u00a0", " ") for size in sizes]
    assert written == ["7", "99,999", "100 k", "219 k", "999 k", "1 M", "25 M", "123 M"]
    assert max(map(len, written)) <= len("99,999")


def test_few_sizes_are_ticks_themselves() -> None:
    assert _ticks(pd.Series([2, 3, 3])) == [2, 3]
    assert _ticks(pd.Series([60, 60])) == [60]
    assert _ticks(pd.Series([100, 101, 10_000])) == [100, 1000, 10_000]


def test_paper_has_no_tint() -> None:
    spec = drawn(theme="print")[0]
    fills = spec["vconcat"][0]["hconcat"][1]["encoding"]["fill"]["scale"]["range"]
    for colour in fills:
        assert len({colour[1:3], colour[3:5], colour[5:7]}) == 1


def test_no_fits_are_an_error() -> None:
    with pytest.raises(ModelError, match="no fits"):
        phases_chart(table().iloc[:0], phase_trend(table()))
