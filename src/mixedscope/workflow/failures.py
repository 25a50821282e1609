"""What a run that failed says at its end: which jobs, why, and where their logs are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from mixedscope.core.wording import counted

__all__ = ["failure_lines"]

#: Jobs that are named of those that failed for one reason.
_NAMED: Final = 10

#: Last lines of a log that are shown, if it does not end with a traceback.
_LINES: Final = 4

_TRACEBACK: Final = "Traceback (most recent call last)"


def failure_lines(jobs: Iterable[Any]) -> list[str]:
    """Lines on jobs that failed, those with one reason together.

    ``jobs``: Snakemake's, of which ``rule.name``, ``message`` and ``log`` are read.
    """
    by_reason: dict[str, list[str]] = {}
    for job in jobs:
        log = str(job.log[0]) if job.log else ""
        what = str(job.message or job.rule.name)
        by_reason.setdefault(_reason(log), []).append(f"{what}: {log}" if log else what)
    lines = []
    for reason, named in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        lines += ["", f"Failed, {counted(len(named), 'job')}:"]
        lines += [f"  {text}" for text in sorted(named)[:_NAMED]]
        if len(named) > _NAMED:
            lines.append(f"  and {len(named) - _NAMED:,} more")
        lines += [f"    {line}" for line in reason.splitlines()]
    return lines


def _reason(log: str) -> str:
    """The end of a log: the error of a traceback, or the last lines."""
    path = Path(log)
    text = path.read_text("utf-8", errors="replace") if log and path.is_file() else ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "Its log says nothing: it was ended from outside, or for want of memory, perhaps."
    return lines[-1] if _TRACEBACK in text else "\n".join(lines[-_LINES:])
