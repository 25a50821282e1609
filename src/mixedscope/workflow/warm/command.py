"""The command by which Snakemake runs scripts, and the server that stands behind it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from mixedscope.workflow.shell_text import ShellText

__all__ = ["WarmPython"]

#: Set to anything, it has every job of a run load its libraries itself.
FRESH = "MIXEDSCOPE_FRESH_JOBS"

#: Libraries start no threads of their own when they are loaded; a job sets what it was granted.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MIXEDSCOPE_THREADS"), "1"
)
# Nor does that of Arrow's memory, which would give freed memory back in the background.
_ONE_THREAD["JE_ARROW_MALLOC_CONF"] = "background_thread:false"


class WarmPython(ShellText):
    """The path of Python, which in the command of a shell runs a script as a fork of a server.

    The server starts when the first command is made and ends with this process.
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        plain = super().__format__(spec)
        address = _address(str.__str__(self)) if spec == "" else None
        if address is None:
            return plain
        client = ShellText(Path(__file__).with_name("client.py"))
        return f"{plain} -I -S {client} {address}"


_lock = threading.Lock()
_started: dict[str, str | None] = {}


def _address(python: str) -> str | None:
    """Where the server listens, started if need be; None if it cannot be."""
    with _lock:
        if python not in _started:
            _started[python] = _start(python)
        return _started[python]


def _start(python: str) -> str | None:
    # Elsewhere processes cannot be watched, or libraries do not survive a fork.
    if sys.platform != "linux" or not hasattr(os, "pidfd_open") or os.environ.get(FRESH):
        return None
    folder = tempfile.mkdtemp(prefix="mixedscope-")
    address = str(Path(folder, "jobs"))
    try:
        os.close(os.pidfd_open(os.getpid()))
        if len(os.fsencode(address)) > 100:  # of 108 that a socket's name may have
            raise OSError
        server = subprocess.Popen(
            [python, "-P", "-m", f"{__package__}.server", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,
        )
    except OSError:
        shutil.rmtree(folder)
        return None
    atexit.register(_stop, server, folder)
    while not Path(address).exists() and server.poll() is None:
        threading.Event().wait(0.005)
    return address


def _stop(server: subprocess.Popen[bytes], folder: str) -> None:
    """Let the server end: its processor time is that of the run."""
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
