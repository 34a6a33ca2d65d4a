"""A headless Chromium driven over the DevTools protocol, through its pipe: no driver, no websocket client."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 15.0  # seconds for an answer, or for the page to come to a state
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]


def program() -> str | None:
    """The Chromium installed here."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab. `requests` and `answers` are what the page asked for and the bodies it got."""

    def __init__(self, profile: Path) -> None:
        # Chromium reads commands from descriptor 3 and writes to 4; a shell puts the pipes there.
        theirs_in, self._in = os.pipe()
        self._out, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", str(program()), *FLAGS]
            + [f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._in)
        os.close(self._out)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command's result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._out, 1 << 20)
            assert part, "Chromium has ended"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait for an expression to hold; while a page loads, what it names may be missing."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"(() => {{ try {{ return Boolean({condition}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < end, f"never: {condition}; the page says {self.text()!r}"
            time.sleep(0.01)

    def open(self, url: str) -> None:
        """Go to an address and wait until its scripts have run."""
        self.send("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href !== 'about:blank' && {READY}")

    def reload(self) -> None:
        """The same address again."""
        self.run("window.old = true")
        self.send("Page.reload")
        self.until(f"!window.old && {READY}")

    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def press(self, key: str, repeat: bool = False) -> None:
        """A key's stroke as from a keyboard."""
        named = {"Enter": {"code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}}
        details: dict[str, Any] = named.get(key, {"text": key})
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, autoRepeat=repeat, **details)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def tap(self, selector: str) -> None:
        """A finger on the middle of an element."""
        x, y = self.run(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])({_find(selector)}.getBoundingClientRect())"
        )
        self.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def window(self, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """The size in CSS pixels, the colour scheme, and whether there are fingers instead of a mouse."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def received(self) -> str:
        """Everything the page has received from the server: headers and bodies."""
        self.run("0")
        parts = []
        for event in self.events:
            if event.get("method") == "Network.responseReceived":
                response = event["params"]["response"]
                parts.append(json.dumps(response["headers"]))
                with contextlib.suppress(AssertionError):  # bodies of pages left behind are gone
                    parts.append(
                        self.send("Network.getResponseBody", requestId=event["params"]["requestId"])["body"]
                    )
        return "\n".join(parts)


# The page is ready once one of its parts, or a message, is to be seen and no answer is awaited.
READY = (
    "['start', 'judge', 'done', 'message'].some(i => document.getElementById(i)?.hidden === false) && !busy"
)


def _find(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser with a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="bd", ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        try:
            yield browser
        finally:
            browser.close()
