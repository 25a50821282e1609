"""The page of the documentation: tables in Markdown, figures beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .charts import write_charts
from .competitors import COMPETITORS, OURS

__all__ = [
    "CROSSED_HEADING",
    "GENERALIZED_HEADING",
    "POWER_HEADING",
    "WORKFLOW",
    "machine_words",
    "markdown",
    "number",
    "part_of",
    "put_part",
    "put_section",
    "table_of",
    "tasks_section",
    "write_docs",
    "write_tasks",
]

_INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks --write-docs`; [benchmarks/README.md](../benchmarks/README.md) says
what is measured and how to repeat it. Maximum likelihood, one thread, warm processes, the programs
taking turns in one run. *Total* is from formula and data frame to the fit, *fit* from the built
model to the fit; ours ends with the certificate. Times and their ratios are CPU seconds, user and
system together, which other programs on the machine hardly touch; as all run single-threaded, they
are the seconds of the clock on a quiet machine. Medians, with the quartiles in brackets where they
differ from it by more than a tenth. A ✓ or ✗ says whether the target in parentheses was met.
"""

_TASKS = "## What is asked of a fit\n"
WORKFLOW = "## The workflow\n"
GENERALIZED_HEADING = "## Generalised models\n"
CROSSED_HEADING = "## Large crossed models\n"
POWER_HEADING = "## Power\n"
#: Sections that commands of their own write, in the order of the page.
_APART = (GENERALIZED_HEADING, CROSSED_HEADING, POWER_HEADING, WORKFLOW)
_WORDS = """\
CPU seconds; in brackets how many times ours that is, and the largest difference of the numbers that
were found from ours: of leverages, standard errors and degrees of freedom as a part of them, of
dfbetas as they are, of means in standard errors, of ends of intervals in halves of their widths, of
conditional modes in their root mean squares, of predictions in residual standard deviations, of
bootstraps in errors of simulation. A program that differs by more than 0.01 (of bootstraps 5), or
gives only some of the numbers, has no ratio, and one without the task no entry.
"""


def write_docs(
    table: pd.DataFrame,
    targets: pd.DataFrame,
    samples: pd.DataFrame,
    answers: pd.DataFrame,
    machine: dict[str, Any],
    directory: Path,
) -> None:
    """Write ``benchmarks.md`` and its figures into the directory of the documentation."""
    figures = directory / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    written = write_charts(table, figures, prefix="benchmarks-")
    text = markdown(table, targets, samples, answers, machine, [path.name for path in written])
    page = directory / "benchmarks.md"
    # Those of commands of their own.
    old = page.read_text("utf-8") if page.exists() else ""
    kept = {heading: _section(old, heading) for heading in _APART}
    page.write_text(text, "utf-8")
    for heading, section in kept.items():
        if section:
            put_section(page, heading, section, before="## Not measured\n")


def markdown(
    table: pd.DataFrame,
    targets: pd.DataFrame,
    samples: pd.DataFrame,
    answers: pd.DataFrame,
    machine: dict[str, Any],
    figures: Sequence[str],
) -> str:
    """Give the page as text."""
    main = table[~table["growth"]]
    growth = table[table["growth"]]
    parts = [_INTRODUCTION, "## Machine\n", _machine(table, machine)]
    parts += [f"![{name}](figures/{name})\n" for name in figures]
    if not main.empty:
        parts += ["## CPU seconds\n", _seconds(main), _waiting(main)]
        parts += ["## Targets\n", _targets(main, targets)]
        parts += ["## Where they ended, and at what cost\n", _ends(main)]
    if not answers.empty:
        parts.append(tasks_section(table, samples, answers))
    if not growth.empty:
        parts += ["## Growth\n", _seconds(growth), _targets(growth, targets)]
    refits = main["refits_per_s"].dropna()
    if len(refits):
        parts.append(
            f"Parametric-bootstrap refits of sleepstudy: {refits.iloc[0]:,.0f} a CPU second.\n"
        )
    parts += ["## Not measured\n", _missing(table)]
    return "\n".join(parts)


def _machine(table: pd.DataFrame, machine: dict[str, Any]) -> str:
    versions = table.dropna(subset="version").drop_duplicates("competitor")
    programs = [f"{r['competitor']} {r['version']}" for r in versions.to_dict("records")]
    return machine_words(programs, table["platform"], machine)


def machine_words(programs: Sequence[str], platforms: pd.Series, machine: Mapping[str, Any]) -> str:
    """Say on what a run was made; ``platforms``: of each row what its program runs on."""
    lines = [
        f"- {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" {machine['system']}; load before the run {machine['load_before']}",
        f"- {', '.join(programs)}",
        f"- Python {machine['python']}, "
        + ", ".join(f"{name} {v}" for name, v in machine["versions"].items())
        + f"; {machine['blas']}",
    ]
    lines += [f"- {text}" for text in platforms.dropna().unique() if text]
    if "date" in machine:
        lines.append(f"- {machine['date']}")
    return "\n".join(lines) + "\n"


