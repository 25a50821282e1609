"""The benchmark harness: runs with workers of paper, and, among the exhaustive ones, a real one."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "no-such-interpreter"
TASKS = (
    "wald", "modes", "leverage", "influence", "profile", "bootstrap", "predict", "satterthwaite",
    "kenward-roger",
)  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """Import modules of the package beside the tests, which is not installed."""
    sys.path.insert(0, str(ROOT))
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    sys.path.remove(str(ROOT))


def command(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "benchmarks", "--output", str(output), *options]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Tables of a run in which lme4 takes 25 times as long and stops a little too high.

    Its leverages are ours, its profile has another end, its bootstrap is as far off as simulation
    goes, its Kenward-Roger is refused; mixedlm is absent.
    """
    runner, competitors = bench("runner"), bench("competitors")

    class Paper:
        """Answers of a worker, from paper."""

        def __init__(self, competitor: str, *_: Any) -> None:
            if competitor == "mixedlm":
                raise competitors.Absent("no package")
            self.slow = 25.0 if competitor == "lme4" else 1.0
            self.greeting = {"version": "1", "memory": 50.0, "tasks": ",".join(TASKS)}

        def ask(self, what: str, count: int, _: float) -> dict[str, Any]:
            ours = self.slow == 1.0
            answer: dict[str, Any] = {"seconds": 0.3 * self.slow, "cpu": 0.2 * self.slow}
            if what == "kenward-roger" and not ours:
                raise competitors.Refused("R has no package pbkrtest")
            if what == "total":
                excess = 0.0 if ours else 0.25
                answer |= {"objective": 1751.5 + excess, "evaluations": 9}
                return answer | ({"verdict": "optimum", "parameters": 3} if ours else {})
            if what == "fit":
                return {"seconds": 0.1 * self.slow, "cpu": 0.05 * self.slow}
            if what in ("memory", "evaluation", "refits"):
                return {what: 70.0, "floor": 1.0, "dimension": 5}
            apart = 0.0 if ours else {"profile": 0.3, "bootstrap": 3.0}.get(what, 1e-4)
            numbers = {"a": 2.0 + 2.0 * apart, "b": 5.0}
            if what == "predict" and not ours:
                del numbers["b"]
            return answer | {"numbers": numbers, "units": {"a": 2.0, "b": 1.0} if ours else {}}

        def close(self) -> None:
            pass

    settings = runner.RunSettings(["mixedscope", "lme4", "mixedlm"], repeat=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "Worker", Paper)
        directory = tmp_path_factory.mktemp("paper")
        case = bench("cases").CASES["sleepstudy"]
        found = runner.run_case(case, settings, competitors.Interpreters(), directory, print)
    store = bench("__main__")._store
    for kind, rows in zip(("benchmarks", "samples", "answers"), found, strict=True):
        store(directory / f"{kind}.parquet", case.name, pd.DataFrame(rows))
    return {
        kind: pd.read_parquet(directory / f"{kind}.parquet")
        for kind in ("benchmarks", "samples", "answers")
    }


