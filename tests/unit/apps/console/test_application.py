"""The console's answers."""

import re
from collections.abc import MutableMapping
from typing import Any

import pytest

from veritape.apps.console import create_console
from veritape.kernel.clock import ManualClock


async def ask(path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    async def empty() -> dict[str, Any]:
        return {"families": {}}

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    said: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    console = create_console(empty, empty, ManualClock())
    await console({"type": "http", "path": path, "method": method}, receive, send)
    return said[0]["status"], dict(said[0]["headers"]), said[1]["body"]


@pytest.mark.parametrize(
    "path", ["/console", "/console/", "/console/console.css", "/console/console.js", "/console/data"]
)
async def test_every_file_is_served_under_a_strict_policy(path: str) -> None:
    """TL-780: the policy allows this origin's files alone, and nothing is kept."""
    status, fields, body = await ask(path)
    assert status == 200
    assert body
    assert fields[b"content-security-policy"].startswith(b"default-src 'none'; script-src 'self';")
    assert b"unsafe" not in fields[b"content-security-policy"]
    assert (fields[b"x-content-type-options"], fields[b"cache-control"]) == (b"nosniff", b"no-store")
    assert (await ask(path, "HEAD"))[2] == b""


async def test_the_page_reads_and_never_writes() -> None:
    """TL-780: other paths and methods are refused."""
    assert (await ask("/console/../secret"))[0] == 404
    status, fields, _ = await ask("/console/data", "POST")
    assert (status, fields[b"allow"]) == (405, b"GET, HEAD")


async def test_the_page_names_no_other_origin_and_is_light() -> None:
    """TL-750: no foreign request, no inline code, and at most 160 KiB in at most 6 requests."""
    bodies = [(await ask(path))[2] for path in ("/console", "/console/console.css", "/console/console.js")]
    assert not re.search(rb"https?://|//[a-z]+\.|<script>|style=|innerHTML|@import", b"".join(bodies))
    assert sum(map(len, bodies)) < 160 * 1024
