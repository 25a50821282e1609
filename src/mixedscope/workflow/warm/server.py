"""The process that jobs are forked from: ``python -m mixedscope.workflow.warm.server SOCKET``.

It has one thread and loads libraries without using them, but for a fit of a few rows that loads
compiled code: a fork of it is as good as a new process. Where jobs draw, other forks are the
renderers that they share (`renderer`). Should a library have started a thread all
the same, nothing is forked any more. It ends when the process that started it has, after its forks.
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mixedscope.workflow.code_digest import imported_by_step
from mixedscope.workflow.warm.client import STARTED
from mixedscope.workflow.warm.renderer import remote, serve

__all__ = ["main"]

_REFUSED = b"!"

#: What Snakemake puts at the head of scripts imports these; pandas loads the others when it reads.
_ALWAYS = ("snakemake.iocontainers", "snakemake.logging")
_WITH_PANDAS = ("pyarrow.parquet", "pyarrow.dataset", "pyarrow.compute")

#: What steps import that draw charts.
_DRAWS = "mixedscope.charts.common.render"

#: What steps come to load by the name of an optimiser, or of a test.
_IN_THE_END = {"fit": ("pybobyqa",), "race": ("pybobyqa",), "tests": ("scipy.stats",)}


@dataclass(frozen=True)
class _Asked:
    """What a client asks for."""

    folder: str
    command: list[str]
    environment: dict[str, str]
    files: list[int]

    @property
    def step(self) -> str:
        return Path(self.command[0]).name.split(".")[-2]


@dataclass(frozen=True)
class _Fork:
    """A job, and the client that waits for it."""

    process: int
    client: socket.socket
    draws: bool


class _Renderers:
    """Processes that evaluate charts: as many as jobs have drawn at a time, or processors are."""

    def __init__(self, address: str) -> None:
        self.address = f"{address}-renderer"
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ended, self._running = os.pipe()
        self._processes: list[int] = []

    def start(self, drawing: int, inherited: list[int]) -> None:
        """Start another if more jobs draw than there are; it closes what it has inherited."""
        most = len(os.sched_getaffinity(0))
        if len(self._processes) >= min(drawing, most):
            return
        if not self._processes:
            self._listening.bind(self.address)
            self._listening.listen(64)
        process = os.fork()
        if process == 0:
            for descriptor in (self._running, *inherited):
                os.close(descriptor)
            self._serve()
        self._processes.append(process)

    def _serve(self) -> None:
        code = 1
        try:
            from mixedscope.charts.common.vega import evaluated_here

            sys.argv = ["renderer.py"]
            serve(self._listening, self._ended, evaluated_here)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            atexit._run_exitfuncs()
            os._exit(code)

    def leave(self) -> None:
        """Have a job hold nothing that would keep them running after the server."""
        self._listening.close()
        os.close(self._ended)
        os.close(self._running)

    def end(self) -> None:
        """Let them end: their processor time is that of the run."""
        os.close(self._running)
        for process in self._processes:
            os.waitpid(process, 0)
        with suppress(OSError):
            os.unlink(self.address)


def main(address: str) -> None:
    """Answer clients until standard input ends and no fork runs any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for clients
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(address)
    listening.listen(64)
    poll = select.poll()
    poll.register(0, 0)  # only that it ends
    poll.register(listening, select.POLLIN)
    forks: dict[int, _Fork] = {}  # by descriptors of their processes
    clients: dict[int, int] = {}  # descriptors of processes by those of connections
    renderers = _Renderers(address)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                poll.unregister(0)
                poll.unregister(listening)
                listening.close()
                os.unlink(address)
            elif descriptor == listening.fileno():
                client, _ = listening.accept()
                others = [listening, *(fork.client for fork in forks.values())]
                drawing = sum(fork.draws for fork in forks.values())
                fork = _serve(client, others, renderers, drawing)
                if fork is None:
                    client.close()
                    continue
                watched = os.pidfd_open(fork.process)
                forks[watched] = fork
                clients[client.fileno()] = watched
                poll.register(watched, select.POLLIN)
                poll.register(client, 0)  # only that it is gone
            elif descriptor in forks:
                fork = forks.pop(descriptor)
                client = fork.client
                _, status = os.waitpid(fork.process, 0)
                code = os.waitstatus_to_exitcode(status)
                with suppress(OSError):
                    client.sendall(bytes([code if code >= 0 else 128 - code]))
                if clients.pop(client.fileno(), None) is not None:
                    poll.unregister(client)
                poll.unregister(descriptor)
                client.close()
                os.close(descriptor)
            elif descriptor in clients:  # interrupted
                signal.pidfd_send_signal(clients.pop(descriptor), signal.SIGTERM)
                poll.unregister(descriptor)
        if listening.fileno() < 0 and not forks:
            renderers.end()
            with suppress(OSError):  # made for it alone
                os.rmdir(os.path.dirname(address))
            return


