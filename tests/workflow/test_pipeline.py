"""The steps of the workflow, called as its scripts call them, without Snakemake."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

import mixedscope as ms
from mixedscope.core.errors import DataWarning, ModelError, StoreError
from mixedscope.data.simulate import simulate_dataset
from mixedscope.inference.estimates.stored import open_fit
from mixedscope.tables.files import read_json, write_csv
from mixedscope.tables.store import read_fit, write_fit
from mixedscope.tables.table_files import read_table
from mixedscope.workflow import steps as pipeline
from mixedscope.workflow.config.model import validate_config
from mixedscope.workflow.plan import make_plan

CONTENT: dict[str, Any] = {
    "datasets": {"sleepstudy": {"source": "sleep.csv", "categorical": {"group": ["c", "a", "b"]}}},
    "optimizers": {"bobyqa": {"backend": "pybobyqa"}, "auto": {}},
    "models": {
        "sleep": {
            "dataset": "sleepstudy",
            "formula": "y ~ 1 + x + (1 + x | g)",
            "structures": ["full", "intercept"],
            "optimizers": ["bobyqa", "auto"],
        }
    },
}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A working directory with the data of a plan."""
    monkeypatch.chdir(tmp_path)
    frame = simulate_dataset(
        {
            "seed": 3,
            "formula": "y ~ 1 + x + (1 + x | g)",
            "units": {"g": 12},
            "covariates": {"x": {"distribution": "normal"}},
            "replicates": 6,
            "beta": [1, 2],
            "sigma": 1,
            "random": {"g": {"sd": [2, 1]}},
        }
    ).frame
    frame["group"] = ["a", "b", "c"] * 24
    frame.to_csv("sleep.csv", index=False)
    return make_plan(CONTENT)


def run_fit(plan: Any, structure: str = "full", optimizer: str = "bobyqa") -> str:
    data = plan.data_file("sleep")
    pipeline.prepare(spec=plan.parameters["datasets"]["sleepstudy"], output=data)
    output = f"results/fits/sleep/{structure}/{optimizer}/fit.json"
    pipeline.fit(
        data=data,
        output=output,
        name="sleep",
        model=plan.parameters["models"]["sleep"],
        structure=structure,
        optimizer=plan.parameters["optimizers"][optimizer],
        seed=0,
        keyframes=5,
    )
    return output


def test_prepared_data_keep_the_order_of_levels(plan: Any) -> None:
    pipeline.prepare(spec=plan.parameters["datasets"]["sleepstudy"], output="data.parquet")
    stored = read_table("data.parquet", "data")
    assert stored["group"].cat.categories.tolist() == ["c", "a", "b"]
    assert stored["group"].tolist()[:4] == ["a", "b", "c", "a"]


def test_prepared_data_say_where_they_come_from(plan: Any) -> None:
    pipeline.prepare(spec=plan.parameters["datasets"]["sleepstudy"], output="data.parquet")
    description = read_table("data.parquet", "data").attrs["description"]
    assert description["source"] == "sleep.csv"
    assert description["n_rows"] == 72


def test_fit_refers_to_the_prepared_data(plan: Any) -> None:
    info = read_json(run_fit(plan))
    assert info["dataset"]["source"] == "sleep.csv"
    assert info["dataset"]["file"] == "../../../../data/sleepstudy.parquet"
    assert info["model"] == "sleep"
    assert info["optimizer"]["name"] == "pybobyqa"


def test_fit_stores_conditional_modes_at_the_optimum_and_on_the_way(plan: Any) -> None:
    directory = Path(run_fit(plan)).parent
    tables = read_fit(directory)
    assert len(tables.require("modes")) == 24
    assert 2 < tables.require("modes_trace")["evaluation"].nunique() <= 7


def test_the_step_stores_what_the_fit_of_a_user_stores(plan: Any, tmp_path: Path) -> None:
    directory, own = Path(run_fit(plan)).parent, tmp_path / "own"
    data = read_table(plan.data_file("sleep"), "data")
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data).fit("pybobyqa", name="sleep")
    fit.save(own, keyframe_parts=5)
    for name in ("trace", "estimates", "modes", "modes_trace"):
        assert (own / f"{name}.parquet").read_bytes() == (
            directory / f"{name}.parquet"
        ).read_bytes()
    told, by_user = read_json(directory / "fit.json"), read_json(own / "fit.json")
    for info in (told, by_user):
        del info["dataset"]
    assert told == by_user
    # A study made by the step and one made by the user's object are the same, too.
    pipeline.study(fit=directory / "fit.json", studies={"stopping": {}, "pooling": {}})
    fit.study("stopping", "pooling")
    for name in ("stopping", "accuracy", "shrinkage_path", "shrinkage_error"):
        pd.testing.assert_frame_equal(
            read_fit(directory).require(name), read_fit_of(fit, own, name), check_exact=True
        )


