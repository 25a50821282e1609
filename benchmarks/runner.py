"""Run the competitors in turn on one case after another, and keep what they answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.formula.parse import parse_formula

from .cases import Case
from .competitors import OURS, Absent, Failed, Interpreters, Job, Refused, TooSlow, Worker
from .crossed_cases import CrossedCase
from .generalized_cases import GeneralizedCase

__all__ = [
    "ANSWER_COLUMNS",
    "SAMPLE_COLUMNS",
    "Entry",
    "RunSettings",
    "compare",
    "run_case",
    "sample",
    "start",
    "words",
    "write_data",
]

SAMPLE_COLUMNS = ["case", "competitor", "what", "round", "seconds", "cpu_seconds"]
ANSWER_COLUMNS = [
    "case", "task", "competitor", "numbers", "of", "difference", "agrees", "problem",
]  # fmt: skip

# Units by which numbers of two programs may differ: those of deterministic tasks are a standard
# error, half an interval and the like, those of a bootstrap errors of simulation.
_AGREE = {"bootstrap": 5.0}
_AGREE_ELSE = 0.01

_BATCH_SECONDS = 0.2
_BATCH_MOST = 5000
# A first run this long is a measurement: what a process does once no longer counts in it. Ours
# compiles, so that its first run never is one.
_FIRST_RUN_COUNTS = 5.0
# Of competitors this slow the optimisation alone is not run again.
_FIT_ALONE_MOST = 100.0


@dataclass(frozen=True)
class RunSettings:
    """How much to run.

    Attributes
    ----------
    competitors : sequence of str
    repeat : int
        Rounds; in each every competitor runs a batch of whole fits, then one of optimisations.
    budget : float
        Seconds after which a competitor takes part in no further round of a case.
    time_limit : float
        Seconds that one fit may take.
    memory_limit : float
        GB of address space of a worker.
    long : bool
        Run also what takes minutes.
    """

    competitors: Sequence[str]
    repeat: int = 7
    budget: float = 60.0
    time_limit: float = 180.0
    memory_limit: float = 16.0
    long: bool = False


@dataclass
class Entry:
    """One competitor on one case: its worker while that lives, and what is known of it."""

    competitor: str
    worker: Worker | None = None
    status: str = "ok"
    facts: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: {"total": [], "fit": []}
    )
    batch: dict[str, int] = field(default_factory=dict)
    spent: float = 0.0
    task_spent: float = 0.0
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def ask(
        self, what: str, count: int, limit: float, *, task: bool = False
    ) -> dict[str, Any] | None:
        """Answer of the worker, or None if it failed: that ends it, but for tasks it refuses."""
        if self.worker is None or what in self.problems:
            return None
        start = monotonic()
        try:
            answer = self.worker.ask(what, count, limit)
        except (Absent, Failed, TooSlow) as problem:
            if task:  # the fits before were measured all the same
                self.problems[what] = _kind(problem)
            if not (task and isinstance(problem, Refused)):
                self.stop(None if task else problem)
            return None
        self.spent += monotonic() - start
        return answer

    def stop(self, problem: Exception | None = None) -> None:
        """End the worker, for a reason or because it is done."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None
        if problem is not None:
            self.status = _kind(problem)


def _kind(problem: Exception) -> str:
    kind = {Absent: "absent", TooSlow: "too slow"}.get(type(problem), "failed")
    return f"{kind}: {problem}"


