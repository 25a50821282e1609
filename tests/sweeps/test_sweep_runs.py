"""Fits of a sweep: rows, batches, and the table that they are gathered into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sweep_plans import CONFIG, runs, told

from mixedscope.api.linear import LinearMixedModel
from mixedscope.charts.common import glyphs
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.summaries.runs import summarise
from mixedscope.sweeps.batches import Batch, Costs, plan_batches, stored_batches
from mixedscope.sweeps.draws import rows_of
from mixedscope.sweeps.grid import Run
from mixedscope.sweeps.run import execute
from mixedscope.sweeps.table import gather, gather_timing, with_keys
from mixedscope.tables.table_files import read_table, write_table
from mixedscope.workflow import steps as pipeline
from mixedscope.workflow.code_digest import reachable_sources

SWEEP: dict[str, Any] = {
    "fixed": {"model": "sim"},
    "grid": {
        "simulate.units.g": [8, 16],
        "structure": ["full", "zerocorr"],
        "optimizer": ["auto", "bobyqa"],
    },
    "replicates": 2,
}


STRUCTURES = ["full", "zerocorr"]


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, pd.DataFrame]:
    found = runs(SWEEP)
    results, timing = execute([r.spec for r in found], [r.id for r in found])
    runs_table, seconds = gather(told(found), [results]), gather_timing(told(found), [timing])
    runs_table.attrs = {"swept": [*SWEEP["grid"], "replicate"]}
    return runs_table, seconds


def test_a_run_is_the_fit_that_the_library_makes(table: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    run = runs(SWEEP)[0]
    frame, simulation, _ = rows_of(run.spec["data"], run.spec["draw"])
    fit = LinearMixedModel(run.spec["model"]["formula"], frame).fit("auto")
    row = table[0].iloc[0]
    assert row["objective"] == pytest.approx(fit.objective, abs=1e-9)
    assert row["evaluations"] == fit.n_evaluations
    assert np.allclose(row["theta"], fit.theta)
    assert np.allclose(row["beta_se"], fit.fixed_effects()["std_error"])
    assert simulation is not None
    truth = np.array(list(simulation.beta.values()))
    assert np.allclose(row["beta_deviation"], fit.beta - truth)
    modes = fit.conditional_modes()
    drawn = simulation.effects["effect"].to_numpy().reshape(-1, 2)
    own = modes["mode"].to_numpy().reshape(-1, 2)
    assert np.allclose(row["mode_rmse"], np.sqrt(((own - drawn) ** 2).mean(axis=0)))
    variance = modes["std_dev"].to_numpy().reshape(-1, 2) ** 2
    assert np.allclose(row["kept"], 1 - variance.mean(axis=0) / np.asarray(row["sd"]) ** 2)


def test_gap_is_that_to_the_best_run_of_the_same_objective(
    table: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    frame = table[0]
    best = frame.groupby("same_objective")["objective"].transform(lambda v: min(v))
    assert np.allclose(frame["gap"].astype(float), (frame["objective"] - best).astype(float))
    assert (frame.groupby("same_objective")["gap"].min() == 0).all()
    assert frame.groupby("same_objective").size().tolist() == [2] * 8


def test_results_do_not_depend_on_how_runs_are_batched(
    tmp_path: Path, table: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    found = runs(SWEEP)
    order = list(reversed(found))
    parts = [order[0::3], order[1::3], order[2::3]]
    batches = [execute([r.spec for r in part], [r.id for r in part])[0] for part in parts]
    for name, frame in (("one", table[0]), ("many", gather(told(found), batches))):
        write_table(tmp_path / name, frame, "runs", formula="", sha256="")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


def test_missing_run_is_an_error(table: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = runs(SWEEP)[:2]
    results, _ = execute([found[0].spec], [found[0].id])
    with pytest.raises(StoreError, match=f"1 of 2 runs.*{found[1].id}"):
        gather(told(found), [results])


def test_run_that_cannot_be_fitted_is_a_row_with_the_reason() -> None:
    good, bad = runs({"fixed": {"model": "sim"}, "grid": {"simulate.units.g": [8, 1]}})
    results, timing = execute([bad.spec, good.spec], [bad.id, good.id])
    assert "g" in results["error"].iloc[0]
    assert pd.isna(results["objective"].iloc[0])
    assert results["objective"].iloc[1] > 0
    frame = gather(told([good, bad]), [results])
    frame.attrs["swept"] = ["simulate.units.g"]
    chart = {"kind": "line", "x": "simulate.units.g", "y": "gap"}
    assert summarise(with_keys(frame), timing, chart).failed == 1


def gathered(found: list[Run], directory: Path) -> dict[str, Path]:
    """Take the runs through the steps of the workflow, as one batch."""
    paths = {name: directory / name for name in ("plan", "batch", "seconds", "runs", "timing")}
    content = {
        "runs": told(found),
        "swept": list(found[0].keys),
        "batches": {"one": {run.id: run.spec for run in found}},
    }
    pipeline.sweep_plan(content=json.dumps(content), output=paths["plan"])
    pipeline.sweep_batch(
        plan=paths["plan"],
        batch="one",
        data=[],
        code="",
        output=paths["batch"],
        timing=paths["seconds"],
    )
    pipeline.sweep_gather(
        plan=paths["plan"],
        batches=[str(paths["batch"])],
        timings=[str(paths["seconds"])],
        output=paths["runs"],
        timing=paths["timing"],
    )
    return paths


def test_sweep_whose_runs_all_fail_says_why_the_first_did(tmp_path: Path) -> None:
    one = {"fixed": {"model": "sim", "simulate.units.g": 1}, "grid": {"structure": STRUCTURES}}
    found = runs(one)
    said = r"All 2 runs of the sweep failed\. The first \(.*structure: full.*\): .*'?g'?.*level"
    with pytest.raises(ModelError, match=said):
        gathered(found, tmp_path)
    assert not (tmp_path / "runs").exists()
    # One that can be fitted is enough.
    two = {"fixed": {"model": "sim"}, "grid": {"simulate.units.g": [1, 8]}}
    table = read_table(gathered(runs(two), tmp_path)["runs"], "runs")
    assert table["error"].isna().tolist() == [False, True]


def test_log_of_the_charts_of_a_sweep_names_characters_without_a_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(glyphs, "_covered", lambda: ((0x20, 0x2FFF),))
    datasets = json.loads(json.dumps(CONFIG["datasets"]).replace('"g"', '"学校"'))
    simulated = datasets["made"]["simulate"]
    simulated["formula"] = simulated["formula"].replace("| g", "| 学校")
    models = {"sim": {"dataset": "made", "formula": simulated["formula"]}}
    swept = {
        "fixed": {"model": "sim", "simulate.units.学校": 8},
        "grid": {"structure": STRUCTURES},
    }
    paths = gathered(runs(swept, datasets=datasets, models=models), tmp_path)
    chart = {"kind": "line", "x": "structure", "y": "kept", "rows": None, "colour": "term",
             "facet": None, "where": {}, "scale": None, "x_scale": None}  # fmt: skip
    capsys.readouterr()
    (tmp_path / "charts/sweeps/s").mkdir(parents=True)
    pipeline.sweep_charts(
        runs=paths["runs"],
        timing=paths["timing"],
        charts={"kept": chart},
        settings={},
        output=[str(tmp_path / "charts/sweeps/s/kept.caption.json")],
        formats=["vl.json"],
    )
    assert "No font of this machine has 学 校:" in capsys.readouterr().out


def test_larger_share_of_levels_holds_the_smaller() -> None:
    sweep = {
        "fixed": {"model": "sim", "of": "g", "replicate": 1},
        "grid": {"size": [4, 9], "criterion": ["ML"]},
    }
    kept = []
    for run in runs(sweep):
        frame = rows_of(run.spec["data"], run.spec["draw"]).frame
        kept.append(set(frame["g"]))
    assert [len(k) for k in kept] == [4, 9]
    assert kept[0] < kept[1]


def test_random_starts_differ_and_reach_the_same_optimum() -> None:
    found = runs(
        {"fixed": {"model": "sim", "replicate": 1}, "grid": {"start": ["independent", 1, 2]}}
    )
    results, _ = execute([r.spec for r in found], [r.id for r in found])
    assert np.ptp(results["objective"].astype(float)) < 1e-7
    assert len(set(results["search_evaluations"])) > 1


def stored(batch: Batch, directory: Path, code: str) -> None:
    empty = execute([], [])
    extra = {"batch": {"code": code, "specs": batch.specs}}
    write_table(
        directory / f"{batch.name}.parquet", empty[0], "sweep_batch", formula="", sha256="",
        extra=extra,
    )  # fmt: skip
    path = directory / f"{batch.name}.timing.parquet"
    write_table(path, empty[1], "sweep_batch_timing", formula="", sha256="")


def test_every_run_is_in_one_batch_and_cost_is_about_equal() -> None:
    found = runs({**SWEEP, "replicates": 30})
    costs = Costs({})
    total = sum(costs.seconds(r.spec) for r in found)
    batches = plan_batches(found, [], costs, seconds=total / 5.5)
    assert sorted(run for b in batches for run in b.specs) == sorted(r.id for r in found)
    loads = [sum(costs.seconds(s) for s in b.specs.values()) for b in batches]
    assert len(loads) == 6
    assert max(loads) < 1.2 * min(loads)


def test_runs_on_the_same_data_are_in_the_same_batch() -> None:
    found = runs({**SWEEP, "replicates": 30})
    places: dict[str, set[str]] = {}
    for batch in plan_batches(found, [], Costs({}), seconds=0.5):
        for spec in batch.specs.values():
            places.setdefault(str(spec["data"]), set()).add(batch.name)
    assert {len(p) for p in places.values()} == {1}


def test_grown_sweep_keeps_its_batches_and_cuts_only_what_is_new(tmp_path: Path) -> None:
    costs = Costs({})
    before = plan_batches(runs(SWEEP), [], costs, seconds=0.2)
    assert len(before) > 1
    for batch in before:
        stored(batch, tmp_path, "c")
    grown = runs({**SWEEP, "replicates": 3})
    after = plan_batches(grown, stored_batches(tmp_path, "c"), costs, seconds=0.2)
    assert {b.name for b in before} < {b.name for b in after}
    new = [run for b in after if b not in before for run in b.specs]
    assert sorted(new) == sorted({r.id for r in grown} - {r.id for r in runs(SWEEP)})
    # Planned again in the middle of things, and after a point was taken away.
    assert plan_batches(grown, after, costs, seconds=9.0) == after
    fewer = plan_batches(runs(SWEEP)[1:], stored_batches(tmp_path, "c"), costs, seconds=0.2)
    assert fewer == before


def test_batches_of_other_code_are_not_used(tmp_path: Path) -> None:
    (batch,) = plan_batches(runs(SWEEP), [], Costs({}), seconds=1e9)
    stored(batch, tmp_path, "old")
    assert stored_batches(tmp_path, "new") == []
    assert stored_batches(tmp_path, "old") == [batch]


def test_measured_seconds_take_the_place_of_the_formula() -> None:
    spec = runs(SWEEP)[0].spec
    assert Costs({Costs.kind(spec): [3.0, 5.0, 4.0]}).seconds(spec) == 4.0
    assert 0.005 < Costs({}).seconds(spec) < 1.0


def test_summary_gives_median_and_quartiles(table: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    frame = with_keys(table[0])
    chart = {"kind": "line", "x": "simulate.units.g", "y": "evaluations", "colour": "optimizer"}
    summary = summarise(frame, table[1], chart)
    assert summary.orders["x"] == [8, 16]
    assert summary.pooled == ("structure", "replicate")
    chosen = frame[(frame["simulate.units.g"] == 8) & (frame["optimizer"] == "bobyqa")]
    point = summary.frame.query("x == 8 and colour == 'bobyqa'").iloc[0]
    expected = np.quantile(chosen["evaluations"].astype(float), [0.25, 0.5, 0.75])
    assert np.allclose([point["low"], point["middle"], point["high"]], expected)
    assert point["count"] == 4


def test_where_chooses_runs(table: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    chart = {"kind": "line", "x": "simulate.units.g", "y": "gap", "where": {"optimizer": "auto"}}
    summary = summarise(with_keys(table[0]), table[1], chart)
    assert summary.runs == 8
    assert summary.frame["count"].tolist() == [4, 4]


def test_stored_table_is_read_back(
    tmp_path: Path, table: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    path = tmp_path / "runs.parquet"
    write_table(path, table[0], "runs", formula="", sha256="", extra={"swept": ["structure"]})
    frame = with_keys(read_table(path, "runs"))
    assert frame["simulate.units.g"].tolist() == [8] * 8 + [16] * 8
    assert frame.attrs["swept"] == ["structure"]
    assert frame["replicate"].tolist() == [1, 2] * 8


def test_fits_of_a_sweep_do_not_depend_on_charts_nor_on_the_words_of_measures() -> None:
    sources = [path.as_posix() for path in reachable_sources("sweep_batch")]
    assert any(path.endswith("sweeps/run.py") for path in sources)
    assert not [
        p
        for p in sources
        if "/charts/" in p or p.endswith(("measures.py", "workflow/config/model.py"))
    ]
