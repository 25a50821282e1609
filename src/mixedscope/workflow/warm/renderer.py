"""The renderer that jobs of a run share: Vega, started once, evaluates the charts of all of them.

To start it takes as long as to evaluate several charts, and what it has evaluated makes it faster.
What it gives depends on the specification alone, wherever and after whatever it is evaluated.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

__all__ = ["remote", "serve"]

_EVALUATED, _FAILED = b"+", b"!"
_SIZE = 8


def serve(listening: socket.socket, ended: int, evaluate: Callable[[str], str]) -> None:
    """Evaluate for who asks, until the other end of a pipe is closed.

    ``listening``: that others may listen to as well. ``ended``: the end of the pipe to read from.
    """
    listening.setblocking(False)
    poll = select.poll()
    poll.register(listening, select.POLLIN)
    poll.register(ended, 0)  # only that it ends
    while True:
        if any(descriptor == ended for descriptor, _ in poll.poll()):
            return
        with suppress(OSError):  # another has taken it, or nobody waits any more
            asking, _ = listening.accept()
            with asking:
                asking.setblocking(True)
                spec = _received(asking).decode()
                try:
                    state, told = _EVALUATED, evaluate(spec).encode()
                except Exception:  # whatever it is, the job meets it itself
                    state, told = _FAILED, b""
                asking.sendall(state + len(told).to_bytes(_SIZE, "big") + told)


def remote(address: str, here: Callable[[str], str]) -> Callable[[str], str]:
    """What has a specification evaluated by a renderer that listens, or else evaluates it."""
    return partial(_evaluated, address, here)


def _evaluated(address: str, here: Callable[[str], str], spec: str) -> str:
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as renderer:
        renderer.connect(address)
        told = spec.encode()
        renderer.sendall(len(told).to_bytes(_SIZE, "big") + told)
        if renderer.recv(1) == _EVALUATED:
            return _received(renderer).decode()
    return here(spec)


def _received(connection: socket.socket) -> bytes:
    """What is sent after its length; raises OSError if less than that comes."""
    size = int.from_bytes(_exactly(connection, _SIZE), "big")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        parts.append(connection.recv(min(size, 1 << 20)))
        if not parts[-1]:
            raise ConnectionError("less was sent than was said")
        size -= len(parts[-1])
    return b"".join(parts)