def _seconds(table: pd.DataFrame) -> str:
    names = [
        n for n in COMPETITORS if table.loc[table["competitor"] == n, "total_cpu_s"].notna().any()
    ]
    header = ["case", "rows", "θ", *(f"{n} {what}" for n in names for what in ("total", "fit"))]
    body = []
    for _, part in table.groupby("case", sort=False):
        rows = {str(row["competitor"]): row for row in part.to_dict("records")}
        cells = [str(part["title"].iloc[0]), f"{part['rows'].iloc[0]:,}"]
        cells.append(_whole(part["parameters"].max()))
        for name in names:
            row = rows.get(name)
            cells += ["–" if row is None else _spread(row, what) for what in ("total", "fit")]
        body.append(cells)
    return table_of(header, body)


def _waiting(table: pd.DataFrame) -> str:
    """Say how the clock compares with the CPU seconds; far from 1 something was wrong."""
    ratio = (table["total_s"] / table["total_cpu_s"]).groupby(table["competitor"]).median()
    parts = [f"{name} {ratio[name]:.2f}" for name in COMPETITORS if ratio.get(name, math.nan) > 0]
    return f"Seconds of the clock over CPU seconds, median of the cases: {', '.join(parts)}.\n"


def _targets(table: pd.DataFrame, targets: pd.DataFrame) -> str:
    kinds = {
        "fit, lme4": "lme4's total / our fit",
        "total, lme4": "lme4 / ours, total",
        "fit, mixedlm": "mixedlm / ours, fit",
        "total, mixedlm": "mixedlm / ours, total",
        "evaluation, dpotrf": "evaluation / dpotrf",
        "objective, best": "objective above the best",
    }
    found = {(row["case"], row["target"]): row for row in targets.to_dict("records")}
    shown = [k for k in kinds if any((c, k) in found for c in table["case"].unique())]
    body = []
    for case, part in table.groupby("case", sort=False):
        cells = [str(part["title"].iloc[0])]
        for kind in shown:
            cells.append(_verdict(found[case, kind]) if (case, kind) in found else "")
        body.append(cells)
    return table_of(["case", *(kinds[k] for k in shown)], body)


def _verdict(target: Mapping[Any, Any]) -> str:
    if pd.isna(target["met"]):
        return "–"
    sign = "≤" if target["target"] in ("evaluation, dpotrf", "objective, best") else "≥"
    mark = "✓" if target["met"] else "✗"
    return f"{number(target['measured'])} ({sign} {number(target['wanted'])}) {mark}"


def _ends(table: pd.DataFrame) -> str:
    done = table[table["objective"].notna()]
    header = [
        "case", "program", "objective", "above the best", "evaluations", "verdict",
        "peak MB", "of it before the fit", "ms per evaluation", "dpotrf ms (size)",
    ]  # fmt: skip
    body = []
    for row in done.to_dict("records"):
        ours = row["competitor"] == OURS
        floor = ours and not pd.isna(row["floor_dimension"])
        body.append(
            [
                row["title"],
                row["competitor"],
                f"{row['objective']:.7f}",
                f"{row['excess']:.1e}" if row["excess"] else "0",
                _whole(row["evaluations"]),
                row["verdict"] if ours else "",
                f"{row['memory_mb']:.0f}",
                f"{row['memory_before_mb']:.0f}",
                number(1e3 * row["evaluation_s"]) if ours else "",
                f"{number(1e3 * row['floor_s'])} ({row['floor_dimension']})" if floor else "",
            ]
        )
    return table_of(header, body)


def tasks_section(table: pd.DataFrame, samples: pd.DataFrame, answers: pd.DataFrame) -> str:
    """Give the section on tasks: CPU seconds, and whether the programs agree."""
    asked = samples[~samples["what"].isin(["total", "fit"])]
    refused = answers[answers["problem"].notna()]
    lines = [
        f"- {row['competitor']}, {row['case']}, {row['task']}: {row['problem']}"
        for row in refused.to_dict("records")
    ]
    run = set(zip(table["case"], table["competitor"], strict=True))
    lines += [
        f"- {name}, {case}: not run"
        for case in answers["case"].unique()
        for name in table["competitor"].unique()
        if (case, name) not in run
    ]
    parts = [_TASKS, _WORDS, _tasks(table, asked, answers)]
    return "\n".join(parts + (["\n".join(lines) + "\n"] if lines else []))


