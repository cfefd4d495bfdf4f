"""Chromium without a window, driven through its DevTools pipe: what the console's tests need of it."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

COMMANDS, EVENTS = 3, 4
"""Descriptors on which Chromium reads commands and writes answers: one JSON text each, ended by a zero byte."""


class Browser:
    """One page of a fresh profile. Close it at the end."""

    def __init__(self, profile: Path) -> None:
        command_end, self._write = os.pipe()
        self._read, event_end = os.pipe()

        # A shell moves the pipes to the numbers that Chromium expects.
        move = f'exec "$@" {COMMANDS}<&{command_end} {EVENTS}>&{event_end}'
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", move, "bash", "chromium", *flags, "about:blank"],
            pass_fds=(command_end, event_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_end)
        os.close(event_end)
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        """Everything that happened on the page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result; events in between are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._read, 65_536)
            assert data, "chromium ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def open(self, url: str, width: int, *, dark: bool) -> None:
        """Go to a page at a width."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """Return the value of an expression; promises are awaited."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Return once an expression is true; the test's own time limit ends a wait that never does."""
        self.value(
            "new Promise((done) => { const look = setInterval(() => {"
            f" if ({expression}) {{ clearInterval(look); done(true); }} }}, 50); }})"
        )

    def screenshot(self, path: Path) -> None:
        """Write what the whole page looks like."""
        picture = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self.ask("Browser.close")
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
