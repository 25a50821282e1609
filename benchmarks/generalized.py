"""Generalised models beside lme4's glmer and glmmTMB: ``python -m benchmarks generalized``.

Each program minimises a criterion of its own: lme4 a Laplace approximation of the expected
information, up to the tolerance of its inner steps, and with quadrature one without the constant of
the saturated model; glmmTMB that of the observed information. So where a program ended is told by
our criterion of the same kind at its parameters, above our own minimum of that.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixedscope as ms

from .competitors import OF_GENERALIZED, OURS, ROOT, Interpreters
from .docs import GENERALIZED_HEADING, machine_words, number, put_section, table_of
from .generalized_cases import GENERALIZED, GeneralizedCase
from .machine import describe_machine
from .runner import Entry, RunSettings, sample, start, words, write_data

__all__ = ["excess", "main", "section"]

#: What is aimed at: times ours, where theirs is not less than so many seconds.
_WANTED = {"lme4": 20.0, "glmmTMB": 5.0}
_FROM = 0.05


def main(arguments: Sequence[str]) -> int:
    """Run generalised models by all programs that have them; give the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks generalized", description=main.__doc__)
    add = parser.add_argument
    add("--cases", metavar="A,B", help=f"some of {', '.join(GENERALIZED)}")
    add("--competitors", metavar="A,B", help="some of lme4, glmmTMB")
    add("--repeat", type=int, default=5, metavar="N", help="rounds (5)")
    add("--budget", type=float, default=60.0, metavar="S", help="seconds of a program (60)")
    add("--time-limit", type=float, metavar="S", help="seconds of a fit (180; long 3600)")
    add("--memory-limit", type=float, default=16.0, metavar="GB", help="of a worker (16)")
    add("--long", action="store_true", help="also what takes others minutes")
    add("--output", type=Path, default=ROOT / "results" / "benchmarks", metavar="DIR")
    add("--append", action="store_true", help="keep the other cases of an earlier run")
    add("--no-run", action="store_true", help="only write what an earlier run stored")
    add("--write-docs", action="store_true", help="put the section into docs/benchmarks.md")
    add("--date", help="date of the run, for the docs")
    add("--rscript", default="Rscript", help="R that has lme4 and glmmTMB")
    options = parser.parse_args(arguments)
    chosen = options.cases.split(",") if options.cases else list(GENERALIZED)
    if unknown := [name for name in chosen if name not in GENERALIZED]:
        raise SystemExit(f"There is no {unknown[0]!r}. Known are: {', '.join(GENERALIZED)}.")
    others = options.competitors.split(",") if options.competitors else ["lme4", "glmmTMB"]
    settings = RunSettings(
        [OURS, *others], options.repeat, options.budget,
        options.time_limit or (3600.0 if options.long else 180.0), options.memory_limit,
        options.long,
    )  # fmt: skip
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    table_path, machine_path = output / "generalized.parquet", output / "generalized.json"
    if not options.no_run:
        machine = describe_machine(options.date)
        if machine["load_before"] > 0.5:
            print(f"Other programs are running (load {machine['load_before']}).", file=sys.stderr)
        machine_path.write_text(json.dumps(machine, indent=2) + "\n", "utf-8")
        if not options.append:
            table_path.unlink(missing_ok=True)
        for name in chosen:
            _store(table_path, name, _run(GENERALIZED[name], settings, options.rscript))
    text = section(pd.read_parquet(table_path), json.loads(machine_path.read_text("utf-8")))
    print(text)
    if options.write_docs:
        page = ROOT / "docs" / "benchmarks.md"
        put_section(page, GENERALIZED_HEADING, text, before="## Not measured\n")
    return 0


def _store(path: Path, case: str, new: pd.DataFrame) -> None:
    """Put the rows of a case into the table, in the place of those it had."""
    if path.exists():
        old = pd.read_parquet(path)
        new = pd.concat([old[old["case"] != case], new], ignore_index=True)
    order = {name: i for i, name in enumerate(GENERALIZED)}
    new.sort_values("case", key=lambda c: c.map(order), kind="stable").to_parquet(path, index=False)


def _run(case: GeneralizedCase, settings: RunSettings, rscript: str) -> pd.DataFrame:
    """One case by all programs in turns, a row each."""
    entries = [Entry(name) for name in settings.competitors]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        more = {"family": case.family, "link": case.link, "quadrature": case.quadrature}
        job, frame = write_data(case, Path(scratch), more)
        try:
            for entry in entries:
                if entry.competitor in case.absent:
                    entry.status = case.absent[entry.competitor]
                    continue
                start(entry, case, settings, Interpreters(rscript=rscript), job)
                print(f"{case.name}: {entry.competitor}: {words(entry)}", flush=True)
            for _ in range(settings.repeat):
                for what in ("total", "fit"):
                    for entry in entries:
                        sample(entry, what, settings)
        finally:
            for entry in entries:
                entry.stop()
    return pd.DataFrame([_row(case, entry, frame) for entry in entries])


