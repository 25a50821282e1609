"""What a run that failed says at its end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from mixedscope.workflow.failures import failure_lines


def _job(folder: Path, name: str, text: str | None, message: str | None = "") -> SimpleNamespace:
    log = folder / f"{name}.log"
    if text is not None:
        log.write_text(text, "utf-8")
    told = f"Fit {name}" if message == "" else message
    return SimpleNamespace(rule=SimpleNamespace(name="fit"), message=told, log=[str(log)])


def test_jobs_that_failed_alike_are_named_with_their_logs_and_the_reason_once(
    tmp_path: Path,
) -> None:
    jobs = [_job(tmp_path, name, "fitting\nColumn 'conf' is not in the data.\n") for name in "ab"]
    lines = failure_lines(jobs)
    assert lines == [
        "", "Failed, 2 jobs:", f"  Fit a: {tmp_path}/a.log", f"  Fit b: {tmp_path}/b.log",
        "    fitting", "    Column 'conf' is not in the data.",
    ]  # fmt: skip


def test_of_a_traceback_the_error_is_shown(tmp_path: Path) -> None:
    text = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no such thing\n'
    lines = failure_lines([_job(tmp_path, "a", text, message=None)])
    assert lines[1:] == [
        "Failed, 1 job:",
        f"  fit: {tmp_path}/a.log",
        "    ValueError: no such thing",
    ]


def test_a_job_without_a_word_is_told_as_one(tmp_path: Path) -> None:
    gone = SimpleNamespace(rule=SimpleNamespace(name="paper"), message=None, log=[])
    for job in (_job(tmp_path, "a", None), _job(tmp_path, "b", "\n"), gone):
        assert "says nothing" in failure_lines([job])[-1]


def test_of_many_jobs_some_are_named(tmp_path: Path) -> None:
    lines = failure_lines([_job(tmp_path, f"{i:02d}", "the same\n") for i in range(14)])
    assert lines[1] == "Failed, 14 jobs:"
    assert lines[-2:] == ["  and 4 more", "    the same"]
    assert failure_lines([]) == []
