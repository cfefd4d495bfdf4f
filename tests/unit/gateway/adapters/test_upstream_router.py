"""Requests through the whole gateway to an upstream and back."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from tests.connections import head_of, open_to, serving
from tests.servers.gateway_world import World
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S

from veritape.gateway.policy_reader import read_policy
from veritape.gateway.reasons import PROBLEMS
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError


async def ask(world: World, method: str = "GET", path: str = "/echo", **given: object) -> httpx.Response:
    async with world.client() as client:
        return await client.request(method, path, **given)  # type: ignore[arg-type]


async def plain(peer: Peer) -> None:
    peer.writer.write(
        answer(200, b"hello", b"X-Mine: 1", b"RateLimit: forged", b"Connection: X-Hop", b"X-Hop: 1")
    )


async def test_a_request_goes_through_and_is_charged(tmp_path: Path) -> None:
    """GW-501, GW-503, GW-556, GW-407: who calls is said by us alone; rate fields are ours; hop-by-hop fields end here."""
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url))
        key = world.key()
        found = await ask(
            world, "GET", "/echo/a%7e?q=1",
            headers={"X-API-Key": key, "X-Tier": "pro", "X_Account_Id": "root", "X-Forwarded-For": "1.1.1.1", "TE": "trailers",
                     "Connection": "X-Private", "X-Private": "1", "Cookie": "c=1", "X-Request-Id": "mine"},
        )  # fmt: skip
        assert (found.status_code, found.content) == (200, b"hello")
        assert (found.headers["x-mine"], found.headers["via"], found.headers["x-request-id"]) == (
            "1",
            "1.1 veritape",
            "mine",
        )
        assert "x-hop" not in found.headers
        assert found.headers["ratelimit"].startswith('"minute";r=1499')
        peer = back.requests[0]
        assert peer.head.startswith(b"GET /echo/a~?q=1 HTTP/1.1\r\n")
        assert peer.field(b"host") == [f"127.0.0.1:{back.port}".encode()]
        assert peer.field(b"x-account-id") == [b"acme"]
        assert (peer.field(b"x-tier"), peer.field(b"x-forwarded-for")) == ([b"free"], [b"192.0.2.1"])
        assert (peer.field(b"via"), peer.field(b"x-forwarded-proto")) == ([b"1.1 veritape"], [b"http"])
        assert (peer.field(b"x-request-id"), peer.field(b"cookie")) == ([b"mine"], [b"c=1"])
        for name in (b"x-api-key", b"x_account_id", b"te", b"x-private", b"connection"):
            assert peer.field(name) == []
        assert world.memory.months["acme:live", "2026-11"] == 1_000
        world.gateway.upstreams.close()
        world.close()


async def test_connections_are_kept(tmp_path: Path) -> None:
    """GW-581, GW-585: one connection serves one request after the other."""
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url))
        for _ in range(3):
            assert (await ask(world)).status_code == 200
        assert (back.connections, len(back.requests)) == (1, 3)
        world.gateway.upstreams.close()
        world.close()


async def test_bodies_stream_both_ways(tmp_path: Path) -> None:
    """GW-554: a body of any framing arrives whole, and so does the answer."""

    async def echo(peer: Peer) -> None:
        peer.writer.write(answer(201, peer.body))

    async def pieces() -> object:
        for _ in range(40):
            yield b"x" * 10_000

    async with upstream(echo) as back:
        world = World(tmp_path, policy_text(back.url))
        assert (await ask(world, "POST", content=b"abc")).content == b"abc"
        assert back.requests[0].field(b"content-length") == [b"3"]
        large = await ask(world, "POST", content=pieces())
        assert (large.status_code, large.content) == (201, b"x" * 400_000)
        assert back.requests[1].field(b"transfer-encoding") == [b"chunked"]
        empty = await ask(world, "POST")
        assert (empty.content, back.requests[2].field(b"content-length")) == (b"", [b"0"])
        world.gateway.upstreams.close()
        world.close()


async def test_a_body_above_its_limit_is_cut(tmp_path: Path) -> None:
    """GW-552: 413 when more comes than the route takes, announced or not; nothing is charged for the announced one."""

    async def pieces() -> object:
        yield b"x" * 1_024
        yield b"x"

    async with upstream(plain) as back:
        back.reads_bodies = True
        world = World(tmp_path, policy_text(back.url, route="body_max_kib = 1"))
        for content in (b"x" * 1_025, pieces()):
            found = await ask(world, "POST", content=content)
            assert (found.status_code, found.json()["reason"]) == (413, "body_too_large")
            assert found.headers["connection"] == "close"
        assert back.requests == []
        world.gateway.upstreams.close()
        world.close()


async def close_at_once(peer: Peer) -> None:
    peer.writer.close()


async def no_http(peer: Peer) -> None:
    peer.writer.write(b"SSH-2.0-x\r\n")


async def two_lengths(peer: Peer) -> None:
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


async def too_much(peer: Peer) -> None:
    peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc")


async def twice(peer: Peer) -> None:
    peer.writer.write(answer() + answer())


async def large_head(peer: Peer) -> None:
    peer.writer.write(
        b"HTTP/1.1 200 OK\r\n" + b"X-A: %b\r\n" % (b"a" * 1_000) * 70 + b"Content-Length: 0\r\n\r\n"
    )


async def switch(peer: Peer) -> None:
    peer.writer.write(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (close_at_once, "upstream_closed"),
        (no_http, "upstream_protocol_error"),
        (two_lengths, "upstream_protocol_error"),
        (too_much, "upstream_protocol_error"),
        (twice, "upstream_protocol_error"),
        (large_head, "upstream_protocol_error"),
        (switch, "upstream_protocol_error"),
    ],
)
async def test_a_broken_answer_is_a_502_and_given_back(tmp_path: Path, script: object, reason: str) -> None:
    """GW-507, GW-582, GW-216: the reason is told, the month's units come back, the connection is thrown away."""
    async with upstream(script) as back:  # type: ignore[arg-type]
        world = World(tmp_path, policy_text(back.url))
        found = await ask(world, headers={"X-API-Key": world.key()})
        assert (found.status_code, found.json()["reason"]) == (502, reason)
        assert world.memory.months["acme:live", "2026-11"] == 0
        assert (world.log[-1].units_mu, world.log[-1].refunded_mu) == (0, 1_000)
        assert "ratelimit" in found.headers
        await ask(world)
        assert back.connections == 2
        world.gateway.upstreams.close()
        world.close()