def _row(case: GeneralizedCase, entry: Entry, frame: pd.DataFrame) -> dict[str, Any]:
    facts = entry.facts
    above = math.nan
    if entry.competitor == OURS:
        above = 0.0
    elif "theta" in facts:
        above = excess(case, frame, entry.competitor, facts)
    row = {
        "case": case.name,
        "title": case.title,
        "rows": len(frame),
        "competitor": entry.competitor,
        "version": facts.get("version"),
        "platform": facts.get("platform"),
        "status": entry.status,
        "objective": facts.get("objective", math.nan),
        "above": above,
        "evaluations": facts.get("evaluations", math.nan),
        "newton_steps": facts.get("newton_steps", math.nan),
        "parameters": facts.get("parameters", math.nan),
        "verdict": facts.get("verdict"),
        "memory_mb": facts.get("memory", math.nan),
    }
    for what, values in entry.samples.items():
        taken = [cpu for _, cpu in values] or [math.nan]
        row[f"{what}_q1"], row[what], row[f"{what}_q3"] = np.quantile(taken, (0.25, 0.5, 0.75))
    text = ("version", "platform", "verdict")
    return {key: str(row[key] or "") if key in text else row[key] for key in row}


def excess(
    case: GeneralizedCase, frame: pd.DataFrame, competitor: str, facts: Mapping[str, Any]
) -> float:
    """How far a program ended above our minimum of the criterion that it minimises.

    ``facts``: ``theta``, by group and number the lower triangle by columns of a factor of the
    covariance; ``fixed``, in the order of the columns; ``size`` of a negative binomial family.
    """
    model = ms.GeneralizedLinearMixedModel(
        case.formula, frame, case.family, case.link, quadrature=case.quadrature,
        information="expected" if competitor == "lme4" else "observed",
    )  # fmt: skip
    groups = dict.fromkeys(label.rsplit(" ", 1)[0] for label in facts["theta"])
    theta = {
        group: [v for label, v in facts["theta"].items() if label.rsplit(" ", 1)[0] == group]
        for group in groups
    }
    point = [value for random in model.design.random for value in theta[random.group]]
    point += list(facts["fixed"].values())
    if facts.get("size"):
        point.append(math.log(facts["size"]))
    return float(model.objective(np.array(point)) - model.fit().objective)


def section(table: pd.DataFrame, machine: Mapping[str, Any]) -> str:
    """Give the section of the page."""
    names = [
        name for name in OF_GENERALIZED if table.loc[table["competitor"] == name, "total"].any()
    ]
    header = ["case", "rows", "parameters", "mixedscope total", "fit", "evaluations", "verdict"]
    for name in names[1:]:
        header += [f"{name} total", "fit", "evaluations", "ended above ours"]
    body, left_out = [], []
    for _, part in table.groupby("case", sort=False):
        rows = {str(row["competitor"]): row for row in part.to_dict("records")}
        ours = rows[OURS]
        cells = [str(ours["title"]), f"{ours['rows']:,}", _whole(ours["parameters"])]
        cells += [_spread(ours, "total"), _spread(ours, "fit")]
        cells += [
            f"{_whole(ours['evaluations'])} ({_whole(ours['newton_steps'])})",
            ours["verdict"],
        ]
        for name in names[1:]:
            row = rows.get(name)
            if row is None or math.isnan(row["total"]):
                cells += ["–"] * 4
                if row is not None:
                    left_out.append(f"- {name}, {ours['title']}: {row['status']}")
                continue
            cells += [_told(name, row, ours, what) for what in ("total", "fit")]
            cells += [_whole(row["evaluations"]), f"{row['above']:.1e}"]
        body.append(cells)
    versions = table[table["version"] != ""].drop_duplicates("competitor")
    programs = [f"{r['competitor']} {r['version']}" for r in versions.to_dict("records")]
    parts = [
        GENERALIZED_HEADING, _WORDS, machine_words(programs, table["platform"], machine),
        table_of(header, body),
    ]  # fmt: skip
    return "\n".join(parts + (["\n".join(left_out) + "\n"] if left_out else []))


_WORDS = """\
By `python -m benchmarks generalized`, in one run of its own, one thread, warm processes in turns.
CPU seconds; in brackets how many times ours that is, and whether it is as wanted: 20 times for lme4
and 5 for glmmTMB, in total, where they take 0.05 s or more. *Total* is from formula and data frame
to the fit, *fit* from the built model on; ours ends with the certificate, lme4 without derivatives
at the optimum (`calc.derivs = FALSE`), glmmTMB without standard errors (`se = FALSE`); its *fit*
records its tape. Kernels of ours are compiled, as in a process that has fitted for half a second
before (one that has not runs small models by Python). Evaluations of the objective, of ours in
brackets all Newton steps to the modes. *Ended above ours*: our criterion of the same definition (of
lme4 with the expected information, which is the same for canonical links; quadrature of as many
points) at where the other ended, less our minimum of it.
"""


def _told(name: str, row: Mapping[Any, Any], ours: Mapping[Any, Any], what: str) -> str:
    if math.isnan(row[what]):
        return "–"
    ratio = row[what] / ours[what]
    mark = ""
    if what == "total" and row[what] >= _FROM:
        mark = " ✓" if ratio >= _WANTED[name] else " ✗"
    return f"{number(row[what])} ({number(ratio)} ×{mark})"


def _spread(row: Mapping[Any, Any], what: str) -> str:
    middle, low, high = row[what], row[f"{what}_q1"], row[f"{what}_q3"]
    wide = low < 0.9 * middle or high > 1.1 * middle
    return number(middle) + (f" [{number(low)}, {number(high)}]" if wide else "")


def _whole(value: float) -> str:
    return "" if math.isnan(value) else str(int(value))
