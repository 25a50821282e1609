"""The programs that are compared, and a worker of one of them on one case."""

from __future__ import annotations

import json
import os
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from .cases import Case
from .crossed_cases import CrossedCase
from .generalized_cases import GeneralizedCase

__all__ = [
    "COMPETITORS",
    "OF_CROSSED",
    "OF_GENERALIZED",
    "OURS",
    "THREADS",
    "Absent",
    "Failed",
    "Interpreters",
    "Job",
    "Refused",
    "TooSlow",
    "Worker",
]

ROOT = Path(__file__).resolve().parents[1]
OURS = "mixedscope"

_START_SECONDS = 600.0
THREADS = (
    "OPENBLAS_NUMTHREADS",
    "OMP_NUMTHREADS",
    "MKL_NUMTHREADS",
    "BLIS_NUMTHREADS",
    "NUMBA_NUMTHREADS",
    "RAYON_NUMTHREADS",
    "VECLIB_MAXIMUMTHREADS",
)


class Absent(Exception):
    """The program is not installed."""


class Failed(Exception):
    """The program gave up, or died."""


class Refused(Failed):
    """The program says why it cannot do this; it goes on."""


class TooSlow(Exception):
    """The program did not answer within the time limit."""


@dataclass(frozen=True)
class Interpreters:
    """What runs the workers: this Python by default, and the R that is found."""

    mixedlm: str = sys.executable
    statsmodels: str = sys.executable
    gpboost: str = sys.executable
    rscript: str = "Rscript"


@dataclass(frozen=True)
class Job:
    """One case as files for the workers.

    Attributes
    ----------
    case : Case, GeneralizedCase or CrossedCase
    factors : tuple of str
        Categorical columns.
    csv, job : path
        The data for R; the job of the Python workers, which names the data as Parquet.
    """

    case: Case | GeneralizedCase | CrossedCase
    factors: tuple[str, ...]
    csv: Path
    job: Path


def _python(module: str, interpreter: str, job: Job, *how: str) -> list[str]:
    return [interpreter, "-m", f"benchmarks.workers.{module}", str(job.job), *how]


def _r(rscript: str, job: Job) -> list[str]:
    program = ROOT / "benchmarks" / "workers" / "lme4.R"
    assert isinstance(job.case, Case)
    return [
        rscript, "--vanilla", str(program), job.case.formula, str(job.csv), ",".join(job.factors),
        job.case.means or "",
    ]  # fmt: skip


def _r_generalized(package: str, rscript: str, job: Job) -> list[str]:
    program = ROOT / "benchmarks" / "workers" / "generalized.R"
    case = job.case
    assert isinstance(case, GeneralizedCase)
    return [
        rscript, "--vanilla", str(program), package, case.formula, str(job.csv),
        ",".join(job.factors), case.family, case.link, str(case.quadrature),
    ]  # fmt: skip


COMPETITORS: dict[str, Callable[[Interpreters, Job], list[str]]] = {
    OURS: lambda _, job: _python("ours", sys.executable, job),
    "lme4": lambda with_, job: _r(with_.rscript, job),
    "mixedlm": lambda with_, job: _python("mixedlm_worker", with_.mixedlm, job),
    "statsmodels": lambda with_, job: _python("statsmodels_worker", with_.statsmodels, job),
}

#: Those of generalised models.
OF_GENERALIZED: dict[str, Callable[[Interpreters, Job], list[str]]] = {
    OURS: lambda _, job: _python("ours_generalized", sys.executable, job),
    "lme4": lambda with_, job: _r_generalized("lme4", with_.rscript, job),
    "glmmTMB": lambda with_, job: _r_generalized("glmmTMB", with_.rscript, job),
}

#: Those of large crossed models, ours by its solvers.
OF_CROSSED: dict[str, Callable[[Interpreters, Job], list[str]]] = {
    "iterative": lambda _, job: _python("ours_crossed", sys.executable, job, "iterative"),
    "exact": lambda _, job: _python("ours_crossed", sys.executable, job, "exact"),
    "gpboost iterative": lambda with_, job: _python(
        "gpboost_worker", with_.gpboost, job, "iterative"
    ),
    "gpboost cholesky": lambda with_, job: _python(
        "gpboost_worker", with_.gpboost, job, "cholesky"
    ),
}

_PROGRAMS = {GeneralizedCase: OF_GENERALIZED, CrossedCase: OF_CROSSED, Case: COMPETITORS}


class Worker:
    """A process of one program with the data of one case loaded.

    Parameters
    ----------
    competitor : str
    interpreters : Interpreters
    job : Job
    memory_limit : float
        Address space the process may have, in GB.

    Raises
    ------
    Absent, Failed, TooSlow
        If it does not come up.
    """

    def __init__(
        self, competitor: str, interpreters: Interpreters, job: Job, memory_limit: float
    ) -> None:
        command = _PROGRAMS[type(job.case)][competitor](interpreters, job)
        if shutil.which(command[0]) is None:
            raise Absent(f"{Path(command[0]).name} was not found")
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the worker)
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | dict.fromkeys(THREADS, "1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        if hasattr(resource, "prlimit"):
            size = int(memory_limit * 1e9)
            resource.prlimit(self._process.pid, resource.RLIMIT_AS, (size, size))
        try:
            self.greeting = self._read(_START_SECONDS)
        except BaseException:
            self.close()
            raise

    def ask(self, what: str, count: int, seconds: float) -> dict[str, Any]:
        """Have something done and wait for the answer, `seconds` at most."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{what} {count}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self._last_words()) from None
        return self._read(seconds)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _read(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max(deadline - monotonic(), 0.0)):
                raise TooSlow(f"more than {seconds:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "absent" in answer:
            raise Absent(answer["absent"])
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with code {self._process.returncode}"