@pytest.fixture(scope="module")
def table(run: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return run["benchmarks"]


@pytest.fixture(scope="module")
def compared(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["competitor"] != "mixedlm"].reset_index(drop=True)


@pytest.mark.exhaustive
def test_a_real_run_measures_us_and_says_who_is_absent(tmp_path: Path) -> None:
    done = command(
        tmp_path,
        *("--cases", "sleepstudy", "--repeat", "2", "--competitors", "mixedscope,lme4,mixedlm"),
        *("--rscript", NOWHERE, "--python-mixedlm", NOWHERE, "--date", "a day"),
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "benchmarks.parquet")
    (row,) = table[table["competitor"] == "mixedscope"].to_dict("records")
    assert row["status"] == "ok"
    assert row["objective"] == pytest.approx(1751.939344463, abs=1e-6)
    assert row["excess"] == 0
    assert row["verdict"] == "optimum"
    assert row["parameters"] == 3
    # Both are medians of rounds of their own, and a busy machine may have slowed either.
    assert row["fit_s"] > 0
    assert row["total_s"] > 0
    assert row["memory_mb"] > row["memory_before_mb"] > 20
    assert row["evaluation_s"] > 0
    assert row["refits_per_s"] > 0
    absent = table[table["competitor"] != "mixedscope"]
    assert absent["competitor"].tolist() == ["lme4", "mixedlm"]
    assert absent["status"].str.startswith("absent").all()
    assert absent["total_s"].isna().all()
    samples = pd.read_parquet(tmp_path / "samples.parquet")
    found = samples.groupby("what").size().to_dict()
    assert found == {"total": 2, "fit": 2, **dict.fromkeys(TASKS, 2)}
    # One thread cannot compute for longer than the clock runs, but for their resolution.
    assert (samples["cpu_seconds"] > 0).all()
    assert (samples["cpu_seconds"] <= 1.1 * samples["seconds"] + 1e-4).all()
    answers = pd.read_parquet(tmp_path / "answers.parquet")
    assert answers["task"].tolist() == list(TASKS)
    assert (answers["numbers"] == answers["of"]).all()
    assert answers["agrees"].all()
    text = (tmp_path / "machine.json").read_text("utf-8") + table.to_csv()
    assert str(ROOT) not in text
    assert sys.executable not in text
    targets = pd.read_parquet(tmp_path / "targets.parquet").set_index("target")
    assert pd.isna(targets.at["fit, lme4", "met"])
    assert targets.at["objective, best", "met"]


def test_every_round_is_a_sample_and_absent_programs_have_none(
    run: dict[str, pd.DataFrame], table: pd.DataFrame
) -> None:
    samples = run["samples"].groupby(["competitor", "what"]).size()
    assert samples["mixedscope"].to_dict() == {"total": 2, "fit": 2, **dict.fromkeys(TASKS, 2)}
    asked = [task for task in TASKS if task != "kenward-roger"]
    # The first fit of lme4 took more than five seconds, and counts.
    assert samples["lme4"].to_dict() == {"total": 3, "fit": 2, **dict.fromkeys(asked, 2)}
    absent = table.set_index("competitor").loc["mixedlm"]
    assert absent["status"] == "absent: no package"
    assert pd.isna(absent["total_s"])


def test_numbers_of_tasks_are_held_against_ours(run: dict[str, pd.DataFrame]) -> None:
    answers = run["answers"]
    lme4 = answers[answers["competitor"] == "lme4"].set_index("task")
    assert lme4.loc["leverage", "difference"] == pytest.approx(1e-4)
    assert lme4.loc["profile", "difference"] == pytest.approx(0.3)
    agrees = lme4["agrees"].drop("kenward-roger").to_dict()
    assert agrees == {task: task != "profile" for task in TASKS if task != "kenward-roger"}
    assert lme4.loc["predict", ["numbers", "of"]].tolist() == [1, 2]
    assert "no package pbkrtest" in lme4.loc["kenward-roger", "problem"]
    # One task refused does not end the others, nor is it a fault of the fit.
    assert run["benchmarks"].set_index("competitor").at["lme4", "status"] == "ok"


@pytest.mark.parametrize("theirs", [{"a": None, "b": 1.0}, {"c": 2.0}])
def test_a_number_that_is_missing_is_no_agreement(bench: Any, theirs: dict[str, Any]) -> None:
    ours = {"numbers": {"a": 2.0, "b": 1.0}, "units": {"a": 1.0, "b": 1.0}}
    told = bench("runner").compare("profile", ours, {"numbers": theirs})
    assert not told["agrees"]
    assert pd.isna(told["difference"])


def test_cases_ask_only_for_tasks_that_our_worker_has(bench: Any) -> None:
    ours = bench("workers.ours").Ours.tasks.fget(None)
    for case in bench("cases").CASES.values():
        assert {*case.tasks, *case.long_tasks} <= ours.keys()
        assert ("means" in case.tasks) == (case.means is not None)


def test_appending_keeps_the_other_cases_and_replaces_this_one(
    bench: Any, tmp_path: Path, table: pd.DataFrame
) -> None:
    store, path = bench("__main__")._store, tmp_path / "benchmarks.parquet"
    store(path, "machines", table.assign(case="machines"))
    store(path, "sleepstudy", table.assign(status="old"))
    store(path, "sleepstudy", table.copy())
    kept = pd.read_parquet(path)
    assert kept["case"].unique().tolist() == ["sleepstudy", "machines"]
    assert len(kept) == 2 * len(table)
    assert "old" not in set(kept["status"])


def test_targets_are_met_on_the_right_side_of_their_bounds(
    bench: Any, compared: pd.DataFrame
) -> None:
    targets = bench("targets").targets_table(compared).set_index("target")
    row = compared.iloc[0]
    ratio = 25 * row["total_cpu_s"] / row["fit_cpu_s"]
    assert targets.at["total, lme4", "measured"] == pytest.approx(25)
    assert targets.at["total, lme4", "met"]
    assert targets.at["fit, lme4", "met"] == (ratio >= 38)
    assert targets.at["objective, best", "met"]
    worse = bench("targets").targets_table(compared.assign(excess=1e-3)).set_index("target")
    assert not worse.at["objective, best", "met"]


def test_page_shows_machine_times_targets_and_where_the_others_stopped(
    bench: Any, compared: pd.DataFrame, run: dict[str, pd.DataFrame]
) -> None:
    machine = bench("machine").describe_machine("the first of May")
    targets = bench("targets").targets_table(compared)
    samples, answers = run["samples"], run["answers"]
    page = bench("docs").markdown(compared, targets, samples, answers, machine, ["ratios.svg"])
    for text in (
        "| sleepstudy | influence | 0.200 | 5.00 (25.0 ×; 1e-04) |",
        "| sleepstudy | profile | 0.200 | 5.00, differs: 3e-01 |",
        "| sleepstudy | predict | 0.200 | 5.00, 1 of 2 numbers: 1e-04 |",
        "kenward-roger: failed: R has no package pbkrtest",
        machine["processor"],
        "the first of May",
        "25.0 (≥ 20.0) ✓",
        "2.5e-01",
        "ratios.svg",
    ):
        assert text in page
    assert NOWHERE not in page


def test_the_section_on_tasks_is_renewed_alone(
    bench: Any, table: pd.DataFrame, run: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    docs = bench("docs")
    machine = bench("machine").describe_machine("the first of May")
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\nbefore\n\n## Growth\n\nafter\n", "utf-8")
    docs.write_tasks(table, run["samples"], run["answers"], machine, tmp_path)
    once = page.read_text("utf-8")
    docs.write_tasks(table, run["samples"], run["answers"], machine, tmp_path)
    assert page.read_text("utf-8") == once
    start, end = once.index("## What is asked of a fit\n"), once.index("## Growth\n")
    assert once[:start] == "# Benchmarks\n\nbefore\n\n"
    assert once[end:] == "## Growth\n\nafter\n"
    assert "the first of May" in once[start:end]


def test_ratios_are_drawn_on_a_log_axis_with_the_targets(
    bench: Any, compared: pd.DataFrame
) -> None:
    chart = bench("charts").ratio_chart(compared).to_dict()
    layers = chart["layer"]
    assert layers[1]["encoding"]["x"]["scale"]["type"] == "log"
    assert layers[2]["mark"]["type"] == "tick"


def test_growth_is_drawn_from_growing_cases_only(bench: Any, compared: pd.DataFrame) -> None:
    draw = bench("charts").growth_chart
    assert draw(compared) is None
    assert draw(compared.assign(growth=True)) is not None


def test_a_fit_over_the_time_limit_is_stopped_and_reported(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runner, competitors = bench("runner"), bench("competitors")
    greeting = '{"version": "1", "memory": 1, "tasks": ""}'
    sleeper = f"import time; print('{greeting}', flush=True); time.sleep(600)"
    command = [sys.executable, "-S", "-c", sleeper]
    monkeypatch.setitem(competitors.COMPETITORS, "mixedscope", lambda *_: command)
    settings = runner.RunSettings(["mixedscope"], time_limit=0.001)
    case = bench("cases").CASES["sleepstudy"]
    rows, *_ = runner.run_case(case, settings, competitors.Interpreters(), tmp_path, print)
    assert rows[0]["status"] == "too slow: more than 0.001 s"


def test_unknown_case_is_an_error_that_names_the_nearest(bench: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"Did you mean 'sleepstudy'\?"):
        bench("__main__").main(["--cases", "sleepstudi", "--output", str(tmp_path)])


@pytest.mark.parametrize("case", ["experiment-20", "experiment-72"])
def test_simulated_experiment_has_the_parameters_its_name_says(bench: Any, case: str) -> None:
    import mixedscope as ms

    spec = bench("cases").CASES[case]
    model = ms.LinearMixedModel(spec.formula, spec.load())
    assert len(model.theta_names) == int(case.split("-")[1])
    assert len(model.design.y) == 56 * 32


def test_simulated_ratings_have_every_user_and_item_and_repeat(bench: Any) -> None:
    simulate = bench("simulate")
    frame = simulate.ratings(2000, 60, 40)
    assert frame.equals(simulate.ratings(2000, 60, 40))
    assert frame[["user", "item"]].nunique().tolist() == [60, 40]
    assert simulate.nested_slopes(400, 20)["g"].value_counts().eq(20).all()


def test_what_a_run_of_the_workflow_costs_is_told_by_kind(bench: Any, tmp_path: Path) -> None:
    workflow = bench("workflow")
    usage = [
        {"command": f"/r/.snakemake/scripts/tmp{i}.fit.py", "cpu_seconds": s, "peak_mb": m}
        for i, (s, m) in enumerate([(2.0, 300.0), (1.0, 400.0)])
    ]
    usage.append({"command": "/s/snakemake/__main__.py", "cpu_seconds": 4.0, "peak_mb": 200.0})
    usage.append({"command": "/m/warm/server.py", "cpu_seconds": 0.5, "peak_mb": 250.0})
    usage.append({"command": "renderer.py", "cpu_seconds": 0.25, "peak_mb": 350.0})
    jobs = workflow.jobs_table(usage, 8.25)
    assert jobs["kind"].tolist()[:2] == [workflow.SNAKEMAKE, "fit"]
    own = {workflow.SNAKEMAKE, workflow.SERVER, workflow.RENDERER, workflow.REST}
    assert set(jobs["kind"]) == {"fit", *own}
    by_kind = jobs.set_index("kind")
    assert by_kind.loc["fit", ["processes", "cpu_seconds", "peak_mb"]].tolist() == [2, 3.0, 400.0]
    assert by_kind.at[workflow.REST, "cpu_seconds"] == pytest.approx(0.5)
    for name, size in (("a.png", 10), ("b/a.vl.json", 7), ("b/c.vl.json", 5), ("b/d.json", 1)):
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    files = workflow.files_table(tmp_path / "results")
    assert files.to_dict("list") == {
        "ending": [".vl.json", ".png", ".json"],
        "files": [2, 1, 1],
        "bytes": [12, 10, 1],
    }
    run = {"config": "config/small.yaml", "cores": "4", "cpu_seconds": 8.0, "seconds": 5.0}
    machine = bench("machine").describe_machine("the first of May")
    text = workflow.section(jobs, files, run, machine)
    assert "| fit | 2 | 3.0 | 400 |" in text
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\n## Not measured\n\nnothing\n", "utf-8")
    docs = bench("docs")
    docs.put_section(page, docs.WORKFLOW, text, before="## Not measured\n")
    once = page.read_text("utf-8")
    docs.put_section(page, docs.WORKFLOW, text, before="## Not measured\n")
    assert page.read_text("utf-8") == once
    assert once.index("| .png | 1 |") < once.index("## Not measured\n\nnothing\n")


def test_processes_tell_what_they_have_used(bench: Any, tmp_path: Path) -> None:
    accounting = bench("workflow")._ACCOUNTING
    usage = tmp_path / "usage.jsonl"
    environment = {"PYTHONPATH": str(accounting), "MIXEDSCOPE_USAGE": str(usage)}
    code = "sum(range(3_000_000)); x = bytearray(50_000_000)"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    (told,) = map(json.loads, usage.read_text("utf-8").splitlines())
    assert told["cpu_seconds"] > 0.01
    assert told["peak_mb"] > 50


def test_power_curves_are_told_beside_those_of_fewer_draws(bench: Any, tmp_path: Path) -> None:
    power = bench("power")
    ours = {"program": power.OURS, "version": "1.0", "rows": 100, "tested": 1000, "singular": 80}
    points = [
        {"size": 10, "draws": 1000, "cpu": 0.5, "power": 0.6, **ours},
        {"size": 20, "draws": 1000, "cpu": 0.25, "power": 0.9, **ours},
        {"size": 10, "draws": 50, "cpu": 5.0, "power": 0.5, "program": "lme4", "version": "1.1"},
    ]
    for point in [{**points[0], "cpu": 9.0}, *points]:
        power._store(tmp_path / "power.parquet", {"task": "sleepstudy", **point})
    table = pd.read_parquet(tmp_path / "power.parquet")
    assert len(table) == 3  # the later of two points of a size
    text = power.section(table, bench("machine").describe_machine("today"))
    assert "0.750 CPU seconds of 2,000 draws (a part of the task); all were certified" in text
    assert "100 (200 ×, from 50 draws) | 100 | 0.500 |" in text
    assert "| 20 | 100 | 1,000 | 0.250 | 0.250 | 0.900 | 8 % |  |  |  |" in text
    whole = pd.concat([table, table.assign(size=table["size"] * 4)], ignore_index=True)
    told = power.section(whole, bench("machine").describe_machine("today"))
    assert "1.50 CPU seconds of 4,000 draws (wanted ≤ 2 ✓); all were certified and tested" in told
    late = whole.assign(cpu=9.0, tested=whole["tested"] - 1)
    told = power.section(late, bench("machine").describe_machine("today"))
    assert "(wanted ≤ 2 ✗); 4 could not be tested" in told


def test_large_crossed_models_are_held_against_a_judge(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed, cases, runner = bench("crossed"), bench("crossed_cases"), bench("runner")
    first = {"iterative": 1.0, "exact": 5.0, "gpboost iterative": 12.0}
    asked: list[tuple[str, str]] = []

    class Paper:
        """Answers of a worker, from paper; GPBoost is a tenth off, its Cholesky way too slow."""

        def __init__(self, program: str, *given: Any) -> None:
            if program not in first:
                raise bench("competitors").TooSlow("more than 1 s")
            self.program, self.job = program, json.loads(given[1].job.read_text("utf-8"))
            self.greeting = {"version": "1", "memory": 50.0, "tasks": ""}

        def ask(self, what: str, _: int, __: float) -> dict[str, Any]:
            asked.append((self.program, what))
            seconds = first[self.program]
            if what == "memory":
                return {"memory": 100.0}
            if what == "above":
                thetas = json.loads(Path(self.job["thetas"]).read_text("utf-8"))
                return {"above": {name: theta[0] ** 2 for name, theta in thetas.items()}}
            off = {"iterative": 0.001, "exact": 0.0, "gpboost iterative": 0.125}[self.program]
            return {
                "seconds": seconds, "cpu": seconds, "fit": seconds / 2.0, "objective": 100.0 + off,
                "theta": [off, 1.0], "evaluations": 5, "verdict": "optimum", "stated": 0.002,
                "stated_theta": 0.003,
            }  # fmt: skip

        def close(self) -> None:
            pass

    names = ("exact", "gpboost iterative", "gpboost cholesky")
    known = [
        cases.CrossedCase(2_000, 60, 40, names, ratio=4.0),
        cases.CrossedCase(3_000, 70, 50, seconds=0.4, growth=True),
    ]
    monkeypatch.setattr(runner, "Worker", Paper)
    monkeypatch.setattr(crossed, "CROSSED", {case.name: case for case in known})
    settings = runner.RunSettings(list(bench("competitors").OF_CROSSED), repeat=3)
    tables = [crossed._run(case, settings, bench("competitors").Interpreters()) for case in known]
    table = pd.concat(tables, ignore_index=True)
    found = table.set_index(["case", "program"])
    own = found.loc[known[0].name]
    assert own["judge"].tolist() == ["exact"] * 4
    assert own.at["gpboost iterative", "error"] == pytest.approx(0.125)
    assert own.at["gpboost iterative", "above"] == pytest.approx(0.125**2)
    assert own["samples"].to_dict() == {
        "iterative": 3, "exact": 1, "gpboost iterative": 1, "gpboost cholesky": 0,
    }  # fmt: skip
    assert found.at[(known[1].name, "iterative"), "judge"] == "iterative"
    assert [program for program, what in asked if what == "above"] == ["exact", "iterative"]
    machine = bench("machine").describe_machine(None) | {"load_after": 9.75}
    text = crossed.section(table, None, machine)
    # The exact fit takes five times as long, four were wanted.
    assert (
        "| 0.500 | 5 |  | 5.00 | 2.50 | 5.00 (≥ 4) ✓ | 0.00100 (0.00200) | 0.00100 (0.00300)"
        in text
    )
    assert "0.500 (≤ 0.4) ✗" in text
    assert "after it 9.75" in text
    assert "| gpboost iterative | 12.0 | 6.00 | 12.0 | 0.125 | 0.0156 | exact | 100 |" in text
    assert "gpboost cholesky, 0.002 M ratings, 60 × 40: too slow: more than 1 s" in text


def test_the_table_of_reading_has_a_run_of_its_own_and_outlives_others(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossed, docs = bench("crossed"), bench("docs")
    page = tmp_path / "benchmarks.md"
    rest = "## Power\n\nWords.\n"
    page.write_text(f"# Page\n\n{docs.CROSSED_HEADING}\nFits.\n\n{rest}", "utf-8")
    read = {"file": "texts.csv", "file_mb": 52.4, "read_s": 22.0, "read": 3.0, "model_s": 7.0,
            "model": 0.9, "memory_mb": 640.0, "load": 1.5}  # fmt: skip
    monkeypatch.setattr(crossed, "_PAGE", page)
    monkeypatch.setattr(
        crossed, "_read_all", lambda rows: pd.DataFrame([{"size": rows, "rows": rows, **read}])
    )
    for _ in range(2):  # once put, once in the place of itself
        crossed.main(["--only-reading", "--write-docs", "--output", str(tmp_path)])
        text = page.read_text("utf-8")
        row = "| 1,000,000 | csv, ids as texts | 52 | 3.00 (22.0) | 0.900 (7.00) | 640 | 1.5 |"
        assert text.count(row) == text.count("### Reading\n") == text.count("Fits.\n") == 1
        assert text.endswith(rest)
        assert text.index(row) < text.index(rest)
    kept = docs.part_of(page, docs.CROSSED_HEADING, "### Reading\n")
    assert kept.startswith("### Reading\n")
    assert row in kept


def test_ratings_of_a_platform_are_the_same_each_time(bench: Any) -> None:
    simulate = bench("simulate")
    frame = simulate.platform(2000, 60, 40)
    assert frame.equals(simulate.platform(2000, 60, 40))
    assert frame[["user", "item"]].nunique().tolist() == [60, 40]
    # A few have most of the ratings.
    assert frame["user"].value_counts().iloc[:12].sum() > 1000
    assert frame.groupby("user")["age"].nunique().eq(1).all()
