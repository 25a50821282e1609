"""What a run of the workflow costs: ``python -m benchmarks workflow``.

The run has a folder of its own, which is removed. Each of its processes says at its end how much
processor time and memory it has used (`accounting/sitecustomize.py`): jobs by the name of their
script, Snakemake's own process, the one that jobs are forks of, and the renderers that evaluate
their charts. What is left of the time of the whole run are shells and the clients of forks.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .competitors import ROOT
from .docs import WORKFLOW, put_section, table_of
from .machine import describe_machine

__all__ = ["files_table", "jobs_table", "main", "section"]

SNAKEMAKE = "Snakemake"
SERVER = "what jobs are forks of"
RENDERER = "renderers of charts"
REST = "shells, clients"

_ACCOUNTING = Path(__file__).with_name("accounting")


def main(arguments: Sequence[str]) -> int:
    """Run the workflow and account for it; give its exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks workflow", description=main.__doc__)
    add = parser.add_argument
    add("--config", type=Path, default=ROOT / "config/config.yaml", help="another configuration")
    add("--cores", default="4", metavar="N", help="cores for Snakemake (4)")
    add("--output", type=Path, default=ROOT / "results" / "benchmarks", metavar="DIR")
    add("--write-docs", action="store_true", help="put the tables into docs/benchmarks.md")
    add("--date", help="date of the run, for the docs")
    options = parser.parse_args(arguments)
    machine = describe_machine(options.date)
    if machine["load_before"] > 0.5:
        print(f"Other programs are running (load {machine['load_before']}).", file=sys.stderr)
    config = options.config.resolve()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        code, whole, usage = _run(Path(folder), config, options.cores)
        files = files_table(Path(folder, "results")) if code == 0 else None
    if files is None:
        return code
    jobs = jobs_table(usage, whole["cpu_seconds"])
    options.output.mkdir(parents=True, exist_ok=True)
    jobs.to_parquet(options.output / "workflow.parquet", index=False)
    files.to_parquet(options.output / "workflow_files.parquet", index=False)
    shown = config.relative_to(ROOT).as_posix() if config.is_relative_to(ROOT) else config.name
    text = section(jobs, files, {**whole, "config": shown, "cores": options.cores}, machine)
    print(text)
    if options.write_docs:
        put_section(ROOT / "docs" / "benchmarks.md", WORKFLOW, text, before="## Not measured\n")
    return 0


def _run(
    folder: Path, config: Path, cores: str
) -> tuple[int, dict[str, float], list[dict[str, Any]]]:
    """A run: its exit code, seconds of processor and clock, and what each process told."""
    usage = folder / "usage.jsonl"
    path = os.pathsep.join(filter(None, [str(_ACCOUNTING), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(config), "--directory", str(folder), "--cores", cores]
    before, started = _children(), time.monotonic()
    code = subprocess.run(
        [*command, "--quiet", "all"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "MIXEDSCOPE_USAGE": str(usage)},
        check=False,
    ).returncode
    whole = {"seconds": time.monotonic() - started, "cpu_seconds": _children() - before}
    return code, whole, [json.loads(line) for line in usage.read_text("utf-8").splitlines()]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def jobs_table(usage: Sequence[dict[str, Any]], cpu_seconds: float) -> pd.DataFrame:
    """Processes, processor seconds and memory by kind of job, the dearest kind first."""
    table = pd.DataFrame(usage).assign(kind=lambda t: t["command"].map(_kind))
    kinds = table.groupby("kind", as_index=False).agg(
        processes=("kind", "size"), cpu_seconds=("cpu_seconds", "sum"), peak_mb=("peak_mb", "max")
    )
    rest = {"kind": REST, "cpu_seconds": cpu_seconds - table["cpu_seconds"].sum()}
    kinds = pd.concat([kinds, pd.DataFrame([rest])], ignore_index=True)
    return kinds.astype({"processes": "Int64"}).sort_values(
        "cpu_seconds", ascending=False, ignore_index=True
    )


def _kind(command: str) -> str:
    if script := re.search(r"scripts/tmp[^/.]*\.(\w+)\.py$", command):
        return script[1]
    return {"server.py": SERVER, "renderer.py": RENDERER}.get(Path(command).name, SNAKEMAKE)


def files_table(results: Path) -> pd.DataFrame:
    """Number and bytes of the files of a run by the ending of their names, the largest first."""
    files = [path for path in results.rglob("*") if path.is_file()]
    told = [(_ending(path.name), path.stat().st_size) for path in files]
    table = pd.DataFrame(told, columns=["ending", "bytes"])
    kinds = table.groupby("ending", as_index=False).agg(
        files=("bytes", "size"), bytes=("bytes", "sum")
    )
    return kinds.sort_values(["bytes", "ending"], ascending=[False, True], ignore_index=True)


def _ending(name: str) -> str:
    for ending in (".vl.json", ".caption.json"):
        if name.endswith(ending):
            return ending
    return Path(name).suffix


def section(
    jobs: pd.DataFrame, files: pd.DataFrame, run: dict[str, Any], machine: dict[str, Any]
) -> str:
    """Give the section of the page: seconds by kind of job, and bytes by kind of file."""
    told = (
        f"`{run['config']}` with `--cores {run['cores']}`, by `python -m benchmarks workflow`: "
        f"{run['cpu_seconds']:.0f} CPU seconds, {run['seconds']:.0f} of the clock, "
        f"{files['bytes'].sum() / 1e6:.0f} MB in {files['files'].sum()} files. On "
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; load "
        f"before the run {machine['load_before']}"
        f"{', ' + machine['date'] if 'date' in machine else ''}."
    )
    note = (
        "A job's memory is the most that a process of its kind had resident, what it shares with "
        "the process that it is a fork of included."
    )
    rows = [
        [
            row["kind"],
            "" if pd.isna(row["processes"]) else row["processes"],
            f"{row['cpu_seconds']:.1f}",
            "" if pd.isna(row["peak_mb"]) else f"{row['peak_mb']:.0f}",
        ]
        for row in jobs.to_dict("records")
    ]
    sizes = [
        [row["ending"], row["files"], f"{row['bytes'] / 1e6:.2f}"]
        for row in files.to_dict("records")
    ]
    return "\n".join(
        [
            WORKFLOW,
            told + " " + note + "\n",
            table_of(["kind of job", "processes", "CPU seconds", "peak MB"], rows),
            table_of(["file", "number", "MB"], sizes),
        ]
    )
