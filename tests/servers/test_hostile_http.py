"""The corpus of hostile requests against a real gateway in front of a recording upstream."""

import asyncio
import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.servers.gateway_process import gateway_process, made_key
from tests.upstream import Peer, Upstream, answer, policy_text, upstream
from tests.waiting import PATIENCE_S

CORPUS = Path(__file__).parents[1] / "vectors" / "hostile"
ROUTES = """body_max_kib = 1
[routes.batch]
path = "/batch"
methods = ["POST"]
upstream = "back"
anonymous = true
body_max_kib = 4
cost_per = { pointer = "/items", max_items = 100 }
"""


class Outcome(NamedTuple):
    """What became of a case."""

    status: int
    reason: str
    requests: int
    """That the upstream saw."""


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of a file."""
    found: list[dict[str, Any]] = tomllib.loads((CORPUS / name).read_text())["case"]
    return found


def octets(text: str, key: str, host: str) -> bytes:
    """Return the bytes of a case."""
    plain = re.sub(r"\\(?:x([0-9a-f]{2})|(.))", _unescape, text)
    repeated = re.sub(
        r"<([^<>]+?)\*([0-9]+)>", lambda found: found[1] * int(found[2]), plain, flags=re.DOTALL
    )
    return repeated.replace("{key}", key).replace("{host}", host).encode("latin-1")


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else {"r": "\r", "n": "\n", "t": "\t"}.get(found[2], found[2])


async def send(port: int, data: bytes) -> bytes:
    """Send bytes; return everything that comes until the answer is there or the gateway closes.

    Whom the gateway lets wait gets its 408 or 504 in the end, which no case expects.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    received = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head, re.IGNORECASE)
            received = head + await (reader.readexactly(int(length[1])) if length else reader.read(1))
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return received


def outcome(received: bytes, requests: int) -> Outcome:
    """Read an answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    is_problem = b"application/problem+json" in head
    return Outcome(int(head.split()[1]), json.loads(body)["reason"] if is_problem else "", requests)


async def run_corpus(cases: list[dict[str, Any]], back: Upstream, port: int, key: str) -> dict[str, Outcome]:
    """Send every case on a connection of its own."""
    found = {}
    for case in cases:
        before = len(back.requests)
        received = await send(port, octets(case["send"], key, f"127.0.0.1:{port}"))
        found[case["name"]] = outcome(received, min(len(back.requests) - before, case.get("upstream", 0)))
        assert len(back.requests) - before <= case.get("upstream", 0), case["name"]
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.toml")))
async def test_hostile_requests_end_as_the_corpus_says(name: str, tmp_path: Path) -> None:
    """GW-901, GW-973, GW-551, GW-552, GW-902: status and reason of every case; no 5xx, no hang, no second request upstream."""

    async def take(peer: Peer) -> None:
        peer.writer.write(answer(200, b"%d" % len(peer.body)))

    cases = load(name)
    expected = {case["name"]: (case["status"], case["reason"]) for case in cases}
    assert len(expected) == len(cases)
    async with upstream(take) as back:
        (tmp_path / "policy.toml").write_bytes(policy_text(back.url, route=ROUTES))
        config = tmp_path / "gateway.toml"
        config.write_text(
            f'policy = "{tmp_path}/policy.toml"\ndata_dir = "{tmp_path}/data"\n[log]\naccess = false\n[telemetry]\nlisten = ""\n'
        )
        key = made_key(config, "acme")
        with gateway_process(config) as gateway:
            port = int(gateway.base.rpartition(":")[2])
            found = await run_corpus(cases, back, port, key)
            assert b"200 OK" in await send(port, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert {case: (one.status, one.reason) for case, one in found.items()} == expected
        assert not any(b"smuggled" in peer.head for peer in back.requests)
        for peer in back.requests:
            assert peer.field(b"x-tier") in ([], [b"free"], [b"anonymous"])
            assert peer.field(b"x-forwarded-for") == [b"127.0.0.1"]
            assert not peer.field(b"x_account_id")
