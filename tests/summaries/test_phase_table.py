"""Phases over all fits of a run: counts add up, and the trend is that of the counts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sample_tables import fit_tables
from scipy.stats import spearmanr

import mixedscope as ms
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.core.vocabulary import PHASES
from mixedscope.summaries.phase_columns import PHASE_COLUMNS
from mixedscope.summaries.phases import phase_table, phase_timing_table, phase_trend
from mixedscope.tables.store import FitTables
from mixedscope.tables.table_files import read_table, write_table


@cache
def fits() -> list[FitTables]:
    found = []
    for i, structure in enumerate(["full", "zerocorr", "intercept"]):
        fit = fit_tables(structure=structure)
        trace = fit.require("trace").copy()
        trace.loc[trace.index[-3:], "stage"] = "polish"
        seconds = fit.require("timing").assign(seconds=0.001 * (i + 1))
        found.append(FitTables(fit.info, trace=trace, estimates=fit.estimates, timing=seconds))
    return found


def test_phases_have_the_same_names_everywhere() -> None:
    assert PHASES == tuple(PHASE_NAMES) == tuple(PHASE_COLUMNS)


def test_every_evaluation_is_counted_once() -> None:
    table = phase_table(fits())
    assert len(table) == 9
    for fit, (_, rows) in zip(fits(), table.groupby("structure", sort=False), strict=True):
        trace = fit.require("trace")
        assert rows["evaluations"].sum() == len(trace)
        assert rows["share"].sum() == pytest.approx(1.0)
        assert rows["search_share"].sum() == pytest.approx(1.0)
        assert (rows["search_evaluations"] + rows["polish_evaluations"]).sum() == len(trace)
        assert rows["polish_evaluations"].tolist() == [0, 0, 3]
        assert rows["n_theta"].unique() == [fit.info["dimensions"]["n_theta"]]


def test_gaps_of_the_phases_join() -> None:
    table = phase_table(fits()[:1])
    assert np.isnan(table["gap_before"].iloc[0])
    assert table["gap_after"].tolist()[:-1] == table["gap_before"].tolist()[1:]
    assert table["gap_after"].iloc[-1] == 0.0


def test_a_phase_that_did_not_happen_has_no_evaluations() -> None:
    fit = fits()[0]
    trace = fit.require("trace").iloc[:3].assign(phase="exploration", stage="search")
    table = phase_table([FitTables(fit.info, trace=trace)]).set_index("phase")
    assert table["evaluations"].to_dict() == {
        "exploration": 3, "convergence": 0, "fine-tuning": 0
    }  # fmt: skip
    assert np.isnan(table.loc["fine-tuning", "gap_before"])


def test_seconds_add_up_and_stand_apart() -> None:
    timing = phase_timing_table(fits())
    assert not {"seconds", "search_seconds"} & set(phase_table(fits()).columns)
    for fit, (_, rows) in zip(fits(), timing.groupby("structure", sort=False), strict=True):
        assert rows["seconds"].sum() == pytest.approx(fit.require("timing")["seconds"].sum())
        assert rows["share"].sum() == pytest.approx(1.0)


def test_fits_are_called_as_asked() -> None:
    table = phase_table(fits()[:1], optimizers=["patient"])
    assert set(table["optimizer"]) == {"patient"}
    assert set(phase_table(fits()[:1])["optimizer"]) == {"nelder-mead"}


def test_trend_is_spearmans_and_names_its_ends() -> None:
    phases = phase_table(fits())
    trend = phase_trend(phases)
    last = phases[phases["phase"] == "fine-tuning"]
    r = trend[(trend["phase"] == "fine-tuning") & (trend["size"] == "n_theta")].iloc[0]
    assert r["rank_correlation"] == pytest.approx(spearmanr(last["n_theta"], last["share"])[0])
    assert (r["smallest"], r["largest"]) == ("sleep, intercept", "sleep, full")
    assert r["smallest_share"] == last["share"].iloc[2]
    assert r["dominates"] == (last["share"] > 0.5).sum()
    constant = trend[trend["size"] == "n"]
    assert constant["rank_correlation"].isna().all()


def test_trend_of_seconds_has_shares_of_seconds() -> None:
    phases, timing = phase_table(fits()), phase_timing_table(fits())
    trend = phase_trend(phases, timing)
    share = timing.loc[timing["phase"] == "convergence", "share"]
    found = trend.loc[trend["phase"] == "convergence", "mean_share"]
    assert found.to_numpy() == pytest.approx(share.mean())
    with pytest.raises(ModelError, match="same fits"):
        phase_trend(phases, timing.iloc[3:])


def test_tables_fit_their_schemas(tmp_path) -> None:
    phases, timing = phase_table(fits()), phase_timing_table(fits())
    for kind, table in (
        ("phases", phases),
        ("phases_timing", timing),
        ("phases_trend", phase_trend(phases)),
    ):
        path = tmp_path / f"{kind}.parquet"
        write_table(path, table, kind, formula="", sha256="")
        read = read_table(path, kind)
        pd.testing.assert_frame_equal(read, table[read.columns], check_dtype=False)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ModelError, match="no fits"):
        phase_table([])
    with pytest.raises(StoreError, match="timing"):
        phase_timing_table([FitTables(fits()[0].info, trace=fits()[0].trace)])


def test_tables_of_phases_are_what_their_chart_asks_for() -> None:
    made = ms.phase_tables([fit_tables(), fit_tables(structure="intercept")])
    assert list(made) == ["phases", "phases_trend", "phases_timing", "phases_timing_trend"]
    spec = ms.charts.phases(made).to_dict()
    assert spec["title"]
    assert ms.charts.phases(made, seconds=False).to_dict() != spec
