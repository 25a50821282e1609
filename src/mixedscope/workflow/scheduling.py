"""What Snakemake does again and again while jobs run."""

from __future__ import annotations

from typing import Any

__all__ = ["unhurried"]

#: Snakemake's own limit, which it keeps to where nobody asks for another.
_DEFAULT_JOBS_PER_SECOND = 100


def unhurried(workflow: Any) -> None:
    """Let Snakemake look for jobs to start when one has ended, and not every second besides.

    Snakemake (9.27) starts no more than 100 jobs a second. To keep to that it looks again a second
    after each look that found jobs waiting, whatever made it look: every job that ends adds a chain
    of looks that goes on until none waits, each with all files and resources of those that wait. On
    one machine the cores limit how many jobs start, and these looks took most of the time of
    Snakemake's process. A limit that somebody chose is kept, and so is that of a cluster.

    ``workflow``: Snakemake's, when its jobs are about to start.
    """
    limiter = getattr(workflow.scheduler, "job_rate_limiter", None)
    if (
        workflow.local_exec
        and limiter is not None
        and (limiter.max_jobs, limiter.timespan) == (_DEFAULT_JOBS_PER_SECOND, 1)
    ):
        workflow.scheduler.job_rate_limiter = None