async def test_nobody_there_is_a_502(tmp_path: Path) -> None:
    """GW-507, GW-581: no connection."""
    world = World(tmp_path, policy_text("http://127.0.0.1:1"))
    found = await ask(world, headers={"X-API-Key": world.key()})
    assert (found.status_code, found.json()["reason"]) == (502, "upstream_unreachable")
    assert world.memory.months["acme:live", "2026-11"] == 0
    world.close()


async def test_a_silent_upstream_is_a_504(tmp_path: Path) -> None:
    """GW-507, GW-582: the route's time ends the wait."""

    async def silent(peer: Peer) -> None:
        await asyncio.Event().wait()

    async with upstream(silent) as back:
        world = World(tmp_path, policy_text(back.url, route="timeout_s = 1"))
        found = await ask(world, headers={"X-API-Key": world.key()})
        assert (found.status_code, found.json()["reason"]) == (504, "upstream_timeout")
        assert world.memory.months["acme:live", "2026-11"] == 0
        world.gateway.upstreams.close()
        world.close()


@pytest.mark.parametrize(("refund", "left"), [("5xx", 0), ("gateway", 1_000), ("none", 1_000)])
async def test_an_upstream_s_own_failure_passes_unchanged(tmp_path: Path, refund: str, left: int) -> None:
    """GW-507, GW-216: 5xx of the upstream is passed on; its units come back where the route says so."""

    async def fails(peer: Peer) -> None:
        peer.writer.write(answer(500, b"mine"))

    async with upstream(fails) as back:
        world = World(tmp_path, policy_text(back.url, route=f'refund = "{refund}"'))
        found = await ask(world, headers={"X-API-Key": world.key()})
        assert (found.status_code, found.content) == (500, b"mine")
        assert world.memory.months["acme:live", "2026-11"] == left
        world.gateway.upstreams.close()
        world.close()


