"""Charts of jobs are evaluated by renderers that the jobs of a run share, or by the job itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixedscope.workflow.warm.renderer import remote, serve
from mixedscope.workflow.warm.server import _Renderers

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "pidfd_open"), reason="forks of a server need Linux"
)


def upper(spec: str) -> str:
    if spec == "broken":
        raise ValueError(spec)
    return spec.upper()


def here(spec: str) -> str:
    return f"here: {spec}"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    name = str(tmp_path / "renderer")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(name)
    listening.listen(8)
    ended, running = os.pipe()
    both = [threading.Thread(target=serve, args=(listening, ended, upper)) for _ in "ab"]
    for one in both:
        one.start()
    yield name
    os.close(running)
    for one in both:
        one.join(timeout=60)
        assert not one.is_alive()
    listening.close()
    os.close(ended)


def test_what_is_asked_is_answered_to_who_asked(address: str) -> None:
    evaluate = remote(address, here)
    assert evaluate("größer ≤ 1") == "GRÖSSER ≤ 1"
    long = "a" * 3_000_000
    found: dict[int, str] = {}
    asking = [
        threading.Thread(target=lambda i=i: found.update({i: evaluate(f"{i}{long}")}))
        for i in range(6)
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join(timeout=60)
    assert found == {i: f"{i}{long.upper()}" for i in range(6)}


def test_what_a_renderer_cannot_evaluate_is_left_to_the_job(address: str, tmp_path: Path) -> None:
    assert remote(address, here)("broken") == "here: broken"
    # And it goes on, also when somebody asks for nothing.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.connect(address)
    assert remote(address, here)("next") == "NEXT"
    assert remote(str(tmp_path / "nobody"), here)("a") == "here: a"


def test_there_are_no_more_renderers_than_jobs_or_processors(tmp_path: Path, monkeypatch) -> None:
    forked: list[int] = []

    def fork() -> int:
        forked.append(1)
        return len(forked)

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "waitpid", lambda process, _: (process, 0))
    renderers = _Renderers(str(tmp_path / "jobs"))
    for drawing, started in ((1, 1), (1, 1), (2, 2), (5, 2)):
        renderers.start(drawing, [])
        assert len(forked) == started
    renderers.end()
    assert not Path(renderers.address).exists()


DRAWING = """
import altair as alt, os, pandas as pd
from mixedscope.charts.common import vega
chart = alt.Chart(pd.DataFrame({"x": [1, 2]})).mark_point().encode(x="x:Q", color="x:Q")
svg = vega.evaluated(vega.to_spec(chart))
asked = vega._evaluate is not vega.evaluated_here
threads = len(os.listdir("/proc/self/task"))
vega.evaluate_by(vega.evaluated_here)
vega._svg.cache_clear()
print(asked, threads == 1, svg == vega.evaluated(vega.to_spec(chart)), svg[:4])
"""


LEAVING = """
import os, time
left = os.fork()
if left == 0:  # goes on after its job
    for file in (0, 1, 2):
        os.close(file)
    time.sleep(600)
    os._exit(0)
open("left", "w").write(str(left))
"""

RUN = """
import subprocess, sys
from mixedscope.workflow.shell_text import ShellText
from mixedscope.workflow.warm.command import WarmPython
command = f"{WarmPython(sys.executable)} {ShellText(sys.argv[1])}"
sys.exit(subprocess.run(command, shell=True).returncode)
"""


def run_as_a_fork(script: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a fork of a server of its own: other tests look at what theirs has loaded."""
    script.write_text(text, "utf-8")
    return subprocess.run(
        [sys.executable, "-c", RUN, str(script)],
        cwd=script.parent, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_renderers_end_with_the_server_whatever_jobs_leave_behind(tmp_path: Path) -> None:
    done = run_as_a_fork(tmp_path / "tmp.charts.py", LEAVING)
    # The server has ended, and what the job left goes on.
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    left = int((tmp_path / "left").read_text())
    os.kill(left, signal.SIGKILL)


def test_a_job_that_draws_has_its_charts_evaluated_elsewhere_to_the_same(tmp_path: Path) -> None:
    done = run_as_a_fork(tmp_path / "tmp.charts.py", DRAWING)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "True", "<svg"]
