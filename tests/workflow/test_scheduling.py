"""How often Snakemake looks for jobs to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mixedscope.workflow.scheduling import unhurried

pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")

RULES = """
from mixedscope.workflow.scheduling import unhurried

rule all:
    input: ["a", "b", "c"]

rule wait:
    output: "{name}"
    shell: "sleep 1.5; touch {output}"

onstart:
    unhurried(workflow)
"""


def test_snakemake_looks_for_jobs_when_one_has_ended_and_not_in_between(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(RULES)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--verbose"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # Before each of the three, and before `all`.
    assert done.stderr.count("Ready jobs: ") == 4


@pytest.mark.parametrize(
    ("limit", "local", "kept"),
    [(None, True, False), ("100/1s", True, False), ("5/1m", True, True), (None, False, True)],
)
def test_a_limit_that_somebody_chose_is_kept_and_that_of_a_cluster(
    limit: str | None, local: bool, kept: bool
) -> None:
    from snakemake.cli import get_argument_parser
    from snakemake.scheduling.job_scheduler import JobRateLimiter

    chosen = ["--cores", "1"] + ([] if limit is None else ["--max-jobs-per-timespan", limit])
    options = get_argument_parser().parse_args(chosen)
    limiter = JobRateLimiter(options.max_jobs_per_timespan)
    workflow = SimpleNamespace(
        local_exec=local, scheduler=SimpleNamespace(job_rate_limiter=limiter)
    )
    unhurried(workflow)
    assert (workflow.scheduler.job_rate_limiter is limiter) is kept