async def test_items_are_counted_and_charged(tmp_path: Path) -> None:
    """GW-144, GW-145, GW-744, GW-902: a unit an item; what cannot be counted costs nothing and never leaves."""
    async with upstream(plain) as back:
        world = World(
            tmp_path, policy_text(back.url, route='cost_per = { pointer = "/items", max_items = 3 }')
        )
        key = world.key()

        async def batch(body: bytes, **fields: str) -> tuple[int, str]:
            found = await ask(world, "POST", content=body, headers={"X-API-Key": key, **fields})
            return found.status_code, found.json()["reason"] if found.status_code >= 400 else ""

        assert await batch(b'{"items": [1, {"a": 2}, 3]}') == (200, "")
        assert world.memory.months["acme:live", "2026-11"] == 3_000
        assert back.requests[0].body == b'{"items": [1, {"a": 2}, 3]}'
        assert await batch(b'{"items": []}') == (422, "batch_empty")
        assert await batch(b'{"items": [1, 2, 3, 4]}') == (422, "batch_too_large")
        assert await batch(b'{"items": 3}') == (422, "invalid_body")
        assert await batch(b'{"items": [1], "items": [1]}') == (400, "bad_json")
        assert await batch(b"{}", **{"Content-Encoding": "gzip"}) == (415, "unsupported_media_type")
        assert (len(back.requests), world.memory.months["acme:live", "2026-11"]) == (1, 3_000)
        world.gateway.upstreams.close()
        world.close()


async def test_fields_are_changed_as_the_policy_says(tmp_path: Path) -> None:
    """GW-510: set, add, remove, with variables, on the way there and back."""
    rule = (
        'request_headers = { set = { X-Who = "$account/$tier", Cookie = "none" }, add = { X-Ip = "$client_ip" }, remove = ["Accept"] }\n'
        'response_headers = { set = { X-Mine = "$route" }, remove = ["X-Gone"] }'
    )

    async def chatty(peer: Peer) -> None:
        peer.writer.write(answer(200, b"", b"X-Mine: theirs", b"X-Gone: 1"))

    async with upstream(chatty) as back:
        world = World(tmp_path, policy_text(back.url, route=rule))
        found = await ask(world, headers={"X-API-Key": world.key(), "Cookie": "c=1", "Accept": "a/b"})
        peer = back.requests[0]
        assert (peer.field(b"x-who"), peer.field(b"cookie")) == ([b"acme/free"], [b"none"])
        assert (peer.field(b"x-ip"), peer.field(b"accept")) == ([b"192.0.2.1"], [])
        assert (found.headers["x-mine"], "x-gone" in found.headers) == ("echo", False)
        world.gateway.upstreams.close()
        world.close()


async def test_a_loop_ends(tmp_path: Path) -> None:
    """GW-556: our name in Via twice is 502, free of charge; once is no loop."""
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url))
        once = await ask(world, headers={"Via": "1.1 veritape"})
        assert (once.status_code, back.requests[0].field(b"via")) == (200, [b"1.1 veritape, 1.1 veritape"])
        found = await ask(world, headers={"Via": "1.1 veritape, 1.0 x, 1.1 veritape"})
        assert (found.status_code, found.json()["reason"], len(back.requests)) == (
            502,
            "upstream_unreachable",
            1,
        )
        world.gateway.upstreams.close()
        world.close()


