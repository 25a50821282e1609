"""The command: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from mixedscope.core.errors import suggest

from . import crossed, generalized, power, workflow
from .cases import CASES
from .charts import write_charts
from .competitors import COMPETITORS, OURS, ROOT, Interpreters
from .docs import write_docs, write_tasks
from .machine import describe_machine
from .runner import ANSWER_COLUMNS, SAMPLE_COLUMNS, RunSettings, run_case
from .targets import targets_table

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; give the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["workflow"]:
        return workflow.main(given[1:])
    if given[:1] == ["generalized"]:
        return generalized.main(given[1:])
    if given[:1] == ["crossed"]:
        return crossed.main(given[1:])
    if given[:1] == ["power"]:
        return power.main(given[1:])
    options = _parser().parse_args(given)
    names = _names(options.cases, CASES) if options.cases else list(CASES)
    if options.quick:
        names = [name for name in names if CASES[name].quick]
    if options.list:
        for name in names:
            print(f"{name:22} {CASES[name].title}: {CASES[name].formula}")
        return 0
    competitors = _names(options.competitors, COMPETITORS) if options.competitors else COMPETITORS
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    if not options.no_run:
        settings = RunSettings(
            competitors=[OURS, *(c for c in competitors if c != OURS)],
            repeat=options.repeat or (3 if options.quick else 7),
            budget=options.budget,
            time_limit=options.time_limit or (3600.0 if options.long else 180.0),
            memory_limit=options.memory_limit,
            long=options.long,
        )
        interpreters = Interpreters(
            mixedlm=options.python_mixedlm,
            statsmodels=options.python_statsmodels,
            rscript=options.rscript,
        )
        _run(names, settings, interpreters, output, append=options.append, date=options.date)
    table = pd.read_parquet(output / "benchmarks.parquet")
    targets = targets_table(table)
    targets.to_parquet(output / "targets.parquet", index=False)
    write_charts(table, output)
    print(targets.to_string(index=False))
    if options.write_docs:
        machine = json.loads((output / "machine.json").read_text("utf-8"))
        samples, answers = (
            pd.read_parquet(output / f"{kind}.parquet") for kind in ("samples", "answers")
        )
        if options.tasks_only:
            write_tasks(table, samples, answers, machine, ROOT / "docs")
        else:
            write_docs(table, targets, samples, answers, machine, ROOT / "docs")
    return 0


def _run(
    names: Sequence[str],
    settings: RunSettings,
    interpreters: Interpreters,
    output: Path,
    *,
    append: bool,
    date: str | None,
) -> None:
    """Run cases, storing the tables after each."""
    machine = describe_machine(date)
    if machine["load_before"] > 0.5:
        print(f"Other programs are running (load {machine['load_before']}).", file=sys.stderr)
    (output / "machine.json").write_text(json.dumps(machine, indent=2) + "\n", "utf-8")
    if not append:
        for kind in ("benchmarks", "samples", "answers"):
            (output / f"{kind}.parquet").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        for name in names:
            rows, samples, answers = run_case(
                CASES[name],
                settings,
                interpreters,
                Path(scratch),
                lambda text: print(text, flush=True),
            )
            _store(output / "benchmarks.parquet", name, pd.DataFrame(rows))
            _store(output / "samples.parquet", name, pd.DataFrame(samples, columns=SAMPLE_COLUMNS))
            _store(output / "answers.parquet", name, pd.DataFrame(answers, columns=ANSWER_COLUMNS))
            for file in Path(scratch).iterdir():
                file.unlink()


def _store(path: Path, case: str, new: pd.DataFrame) -> None:
    """Put the rows of a case into a table in the place of those it had."""
    for column in ("evaluations", "parameters", "floor_dimension", "numbers", "of"):
        if column in new:
            new[column] = new[column].astype("Float64").astype("Int64")
    for column in ("version", "platform", "verdict", "problem"):
        if column in new:
            new[column] = new[column].astype("string")
    if "agrees" in new:
        new = new.astype({"difference": "float64", "agrees": "boolean"})
    if path.exists():
        old = pd.read_parquet(path)
        new = pd.concat([old[old["case"] != case], new], ignore_index=True)
    order = {name: i for i, name in enumerate(CASES)}
    new.sort_values("case", key=lambda c: c.map(order), kind="stable").to_parquet(path, index=False)


def _names(text: str, known: Mapping[str, object]) -> list[str]:
    """Names separated by commas, each of which must be known."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise SystemExit(
                f"There is no {name!r}.{suggest(name, known)} Known are: {', '.join(known)}."
            )
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=main.__doc__,
        epilog="`python -m benchmarks workflow` measures a run of the workflow instead, "
        "`python -m benchmarks generalized` generalised models, `python -m benchmarks crossed` "
        "large crossed ones, and `python -m benchmarks power` power curves.",
    )
    add = parser.add_argument
    add("--cases", metavar="A,B", help="some of the cases (--list names them)")
    add("--quick", action="store_true", help="the small cases, three rounds")
    add("--long", action="store_true", help="also fits that take lme4 minutes")
    add("--list", action="store_true", help="name the cases and stop")
    add("--competitors", metavar="A,B", help=f"some of {', '.join(COMPETITORS)}")
    add("--repeat", type=int, metavar="N", help="rounds (7)")
    add(
        "--budget",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds of a competitor on a case after which it has no further round (60)",
    )
    add("--time-limit", type=float, metavar="S", help="seconds a fit may take (180; long 3600)")
    add(
        "--memory-limit",
        type=float,
        default=16.0,
        metavar="GB",
        help="address space a worker may have (16)",
    )
    add(
        "--output",
        type=Path,
        default=ROOT / "results" / "benchmarks",
        metavar="DIR",
        help="where tables and charts go (results/benchmarks)",
    )
    add("--append", action="store_true", help="keep the other cases of an earlier run")
    add("--no-run", action="store_true", help="only draw and write what an earlier run stored")
    add("--write-docs", action="store_true", help="write docs/benchmarks.md and its figures")
    add(
        "--tasks-only",
        action="store_true",
        help="write only the page's section on tasks, with the machine of this run",
    )
    add("--date", help="date of the run, for the docs")
    add(
        "--python-mixedlm",
        default=sys.executable,
        metavar="PYTHON",
        help="interpreter that has mixedlm (this one)",
    )
    add(
        "--python-statsmodels",
        default=sys.executable,
        metavar="PYTHON",
        help="interpreter that has statsmodels (this one)",
    )
    add("--rscript", default="Rscript", metavar="RSCRIPT", help="R that has lme4")
    return parser  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
