"""Chromium without a window, driven through its DevTools pipe: what the console's tests need of it."""

import base64
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S

COMMANDS, EVENTS = 3, 4
"""Descriptors on which Chromium reads commands and writes answers: one JSON text each, ended by a zero byte."""

LOOK_SECONDS = 0.05
"""Pause between two looks at the page."""


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
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result; events in between are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = _now() + PATIENCE_S
        while (answer := self._next(deadline - _now())) is not None:
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)
        raise AssertionError(f"chromium does not answer {method}")

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, None when none came in time."""
        deadline = _now() + seconds
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0.0, deadline - _now()))[0]:
                return None
            data = os.read(self._read, 65_536)
            assert data, "chromium ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _happens(self, seconds: float) -> None:
        """Keep what happens on the page for so long."""
        deadline = _now() + seconds
        while (event := self._next(deadline - _now())) is not None:
            self.events.append(event)

    def open(self, url: str, width: int, *, dark: bool) -> None:
        """Go to a page at a width; return when it has loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        loader = self.ask("Page.navigate", url=url)["loaderId"]
        deadline = _now() + PATIENCE_S
        while not any(_is_load(event, loader) for event in self.events):
            assert _now() < deadline, f"{url} does not load"
            self._happens(LOOK_SECONDS)

    def value(self, expression: str) -> Any:
        """Return the value of an expression; promises are awaited."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Look again and again until an expression is true; what it cannot be asked of yet counts as false."""
        deadline = _now() + PATIENCE_S
        while not self.value(f"(() => {{ try {{ return !!({expression}); }} catch {{ return false; }} }})()"):
            assert _now() < deadline, f"never true: {expression}"
            self._happens(LOOK_SECONDS)

    def screenshot(self, path: Path) -> None:
        """Write what the whole page looks like."""
        picture = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self.ask("Browser.close")
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            os.close(self._write)
            os.close(self._read)


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - a real browser's patience


def _is_load(event: dict[str, Any], loader: str) -> bool:
    told = event.get("params", {})
    return (event.get("method"), told.get("loaderId"), told.get("name")) == (
        "Page.lifecycleEvent",
        loader,
        "load",
    )
