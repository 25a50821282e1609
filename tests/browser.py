"""A headless Chromium for tests that look at pages as a reader does.

Chromium is driven through its DevTools protocol over a pair of pipes (``--remote-debugging-pipe``):
no port, no network, nothing but the standard library.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

#: Why a test is skipped where there is no browser.
NO_CHROMIUM = "there is no chromium on this machine (Debian: apt-get install chromium)"

#: Fonts that pages are looked at with, whatever a machine has: text of other widths than that of
#: the page's own font, Liberation Sans.
FAMILIES = {
    "own": None,
    "sans": '"DejaVu Sans", Verdana, sans-serif',
    "mono": '"DejaVu Sans Mono", "Courier New", monospace',
}

_KEYS = {" ": ("Space", 32), "ArrowLeft": ("ArrowLeft", 37), "ArrowRight": ("ArrowRight", 39)}
_KEYS |= {"ArrowUp": ("ArrowUp", 38), "ArrowDown": ("ArrowDown", 40)}
_KEYS |= {"Home": ("Home", 36), "End": ("End", 35), "Tab": ("Tab", 9)}
_KEYS |= {"Enter": ("Enter", 13), "Escape": ("Escape", 27)}

#: Bit of the key that is held down with another.
_SHIFT = 8

#: Chromium reads commands from descriptor 3 and answers on 4: put ours there and become it.
_START = """
import os, sys
for at, text in zip((3, 4), sys.argv[1:3]):
    # Well out of the way first: either may stand where the other has to be.
    os.dup2(int(text), 50 + at)
for at in (3, 4):
    os.dup2(50 + at, at)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One Chromium process; a context manager."""

    def __init__(self, *, patience: float = 60.0) -> None:
        assert CHROMIUM is not None
        self._patience = patience
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-")
        ours, theirs = os.pipe(), os.pipe()
        command = [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={self._profile.name}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(ours[0]), str(theirs[1]), *command],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._profile.name},
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._out, self._in = ours[1], theirs[0]
        self._number = 0
        self._buffer = b""
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        try:
            self.send("Browser.close")
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired, AssertionError):
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._profile.name, ignore_errors=True)
        self._profile.cleanup()

    def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way go to their pages."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        until = time.monotonic() + self._patience
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            if page := self._pages.get(answer.get("sessionId", "")):
                page.take(answer["method"], answer["params"])

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0.0))
            assert ready, "chromium does not answer"
            part = os.read(self._in, 1 << 20)
            assert part, "chromium has ended"
            self._buffer += part
        text, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(text))

    def open(
        self,
        path: Path,
        *,
        width: int = 1280,
        height: int = 900,
        scripting: bool = True,
        reduced_motion: bool = False,
        fonts: str | None = None,
        before: str = "",
        anchor: str = "",
    ) -> Page:
        """Open a file in a new page and wait until it has loaded.

        ``fonts`` is the font family of every element in place of that of the page, and ``before``
        a script that runs before those of the page.
        """
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        self._pages[session] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.send(f"{domain}.enable")
        page.resize(width, height)
        page.send("Emulation.setScriptExecutionDisabled", value=not scripting)
        if reduced_motion:
            features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
            page.send("Emulation.setEmulatedMedia", features=features)
        if fonts is not None:
            rule = json.dumps(f"* {{ font-family: {fonts} !important }}")
            # Sheets that a script constructs are none that a content security policy looks at.
            before += f"{{ const s = new CSSStyleSheet(); s.replaceSync({rule});"
            before += "document.adoptedStyleSheets = [s]; }"
        if before:
            page.send("Page.addScriptToEvaluateOnNewDocument", source=before)
        page.send("Page.navigate", url=path.resolve().as_uri() + anchor)
        page.wait(lambda: page.loaded, "the page has loaded")
        if scripting:
            # Pages that play unpack their data first.
            page.wait(lambda: page.js(_BUILT) or page.errors, "the player is there")
        return page


#: What the accessibility tree tells of an element.
_TOLD = ("role", "name", "value", "description")

_BUILT = "!document.getElementById('film') || document.querySelector('#player > *') !== null"


class Page:
    """One open page.

    Attributes
    ----------
    errors : list of str
        Exceptions, errors in the console and violations of the content security policy.
    requests : list of str
        Addresses asked for, the page itself first; data URLs are none.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.loaded = False

    def take(self, event: str, params: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self.loaded = True
        elif event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(str([a.get("value") for a in params["args"]]))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith("data:"):
                self.requests.append(url)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.send(method, self._session, **params)

    def resize(self, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def js(self, expression: str) -> Any:
        """Value of an expression in the page."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Text of the first element that a selector finds."""
        return str(self.js(f"document.querySelector({json.dumps(selector)}).textContent"))

    def texts(self, selector: str) -> list[str]:
        found = self.js(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)"
        )
        return list(found)

    def place(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element in the window, scrolled into view."""
        box = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();"
            "return [b.left, b.top, b.width, b.height]; })()"
        )
        return tuple(box)

    def click(self, selector: str, *, x: float = 0.5, y: float = 0.5) -> None:
        """Click into an element, at shares of its width and height."""
        left, top, width, height = self.place(selector)
        at = {"x": left + x * width, "y": top + y * height, "button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", buttons=1, **at)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def hover(self, x: float, y: float) -> None:
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key, with what it does by default."""
        code, number = _KEYS[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        common |= {"modifiers": _SHIFT} if shift else {}
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.send("Input.insertText", text=text)

    def heard(self, selector: str = "body") -> list[dict[str, Any]]:
        """What a screen reader meets in an element, in order.

        Of each that is told of: ``role``, ``name``, ``value``, ``description`` and its states.
        """
        root = self.send("DOM.getDocument", depth=0)["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        own = self.send("DOM.describeNode", nodeId=node)["node"]["backendNodeId"]
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        known = {one["nodeId"]: one for one in nodes}
        first = next(one["nodeId"] for one in nodes if one.get("backendDOMNodeId") == own)
        found, rest = [], [first]
        while rest:
            one = known[rest.pop()]
            rest += reversed([child for child in one.get("childIds", ()) if child in known])
            if not one["ignored"]:
                told = {key: one.get(key, {}).get("value", "") for key in _TOLD}
                states = {p["name"]: p["value"].get("value") for p in one.get("properties", ())}
                found.append(states | told)
        return found

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select, or move a slider."""
        self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f"e.value = {json.dumps(value)};"
            "for (const name of ['input', 'change'])"
            "e.dispatchEvent(new Event(name, {bubbles: true})); })()"
        )

    def wait(self, ready: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
        """Wait until something holds."""
        until = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < until, f"waited {seconds:g} s in vain until {what}"
            time.sleep(0.02)
            # Any command brings in the events that have arrived.
            self.send("Runtime.getIsolateId")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(data["data"]))

    def close(self) -> None:
        self.send("Page.close")
