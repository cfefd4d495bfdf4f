"""A real gateway in front of real upstreams: health, large bodies, leaving clients, drain, clients from elsewhere."""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.ports import kept_port
from tests.servers.gateway_process import GatewayProcess, gateway_process, made_key
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S, until

SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - the size of the test
LARGE_BYTES = 100 * 2**20
"""Streamed each way (GW-974)."""
GROWTH_BYTES = 8 * 2**20
"""Most that the process may grow while it streams; measured well below 1 MiB."""
REQUESTS = 400 if SOAK else 60
"""In progress or on their way when SIGTERM comes."""
PIECE = bytes(range(256)) * 256


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, policy: bytes, metrics: str = "", extra: str = ""
) -> AsyncIterator[GatewayProcess]:
    """Run a gateway with a policy."""
    (folder / "policy.toml").write_bytes(policy)
    config = folder / "gateway.toml"
    config.write_text(
        f'policy = "{folder}/policy.toml"\ndata_dir = "{folder}/data"\n{extra}[log]\naccess = false\n[telemetry]\nlisten = "{metrics}"\n'
    )
    with gateway_process(config) as process:
        yield process


async def take(peer: Peer) -> None:
    peer.writer.write(answer(200, b"%d" % len(peer.body)))


def resident_bytes(process: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_target_goes_out_and_comes_back(tmp_path: Path) -> None:
    """GW-974, GW-583: failing checks take a target out of the turn, succeeding ones bring it back; nobody sees an error."""
    ill = True
    served = []

    async def doubtful(peer: Peer) -> None:
        is_check = peer.head.startswith(b"GET /health ")
        served.extend([] if is_check else [0])
        peer.writer.write(answer(500 if is_check and ill else 200))

    async with upstream(doubtful) as first, upstream(take) as second:
        health = ', health = { path = "/health", interval_s = 1 }'
        policy = policy_text(first.url, second.url, upstream_extra=health)
        async with (
            gateway(tmp_path, policy) as process,
            httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S) as client,
        ):

            async def ask(times: int) -> int:
                """Ask so often; return how many requests the first target got."""
                before = len(served)
                for _ in range(times):
                    assert (await client.get("/echo")).status_code == 200
                return len(served) - before

            while await ask(10):
                await asyncio.sleep(0.1)
            ill = False
            while not await ask(10):
                await asyncio.sleep(0.1)
            assert await ask(10) == 5