def read_fit_of(fit: ms.Fit, directory: Path, name: str) -> pd.DataFrame:
    fit.save(directory, only=[name])
    return read_fit(directory).require(name)


@pytest.mark.parametrize("theta", [[1.0, 0.5, 9.0], [np.nan, 0.5, 1.0]])
def test_a_step_refuses_a_fit_whose_theta_was_changed(plan: Any, theta: list[float]) -> None:
    directory = Path(run_fit(plan)).parent
    tables = read_fit(directory)
    estimates = tables.require("estimates")
    estimates.loc[estimates["kind"] == "theta", "estimate"] = theta
    write_fit(directory, tables, only=["estimates"])
    with pytest.raises(StoreError, match="is not that of its data"):
        open_fit(directory)


def test_tables_of_a_fit_are_csv_too(plan: Any) -> None:
    directory = Path(run_fit(plan)).parent
    for name in ("estimates", "modes"):
        stored = read_table(directory / f"{name}.parquet", name)
        text = pd.read_csv(directory / f"{name}.csv")
        text = text.astype(dict.fromkeys(text.select_dtypes("str"), object))
        text = text.where(text.notna() | stored.notna(), stored)
        pd.testing.assert_frame_equal(text, stored, check_dtype=False, rtol=1e-14)


def test_tables_of_a_race_and_of_accuracy_are_csv_too(plan: Any, tmp_path: Path) -> None:
    data, model = plan.data_file("sleep"), plan.parameters["models"]["sleep"]
    fits = [run_fit(plan, structure, "auto") for structure in ("full", "intercept")]
    made = tmp_path / "made"
    made.mkdir()
    pipeline.race(
        data=data,
        model=model,
        race={
            "structure": "intercept",
            "optimizers": {"auto": plan.parameters["optimizers"]["auto"]},
            "starts": 1,
        },
        seed=0,
        output=made / "race.parquet",
        ends=made / "race_ends.parquet",
        timing=made / "race_timing.parquet",
    )
    pipeline.crossvalidation(
        data=data,
        model=model,
        structures=["full", "intercept"],
        settings={"by": "g", "schemes": ["new"], "folds": 2},
        seed=0,
        output=made / "crossvalidation.parquet",
    )
    batch = {kind: tmp_path / f"{kind}.parquet" for kind in ("draws", "refits", "timing")}
    pipeline.efficiency_batch(fits=fits, blocks=[0], seed=0, key="", **batch)
    pipeline.efficiency(
        fits=fits,
        count=10,
        seed=0,
        draws=[str(batch["draws"])],
        refits=[str(batch["refits"])],
        timings=[str(batch["timing"])],
        output=made / "efficiency.parquet",
    )
    stored = sorted(made.glob("*.parquet"))
    assert len(stored) == 10
    for path in stored:
        table = read_table(path, path.stem)
        with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert sorted(header) == sorted(table.columns)
        assert len(rows) == len(table)


def test_csv_keeps_every_text_digit_truth_and_list(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["a,b", 'say "so"', "two\nlines", "Ärger 数据"],
            "number": [0.1 + 0.2, -1e-300, float("nan"), 1 / 3],
            "truth": [True, False, False, True],
            "list": [[1.5, None], np.array([0.1]), [], [np.float64(2)]],
        }
    )
    path = write_csv(tmp_path / "a.csv", frame)
    assert b"\r" not in path.read_bytes()
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == list(frame.columns)
    assert [row[0] for row in rows] == frame["text"].tolist()
    assert [row[1] for row in rows] == ["0.30000000000000004", "-1e-300", "", repr(1 / 3)]
    assert [row[2] for row in rows] == ["true", "false", "false", "true"]
    assert [json.loads(row[3]) for row in rows] == [[1.5, None], [0.1], [], [2.0]]


def test_stored_fit_can_be_evaluated_again(plan: Any) -> None:
    fresh = ms.load_fit(Path(run_fit(plan)).parent)
    assert fresh.evaluate().objective == pytest.approx(fresh.objective, abs=1e-9)


def test_comparison_names_optimisers_as_the_configuration_does(plan: Any) -> None:
    fits = [run_fit(plan, s, o) for s in ("full", "intercept") for o in ("bobyqa", "auto")]
    pipeline.compare(fits=fits, output="structures.parquet")
    table = read_table("structures.parquet", "structures")
    assert table["optimizer"].tolist() == ["bobyqa", "auto", "bobyqa", "auto"]
    assert table["above_objective"].gt(0.0).tolist() == [False, False, True, True]
    tests = read_table("tests.parquet", "tests")
    assert tests["optimizer"].tolist() == ["bobyqa", "auto"]
    assert (tests["p_value"] < tests["p_naive"]).all()


