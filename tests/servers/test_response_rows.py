"""Rows of the response table that concern HTTP, as curl and an unmodified httpx see them."""

import asyncio
import subprocess
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from tests.servers.gateway_process import gateway_process, made_key
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S

from veritape.kernel.canonical import parse_canonical_json

ROUTES = """body_max_kib = 1
timeout_s = 3
[routes.batch]
path = "/batch"
methods = ["POST"]
upstream = "back"
anonymous = true
cost_per = { pointer = "/items", max_items = 3 }
[upstreams.gone]
targets = [{ url = "http://127.0.0.1:1" }]
[routes.gone]
path = "/gone"
methods = ["GET"]
upstream = "gone"
anonymous = true
[routes.scoped]
path = "/scoped"
methods = ["GET"]
upstream = "back"
scope = "other:read"
[routes.mine]
path = "/mine"
methods = ["GET"]
upstream = "back"
scope = "mine:read"
"""


class Row(NamedTuple):
    """A request and what must come of it."""

    method: str
    path: str
    fields: dict[str, str]
    body: str
    status: int
    reason: str
    """Empty where the upstream answered."""
    shown: dict[str, str]
    """Fields that the answer must have."""


KEYED = {"X-API-Key": "{key}"}
RATE = {"x-request-cost": "1"}
ROWS = [
    Row("GET", "/echo", KEYED, "", 200, "", RATE),
    Row("GET", "/mine", KEYED, "", 200, "", RATE),
    Row("GET", "/echo/teapot", KEYED, "", 418, "", RATE),
    Row("GET", "/echo/500", KEYED, "", 500, "", RATE),
    Row("GET", "/echo/204", KEYED, "", 204, "", RATE),
    Row("OPTIONS", "/echo", {}, "", 204, "", {"allow": "GET, POST, HEAD, OPTIONS"}),
    Row("GET", "/echo?api_key={key}", {}, "", 400, "key_in_query", {}),
    Row("GET", "/echo/%2e%2e", {}, "", 400, "bad_path", {}),
    Row("GET", "/echo", {"Upgrade": "websocket", "Connection": "Upgrade"}, "", 400, "upgrade_not_supported", {"connection": "close"}),
    Row("POST", "/batch", {}, "{", 400, "bad_json", {}),
    Row("GET", "/scoped", {}, "", 401, "missing_credentials", {"www-authenticate": 'Bearer realm="veritape"'}),
    Row("GET", "/scoped", {"X-API-Key": "vt_live_x"}, "", 401, "invalid_key", {"www-authenticate": 'Bearer realm="veritape"'}),
    Row("GET", "/scoped", KEYED, "", 403, "missing_scope", {}),
    Row("GET", "/nowhere", {}, "", 404, "no_route", {}),
    Row("DELETE", "/echo", {}, "", 405, "method_not_allowed", {"allow": "GET, POST, HEAD, OPTIONS"}),
    Row("POST", "/echo", {}, "x" * 1_025, 413, "body_too_large", {"connection": "close"}),
    Row("GET", "/echo?" + "a" * 8_200, {}, "", 414, "uri_too_long", {"connection": "close"}),
    Row("POST", "/batch", {"Content-Encoding": "gzip"}, "{}", 415, "unsupported_media_type", {}),
    Row("POST", "/echo", {"Expect": "nothing"}, "ab", 417, "expectation_failed", {"connection": "close"}),
    Row("POST", "/batch", {}, '{"items":[]}', 422, "batch_empty", {}),
    Row("POST", "/batch", {}, '{"items":[1,2,3,4]}', 422, "batch_too_large", {}),
    Row("POST", "/batch", {}, "{}", 422, "invalid_body", {}),
    Row("GET", "/echo", {"X-Long": "a" * 16_500}, "", 431, "headers_too_large", {"connection": "close"}),
    Row("GET", "/gone", KEYED, "", 502, "upstream_unreachable", RATE),
    Row("GET", "/echo/closes", KEYED, "", 502, "upstream_closed", RATE),
    Row("GET", "/echo/nonsense", KEYED, "", 502, "upstream_protocol_error", RATE),
    Row("GET", "/echo/silent", KEYED, "", 504, "upstream_timeout", RATE),
]  # fmt: skip


class Seen(NamedTuple):
    """What a client saw."""

    status: int
    fields: dict[str, str]
    body: bytes


async def by_path(peer: Peer) -> None:
    """Answer as the last segment of the path says."""
    last = peer.head.split()[1].rpartition(b"/")[2]
    if last == b"closes":
        peer.writer.close()
    elif last == b"nonsense":
        peer.writer.write(b"no HTTP at all\r\n\r\n")
    elif last == b"silent":
        await peer.reader.read()
    elif last == b"204":
        peer.writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    else:
        peer.writer.write(answer({b"500": 500, b"teapot": 418}.get(last, 200), b"mine"))


async def by_curl(base: str, row: Row, key: str) -> Seen:
    """Send a row with curl."""
    command = [
        "curl",
        "-s",
        "-i",
        "--path-as-is",
        "-X",
        row.method,
        "--max-time",
        "60",
        base + row.path.replace("{key}", key),
    ]
    for name, value in row.fields.items():
        command += ["-H", f"{name}: {value.replace('{key}', key)}"]
    command += ["-H", "Content-Type: application/json", "--data-binary", row.body] if row.body else []
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    head, _, body = output.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return Seen(int(lines[0].split()[1]), fields, body)


async def by_httpx(base: str, row: Row, key: str) -> Seen:
    """Send a row with httpx; the path goes out as it stands."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        url = httpx.URL(base).copy_with(raw_path=row.path.replace("{key}", key).encode())
        fields = {name: value.replace("{key}", key) for name, value in row.fields.items()}
        found = await client.request(row.method, url, headers=fields, content=row.body or None)
        return Seen(
            found.status_code, {name: value.lower() for name, value in found.headers.items()}, found.content
        )


def check(row: Row, seen: Seen) -> None:
    """Compare what a client saw with its row."""
    place = f"{row.method} {row.path[:40]}"
    assert seen.status == row.status, place
    for name, value in row.shown.items():
        assert seen.fields.get(name) == value.lower(), (place, name, seen.fields)
    assert len(seen.fields["x-request-id"]) == 26, place
    if not row.reason:
        assert seen.body == (b"" if row.status == 204 else b"mine"), place
        return
    problem = parse_canonical_json(seen.body)
    assert isinstance(problem, dict)
    assert (problem["reason"], problem["status"]) == (row.reason, row.status), place
    assert problem["type"] == f"/problems/{row.reason}", place
    assert str(problem["request_id"]).lower() == seen.fields["x-request-id"].lower(), place
    assert seen.fields["content-type"] == "application/problem+json", place


@pytest.mark.parametrize("client", [by_curl, by_httpx], ids=["curl", "httpx"])
async def test_every_row_that_concerns_http(client: object, tmp_path: Path) -> None:
    """GW-972, GW-507, GW-503: status, fields and body of every row, by two clients that know nothing of us."""
    assert callable(client)
    async with upstream(by_path) as back:
        (tmp_path / "policy.toml").write_bytes(policy_text(back.url, route=ROUTES))
        config = tmp_path / "gateway.toml"
        config.write_text(
            f'policy = "{tmp_path}/policy.toml"\ndata_dir = "{tmp_path}/data"\n[log]\naccess = false\n[telemetry]\nlisten = ""\n'
        )
        key = made_key(config, "acme", "--scope", "mine:read")
        with gateway_process(config) as gateway:
            for row in ROWS:
                check(row, await client(gateway.base, row, key))