def write_tasks(
    table: pd.DataFrame,
    samples: pd.DataFrame,
    answers: pd.DataFrame,
    machine: dict[str, Any],
    directory: Path,
) -> None:
    """Put the section on tasks into ``benchmarks.md``, in the place of that it has."""
    path = directory / "benchmarks.md"
    told = (
        _TASKS
        + "\nThis section is of a run of its own, and its fits show its scale (see load):\n\n"
    )
    scale = samples.assign(what=samples["what"].replace("total", "(fit, from data)"))
    new = tasks_section(table, scale, answers).replace(_TASKS, told + _machine(table, machine))
    put_section(path, _TASKS, new, before="## Growth\n")


def put_section(path: Path, heading: str, text: str, *, before: str) -> None:
    """Put a section into a page, in the place of that it has, else before another."""
    page = path.read_text("utf-8")
    old = _section(page, heading)
    start = page.index(heading if old else before)
    page = page[:start] + page[start + len(old) :]
    path.write_text(page[:start] + text.rstrip("\n") + "\n\n" + page[start:], "utf-8")


def part_of(path: Path, heading: str, part: str) -> str:
    """The last part of a section of a page, from its own heading on; empty if it has none."""
    section = _section(path.read_text("utf-8"), heading)
    start = section.find(part)
    return "" if start < 0 else section[start:]


def put_part(path: Path, heading: str, part: str, text: str) -> None:
    """Put the last part of a section into a page, in the place of that it has, else at its end."""
    section = _section(path.read_text("utf-8"), heading)
    kept = section.removesuffix(part_of(path, heading, part)).rstrip("\n")
    put_section(path, heading, f"{kept}\n\n{text}", before=heading)


def _section(page: str, heading: str) -> str:
    """A section of a page with its heading; empty if it has none."""
    start = page.find(heading)
    end = page.find("\n## ", start)
    return "" if start < 0 else page[start:] if end < 0 else page[start : end + 1]


def _tasks(table: pd.DataFrame, samples: pd.DataFrame, answers: pd.DataFrame) -> str:
    """Give median CPU seconds of tasks, and how many times ours each of the others takes."""
    titles = dict(zip(table["case"], table["title"], strict=True))
    medians = samples.groupby(["case", "what", "competitor"], sort=False)["cpu_seconds"].median()
    found = {(r["case"], r["task"], r["competitor"]): r for r in answers.to_dict("records")}
    names = [name for name in COMPETITORS if name in set(samples["competitor"])]
    body = []
    for (case, what), part in medians.groupby(level=["case", "what"], sort=False):
        own = {name: seconds for (*_, name), seconds in part.items()}
        cells = [titles[case], what]
        for name in names:
            if name in own:
                told = found.get((case, what, name), {})
                cells.append(_told(name, own[name], own.get(OURS, math.nan), told))
            else:
                cells.append("")
        body.append(cells)
    return table_of(["case", "task", *names], body)


def _told(name: str, seconds: float, ours: float, answer: Mapping[Any, Any]) -> str:
    """Say how long it took; how many times ours only of who gives all numbers, and the same."""
    text = number(seconds)
    if name == OURS or not answer or pd.isna(answer["agrees"]):
        return text
    difference = answer["difference"]
    apart = "no number" if math.isnan(difference) else f"{difference:.0e}"
    if not answer["agrees"]:
        return f"{text}, differs: {apart}"
    if answer["numbers"] < answer["of"]:
        return f"{text}, {answer['numbers']} of {answer['of']} numbers: {apart}"
    return f"{text} ({number(seconds / ours)} ×; {apart})"


def _missing(table: pd.DataFrame) -> str:
    rows = table[table["status"] != "ok"]
    if rows.empty:
        return "Nothing.\n"
    lines = []
    for (name, status), part in rows.groupby(["competitor", "status"], sort=False):
        lines.append(f"- {name}, {status}: {', '.join(part['title'])}")
    return "\n".join(lines) + "\n"


def table_of(header: Sequence[str], body: Sequence[Sequence[object]]) -> str:
    """Give a table in Markdown."""
    lines = [header, ["---"] * len(header), *body]
    return "".join("| " + " | ".join(map(str, cells)) + " |\n" for cells in lines)


def _spread(row: Mapping[Any, Any], what: str) -> str:
    middle, low, high = (row[f"{what}_{part}cpu_s"] for part in ("", "q1_", "q3_"))
    if math.isnan(middle):
        return "–"
    wide = low < 0.9 * middle or high > 1.1 * middle
    return number(middle) + (f" [{number(low)}, {number(high)}]" if wide else "")


def number(value: float) -> str:
    """Three significant digits without an exponent where that can be read."""
    if math.isnan(value):
        return "–"
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.0e}"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def _whole(value: Any) -> str:
    return "" if pd.isna(value) else str(int(value))