def run_case(
    case: Case,
    settings: RunSettings,
    interpreters: Interpreters,
    scratch: Path,
    say: Callable[[str], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Run one case.

    Returns
    -------
    rows : list of dict
        One per competitor, the columns of ``benchmarks.parquet``.
    samples : list of dict
        One per competitor, kind of time and round.
    answers : list of dict
        One per task and competitor that was asked: whether its numbers are ours.
    """
    job, size = _write_job(case, scratch)
    tasks = [*case.tasks, *(case.long_tasks if settings.long else ())]
    entries = [Entry(name) for name in settings.competitors]
    for entry in entries:
        for task in tasks:
            if (task, entry.competitor) in case.hopeless:
                entry.problems[task] = "left out: would take half an hour or more"
    try:
        for entry in entries:
            start(entry, case, settings, interpreters, job)
            say(f"{case.name}: {entry.competitor}: {words(entry)}")
        for _ in range(settings.repeat):
            for what in ("total", "fit"):
                for entry in entries:
                    sample(entry, what, settings)
        for _ in range(settings.repeat):
            for task in tasks:
                for entry in entries:
                    _sample_task(entry, task, settings)
        for entry in entries:
            if entry.competitor == OURS:
                _ask_ours(entry, case, settings)
    finally:
        for entry in entries:
            entry.stop()
    best = min((e.facts["objective"] for e in entries if "objective" in e.facts), default=math.nan)
    rows = [_row(entry, case, size, best) for entry in entries]
    samples = [
        dict(zip(SAMPLE_COLUMNS, (case.name, e.competitor, what, i, *taken), strict=True))
        for e in entries
        for what, values in e.samples.items()
        for i, taken in enumerate(values)
    ]
    return rows, samples, _compare_all(case.name, tasks, entries)


def compare(task: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the numbers that a program found against ours.

    Parameters
    ----------
    task : str
    ours, theirs : mapping
        ``numbers`` by label (None where there is none); ours also the ``units`` of each.

    Returns
    -------
    dict
        ``numbers``: how many of ours the other has too; ``of``: how many we have; ``difference``:
        the largest in units, missing where there is none; ``agrees``: that it is small, with a
        number wherever we have one under this label and the other knows the label.
    """
    units, found = ours["units"], theirs["numbers"]
    shared = [label for label in ours["numbers"] if label in found]
    apart = [0.0] if shared else [math.nan]
    for label in shared:
        mine, other, unit = ours["numbers"][label], found[label], units[label]
        if mine is None and other is None:
            continue
        if mine is None or other is None:
            apart.append(math.nan)
        elif mine != other:
            apart.append(abs(mine - other) / unit if unit else math.inf)
    difference = float(np.max(apart))
    return {
        "numbers": len(shared),
        "of": len(ours["numbers"]),
        "difference": difference,
        "agrees": difference <= _AGREE.get(task, _AGREE_ELSE),
    }


def _compare_all(case: str, tasks: Sequence[str], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    ours = next((e.answers for e in entries if e.competitor == OURS), {})
    rows = []
    for task in tasks:
        for entry in entries:
            row: dict[str, Any] = {"case": case, "task": task, "competitor": entry.competitor}
            if task in entry.answers and task in ours:
                row |= compare(task, ours[task], entry.answers[task])
            elif task in entry.problems:
                row["problem"] = entry.problems[task]
            else:
                continue
            rows.append({column: row.get(column) for column in ANSWER_COLUMNS})
    return rows


def _write_job(case: Case, scratch: Path) -> tuple[Job, int]:
    """Write the data for R and for Python; give the job and the number of rows."""
    call = None if case.statsmodels is None else asdict(case.statsmodels)
    job, frame = write_data(case, scratch, {"statsmodels": call, "means": case.means})
    return job, len(frame)


def write_data(
    case: Case | GeneralizedCase, scratch: Path, more: Mapping[str, Any]
) -> tuple[Job, pd.DataFrame]:
    """Write the data for R and for Python, and the job with what else it says."""
    frame = case.load()
    frame = frame[[v for v in parse_formula(case.formula).variables if v in frame.columns]].copy()
    frame.attrs = {}
    factors = tuple(
        str(c) for c in frame.columns if isinstance(frame[c].dtype, pd.CategoricalDtype)
    )
    csv, data, job = (scratch / f"{case.name}.{kind}" for kind in ("csv", "parquet", "json"))
    frame.to_csv(csv, index=False)
    frame.to_parquet(data, index=False)
    job.write_text(json.dumps({"formula": case.formula, "data": str(data), **more}), "utf-8")
    return Job(case, factors, csv, job), frame


def start(
    entry: Entry,
    case: Case | GeneralizedCase | CrossedCase,
    settings: RunSettings,
    interpreters: Interpreters,
    job: Job,
) -> None:
    """Start a worker and let it fit once: the first fit shows memory and size of a batch."""
    name = entry.competitor
    if isinstance(case, Case) and name == "statsmodels" and case.statsmodels is None:
        entry.status = "left out: cannot say the model, or not in reasonable time"
        return
    if not isinstance(case, CrossedCase) and name in case.long and not settings.long:
        entry.status = "left out: takes minutes"
        return
    try:
        entry.worker = Worker(name, interpreters, job, settings.memory_limit)
    except (Absent, Failed, TooSlow) as problem:
        entry.stop(problem)
        return
    greeting = entry.worker.greeting
    entry.facts["version"] = greeting["version"]
    entry.facts["platform"] = greeting.get("platform")
    entry.facts["tasks"] = greeting.get("tasks", "").split(",")
    entry.facts["memory_before"] = greeting["memory"]
    first = entry.ask("total", 1, settings.time_limit)
    if first is None:
        return
    memory = entry.ask("memory", 1, settings.time_limit)
    entry.facts.update(first, memory=None if memory is None else memory["memory"])
    if name != OURS and first["seconds"] >= _FIRST_RUN_COUNTS:
        entry.samples["total"].append((first["seconds"], first["cpu"]))


def sample(entry: Entry, what: str, settings: RunSettings, *, task: bool = False) -> None:
    """Take one more sample, unless the competitor has had its time."""
    taken = entry.samples[what]
    if entry.worker is None or (taken and entry.spent > settings.budget):
        return
    if what == "fit" and entry.competitor != OURS and entry.facts["seconds"] > _FIT_ALONE_MOST:
        return
    if what not in entry.batch:
        # The second run sizes the batches: the first may have imported or compiled.
        trial = entry.ask(what, 1, settings.time_limit, task=task)
        if trial is None:
            return
        count = math.ceil(_BATCH_SECONDS / max(trial["seconds"], 1e-6))
        entry.batch[what] = min(max(count, 1), _BATCH_MOST)
        if entry.batch[what] == 1:  # as good a sample as any
            _keep(entry, what, trial)
            return
    answer = entry.ask(what, entry.batch[what], settings.time_limit, task=task)
    if answer is not None:
        _keep(entry, what, answer)


def _sample_task(entry: Entry, task: str, settings: RunSettings) -> None:
    """Take one more sample of a task, unless the competitor has none of that name."""
    known = entry.facts.get("tasks", ())
    if entry.worker is None or task not in known or task in entry.problems:
        return
    if task not in entry.samples and entry.competitor == OURS:
        entry.ask(task, 1, settings.time_limit, task=True)  # compiles, or loads what was
    entry.samples.setdefault(task, [])
    spent, entry.spent = entry.spent, entry.task_spent
    sample(entry, task, settings, task=True)
    entry.task_spent, entry.spent = entry.spent, spent


def _keep(entry: Entry, what: str, answer: dict[str, Any]) -> None:
    entry.samples[what].append((answer["seconds"], answer["cpu"]))
    if what == "total":
        entry.facts.update(answer)
    if "numbers" in answer:
        entry.answers[what] = {key: answer.get(key, {}) for key in ("numbers", "units")}


def _ask_ours(entry: Entry, case: Case, settings: RunSettings) -> None:
    """Ask what only ours is asked; it must not fail."""
    count = max(3, min(settings.repeat, 15))
    wanted = [("evaluation", count)] + ([("refits", 5000)] if case.bootstrap else [])
    for what, number in wanted:
        answer = entry.ask(what, number, settings.time_limit)
        if answer is not None:
            entry.facts.update(answer)


def _row(entry: Entry, case: Case, rows: int, best: float) -> dict[str, Any]:
    facts = entry.facts
    row: dict[str, Any] = {
        "case": case.name,
        "title": case.title,
        "formula": case.formula,
        "growth": case.growth,
        "rows": rows,
        "competitor": entry.competitor,
        "version": facts.get("version"),
        "platform": facts.get("platform"),
        "status": entry.status,
        "objective": facts.get("objective", math.nan),
        "excess": facts.get("objective", math.nan) - best,
        "evaluations": facts.get("evaluations"),
        "verdict": facts.get("verdict"),
        "parameters": facts.get("parameters"),
        "memory_mb": facts.get("memory", math.nan),
        "memory_before_mb": facts.get("memory_before", math.nan),
    }
    for what in ("total", "fit"):  # tasks are told by their samples
        values = entry.samples[what]
        for clock, kind in enumerate(("s", "cpu_s")):
            taken = [pair[clock] for pair in values] or [math.nan]
            low, middle, high = np.quantile(taken, (0.25, 0.5, 0.75))
            row[f"{what}_{kind}"] = middle
            row[f"{what}_q1_{kind}"], row[f"{what}_q3_{kind}"] = low, high
        row[f"{what}_samples"], row[f"{what}_batch"] = len(values), entry.batch.get(what, 1)
    row["evaluation_s"] = facts.get("evaluation", math.nan)
    # The floor belongs to the cases whose target it is; elsewhere it would mean nothing.
    row["floor_s"] = facts.get("floor", math.nan) if case.floor else math.nan
    row["floor_dimension"] = facts.get("dimension") if case.floor else None
    row["refits_per_s"] = facts.get("refits") or math.nan
    return row


def words(entry: Entry) -> str:
    """Say how the first fit went."""
    if "seconds" not in entry.facts:
        return entry.status
    return f"first fit {entry.facts['seconds']:.3g} s, objective {entry.facts['objective']:.6f}"
