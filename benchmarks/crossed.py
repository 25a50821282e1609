"""Two crossed factors of thousands of levels: ``python -m benchmarks crossed``.

The iterative engine beside the exact one and GPBoost, how it grows with the rows, and what it takes
to read so many. The exact engine's minimum is what errors are told against; where it cannot be had,
the iterative one's, with its own stated error.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.core.errors import suggest

from .competitors import OF_CROSSED, ROOT, THREADS, Interpreters, Job
from .crossed_cases import CROSSED, CROSSED_FORMULA, CrossedCase
from .docs import (
    CROSSED_HEADING,
    machine_words,
    number,
    part_of,
    put_part,
    put_section,
    table_of,
)
from .machine import describe_machine
from .runner import Entry, RunSettings, start

__all__ = ["main", "section"]

_ITERATIVE, _EXACT = "iterative", "exact"

#: A fit that takes longer is not repeated.
_LONG = 4.0

#: Files that are read, by what their ids are.
_READ = ("numbers.parquet", "texts.parquet", "numbers.csv", "texts.csv")


def main(arguments: Sequence[str]) -> int:
    """Run large crossed models by all programs that have them; give the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks crossed", description=main.__doc__)
    add = parser.add_argument
    add("--cases", metavar="A,B", help=f"some of {', '.join(CROSSED)}")
    add("--programs", metavar="A,B", help=f"some of {', '.join(OF_CROSSED)}")
    add("--large", action="store_true", help="also what takes minutes and 10 GB")
    add("--repeat", type=int, default=3, metavar="N", help="rounds of fits of less than 4 s (3)")
    add("--time-limit", type=float, default=300.0, metavar="S", help="seconds of a fit (300)")
    add("--memory-limit", type=float, default=20.0, metavar="GB", help="of a worker (20)")
    add("--no-reading", action="store_true", help="leave out how long files take to read")
    add("--only-reading", action="store_true", help="leave out the fits, which stay on the page")
    add("--output", type=Path, default=ROOT / "results" / "benchmarks", metavar="DIR")
    add("--append", action="store_true", help="keep the other cases of an earlier run")
    add("--no-run", action="store_true", help="only write what an earlier run stored")
    add("--write-docs", action="store_true", help="put the section into docs/benchmarks.md")
    add("--date", help="date of the run, for the docs")
    add("--python-gpboost", default=sys.executable, help="interpreter that has gpboost (this one)")
    options = parser.parse_args(arguments)
    chosen = _known(options.cases, CROSSED) or [
        name for name, case in CROSSED.items() if options.large or not case.large
    ]
    programs = _known(options.programs, OF_CROSSED) or list(OF_CROSSED)
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    paths = {what: output / f"crossed{what}" for what in (".parquet", ".json", "_files.parquet")}
    if options.only_reading:
        return _only_reading(paths["_files.parquet"], options)
    if not options.no_run:
        machine = describe_machine(options.date)
        if machine["load_before"] > 0.5:
            print(f"Other programs are running (load {machine['load_before']}).", file=sys.stderr)
        paths[".json"].write_text(json.dumps(machine, indent=2) + "\n", "utf-8")
        if not options.append:
            for what in (".parquet", "_files.parquet"):
                paths[what].unlink(missing_ok=True)
        settings = RunSettings(
            programs, options.repeat, time_limit=options.time_limit,
            memory_limit=options.memory_limit,
        )  # fmt: skip
        interpreters = Interpreters(gpboost=options.python_gpboost)
        for name in chosen:
            rows = _run(CROSSED[name], settings, interpreters)
            _store(paths[".parquet"], rows, "case", list(CROSSED))
        if not options.no_reading:
            _read_and_store(paths["_files.parquet"], large=options.large)
        machine["load_after"] = round(os.getloadavg()[0], 2)
        paths[".json"].write_text(json.dumps(machine, indent=2) + "\n", "utf-8")
    files = paths["_files.parquet"]
    text = section(
        pd.read_parquet(paths[".parquet"]),
        pd.read_parquet(files) if files.exists() else None,
        json.loads(paths[".json"].read_text("utf-8")),
    )
    print(text)
    if options.write_docs:
        if not files.exists():  # a run that reads nothing leaves what the page has
            text += "\n" + part_of(_PAGE, CROSSED_HEADING, _READING)
        put_section(_PAGE, CROSSED_HEADING, text, before="## The workflow\n")
    return 0


