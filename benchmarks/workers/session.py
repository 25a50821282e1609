"""The conversation of a worker with the runner, and how it takes the time.

The runner writes a line ``<what> <count>`` (``total 100``, ``memory 1``) and reads a line of JSON.
``seconds`` are those of the clock on the wall, ``cpu`` those that the process spent computing, user
and system together: all threads of it, none of other programs. Answers to tasks have ``numbers``
too, by labels that all workers share; ours adds ``units``, in which differences between programs
are told.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import pandas as pd

__all__ = ["Numbers", "Session", "Task", "serve"]

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Task:
    """Something asked of a fit.

    Attributes
    ----------
    do : callable
        What is timed.
    tell : callable
        Gives of the fit and of what `do` returned the numbers by label, and the unit of each:
        empty but of ours.
    reml : bool
        Whether it is asked of a fit by REML, made beforehand.
    """

    do: Callable[[Any], Any]
    tell: Callable[[Any, Any], tuple[Numbers, Numbers]]
    reml: bool = False


class Session(ABC):
    """A formula and its data in a warm process.

    Parameters
    ----------
    job : mapping
        ``formula``; ``data``, path of a Parquet file; ``statsmodels``, its own way to say the
        model, or null; ``means``, the factor whose means are asked for, or null.
    """

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        self.formula: str = job["formula"]
        self.data: pd.DataFrame = pd.read_parquet(job["data"])
        self._last: Any = None

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the package."""

    @property
    def tasks(self) -> Mapping[str, Task]:
        """What can be asked of a fit, by name."""
        return {}

    def asked(self, *, reml: bool) -> Any:
        """Fit that tasks are asked of, made anew: what a fit keeps must not answer for it."""
        raise NotImplementedError

    @abstractmethod
    def build(self) -> Any:
        """Make all that is made before the first step of the optimiser."""

    @abstractmethod
    def optimise(self, built: Any) -> Any:
        """Go from a built model to a fit."""

    def whole(self) -> Any:
        """Go from formula and data frame to a fit."""
        return self.optimise(self.build())

    @abstractmethod
    def describe(self, fitted: Any) -> dict[str, Any]:
        """Give ``objective`` and ``evaluations`` of what :meth:`whole` returned."""

    def answer(self, what: str, count: int) -> dict[str, Any]:
        """Do what the runner asks."""
        if what == "total":
            return self.total(count)
        if what == "fit":
            return self.fit(count)
        if what == "memory":
            return {"memory": peak_memory()}
        if what in self.tasks:
            return self.task(what, count)
        raise ValueError(f"a worker does not know {what!r}")

    def total(self, count: int) -> dict[str, Any]:
        """Mean seconds of `count` whole fits, and what the last one found."""
        gc.collect()
        start, cpu = perf_counter(), process_time()
        for _ in range(count):
            self._last = self.whole()
        seconds, cpu = (perf_counter() - start) / count, (process_time() - cpu) / count
        return {"seconds": seconds, "cpu": cpu, **self.describe(self._last)}

    def parted(self) -> dict[str, Any]:
        """Seconds of one whole fit, and of the part from the built model on, and what it found."""
        self._last = None
        gc.collect()
        start, cpu = perf_counter(), process_time()
        built = self.build()
        middle = process_time()
        self._last = self.optimise(built)
        return {
            "seconds": perf_counter() - start,
            "cpu": process_time() - cpu,
            "fit": process_time() - middle,
            **self.describe(self._last),
        }

    def task(self, name: str, count: int) -> dict[str, Any]:
        """Mean seconds of a task done to `count` fits, and the numbers of the last one."""
        task = self.tasks[name]
        gc.collect()
        seconds = cpu = 0.0
        for _ in range(count):
            fit = self.asked(reml=task.reml)
            start, began = perf_counter(), process_time()
            found = task.do(fit)
            cpu += process_time() - began
            seconds += perf_counter() - start
        numbers, units = task.tell(fit, found)
        return {
            "seconds": seconds / count,
            "cpu": cpu / count,
            "numbers": {k: None if math.isnan(v) else float(v) for k, v in numbers.items()},
            "units": {k: float(v) for k, v in units.items()},
        }

    def fit(self, count: int) -> dict[str, Any]:
        """Mean seconds of `count` optimisations, each of a model freshly built."""
        gc.collect()
        seconds = cpu = 0.0
        for _ in range(count):
            built = self.build()
            start, began = perf_counter(), process_time()
            self.optimise(built)
            cpu += process_time() - began
            seconds += perf_counter() - start
        return {"seconds": seconds / count, "cpu": cpu / count}


def peak_memory() -> float:
    """Largest resident size of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss of a child counts what its parent had when it was started
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def serve(kind: type[Session]) -> None:
    """Load the job named on the command line and answer until the input ends."""
    # Whatever a package prints must not get between the lines of JSON.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    def reply(content: Mapping[str, Any]) -> None:
        out.write(json.dumps(content) + "\n")
        out.flush()

    try:
        session = kind(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except ImportError as error:
        reply({"absent": str(error)})
        return
    tasks = ",".join(session.tasks)
    reply({"version": session.version, "memory": peak_memory(), "tasks": tasks})
    for line in sys.stdin:
        what, count = line.split()
        try:
            reply(session.answer(what, int(count)))
        except Exception as error:  # the runner goes on with the other competitors
            reply({"error": f"{type(error).__name__}: {error}"})