def test_plan_names_the_file_a_data_set_is_read_from(plan: Any) -> None:
    assert plan.source_files("sleepstudy") == ["sleep.csv"]


def test_plan_shows_the_fits_of_the_first_optimiser(plan: Any) -> None:
    shown = plan.chart_fits("sleep", "trace")
    assert shown == [f"results/fits/sleep/{s}/bobyqa/fit.json" for s in ("full", "intercept")]
    assert len(plan.fit_files("fit.json")) == 4


def test_job_keeps_what_is_printed_in_its_log(tmp_path: Path, capsys: Any) -> None:
    with pipeline.job(tmp_path / "logs" / "a.log"):
        print("hello")
    assert (tmp_path / "logs" / "a.log").read_text() == "hello\n"
    assert capsys.readouterr().out == ""


def test_job_says_an_error_of_the_user_without_a_traceback(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit), pipeline.job(tmp_path / "a.log"):
        raise ModelError("no such column")
    said = capsys.readouterr().err
    assert said == "no such column\n"
    assert (tmp_path / "a.log").read_text() == said


def test_job_shows_the_traceback_of_any_other_error(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit), pipeline.job(tmp_path / "a.log"):
        raise KeyError("bug")
    assert "Traceback" in capsys.readouterr().err


def test_job_limits_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with pipeline.job(tmp_path / "a.log", threads=1):
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}


def test_effective_configuration_is_accepted_again() -> None:
    once = validate_config(CONTENT)
    assert validate_config(once.model_dump()) == once


def test_empty_file_is_an_error_in_words(plan: Any) -> None:
    Path("sleep.csv").write_text("")
    with pytest.raises(ms.errors.DataError, match="sleep.csv"):
        pipeline.prepare(spec={"source": "sleep.csv"}, output="data.parquet")
    assert not Path("data.parquet").exists()


def test_data_that_change_after_planning_are_not_prepared(plan: Any) -> None:
    planned = plan.source_digests["sleepstudy"]
    spec = plan.parameters["datasets"]["sleepstudy"]
    pipeline.prepare(spec=spec, output="before.parquet", source=planned)
    with open("sleep.csv", "a") as file:
        file.write("\n".join(Path("sleep.csv").read_text().splitlines()[1:3]) + "\n")
    with pytest.raises(ms.errors.DataError, match=r"sleep\.csv has changed since this run"):
        pipeline.prepare(spec=spec, output="after.parquet", source=planned)
    assert not Path("after.parquet").exists()


def test_prepared_frame_is_what_the_library_loads(plan: Any) -> None:
    spec = plan.parameters["datasets"]["sleepstudy"]
    pipeline.prepare(spec=spec, output="data.parquet")
    stored = read_table("data.parquet", "data")
    pd.testing.assert_frame_equal(stored.astype(str), ms.load_dataset(spec).astype(str))


@pytest.mark.parametrize("step", ["fit", "race"])
def test_doubts_about_data_are_warnings_of_steps_and_in_their_log(
    step: str, tmp_path: Path, capsys: Any
) -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "y": random.normal(size=40),
            "x": [f"{number}.5" for number in np.tile(range(4), 10)],
            "g": np.repeat([f"g{i}" for i in range(10)], 4),
        }
    )
    frame.to_parquet(tmp_path / "raw.parquet")
    data = tmp_path / "data.parquet"
    pipeline.prepare(spec={"source": str(tmp_path / "raw.parquet")}, output=data)
    model = {"formula": "y ~ 1 + x + (1 | g)", "criterion": "ML", "contrasts": {}, "weights": None}
    auto = {"backend": "auto", "settings": {}, "polish": True, "max_evaluations": None}
    calls = {
        "fit": {
            "output": tmp_path / "fit.json",
            "name": "doubtful",
            "structure": "full",
            "optimizer": {**auto, "max_seconds": None},
            "keyframes": 2,
        },
        "race": {
            "race": {"structure": "full", "optimizers": {"auto": auto}, "starts": 0},
            "output": tmp_path / "race.parquet",
            "ends": tmp_path / "race_ends.parquet",
            "timing": tmp_path / "race_timing.parquet",
        },
    }
    capsys.readouterr()
    with pytest.warns(DataWarning, match="numbers written as text"):
        getattr(pipeline, step)(data=data, model=model, seed=0, **calls[step])
    assert "numbers written as text" in capsys.readouterr().out