def _only_reading(path: Path, options: argparse.Namespace) -> int:
    """Read files alone, and put their table into the section that the page has."""
    if not options.no_run:
        _read_and_store(path, large=options.large)
    text = _reading(pd.read_parquet(path))
    print(text)
    if options.write_docs:
        put_part(_PAGE, CROSSED_HEADING, _READING, text)
    return 0


def _read_and_store(path: Path, *, large: bool) -> None:
    for rows in [1_000_000, *([25_000_000] if large else [])]:
        _store(path, _read_all(rows), "size", [1_000_000, 25_000_000])


def _known(text: str | None, known: Mapping[str, object]) -> list[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise SystemExit(f"There is no {name!r}.{suggest(name, known)} Known: {list(known)}.")
    return names


def _store(path: Path, new: pd.DataFrame, key: str, order: Sequence[Any]) -> None:
    """Put rows into a table, in the place of those it had by the same key."""
    if path.exists():
        old = pd.read_parquet(path)
        new = pd.concat([old[~old[key].isin(new[key])], new], ignore_index=True)
    place = {value: i for i, value in enumerate(order)}
    new.sort_values(key, key=lambda c: c.map(place), kind="stable").to_parquet(path, index=False)


# -- fits -----------------------------------------------------------------------------------------
def _run(case: CrossedCase, settings: RunSettings, interpreters: Interpreters) -> pd.DataFrame:
    """One case by all its programs in turns, a row each."""
    wanted = [p for p in (_ITERATIVE, *case.programs) if p in settings.competitors]
    entries = [Entry(program) for program in wanted]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        data, thetas, path = (Path(scratch, name) for name in ("data.parquet", "thetas", "job"))
        case.load().to_parquet(data, index=False)
        told = {"formula": case.formula, "data": str(data), "thetas": str(thetas)}
        path.write_text(json.dumps(told), "utf-8")
        try:
            for entry in entries:
                start(entry, case, settings, interpreters, Job(case, (), Path(), path))
                entry.samples = {"total": [], "fit": []}
                _keep(entry, entry.facts)
                print(f"{case.name}: {entry.competitor}: {_words(entry)}", flush=True)
            for _ in range(settings.repeat - 1):
                for entry in entries:
                    if entry.facts.get("cpu", math.inf) <= _LONG:
                        _keep(entry, entry.ask("total", 1, settings.time_limit) or {})
            thetas.write_text(
                json.dumps({e.competitor: e.facts["theta"] for e in entries if "theta" in e.facts})
            )
            judge = next(
                (e for name in (_EXACT, _ITERATIVE) for e in entries
                 if e.competitor == name and "theta" in e.facts), None,
            )  # fmt: skip
            above = judge.ask("above", 1, settings.time_limit) if judge else None
        finally:
            for entry in entries:
                entry.stop()
    found = (above or {}).get("above", {})
    rows = [_row(case, e, judge, found.get(e.competitor)) for e in entries]
    return pd.DataFrame(rows).assign(load=load)


def _keep(entry: Entry, answer: Mapping[str, Any]) -> None:
    if "cpu" in answer:
        entry.samples["total"].append((answer["seconds"], answer["cpu"]))
        entry.samples["fit"].append((math.nan, answer["fit"]))


def _words(entry: Entry) -> str:
    if "cpu" not in entry.facts:
        return entry.status
    facts = entry.facts
    return f"total {facts['cpu']:.3g} CPU-s, fit {facts['fit']:.3g}, {facts['objective']:.4f}"


def _row(
    case: CrossedCase, entry: Entry, judge: Entry | None, above: float | None
) -> dict[str, Any]:
    facts = entry.facts
    row: dict[str, Any] = {
        "case": case.name,
        "program": entry.competitor,
        "version": str(facts.get("version") or ""),
        "status": entry.status,
        "verdict": str(facts.get("verdict") or ""),
        "judge": "" if judge is None else judge.competitor,
        "above": math.nan if above is None else above,
        "error": math.nan,
        "samples": len(entry.samples["total"]),
    }
    if judge is not None and "objective" in facts:
        row["error"] = facts["objective"] - judge.facts["objective"]
    names = ("objective", "evaluations", "iterations", "probes", "stated", "stated_theta",
             "memory", "memory_before")  # fmt: skip
    for name in names:
        value = facts.get(name)
        row[name] = math.nan if value is None else float(value)
    for what, samples in entry.samples.items():
        row[what] = float(np.median([cpu for _, cpu in samples] or [math.nan]))
    seconds = [clock for clock, _ in entry.samples["total"]] or [math.nan]
    row["total_s"] = float(np.median(seconds))
    return row


# -- files ----------------------------------------------------------------------------------------
def _read_all(rows: int) -> pd.DataFrame:
    """Files of so many rows, each read and made a model in a process of its own."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    case = min(CROSSED.values(), key=lambda case: abs(case.rows - rows) / case.items)
    frame = case.load().round({"age": 3, "year": 3, "trend": 3, "rating": 1})
    found = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        del frame
        for file in _READ:
            if file.startswith("texts") and pa.types.is_integer(table.schema.field("user").type):
                for name, form in (("user", "u{:08d}"), ("item", "item-{:07d}")):
                    texts = _texts(table[name].combine_chunks(), form)
                    at = table.column_names.index(name)
                    table = table.set_column(at, name, texts)
            path = Path(scratch, file)
            if file.endswith("csv"):
                csv.write_csv(table, path)
            else:
                parquet.write_table(table, path, row_group_size=1 << 20)
        del table
        for file in _READ:
            path, load = Path(scratch, file), os.getloadavg()[0]
            run = subprocess.run(
                [sys.executable, "-m", "benchmarks.workers.reading", str(path), CROSSED_FORMULA],
                cwd=ROOT, env=os.environ | dict.fromkeys(THREADS, "1"), capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            if run.returncode:
                raise SystemExit(run.stderr)
            told = json.loads(run.stdout.splitlines()[-1])
            print(f"{file}, {rows:,} rows: {told}", flush=True)
            size = path.stat().st_size / 1e6
            found.append({"size": rows, "file": file, "file_mb": size, **told, "load": load})
    return pd.DataFrame(found)


def _texts(ids: Any, form: str) -> Any:
    """Whole numbers written as text, each different one once."""
    import pyarrow as pa

    encoded = ids.dictionary_encode()
    names = pa.array([form.format(value) for value in encoded.dictionary.to_pylist()])
    return pa.DictionaryArray.from_arrays(encoded.indices, names).cast(pa.string())


_PAGE = ROOT / "docs" / "benchmarks.md"

_READING = "### Reading\n"


# -- the page -------------------------------------------------------------------------------------
_WORDS = """\
By `python -m benchmarks crossed`, in one run of its own, one thread, a warm process for each
program and size. `rating ~ 1 + age + year + weekend + trend + (1 | user) + (1 | item)` on simulated
ratings; users' activity and items' popularity are log-normal. With `solver="iterative"` fixed
effects, sigma and modes are exact at every θ, log-determinant and slopes estimated by 32 probes.
CPU seconds; *total* is from formula and data frame to the certificate, *fit* from the built model
on. Fits of less than 4 s were made several times (medians), others once. *Deviance off*: -2
log-likelihood at the optimum less that of the exact engine, in brackets the standard error that the
fit states. *θ off*: the exact objective at the θ found lies so far above its minimum that θ is
about so many of its standard errors away (root of the excess), in brackets as stated. *Peak* is the
resident size of the process, interpreter, compiled code and data included; *load* what the machine
had to do when the case began, this run included.
"""

_GROWTH = """\
As many rows per user and per item in all sizes but the largest. A dense factor of the items would
need 3.2 GB for 20,000 and 28 GB for 59,000 of them, three times over.
"""

_PEERS = """\
GPBoost with its defaults, one thread, beside ours on the same data: *deviance off* is the criterion
it states less that of the judge, the exact engine where it ran, else ours (known to the error in
the table above); *above the minimum*: the judge's objective at the variances found, less its
minimum.
"""

_FILES = """\
A fresh process reads a file of ratings (`ms.load_dataset`) and makes a model of it, with the
cross-products of the iterative engine (`ms.LinearMixedModel`): CPU seconds of either, of the clock
in brackets, and the largest size that the process had. Ids are whole numbers, or texts such as
`u00000310`; *load* is what the machine had to do when the process began.
"""

_WANTED = "Wanted for 25 million rows: two minutes and 10 GB.\n"


def section(table: pd.DataFrame, files: pd.DataFrame | None, machine: Mapping[str, Any]) -> str:
    """Give the section of the page."""
    versions = table[table["version"] != ""].drop_duplicates("version")
    programs = [
        ("mixedscope" if r["program"] in (_ITERATIVE, _EXACT) else "gpboost") + f" {r['version']}"
        for r in versions.to_dict("records")
    ]
    words = machine_words(programs, pd.Series(dtype=str), machine)
    if "load_after" in machine:
        words = words.replace(
            f"load before the run {machine['load_before']}",
            f"load before the run {machine['load_before']}, after it {machine['load_after']}",
        )
    parts = [CROSSED_HEADING, _WORDS, words]
    is_growth = table["case"].map(lambda name: CROSSED[name].growth or CROSSED[name].large)
    rows = {(str(row["case"]), str(row["program"])): row for row in table.to_dict("records")}
    parts.append(_beside_exact(rows, table.loc[~is_growth, "case"].unique()))
    if is_growth.any():
        parts += ["### Growth with the rows\n", _GROWTH]
        parts.append(_growth(rows, table.loc[is_growth, "case"].unique()))
    peers = table[table["program"].str.startswith("gpboost")]
    if len(peers):
        parts += ["### Beside GPBoost\n", _PEERS, _peers(rows, peers)]
    if files is not None:
        parts.append(_reading(files))
    failed = table[table["status"] != "ok"]
    if len(failed):
        lines = [
            f"- {r['program']}, {CROSSED[r['case']].title}: {r['status']}"
            for r in failed.to_dict("records")
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


Rows = Mapping[tuple[str, str], Mapping[Any, Any]]


def _beside_exact(rows: Rows, cases: Sequence[str]) -> str:
    header = [
        "case", "total", "fit", "evaluations", "CG iterations", "exact total", "fit",
        "exact / ours, fit", "deviance off", "θ off", "peak MB", "exact peak MB", "load",
    ]  # fmt: skip
    body = []
    for name in cases:
        case, ours, exact = CROSSED[name], rows.get((name, _ITERATIVE)), rows.get((name, _EXACT))
        if ours is None:
            continue
        cells = [case.title, number(ours["total"]), _fit(case, ours)]
        cells += [_whole(ours["evaluations"]), _whole(ours["iterations"])]
        if exact is None or math.isnan(exact["total"]):
            cells += ["–", "–", "–"]
        else:
            ratio = exact["fit"] / ours["fit"]
            mark = _mark(ratio, case.ratio, at_most=False)
            cells += [number(exact["total"]), number(exact["fit"]), f"{number(ratio)}{mark}"]
        is_judged = ours["judge"] == _EXACT
        cells.append(f"{_signed(ours['error']) if is_judged else ''} ({number(ours['stated'])})")
        away = math.sqrt(max(ours["above"], 0.0))
        cells.append(f"{number(away) if is_judged else ''} ({number(ours['stated_theta'])})")
        cells += [_whole(ours["memory"]), "–" if exact is None else _whole(exact["memory"])]
        cells.append(f"{ours['load']:.1f}")
        body.append(cells)
    return table_of(header, body)


def _growth(rows: Rows, cases: Sequence[str]) -> str:
    header = [
        "case", "total", "fit", "fit per M rows", "evaluations", "CG iterations",
        "stated error of the deviance", "of θ, in standard errors", "verdict", "peak MB",
        "of it before the fit", "load",
    ]  # fmt: skip
    body = []
    for name in cases:
        case, ours = CROSSED[name], rows.get((name, _ITERATIVE))
        if ours is None:
            continue
        memory = _whole(ours["memory"])
        if case.gigabytes is not None:
            memory += _mark(ours["memory"] / 1e3, case.gigabytes, at_most=True, unit=" GB")
        body.append(
            [case.title, number(ours["total"]), _fit(case, ours),
             number(ours["fit"] / case.rows * 1e6), _whole(ours["evaluations"]),
             _whole(ours["iterations"]), number(ours["stated"]), number(ours["stated_theta"]),
             ours["verdict"], memory, _whole(ours["memory_before"]), f"{ours['load']:.1f}"]
        )  # fmt: skip
    return table_of(header, body)


def _peers(rows: Rows, peers: pd.DataFrame) -> str:
    header = [
        "case", "program", "total", "fit", "total / ours", "deviance off", "above the minimum",
        "judge", "peak MB",
    ]  # fmt: skip
    body = []
    for name in peers["case"].unique():
        ours = rows.get((name, _ITERATIVE), {"total": math.nan})
        own = [(key, row) for key, row in rows.items() if key[0] == name and key[1] != _EXACT]
        for (_, program), row in own:
            if math.isnan(row["total"]):
                continue
            judged = row["judge"] != program
            body.append(
                [CROSSED[name].title, "ours" if program == _ITERATIVE else program,
                 number(row["total"]), number(row["fit"]), number(row["total"] / ours["total"]),
                 _signed(row["error"]) if judged else "–",
                 _signed(row["above"]) if judged else "–",
                 row["judge"], _whole(row["memory"])]
            )  # fmt: skip
    return table_of(header, body)


def _reading(files: pd.DataFrame) -> str:
    wanted = [_WANTED] if (files["rows"] >= 25_000_000).any() else []
    return "\n".join([_READING, _FILES, *wanted, _files(files)])


def _files(files: pd.DataFrame) -> str:
    header = ["rows", "file", "MB", "reading", "model", "peak MB", "load"]
    body = []
    for row in files.to_dict("records"):
        ids, kind = str(row["file"]).split(".")
        large = row["rows"] >= 25_000_000
        seconds = row["read_s"] + row["model_s"]
        cells = [f"{row['rows']:,}", f"{kind}, ids as {ids}", _whole(row["file_mb"])]
        cells.append(f"{number(row['read'])} ({number(row['read_s'])})")
        both = _mark(seconds, 120.0, at_most=True, unit=" s in all") if large else ""
        cells.append(f"{number(row['model'])} ({number(row['model_s'])}){both}")
        room = _mark(row["memory_mb"] / 1e3, 10.0, at_most=True, unit=" GB") if large else ""
        cells += [_whole(row["memory_mb"]) + room, f"{row['load']:.1f}"]
        body.append(cells)
    return table_of(header, body)


def _fit(case: CrossedCase, row: Mapping[Any, Any]) -> str:
    return number(row["fit"]) + _mark(row["fit"], case.seconds, at_most=True)


def _mark(value: float, wanted: float | None, *, at_most: bool, unit: str = "") -> str:
    if wanted is None:
        return ""
    met = value <= wanted if at_most else value >= wanted
    return f" ({'≤' if at_most else '≥'} {wanted:g}{unit}) {'✓' if met else '✗'}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else ("−" if value < 0 else "") + number(abs(value))


def _whole(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0f}"
