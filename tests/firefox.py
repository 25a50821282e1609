"""A headless Firefox for tests of pages: its own protocol (Marionette), over a local socket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

#: Why a test is skipped where there is no Firefox.
NO_FIREFOX = "there is no firefox on this machine (Debian: apt-get install firefox-esr)"


class Firefox:
    """One Firefox process with one page; a context manager."""

    def __init__(self, *, patience: float = 90.0) -> None:
        assert FIREFOX is not None
        self._until = time.monotonic() + patience
        self._folder = tempfile.TemporaryDirectory(prefix="firefox-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        profile = Path(self._folder.name, "profile")
        profile.mkdir()
        (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n', "utf-8")
        command = [FIREFOX, "--headless", "--no-remote", "--marionette", "--profile", str(profile)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._folder.name},
        )
        self._calls = 0
        self._socket = self._connected(port)
        self._read()  # it says who it is
        self._ask("WebDriver:NewSession", {})

    def _connected(self, port: int) -> socket.socket:
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=90)
            except OSError:
                if time.monotonic() > self._until or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def open(self, path: Path) -> None:
        self._ask("WebDriver:Navigate", {"url": path.absolute().as_uri()})

    def js(self, expression: str) -> Any:
        script = {"script": f"return ({expression})", "args": []}
        return self._ask("WebDriver:ExecuteScript", script)["value"]

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        while not condition():
            if time.monotonic() > self._until:
                raise TimeoutError(f"Firefox: waited in vain for {what}")
            time.sleep(0.1)

    def _ask(self, command: str, parameters: dict[str, Any]) -> Any:
        self._calls += 1
        message = json.dumps([0, self._calls, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        if error is not None:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return result

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._some(1)
        left, content = int(size[:-1]), b""
        while len(content) < left:
            content += self._some(left - len(content))
        return json.loads(content)

    def _some(self, most: int) -> bytes:
        if not (found := self._socket.recv(most)):
            raise ConnectionError("Firefox has ended")
        return found

    def __enter__(self) -> Firefox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)
        self._folder.cleanup()
