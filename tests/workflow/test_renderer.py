"""Charts of jobs are evaluated by renderers that the jobs of a run share, or by the job itself."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_warm import shell

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


def test_a_job_that_draws_has_its_charts_evaluated_elsewhere_to_the_same(tmp_path: Path) -> None:
    done = shell(tmp_path / "tmp.charts.py", DRAWING)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "True", "<svg"]
