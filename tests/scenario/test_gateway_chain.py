"""The gateway as a process over a real recording: served trades, exact quota, and usage that survives ``kill -9``."""

import asyncio
import json
import os
import random
import signal
import sqlite3
from pathlib import Path

import httpx
import pytest
from tests.servers.gateway_process import gateway_process, made_key
from tests.servers.gateway_world import unguarded
from tests.tape import DAY, anchors, bundled, day_notes, frames, own_note
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_writer import JournalWriter
from veritape.observer.adapters.recording import Recording
from veritape.observer.notes import NoteKind

UNTIL = 32_400_000 + 60_000
CODE = "990001"
KILLS = 200 if os.environ.get("VERITAPE_SOAK") else 5  # noqa: TID251 - chooses the test's size
PAGE = f"/v1/trades?symbol={CODE}&day={DAY}&limit=1000"
FREE, SLOW = b"minute = { limit = 100, burst = 150 }", b"minute = { limit = 1, burst = 150 }"
"""The shipped Free tier's bucket, and one that gives back a unit a minute: what is spent stays so however long a test takes."""

BURST, GIVEN_BACK = 150, 10
"""Of that bucket; units that come back within the ten minutes that a test may take."""


async def record(data: Path) -> None:
    writer = JournalWriter(
        JournalOptions(data / "journal" / "KRX", reserve_bytes=0), lambda _: None, SystemClock()
    )
    closed = own_note(NoteKind.CLOSED, 56_100, day=DAY)
    for frame in (*day_notes(), *frames(until_ms=UNTIL), *anchors(until_ms=UNTIL), closed):
        writer.append(frame)
    await writer.close()
    await asyncio.sleep(0)
    recording = Recording(data)
    recording.load()
    recording.seal_due(DAY, 0, 120, all_hours=True)


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    await record(tmp_path / "observer")
    path, policy = tmp_path / "gateway.toml", tmp_path / "policy.toml"
    shipped = shipped_policy()
    assert FREE in shipped
    policy.write_bytes(unguarded(shipped.replace(FREE, SLOW)))
    path.write_text(
        f'policy = "{policy}"\ndata_dir = "{tmp_path}/gateway"\ntelemetry = {{ listen = "" }}\nread = {{ observer_dir = "{tmp_path}/observer" }}\n'
    )
    return path


def new_key(config: Path, tier: str) -> str:
    return str(json.loads(made_key(config, tier, "--json", tier=tier))["key"])


def ledger(config: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(config.parent / "gateway" / "usage.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_a_recording_is_served_under_quota(config: Path) -> None:
    """GW-741, GW-204, GW-906: the page holds the source's trades; 200 calls of a Free key admit its burst and little more."""
    free, pro = new_key(config, "free"), new_key(config, "pro")
    with gateway_process(config) as process:
        async with httpx.AsyncClient(base_url=process.base, timeout=PATIENCE_S) as client:
            page = (await client.get(PAGE, headers={"X-API-Key": pro})).json()
            source = [(str(one.price), str(one.shares)) for one in bundled(CODE).until(UNTIL).trades]
            assert [(item["price"], item["shares"]) for item in page["items"]] == source
            assert page["sealed"]
            for path in (f"/v1/bars?symbol={CODE}&day={DAY}", f"/v1/completeness?day={DAY}"):
                assert (await client.get(path, headers={"X-API-Key": pro})).status_code == 200
            statement = (await client.get(f"/v1/completeness?day={DAY}", headers={"X-API-Key": pro})).json()
            assert statement["closed"]
            answers = [
                await client.get(f"/v1/completeness?day={DAY}", headers={"X-API-Key": free})
                for _ in range(200)
            ]
        status, log = process.end(signal.SIGTERM)
    admitted = sum(answer.status_code == 200 for answer in answers)
    assert BURST <= admitted <= BURST + GIVEN_BACK
    assert {answer.status_code for answer in answers} == {200, 429}
    assert status == 0
    assert ledger(
        config, "SELECT sum(items) FROM usage_event WHERE kind = 'charge' AND account = 'free'"
    ) == [(admitted,)]
    assert ledger(config, "SELECT sum(items) FROM usage_event WHERE kind = 'denied'") == [(200 - admitted,)]
    secrets = b"".join(path.read_bytes() for path in (config.parent / "gateway").rglob("*") if path.is_file())
    for key in (free, pro):
        assert key not in log
        assert key.encode() not in secrets


async def flood(base: str, key: str, acknowledged: list[str]) -> None:
    """Ask without pause until the gateway is gone; note the id of every charged answer."""
    async with httpx.AsyncClient(base_url=base, headers={"X-API-Key": key}, timeout=PATIENCE_S) as client:
        while True:
            try:
                answer = await client.get("/v1/completeness?day=20991231")
            except httpx.TransportError:
                return
            if "x-request-cost" in answer.headers and answer.status_code != 429:
                acknowledged.append(answer.headers["x-request-id"])


async def test_kill_9_loses_no_acknowledged_charge_and_doubles_none(config: Path) -> None:
    """GW-661, GW-967: killed at random moments under load; each acknowledged charge is in the ledger once, months agree."""
    key, rng, acknowledged = new_key(config, "enterprise"), random.Random(967), list[str]()
    for _ in range(KILLS):
        with gateway_process(config) as process:
            clients = [asyncio.ensure_future(flood(process.base, key, acknowledged)) for _ in range(4)]
            enough = len(acknowledged) + rng.randint(6, 20)
            while len(acknowledged) < enough:
                await asyncio.sleep(rng.random() / 100)
            process.process.kill()
            await asyncio.gather(*clients)
    with gateway_process(config) as process:  # a start drains what the last kill left
        assert process.end(signal.SIGTERM)[0] == 0
    assert list((config.parent / "gateway" / "outbox").iterdir()) == []
    rows = ledger(
        config, "SELECT request_id, count(*) FROM usage_event WHERE kind = 'charge' GROUP BY request_id"
    )
    charged = {str(request): count for request, count in rows}
    assert len(acknowledged) > 5 * KILLS
    assert set(acknowledged) <= set(charged)
    assert set(charged.values()) == {1}
    assert len(charged) - len(set(acknowledged)) <= 4 * KILLS
    assert ledger(config, "SELECT sum(units_mu) FROM usage_month") == ledger(
        config, "SELECT sum(units_mu) FROM usage_event"
    )


async def test_a_killed_gateway_never_over_admits(config: Path) -> None:
    """GW-253: a Free key that has spent its burst finds it spent after ``kill -9`` and restart."""
    key, admitted = new_key(config, "free"), 0
    for _ in range(2):
        with gateway_process(config) as process:
            async with httpx.AsyncClient(
                base_url=process.base, headers={"X-API-Key": key}, timeout=PATIENCE_S
            ) as client:
                answers = [await client.get("/v1/completeness?day=20991231") for _ in range(160)]
            process.process.kill()
        admitted += sum(answer.status_code == 404 for answer in answers)
    assert BURST <= admitted <= BURST + GIVEN_BACK