async def test_a_large_body_streams_both_ways_within_bounded_memory(tmp_path: Path) -> None:
    """GW-974, GW-554: 100 MiB up and down; the process does not grow with them."""
    received = 0

    async def pour(peer: Peer) -> None:
        nonlocal received
        if peer.head.startswith(b"POST"):
            while size := int(await peer.reader.readuntil(b"\r\n"), 16):
                received += len(await peer.reader.readexactly(size + 2)) - 2
            await peer.reader.readexactly(2)
            peer.writer.write(answer(200, b"%d" % received))
            return
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE_BYTES)
        for _ in range(LARGE_BYTES // len(PIECE)):
            peer.writer.write(PIECE)
            await peer.writer.drain()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGE_BYTES // len(PIECE)):
            yield PIECE

    async with upstream(pour) as back:
        back.reads_bodies = False
        policy = policy_text(back.url, route="body_max_kib = 16384")
        async with (
            gateway(tmp_path, policy) as process,
            httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S) as client,
        ):
            assert (await client.get("/health")).status_code == 200
            before = most = resident_bytes(process.process.pid)
            total = 0
            async with client.stream("GET", "/echo") as found:
                async for piece in found.aiter_raw():
                    total += len(piece)
                    most = max(most, resident_bytes(process.process.pid))
            assert total == LARGE_BYTES
            for _ in range(8):  # a route takes 16 MiB at most
                upload = (one async for one in _first(pieces(), LARGE_BYTES // 8))
                assert (await client.post("/echo", content=upload)).status_code == 200
                most = max(most, resident_bytes(process.process.pid))
            assert received == LARGE_BYTES
            assert most - before < GROWTH_BYTES


async def _first(pieces: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """Yield so many bytes of an endless supply."""
    left = count
    async for piece in pieces:
        if not left:
            return
        yield piece[:left]
        left -= min(left, len(piece))


async def test_nothing_that_was_admitted_is_lost_at_the_end(tmp_path: Path) -> None:
    """GW-558, GW-974: SIGTERM while requests are in progress: each that reached the upstream is answered whole; exit 0."""
    gate = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await gate.wait()
        peer.writer.write(answer(200, b"whole"))

    async with upstream(slow) as back, gateway(tmp_path, policy_text(back.url)) as process:
        limits = httpx.Limits(max_connections=REQUESTS, max_keepalive_connections=REQUESTS)
        async with httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S, limits=limits) as client:
            asked = [asyncio.ensure_future(client.get("/echo")) for _ in range(REQUESTS)]
            wanted = min(REQUESTS, 128)
            await until(lambda: len(back.requests) >= wanted)
            process.process.send_signal(signal.SIGTERM)
            while True:
                try:
                    _, writer = await asyncio.open_connection(
                        "127.0.0.1", int(process.base.rpartition(":")[2])
                    )
                except OSError:
                    break
                writer.close()
                await asyncio.sleep(0.01)
            gate.set()
            answers = await asyncio.gather(*asked)
            assert {(one.status_code, one.content) for one in answers} == {(200, b"whole")}
            assert {one.headers.get("connection") for one in answers} == {"close"}
        assert await asyncio.to_thread(process.process.wait, PATIENCE_S) == 0


async def test_draining_is_said_before_the_port_closes(tmp_path: Path) -> None:
    """GW-558, GW-559: within ``drain_delay_s`` the port serves and ``/ready`` is 503; a second signal ends at once."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'data_dir = "{tmp_path}/data"\ndrain_delay_s = 30\n[log]\naccess = false\n[telemetry]\nlisten = ""\n'
    )
    with gateway_process(config) as process:
        async with httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S) as client:
            assert (await client.get("/ready")).status_code == 200
            process.process.send_signal(signal.SIGTERM)
            while (found := await client.get("/ready")).status_code == 200:
                await asyncio.sleep(0.01)
            assert (found.status_code, found.json()["status"]) == (503, "draining")
            assert (await client.get("/health")).status_code == 200
        process.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.process.wait, PATIENCE_S) == 0


@pytest.mark.parametrize("signals", [1, 2])
async def test_what_cannot_be_finished_in_time_is_told_so_and_costs_nothing(
    tmp_path: Path, signals: int
) -> None:
    """GW-558, GW-507, GW-661: at the end of ``drain_s``, or at once after a second signal: 503 ``draining``, uncharged, exit 0."""

    async def never(peer: Peer) -> None:
        await peer.reader.read()

    async with upstream(never) as back:
        extra = f"drain_s = {1 if signals == 1 else 60}\n"
        async with gateway(tmp_path, policy_text(back.url), extra=extra) as process:
            key = made_key(tmp_path / "gateway.toml", "acme")
            port = int(process.base.rpartition(":")[2])
            idle, half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            half[1].write(b"GET /echo HTTP/1.1\r\nHo")
            async with httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S) as client:
                asked = asyncio.ensure_future(client.get("/echo", headers={"X-API-Key": key}))
                await until(lambda: back.requests)
                process.process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(idle[0].read(), PATIENCE_S) == b""
                unfinished = await asyncio.wait_for(half[0].read(), PATIENCE_S)
                assert unfinished.startswith(b"HTTP/1.1 503 ")
                assert b'"reason":"draining"' in unfinished
                for _ in range(signals - 1):
                    process.process.send_signal(signal.SIGTERM)
                found = await asked
            assert (found.status_code, found.json()["reason"]) == (503, "draining")
            assert (found.headers["retry-after"], found.headers["connection"]) == ("1", "close")
            assert await asyncio.to_thread(process.process.wait, PATIENCE_S) == 0
            for _, writer in (idle, half):
                writer.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "usage.db")) as ledger:
        rows = ledger.execute("SELECT kind, units_mu, reason FROM usage_event ORDER BY seq").fetchall()
    assert rows == [("charge", 1_000, ""), ("refund", -1_000, "draining")]


async def test_figures_of_upstreams_are_on_the_page(tmp_path: Path) -> None:
    """TL-250, GW-771, GW-773: attempts, their time and healthy targets, set by requests."""

    async def moody(peer: Peer) -> None:
        peer.writer.write(answer(503 if b"/bad" in peer.head else 200))

    with kept_port() as port:
        async with (
            upstream(moody) as back,
            gateway(tmp_path, policy_text(back.url), f"127.0.0.1:{port}") as process,
            httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S) as client,
        ):
            for path in ("/echo", "/echo", "/echo/bad"):
                await client.get(path)
            page = ""
            while 'upstream_duration_seconds_count{upstream="back"} 3.0' not in page:  # drawn each second
                await asyncio.sleep(0.1)
                page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        assert 'gateway_upstream_requests_total{class="2xx",upstream="back"} 2.0' in page
        assert 'gateway_upstream_requests_total{class="5xx",upstream="back"} 1.0' in page
        assert 'gateway_upstream_healthy_targets{upstream="back"} 1.0' in page