async def test_methods_and_bodiless_answers(tmp_path: Path) -> None:
    """GW-506, GW-508: HEAD as GET without a body; 204 and 304; 405 names the methods; OPTIONS is ours."""

    async def by_method(peer: Peer) -> None:
        if peer.head.startswith(b"HEAD"):
            peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        else:
            peer.writer.write(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: x\r\n\r\n")

    async with upstream(by_method) as back:
        world = World(tmp_path, policy_text(back.url))
        head = await ask(world, "HEAD")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")
        known = await ask(world)
        assert (known.status_code, known.content, "content-length" in known.headers) == (304, b"", False)
        assert back.connections == 1
        refused = await ask(world, "DELETE")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST, HEAD, OPTIONS")
        assert (await ask(world, "OPTIONS")).status_code == 204
        assert len(back.requests) == 2
        world.gateway.upstreams.close()
        world.close()


async def test_an_answer_without_a_length_ends_with_its_connection(tmp_path: Path) -> None:
    """GW-582: informational answers are skipped; the end of the connection ends the body."""

    async def until_close(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\r\n\r\nall of it")
        peer.writer.close()

    async with upstream(until_close) as back:
        world = World(tmp_path, policy_text(back.url))
        found = await ask(world)
        assert (found.status_code, found.content, "link" in found.headers) == (200, b"all of it", False)
        world.close()


def test_every_reason_of_upstreams_has_its_status() -> None:
    """GW-507: 502, 503 and 504 rows."""
    found = {reason.value: problem.status for reason, problem in PROBLEMS.items() if "upstream" in reason}
    assert found == {
        "no_healthy_upstream": 503,
        "upstream_unreachable": 502,
        "upstream_protocol_error": 502,
        "upstream_closed": 502,
        "upstream_timeout": 504,
    }


async def test_a_redirect_is_passed_on_and_never_followed(tmp_path: Path) -> None:
    """GW-904, GW-585: nothing in an answer chooses a host either."""

    async def elsewhere(peer: Peer) -> None:
        peer.writer.write(answer(302, b"", b"Location: http://169.254.169.254/"))

    async with upstream(elsewhere) as back:
        world = World(tmp_path, policy_text(back.url))
        found = await ask(world)
        assert (found.status_code, found.headers["location"]) == (302, "http://169.254.169.254/")
        assert len(back.requests) == 1
        world.gateway.upstreams.close()
        world.close()


async def test_a_reload_keeps_unchanged_upstreams_and_drains_the_others(tmp_path: Path) -> None:
    """GW-105: a connection of an upstream whose table is the same goes on; a changed table takes the next request."""
    async with upstream(plain) as first, upstream(plain) as second:
        text = policy_text(first.url)
        world = World(tmp_path, text)
        await ask(world)
        world.gateway.swap(read_policy(text.replace(b"version = 1", b"version = 2"), "f"))
        await ask(world)
        assert first.connections == 1
        changed = policy_text(second.url).replace(b"version = 1", b"version = 3")
        world.gateway.swap(read_policy(changed, "f"))
        await ask(world)
        assert (len(first.requests), len(second.requests)) == (2, 1)
        world.gateway.upstreams.close()
        world.close()


@pytest.mark.parametrize("fails", [False, True])
async def test_the_upstream_works_while_the_charge_is_written(tmp_path: Path, *, fails: bool) -> None:
    """GW-502, GW-661: both at the same time; no byte of the answer before the charge is durable, and none at all if it cannot be."""
    disk, answered = threading.Event(), asyncio.Event()

    async def quick(peer: Peer) -> None:
        peer.writer.write(answer(200, b"whole"))
        answered.set()

    async with upstream(quick) as back:
        world = World(tmp_path, policy_text(back.url))
        write = world.usage._write

        def held(events: Sequence[UsageEvent]) -> object:
            disk.wait(PATIENCE_S)
            if fails:
                raise UnavailableError("disk full")
            return write(events)

        world.usage._write = held
        async with serving(world) as port:
            reader, writer = await open_to(port)
            writer.write(b"GET /echo HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\n\r\n" % world.key().encode())
            await asyncio.wait_for(answered.wait(), PATIENCE_S)
            receiving = asyncio.ensure_future(head_of(reader))
            await asyncio.wait((receiving,), timeout=0.1)
            assert not receiving.done()
            disk.set()
            head = await receiving
            assert head.startswith(b"HTTP/1.1 503 " if fails else b"HTTP/1.1 200 ")
            (used,) = world.memory.months.values()
            assert used == (0 if fails else 1_000)
            writer.close()