def _serve(
    client: socket.socket, inherited: list[socket.socket], renderers: _Renderers, drawing: int
) -> _Fork | None:
    """Load what a script needs and fork; ``drawing``: how many jobs draw now."""
    files: list[int] = []
    draws = False
    try:
        asked = _read(client, files)
        _load(asked.step)
        draws = any(name.startswith(_DRAWS) for name in imported_by_step(asked.step))
        alone = len(os.listdir("/proc/self/task")) == 1
    except Exception:  # whatever it is, the script meets it in a process of its own
        alone = False
    with suppress(OSError):
        client.sendall(STARTED if alone else _REFUSED)
    fork = None
    if alone:
        gc.freeze()  # a collection in a fork copies no pages of what is loaded
        connections = [client, *inherited]
        if draws:
            renderers.start(drawing + 1, [*files, *(c.fileno() for c in connections)])
        process = os.fork()
        if process == 0:
            for connection in connections:
                connection.close()
            renderers.leave()
            _run(asked, renderers.address if draws else None)
        fork = _Fork(process, client, draws)
    for file in files:  # who reads from a script waits until nobody holds the other end
        os.close(file)
    return fork


def _read(client: socket.socket, files: list[int]) -> _Asked:
    size, received, _, _ = socket.recv_fds(client, 8, 3)
    files += received
    missing = int.from_bytes(size, "big")
    parts = []
    while missing:
        parts.append(client.recv(missing))
        if not parts[-1]:
            raise EOFError
        missing -= len(parts[-1])
    folder, count, *rest = os.fsdecode(b"".join(parts)).split("\0")
    command, entries = rest[: int(count)], rest[int(count) :]
    environment = dict(entry.split("=", 1) for entry in entries)
    return _Asked(folder, command, environment, files)


def _load(step: str) -> None:
    """Import what a step does."""
    for name in (*_ALWAYS, *imported_by_step(step), *_IN_THE_END.get(step, ())):
        _import(name)
    if "pandas" in sys.modules:
        for name in _WITH_PANDAS:
            _import(name)
    if "mixedscope.engine.objective" in sys.modules:
        _load_compiled()


def _import(name: str) -> None:
    # A name taken from a module, or a library that is not installed.
    with suppress(ModuleNotFoundError):
        import_module(name)


@cache
def _load_compiled() -> None:
    """Load the compiled code of a common model, and numba's tables behind it, by a fit."""
    import numpy as np
    import pandas as pd

    from mixedscope.design.spec import ModelSpec
    from mixedscope.engine.compile.interpreter import compile_always
    from mixedscope.engine.making import objective_of
    from mixedscope.optimize.driver import minimize

    compile_always()
    rows = np.arange(24)
    frame = pd.DataFrame(
        {"y": np.sin(rows * rows), "x": rows % 4, "g": [f"g{i}" for i in rows // 4]}
    )
    spec = ModelSpec("y ~ 1 + x + (1 + x | g)")
    minimize(objective_of(spec, frame))


def _run(asked: _Asked, renderer: str | None) -> None:
    """Be the process of a script; ``renderer``: where one listens that evaluates its charts."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, file in enumerate(asked.files):
            os.dup2(file, number)
            os.close(file)
        if renderer is not None:
            from mixedscope.charts.common import vega

            vega.evaluate_by(remote(renderer, vega.evaluated_here))
        os.chdir(asked.folder)
        os.environ.clear()
        os.environ.update(asked.environment)
        sys.argv = asked.command
        script = asked.command[0]
        sys.path[0] = os.path.dirname(script)
        main_module = ModuleType("__main__")
        main_module.__dict__["__file__"] = script
        sys.modules["__main__"] = main_module
        code = _exit_code(script, main_module)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _exit_code(script: str, module: ModuleType) -> int:
    """Run a script to the end, as Python does, and give its exit code."""
    code = 0
    try:
        exec(compile(Path(script).read_bytes(), script, "exec"), module.__dict__)
    except SystemExit as error:
        if isinstance(error.code, int) or error.code is None:
            code = error.code or 0
        else:
            print(error.code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main(sys.argv[1])
